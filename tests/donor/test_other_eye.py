from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from donor.other_eye import copy_other_eye
from edit.options import Options, SmileOptions, Wish
from edit.plan import Edit, EditPlan, Intent, OtherEye, Rendered, Source
from edit.reasons import Cause, Reason
from face.analysis import FaceAnalysis
from face.appearance import measure_haze
from face.expression import CLOSED
from face.eye_geometry import IRIS_CENTER, find_iris
from face.search import remeasure
from face.types import EYES, Feature, Landmarks
from photo.blend import Patch
from photo.canvas import Canvas
from photo.types import FloatArray, Photo, Pixels
from retouch.engines import DraftEngine
from retouch.pipeline import fix_photo, plan_edits
from retouch.progress import ignore_progress
from retouch.quality import judge_edit
from retouch.report import describe, describe_analysis, to_json
from retouch.sources import choose_sources
from tests.conftest import FindFaces, LoadPhoto
from tests.support.painting import composite


@pytest.fixture(scope="module")
def winking(sample: LoadPhoto, faces_of: FindFaces) -> tuple[Pixels, Edit]:
    """The blinking astronaut with her right eye opened, and the edit that is left for the left one."""
    # Enlarged, so that a pixel of the eye is small beside what is measured in it.
    pixels = np.asarray(cv2.resize(sample("image_3.jpg"), None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC), np.uint8)
    plan = plan_edits([FaceAnalysis(pixels, face) for face in faces_of(pixels)], Options())
    half = EditPlan(tuple(edit for edit in plan.edits if edit.feature is Feature.RIGHT_EYE))
    painted = DraftEngine().paint(Canvas(pixels), half, ignore_progress)
    patches = zip(half.edits, painted.patches, strict=True)
    opened = composite(pixels, [Patch(edit.region, patch) for edit, patch in patches])
    face = remeasure(opened, plan.edits[0].face)
    assert face is not None
    (rest,) = plan_edits((FaceAnalysis(opened, face),), Options()).edits
    assert rest.feature is Feature.LEFT_EYE
    return opened, rest


def choose(
    analysis: FaceAnalysis, feature: Feature, *edited: Feature, amount: float = 0.5
) -> tuple[float, tuple[Source, ...]]:
    """How far one eye is to be opened and from what, when `edited` are to be edited, too."""
    intent = Intent(analysis, feature, 0.9, CLOSED, amount)
    intent, sources, _ = choose_sources(intent, {feature, *edited}, Options(), None)
    return intent.amount, sources


def is_copied(sources: tuple[Source, ...]) -> bool:
    return isinstance(sources[0], OtherEye)


def get_iris(sources: tuple[Source, ...]) -> FloatArray:
    """The colour of the iris should the eye be rendered."""
    assert isinstance(sources[-1], Rendered) and sources[-1].iris is not None
    return sources[-1].iris


def test_an_open_eye_is_copied_and_reads_as_open(winking: tuple[Pixels, Edit]) -> None:
    pixels, edit = winking
    assert is_copied(choose(edit.analysis, edit.feature)[1])
    after = remeasure(composite(pixels, [Patch(edit.region, copy_other_eye(pixels, edit))]), edit.face)
    assert after is not None
    right, left = after.landmarks.right_eye.aspect_ratio, after.landmarks.left_eye.aspect_ratio
    assert left == pytest.approx(right, abs=0.08)
    assert after.blink(Feature.LEFT_EYE) < 0.4


def test_an_eye_that_is_closed_or_about_to_be_opened_itself_is_no_source(winking: tuple[Pixels, Edit]) -> None:
    _, edit = winking
    alone, (amount, sources) = choose(edit.analysis, edit.feature)[1], choose(edit.analysis, *EYES[::-1])
    assert edit.feature is EYES[1] and not is_copied(sources)
    assert not np.allclose(get_iris(sources), get_iris(alone), atol=1)
    assert amount == 0.5
    # Seen from the open right eye, the left one is closed.
    assert not is_copied(choose(edit.analysis, Feature.RIGHT_EYE)[1])


def test_a_turned_head_is_not_mirrored(winking: tuple[Pixels, Edit]) -> None:
    pixels, edit = winking
    turned = FaceAnalysis(pixels, replace(edit.face, yaw_degrees=30.0))
    assert not is_copied(choose(turned, edit.feature)[1])


def test_the_iris_colour_is_that_of_the_other_eye(sample: LoadPhoto, faces_of: FindFaces) -> None:
    pixels = sample("image_2.jpg")
    face = faces_of(pixels)[0]
    painted = pixels.copy()
    x, y = (int(v) for v in face.landmarks.right_eye.iris[0, :2])
    painted[y - 12 : y + 13, x - 12 : x + 13] = (40, 90, 160)
    plain, blue = FaceAnalysis(pixels, face), FaceAnalysis(painted, face)
    for analysis in (plain, blue):
        color = analysis.eye(Feature.RIGHT_EYE).iris_color
        assert color is not None
        haze = measure_haze(analysis.appearance.black, analysis.eye(Feature.LEFT_EYE).skin)
        assert np.allclose(get_iris(choose(analysis, Feature.LEFT_EYE)[1]), np.maximum(color - haze, 1))
    seen = blue.eye(Feature.RIGHT_EYE).iris_color
    assert seen is not None and np.allclose(seen, (40, 90, 160))


