"""Faces that only one of two versions finds are named."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from benchmark.face_search import missing_from

ROOT = Path(__file__).parents[2]


def test_a_face_is_missing_where_no_box_shares_enough_with_it() -> None:
    face, moved, apart = (10, 10, 50, 60), (14, 12, 56, 60), (200, 10, 240, 60)
    assert missing_from([face, apart], [moved]) == [apart]
    assert missing_from([], [moved]) == []


def test_what_another_version_found_and_this_one_did_not_is_listed(tmp_path: Path) -> None:
    photos = ROOT / "tests" / "photos"
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("womack.jpg", "payne.jpg"):
        (folder / name).write_bytes((photos / name).read_bytes())
    command = [sys.executable, "-m", "benchmark.face_search", str(folder)]
    saved = tmp_path / "found.json"
    subprocess.run([*command, "--save", str(saved)], cwd=ROOT, check=True, capture_output=True)
    found = json.loads(saved.read_text())
    assert [len(one["faces"]) for one in found.values()] == [1, 1]
    found[str(folder / "payne.jpg")]["faces"] = [[0, 0, 9, 9]]
    saved.write_text(json.dumps(found))
    sheet = tmp_path / "sheet.png"
    again = [*command, "--compare", str(saved), "--sheet", str(sheet)]
    lines = subprocess.run(again, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    assert "payne.jpg" in lines[0] and "lost [[0, 0, 9, 9]], new [(" in lines[0]
    assert lines[1].startswith("before: 2 faces in 2 photos") and lines[2].startswith("now: 2 faces in 2 photos")
    assert sheet.exists()


def test_no_photos_is_said(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmark.face_search", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "No photo was found.\n")
