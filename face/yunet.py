"""Propose boxes that may hold a face: YuNet, run by OpenCV's `FaceDetectorYN`.

It sees faces from about 12 px up in one quick look at the whole picture, whichever way round they are. Its boxes are
candidates: `face.res10` is asked about each of them, and `face.search` decides which are faces. The network is that of
W. Wu, H. Peng and S. Yu, "YuNet: A Tiny Millisecond-level Face Detector", Machine Intelligence Research, 2023.
"""

from __future__ import annotations

import threading
from functools import lru_cache

import cv2
import numpy as np

from face.boxes import Candidate, suppress
from face.model_files import damaged_model, model_bytes
from face.pyramid import Pyramid

_MODEL = "face_detection_yunet_2026may.onnx"
# calibration: detector-size. Longest sides of the levels in pixels. The first shows faces from a 50th of the photo's
# length up.
FIRST_SIDE_PX, SECOND_SIDE_PX = 640, 1280
# calibration: detector-size. Eyes of faces of fewer pixels than `_SMALLEST_EDITED_PX` are never edited; the second
# level is so fine that those which are have `_SMALLEST_SEEN_PX` in it.
_SMALLEST_EDITED_PX, _SMALLEST_SEEN_PX = 40.0, 13.0
# Smaller pictures are enlarged so far; and the second level is left out when the first is nearly as large.
_LEAST_SIDE_PX = 320
_LEVEL_STEP = 1.3
# The network takes nothing smaller.
_LEAST_SHORT_SIDE_PX = 32
# A face larger than the picture is only found when there is something around it.
_WIDE_BORDER_RATIO = 0.25
_GRAY = (128, 128, 128)
# calibration: detector-confidence. Turned on their heads, faces had 0.58 and more; looked at closer, a face
# of 13 px had 0.07 before.
LIKELY, _HINT = 0.5, 0.05

# What the detector itself merges, and the most boxes that it sorts.
_OVERLAP, _MOST_BOXES = 0.3, 5000

# The detector keeps its input between two calls, so only one thread may use it at a time.
_LOCK = threading.Lock()


def plan_levels(longest: int) -> list[int]:
    """Return the longest sides of the levels in which to look at a photo whose longer side has `longest` pixels."""
    first = min(max(longest, _LEAST_SIDE_PX), FIRST_SIDE_PX)
    needed = max(SECOND_SIDE_PX, round(longest * _SMALLEST_SEEN_PX / _SMALLEST_EDITED_PX))
    second = min(needed, longest)
    return [first, second] if second > _LEVEL_STEP * first else [first]


def propose(photo: Pyramid, side: int, *, wide_border: bool = False) -> list[Candidate]:
    """Return the boxes that may hold a face by falling confidence, without those that overlap a more confident one.

    Those of less confidence than LIKELY are mere hints. `side` is the longest side in pixels in which the photo is
    looked at. `wide_border` surrounds it with plain grey, for faces larger than the picture. Raises MissingModel.
    """
    border = round(side * _WIDE_BORDER_RATIO) if wide_border else 0
    level, scale = photo.scale_to(side - 2 * border)
    if min(level.shape[:2]) < _SMALLEST_SEEN_PX:
        return []
    if border:
        level = cv2.copyMakeBorder(level, border, border, border, border, cv2.BORDER_CONSTANT, value=_GRAY)
    below, beside = (max(_LEAST_SHORT_SIDE_PX - length, 0) for length in level.shape[:2])
    if below or beside:
        level = cv2.copyMakeBorder(level, 0, below, 0, beside, cv2.BORDER_REPLICATE)
    bgr = np.ascontiguousarray(level[..., ::-1])
    with _LOCK:
        detector = _load_detector()
        detector.setInputSize((bgr.shape[1], bgr.shape[0]))
        rows = detector.detect(bgr)[1]
    found = []
    for row in np.zeros((0, 15)) if rows is None else rows:
        left, top, width, height = (float(value) / scale for value in row[:4])
        if width > 0 and height > 0:
            x, y = left - border / scale, top - border / scale
            found.append(Candidate((x, y, x + width, y + height), float(row[-1])))
    return suppress(found)


@lru_cache(maxsize=1)
def _load_detector() -> cv2.FaceDetectorYN:
    """Return the detector. Raises MissingModel."""
    weights = np.frombuffer(model_bytes(_MODEL), np.uint8)
    try:
        return cv2.FaceDetectorYN.create(
            "onnx", weights, np.zeros(0, np.uint8), (FIRST_SIDE_PX, FIRST_SIDE_PX), _HINT, _OVERLAP,
            _MOST_BOXES,
        )  # fmt: skip
    except cv2.error as error:
        raise damaged_model(_MODEL) from error
