"""Blend painted patches into the photo through soft masks, and draw and compare such masks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from photo.canvas import Canvas
from photo.types import Alpha, FloatArray, Mask, Pixels, Region

_BAND_ROWS = 64


@dataclass(frozen=True, eq=False)
class Patch:
    """A painted region: `pixels` uint8 (h, w, 3) has the size of `region.box`."""

    region: Region
    pixels: Pixels


def lay(canvas: Canvas, patches: Sequence[Patch]) -> None:
    """Blend patches into the working copy of a photo, each by the alpha of its region.

    Where regions overlap, the larger alpha counts. Where alpha is 0, the copy keeps its bytes.
    """
    for region in merge_regions([patch.region for patch in patches]):
        before = canvas.work[region.box.slices]
        after = before.copy()
        for patch in patches:
            inner = patch.region.box
            if inner.overlap_ratio(region.box) > 0:
                after[inner.shifted(-region.box.left, -region.box.top).slices] = patch.pixels
        canvas.put(region.box, blend(before, after, region.alpha))


def blend(before: Pixels, after: Pixels, alpha: Alpha) -> Pixels:
    """Return a blend of two pictures uint8 (h, w, 3): at alpha 0 the bytes of `before`, at 1 those of `after`."""
    blended = before.copy()
    # In bands: float32 copies of a whole large face take a lot of memory, and exceed the processor cache.
    for top in range(0, len(before), _BAND_ROWS):
        columns = np.flatnonzero(alpha[top : top + _BAND_ROWS].any(axis=0))
        if not len(columns):
            continue
        part = slice(top, top + _BAND_ROWS), slice(int(columns[0]), int(columns[-1]) + 1)
        original = before[part].astype(np.float32)
        blended[part] = np.rint(original + alpha[part][..., None] * (after[part] - original))
    return blended


def merge_regions(regions: list[Region]) -> list[Region]:
    """Join regions whose boxes overlap, so that no pixel lies in two; where they overlap, the larger alpha counts."""
    merged: list[Region] = []
    for region in regions:
        joined = region
        while True:
            touching = [other for other in merged if other.box.overlap_ratio(joined.box) > 0]
            if not touching:
                break
            for other in touching:
                merged.remove(other)
                joined = _join(joined, other)
        merged.append(joined)
    return merged


def _join(one: Region, other: Region) -> Region:
    box = one.box.union(other.box)
    alpha = np.zeros((box.height, box.width), np.float32)
    for region in (one, other):
        top, left = region.box.top - box.top, region.box.left - box.left
        part = alpha[top : top + region.box.height, left : left + region.box.width]
        np.maximum(part, region.alpha, out=part)
    return Region(box, alpha)


def draw_mask(shape: tuple[int, ...], regions: Iterable[Region]) -> NDArray[np.uint8]:
    """Return the union of soft masks as a picture, uint8 (H, W), 0 keep … 255 repaint.

    `shape` is the photo's (H, W, …). Alpha is rounded up, so that only untouched pixels are black.
    """
    mask = np.zeros(shape[:2], np.uint8)
    for region in regions:
        part = mask[region.box.slices]
        # Rounded, a resized 1 may lie a little above 1.
        np.maximum(part, np.ceil(np.minimum(region.alpha, 1) * 255).astype(np.uint8), out=part)
    return mask


def count_changes(before: Pixels, after: Pixels, regions: Iterable[Region]) -> tuple[int, int]:
    """Return the number of pixels that differ in two pictures uint8 (H, W, 3), and of those outside all `regions`."""
    changed: Mask = np.empty(before.shape[:2], np.bool_)
    for top in range(0, len(before), _BAND_ROWS):
        differs = before[top : top + _BAND_ROWS] != after[top : top + _BAND_ROWS]
        # Three slices are ten times faster than any(axis=2) on rows of three.
        changed[top : top + _BAND_ROWS] = differs[..., 0] | differs[..., 1] | differs[..., 2]
    total = int(np.count_nonzero(changed))
    for region in regions:
        changed[region.box.slices] &= region.alpha == 0
    return total, int(np.count_nonzero(changed))


def smoothstep(low: float, high: float, value: NDArray[Any]) -> FloatArray:
    """Return the cubic step of `value`: 0 below `low`, 1 above `high`, 3t² - 2t³ between; float32 in its shape."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)
