"""Boxes of whole pixels."""

from __future__ import annotations

import numpy as np
import pytest

from photo.types import Box


@pytest.mark.parametrize(
    ("points", "pad", "box"),
    [
        ([[2.3, 7.9], [5.0, 4.2]], 0.0, (2, 4, 6, 8)),
        ([[2.3, 7.9], [5.0, 4.2]], 1.5, (0, 2, 7, 10)),
        ([[3.0, 3.0]], 0.0, (3, 3, 4, 4)),
        ([[-0.5, -2.0], [-0.2, 1.0]], 0.0, (-1, -2, 0, 2)),
    ],
)
def test_the_box_around_points(points: list[list[float]], pad: float, box: tuple[int, int, int, int]) -> None:
    assert Box.around(np.array(points, np.float32), pad) == Box(*box)


def test_the_box_around_points_has_its_own_pad_each_way() -> None:
    assert Box.around(np.array([[10.5, 20.5]]), np.array([3.0, 1.0])) == Box(7, 19, 14, 22)


def test_depth_is_no_place() -> None:
    assert Box.around(np.array([[1, 2, 900], [4, 5, -900]], np.float32)) == Box(1, 2, 5, 6)
