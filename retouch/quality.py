"""Whether an edit did what it should, and what to do next where it did not."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from edit.plan import Change, Edit
from face.identity import IdentityCheck
from face.search import remeasure
from face.types import Face, Feature
from photo.types import Pixels

OPEN_EYE_RATIO = 0.20
"""An eye with a larger aspect ratio than this is open …"""
OPEN_BLINK = 0.40
"""… if its blink score is also below this."""
NARROW_SHARE = 0.3
"""Who asks for the narrowest opening is content with this much less of both."""
SMILE_SCORE = 0.50
"""A mouth with a higher smile score than this smiles …"""
SMILE_AIM = 0.53
"""… and is aimed at this much by two looks, as the same mouth scores a little less in other crops."""
DONOR_SHARE = 0.75
"""An eye that was carried over from another photo keeps at least this part of the aspect ratio it has there."""
AMOUNT_STEP = 0.20
"""A try that fell short opens an eye this much further next time …"""
SMILE_STEPS = (0.05, 0.20)
"""… and a smile, which is the better the smaller it is, at least and at most this much, by how far it fell short."""
_ONE_EYE = "the other eye did not come out, and one open eye would look like a wink"
# On smaller faces two looks differ by chance, and smiles had better not go far.
_CLEAR_EYE_DISTANCE_PX = 45.0
# Steps do not add up to 1 exactly.
_MOST = 0.999
# The logit of the smile score grows by so much per unit of amount where it grows fastest, and is aimed so far beyond
# the logit of the goal.
_SMILE_SLOPE, _SMILE_MARGIN = 11.0, 0.40


@dataclass(frozen=True)
class Outcome:
    """What one edit led to: whether it did what it should, the value measured, and the words if it did not.

    `similarity` of the face to itself is measured once all its edits did what they should.
    """

    good: bool
    value: float
    why: str
    similarity: float | None = None

    @property
    def identity_lost(self) -> bool:
        """Whether the edit did what it should, and somebody else seems to look out of the face."""
        return not self.good and self.similarity is not None


class QualityCheck:
    """Decides which faces of a painted photo may stay: those that came out as wished and still are themselves.

    `pixels` uint8 (H, W, 3) is the photo as it was, `min_resemblance` what `Options` says.
    """

    def __init__(self, pixels: Pixels, min_resemblance: float) -> None:
        self._likeness, self._least, self._shape = IdentityCheck(pixels), min_resemblance, pixels.shape

    def judge(self, candidate: Pixels, face: Face, edits: list[Edit], *, aims_high: bool = True) -> list[Outcome]:
        """What the edits of one face led to in `candidate`, uint8 (H, W, 3), in their order.

        `aims_high`: a smile that barely passes is not enough, as a larger one can be tried.
        """
        after = remeasure(candidate, face)
        outcomes = [judge_edit(edit, after) for edit in edits]
        is_clear = face.landmarks.eye_distance_px >= _CLEAR_EYE_DISTANCE_PX
        smiles = any(o.good for edit, o in zip(edits, outcomes, strict=True) if edit.feature is Feature.MOUTH)
        if aims_high and is_clear and smiles:
            second = remeasure(candidate, face, as_it_stands=True)
            outcomes = [judge_edit(edit, after, second) for edit in edits]
        outcomes = self._pair_up(edits, outcomes)
        if not all(outcome.good for outcome in outcomes):
            return outcomes
        same = self._likeness.measure(candidate, face)
        why = f"it no longer looked like the same person (resemblance {same:.2f})"
        return [replace(o, good=same >= self._least, why=why, similarity=same) for o in outcomes]

    def _pair_up(self, edits: list[Edit], outcomes: list[Outcome]) -> list[Outcome]:
        """The outcomes, but an eye that the photo's edge cuts off cannot be measured and fares as its pair does."""
        by_feature = {edit.feature: outcome for edit, outcome in zip(edits, outcomes, strict=True)}
        paired = []
        for edit, own in zip(edits, outcomes, strict=True):
            is_cut = edit.feature is not Feature.MOUTH and edit.face.eye(edit.feature).share_inside(self._shape) < 1
            pair = by_feature.get(edit.feature.other_eye, own) if is_cut else own
            paired.append(replace(own, good=pair.good, why=pair.why))
        return paired


