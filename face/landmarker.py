"""What MediaPipe's FaceLandmarker says of one picture of one face: 478 points, 52 scores and the pose."""

from __future__ import annotations

import contextlib
import math
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np

from face.model_files import damaged_model, model_bytes
from face.types import Landmarks
from photo.errors import MissingPackage
from photo.geometry import scale_down, shift_matrix, turn_matrix, wrap_degrees
from photo.measure import clear_up
from photo.types import Box, Matrix, Pixels, Points

_MODEL = "face_landmarker.task"
# The landmarker may not be entered by two threads.
_LOCK = threading.Lock()


@dataclass(frozen=True, eq=False)
class NormalizedReading:
    """One face: `points` float32 (478, 3) and `blendshapes`, both in 0 … 1, and yaw, pitch, roll in degrees."""

    points: Points
    blendshapes: Mapping[str, float]
    pose: tuple[float, float, float]


def read_landmarks(view: Pixels) -> NormalizedReading | None:
    """Read the one face that `view` uint8 (H, W, 3) RGB shows; None when the network sees none.

    The signs of the pose are those of `Face`. Raises MissingModel, MissingPackage.
    """
    with _LOCK:
        landmarker, image_type, rgb = _load_landmarker()
        result = landmarker.detect(image_type(image_format=rgb, data=view))
    if not result.face_landmarks:
        return None
    points = np.array([(p.x, p.y, p.z) for p in result.face_landmarks[0]], dtype=np.float32)
    if not np.isfinite(points).all():
        return None
    blendshapes = {shape.category_name: float(shape.score) for shape in result.face_blendshapes[0]}
    return NormalizedReading(
        points, blendshapes, _pose(np.asarray(result.facial_transformation_matrixes[0], dtype=np.float64))
    )


def _pose(matrix: Matrix) -> tuple[float, float, float]:
    """Yaw, pitch and roll in degrees of a pose matrix, with the signs that Face promises.

    The columns are the head's axes (its left, up, forward) in a space with x right, y up and z to the camera.
    """
    axes = matrix[:3, :3] / np.linalg.norm(matrix[:3, :3], axis=0)
    left, forward = axes[:, 0], axes[:, 2]
    yaw = math.degrees(math.atan2(forward[0], forward[2]))
    pitch = -math.degrees(math.atan2(forward[1], math.hypot(forward[0], forward[2])))
    return yaw, pitch, -math.degrees(math.atan2(left[1], left[0]))


@lru_cache(maxsize=1)
def _load_landmarker() -> tuple[Any, Callable[..., Any], Any]:
    """The landmarker, MediaPipe's image type and its name for RGB."""
    model = model_bytes(_MODEL)
    os.environ.setdefault("GLOG_minloglevel", "2")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        import mediapipe
        from mediapipe.tasks.python import BaseOptions, vision
    except ImportError as error:
        raise MissingPackage("The package mediapipe is not installed: pip install -r requirements.txt") from error
    options = vision.FaceLandmarkerOptions(
        base_options=BaseOptions(model_asset_buffer=model, delegate=BaseOptions.Delegate.CPU),
        output_face_blendshapes=True,
        output_facial_transformation_matrixes=True,
        num_faces=1,
        min_face_detection_confidence=0.2,
        min_face_presence_confidence=0.2,
    )
    blank = np.zeros((_CROP_PX, _CROP_PX, 3), np.uint8)
    try:
        with _quiet():
            landmarker = vision.FaceLandmarker.create_from_options(options)
            # It says the last of what it has to say at its first picture.
            landmarker.detect(mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=blank))
    except (RuntimeError, ValueError) as error:
        raise damaged_model(_MODEL) from error
    return landmarker, mediapipe.Image, mediapipe.ImageFormat.SRGB


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Drop what MediaPipe's native code writes to the error stream while it starts.

    The stream is the whole process's: what other threads write meanwhile is lost, too. So only the start is silenced.
    """
    try:
        kept = os.dup(2)
    except OSError:  # There is no error stream to protect.
        yield
        return
    sink = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(sink, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(sink)


# Side of the crop that the landmarker gets: the face then fills the 256 px that its network takes.
_CROP_PX = 384
# What is seen beyond the photo's edge. Half a face beside its drawn-out edge is sometimes none; beside black it is.
BORDERS = (cv2.BORDER_REPLICATE, cv2.BORDER_CONSTANT)
# calibration: crop-size. Side of the crop in proportion to the extent of the landmarks.
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
class LandmarkReading:
    """What the landmarker saw: points float32 (478, 3) in photo pixels, scores, yaw, pitch and roll in degrees."""

    points: Points
    blendshapes: Mapping[str, float]
    pose: tuple[float, float, float]
    confidence: float


def read_crop(pixels: Pixels, crop: Crop, confidence: float, border: int = BORDERS[0]) -> LandmarkReading | None:
    """What the landmarker sees in one crop of `pixels` uint8 (H, W, 3), with this OpenCV border where the photo ends.

    `confidence` of the box that is looked at goes into the look. None when no face is seen.
    Raises MissingModel, MissingPackage.
    """
    # Only the part of the photo under the turned crop is touched, shrunk by area first: warping alone would alias.
    box = crop.box.clipped(pixels.shape[1], pixels.shape[0])
    if box is None or crop.side < 4:
        return None
    box = _make_divisible(box, min(_CROP_PX / crop.side, 1.0))
    scale = _CROP_PX / crop.side
    part = scale_down(pixels[box.slices], scale)
    to_part = np.diag([part.shape[1] / box.width, part.shape[0] / box.height, 1.0]) @ shift_matrix(-box.left, -box.top)
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
    return LandmarkReading(placed, seen.blendshapes, (yaw, pitch, wrap_degrees(roll + crop.roll)), confidence)


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


def shift_ratio(points: Points, others: Points) -> float:
    """Mean distance of two looks' points, float32 (478, 3) each, in eye distances of the second."""
    moved = np.linalg.norm(points[:, :2] - others[:, :2], axis=1).mean()
    return float(moved) / max(Landmarks(others).eye_distance_px, 1e-6)


def _make_divisible(box: Box, share: float) -> Box:
    """The box less the few last rows and columns that keep it from being halved again and again on the way down."""
    times = max(math.floor(math.log2(1 / share)) - 1, 0)
    width, height = (max(side >> times << times, 1) for side in (box.width, box.height))
    return Box(box.left, box.top, box.left + width, box.top + height)
