"""Run MediaPipe's FaceLandmarker on a picture or a crop of one face: 478 points, 52 scores and the pose."""

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
from photo.measure import clear_up, smooth_more
from photo.types import Box, Matrix, Pixels, Points

# ---- the network ----------------------------------------------------------------------------------------

_MODEL = "face_landmarker.task"
# Side of the pictures that the landmarker gets: the face then fills the 256 px that its network takes.
_CROP_PX = 384
# The landmarker is not thread-safe.
_LOCK = threading.Lock()


@dataclass(frozen=True, eq=False)
class NormalizedReading:
    """The landmarker's output for one face.

    `points` float32 (478, 3): x and y in ratio to the sides of the picture, z in ratio to its width. `blendshapes` maps
    MediaPipe's 52 names to 0 … 1. `pose` is yaw, pitch and roll in degrees, with the signs of `Face`.
    """

    points: Points
    blendshapes: Mapping[str, float]
    pose: tuple[float, float, float]


def read_landmarks(view: Pixels) -> NormalizedReading | None:
    """Return the reading of the one face in `view` uint8 (H, W, 3) RGB; None when the network finds none.

    Raises MissingModel, MissingPackage.
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
    """Yaw, pitch and roll in degrees of a pose matrix float64 (4, 4), with the signs of `Face`.

    Its columns are the head's axes (its left, up, forward) in a space with x right, y up and z to the camera.
    """
    axes = matrix[:3, :3] / np.linalg.norm(matrix[:3, :3], axis=0)
    left, forward = axes[:, 0], axes[:, 2]
    yaw = math.degrees(math.atan2(forward[0], forward[2]))
    pitch = -math.degrees(math.atan2(forward[1], math.hypot(forward[0], forward[2])))
    return yaw, pitch, -math.degrees(math.atan2(left[1], left[0]))


@lru_cache(maxsize=1)
def _load_landmarker() -> tuple[Any, Callable[..., Any], Any]:
    """The landmarker, MediaPipe's image class and its constant for RGB. Raises MissingModel, MissingPackage."""
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
        with silenced():
            landmarker = vision.FaceLandmarker.create_from_options(options)
            # The last of its start-up messages comes with the first picture.
            landmarker.detect(mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=blank))
    except (RuntimeError, ValueError) as error:
        raise damaged_model(_MODEL) from error
    return landmarker, mediapipe.Image, mediapipe.ImageFormat.SRGB


class _ErrorStream:
    """The error stream of the process, silent as long as at least one thread wants it to be."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wanted_by = 0
        self._kept: int | None = None

    def silence(self) -> None:
        """Drop what is written to it, until `restore` was called as often as this."""
        with self._lock:
            if self._wanted_by == 0:
                self._redirect()
            self._wanted_by += 1

    def restore(self) -> None:
        """Let through again what is written to it, unless another thread still wants it silent."""
        with self._lock:
            self._wanted_by -= 1
            if self._wanted_by == 0 and self._kept is not None:
                os.dup2(self._kept, 2)
                os.close(self._kept)
                self._kept = None

    def _redirect(self) -> None:
        try:
            self._kept = os.dup(2)
        except OSError:  # There is no error stream to protect.
            return
        sink = os.open(os.devnull, os.O_WRONLY)
        os.dup2(sink, 2)
        os.close(sink)


_ERROR_STREAM = _ErrorStream()


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Drop what MediaPipe's native code writes to the error stream meanwhile; several threads may be in it at once.

    The stream belongs to the whole process, so that output of other threads is lost, too: use it for moments.
    """
    _ERROR_STREAM.silence()
    try:
        yield
    finally:
        _ERROR_STREAM.restore()


# ---- crops of a photo -----------------------------------------------------------------------------------

# Of OpenCV, what to show beyond the photo's edge. Half a face is sometimes found only beside a black border.
BORDERS = (cv2.BORDER_REPLICATE, cv2.BORDER_CONSTANT)
# calibration: crop-size. Side of the crop in proportion to the extent of the landmarks.
_LANDMARKS_TO_CROP = 1.6


