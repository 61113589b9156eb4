"""The tiles of a fine level hold everything that is not flat, and flat places cost nothing."""

from __future__ import annotations

import numpy as np
import pytest

from face.detector import Candidate, Pyramid, _cut_at_gaps, _plan_tiles, _suppress, find_boxes, find_cut_boxes
from photo.types import Pixels
from tests.conftest import FindFaces, LoadPhoto

WIDTH, HEIGHT = 4032, 3024


def _photo_with_specks(places: list[tuple[int, int]]) -> Pixels:
    pixels = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    for x, y in places:
        pixels[y : y + 12, x : x + 12] = 40
    return pixels


def test_a_flat_photo_has_no_tiles() -> None:
    assert _plan_tiles(_photo_with_specks([])) == []


def test_what_stands_out_lies_in_a_tile_with_its_surroundings() -> None:
    places = [(50, 60), (1300, 700), (1330, 720), (2600, 90), (4010, 3000), (700, 2500)]
    tiles = _plan_tiles(_photo_with_specks(places))
    for x, y in places:
        around = max(x - 48, 0), max(y - 48, 0), min(x + 60, WIDTH), min(y + 60, HEIGHT)
        assert any(a <= around[0] and b <= around[1] and c >= around[2] and d >= around[3] for a, b, c, d in tiles)
    assert sum((c - a) * (d - b) for a, b, c, d in tiles) < 0.05 * WIDTH * HEIGHT
    assert all(0 <= a < c <= WIDTH and 0 <= b < d <= HEIGHT for a, b, c, d in tiles)


def test_a_busy_photo_is_covered_without_cuts() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1600, 2000, 3), dtype=np.uint8)
    noise[::64] = 0
    covered = np.zeros(noise.shape[:2], bool)
    for left, top, right, bottom in _plan_tiles(noise.repeat(2, axis=1)[:, :2000]):
        covered[top:bottom, left:right] = True
    assert covered.all()


def test_cutting_at_gaps_leaves_tight_rectangles() -> None:
    cells = np.array([[1, 1, 0, 0, 0], [1, 0, 0, 1, 1], [0, 0, 0, 0, 0], [0, 1, 0, 0, 0]], bool)
    assert sorted(_cut_at_gaps(cells)) == [(0, 0, 2, 2), (1, 3, 2, 4), (3, 1, 5, 2)]


def test_of_boxes_that_overlap_the_surest_stays() -> None:
    # The second shares a third of both with the first, the third a little more; the last lies half outside the photo.
    sure, beside, too_near = (Candidate((x, 0.5, x + 40, 40.5), c) for x, c in ((0, 0.9), (20.0, 0.7), (18.0, 0.8)))
    outside = Candidate((-120.0, 0.0, -80.0, 40.0), 0.95)
    assert _suppress([beside, sure, too_near, outside]) == [outside, sure, beside]
    assert _suppress([]) == []


@pytest.mark.parametrize("shape", [(3, 3000, 3), (3000, 2, 3), (1, 9, 3)])
def test_very_narrow_photos_are_no_error(shape: tuple[int, int, int]) -> None:
    assert find_boxes(Pyramid(np.full(shape, 90, np.uint8)), 300) == []
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
