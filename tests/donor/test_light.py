"""A donated part gets light, blacks, whites, colours and grain of the photo it goes into."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from donor.light import (
    calm_color,
    calm_dark,
    calm_grain,
    clear_haze,
    crispen,
    match_grain,
    match_light,
    match_saturation,
    match_sharpness,
    measure_darkness,
    measure_saturation,
    skin_alike,
    soften_highlights,
)
from face.appearance import FaceAppearance, Tone
from photo.measure import LUMA

SHAPE = (40, 40, 3)


def make_look(
    skin: float = 150.0, black: float = 10.0, grain: float = 0.0, blur_sigma_px: float = 0.5
) -> FaceAppearance:
    noise = np.random.default_rng(1).normal(0, 1, (9, 9, 1)).astype(np.float32).repeat(3, axis=2)
    gray, in_color = np.ones(3, np.float32), Tone(0.0, np.zeros((3, 3)))
    return FaceAppearance(blur_sigma_px, noise * grain, gray * skin, 0.5, 200.0, gray * black, in_color, 0.35)


def test_the_light_is_that_of_the_skin_both_show() -> None:
    target, donated = np.full(SHAPE, 160, np.float32), np.full(SHAPE, 80, np.float32)
    weight = np.ones(SHAPE[:2], np.float32)
    # An eye in the middle, which only one of the two shows, says nothing about the light.
    weight[15:25, 15:25] = 0
    donated[15:25, 15:25] = 20
    gain = match_light(target, donated, weight, half_width_px=10.0)
    assert gain.shape == SHAPE
    assert np.allclose(gain[2:8], 164 / 84, rtol=0.02)
    assert gain[20, 20, 0] == pytest.approx(164 / 84, rel=0.05)


def test_light_that_falls_from_one_side_is_followed() -> None:
    target = np.full(SHAPE, 100, np.float32) + 2 * np.arange(40, dtype=np.float32)[None, :, None]
    gain = match_light(target, np.full(SHAPE, 100, np.float32), np.ones(SHAPE[:2], np.float32), half_width_px=8.0)
    assert gain[20, 36, 0] > gain[20, 20, 0] > gain[20, 4, 0]


def test_without_common_skin_the_light_stays_as_it_is() -> None:
    nothing = np.zeros(SHAPE[:2], np.float32)
    assert np.array_equal(
        match_light(np.full(SHAPE, 200, np.float32), np.full(SHAPE, 50, np.float32), nothing, 10.0), np.ones(SHAPE)
    )


def test_whites_do_not_grow_with_the_gain() -> None:
    donated = np.array([[[75, 75, 75], [115, 115, 115]]], np.float32)
    gain = np.full(donated.shape, 2, np.float32)
    softened = soften_highlights(donated * gain, gain, make_look(skin=150))
    assert np.allclose(softened[0, 0], 150, atol=0.1)
    assert np.allclose(softened[0, 1], 150 + (230 - 150) / 2, atol=0.1)


def test_brightened_blacks_become_black_again_and_skin_stays() -> None:
    donated = np.array([[[80, 80, 80], [150, 150, 150]]], np.float32)
    gain = np.full(donated.shape, 2, np.float32)
    cleared = clear_haze(donated, gain, make_look(skin=150, black=10), make_look(black=40))
    assert cleared[0, 0, 0] < 60
    assert np.allclose(cleared[0, 1], 150, atol=0.1)
    assert clear_haze(donated, gain, make_look(black=90), make_look(black=40)) is donated


def test_colour_noise_is_calmed_only_where_the_target_has_less() -> None:
    noise = np.random.default_rng(2).normal(0, 12, SHAPE).astype(np.float32)
    noisy, calm = 120 + noise, np.full(SHAPE, 120, np.float32)
    weight = np.ones(SHAPE[:2], np.float32)

    def hue_noise(picture: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> float:
        return float((picture[..., 0] - picture[..., 1]).std())

    assert hue_noise(calm_color(noisy, calm, weight, 20.0)) < 0.4 * hue_noise(noisy)
    assert np.array_equal(calm_color(noisy, noisy, weight, 20.0), noisy)


def test_specks_are_taken_out_only_where_the_target_has_none() -> None:
    specked = np.full(SHAPE, 100, np.float32)
    specked[::4, ::4] = 160
    calm = np.full(SHAPE, 100, np.float32)
    weight = np.ones(SHAPE[:2], np.float32)
    assert np.allclose(calm_grain(specked, calm, weight)[2:-2, 2:-2], 100)
    assert np.array_equal(calm_grain(specked, specked, weight), specked)


def test_a_dark_donor_loses_its_noise_and_keeps_its_edges() -> None:
    clean = np.full((60, 80, 3), 60, np.float32)
    clean[20:40, 30:50] = 20
    noisy = clean + np.random.default_rng(0).normal(0, 3, clean.shape).astype(np.float32)
    share = measure_darkness(np.full_like(clean, 2.0))
    calm = calm_dark(noisy, share)
    assert np.abs(calm - clean).mean() < 0.4 * np.abs(noisy - clean).mean()
    assert calm[30, 45].mean() < 28 and calm[30, 55].mean() > 52
    assert measure_darkness(np.ones_like(clean)) == 0
    assert calm_dark(noisy, 0.0) is noisy


def test_a_calmed_edge_gets_crisp_without_a_halo() -> None:
    steep = np.full((40, 60, 3), 30, np.float32)
    steep[:, 30:] = 70
    soft = np.asarray(cv2.GaussianBlur(steep, (0, 0), 2), np.float32)
    crisp = crispen(soft, 0.85, 16.0)
    assert np.abs(crisp - steep).mean() < 0.8 * np.abs(soft - steep).mean()
    assert crisp.min() >= 30 - 1e-3 and crisp.max() <= 70 + 1e-3
    assert crispen(soft, 0.0, 16.0) is soft


def test_a_grey_photo_gets_a_grey_eye_and_a_coloured_one_keeps_its_own() -> None:
    grey = make_look()
    colored = replace(grey, skin=np.array([180, 140, 110], np.float32))
    blue = np.full(SHAPE, 80, np.float32)
    blue[..., 2] = 160
    paled = match_saturation(blue, grey, colored)
    assert np.ptp(paled, axis=2).max() < 1 and paled.mean() == pytest.approx(float(blue[0, 0] @ LUMA), abs=1)
    assert match_saturation(blue, colored, colored) is blue
    assert measure_saturation(grey) == pytest.approx(0, abs=1e-3) and measure_saturation(colored) > 0.1


def test_a_sharper_donor_is_blurred_and_a_softer_one_left() -> None:
    step = np.zeros(SHAPE, np.float32)
    step[:, 20:] = 200
    blurred = match_sharpness(step, 1.0, make_look(blur_sigma_px=2.0), make_look(blur_sigma_px=0.5))
    assert 20 < blurred[20, 18, 0] < 80
    assert match_sharpness(step, 1.0, make_look(blur_sigma_px=0.5), make_look(blur_sigma_px=2.0)) is step


def test_missing_grain_is_added() -> None:
    plain = np.full(SHAPE, 100, np.float32)
    grained = match_grain(plain, 1.0, make_look(grain=4.0), make_look(grain=0.0))
    assert grained.std() == pytest.approx(4.0, rel=0.3)
    assert match_grain(plain, 1.0, make_look(grain=4.0), make_look(grain=4.0)) is plain


def test_alike_is_the_skin_beside_the_lids_and_below_the_brow() -> None:
    # The middle of the eye, the lid, beside the corner, below the eye, on the brow, and too far aside.
    x = np.array([0.0, 0.0, 1.45, 0.0, 0.0, 2.0], np.float32)
    y = np.array([0.0, 0.6, 0.0, -1.0, 1.2, 0.0], np.float32)
    brow = np.full(6, 1.1, np.float32)
    np.testing.assert_allclose(skin_alike(x, y, brow), [0, 0, 1, 1, 0, 0], atol=1e-6)
