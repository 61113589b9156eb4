"""Another photo of a face is laid over this one to a fraction of a pixel, also when the eyes are closed."""

from __future__ import annotations

import numpy as np
import pytest

from donor.align import align_faces, warp_donor
from edit.plan import Alignment
from face.analysis import FaceAnalysis
from face.types import EYES, Feature
from photo.types import Box
from tests.conftest import LoadPhoto
from tests.support.donor_photos import LARGER, Moments, make_moments


@pytest.fixture(scope="module")
def moments(sample: LoadPhoto) -> Moments:
    return make_moments(sample)


def test_a_photo_lies_over_itself(moments: Moments) -> None:
    for alignment in align_faces(moments.open_analysis, moments.open_analysis).values():
        assert np.allclose(alignment.to_donor, [[1, 0, 0], [0, 1, 0]], atol=1e-3)
        assert alignment.agreement > 0.999


def test_a_moved_photo_of_a_blinking_face_is_found_again(moments: Moments) -> None:
    alignments = align_faces(moments.analysis, moments.other_analysis)
    for feature in EYES:
        eye = moments.open_face.eye(feature)
        corners = np.array([eye.outer_corner[:2], eye.inner_corner[:2]], np.float64)
        true = corners @ moments.matrix[:, :2].T + moments.matrix[:, 2]
        found = corners @ alignments[feature].to_donor[:, :2].T + alignments[feature].to_donor[:, 2]
        assert np.linalg.norm(found - true, axis=1).max() < 0.03 * eye.width_px
        assert alignments[feature].scale == pytest.approx(LARGER, rel=0.02)
        assert alignments[feature].agreement > 0.85
    lips = moments.open_face.landmarks.lips[:, :2].mean(axis=0)
    mouth = alignments[Feature.MOUTH].to_donor
    moved = mouth[:, :2] @ lips + mouth[:, 2] - (moments.matrix[:, :2] @ lips + moments.matrix[:, 2])
    assert np.linalg.norm(moved) < 0.03 * moments.open_face.landmarks.eye_distance_px


def test_what_does_not_look_alike_agrees_less(moments: Moments) -> None:
    noise = np.random.default_rng(0).integers(0, 255, moments.other.shape, np.uint8)
    alignments = align_faces(moments.analysis, FaceAnalysis(noise, moments.other_face))
    assert max(alignments[feature].agreement for feature in EYES) < 0.5


def test_the_way_back_undoes_the_way_there() -> None:
    alignment = Alignment(np.array([[2.0, 0.5, 3.0], [-0.5, 2.0, 1.0]]), 1.0)
    both = np.vstack([alignment.to_donor, [0, 0, 1]]) @ np.vstack([alignment.to_target(), [0, 0, 1]])
    assert np.allclose(both, np.eye(3))


def test_warping_by_whole_pixels_moves_them_and_a_reduction_averages() -> None:
    pixels = np.zeros((12, 12, 3), np.uint8)
    pixels[6, 5] = 200
    moved = warp_donor(pixels, Alignment(np.array([[1.0, 0, 2], [0, 1.0, 3]]), 1.0), Box(0, 0, 6, 6))
    assert moved.shape == (6, 6, 3) and moved[3, 3, 0] == pytest.approx(200)
    stripes = np.zeros((32, 32, 3), np.uint8)
    stripes[:, ::2] = 200
    half = warp_donor(stripes, Alignment(np.array([[4.0, 0, 0], [0, 4.0, 0]]), 1.0), Box(2, 2, 6, 6))
    assert np.abs(half - 100).max() < 20
