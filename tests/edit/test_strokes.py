"""What is painted by hand grows, cuts and cancels the edits it lies at, and no others."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from edit.options import Options
from edit.plan import EditPlan
from edit.strokes import Strokes, apply_strokes, covers
from face.analysis import FaceAnalysis
from face.types import Feature
from photo.types import Box
from retouch.pipeline import plan_edits
from retouch.report import explain
from tests.conftest import FindFaces, LoadPhoto

SIZE = (160, 310)  # of the masks: a quarter of the photo's 640 × 1240
SHAPE = (640, 1240, 3)


@pytest.fixture
def plan(sample: LoadPhoto, faces_of: FindFaces) -> EditPlan:
    pixels = sample("image_1.jpg")
    assert pixels.shape == SHAPE
    return plan_edits([FaceAnalysis(pixels, face) for face in faces_of(pixels)], Options())


def empty() -> NDArray[np.uint8]:
    return np.zeros(SIZE, np.uint8)


def paint(box: Box) -> NDArray[np.uint8]:
    mask = empty()
    mask[box.top // 4 : box.bottom // 4, box.left // 4 : box.right // 4] = 255
    return mask


def test_nothing_painted_changes_nothing(plan: EditPlan) -> None:
    strokes = Strokes(empty(), empty())
    after = apply_strokes(plan, strokes, SHAPE)
    assert [edit.region for edit in after.edits] == [edit.region for edit in plan.edits]


def test_what_is_painted_over_to_be_kept_is_kept(plan: EditPlan) -> None:
    edit = plan.edits[0]
    box = edit.region.box
    half = Box(box.left, box.top, box.left + box.width // 2, box.bottom)
    after = apply_strokes(plan, Strokes(paint(half.padded(0.3)), empty()), SHAPE).edits[0]
    columns = box.width // 2 - 8
    assert edit.region.alpha[:, :columns].any()
    assert not after.region.alpha[:, :columns].any()
    assert after.region.alpha[:, -box.width // 4 :].any()


def test_an_edit_of_which_nothing_is_left_is_skipped_with_its_reason(plan: EditPlan) -> None:
    edit = plan.edits[0]
    after = apply_strokes(plan, Strokes(paint(edit.region.box.padded(0.2)), empty()), SHAPE)
    assert all(other.feature is not edit.feature for other in after.edits if other.face is edit.face)
    (skip,) = [skip for skip in after.skips if "kept" in explain(skip.cause)]
    assert skip.feature is edit.feature


def test_what_is_painted_to_be_edited_joins_the_nearest_edit(plan: EditPlan) -> None:
    mouth = next(edit for edit in plan.edits if edit.feature is Feature.MOUTH)
    box = mouth.region.box
    beside = Box(box.left - 60, box.top, box.left - 20, box.bottom)
    after = apply_strokes(plan, Strokes(empty(), paint(beside)), SHAPE)
    grown = next(edit for edit in after.edits if edit.feature is Feature.MOUTH)
    row, column = beside.center[1] - grown.region.box.top, beside.center[0] - grown.region.box.left
    assert grown.region.alpha[int(row), int(column)] == 1.0
    others = [edit for edit in plan.edits if edit is not mouth]
    same = [edit for edit in after.edits if edit.feature is not Feature.MOUTH]
    for before, now in zip(others, same, strict=True):
        assert now.region.alpha.sum() == pytest.approx(before.region.alpha.sum())


def test_a_share_is_that_of_the_box() -> None:
    mask = paint(Box(0, 0, 80, 80))
    assert covers(mask, Box(0, 0, 80, 160), SHAPE) == pytest.approx(0.5, abs=0.02)
    assert covers(mask, Box(-100, -100, -1, -1), SHAPE) == 0.0


def test_two_masks_of_different_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="one size"):
        Strokes(np.zeros((4, 4), np.uint8), np.zeros((4, 5), np.uint8))
