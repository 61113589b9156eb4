"""Grain is told from edges, and only where there is enough of it to be seen."""

from __future__ import annotations

import numpy as np
import pytest

from photo.measure import find_grain, measure_noise
from photo.types import Pixels

LARGE, SMALL = 250.0, 60.0


def noisy(deviation: float) -> Pixels:
    """A step from dark to light under noise."""
    clean = np.full((80, 80, 3), 60.0)
    clean[:, 40:] = 180.0
    return np.clip(np.rint(clean + np.random.default_rng(0).normal(0, deviation, clean.shape)), 0, 255).astype(np.uint8)


def test_noise_is_measured_beside_edges() -> None:
    assert measure_noise(noisy(6.0)) == pytest.approx(6.0, rel=0.15)
    assert measure_noise(noisy(0.0)) == 0.0


def test_clean_photos_and_small_faces_have_no_grain_that_matters() -> None:
    assert find_grain(noisy(0.5), LARGE) is None
    assert find_grain(noisy(8.0), SMALL) is None


def test_what_is_left_without_the_grain_is_calm_and_keeps_its_edge() -> None:
    pixels = noisy(8.0)
    grain = find_grain(pixels, LARGE)
    assert grain is not None
    left = pixels - grain
    assert left[:, :30].std() < 0.5 * pixels[:, :30].std()
    assert left[:, 42].mean() - left[:, 37].mean() > 100
    assert np.abs(grain[:, 39:41]).max() < 1.0
