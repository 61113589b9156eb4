"""The attempts at each face, from the first painting to what is kept or given up.

Every try starts from the untouched photo. A face is done when all its edits are; until then none of them is in the
result. `FaceAttempt` holds the state of one face, `Runner` is the loop over all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from edit.plan import Candidate, Change, Edit, EditPlan, Engine, PaintResult, RefiningEngine
from edit.reasons import Cause
from face.types import Face, Feature
from photo.blend import Patch, lay
from photo.canvas import Canvas
from photo.types import Pixels, Progress
from retouch.progress import Clock, scale_progress
from retouch.quality import Outcome, check_face, has_real_source, judge_edit, note_changes, plan_next_try, weaken
from retouch.ranking import rank

MAX_TRIES = 7
"""A face is painted and measured so often at most: opened further, from another source, or weakened."""


@dataclass(frozen=True, eq=False)
class Kept:
    """The edits of a face that passed the check, as they were painted, and the patch of each."""

    edits: tuple[Edit, ...]
    patches: tuple[Patch, ...]


@dataclass(eq=False)
class FaceAttempt:
    """The state of the edits of one face.

    `pending` are those to paint next; when there are none, the face is done, and `kept` is set if it passed the check.
    `changes` report what became of each edit, `tries` is how often the face was painted.
    """

    face: Face
    pending: list[Edit]
    kept: Kept | None = None
    changes: list[Change] = field(default_factory=list)
    tries: int = 0
    _lost: list[Outcome] | None = None

    @property
    def aims_high(self) -> bool:
        """Whether a larger smile can still be tried."""
        return self._lost is None and self.tries < MAX_TRIES - 1

    def keep(self, outcomes: list[Outcome], patches: Sequence[Patch]) -> None:
        """Keep `patches`, as all edits passed the check."""
        self.changes += note_changes(self.pending, outcomes, kept=True, tries=self.tries)
        self.kept, self.pending = Kept(tuple(self.pending), tuple(patches)), []

    def go_on(self, outcomes: list[Outcome]) -> None:
        """Plan the next try after a check that not all edits passed, or give up.

        Where the identity was lost, weaker edits are tried, and all are given up if those fail the check.
        """
        if all(outcome.identity_lost for outcome in outcomes):
            if not any(has_real_source(edit) for edit in self.pending):
                self._lost = outcomes
            if self.tries < MAX_TRIES and any(edit.amount > 0 for edit in self.pending):
                self.pending = weaken(self.pending, outcomes)
                return
        if self._lost is not None:
            self._give_up(self._lost)
            return
        self.pending, given_up = plan_next_try(
            self.pending, outcomes, tries=self.tries, is_last=self.tries >= MAX_TRIES - 1
        )
        self.changes += given_up

    def fail(self, _cause: Cause) -> None:
        """Give up, as the engine painted nothing that can be checked."""
        self.give_up()

    def give_up(self) -> None:
        """End the attempt without keeping anything that is still pending."""
        self._give_up([judge_edit(edit, None) for edit in self.pending])

    def _give_up(self, outcomes: list[Outcome]) -> None:
        self.changes += note_changes(self.pending, outcomes, kept=False, tries=self.tries)
        self.pending = []


@dataclass(eq=False)
class RefiningAttempt(FaceAttempt):
    """The state of one face with a refining engine: always the same edits, each time with another seed.

    The face is painted `wanted` times, and of the paintings that pass, `found`, the best is kept; `others` are the
    rest. `why` is the cause for which the last try failed.
    """

    wanted: int = 1
    found: list[tuple[Candidate, list[Outcome]]] = field(default_factory=list)
    others: tuple[Candidate, ...] = ()
    why: Cause | None = None

    @property
    def aims_high(self) -> bool:
        return False

    def keep(self, outcomes: list[Outcome], patches: Sequence[Patch]) -> None:
        """Note `patches` as a candidate; keep the best when the face was painted often enough."""
        score = rank(self.pending, outcomes, patches) if self.wanted > 1 else 1.0
        self.found.append((Candidate(tuple(self.pending), tuple(patches), score), outcomes))
        self._settle()

    def go_on(self, outcomes: list[Outcome]) -> None:
        """Keep the edits pending, and note the cause, unless there are candidates enough."""
        self.why = next(outcome.why for outcome in outcomes if not outcome.good)
        self._settle()

    def fail(self, cause: Cause) -> None:
        """Keep the edits pending, and note the cause, unless there are candidates enough."""
        self.why = cause
        self._settle()

    def give_up(self) -> None:
        """End the attempt with the best candidate; the draft stays where there is none."""
        self._settle(is_last=True)
        self.pending = []

    def _settle(self, *, is_last: bool = False) -> None:
        """Keep the best candidate, the earliest of equals, once no more are wanted."""
        if not self.found or (self.tries < self.wanted and not is_last):
            return
        ranked = sorted(self.found, key=lambda pair: -pair[0].score)
        best, outcomes = ranked[0]
        self.others = tuple(candidate for candidate, _ in ranked[1:])
        super().keep(outcomes, best.patches)


class Runner:
    """Runs the attempts of one photo on its canvas.

    A face whose similarity to itself falls below `least_similarity`, -1 … 1, does not pass the check.
    """

    def __init__(self, canvas: Canvas, least_similarity: float, clock: Clock) -> None:
        self.canvas, self._least_similarity, self._clock = canvas, least_similarity, clock

    def run(self, attempts: Sequence[FaceAttempt], engine: Engine, rounds: int, on_progress: Progress) -> None:
        """Paint and check all pending faces, at most `rounds` times, and give up what is pending then.

        The results are in the attempts; the canvas is restored. Raises FixError, and whatever `on_progress` raises.
        """
        plan, painted = EditPlan(), PaintResult(())
        for number in range(rounds):
            pending = [attempt for attempt in attempts if attempt.pending]
            if not pending:
                return
            on_round = scale_progress(on_progress, number / rounds, 1 / rounds)
            edits = tuple(edit for attempt in pending for edit in attempt.pending)
            plan = EditPlan(edits, attempt=number, painted=_find_apart(plan, painted.alone))
            with self._clock("refine" if isinstance(engine, RefiningEngine) else "paint"):
                painted = engine.paint(self.canvas, plan, on_round)
            pairs = zip(plan.edits, painted.patches, strict=True)
            patches = {id(edit): Patch(edit.region, patch) for edit, patch in pairs}
            with self._clock("composite"):
                lay(self.canvas, list(patches.values()))
            for attempt in pending:
                on_round(f"looking at face {attempt.face.number} again", 1.0)
                attempt.tries += 1
                failure = painted.failures.get(attempt.face.number)
                if failure is not None:
                    attempt.fail(failure)
                    continue
                with self._clock("measure"):
                    outcomes = self._check(attempt)
                if all(outcome.good for outcome in outcomes):
                    attempt.keep(outcomes, [patches[id(edit)] for edit in attempt.pending])
                else:
                    attempt.go_on(outcomes)
            self.canvas.restore()
        for attempt in attempts:
            if attempt.pending:
                attempt.give_up()

    def _check(self, attempt: FaceAttempt) -> list[Outcome]:
        """The outcomes of the face as the canvas shows it now."""
        work, edits = self.canvas.work, attempt.pending
        return check_face(work, edits, self._least_similarity, aims_high=attempt.aims_high)


def _find_apart(plan: EditPlan, patches: Mapping[Edit, Pixels]) -> dict[Edit, Pixels]:
    """Those patches over which no other edit of the plan was painted but one of the same face's mouth."""
    return {
        edit: patch
        for edit, patch in patches.items()
        if not any(
            edit.region.box.overlap_ratio(other.region.box) > 0
            for other in plan.edits
            if other is not edit and not (other.face is edit.face and other.feature is Feature.MOUTH)
        )
    }
