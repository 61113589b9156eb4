"""photo.geometry: carried over."""

from __future__ import annotations

import math

import cv2
import numpy as np
from cv2.typing import MatLike

from photo.types import Matrix, Pixels


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


def shrink(pixels: Pixels, width: int, height: int) -> Pixels:
    """A picture uint8 (h, w, 3) at a smaller size; each pixel is the mean of those that it stands for."""
    # Much larger pictures are halved first, as long as nothing is lost by it: that is many times quicker.
    while (
        pixels.shape[0] >= 4 * height and pixels.shape[1] >= 4 * width and not (pixels.shape[0] | pixels.shape[1]) & 1
    ):
        pixels = cv2.resize(pixels, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def fit_similarity(points: Matrix, places: Matrix) -> Matrix:
    """The turn, scale and shift (2, 3) that takes `points` (n, 2) closest to `places` (n, 2), by least squares."""
    here, there = (xy[:, 0] + 1j * xy[:, 1] for xy in (points, places))
    a = np.vdot(here - here.mean(), there - there.mean()) / np.vdot(here - here.mean(), here - here.mean()).real
    b = there.mean() - a * here.mean()
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])
