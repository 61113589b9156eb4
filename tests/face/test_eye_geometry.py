from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from face.eye_geometry import (
    LEAST_HEIGHT_RATIO,
    MOST_HEIGHT_RATIO,
    amount_for_height,
    evaluate_lid,
    fit_closed_line,
    landmarks_in_frame,
    plan_lids,
)
from face.types import EYES, EyeFrame, Face, Feature
from photo.types import Box
from tests.conftest import FindFaces, LoadPhoto


@pytest.fixture(scope="module")
def blinking(sample: LoadPhoto, faces_of: FindFaces) -> Face:
    return faces_of(sample("image_3.jpg"))[0]


@given(st.floats(-100, 100), st.floats(-100, 100), st.floats(5, 60), st.floats(5, 60), st.floats(-0.8, 0.8))
def test_frame_and_photo_coordinates_are_inverse(x: float, y: float, wide: float, high: float, angle: float) -> None:
    across = np.array([np.cos(angle), np.sin(angle)], np.float32) * wide
    up = np.array([np.sin(angle), -np.cos(angle)], np.float32) * high
    frame = EyeFrame(np.array([3, 4], np.float32), across, up)
    back = frame.to_photo(*frame.to_frame(np.array(x, np.float32), np.array(y, np.float32)))
    assert np.allclose(back, (x, y), atol=1e-2)


@pytest.mark.parametrize("feature", EYES)
def test_corners_of_an_open_eye_lie_at_minus_one_and_one(
    sample: LoadPhoto, faces_of: FindFaces, feature: Feature
) -> None:
    face = faces_of(sample("image_2.jpg"))[0]
    frame, eye = face.eye_frame(feature), face.eye(feature)
    x, y = landmarks_in_frame(frame, np.stack([eye.outer_corner, eye.inner_corner]))
    assert np.allclose(x, (-1, 1), atol=0.02) and np.allclose(y, 0, atol=0.1)
    _, brow = landmarks_in_frame(frame, eye.brow_lower)
    assert (brow > 0.3).all()


@pytest.mark.parametrize("feature", EYES)
def test_the_line_of_a_shut_eye_ends_below_and_beyond_its_outer_corner(blinking: Face, feature: Feature) -> None:
    frame, eye = blinking.eye_frame(feature), blinking.eye(feature)
    x, y = landmarks_in_frame(frame, np.stack([eye.outer_corner, eye.inner_corner]))
    assert -1.3 < x[0] < -1.02 and 0.9 < x[1] < 1.1
    assert -0.3 < y[0] < -0.05 and 0 <= y[1] < 0.15
    _, brow = landmarks_in_frame(frame, eye.brow_lower)
    assert (brow > 0.3).all()
    ends = evaluate_lid(fit_closed_line(frame, eye), np.array([-1, 1], np.float32))
    assert np.allclose(ends, y, atol=0.05)


def test_grid_puts_subpixels_evenly_around_their_pixel() -> None:
    frame = EyeFrame(np.zeros(2, np.float32), np.array([10, 0], np.float32), np.array([0, -10], np.float32))
    x, y = frame.grid(Box(0, 0, 4, 3))
    fine_x, fine_y = frame.grid(Box(0, 0, 4, 3), 4)
    assert x.shape == (3, 4) and fine_x.shape == (12, 16)
    assert np.allclose(fine_x.reshape(3, 4, 4, 4).mean(axis=(1, 3)), x, atol=1e-6)
    assert np.allclose(fine_y.reshape(3, 4, 4, 4).mean(axis=(1, 3)), y, atol=1e-6)


def test_a_curve_with_ends_runs_level_beyond_them() -> None:
    heights = evaluate_lid((0.4, 0.1, 0.2, -0.2, 0.1), np.array([-3, -1, 0, 1, 3], np.float32))
    assert np.allclose(heights, (-0.2, -0.2, 0.35, 0.1, 0.1))


def test_lids_meet_in_the_corners_and_stay_shut_beyond_them() -> None:
    assert evaluate_lid((0.4, 0.1, 0.2), np.array([-1, 1, -3, 3], np.float32)).tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("feature", EYES)
@given(amount=st.floats(0, 1), smile=st.floats(0, 1))
def test_opened_lids_never_cross(blinking: Face, feature: Feature, amount: float, smile: float) -> None:
    frame = blinking.eye_frame(feature)
    lids = plan_lids(frame, blinking.eye(feature), amount, smile)
    x = np.linspace(-0.97, 0.97, 50, dtype=np.float32)
    assert (evaluate_lid(lids.upper, x) > evaluate_lid(lids.lower, x)).all()
    assert float(evaluate_lid(lids.upper, 0.0)) < lids.brow_height
    assert float(evaluate_lid(lids.lower, 0.0)) <= float(evaluate_lid(lids.closed, 0.0))


def test_more_amount_opens_wider_and_a_smile_narrows(blinking: Face) -> None:
    frame, eye = blinking.eye_frame(Feature.LEFT_EYE), blinking.landmarks.left_eye

    def opening(amount: float, smile: float) -> float:
        lids = plan_lids(frame, eye, amount, smile)
        return float(evaluate_lid(lids.upper, 0.0) - evaluate_lid(lids.lower, 0.0))

    assert opening(0.2, 0) < opening(0.5, 0) < opening(0.9, 0)
    assert opening(0.5, 1) < opening(0.5, 0)


def test_a_far_eye_opens_less(blinking: Face) -> None:
    frame, eye = blinking.eye_frame(Feature.LEFT_EYE), blinking.landmarks.left_eye
    far = replace(frame, x_axis=0.6 * frame.x_axis)
    tops = [float(evaluate_lid(plan_lids(f, eye, 0.5, 0.0).upper, 0.0)) for f in (frame, far)]
    assert tops[1] < 0.9 * tops[0]


def test_amount_for_height_is_the_inverse_of_the_range() -> None:
    assert amount_for_height(LEAST_HEIGHT_RATIO) == 0
    assert amount_for_height(MOST_HEIGHT_RATIO) == pytest.approx(1)


@pytest.mark.parametrize("feature", EYES)
def test_closed_line_runs_between_the_two_rims(blinking: Face, feature: Feature) -> None:
    frame, eye = blinking.eye_frame(feature), blinking.eye(feature)
    line = fit_closed_line(frame, eye)
    x, upper = landmarks_in_frame(frame, eye.upper[2:-2])
    lower = landmarks_in_frame(frame, eye.lower[2:-2])[1]
    assert (evaluate_lid(line, x) < upper + 0.08).all()
    assert (evaluate_lid(line, x) > lower - 0.08).all()
