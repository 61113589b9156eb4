"""The motion of a smile: where the landmarks of a face go, and how its lower eyelids rise.

The motion was measured between neutral and smiling photos of the same people: the corners of the mouth move up,
outward and back around the teeth, the lips follow along a curve and thin a little, the cheeks rise and lift the lower
lids. It is given in the face's own three axes, so that it is foreshortened on a turned head and follows a tilted mouth.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from face.types import EyeLandmarks, Landmarks
from photo.blend import smoothstep
from photo.types import Box, FloatArray, Region

# ---- lips, cheeks and chin -----------------------------------------------------------------------------

# calibration: smile-motion. How far the corner of the mouth travels in a full smile: outward, up, toward the viewer; in
# mouth widths.
CORNER = (0.100, 0.235, -0.140)
# calibration: smile-motion. How far the middle of the lips rises, and how much less the rim of either lip rises than
# its inner edge falls.
_MID_LIP_UP = 0.055
_LIP_THINNING = 0.020
# calibration: smile-motion. Neutral corners lie this far above the middle of the lips (median); those that hang lower
# have farther to go.
_NEUTRAL_CORNER_HEIGHT = -0.012
_MAX_EXTRA_LIFT = 0.06
# One corner may hang lower than the other: in a full smile they even out by this share, but by no more than so far.
_EVENING, _MAX_EVENING = 1.0, 0.05
# Mouths that are narrow for their face widen more, wide ones less, by this share of the difference.
_WIDTH_EQUALIZING = 0.5
_MAX_EXTRA_WIDTH = 0.02
# calibration: smile-motion. From the first to the second distance of the lips, in mouth widths, teeth come into view:
# the curve gets flatter in the middle, by up to this share, so that they do not bend with it.
_OPEN_MOUTH = (0.05, 0.15)
_FLATTER_WHEN_OPEN = 0.6
# calibration: smile-motion. Outward and up, in mouth widths of a full smile; the order is that of
# `Landmarks.left_cheek`. The shape is the one measured, its height a third more: cheeks that rise let the mouth do with
# less.
CHEEK = (
    (0.012, 0.046), (0.012, 0.058), (0.006, 0.033),
    (0.041, 0.072), (0.079, 0.101), (0.094, 0.096),
    (0.086, 0.111), (0.114, 0.169), (0.134, 0.244), (0.090, 0.221),
    (0.113, 0.106), (0.048, 0.077), (0.077, 0.070), (0.098, 0.093), (0.084, 0.064),
    (0.055, 0.152), (0.041, 0.099),
)  # fmt: skip
CHEEK_BACK = -0.5  # toward the viewer, as a share of the outward motion: the cheek is round
_CHIN_UP = (0.036, 0.012, 0.0, 0.0)
# calibration: smile-gain. Of a full smile, at amount 1; amount 0.5 makes the faintest that most people would call a
# smile.
_FULL_GAIN, _GAIN_POWER = 1.0, 1.4
# calibration: smile-gain. Seen from the side a smile shows less: at these turns of the head (sine) so much more of it
# is painted.
_TURNED_GAIN = ((0.25, 0.5), (1.0, 1.2))
# calibration: smile-gain. At these distances of the outer eye corners in pixels at most so much of a full smile: what
# must go far on few pixels looks drawn, above all where a moustache hides the lips, and had better be given up.
_SMALL_FACE_LIMIT = ((30.0, 45.0), (0.80, 1.1))
# calibration: smile-motion. A mouth is this share of the distance of the outer eye corners (median of adult faces).
_MOUTH_TO_EYES = 0.58
# calibration: smile-motion. Lips lie in front of the outer eye corners: the line between them leans by this much from
# the face's vertical.
_LEAN = 0.17
# Grid nodes per mouth width: the motion has no detail finer than a lip.
_NODES_PER_UNIT = 26


@dataclass(frozen=True, eq=False)
class SmileGrid:
    """A coarse grid over a region, its nodes at the centres of equal cells of the region's box.

    `nodes` float32 (rows, columns, 2) are in photo pixels, `step_px` apart in x and y; `unit_px` is `smile_unit_px`.
    `alpha` float32 (rows, columns) is the region's; `depth`, of the same shape, is the distance inward from where
    alpha falls below 1, in units of `unit_px`, and 0 outside.
    """

    nodes: FloatArray
    step_px: tuple[float, float]
    unit_px: float
    alpha: FloatArray
    depth: FloatArray

    def window(self, fade: float) -> FloatArray:
        """Return a weight float32 (rows, columns): 0 where alpha is below 1, rising to 1 over `fade` units inward."""
        soft = cv2.GaussianBlur(smoothstep(0.0, fade, self.depth), (0, 0), 1.0)
        return np.asarray(soft * (self.depth > 0), np.float32)

    def depth_at(self, points: FloatArray) -> FloatArray:
        """Return `depth` at the nodes nearest to `points` (n, 2 or more) in photo pixels, float32 (n,)."""
        rows, columns = self.depth.shape
        at = np.rint((points[:, :2] - self.nodes[0, 0]) / self.step_px).astype(int)
        at = np.clip(at, 0, (columns - 1, rows - 1))
        return np.asarray(self.depth[at[:, 1], at[:, 0]], np.float32)


def lay_grid(landmarks: Landmarks, region: Region) -> SmileGrid:
    """Return the grid over a region, `_NODES_PER_UNIT` nodes per mouth width, at least 4 and at most one per pixel."""
    box, unit = region.box, smile_unit_px(landmarks)
    rows, columns = (min(size, max(4, round(size * _NODES_PER_UNIT / unit))) for size in (box.height, box.width))
    step = box.width / columns, box.height / rows
    x = (np.arange(columns, dtype=np.float32) + 0.5) * step[0] - 0.5 + box.left
    y = (np.arange(rows, dtype=np.float32) + 0.5) * step[1] - 0.5 + box.top
    alpha = cv2.resize(region.alpha, (columns, rows), interpolation=cv2.INTER_AREA)
    # Where the photo's edge cuts the region off, the edge is no rim.
    core = np.pad((alpha > 0.995).astype(np.uint8), 1, mode="edge")
    depth = cv2.distanceTransform(core, cv2.DIST_L2, 5)[1:-1, 1:-1] * (step[0] / unit)
    nodes = np.stack(np.meshgrid(x, y), -1).astype(np.float32)
    return SmileGrid(nodes, step, unit, np.asarray(alpha, np.float32), np.asarray(depth, np.float32))


def face_axes(landmarks: Landmarks) -> FloatArray:
    """Return the face's own axes as rows of a float32 (3, 3): to its left, up, toward the viewer; unit vectors."""
    right_eye, left_eye = landmarks.right_eye.outer_corner, landmarks.left_eye.outer_corner
    lips = landmarks.lips
    across = _unit_vector(_unit_vector(left_eye - right_eye) + _unit_vector(lips[10] - lips[0]))
    up = (right_eye + left_eye - lips[0] - lips[10]) / 2
    up = _unit_vector(up - across * float(up @ across))
    # In photo axes (right, down, away) this product points toward the viewer for an upright face.
    up = _unit_vector(up + _LEAN * np.cross(across, up))
    return np.stack([across, up, np.cross(across, up)]).astype(np.float32)


