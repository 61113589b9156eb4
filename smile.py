"""Paints a gentle, natural smile by moving the skin that a smile moves.

The motion is the one measured between neutral and smiling faces: the mouth corners travel up, outward
and back around the teeth, the lips follow along a parabola and thin a little, the cheeks rise, the folds
between nose and mouth deepen. It is laid out in the face's own three axes, so that it foreshortens on a
turned head and follows a tilted mouth, and fades to nothing at the nose, the eyes and the face's outline.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from landmarks import Landmarks
from photo_types import Face, Pixels, Region

Floats = NDArray[np.float32]

# How far the corner of the mouth travels in a full smile: outward, up, toward the viewer; in mouth widths.
_CORNER = (0.120, 0.235, -0.070)
# How far the middle of the lips rises, and how much less the rim of either lip rises than its inner edge falls.
_MID_LIP_UP = 0.045
_LIP_THINNING = 0.020
# Neutral corners lie this far above the middle of the lips; those that hang lower have farther to go.
_NEUTRAL_CORNER_HEIGHT = 0.033
_MAX_EXTRA_LIFT = 0.06
# Mouths that are narrow for their face widen more, wide ones less, by this share of the difference.
_WIDTH_EQUALIZING = 0.5
_MAX_EXTRA_WIDTH = 0.04
# From the first to the second distance of the lips, in mouth widths, teeth come into view: the curve gets flatter
# in the middle, by up to this share, so that they do not bend with it.
_OPEN_MOUTH = (0.05, 0.15)
_FLATTER_WHEN_OPEN = 0.6
# The far corner of a turned mouth rises less in the picture; none of it below this turn (sine), then in proportion.
_TURN_UNNOTICED = 0.15
_FAR_CORNER_LOSS = 0.8
# Outward and up, in mouth widths of a full smile; the order is that of `Landmarks.left_cheek`.
_CHEEK = (
    (0.010, 0.035), (0.010, 0.045), (0.005, 0.025),
    (0.034, 0.055), (0.066, 0.078), (0.078, 0.074),
    (0.072, 0.085), (0.095, 0.130), (0.112, 0.188), (0.075, 0.138),
    (0.094, 0.066), (0.040, 0.048), (0.064, 0.044), (0.082, 0.058), (0.070, 0.040),
    (0.046, 0.095), (0.034, 0.062),
)  # fmt: skip
_CHEEK_BACK = -0.6  # toward the viewer, as a share of the outward motion: the cheek is round
_CHIN_UP = (0.036, 0.012, 0.0, 0.0)
# Of a full smile, at amount 1; half of it makes the gentle one.
_FULL_GAIN = 1.1
# At these turns of the head (sine) at most so much of a full smile: the far half of the mouth has less room.
_GAIN_LIMIT = ((0.2, 0.5), (1.1, 0.85))
# A mouth is this share of the distance of the outer eye corners (median of adult faces).
_MOUTH_TO_EYES = 0.58
# Lips lie in front of the outer eye corners: the line between them leans by this much from the face's vertical.
_LEAN = 0.17
# Grid nodes per mouth width: the field has no detail finer than a lip.
_NODES_PER_UNIT = 28
# The motion grows from nothing to its full size over this many mouth widths from the region's rim: less
# where a mouth corner lies close to the rim, or one corner would rise less than the other.
_FADE_RANGE = (0.12, 0.34)
# Near the photo's edge a pixel may look back by at most this share of its distance from it.
_EDGE_SHARE = 0.6
# The backward map must stay this far from folding over (1 is no change, 0 a fold).
_MIN_JACOBIAN = 0.35

# Relief that a full smile adds to the skin, in mouth widths: the cheek's bulge, the nasolabial fold, the dimple.
_BULGE_HEIGHT, _BULGE_RADIUS = 0.150, 0.25
_FOLD_DEPTH, _FOLD_RADIUS = 0.016, 0.050
_DIMPLE_DEPTH, _DIMPLE_RADIUS = 0.018, 0.050
# How strongly slopes toward the light brighten, and hollows darken because less of the room's light gets in.
_SLOPE_SHADING = 0.45
# Slopes away from the light still get the room's light: they darken by this share of what the others brighten.
_SHADOW_SHARE = 0.35
_HOLLOW_SHADING = 3.5
# Light mostly comes from above; its sideways part is read off the two cheeks, within these bounds.
_LIGHT_FROM_ABOVE = 0.75
_MAX_LIGHT_FROM_SIDE = 0.6
# Creases already there deepen by this share in a full smile.
_CREASE_DEEPENING = 0.55
_CREASE_WIDTH = 0.10
# Channels within this distance of white are shaded less and less.
_HEADROOM = 70.0
_SHADING_FADE = (0.14, 0.16)


def face_axes(landmarks: Landmarks) -> Floats:
    """Return the face's own axes as rows, float32 (3, 3): to its left, up, toward the viewer; each of length 1."""
    right_eye, left_eye = landmarks.right_eye.outer_corner, landmarks.left_eye.outer_corner
    lips = landmarks.lips
    across = _unit_vector(_unit_vector(left_eye - right_eye) + _unit_vector(lips[10] - lips[0]))
    up = (right_eye + left_eye - lips[0] - lips[10]) / 2
    up = _unit_vector(up - across * float(up @ across))
    # In photo axes (right, down, away) this product points toward the viewer for an upright face.
    up = _unit_vector(up + _LEAN * np.cross(across, up))
    return np.stack([across, up, np.cross(across, up)]).astype(np.float32)


