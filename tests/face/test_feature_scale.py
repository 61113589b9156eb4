"""Whatever the size of a face, its eyes are looked at with the same few pixels, and its own detail stays."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from cv2.typing import MatLike

from benchmark.face_scale import make_close_up
from edit.options import Options
from face.appearance import FaceAppearance, Tone
from face.eye_geometry import CLOSED_LINE, OPEN_LOWER, OPEN_UPPER, EyeView, Lids, evaluate_lid
from face.feature_scale import MOST_HALF_WIDTH_PX, fit_to, shrink_view
from face.types import EyeFrame
from photo.types import Box, FloatArray, Photo
from render.lashes import Lashes, remove_lash_tail, remove_lower_lashes
from retouch.engines import DraftEngine
from retouch.pipeline import fix_photo

SKIN = np.array([200, 150, 120], np.float32)
CLOSED, UPPER, LOWER = (np.array(curve, np.float32) for curve in (CLOSED_LINE, OPEN_UPPER, OPEN_LOWER))
LIDS = Lids(CLOSED, UPPER, LOWER, brow_height=1.3)
GRAIN = np.random.default_rng(3).normal(0, 3, (32, 32, 3)).astype(np.float32)


def look(grain: FloatArray) -> FaceAppearance:
    return FaceAppearance(0.5, grain, SKIN, 0.4, 200.0, np.zeros(3, np.float32), Tone(0.0, np.eye(3)), 0.35)


def make_view(half_width_px: float) -> EyeView:
    across, up = np.array([half_width_px, 0], np.float32), np.array([0, -half_width_px], np.float32)
    # The origin is a place in the picture, whatever its pixels; these are counted from their centres.
    frame = EyeFrame(np.array([2 * half_width_px - 0.5, 1.5 * half_width_px - 0.5], np.float32), across, up)
    box = Box(0, 0, round(4 * half_width_px), round(3 * half_width_px))
    return EyeView(box, frame, *frame.grid(box))


def draw_lashes(view: EyeView) -> FloatArray:
    """Skin with a dark fringe of lashes below the closed line, and a tail beyond the outer corner."""
    offset = view.y - evaluate_lid(CLOSED, view.x)
    fringe = (offset < 0.02) & (offset > -0.3) & (np.abs(view.x) < 0.8)
    tail = (np.abs(view.y + 0.1) < 0.05) & (view.x < -0.8) & (view.x > -1.35)
    return np.where((fringe | tail)[..., None], 0.3 * SKIN, SKIN).astype(np.float32)


def wipe(view: EyeView, picture: FloatArray, grain: FloatArray) -> FloatArray:
    clean = remove_lash_tail(picture, view, LIDS, look(grain))
    return remove_lower_lashes(clean, view, LIDS, Lashes(0.7, 0.3, 0.3 * SKIN), SKIN, look(grain))


def count_taps(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many places along one side each blur and each structuring element reaches from now on."""
    taps: list[int] = []
    blur, element = cv2.GaussianBlur, cv2.getStructuringElement

    def watched_blur(picture: MatLike, size: Any, sigma: float, *rest: Any, **named: Any) -> MatLike:
        taps.append(max(*size, round(6 * max(sigma, named.get("sigmaY", 0))) | 1))
        return blur(picture, size, sigma, *rest, **named)

    def watched_element(shape: int, size: Any, *rest: Any) -> MatLike:
        taps.append(max(size))
        return element(shape, size, *rest)

    monkeypatch.setattr(cv2, "GaussianBlur", watched_blur)
    monkeypatch.setattr(cv2, "getStructuringElement", watched_element)
    return taps


def test_a_small_eye_is_seen_as_it_stands() -> None:
    view = make_view(MOST_HALF_WIDTH_PX)
    picture = draw_lashes(view)
    assert shrink_view(view) is view and fit_to(view, picture) is picture


@pytest.mark.parametrize("half_width_px", [97.0, 150.0, 333.0])
def test_a_shrunk_view_shows_the_same_places(half_width_px: float) -> None:
    view = make_view(half_width_px)
    small = shrink_view(view)
    assert small.frame.half_width_px == pytest.approx(MOST_HALF_WIDTH_PX, rel=0.01)
    for large, shrunk in ((view.x, small.x), (view.y, small.y)):
        np.testing.assert_allclose(fit_to(small, large), shrunk, atol=0.01)


@pytest.mark.parametrize("half_width_px", [200.0, 512.0])
def test_a_large_eye_is_wiped_like_a_small_one(half_width_px: float) -> None:
    small, large = make_view(MOST_HALF_WIDTH_PX), make_view(half_width_px)
    none = np.zeros((8, 8, 3), np.float32)
    expected, picture = wipe(small, draw_lashes(small), none), draw_lashes(large)
    assert float(np.abs(expected - draw_lashes(small)).max()) > 100
    difference = np.abs(fit_to(small, wipe(large, picture, none)) - expected).max(axis=2)
    # What is left between wiped and not is steep; there half a pixel is a lot.
    assert float(np.quantile(difference, 0.98)) < 3 and float(difference.mean()) < 0.5
    above = large.y - evaluate_lid(CLOSED, large.x) > 0.15
    away = above & (large.x > -0.9)
    np.testing.assert_allclose(wipe(large, picture, none)[away], picture[away], atol=0.1)


def test_what_is_wiped_has_the_grain_of_the_photo() -> None:
    view = make_view(256.0)
    wiped = wipe(view, draw_lashes(view), GRAIN)
    offset = view.y - evaluate_lid(CLOSED, view.x)
    inside = (offset < -0.1) & (offset > -0.25) & (np.abs(view.x) < 0.6)
    fine = wiped - cv2.GaussianBlur(wiped, (0, 0), 3.0)
    assert float(fine[inside].std()) == pytest.approx(float(GRAIN.std()), rel=0.1)


def test_no_filter_grows_with_the_eye(monkeypatch: pytest.MonkeyPatch) -> None:
    taps = count_taps(monkeypatch)
    reach = []
    for half_width_px in (MOST_HALF_WIDTH_PX, 256.0, 1024.0):
        view = make_view(half_width_px)
        taps.clear()
        wipe(view, np.broadcast_to(SKIN, (*view.x.shape, 3)).astype(np.float32), GRAIN)
        reach.append(max(taps))
    assert reach[0] > 50 and max(reach) <= reach[0] + 4


def test_no_filter_grows_with_the_face(monkeypatch: pytest.MonkeyPatch) -> None:
    photos = [Photo(make_close_up(width_px)) for width_px in (1200, 2200)]
    taps = count_taps(monkeypatch)
    reach = []
    for photo in photos:
        taps.clear()
        result = fix_photo(photo, Options(), DraftEngine())
        assert len(result.plan.edits) == 3
        reach.append(max(taps))
    assert reach[1] <= reach[0] + 4
