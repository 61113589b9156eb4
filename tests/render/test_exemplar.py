"""A rendered eye gets the fine structure of an exemplar, and keeps its place, its colour and its light."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np
import pytest

from edit.options import EyeOptions, Options, SmileOptions, Wish
from edit.plan import Edit
from face.analysis import FaceAnalysis
from face.eye_geometry import IRIS_RADIUS
from face.types import EYES
from photo.errors import MissingModel
from photo.measure import LUMA
from photo.types import FloatArray, Pixels
from render import exemplar
from render.canonical import cut_patch, patch_box
from render.exemplar import (
    UNIT_PX,
    Exemplar,
    ExemplarPair,
    EyeColors,
    EyeView,
    choose_pair,
    find_glint_side,
    lay_exemplar,
    load_exemplars,
    measure_colors,
)
from render.eye import OpenedEye, open_eye
from render.eyeball import aperture_alpha
from retouch.engines import DraftEngine
from retouch.pipeline import plan_edits
from tests.conftest import FindFaces, LoadPhoto, ReplaceModel

ONLY_EYES = Options(eyes=EyeOptions(wish=Wish.ALWAYS), smile=SmileOptions(wish=Wish.NEVER))
Opened = tuple[Pixels, Edit, OpenedEye]


def _open(pixels: Pixels, faces_of: FindFaces, number: int = 0) -> Opened:
    (face,) = faces_of(pixels)
    edit = plan_edits([FaceAnalysis(pixels, face)], ONLY_EYES).edits[number]
    return pixels, edit, open_eye(pixels, edit, DraftEngine().shade_eye(edit))


@pytest.fixture
def opened(real_photo: LoadPhoto, faces_of: FindFaces) -> Opened:
    return _open(real_photo("takano_blink.jpg"), faces_of)


def _lay(opened: Opened, strength: float = 1.0, number: int = 0) -> Pixels:
    pixels, edit, eye = opened
    pair = load_exemplars()[number]
    one = pair.of(eye.geometry.frame.toward_right)
    return lay_exemplar(pixels, eye, edit.region, edit.analysis.appearance, strength, one)


def _within(opened: Opened) -> tuple[FloatArray, FloatArray]:
    """The opening 0 … 1, and the distance to the middle of the iris in radii, of every pixel of the eye's box."""
    _, edit, eye = opened
    x, y = eye.geometry.frame.grid(edit.region.box)
    return aperture_alpha(x, y, eye.geometry.lids, 0.1), np.hypot(*eye.geometry.from_iris(x, y)) / IRIS_RADIUS


def _colors(opened: Opened, eye: Pixels) -> EyeColors:
    pixels, edit, first = opened
    shown = pixels.copy()
    shown[edit.region.box.slices] = eye
    frame = first.geometry.frame
    around = patch_box(frame, pixels.shape)
    assert around is not None
    patch = cut_patch(shown[around.slices], frame, UNIT_PX, around)
    found = measure_colors(patch, EyeView.of(first.geometry))
    assert found is not None
    return found


def test_only_what_lies_between_the_lids_changes(opened: Opened) -> None:
    eye, result = opened[2].pixels, _lay(opened)
    opening, radii = _within(opened)
    change = np.abs(result.astype(int) - eye).max(axis=2)
    far = cv2.dilate(np.asarray(opening > 0.02, np.uint8), np.ones((9, 9), np.uint8)) == 0
    assert change[far].max() <= 1
    assert change[(opening > 0.9) & (radii < 1)].mean() > 3


@pytest.mark.parametrize("number", [0, 5, 12, 20, 30])
def test_the_eye_keeps_the_colours_that_were_rendered(opened: Opened, number: int) -> None:
    wanted, got = _colors(opened, opened[2].pixels), _colors(opened, _lay(opened, number=number))
    for part, most in (("iris", 14), ("white", 16)):
        one, other = (
            cv2.cvtColor(np.asarray(getattr(colors, part) / 255, np.float32)[None, None], cv2.COLOR_RGB2LAB)[0, 0]
            for colors in (wanted, got)
        )
        assert np.linalg.norm(one - other) < most, part


def test_the_iris_gets_structure_and_a_reflection(opened: Opened) -> None:
    pixels, edit, _ = opened
    dim = replace(DraftEngine().shade_eye(edit), catchlight=DraftEngine().shade_eye(edit).black)
    plain = pixels, edit, open_eye(pixels, edit, dim)
    opening, radii = _within(plain)
    iris = (opening > 0.9) & (radii < 0.9)
    before, after = (picture[iris] @ LUMA for picture in (plain[2].pixels, _lay(plain)))
    assert after.std() > 1.2 * before.std()
    assert after.max() > before.max() + 15


def test_strength_fades_it(opened: Opened) -> None:
    eye = opened[2].pixels
    assert np.array_equal(_lay(opened, 0.0), eye)
    whole, half = (np.abs(_lay(opened, strength).astype(int) - eye).mean() for strength in (1.0, 0.5))
    assert half == pytest.approx(whole / 2, rel=0.2)


