"""Whether a mouth looks like one at rest, by a small network that sees its pixels.

MediaPipe's scores know where lips are, and little of what is between and on them: teeth bared in rage, speech, a
printed cloth over the mouth or a caption may all score like a mouth at rest. The network has learnt from free portraits
and from things drawn over them; `training/mouth` makes its weights.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from face.model_files import read_network
from face.types import Landmarks
from photo.types import FloatArray, Matrix, Pixels

_MODEL = "mouth_look.onnx"
# The network keeps its input between two calls, so only one thread may use it at a time.
_LOCK = threading.Lock()

INPUT_SIZE = (48, 45)
"""Columns and rows of what the network sees."""
# What it sees is this wide, in distances of the outer eye corners; its middle lies so far from the mouth to the eyes.
_WIDTH, _TOWARD_EYES = 1.35, 0.12
# Units of the a and b of CIELAB, and what is added to the deviation of lightness, so that flat pictures stay flat.
_CHROMA_UNIT, _LEAST_DEVIATION = 15.0, 4.0
# The same mouth is seen so far apart, in columns, and in the mirror: the answers differ a little, their mean less.
_SHIFTS = ((0.0, 0.0), (1.5, 0.0), (0.0, 1.5))


@dataclass(frozen=True)
class MouthLook:
    """How likely a mouth is at rest, moved (it smiles, speaks, shows teeth) or covered: 0 … 1 each, 1 in all."""

    resting: float
    moved: float
    covered: float


def mouth_matrix(landmarks: Landmarks, size: tuple[int, int], shift: tuple[float, float] = (0.0, 0.0)) -> Matrix:
    """Return the transform from photo pixels to the upright surroundings of the mouth, float64 (2, 3).

    `size` is that of the result in columns and rows, `shift` moves it by as many of its pixels.
    """
    right = landmarks.right_eye.outer_corner[:2].astype(np.float64)
    left = landmarks.left_eye.outer_corner[:2].astype(np.float64)
    across = (left - right) / max(float(np.linalg.norm(left - right)), 1e-6)
    mouth = landmarks.lips[[0, 10], :2].mean(axis=0)
    middle = mouth + _TOWARD_EYES * ((right + left) / 2 - mouth)
    scale = size[0] / (_WIDTH * landmarks.eye_distance_3d_px)
    turn = np.array([[across[0], across[1]], [-across[1], across[0]]]) * scale
    return np.column_stack([turn, np.array(size) / 2 + shift - turn @ middle])


def cut_mouth(pixels: Pixels, matrix: Matrix, size: tuple[int, int]) -> Pixels:
    """Return what a matrix of `mouth_matrix` shows of a photo uint8 (H, W, 3): uint8 (rows, columns, 3).

    Large photos are averaged down, so that one sample is about one pixel; what lies outside the photo repeats its edge.
    """
    scale = float(np.hypot(matrix[0, 0], matrix[0, 1]))
    if scale < 1:
        height, width = pixels.shape[:2]
        corners = np.array([(0, 0), (size[0], 0), (0, size[1]), size], np.float64)
        seen = np.linalg.solve(matrix[:, :2], (corners - matrix[:, 2]).T).T
        low = np.clip(np.floor(seen.min(axis=0) - 2 / scale), 0, (width - 2, height - 2)).astype(int)
        high = np.clip(np.ceil(seen.max(axis=0) + 2 / scale), low + 2, (width, height)).astype(int)
        part = pixels[low[1] : high[1], low[0] : high[0]]
        smaller = (max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale)))
        pixels = np.asarray(cv2.resize(part, smaller, interpolation=cv2.INTER_AREA), np.uint8)
        stretch = np.array([part.shape[1] / smaller[0], part.shape[0] / smaller[1]])
        matrix = np.column_stack([matrix[:, :2] * stretch, matrix[:, 2] + matrix[:, :2] @ low])
    return np.asarray(
        cv2.warpAffine(pixels, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8
    )


def to_input(crop: Pixels, skin: FloatArray) -> FloatArray:
    """Return what the network takes, float32 (3, rows, columns), of a crop uint8 (rows, columns, 3) of `INPUT_SIZE`.

    It is the lightness of the crop in its own deviations, and how far its colours are from `skin`, RGB float32 (3,).
    """
    lab, own = (
        cv2.cvtColor(np.asarray(colors, np.float32) / 255, cv2.COLOR_RGB2LAB)
        for colors in (crop, skin.reshape(1, 1, 3))
    )
    light = (lab[..., 0] - lab[..., 0].mean()) / (lab[..., 0].std() + _LEAST_DEVIATION)
    chroma = (lab[..., 1:] - own[0, 0, 1:]) / _CHROMA_UNIT
    return np.ascontiguousarray(np.stack([light, chroma[..., 0], chroma[..., 1]]), np.float32)


def look_at_mouth(pixels: Pixels, landmarks: Landmarks, skin: FloatArray) -> MouthLook:
    """Return how a mouth looks in a photo uint8 (H, W, 3); `skin` is the RGB of the skin around the eyes, float32 (3,).

    It is the mean over several crops. Raises MissingModel.
    """
    views = []
    for shift in _SHIFTS:
        crop = cut_mouth(pixels, mouth_matrix(landmarks, INPUT_SIZE, shift), INPUT_SIZE)
        views += [to_input(crop, skin), to_input(np.ascontiguousarray(crop[:, ::-1]), skin)]
    with _LOCK:
        network = _load_network()
        network.setInput(np.stack(views))
        scores = np.asarray(network.forward(), np.float64)
    chances = np.exp(scores - scores.max(axis=1, keepdims=True))
    resting, moved, covered = (chances / chances.sum(axis=1, keepdims=True)).mean(axis=0).tolist()
    return MouthLook(resting, moved, covered)


@lru_cache(maxsize=1)
def _load_network() -> cv2.dnn.Net:
    """The network, loaded once. Raises MissingModel."""
    return read_network(_MODEL)
