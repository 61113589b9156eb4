"""One face: its 478 landmarks, the parts of a face by name, and their geometry.

This is the only module that uses MediaPipe's landmark numbers; all others use names (`landmarks.left_eye.upper`). Left
and right are the subject's own, so the left eye is on the right of the picture. Source of the numbers: the canonical
face model of MediaPipe, `canonical_face_model_uv`.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import cv2
import numpy as np

from photo.types import Box, FloatArray, Points

LANDMARK_COUNT = 478

# calibration: eye-width. Beyond this ratio of the two eyes' widths a landmark, not the pose, is off.
_LEAST_WIDTH_RATIO = 0.45

# calibration: shut-corners. From where the landmarks of a shut eye have its corners to where they are once it opens, in
# half eye widths: x toward the nose, y toward the brow. When lids close, the outer corner of their line slides down and
# out. Means of 16 blinks of 13 people beside an open frame of the same second, registered by the nose.
_OUTER_SHIFT, _INNER_SHIFT = (0.12, 0.19), (0.01, -0.05)
# calibration: shut-corners. Six-point aspect ratio from which on nothing is shifted; a shut eye, 0, is fully.
_UNSHIFTED_ASPECT_RATIO = 0.20

# Each curve runs from the outer corner of the eye to the inner one, both corners included.
_RIGHT_EYE_UPPER = (33, 246, 161, 160, 159, 158, 157, 173, 133)
_RIGHT_EYE_LOWER = (33, 7, 163, 144, 145, 153, 154, 155, 133)
_LEFT_EYE_UPPER = (263, 466, 388, 387, 386, 385, 384, 398, 362)
_LEFT_EYE_LOWER = (263, 249, 390, 373, 374, 380, 381, 382, 362)
# Centre first, then the four points on the rim of the iris.
_RIGHT_IRIS = (468, 469, 470, 471, 472)
_LEFT_IRIS = (473, 474, 475, 476, 477)
# Lower and upper edge of the brows, from the temple to the nose.
_RIGHT_BROW_LOWER = (46, 53, 52, 65, 55)
_RIGHT_BROW_UPPER = (70, 63, 105, 66, 107)
_LEFT_BROW_LOWER = (276, 283, 282, 295, 285)
_LEFT_BROW_UPPER = (300, 293, 334, 296, 336)

# Closed loops, clockwise in the picture, starting at the subject's right mouth corner.
_LIPS_OUTER = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146)
_LIPS_INNER = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95)
# The soft parts: three under the lower lid from the nose outward, three down the bulge of the cheek, four down the
# nasolabial fold to beside the mouth corner, five down the cheek's outer half, two below the mouth corner.
_RIGHT_CHEEK_SOFT = (119, 118, 111, 101, 50, 205, 206, 216, 57, 212, 187, 123, 147, 192, 213, 202, 204)
_LEFT_CHEEK_SOFT = (348, 347, 340, 330, 280, 425, 426, 436, 287, 432, 411, 352, 376, 416, 433, 422, 424)
# Bridge and ridge down to the tip, its base, then wing and nostril of the right and of the left side.
_NOSE = (6, 197, 195, 5, 4, 1, 2, 49, 48, 64, 98, 97, 279, 278, 294, 327, 326)
# Down the middle line, from the groove under the lower lip.
_CHIN = (18, 200, 199, 175)
# Tip of the nose, top of the upper lip, edge of the chin, and the outline's points beside the ears.
_NOSE_TIP, _LIP_TOP, _CHIN_EDGE = 1, 0, 152
_FACE_SIDES = (234, 454)
# Closed loop, clockwise in the picture, starting at the top of the forehead.
_FACE_OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class EyeLandmarks:
    """One eye. Each array is float32 (n, 3): x and y in photo pixels, z in the same scale, smaller toward the camera.

    `upper` and `lower` (9, 3) are the rims of the lids from the outer to the inner corner;
    `iris` (5, 3) is its centre and four rim points; `brow_lower` and `brow_upper` (5, 3) run from
    the temple to the nose.
    """

    upper: Points
    lower: Points
    iris: Points
    brow_lower: Points
    brow_upper: Points

    @property
    def outer_corner(self) -> Points:
        """The corner at the temple, float32 (3,)."""
        return self.upper[0]

    @property
    def inner_corner(self) -> Points:
        """The corner at the nose, float32 (3,)."""
        return self.upper[-1]

    @property
    def center(self) -> Points:
        """The point midway between the corners, float32 (2,)."""
        return (self.outer_corner + self.inner_corner)[:2] / 2

    @property
    def axes(self) -> tuple[Points, Points]:
        """Half the way from the outer to the inner corner, and as long at right angles toward the brow, float32 (3,).

        The second lies in the plane of the picture.
        """
        along = (self.inner_corner - self.outer_corner) / 2
        across = np.array([along[1], -along[0], 0.0], np.float32)
        is_upward = float(across[:2] @ (self.brow_lower.mean(axis=0) - self.upper.mean(axis=0))[:2]) >= 0
        return along, across if is_upward else -across

    @property
    def shutness(self) -> float:
        """How far shut the lids are by their rims alone, 0 … 1: 0 for all but narrow eyes."""
        return max(1.0 - self.aspect_ratio / _UNSHIFTED_ASPECT_RATIO, 0.0)

    @property
    def width_px(self) -> float:
        """Distance of the two corners in the picture, in pixels."""
        return float(np.linalg.norm((self.outer_corner - self.inner_corner)[:2]))

    def fraction_inside(self, shape: tuple[int, ...]) -> float:
        """Return the fraction of the lids' points that lie inside a photo of this shape (H, W, …), 0 … 1.

        The landmarker also places points beyond the photo's edge.
        """
        rims = np.concatenate([self.upper, self.lower])[:, :2]
        return float(((rims >= 0) & (rims < (shape[1], shape[0]))).all(axis=1).mean())

    @property
    def aspect_ratio(self) -> float:
        """Six-point eye aspect ratio: about 0.3 open, under 0.1 closed.

        Source: Soukupová and Čech, "Real-Time Eye Blink Detection using Facial Landmarks", 2016.
        """
        heights = sum(float(np.linalg.norm((self.upper[i] - self.lower[i])[:2])) for i in (3, 5))
        return heights / (2.0 * max(self.width_px, 1e-6))


@dataclass(frozen=True, eq=False)
class Landmarks:
    """All landmarks of one face: float32 (478, 3), x and y in photo pixels, z in the same scale.

    Raises ValueError when the array has another shape or holds a value that is not finite.
    """

    points: Points

    def __post_init__(self) -> None:
        if self.points.shape != (LANDMARK_COUNT, 3):
            raise ValueError(f"landmarks need shape ({LANDMARK_COUNT}, 3), not {self.points.shape}")
        if not np.isfinite(self.points).all():
            raise ValueError("landmarks hold a value that is not a finite number")

    def _pick(self, indices: tuple[int, ...]) -> Points:
        return self.points[list(indices)]

    @cached_property
    def right_eye(self) -> EyeLandmarks:
        """The subject's right eye (left in the picture)."""
        return EyeLandmarks(
            *map(self._pick, (_RIGHT_EYE_UPPER, _RIGHT_EYE_LOWER, _RIGHT_IRIS, _RIGHT_BROW_LOWER, _RIGHT_BROW_UPPER))
        )

    @cached_property
    def left_eye(self) -> EyeLandmarks:
        """The subject's left eye (right in the picture)."""
        return EyeLandmarks(
            *map(self._pick, (_LEFT_EYE_UPPER, _LEFT_EYE_LOWER, _LEFT_IRIS, _LEFT_BROW_LOWER, _LEFT_BROW_UPPER))
        )

    @property
    def eyes(self) -> tuple[EyeLandmarks, EyeLandmarks]:
        """Both eyes, the subject's right one first."""
        return self.right_eye, self.left_eye

    @property
    def lips(self) -> Points:
        """Outer rim of the lips, float32 (20, 3): a loop from the subject's right mouth corner over the upper lip."""
        return self._pick(_LIPS_OUTER)

    @property
    def lips_inner(self) -> Points:
        """Inner rim of the lips, float32 (20, 3), in the order of `lips`."""
        return self._pick(_LIPS_INNER)

    @property
    def right_cheek(self) -> Points:
        """Soft parts of the right cheek, float32 (17, 3), in the order of `left_cheek`."""
        return self._pick(_RIGHT_CHEEK_SOFT)

    @property
    def left_cheek(self) -> Points:
        """Soft parts of the left cheek, float32 (17, 3).

        0–2 under the lower lid, 3–5 down the cheek's bulge, 6–9 down the nasolabial fold to beside the
        mouth corner, 10–14 down the outer half, 15–16 below the mouth corner.
        """
        return self._pick(_LEFT_CHEEK_SOFT)

    @property
    def nose(self) -> Points:
        """The nose, float32 (17, 3): 0–5 down the ridge to the tip, 6 its base, then wing and nostril right, left."""
        return self._pick(_NOSE)

    @property
    def nose_tip(self) -> Points:
        """The tip of the nose, float32 (3,)."""
        return self.points[_NOSE_TIP]

    @property
    def chin(self) -> Points:
        """The middle line below the lower lip, float32 (4, 3), downward; the chin's edge is in `oval`."""
        return self._pick(_CHIN)

    @property
    def oval(self) -> Points:
        """Outline of the face, float32 (36, 3): a loop from the top of the forehead over the subject's left side."""
        return self._pick(_FACE_OVAL)

    @property
    def hull(self) -> Points:
        """Outline of the face in the picture, float32 (n, 2): the convex hull of all landmarks.

        It is not `oval`, which runs inside the far cheek of a turned face.
        """
        return np.asarray(cv2.convexHull(np.ascontiguousarray(self.points[:, :2]))[:, 0], np.float32)

    @property
    def eye_distance_px(self) -> float:
        """Distance of the outer eye corners in the picture, in pixels: the scale of the face."""
        return float(np.linalg.norm((self.left_eye.outer_corner - self.right_eye.outer_corner)[:2]))

    @property
    def eye_distance_3d_px(self) -> float:
        """The same distance in 3-D, above 0: it does not shrink when the face turns."""
        return max(float(np.linalg.norm(self.left_eye.outer_corner - self.right_eye.outer_corner)), 1e-6)

    @property
    def chin_ratio(self) -> float:
        """Distance from the middle of the outer eye corners to the edge of the chin in 3-D, in distances of these."""
        middle = (self.left_eye.outer_corner + self.right_eye.outer_corner) / 2
        return float(np.linalg.norm(self.points[_CHIN_EDGE] - middle)) / self.eye_distance_3d_px

    @property
    def height_ratio(self) -> float:
        """Distance from the top of the forehead to the edge of the chin in 3-D over that of the outer eye corners."""
        top, chin = self._pick((_FACE_OVAL[0], _CHIN_EDGE))
        return float(np.linalg.norm(chin - top)) / self.eye_distance_3d_px

    @property
    def muzzle_ratio(self) -> float:
        """Distance from the tip of the nose to the top of the upper lip in 3-D, divided by the width of the face."""
        nose_to_lip = np.linalg.norm(self.points[_NOSE_TIP] - self.points[_LIP_TOP])
        right, left = self._pick(_FACE_SIDES)
        width = np.linalg.norm(left - right)
        return float(nose_to_lip / max(float(width), 1e-6))


