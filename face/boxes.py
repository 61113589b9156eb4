"""Boxes that may hold a face, and how two of them lie to each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2

# calibration: detector-confidence. Two boxes that share more than this are of one face.
_SAME_BOX_OVERLAP = 0.35

# Left, top, right, bottom; not whole pixels, and they may lie partly outside the photo.
Corners = tuple[float, float, float, float]


@dataclass(frozen=True)
class Candidate:
    """A box that may hold a face: `corners` in photo pixels, `confidence` 0 … 1."""

    corners: Corners
    confidence: float

    @property
    def center(self) -> tuple[float, float]:
        """The middle of the box, x and y in photo pixels."""
        left, top, right, bottom = self.corners
        return (left + right) / 2, (top + bottom) / 2

    @property
    def side(self) -> float:
        """The longer side of the box in photo pixels."""
        left, top, right, bottom = self.corners
        return max(right - left, bottom - top)


def overlap_ratio(a: Corners, b: Corners) -> float:
    """Return the intersection over union of two boxes, 0 … 1."""
    shared = _shared_area(a, b)
    return shared / (_area(a) + _area(b) - shared)


def fraction_inside(a: Corners, b: Corners) -> float:
    """Return the fraction of the area of `a` that lies inside `b`, 0 … 1."""
    return _shared_area(a, b) / _area(a)


def suppress(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Return the most confident of overlapping boxes, by falling confidence (non-maximum suppression)."""
    boxes = [(left, top, right - left, bottom - top) for left, top, right, bottom in (c.corners for c in candidates)]
    kept = cv2.dnn.NMSBoxes(boxes, [c.confidence for c in candidates], 0.0, _SAME_BOX_OVERLAP)
    return [candidates[index] for index in kept]


def _area(box: Corners) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _shared_area(a: Corners, b: Corners) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    return max(width, 0.0) * max(height, 0.0)
