from __future__ import annotations

import numpy as np

from face.eye_geometry import Lids
from face.occlusion import find_hair_strand, find_rim_height, visible_alpha
from face.types import EyeFrame
from photo.types import Box, FloatArray

BOX = Box(0, 0, 90, 60)


def frame_of(foreshortening: float) -> EyeFrame:
    return EyeFrame(
        np.array([40, 35], np.float32), np.array([25 * foreshortening, 0], np.float32), np.array([0, -25], np.float32)
    )


def visible_beside_a_nose(foreshortening: float, contrast: float, edge_column: int = 53) -> FloatArray:
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


LIDS = Lids(
    np.array([-0.08, 0, 0], np.float32), np.array([0.45, 0, 0], np.float32), np.array([-0.2, 0, 0], np.float32), 1.3
)


def still_height_under(rim_row: int | None) -> FloatArray | None:
    """A lid 60 × 90 pixels large with the dark rim of glasses three pixels high across it."""
    source = np.full((BOX.height, BOX.width), 150, np.float32)
    if rim_row is not None:
        source[rim_row : rim_row + 3] = 40
    frame = frame_of(1.0)
    return find_rim_height(source, frame, BOX, LIDS, frame.grid(BOX)[0])


def test_nothing_moves_above_a_rim_of_glasses() -> None:
    rim_row = 15
    still = still_height_under(rim_row)
    assert still is not None
    lower_edge = (35 - (rim_row + 3)) / 25
    assert (np.abs(still - lower_edge) < 0.2).all()


def test_a_bare_lid_is_free_to_move() -> None:
    assert still_height_under(None) is None


def strand_over(hair: bool) -> FloatArray | None:
    """Bright skin with a dark lash line, and where `hair` is, a dark line three pixels wide straight down the eye."""
    source = np.full((BOX.height, BOX.width), 150, np.float32)
    source[35:38, 15:65] = 50
    if hair:
        source[:, 30:33] = 60
    frame = frame_of(1.0)
    return find_hair_strand(source, frame, BOX, LIDS, *frame.grid(BOX))


def test_a_strand_of_hair_across_the_eye_is_found_where_it_is() -> None:
    strand = strand_over(hair=True)
    assert strand is not None
    assert strand[16:48, 31].min() > 0.9
    assert strand[16:48, 40:].max() == 0 and strand[16:48, :22].max() == 0


def test_lashes_alone_are_no_strand_of_hair() -> None:
    assert strand_over(hair=False) is None
