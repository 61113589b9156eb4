"""Paints a gentle, natural smile by moving the skin that a smile moves, and by shading it.

`render.smile_motion` gives the motion of the landmarks; a thin-plate spline interpolates it over the skin between them
and fades out at the nose, the eyes and the rim of the region, so that no edge is visible. The moved skin then gets the
light and shade of raised cheeks and of the folds beside the mouth.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from face.types import Face, Landmarks
from photo.blend import smoothstep
from photo.measure import find_grain
from photo.types import Box, FloatArray, Matrix, Pixels, Region
from render.smile_motion import (
    CHEEK,
    CHEEK_BACK,
    CORNER,
    SmileGrid,
    draw_eyes_alpha,
    face_axes,
    lay_grid,
    lift_lower_lids,
    measure_fullness,
    smile_gain,
    smile_motion,
)

# ---- moving the skin -----------------------------------------------------------------------------------

# The motion grows from nothing to its full size over this many mouth widths from the region's rim: less
# where a mouth corner lies close to the rim, or one corner would rise less than the other.
_FADE_RANGE = (0.12, 0.34)
_LID_FADE_ALPHAS = (0.90, 0.98)
# Near the photo's edge a pixel may look back by at most this share of its distance from it.
_EDGE_FRACTION = 0.6
# The backward map must stay this far from folding over (1 is no change, 0 a fold).
_MIN_JACOBIAN = 0.35
# Where it comes nearer, the motion is weakened by so much again and again, fading over so many nodes around.
_WEAKEN = 0.9
_WEAKENED_NODES = 4.0
_LEAST_STRENGTH = 0.05
# On faces with larger distances of the outer eye corners nothing but grain is as fine as a pixel, and a quicker filter
# moves the skin just as well.
_CRISP_EYE_DISTANCE_PX = 800.0
# A large face is painted in bands of so many rows: what lies between 8-bit steps needs much memory.
_BAND_ROWS = 128
# The filters that move the skin look so far around.
_FILTER_PX = 4
# A trace of smoothing absorbs landmark jitter and points that coincide.
_SPLINE_SMOOTHING = 1e-4


def paint_smile(
    pixels: Pixels, face: Face, region: Region, amount: float, on_step: Callable[[], None] = lambda: None
) -> Pixels:
    """Return the box of `region` of a photo with a smile on the face, uint8 (h, w, 3) RGB.

    `pixels` uint8 (H, W, 3) RGB is not written to; `amount` is 0 no change, 0.5 gentle, 1 broad. `on_step` is called
    between the steps; what it raises ends the work.
    """
    box = region.box
    if amount <= 0:
        return pixels[box.slices].copy()
    # A face that smiles a little already needs less.
    gain = smile_gain(face.landmarks, amount) * (1 - face.smile)
    grid = lay_grid(face.landmarks, region)
    field = backward_field(face.landmarks, region, grid, gain)
    size = box.width, box.height
    x, y = np.arange(box.width, dtype=np.float32), np.arange(box.height, dtype=np.float32)[:, None]
    source_x, source_y = (
        np.asarray(cv2.resize(field[..., axis], size, interpolation=cv2.INTER_CUBIC), np.float32) for axis in (0, 1)
    )
    source_x += x
    source_y += y
    source = np.ascontiguousarray(pixels[box.slices])
    grain = find_grain(source, face.landmarks.eye_distance_px, on_step)
    way = cv2.INTER_LANCZOS4 if face.landmarks.eye_distance_px < _CRISP_EYE_DISTANCE_PX else cv2.INTER_CUBIC
    moved = np.empty_like(source)
    bands = [slice(top, top + _BAND_ROWS) for top in range(0, box.height, _BAND_ROWS)]
    for band in bands:
        on_step()
        # Only the rows that this band looks back at, and the reach of the filter: all of them would be a gigabyte.
        first, last = int(source_y[band].min()) - _FILTER_PX, int(source_y[band].max()) + _FILTER_PX + 2
        rows = slice(max(first, 0), min(last, box.height))
        clean = source[rows] if grain is None else source[rows] - grain[rows]
        part = cv2.remap(clean, source_x[band], source_y[band] - rows.start, way, None, cv2.BORDER_REFLECT)
        moved[band] = np.clip(part, 0, 255)
    shaded = shade_smile(moved, face.landmarks, box, grid, gain)
    if grain is not None:
        for band in bands:
            on_step()
            shaded[band] = np.clip(np.rint(shaded[band] + grain[band]), 0, 255)
    eye_alpha = draw_eyes_alpha(face.landmarks, box, gain)
    left, top, width, height = cv2.boundingRect((eye_alpha > 0).astype(np.uint8))
    eyes = slice(top, top + height), slice(left, left + width)
    alpha, skin = eye_alpha[eyes][..., None], shaded[eyes]
    shaded[eyes] = np.where(alpha > 0, np.rint(skin + alpha * (source[eyes].astype(np.float32) - skin)), skin)
    return shaded


def backward_field(landmarks: Landmarks, region: Region, grid: SmileGrid, gain: float) -> FloatArray:
    """Return the displacement from each node of the grid to where its colour comes from.

    float32 (rows, columns, 2), x and y in pixels; `gain` is the fraction of a full smile. A thin-plate spline through
    the moved landmarks (Bookstein, "Principal Warps", 1989), zero at the region's rim, and weakened as far as needed
    to stay free of folds.
    """
    box = region.box
    places, motions = smile_motion(landmarks)
    field = _spline(places + gain * motions, -gain * motions, grid.nodes.reshape(-1, 2), grid.unit_px)
    fade = float(np.clip(grid.depth_at(landmarks.lips[[0, 10]]).min(), *_FADE_RANGE))
    field = field.reshape(grid.nodes.shape) * grid.window(fade)[..., None]
    # The lids lie too near the region's rim for that fade; what little they move fades within the rim itself.
    field += lift_lower_lids(landmarks, grid.nodes, gain) * smoothstep(*_LID_FADE_ALPHAS, grid.alpha)[..., None]
    from_left_top, from_right_bottom = grid.nodes - (box.left, box.top), (box.right - 1, box.bottom - 1) - grid.nodes
    limit = (_EDGE_FRACTION * np.minimum(from_left_top, from_right_bottom)).clip(1e-3)
    strength = np.ones(field.shape[:2], np.float32)
    while True:
        limited = (limit * np.tanh(strength[..., None] * field / limit)).astype(np.float32)
        folding = (measure_jacobian(limited, grid) < _MIN_JACOBIAN).astype(np.float32)
        if not folding.any() or strength.min() < _LEAST_STRENGTH:
            return limited
        # Weakened around the fold only: the rest of the smile can stay.
        around = cv2.GaussianBlur(folding, (0, 0), _WEAKENED_NODES)
        strength *= 1 - (1 - _WEAKEN) * around / around.max()


def measure_jacobian(field: FloatArray, grid: SmileGrid) -> FloatArray:
    """Return the Jacobian determinant of the backward map `field` at each node of its grid, float32 (rows, columns).

    It is 1 where areas stay as they are; where it is above 0 the map does not fold.
    """
    step_x, step_y = grid.step_px
    along_y, along_x = np.gradient(field, step_y, step_x, axis=(0, 1))
    ratio = (1 + along_x[..., 0]) * (1 + along_y[..., 1]) - along_x[..., 1] * along_y[..., 0]
    return np.asarray(ratio, np.float32)


def _spline(places: FloatArray, values: FloatArray, where: FloatArray, unit: float) -> Matrix:
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


def _thin_plate(a: Matrix, b: Matrix) -> Matrix:
    """The kernel r² log r² of every distance between `a` (n, 2) and `b` (m, 2), float64 (n, m)."""
    squared = (a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T
    squared = np.maximum(squared, 1e-12)
    return np.asarray(squared * np.log(squared), np.float64)


# ---- light and shade -----------------------------------------------------------------------------------

# calibration: smile-relief. Relief that a full smile adds to the skin, in mouth widths: the cheek's bulge, the
# nasolabial fold, the dimple, and the fullness under the eye.
_BULGE_HEIGHT, _BULGE_RADIUS = 0.150, 0.25
_FOLD_DEPTH, _FOLD_RADIUS = 0.016, 0.050
_DIMPLE_DEPTH, _DIMPLE_RADIUS = 0.018, 0.050
_LID_FULLNESS = 0.030
# calibration: smile-relief. The fold is faint at the nose, deepest in the middle, and ends beside the mouth.
_FOLD_STRENGTH = (0.25, 1.0, 0.9, 0.0)
# calibration: smile-relief. How strongly slopes toward the light brighten, and hollows darken because less of the
# room's light gets in.
_SLOPE_SHADING = 0.45
_HOLLOW_SHADING = 3.5
# calibration: smile-relief. Slopes away from the light still get the room's light: they darken by this share of what
# the others brighten.
_SHADOW_FRACTION = 0.35
# Light mostly comes from above; its sideways part is read off the two cheeks, within these bounds.
_LIGHT_FROM_ABOVE = 0.75
_MAX_LIGHT_FROM_SIDE = 0.6
_CHEEK_PATCH = 0.15
# calibration: smile-relief. Creases already there deepen by this share in a full smile, as far as this from the fold.
_CREASE_DEEPENING = 0.55
_CREASE_WIDTH = 0.10
_MAX_CREASE = 0.3
# calibration: smile-relief. The crease that hangs from a corner of the mouth and the pale band beside it even out by
# this share: here, outward and down from the corner, so far around.
_EVENING = 1.1
_EVENED_AT, _EVENED_RADIUS = (0.09, -0.13), 0.085
# The change fades over this many mouth widths from the region's rim.
_SHADE_FADE = 0.15
# Channels within this distance of white are shaded less and less.
_HEADROOM = 70.0
# Relit in bands of so many rows: a large face needs no memory for all its values between the steps of 8 bits.
_SHADED_BAND_ROWS = 64
# Less than this is no step of 8 bits anywhere.
_LEAST_CHANGE = 1e-3


def shade_smile(moved: Pixels, landmarks: Landmarks, box: Box, grid: SmileGrid, gain: float) -> Pixels:
    """Return the moved skin with the light and shade of a smile, uint8 (box.height, box.width, 3) RGB.

    `moved`, of the same shape and dtype, is not written to; `gain` is the fraction of a full smile.
    """
    change = _measure_change(moved, landmarks, grid, gain)
    shade = np.asarray(cv2.resize(change, (box.width, box.height), interpolation=cv2.INTER_LINEAR), np.float32)
    # Only the cheeks change: computing the rest of the region would be wasted.
    left, top, width, height = cv2.boundingRect((np.abs(change) > _LEAST_CHANGE).astype(np.uint8))
    step_x, step_y = grid.step_px
    rows = slice(int(max(top - 1, 0) * step_y), int((top + height + 1) * step_y))
    columns = slice(int(max(left - 1, 0) * step_x), int((left + width + 1) * step_x))
    shaded = moved.copy()
    shaded[rows, columns] = _relight(moved[rows, columns], shade[rows, columns])
    return shaded


def _relight(pixels: Pixels, shade: FloatArray) -> Pixels:
    """`pixels` times 1 + `shade` (h, w), less for channels near white: bright skin in shade turns warm, not gray."""
    lit = np.empty_like(pixels)
    for top in range(0, len(pixels), _SHADED_BAND_ROWS):
        band = slice(top, top + _SHADED_BAND_ROWS)
        values = pixels[band].astype(np.float32)
        headroom = np.minimum((255 - values) / _HEADROOM, 1)
        lit[band] = np.clip(np.rint(values + values * headroom * shade[band, :, None]), 0, 255)
    return lit


def _measure_change(moved: Pixels, landmarks: Landmarks, grid: SmileGrid, gain: float) -> FloatArray:
    """Relative change of the light at each node, float32 (rows, columns)."""
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
    toward = np.where(toward > 0, toward, _SHADOW_FRACTION * toward)
    hollow = np.maximum(cv2.Laplacian(relief, cv2.CV_32F) / step**2, 0) * _FOLD_RADIUS**2
    detail = np.clip(light - cv2.GaussianBlur(light, (0, 0), _CREASE_WIDTH / step), -_MAX_CREASE, _MAX_CREASE)
    change = _SLOPE_SHADING * toward - _HOLLOW_SHADING * hollow + _CREASE_DEEPENING * np.minimum(detail, 0) * creases
    change -= _EVENING * detail * evened
    return np.expm1(gain * change * grid.window(_SHADE_FADE)).astype(np.float32)


def _distance(nodes: FloatArray, center: FloatArray) -> FloatArray:
    """Distance of every node (rows, columns, 2) from `center` (2,)."""
    return np.asarray(np.hypot(nodes[..., 0] - center[0], nodes[..., 1] - center[1]), np.float32)


def _bump(distance: FloatArray, radius: float) -> FloatArray:
    """A Gaussian of height 1 with the standard deviation `radius`."""
    return np.exp(-(distance**2) / (2 * radius**2)).astype(np.float32)


def _measure_along(nodes: FloatArray, path: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Distance of every node from the fold's path (4, 2), and the fold's strength at the nearest place on it."""
    # The parabola nearest to the four points has no kinks.
    t = np.linspace(0, 3, 48)
    curve = np.vander(t, 3) @ np.polyfit(np.arange(4), path, 2)
    squared = (nodes[..., None, 0] - curve[:, 0]) ** 2 + (nodes[..., None, 1] - curve[:, 1]) ** 2
    nearest = squared.argmin(-1)
    strength = np.interp(t, np.arange(4), _FOLD_STRENGTH).astype(np.float32)[nearest]
    distance = np.sqrt(np.take_along_axis(squared, nearest[..., None], -1)[..., 0])
    return distance.astype(np.float32), np.asarray(cv2.GaussianBlur(strength, (0, 0), 1.5), np.float32)
