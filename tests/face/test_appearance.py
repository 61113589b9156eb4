from __future__ import annotations

import cv2
import numpy as np
import pytest

from edit.options import EyeOptions, Options, Wish
from edit.reasons import Reason
from eyes_mask import plan_eyes
from face.analysis import FaceAnalysis
from face.appearance import looks_of_stone, measure_appearance, measure_eye_skin, measure_haze, measure_tone
from face.types import Feature
from mouth_mask import plan_mouths
from photo.measure import LUMA, luma, measure_blur
from photo.types import FloatArray, Pixels
from tests.conftest import FindFaces, LoadPhoto
from tests.support.photos import portraits


@pytest.mark.parametrize("sigma", [0.8, 1.5, 3.0])
def test_blur_of_a_known_edge_is_found(sigma: float) -> None:
    edge = np.zeros((80, 80), np.float32)
    edge[:, 40:] = 200
    measured = measure_blur(np.asarray(cv2.GaussianBlur(edge, (0, 0), sigma), np.float32))
    assert measured == pytest.approx(sigma, rel=0.35)


def test_a_blurred_photo_measures_softer_and_a_noisy_one_grainier(sample: LoadPhoto, faces_of: FindFaces) -> None:
    pixels = sample("image_2.jpg")
    face = faces_of(pixels)[0]
    plain = measure_appearance(pixels, face)
    soft = measure_appearance(np.asarray(cv2.GaussianBlur(pixels, (0, 0), 3), np.uint8), face)
    noise = np.random.default_rng(0).normal(0, 15, pixels.shape)
    noisy = measure_appearance(np.clip(pixels + noise, 0, 255).astype(np.uint8), face)
    assert soft.blur_sigma_px > 1.5 * plain.blur_sigma_px
    assert noisy.grain.std() > 2 * plain.grain.std()
    assert abs(float(plain.grain.mean())) < 1


def test_skin_is_skin_coloured_and_brows_are_darker(sample: LoadPhoto, faces_of: FindFaces) -> None:
    pixels = sample("image_3.jpg")
    appearance = measure_appearance(pixels, faces_of(pixels)[0])
    assert appearance.skin[0] > appearance.skin[1] > appearance.skin[2] > 40
    assert appearance.brow_ratio < 1
    assert appearance.highlight > appearance.skin @ LUMA


def test_a_shaded_eye_has_darker_skin_of_the_same_hue(sample: LoadPhoto, faces_of: FindFaces) -> None:
    pixels = sample("image_3.jpg")
    face = faces_of(pixels)[0]
    skin = measure_appearance(pixels, face).skin
    shaded = pixels.copy()
    eye = face.landmarks.left_eye
    x, y = eye.center.astype(int)
    shaded[y - 40 : y + 60, x - 40 : x + 40] //= 2
    lit, dark = (measure_eye_skin(picture, face, Feature.LEFT_EYE, skin) for picture in (pixels, shaded))
    assert dark @ LUMA < 0.7 * (lit @ LUMA)
    assert np.allclose(dark / (dark @ LUMA), lit / (lit @ LUMA), atol=0.02)


def test_grain_tiles_to_any_size(sample: LoadPhoto, faces_of: FindFaces) -> None:
    pixels = sample("image_3.jpg")
    appearance = measure_appearance(pixels, faces_of(pixels)[0])
    assert appearance.tile_grain(200, 3).shape == (200, 3, 3)
    height = appearance.grain.shape[0]
    assert np.array_equal(appearance.tile_grain(2 * height, 1)[height:], appearance.tile_grain(height, 1)[::-1])


def test_luma_of_gray_is_the_gray() -> None:
    assert np.allclose(luma(np.full((2, 2, 3), 77, np.uint8)), 77)


def test_a_veil_is_seen_where_nothing_is_dark() -> None:
    skin = np.array([124, 110, 116], np.float32)
    haze = measure_haze(np.array([82, 94, 117], np.float32), skin)
    assert haze[2] > haze[1] > haze[0] > 50
    assert (haze < skin).all()
    assert not measure_haze(np.array([35, 28, 30], np.float32), skin).any()


def test_a_toned_photo_tells_its_tone_and_a_colour_photo_has_none(sample: LoadPhoto, faces_of: FindFaces) -> None:
    pixels = sample("image_2.jpg")
    face = faces_of(pixels)[0]
    blue = np.array([60, 90, 160], np.float32)
    assert measure_tone(pixels, face).weight == 0
    assert np.array_equal(measure_tone(pixels, face).apply(blue), blue)
    sepia = luma(pixels)[..., None] * np.array([1.15, 0.97, 0.75], np.float32)
    tone = measure_tone(np.clip(sepia, 0, 255).astype(np.uint8), face)
    assert tone.weight == 1
    np.testing.assert_allclose(tone.apply(blue) / float(blue @ LUMA), [1.15, 0.97, 0.75], atol=0.05)


COLORFUL = np.tile(np.array([[[30, 120, 40], [128, 128, 128]]], np.uint8), (40, 20, 1))
GRAY = np.full((40, 40, 3), 128, np.uint8)
STONE, SKIN, DARK = (np.array(color, np.float32) for color in ((188, 171, 163), (205, 160, 138), (66, 60, 58)))
DARK_GRAY = np.array((66, 66, 65), np.float32)


@pytest.mark.parametrize(
    ("photo", "skin", "lip_chroma", "is_stone"),
    [
        (COLORFUL, STONE, 1.0, True),
        (COLORFUL, STONE, 3.5, False),
        (COLORFUL, SKIN, 1.0, False),
        (COLORFUL, DARK, 1.0, False),
        (COLORFUL, DARK_GRAY, 1.0, True),
        (COLORFUL, DARK_GRAY, 3.5, False),
        (GRAY, DARK_GRAY, 1.0, False),
        (GRAY, STONE, 1.0, False),
    ],
)
def test_a_face_without_colour_among_colours_is_stone(
    photo: Pixels, skin: FloatArray, lip_chroma: float, is_stone: bool
) -> None:
    assert looks_of_stone(photo, skin, lip_chroma) is is_stone


def test_nobody_of_the_portraits_looks_of_stone(real_photo: LoadPhoto, faces_of: FindFaces) -> None:
    for name in portraits():
        photo = real_photo(name)
        assert not any(FaceAnalysis(photo, face).looks_of_stone for face in faces_of(photo)), name


@pytest.mark.photos
def test_a_statue_is_left_unless_that_is_asked_for(shared_photo: LoadPhoto, faces_of: FindFaces) -> None:
    photo = shared_photo("field/f02_budha.jpg")
    analyses = [FaceAnalysis(photo, face) for face in faces_of(photo)]
    for plan in (plan_eyes, plan_mouths):
        intents, skips = plan(analyses, Options())
        assert not intents and {skip.cause.reason for skip in skips} == {Reason.UNSURE_STONE}
    assert plan_eyes(analyses, Options(eyes=EyeOptions(wish=Wish.ALWAYS)))[0]
