"""The part of a smile that the eyes show: the lower lids rise a little, and the skin under them gets fuller.

The lid slides up over the eyeball, so the eye above its new rim stays as it is: nothing of the iris is moved.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from landmarks import EyeLandmarks, Landmarks
from photo_types import Box
from soft_edges import smoothstep

Floats = NDArray[np.float32]

# How far the middle of the lid rises in a full smile, and at most, in eye widths.
_LIFT = 0.075
_MOST_LIFT = 0.04
# The lift fades over this many eye widths below the lid: there the skin moves with the cheek.
_LIFT_REACH = 0.60
# The eye above the new rim is kept by a mask as soft as this, in eye widths; it reaches so far up.
_RIM_SOFTNESS = 0.012
_EYE_HEIGHT = 0.7
# The fullness under the lid: how far below its rim, in eye widths, and how broad.
_FULLNESS_BELOW, _FULLNESS_RADIUS = 0.17, 0.085


def lift_lower_lids(landmarks: Landmarks, nodes: Floats, gain: float) -> Floats:
    """Return how far to look back, for each node of a grid, for the colour of a lifted lower lid.

    `nodes` float32 (rows, columns, 2) are photo pixels, `gain` is the share of a full smile. float32 of the same
    shape, x and y in pixels: longest at the lids' rims and above, 0 at the eyes' corners, beside and well below them.
    """
    field = np.zeros_like(nodes)
    for eye in landmarks.eyes:
        along, below = _measure_from_lid(eye, nodes)
        share = _arch(along) * (1 - smoothstep(0.0, _LIFT_REACH, below)) * (below > -_EYE_HEIGHT)
        field -= share[..., None] * _lift_px(eye, gain) * _up(eye)
    return field


def cover_eyes(landmarks: Landmarks, box: Box, gain: float) -> Floats:
    """Return how much of the eye as it was is seen above the lifted lids, float32 (box.height, box.width) 0 … 1."""
    seen = np.zeros((box.height, box.width), np.float32)
    for eye in landmarks.eyes:
        rim = eye.lower[:, :2] + _arch(np.linspace(0, 1, 9, dtype=np.float32))[:, None] * _lift_px(eye, gain) * _up(eye)
        roof = eye.lower[::-1, :2] + _EYE_HEIGHT * eye.width_px * _up(eye)
        outline = np.concatenate([rim, roof]) - (box.left, box.top)
        mask = np.zeros((box.height, box.width), np.uint8)
        cv2.fillPoly(mask, [np.round(outline * 16).astype(np.int32)], (255,), cv2.LINE_AA, 4)
        soft = cv2.GaussianBlur(mask, (0, 0), max(_RIM_SOFTNESS * eye.width_px, 0.5))
        seen = np.maximum(seen, soft.astype(np.float32) / 255)
    return seen


def measure_fullness(landmarks: Landmarks, nodes: Floats) -> Floats:
    """Return the relief of the skin under lifted lids at each node, float32 (rows, columns) 0 … 1."""
    relief = np.zeros(nodes.shape[:2], np.float32)
    for eye in landmarks.eyes:
        along, below = _measure_from_lid(eye, nodes)
        relief += _arch(along) * np.exp(-(((below - _FULLNESS_BELOW) / _FULLNESS_RADIUS) ** 2) / 2)
    return relief


def _measure_from_lid(eye: EyeLandmarks, nodes: Floats) -> tuple[Floats, Floats]:
    """Place along the lower lid, 0 at its outer corner and 1 at its inner one, and how far below it, in eye widths."""
    up = _up(eye)
    across = np.array([-up[1], up[0]], np.float32)
    places = (eye.lower[:, :2] - eye.outer_corner[:2]) / max(eye.width_px, 1e-6)
    if places[-1] @ across < 0:
        across = -across
    order = np.argsort(places @ across)
    nodes = (nodes - eye.outer_corner[:2]) / max(eye.width_px, 1e-6)
    along, height = nodes @ across, nodes @ up
    rim = np.interp(along, (places @ across)[order], (places @ up)[order])
    return along.astype(np.float32), (rim - height).astype(np.float32)


def _up(eye: EyeLandmarks) -> Floats:
    """Unit vector in the picture from the lid toward the brow, square to the line between the eye's corners."""
    line = (eye.inner_corner - eye.outer_corner)[:2] / max(eye.width_px, 1e-6)
    up = np.array([-line[1], line[0]], np.float32)
    toward_brow = (eye.brow_lower.mean(0) - eye.lower.mean(0))[:2]
    return up if up @ toward_brow > 0 else -up


def _arch(along: Floats) -> Floats:
    """0 at the eye's corners and beyond, 1 in its middle; a lid is moved most a little outside of the middle."""
    return np.sin(np.pi * np.clip(along, 0, 1) ** 0.9).clip(0, 1).astype(np.float32)


def _lift_px(eye: EyeLandmarks, gain: float) -> float:
    return min(_LIFT * gain, _MOST_LIFT) * eye.width_px
