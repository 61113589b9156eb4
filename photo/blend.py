"""Puts what was painted back into the photo: through the soft masks, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from photo.types import FloatArray, Mask, Pixels, Region

_BAND_ROWS = 64


def composite(pixels: Pixels, painted: Pixels, regions: Iterable[Region]) -> Pixels:
    """Blend `painted` into `pixels`, both uint8 (H, W, 3), through the soft `regions`.

    Where no region reaches, the result holds the bytes of `pixels`. Neither input is written to.
    """
    result = pixels.copy()
    for region in merge_regions(list(regions)):
        result[region.box.slices] = blend_patch(pixels, painted, region)
    return result


def blend_patch(pixels: Pixels, painted: Pixels, region: Region) -> Pixels:
    """Return the box of `region` with `painted` blended into `pixels` by its alpha, uint8 (h, w, 3).

    Both are uint8 (H, W, 3) and not written to. Where alpha is 0, it holds the bytes of `pixels`.
    """
    before, after = pixels[region.box.slices], painted[region.box.slices]
    blended = np.empty_like(before)
    # In bands: what is between 8-bit steps of a whole large face takes a lot of memory, and time to go through it.
    for top in range(0, len(before), _BAND_ROWS):
        band = slice(top, top + _BAND_ROWS)
        original = before[band].astype(np.float32)
        blended[band] = np.rint(original + region.alpha[band, :, None] * (after[band] - original))
    return blended


def merge_regions(regions: list[Region]) -> list[Region]:
    """Join regions whose boxes touch, so that no pixel lies in two: where they overlap the stronger alpha counts."""
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
    """The soft masks of `regions` as one picture of a photo of `shape` (H, W, …): uint8 (H, W), 0 keep … 255 repaint.

    Rounded up: black is where nothing is touched.
    """
    mask = np.zeros(shape[:2], np.uint8)
    for region in regions:
        part = mask[region.box.slices]
        np.maximum(part, np.ceil(region.alpha * 255).astype(np.uint8), out=part)
    return mask


def count_changes(before: Pixels, after: Pixels, regions: Iterable[Region]) -> tuple[int, int]:
    """Count the pixels that differ, and those among them that lie outside all of `regions`."""
    differs = before != after
    # Three slices are ten times faster than any(axis=2) on rows of three.
    changed: Mask = differs[..., 0] | differs[..., 1] | differs[..., 2]
    total = int(np.count_nonzero(changed))
    for region in regions:
        changed[region.box.slices] &= region.alpha == 0
    return total, int(np.count_nonzero(changed))


def smoothstep(low: float, high: float, value: NDArray[Any]) -> FloatArray:
    """0 below `low`, 1 above `high`, a smooth S between; float32 in the shape of `value`."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)
