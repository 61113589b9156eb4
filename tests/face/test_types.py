"""The geometry read off the landmarks."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from face.types import LANDMARK_COUNT, EyeLandmarks, Landmarks
from tests.conftest import FindFaces, LoadPhoto


def _eye(opening: float) -> EyeLandmarks:
    """An eye 100 px wide whose lids are `opening` px apart all along."""
    x = np.linspace(0, 100, 9)
    upper = np.column_stack([x, np.full(9, -opening / 2), np.zeros(9)]).astype(np.float32)
    lower = np.column_stack([x, np.full(9, opening / 2), np.zeros(9)]).astype(np.float32)
    upper[[0, -1], 1] = lower[[0, -1], 1] = 0
    five = np.zeros((5, 3), np.float32)
    return EyeLandmarks(upper, lower, five, five, five)


@pytest.mark.parametrize(("opening", "ratio"), [(0, 0.0), (30, 0.3)])
def test_aspect_ratio_is_height_over_width(opening: float, ratio: float) -> None:
    assert _eye(opening).aspect_ratio == pytest.approx(ratio)


def test_width_is_measured_from_corner_to_corner() -> None:
    assert _eye(20).width_px == pytest.approx(100)


@pytest.mark.parametrize(("columns", "share"), [(101, 1.0), (100, 16 / 18), (51, 10 / 18), (1, 2 / 18)])
def test_of_an_eye_at_the_photos_edge_a_part_lies_inside(columns: int, share: float) -> None:
    eye = _eye(0)
    assert eye.fraction_inside((10, columns, 3)) == pytest.approx(share)
    assert eye.fraction_inside((0, columns, 3)) == 0


@pytest.mark.parametrize("shape", [(468, 3), (LANDMARK_COUNT, 2), (0, 3)])
def test_wrong_number_of_points_is_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="need shape"):
        Landmarks(np.zeros(shape, np.float32))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_points_that_are_no_numbers_are_refused(value: float) -> None:
    points = np.zeros((LANDMARK_COUNT, 3), np.float32)
    points[7, 1] = value
    with pytest.raises(ValueError, match="finite"):
        Landmarks(points)


def test_the_parts_of_a_real_face_lie_where_their_names_say(sample: LoadPhoto, faces_of: FindFaces) -> None:
    marks = faces_of(sample("image_2.jpg"))[0].landmarks
    right, left = marks.right_eye, marks.left_eye
    corners = [right.outer_corner, right.inner_corner, left.inner_corner, left.outer_corner]
    assert [float(c[0]) for c in corners] == sorted(float(c[0]) for c in corners)
    for eye in (right, left):
        assert eye.brow_upper[:, 1].mean() < eye.brow_lower[:, 1].mean() < eye.upper[:, 1].mean()
        assert eye.upper[1:-1, 1].mean() < eye.iris[0, 1] < eye.lower[1:-1, 1].mean()
        assert np.array_equal(eye.upper[[0, -1]], eye.lower[[0, -1]])
    assert left.lower[:, 1].max() < marks.nose[:, 1].max() < marks.lips[:, 1].min() < marks.oval[:, 1].max()
    assert marks.lips[0, 0] < marks.lips[10, 0]
    assert marks.right_cheek[:, 0].mean() < marks.nose[:, 0].mean() < marks.left_cheek[:, 0].mean()
    assert marks.eye_distance_px == pytest.approx(np.hypot(*(left.outer_corner - right.outer_corner)[:2]))


def test_a_person_has_no_muzzle(sample: LoadPhoto, faces_of: FindFaces) -> None:
    assert 0.14 < faces_of(sample("image_2.jpg"))[0].landmarks.muzzle_ratio < 0.25


def test_the_hull_holds_every_landmark(sample: LoadPhoto, faces_of: FindFaces) -> None:
    (face,) = faces_of(sample("image_2.jpg"))
    hull = face.landmarks.hull
    assert hull.dtype == np.float32 and hull.shape[1] == 2 and len(hull) < 100
    for point in face.landmarks.points[:, :2]:
        assert cv2.pointPolygonTest(hull, (float(point[0]), float(point[1])), measureDist=True) > -0.01
    on_the_face = {tuple(point) for point in face.landmarks.points[:, :2].tolist()}
    assert {tuple(point) for point in hull.tolist()} <= on_the_face
