"""The blind test: fair sheets, a hidden key, and figures that can be checked by hand."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmark import blind_test
from benchmark.blind_test import UNTOUCHED, Entry
from benchmark.people import Sighting, group_people
from photo.errors import BadOption
from photo.types import Box, FloatArray, Pixels
from tests.support.faces import make_face

PHOTOS = Path(__file__).parents[1] / "photos"


def direction(number: int, toward: int | None = None, share: float = 0.0) -> FloatArray:
    """An embedding of its own for each number, or one that leans toward another number's."""
    vector = np.zeros(192, np.float32)
    vector[number] = 1 - share
    if toward is not None:
        vector[toward] = share
    return np.asarray(vector / np.linalg.norm(vector), np.float32)


def test_those_who_are_alike_through_a_third_are_one_person() -> None:
    between = direction(0, toward=1, share=0.5)  # 0.77 from both, which are 1.41 apart
    assert list(group_people([direction(0), direction(1), direction(2)])) == [0, 1, 2]
    people = group_people([direction(0), direction(1), between, direction(2)])
    assert people[0] == people[1] == people[2] != people[3]


def test_every_person_is_shown_once_and_kinds_share_the_people() -> None:
    kinds = ["edited"] * 4 + [UNTOUCHED] * 6
    people = [0, 0, 1, 2, 0, 1, 3, 4, 5, 5]
    chosen = blind_test.choose_heads(kinds, [direction(person) for person in people], 10, seed=1)
    assert Counter(people[index] for index in chosen) == dict.fromkeys(range(6), 1)
    assert Counter(kinds[index] for index in chosen)["edited"] >= 2
    assert chosen == blind_test.choose_heads(kinds, [direction(person) for person in people], 10, seed=1)
    few = blind_test.choose_heads(kinds, [direction(person) for person in people], 2, seed=1)
    assert Counter(kinds[index] for index in few) == {"edited": 2, UNTOUCHED: 2}


def test_a_head_is_cut_at_one_size_and_stays_within_the_photo() -> None:
    face = make_face(1)
    pixels = np.random.default_rng(0).integers(0, 255, (240, 200, 3), np.uint8)
    assert blind_test.cut_head(pixels, face, 420).shape == (420, 420, 3)
    box = face.box
    pixels[:] = 0
    pixels[box.slices] = 200
    head = blind_test.cut_head(pixels, face, 100)
    # A face takes 1 / 1.25 of the width of its head.
    assert float((head[50, :, 0] > 100).mean()) == pytest.approx(0.8, abs=0.05)


def test_of_an_edited_photo_the_face_that_differs_is_taken() -> None:
    before = np.full((240, 400, 3), 100, np.uint8)
    faces = [make_face(1, Box(20, 20, 180, 200)), make_face(2, Box(220, 20, 360, 180))]
    after = before.copy()
    after[faces[1].box.slices] = 160
    sightings = [Sighting(Path("a.png"), after, face, direction(0)) for face in faces]
    untouched = [Sighting(Path("a.png"), before, face, direction(0)) for face in faces]
    assert blind_test.find_edited(sightings, None) is sightings[0]
    assert blind_test.find_edited(untouched, before) is None
    assert blind_test.find_edited(sightings, before) is sightings[1]
    with pytest.raises(BadOption, match="one size"):
        blind_test.find_edited(sightings, before[:-1])


def test_sheets_hold_all_heads_and_the_key_numbers_them_alike() -> None:
    heads: list[Pixels] = [np.full((420, 420, 3), index, np.uint8) for index in range(14)]
    sheets = blind_test.draw_sheets(heads)
    assert len(sheets) == 2
    found = [sorted(set(np.unique(sheet)) & set(range(14))) for sheet in sheets]
    assert set(range(1, 12)) <= set(found[0]) and {12, 13} <= set(found[1])
    key = blind_test.number_entries([("kind", "file")] * 14, 12)
    assert (key[0].sheet, key[0].number) == ("sheet_01", 1)
    assert (key[11].sheet, key[11].number) == ("sheet_01", 12)
    assert (key[12].sheet, key[12].number) == ("sheet_02", 1)
    assert len(blind_test.draw_sheets([np.asarray(cv2.resize(head, (840, 840)), np.uint8) for head in heads])) == 7


def test_the_auc_is_the_share_of_pairs_in_the_right_order() -> None:
    assert blind_test.measure_auc(np.array([3.0, 5.0]), np.array([1.0, 3.0])) == pytest.approx(3.5 / 4)
    assert blind_test.measure_auc(np.array([1.0]), np.array([2.0, 3.0])) == 0


