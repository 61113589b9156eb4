"""The benchmark of one face at several sizes makes a close-up of the size asked for, and tells of both checkouts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmark.face_scale import make_close_up
from face.search import find_faces

ROOT = Path(__file__).parents[2]


def test_the_face_has_the_width_asked_for() -> None:
    (face,) = find_faces(make_close_up(700))
    assert abs(face.box.width - 700) < 0.08 * 700
    assert max(eye.aspect_ratio for eye in face.landmarks.eyes) < 0.15 and face.smile < 0.3


def test_both_checkouts_are_measured() -> None:
    command = [sys.executable, "-m", "benchmark.face_scale", "--sizes", "400", "--beside", str(ROOT)]
    done = subprocess.run(
        [*command, "--profile", "2"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=240
    )
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines if not line.startswith(" ")] == ["this", "that"]
    assert all("s of CPU (find" in line and "3 edits kept" in line for line in (lines[0], lines[3]))
    assert len(lines) == 6
