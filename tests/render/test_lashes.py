"""Where the closed eye's lashes hung, bare skin is left, of the skin's own colour."""

from __future__ import annotations

import numpy as np
import pytest

from face.appearance import FaceAppearance, Tone
from face.eye_geometry import CLOSED_LINE, OPEN_LOWER, OPEN_UPPER, EyeView, Lids, evaluate_lid
from face.types import EyeFrame
from photo.measure import LUMA
from photo.types import Box, FloatArray
from render.lashes import Lashes, measure_lashes, remove_lower_lashes

UNIT_PX = 40.0
SKIN = np.array([200, 150, 120], np.float32)
CLOSED, UPPER, LOWER = (np.array(curve, np.float32) for curve in (CLOSED_LINE, OPEN_UPPER, OPEN_LOWER))
LIDS = Lids(CLOSED, UPPER, LOWER, brow_height=1.3)
LOOK = FaceAppearance(
    0.5, np.zeros((8, 8, 3), np.float32), SKIN, 0.4, 200.0, np.zeros(3, np.float32), Tone(0.0, np.eye(3)), 0.35
)


@pytest.fixture(scope="module")
def view() -> EyeView:
    """The surroundings of a right eye, as large as a portrait has them."""
    across, up = np.array([UNIT_PX, 0], np.float32), np.array([0, -UNIT_PX], np.float32)
    frame = EyeFrame(np.array([80, 60], np.float32), across, up)
    box = Box(0, 0, 160, 120)
    return EyeView(box, frame, *frame.grid(box))


def draw_lashes(view: EyeView, reach: float) -> FloatArray:
    """Skin with a dark clump of lashes `reach` units below the closed line."""
    offset = view.y - evaluate_lid(CLOSED, view.x)
    lashes = (offset < 0.02) & (offset > -reach) & (np.abs(view.x) < 0.8)
    return np.where(lashes[..., None], 0.3 * SKIN, SKIN).astype(np.float32)


@pytest.mark.parametrize("reach", [0.15, 0.4])
def test_lashes_are_measured(view: EyeView, reach: float) -> None:
    picture = draw_lashes(view, reach)
    found = measure_lashes(picture, picture @ LUMA, view, LIDS)
    assert found.darkness == pytest.approx(0.7, abs=0.1)
    assert found.reach == pytest.approx(reach, abs=0.1)
    np.testing.assert_allclose(found.color, 0.3 * SKIN, atol=5)


@pytest.mark.parametrize("reach", [0.15, 0.4])
def test_no_ghost_of_hanging_lashes_stays(view: EyeView, reach: float) -> None:
    picture = draw_lashes(view, reach)
    wiped = remove_lower_lashes(picture, view, LIDS, Lashes(0.7, reach, 0.3 * SKIN), SKIN, LOOK)
    offset = view.y - evaluate_lid(CLOSED, view.x)
    under = (offset < -0.1) & (np.abs(view.x) < 0.7) & (offset > -reach)
    np.testing.assert_allclose(wiped[under], np.broadcast_to(SKIN, wiped[under].shape), atol=12)
    above = offset > 0.12
    np.testing.assert_allclose(wiped[above], picture[above], atol=0.5)