def test_a_gray_photo_stays_gray(real_photo: LoadPhoto, faces_of: FindFaces) -> None:
    gray = np.repeat(cv2.cvtColor(real_photo("takano_blink.jpg"), cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    result = _lay(_open(gray, faces_of)).astype(int)
    assert np.abs(result - result.mean(axis=2, keepdims=True)).max() <= 2


def test_an_eye_that_shows_no_colours_stays_as_it_is(opened: Opened) -> None:
    pixels, edit, eye = opened
    lids = replace(eye.geometry.lids, upper=eye.geometry.lids.lower)
    shut = replace(eye, geometry=replace(eye.geometry, lids=lids))
    assert np.array_equal(_lay((pixels, edit, shut)), eye.pixels)


def test_both_eyes_of_a_face_come_from_one_pair(
    real_photo: LoadPhoto, faces_of: FindFaces, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = real_photo("takano_blink.jpg")
    (face,) = faces_of(pixels)
    plan = plan_edits([FaceAnalysis(pixels, face)], ONLY_EYES)
    taken = []

    def note(*arguments: object) -> Pixels:
        taken.append(arguments[-1])
        eye = arguments[1]
        assert isinstance(eye, OpenedEye)
        return eye.pixels

    monkeypatch.setattr("retouch.engines.lay_exemplar", note)
    engine = DraftEngine(exemplars=load_exemplars())
    right, left = (
        engine.render_eye(pixels, edit, lambda: None, plan.edits[0]) is not None and taken[-1] for edit in plan.edits
    )
    (pair,) = [pair for pair in load_exemplars() if pair.right is right]
    assert len(plan.edits) == len(EYES) and pair.left is left


# ---- choosing ----------------------------------------------------------------------------------------------


def _pair(iris: tuple[int, int, int], light: float = 0.0) -> ExemplarPair:
    skin = np.array([200, 150, 130], np.float32)
    colors = EyeColors(np.array(iris, np.float32), skin, skin)
    one = Exemplar(np.zeros((5, 5, 3), np.uint8), np.ones((5, 5), np.float32), colors)
    return ExemplarPair(one, one, light)


def test_the_iris_that_needs_the_least_change_is_chosen() -> None:
    pairs = _pair((150, 140, 130)), _pair((80, 55, 40)), _pair((70, 110, 150))
    skin = np.array([200, 150, 130], np.float32)
    for iris, wanted in (((85, 60, 45), 1), ((75, 105, 140), 2), ((150, 142, 135), 0)):
        assert choose_pair(pairs, np.array(iris, np.float32), skin, 0.0, 3) is pairs[wanted]


def test_light_from_the_wrong_side_is_avoided_and_equals_are_drawn_from() -> None:
    iris, skin = np.array([80, 55, 40], np.float32), np.array([200, 150, 130], np.float32)
    pairs = _pair((80, 55, 40), 0.9), _pair((80, 55, 40), -0.9)
    assert all(choose_pair(pairs, iris, skin, 1.0, seed) is pairs[0] for seed in range(8))
    assert {choose_pair(pairs, iris, skin, 0.0, seed).light for seed in range(8)} == {0.9, -0.9}


# ---- the exemplars that come with the program --------------------------------------------------------------


def test_they_are_pairs_with_what_is_known_of_them() -> None:
    pairs = load_exemplars()
    assert len(pairs) >= 24
    for pair in pairs:
        assert -1 <= pair.light <= 1
        for one in (pair.right, pair.left):
            assert one.pixels.shape[:2] == one.alpha.shape and 0.1 < one.alpha.mean() < 0.9
            assert 0.05 < one.colors.iris_ratio < 0.9
            assert float(one.colors.iris @ LUMA) < float(one.colors.white @ LUMA)
            middle = one.pixels[one.pixels.shape[0] // 2, one.pixels.shape[1] // 2]
            assert one.alpha[one.alpha.shape[0] // 2, one.alpha.shape[1] // 2] > 0.9, middle


def test_the_side_of_a_reflection_is_found() -> None:
    pair = load_exemplars()[0]
    pixels = np.full_like(pair.right.pixels, 50)
    height, width = pixels.shape[:2]
    pixels[height // 2 - 4 : height // 2, width // 2 + 6 : width // 2 + 10] = 250
    dark = EyeColors(np.full(3, 50, np.float32), np.full(3, 200, np.float32), np.full(3, 200, np.float32))
    one = Exemplar(pixels, np.ones((height, width), np.float32), dark)
    assert find_glint_side(one) > 0.2
    assert find_glint_side(replace(one, pixels=pixels[:, ::-1])) < -0.2


@pytest.fixture
def fresh_exemplars() -> Iterator[None]:
    """They are loaded anew inside the test, and again after it."""
    load_exemplars.cache_clear()
    yield
    load_exemplars.cache_clear()


@pytest.mark.usefixtures("fresh_exemplars")
@pytest.mark.parametrize("content", [None, b"", b"no exemplars"])
@pytest.mark.parametrize("is_sum_right", [False, True])
def test_a_missing_or_damaged_file_is_named(
    replace_model: ReplaceModel, content: bytes | None, is_sum_right: bool
) -> None:
    replace_model(exemplar._MODEL, content, is_sum_right)
    with pytest.raises(MissingModel, match=re.escape(exemplar._MODEL)):
        load_exemplars()
