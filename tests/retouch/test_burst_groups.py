"""Bursts are found by clock and place: one scene within seconds is one, another place or another hour is none."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from photo.files import load_photo, save_photo
from photo.mark import mark_photo
from photo.types import Pixels
from retouch.burst import shrink_for_registration
from retouch.burst_groups import find_bursts, measure_shared

NOON = 1_714_564_800.0


def make_place(seed: int, right: int = 0, moved: int = 0) -> Pixels:
    """A scene of made-up things, seen `right` pixels further aside, with somebody in it who has `moved`."""
    random = np.random.default_rng(seed)
    scene = cv2.GaussianBlur(random.integers(0, 255, (460, 900, 3), np.uint8), (0, 0), 2)
    for _ in range(150):
        x, y, size = random.integers(0, 900), random.integers(0, 460), int(random.integers(6, 40))
        color = [int(value) for value in random.integers(0, 255, 3)]
        cv2.rectangle(scene, (int(x), int(y)), (int(x) + size, int(y) + size), color, cv2.FILLED)
    cv2.circle(scene, (350 + moved, 240), 60, (230, 180, 150), cv2.FILLED)
    return np.ascontiguousarray(scene[:, right : right + 640])


def save(path: Path, pixels: Pixels, taken: float | None = None) -> Path:
    exif = Image.Exif()
    if taken is not None:
        exif.get_ifd(0x8769)[0x9003] = datetime.fromtimestamp(taken, UTC).strftime("%Y:%m:%d %H:%M:%S")
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, exif=exif, quality=92)
    return path


def find(folder: Path) -> list[str]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    seen: list[int] = []
    told: list[str] = []
    found = find_bursts(paths, seen.append, told.append)
    assert seen == list(range(1, len(paths) + 1)) and not told
    return [" ".join(path.stem for path in burst) for burst in found]


def test_frames_of_one_moment_and_place_are_a_burst_in_the_order_of_time(tmp_path: Path) -> None:
    for name, place, right, seconds in (
        ("c", 1, 0, 0),
        ("a", 1, 30, 7),
        ("b", 1, 60, 14),  # from one to the next, not from the first to the last
        ("d", 2, 0, 19),  # another place
        ("e", 2, 0, 60),  # the same place, later
        ("f", 2, 20, 66),
    ):
        save(tmp_path / f"{name}.jpg", make_place(place, right, moved=right), NOON + seconds)
    assert find(tmp_path) == ["c a b", "e f"]


def test_within_two_seconds_the_place_need_not_be_seen(tmp_path: Path) -> None:
    for name, seconds in (("a", 0), ("b", 2), ("c", 5)):
        save(tmp_path / f"{name}.jpg", make_place(ord(name)), NOON + seconds)
    assert find(tmp_path) == ["a b"]


def test_without_a_clock_names_and_pictures_tell(tmp_path: Path) -> None:
    for name, place, right in (
        ("IMG_8", 1, 0),
        ("IMG_9", 1, 20),
        ("IMG_10", 1, 40),
        ("IMG_11", 2, 0),
        ("IMG_12", 1, 0),
    ):
        save(tmp_path / f"{name}.jpg", make_place(place, right))
    assert find(tmp_path) == ["IMG_8 IMG_9 IMG_10"]
    # So much aside only a clock says that it is one moment.
    save(tmp_path / "aside" / "1.jpg", make_place(1))
    save(tmp_path / "aside" / "2.jpg", make_place(1, 250))
    assert find(tmp_path / "aside") == []
    save(tmp_path / "timed" / "1.jpg", make_place(1), NOON)
    save(tmp_path / "timed" / "2.jpg", make_place(1, 250), NOON + 5)
    assert find(tmp_path / "timed") == ["1 2"]


def test_a_photo_with_a_clock_and_one_without_are_no_burst(tmp_path: Path) -> None:
    save(tmp_path / "1.jpg", make_place(1), NOON)
    save(tmp_path / "2.jpg", make_place(1))
    assert find(tmp_path) == []


def test_bursts_stay_within_a_folder(tmp_path: Path) -> None:
    for name in ("x/1", "x/2", "y/3"):
        save(tmp_path / f"{name}.jpg", make_place(1), NOON)
    assert find(tmp_path) == ["1 2"]


def test_results_of_this_program_belong_to_no_burst(tmp_path: Path) -> None:
    for name in ("1", "2"):
        save(tmp_path / f"{name}.jpg", make_place(1), NOON)
    photo = load_photo(tmp_path / "1.jpg")
    save_photo(photo.pixels, mark_photo(photo)[0], tmp_path / "best_1.png")
    assert find(tmp_path) == ["1 2"]


def test_a_damaged_photo_is_named_and_left_out(tmp_path: Path) -> None:
    for name in ("1", "2"):
        save(tmp_path / f"{name}.jpg", make_place(1), NOON)
    (tmp_path / "broken.jpg").write_text("no photo\n")
    told: list[str] = []
    ((one, two),) = find_bursts(sorted(tmp_path.iterdir()), lambda _: None, told.append)
    assert (one.name, two.name) == ("1.jpg", "2.jpg")
    assert len(told) == 1 and "broken.jpg" in told[0] and told[0].endswith("It is left out.")


@pytest.mark.parametrize(("right", "least", "most"), [(0, 0.98, 1.0), (160, 0.70, 0.80), (250, 0.57, 0.65)])
def test_the_shared_part_is_measured(right: int, least: float, most: float) -> None:
    one, other = (shrink_for_registration(make_place(3, shift)) for shift in (0, right))
    assert least <= measure_shared(one, other) <= most
    assert measure_shared(one, shrink_for_registration(make_place(4))) == 0.0
