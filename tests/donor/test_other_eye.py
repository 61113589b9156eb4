from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from donor.other_eye import copy_other_eye, find_iris_color, is_fit_to_copy, match_other_eye
from edit.options import Options, SmileOptions, Wish
from edit.plan import Edit, EditPlan
from eyes_mask import eye_region
from face.eye_geometry import IRIS_CENTER, find_iris, measure_iris
from face.search import remeasure
from face.types import Face, Feature, Landmarks
from photo.blend import composite
from photo.types import Photo, Pixels
from retouch.engines import DraftEngine
from retouch.pipeline import fix_photo, ignore_progress, plan_edits
from retouch.report import describe
from tests.conftest import FindFaces, LoadPhoto


@pytest.fixture(scope="module")
def winking(sample: LoadPhoto, faces_of: FindFaces) -> tuple[Pixels, Edit]:
    """The blinking astronaut with her right eye opened, and the edit that is left for the left one."""
    pixels = sample("image_3.jpg")
    plan = plan_edits(pixels, faces_of(pixels), Options())
    half = EditPlan(tuple(edit for edit in plan.edits if edit.feature is Feature.RIGHT_EYE))
    opened = composite(pixels, DraftEngine().paint(pixels, half, ignore_progress), [edit.region for edit in half.edits])
    face = remeasure(opened, plan.edits[0].face)
    assert face is not None
    (rest,) = plan_edits(opened, (face,), Options()).edits
    assert rest.feature is Feature.LEFT_EYE
    return opened, rest


def test_an_open_eye_is_copied_and_reads_as_open(winking: tuple[Pixels, Edit]) -> None:
    pixels, edit = winking
    assert is_fit_to_copy(pixels, edit, EditPlan((edit,)))
    copied = pixels.copy()
    copied[edit.region.box.slices] = copy_other_eye(pixels, edit)
    after = remeasure(composite(pixels, copied, [edit.region]), edit.face)
    assert after is not None
    right, left = after.landmarks.right_eye.aspect_ratio, after.landmarks.left_eye.aspect_ratio
    assert left == pytest.approx(right, abs=0.08)
    assert after.blink(Feature.LEFT_EYE) < 0.4


def test_an_eye_that_is_closed_or_about_to_be_opened_itself_is_no_source(winking: tuple[Pixels, Edit]) -> None:
    pixels, edit = winking
    other = replace(edit, feature=Feature.RIGHT_EYE)
    both = EditPlan((edit, other))
    assert not is_fit_to_copy(pixels, edit, both)
    assert find_iris_color(pixels, edit, both) is None
    assert match_other_eye(pixels, edit, both) is edit
    # Seen from the open right eye, the left one is closed.
    assert not is_fit_to_copy(pixels, other, EditPlan((other,)))


def test_a_turned_head_is_not_mirrored(winking: tuple[Pixels, Edit]) -> None:
    pixels, edit = winking
    turned = replace(edit, face=replace(edit.face, yaw_degrees=30.0))
    assert not is_fit_to_copy(pixels, turned, EditPlan((turned,)))


def test_the_iris_colour_is_that_of_the_other_eye(sample: LoadPhoto, faces_of: FindFaces) -> None:
    pixels = sample("image_2.jpg")
    face: Face = faces_of(pixels)[0]
    region = eye_region(pixels.shape, face, Feature.LEFT_EYE)
    assert region is not None
    edit = Edit(face, Feature.LEFT_EYE, region, 0.9, 0.5, 0.5)
    color = find_iris_color(pixels, edit, EditPlan((edit,)))
    assert color is not None
    painted = pixels.copy()
    x, y = (int(v) for v in face.landmarks.right_eye.iris[0, :2])
    painted[y - 12 : y + 13, x - 12 : x + 13] = (40, 90, 160)
    blue = find_iris_color(painted, edit, EditPlan((edit,)))
    assert blue is not None and np.allclose(blue, (40, 90, 160))


def test_white_that_the_landmarks_call_iris_is_none(winking: tuple[Pixels, Edit]) -> None:
    """Somebody looks so far aside that half of the landmarks' circle is white."""
    pixels, edit = winking
    frame = edit.face.eye_frame(Feature.RIGHT_EYE)
    x, y = frame.grid(edit.face.box)
    looking = np.full_like(pixels, 200)
    looking[edit.face.box.slices][np.hypot(x - 0.25, y - 0.13) < 0.43] = (40, 60, 80)
    color = measure_iris(looking, edit.face, Feature.RIGHT_EYE)
    assert color is not None and np.allclose(color, (40, 60, 80), atol=12)


def test_the_wanted_opening_is_that_of_the_other_eye(winking: tuple[Pixels, Edit]) -> None:
    pixels, edit = winking
    plan = EditPlan((edit,))
    narrow = match_other_eye(pixels, replace(edit, amount=0.3), plan).amount
    wide = match_other_eye(pixels, replace(edit, amount=0.7), plan).amount
    assert 0 <= narrow < match_other_eye(pixels, edit, plan).amount < wide <= 1


def test_an_eye_cut_off_by_the_photos_edge_is_no_source(winking: tuple[Pixels, Edit]) -> None:
    pixels, edit = winking
    middle = int(edit.face.landmarks.right_eye.iris[0, 0])
    cropped = pixels[:, middle:]
    moved = edit.face.landmarks.points - np.array([middle, 0, 0], np.float32)
    inside = replace(edit, face=replace(edit.face, landmarks=Landmarks(moved)))
    assert not is_fit_to_copy(cropped, inside, EditPlan((inside,)))
    assert find_iris_color(cropped, inside, EditPlan((inside,))) is None


def test_the_plan_offers_the_open_eye_and_the_report_names_it(winking: tuple[Pixels, Edit]) -> None:
    pixels, edit = winking
    assert edit.donor is not None and edit.donor.mirrored
    assert edit.donor_eye is edit.face.landmarks.right_eye
    result = fix_photo(Photo(pixels), Options(smile=SmileOptions(Wish.NEVER)), DraftEngine())
    (change,) = result.report.changes
    assert change.kept and change.donor is not None and change.donor.name == "the right eye"
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
    copied = copy_other_eye(looking, edit)
    own = edit.face.eye_frame(edit.feature)
    own_x, own_y = own.grid(edit.region.box)
    middle = (np.abs(own_y - 0.05) < 0.10) & (np.abs(own_x) < 0.8)
    dark = middle & (copied.mean(axis=2) < 70)
    assert float(own_x[dark].mean()) == pytest.approx(2 * IRIS_CENTER[0] - 0.15, abs=0.08)
