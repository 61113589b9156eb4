from __future__ import annotations

import cv2
import numpy as np
import pytest

from face.analysis import FaceAnalysis
from face.contrast import BAND_COUNT, expect_eye_contrast, measure_contrast, measure_eyes
from face.types import Face, Feature
from photo.types import Pixels
from tests.conftest import FindFaces, LoadPhoto


@pytest.fixture(scope="module")
def portrait(real_photo: LoadPhoto) -> Pixels:
    return real_photo("meng.jpg")


@pytest.fixture(scope="module")
def face(portrait: Pixels, faces_of: FindFaces) -> Face:
    return faces_of(portrait)[0]


def test_contrast_does_not_depend_on_the_light() -> None:
    gray = np.random.default_rng(1).uniform(50, 200, (60, 60)).astype(np.float32)
    within = np.ones_like(gray)
    assert np.allclose(measure_contrast(gray, within, 20), measure_contrast(0.5 * gray, within, 20), atol=1e-4)


def test_half_the_contrast_is_measured_as_such() -> None:
    gray = np.random.default_rng(1).uniform(50, 200, (60, 60)).astype(np.float32)
    flat = gray.mean() + (gray - gray.mean()) / 2
    less = measure_contrast(gray, np.ones_like(gray), 20) - measure_contrast(flat, np.ones_like(gray), 20)
    assert np.allclose(less, np.log(2), atol=1e-3)


def test_a_plain_picture_has_the_least_contrast() -> None:
    plain = np.full((30, 30), 90, np.float32)
    assert np.allclose(measure_contrast(plain, np.ones_like(plain), 20), np.log(1e-3))


def test_the_rest_of_a_face_tells_the_contrast_of_its_eyes(portrait: Pixels, face: Face) -> None:
    expected, eyes = expect_eye_contrast(portrait, face), measure_eyes(portrait, face)
    assert expected is not None and eyes is not None and expected.shape == (BAND_COUNT,)
    assert np.abs(expected - eyes).max() < 0.7


def test_in_a_blurred_photo_less_is_expected(portrait: Pixels, face: Face) -> None:
    width = face.eye_frame(Feature.LEFT_EYE).half_width_px
    blurred = np.asarray(cv2.GaussianBlur(portrait, (0, 0), 0.08 * width), np.uint8)
    sharp, soft = expect_eye_contrast(portrait, face), expect_eye_contrast(blurred, face)
    assert sharp is not None and soft is not None
    assert soft[0] < sharp[0] - 0.5 and (soft < sharp).all()


def test_nothing_is_expected_where_the_mouth_is_not_in_the_photo(portrait: Pixels, face: Face) -> None:
    bottom = int(face.landmarks.lips[:, 1].min()) - 4
    assert expect_eye_contrast(portrait[:bottom], face) is None
    assert FaceAnalysis(portrait[:bottom], face).eye_contrast is None
