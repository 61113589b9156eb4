"""A triage as a whole: the right verdicts, in every file, and no photo touched."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import main
from edit.options import Options
from photo.errors import UnwritablePhoto
from photo.files import load_photo
from retouch.pipeline import analyze_photo
from retouch.progress import ignore_progress
from tests.support.photos import PORTRAITS
from triage.run import CSV, JSON, SHEET, TriageFiles, TriageJob
from triage.scenes import MOST_FRAMES, Scene, group_scenes, judge_scene
from triage.verdict import PhotoVerdict, Verdict

ODD = "=1+1&<b>.png"
EVERYTHING = {"bera.jpg", "cummings.jpg", "cummings_blink.jpg", "broken.jpg", ODD}


def save_scene(path: Path, taken: str | None = None) -> Path:
    """A photo without a face, maybe with the moment when it was taken."""
    exif = Image.Exif()
    if taken is not None:
        exif[306] = taken
    Image.fromarray(np.full((60, 80, 3), 120, np.uint8)).save(path, exif=exif)
    return path


def take(name: str, folder: Path, taken: str) -> Path:
    """A copy of a portrait that tells when it was taken."""
    image = Image.open(PORTRAITS / name)
    exif = Image.Exif()
    exif[306] = taken
    image.save(folder / name, exif=exif, quality=95)
    return folder / name


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder `photos`, sorted into `out` by two processes; not to be changed."""
    place = tmp_path_factory.mktemp("day")
    photos = place / "photos"
    photos.mkdir()
    take("cummings.jpg", photos, "2026:05:01 10:00:00")
    take("cummings_blink.jpg", photos, "2026:05:01 10:00:04")
    shutil.copy(PORTRAITS / "bera.jpg", photos)
    (photos / "broken.jpg").write_text("no photo\n")
    save_scene(photos / ODD)
    before = {path: path.read_bytes() for path in photos.iterdir()}
    arguments = [str(photos), "--triage", "-o", str(place / "out"), "--workers", "2", "--sidecars", "darktable", "-q"]
    assert main.main(arguments) == 2, "a photo that cannot be read is no success"
    assert {path: path.read_bytes() for path in before} == before
    return place


@pytest.fixture(scope="module")
def photos(day: Path) -> dict[str, dict[str, Any]]:
    """What the JSON says of each photo, by its name."""
    data = json.loads((day / "out" / JSON).read_text(encoding="ascii"))
    return {Path(photo["input"]).name: photo for photo in data["photos"]}


def test_every_photo_has_its_verdict(photos: dict[str, dict[str, Any]]) -> None:
    assert {name: photo["verdict"] for name, photo in photos.items()} == {
        "bera.jpg": "fine",
        "cummings.jpg": "fixable",
        "cummings_blink.jpg": "fixable",
        "broken.jpg": "unreadable",
        ODD: "no-face",
    }
    assert "broken.jpg" in str(photos["broken.jpg"]["error"])


def test_frames_of_a_scene_lend_each_other_eyes_and_one_is_the_best(photos: dict[str, dict[str, Any]]) -> None:
    blink, opened = photos["cummings_blink.jpg"], photos["cummings.jpg"]
    assert blink["scene"] == opened["scene"] == 1
    assert (blink["best_of_scene"], opened["best_of_scene"]) == (False, True)
    (face,) = blink["faces"]
    assert face["right_eye"] == face["left_eye"] == "closed" and face["looks_at_camera"] is None
    assert "both eyes: can be fixed, from cummings.jpg" in face["fixes"]
    (face,) = opened["faces"]
    assert face["right_eye"] == "open" and face["looks_at_camera"] is True and 0.5 < face["sharpness"] < 1.5


def test_the_table_of_a_spreadsheet_runs_nothing(day: Path) -> None:
    rows = list(csv.DictReader(io.StringIO((day / "out" / CSV).read_text(encoding="utf-8"))))
    assert {Path(row["photo"]).name for row in rows} == EVERYTHING
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "-", "@"))]


def test_the_sheet_asks_nobody_and_shows_names_as_they_are(day: Path) -> None:
    page = (day / "out" / SHEET).read_text(encoding="utf-8")
    assert "=1+1&amp;&lt;b&gt;.png" in page and ODD not in page and "<b>.png" not in page
    assert "<script" not in page and not re.findall(r'(?:src|href)="(?!data:image/jpeg;|\.\./photos/)', page)
    assert "default-src 'none'" in page
    assert len(re.findall(r'<figure class="photo ', page)) == 5
    assert len(re.findall(r'<figure class="photo fixable best"', page)) == 1
    assert page.count('<input type="radio"') == 6
    (link,) = re.findall(r'href="([^"]*bera[^"]*)"', page)
    assert (day / "out" / link).resolve() == (day / "photos" / "bera.jpg").resolve()


