"""Resizing, affine transforms, and the best path through an array."""

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
    """Return a picture (h, w, …) halved as often as it stays no smaller than `width` and `height`.

    Averaging 2 × 2 pixels is many times quicker than other resizing, and little is lost for a resize that follows. An
    odd last row or column is dropped.
    """
    while can_halve(picture, width, height):
        picture = halve(picture)
    return picture


def can_halve(picture: MatLike, width: int, height: int) -> bool:
    """Whether a picture (h, w, …) is at least twice as large as `width` and `height`."""
    return min(picture.shape[1] - 2 * width, picture.shape[0] - 2 * height) >= 0


def halve(picture: MatLike) -> MatLike:
    """Return the means of 2 × 2 pixels of a picture (h, w, …); an odd last row or column is dropped."""
    even = picture[: picture.shape[0] // 2 * 2, : picture.shape[1] // 2 * 2]
    return cv2.resize(even, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)


def shift_matrix(x: float, y: float) -> Matrix:
    """Return the translation by `x` and `y` pixels, float64 (3, 3), for points (x, y, 1)."""
    return np.array([[1.0, 0.0, x], [0.0, 1.0, y], [0.0, 0.0, 1.0]])


def turn_matrix(degrees: float) -> Matrix:
    """Return the rotation that turns a picture counter-clockwise about its origin, float64 (3, 3)."""
    angle = math.radians(degrees)
    return np.array([[math.cos(angle), math.sin(angle), 0], [-math.sin(angle), math.cos(angle), 0], [0, 0, 1.0]])


def wrap_degrees(degrees: float) -> float:
    """Return the same angle in -180 … 180."""
    return (degrees + 180.0) % 360.0 - 180.0


def scale_size(width: int, height: int, scale: float, least_px: int = 1) -> tuple[int, int]:
    """Return width and height in whole pixels of a picture resized by `scale`, at least `least_px` each."""
    return max(round(width * scale), least_px), max(round(height * scale), least_px)


def scale_down(picture: Picture, scale: float, least_px: int = 1) -> Picture:
    """Return a picture (h, w, …) resized by `scale`, but never enlarged; each pixel is the mean of its area.

    The dtype stays; each side gets at least `least_px` pixels. A picture that already has the size is returned itself.
    """
    size = scale_size(picture.shape[1], picture.shape[0], min(scale, 1.0), least_px)
    # Much larger pictures are halved first, which is many times quicker, while no row or column would be dropped.
    while all(side >= 4 * least and side % 2 == 0 for side, least in zip(picture.shape[1::-1], size, strict=True)):
        picture = cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
    if size == (picture.shape[1], picture.shape[0]):
        return picture
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]


def fit_similarity(points: Matrix, places: Matrix, weights: Matrix | None = None) -> Matrix:
    """Return the similarity, float64 (2, 3), that maps `points` (n, 2) closest to `places` (n, 2), by least squares.

    `weights` (n,) are those of the points; None weights all alike.
    """
    weight = np.ones(len(points)) if weights is None else weights
    here, there = (xy[:, 0] + 1j * xy[:, 1] for xy in (points, places))
    mean, other_mean = (weight @ here) / weight.sum(), (weight @ there) / weight.sum()
    from_mean = here - mean
    a = (weight * (there - other_mean) * from_mean.conj()).sum() / (weight * np.abs(from_mean) ** 2).sum()
    b = other_mean - a * mean
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def monotone_path(
    gain: FloatArray | Matrix, most_step: int, step_cost: float = 0.0, start: int | None = None
) -> NDArray[np.intp]:
    """Return the column in each row, int (rows,), of the path from the first row to the last with the largest gain.

    `gain` is (rows, columns). From row to row the path moves by at most `most_step` columns, at `step_cost` each, in
    units of `gain`. With `start` it begins in that column and ends within `most_step` of it, so that it can close to a
    ring. Found by dynamic programming.
    """
    rows, columns = gain.shape
    steps, each = np.arange(-most_step, most_step + 1), np.arange(columns)
    cost = (step_cost * np.abs(steps)[:, None]).astype(gain.dtype)
    # Padded with -inf, so that no path leaves the array; row k of the view is the total shifted by step k.
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
