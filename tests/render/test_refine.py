"""A rendered eye is refined inside its mask, in the colour that was chosen, and as finely as the photo is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
import pytest

from edit.options import EyeOptions, Options, SmileOptions, Wish
from edit.plan import Edit
from face.analysis import FaceAnalysis
from face.eye_geometry import evaluate_lid
from face.types import EYES, Feature
from photo.blend import blend
from photo.errors import MissingModel
from photo.measure import LUMA
from photo.types import FloatArray, Pixels
from render import refine
from render.canonical import MAP_COUNT, dim_catchlight, patch_size
from render.contrast import deepen_iris, match_contrast
from render.eye import OpenedEye, open_eye
from render.eyeball import aperture_alpha
from render.refine import EyeRefiner, load_refiner, measure_strength, refine_eye
from retouch.engines import DraftEngine
from retouch.pipeline import plan_edits
from tests.conftest import FindFaces, LoadPhoto, ReplaceModel

ONLY_EYES = Options(eyes=EyeOptions(wish=Wish.ALWAYS), smile=SmileOptions(wish=Wish.NEVER))


def _record(seen: list[FloatArray]) -> EyeRefiner:
    """Changes nothing, and keeps what it is shown."""

    def change(blob: FloatArray) -> FloatArray:
        seen.append(blob)
        return np.zeros((1, 3, *blob.shape[2:]), np.float32)

    return EyeRefiner(24, change)


def _tint(red: float, green: float, blue: float) -> EyeRefiner:
    """Adds one colour, in 8-bit steps, to the whole patch."""
    color = np.array([red, green, blue], np.float32)[None, :, None, None] / 127.5
    return EyeRefiner(24, lambda blob: np.broadcast_to(color, (1, 3, *blob.shape[2:])).astype(np.float32))


@dataclass(frozen=True, eq=False)
class Opened:
    """A photo, one of its edits, and the eye as it was rendered."""

    pixels: Pixels
    edit: Edit
    eye: OpenedEye

    def refine(self, refiner: EyeRefiner, strength: float = 1.0, seed: int = 1) -> Pixels:
        """Return the box of the edit's region, refined."""
        appearance = self.edit.analysis.appearance
        return refine_eye(self.pixels, self.eye, self.edit.region, appearance, strength, refiner, seed)


def _open(pixels: Pixels, faces_of: FindFaces, number: int = 0) -> Opened:
    (face,) = faces_of(pixels)
    edit = plan_edits([FaceAnalysis(pixels, face)], ONLY_EYES).edits[number]
    return Opened(pixels, edit, open_eye(pixels, edit, DraftEngine().shade_eye(edit)))


@pytest.fixture
def opened(real_photo: LoadPhoto, faces_of: FindFaces) -> Opened:
    return _open(real_photo("takano_blink.jpg"), faces_of)


def _opening(opened: Opened) -> FloatArray:
    x, y = opened.eye.geometry.frame.grid(opened.edit.region.box)
    return aperture_alpha(x, y, opened.eye.geometry.lids, softness=0.02)


def test_a_network_that_changes_nothing_leaves_every_pixel(opened: Opened) -> None:
    assert np.array_equal(opened.refine(_tint(0, 0, 0)), opened.eye.pixels)


def test_what_changes_lies_inside_the_mask(opened: Opened) -> None:
    refined = opened.refine(_tint(20, 20, 20))
    change = refined.astype(int) - opened.eye.pixels
    alpha = opened.edit.region.alpha
    before = opened.pixels[opened.edit.region.box.slices]
    assert np.array_equal(blend(before, refined, alpha)[alpha == 0], before[alpha == 0])
    within = _opening(opened) > 0.9
    assert change[within].mean() == pytest.approx(20, abs=2)
    half = opened.refine(_tint(20, 20, 20), strength=0.5).astype(int) - opened.eye.pixels
    assert half[within].mean() == pytest.approx(10, abs=2)


def test_around_the_opening_the_change_fades_and_is_no_hue(opened: Opened) -> None:
    x, y = opened.eye.geometry.frame.grid(opened.edit.region.box)
    lids, middle = opened.eye.geometry.lids, np.abs(x) < 0.5
    below = evaluate_lid(lids.lower, x) - y
    change = opened.refine(_tint(-40, 20, 60)).astype(int) - opened.eye.pixels
    near, far = middle & (below > 0.08) & (below < 0.12), middle & (below > 0.42)
    luma = float(np.array([-40, 20, 60]) @ LUMA)
    assert 0.3 * luma < change[near].mean() < 1.1 * luma
    assert np.abs(change[near] - change[near].mean(axis=1, keepdims=True)).mean() < 3
    assert np.abs(change[far]).max() <= 1


