from __future__ import annotations

import numpy as np

from eye_shape import EyeFrame
from nose_edge import visible_alpha
from photo_types import Box

BOX = Box(0, 0, 90, 60)


def frame_of(foreshortening: float) -> EyeFrame:
    return EyeFrame(
        np.array([40, 35], np.float32), np.array([25 * foreshortening, 0], np.float32), np.array([0, -25], np.float32)
    )


def visible_beside_a_nose(foreshortening: float, contrast: float, edge_column: int = 53) -> np.ndarray:
    source = np.full((BOX.height, BOX.width), 90, np.float32)
    source[:, edge_column:] += contrast
    frame = frame_of(foreshortening)
    return visible_alpha(source, frame, BOX, *frame.grid(BOX))


def test_what_lies_behind_the_nose_is_hidden() -> None:
    visible = visible_beside_a_nose(foreshortening=0.6, contrast=60)
    assert visible[20:45, :49].min() == 1
    assert visible[20:45, 57:].max() == 0


def test_an_eye_seen_straight_on_is_never_cut() -> None:
    assert visible_beside_a_nose(foreshortening=1.0, contrast=60).min() == 1


def test_without_a_clear_edge_nothing_is_cut() -> None:
    assert visible_beside_a_nose(foreshortening=0.6, contrast=2).min() == 1
