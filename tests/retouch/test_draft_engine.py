from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edit.options import EyeOptions, Options, SmileOptions, Wish
from edit.plan import EditPlan
from face.analysis import FaceAnalysis
from face.search import remeasure
from face.types import EYES, Feature
from photo.canvas import Canvas
from photo.measure import luma
from photo.types import Pixels
from retouch import engines
from retouch.engines import DraftEngine
from retouch.pipeline import plan_edits
from retouch.progress import ignore_progress
from tests.conftest import FindFaces, LoadPhoto
from tests.support.painting import composite_with, paint_with

ENGINE = DraftEngine()


def plan_of(pixels: Pixels, faces_of: FindFaces, eye_color: str | None = None) -> EditPlan:
    analyses = [FaceAnalysis(pixels, face) for face in faces_of(pixels)]
    return plan_edits(analyses, Options(eyes=EyeOptions(color=eye_color)))


def test_opens_the_closed_eyes_of_the_astronaut(sample: LoadPhoto, faces_of: FindFaces) -> None:
    pixels = sample("image_3.jpg")
    plan = plan_of(pixels, faces_of)
    assert {edit.feature for edit in plan.edits} == set(EYES)
    after = remeasure(composite_with(ENGINE, pixels, plan), plan.edits[0].face)
    assert after is not None
    for feature in EYES:
        assert after.eye(feature).aspect_ratio > 0.2
        assert after.blink(feature) < 0.4


def test_the_photo_is_not_written_to_and_the_canvas_left_as_it_was(sample: LoadPhoto, faces_of: FindFaces) -> None:
    pixels = sample("image_1.jpg")
    before = pixels.copy()
    plan = plan_of(pixels, faces_of)
    canvas = Canvas(pixels)
    painted = ENGINE.paint(canvas, plan, ignore_progress)
    assert np.array_equal(pixels, before)
    assert np.array_equal(canvas.work, before)
    for edit, patch in zip(plan.edits, painted.patches, strict=True):
        assert patch.shape == (edit.region.box.height, edit.region.box.width, 3) and patch.dtype == np.uint8
        assert not np.array_equal(patch, pixels[edit.region.box.slices])


def test_eyes_painted_before_are_taken_as_they_are_and_come_out_the_same(
    sample: LoadPhoto, faces_of: FindFaces, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = sample("image_1.jpg")
    analyses = [FaceAnalysis(pixels, face) for face in faces_of(pixels)]
    plan = plan_edits(analyses, Options(smile=SmileOptions(wish=Wish.ALWAYS)))
    eyes = {edit for edit in plan.edits if edit.feature in EYES}
    assert eyes and len(plan.edits) > len(eyes)
    first = ENGINE.paint(Canvas(pixels), plan, ignore_progress)
    assert set(first.alone) == eyes
    monkeypatch.setattr(engines, "open_eye", None)
    again = ENGINE.paint(Canvas(pixels), replace(plan, painted=first.alone), ignore_progress)
    assert all(np.array_equal(*pair) for pair in zip(first.patches, again.patches, strict=True))


def test_no_old_lash_line_is_left_under_the_eye(sample: LoadPhoto, faces_of: FindFaces) -> None:
    pixels = sample("image_3.jpg")
    plan = plan_of(pixels, faces_of)
    after = composite_with(ENGINE, pixels, plan)
    for edit in plan.edits:
        eye = edit.face.eye(edit.feature)
        down = eye.center - eye.brow_lower[2, :2]
        down /= np.linalg.norm(down)
        # Just under the lashes of the closed eye, where residue would show, against the cheek below.
        places = eye.lower[3:6, :2] + 0.13 * eye.width_px * down
        cheek = eye.lower[3:6, :2] + 0.45 * eye.width_px * down
        under, skin = (np.mean([luma(after[int(y), int(x)]) for x, y in p]) for p in (places, cheek))
        assert under > 0.72 * skin


def test_the_eye_colour_is_the_one_asked_for(sample: LoadPhoto, faces_of: FindFaces) -> None:
    pixels = sample("image_3.jpg")
    (face,) = faces_of(pixels)
    blueness = []
    for color in ("brown", "blue"):
        painted = paint_with(ENGINE, pixels, plan_of(pixels, faces_of, color))
        again = remeasure(painted, face)
        assert again is not None
        iris = again.landmarks.left_eye.iris[:, :2]
        # Below the pupil and its reflection.
        x, y = iris[0] + (0, 0.6 * float(np.linalg.norm(iris[1:] - iris[0], axis=1).mean()))
        patch = painted[int(y) - 2 : int(y) + 3, int(x) - 2 : int(x) + 3].astype(float).mean(axis=(0, 1))
        blueness.append(patch[2] - patch[0])
    assert blueness[1] > blueness[0] + 10


def test_the_same_seed_paints_the_same_photo(sample: LoadPhoto, faces_of: FindFaces) -> None:
    pixels = sample("image_3.jpg")
    plan = plan_of(pixels, faces_of)
    first, again = (paint_with(DraftEngine(seed=5), pixels, plan) for _ in range(2))
    assert np.array_equal(first, again)


def test_progress_ends_at_one(sample: LoadPhoto, faces_of: FindFaces) -> None:
    pixels = sample("image_3.jpg")
    told: list[float] = []
    ENGINE.paint(Canvas(pixels), plan_of(pixels, faces_of), lambda _words, share: told.append(share))
    assert told == sorted(told) and told[-1] == 1.0


def test_a_painted_eye_is_as_sharp_and_as_bright_as_the_photo(sample: LoadPhoto, faces_of: FindFaces) -> None:
    """The same face darkened to a tenth must get dark eyes, not glowing ones."""
    pixels = sample("image_3.jpg")
    face = faces_of(pixels)[0]
    dark = (pixels // 8).astype(np.uint8)
    for source in (pixels, dark):
        plan = plan_edits([FaceAnalysis(source, face)], Options())
        painted = paint_with(ENGINE, source, plan)
        box = plan.edits[0].region.box
        before, after = luma(source[box.slices]), luma(painted[box.slices])
        assert np.percentile(after, 99) < 1.5 * np.percentile(before, 99) + 4


@pytest.mark.parametrize("keep", EYES)
def test_one_closed_eye_takes_its_looks_from_the_open_one(
    sample: LoadPhoto, faces_of: FindFaces, keep: Feature
) -> None:
    """Open one eye of the blinking astronaut in blue first; the other one must then come out blue by itself."""
    pixels = sample("image_3.jpg")
    plan = plan_of(pixels, faces_of, "blue")
    # Wide, for a landmarker that sees one eye shut takes the other for half shut.
    half = EditPlan(tuple(replace(edit, amount=0.75) for edit in plan.edits if edit.feature is keep))
    winking = composite_with(ENGINE, pixels, half)
    face = remeasure(winking, plan.edits[0].face)
    assert face is not None
    # A wink that is painted may be read as none for sure.
    rest = plan_edits([FaceAnalysis(winking, face)], Options(eyes=EyeOptions(wish=Wish.ALWAYS)))
    assert [edit.feature for edit in rest.edits] == [(set(EYES) - {keep}).pop()]
    done = composite_with(ENGINE, winking, rest)
    after = remeasure(done, face)
    assert after is not None
    hues = []
    for feature in EYES:
        assert after.eye(feature).aspect_ratio > 0.2
        x, y = (int(v) for v in after.eye(feature).iris[0, :2])
        patch = done[y - 3 : y + 4, x - 3 : x + 4].astype(float).mean(axis=(0, 1))
        hues.append(patch[2] - patch[0])
    assert abs(hues[0] - hues[1]) < 12