def test_white_that_the_landmarks_call_iris_is_none(winking: tuple[Pixels, Edit]) -> None:
    """Somebody looks so far aside that half of the landmarks' circle is white."""
    pixels, edit = winking
    frame = edit.face.eye_frame(Feature.RIGHT_EYE)
    x, y = frame.grid(edit.face.box)
    looking = np.full_like(pixels, 200)
    looking[edit.face.box.slices][np.hypot(x - 0.25, y - 0.13) < 0.43] = (40, 60, 80)
    color = FaceAnalysis(looking, edit.face).eye(Feature.RIGHT_EYE).iris_color
    assert color is not None and np.allclose(color, (40, 60, 80), atol=12)


def test_the_wanted_opening_is_that_of_the_other_eye(winking: tuple[Pixels, Edit]) -> None:
    _, edit = winking
    narrow, usual, wide = (choose(edit.analysis, edit.feature, amount=amount)[0] for amount in (0.3, 0.5, 0.7))
    assert 0 <= narrow < usual < wide <= 1
    assert edit.amount == usual


def test_an_eye_cut_off_by_the_photos_edge_is_no_source(winking: tuple[Pixels, Edit]) -> None:
    pixels, edit = winking
    middle = int(edit.face.landmarks.right_eye.iris[0, 0])
    moved = edit.face.landmarks.points - np.array([middle, 0, 0], np.float32)
    cropped = FaceAnalysis(pixels[:, middle:], replace(edit.face, landmarks=Landmarks(moved)))
    (amount, sources), (_, without) = choose(cropped, edit.feature), choose(cropped, *EYES[::-1])
    assert not is_copied(sources)
    # It tells neither its colour nor how wide it is open.
    assert np.array_equal(get_iris(sources), get_iris(without)) and amount == 0.5


def test_the_plan_offers_the_open_eye_and_the_report_names_it(winking: tuple[Pixels, Edit]) -> None:
    pixels, edit = winking
    assert isinstance(edit.source, OtherEye)
    assert "left eye: would come from the right eye" in describe_analysis((edit.analysis,), EditPlan((edit,)))
    assert judge_edit(edit, edit.face).why == Cause(Reason.DONOR_EYE_NOT_OPEN, {"name": "the right eye"})
    result = fix_photo(Photo(pixels), Options(smile=SmileOptions(Wish.NEVER)), DraftEngine())
    (change,) = result.report.changes
    assert change.kept and isinstance(change.source, OtherEye)
    assert to_json(result.report)["changes"][0]["donor"]["photo"] == "the right eye"  # type: ignore[index]
    assert "from the right eye" in describe(result.report)


def test_the_iris_is_found_where_its_rim_is(winking: tuple[Pixels, Edit]) -> None:
    pixels, edit = winking
    frame = edit.face.eye_frame(Feature.RIGHT_EYE)
    box = edit.face.box
    x, y = frame.grid(box)
    blank = np.full_like(pixels, 190)
    blank[box.slices][np.hypot(x - 0.2, y - 0.13) < 0.43] = 40
    x_found, y_found, radius = find_iris(blank, edit.face.landmarks.right_eye, frame)
    assert x_found == pytest.approx(0.2, abs=0.06)
    assert radius == pytest.approx(0.43, abs=0.06)
    assert abs(y_found - 0.13) < 0.12


def test_both_eyes_look_the_same_way(winking: tuple[Pixels, Edit]) -> None:
    """A black iris that looks to the nose on the open side looks to the temple on the other."""
    pixels, edit = winking
    looking = pixels.copy()
    frame = edit.face.eye_frame(Feature.RIGHT_EYE)
    x, y = frame.grid(edit.face.box)
    part = looking[edit.face.box.slices]
    part[(np.abs(x) < 0.8) & (np.abs(y - 0.05) < 0.22)] = 215
    part[np.hypot(x - 0.15, y - 0.10) < 0.43] = 12
    copied = copy_other_eye(looking, replace(edit, analysis=FaceAnalysis(looking, edit.face)))
    own = edit.face.eye_frame(edit.feature)
    own_x, own_y = own.grid(edit.region.box)
    middle = (np.abs(own_y - 0.05) < 0.10) & (np.abs(own_x) < 0.8)
    dark = middle & (copied.mean(axis=2) < 70)
    assert float(own_x[dark].mean()) == pytest.approx(2 * IRIS_CENTER[0] - 0.15, abs=0.08)
