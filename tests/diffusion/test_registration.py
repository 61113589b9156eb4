"""Laying painted tiles over those that went in; on made-up tiles whose every move is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from diffusion.registration import register
from photo.types import Pixels

SIZE = 256


def make_tile(seed: int = 0) -> Pixels:
    random = np.random.default_rng(seed)
    layers = [
        cv2.resize(random.normal(0, 20, (size, size, 3)), (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)
        for size in (12, 40, 120)
    ]
    return np.asarray(np.clip(125 + sum(layers), 0, 255), np.uint8)


def make_mask() -> Pixels:
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[96:144, 64:192] = 255
    return mask


def paint(tile: Pixels, matrix: list[list[float]], noise: float = 0.0) -> Pixels:
    """What an editor makes of a tile: something else in the mask, all of it moved and tinted."""
    edited = np.where(make_mask()[..., None] > 0, 255 - tile, tile).astype(np.uint8)
    moved = cv2.warpAffine(
        edited, np.array(matrix, np.float32), (SIZE, SIZE), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT
    )
    tinted = moved * np.array([1.05, 0.98, 0.93]) + (5, -3, 4) + np.random.default_rng(9).normal(0, noise, moved.shape)
    return np.asarray(np.clip(tinted, 0, 255), np.uint8)


@pytest.mark.parametrize(
    ("matrix", "noise"),
    [
        ([[1, 0, 0.4], [0, 1, -0.3]], 0),
        ([[1, 0, 3.3], [0, 1, -2.1]], 3),
        ([[1, 0, -14], [0, 1, 9.5]], 3),
        ([[1.02, 0, -2.56], [0, 1.02, -2.56]], 3),
        ([[1.01, -0.009, 2], [0.009, 1.01, -4]], 3),
    ],
)
def test_moves_are_undone_to_a_fraction_of_a_pixel(matrix: list[list[float]], noise: float) -> None:
    tile = make_tile()
    laid = register(tile, paint(tile, matrix, noise), make_mask())
    corners = np.array([[x, y, 1] for x in (64, 192) for y in (96, 144)])
    true = np.linalg.norm(corners @ np.array(matrix).T - corners[:, :2], axis=1).max()
    assert laid.moved_px == pytest.approx(true, abs=0.25)
    assert laid.residual_px < 0.2 and laid.likeness > 0.9
    # Where it can be compared: away from the rim, which came from outside the tile, and the mask.
    inner = np.zeros((SIZE, SIZE), bool)
    inner[24:-24, 24:-24] = True
    inner[80:160, 48:208] = False
    straight = paint(tile, [[1, 0, 0], [0, 1, 0]])
    unmended = np.abs(paint(tile, matrix).astype(int) - straight)[inner].mean()
    assert np.abs(laid.pixels.astype(int) - straight)[inner].mean() < max(0.5 * unmended, 2.2 + noise)


def test_a_tint_alone_moves_nothing() -> None:
    tile = make_tile()
    tinted = paint(tile, [[1, 0, 0], [0, 1, 0]], noise=2)
    laid = register(tile, tinted, make_mask())
    assert laid.pixels is tinted and laid.moved_px == 0 and laid.residual_px < 0.2


def test_what_is_the_same_around_the_mask_stays_to_the_byte() -> None:
    tile = make_tile()
    edited = np.where(make_mask()[..., None] > 0, 255 - tile, tile).astype(np.uint8)
    laid = register(tile, edited, make_mask())
    assert laid.pixels is edited and (laid.likeness, laid.moved_px, laid.residual_px) == (1, 0, 0)


def test_what_cannot_be_compared_is_not_moved() -> None:
    flat = np.full((SIZE, SIZE, 3), 120, np.uint8)
    everywhere = np.full((SIZE, SIZE), 255, np.uint8)
    tile = make_tile()
    for before, after, mask in (
        (flat, np.full_like(flat, 129), make_mask()),
        (tile, np.asarray(255 - tile, np.uint8), everywhere),
    ):
        laid = register(before, after, mask)
        assert laid.pixels is after and laid.likeness == 1 and laid.residual_px == 0


def test_another_picture_is_not_taken_for_a_moved_one() -> None:
    other = make_tile(1)
    laid = register(make_tile(), other, make_mask())
    assert laid.likeness < 0.5 and laid.pixels is other


def test_what_is_bent_is_still_off_and_says_how_far() -> None:
    tile = make_tile()
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    bent = np.asarray(cv2.remap(tile, x, y + 2.5 * np.sin(x / 25), cv2.INTER_LINEAR), np.uint8)
    assert register(tile, bent, make_mask()).residual_px > 0.5


def test_a_mask_at_the_rim_of_the_tile_leaves_enough_to_compare() -> None:
    tile = make_tile()
    for box in ((slice(0, 250), slice(0, 256)), (slice(0, 60), slice(0, 256)), (slice(0, 256), slice(200, 256))):
        mask = np.zeros((SIZE, SIZE), np.uint8)
        mask[box] = 255
        laid = register(tile, np.asarray(np.minimum(tile, 240) + np.uint8(9), np.uint8), mask)
        assert laid.residual_px < 0.3 and laid.likeness > 0.9
