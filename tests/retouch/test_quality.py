"""What counts as done, and what is tried next."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edit.options import Options
from edit.plan import Edit
from edit.reasons import Cause, Reason
from face.expression import AIMED_SMILE, PAINTED_SMILE
from face.types import Face, Feature
from retouch.pipeline import analyze, plan_edits
from retouch.quality import Outcome, judge_edit, plan_next_try
from retouch.report import explain
from tests.conftest import LoadPhoto
from tests.support.faces import make_donor

CLOSED, NO_SMILE = Cause(Reason.EYE_NOT_OPEN), Cause(Reason.NO_CLEAR_SMILE)


@pytest.fixture
def edits(sample: LoadPhoto) -> list[Edit]:
    """The edits of a face whose eyes are closed and whose mouth does not smile; the mouth's is the last."""
    found = plan_edits(analyze(sample("image_1.jpg")), Options()).edits
    mouth = next(edit for edit in found if edit.feature is Feature.MOUTH)
    eyes = [edit for edit in found if edit.feature is not Feature.MOUTH][:2]
    return [*(replace(eye, analysis=mouth.analysis) for eye in eyes), mouth]


def _smiling(face: Face, score: float) -> Face:
    return replace(face, blendshapes={**face.blendshapes, "mouthSmileLeft": score, "mouthSmileRight": score})


def test_a_smile_is_seen_by_two_looks(edits: list[Edit]) -> None:
    mouth = edits[-1]
    clear, faint = (_smiling(mouth.face, score) for score in (AIMED_SMILE + 0.05, AIMED_SMILE - 0.01))
    assert judge_edit(mouth, clear, clear).good
    assert not judge_edit(mouth, clear, faint).good
    assert not judge_edit(mouth, faint, clear).good
    assert judge_edit(mouth, clear, faint).value == pytest.approx(faint.smile)


def test_a_smile_that_cannot_grow_passes_with_less(edits: list[Edit]) -> None:
    mouth = edits[-1]
    barely, none = (_smiling(mouth.face, score) for score in (PAINTED_SMILE + 0.01, 0.1))
    assert judge_edit(mouth, barely).good
    assert judge_edit(replace(mouth, amount=1.0), barely, none).good
    taken = replace(mouth, sources=(make_donor(mouth.analysis), *mouth.sources))
    assert judge_edit(taken, barely, none).good
    assert not judge_edit(mouth, none).good


def test_who_is_not_recognised_any_more_is_not_done(edits: list[Edit]) -> None:
    assert not any(judge_edit(edit, None).good for edit in edits)


def test_an_eye_that_is_given_up_takes_its_pair_with_it(edits: list[Edit]) -> None:
    right, left, mouth = edits
    failed, good = Outcome(False, 0.1, CLOSED), Outcome(True, 0.3, CLOSED)
    tried = [replace(right, amount=1.0), left, mouth]
    next_try, given_up = plan_next_try(tried, [failed, good, good], tries=3, is_last=False)
    assert next_try == [mouth]
    assert [change.feature for change in given_up] == [right.feature, left.feature]
    assert [change.kept for change in given_up] == [False, False]
    notes = [change.note for change in given_up]
    assert notes == [CLOSED, Cause(Reason.OTHER_EYE_FAILED)]
    assert "wink" in explain(Cause(Reason.OTHER_EYE_FAILED))


def test_the_last_try_is_for_what_is_good_already(edits: list[Edit]) -> None:
    right, left, mouth = edits
    good, failed = Outcome(True, 0.3, CLOSED), Outcome(False, 0.4, NO_SMILE)
    next_try, given_up = plan_next_try(edits, [good, good, failed], tries=6, is_last=True)
    assert next_try == [right, left]
    assert [(change.feature, change.note) for change in given_up] == [(Feature.MOUTH, NO_SMILE)]
    further, _ = plan_next_try([right, left, mouth], [good, good, failed], tries=2, is_last=False)
    assert [edit.amount > mouth.amount for edit in further] == [False, False, True]
