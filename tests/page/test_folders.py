"""The temporary folder of a page: whom it belongs to, and when it goes."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

pytest.importorskip("gradio", reason="gradio is not installed")

from page.folders import PREFIX, VISITORS, make_folder, remove_leftovers, remove_unclaimed
from tests.conftest import ROOT

HOLD = """
import sys, time
from page.folders import make_folder
with make_folder() as folder:
    (folder / "photo.jpg").write_bytes(b"x")
    print(folder, flush=True)
    time.sleep(60)
"""


def make_old(path: Path, seconds: float = 10_000.0) -> Path:
    os.utime(path, (time.time() - seconds,) * 2)
    return path


@pytest.fixture
def temp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.mark.posix
def test_what_a_killed_page_left_goes_at_the_next_start_and_what_a_running_one_has_stays(temp: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(temp), "PYTHONPATH": str(ROOT)}
    pages = []
    for _ in range(2):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        pages.append((process, Path(process.stdout.readline().strip())))
    (killed, left), (running, used) = pages
    try:
        assert (left / "photo.jpg").exists() and (used / "photo.jpg").exists(), "one removed the other's"
        killed.kill()
        killed.wait(30)
        with make_folder() as own:
            assert not left.exists()
            assert (used / "photo.jpg").exists()
            assert own.is_dir()
        assert not own.exists()
    finally:
        running.kill()
        for process, _ in pages:
            process.wait(30)
            assert process.stdout is not None
            process.stdout.close()


def test_a_folder_without_a_lock_goes_once_it_cannot_be_one_that_is_just_made(tmp_path: Path) -> None:
    fresh, old, foreign = (tmp_path / name for name in (f"{PREFIX}a", f"{PREFIX}b", "other"))
    for folder in (fresh, old, foreign):
        folder.mkdir()
    make_old(old)
    make_old(foreign)
    (tmp_path / f"{PREFIX}file").touch()
    (tmp_path / f"{PREFIX}link").symlink_to(foreign)
    remove_leftovers(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [fresh.name, foreign.name, f"{PREFIX}file", f"{PREFIX}link"]
    )


def test_uploads_that_nobody_opened_go_and_what_visitors_have_stays(temp: Path) -> None:
    with make_folder() as folder:
        for name in ("old", "new", VISITORS):
            (folder / name).mkdir()
            make_old((folder / name / "photo.jpg").parent)
            (folder / name / "photo.jpg").write_bytes(b"x")
        for name in ("old", VISITORS):
            make_old(folder / name / "photo.jpg")
            make_old(folder / name)
        (folder / "tmp_broken").write_bytes(b"x")
        make_old(folder / "tmp_broken")
        make_old(folder / ".in_use")
        remove_unclaimed(folder)
        assert sorted(path.name for path in folder.iterdir()) == [".in_use", "new", VISITORS]
        assert (folder / VISITORS / "photo.jpg").exists()
