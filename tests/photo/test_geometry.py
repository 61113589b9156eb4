"""Sizes, transforms and paths."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from photo.geometry import fit_similarity, monotone_path, scale_down, scale_size
from photo.types import Matrix


@pytest.mark.parametrize(
    ("scale", "least", "size"), [(1.0, 1, (40, 3)), (0.5, 1, (20, 2)), (0.1, 1, (4, 1)), (0.01, 3, (3, 3))]
)
def test_a_size_has_whole_pixels_and_never_none(scale: float, least: int, size: tuple[int, int]) -> None:
    assert scale_size(40, 3, scale, least) == size


def test_a_picture_is_averaged_down_in_its_own_type() -> None:
    halves = np.array([[0, 100, 10, 30], [0, 100, 10, 30]], np.float32)
    np.testing.assert_array_equal(scale_down(halves, 0.5), np.array([[50, 20]], np.float32))
    colored = np.repeat(halves[..., None], 3, axis=2).astype(np.uint8)
    assert scale_down(colored, 0.5).dtype == np.uint8
    assert scale_down(colored, 0.5).shape == (1, 2, 3)


@pytest.mark.parametrize("scale", [1.0, 3.0, 0.999])
def test_a_picture_that_keeps_its_size_is_not_touched(scale: float) -> None:
    picture = np.arange(24, dtype=np.uint8).reshape(4, 6)
    assert scale_down(picture, scale) is picture


@pytest.mark.parametrize("width", [96, 97])
def test_a_much_larger_picture_keeps_its_means(width: int) -> None:
    picture = np.random.default_rng(0).uniform(0, 255, (64, width)).astype(np.float32)
    small = scale_down(picture, 1 / 8)
    assert small.shape == (8, 12)
    if width == 96:
        np.testing.assert_allclose(small, picture.reshape(8, 8, 12, 8).mean(axis=(1, 3)), rtol=1e-5)
    assert small.mean() == pytest.approx(picture.mean(), rel=0.01)


def test_the_least_size_holds_for_slivers() -> None:
    assert scale_down(np.zeros((1, 9, 3), np.uint8), 1.0, least_px=2).shape == (2, 9, 3)


# ---- similarity ------------------------------------------------------------------------------------------


def _apply(matrix: Matrix, points: Matrix) -> Matrix:
    return points @ matrix[:, :2].T + matrix[:, 2]


@pytest.mark.parametrize("weights", [None, np.array([1.0, 0.2, 3.0, 0.5])])
def test_a_similarity_is_found_again(weights: Matrix | None) -> None:
    points = np.array([[0, 0], [10, 1], [3, 8], [-4, 6]], np.float64)
    turn = 1.3 * np.array([[np.cos(0.4), -np.sin(0.4)], [np.sin(0.4), np.cos(0.4)]])
    matrix = np.column_stack([turn, [5.0, -7.0]])
    np.testing.assert_allclose(fit_similarity(points, _apply(matrix, points), weights), matrix, atol=1e-12)


def test_a_point_without_weight_has_no_say() -> None:
    points = np.array([[0, 0], [10, 0], [0, 10], [10, 10]], np.float64)
    places = points + 3
    places[3] += (40, -20)
    found = fit_similarity(points, places, np.array([1.0, 1.0, 1.0, 0.0]))
    np.testing.assert_allclose(found, [[1, 0, 3], [0, 1, 3]], atol=1e-12)
    assert np.abs(_apply(fit_similarity(points, places), points) - places)[:3].max() > 1


def test_of_points_that_fit_no_similarity_the_nearest_in_the_squares_is_taken() -> None:
    random = np.random.default_rng(1)
    points, places = random.normal(size=(2, 9, 2)) * 20
    weights = random.uniform(0.1, 2, 9)

    def miss(matrix: Matrix) -> float:
        return float(weights @ ((_apply(matrix, points) - places) ** 2).sum(axis=1))

    found = fit_similarity(points, places, weights)
    for which, by in product(range(4), (-1e-3, 1e-3)):
        a, b, x, y = np.array([found[0, 0], found[1, 0], *found[:, 2]]) + by * (np.arange(4) == which)
        assert miss(np.array([[a, -b, x], [b, a, y]])) > miss(found)


# ---- paths -----------------------------------------------------------------------------------------------


def _best_of_all(gain: Matrix, most_step: int, step_cost: float, start: int | None) -> float:
    """What the best path gathers, from trying every one."""
    best = -np.inf
    rows, columns = gain.shape
    for path in product(range(columns), repeat=rows):
        steps = np.abs(np.diff(path))
        if steps.max(initial=0) > most_step:
            continue
        if start is not None and (path[0] != start or abs(path[-1] - start) > most_step):
            continue
        best = max(best, float(gain[np.arange(rows), path].sum() - step_cost * steps.sum()))
    return best


@pytest.mark.parametrize(("most_step", "step_cost"), [(1, 0.0), (2, 0.0), (2, 0.3), (0, 0.0)])
@pytest.mark.parametrize("start", [None, 0, 2])
@pytest.mark.parametrize("seed", range(4))
def test_no_path_gathers_more(most_step: int, step_cost: float, start: int | None, seed: int) -> None:
    gain = np.random.default_rng(seed).normal(size=(5, 4))
    path = monotone_path(gain, most_step, step_cost, start)
    assert np.abs(np.diff(path)).max() <= most_step
    if start is not None:
        assert path[0] == start
        assert abs(int(path[-1]) - start) <= most_step
    gathered = gain[np.arange(5), path].sum() - step_cost * np.abs(np.diff(path)).sum()
    assert gathered == pytest.approx(_best_of_all(gain, most_step, step_cost, start))


def test_a_path_of_one_row_is_its_best_column() -> None:
    assert monotone_path(np.array([[1.0, 5.0, 2.0]]), 1).tolist() == [1]


def test_the_gain_is_left_as_it_is() -> None:
    gain = np.random.default_rng(0).normal(size=(6, 5)).astype(np.float32)
    before = gain.copy()
    monotone_path(gain, 2)
    np.testing.assert_array_equal(gain, before)
