"""The canonical view of an eye: the same way round for both, and back into the photo without a shift."""

from __future__ import annotations

import numpy as np
import pytest

from face.eye_geometry import fit_open_lids
from face.types import EYES, Face, Feature
from photo.types import Box, Pixels
from render.canonical import MAP_COUNT, cut_patch, draw_maps, lay_patch, patch_box, patch_size, patch_to_photo
from render.eyeball import EyeGeometry
from tests.conftest import FindFaces, LoadPhoto


@pytest.fixture
def portrait(sample: LoadPhoto, faces_of: FindFaces) -> tuple[Pixels, Face]:
    pixels = sample("image_2.jpg")
    return pixels, faces_of(pixels)[0]


@pytest.mark.parametrize("eye", EYES)
def test_the_nose_is_on_the_right_and_the_brow_on_top(portrait: tuple[Pixels, Face], eye: Feature) -> None:
    _, face = portrait
    matrix = patch_to_photo(face.eye_frame(eye), 24)
    height, width = patch_size(24)

    def to_photo(x: float, y: float) -> np.ndarray:  # type: ignore[type-arg]
        return matrix @ (x, y, 1)

    nose = face.landmarks.nose_tip[:2]
    assert np.linalg.norm(to_photo(width, 36) - nose) < np.linalg.norm(to_photo(0, 36) - nose)
    brow = face.eye(eye).brow_lower[2, :2]
    assert np.linalg.norm(to_photo(48, 0) - brow) < np.linalg.norm(to_photo(48, height) - brow)


@pytest.mark.parametrize("eye", EYES)
@pytest.mark.parametrize("unit_px", [24, 48])
def test_a_patch_laid_back_is_the_photo_again(portrait: tuple[Pixels, Face], eye: Feature, unit_px: int) -> None:
    pixels, face = portrait
    frame = face.eye_frame(eye)
    around = patch_box(frame, pixels.shape)
    assert around is not None
    patch = cut_patch(pixels[around.slices], frame, unit_px, around)
    assert patch.shape == (*patch_size(unit_px), 3)
    x, y = np.rint(frame.origin).astype(int)
    inner = Box(x - 8, y - 8, x + 8, y + 8)
    back = lay_patch(patch, frame, unit_px, inner)
    assert np.abs(back - pixels[inner.slices]).mean() < 7
    shifted = lay_patch(patch, frame, unit_px, inner.shifted(2, 0))
    assert np.abs(shifted - pixels[inner.slices]).mean() > np.abs(back - pixels[inner.slices]).mean()


def test_an_eye_outside_the_photo_has_no_box(portrait: tuple[Pixels, Face]) -> None:
    _, face = portrait
    assert patch_box(face.eye_frame(Feature.LEFT_EYE), (2, 2, 3)) is None


def test_maps_lie_where_the_eye_is(portrait: tuple[Pixels, Face]) -> None:
    _, face = portrait
    frame = face.eye_frame(Feature.RIGHT_EYE)
    lids = fit_open_lids(frame, face.eye(Feature.RIGHT_EYE), 1.0)
    maps = draw_maps(EyeGeometry(frame, lids, (0.0, 0.1), 1.0, 0.3), 24)
    assert maps.shape == (*patch_size(24), MAP_COUNT) and np.abs(maps).max() <= 1
    row, column = np.unravel_index(maps[..., 1].argmin(), maps.shape[:2])
    assert abs(int(column) - 48) <= 2 and maps[row, column, 0] > 0.9
    assert maps[0, 0, 0] == 0 and maps[0, 48, 2] > 0 > maps[-1, 48, 2]
    assert (maps[..., 5] == np.float32(0.3)).all()
