"""Brush strokes of the user on a photo: the parts to keep, and the parts to add to the edits."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from edit.plan import Edit, EditPlan, Skip
from edit.reasons import Cause, Reason
from photo.types import Alpha, Box, FloatArray, Region

# How far a stroke may extend a region beyond its own box, in sizes of that box.
_REACH = 0.6


@dataclass(frozen=True, eq=False)
class Strokes:
    """Two masks of the whole photo, each uint8 (h, w), 0 nothing … 255 painted, of any size in its proportions.

    Under `keep` the photo stays as it is; `edit` is added to the regions of nearby edits. Raises ValueError when the
    masks have no two dimensions or differ in size.
    """

    keep: NDArray[np.uint8]
    edit: NDArray[np.uint8]

    def __post_init__(self) -> None:
        if self.keep.ndim != 2 or self.keep.shape != self.edit.shape:
            raise ValueError(f"strokes need two masks (h, w) of one size, not {self.keep.shape} and {self.edit.shape}")


def apply_strokes(plan: EditPlan, strokes: Strokes, shape: tuple[int, ...]) -> EditPlan:
    """Return the plan with its regions extended and cut by the strokes; an edit without any region left becomes a skip.

    `shape` is the photo's (H, W, …). Each pixel of a stroke belongs to the edit whose centre is nearest.
    """
    edits: list[Edit] = []
    skips = list(plan.skips)
    for edit in plan.edits:
        region = _cut(_grow(edit, plan.edits, strokes, shape), strokes, shape)
        if region.alpha.any():
            edits.append(replace(edit, region=region))
        else:
            cause = Cause(Reason.KEPT_BY_HAND)
            skips.append(Skip(edit.face, edit.feature, cause, edit.measured, edit.threshold))
    return replace(plan, edits=tuple(edits), skips=tuple(skips))


def covers(mask: NDArray[np.uint8], box: Box, shape: tuple[int, ...]) -> float:
    """Return the fraction of `box` that is painted, 0 … 1; 0 when it lies outside the photo.

    `mask` uint8 (h, w) shows the whole photo, `box` is in pixels of the photo, whose `shape` is (H, W, …).
    """
    inside = box.clipped(shape[1], shape[0])
    return 0.0 if inside is None else float(_crop_mask(mask, inside, shape).mean())


def _grow(edit: Edit, edits: tuple[Edit, ...], strokes: Strokes, shape: tuple[int, ...]) -> Region:
    """The region of an edit with the strokes that are nearer to it than to any other edit."""
    wide = edit.region.box.padded(_REACH).clipped(shape[1], shape[0])
    if wide is None or not strokes.edit.any():
        return edit.region
    painted = _crop_mask(strokes.edit, wide, shape)
    rows, columns = np.mgrid[wide.top : wide.bottom, wide.left : wide.right].astype(np.float32)
    own = _distance(edit, columns, rows)
    for other in edits:
        if other is not edit:
            painted[_distance(other, columns, rows) < own] = 0.0
    if not painted.any():
        return edit.region
    top, left = edit.region.box.top - wide.top, edit.region.box.left - wide.left
    part = painted[top : top + edit.region.box.height, left : left + edit.region.box.width]
    np.maximum(part, edit.region.alpha, out=part)
    return Region(wide, painted)


def _cut(region: Region, strokes: Strokes, shape: tuple[int, ...]) -> Region:
    """The region without the parts to keep."""
    if not strokes.keep.any():
        return region
    return replace(
        region, alpha=(region.alpha * (1.0 - _crop_mask(strokes.keep, region.box, shape))).astype(np.float32)
    )


def _crop_mask(mask: NDArray[np.uint8], box: Box, shape: tuple[int, ...]) -> Alpha:
    """The part of a mask that lies over `box`, float32 (box.height, box.width), 0 … 1, interpolated."""
    scale_x, scale_y = mask.shape[1] / shape[1], mask.shape[0] / shape[0]
    # Where each pixel of the box lies in the mask, by pixel centres.
    to_mask = np.array(
        [
            [scale_x, 0.0, (box.left + 0.5) * scale_x - 0.5],
            [0.0, scale_y, (box.top + 0.5) * scale_y - 0.5],
        ]
    )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    cropped = cv2.warpAffine(mask, to_mask, (box.width, box.height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cropped, np.float32) / np.float32(255)


def _distance(edit: Edit, columns: FloatArray, rows: FloatArray) -> FloatArray:
    """Distance in pixels of each pixel to the centre of an edit's region."""
    x, y = edit.region.box.center
    return np.asarray(np.hypot(columns - x, rows - y), np.float32)
