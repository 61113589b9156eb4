"""On a turned head the nose hides a part of the far eye: find its edge, so that no eye is painted on the nose.

Landmarks alone do not tell: they lie a few pixels off there, and put the hidden corner of the eye on top of the nose.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from eye_shape import EyeFrame
from photo_types import Box

Array = NDArray[np.float32]

# Only an eye that is foreshortened to this part of its width can lie behind the nose.
_MOST_FORESHORTENING = 0.76
# Where the edge is looked for, in the eye frame, and how finely.
_X_RANGE, _Y_RANGE = (0.10, 1.35), (-0.55, 1.00)
_STEPS = (48, 48)
# Luma that the nose must stand out by, on average along its edge, to be believed.
_LEAST_CONTRAST = 5.0
_EDGE_SOFTNESS = 0.06


def visible_alpha(source: Array, frame: EyeFrame, box: Box, x: Array, y: Array) -> Array:
    """Where the region of an eye is not hidden by the nose: float32 0 … 1 in the shape of `x`.

    `source` float32 (h, w) is the luma of `box`, `x` and `y` (h, w) its frame coordinates.
    """
    visible = np.ones_like(x)
    if float(np.linalg.norm(frame.x_axis)) > _MOST_FORESHORTENING * frame.unit_px:
        return visible
    rows = np.linspace(*_Y_RANGE, _STEPS[0], dtype=np.float32)
    columns = np.linspace(*_X_RANGE, _STEPS[1], dtype=np.float32)
    map_x, map_y = frame.to_photo(*np.meshgrid(columns, rows))
    smooth = cv2.GaussianBlur(source, (0, 0), max(0.04 * frame.unit_px, 0.6))
    sampled = cv2.remap(smooth, map_x - box.left, map_y - box.top, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    # The nose catches light, the corner of the eye beside it lies in its shadow; a step over two samples.
    contrast = np.zeros_like(sampled)
    contrast[:, 2:-2] = sampled[:, 4:] - sampled[:, :-4]
    edge = _trace(contrast)
    if float(contrast[np.arange(_STEPS[0]), edge].mean()) < _LEAST_CONTRAST:
        return visible
    edge_x = np.interp(y, rows, cv2.GaussianBlur(columns[edge].reshape(-1, 1), (1, 9), 0).ravel()).astype(np.float32)
    t = np.clip((edge_x - x) / _EDGE_SOFTNESS, 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def _trace(gain: Array) -> NDArray[np.intp]:
    """The column per row of the path from top to bottom, one column sideways a row at most, that gathers most gain."""
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
