"""Sizes, transforms and paths, in pixels and of nothing in particular."""

from __future__ import annotations

import math
from typing import Any, TypeVar

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from photo.types import FloatArray, Matrix

Picture = TypeVar("Picture", bound=NDArray[Any])


def halve_toward(picture: MatLike, width: int, height: int) -> MatLike:
    """Halve a picture (h, w, …) as often as it stays no smaller than `width` and `height`.

    Means of four pixels are many times quicker than others, and little is lost for a resize that follows. An odd last
    row or column is left out.
    """
    while _can_halve(picture, width, height):
        picture = _halve(picture)
    return picture


def _can_halve(picture: MatLike, width: int, height: int) -> bool:
    """Whether half of a picture (h, w, …) is no smaller than this."""
    return min(picture.shape[1] - 2 * width, picture.shape[0] - 2 * height) >= 0


def _halve(picture: MatLike) -> MatLike:
    even = picture[: picture.shape[0] // 2 * 2, : picture.shape[1] // 2 * 2]
    return cv2.resize(even, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)


def shift_matrix(x: float, y: float) -> Matrix:
    """What moves points (x, y, 1) by so much, float64 (3, 3)."""
    return np.array([[1.0, 0.0, x], [0.0, 1.0, y], [0.0, 0.0, 1.0]])


def turn_matrix(degrees: float) -> Matrix:
    """What turns a picture counter-clockwise by this angle about its origin, float64 (3, 3)."""
    angle = math.radians(degrees)
    return np.array([[math.cos(angle), math.sin(angle), 0], [-math.sin(angle), math.cos(angle), 0], [0, 0, 1.0]])


def wrap_degrees(degrees: float) -> float:
    """The same angle in -180 … 180."""
    return (degrees + 180.0) % 360.0 - 180.0


def scale_size(width: int, height: int, scale: float, least_px: int = 1) -> tuple[int, int]:
    """Width and height in whole pixels of a picture resized by `scale`, at least `least_px` each."""
    return max(round(width * scale), least_px), max(round(height * scale), least_px)


def scale_down(picture: Picture, scale: float, least_px: int = 1) -> Picture:
    """A picture (h, w, …) resized by `scale`, at most 1; each pixel is the mean of those that it stands for.

    The type stays; each side gets at least `least_px` pixels. Where that is the size it has, it comes back itself.
    """
    size = scale_size(picture.shape[1], picture.shape[0], min(scale, 1.0), least_px)
    # Much larger pictures are halved first, as long as nothing is lost by it: that is many times quicker.
    while all(side >= 4 * least and side % 2 == 0 for side, least in zip(picture.shape[1::-1], size, strict=True)):
        picture = cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    if size == (picture.shape[1], picture.shape[0]):
        return picture
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


def fit_similarity(points: Matrix, places: Matrix, weights: Matrix | None = None) -> Matrix:
    """The turn, scale and shift (2, 3) that takes `points` (n, 2) closest to `places` (n, 2), by least squares.

    `weights` (n,) says how much each counts; without them all count alike.
    """
    share = np.ones(len(points)) if weights is None else weights
    here, there = (xy[:, 0] + 1j * xy[:, 1] for xy in (points, places))
    mean, other_mean = (share @ here) / share.sum(), (share @ there) / share.sum()
    from_mean = here - mean
    a = (share * (there - other_mean) * from_mean.conj()).sum() / (share * np.abs(from_mean) ** 2).sum()
    b = other_mean - a * mean
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def monotone_path(
    gain: FloatArray | Matrix, most_step: int, step_cost: float = 0.0, start: int | None = None
) -> NDArray[np.intp]:
    """The column in each row, (rows,), of the path from the first row to the last that gathers most of `gain`.

    `gain` (rows, columns). From row to row the path moves by at most `most_step` columns, and pays `step_cost` for each
    of them. With `start` it begins in that column, and ends no farther from it than one step: it can close to a ring.
    Found by dynamic programming.
    """
    rows, columns = gain.shape
    steps, each = np.arange(-most_step, most_step + 1), np.arange(columns)
    cost = (step_cost * np.abs(steps)[:, None]).astype(gain.dtype)
    # With nothing to win left and right; row k of the view is the total moved by step k.
    padded = np.full(columns + 2 * most_step, -np.inf, gain.dtype)
    moved = np.lib.stride_tricks.sliding_window_view(padded, columns)
    total = padded[most_step : most_step + columns]
    total[:] = gain[0] if start is None else np.where(each == start, gain[0], -np.inf)
    came_from = np.zeros((rows, columns), np.intp)
    for row in range(1, rows):
        choices = moved - cost
        best = choices.argmax(axis=0)
        came_from[row] = each + steps[best]
        total[:] = choices[best, each] + gain[row]
    path = np.empty(rows, np.intp)
    path[-1] = int((total if start is None else np.where(np.abs(each - start) <= most_step, total, -np.inf)).argmax())
    for row in range(rows - 1, 0, -1):
        path[row - 1] = came_from[row, path[row]]
    return path
