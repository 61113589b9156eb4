"""An eye out of a noisy photo gets a round, even iris where the photo has it, and nothing changes beyond the lids."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from donor.eye import regularize_eye
from donor.light import Matched
from edit.plan import Donor
from face.analysis import FaceAnalysis
from face.eye_geometry import IRIS_RADIUS, landmarks_in_frame
from face.types import EYES, EyeFrame, Face, Feature
from photo.measure import LUMA
from photo.types import Box, FloatArray, Pixels
from tests.conftest import FindFaces, LoadPhoto

NOISE = 25.0


@pytest.fixture(scope="module")
def donors(sample: LoadPhoto, faces_of: FindFaces) -> list[Donor]:
    """The open eyes of a shipped sample under heavy noise, different each time."""
    pixels = sample("image_2.jpg")
    (face,) = faces_of(pixels)
    noisy = [
        np.clip(np.rint(pixels + np.random.default_rng(seed).normal(0, NOISE, pixels.shape)), 0, 255).astype(np.uint8)
        for seed in (3, 4, 5, 6)
    ]
    return [Donor(FaceAnalysis(photo, face), "noisy.jpg", {}) for photo in noisy]


@pytest.fixture
def donor(donors: list[Donor]) -> Donor:
    return donors[0]


def cut_eye(face: Face, feature: Feature, pixels: Pixels) -> tuple[FloatArray, FloatArray, FloatArray, EyeFrame]:
    frame = face.eye_frame(feature)
    eye = face.eye(feature)
    box = Box.around(np.concatenate([eye.upper, eye.lower])).grown(round(0.8 * frame.half_width_px))
    return (pixels[box.slices].astype(np.float32), *frame.grid(box), frame)


@pytest.mark.parametrize("feature", EYES)
def test_the_iris_becomes_even_all_around(donors: list[Donor], feature: Feature) -> None:
    spreads = []
    for donor in donors:
        donated, x, y, frame = cut_eye(donor.face, feature, donor.analysis.pixels)
        steadied = regularize_eye(Matched(donated, 1.0, donated), x, y, donor, feature, donor.analysis.appearance)
        center_x, center_y = (float(v[0]) for v in landmarks_in_frame(frame, donor.face.eye(feature).iris[:1]))
        distance = np.hypot(x - center_x, y - center_y) / IRIS_RADIUS
        ring = (distance > 0.5) & (distance < 0.8) & (y < center_y + 0.1) & (y > center_y - 0.2)
        spreads.append([float(np.std((picture @ LUMA)[ring])) for picture in (donated, steadied)])
    before, after = np.mean(spreads, axis=0)
    assert after < 0.75 * before


def test_outside_the_lids_and_without_need_nothing_changes(donor: Donor) -> None:
    donated, x, y, _ = cut_eye(donor.face, Feature.LEFT_EYE, donor.analysis.pixels)
    appearance = donor.analysis.appearance
    steadied = regularize_eye(Matched(donated, 1.0, donated), x, y, donor, Feature.LEFT_EYE, appearance)
    outside = (np.abs(x) > 1.0) | (np.abs(y) > 0.75)
    np.testing.assert_array_equal(steadied[outside], donated[outside])
    assert (steadied != donated).any()
    assert regularize_eye(Matched(donated, 0.0, donated), x, y, donor, Feature.LEFT_EYE, appearance) is donated


def measure_ring(pixels: FloatArray, x: FloatArray, y: FloatArray, donor: Donor, feature: Feature) -> FloatArray:
    """Mean colour of the lower iris beside the pupil."""
    frame = donor.face.eye_frame(feature)
    center_x, center_y = (float(v[0]) for v in landmarks_in_frame(frame, donor.face.eye(feature).iris[:1]))
    distance = np.hypot(x - center_x, y - center_y) / IRIS_RADIUS
    return np.asarray(pixels[(distance > 0.45) & (distance < 0.8) & (y < center_y)].mean(axis=0), np.float32)


def test_the_iris_has_the_hue_it_had_before_it_was_calmed(donor: Donor) -> None:
    donated, x, y, _ = cut_eye(donor.face, Feature.LEFT_EYE, donor.analysis.pixels)
    appearance = donor.analysis.appearance

    def measure(noisy: FloatArray) -> FloatArray:
        matched = Matched(donated, 1.0, noisy)
        regular = regularize_eye(matched, x, y, donor, Feature.LEFT_EYE, appearance)
        return measure_ring(regular, x, y, donor, Feature.LEFT_EYE)

    warm, cold = (measure(donated * np.array(tint, np.float32)) for tint in ([1.2, 1, 0.8], [0.8, 1, 1.2]))
    assert warm[0] / warm[2] > 1.3 * cold[0] / cold[2]


def test_both_eyes_get_one_colour(donor: Donor) -> None:
    tinted = donor.analysis.pixels.copy()
    frame = donor.face.eye_frame(Feature.RIGHT_EYE)
    eye = donor.face.eye(Feature.RIGHT_EYE)
    box = Box.around(np.concatenate([eye.upper, eye.lower]))
    x, y = frame.grid(box)
    center_x, center_y = (float(v[0]) for v in landmarks_in_frame(frame, eye.iris[:1]))
    iris = np.hypot(x - center_x, y - center_y) < IRIS_RADIUS
    part = tinted[box.slices]
    part[iris] = np.clip(part[iris] * np.array([1.3, 1.0, 0.7]), 0, 255).astype(np.uint8)
    noisy = Donor(FaceAnalysis(tinted, donor.face), "tinted.jpg", {})
    appearance = noisy.analysis.appearance
    apart = []
    for calmed in (0.0, 1.0):
        warmth = []
        for feature in EYES:
            donated, x, y, _ = cut_eye(donor.face, feature, tinted)
            color = measure_ring(
                regularize_eye(Matched(donated, calmed, donated), x, y, noisy, feature, appearance),
                x,
                y,
                noisy,
                feature,
            )
            warmth.append(float(np.log(color[0] / color[2])))
        apart.append(abs(warmth[0] - warmth[1]))
    assert apart[1] < 0.5 * apart[0]


def test_the_eyeball_has_the_grain_of_the_photo_it_goes_into(donor: Donor) -> None:
    donated, x, y, _ = cut_eye(donor.face, Feature.LEFT_EYE, donor.analysis.pixels)
    smooth = np.asarray(cv2.GaussianBlur(donated, (0, 0), 3.0), np.float32)
    appearance = donor.analysis.appearance
    assert appearance.grain.std() > 5
    without, with_grain = (
        regularize_eye(Matched(smooth, 1.0, smooth), x, y, donor, Feature.LEFT_EYE, replace(appearance, grain=grain))
        for grain in (np.zeros_like(appearance.grain), appearance.grain)
    )
    added, grain = with_grain - without, appearance.tile_grain(*donated.shape[:2])
    changed = np.abs(without - smooth).max(axis=2) > 5
    assert 0.3 * grain.std() < added[changed].std() < grain.std()
    assert np.corrcoef(added[changed].ravel(), grain[changed].ravel())[0, 1] > 0.9
