"""One look of MediaPipe's FaceLandmarker at one face of a photo: a square crop, and what is seen in it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from landmarker import clear_up, read_landmarks
from landmarks import Landmarks, Points
from photo_types import Box, Pixels

# Side of the crop that the landmarker gets: the face then fills the 256 px that its network takes.
_CROP_PX = 384
# What is seen beyond the photo's edge. Half a face beside its drawn-out edge is sometimes none; beside black it is.
BORDERS = (cv2.BORDER_REPLICATE, cv2.BORDER_CONSTANT)
# Side of the crop in proportion to the extent of the landmarks.
_LANDMARKS_TO_CROP = 1.6


@dataclass(frozen=True, eq=False)
class Crop:
    """A square to look at: centre and side in photo pixels, turned clockwise by `roll` degrees."""

    center: tuple[float, float]
    side: float
    roll: float = 0.0

    @property
    def box(self) -> Box:
        """The upright box around the square; it may reach beyond the photo."""
        reach = self.side * (0.5 if self.roll == 0 else 0.72)
        x, y = self.center
        return Box(math.floor(x - reach), math.floor(y - reach), math.ceil(x + reach), math.ceil(y + reach))


@dataclass(frozen=True, eq=False)
class Look:
    """What the landmarker saw: points float32 (478, 3) in photo pixels, scores, yaw, pitch and roll in degrees."""

    points: Points
    blendshapes: Mapping[str, float]
    pose: tuple[float, float, float]
    confidence: float


def look_at(pixels: Pixels, crop: Crop, confidence: float, border: int = BORDERS[0]) -> Look | None:
    """What the landmarker sees in one crop of `pixels` uint8 (H, W, 3), with this OpenCV border where the photo ends.

    `confidence` of the box that is looked at goes into the look. None when no face is seen.
    Raises MissingModel, MissingPackage.
    """
    # Only the part of the photo under the turned crop is touched, shrunk by area first: warping alone would alias.
    box = crop.box.clipped(pixels.shape[1], pixels.shape[0])
    if box is None or crop.side < 4:
        return None
    share = min(_CROP_PX / crop.side, 1.0)
    small = max(round(box.width * share), 1), max(round(box.height * share), 1)
    part = shrink(pixels[box.slices], *small) if share < 1 else pixels[box.slices]
    to_part = np.diag([small[0] / box.width, small[1] / box.height, 1.0]) @ shift_matrix(-box.left, -box.top)
    scale = _CROP_PX / crop.side
    to_crop = (
        shift_matrix(_CROP_PX / 2, _CROP_PX / 2)
        @ np.diag([scale, scale, 1.0])
        @ turn_matrix(crop.roll)
        @ shift_matrix(-crop.center[0], -crop.center[1])
    )
    # Half a pixel: warpAffine counts from pixel centres, landmarks from the corner of the picture.
    matrix = shift_matrix(-0.5, -0.5) @ to_crop @ np.linalg.inv(to_part) @ shift_matrix(0.5, 0.5)
    view = cv2.warpAffine(part, matrix[:2], (_CROP_PX, _CROP_PX), flags=cv2.INTER_CUBIC, borderMode=border)
    seen = read_landmarks(clear_up(np.ascontiguousarray(view).astype(np.uint8, copy=False)))
    if seen is None:
        return None
    points, (yaw, pitch, roll) = seen.points, seen.pose
    back = np.linalg.inv(to_crop)
    flat = np.column_stack([points[:, :2] * _CROP_PX, np.ones(len(points))]) @ back.T
    placed = np.column_stack([flat[:, :2], points[:, 2] * _CROP_PX / scale]).astype(np.float32)
    return Look(placed, seen.blendshapes, (yaw, pitch, wrap_degrees(roll + crop.roll)), confidence)


def borders_in(pixels: Pixels, crop: Crop) -> tuple[int, ...]:
    """The borders with which a crop of `pixels` uint8 (H, W, 3) looks different: one where no edge is in it."""
    is_inside = crop.box.clipped(pixels.shape[1], pixels.shape[0]) == crop.box
    return BORDERS[:1] if is_inside else BORDERS


def crop_of(points: Points) -> Crop:
    """The crop, turned as the face is, that a face with these points float32 (478, 3) fills."""
    landmarks = Landmarks(points)
    across = (landmarks.left_eye.outer_corner - landmarks.right_eye.outer_corner)[:2]
    roll = math.degrees(math.atan2(float(across[1]), float(across[0])))
    turn = turn_matrix(roll)[:2, :2]
    upright = points[:, :2] @ turn.T
    low, high = upright.min(axis=0), upright.max(axis=0)
    center = turn.T @ ((low + high) / 2)
    return Crop((float(center[0]), float(center[1])), _LANDMARKS_TO_CROP * float((high - low).max()), roll)


def shift_matrix(x: float, y: float) -> NDArray[np.float64]:
    """What moves points (x, y, 1) by so much, float64 (3, 3)."""
    return np.array([[1.0, 0.0, x], [0.0, 1.0, y], [0.0, 0.0, 1.0]])


def turn_matrix(degrees: float) -> NDArray[np.float64]:
    """What turns a picture counter-clockwise by this angle about its origin, float64 (3, 3)."""
    angle = math.radians(degrees)
    return np.array([[math.cos(angle), math.sin(angle), 0], [-math.sin(angle), math.cos(angle), 0], [0, 0, 1.0]])


def wrap_degrees(degrees: float) -> float:
    """The same angle in -180 … 180."""
    return (degrees + 180.0) % 360.0 - 180.0


def shift_ratio(points: Points, others: Points) -> float:
    """Mean distance of two looks' points, float32 (478, 3) each, in eye distances of the second."""
    moved = np.linalg.norm(points[:, :2] - others[:, :2], axis=1).mean()
    return float(moved) / max(Landmarks(others).eye_distance_px, 1e-6)


def shrink(pixels: Pixels, width: int, height: int) -> Pixels:
    """A picture uint8 (h, w, 3) at a smaller size; each pixel is the mean of those that it stands for."""
    return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
