"""The way of one photo: find the faces, plan the edits, have them painted, put them in, look again.

Everything else in the program either serves one of these steps or calls `fix_photo`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np

from donor.choose import choose_donors
from donor.other_eye import offer_other_eyes
from donor.people import ReferencePhoto
from edit.options import Options
from edit.plan import Change, Edit, EditPlan, Engine, FixResult, RefiningEngine, Report
from edit.strokes import Strokes, apply_strokes
from eyes_mask import plan_eyes
from face.search import find_faces
from face.types import Face
from mouth_mask import plan_mouths
from photo.blend import composite, count_changes
from photo.types import Photo, Pixels, Progress
from retouch.quality import Outcome, QualityCheck, judge_edit, note_changes, plan_next_try, weaken

MAX_TRIES = 7
"""A face is painted and measured so often at most: opened further, with another donor, or held back."""


def ignore_progress(_words: str, _share: float) -> None:
    """Nobody is watching."""


def _scale_progress(on_progress: Progress, start: float, share: float) -> Progress:
    """For a step that tells 0 … 1 of itself: its part of the whole, from `start` on."""
    return lambda words, part: on_progress(words, start + share * part)


def analyze_photo(
    photo: Photo, options: Options, on_progress: Progress = ignore_progress, references: Sequence[ReferencePhoto] = ()
) -> tuple[tuple[Face, ...], EditPlan]:
    """Find the faces of a photo and plan its edits, without painting any of them; see `fix_photo`."""
    faces = find_faces(photo.pixels, _scale_progress(on_progress, 0.0, 0.9))
    plan = choose_donors(photo.pixels, faces, plan_edits(photo.pixels, faces, options), references, options)
    on_progress("planned the edits", 1.0)
    return faces, plan


def plan_edits(pixels: Pixels, faces: tuple[Face, ...], options: Options) -> EditPlan:
    """Decide for every eye and mouth whether to edit it; each decision carries its reason."""
    eye_edits, eye_skips = plan_eyes(pixels, faces, options)
    mouth_edits, mouth_skips = plan_mouths(pixels, faces, options)
    usual = Options()
    edits = [replace(edit, goal_share=min(1.0, edit.amount / usual.eye_opening)) for edit in eye_edits]
    edits += [replace(edit, goal_share=min(1.0, edit.amount / usual.smile_strength)) for edit in mouth_edits]
    return offer_other_eyes(pixels, EditPlan(tuple(edits), (*eye_skips, *mouth_skips)))


def fix_photo(
    photo: Photo,
    options: Options,
    engine: Engine,
    on_progress: Progress = ignore_progress,
    *,
    faces: tuple[Face, ...] | None = None,
    strokes: Strokes | None = None,
    references: Sequence[ReferencePhoto] = (),
) -> FixResult:
    """Open the closed eyes and raise the glum mouths of one photo; the photo itself is not written to.

    The command line, the page, the tests and the benchmark all go through here. `faces` are those that
    `analyze_photo` found in it, None has them searched for. `strokes` are what the user painted over it. Eyes are
    carried over from `references` where they show the same person, see `references.read_reference`. Raises FixError.
    """
    clock = _Clock()
    with clock("find"):
        if faces is None:
            faces = find_faces(photo.pixels, _scale_progress(on_progress, 0.0, 0.4))
    with clock("plan"):
        plan = plan_edits(photo.pixels, faces, options)
        if strokes is not None:
            plan = apply_strokes(plan, strokes, photo.pixels.shape)
        plan = choose_donors(photo.pixels, faces, plan, references, options)
    gate = QualityCheck(photo.pixels, options.min_resemblance)
    if isinstance(engine, RefiningEngine):
        draft_progress, rest = _scale_progress(on_progress, 0.4, 0.05), _scale_progress(on_progress, 0.45, 0.55)
        draft = _paint_until_good(photo.pixels, plan, engine.fallback, gate, clock, draft_progress)
        result = _refine(photo.pixels, plan, draft, engine, gate, clock, rest)
    else:
        result = _paint_until_good(photo.pixels, plan, engine, gate, clock, _scale_progress(on_progress, 0.4, 0.6))
    on_progress("counting what changed", 1.0)
    with clock("measure"):
        regions = [edit.region for edit in result.kept]
        changed_pixels, changed_outside = count_changes(photo.pixels, result.pixels, regions)
    on_progress("done", 1.0)
    report = Report(faces, result.changes, plan.skips, engine.name, changed_pixels, changed_outside, clock.seconds)
    return FixResult(result.pixels, EditPlan(result.kept, plan.skips), report)


@dataclass(frozen=True, eq=False)
class _Painted:
    """The photo with the edits that were kept, and what became of every edit, in the order of the faces."""

    pixels: Pixels
    kept: tuple[Edit, ...]
    changes: tuple[Change, ...]


def _paint_until_good(
    pixels: Pixels, plan: EditPlan, engine: Engine, gate: QualityCheck, clock: _Clock, on_progress: Progress
) -> _Painted:
    """Paint, measure, and paint again what fell short; what never comes right is taken back.

    Every try starts from the untouched photo. A face is done when all its edits are; until then none of them is in
    the result. Where somebody came out as someone else, less is tried, and all taken back if that falls short.
    """
    final = pixels
    lost: dict[int, list[Outcome]] = {}
    kept: list[Edit] = []
    changes: list[Change] = []
    pending = list(plan.edits)
    for tries in range(1, MAX_TRIES + 1):
        if not pending:
            break
        part = _scale_progress(on_progress, (tries - 1) / MAX_TRIES, 1 / MAX_TRIES)
        with clock("paint"):
            painted = engine.paint(pixels, EditPlan(tuple(pending), attempt=tries - 1), part)
        with clock("composite"):
            candidate = composite(pixels, painted, [edit.region for edit in pending])
        again: list[Edit] = []
        for face, edits in _group_by_face(pending):
            part(f"looking at face {face.number} again", 1.0)
            with clock("measure"):
                can_grow = face.number not in lost and tries < MAX_TRIES - 1
                outcomes = gate.judge(candidate, face, edits, aims_high=can_grow)
            if all(outcome.good for outcome in outcomes):
                with clock("composite"):
                    final = composite(final, painted, [edit.region for edit in edits])
                kept += edits
                changes += note_changes(edits, outcomes, kept=True, tries=tries)
                continue
            if all(outcome.identity_lost for outcome in outcomes):
                if not any(edit.donor for edit in edits):
                    lost[face.number] = outcomes
                if tries < MAX_TRIES and any(edit.amount > 0 for edit in edits):
                    again += weaken(edits)
                    continue
            if face.number in lost:
                changes += note_changes(edits, lost[face.number], kept=False, tries=tries)
                continue
            next_try, given_up = plan_next_try(edits, outcomes, tries=tries, is_last=tries >= MAX_TRIES - 1)
            again += next_try
            changes += given_up
        pending = again
    changes += note_changes(pending, [judge_edit(edit, None) for edit in pending], kept=False, tries=MAX_TRIES)
    changes.sort(key=lambda change: change.face.number)
    return _Painted(final, tuple(kept), tuple(changes))


def _refine(
    pixels: Pixels,
    plan: EditPlan,
    draft: _Painted,
    engine: RefiningEngine,
    gate: QualityCheck,
    clock: _Clock,
    on_progress: Progress,
) -> _Painted:
    """Have every face painted by the refining engine; a face that comes out wrong at each try stays as in `draft`.

    Of a face the edits that the draft brought about are asked for, as far as it had to go; or all, if it failed in all.
    """
    succeeded = {edit.face.number for edit in draft.kept}
    pending = [*draft.kept, *(edit for edit in plan.edits if edit.face.number not in succeeded)]
    refined: list[tuple[Pixels, list[Edit]]] = []
    changes: dict[int, list[Change]] = {}
    why: dict[int, str] = {}
    for attempt in range(engine.retries + 1):
        if not pending:
            break
        part = _scale_progress(on_progress, attempt / (engine.retries + 1), 1 / (engine.retries + 1))
        with clock("refine"):
            painted = engine.paint(pixels, EditPlan(tuple(pending), attempt=attempt), part)
        with clock("composite"):
            candidate = composite(pixels, painted, [edit.region for edit in pending])
        again: list[Edit] = []
        for face, edits in _group_by_face(pending):
            if face.number in engine.notes:
                # Nothing was painted that could be looked at.
                why[face.number] = engine.notes[face.number]
                again += edits
                continue
            with clock("measure"):
                outcomes = gate.judge(candidate, face, edits, aims_high=False)
            if all(outcome.good for outcome in outcomes):
                refined.append((painted, edits))
                changes[face.number] = note_changes(edits, outcomes, kept=True, tries=attempt + 1)
            else:
                why[face.number] = next(outcome.why for outcome in outcomes if not outcome.good)
                again += edits
        pending = again
    return _merge_refined(pixels, draft, refined, changes, {n: f"with {engine.name} {why[n]}" for n in why})


def _merge_refined(
    pixels: Pixels,
    draft: _Painted,
    refined: list[tuple[Pixels, list[Edit]]],
    changes: dict[int, list[Change]],
    why: dict[int, str],
) -> _Painted:
    """The draft with the refined faces in it: every face is wholly of the one or of the other."""
    left = [edit for edit in draft.kept if edit.face.number not in changes]
    final = composite(pixels, draft.pixels, [_make_solid(edit).region for edit in left])
    for painted, edits in refined:
        final = composite(final, painted, [edit.region for edit in edits])
    merged = [change for number in changes for change in changes[number]]
    for change in draft.changes:
        if change.feature not in [own.feature for own in changes.get(change.face.number, ())]:
            if change.kept and change.face.number in why:
                change = replace(change, note=f"the draft was kept: {why[change.face.number]}")
            merged.append(change)
    merged.sort(key=lambda change: change.face.number)
    kept = (*left, *(edit for _, edits in refined for edit in edits))
    return _Painted(final, kept, tuple(merged))


def _make_solid(edit: Edit) -> Edit:
    """The edit with a hard mask, to copy what was blended already."""
    return replace(edit, region=replace(edit.region, alpha=(edit.region.alpha > 0).astype(np.float32)))


def _group_by_face(edits: Iterable[Edit]) -> list[tuple[Face, list[Edit]]]:
    groups: dict[int, tuple[Face, list[Edit]]] = {}
    for edit in edits:
        groups.setdefault(edit.face.number, (edit.face, []))[1].append(edit)
    return list(groups.values())


class _Clock:
    """Adds up the seconds of each step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[step] = self.seconds.get(step, 0.0) + time.perf_counter() - start
