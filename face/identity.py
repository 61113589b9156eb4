"""Whether two faces are of one person, by the embeddings of a face-recognition network.

MobileFaceNet (Chen et al., "MobileFaceNets", 2018), 5 MB, run by OpenCV. Its input is the upright face, 112 pixels
wide, with eyes, nose and mouth corners where they were in training. Embeddings are neither stored nor sent anywhere.
"""

from __future__ import annotations

import threading
from functools import lru_cache

import cv2
import numpy as np

from face.expression import NARROW, is_infant, measure_closedness
from face.model_files import read_network
from face.types import EYES, Face
from photo.geometry import fit_similarity
from photo.types import FloatArray, Pixels

Embedding = FloatArray
"""The output of the network for a face: float32 (192,) of length 1."""

# calibration: identity. Euclidean distance of two descriptions, 0 … 2.
SAME_PERSON = 0.85
"""Two pictures of one person lie closer together than this.

Measured with 85 faces: 60 pairs of frames from one clip or one burst lie 0.15 … 0.78 apart (median 0.43), with eyes
closed and open and mouths wide open; 4 pairs of portraits years apart 0.58 … 0.78; 4080 pairs of different people
0.91 … 1.69 (median 1.40, 1 % below 1.14).
"""

# calibration: identity. Small children look alike to the network: two infants lie 0.58 … 0.84 apart. An open-eyed face
# may be a child's if its height is below the first number, in distances of the outer eye corners, and has to be closer
# than the second one. Faces with closed eyes are measured shorter than they are.
_CHILD_HEIGHT, _SAME_CHILD = 1.70, 0.55
# calibration: identity. Nearer than this part of the limit, nobody else is taken for the same person even in one photo
# out of many.
_SURELY = 0.9

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
    """Return the recognition network's embedding of a face, float32 (192,) of length 1.

    `pixels` uint8 (H, W, 3) RGB. To compare a photo before and after an edit, pass the same `face` for both: then
    the two differ by the edit alone, not by the noise of the landmarks. Raises MissingModel.
    """
    picture = _align(pixels, face)
    blob = cv2.dnn.blobFromImage(picture, 1 / _SPREAD, mean=(_MEAN,) * 3)
    with _LOCK:
        network = _load_network()
        network.setInput(blob)
        output = network.forward()[0].astype(np.float32)
    return output / max(float(np.linalg.norm(output)), 1e-6)


def measure_distance(one: Embedding, other: Embedding) -> float:
    """Return the Euclidean distance of two embeddings: 0 the same picture … 2."""
    return float(np.linalg.norm(one - other))


def limit_of(*faces: Face) -> float:
    """Return the distance below which these faces count as one person: less where one of them may be a child's."""
    return _SAME_CHILD if any(map(_may_be_child, faces)) else SAME_PERSON


def _may_be_child(face: Face) -> bool:
    if is_infant(face):
        return True
    has_open_eyes = max(measure_closedness(face, eye) for eye in EYES) < NARROW
    return has_open_eyes and face.landmarks.height_ratio < _CHILD_HEIGHT


def is_surely_same(distance: float, *faces: Face) -> bool:
    """Return whether faces at this distance are so surely of one person that a mere colour may be taken over."""
    return distance < _SURELY * limit_of(*faces)


def measure_similarity(one: Embedding, other: Embedding) -> float:
    """Return the cosine of the angle between two embeddings: 1 the same picture … -1; 1 - d² / 2 of their distance d.

    Two frames of one clip have 0.70 … 0.99, two people 0.58 at the most.
    """
    return float(np.dot(one, other))


def _align(pixels: Pixels, face: Face) -> Pixels:
    """The face upright and aligned as in the network's training, uint8 (112, 112, 3)."""
    marks = face.landmarks
    eyes = [eye.center for eye in marks.eyes]
    points = np.array([*eyes, marks.nose_tip[:2], marks.lips[0, :2], marks.lips[10, :2]], np.float64)
    matrix = fit_similarity(points, _PLACES)
    shrink = 1 / float(np.hypot(matrix[0, 0], matrix[1, 0]))
    # warpAffine samples single pixels, which would alias; a large face is warped to a larger picture and averaged down.
    finer = max(1, min(int(np.ceil(shrink / _AVERAGED_FROM)), 16))
    side = _SIDE_PX * finer
    drawn = cv2.warpAffine(pixels, matrix * finer, (side, side), flags=cv2.INTER_LINEAR)
    small = cv2.resize(drawn, (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_AREA) if finer > 1 else drawn
    return np.asarray(small, np.uint8)


@lru_cache(maxsize=1)
def _load_network() -> cv2.dnn.Net:
    """The recognition network, loaded once. Raises MissingModel."""
    return read_network(_MODEL)