def test_the_photo_gets_the_change_once_where_the_mask_is_soft(opened: Opened) -> None:
    region = opened.edit.region
    soft = replace(opened.edit, region=replace(region, alpha=0.5 * region.alpha))
    halved = Opened(opened.pixels, soft, opened.eye)
    before = opened.pixels[region.box.slices]
    plain = blend(before, opened.eye.pixels, soft.region.alpha).astype(float)
    refined = blend(before, halved.refine(_tint(30, 30, 30)), soft.region.alpha).astype(float)
    assert (refined - plain)[_opening(opened) > 0.9].mean() == pytest.approx(15, abs=2)


def test_the_network_is_shown_the_eye_its_mask_and_its_maps_nose_to_the_right(opened: Opened) -> None:
    seen: list[FloatArray] = []
    opened.refine(_record(seen))
    (blob,) = seen
    assert blob.shape == (1, 3 + 1 + MAP_COUNT + 1, *patch_size(24)) and blob.dtype == np.float32
    patch, mask, opening, noise = blob[0, :3], blob[0, 3], blob[0, 4], blob[0, -1]
    assert patch.min() >= -1.1 and patch.max() <= 1.1 and 0 <= mask.min() <= mask.max() <= 1
    inside = opening > 0.9
    assert mask[inside].min() > 0.9 and patch[:, inside].std() > patch[:, mask < 0.01].std() * 0.3
    assert abs(noise.mean()) < 0.1 and noise.std() == pytest.approx(1, abs=0.1)


def test_both_eyes_of_a_face_share_the_noise_as_seen_in_the_photo(real_photo: LoadPhoto, faces_of: FindFaces) -> None:
    seen: list[FloatArray] = []
    for number in range(2):
        _open(real_photo("takano_blink.jpg"), faces_of, number).refine(_record(seen), seed=7)
    one, other = (blob[0, -1] for blob in seen)
    assert np.array_equal(one, other[:, ::-1])
    _open(real_photo("takano_blink.jpg"), faces_of).refine(_record(seen), seed=8)
    assert not np.array_equal(seen[2][0, -1], one)


def _mean_in_iris(opened: Opened, picture: Pixels) -> FloatArray:
    geometry = opened.eye.geometry
    x, y = geometry.frame.grid(opened.edit.region.box)
    distance = np.hypot(x - geometry.center[0], y - geometry.center[1])
    where = (distance > 0.2) & (distance < 0.3) & (opened.edit.region.alpha > 0.9) & (y < geometry.center[1])
    return np.asarray(picture[where].mean(axis=0), np.float32)


def test_the_iris_keeps_its_hue_and_the_white_does_not(opened: Opened) -> None:
    refined = opened.refine(_tint(-20, 0, 30))
    change = _mean_in_iris(opened, refined) - _mean_in_iris(opened, opened.eye.pixels)
    luma = float(np.array([-20, 0, 30]) @ LUMA)
    assert np.abs(change - luma).max() < 6
    x, y = opened.eye.geometry.frame.grid(opened.edit.region.box)
    center = opened.eye.geometry.center
    white = (_opening(opened) > 0.95) & (np.hypot(x - center[0], y - center[1]) > 0.55)
    assert (refined.astype(int) - opened.eye.pixels)[white].mean(axis=0) == pytest.approx([-20, 0, 30], abs=4)


