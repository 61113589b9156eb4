"""The tries at one face: what keeps it, what ends it, and what it is left with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from edit.options import Options
from edit.plan import Edit, EditPlan, Engine, PaintResult, Rendered
from edit.reasons import Cause, Reason
from face.types import EYES, Feature
from photo.canvas import Canvas
from photo.types import Box, Photo, Pixels, Progress, Region
from retouch import attempts, pipeline
from retouch.attempts import MAX_TRIES, FaceAttempt, RefiningAttempt, Runner
from retouch.progress import Clock, ignore_progress
from retouch.quality import AMOUNT_STEP, Outcome
from tests.support.faces import make_analysis, make_donor, make_edit, make_face

EYE_NOT_OPEN, NO_SMILE = Cause(Reason.EYE_NOT_OPEN), Cause(Reason.NO_CLEAR_SMILE)
STRANGER = Cause(Reason.IDENTITY_LOST, {"similarity": 0.2})
EMPTY = Cause(Reason.PAINTER_FAILED, {"text": "the picture was empty"})

GOOD, CLOSED = Outcome(True, 0.3, EYE_NOT_OPEN), Outcome(False, 0.1, EYE_NOT_OPEN)
LOST = Outcome(False, 0.3, STRANGER, similarity=0.2)


class Paint:
    """Paints grey that gets lighter with each call; says of the faces in `failures` that nothing came."""

    name = "grey"

    def __init__(self, failures: Mapping[int, Cause] | None = None) -> None:
        self.plans: list[EditPlan] = []
        self.failures = failures or {}

    def paint(self, canvas: Canvas, plan: EditPlan, on_progress: Progress) -> PaintResult:
        assert np.array_equal(canvas.work, canvas.original), "every try starts from the untouched photo"
        self.plans.append(plan)
        level = len(self.plans)
        patches = (np.full((e.region.box.height, e.region.box.width, 3), level, np.uint8) for e in plan.edits)
        return PaintResult(tuple(patches), self.failures)


class Refine(Paint):
    name = "refine"
    candidates, retries = 1, 2

    def __init__(self, fallback: Engine, failures: Mapping[int, Cause] | None = None) -> None:
        super().__init__(failures)
        self.fallback = fallback


def make_eyes(number: int = 1, **fields: object) -> list[Edit]:
    """Edits of both eyes of a face; the faces of several numbers lie side by side."""
    left = 10 + 120 * (number - 1)
    analysis = make_analysis(make_face(number, Box(left, 10, left + 100, 110)), PHOTO)
    boxes = (Box(left + 10, 40, left + 40, 60), Box(left + 60, 40, left + 90, 60))
    return [
        make_edit(analysis, eye, Region(box, np.ones((box.height, box.width), np.float32)), **fields)
        for eye, box in zip(EYES, boxes, strict=True)
    ]


PHOTO: Pixels = np.full((120, 260, 3), 200, np.uint8)
PHOTO.setflags(write=False)


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[bool]]:
    """Have the checks say in turn what a list holds, the last of it from then on; what comes back is `aims_high`."""

    def judge_by(*said: Outcome | Sequence[Outcome]) -> list[bool]:
        left, asked = list(said), []

        def check(_candidate: Pixels, edits: list[Edit], _least: float, *, aims_high: bool) -> list[Outcome]:
            asked.append(aims_high)
            now = left.pop(0) if len(left) > 1 else left[0]
            return [now] * len(edits) if isinstance(now, Outcome) else list(now)[: len(edits)]

        monkeypatch.setattr(attempts, "check_face", check)
        return asked

    return judge_by


def run(attempt: FaceAttempt, engine: Engine | None = None, rounds: int = MAX_TRIES) -> None:
    canvas = Canvas(PHOTO)
    Runner(canvas, 0.6, Clock()).run([attempt], engine or Paint(), rounds, ignore_progress)
    assert np.array_equal(canvas.work, PHOTO), "what was tried is taken back"


# ---- kept, or given up -----------------------------------------------------------------------------------


def test_a_face_that_comes_out_well_is_kept_with_its_patches(judge: Callable[..., list[bool]]) -> None:
    judge(GOOD)
    edits = make_eyes()
    attempt, engine = FaceAttempt(edits[0].face, edits), Paint()
    run(attempt, engine)
    assert len(engine.plans) == attempt.tries == 1 and not attempt.pending
    assert attempt.kept is not None and attempt.kept.edits == tuple(edits)
    assert [patch.region for patch in attempt.kept.patches] == [edit.region for edit in edits]
    assert all((patch.pixels == 1).all() for patch in attempt.kept.patches)
    assert [(change.kept, change.tries, change.note) for change in attempt.changes] == [(True, 1, None)] * 2


def test_what_falls_short_is_tried_further_and_kept_as_it_was_painted_last(judge: Callable[..., list[bool]]) -> None:
    judge(CLOSED, GOOD)
    edits = make_eyes()
    attempt, engine = FaceAttempt(edits[0].face, edits), Paint()
    run(attempt, engine)
    assert [plan.attempt for plan in engine.plans] == [0, 1]
    assert [edit.amount for edit in engine.plans[1].edits] == pytest.approx([0.5 + AMOUNT_STEP] * 2)
    assert attempt.kept is not None and attempt.kept.edits == engine.plans[1].edits
    assert all((patch.pixels == 2).all() for patch in attempt.kept.patches)
    assert [change.tries for change in attempt.changes] == [2, 2]


def test_a_face_that_never_comes_out_is_given_up_when_there_is_no_further(judge: Callable[..., list[bool]]) -> None:
    judge(CLOSED)
    edits = make_eyes()
    attempt, engine = FaceAttempt(edits[0].face, edits), Paint()
    run(attempt, engine)
    amounts = [plan.edits[0].amount for plan in engine.plans]
    assert amounts == sorted(amounts) and amounts[-1] == 1.0 and len(amounts) < MAX_TRIES
    assert attempt.kept is None and not attempt.pending
    assert [(change.kept, change.note) for change in attempt.changes] == [(False, EYE_NOT_OPEN)] * 2


class PaintAlone(Paint):
    """Returns what it painted of each eye for the next attempt, too."""

    def paint(self, canvas: Canvas, plan: EditPlan, on_progress: Progress) -> PaintResult:
        painted = super().paint(canvas, plan, on_progress)
        pairs = zip(plan.edits, painted.patches, strict=True)
        return PaintResult(painted.patches, alone={edit: patch for edit, patch in pairs if edit.feature in EYES})


@pytest.mark.parametrize("neighbour_left, is_kept", [(200, True), (30, False)])
def test_eyes_that_passed_are_not_painted_again_where_no_other_face_lies_over_them(
    judge: Callable[..., list[bool]], neighbour_left: int, is_kept: bool
) -> None:
    judge((GOOD, GOOD, Outcome(False, 0.4, NO_SMILE)), GOOD)
    eyes = make_eyes()
    mouth = make_edit(eyes[0].analysis, Feature.MOUTH, eyes[0].region, amount=0.1)
    box = Box(neighbour_left, 40, neighbour_left + 30, 60)
    other = make_edit(make_analysis(make_face(2, box), PHOTO), Feature.MOUTH, Region(box, eyes[0].region.alpha))
    tries, engine = [FaceAttempt(mouth.face, [*eyes, mouth]), FaceAttempt(other.face, [other])], PaintAlone()
    Runner(Canvas(PHOTO), 0.6, Clock()).run(tries, engine, MAX_TRIES, ignore_progress)
    first, second = engine.plans
    assert not first.painted and second.edits[:2] == tuple(eyes) and second.edits[2] is not mouth
    assert set(second.painted) == (set(eyes) if is_kept else {eyes[1]})


def test_a_face_is_painted_no_more_often_than_allowed(judge: Callable[..., list[bool]]) -> None:
    """A smile that barely falls short each time is given up for the last try, which is for the eyes."""
    asked = judge((GOOD, GOOD, Outcome(False, 0.49, NO_SMILE)))
    eyes = make_eyes()
    mouth = make_edit(eyes[0].analysis, Feature.MOUTH, eyes[0].region, amount=0.1)
    attempt, engine = FaceAttempt(mouth.face, [*eyes, mouth]), Paint()
    run(attempt, engine)
    assert len(engine.plans) == attempt.tries == MAX_TRIES
    assert asked == [True] * (MAX_TRIES - 2) + [False] * 2, "no larger smile can be aimed at then"
    assert attempt.kept is not None and attempt.kept.edits == tuple(eyes)
    assert [(change.feature, change.kept, change.tries, change.note) for change in attempt.changes] == [
        (Feature.MOUTH, False, MAX_TRIES - 1, NO_SMILE),
        (Feature.RIGHT_EYE, True, MAX_TRIES, None),
        (Feature.LEFT_EYE, True, MAX_TRIES, None),
    ]


def test_a_face_without_anything_painted_is_given_up_unseen(judge: Callable[..., list[bool]]) -> None:
    asked = judge(GOOD)
    edits = make_eyes()
    attempt, engine = FaceAttempt(edits[0].face, edits), Paint({1: EMPTY})
    run(attempt, engine)
    assert len(engine.plans) == 1 and not asked
    assert attempt.kept is None and not any(change.kept for change in attempt.changes)


def test_faces_are_tried_apart(judge: Callable[..., list[bool]]) -> None:
    """One is done at once, the other at its second try; only the latter is painted again."""
    judge(GOOD, CLOSED, GOOD)
    first, second = (FaceAttempt(edits[0].face, edits) for edits in (make_eyes(1), make_eyes(2)))
    engine = Paint()
    Runner(Canvas(PHOTO), 0.6, Clock()).run([first, second], engine, MAX_TRIES, ignore_progress)
    assert [{edit.face.number for edit in plan.edits} for plan in engine.plans] == [{1, 2}, {2}]
    assert (first.tries, second.tries) == (1, 2) and first.kept is not None and second.kept is not None
    assert all((patch.pixels == 1).all() for patch in first.kept.patches)
    assert all((patch.pixels == 2).all() for patch in second.kept.patches)


# ---- somebody else came out ------------------------------------------------------------------------------


def test_a_stranger_is_weakened_until_it_is_the_person_again(judge: Callable[..., list[bool]]) -> None:
    asked = judge(LOST, LOST, GOOD)
    edits = make_eyes()
    attempt, engine = FaceAttempt(edits[0].face, edits), Paint()
    run(attempt, engine)
    amounts = [plan.edits[0].amount for plan in engine.plans]
    assert amounts == pytest.approx([0.5, 0.5 - AMOUNT_STEP, 0.5 - 2 * AMOUNT_STEP])
    assert asked == [True, False, False], "no larger smile is aimed at then"
    assert attempt.kept is not None and [change.tries for change in attempt.changes] == [3, 3]


def test_a_stranger_who_falls_short_when_weakened_is_taken_back_as_such(judge: Callable[..., list[bool]]) -> None:
    judge(LOST, CLOSED)
    edits = make_eyes()
    attempt, engine = FaceAttempt(edits[0].face, edits), Paint()
    run(attempt, engine)
    assert len(engine.plans) == 2 and attempt.kept is None
    for change in attempt.changes:
        assert not change.kept and change.note == STRANGER and change.similarity == 0.2


def test_a_stranger_to_the_end_is_taken_back(judge: Callable[..., list[bool]]) -> None:
    judge(LOST)
    edits = make_eyes()
    attempt, engine = FaceAttempt(edits[0].face, edits), Paint()
    run(attempt, engine)
    amounts = [plan.edits[0].amount for plan in engine.plans]
    assert amounts == sorted(amounts, reverse=True) and amounts[-1] == 0.0
    assert attempt.kept is None and [change.note for change in attempt.changes] == [STRANGER] * 2


def test_a_donor_who_makes_a_stranger_is_dropped_before_anything_is_weakened(judge: Callable[..., list[bool]]) -> None:
    judge(LOST, GOOD)
    edits = make_eyes(sources=(make_donor(name="beach.jpg"), Rendered()))
    attempt, engine = FaceAttempt(edits[0].face, edits), Paint()
    run(attempt, engine)
    assert [edit.amount for edit in engine.plans[1].edits] == [0.5, 0.5]
    assert all(isinstance(edit.source, Rendered) for edit in engine.plans[1].edits)
    assert attempt.kept is not None
    for change in attempt.changes:
        assert change.note == Cause(Reason.DROPPED, {"name": "beach.jpg", "why": STRANGER, "what": ""})


def test_a_donor_whose_eyes_do_not_open_here_is_dropped_for_the_next(judge: Callable[..., list[bool]]) -> None:
    judge(CLOSED, GOOD)
    beach, park = make_donor(name="beach.jpg"), make_donor(name="park.jpg")
    edits = make_eyes(sources=(beach, park, Rendered()))
    attempt = FaceAttempt(edits[0].face, edits)
    run(attempt)
    assert [change.donor for change in attempt.changes] == [park, park]
    assert [change.note for change in attempt.changes] == [None, None], "what was taken needs no excuse"


# ---- refining --------------------------------------------------------------------------------------------


def test_refining_tries_the_same_edits_again_and_leaves_the_draft(judge: Callable[..., list[bool]]) -> None:
    asked = judge(CLOSED, LOST, CLOSED)
    edits = make_eyes()
    attempt, engine = RefiningAttempt(edits[0].face, edits), Refine(Paint())
    run(attempt, engine, rounds=3)
    assert [plan.attempt for plan in engine.plans] == [0, 1, 2]
    assert all(plan.edits == tuple(edits) for plan in engine.plans)
    assert not any(asked)
    assert attempt.kept is None and not attempt.pending and not attempt.changes
    assert attempt.why == EYE_NOT_OPEN


@pytest.mark.parametrize(("failures", "said", "why"), [({1: EMPTY}, (GOOD,), EMPTY), ({}, (GOOD, STRANGER), STRANGER)])
def test_where_refining_fails_the_draft_is_kept_and_says_why(
    judge: Callable[..., list[bool]],
    monkeypatch: pytest.MonkeyPatch,
    failures: Mapping[int, Cause],
    said: tuple[Outcome | Cause, ...],
    why: Cause,
) -> None:
    judge(*(Outcome(False, 0.3, one, similarity=0.2) if isinstance(one, Cause) else one for one in said))
    edits = make_eyes()
    monkeypatch.setattr(pipeline, "plan_edits", lambda *_: EditPlan(tuple(edits)))
    engine = Refine(Paint(), failures)
    result = pipeline.fix_photo(Photo(PHOTO), Options(), engine, analyses=[edits[0].analysis])
    assert len(engine.plans) == 3
    assert all((result.pixels[edit.region.box.slices] == 1).all() for edit in edits)
    assert result.plan.edits == tuple(edits)
    for change in result.report.changes:
        assert change.kept and change.tries == 1
        assert change.note == Cause(Reason.DRAFT_KEPT, {"engine": "refine", "why": why})


def test_what_was_refined_well_takes_the_place_of_the_draft(
    judge: Callable[..., list[bool]], monkeypatch: pytest.MonkeyPatch
) -> None:
    judge(GOOD, CLOSED, GOOD)
    edits = make_eyes()
    monkeypatch.setattr(pipeline, "plan_edits", lambda *_: EditPlan(tuple(edits)))
    engine = Refine(Paint())
    result = pipeline.fix_photo(Photo(PHOTO), Options(), engine, analyses=[edits[0].analysis])
    assert all((result.pixels[edit.region.box.slices] == 2).all() for edit in edits)
    assert [(change.kept, change.tries, change.note) for change in result.report.changes] == [(True, 2, None)] * 2


# ---- candidates ------------------------------------------------------------------------------------------


def open_with(similarity: float) -> Outcome:
    return replace(GOOD, similarity=similarity)


def test_of_several_candidates_the_best_is_kept_and_the_others_ranked(judge: Callable[..., list[bool]]) -> None:
    judge(open_with(0.7), CLOSED, open_with(0.95), open_with(0.8))
    edits = make_eyes()
    attempt, engine = RefiningAttempt(edits[0].face, edits, wanted=4), Refine(Paint())
    run(attempt, engine, rounds=6)
    assert [plan.attempt for plan in engine.plans] == [0, 1, 2, 3], "each with a seed of its own, and no more"
    assert attempt.kept is not None and all((patch.pixels == 3).all() for patch in attempt.kept.patches)
    assert [int(other.patches[0].pixels[0, 0, 0]) for other in attempt.others] == [4, 1]
    assert [change.similarity for change in attempt.changes] == [0.95, 0.95]


def test_a_face_without_a_candidate_gets_further_seeds_until_one_passes(judge: Callable[..., list[bool]]) -> None:
    judge(CLOSED, CLOSED, CLOSED, GOOD)
    edits = make_eyes()
    attempt, engine = RefiningAttempt(edits[0].face, edits, wanted=2), Refine(Paint())
    run(attempt, engine, rounds=5)
    assert len(engine.plans) == 4 and attempt.kept is not None and not attempt.others


def test_candidates_that_are_equal_keep_their_order(judge: Callable[..., list[bool]]) -> None:
    judge(GOOD)
    edits = make_eyes()
    attempt = RefiningAttempt(edits[0].face, edits, wanted=3)
    # Every grey is as far from the grain of the photo as the other.
    run(attempt, Refine(Paint()), rounds=3)
    assert attempt.kept is not None and attempt.kept.patches[0].pixels[0, 0, 0] == 1
    assert len(attempt.others) == 2


def test_the_other_candidates_are_in_the_result(
    judge: Callable[..., list[bool]], monkeypatch: pytest.MonkeyPatch
) -> None:
    judge(GOOD, open_with(0.7), open_with(0.9))
    edits = make_eyes()
    monkeypatch.setattr(pipeline, "plan_edits", lambda *_: EditPlan(tuple(edits)))
    engine = Refine(Paint())
    engine.candidates = 2
    result = pipeline.fix_photo(Photo(PHOTO), Options(), engine, analyses=[edits[0].analysis])
    assert all((result.pixels[edit.region.box.slices] == 2).all() for edit in edits)
    (other,) = result.others
    assert other.face is edits[0].face and all((patch.pixels == 1).all() for patch in other.patches)
