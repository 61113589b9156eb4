"""Find boxes that may hold a face: OpenCV's res10 SSD on a pyramid of the photo.

The network is fully convolutional, so it takes every level in its own shape, the fine ones cut into overlapping tiles
that leave out flat areas such as sky and walls. The boxes are candidates; `face.search` decides which are faces.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from cv2.typing import MatLike

from face.model_files import model_bytes
from photo.errors import MissingModel
from photo.geometry import can_halve, halve, scale_down, scale_size
from photo.types import Mask, Pixels

_LAYERS, _WEIGHTS = "deploy.prototxt", "res10_300x300_ssd_iter_140000.caffemodel"
# The red, green and blue means the network was trained with.
_MEAN = (123.0, 177.0, 104.0)
# The last two maps of boxes have cells of 64 px, but the layer file places them 100 and 300 px apart, which throws
# the boxes of the largest faces out of the picture. Seen by comparing its steps with the sizes of the maps.
_WRONG_STEPS = ("step: 100\n", "step: 300\n")
_RIGHT_STEP = "step: 64\n"
_FILED_CONFIDENCE = "confidence_threshold: 0.01\n"
# calibration: detector-size. Longest sides of the levels in pixels. The network was trained on 300; in each level it
# sees faces from about 22 px up, so doubling leaves no gap. 4800 shows faces of 24 px in photos of up to 15 megapixels.
COARSE_SIDES = (300, 600, 1200)
FINE_SIDES = (2400, 4800)
SMALLEST_FACE_PX = 22
# The last level is left out when the one before is nearly as large.
_LEVEL_STEP = 1.3
# Photos this long are halved before they are shrunk further, which is quicker; of shorter ones it costs sharpness.
_HALVED_PX = 2 * COARSE_SIDES[-1]
# A face that the left or the right edge cuts through is searched in a strip of the coarsest level beside the edge, with
# a narrower strip of its mirror image added beyond: two halves of a face make one. Widths in ratio to the level.
_CUT_STRIP_RATIO, _MIRRORED_RATIO = 0.20, 0.15
# Tiles bound the memory of the fine levels; they overlap by more than the largest face that only they can see.
_TILE_PX = 720
_TILE_OVERLAP_PX = 96
# calibration: flat-ground. Flat areas are found by cells of 4 px: in a window as large as the smallest face, the
# lightest and the darkest cell differ by less than `_FLAT_RANGE` gray levels. Of faces with ever less contrast, the
# network found the last at 22.
_CELL_PX = 4
_WINDOW_CELLS = 6
_FLAT_RANGE = 16
# What is kept around all that is not flat: half a face, and some of its surroundings.
_MARGIN_CELLS = 16
# A tile is cut only where that saves at least this fraction of its area.
_LEAST_SAVING = 0.15
# Pictures with a shorter side than this are padded for the network.
_LEAST_SIDE_PX = 32
# A face larger than the picture is only found when there is something around it.
_WIDE_BORDER_RATIO = 0.25
# calibration: detector-confidence. The network invents boxes below this (a lapel pin at 0.33); the landmarker rejects
# nearly all wrong ones above it.
_LEAST_CONFIDENCE = 0.5
_SAME_BOX_OVERLAP = 0.35

# Left, top, right, bottom; not whole pixels, and they may lie partly outside the photo.
Corners = tuple[float, float, float, float]
# The same of part of a level, in its pixels.
Tile = tuple[int, int, int, int]

# The network keeps its input between two calls, so only one thread may use it at a time.
_LOCK = threading.Lock()


@dataclass(frozen=True)
class Candidate:
    """A box that may hold a face: `corners` in photo pixels, `confidence` 0 … 1."""

    corners: Corners
    confidence: float


def plan_levels(pixels: Pixels, sides: Sequence[int]) -> list[int]:
    """Return the longest sides, in pixels, of the levels of `sides` that do not enlarge the photo uint8 (H, W, 3).

    `sides` is COARSE_SIDES or FINE_SIDES. Of the coarse ones there is always one, which may enlarge a small photo.
    """
    longest = max(pixels.shape[:2])
    kept = [side for side in sides if side * _LEVEL_STEP <= longest]
    if len(kept) < len(sides) and (sides == COARSE_SIDES or longest > COARSE_SIDES[-1] * _LEVEL_STEP):
        kept.append(max(longest, COARSE_SIDES[0]))
    return kept


class Pyramid:
    """A photo uint8 (H, W, 3) RGB in every size that is searched; its repeatedly halved copies are cached."""

    def __init__(self, pixels: Pixels) -> None:
        self.pixels = pixels
        self._halves: list[MatLike] = [pixels]

    def scale_to(self, side: int, halve_from_px: int = _HALVED_PX) -> tuple[MatLike, float]:
        """Return the photo with `side` as its longest side in pixels, and the scale that leads there.

        It is halved first, as often as its longest side has at least `halve_from_px` pixels.
        """
        height, width = self.pixels.shape[:2]
        scale = side / max(height, width)
        size = scale_size(width, height, scale)
        halves = 0
        while can_halve(self._halves[halves], *size) and max(self._halves[halves].shape[:2]) >= halve_from_px:
            halves += 1
            if halves == len(self._halves):
                self._halves.append(halve(self._halves[-1]))
        flags = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        return cv2.resize(self._halves[halves], size, interpolation=flags), scale


def find_boxes(photo: Pyramid, side: int, wide_border: bool = False) -> list[Candidate]:
    """Return the boxes of one level by falling confidence, without those that overlap a more confident one.

    `side` is the level's longest side in pixels. `wide_border` surrounds the photo with a border of plain colour, for
    faces larger than the picture. Raises MissingModel.
    """
    border = round(side * _WIDE_BORDER_RATIO) if wide_border else 0
    level, scale = photo.scale_to(side - 2 * border)
    if border:
        level = cv2.copyMakeBorder(level, border, border, border, border, cv2.BORDER_CONSTANT, value=_MEAN)
    network_index = int(side > COARSE_SIDES[1])
    found = []
    for left, top, right, bottom in _plan_tiles(level):
        for confidence, x0, y0, x1, y1 in _detect(level[top:bottom, left:right], network_index):
            a, b, c, d = ((value - border) / scale for value in (x0 + left, y0 + top, x1 + left, y1 + top))
            found.append(Candidate((a, b, c, d), confidence))
    return _suppress(found)


def find_cut_boxes(photo: Pyramid) -> list[Candidate]:
    """Return boxes of faces that the left or the right edge of a photo cuts through, ordered as by `find_boxes`.

    Such a box lies about half outside the photo. Raises MissingModel.
    """
    level, scale = photo.scale_to(COARSE_SIDES[0], halve_from_px=0)
    width = level.shape[1]
    strip, beyond = (min(round(ratio * COARSE_SIDES[0]), width) for ratio in (_CUT_STRIP_RATIO, _MIRRORED_RATIO))
    found = []
    for is_right, view in enumerate((level, level[:, ::-1])):
        whole = cv2.copyMakeBorder(view[:, :strip], 0, 0, beyond, 0, cv2.BORDER_REFLECT)
        for confidence, left, top, right, bottom in _detect(whole, 0):
            x0, x1 = left - beyond, right - beyond
            if x0 < 0:
                x0, x1 = (width - x1, width - x0) if is_right else (x0, x1)
                found.append(Candidate((x0 / scale, top / scale, x1 / scale, bottom / scale), confidence))
    return _suppress(found)


def has_boxes(pixels: Pixels, turns: int) -> bool:
    """Return whether the coarse levels of a photo after `turns` quarter turns counter-clockwise have any box.

    `pixels` uint8 (H, W, 3) RGB; a large photo is shrunk before it is turned, which is quicker. Raises MissingModel.
    """
    sides = plan_levels(pixels, COARSE_SIDES)
    scale = sides[-1] / max(pixels.shape[:2])
    turned = Pyramid(np.ascontiguousarray(np.rot90(scale_down(pixels, scale), turns)))
    return any(find_boxes(turned, side) for side in sides)


def overlap_ratio(a: Corners, b: Corners) -> float:
    """Return the intersection over union of two boxes, 0 … 1."""
    shared = _shared_area(a, b)
    return shared / (_area(a) + _area(b) - shared)


def fraction_inside(a: Corners, b: Corners) -> float:
    """Return the fraction of the area of `a` that lies inside `b`, 0 … 1."""
    return _shared_area(a, b) / _area(a)


def _area(box: Corners) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _shared_area(a: Corners, b: Corners) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return max(width, 0.0) * max(height, 0.0)


def _plan_tiles(level: MatLike) -> list[Tile]:
    """Overlapping tiles that cover a level except its flat areas; a coarse level is one tile."""
    height, width = level.shape[:2]
    if max(width, height) <= _LEVEL_STEP * COARSE_SIDES[-1]:
        return [(0, 0, width, height)]
    textured = _find_textured(level)
    tiles = []
    for left, top, right, bottom in _cut_out(textured, (0, 0, width, height)):
        for y0, y1 in _spans(bottom - top):
            for x0, x1 in _spans(right - left):
                tiles += _cut_out(textured, (left + x0, top + y0, left + x1, top + y1))
    return tiles


def _find_textured(level: MatLike) -> Mask:
    """Cells of `_CELL_PX` pixels that are not flat, or near one that is not: bool (rows, columns)."""
    height, width = level.shape[:2]
    size = math.ceil(width / _CELL_PX), math.ceil(height / _CELL_PX)
    small = cv2.cvtColor(cv2.resize(level, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    window = np.ones((_WINDOW_CELLS, _WINDOW_CELLS), np.uint8)
    textured = (cv2.dilate(small, window) - cv2.erode(small, window) >= _FLAT_RANGE).astype(np.uint8)
    reach = 2 * _MARGIN_CELLS + 1
    return np.asarray(cv2.dilate(textured, np.ones((reach, reach), np.uint8)) > 0)


def _cut_out(textured: Mask, tile: Tile) -> list[Tile]:
    """The parts of a tile that hold all its textured cells, or the tile itself where little would be saved."""
    left, top, right, bottom = tile
    x, y = left // _CELL_PX, top // _CELL_PX
    parts = [
        (
            max((x + x0) * _CELL_PX, left),
            max((y + y0) * _CELL_PX, top),
            min((x + x1) * _CELL_PX, right),
            min((y + y1) * _CELL_PX, bottom),
        )
        for x0, y0, x1, y1 in _cut_at_gaps(textured[y : math.ceil(bottom / _CELL_PX), x : math.ceil(right / _CELL_PX)])
    ]
    return parts if sum(map(_area, parts)) <= (1 - _LEAST_SAVING) * _area(tile) else [tile]


def _cut_at_gaps(cells: Mask) -> list[Tile]:
    """Rectangles around all True cells, from recursive cuts along empty rows and columns."""
    bands = _find_runs(cells.any(axis=1))
    parts = [(x0, y0, x1, y1) for y0, y1 in bands for x0, x1 in _find_runs(cells[y0:y1].any(axis=0))]
    if len(parts) < 2:
        return parts
    return [
        (x0 + a, y0 + b, x0 + c, y0 + d) for x0, y0, x1, y1 in parts for a, b, c, d in _cut_at_gaps(cells[y0:y1, x0:x1])
    ]


def _find_runs(flags: Mask) -> list[tuple[int, int]]:
    """Start and end of each run of True, half-open."""
    edges = np.flatnonzero(np.diff(flags, prepend=False, append=False))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


def _spans(length: int) -> list[tuple[int, int]]:
    """Overlapping spans of equal size that cover 0 … length."""
    count = max(math.ceil((length - _TILE_OVERLAP_PX) / (_TILE_PX - _TILE_OVERLAP_PX)), 1)
    size = math.ceil((length + (count - 1) * _TILE_OVERLAP_PX) / count)
    starts = [round(i * (length - size) / max(count - 1, 1)) for i in range(count)]
    return [(start, start + size) for start in starts]


def _detect(tile: MatLike, network_index: int) -> list[tuple[float, float, float, float, float]]:
    """Confidence and left, top, right, bottom in tile pixels of the boxes that a network finds in one tile."""
    below, beside = (max(_LEAST_SIDE_PX - side, 0) for side in tile.shape[:2])
    if below or beside:
        tile = cv2.copyMakeBorder(tile, 0, below, 0, beside, cv2.BORDER_REPLICATE)
    height, width = tile.shape[:2]
    blob = cv2.dnn.blobFromImage(tile, 1.0, (width, height), _MEAN[::-1], swapRB=True)
    with _LOCK:
        net = _load_network(network_index)
        net.setInput(blob)
        rows = net.forward()[0, 0]
    rows = rows[(rows[:, 2] >= _LEAST_CONFIDENCE) & (rows[:, 5] > rows[:, 3]) & (rows[:, 6] > rows[:, 4])]
    return [(float(c), x0 * width, y0 * height, x1 * width, y1 * height) for c, x0, y0, x1, y1 in rows[:, 2:7]]


def _suppress(candidates: list[Candidate]) -> list[Candidate]:
    """Non-maximum suppression: the most confident of overlapping boxes, by falling confidence."""
    boxes = [(left, top, right - left, bottom - top) for left, top, right, bottom in (c.corners for c in candidates)]
    kept = cv2.dnn.NMSBoxes(boxes, [c.confidence for c in candidates], 0.0, _SAME_BOX_OVERLAP)
    return [candidates[index] for index in kept]


@lru_cache
def _load_network(_network_index: int) -> cv2.dnn.Net:
    """Return the network for small levels (0) or large ones (1). Raises MissingModel.

    Given ever other sizes it lays out its memory anew, which takes time; one network for each level takes memory.
    """
    layers, weights = _read_files()
    try:
        net = cv2.dnn.readNetFromCaffe(np.frombuffer(layers, np.uint8), np.frombuffer(weights, np.uint8))
        # Missing weights only show when the network runs.
        net.setInput(np.zeros((1, 3, COARSE_SIDES[0], COARSE_SIDES[0]), dtype=np.float32))
        net.forward()
        return net
    except cv2.error as error:
        raise MissingModel(f"The face detector {_WEIGHTS} or {_LAYERS} is damaged.") from error


def _read_files() -> tuple[bytes, bytes]:
    """Return the corrected layers and the weights of the network, checked. Raises MissingModel."""
    layers = model_bytes(_LAYERS).decode("utf-8", errors="replace")
    for wrong in _WRONG_STEPS:
        layers = replace_once(layers, wrong, _RIGHT_STEP)
    # It is quicker to drop boxes of low confidence before they are sorted.
    layers = replace_once(layers, _FILED_CONFIDENCE, f"confidence_threshold: {_LEAST_CONFIDENCE}\n")
    return layers.encode(), model_bytes(_WEIGHTS)


def replace_once(text: str, old: str, new: str) -> str:
    """Return the `text` of the layers with `new` for `old`. Raises MissingModel unless `old` occurs exactly once."""
    if text.count(old) != 1:
        raise MissingModel(
            f"The model file {_LAYERS} is damaged: it says '{old.strip()}' {text.count(old)} times, not once."
        )
    return text.replace(old, new)
