from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edit.options import EYE_COLORS
from face.eye_geometry import CLOSED_LINE, IRIS_CENTER, OPEN_LOWER, OPEN_UPPER, Lids
from photo.blend import smoothstep
from photo.measure import LUMA
from photo.types import FloatArray
from render.eyeball import (
    IRIS_COLORS,
    EyeShading,
    aperture_alpha,
    cast_shadow,
    choose_catchlight,
    choose_flesh,
    choose_iris,
    choose_sclera,
    guess_iris_ratio,
    render_eyeball,
    tint,
)

SKIN = np.array([180, 130, 110], np.float32)
CLOSED, UPPER, LOWER = (np.array(curve, np.float32) for curve in (CLOSED_LINE, OPEN_UPPER, OPEN_LOWER))
LIDS = Lids(CLOSED, UPPER, LOWER, brow_height=1.3)
LOOK = EyeShading(
    iris=choose_iris("brown", SKIN, 0.5),
    sclera=choose_sclera(SKIN),
    skin=SKIN,
    black=np.full(3, 5, np.float32),
    catchlight=choose_catchlight(SKIN, 200.0),
    gaze=(0.0, 0.0),
    light_x=0.5,
    detail=1.0,
    roundness=1.0,
    seed=3,
)
X, Y = (axis.astype(np.float32) for axis in np.meshgrid(np.linspace(-1.2, 1.2, 240), np.linspace(0.7, -0.5, 120)))


def luma_at(picture: FloatArray, x: float, y: float) -> float:
    row, column = np.unravel_index(np.argmin((X - x) ** 2 + (Y - y) ** 2), X.shape)
    return float(picture[row, column] @ LUMA)


def test_an_eye_is_made_of_pupil_iris_and_sclera_in_order_of_brightness() -> None:
    eye = render_eyeball(X, Y, LIDS, IRIS_CENTER, LOOK)
    pupil = luma_at(eye, IRIS_CENTER[0], IRIS_CENTER[1] - 0.03)
    iris = luma_at(eye, IRIS_CENTER[0], IRIS_CENTER[1] - 0.25)
    sclera = luma_at(eye, -0.62, 0.05)
    assert pupil < 0.6 * iris < iris < 0.8 * sclera
    assert sclera < 1.1 * float(SKIN @ LUMA), "the white of an eye is not white"


def test_a_hazy_photo_has_no_black_pupil() -> None:
    haze = np.array([60, 70, 90], np.float32)
    assert (render_eyeball(X, Y, LIDS, IRIS_CENTER, replace(LOOK, black=haze)) >= haze).all()


def test_under_a_veil_everything_takes_its_hue_and_nothing_is_darker() -> None:
    haze = np.array([60, 70, 90], np.float32)
    clear = render_eyeball(X, Y, LIDS, IRIS_CENTER, LOOK)
    hazy = render_eyeball(X, Y, LIDS, IRIS_CENTER, replace(LOOK, skin=SKIN + haze, haze=haze))
    pupil = np.hypot(X - IRIS_CENTER[0], Y - IRIS_CENTER[1] + 0.03) < 0.05
    assert (hazy[pupil] >= haze).all()
    np.testing.assert_allclose(hazy[pupil].mean(axis=0) - clear[pupil].mean(axis=0), haze, atol=6)


def test_the_catchlight_follows_the_light() -> None:
    right = render_eyeball(X, Y, LIDS, IRIS_CENTER, LOOK) @ LUMA
    left = render_eyeball(X, Y, LIDS, IRIS_CENTER, replace(LOOK, light_x=-0.5)) @ LUMA
    disc = np.hypot(X - IRIS_CENTER[0], Y - IRIS_CENTER[1]) < 0.35
    brightest = [X[disc][np.argmax(picture[disc])] for picture in (left, right)]
    assert brightest[0] < IRIS_CENTER[0] < brightest[1]