def _unit_vector(vector: Floats) -> Floats:
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-6), np.float32)


def smile_unit_px(landmarks: Landmarks) -> float:
    """Return the length in pixels that motions are measured in: a mouth width, tempered by the face's width."""
    mouth = float(np.linalg.norm(landmarks.lips[10] - landmarks.lips[0]))
    eyes = float(np.linalg.norm(landmarks.left_eye.outer_corner - landmarks.right_eye.outer_corner))
    return float(np.sqrt(mouth * _MOUTH_TO_EYES * eyes))


def smile_gain(landmarks: Landmarks, amount: float) -> float:
    """Return the share of a full smile to paint for an `amount` 0 … 1: the more turned the head, the less at most."""
    turn = abs(float(face_axes(landmarks)[0, 2]))
    return min(_FULL_GAIN * amount, float(np.interp(turn, *_GAIN_LIMIT)))


def smile_motion(landmarks: Landmarks) -> tuple[Floats, Floats]:
    """Return where the landmarks lie, and how far each moves in a full smile.

    Both float32 (n, 2), in photo pixels. Eyes, nose, brows and the face's outline are among them and do not move.
    """
    axes = face_axes(landmarks)
    places, motions = [], []

    def move(points: Floats, motion: Floats) -> None:
        places.append(points[:, :2])
        motions.append((motion @ axes)[:, :2])

    move(landmarks.lips, _lip_motion(landmarks.lips, landmarks, axes, _LIP_THINNING))
    move(landmarks.lips_inner, _lip_motion(landmarks.lips_inner, landmarks, axes, 0.0))
    for cheek, side in ((landmarks.right_cheek, -1.0), (landmarks.left_cheek, 1.0)):
        outward, up = np.asarray(_CHEEK, np.float32).T
        move(cheek, np.stack([side * outward, up, _CHEEK_BACK * outward], 1))
    chin_up = np.asarray(_CHIN_UP, np.float32)
    move(landmarks.chin, np.stack([0 * chin_up, chin_up, 0 * chin_up], 1))
    for still in (landmarks.nose, _silhouette(landmarks), *_eye_curves(landmarks)):
        move(still, np.zeros((len(still), 3), np.float32))
    unit = smile_unit_px(landmarks)
    return np.concatenate(places).astype(np.float32), (unit * np.concatenate(motions)).astype(np.float32)


def _silhouette(landmarks: Landmarks) -> Floats:
    """32 points along the face's outline as the photo shows it; the landmarks' oval runs inside a turned face."""
    hull = cv2.convexHull(landmarks.points[:, :2].copy())[:, 0]
    closed = np.concatenate([hull, hull[:1]])
    length = np.concatenate([[0], np.hypot(*np.diff(closed, axis=0).T).cumsum()])
    at = np.linspace(0, length[-1], 32, endpoint=False)
    return np.stack([np.interp(at, length, closed[:, 0]), np.interp(at, length, closed[:, 1])], 1).astype(np.float32)


def _eye_curves(landmarks: Landmarks) -> tuple[Floats, ...]:
    right, left = landmarks.right_eye, landmarks.left_eye
    # The corners belong to both lids; once is enough, twice makes the spline's equations singular.
    return (right.upper, right.lower[1:-1], left.upper, left.lower[1:-1], right.brow_lower, left.brow_lower)


