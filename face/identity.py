"""Whether two faces are of one person: a face-recognition network turns each into a list of numbers.

MobileFaceNet (Chen et al., "MobileFaceNets", 2018), 5 MB, run by OpenCV. It sees the face upright, 112 pixels wide,
with eyes, nose and mouth corners where it had them in training. Nothing of what it finds is kept or sent anywhere.
"""

from __future__ import annotations

import threading
from functools import lru_cache

import cv2
import numpy as np

from face.model_files import damaged_model, model_bytes
from face.types import Face
from photo.geometry import fit_similarity
from photo.types import FloatArray, Pixels

Embedding = FloatArray
"""What the network says of a face: float32 (192,) of length 1."""

# calibration: identity. Euclidean distance of two descriptions, 0 … 2.
SAME_PERSON = 0.85
"""Two pictures of one person lie closer together than this.

Measured with 85 faces: 60 pairs of frames from one clip or one burst lie 0.15 … 0.78 apart (median 0.43), with eyes
closed and open and mouths wide open; 4 pairs of portraits years apart 0.58 … 0.78; 4080 pairs of different people
0.91 … 1.69 (median 1.40, 1 % below 1.14).
"""

_MODEL = "mobilefacenet.onnx"
_SIDE_PX = 112
# Where the network had the subject's right and left eye, tip of the nose, right and left mouth corner in training, in
# its 112 px. Source: Deng et al., "ArcFace", 2019, whose alignment its training pictures have.
_PLACES = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]], np.float64
)
_MEAN, _SPREAD = 127.5, 128.0  # as in its training
# Faces larger than this many times the network's picture are averaged down, not picked from.
_AVERAGED_FROM = 1.5

# A network keeps its input between two calls, so only one thread may use it at a time.
_LOCK = threading.Lock()


def embed_face(pixels: Pixels, face: Face) -> Embedding:
    """Describe the looks of a face by the recognition network: float32 (192,) of length 1.

    `pixels` uint8 (H, W, 3) RGB. To compare a photo before and after an edit, pass the same `face` for both: then
    the two differ by the edit alone, not by the noise of the landmarks. Raises MissingModel.
    """
    picture = _align(pixels, face)
    blob = cv2.dnn.blobFromImage(picture, 1 / _SPREAD, mean=(_MEAN,) * 3)
    with _LOCK:
        network = _load_network()
        network.setInput(blob)
        said = network.forward()[0].astype(np.float32)
    return said / max(float(np.linalg.norm(said)), 1e-6)


def measure_distance(one: Embedding, other: Embedding) -> float:
    """Euclidean distance of two descriptions: 0 the same picture … 2."""
    return float(np.linalg.norm(one - other))


def measure_similarity(one: Embedding, other: Embedding) -> float:
    """The cosine of the angle between two descriptions: 1 the same picture … -1; 1 - d² / 2 of their distance d.

    Two frames of one clip have 0.70 … 0.99, two people 0.58 at the most.
    """
    return float(np.dot(one, other))


def _align(pixels: Pixels, face: Face) -> Pixels:
    """The face upright as the network had it in training, uint8 (112, 112, 3)."""
    marks = face.landmarks
    eyes = [eye.center for eye in marks.eyes]
    points = np.array([*eyes, marks.nose_tip[:2], marks.lips[0, :2], marks.lips[10, :2]], np.float64)
    matrix = fit_similarity(points, _PLACES)
    shrink = 1 / float(np.hypot(matrix[0, 0], matrix[1, 0]))
    # warpAffine picks single pixels; a large face is first drawn larger and then averaged down.
    finer = max(1, min(int(np.ceil(shrink / _AVERAGED_FROM)), 16))
    side = _SIDE_PX * finer
    drawn = cv2.warpAffine(pixels, matrix * finer, (side, side), flags=cv2.INTER_LINEAR)
    small = cv2.resize(drawn, (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_AREA) if finer > 1 else drawn
    return np.asarray(small, np.uint8)


@lru_cache(maxsize=1)
def _load_network() -> cv2.dnn.Net:
    data = np.frombuffer(model_bytes(_MODEL), np.uint8)
    try:
        return cv2.dnn.readNetFromONNX(data)
    except cv2.error as error:
        raise damaged_model(_MODEL) from error