@dataclass(frozen=True, eq=False)
class Crop:
    """A square part of a photo: centre (x, y) and side in pixels, turned clockwise by `roll` degrees."""

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
    """A reading of one face in photo pixels.

    `points` float32 (478, 3) as in `Landmarks`. `blendshapes` maps MediaPipe's 52 names to 0 … 1. `pose` is yaw, pitch
    and roll in degrees, with the signs of `Face`. `confidence` 0 … 1 is that of the detector's box.
    """

    points: Points
    blendshapes: Mapping[str, float]
    pose: tuple[float, float, float]
    confidence: float


def read_crop(pixels: Pixels, crop: Crop, confidence: float, border: int = BORDERS[0]) -> LandmarkReading | None:
    """Return the reading of one crop of `pixels` uint8 (H, W, 3); None when no face is found.

    `confidence` is that of the detector's box, and is passed on. `border` is OpenCV's border type beyond the photo's
    edge. Raises MissingModel, MissingPackage.
    """
    # Only the part of the photo under the turned crop is read; it is averaged down first, as warping alone would alias.
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
    # Half a pixel: the origin of warpAffine is the centre of the first pixel, that of landmarks its corner.
    matrix = shift_matrix(-0.5, -0.5) @ to_crop @ np.linalg.inv(to_part) @ shift_matrix(0.5, 0.5)
    warped = cv2.warpAffine(part, matrix[:2], (_CROP_PX, _CROP_PX), flags=cv2.INTER_CUBIC, borderMode=border)
    view: Pixels = np.ascontiguousarray(warped).astype(np.uint8, copy=False)
    cleared = clear_up(view)
    reading = read_landmarks(cleared)
    if reading is None and cleared is not view:
        reading = read_landmarks(smooth_more(cleared))
    if reading is None:
        return None
    points, (yaw, pitch, roll) = reading.points, reading.pose
    back = np.linalg.inv(to_crop)
    flat = np.column_stack([points[:, :2] * _CROP_PX, np.ones(len(points))]) @ back.T
    placed = np.column_stack([flat[:, :2], points[:, 2] * _CROP_PX / scale]).astype(np.float32)
    return LandmarkReading(placed, reading.blendshapes, (yaw, pitch, wrap_degrees(roll + crop.roll)), confidence)


def borders_in(pixels: Pixels, crop: Crop) -> tuple[int, ...]:
    """Return the border types that make a difference to a crop of `pixels` uint8 (H, W, 3): one if it has no edge."""
    is_inside = crop.box.clipped(pixels.shape[1], pixels.shape[0]) == crop.box
    return BORDERS[:1] if is_inside else BORDERS


def crop_of(points: Points) -> Crop:
    """Return the crop, turned with the face, that is filled by a face with these points, float32 (478, 3)."""
    landmarks = Landmarks(points)
    across = (landmarks.left_eye.outer_corner - landmarks.right_eye.outer_corner)[:2]
    roll = math.degrees(math.atan2(float(across[1]), float(across[0])))
    turn = turn_matrix(roll)[:2, :2]
    upright = points[:, :2] @ turn.T
    low, high = upright.min(axis=0), upright.max(axis=0)
    center = turn.T @ ((low + high) / 2)
    return Crop((float(center[0]), float(center[1])), _LANDMARKS_TO_CROP * float((high - low).max()), roll)


def shift_ratio(points: Points, others: Points) -> float:
    """Return the mean distance of two readings' points, float32 (478, 3) each, in eye distances of the second."""
    moved = np.linalg.norm(points[:, :2] - others[:, :2], axis=1).mean()
    return float(moved) / max(Landmarks(others).eye_distance_px, 1e-6)


def _make_divisible(box: Box, scale: float) -> Box:
    """The box without the few last rows and columns that would keep `scale_down` by `scale` from halving it."""
    times = max(math.floor(math.log2(1 / scale)) - 1, 0)
    width, height = (max(side >> times << times, 1) for side in (box.width, box.height))
    return Box(box.left, box.top, box.left + width, box.top + height)
