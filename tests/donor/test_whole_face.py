"""A face from another frame sits on the head as if it had always been there."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from benchmark.synthetic_blink import close_eyes
from donor.whole_face import _shortest_ring, draw_line, fade_over, find_obstacle, measure_detail, transplant_face
from face.search import remeasure
from face.types import Face, Feature, Landmarks
from photo.types import Box, Pixels
from tests.conftest import FindFaces, LoadPhoto


def move(pixels: Pixels, face: Face, degrees: float = 2.0, scale: float = 1.02) -> tuple[Pixels, Face]:
    """The photo a moment later: the camera has turned a little, and the light is weaker and warmer."""
    matrix = cv2.getRotationMatrix2D(face.box.center, degrees, scale) + np.array([[0, 0, 4.0], [0, 0, -3.0]])
    moved = cv2.warpAffine(pixels, matrix, pixels.shape[1::-1], flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    points = face.landmarks.points.copy()
    points[:, :2] = points[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    dimmed = np.clip(moved * np.array([0.85, 0.82, 0.76]), 0, 255).astype(np.uint8)
    return dimmed, replace(face, landmarks=Landmarks(points.astype(np.float32)))


def eye_box(face: Face) -> Box:
    return Box.around(np.concatenate([face.eye(feature).upper for feature in list(Feature)[:2]])).padded(0.1)


@pytest.fixture(scope="module")
def open_photo(sample: LoadPhoto) -> Pixels:
    return sample("image_2.jpg")


@pytest.fixture(scope="module")
def face(open_photo: Pixels, faces_of: FindFaces) -> Face:
    return faces_of(open_photo)[0]


def test_open_eyes_come_back_as_they_were(open_photo: Pixels, face: Face) -> None:
    closed = close_eyes(open_photo, face)
    later, donor = move(open_photo, face)
    before = (closed.copy(), later.copy())
    assert find_obstacle(face, donor) == ""
    transplant = transplant_face(closed, face, later, donor)
    assert transplant is not None
    assert np.array_equal(closed, before[0]) and np.array_equal(later, before[1])
    result = closed.copy()
    result[transplant.region.box.slices] = transplant.patch
    seen = remeasure(result, face)
    assert seen is not None and min(seen.blink(feature) for feature in list(Feature)[:2]) < 0.3
    eyes = eye_box(face).slices
    truth = open_photo[eyes].astype(float)
    off, was_off = (float(np.abs(pixels[eyes] - truth).mean()) for pixels in (result, closed))
    assert off < 6.0 < was_off


def test_where_the_mask_is_nothing_not_a_byte_changes(open_photo: Pixels, face: Face) -> None:
    transplant = transplant_face(open_photo, face, *move(open_photo, face))
    assert transplant is not None
    region = transplant.region
    kept = region.alpha == 0
    assert np.array_equal(transplant.patch[kept], open_photo[region.box.slices][kept])
    assert 0.2 < region.alpha.mean() < 0.9
    # It fades in: from one pixel to the next nothing jumps.
    assert max(float(np.abs(np.diff(region.alpha, axis=axis)).max()) for axis in (0, 1)) < 0.35


def test_no_line_shows_in_the_other_light(open_photo: Pixels, face: Face) -> None:
    transplant = transplant_face(open_photo, face, *move(open_photo, face))
    assert transplant is not None
    # The same face in other light: brought to this light it is the photo again, all over.
    off = cv2.GaussianBlur(transplant.patch.astype(np.float32) - open_photo[transplant.region.box.slices], (0, 0), 4)
    assert float(np.abs(off).max()) < 12.0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"yaw_degrees": 20.0}, "turned otherwise"),
        ({"pitch_degrees": -20.0}, "turned otherwise"),
        ({}, ""),
    ],
)
def test_a_turned_head_is_an_obstacle(face: Face, changes: dict[str, float], words: str) -> None:
    donor = replace(face, **changes)  # type: ignore[arg-type]
    assert words in find_obstacle(face, donor)
    assert bool(words) == bool(find_obstacle(face, donor))


def test_a_face_of_another_size_or_shape_is_an_obstacle(face: Face) -> None:
    larger = replace(face, landmarks=Landmarks(face.landmarks.points * np.float32(1.5)))
    assert "size" in find_obstacle(face, larger)
    stretched = replace(face, landmarks=Landmarks(face.landmarks.points * np.array([1.0, 1.3, 1.0], np.float32)))
    assert "moved" in find_obstacle(face, stretched)


def test_a_face_that_is_cut_off_is_not_taken(open_photo: Pixels, face: Face) -> None:
    right = round(face.landmarks.nose_tip[0])
    half = np.ascontiguousarray(open_photo[:, :right])
    assert transplant_face(open_photo, face, half, face) is None


def test_the_line_takes_the_cheap_way_and_closes() -> None:
    costs = np.full((40, 9), 5.0)
    cheap = np.round(4 + 3 * np.sin(np.arange(40) * 2 * np.pi / 40)).astype(int)
    costs[np.arange(40), cheap] = 1.0
    assert np.array_equal(_shortest_ring(costs), cheap)
    noise = np.random.default_rng(1).random((60, 12))
    ring = _shortest_ring(noise)
    assert np.abs(np.diff(ring, append=ring[:1])).max() <= 2


def test_the_line_keeps_to_where_both_agree() -> None:
    here = np.full((80, 80, 3), 100, np.float32)
    there = here.copy()
    # They differ everywhere but on a ring of the radius 20 to 26 around the middle.
    rows, columns = np.mgrid[:80, :80]
    away = np.hypot(rows - 40, columns - 40)
    there[(away < 20) | (away > 26)] += 60
    line = draw_line(here, there, away < 10, away < 36, 0.8)
    assert line is not None
    radius = np.hypot(*(line - 40).T)
    assert radius.min() > 19 and radius.max() < 27
    alpha = fade_over(line, (80, 80), 2.0)
    assert alpha[40, 40] == 1 and alpha[0, 0] == 0 and np.abs(np.diff(alpha)).max() < 0.45
    assert draw_line(here, there, away < 38, away < 15, 0.8) is None


def test_a_blurred_face_has_less_detail(open_photo: Pixels, face: Face) -> None:
    blurred = cv2.GaussianBlur(open_photo, (0, 0), 2.0).astype(np.uint8)
    darker = (open_photo * 0.6).astype(np.uint8)
    sharp = measure_detail(open_photo, face)
    assert measure_detail(blurred, face) < 0.6 * sharp
    assert measure_detail(darker, face) == pytest.approx(sharp, rel=0.1)
