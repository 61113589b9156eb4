"""Where faces may be: OpenCV's res10 SSD on a pyramid of the photo.

The network is fully convolutional, so every level goes through it in its own shape, the fine ones cut into
overlapping tiles. Boxes are candidates; faces.py looks at each and decides.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from cv2.typing import MatLike

from photo_types import MissingModel, Pixels

_LAYERS_FILE = Path(__file__).parent / "deploy.prototxt"
_WEIGHTS_FILE = Path(__file__).parent / "res10_300x300_ssd_iter_140000.caffemodel"
# The red, green and blue means the network was trained with.
_MEAN = (123.0, 177.0, 104.0)
# The last two maps of boxes have cells of 64 px, but the layer file places them 100 and 300 px apart, which throws
# the boxes of the largest faces out of the picture. Seen by comparing its steps with the sizes of the maps.
_WRONG_STEPS = ("step: 100\n", "step: 300\n")
_RIGHT_STEP = "step: 64\n"
# Longest sides of the levels in pixels. The network was trained on 300; in each level it sees faces from about 22 px
# up, so doubling leaves no gap. 4800 shows faces of 24 px in photos of up to 15 megapixels.
COARSE_SIDES = (300, 600, 1200)
FINE_SIDES = (2400, 4800)
SMALLEST_FACE_PX = 22
# The last level is left out when the one before is nearly as large.
_LEVEL_STEP = 1.3
# Tiles bound the memory of the fine levels; they overlap by more than the largest face that only they can see.
_TILE_PX = 720
_TILE_OVERLAP_PX = 96
# A face larger than the picture is only found when there is something around it.
_WIDE_BORDER_RATIO = 0.25
# The network invents boxes below this (a lapel pin at 0.33); the landmarker rejects nearly all wrong ones above it.
_LEAST_CONFIDENCE = 0.5
_SAME_BOX_OVERLAP = 0.35

# Left, top, right, bottom; not whole pixels, and they may lie partly outside the photo.
Corners = tuple[float, float, float, float]

# The network keeps its input between two calls, so only one thread may use it at a time.
_LOCK = threading.Lock()


@dataclass(frozen=True)
class Candidate:
    """A box that may hold a face: `corners` in photo pixels, `confidence` 0 … 1."""

    corners: Corners
    confidence: float


def plan_levels(pixels: Pixels, sides: Sequence[int]) -> list[int]:
    """Longest sides in pixels of the levels of COARSE_SIDES or FINE_SIDES that do not enlarge the photo."""
    longest = max(pixels.shape[:2])
    kept = [side for side in sides if side * _LEVEL_STEP <= longest]
    if len(kept) < len(sides) and (sides == COARSE_SIDES or longest > COARSE_SIDES[-1] * _LEVEL_STEP):
        kept.append(max(longest, COARSE_SIDES[0]))
    return kept


def find_boxes(pixels: Pixels, side: int, wide_border: bool = False) -> list[Candidate]:
    """Find the boxes of one level, the surest first, without those that overlap a surer one.

    `pixels` uint8 (H, W, 3) RGB; `side` is the level's longest side in pixels. `wide_border` sets the photo
    into a frame, for faces larger than the picture. Raises MissingModel.
    """
    height, width = pixels.shape[:2]
    border = round(side * _WIDE_BORDER_RATIO) if wide_border else 0
    scale = (side - 2 * border) / max(height, width)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    level: MatLike = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    if border:
        level = cv2.copyMakeBorder(level, border, border, border, border, cv2.BORDER_CONSTANT, value=_MEAN)
    found = []
    for left, top, right, bottom in _tiles(level.shape[1], level.shape[0]):
        for confidence, x0, y0, x1, y1 in _detect(level[top:bottom, left:right]):
            a, b, c, d = ((value - border) / scale for value in (x0 + left, y0 + top, x1 + left, y1 + top))
            found.append(Candidate((a, b, c, d), confidence))
    return _suppress(found)


def overlap_ratio(a: Corners, b: Corners) -> float:
    """Intersection over union of two boxes, 0 … 1."""
    shared = _shared_area(a, b)
    return shared / (_area(a) + _area(b) - shared)


def share_inside(a: Corners, b: Corners) -> float:
    """Share of the area of `a` that lies inside `b`, 0 … 1."""
    return _shared_area(a, b) / _area(a)


def _area(box: Corners) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _shared_area(a: Corners, b: Corners) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return max(width, 0.0) * max(height, 0.0)


def _tiles(width: int, height: int) -> Iterator[tuple[int, int, int, int]]:
    """Left, top, right, bottom of overlapping tiles that cover a level; a coarse level is one tile."""
    whole = max(width, height) <= _LEVEL_STEP * COARSE_SIDES[-1]
    for top, bottom in [(0, height)] if whole else _spans(height):
        for left, right in [(0, width)] if whole else _spans(width):
            yield left, top, right, bottom


def _spans(length: int) -> list[tuple[int, int]]:
    """Overlapping spans of equal size that cover 0 … length."""
    count = max(math.ceil((length - _TILE_OVERLAP_PX) / (_TILE_PX - _TILE_OVERLAP_PX)), 1)
    size = math.ceil((length + (count - 1) * _TILE_OVERLAP_PX) / count)
    starts = [round(i * (length - size) / max(count - 1, 1)) for i in range(count)]
    return [(start, start + size) for start in starts]


def _detect(tile: MatLike) -> list[tuple[float, float, float, float, float]]:
    """Confidence and left, top, right, bottom in tile pixels of what the network sees in one tile."""
    height, width = tile.shape[:2]
    blob = cv2.dnn.blobFromImage(tile, 1.0, (width, height), _MEAN[::-1], swapRB=True)
    with _LOCK:
        net = _load_network()
        net.setInput(blob)
        rows = net.forward()[0, 0]
    rows = rows[(rows[:, 2] >= _LEAST_CONFIDENCE) & (rows[:, 5] > rows[:, 3]) & (rows[:, 6] > rows[:, 4])]
    return [(float(c), x0 * width, y0 * height, x1 * width, y1 * height) for c, x0, y0, x1, y1 in rows[:, 2:7]]


def _suppress(candidates: list[Candidate]) -> list[Candidate]:
    """Non-maximum suppression: the surest of boxes that overlap."""
    kept: list[Candidate] = []
    for candidate in sorted(candidates, key=lambda item: -item.confidence):
        if all(overlap_ratio(candidate.corners, other.corners) <= _SAME_BOX_OVERLAP for other in kept):
            kept.append(candidate)
    return kept


@lru_cache(maxsize=1)
def _load_network() -> cv2.dnn.Net:
    for path in (_LAYERS_FILE, _WEIGHTS_FILE):
        if not path.is_file():
            raise MissingModel(f"The model file {path.name} is missing beside the program.")
    try:
        layers = _LAYERS_FILE.read_text(encoding="utf-8")
        for wrong in _WRONG_STEPS:
            layers = layers.replace(wrong, _RIGHT_STEP)
        net = cv2.dnn.readNetFromCaffe(
            np.frombuffer(layers.encode(), dtype=np.uint8), np.fromfile(_WEIGHTS_FILE, dtype=np.uint8)
        )
        # Missing weights only show when the network runs.
        net.setInput(np.zeros((1, 3, COARSE_SIDES[0], COARSE_SIDES[0]), dtype=np.float32))
        net.forward()
        return net
    except (cv2.error, UnicodeDecodeError) as error:
        raise MissingModel(f"The face detector {_WEIGHTS_FILE.name} or {_LAYERS_FILE.name} is damaged.") from error
