"""What is done to a view of a face before the landmarker reads it."""

from __future__ import annotations

import os
import threading

import numpy as np
import pytest

from face.expression import find_closed, measure_closedness
from face.landmarker import silenced
from face.search import find_faces
from face.types import EYES
from photo.measure import clear_up, lift_dark, measure_view_noise
from photo.types import Pixels
from tests.conftest import FindFaces, LoadPhoto

CLOSED_SAMPLE = "image_3.jpg"


def add_noise(pixels: Pixels, deviation: float, *, gain: float = 1.0) -> Pixels:
    noise = np.random.default_rng(0).normal(0, deviation, pixels.shape)
    return np.asarray(np.clip(gain * pixels + noise, 0, 255), np.uint8)


@pytest.mark.parametrize("deviation", [0.0, 4.0, 12.0])
def test_noise_is_measured_after_halving(deviation: float) -> None:
    slope = np.tile(np.linspace(60, 180, 384), (384, 1))[..., None].repeat(3, axis=2)
    # Four pixels make one: their noise is halved. Rounding to grey levels adds a little.
    assert measure_view_noise(add_noise(slope.astype(np.uint8), deviation)) == pytest.approx(
        deviation / 2, rel=0.1, abs=0.4
    )


def test_edges_are_no_noise() -> None:
    checkers = np.kron(np.indices((12, 12)).sum(axis=0) % 2, np.ones((32, 32)))[..., None].repeat(3, axis=2)
    assert measure_view_noise((255 * checkers).astype(np.uint8)) == 0


def test_a_clear_view_stays_as_it_is(sample: LoadPhoto) -> None:
    view = np.ascontiguousarray(sample(CLOSED_SAMPLE)[:384, :384])
    assert clear_up(view) is view


def test_noise_is_calmed_and_the_dark_lifted() -> None:
    gray = np.full((384, 384, 3), 120, np.uint8)
    noisy, dark = add_noise(gray, 12.0), add_noise(gray, 2.0, gain=0.2)
    assert measure_view_noise(clear_up(noisy)) < measure_view_noise(noisy) / 2
    assert np.median(clear_up(dark)) > 100
    assert measure_view_noise(clear_up(dark)) < measure_view_noise(lift_dark(dark)) / 2


@pytest.mark.parametrize(("deviation", "gain"), [(45.0, 1.0), (4.0, 0.1)])
def test_closed_eyes_are_told_in_noise_and_in_the_dark(
    deviation: float, gain: float, sample: LoadPhoto, faces_of: FindFaces
) -> None:
    pixels = sample(CLOSED_SAMPLE)
    noisy = add_noise(pixels, deviation, gain=gain)
    (face,) = find_faces(noisy)
    (expected,) = faces_of(pixels)
    closedness = {feature: measure_closedness(face, feature) for feature in EYES}
    assert find_closed(closedness) == find_closed({feature: measure_closedness(expected, feature) for feature in EYES})
    assert find_closed(closedness) == frozenset(EYES)


def test_two_threads_that_silence_the_error_stream_at_once_give_it_back(capfd: pytest.CaptureFixture[str]) -> None:
    first_is_in, second_is_in, first_is_out = threading.Event(), threading.Event(), threading.Event()

    def come_later_and_stay_longer() -> None:
        first_is_in.wait()
        with silenced():
            second_is_in.set()
            first_is_out.wait()
            os.write(2, b"dropped, although the other one has left;")

    second = threading.Thread(target=come_later_and_stay_longer)
    second.start()
    with silenced():
        first_is_in.set()
        second_is_in.wait()
        os.write(2, b"dropped;")
    first_is_out.set()
    second.join()
    os.write(2, b"shown")
    assert capfd.readouterr().err == "shown"