def _lip_motion(loop: Floats, landmarks: Landmarks, axes: Floats, thinning: float) -> Floats:
    """Motion in face axes of a closed lip loop of 20 points, float32 (20, 3), in units of `smile_unit_px`."""
    corners = landmarks.lips[[0, 10]]
    half_width = max(float(np.linalg.norm(corners[1] - corners[0])) / 2, 1e-6)
    across = (loop - corners.mean(0)) @ axes[0] / half_width
    outward, up, back = _CORNER
    middle = landmarks.lips_inner[[5, 15]].mean(0)
    height = float((corners.mean(0) - middle) @ axes[1]) / (2 * half_width)
    up += float(np.clip(_NEUTRAL_CORNER_HEIGHT - height, -_MAX_EXTRA_LIFT / 2, _MAX_EXTRA_LIFT))
    eyes = float(np.linalg.norm(landmarks.left_eye.outer_corner - landmarks.right_eye.outer_corner))
    narrow = _MOUTH_TO_EYES - 2 * half_width / max(eyes, 1e-6)
    outward += float(np.clip(_WIDTH_EQUALIZING * narrow, -_MAX_EXTRA_WIDTH / 2, _MAX_EXTRA_WIDTH))
    gap = float(np.linalg.norm(landmarks.lips_inner[5] - landmarks.lips_inner[15])) / (2 * half_width)
    flatter = _FLATTER_WHEN_OPEN * float(np.clip((gap - _OPEN_MOUTH[0]) / (_OPEN_MOUTH[1] - _OPEN_MOUTH[0]), 0, 1))
    reach = np.clip(np.abs(across), 0, 1.1)
    parabola = (1 - flatter) * reach**2 + flatter * reach**3
    # The third part of the axis to the left is positive when the left side is the far one.
    turn = float(axes[0, 2])
    far = np.clip(across * np.sign(turn), 0, 1)
    parabola = parabola * (1 - _FAR_CORNER_LOSS * max(abs(turn) - _TURN_UNNOTICED, 0) * far)
    rise = _MID_LIP_UP + (up - _MID_LIP_UP) * parabola
    # The loop runs over the upper lip first: its rim rises less, the lower lip's rim more, so both thin.
    thin = thinning * np.clip(1 - parabola, 0, 1)
    rise[1:10] -= thin[1:10]
    rise[11:] += thin[11:]
    return np.stack([outward * across, rise, back * parabola], 1).astype(np.float32)


def backward_field(landmarks: Landmarks, region: Region, gain: float) -> Floats:
    """Return for a coarse grid over the region how far to look back for each pixel's colour.

    float32 (rows, columns, 2), x and y in photo pixels, nodes at the centres of equal cells of `region.box`.
    A thin-plate spline through the moved landmarks (Bookstein, "Principal Warps", 1989), faded to zero at the
    region's rim; weakened as far as needed to stay free of folds.
    """
    unit = smile_unit_px(landmarks)
    box = region.box
    rows, columns = (max(4, round(size * _NODES_PER_UNIT / unit)) for size in (box.height, box.width))
    rows, columns = min(rows, box.height), min(columns, box.width)
    x = (np.arange(columns, dtype=np.float32) + 0.5) * box.width / columns - 0.5 + box.left
    y = (np.arange(rows, dtype=np.float32) + 0.5) * box.height / rows - 0.5 + box.top
    nodes = np.stack(np.meshgrid(x, y), -1)
    places, motions = smile_motion(landmarks)
    window = _fade_window(region, landmarks, rows, columns, unit, _FADE_RANGE)[..., None]
    limit = _EDGE_SHARE * np.stack([
        np.minimum(nodes[..., 0] - box.left, box.right - 1 - nodes[..., 0]),
        np.minimum(nodes[..., 1] - box.top, box.bottom - 1 - nodes[..., 1]),
    ], -1).clip(1e-3)  # fmt: skip
    while True:
        field = _spline(places + gain * motions, -gain * motions, nodes.reshape(-1, 2), unit)
        field = field.reshape(rows, columns, 2) * window
        field = limit * np.tanh(field / limit)
        if gain < 0.02 or smallest_jacobian(field, box.width / columns, box.height / rows) >= _MIN_JACOBIAN:
            return field.astype(np.float32)
        gain *= 0.88


