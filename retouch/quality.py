"""Checks whether an edit did what it should, and plans the next try where it did not."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from edit.plan import Change, Donor, Edit, OtherEye, Rendered
from edit.reasons import Cause, Reason
from face.expression import AIMED_SMILE, OPEN_ASPECT_RATIO, OPEN_BLINK, PAINTED_SMILE
from face.identity import embed_face, measure_similarity
from face.search import remeasure
from face.types import EYES, Face, Feature
from photo.types import Pixels

NARROW_FRACTION = 0.3
"""Who asks for the narrowest opening is content with this much less of both measures of an open eye."""
# calibration: open-eye. Ratio of two aspect ratios.
DONOR_FRACTION = 0.75
"""An eye that comes from another photo keeps at least this part of the aspect ratio it has there."""
AMOUNT_STEP = 0.20
"""A try that fell short opens an eye this much further next time …"""
SMILE_STEPS = (0.05, 0.20)
"""… and a smile, which is the better the smaller it is, at least and at most this much, by how far it fell short."""
# calibration: face-size. On smaller faces two readings differ by chance, and smiles had better not go far.
_CLEAR_EYE_DISTANCE_PX = 45.0
# Steps do not add up to 1 exactly.
_MOST = 0.999
# calibration: smile-step. The logit of the smile score grows by so much per unit of amount where it grows fastest, and
# is aimed so far beyond the logit of the goal.
_SMILE_SLOPE, _SMILE_MARGIN = 11.0, 0.40


@dataclass(frozen=True)
class Outcome:
    """The check of one edit: whether it passed, the value measured, and the cause if it did not pass.

    `similarity` -1 … 1 is that of the face to itself before; it is None unless all edits of the face met their goals.
    """

    good: bool
    value: float
    why: Cause
    similarity: float | None = None

    @property
    def identity_lost(self) -> bool:
        """Whether the edit met its goal, but the face is no longer recognized as the same person."""
        return not self.good and self.similarity is not None


def check_face(candidate: Pixels, edits: list[Edit], least_similarity: float, *, aims_high: bool) -> list[Outcome]:
    """Return the outcomes of the edits of one face in `candidate`, uint8 (H, W, 3), in their order.

    The face passes if all edits met their goals and its similarity to itself is at least `least_similarity`, -1 … 1.
    With `aims_high` a smile that barely passes is not enough, as a larger one can still be tried. Raises MissingModel.
    """
    analysis = edits[0].analysis
    face = analysis.face
    after = remeasure(candidate, face)
    outcomes = [judge_edit(edit, after) for edit in edits]
    is_clear = face.landmarks.eye_distance_px >= _CLEAR_EYE_DISTANCE_PX
    smiles = any(o.good for edit, o in zip(edits, outcomes, strict=True) if edit.feature is Feature.MOUTH)
    if aims_high and is_clear and smiles:
        second = remeasure(candidate, face, as_it_stands=True)
        outcomes = [judge_edit(edit, after, second) for edit in edits]
    outcomes = _judge_cut_eyes(edits, outcomes)
    if not all(outcome.good for outcome in outcomes):
        return outcomes
    same = measure_similarity(analysis.embedding, embed_face(candidate, face))
    why = Cause(Reason.IDENTITY_LOST, {"similarity": same})
    return [replace(o, good=same >= least_similarity, why=why, similarity=same) for o in outcomes]


def _judge_cut_eyes(edits: list[Edit], outcomes: list[Outcome]) -> list[Outcome]:
    """The outcomes, but an eye cut off by the photo's edge, which cannot be measured, has that of the other eye."""
    by_feature = {edit.feature: outcome for edit, outcome in zip(edits, outcomes, strict=True)}
    judged = []
    for edit, own in zip(edits, outcomes, strict=True):
        is_cut = edit.feature in EYES and edit.analysis.eye(edit.feature).fraction_inside < 1
        pair = by_feature.get(edit.feature.other_eye, own) if is_cut else own
        judged.append(replace(own, good=pair.good, why=pair.why))
    return judged


def judge_edit(edit: Edit, after: Face | None, second: Face | None = None) -> Outcome:
    """Return the outcome of one edit by its face measured `after` it; None where no face is found any more.

    A smile has to reach `AIMED_SMILE` in a `second` reading, too, where there is one and a larger smile is possible.
    """
    if after is None:
        return Outcome(False, edit.measured, Cause(Reason.NOT_RECOGNIZED))
    if edit.feature is Feature.MOUTH:
        if second is None or edit.donor is not None or edit.amount >= _MOST:
            score, goal = after.smile, PAINTED_SMILE
        else:
            score, goal = min(after.smile, second.smile), AIMED_SMILE
        return Outcome(score > edit.goal_fraction * goal, score, Cause(Reason.NO_CLEAR_SMILE))
    ratio, blink = after.eye(edit.feature).aspect_ratio, after.blink(edit.feature)
    own = _expect_ratio(edit)
    if own is not None:
        # Somebody's own eyes may be narrow: they are compared with the place they come from.
        is_open = ratio > min(OPEN_ASPECT_RATIO, DONOR_FRACTION * own) and blink < OPEN_BLINK
        return Outcome(is_open, ratio, Cause(Reason.DONOR_EYE_NOT_OPEN, {"name": name_source(edit)}))
    leniency = NARROW_FRACTION * (1.0 - edit.goal_fraction)
    is_open = ratio > OPEN_ASPECT_RATIO * (1 - leniency) and blink < OPEN_BLINK * (1 + leniency)
    return Outcome(is_open, ratio, Cause(Reason.EYE_NOT_OPEN))