def test_sidecars_lie_beside_the_photos_that_could_be_read(day: Path) -> None:
    found = {path.name for path in (day / "photos").glob("*.xmp")}
    assert found == {f"{name}.xmp" for name in EVERYTHING - {"broken.jpg"}}
    assert "somebody blinks" in (day / "photos" / "cummings_blink.jpg.xmp").read_text(encoding="utf-8")


def test_one_process_says_the_same_as_two_and_may_write_over_it(day: Path) -> None:
    before = {name: (day / "out" / name).read_bytes() for name in (CSV, JSON, SHEET)}
    assert main.main([str(day / "photos"), "--triage", "-o", str(day / "out"), "--workers", "1", "-q"]) == 2
    assert {name: (day / "out" / name).read_bytes() for name in before} == before


@pytest.mark.parametrize("name", ["bera_wink.jpg", "thompson_dark.jpg", "group_blink.jpg", "womack.jpg"])
def test_the_verdict_is_the_plan_that_fixing_follows(name: str) -> None:
    analyses, plan = analyze_photo(load_photo(PORTRAITS / name), Options())
    (verdict,) = judge_scene(Scene(1, ((PORTRAITS / name, None),)), Options())
    assert len(verdict.faces) == len(analyses)
    planned = {edit.face.number for edit in plan.edits}
    assert {face.number for face in verdict.faces if face.fixes} == planned
    assert (verdict.verdict is Verdict.FIXABLE) == bool(planned)


# ---- scenes ------------------------------------------------------------------------------------------------


def test_scenes_end_after_a_pause_with_a_folder_and_when_they_are_long(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    names = {
        "c.jpg": "2026:05:01 10:00:08", "a.jpg": "2026:05:01 10:00:00", "b.jpg": "2026:05:01 10:00:19",
        "other/a.jpg": "2026:05:01 10:00:01", "d.jpg": None, "e.jpg": None,
    }  # fmt: skip
    paths = [save_scene(tmp_path / name, taken) for name, taken in names.items()]
    scenes = group_scenes(paths)
    listed = [[path.relative_to(tmp_path).as_posix() for path, _ in scene.frames] for scene in scenes]
    assert listed == [["a.jpg", "c.jpg"], ["other/a.jpg"], ["b.jpg"], ["d.jpg"], ["e.jpg"]]
    assert [scene.number for scene in scenes] == [1, 2, 3, 4, 5]
    many = [save_scene(tmp_path / f"m{number:02d}.jpg", "2026:05:02 10:00:00") for number in range(MOST_FRAMES + 1)]
    assert [len(scene.frames) for scene in group_scenes(many)] == [MOST_FRAMES, 1]


# ---- what goes wrong ---------------------------------------------------------------------------------------


def make_deadly() -> Callable[[Scene], list[PhotoVerdict]]:
    return judge_but_die


def judge_but_die(scene: Scene) -> list[PhotoVerdict]:
    if any(path.name == "deadly.jpg" for path, _ in scene.frames):
        os._exit(3)
    return [PhotoVerdict(path, taken=taken, scene=scene.number) for path, taken in scene.frames]


def test_a_photo_that_brings_a_process_down_is_named_and_the_rest_is_done(tmp_path: Path) -> None:
    for second, name in enumerate(("a.jpg", "deadly.jpg", "b.jpg")):
        save_scene(tmp_path / name, f"2026:05:01 10:00:0{second}")
    save_scene(tmp_path / "c.jpg")
    job = TriageJob(TriageFiles((tmp_path,), tmp_path / "out"))
    job.judge(make_deadly, 2, ignore_progress)
    assert {one.path.name: bool(one.error) for one in job.verdicts} == {
        "a.jpg": False, "deadly.jpg": True, "b.jpg": False, "c.jpg": False,
    }  # fmt: skip
    assert "deadly.jpg brings the program down" in next(one.error for one in job.verdicts if one.error)


def test_what_was_judged_before_a_stop_is_written(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        save_scene(tmp_path / name)
    job = TriageJob(TriageFiles((tmp_path,), tmp_path / "out"))
    seen: list[str] = []

    def stop_at_two(text: str, _fraction: float) -> None:
        seen.append(text)
        if text.startswith("photo 2"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        job.judge(make_deadly, 1, stop_at_two)
    job.write(is_stopped=True)
    data = json.loads((tmp_path / "out" / JSON).read_text())
    assert data["stopped"] == {"done": 2, "of": 3} and len(data["photos"]) == 2


@pytest.mark.parametrize("name", [CSV, JSON, SHEET])
def test_files_of_others_are_not_replaced(tmp_path: Path, name: str) -> None:
    save_scene(tmp_path / "a.jpg")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("somebody's own")
    with pytest.raises(UnwritablePhoto, match="nothing in it says that this program wrote it"):
        TriageJob(TriageFiles((tmp_path,), tmp_path / "out"))
    TriageJob(TriageFiles((tmp_path,), tmp_path / "out", overwrite=True))