def _unit_vector(vector: FloatArray) -> FloatArray:
    return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-6), np.float32)


def smile_unit_px(landmarks: Landmarks) -> float:
    """Return the unit of motions in pixels: the geometric mean of the mouth's width and the usual one for the face."""
    mouth = float(np.linalg.norm(landmarks.lips[10] - landmarks.lips[0]))
    return float(np.sqrt(mouth * _MOUTH_TO_EYES * landmarks.eye_distance_3d_px))


def smile_gain(landmarks: Landmarks, amount: float) -> float:
    """Return the fraction of a full smile to paint for an `amount` 0 … 1: more on turned heads, less on small faces."""
    turn = abs(float(face_axes(landmarks)[0, 2]))
    gain = _FULL_GAIN * amount**_GAIN_POWER * float(np.interp(turn, *_TURNED_GAIN))
    return min(gain, float(np.interp(landmarks.eye_distance_px, *_SMALL_FACE_LIMIT)))


def smile_motion(landmarks: Landmarks) -> tuple[FloatArray, FloatArray]:
    """Return the positions of the landmarks and their displacements in a full smile, both float32 (n, 2) in pixels.

    Eyes, nose, brows and the face's outline are among them, with a displacement of 0.
    """
    axes = face_axes(landmarks)
    places, motions = [], []

    def move(points: FloatArray, motion: FloatArray) -> None:
        places.append(points[:, :2])
        motions.append((motion @ axes)[:, :2])

    move(landmarks.lips, _lip_motion(landmarks.lips, landmarks, axes, _LIP_THINNING))
    move(landmarks.lips_inner, _lip_motion(landmarks.lips_inner, landmarks, axes, 0.0))
    for cheek, side in ((landmarks.right_cheek, -1.0), (landmarks.left_cheek, 1.0)):
        outward, up = np.asarray(CHEEK, np.float32).T
        move(cheek, np.stack([side * outward, up, CHEEK_BACK * outward], 1))
    chin_up = np.asarray(_CHIN_UP, np.float32)
    move(landmarks.chin, np.stack([0 * chin_up, chin_up, 0 * chin_up], 1))
    for still in (landmarks.nose, _silhouette(landmarks), *_eye_curves(landmarks)):
        move(still, np.zeros((len(still), 3), np.float32))
    unit = smile_unit_px(landmarks)
    return np.concatenate(places).astype(np.float32), (unit * np.concatenate(motions)).astype(np.float32)


