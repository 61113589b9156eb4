"""Edges in the picture that an opening eye has to respect: the nose before a far eye, the rim of glasses over the lid.

Landmarks do not tell either: they know no glasses, and they put the hidden corner of a far eye on top of the nose.
Both edges are traced as the path of most contrast through a small window of the eye frame.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from eye_shape import EyeFrame, Lids, evaluate_lid
from photo_types import Box
from soft_edges import smoothstep

Array = NDArray[np.float32]

# Only an eye that is foreshortened to this part of its width can lie behind the nose.
_MOST_FORESHORTENING = 0.76
# Where the edge is looked for, in the eye frame, and how finely.
_X_RANGE, _Y_RANGE = (0.10, 1.35), (-0.55, 1.00)
_STEPS = (48, 48)
# Luma that the nose must stand out by, on average along its edge, to be believed.
_LEAST_CONTRAST = 5.0
_EDGE_SOFTNESS = 0.12
# A rim is looked for between these heights over the closed lash line and under the brow.
_RIM_ABOVE_LINE, _RIM_BELOW_BROW = 0.30, 0.20
_RIM_X_RANGE = (-1.15, 1.05)
# Luma over the lid's that an edge must have along this share of its length to count as one.
_RIM_CONTRAST, _RIM_SHARE = 0.12, 0.75
_RIM_MARGIN = 0.06
# A strand of hair is looked for in this part of the eye frame, as a dark line narrower than _STRAND_WIDTH.
_STRAND_X, _STRAND_Y, _STRAND_STEPS = (-1.35, 1.20), (0.85, -0.50), (64, 120)
_STRAND_WIDTH = 0.30
# It is darker than the skin beside it by this much of the skin's luma, along this share of its way both above and
# below the lashes; near these nothing can be told.
_STRAND_CONTRAST, _STRAND_SHARE, _STRAND_LASHES = 0.10, 0.92, 0.18
_STRAND_EDGE = 0.06


def visible_alpha(source: Array, frame: EyeFrame, box: Box, x: Array, y: Array) -> Array:
    """Where the region of an eye is not hidden by the nose: float32 0 … 1 in the shape of `x`.

    `source` float32 (h, w) is the luma of `box`, `x` and `y` (h, w) its frame coordinates.
    """
    visible = np.ones_like(x)
    if frame.seen_share > _MOST_FORESHORTENING:
        return visible
    rows = np.linspace(*_Y_RANGE, _STEPS[0], dtype=np.float32)
    columns = np.linspace(*_X_RANGE, _STEPS[1], dtype=np.float32)
    map_x, map_y = frame.to_photo(*np.meshgrid(columns, rows))
    smooth = cv2.GaussianBlur(source, (0, 0), max(0.04 * frame.unit_px, 0.6))
    sampled = cv2.remap(smooth, map_x - box.left, map_y - box.top, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    # The nose catches light, the corner of the eye beside it lies in its shadow; a step over two samples.
    contrast = np.zeros(_STEPS, np.float32)
    contrast[:, 2:-2] = sampled[:, 4:] - sampled[:, :-4]
    edge = _trace(contrast)
    if float(contrast[np.arange(_STEPS[0]), edge].mean()) < _LEAST_CONTRAST:
        return visible
    edge_x = np.interp(y, rows, cv2.GaussianBlur(columns[edge].reshape(-1, 1), (1, 17), 0).ravel()).astype(np.float32)
    return smoothstep(0.0, _EDGE_SOFTNESS, edge_x - x)


def find_still_height(source: Array, frame: EyeFrame, box: Box, lids: Lids, x: Array) -> Array | None:
    """Height in the eye frame, float32 in the shape of `x`, above which nothing may move; None where nothing stands.

    That is the rim of glasses; or a crease as sharp as one, where the skin above stays still just as well.
    `source` float32 (h, w) is the luma of `box`.
    """
    highest = lids.brow_height - _RIM_BELOW_BROW
    columns = np.linspace(*_RIM_X_RANGE, _STEPS[1], dtype=np.float32)
    line = evaluate_lid(lids.closed, columns)
    if highest - float(line.min()) < 2 * _RIM_ABOVE_LINE:
        return None
    offsets = np.linspace(_RIM_ABOVE_LINE, highest - float(line.min()), _STEPS[0], dtype=np.float32)
    grid_y = line[:, None] + offsets[None, :]
    map_x, map_y = frame.to_photo(np.repeat(columns[:, None], len(offsets), axis=1), grid_y)
    smooth = cv2.GaussianBlur(source, (0, 0), max(0.02 * frame.unit_px, 0.5))
    sampled = cv2.remap(smooth, map_x - box.left, map_y - box.top, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    contrast = np.zeros(_STEPS, np.float32)
    contrast[:, 1:-1] = np.abs(sampled[:, 2:] - sampled[:, :-2])
    path = _trace(contrast)
    strong = contrast[np.arange(len(path)), path] > _RIM_CONTRAST * max(float(np.median(sampled)), 1.0)
    if float(strong.mean()) < _RIM_SHARE:
        return None
    heights = cv2.GaussianBlur(grid_y[np.arange(len(path)), path].reshape(-1, 1), (1, 9), 0).ravel() - _RIM_MARGIN
    return np.asarray(np.interp(x, columns, heights), np.float32)


def find_strand(source: Array, frame: EyeFrame, box: Box, lids: Lids, x: Array, y: Array) -> Array | None:
    """How far a strand of hair that hangs across the eye covers each pixel, float32 0 … 1 like `x`; None without one.

    `source` float32 (h, w) is the luma of `box`, `x` and `y` (h, w) its frame coordinates.
    """
    rows = np.linspace(*_STRAND_Y, _STRAND_STEPS[0], dtype=np.float32)
    columns = np.linspace(*_STRAND_X, _STRAND_STEPS[1], dtype=np.float32)
    map_x, map_y = frame.to_photo(*np.meshgrid(columns, rows))
    smooth = cv2.GaussianBlur(source, (0, 0), max(0.02 * frame.unit_px, 0.5))
    sampled = cv2.remap(smooth, map_x - box.left, map_y - box.top, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    step = (_STRAND_X[1] - _STRAND_X[0]) / (_STRAND_STEPS[1] - 1)
    # Only along the row: lashes, creases and brows lie across it and are no ridge in it.
    kernel = np.ones((1, round(_STRAND_WIDTH / step) | 1), np.uint8)
    ridge = (cv2.morphologyEx(sampled, cv2.MORPH_CLOSE, kernel) - sampled) / max(float(np.median(sampled)), 1.0)
    path = _trace(np.clip(ridge, 0, 2 * _STRAND_CONTRAST))
    along = ridge[np.arange(len(rows)), path] > _STRAND_CONTRAST
    away = rows - evaluate_lid(lids.closed, columns[path])
    for part in (away > _STRAND_LASHES, away < -_STRAND_LASHES):
        if part.sum() < 4 or float(along[part].mean()) < _STRAND_SHARE:
            return None
    # Short hair to the eye's scale: it bends once at most, and is as wide above the lashes as below.
    path_x = np.polyval(np.polyfit(rows, columns[path], 2), rows)
    aside = np.abs(columns[None, :] - path_x[:, None])
    covered = ((ridge > _STRAND_CONTRAST / 2) & (aside < _STRAND_WIDTH)).sum(axis=1)
    half = 0.5 * step * float(np.median(covered[np.abs(away) > _STRAND_LASHES]))
    cover = 1 - smoothstep(0.9 * half, 0.9 * half + _STRAND_EDGE, aside)
    to_column = (x - columns[0]) / step
    to_row = (y - rows[0]) / (rows[1] - rows[0])
    laid = cv2.remap(cover, to_column, to_row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(laid, np.float32)


def _trace(gain: Array) -> NDArray[np.intp]:
    """The column per row of the path from first to last row, one column aside a row at most, that gathers most gain."""
    total = gain.copy()
    for row in range(1, len(total)):
        above = np.pad(total[row - 1], 1, constant_values=-np.inf)
        total[row] += np.max([above[:-2], above[1:-1], above[2:]], axis=0)
    path = np.zeros(len(total), np.intp)
    path[-1] = int(total[-1].argmax())
    for row in range(len(total) - 2, -1, -1):
        low = max(int(path[row + 1]) - 1, 0)
        path[row] = low + int(total[row, low : path[row + 1] + 2].argmax())
    return path
