"""The second witness of faces: OpenCV's res10 SSD looks at what may be one, and at the edges of the photo.

It was trained on upright faces, and so also tells which way up a face is. The network is fully convolutional, so it
takes pictures of any shape.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
from cv2.typing import MatLike

from face.boxes import Candidate, suppress
from face.model_files import model_bytes
from face.pyramid import Pyramid
from photo.errors import MissingModel
from photo.geometry import scale_down, shift_matrix, turn_matrix
from photo.measure import clear_up
from photo.types import Box, Pixels

_LAYERS, _WEIGHTS = "deploy.prototxt", "res10_300x300_ssd_iter_140000.caffemodel"
# The red, green and blue means the network was trained with.
_MEAN = (123.0, 177.0, 104.0)
# The last two maps of boxes have cells of 64 px, but the layer file places them 100 and 300 px apart, which throws
# the boxes of the largest faces out of the picture. Seen by comparing its steps with the sizes of the maps.
_WRONG_STEPS = ("step: 100\n", "step: 300\n")
_RIGHT_STEP = "step: 64\n"
_FILED_CONFIDENCE = "confidence_threshold: 0.01\n"
# Side in pixels of the pictures that the network was trained on.
_TRAINED_PX = 300
# calibration: witness-size. Side in pixels of the picture of one candidate, and in ratio to the longer side of its box:
# the face then has some 71 px, where the network is surest of faces and least of faces on their side or head.
_WITNESS_PX, _BOX_TO_WITNESS = 128, 1.8
# A face that the left or the right edge cuts through is searched in a strip beside the edge, of the photo with
# `_TRAINED_PX` as its longest side, with a narrower strip of its mirror image added beyond: two halves of a face make
# one. Widths in ratio to `_TRAINED_PX`.
_CUT_STRIP_RATIO, _MIRRORED_RATIO = 0.20, 0.15
# A box with less of its width inside the photo is the mirror image of a face that no edge cuts.
_LEAST_INSIDE = 0.25
# Pictures with a shorter side than this are padded for the network.
_LEAST_SIDE_PX = 32
# calibration: detector-confidence. The network invents boxes below this (a lapel pin at 0.33); the landmarker rejects
# nearly all wrong ones above it.
LEAST_CONFIDENCE = 0.5

# The network keeps its input between two calls, so only one thread may use it at a time.
_LOCK = threading.Lock()


def witness(pixels: Pixels, candidate: Candidate, roll: float) -> float:
    """Return how surely a face whose top points `roll` degrees clockwise of up fills a box, 0 … 1.

    0 means that no face is seen. `pixels` uint8 (H, W, 3) RGB is the photo of the candidate. Raises MissingModel.
    """
    side = max(_BOX_TO_WITNESS * candidate.side, 4.0)
    x, y = candidate.center
    reach = round(0.72 * side)
    box = Box(round(x) - reach, round(y) - reach, round(x) + reach, round(y) + reach).clipped(
        pixels.shape[1], pixels.shape[0]
    )
    if box is None:
        return 0.0
    scale = _WITNESS_PX / side
    part = scale_down(pixels[box.slices], scale)
    to_part = np.diag([part.shape[1] / box.width, part.shape[0] / box.height, 1.0]) @ shift_matrix(-box.left, -box.top)
    to_view = (
        shift_matrix(_WITNESS_PX / 2, _WITNESS_PX / 2)
        @ np.diag([scale, scale, 1.0])
        @ turn_matrix(roll)
        @ shift_matrix(-x, -y)
        @ np.linalg.inv(to_part)
    )
    view = cv2.warpAffine(part, to_view[:2], (_WITNESS_PX, _WITNESS_PX), borderMode=cv2.BORDER_REPLICATE)
    found = _detect(clear_up(np.asarray(view, np.uint8)), is_witness=True)
    return max((confidence for confidence, *corners in found if _is_central(corners)), default=0.0)


def _is_central(corners: Sequence[float]) -> bool:
    """Whether a box of the picture of a candidate is no neighbour's."""
    left, top, right, bottom = corners
    middle, reach = _WITNESS_PX / 2, _WITNESS_PX / 4
    return max(abs((left + right) / 2 - middle), abs((top + bottom) / 2 - middle)) < reach


def find_cut_boxes(photo: Pyramid) -> list[Candidate]:
    """Return boxes of faces that the left or the right edge of a photo cuts through, by falling confidence.

    Such a box lies about half outside the photo. Raises MissingModel.
    """
    level, scale = photo.scale_to(_TRAINED_PX, halve_from_px=0)
    width = level.shape[1]
    strip, beyond = (min(round(ratio * _TRAINED_PX), width) for ratio in (_CUT_STRIP_RATIO, _MIRRORED_RATIO))
    found = []
    for is_right, view in enumerate((level, level[:, ::-1])):
        whole = cv2.copyMakeBorder(view[:, :strip], 0, 0, beyond, 0, cv2.BORDER_REFLECT)
        for confidence, left, top, right, bottom in _detect(whole, is_witness=False):
            x0, x1 = left - beyond, right - beyond
            if x0 < 0 and x1 >= _LEAST_INSIDE * (x1 - x0):
                x0, x1 = (width - x1, width - x0) if is_right else (x0, x1)
                found.append(Candidate((x0 / scale, top / scale, x1 / scale, bottom / scale), confidence))
    return suppress(found)


def _detect(picture: MatLike, *, is_witness: bool) -> list[tuple[float, float, float, float, float]]:
    """Confidence and left, top, right, bottom in pixels of the boxes that the network finds in a picture."""
    below, beside = (max(_LEAST_SIDE_PX - side, 0) for side in picture.shape[:2])
    if below or beside:
        picture = cv2.copyMakeBorder(picture, 0, below, 0, beside, cv2.BORDER_REPLICATE)
    height, width = picture.shape[:2]
    blob = cv2.dnn.blobFromImage(picture, 1.0, (width, height), _MEAN[::-1], swapRB=True)
    with _LOCK:
        net = _load_network(is_witness)
        net.setInput(blob)
        rows = net.forward()[0, 0]
    rows = rows[(rows[:, 2] >= LEAST_CONFIDENCE) & (rows[:, 5] > rows[:, 3]) & (rows[:, 6] > rows[:, 4])]
    return [(float(c), x0 * width, y0 * height, x1 * width, y1 * height) for c, x0, y0, x1, y1 in rows[:, 2:7]]


@lru_cache
def _load_network(_is_witness: bool) -> cv2.dnn.Net:
    """Return the network for candidates, or for strips at the edge. Raises MissingModel.

    Given ever other sizes it lays out its memory anew, which takes time; so each has one of its own.
    """
    layers, weights = _read_files()
    try:
        net = cv2.dnn.readNetFromCaffe(np.frombuffer(layers, np.uint8), np.frombuffer(weights, np.uint8))
        # Missing weights only show when the network runs.
        net.setInput(np.zeros((1, 3, _TRAINED_PX, _TRAINED_PX), dtype=np.float32))
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
    layers = replace_once(layers, _FILED_CONFIDENCE, f"confidence_threshold: {LEAST_CONFIDENCE}\n")
    return layers.encode(), model_bytes(_WEIGHTS)


def replace_once(text: str, old: str, new: str) -> str:
    """Return the `text` of the layers with `new` for `old`. Raises MissingModel unless `old` occurs exactly once."""
    if text.count(old) != 1:
        raise MissingModel(
            f"The model file {_LAYERS} is damaged: it says '{old.strip()}' {text.count(old)} times, not once."
        )
    return text.replace(old, new)