def _silhouette(landmarks: Landmarks) -> FloatArray:
    """32 points along the face's outline in the photo, float32 (32, 2)."""
    hull = landmarks.hull
    closed = np.concatenate([hull, hull[:1]])
    length = np.concatenate([[0], np.hypot(*np.diff(closed, axis=0).T).cumsum()])
    at = np.linspace(0, length[-1], 32, endpoint=False)
    outline = np.stack([np.interp(at, length, closed[:, 0]), np.interp(at, length, closed[:, 1])], 1)
    return outline.astype(np.float32)


def _eye_curves(landmarks: Landmarks) -> tuple[FloatArray, ...]:
    """Lids and lower edges of the brows, each (n, 3)."""
    right, left = landmarks.right_eye, landmarks.left_eye
    # The corners belong to both lids; once is enough, twice makes the spline's equations singular.
    return (right.upper, right.lower[1:-1], left.upper, left.lower[1:-1], right.brow_lower, left.brow_lower)


def _lip_motion(loop: FloatArray, landmarks: Landmarks, axes: FloatArray, thinning: float) -> FloatArray:
    """Displacement in face axes of a closed loop of 20 lip points, float32 (20, 3), in units of `smile_unit_px`."""
    corners = landmarks.lips[[0, 10]]
    half_width = max(float(np.linalg.norm(corners[1] - corners[0])) / 2, 1e-6)
    across = (loop - corners.mean(0)) @ axes[0] / half_width
    outward, up, back = CORNER
    middle = landmarks.lips_inner[[5, 15]].mean(0)
    height = float((corners.mean(0) - middle) @ axes[1]) / (2 * half_width)
    up += float(np.clip(_NEUTRAL_CORNER_HEIGHT - height, -_MAX_EXTRA_LIFT / 2, _MAX_EXTRA_LIFT))
    narrow = _MOUTH_TO_EYES - 2 * half_width / landmarks.eye_distance_3d_px
    outward += float(np.clip(_WIDTH_EQUALIZING * narrow, -_MAX_EXTRA_WIDTH / 2, _MAX_EXTRA_WIDTH))
    gap = float(np.linalg.norm(landmarks.lips_inner[5] - landmarks.lips_inner[15])) / (2 * half_width)
    flatter = _FLATTER_WHEN_OPEN * float(np.clip((gap - _OPEN_MOUTH[0]) / (_OPEN_MOUTH[1] - _OPEN_MOUTH[0]), 0, 1))
    reach = np.clip(np.abs(across), 0, 1.1)
    parabola = (1 - flatter) * reach**2 + flatter * reach**3
    rise = _MID_LIP_UP + (up - _MID_LIP_UP) * parabola
    # Positive when the left corner, at across = 1, is the higher one.
    uneven = float((corners[1] - corners[0]) @ axes[1]) / (2 * half_width)
    rise -= float(np.clip(_EVENING * uneven, -_MAX_EVENING, _MAX_EVENING)) * np.clip(across, -1, 1) * reach
    # The loop runs over the upper lip first: its rim rises less, the lower lip's rim more, so both thin.
    thin = thinning * np.clip(1 - parabola, 0, 1)
    rise[1:10] -= thin[1:10]
    rise[11:] += thin[11:]
    return np.stack([outward * across, rise, back * parabola], 1).astype(np.float32)


# ---- lower eyelids -------------------------------------------------------------------------------------

# calibration: smile-motion. How far the middle of the lid rises in a full smile, and at most, in eye widths.
_LIFT = 0.075
_MOST_LIFT = 0.04
# The lift fades over this many eye widths below the lid: there the skin moves with the cheek.
_LIFT_REACH = 0.60
# The eye above the new rim is kept by a mask as soft as this, in eye widths; it reaches so far up.
_RIM_SOFTNESS = 0.012
_EYE_HEIGHT = 0.7
_DRAWN_EYE_PX = 320.0
# The fullness under the lid: how far below its rim, in eye widths, and how broad.
_FULLNESS_BELOW, _FULLNESS_RADIUS = 0.17, 0.085


