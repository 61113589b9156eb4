"""The second witness knows a face and which way up it is; faces that an edge halves are found beside it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from face.boxes import Candidate
from face.pyramid import Pyramid
from face.res10 import find_cut_boxes, witness
from face.types import Face
from tests.conftest import FindFaces, LoadPhoto


def _candidate(face: Face) -> Candidate:
    box = face.box
    return Candidate((box.left, box.top, box.right, box.bottom), 0.9)


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_the_witness_is_surest_of_a_face_the_right_way_up(sample: LoadPhoto, faces_of: FindFaces, degrees: int) -> None:
    pixels = sample("image_3.jpg")
    (face,) = faces_of(pixels)
    # Turned clockwise.
    turned = np.ascontiguousarray(np.rot90(pixels, -degrees // 90))
    height, width = pixels.shape[:2]
    corners = np.array([[face.box.left, face.box.top], [face.box.right, face.box.bottom]], float)
    for _ in range(degrees // 90):
        corners = np.column_stack([height - corners[:, 1], corners[:, 0]])
        height, width = width, height
    (x0, y0), (x1, y1) = corners.min(axis=0), corners.max(axis=0)
    candidate = Candidate((float(x0), float(y0), float(x1), float(y1)), 0.9)
    seen = {roll: witness(turned, candidate, roll) for roll in (0.0, 90.0, 180.0, 270.0)}
    assert seen[degrees] > 0.97
    assert all(other < 0.97 for roll, other in seen.items() if roll != degrees)


def test_the_witness_sees_nothing_in_plain_grey_or_beyond_the_photo() -> None:
    plain = np.full((200, 300, 3), 128, np.uint8)
    assert witness(plain, Candidate((50, 50, 150, 150), 0.9), 0.0) == 0
    assert witness(plain, Candidate((-900, -900, -700, -700), 0.9), 0.0) == 0


def test_the_witness_takes_no_neighbour_for_the_candidate(sample: LoadPhoto, faces_of: FindFaces) -> None:
    pixels = sample("image_3.jpg")
    (face,) = faces_of(pixels)
    size = face.box.width
    around = (size, size, 2 * size, size)
    room = np.asarray(cv2.copyMakeBorder(pixels, *around, cv2.BORDER_CONSTANT, value=(128, 128, 128)), np.uint8)
    own = Candidate(
        (face.box.left + 2 * size, face.box.top + size, face.box.right + 2 * size, face.box.bottom + size), 1.0
    )
    assert witness(room, own, 0.0) > 0.97
    left, top, right, bottom = own.corners
    assert witness(room, Candidate((left - size, top, right - size, bottom), 1.0), 0.0) == 0


@pytest.mark.parametrize("shape", [(3, 3000, 3), (3000, 2, 3), (1, 9, 3)])
def test_very_narrow_photos_are_no_error(shape: tuple[int, int, int]) -> None:
    plain = np.full(shape, 90, np.uint8)
    assert witness(plain, Candidate((0, 0, shape[1], shape[0]), 0.9), 0.0) == 0
    assert find_cut_boxes(Pyramid(np.full(shape, 90, np.uint8))) == []


@pytest.mark.parametrize("is_right", [False, True])
def test_a_face_that_the_edge_halves_lies_about_half_outside(
    sample: LoadPhoto, faces_of: FindFaces, is_right: bool
) -> None:
    photo = sample("image_3.jpg")
    (face,) = faces_of(photo)
    middle = round(float(face.landmarks.points[:, 0].mean()))
    half = np.ascontiguousarray(photo[:, :middle] if is_right else photo[:, middle:])
    (box,) = find_cut_boxes(Pyramid(half))
    left, top, right, bottom = box.corners
    edge = half.shape[1] if is_right else 0
    assert abs((left + right) / 2 - edge) < 0.2 * face.box.width
    assert abs((top + bottom) / 2 - (face.box.top + face.box.bottom) / 2) < 0.2 * face.box.height


def test_a_whole_face_is_not_cut(sample: LoadPhoto) -> None:
    assert find_cut_boxes(Pyramid(sample("image_3.jpg"))) == []


def test_the_mirror_image_of_a_face_near_the_edge_is_not_cut(sample: LoadPhoto, faces_of: FindFaces) -> None:
    photo = sample("image_3.jpg")
    (face,) = faces_of(photo)
    for beside in range(12, face.box.width // 2, 10):
        near = np.ascontiguousarray(photo[:, face.box.left - beside :])
        assert find_cut_boxes(Pyramid(near)) == []