def test_intervals_hold_the_truth_and_shrink_with_the_number_of_heads() -> None:
    low, high = blind_test.share_interval(0, 30)
    assert low == 0 and high == pytest.approx(0.1135, abs=0.001)  # Wilson's, by the formula
    low, high = blind_test.auc_interval(0.5, 30, 30)
    assert low < 0.5 < high and low == pytest.approx(1 - high, abs=1e-3)
    low, high = blind_test.auc_interval(1.0, 10, 10)
    assert low < 0.95 and high == 1.0
    assert blind_test.auc_interval(0.8, 200, 200)[0] > blind_test.auc_interval(0.8, 20, 20)[0]


def test_the_interval_of_the_auc_covers_what_it_promises() -> None:
    random = np.random.default_rng(7)
    true = 0.7602  # of two normal distributions one standard deviation apart
    hits = 0
    for _ in range(300):
        auc = blind_test.measure_auc(random.normal(1, 1, 30), random.normal(0, 1, 30))
        low, high = blind_test.auc_interval(auc, 30, 30)
        hits += low <= true <= high
    assert 0.91 <= hits / 300 <= 0.99


KEY = [
    Entry("sheet_01", 1, UNTOUCHED, "a.jpg"),
    Entry("sheet_01", 2, "refined", "b.png"),
    Entry("sheet_02", 1, "refined", "c.png"),
    Entry("sheet_02", 2, UNTOUCHED, "d.jpg"),
]


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_scores_are_read_and_judged_by_kind(tmp_path: Path) -> None:
    lines = "sheet,number,score\nsheet_01.png,1,0\nsheet_01,2,9\nsheet_02,1,3\nsheet_02,2,4\n"
    scores = blind_test.read_scores(write(tmp_path / "scores.csv", lines), KEY)
    untouched, refined = blind_test.judge(KEY, scores)
    assert (untouched.kind, untouched.auc, untouched.called, untouched.mean_score) == (UNTOUCHED, None, 0, 2)
    assert (refined.count, refined.called, refined.auc) == (2, 0.5, 0.75)
    assert refined.mean_score == 6


@pytest.mark.parametrize(
    ("lines", "what"),
    [
        ("sheet_01,1,0\n", "3 heads have no score"),
        ("sheet_01,1,0\nsheet_01,1,2\n", "two scores"),
        ("sheet_09,1,0\n", "no number 1 on sheet_09"),
        ("sheet_01,1,11\n", "outside"),
        ("sheet_01,1,nan\n", "outside"),
        ("sheet_01,one,1\n", "needs a sheet, a number and a score"),
    ],
)
def test_scores_that_do_not_fit_the_key_are_refused(tmp_path: Path, lines: str, what: str) -> None:
    with pytest.raises(BadOption, match=what):
        blind_test.read_scores(write(tmp_path / "scores.csv", "sheet,number,score\n" + lines), KEY)


def test_a_test_from_photos_to_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder, names in {"open": ("bera", "meng", "payne"), "edited": ("bera_wink", "kennedy")}.items():
        (tmp_path / folder).mkdir()
        for name in names:
            shutil.copy(PHOTOS / f"{name}.jpg", tmp_path / folder)
    sheets, key = tmp_path / "sheets", tmp_path / "key.json"
    command = ["build", str(sheets), str(key), "--untouched", str(tmp_path / "open")]
    command += ["--edited", f"made={tmp_path / 'edited'}"]
    inside = [*command]
    inside[2] = str(sheets / "key.json")
    assert blind_test.main(inside) == 2 and not sheets.exists()
    assert blind_test.main(command) == 0
    entries = blind_test.read_key(key)
    shown = [Path(entry.file).stem.partition("_")[0] for entry in entries]
    assert sorted(shown) == ["bera", "kennedy", "meng", "payne"], "one person was shown twice, or left out"
    assert [path.name for path in sorted(sheets.iterdir())] == ["sheet_01.png"]
    assert blind_test.main(command) == 2, "a test was overwritten"
    lines = [f"{entry.sheet},{entry.number},{2 if entry.kind == UNTOUCHED else 8}" for entry in entries]
    scores = write(tmp_path / "scores.csv", "\n".join(["sheet,number,score", *lines]))
    capsys.readouterr()
    assert blind_test.main(["score", str(key), str(scores), str(scores)]) == 0
    printed = capsys.readouterr().out
    assert "100%" in printed and "1.00 (" in printed and "mean of 2 viewers" in printed


def test_a_file_that_is_no_key_is_refused(tmp_path: Path) -> None:
    for text in ("", "[1]", json.dumps([{"sheet": "a"}])):
        with pytest.raises(BadOption, match="no key"):
            blind_test.read_key(write(tmp_path / "key.json", text))