def lift_lower_lids(landmarks: Landmarks, nodes: FloatArray, gain: float) -> FloatArray:
    """Return the displacement from each node of a grid to where its colour comes from when the lower lids rise.

    `nodes` float32 (rows, columns, 2) are in photo pixels, `gain` is the fraction of a full smile. float32 of the same
    shape, x and y in pixels: largest at the lids' rims and above, 0 at the eyes' corners, beside and well below them.
    """
    field = np.zeros_like(nodes)
    for eye in landmarks.eyes:
        along, below = _measure_from_lid(eye, nodes)
        weight = _arch(along) * (1 - smoothstep(0.0, _LIFT_REACH, below)) * (below > -_EYE_HEIGHT)
        field -= weight[..., None] * _lift_px(eye, gain) * _up(eye)
    return field


def draw_eyes_alpha(landmarks: Landmarks, box: Box, gain: float) -> FloatArray:
    """Return the alpha of the unmoved eyes above the lifted lids, float32 (box.height, box.width) 0 … 1."""
    alpha = np.zeros((box.height, box.width), np.float32)
    for eye in landmarks.eyes:
        rim = eye.lower[:, :2] + _arch(np.linspace(0, 1, 9, dtype=np.float32))[:, None] * _lift_px(eye, gain) * _up(eye)
        roof = eye.lower[::-1, :2] + _EYE_HEIGHT * eye.width_px * _up(eye)
        outline = np.asarray(np.concatenate([rim, roof]) - (box.left, box.top), np.float32)
        # Drawn no larger than its softness needs, and no further around than that reaches.
        scale = min(1.0, _DRAWN_EYE_PX / max(eye.width_px, 1.0))
        softness = max(_RIM_SOFTNESS * eye.width_px * scale, 0.5)
        part = Box.around(outline).grown(math.ceil((4 * softness + 2) / scale)).clipped(box.width, box.height)
        if part is None:
            continue
        mask = np.zeros((max(round(part.height * scale), 1), max(round(part.width * scale), 1)), np.uint8)
        size = np.array([mask.shape[1] / part.width, mask.shape[0] / part.height], np.float32)
        outline = np.asarray((outline - (part.left, part.top) + 0.5) * size - 0.5, np.float32)
        cv2.fillPoly(mask, [np.round(outline * 16).astype(np.int32)], (255,), cv2.LINE_AA, 4)
        soft = cv2.GaussianBlur(mask, (0, 0), softness).astype(np.float32) / 255
        soft = np.asarray(cv2.resize(soft, (part.width, part.height), interpolation=cv2.INTER_LINEAR), np.float32)
        np.maximum(alpha[part.slices], soft, out=alpha[part.slices])
    return alpha


def measure_fullness(landmarks: Landmarks, nodes: FloatArray) -> FloatArray:
    """Return the relief of the skin below lifted lids at each node, float32 (rows, columns) 0 … 1."""
    relief = np.zeros(nodes.shape[:2], np.float32)
    for eye in landmarks.eyes:
        along, below = _measure_from_lid(eye, nodes)
        relief += _arch(along) * np.exp(-(((below - _FULLNESS_BELOW) / _FULLNESS_RADIUS) ** 2) / 2)
    return relief


def _measure_from_lid(eye: EyeLandmarks, nodes: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Position along the lower lid, 0 at its outer corner … 1 at its inner one, and distance below it in eye widths."""
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


def _up(eye: EyeLandmarks) -> FloatArray:
    """Unit vector in the photo from the lid toward the brow, perpendicular to the line between the eye's corners."""
    line = (eye.inner_corner - eye.outer_corner)[:2] / max(eye.width_px, 1e-6)
    up = np.array([-line[1], line[0]], np.float32)
    toward_brow = (eye.brow_lower.mean(0) - eye.lower.mean(0))[:2]
    return up if up @ toward_brow > 0 else -up


def _arch(along: FloatArray) -> FloatArray:
    """Weight 0 at the eye's corners and beyond, 1 a little outward of the middle, where a lid moves most."""
    return np.sin(np.pi * np.clip(along, 0, 1) ** 0.9).clip(0, 1).astype(np.float32)


def _lift_px(eye: EyeLandmarks, gain: float) -> float:
    """How far the middle of the lower lid rises, in pixels."""
    return min(_LIFT * gain, _MOST_LIFT) * eye.width_px
