"""Boxes are proposed for faces of every size and turn, and for little else."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from face.boxes import overlap_ratio
from face.pyramid import Pyramid
from face.yunet import LIKELY, plan_levels, propose
from photo.types import Pixels
from tests.conftest import FindFaces, LoadPhoto


@pytest.mark.parametrize(
    ("longest", "levels"),
    [
        (90, [320]),
        (500, [500]),
        (800, [640]),
        (1100, [640, 1100]),
        (2500, [640, 1280]),
        (4000, [640, 1300]),
        (6000, [640, 1950]),
    ],
)
def test_small_photos_are_looked_at_once_and_large_ones_finely_enough(longest: int, levels: list[int]) -> None:
    assert plan_levels(longest) == levels


def _likely(pixels: Pixels, side: int, **options: bool) -> list[tuple[float, float, float, float]]:
    return [box.corners for box in propose(Pyramid(pixels), side, **options) if box.confidence >= LIKELY]


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_a_face_is_proposed_whichever_way_round(sample: LoadPhoto, faces_of: FindFaces, turns: int) -> None:
    pixels = sample("image_3.jpg")
    (face,) = faces_of(pixels)
    marked = np.zeros(pixels.shape[:2], np.uint8)
    marked[face.box.slices] = 1
    left, top, width, height = cv2.boundingRect(np.ascontiguousarray(np.rot90(marked, turns)))
    (corners,) = _likely(np.ascontiguousarray(np.rot90(pixels, turns)), 640)
    assert overlap_ratio(corners, (left, top, left + width, top + height)) > 0.4


def test_a_face_larger_than_the_picture_is_proposed_with_room_around(sample: LoadPhoto, faces_of: FindFaces) -> None:
    pixels = sample("image_2.jpg")
    (face,) = faces_of(pixels)
    box = face.box.padded(-0.08).clipped(pixels.shape[1], pixels.shape[0])
    assert box is not None
    inner = np.ascontiguousarray(pixels[box.slices])
    (corners,) = _likely(inner, 640, wide_border=True)
    assert overlap_ratio(corners, (0, 0, box.width, box.height)) > 0.6


@pytest.mark.parametrize("shape", [(3, 3000, 3), (3000, 2, 3), (1, 9, 3), (480, 640, 3)])
def test_nothing_is_proposed_in_plain_grey(shape: tuple[int, int, int]) -> None:
    assert propose(Pyramid(np.full(shape, 90, np.uint8)), 640) == []
