"""The pipeline for one photo: find the faces, plan the edits, paint them, check them, and composite those that passed.

Everything else in the program either serves one of these steps or calls `fix_photo`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from donor.choose import DonorFinder
from donor.people import OtherPhotos, ReferencePhoto
from edit.options import Options
from edit.plan import (
    Change,
    Edit,
    EditPlan,
    Engine,
    FixResult,
    Intent,
    RefiningEngine,
    Rendered,
    Report,
    Skip,
)
from edit.reasons import Cause, Reason
from edit.strokes import Strokes, apply_strokes
from eyes_mask import eye_region, plan_eyes
from face.analysis import FaceAnalysis
from face.search import find_faces
from face.types import EYES, Feature
from mouth_mask import donor_mouth_region, mouth_region, plan_mouths
from photo.blend import count_changes, lay
from photo.canvas import Canvas
from photo.types import Photo, Pixels, Progress, Region
from retouch.attempts import MAX_TRIES, FaceAttempt, RefiningAttempt, Runner
from retouch.progress import Clock, ignore_progress, scale_progress
from retouch.sources import choose_sources

References = Sequence[ReferencePhoto] | Callable[[Sequence[FaceAnalysis]], OtherPhotos]
"""Other photos of the same people, or what finds them once the faces of the photo are known."""


def analyze(pixels: Pixels, on_progress: Progress | None = None) -> tuple[FaceAnalysis, ...]:
    """Return the faces of an upright photo uint8 (H, W, 3) RGB; each measure of them is made at its first use.

    Raises MissingModel, MissingPackage.
    """
    return tuple(FaceAnalysis(pixels, face) for face in find_faces(pixels, on_progress))


def analyze_photo(
    photo: Photo,
    options: Options,
    on_progress: Progress = ignore_progress,
    references: References = (),
    analyses: Sequence[FaceAnalysis] | None = None,
) -> tuple[tuple[FaceAnalysis, ...], EditPlan]:
    """Return the faces of a photo and the plan of its edits, without painting any of them; see `fix_photo`."""
    if analyses is None:
        analyses = analyze(photo.pixels, scale_progress(on_progress, 0.0, 0.9))
    finder, on_step = _make_finder(analyses, references, options), partial(on_progress, "planning the edits", 0.9)
    plan = plan_edits(analyses, options, finder, on_step=on_step)
    on_progress("planned the edits", 1.0)
    return tuple(analyses), plan


def _make_finder(analyses: Sequence[FaceAnalysis], references: References, options: Options) -> DonorFinder:
    found = references(analyses) if callable(references) else OtherPhotos(references)
    return DonorFinder(analyses, found.references, options, found.known_eyes)


def plan_edits(
    analyses: Sequence[FaceAnalysis],
    options: Options,
    finder: DonorFinder | None = None,
    strokes: Strokes | None = None,
    on_step: Callable[[], None] = lambda: None,
) -> EditPlan:
    """Return the plan of a photo: for every eye and mouth an edit, with its region, amount and sources, or a skip.

    Without a `finder` no source is another photo. `strokes` are what the user painted over the photo. `on_step` is
    called between the steps; what it raises ends the work. Raises BadOption, MissingModel.
    """
    eyes, eye_skips = plan_eyes(analyses, options, on_step)
    mouths, mouth_skips = plan_mouths(analyses, options, on_step)
    intents, skips = [*eyes, *mouths], [*eye_skips, *mouth_skips]
    features: dict[int, set[Feature]] = {}
    for intent in intents:
        features.setdefault(intent.face.number, set()).add(intent.feature)
    edits = []
    for intent in intents:
        on_step()
        edit = _complete(intent, features[intent.face.number], options, finder)
        if isinstance(edit, Skip):
            skips.append(edit)
        else:
            edits.append(edit)
    plan = EditPlan(tuple(edits), tuple(skips))
    if strokes is None or not analyses:
        return plan
    return apply_strokes(plan, strokes, analyses[0].pixels.shape)


def _complete(intent: Intent, edited: set[Feature], options: Options, finder: DonorFinder | None) -> Edit | Skip:
    """The edit for an intent, with sources and region; a skip where the region lies outside the photo."""
    intent, sources, no_donor = choose_sources(intent, edited, options, finder)
    region = _draw_region(intent, is_rendered=isinstance(sources[0], Rendered))
    if region is None:
        reason = Reason.OUTSIDE if intent.feature in EYES else Reason.CUT_OFF
        return Skip(intent.face, intent.feature, Cause(reason), intent.measured, intent.threshold)
    return Edit(
        intent.analysis, intent.feature, region, intent.measured, intent.threshold, intent.amount,
        intent.goal_fraction, sources, no_donor,
    )  # fmt: skip


def _draw_region(intent: Intent, *, is_rendered: bool) -> Region | None:
    """The soft mask of an edit, with the margins that its first source needs; None where it is empty."""
    analysis, shape = intent.analysis, intent.analysis.pixels.shape
    if intent.feature in EYES:
        return eye_region(shape, analysis.face, intent.feature, has_real_lashes=not is_rendered)
    draw = mouth_region if is_rendered else donor_mouth_region
    return draw(shape, analysis.face.landmarks, analysis.lower_rims)


def fix_photo(  # noqa: PLR0913 the one call for everybody; what the caller may know already has names
    photo: Photo,
    options: Options,
    engine: Engine,
    on_progress: Progress = ignore_progress,
    *,
    analyses: Sequence[FaceAnalysis] | None = None,
    finder: DonorFinder | None = None,
    strokes: Strokes | None = None,
    references: References = (),
) -> FixResult:
    """Return one photo with its closed eyes opened and its glum mouths smiling, and the report; it is not written to.

    The command line, the page, the tests and the benchmark all go through here. `analyses` are the result of `analyze`
    for this photo; without them its faces are searched for. `strokes` are what the user painted over it. Eyes come from
    `references` where they show the same person, see `donor.people.read_reference`; a `finder` made from them may be
    given instead. Raises FixError.
    """
    clock = Clock()
    with clock("find"):
        if analyses is None:
            analyses = analyze(photo.pixels, scale_progress(on_progress, 0.0, 0.4))
    with clock("plan"):
        finder = finder or _make_finder(analyses, references, options)
        plan = plan_edits(analyses, options, finder, strokes, partial(on_progress, "planning the edits", 0.4))
    on_progress("planned the edits", 0.4)
    runner = Runner(Canvas(photo.pixels), options.min_resemblance, clock)
    if isinstance(engine, RefiningEngine):
        drafts = _draft(runner, plan, engine.fallback, scale_progress(on_progress, 0.4, 0.05))
        attempts, changes = _refine(runner, drafts, plan, engine, scale_progress(on_progress, 0.45, 0.55))
    else:
        attempts = _draft(runner, plan, engine, scale_progress(on_progress, 0.4, 0.6))
        changes = [change for attempt in attempts for change in attempt.changes]
    with clock("composite"):
        kept = [attempt.kept for attempt in attempts if attempt.kept is not None]
        for one in kept:
            on_progress("putting the faces in", 1.0)
            lay(runner.canvas, one.patches)
        pixels = runner.canvas.work if kept else photo.pixels
    on_progress("counting what changed", 1.0)
    with clock("measure"):
        edits = tuple(edit for one in kept for edit in one.edits)
        changed_pixels, changed_outside = count_changes(photo.pixels, pixels, [edit.region for edit in edits])
    on_progress("done", 1.0)
    faces = tuple(analysis.face for analysis in analyses)
    changes.sort(key=lambda change: change.face.number)
    draft = engine.fallback if isinstance(engine, RefiningEngine) else engine
    report = Report(
        faces, tuple(changes), plan.skips, engine.name, changed_pixels, changed_outside, clock.seconds,
        refines_eyes=getattr(draft, "refines_eyes", False),
    )  # fmt: skip
    patches = tuple(patch for one in kept for patch in one.patches)
    return FixResult(pixels, EditPlan(edits, plan.skips), report, patches)


def _draft(runner: Runner, plan: EditPlan, engine: Engine, on_progress: Progress) -> list[FaceAttempt]:
    """The attempts at every face after they ended, those that took fewer tries first."""
    attempts = [FaceAttempt(edits[0].face, edits) for edits in _group_by_face(plan.edits)]
    runner.run(attempts, engine, MAX_TRIES, on_progress)
    return sorted(attempts, key=lambda attempt: attempt.tries)


def _refine(
    runner: Runner, drafts: Sequence[FaceAttempt], plan: EditPlan, engine: RefiningEngine, on_progress: Progress
) -> tuple[list[FaceAttempt], list[Change]]:
    """The attempts to keep after the refining engine painted every face, and the changes of all edits.

    A face that passes no check keeps its draft. The edits are those that were kept in the draft, with its amounts; all,
    if it kept none.
    """
    draft_of = {draft.face.number: draft for draft in drafts}
    attempts = []
    for edits in _group_by_face(plan.edits):
        kept = draft_of[edits[0].face.number].kept
        attempts.append(RefiningAttempt(edits[0].face, list(kept.edits) if kept else edits))
    runner.run(attempts, engine, engine.retries + 1, on_progress)
    settled: list[FaceAttempt] = []
    changes: list[Change] = []
    for attempt in attempts:
        draft = draft_of[attempt.face.number]
        settled.append(attempt if attempt.kept else draft)
        changes += attempt.changes
        refined = {change.feature for change in attempt.changes}
        for change in draft.changes:
            if change.feature in refined:
                continue
            if change.kept and attempt.why is not None:
                note = Cause(Reason.DRAFT_KEPT, {"engine": engine.name, "why": attempt.why})
                change = replace(change, note=note)
            changes.append(change)
    # Drafts first: where two faces meet, what was refined lies on top.
    return sorted(settled, key=lambda attempt: isinstance(attempt, RefiningAttempt)), changes


def _group_by_face(edits: Sequence[Edit]) -> list[list[Edit]]:
    """The edits of each face, in the order of the plan."""
    groups: dict[int, list[Edit]] = {}
    for edit in edits:
        groups.setdefault(edit.face.number, []).append(edit)
    return list(groups.values())