def test_the_same_seed_renders_the_same_eye_and_another_one_does_not() -> None:
    first, again, other = (render_eyeball(X, Y, LIDS, IRIS_CENTER, replace(LOOK, seed=seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_eyeball_shows_only_between_the_lids() -> None:
    alpha = aperture_alpha(X, Y, LIDS, 0.03)
    assert alpha[(np.abs(X) < 0.1) & (np.abs(Y - 0.1) < 0.05)].min() == 1
    assert alpha[(Y > 0.5) | (Y < -0.25) | (X <= -1) | (X >= 1.07)].max() == 0


def test_the_inner_corner_is_rounded_and_the_outer_one_fades() -> None:
    alpha = aperture_alpha(X, Y, LIDS, 0.03)
    inner, outer = (np.abs(Y) < 0.01) & (np.abs(X - 0.95) < 0.02), (np.abs(Y) < 0.01) & (np.abs(X + 0.95) < 0.02)
    assert alpha[inner].min() > 0.4
    assert alpha[outer].max() < 0.3


def test_a_face_without_contrast_has_no_bright_reflection() -> None:
    flat = replace(LOOK, black=np.full(3, 90, np.float32), catchlight=np.full(3, 120, np.float32))
    painted = render_eyeball(X, Y, LIDS, IRIS_CENTER, flat) @ LUMA
    disc = np.hypot(X - IRIS_CENTER[0], Y - IRIS_CENTER[1]) < 0.2
    assert painted[disc].max() < 100


@pytest.mark.parametrize("color", [None, "#204060", *IRIS_COLORS])
def test_a_black_and_white_photo_gets_a_gray_eye(color: str | None) -> None:
    gray = np.full(3, 140, np.float32)
    for picked in (choose_iris(color, gray, 0.5), choose_sclera(gray), choose_flesh(gray)):
        assert np.ptp(picked) < 1.0


def test_named_colours_are_those_of_the_command_line_and_look_like_their_names() -> None:
    assert set(IRIS_COLORS) == set(EYE_COLORS)
    blue, brown = (choose_iris(name, SKIN, 0.5) for name in ("blue", "brown"))
    assert blue[2] > blue[0] and brown[0] > 1.3 * brown[2]


def test_an_unknown_iris_is_darker_under_dark_brows_and_in_the_dark() -> None:
    under_dark, under_light = guess_iris_ratio(0.3, 0.1), guess_iris_ratio(0.8, 0.1)
    assert under_dark < under_light < guess_iris_ratio(0.8, 0.4)
    assert choose_iris(None, SKIN, under_dark) @ LUMA < choose_iris(None, SKIN, under_light) @ LUMA
    assert choose_iris(None, SKIN / 6, 0.5) @ LUMA < 0.25 * (choose_iris(None, SKIN, 0.5) @ LUMA)


def test_the_white_of_the_eye_is_less_red_than_the_skin_and_the_reflection_brighter_than_both() -> None:
    eye = render_eyeball(X, Y, LIDS, IRIS_CENTER, LOOK)
    white = eye[(np.abs(X + 0.62) < 0.03) & (np.abs(Y - 0.05) < 0.03)].mean(axis=0)
    assert white[0] / white[2] < 0.9 * SKIN[0] / SKIN[2]
    assert (
        0.8 * (SKIN @ LUMA) < white @ LUMA < (eye @ LUMA)[np.hypot(X - IRIS_CENTER[0], Y - IRIS_CENTER[1]) < 0.3].max()
    )


def test_eyes_in_the_dark_do_not_glow() -> None:
    night = SKIN / 10
    assert choose_sclera(night) @ LUMA < 1.4 * (night @ LUMA)
    assert choose_catchlight(night, 16.0) @ LUMA < 4 * (night @ LUMA)


def test_tint_scales_chroma_and_keeps_luma() -> None:
    assert tint(SKIN, 0.3) @ LUMA == pytest.approx(float(SKIN @ LUMA), rel=1e-5)
    assert np.ptp(tint(SKIN, 0.0)) == 0


def test_smoothstep_is_flat_outside_its_range() -> None:
    assert smoothstep(1, 3, np.array([0, 1, 2, 3, 9], np.float32)).tolist() == [0, 0, 0.5, 1, 1]


def test_shadows_are_as_warm_as_the_skin_and_gray_in_a_gray_photo() -> None:
    white, half = np.full(3, 200, np.float32), np.full((1, 1), 0.5, np.float32)
    warm = cast_shadow(white, half, np.array([200, 120, 80], np.float32))[0, 0]
    assert warm[0] > warm[1] > warm[2]
    gray = cast_shadow(white, half, np.full(3, 130, np.float32))[0, 0]
    np.testing.assert_allclose(gray, 100, rtol=1e-5)


def test_a_pupil_mirrors_the_surroundings_and_is_no_black_hole() -> None:
    pale = replace(LOOK, iris=choose_iris("blue", SKIN, 0.5))
    eye = render_eyeball(X, Y, LIDS, IRIS_CENTER, pale)
    pupil = luma_at(eye, IRIS_CENTER[0], IRIS_CENTER[1] - 0.03)
    assert 0.12 < pupil / float(SKIN @ LUMA) < 0.40, "in photos a pupil has a quarter to a third of the skin's luma"


def test_the_upper_half_of_the_eye_mirrors_a_bright_scene_and_the_lower_does_not() -> None:
    # All of one colour, so that only light and shadow differ.
    plain = replace(LOOK, iris=SKIN, sclera=SKIN, light_x=-1.0, detail=0.0)
    dim = replace(plain, catchlight=plain.black)
    mirrored = (render_eyeball(X, Y, LIDS, IRIS_CENTER, plain) - render_eyeball(X, Y, LIDS, IRIS_CENTER, dim)) @ LUMA
    places = [(IRIS_CENTER[0] + 0.15, IRIS_CENTER[1] + dy) for dy in (0.10, -0.25)]
    above, below = (mirrored[np.unravel_index(np.argmin((X - x) ** 2 + (Y - y) ** 2), X.shape)] for x, y in places)
    assert above > 4 and abs(below) < 0.5
    outside = np.hypot(X - IRIS_CENTER[0], Y - IRIS_CENTER[1]) > 0.5
    np.testing.assert_allclose(mirrored[outside], 0, atol=1e-3)


def test_both_eyes_mirror_the_same_light() -> None:
    # Eye frames are mirrored, and so is the light in them: in the photo it lies on the same side.
    right, left = (render_eyeball(X, Y, LIDS, (0.0, IRIS_CENTER[1]), replace(LOOK, light_x=x, detail=0.0)) @ LUMA
                   for x in (0.6, -0.6))  # fmt: skip
    disc = np.hypot(X, Y - IRIS_CENTER[1]) < 0.35
    column = [int(np.argmax(np.where(disc, eye, 0).max(axis=0))) for eye in (right, left)]
    assert abs((column[0] + column[1]) - (X.shape[1] - 1)) <= 3


def test_whites_of_dark_skin_are_brighter_than_the_skin() -> None:
    dark, pale = (np.array(color, np.float32) for color in ((95, 65, 55), (230, 190, 170)))
    assert choose_sclera(dark) @ LUMA > 1.2 * float(dark @ LUMA)
    assert choose_sclera(pale) @ LUMA < 1.05 * float(pale @ LUMA)
