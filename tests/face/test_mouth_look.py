"""The network that looks whether a mouth is at rest, on drawn pictures and on the portraits of tests/photos."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from edit.options import Options, SmileOptions, Wish
from edit.reasons import Reason
from face.analysis import FaceAnalysis
from face.expression import LEAST_RESTING
from face.mouth_look import INPUT_SIZE, cut_mouth, look_at_mouth, mouth_matrix, to_input
from face.types import Face
from mouth_mask import plan_mouths
from photo.types import Pixels
from tests.conftest import FindFaces, LoadPhoto
from tests.support.faces import make_face

SKIN = np.array((205, 160, 138), np.float32)


def test_the_mouth_stands_upright_in_what_is_cut_out_whatever_the_size() -> None:
    landmarks = make_face().landmarks
    corners = landmarks.lips[[0, 10], :2]
    matrix = mouth_matrix(landmarks, INPUT_SIZE)
    right, left = corners @ matrix[:, :2].T + matrix[:, 2]
    assert left[0] > right[0]
    assert abs(left[1] - right[1]) < 1.5
    assert (right + left)[0] / 2 == pytest.approx(INPUT_SIZE[0] / 2, abs=2.0)
    assert mouth_matrix(landmarks, INPUT_SIZE, (3.0, -2.0))[:, 2] - matrix[:, 2] == pytest.approx((3.0, -2.0))


@pytest.mark.parametrize("scale", [0.1, 0.4, 1.0, 2.0])
def test_what_is_cut_out_of_a_slope_of_light_is_that_slope(scale: float) -> None:
    y, x = np.mgrid[:500, :600]
    photo = np.repeat((40 + 0.2 * x + 0.1 * y)[..., None], 3, axis=2).astype(np.uint8)
    middle, size = np.array([300.0, 250.0]), (48, 45)
    turn = np.array([[np.cos(0.3), np.sin(0.3)], [-np.sin(0.3), np.cos(0.3)]]) * scale
    matrix = np.column_stack([turn, np.array(size) / 2 - turn @ middle])
    seen = cut_mouth(photo, matrix, size).astype(np.float64)
    assert seen.shape == (45, 48, 3)
    back = np.linalg.solve(turn, (np.array([[4.0, 5.0], [24.0, 22.0], [44.0, 40.0]]) - matrix[:, 2]).T).T
    for (column, row), (at_x, at_y) in zip(((4, 5), (24, 22), (44, 40)), back, strict=True):
        if 0 <= at_x < 600 and 0 <= at_y < 500:
            assert seen[row, column, 0] == pytest.approx(40 + 0.2 * at_x + 0.1 * at_y, abs=2.5)


def test_the_input_knows_neither_contrast_nor_the_tint_of_the_skin() -> None:
    random = np.random.default_rng(0)
    gray = random.integers(60, 120, (INPUT_SIZE[1], INPUT_SIZE[0], 1)).repeat(3, axis=2).astype(np.uint8)
    same = to_input(gray, np.full(3, 100, np.float32))
    assert same.shape == (3, INPUT_SIZE[1], INPUT_SIZE[0]) and same.dtype == np.float32
    assert np.abs(same[1:]).max() < 0.05
    flat = np.broadcast_to(SKIN.astype(np.uint8), gray.shape).copy()
    assert np.abs(to_input(flat, SKIN)).max() < 0.05
    assert np.abs(to_input(gray, SKIN)[1:]).min() > 0.5


def test_the_chances_add_up_on_any_picture() -> None:
    noise = np.random.default_rng(1).integers(0, 255, (400, 400, 3)).astype(np.uint8)
    look = look_at_mouth(noise, make_face().landmarks, SKIN)
    assert look.resting + look.moved + look.covered == pytest.approx(1.0, abs=1e-6)


# ---- portraits ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cummings.jpg", "womack.jpg", "hatch_gray.jpg"])
def test_unsmiling_mouths_are_at_rest(name: str, real_photo: LoadPhoto, faces_of: FindFaces) -> None:
    photo = real_photo(name)
    (face,) = faces_of(photo)
    assert FaceAnalysis(photo, face).mouth_look.resting > LEAST_RESTING


@pytest.mark.parametrize("name", ["edwards.jpg", "payne.jpg", "takano.jpg"])
def test_laughing_mouths_are_not(name: str, real_photo: LoadPhoto, faces_of: FindFaces) -> None:
    photo = real_photo(name)
    (face,) = faces_of(photo)
    look = FaceAnalysis(photo, face).mouth_look
    assert look.moved > max(look.resting, look.covered)


def put_on_a_mask(photo: Pixels, face: Face, color: tuple[int, int, int]) -> Pixels:
    """The photo with a mask of one colour from the bridge of the nose to the chin, pleated and shaded."""
    points = face.landmarks.points[:, :2]
    jaw = points[[234, 93, 132, 58, 172, 136, 150, 176, 152, 400, 379, 365, 397, 288, 361, 323, 454]]
    outline = np.rint(np.concatenate([jaw, points[[280, 195, 50]]])).astype(np.int32)
    inside = np.zeros(photo.shape[:2], np.float32)
    cv2.fillPoly(inside, [outline], (1.0,))
    alpha = cv2.GaussianBlur(inside, (0, 0), 1.0)[..., None]
    rows = np.arange(photo.shape[0])[:, None, None]
    step = 0.12 * face.landmarks.eye_distance_px
    cloth = np.array(color) * (1 + 0.06 * np.sign(np.sin(rows / step)))
    return np.asarray(np.clip(photo + (cloth - photo) * alpha, 0, 255), np.uint8)


@pytest.mark.parametrize("color", [(150, 195, 225), (35, 35, 38), (228, 232, 234), (150, 40, 60)])
def test_a_mouth_under_a_mask_is_left_unless_that_is_asked_for(
    color: tuple[int, int, int], real_photo: LoadPhoto, faces_of: FindFaces
) -> None:
    photo = real_photo("womack.jpg")
    (face,) = faces_of(photo)
    assert plan_mouths([FaceAnalysis(photo, face)], Options())[0]
    masked = FaceAnalysis(put_on_a_mask(photo, face, color), face)
    assert masked.mouth_look.resting < LEAST_RESTING
    intents, skips = plan_mouths([masked], Options())
    assert not intents
    assert skips[0].cause.reason in {Reason.MOUTH_COVERED, Reason.UNSURE_COVERED, Reason.UNSURE_MOVED}


def test_a_mouth_that_the_network_doubts_smiles_where_it_is_asked_for(
    real_photo: LoadPhoto, faces_of: FindFaces, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = real_photo("womack.jpg")
    (face,) = faces_of(photo)
    monkeypatch.setattr("mouth_mask.LEAST_RESTING", 1.1)
    intents, skips = plan_mouths([FaceAnalysis(photo, face)], Options())
    assert not intents and skips[0].cause.reason in {Reason.UNSURE_COVERED, Reason.UNSURE_MOVED}
    assert plan_mouths([FaceAnalysis(photo, face)], Options(smile=SmileOptions(Wish.ALWAYS)))[0]
