"""Masks as pictures."""

from __future__ import annotations

import numpy as np

from photo.blend import draw_mask
from photo.types import Box, Region


def test_black_is_where_nothing_is_touched() -> None:
    alpha = np.array([[0, 1e-4, 0.5, 1]], np.float32)
    mask = draw_mask((3, 6, 3), [Region(Box(1, 1, 5, 2), alpha)])
    assert mask.dtype == np.uint8
    assert mask.tolist() == [[0] * 6, [0, 0, 1, 128, 255, 0], [0] * 6]


def test_where_masks_overlap_the_stronger_counts() -> None:
    weak, strong = (np.full((2, 2), value, np.float32) for value in (0.2, 0.8))
    mask = draw_mask((2, 3), [Region(Box(1, 0, 3, 2), strong), Region(Box(0, 0, 2, 2), weak)])
    assert mask.tolist() == [[51, 204, 204]] * 2


def test_without_regions_all_is_black() -> None:
    assert not draw_mask((4, 5), []).any()
