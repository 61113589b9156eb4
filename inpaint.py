"""The diffusion engine: repaints the draft realistically, tile by tile, and nothing outside the soft masks.

Each face is cut out upright at the size that the model was trained on, eyes and mouth together. The networks start
from the draft with some noise on it, so geometry and identity stay; the difference they make is added to the photo at
its own resolution.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import cv2
import numpy as np

from diffusion.families import STABLE_DIFFUSION_1, Family
from diffusion.jobs import OnStep, Sampling, TileJob, TileResult
from diffusion.prompts import compose_prompt
from diffusion.registration import register
from edit.options import Options
from edit.plan import Edit, EditPlan, Engine, PaintResult, Rendered
from edit.reasons import Cause, Reason
from mouth_mask import narrow_to_lips
from photo.blend import blend
from photo.canvas import Canvas
from photo.types import Alpha, Pixels, Progress, Region
from tiling import (
    FaceTile,
    blend_tiles,
    cut_alpha,
    cut_tile,
    detail_tiles,
    face_tile,
    grid_tiles,
    match_ring,
    snap_mask,
    upright_tile,
)

if TYPE_CHECKING:  # importing it loads torch
    from diffusion.painter import TilePainter

DETAIL_STRENGTH = 0.35
"""Noise to start with where a large face is refined: enough for fine structure, too little to move anything."""
GRID_TILES_ACROSS = 2
"""The fixed grid lies over the photo scaled down to this many tiles on its long side (1024 px at 512 px tiles)."""
# calibration: change-limit. Mean ΔE of the edited parts, CIE 1976.
MOST_CHANGED = 30.0
"""A tile whose edits differ more than this from the draft (mean ΔE) shows no face any more. Opening a closed eye
changes 9 at the median and 25 at most; networks of random weights change 35 and more."""
MOST_OFF_PX = 0.5
"""A tile that is still further off beside its mask after it was laid over what went in shows where it was pasted."""
LEAST_ALIKE = 0.5
"""A tile whose surroundings correlate less with those that went in cannot be laid over them."""

_DRAFT_FRACTION, _LOAD_FRACTION = 0.05, 0.05  # of the time that painting takes, as the progress bar shows it


@dataclass(frozen=True, eq=False)
class _Work:
    """One tile to paint, and the edits in it; `owner` (a face's number, or 0) and `number` identify it."""

    tile: FaceTile
    edits: list[Edit]
    owner: int
    number: int = 0


@dataclass(frozen=True, eq=False)
class _Done:
    """A tile before and after painting, both uint8 (size, size, 3); equal if `why` made the result unusable."""

    work: _Work
    before: Pixels
    after: Pixels
    why: Cause | None = None


@dataclass(eq=False)
class _Painting:
    """The state of one call of `paint`: the patch of each edit of the plan, and why faces failed, by their number."""

    painter: TilePainter
    canvas: Canvas
    plan: EditPlan
    patches: list[Pixels]
    failures: dict[int, Cause] = field(default_factory=dict)

    def cut_tiles(self, tiles: Sequence[FaceTile]) -> list[Pixels]:
        """Return tiles of the photo with the patches blended in, uint8 (size, size, 3), as input of the networks."""
        for edit, patch in zip(self.plan.edits, self.patches, strict=True):
            before = self.canvas.work[edit.region.box.slices]
            self.canvas.put(edit.region.box, blend(before, patch, edit.region.alpha))
        cut = [cut_tile(self.canvas.work, tile) for tile in tiles]
        self.canvas.restore()
        return cut

    def add(self, groups: Sequence[Sequence[_Done]]) -> None:
        """Add the changes of the networks to the patches; the tiles of a group overlap and are blended."""
        for edit, patch in zip(self.plan.edits, self.patches, strict=True):
            self.canvas.put(edit.region.box, patch)
        for tiles in groups:
            regions, places = _list_regions([one.work for one in tiles]), [one.work.tile for one in tiles]
            blend_tiles(self.canvas.work, places, [one.before for one in tiles], [one.after for one in tiles], regions)
        self.patches = [self.canvas.work[edit.region.box.slices].copy() for edit in self.plan.edits]
        self.canvas.restore()


class StableDiffusionEngine:
    """Paints edits with a diffusion model of any `family`, starting from the patches of `fallback`.

    `load` returns the painter; it is called only when there is something to paint. Several engines may share a painter.
    Raises BadOption for options that the family cannot follow.
    """

    name = "stable-diffusion"

    def __init__(
        self, options: Options, fallback: Engine, load: Callable[[], TilePainter], family: Family = STABLE_DIFFUSION_1
    ) -> None:
        family.check(options.diffusion)
        self._options, self._seed = options.diffusion, options.seed
        self._fallback, self._family = fallback, family
        self._load = load
        self._sampling = family.choose_sampling(options.diffusion)

    @property
    def fallback(self) -> Engine:
        """The engine that this one starts from."""
        return self._fallback

    @property
    def candidates(self) -> int:
        """The number of seeds that every face is painted with."""
        return self._options.candidates

    @property
    def retries(self) -> int:
        """The number of further tries, each with another seed, for a face that came out wrong."""
        return self._options.retries

    def paint(self, canvas: Canvas, plan: EditPlan, on_progress: Progress) -> PaintResult:
        """Return a patch for every edit of `plan`; see `Engine`.

        A face for which the networks gave nothing usable stays as `fallback` painted it and is among the failures.
        Raises MissingModel, MissingPackage, NotEnoughMemory.
        """
        if not plan.edits:
            return PaintResult(())
        drafted = self._fallback.paint(canvas, plan, lambda text, done: on_progress(text, _DRAFT_FRACTION * done))
        # The draft moved the cheeks; the networks paint eyes and lips only. The person's own eyes are real already.
        rendered = [edit for edit in plan.edits if isinstance(edit.source, Rendered)]
        narrow = replace(plan, edits=tuple(narrow_to_lips(edit) for edit in rendered))
        if not narrow.edits:
            return drafted
        on_progress(f"loading {self._family.name}", _DRAFT_FRACTION)
        painter = self._load()
        size = self._options.tile_size or painter.native_size
        pixels = canvas.original
        if self._options.tile_scheme == "grid":
            rounds = [[self._plan_grid(pixels, narrow, size)]]
        else:
            whole = _plan_faces(pixels, narrow, size)
            rounds = [[[work] for work in whole], self._plan_details(pixels, whole)]
        total = max(sum(len(group) for groups in rounds for group in groups), 1)
        finished = 0
        painting = _Painting(painter, canvas, plan, list(drafted.patches))
        for number, groups in enumerate(rounds):
            count = sum(len(group) for group in groups)
            text = f"{'refining' if number else 'painting'} {'1 tile' if count == 1 else f'{count} tiles'}"
            start = _DRAFT_FRACTION + _LOAD_FRACTION
            on_step = _scale_steps(
                on_progress, text, start + (1 - start) * finished / total, (1 - start) * count / total
            )
            self._paint_round(painting, groups, is_first=number == 0, on_step=on_step)
            finished += count
        on_progress("painted", 1.0)
        return PaintResult(tuple(painting.patches), painting.failures)

    def _paint_round(
        self, painting: _Painting, groups: Sequence[Sequence[_Work]], *, is_first: bool, on_step: OnStep
    ) -> None:
        """Paint groups of overlapping tiles into the patches, starting from the present state of these."""
        works = [work for group in groups for work in group if painting.failures.keys().isdisjoint(_list_faces(work))]
        if not works:
            return
        sampling = self._sampling
        if not is_first:
            sampling = replace(sampling, strength=min(sampling.strength, DETAIL_STRENGTH))
        painted = iter(self._paint_tiles(painting, works, sampling, on_step))
        done = [[next(painted) for work in group if work in works] for group in groups]
        if is_first:
            # A detail that failed leaves its face as the first round painted it, which is no failure.
            for one in (one for group in done for one in group):
                if one.why is not None:
                    painting.failures.update(dict.fromkeys(_list_faces(one.work), one.why))
        painting.add([group for group in done if group])

    def _paint_tiles(
        self, painting: _Painting, works: Sequence[_Work], sampling: Sampling, on_step: OnStep
    ) -> list[_Done]:
        """Paint tiles, lay each over what went in, and match it to the colours around its mask."""
        befores = painting.cut_tiles([work.tile for work in works])
        alphas = [_cut_alphas(work) for work in works]
        jobs = []
        for work, before, alpha in zip(works, befores, alphas, strict=True):
            features = {edit.feature for edit in work.edits}
            analysis = work.edits[0].analysis
            reference = _cut_reference(work) if self._family.takes_reference else None
            prompt, negative = compose_prompt(
                analysis,
                features,
                self._options,
                instructs=self._family.instructs,
                has_reference=reference is not None,
            )
            seed = _mix_seed(self._seed, work.owner, painting.plan.attempt, work.number)
            mask = snap_mask(alpha, self._family.cell_px)
            jobs.append(TileJob(before, mask, prompt, negative, seed, reference))
        results = painting.painter.paint(jobs, sampling, on_step)
        cell_px = self._family.cell_px
        return [_match(*parts, cell_px) for parts in zip(works, befores, alphas, results, strict=True)]

    def _plan_details(self, pixels: Pixels, whole: Sequence[_Work]) -> list[list[_Work]]:
        """For each face that was reduced to fit its tile the tiles that show its edits at about full size."""
        groups = []
        for work in whole:
            size, face, regions = work.tile.size, work.edits[0].face, _list_regions([work])
            tiles = detail_tiles(work.tile, face, pixels.shape, size, self._choose_overlap(size), regions)
            groups.append(
                [
                    _Work(tile, _choose_touched(work.edits, tile), work.owner, number)
                    for number, tile in enumerate(tiles, start=1)
                ]
            )
        return groups

    def _plan_grid(self, pixels: Pixels, plan: EditPlan, size: int) -> list[_Work]:
        """The tiles of a fixed grid over the whole photo that overlap an edit."""
        scale = min(1.0, GRID_TILES_ACROSS * size / max(pixels.shape[:2]))
        regions = [edit.region for edit in plan.edits]
        boxes = grid_tiles(pixels.shape, size, self._choose_overlap(size), regions, scale)
        tiles = [upright_tile(box, size, scale) for box in boxes]
        works = [_Work(tile, _choose_touched(plan.edits, tile), 0, number) for number, tile in enumerate(tiles)]
        return [work for work in works if work.edits]

    def _choose_overlap(self, size: int) -> int:
        """The overlap of neighbouring tiles in pixels, at most half a tile."""
        return size // 2 if self._options.overlap is None else min(self._options.overlap, size // 2)


def _plan_faces(pixels: Pixels, plan: EditPlan, size: int) -> list[_Work]:
    """One tile for each face, which shows all of it."""
    edits_of: dict[int, list[Edit]] = {}
    for edit in plan.edits:
        edits_of.setdefault(edit.face.number, []).append(edit)
    return [
        _Work(face_tile(edits[0].face, pixels.shape, size, [edit.region for edit in edits]), edits, number)
        for number, edits in sorted(edits_of.items())
    ]


def _choose_touched(edits: Sequence[Edit], tile: FaceTile) -> list[Edit]:
    """The edits of which the tile shows a part."""
    return [edit for edit in edits if cut_alpha(edit.region, tile).any()]


def _list_faces(work: _Work) -> set[int]:
    """The numbers of the faces that a tile edits."""
    return {edit.face.number for edit in work.edits}


def _list_regions(works: Sequence[_Work]) -> list[Region]:
    """The region of each edit in the tiles, once."""
    return list({id(edit): edit.region for work in works for edit in work.edits}.values())


def _cut_alphas(work: _Work) -> Alpha:
    """The maximum of the alphas of all regions in the tile, float32 (size, size)."""
    return np.maximum.reduce([cut_alpha(edit.region, work.tile) for edit in work.edits])


def _cut_reference(work: _Work) -> Pixels | None:
    """The face of another photo of the person in a tile, uint8 (size, size, 3); None without, or with several faces."""
    if len(_list_faces(work)) > 1:
        return None
    sources = [edit.source for edit in work.edits]
    likenesses = [source.likeness for source in sources if isinstance(source, Rendered) and source.likeness is not None]
    if not likenesses:
        return None
    other = likenesses[0]
    return cut_tile(other.pixels, face_tile(other.face, other.pixels.shape, work.tile.size))


def _match(work: _Work, before: Pixels, alpha: Alpha, result: TileResult, cell_px: int) -> _Done:
    """The painted tile laid over what went in and matched to the colours around its mask, or why it cannot be used."""
    if result.pixels is None:
        return _Done(work, before, before, Cause(Reason.PAINTER_FAILED, {"text": result.why}))
    laid = register(before, result.pixels, snap_mask(alpha, cell_px))
    if _measure_change(before, laid.pixels, alpha) > MOST_CHANGED:
        return _Done(work, before, before, Cause(Reason.NO_FACE_PAINTED))
    if laid.likeness < LEAST_ALIKE:
        return _Done(work, before, before, Cause(Reason.PAINTED_AROUND))
    if laid.residual_px > MOST_OFF_PX:
        return _Done(work, before, before, Cause(Reason.PAINTED_OFF, {"shift": laid.residual_px}))
    matched = match_ring(before, laid.pixels, alpha, cell_px).astype(np.float32)
    # Blended into the draft: where the networks' mask ends, the region's own alpha may still be 1.
    soft = before + alpha[..., None] * (matched - before)
    return _Done(work, before, np.rint(soft).astype(np.uint8))


def _measure_change(before: Pixels, after: Pixels, alpha: Alpha) -> float:
    """The mean difference ΔE (CIE 1976) of two tiles uint8 (size, size, 3) where `alpha` is above a half."""
    inside = alpha > 0.5
    if not inside.any():
        return 0.0
    was, now = (cv2.cvtColor(tile.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[inside] for tile in (before, after))
    return float(np.linalg.norm(now - was, axis=1).mean())


def _scale_steps(on_progress: Progress, text: str, start: float, fraction: float) -> OnStep:
    """The callback for tiles that are `fraction` of the whole work and begin when `start` of it is done."""
    return lambda done: on_progress(text, start + fraction * done)


def _mix_seed(seed: int, owner: int, attempt: int, number: int) -> int:
    """A seed for each tile that does not depend on what else is painted."""
    mixed = np.random.SeedSequence([seed % 2**63, owner, attempt, number]).generate_state(1, np.uint64)
    return int(mixed[0] >> np.uint64(1))
