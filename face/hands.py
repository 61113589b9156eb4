"""Hands in front of a face, by the palm detector and the hand landmarker that come with the package mediapipe.

A hand at the lips or over an eye has the colour of the face, so what looks at colours and lines does not see it.
"""

from __future__ import annotations

import threading
from functools import lru_cache
from typing import Any

import cv2
import numpy as np

from face.landmarker import silenced
from face.types import Face
from photo.errors import MissingPackage
from photo.types import Box, FloatArray, Pixels

# What is searched: the face with this part of its size on each side, drawn with this longest side at most.
_AROUND, _SEARCHED_PX = 0.75, 448
# calibration: hands. The network's score of a hand, 0 … 1. Hands before a face had 0.84 and more, those it saw where
# none was 0.5 … 0.79.
_LEAST_SCORE = 0.8
# Points along a bone, both ends included. Bones are the segments between two of the hand's 21 landmarks.
_ALONG = np.linspace(0, 1, 6)[:, None, None]

# A graph takes one picture after the other.
_LOCK = threading.Lock()


def find_hands(pixels: Pixels, face: Face) -> list[FloatArray]:
    """Return the hands in front of a face or close to it, each as points along its bones, float32 (n, 2), photo pixels.

    `pixels` uint8 (H, W, 3) RGB. Raises MissingPackage.
    """
    reach = round(_AROUND * max(face.box.width, face.box.height))
    box = face.box.grown(reach).clipped(pixels.shape[1], pixels.shape[0])
    if box is None:
        return []
    view, scale = _draw(pixels, box)
    with _LOCK:
        hands, bones = _load_hands()
        # At the first palm that it sees it prints a warning of its own.
        with silenced():
            result = hands.process(view)
    found = []
    sides = result.multi_handedness or []
    for landmarks, side in zip(result.multi_hand_landmarks or [], sides, strict=True):
        if side.classification[0].score < _LEAST_SCORE:
            continue
        points = np.array([(point.x, point.y) for point in landmarks.landmark], np.float32)
        points = points * (view.shape[1], view.shape[0]) / scale + (box.left, box.top)
        ends = points[np.array(bones)]
        along = ends[None, :, 0] + _ALONG * (ends[None, :, 1] - ends[None, :, 0])
        found.append(along.reshape(-1, 2).astype(np.float32))
    return found


def covers(hand: FloatArray, outline: FloatArray, reach_px: float) -> bool:
    """Return whether a hand of `find_hands` lies over an outline float32 (n, 2) or closer to it than `reach_px`."""
    closed = np.ascontiguousarray(outline[:, :2], np.float32)
    return any(
        cv2.pointPolygonTest(closed, (float(x), float(y)), measureDist=True) >= -reach_px for x, y in hand.tolist()
    )


def _draw(pixels: Pixels, box: Box) -> tuple[Pixels, float]:
    """What is searched, uint8 (h, w, 3), and its pixels per photo pixel."""
    part = pixels[box.slices]
    scale = min(1.0, _SEARCHED_PX / max(part.shape[:2]))
    if scale < 1.0:
        part = np.asarray(cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    return np.ascontiguousarray(part), scale


@lru_cache(maxsize=1)
def _load_hands() -> tuple[Any, list[tuple[int, int]]]:
    """MediaPipe's hands, and the bones as pairs of landmark numbers. Raises MissingPackage."""
    try:
        from mediapipe.python.solutions.hands import HAND_CONNECTIONS, Hands
    except ImportError as error:
        raise MissingPackage("The package mediapipe is not installed: pip install -r requirements.txt") from error
    with silenced():
        hands = Hands(static_image_mode=True, max_num_hands=2, model_complexity=0, min_detection_confidence=0.4)
        # The last of its start-up messages comes with the first picture.
        hands.process(np.zeros((64, 64, 3), np.uint8))
    return hands, sorted(HAND_CONNECTIONS)
