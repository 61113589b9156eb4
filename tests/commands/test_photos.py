"""Runs over many photos: in several processes, stopped and gone on with, and with what fails on the way."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import main
from commands.journal import NAME, Journal
from photo.errors import BadOption, UnwritablePhoto
from photo.files import load_photo
from photo.types import Photo
from photo.writing import Originals
from tests.support.photos import PORTRAITS

ROOT = Path(main.__file__).parent
BLINKS = ("cummings_blink.jpg", "edwards_blink.jpg", "takano_blink.jpg")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with the folder `in` of three photos without faces."""
    (tmp_path / "in").mkdir()
    for number, name in enumerate("abc"):
        Image.fromarray(np.full((40, 60, 3), 60 * number, np.uint8)).save(tmp_path / "in" / f"{name}.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*flags: str, code: int = 0) -> list[dict[str, Any]]:
    """Fix the folder `in` into `out`; return the entries of the report."""
    arguments = ["in", "-o", "out", "--copy_unchanged", "--report", "report.json", "-q", "--no-library", *flags]
    assert main.main(arguments) == code
    report: dict[str, Any] = json.loads(Path("report.json").read_text(encoding="utf-8"))
    return report["photos"]


def spy(monkeypatch: pytest.MonkeyPatch, stop_at: str = "") -> list[str]:
    """The names of the photos that are read from now on; at one of them Ctrl+C is pressed."""
    seen: list[str] = []

    def load(path: Path) -> Photo:
        seen.append(path.name)
        if path.name == stop_at:
            signal.raise_signal(signal.SIGINT)
        return load_photo(path)

    monkeypatch.setattr("retouch.files.load_photo", load)
    return seen


def read_outputs(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != NAME}


# ---- several processes ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def portraits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder `in` with three portraits and a broken photo, and `out` as one process makes it; not to be changed."""
    place = tmp_path_factory.mktemp("portraits")
    (place / "in").mkdir()
    for name in BLINKS:
        shutil.copy(PORTRAITS / name, place / "in")
    (place / "in" / "broken.jpg").write_text("no photo\n")
    start(place, "out", "--workers", "1").communicate(timeout=600)
    assert set(read_outputs(place / "out")) == set(BLINKS)
    return place


def start(place: Path, output: str, *flags: str) -> subprocess.Popen[str]:
    """Begin to fix the portraits in a process of its own."""
    command = [sys.executable, str(ROOT / "main.py"), "in", "-o", output, "--engine", "draft", "--no-library", *flags]
    return subprocess.Popen(command, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def list_workers(process: int) -> list[int]:
    """The processes that work for another one."""
    tasks = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return [int(task) for task in tasks if b"spawn_main" in Path(f"/proc/{task}/cmdline").read_bytes()]


def test_two_processes_write_what_one_does(portraits: Path) -> None:
    running = start(portraits, "two", "--workers", "2", "--report", "two.json")
    out, err = running.communicate(timeout=600)
    assert running.returncode == 2 and "broken.jpg" in err and "Traceback" not in err
    assert "4 photos: 3 written to two, 1 failed." in out
    assert read_outputs(portraits / "two") == read_outputs(portraits / "out")
    entries = json.loads((portraits / "two.json").read_text())["photos"]
    assert [Path(entry["input"]).name for entry in entries] == sorted([*BLINKS, "broken.jpg"])


@pytest.mark.posix
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs /proc to find the processes")
def test_a_process_that_is_killed_is_replaced_and_its_photo_named_and_tried_again(portraits: Path) -> None:
    running = start(portraits, "killed", "--workers", "2")
    while not (workers := list_workers(running.pid)):
        time.sleep(0.02)
    os.kill(workers[0], signal.SIGKILL)
    out, err = running.communicate(timeout=600)
    assert running.returncode == 2
    named = [line for line in err.splitlines() if "brings the program down" in line]
    assert len(named) == 1 and "SIGKILL" in named[0]
    assert " failed." in out.splitlines()[-1]
    again = start(portraits, "killed", "--retry_failed")
    again.communicate(timeout=600)
    assert read_outputs(portraits / "killed") == read_outputs(portraits / "out")


@pytest.mark.posix
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs /proc to find the processes")
@pytest.mark.parametrize("name", ["SIGKILL", "SIGINT"])
def test_a_run_that_is_stopped_leaves_nobody_behind_and_the_next_one_does_the_rest(portraits: Path, name: str) -> None:
    running = start(portraits, name, "--workers", "2")
    journal = portraits / name / NAME
    while not journal.is_file() or len(journal.read_text().splitlines()) < 2:
        time.sleep(0.02)
    workers = list_workers(running.pid)
    running.send_signal(signal.Signals[name])
    _, err = running.communicate(timeout=60)
    assert "Traceback" not in err
    ended = time.monotonic() + 20
    while any(Path(f"/proc/{worker}").exists() for worker in workers):
        assert time.monotonic() < ended
        time.sleep(0.05)
    before = {path.name: path.stat().st_mtime_ns for path in (portraits / name).glob("*.jpg")}
    noted = journal.read_text()
    again = start(portraits, name)
    out, _ = again.communicate(timeout=600)
    assert "Going on where an earlier run was stopped" in out
    assert read_outputs(portraits / name) == read_outputs(portraits / "out")
    after = {path.name: path.stat().st_mtime_ns for path in (portraits / name).glob("*.jpg")}
    for done in (file for file in before if f'{file}"' in noted):
        assert after[done] == before[done], "what was done was done again"


# ---- the journal ---------------------------------------------------------------------------------------------


def test_a_run_that_ends_well_leaves_no_journal_and_the_next_does_all_again(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run()
    assert set(read_outputs(place / "out")) == {"a.png", "b.png", "c.png"} and not (place / "out" / NAME).exists()
    seen = spy(monkeypatch)
    run()
    assert set(seen) == {"a.png", "b.png", "c.png"}


def test_a_run_that_was_stopped_is_gone_on_with(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        spy(patch, stop_at="b.png")
        assert len(run(code=130)) == 1
    seen = spy(monkeypatch)
    entries = run()
    assert "a.png" not in seen and {"b.png", "c.png"} <= set(seen)
    assert [Path(entry["input"]).name for entry in entries] == ["a.png", "b.png", "c.png"]
    assert not (place / "out" / NAME).exists()


@pytest.mark.parametrize("change", ["photo", "result", "gone", "flags"])
def test_what_is_no_longer_as_it_was_is_done_again(place: Path, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    with monkeypatch.context() as patch:
        spy(patch, stop_at="b.png")
        run("--overwrite", code=130)
    if change == "photo":
        Image.fromarray(np.full((30, 30, 3), 9, np.uint8)).save(place / "in" / "a.png")
    elif change == "gone":
        (place / "out" / "a.png").unlink()
    elif change == "result":
        shutil.copy(place / "in" / "a.png", place / "out" / "a.png")
    seen = spy(monkeypatch)
    run("--overwrite", *(["--seed", "3"] if change == "flags" else []))
    assert "a.png" in seen
    assert (place / "out" / "a.png").read_bytes() == (place / "in" / "a.png").read_bytes()


def test_what_failed_is_tried_again_when_asked_to(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = (place / "in" / "b.png").read_bytes()
    (place / "in" / "b.png").write_bytes(good[:60])
    run(code=2)
    assert "b.png" in (place / "out" / NAME).read_text()
    (place / "in" / "b.png").write_bytes(good)
    seen = spy(monkeypatch)
    entries = run("--retry_failed")
    assert set(seen) == {"b.png"}
    assert [entry.get("error") for entry in entries] == [None, None, None]
    assert (place / "out" / "b.png").read_bytes() == good and not (place / "out" / NAME).exists()


def test_a_photo_that_failed_before_the_stop_still_counts_as_failed(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "in" / "a.png").write_bytes(b"no photo")
    with monkeypatch.context() as patch:
        spy(patch, stop_at="c.png")
        run(code=130)
    seen = spy(monkeypatch)
    entries = run(code=2)
    assert set(seen) == {"c.png"} and "a.png" in entries[0]["error"]


def test_a_line_that_was_cut_off_does_not_count(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        spy(patch, stop_at="c.png")
        run(code=130)
    journal = place / "out" / NAME
    lines = journal.read_bytes().splitlines(keepends=True)
    assert len(lines) == 3
    journal.write_bytes(b"".join(lines[:2]) + lines[2][:40])
    seen = spy(monkeypatch)
    run()
    assert "a.png" not in seen and {"b.png", "c.png"} <= set(seen)


def open_journal(folder: Path, settings: str = "as before", *, retry_failed: bool = False) -> Journal:
    return Journal(folder, settings, Originals(), retry_failed=retry_failed)


def test_two_runs_do_not_write_into_one_folder(place: Path) -> None:
    first = open_journal(place)
    first.note(place / "in" / "a.png", {"input": "in/a.png", "output": None})
    if os.name == "posix":
        with pytest.raises(BadOption, match="Another run is writing results into"):
            open_journal(place)
    first.close(is_stopped=True)
    again = open_journal(place)
    assert again.find(place / "in" / "a.png") == {"input": "in/a.png", "output": None}
    again.close(is_stopped=True)


def test_a_file_of_somebody_else_is_no_journal(place: Path) -> None:
    (place / NAME).write_text("my own notes\n")
    with pytest.raises(UnwritablePhoto, match="is no journal of this program"):
        open_journal(place)
    assert (place / NAME).read_text() == "my own notes\n"


def test_failures_of_other_flags_are_not_tried_again(place: Path) -> None:
    first = open_journal(place)
    first.note(place / "in" / "a.png", {"input": "in/a.png", "output": None, "error": "broken"})
    first.close(is_stopped=False)
    with pytest.raises(BadOption, match="had other flags"):
        open_journal(place, "otherwise", retry_failed=True)
    assert open_journal(place, retry_failed=True).find(place / "in" / "a.png") is None


def test_photos_are_fixed_in_their_place_one_after_the_other(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["in", "-o", "in", "--overwrite", "--workers", "2"]) == 2
    assert "--workers does not go with results that take the place of the photos" in capsys.readouterr().err
    assert main.main(["in", "-o", "in", "--overwrite", "--no-library"]) == 0


# ---- a watched folder ----------------------------------------------------------------------------------------


def test_a_watched_folder_is_worked_on_as_photos_come(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (place / "in").iterdir():
        path.unlink()
    waits: list[float] = []

    def pass_time(_seconds: float) -> None:
        waits.append(_seconds)
        if len(waits) == 1:
            Image.fromarray(np.full((40, 60, 3), 90, np.uint8)).save(place / "in" / "new.png")
        elif (place / "out" / "new.png").is_file() and not (place / "in" / "bad.png").is_file():
            (place / "in" / "bad.png").write_text("no photo")
        elif "bad.png" in (place / "out" / NAME).read_text() if (place / "out" / NAME).is_file() else False:
            signal.raise_signal(signal.SIGINT)
        assert len(waits) < 100

    monkeypatch.setattr("commands.arrivals.time.sleep", pass_time)
    monkeypatch.setattr("commands.arrivals._QUIET_S", 0.0)
    arguments = ["in", "-o", "out", "--copy_unchanged", "--watch", "--no-library", "--report", "report.json"]
    assert main.main(arguments) == 2
    output = capsys.readouterr()
    assert "bad.png is no photo that can be read" in output.err
    assert "Watched no longer. 2 photos: 1 written to out, 1 failed." in output.out
    assert len(json.loads((place / "report.json").read_text())["photos"]) == 2
    seen = spy(monkeypatch)
    assert main.main(["in", "-o", "out", "--copy_unchanged", "--no-library", "-q"]) == 2
    assert not seen, "what was done while watching is done"


def test_only_folders_are_watched_and_results_go_elsewhere(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["in", "in/a.png", "-o", "out", "--watch"]) == 2
    assert "--watch takes folders" in capsys.readouterr().err
    assert main.main(["in", "-o", "in", "--watch", "--overwrite"]) == 2
    assert "--watch needs another folder for results" in capsys.readouterr().err
