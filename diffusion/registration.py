"""Lays a painted tile over the tile that went in: models shift, zoom and turn what they should leave alone.

Outside the mask both show the same, so the transform between them is found there, to a fraction of a pixel, whatever
the colours; the painted tile is warped by it, and what is still off beside the mask is measured.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from photo.types import FloatArray, Mask, Pixels

_COARSE_PX, _FINE_PX = 256, 512
"""The sides of the pictures in which the transform is searched for, and then made exact."""
# A correlation below this is between two pictures of which one cannot be laid over the other.
_LEAST_TO_MOVE = 0.5
# From this one on no other start of the search can do better.
_CLEARLY_ALIKE = 0.98
# In pixels of the tile: a smaller move would blur more than it mends.
_LEAST_MOVE_PX = 0.1
# Grey levels: pictures that differ less do so by rounding, and such that vary less show nothing to compare.
_ROUNDING, _LEAST_CONTRAST = 0.75, 2.0
_GAP_PX = 4
# The part of a tile that has to lie outside the mask for a transform to be found by it.
_LEAST_AROUND = 0.05
# Iterations to search for a transform, and to make it exact.
_SEARCH_STEPS, _EXACT_STEPS = 60, 20


@dataclass(frozen=True, eq=False)
class Registration:
    """A painted tile, uint8 (size, size, 3), laid over the tile that went in.

    `likeness` -1 … 1 is the correlation of both outside the mask then; 1 where there is nothing to compare. `moved_px`
    is how far it had to be moved at most inside the mask, `residual_px` how far it is still off beside the mask, both
    in pixels of the tile.
    """

    pixels: Pixels
    likeness: float = 1.0
    moved_px: float = 0.0
    residual_px: float = 0.0


def register(before: Pixels, after: Pixels, mask: Pixels) -> Registration:
    """Return `after` laid over `before`, both uint8 (size, size, 3), by what lies outside `mask`.

    `mask` is uint8 (size, size), 255 where the two may differ. A tile that need not be moved, or that shows something
    else around the mask (its likeness says so), is returned as it is.
    """
    around = mask == 0
    if not around.any():
        return Registration(after)
    if np.abs(after[around].astype(np.int16) - before[around]).mean() < _ROUNDING:
        return Registration(after)
    fine = _Pair.make(before, after, mask, min(1.0, _FINE_PX / mask.shape[0]))
    if fine.around.mean() < _LEAST_AROUND or fine.contrast < _LEAST_CONTRAST:
        return Registration(after)
    matrix, likeness = _find_transform(_Pair.make(before, after, mask, min(1.0, _COARSE_PX / mask.shape[0])))
    if likeness < _LEAST_TO_MOVE:
        return Registration(after, likeness)
    exact = _refine(fine, fine.around, _rescale(matrix, fine.scale), cv2.MOTION_AFFINE, _EXACT_STEPS)
    if exact is None:
        return Registration(after, 0.0)
    matrix, likeness = _rescale(exact[0], 1 / fine.scale), exact[1]
    moved = _measure_move(matrix, mask)
    if moved >= _LEAST_MOVE_PX:
        warped = cv2.warpAffine(
            after, matrix, mask.shape[::-1], flags=cv2.INTER_LANCZOS4 | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )  # fmt: skip
        after = np.asarray(warped, np.uint8)
    else:
        moved = 0.0
    residual = _measure_residual(_Pair.make(before, after, mask, fine.scale))
    if math.isinf(residual):
        return Registration(after, 0.0, moved)
    return Registration(after, likeness, moved, residual)


@dataclass(frozen=True, eq=False)
class _Pair:
    """Two tiles in grey, float32 (size, size), and where the second one may be compared, bool.

    They have `scale` pixels for each of the tile.
    """

    before: FloatArray
    after: FloatArray
    around: Mask
    scale: float

    @classmethod
    def make(cls, before: Pixels, after: Pixels, mask: Pixels, scale: float) -> _Pair:
        size = (round(mask.shape[1] * scale), round(mask.shape[0] * scale))
        gray = [
            cv2.resize(cv2.cvtColor(tile, cv2.COLOR_RGB2GRAY), size, interpolation=cv2.INTER_AREA).astype(np.float32)
            for tile in (before, after)
        ]
        covered = cv2.resize(mask, size, interpolation=cv2.INTER_AREA) > 0
        return cls(gray[0], gray[1], _grow(covered, max(round(_GAP_PX * scale), 1)) == 0, scale)

    @property
    def contrast(self) -> float:
        """The standard deviation of the fine structure of the first tile outside the mask, in grey levels."""
        fine = self.before - cv2.GaussianBlur(self.before, (0, 0), 8)
        return float(fine[self.around].std()) if self.around.any() else 0.0


def _find_transform(pair: _Pair) -> tuple[NDArray[np.float64], float]:
    """The affine transform, float64 (2, 3), from the first tile's pixels to the second's, and their correlation.

    It is in pixels of the tile.
    """
    best = np.eye(2, 3), _correlate(pair.before, pair.after, pair.around)
    for number in range(2):
        shift = _find_shift(pair) if number else (0.0, 0.0)
        start = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float64)
        found = _refine(pair, _move(pair.around, shift), start, cv2.MOTION_AFFINE, _SEARCH_STEPS)
        if found is not None and found[1] > best[1]:
            best = found
        if best[1] > _CLEARLY_ALIKE:
            break
    return _rescale(best[0], 1 / pair.scale), best[1]


def _rescale(matrix: NDArray[np.float64], scale: float) -> NDArray[np.float64]:
    """The same transform for pictures with `scale` pixels for each pixel, by their centres."""
    result = matrix.copy()
    result[:, 2] = scale * matrix[:, 2] + (scale / 2 - 0.5) * (1 - matrix[:, :2].sum(axis=1))
    return result


def _find_shift(pair: _Pair) -> tuple[float, float]:
    """The shift (x, y) of the second tile against the first in whole, as a start: their structure outside the mask."""
    soft = cv2.GaussianBlur(pair.around.astype(np.float32), (0, 0), 4)
    window = soft * cv2.createHanningWindow(pair.around.shape[::-1], cv2.CV_32F)
    fine = [(tile - cv2.GaussianBlur(tile, (0, 0), 4)) * window for tile in (pair.before, pair.after)]
    (x, y), _ = cv2.phaseCorrelate(*fine)
    farthest = pair.around.shape[0] / 8
    return (float(x), float(y)) if math.hypot(x, y) <= farthest else (0.0, 0.0)


def _refine(
    pair: _Pair, where: Mask, start: NDArray[np.float64], kind: int, steps: int
) -> tuple[NDArray[np.float64], float] | None:
    """The transform found from `start` on and the correlation; None where the two do not come together."""
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, steps, 1e-5)
    try:
        likeness, matrix = cv2.findTransformECC(
            pair.before, pair.after, start.astype(np.float32), kind, criteria, where.astype(np.uint8), 5
        )
    except cv2.error:  # it diverged
        return None
    return matrix.astype(np.float64), float(likeness)


def _measure_move(matrix: NDArray[np.float64], mask: Pixels) -> float:
    """The largest move of a pixel of the mask's box, in pixels."""
    x, y, width, height = cv2.boundingRect(mask)
    corners = np.array([[a, b, 1] for a in (x, x + width) for b in (y, y + height)], np.float64)
    return float(np.linalg.norm(corners @ matrix.T - corners[:, :2], axis=1).max())


