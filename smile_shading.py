"""The light and shade that a smile adds: fuller cheeks, deeper folds beside nose and mouth, dimples.

A relief of these is lit from where the light on this face comes from; creases already there deepen with it.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from landmarks import Landmarks
from lower_lids import measure_fullness
from photo_types import Box, Pixels
from smile_motion import CHEEK, CHEEK_BACK, CORNER, SmileGrid, face_axes

Floats = NDArray[np.float32]

# Relief that a full smile adds to the skin, in mouth widths: the cheek's bulge, the nasolabial fold, the dimple,
# and the fullness under the eye.
_BULGE_HEIGHT, _BULGE_RADIUS = 0.150, 0.25
_FOLD_DEPTH, _FOLD_RADIUS = 0.016, 0.050
_DIMPLE_DEPTH, _DIMPLE_RADIUS = 0.018, 0.050
_LID_FULLNESS = 0.030
# The fold is faint at the nose, deepest in the middle, and ends beside the mouth.
_FOLD_STRENGTH = (0.25, 1.0, 0.9, 0.0)
# How strongly slopes toward the light brighten, and hollows darken because less of the room's light gets in.
_SLOPE_SHADING = 0.45
_HOLLOW_SHADING = 3.5
# Slopes away from the light still get the room's light: they darken by this share of what the others brighten.
_SHADOW_SHARE = 0.35
# Light mostly comes from above; its sideways part is read off the two cheeks, within these bounds.
_LIGHT_FROM_ABOVE = 0.75
_MAX_LIGHT_FROM_SIDE = 0.6
_CHEEK_PATCH = 0.15
# Creases already there deepen by this share in a full smile, as far as this from the fold.
_CREASE_DEEPENING = 0.55
_CREASE_WIDTH = 0.10
_MAX_CREASE = 0.3
# The crease that hangs from a corner of the mouth and the pale band beside it even out by this share: here, outward
# and down from the corner, so far around.
_EVENING = 1.1
_EVENED_AT, _EVENED_RADIUS = (0.09, -0.13), 0.085
# The change fades over this many mouth widths from the region's rim.
_FADE = 0.15
# Channels within this distance of white are shaded less and less.
_HEADROOM = 70.0
# Less than this is no step of 8 bits anywhere.
_LEAST_CHANGE = 1e-3


def shade_smile(moved: Pixels, landmarks: Landmarks, box: Box, grid: SmileGrid, gain: float) -> Pixels:
    """Return the moved skin with the light and shade of a smile.

    `moved` uint8 (box.height, box.width, 3) RGB; `gain` is the share of a full smile. Same shape and dtype come back.
    """
    change = _measure_change(moved, landmarks, grid, gain)
    shade = np.asarray(cv2.resize(change, (box.width, box.height), interpolation=cv2.INTER_LINEAR), np.float32)
    # Only the cheeks are shaded; the work for the rest of the region is saved.
    left, top, width, height = cv2.boundingRect((np.abs(change) > _LEAST_CHANGE).astype(np.uint8))
    step_x, step_y = grid.step_px
    rows = slice(int(max(top - 1, 0) * step_y), int((top + height + 1) * step_y))
    columns = slice(int(max(left - 1, 0) * step_x), int((left + width + 1) * step_x))
    shaded = moved.copy()
    shaded[rows, columns] = _relight(moved[rows, columns], shade[rows, columns])
    return shaded


def _relight(pixels: Pixels, shade: Floats) -> Pixels:
    """Add `shade` (h, w) times itself, but leave channels near white alone: shaded bright skin turns warm, not gray."""
    values = pixels.astype(np.float32)
    headroom = np.minimum((255 - values) / _HEADROOM, 1)
    return np.clip(np.rint(values + values * headroom * shade[..., None]), 0, 255).astype(np.uint8)


def _measure_change(moved: Pixels, landmarks: Landmarks, grid: SmileGrid, gain: float) -> Floats:
    """By how much the light changes at each node, as a share of it: float32 (rows, columns)."""
    unit, axes = grid.unit_px, face_axes(landmarks)
    rows, columns = grid.depth.shape
    step = grid.step_px[0] / unit
    nodes = grid.nodes / unit
    gray = cv2.cvtColor(cv2.resize(moved, (columns, rows), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    light = np.log(gray.astype(np.float32) + 8)

    relief = np.zeros((rows, columns), np.float32)
    creases = np.zeros((rows, columns), np.float32)
    evened = np.zeros((rows, columns), np.float32)
    brightness = []
    for cheek, wing, corner, side in (
        (landmarks.right_cheek, landmarks.nose[7], landmarks.lips[0], -1.0),
        (landmarks.left_cheek, landmarks.nose[12], landmarks.lips[10], 1.0),
    ):
        outward, up = np.asarray(CHEEK, np.float32).T
        cheek = cheek + gain * unit * np.stack([side * outward, up, CHEEK_BACK * outward], 1) @ axes
        corner = corner + gain * unit * (np.array([side, 1, 1], np.float32) * CORNER) @ axes
        aside = side * axes[0] * unit
        bulge = (cheek[4, :2] + cheek[5, :2]) / 2 / unit
        fold = np.stack([
            wing + 0.02 * aside, 0.6 * cheek[6] + 0.4 * cheek[5], cheek[7] + 0.06 * aside, cheek[9] + 0.05 * aside
        ])[:, :2] / unit  # fmt: skip
        distance, strength = _measure_along(nodes, fold)
        relief += _BULGE_HEIGHT * _bump(_distance(nodes, bulge), _BULGE_RADIUS)
        relief -= _FOLD_DEPTH * strength * _bump(distance, _FOLD_RADIUS)
        relief -= _DIMPLE_DEPTH * _bump(_distance(nodes, (corner + 0.05 * aside)[:2] / unit), _DIMPLE_RADIUS)
        below_corner = corner + (_EVENED_AT[0] * side * axes[0] + _EVENED_AT[1] * axes[1]) * unit
        evened = np.maximum(evened, _bump(_distance(nodes, below_corner[:2] / unit), _EVENED_RADIUS))
        creases = np.maximum(creases, strength * _bump(distance, _CREASE_WIDTH))
        weight = _bump(_distance(nodes, bulge), _CHEEK_PATCH)
        brightness.append(float((light * weight).sum() / max(float(weight.sum()), 1e-6)))

    relief += _LID_FULLNESS * measure_fullness(landmarks, grid.nodes)
    from_left = float(np.clip(brightness[1] - brightness[0], -_MAX_LIGHT_FROM_SIDE, _MAX_LIGHT_FROM_SIDE))
    toward_light = (from_left * axes[0] + _LIGHT_FROM_ABOVE * axes[1])[:2]
    slope_y, slope_x = np.gradient(relief, step)
    toward = -(slope_x * toward_light[0] + slope_y * toward_light[1])
    toward = np.where(toward > 0, toward, _SHADOW_SHARE * toward)
    hollow = np.maximum(cv2.Laplacian(relief, cv2.CV_32F) / step**2, 0) * _FOLD_RADIUS**2
    detail = np.clip(light - cv2.GaussianBlur(light, (0, 0), _CREASE_WIDTH / step), -_MAX_CREASE, _MAX_CREASE)
    change = _SLOPE_SHADING * toward - _HOLLOW_SHADING * hollow + _CREASE_DEEPENING * np.minimum(detail, 0) * creases
    change -= _EVENING * detail * evened
    return np.expm1(gain * change * grid.window(_FADE)).astype(np.float32)


def _distance(nodes: Floats, center: Floats) -> Floats:
    return np.asarray(np.hypot(nodes[..., 0] - center[0], nodes[..., 1] - center[1]), np.float32)


def _bump(distance: Floats, radius: float) -> Floats:
    return np.exp(-(distance**2) / (2 * radius**2)).astype(np.float32)


def _measure_along(nodes: Floats, path: Floats) -> tuple[Floats, Floats]:
    """Distance of every node from the fold's path (4, 2), and the fold's strength at the nearest place on it."""
    # The parabola nearest to the four points has no kinks.
    t = np.linspace(0, 3, 48)
    curve = np.vander(t, 3) @ np.polyfit(np.arange(4), path, 2)
    squared = (nodes[..., None, 0] - curve[:, 0]) ** 2 + (nodes[..., None, 1] - curve[:, 1]) ** 2
    nearest = squared.argmin(-1)
    strength = np.interp(t, np.arange(4), _FOLD_STRENGTH).astype(np.float32)[nearest]
    distance = np.sqrt(np.take_along_axis(squared, nearest[..., None], -1)[..., 0])
    return distance.astype(np.float32), np.asarray(cv2.GaussianBlur(strength, (0, 0), 1.5), np.float32)