class Feature(enum.Enum):
    """The parts of a face that can be edited."""

    RIGHT_EYE = "right eye"
    LEFT_EYE = "left eye"
    MOUTH = "mouth"

    @property
    def other_eye(self) -> Feature:
        """The eye on the other side. Raises ValueError for the mouth."""
        if self is Feature.MOUTH:
            raise ValueError("the mouth is not an eye")
        return Feature.LEFT_EYE if self is Feature.RIGHT_EYE else Feature.RIGHT_EYE


EYES = (Feature.RIGHT_EYE, Feature.LEFT_EYE)
"""The features that are eyes, the subject's right one first."""


@dataclass(frozen=True, eq=False)
class EyeFrame:
    """Maps between photo pixels and the *eye frame* of one eye: x = -1 at its outer corner and +1 at the inner one.

    y runs toward the brow, and one unit is half the true width of the eye. A turned head foreshortens x but not y, so
    the axes keep scales of their own. Both eyes have the same frame, mirrored: measures of one eye apply to the other.

    `origin`, `x_axis`, `y_axis` float32 (2,): pixels, and pixels per unit.
    """

    origin: FloatArray
    x_axis: FloatArray
    y_axis: FloatArray

    @property
    def half_width_px(self) -> float:
        """Length of one unit of y in pixels: half the width of the eye seen straight on."""
        return float(np.linalg.norm(self.y_axis))

    @property
    def foreshortening(self) -> float:
        """Width of the eye in the picture divided by its true width: 1 straight on, less from the side; above 0."""
        return max(float(np.linalg.norm(self.x_axis)), 1e-6) / self.half_width_px

    @property
    def toward_right(self) -> float:
        """1 where x, which runs toward the nose, points to the right of the picture, as for the right eye; else -1."""
        return 1.0 if self.x_axis[0] > 0 else -1.0

    def to_frame(self, x_px: FloatArray, y_px: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return frame coordinates, float32, of photo pixels; arrays of any one shape."""
        determinant = self.x_axis[0] * self.y_axis[1] - self.x_axis[1] * self.y_axis[0]
        dx, dy = x_px - self.origin[0], y_px - self.origin[1]
        x = (dx * self.y_axis[1] - dy * self.y_axis[0]) / determinant
        y = (self.x_axis[0] * dy - self.x_axis[1] * dx) / determinant
        return x.astype(np.float32), y.astype(np.float32)

    def to_photo(self, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return photo pixels, float32, of frame coordinates; arrays of any one shape."""
        x_px = self.origin[0] + x * self.x_axis[0] + y * self.y_axis[0]
        y_px = self.origin[1] + x * self.x_axis[1] + y * self.y_axis[1]
        return x_px.astype(np.float32), y_px.astype(np.float32)

    def grid(self, box: Box, supersampling: int = 1) -> tuple[FloatArray, FloatArray]:
        """Return frame coordinates x and y of every (sub-)pixel centre of `box`, each float32 (h·s, w·s).

        s is `supersampling`, the number of sub-pixels across and down a pixel.
        """
        step = 1.0 / supersampling
        columns = box.left + (np.arange(box.width * supersampling, dtype=np.float32) + 0.5) * step - 0.5
        rows = box.top + (np.arange(box.height * supersampling, dtype=np.float32) + 0.5) * step - 0.5
        return self.to_frame(*np.meshgrid(columns, rows))


@dataclass(frozen=True, eq=False)
class Face:
    """One face: its place in the photo, its landmarks, blendshape scores and pose.

    `number` counts from 1 in reading order and is the one that `--faces` takes. `confidence` 0 … 1 is the detector's.
    `blendshapes` maps MediaPipe's 52 names to scores 0 … 1. Pose in degrees: `yaw_degrees` is positive when the subject
    turns to their own left (picture right), `pitch_degrees` when they look down, `roll_degrees` when the head is tilted
    clockwise in the picture.
    """

    number: int
    box: Box
    confidence: float
    landmarks: Landmarks
    blendshapes: Mapping[str, float]
    yaw_degrees: float
    pitch_degrees: float
    roll_degrees: float

    def eye(self, feature: Feature) -> EyeLandmarks:
        """The landmarks of one eye. Raises ValueError for the mouth."""
        if feature is Feature.MOUTH:
            raise ValueError("the mouth is not an eye")
        return self.landmarks.left_eye if feature is Feature.LEFT_EYE else self.landmarks.right_eye

    def blink(self, feature: Feature) -> float:
        """MediaPipe's blink score of one eye: 0 open … 1 closed."""
        return self.blendshapes["eyeBlinkLeft" if feature is Feature.LEFT_EYE else "eyeBlinkRight"]

    @property
    def smile(self) -> float:
        """Mean of MediaPipe's two smile scores: 0 none … 1 broad."""
        return (self.blendshapes["mouthSmileLeft"] + self.blendshapes["mouthSmileRight"]) / 2

    def within(self, box: Box, scale: float = 1.0) -> Face:
        """Return the same face in the part of its photo inside `box`, resized by `scale`."""
        origin = np.array([box.left, box.top, 0], np.float32)
        return replace(
            self,
            box=self.box.shifted(-box.left, -box.top).scaled(scale),
            landmarks=Landmarks((self.landmarks.points - origin) * np.float32(scale)),
        )

    def eye_frame(self, feature: Feature) -> EyeFrame:
        """Return the eye frame of one eye, computed once. Raises ValueError for the mouth."""
        if feature is Feature.MOUTH:
            raise ValueError("the mouth is not an eye")
        return self._eye_frames[feature]

    @cached_property
    def _eye_frames(self) -> dict[Feature, EyeFrame]:
        return {feature: _find_eye_frame(self, feature) for feature in EYES}


def _find_eye_frame(face: Face, feature: Feature) -> EyeFrame:
    """The eye frame of one eye, from the landmarks of both."""
    right, left = (_find_open_corners(eye) for eye in face.landmarks.eyes)
    outer, inner = right if feature is Feature.RIGHT_EYE else left
    x_axis = (inner - outer)[:2] / 2
    # The pose turns the width of the eye into depth; of the two eyes, the wider one in 3-D is measured better.
    width_3d = max(float(np.linalg.norm(corners[0] - corners[1])) for corners in (right, left))
    unit = min(width_3d / 2, float(np.linalg.norm(x_axis)) / _LEAST_WIDTH_RATIO)
    # y is perpendicular to the mean of this eye's axis and the line through both eyes: a far eye's short axis is noisy.
    across = (left[0] - right[0])[:2]
    across = across / max(float(np.linalg.norm(across)), 1e-6)
    own = x_axis / max(float(np.linalg.norm(x_axis)), 1e-6)
    own = own if float(own @ across) > 0 else -own
    along = across + own
    along = along / max(float(np.linalg.norm(along)), 1e-6)
    y_axis = np.array([along[1], -along[0]], np.float32) * unit
    origin = (outer + inner)[:2] / 2
    return EyeFrame(origin.astype(np.float32), x_axis.astype(np.float32), y_axis)


def _find_open_corners(eye: EyeLandmarks) -> tuple[Points, Points]:
    """The outer and the inner corner of an eye as they lie when it is open, each float32 (3,)."""
    along, across = eye.axes
    outer, inner = (
        corner + eye.shutness * (x * along + y * across)
        for corner, (x, y) in ((eye.outer_corner, _OUTER_SHIFT), (eye.inner_corner, _INNER_SHIFT))
    )
    return outer, inner
