"""A rendered blink is a blink to the landmarker, and touches nothing but the eyes."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmark.synthetic_blink import close_eyes
from face.search import find_faces
from face.types import EYES, Face, Feature
from photo.files import load_photo
from photo.types import Pixels

SAMPLES = Path(__file__).parents[2] / "data" / "inputs"


@pytest.fixture(scope="module")
def open_eyed() -> tuple[Pixels, Face]:
    """The open-eyed astronaut of the made-up group picture, enlarged."""
    pixels = load_photo(SAMPLES / "image_4.jpg").pixels
    cut = np.ascontiguousarray(pixels[80:380, 1030:1350])
    large = np.asarray(cv2.resize(cut, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC), np.uint8)
    face = find_faces(large)[0]
    assert all(face.eye(feature).aspect_ratio > 0.25 for feature in EYES)
    return large, face


def test_the_landmarker_sees_closed_eyes(open_eyed: tuple[Pixels, Face]) -> None:
    pixels, face = open_eyed
    blinking = find_faces(close_eyes(pixels, face))[0]
    for feature in EYES:
        assert blinking.eye(feature).aspect_ratio < 0.10
        assert blinking.blink(feature) > 0.50


def test_one_eye_can_be_closed(open_eyed: tuple[Pixels, Face]) -> None:
    pixels, face = open_eyed
    closed = close_eyes(pixels, face, (Feature.LEFT_EYE,))
    middle = round(float(face.landmarks.points[168, 0]))  # the bridge of the nose
    assert np.array_equal(closed[:, :middle], pixels[:, :middle])
    winking = find_faces(closed)[0]
    # The landmarker draws both eyes toward each other, so that a wink reads wider than a blink of the same eye.
    assert winking.eye(Feature.LEFT_EYE).aspect_ratio < 0.6 * winking.eye(Feature.RIGHT_EYE).aspect_ratio


def test_only_the_eyes_change_and_always_in_the_same_way(open_eyed: tuple[Pixels, Face]) -> None:
    pixels, face = open_eyed
    before = pixels.copy()
    closed = close_eyes(pixels, face)
    assert np.array_equal(pixels, before)
    assert np.array_equal(closed, close_eyes(pixels, face))
    far = np.ones(pixels.shape[:2], bool)
    for feature in EYES:
        eye = face.eye(feature)
        center = eye.center
        across, down = np.meshgrid(np.arange(pixels.shape[1]) - center[0], np.arange(pixels.shape[0]) - center[1])
        far &= np.hypot(across, down) > 0.95 * eye.width_px
    assert np.array_equal(closed[far], pixels[far])
    assert (closed != pixels).any()


@pytest.mark.parametrize(("number", "closed"), [(1, 1), (2, 0), (3, 1), (4, 2), (5, 0)])
def test_the_samples_show_what_they_are_made_to_show(number: int, closed: int) -> None:
    faces = find_faces(load_photo(SAMPLES / f"image_{number}.jpg").pixels)
    assert len(faces) == {1: 2, 2: 1, 3: 1, 4: 5, 5: 0}[number]
    assert sum(all(face.eye(feature).aspect_ratio < 0.10 for feature in EYES) for face in faces) == closed
    assert any(face.smile < 0.2 for face in faces) == (number in (1, 2, 4))