def test_a_gray_photo_stays_gray(real_photo: LoadPhoto, faces_of: FindFaces) -> None:
    pixels = real_photo("takano_blink.jpg")
    gray = np.repeat(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    opened = _open(gray, faces_of)
    region = opened.edit.region
    result = blend(gray[region.box.slices], opened.refine(_tint(-25, 5, 30)), region.alpha).astype(int)
    assert np.abs(result - result.mean(axis=2, keepdims=True)).max() <= 2
    lighter = opened.refine(_tint(20, 20, 20)).astype(int) - opened.eye.pixels
    assert lighter[_opening(opened) > 0.9].mean() > 12


def test_a_large_eye_is_as_grainy_as_its_photo(real_photo: LoadPhoto, faces_of: FindFaces) -> None:
    pixels = real_photo("takano_blink.jpg")
    large = np.asarray(cv2.resize(pixels, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC), np.float32)
    large += np.random.default_rng(2).normal(0, 6, large.shape)
    opened = _open(np.clip(large, 0, 255).astype(np.uint8), faces_of)
    assert opened.eye.geometry.frame.half_width_px > 2.2 * 24
    refined = opened.refine(_tint(0, 0, 0))
    x, y = opened.eye.geometry.frame.grid(opened.edit.region.box)
    center = opened.eye.geometry.center
    within = np.hypot(x - center[0], y - center[1]) < 0.2

    def grain(picture: Pixels) -> float:
        green = picture[..., 1].astype(np.float32)
        return float((green - cv2.GaussianBlur(green, (0, 0), 2))[within].std())

    assert grain(refined) > 0.5 * grain(opened.eye.pixels)


def test_tiny_eyes_and_those_of_a_profile_stay_as_they_are_rendered(opened: Opened) -> None:
    frame = opened.eye.geometry.frame
    assert measure_strength(frame, 0.0) == 1 == measure_strength(frame, -20.0)
    assert measure_strength(frame, 45.0) == 0
    assert 0 < measure_strength(frame, 34.0) < 1
    tiny = replace(frame, x_axis=frame.x_axis * 5 / frame.half_width_px, y_axis=frame.y_axis * 5 / frame.half_width_px)
    assert measure_strength(tiny, 0.0) == 0


def test_the_engine_refines_what_it_renders_without_its_catchlight(real_photo: LoadPhoto, faces_of: FindFaces) -> None:
    opened = _open(real_photo("takano_blink.jpg"), faces_of)
    refined = DraftEngine(refiner=_tint(0, 0, 0)).render_eye(opened.pixels, opened.edit, lambda: None)
    shading = dim_catchlight(DraftEngine().shade_eye(opened.edit), 0.0)
    rendered = open_eye(opened.pixels, opened.edit, shading)
    box, asked, expected = opened.edit.region.box, shading.iris + shading.haze, opened.edit.analysis.eye_contrast
    assert expected is not None
    deepened = deepen_iris(rendered.pixels, box, rendered.geometry, asked)
    assert np.array_equal(refined, match_contrast(deepened, box, rendered.geometry.frame, expected))
    assert not np.array_equal(refined, opened.eye.pixels)
    plain = DraftEngine().render_eye(opened.pixels, opened.edit, lambda: None)
    assert np.array_equal(plain, opened.eye.pixels)


# ---- the network that comes with the program ---------------------------------------------------------------


@pytest.fixture
def fresh_refiner() -> Iterator[None]:
    """The network is loaded anew inside the test, and again after it."""
    load_refiner.cache_clear()
    yield
    load_refiner.cache_clear()


@pytest.mark.usefixtures("fresh_refiner")
@pytest.mark.parametrize("content", [None, b"", b"not a model"])
@pytest.mark.parametrize("is_sum_right", [False, True])
def test_a_missing_or_damaged_network_is_named(
    replace_model: ReplaceModel, content: bytes | None, is_sum_right: bool
) -> None:
    replace_model(refine._MODEL, content, is_sum_right)
    with pytest.raises(MissingModel, match=re.escape(refine._MODEL)):
        load_refiner()


@pytest.mark.parametrize("eye", EYES)
def test_it_changes_a_rendered_eye_and_gives_it_a_catchlight(
    real_photo: LoadPhoto, faces_of: FindFaces, eye: Feature
) -> None:
    pixels = real_photo("takano_blink.jpg")
    (face,) = faces_of(pixels)
    edit = next(e for e in plan_edits([FaceAnalysis(pixels, face)], ONLY_EYES).edits if e.feature is eye)
    dim = open_eye(pixels, edit, dim_catchlight(DraftEngine().shade_eye(edit), 0.0))
    refined = DraftEngine(refiner=load_refiner()).render_eye(pixels, edit, lambda: None)
    x, y = dim.geometry.frame.grid(edit.region.box)
    across, up = x - dim.geometry.center[0], y - dim.geometry.center[1]
    within = np.hypot(across, up) < 0.35
    assert np.abs(refined.astype(int) - dim.pixels)[within].mean() > 2
    pupil = np.hypot(across, up) < 0.2
    lighter = (refined.astype(float) - dim.pixels).mean(axis=2)[pupil]
    assert lighter.max() > lighter.mean() + 15
