"""All tries share one copy of the photo, and each finds it as the photo was."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from photo.canvas import Canvas
from photo.types import Box, Pixels


@pytest.fixture
def pixels() -> Pixels:
    photo = np.random.default_rng(0).integers(0, 256, (9, 12, 3), np.uint8)
    photo.setflags(write=False)
    return photo


def test_what_is_put_shows_in_the_copy_alone(pixels: Pixels) -> None:
    canvas, box = Canvas(pixels), Box(2, 3, 6, 5)
    canvas.put(box, np.uint8(255) - pixels[box.slices])
    assert canvas.original is pixels and not np.shares_memory(canvas.work, pixels)
    expected = pixels.copy()
    expected[3:5, 2:6] = 255 - pixels[3:5, 2:6]
    assert np.array_equal(canvas.work, expected)


def test_only_the_pixels_that_a_mask_names_are_put(pixels: Pixels) -> None:
    canvas, box = Canvas(pixels), Box(0, 0, 3, 2)
    where = np.array([[True, False, False], [False, False, True]])
    canvas.put(box, np.uint8(255) - pixels[box.slices], where)
    changed = (canvas.work != pixels).any(axis=2)
    assert np.array_equal(changed[:2, :3], where) and np.count_nonzero(changed) == 2
    canvas.restore()
    assert np.array_equal(canvas.work, pixels)


def test_the_copy_is_made_at_its_first_use_and_only_once(pixels: Pixels) -> None:
    canvas = Canvas(pixels)
    assert canvas.work is canvas.work
    canvas.put(Box(0, 0, 1, 1), np.zeros((1, 1, 3), np.uint8))
    work = canvas.work
    canvas.restore()
    assert canvas.work is work, "no try copies the photo anew"


corners = st.tuples(st.integers(0, 11), st.integers(0, 8), st.integers(1, 12), st.integers(1, 9))
boxes = corners.map(lambda c: Box(c[0], c[1], min(c[0] + c[2], 12), min(c[1] + c[3], 9)))


@given(st.lists(boxes, max_size=5), st.lists(boxes, max_size=5))
def test_restoring_undoes_all_that_was_put_since(first: list[Box], second: list[Box]) -> None:
    pixels = np.random.default_rng(1).integers(0, 255, (9, 12, 3), np.uint8)
    before = pixels.copy()
    canvas = Canvas(pixels)
    for tried in (first, second):
        for number, box in enumerate(tried):
            canvas.put(box, np.full((box.height, box.width, 3), 255 - number, np.uint8))
        canvas.restore()
        assert np.array_equal(canvas.work, before)
    assert np.array_equal(pixels, before)
