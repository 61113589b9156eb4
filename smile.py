"""Paints a gentle, natural smile by moving the skin that a smile moves.

smile_motion.py says where the landmarks go; a thin-plate spline carries the skin between them along, and fades to
nothing at the nose, the eyes and the rim of the region, so that no edge is seen. smile_shading.py adds the light.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from grain import find_grain
from landmarks import Landmarks
from lower_lids import cover_eyes, lift_lower_lids
from photo_types import Face, Pixels, Region
from smile_motion import SmileGrid, lay_grid, smile_gain, smile_motion
from smile_shading import shade_smile
from soft_edges import smoothstep

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

# The motion grows from nothing to its full size over this many mouth widths from the region's rim: less
# where a mouth corner lies close to the rim, or one corner would rise less than the other.
_FADE_RANGE = (0.12, 0.34)
_LID_FADE_ALPHAS = (0.90, 0.98)
# Near the photo's edge a pixel may look back by at most this share of its distance from it.
_EDGE_SHARE = 0.6
# The backward map must stay this far from folding over (1 is no change, 0 a fold).
_MIN_JACOBIAN = 0.35
# Where it comes nearer, the motion is weakened by so much again and again, fading over so many nodes around.
_WEAKEN = 0.9
_WEAKENED_NODES = 4.0
_LEAST_SHARE = 0.05
# A trace of smoothing absorbs landmark jitter and points that coincide.
_SPLINE_SMOOTHING = 1e-4


def paint_smile(pixels: Pixels, face: Face, region: Region, amount: float) -> Pixels:
    """Return the region's box of a photo with a smile on the face.

    `pixels` uint8 (H, W, 3) RGB is not written to; `amount` is 0 no change, 0.5 gentle, 1 broad. The result is
    uint8 (region.box.height, region.box.width, 3).
    """
    box = region.box
    if amount <= 0:
        return pixels[box.slices].copy()
    # Who smiles a little already needs the less.
    gain = smile_gain(face.landmarks, amount) * (1 - face.smile)
    grid = lay_grid(face.landmarks, region)
    field = backward_field(face.landmarks, region, grid, gain)
    size = box.width, box.height
    x, y = np.arange(box.width, dtype=np.float32), np.arange(box.height, dtype=np.float32)[:, None]
    source_x = x + cv2.resize(field[..., 0], size, interpolation=cv2.INTER_CUBIC)
    source_y = y + cv2.resize(field[..., 1], size, interpolation=cv2.INTER_CUBIC)
    source = np.ascontiguousarray(pixels[box.slices])
    grain = find_grain(source, face.landmarks.eye_distance_px)
    clean = source if grain is None else source - grain
    moved = cv2.remap(clean, source_x, source_y, cv2.INTER_LANCZOS4, None, cv2.BORDER_REFLECT)
    shaded = shade_smile(np.clip(moved, 0, 255).astype(np.uint8), face.landmarks, box, grid, gain)
    if grain is not None:
        shaded = np.clip(np.rint(shaded + grain), 0, 255).astype(np.uint8)
    seen = cover_eyes(face.landmarks, box, gain)[..., None]
    return np.asarray(
        np.where(seen > 0, np.rint(shaded + seen * (source.astype(np.float32) - shaded)), shaded), np.uint8
    )


def backward_field(landmarks: Landmarks, region: Region, grid: SmileGrid, gain: float) -> Floats:
    """Return for each node of the grid how far to look back for its colour.

    float32 (rows, columns, 2), x and y in pixels; `gain` is the share of a full smile. A thin-plate spline through
    the moved landmarks (Bookstein, "Principal Warps", 1989), zero at the region's rim; weakened as far as
    needed to stay free of folds.
    """
    box = region.box
    places, motions = smile_motion(landmarks)
    field = _spline(places + gain * motions, -gain * motions, grid.nodes.reshape(-1, 2), grid.unit_px)
    fade = float(np.clip(grid.depth_at(landmarks.lips[[0, 10]]).min(), *_FADE_RANGE))
    field = field.reshape(grid.nodes.shape) * grid.window(fade)[..., None]
    # The lids lie too near the region's rim for that fade; what little they move fades within the rim itself.
    field += lift_lower_lids(landmarks, grid.nodes, gain) * smoothstep(*_LID_FADE_ALPHAS, grid.alpha)[..., None]
    from_left_top, from_right_bottom = grid.nodes - (box.left, box.top), (box.right - 1, box.bottom - 1) - grid.nodes
    limit = (_EDGE_SHARE * np.minimum(from_left_top, from_right_bottom)).clip(1e-3)
    share = np.ones(field.shape[:2], np.float32)
    while True:
        limited = (limit * np.tanh(share[..., None] * field / limit)).astype(np.float32)
        folding = (measure_jacobian(limited, grid) < _MIN_JACOBIAN).astype(np.float32)
        if not folding.any() or share.min() < _LEAST_SHARE:
            return limited
        # A smile is not to be given up for a fold in one place.
        around = cv2.GaussianBlur(folding, (0, 0), _WEAKENED_NODES)
        share *= 1 - (1 - _WEAKEN) * around / around.max()


def measure_jacobian(field: Floats, grid: SmileGrid) -> Floats:
    """Return the area ratio of the backward map `field` at each node of its grid: where it is above 0 nothing folds.

    float32 (rows, columns).
    """
    step_x, step_y = grid.step_px
    along_y, along_x = np.gradient(field, step_y, step_x, axis=(0, 1))
    ratio = (1 + along_x[..., 0]) * (1 + along_y[..., 1]) - along_x[..., 1] * along_y[..., 0]
    return np.asarray(ratio, np.float32)


def _spline(places: Floats, values: Floats, where: Floats, unit: float) -> Doubles:
    """Thin-plate spline through `values` (n, k) at `places` (n, 2), evaluated at `where` (m, 2); float64 (m, k)."""
    origin = places.mean(0)
    p = (places - origin).astype(np.float64) / unit
    q = (where - origin).astype(np.float64) / unit
    n = len(p)
    system = np.zeros((n + 3, n + 3))
    system[:n, :n] = _thin_plate(p, p) + _SPLINE_SMOOTHING * np.eye(n)
    system[:n, n] = system[n, :n] = 1
    system[:n, n + 1 :] = p
    system[n + 1 :, :n] = p.T
    weights = np.linalg.solve(system, np.vstack([values, np.zeros((3, values.shape[1]))]))
    return np.asarray(_thin_plate(q, p) @ weights[:n] + weights[n] + q @ weights[n + 1 :], np.float64)


def _thin_plate(a: Doubles, b: Doubles) -> Doubles:
    squared = (a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T
    squared = np.maximum(squared, 1e-12)
    return np.asarray(squared * np.log(squared), np.float64)
