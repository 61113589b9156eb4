"""The benchmark runs, and measures by itself what it says."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edit.plan import EditPlan
from photo.types import Box, Region
from tests.support.faces import make_edit

pytest.importorskip("resource", reason="memory is measured as POSIX systems tell it")

from benchmark import bench

ROOT = Path(__file__).parents[2]


def test_one_sample_is_measured_from_file_to_file(tmp_path: Path) -> None:
    shutil.copy(ROOT / "data" / "inputs" / "image_1.jpg", tmp_path)
    (tmp_path / "broken.jpg").write_text("this is no photo\n")
    command = [sys.executable, "-m", "benchmark.bench", str(tmp_path), "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=True, timeout=120)
    broken, sample = json.loads(done.stdout)["photos"]
    assert "broken.jpg" in broken["error"]
    assert {"load", "find", "plan", "paint", "measure", "save", "all"} <= set(sample["seconds"])
    assert sample["changed_pixels"] > 0 and sample["changed_outside"] == 0
    assert any(face["was_closed"] and face["is_open"] for face in sample["faces"])
    assert sample["peak_mb"] > 50
    because = [face["no_smile_because"] for face in sample["faces"]]
    assert "already smiling" in because and "" in because


def test_a_folder_without_photos_is_an_error(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmark.bench", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2 and done.stderr.startswith("error: there is no photo")


def test_pixels_changed_outside_the_masks_are_counted() -> None:
    before = np.zeros((6, 6, 3), np.uint8)
    after = before.copy()
    after[1, 1] = after[2, 2] = after[5, 5] = 9
    alpha = np.array([[0, 1], [1, 0.01]], np.float32)
    region = Region(Box(1, 1, 3, 3), alpha)
    plan = EditPlan((make_edit(region=region),))
    assert bench.count_changed_outside(before, after, plan) == 2  # (1, 1) has alpha 0, (5, 5) lies off the box


def test_the_ratio_of_signal_to_noise() -> None:
    truth = np.full((4, 3), 100, np.uint8)
    assert bench.measure_psnr(truth, truth) == float("inf")
    assert bench.measure_psnr(truth + np.uint8(255 - 100), np.zeros_like(truth)) == pytest.approx(0.0)