def _expect_ratio(edit: Edit) -> float | None:
    """The aspect ratio of the eye in its source; None where it is rendered."""
    if isinstance(edit.source, Donor):
        return edit.source.opening * edit.source.face.eye(edit.feature).aspect_ratio
    if isinstance(edit.source, OtherEye):
        return edit.face.eye(edit.feature.other_eye).aspect_ratio
    return None


def name_source(edit: Edit) -> str:
    """Return the name of the source of an edit, for the user; empty where it is rendered."""
    if isinstance(edit.source, Donor):
        return edit.source.name
    return f"the {edit.feature.other_eye.value}" if isinstance(edit.source, OtherEye) else ""


def plan_next_try(
    edits: list[Edit], outcomes: list[Outcome], *, tries: int, is_last: bool
) -> tuple[list[Edit], list[Change]]:
    """Return the edits of a face to try next after it did not pass, and the changes of those that are given up.

    `tries` is how often it was painted. If the next try is the last, `is_last`, only edits that passed are in it, so
    that the others cannot make them fail.
    """
    pairs = list(zip(edits, outcomes, strict=True))
    # Both eyes of a face have the same source; the mouth has one of its own.
    failed = {edit.feature is Feature.MOUTH for edit, outcome in pairs if has_real_source(edit) and not outcome.good}
    tried: list[tuple[Edit, Outcome]] = []
    given_up: list[tuple[Edit, Outcome]] = []
    for edit, outcome in pairs:
        is_mouth = edit.feature is Feature.MOUTH
        missed = Cause(Reason.NO_CLEAR_SMILE if is_mouth else Reason.EYE_NOT_OPEN)
        further = _drop_source(edit, missed) if is_mouth in failed else _go_further(edit, outcome)
        if further is None or (not outcome.good and is_last):
            given_up.append((edit, outcome))
        else:
            tried.append((further, outcome))
    closed = [edit.feature for edit, _ in given_up if edit.feature in EYES]
    next_try = []
    for edit, outcome in tried:
        if edit.feature in EYES and edit.feature.other_eye in closed:
            given_up.append((edit, replace(outcome, good=False, why=Cause(Reason.OTHER_EYE_FAILED))))
        else:
            next_try.append(edit)
    return next_try, [_note_change(edit, outcome, kept=False, tries=tries) for edit, outcome in given_up]


def has_real_source(edit: Edit) -> bool:
    """Return whether the source of an edit is real pixels, not rendering."""
    return isinstance(edit.source, Donor | OtherEye)


def _go_further(edit: Edit, outcome: Outcome) -> Edit | None:
    """The edit for the next try: the same if it passed, else with a larger amount; None if that is at its maximum."""
    if outcome.good:
        return edit
    if edit.amount >= _MOST:
        return None
    step = _smile_step(edit, outcome.value) if edit.feature is Feature.MOUTH else AMOUNT_STEP
    return replace(edit, amount=min(edit.amount + step, 1.0))


def _smile_step(edit: Edit, score: float) -> float:
    """The step of the amount for a smile that came out with this score."""
    missing = _logit(edit.goal_fraction * AIMED_SMILE) + _SMILE_MARGIN - _logit(score)
    return min(max(missing / _SMILE_SLOPE, SMILE_STEPS[0]), SMILE_STEPS[1])


def _logit(fraction: float) -> float:
    fraction = min(max(fraction, 1e-3), 1 - 1e-3)
    return math.log(fraction / (1 - fraction))


def weaken(edits: list[Edit], outcomes: list[Outcome]) -> list[Edit]:
    """Return the edits for the next try at a face whose identity was lost: the next source, or smaller amounts."""
    if any(has_real_source(edit) for edit in edits):
        return [_drop_source(edit, outcome.why) for edit, outcome in zip(edits, outcomes, strict=True)]
    return [replace(edit, amount=max(edit.amount - AMOUNT_STEP, 0.0)) for edit in edits]


def _drop_source(edit: Edit, why: Cause) -> Edit:
    """The edit with its next source; `why` is the cause for which the present one is dropped."""
    if not has_real_source(edit):
        return edit
    last = edit.sources[-1]
    what = "; only the colour of the eyes was kept" if isinstance(last, Rendered) and last.is_iris_known else ""
    no_donor = Cause(Reason.DROPPED, {"name": name_source(edit), "why": why, "what": what})
    return replace(edit, sources=edit.sources[1:], no_donor=no_donor)


def _note_change(edit: Edit, outcome: Outcome, *, kept: bool, tries: int) -> Change:
    """The report of one edit."""
    before = edit.face.smile if edit.feature is Feature.MOUTH else edit.face.eye(edit.feature).aspect_ratio
    note = (None if has_real_source(edit) else edit.no_donor) if kept else outcome.why
    source = edit.source if kept else None
    return Change(edit.face, edit.feature, before, outcome.value, kept, tries, note, source, outcome.similarity)


def note_changes(edits: list[Edit], outcomes: list[Outcome], *, kept: bool, tries: int) -> list[Change]:
    """Return the reports of edits that are kept, or given up, with their outcomes."""
    return [_note_change(*pair, kept=kept, tries=tries) for pair in zip(edits, outcomes, strict=True)]
