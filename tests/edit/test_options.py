"""What is wanted for one face alone counts for that face, and for no other."""

from __future__ import annotations

import pytest

from edit.options import FaceChoice, Options
from edit.plan import EditPlan
from face.types import Feature
from photo.errors import BadOption
from photo.types import Photo
from retouch.engines import DraftEngine
from retouch.pipeline import fix_photo, plan_edits
from tests.conftest import FindFaces, LoadPhoto


def wanted(plan: EditPlan, number: int) -> set[Feature]:
    return {edit.feature for edit in plan.edits if edit.face.number == number}


def test_a_face_can_be_left_alone_for_itself(sample: LoadPhoto, faces_of: FindFaces) -> None:
    pixels = sample("image_4.jpg")
    faces = faces_of(pixels)
    usual = plan_edits(pixels, faces, Options())
    alone = plan_edits(pixels, faces, Options(choices={1: FaceChoice(eyes=False)}))
    assert wanted(usual, 1) and not wanted(alone, 1)
    assert "switched off" in next(skip.reason for skip in alone.skips if skip.face.number == 1)
    for number in range(2, 6):
        assert wanted(alone, number) == wanted(usual, number)


def test_amounts_are_those_of_the_face(sample: LoadPhoto, faces_of: FindFaces) -> None:
    pixels = sample("image_4.jpg")
    options = Options(smile_strength=0.4, choices={3: FaceChoice(smile_strength=0.9), 1: FaceChoice(eye_opening=0.2)})
    plan = plan_edits(pixels, faces_of(pixels), options)
    amounts = {(edit.face.number, edit.feature): edit.amount for edit in plan.edits}
    assert amounts[3, Feature.MOUTH] == 0.9
    assert amounts[5, Feature.MOUTH] == 0.4
    assert amounts[1, Feature.LEFT_EYE] == 0.2
    assert amounts[4, Feature.LEFT_EYE] == 0.5


def test_off_for_the_whole_photo_a_face_can_still_ask(sample: LoadPhoto, faces_of: FindFaces) -> None:
    pixels = sample("image_4.jpg")
    plan = plan_edits(pixels, faces_of(pixels), Options(smile=False, choices={3: FaceChoice(smile=True)}))
    assert wanted(plan, 3) == {Feature.MOUTH}
    assert not wanted(plan, 5)


def test_asking_does_not_open_eyes_that_are_wide_open(sample: LoadPhoto, faces_of: FindFaces) -> None:
    pixels = sample("image_4.jpg")
    plan = plan_edits(pixels, faces_of(pixels), Options(choices={2: FaceChoice(eyes=True, smile=True)}))
    reasons = {skip.feature: skip.reason for skip in plan.skips if skip.face.number == 2}
    assert reasons[Feature.LEFT_EYE] == "open already" and reasons[Feature.MOUTH] == "already smiling"


def test_faces_found_before_are_not_searched_again(sample: LoadPhoto, faces_of: FindFaces) -> None:
    pixels = sample("image_4.jpg")
    only = faces_of(pixels)[2:3]
    result = fix_photo(Photo(pixels), Options(engine="draft"), DraftEngine(), faces=only)
    assert [face.number for face in result.report.faces] == [3]
    assert {change.face.number for change in result.report.changes} == {3}


@pytest.mark.parametrize("bad", [-0.1, 1.1, float("nan")])
def test_amounts_out_of_range_are_refused(bad: float) -> None:
    with pytest.raises(BadOption, match="between 0 and 1"):
        FaceChoice(eye_opening=bad)
    with pytest.raises(BadOption, match="between 0 and 1"):
        FaceChoice(smile_strength=bad)
