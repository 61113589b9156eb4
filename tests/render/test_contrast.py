"""A rendered eye is made as crisp as its face lets expect, and nothing else changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from face.contrast import BAND_COUNT, find_eye, measure_contrast
from face.eye_geometry import CLOSED_LINE, IRIS_CENTER, IRIS_RADIUS, OPEN_LOWER, OPEN_UPPER, Lids
from face.types import EyeFrame
from photo.measure import luma
from photo.types import Box, FloatArray, Pixels
from render.contrast import deepen_iris, match_contrast
from render.eyeball import EyeGeometry

FRAME = EyeFrame(np.array([60, 40], np.float32), np.array([30, 0], np.float32), np.array([0, -30], np.float32))
BOX = Box(0, 0, 120, 80)
CLOSED, UPPER, LOWER = (np.array(curve, np.float32) for curve in (CLOSED_LINE, OPEN_UPPER, OPEN_LOWER))
LIDS = Lids(CLOSED, UPPER, LOWER, brow_height=1.3)


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
    assert (change[1:] > 0.15).all() and (change < 1).all()


def test_no_difference_is_made_up_for_without_bounds(painted: Pixels) -> None:
    before = measure(painted)
    after = measure(match_contrast(painted, BOX, FRAME, before + np.full(BAND_COUNT, 5, np.float32)))
    assert (after - before < np.log(1.6)).all()


def test_far_from_the_eye_nothing_changes(painted: Pixels) -> None:
    matched = match_contrast(painted, BOX, FRAME, np.asarray(measure(painted) - 1, np.float32))
    assert (matched[:8] == painted[:8]).all() and (matched[-8:] == painted[-8:]).all()
    assert (matched[30:50, 45:75] != painted[30:50, 45:75]).any()


def _paint_iris(pupil: float, ring: float, glint: float) -> tuple[Pixels, EyeGeometry]:
    geometry = EyeGeometry(FRAME, LIDS, IRIS_CENTER, 1.0, 0.0)
    x, y = FRAME.grid(BOX)
    radii = np.hypot(*geometry.from_iris(x, y)) / IRIS_RADIUS
    level = np.where(radii < 0.35, pupil, np.where(radii < 1, ring, 200.0))
    level[(np.abs(x - IRIS_CENTER[0] - 0.1) < 0.05) & (np.abs(y - IRIS_CENTER[1] - 0.1) < 0.05)] = glint
    return np.repeat(level[..., None], 3, axis=2).astype(np.uint8), geometry


@pytest.mark.parametrize("asked", [40.0, 60.0, 90.0])
def test_an_iris_comes_nearer_to_the_brightness_asked_for(asked: float) -> None:
    painted, geometry = _paint_iris(pupil=45, ring=70, glint=150)
    deeper = deepen_iris(painted, BOX, geometry, np.full(3, asked, np.float32))
    x, y = FRAME.grid(BOX)
    radii = np.hypot(*geometry.from_iris(x, y)) / IRIS_RADIUS
    ring = (radii > 0.5) & (radii < 0.75) & (y < IRIS_CENTER[1] - 0.05) & (np.abs(x) < 0.3)
    assert abs(float(deeper[ring].mean()) - asked) < 0.4 * abs(70 - asked)


def test_pupils_get_darker_and_reflections_no_dimmer_beside_the_iris() -> None:
    painted, geometry = _paint_iris(pupil=45, ring=70, glint=150)
    deeper = deepen_iris(painted, BOX, geometry, np.full(3, 70, np.float32))
    assert deeper.min() < 40 and deeper[..., 0][painted[..., 0] == 150].mean() > 150
    assert (deeper[:8] == painted[:8]).all() and (deeper[:, :20] == painted[:, :20]).all()


def test_an_iris_out_of_sight_stays(painted: Pixels) -> None:
    _, geometry = _paint_iris(45, 70, 150)
    far = replace(geometry, frame=EyeFrame(np.array([900, 900], np.float32), FRAME.x_axis, FRAME.y_axis))
    assert deepen_iris(painted, BOX, far, np.full(3, 50, np.float32)) is painted


def test_an_eye_out_of_sight_stays(painted: Pixels) -> None:
    far = EyeFrame(np.array([900, 900], np.float32), FRAME.x_axis, FRAME.y_axis)
    assert match_contrast(painted, BOX, far, np.zeros(BAND_COUNT, np.float32)) is painted
