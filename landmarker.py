"""What MediaPipe's FaceLandmarker says of one picture of one face: 478 points, 52 scores and the pose."""

from __future__ import annotations

import contextlib
import math
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from landmarks import Points
from photo_types import MissingModel, MissingPackage, Pixels

_MODEL_FILE = Path(__file__).parent / "face_landmarker.task"
# A view whose whites are darker than the first number is lifted until they are as bright as the second.
_DARK_WHITE, _LIFTED_WHITE = 110.0, 220.0
# A view of half the size in which noise deviates by more grey levels than the first number is blurred by so many
# pixels: clear photos have 0.2 … 3.0. Noise on closed lids is taken for an open eye.
_NOISY, _CALMING_SIGMA_PX = 4.0, 1.5
# The difference of two Laplacians sees no slopes (Immerkær, "Fast Noise Variance Estimation", 1996); of noise of
# deviation 1 its values have a deviation of 6, and the median of their size is 0.6745 times that.
_NOISE_KERNEL = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
_MEDIAN_TO_SIGMA = 1 / (6 * 0.6745)
# The landmarker may not be entered by two threads.
_LOCK = threading.Lock()


@dataclass(frozen=True, eq=False)
class Reading:
    """One face: `points` float32 (478, 3) and `blendshapes`, both in 0 … 1, and yaw, pitch, roll in degrees."""

    points: Points
    blendshapes: Mapping[str, float]
    pose: tuple[float, float, float]


def read_landmarks(view: Pixels) -> Reading | None:
    """Read the one face that `view` uint8 (H, W, 3) RGB shows; None when the network sees none.

    The signs of the pose are those of `Face`. Raises MissingModel, MissingPackage.
    """
    with _LOCK, _quiet():
        landmarker, image_type, rgb = _load_landmarker()
        result = landmarker.detect(image_type(image_format=rgb, data=view))
    if not result.face_landmarks:
        return None
    points = np.array([(p.x, p.y, p.z) for p in result.face_landmarks[0]], dtype=np.float32)
    if not np.isfinite(points).all():
        return None
    blendshapes = {shape.category_name: float(shape.score) for shape in result.face_blendshapes[0]}
    return Reading(points, blendshapes, _pose(np.asarray(result.facial_transformation_matrixes[0], dtype=np.float64)))


def lift_dark(view: Pixels) -> Pixels:
    """A dark view uint8 (h, w, 3) made as bright as photos are; another one as it is."""
    # Counting the bright ones is much quicker than ranking all, and settles nearly every photo.
    if np.count_nonzero(view >= _DARK_WHITE) > 0.02 * view.size:
        return view
    white = float(np.percentile(view, 99))
    if white >= _DARK_WHITE:
        return view
    return cv2.convertScaleAbs(view, alpha=_LIFTED_WHITE / max(white, 1.0)).astype(np.uint8, copy=False)


def clear_up(view: Pixels) -> Pixels:
    """A dark or noisy view uint8 (h, w, 3) as the landmarker reads it best; another one as it is."""
    lifted = lift_dark(view)
    # What is lifted has had its noise lifted, too.
    if lifted is view and measure_view_noise(view) <= _NOISY:
        return view
    return cv2.GaussianBlur(lifted, (0, 0), _CALMING_SIGMA_PX).astype(np.uint8, copy=False)


def measure_view_noise(view: Pixels) -> float:
    """The noise in the green of a view uint8 (h, w, 3) shrunk to half its size, by `measure_noise`."""
    return measure_noise(np.asarray(cv2.resize(view[..., 1], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)))


def measure_noise(pixels: Pixels) -> float:
    """Standard deviation of the noise of `pixels` uint8 (h, w) or (h, w, 3), in 8-bit steps, mean of the channels."""
    ripples = np.abs(cv2.filter2D(pixels, cv2.CV_32F, _NOISE_KERNEL))
    return float(np.median(ripples, axis=(0, 1)).mean() * _MEDIAN_TO_SIGMA)


def _pose(matrix: NDArray[np.float64]) -> tuple[float, float, float]:
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
    if not _MODEL_FILE.is_file():
        raise MissingModel(f"The model file {_MODEL_FILE.name} is missing beside the program.")
    os.environ.setdefault("GLOG_minloglevel", "2")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        import mediapipe
        from mediapipe.tasks.python import BaseOptions, vision
    except ImportError as error:
        raise MissingPackage("The package mediapipe is not installed: pip install -r requirements.txt") from error
    options = vision.FaceLandmarkerOptions(
        base_options=BaseOptions(model_asset_buffer=_MODEL_FILE.read_bytes(), delegate=BaseOptions.Delegate.CPU),
        output_face_blendshapes=True,
        output_facial_transformation_matrixes=True,
        num_faces=1,
        min_face_detection_confidence=0.2,
        min_face_presence_confidence=0.2,
    )
    try:
        landmarker = vision.FaceLandmarker.create_from_options(options)
    except (RuntimeError, ValueError) as error:
        raise MissingModel(f"The face landmark model {_MODEL_FILE.name} is damaged.") from error
    return landmarker, mediapipe.Image, mediapipe.ImageFormat.SRGB


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Drop what MediaPipe's native code writes to the error stream; Python's own errors are exceptions and pass."""
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
