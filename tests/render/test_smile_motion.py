"""The lower lids rise a little with a smile, and nothing of the eye above them moves."""

from __future__ import annotations

import numpy as np
import pytest

from face.types import EyeLandmarks, Face
from mouth_mask import mouth_region
from photo.types import Pixels, Region
from render.smile import backward_field, paint_smile
from render.smile_motion import SmileGrid, draw_eyes_alpha, lay_grid, lift_lower_lids, measure_fullness, smile_gain
from tests.conftest import FindFaces, LoadPhoto

GENTLE = 0.5


@pytest.fixture(scope="session")
def astronaut(sample: LoadPhoto, faces_of: FindFaces) -> tuple[Pixels, Face, Region]:
    """A face without glasses."""
    pixels = sample("image_3.jpg")
    face = faces_of(pixels)[0]
    region = mouth_region(pixels.shape, face.landmarks)
    assert region is not None
    return pixels, face, region


def rise(field: np.ndarray[tuple[int, ...], np.dtype[np.float32]], grid: SmileGrid, point: np.ndarray) -> float:  # type: ignore[type-arg]
    """How far the map has brought up what is seen at a point, in pixels."""
    column, row = np.rint((point[:2] - grid.nodes[0, 0]) / grid.step_px).astype(int)
    return float(field[row, column, 1])


def eyes_of(face: Face) -> tuple[EyeLandmarks, EyeLandmarks]:
    return face.landmarks.eyes


def test_the_lids_rise_by_a_few_hundredths_of_the_eye(astronaut: tuple[Pixels, Face, Region]) -> None:
    _, face, region = astronaut
    grid = lay_grid(face.landmarks, region)
    field = backward_field(face.landmarks, region, grid, smile_gain(face.landmarks, GENTLE))
    for eye in eyes_of(face):
        assert 0.02 < rise(field, grid, eye.lower[4]) / eye.width_px < 0.04


def test_the_corners_of_the_eye_stay(astronaut: tuple[Pixels, Face, Region]) -> None:
    _, face, region = astronaut
    grid = lay_grid(face.landmarks, region)
    lift = lift_lower_lids(face.landmarks, grid.nodes, 0.5)
    for eye in eyes_of(face):
        assert abs(rise(lift, grid, eye.inner_corner)) < 0.012 * eye.width_px
        assert abs(rise(lift, grid, eye.outer_corner)) < 0.012 * eye.width_px


def test_what_is_seen_of_the_eye_stays_as_it_is(astronaut: tuple[Pixels, Face, Region]) -> None:
    pixels, face, region = astronaut
    painted = paint_smile(pixels, face, region, GENTLE)
    for eye in eyes_of(face):
        x, y = np.rint(eye.iris[0, :2]).astype(int)
        reach = round(0.08 * eye.width_px)
        seen = slice(y - reach, y + reach + 1), slice(x - reach, x + reach + 1)
        moved = tuple(
            slice(s.start - o, s.stop - o) for s, o in zip(seen, (region.box.top, region.box.left), strict=True)
        )
        assert np.abs(painted[moved].astype(int) - pixels[seen]).max() <= 2


def test_the_eye_covers_what_lies_above_the_lid_only(astronaut: tuple[Pixels, Face, Region]) -> None:
    _, face, region = astronaut
    seen = draw_eyes_alpha(face.landmarks, region.box, 0.5)
    for eye in eyes_of(face):
        column, row = np.rint(eye.lower[4, :2] - (region.box.left, region.box.top)).astype(int)
        far = round(0.15 * eye.width_px)
        assert seen[row + far, column] == 0
        assert seen[row - far, column] == 1


def test_the_skin_gets_fuller_under_the_lids(astronaut: tuple[Pixels, Face, Region]) -> None:
    _, face, region = astronaut
    grid = lay_grid(face.landmarks, region)
    relief = measure_fullness(face.landmarks, grid.nodes)
    row, column = np.unravel_index(relief.argmax(), relief.shape)
    below = [grid.nodes[row, column, 1] - eye.lower[4, 1] for eye in eyes_of(face)]
    assert any(0.08 * eye.width_px < b < 0.3 * eye.width_px for eye, b in zip(eyes_of(face), below, strict=True))


def test_behind_glasses_the_lids_are_left_alone(astronaut: tuple[Pixels, Face, Region]) -> None:
    pixels, face, _ = astronaut
    rims = [np.stack([eye.lower[[0, 8], 0], eye.lower[[0, 8], 1] + 0.4 * eye.width_px], 1) for eye in eyes_of(face)]
    region = mouth_region(pixels.shape, face.landmarks, rims)
    assert region is not None
    grid = lay_grid(face.landmarks, region)
    field = backward_field(face.landmarks, region, grid, 0.5)
    for eye in eyes_of(face):
        assert abs(rise(field, grid, eye.lower[4])) < 0.005 * eye.width_px