def _fade_window(
    region: Region, landmarks: Landmarks, rows: int, columns: int, unit: float, fades: tuple[float, float]
) -> Floats:
    """0 where the region's alpha is below 1, rising smoothly to 1 inside; float32 (rows, columns)."""
    box = region.box
    alpha = cv2.resize(region.alpha, (columns, rows), interpolation=cv2.INTER_AREA)
    # A region that is cut by the photo's edge goes on beyond it.
    core = np.pad((alpha > 0.995).astype(np.uint8), 1, mode="edge")
    inside = cv2.distanceTransform(core, cv2.DIST_L2, 5)[1:-1, 1:-1] * box.width / columns / unit
    corners = (landmarks.lips[[0, 10], :2] - (box.left, box.top)) * (columns / box.width, rows / box.height)
    at = np.clip(corners.astype(int), 0, (columns - 1, rows - 1))
    fade = float(np.clip(inside[at[:, 1], at[:, 0]].min(), *fades))
    t = np.clip(inside / fade, 0, 1)
    return cv2.GaussianBlur((t * t * (3 - 2 * t)).astype(np.float32), (0, 0), 1.0) * (inside > 0)


def _spline(places: Floats, values: Floats, where: Floats, unit: float) -> Floats:
    """Thin-plate spline through `values` (n, k) at `places` (n, 2), evaluated at `where` (m, 2); float64 (m, k)."""
    origin = places.mean(0)
    p = (places - origin).astype(np.float64) / unit
    q = (where - origin).astype(np.float64) / unit
    n = len(p)
    system = np.zeros((n + 3, n + 3))
    # A trace of smoothing absorbs landmark jitter and points that coincide.
    system[:n, :n] = _thin_plate(p, p) + 1e-4 * np.eye(n)
    system[:n, n] = system[n, :n] = 1
    system[:n, n + 1 :] = p
    system[n + 1 :, :n] = p.T
    weights = np.linalg.solve(system, np.vstack([values, np.zeros((3, values.shape[1]))]))
    return _thin_plate(q, p) @ weights[:n] + weights[n] + q @ weights[n + 1 :]


