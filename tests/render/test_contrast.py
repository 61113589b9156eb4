"""A rendered eye is made as crisp as its face lets expect, and nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest

from face.contrast import BAND_COUNT, find_eye, measure_contrast
from face.types import EyeFrame
from photo.measure import luma
from photo.types import Box, FloatArray, Pixels
from render.contrast import match_contrast

FRAME = EyeFrame(np.array([60, 40], np.float32), np.array([30, 0], np.float32), np.array([0, -30], np.float32))
BOX = Box(0, 0, 120, 80)


@pytest.fixture
def painted() -> Pixels:
    random = np.random.default_rng(4)
    return np.clip(random.normal(120, 25, (80, 120, 3)), 0, 255).astype(np.uint8)


def measure(pixels: Pixels) -> FloatArray:
    within = find_eye(FRAME, *FRAME.grid(BOX)).astype(np.float32)
    return measure_contrast(luma(pixels), within, FRAME.half_width_px)


def test_an_eye_as_crisp_as_expected_stays(painted: Pixels) -> None:
    matched = match_contrast(painted, BOX, FRAME, measure(painted))
    assert np.abs(matched.astype(int) - painted).max() <= 1


@pytest.mark.parametrize("lacking", [-0.4, 0.4])
def test_contrast_comes_nearer_to_what_is_expected(painted: Pixels, lacking: float) -> None:
    before = measure(painted)
    after = measure(match_contrast(painted, BOX, FRAME, np.asarray(before + lacking, np.float32)))
    change = (after - before) / lacking
    assert (change[1:] > 0.3).all() and (change < 1.2).all()


def test_no_difference_is_made_up_for_without_bounds(painted: Pixels) -> None:
    before = measure(painted)
    after = measure(match_contrast(painted, BOX, FRAME, before + np.full(BAND_COUNT, 5, np.float32)))
    assert (after - before < np.log(1.6)).all()


def test_far_from_the_eye_nothing_changes(painted: Pixels) -> None:
    matched = match_contrast(painted, BOX, FRAME, np.asarray(measure(painted) - 1, np.float32))
    assert (matched[:8] == painted[:8]).all() and (matched[-8:] == painted[-8:]).all()
    assert (matched[30:50, 45:75] != painted[30:50, 45:75]).any()


def test_an_eye_out_of_sight_stays(painted: Pixels) -> None:
    far = EyeFrame(np.array([900, 900], np.float32), FRAME.x_axis, FRAME.y_axis)
    assert match_contrast(painted, BOX, far, np.zeros(BAND_COUNT, np.float32)) is painted