def _measure_residual(pair: _Pair) -> float:
    """The largest shift between the two tiles beside the mask, left, right, above and below of its middle, in pixels.

    A side without structure counts for nothing, as nothing can be seen to be off there. Infinite where the two do not
    come together at all.
    """
    covered = ~pair.around
    size = covered.shape[0]
    ring = (_grow(covered, size // 8) > 0) & pair.around
    left, top, width, height = cv2.boundingRect(ring.astype(np.uint8))
    box = slice(top, top + height), slice(left, left + width)
    near = _Pair(pair.before[box], pair.after[box], ring[box], pair.scale)
    if not ring.any():
        return 0.0
    # The middle of the mask, which may lie beside the box.
    rows, columns = (index - start for index, start in zip(np.nonzero(covered), (top, left), strict=True))
    y, x = np.ogrid[:height, :width]
    largest = 0.0
    for side in (x < columns.mean(), x >= columns.mean(), y < rows.mean(), y >= rows.mean()):
        part = replace(near, around=near.around & side)
        if part.contrast < _LEAST_CONTRAST:
            continue
        found = _refine(part, part.around, np.eye(2, 3), cv2.MOTION_TRANSLATION, _EXACT_STEPS)
        if found is None:
            return math.inf
        largest = max(largest, math.hypot(*found[0][:, 2]) / pair.scale)
    return largest


def _correlate(one: FloatArray, other: FloatArray, where: Mask) -> float:
    """The correlation of two pictures where they may be compared, -1 … 1; 0 where one is flat."""
    a, b = (picture[where] - picture[where].mean() for picture in (one, other))
    norm = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / norm if norm > 0 else 0.0


def _move(where: Mask, shift: tuple[float, float]) -> Mask:
    matrix = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float32)
    moved = cv2.warpAffine(where.astype(np.uint8), matrix, where.shape[::-1], flags=cv2.INTER_NEAREST, borderValue=(0,))
    return np.asarray(moved > 0)


def _grow(covered: Mask, px: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.dilate(covered.astype(np.uint8), np.ones((2 * px + 1, 2 * px + 1), np.uint8)), np.uint8)