def _thin_plate(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    squared = (a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T
    squared = np.maximum(squared, 1e-12)
    return squared * np.log(squared)


def smallest_jacobian(field: Floats, step_x: float, step_y: float) -> float:
    """Return the smallest area ratio of the backward map: above 0 it folds nowhere.

    `field` float32 (rows, columns, 2) as from `backward_field`, its nodes `step_x` and `step_y` pixels apart.
    """
    along_y, along_x = np.gradient(field, step_y, step_x, axis=(0, 1))
    return float(((1 + along_x[..., 0]) * (1 + along_y[..., 1]) - along_x[..., 1] * along_y[..., 0]).min())


def paint_smile(pixels: Pixels, face: Face, region: Region, amount: float) -> Pixels:
    """Return the region's box of a photo with a smile on the face.

    `pixels` uint8 (H, W, 3) RGB is not written to; `amount` is 0 no change, 0.5 gentle, 1 broad. The result is
    uint8 (region.box.height, region.box.width, 3), equal to `pixels` where the region's alpha is below 1.
    """
    box = region.box
    if amount <= 0:
        return pixels[box.slices].copy()
    gain = smile_gain(face.landmarks, amount)
    field = backward_field(face.landmarks, region, gain)
    dense = cv2.resize(field, (box.width, box.height), interpolation=cv2.INTER_CUBIC)
    columns, rows = np.meshgrid(np.arange(box.width, dtype=np.float32), np.arange(box.height, dtype=np.float32))
    source = np.ascontiguousarray(pixels[box.slices])
    moved = cv2.remap(source, columns + dense[..., 0], rows + dense[..., 1], cv2.INTER_CUBIC, None, cv2.BORDER_REFLECT)
    shade = smile_shading(moved, face.landmarks, region, gain)
    shade = cv2.resize(shade, (box.width, box.height), interpolation=cv2.INTER_LINEAR)
    return _relight(moved, shade)


def _relight(pixels: Pixels, shade: Floats) -> Pixels:
    """Multiply by `shade` (h, w), but leave channels near white alone: shaded bright skin turns warmer, not gray."""
    values = pixels.astype(np.float32)
    headroom = np.clip((255 - values) / _HEADROOM, 0, 1)
    return np.clip(np.rint(values * (1 + (shade[..., None] - 1) * headroom)), 0, 255).astype(np.uint8)


def smile_shading(moved: Pixels, landmarks: Landmarks, region: Region, gain: float) -> Floats:
    """Return by how much light and shade change on the moved skin: float32 (rows, columns), 1 is no change.

    A coarse grid over `region.box`, as in `backward_field`. A relief of the cheeks' bulge, the folds between nose
    and mouth and the dimples beside its corners is lit from where the light on this face comes from; creases
    that are already there deepen with it.
    """
    unit, axes, box = smile_unit_px(landmarks), face_axes(landmarks), region.box
    rows, columns = (min(size, max(4, round(size * _NODES_PER_UNIT / unit))) for size in (box.height, box.width))
    step = box.width / columns / unit
    x = (np.arange(columns, dtype=np.float32) + 0.5) * box.width / columns - 0.5 + box.left
    y = (np.arange(rows, dtype=np.float32) + 0.5) * box.height / rows - 0.5 + box.top
    nodes = np.stack(np.meshgrid(x, y), -1) / unit
    gray = cv2.cvtColor(cv2.resize(moved, (columns, rows), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    light = np.log(gray.astype(np.float32) + 8)

    relief = np.zeros((rows, columns), np.float32)
    creases = np.zeros((rows, columns), np.float32)
    brightness = []
    for cheek, wing, corner, side in (
        (landmarks.right_cheek, landmarks.nose[7], landmarks.lips[0], -1.0),
        (landmarks.left_cheek, landmarks.nose[12], landmarks.lips[10], 1.0),
    ):
        outward, up = np.asarray(_CHEEK, np.float32).T
        cheek = cheek + gain * unit * np.stack([side * outward, up, _CHEEK_BACK * outward], 1) @ axes
        corner = corner + gain * unit * (np.array([side, 1, 1], np.float32) * _CORNER) @ axes
        aside = side * axes[0] * unit
        bulge = (cheek[4] + cheek[5]) / 2
        fold = np.stack([wing + 0.02 * aside, 0.6 * cheek[6] + 0.4 * cheek[5], cheek[7] + 0.06 * aside,
                         cheek[9] + 0.05 * aside])[:, :2] / unit  # fmt: skip
        near_fold = _along(nodes, fold, np.array([0.25, 1.0, 0.9, 0.0], np.float32))
        relief += _BULGE_HEIGHT * _bump(nodes, bulge[:2] / unit, _BULGE_RADIUS)
        relief -= _FOLD_DEPTH * near_fold(_FOLD_RADIUS)
        relief -= _DIMPLE_DEPTH * _bump(nodes, (corner + 0.05 * aside)[:2] / unit, _DIMPLE_RADIUS)
        creases = np.maximum(creases, near_fold(_CREASE_WIDTH))
        weight = _bump(nodes, bulge[:2] / unit, 0.15)
        brightness.append(float((light * weight).sum() / max(float(weight.sum()), 1e-6)))

    from_left = float(np.clip(brightness[1] - brightness[0], -_MAX_LIGHT_FROM_SIDE, _MAX_LIGHT_FROM_SIDE))
    toward_light = (from_left * axes[0] + _LIGHT_FROM_ABOVE * axes[1])[:2]
    slope_y, slope_x = np.gradient(relief, step)
    toward = -(slope_x * toward_light[0] + slope_y * toward_light[1])
    toward = np.where(toward > 0, toward, _SHADOW_SHARE * toward)
    hollow = np.maximum(cv2.Laplacian(relief, cv2.CV_32F) / step**2, 0) * _FOLD_RADIUS**2
    dark_detail = np.clip(light - cv2.GaussianBlur(light, (0, 0), _CREASE_WIDTH / step), -0.3, 0)
    change = _SLOPE_SHADING * toward - _HOLLOW_SHADING * hollow + _CREASE_DEEPENING * dark_detail * creases
    window = _fade_window(region, landmarks, rows, columns, unit, _SHADING_FADE)
    return np.exp(gain * change * window).astype(np.float32)


def _bump(nodes: Floats, center: Floats, radius: float) -> Floats:
    return np.exp(-((nodes - center) ** 2).sum(-1) / (2 * radius**2)).astype(np.float32)


def _along(nodes: Floats, path: Floats, strengths: Floats) -> Callable[[float], Floats]:
    """Return a function of a radius: a ridge of that radius along a path (k, 2), as strong as `strengths` (k,) say."""
    # A parabola through three of the four points at a time keeps the path free of kinks.
    t = np.linspace(0, len(path) - 1, 72, dtype=np.float32)
    fit = np.polynomial.polynomial.polyfit(np.arange(len(path)), path, 2)
    curve = np.polynomial.polynomial.polyval(t, fit).T
    at = np.column_stack([curve, np.interp(t, np.arange(len(path)), strengths)]).astype(np.float32)
    distance2 = ((nodes[:, :, None, :] - at[:, :2]) ** 2).sum(-1)
    nearest = distance2.argmin(-1)
    strength = cv2.GaussianBlur(at[:, 2].astype(np.float32)[nearest], (0, 0), 1.5)
    return lambda radius: np.exp(-distance2.min(-1) / (2 * radius**2)).astype(np.float32) * strength