def judge_edit(edit: Edit, after: Face | None, second: Face | None = None) -> Outcome:
    """Whether one edit did what it should, by its face looked at again; None where no face is seen any more.

    A smile is aimed higher, and is to be seen in the `second` look, too, where there is one and a larger smile.
    """
    if after is None:
        return Outcome(False, edit.measured, "the face was no longer recognised")
    if edit.feature is Feature.MOUTH:
        if second is None or edit.donor is not None or edit.amount >= _MOST:
            score, goal = after.smile, SMILE_SCORE
        else:
            score, goal = min(after.smile, second.smile), SMILE_AIM
        return Outcome(score > edit.goal_share * goal, score, "the smile did not come out clearly")
    ratio, blink = after.eye(edit.feature).aspect_ratio, after.blink(edit.feature)
    if edit.donor is not None:
        # Narrow eyes are somebody's own: what counts is what the donor's look like.
        own = edit.donor.opening * edit.donor_eye.aspect_ratio
        is_open = ratio > min(OPEN_EYE_RATIO, DONOR_SHARE * own) and blink < OPEN_BLINK
        return Outcome(is_open, ratio, f"the eye from {edit.donor.name} did not come out clearly open")
    less = 1.0 - edit.goal_share
    is_open = ratio > OPEN_EYE_RATIO * (1 - NARROW_SHARE * less) and blink < OPEN_BLINK * (1 + NARROW_SHARE * less)
    return Outcome(is_open, ratio, "the eye did not come out clearly open")


def plan_next_try(
    edits: list[Edit], outcomes: list[Outcome], *, tries: int, is_last: bool
) -> tuple[list[Edit], list[Change]]:
    """What to try next of the edits of a face that missed its end after so many tries, and what is given up.

    `is_last`: the next try is the last one. It is for what is good already, the rest of the face must not cost it.
    """
    pairs = list(zip(edits, outcomes, strict=True))
    # Both eyes of a face have the same donor; the mouth has one of its own.
    failed = {edit.feature is Feature.MOUTH for edit, outcome in pairs if edit.donor and not outcome.good}
    tried: list[tuple[Edit, Outcome]] = []
    given_up: list[tuple[Edit, Outcome]] = []
    for edit, outcome in pairs:
        loses_donor = (edit.feature is Feature.MOUTH) in failed
        further = _drop_donor(edit, _name_miss(edit)) if loses_donor else _go_further(edit, outcome)
        if further is None or (not outcome.good and is_last):
            given_up.append((edit, outcome))
        else:
            tried.append((further, outcome))
    closed = [edit.feature for edit, _ in given_up if edit.feature is not Feature.MOUTH]
    next_try = []
    for edit, outcome in tried:
        if edit.feature is not Feature.MOUTH and edit.feature.other_eye in closed:
            given_up.append((edit, replace(outcome, good=False, why=_ONE_EYE)))
        else:
            next_try.append(edit)
    return next_try, [_note_change(edit, outcome, kept=False, tries=tries) for edit, outcome in given_up]


def _go_further(edit: Edit, outcome: Outcome) -> Edit | None:
    """The same edit for the next try: as it was if it was good, else further; None when there is no further."""
    if outcome.good:
        return edit
    if edit.amount >= _MOST:
        return None
    step = _smile_step(edit, outcome.value) if edit.feature is Feature.MOUTH else AMOUNT_STEP
    return replace(edit, amount=min(edit.amount + step, 1.0))


def _smile_step(edit: Edit, score: float) -> float:
    """How much further to go with a smile that came out with this score."""
    missing = _logit(edit.goal_share * SMILE_AIM) + _SMILE_MARGIN - _logit(score)
    return min(max(missing / _SMILE_SLOPE, SMILE_STEPS[0]), SMILE_STEPS[1])


def _logit(share: float) -> float:
    share = min(max(share, 1e-3), 1 - 1e-3)
    return math.log(share / (1 - share))


def weaken(edits: list[Edit]) -> list[Edit]:
    """The edits of a face that came out as someone else: without a donor, or less of each."""
    if any(edit.donor for edit in edits):
        return [_drop_donor(edit, "it made somebody else of the face") for edit in edits]
    return [replace(edit, amount=max(edit.amount - AMOUNT_STEP, 0.0)) for edit in edits]


def _drop_donor(edit: Edit, why: str) -> Edit:
    """The same edit with the next donor, or with none; `why` the present one is of no use."""
    if edit.donor is None:
        return edit
    kept = "; only the colour of the eyes was kept" if edit.iris is not None else ""
    return replace(edit, donors=edit.donors[1:], no_donor=f"taken from {edit.donor.name}, {why}{kept}")


def _name_miss(edit: Edit) -> str:
    """What is said of a donor with whom an edit missed its end."""
    is_mouth = edit.feature is Feature.MOUTH
    return "the smile did not come out clearly" if is_mouth else "it did not come out clearly open"


def _note_change(edit: Edit, outcome: Outcome, *, kept: bool, tries: int) -> Change:
    """What became of an edit, for the report."""
    before = edit.face.smile if edit.feature is Feature.MOUTH else edit.face.eye(edit.feature).aspect_ratio
    note = ("" if edit.donor else edit.no_donor) if kept else outcome.why
    donor = edit.donor if kept else None
    return Change(edit.face, edit.feature, before, outcome.value, kept, tries, note, donor, outcome.similarity)


def note_changes(edits: list[Edit], outcomes: list[Outcome], *, kept: bool, tries: int) -> list[Change]:
    """What became of the edits, for the report."""
    return [_note_change(*pair, kept=kept, tries=tries) for pair in zip(edits, outcomes, strict=True)]
