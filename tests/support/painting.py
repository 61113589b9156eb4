"""What an engine makes of a plan, put into the photo in the two ways that tests look at."""

from __future__ import annotations

from collections.abc import Sequence

from edit.plan import EditPlan, Engine, PaintResult
from photo.blend import Patch, lay
from photo.canvas import Canvas
from photo.types import Pixels
from retouch.progress import ignore_progress


def paint_with(engine: Engine, pixels: Pixels, plan: EditPlan) -> Pixels:
    """The photo uint8 (H, W, 3) with the whole box of each edit as the engine painted it; no face may fail."""
    return put_in(pixels, plan, _paint(engine, pixels, plan))


def composite_with(engine: Engine, pixels: Pixels, plan: EditPlan) -> Pixels:
    """The photo uint8 (H, W, 3) as the program returns it, each edit in its soft region; no face may fail."""
    pairs = zip(plan.edits, _paint(engine, pixels, plan).patches, strict=True)
    return composite(pixels, [Patch(edit.region, patch) for edit, patch in pairs])


def composite(pixels: Pixels, patches: Sequence[Patch]) -> Pixels:
    """A copy of the photo uint8 (H, W, 3) with the patches blended in."""
    canvas = Canvas(pixels)
    lay(canvas, patches)
    return canvas.work


def put_in(pixels: Pixels, plan: EditPlan, painted: PaintResult) -> Pixels:
    """A copy of the photo with the whole patches in it."""
    result = pixels.copy()
    for edit, patch in zip(plan.edits, painted.patches, strict=True):
        result[edit.region.box.slices] = patch
    return result


def _paint(engine: Engine, pixels: Pixels, plan: EditPlan) -> PaintResult:
    painted = engine.paint(Canvas(pixels), plan, ignore_progress)
    assert not painted.failures
    return painted
