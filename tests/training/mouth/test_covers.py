"""What is drawn over mouths, and the examples that are made of it."""

from __future__ import annotations

import numpy as np
import pytest

from face.mouth_look import INPUT_SIZE, mouth_matrix
from photo.types import FloatArray, Pixels
from tests.support.faces import make_face
from training.mouth.covers import cover, mirror, unsmile
from training.mouth.crops import COLUMNS, ROWS

SKIN = np.array((205, 160, 138), np.float32)


def make_crop(seed: int = 0) -> tuple[Pixels, FloatArray]:
    """A crop of skin with some grain, and where a face's landmarks lie on it."""
    marks = make_face().landmarks
    matrix = mouth_matrix(marks, (COLUMNS, ROWS))
    points = (marks.points[:, :2] @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
    grain = np.random.default_rng(seed).normal(0, 6, (ROWS, COLUMNS, 1))
    return np.clip(SKIN + grain, 0, 255).astype(np.uint8), points


def test_whatever_is_drawn_covers_the_mouth() -> None:
    crop, points = make_crop()
    other = make_crop(1)[0][::-1]
    random = np.random.default_rng(2)
    changed = []
    for _ in range(60):
        covered = cover(crop, points, SKIN, random, other)
        assert covered.shape == crop.shape and covered.dtype == np.uint8
        assert (covered != crop).any()
        low, high = points[[61, 291]].min(axis=0).astype(int) - 25, points[[61, 291]].max(axis=0).astype(int) + 25
        around = np.abs(covered.astype(int) - crop)[max(low[1], 0) : high[1], max(low[0], 0) : high[0]]
        changed.append(float((around.max(axis=2) > 8).mean()))
    assert sum(share > 0.3 for share in changed) > 10


def test_a_mirror_of_a_mirror_is_the_crop() -> None:
    crop, points = make_crop()
    once, turned = mirror(crop, points)
    assert np.array_equal(once, crop[:, ::-1])
    again, back = mirror(once, turned)
    assert np.array_equal(again, crop)
    assert back[[61, 291, 50, 280]] == pytest.approx(points[[61, 291, 50, 280]], abs=1e-3)


def test_a_laugh_without_its_corners_keeps_what_lies_far_from_the_mouth() -> None:
    crop, points = make_crop()
    moved = unsmile(crop, points, np.random.default_rng(0))
    far = np.abs(np.arange(ROWS) - points[13, 1]) > 55
    assert far.sum() > 3 and np.array_equal(moved[far], crop[far])
    assert not np.array_equal(moved, crop)


def test_examples_are_the_same_for_the_same_seed() -> None:
    pytest.importorskip("torch")
    from training.mouth.train import make_examples

    made = [make_crop(number) for number in range(4)]
    crops = {
        "crop": np.array([crop for crop, _ in made]),
        "points": np.array([points for _, points in made]),
        "skin": np.array([SKIN] * 4),
        "scores": np.array([[0, 0, 0], [0, 0, 0], [0.9, 0.4, 0], [0.9, 0, 0]], np.float32),
    }
    inputs, kinds = make_examples(crops, np.ones(4, bool), 40, 3)
    assert inputs.shape == (40, 3, INPUT_SIZE[1], INPUT_SIZE[0]) and set(kinds.tolist()) == {0, 1, 2}
    again = make_examples(crops, np.ones(4, bool), 40, 3)
    assert np.array_equal(inputs, again[0]) and np.array_equal(kinds, again[1])
    assert np.isfinite(inputs).all()
