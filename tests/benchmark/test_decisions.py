"""Decisions are held against labels: what was edited, left, or left as unsure, and whether that was right."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from benchmark import decisions
from benchmark.decisions import EDITED, LEFT, UNSURE, Case, describe, judge_photo, read_labels
from photo.errors import BadOption
from tests.support.photos import PORTRAITS


def find(cases: list[Case], what: str) -> Case:
    (case,) = (case for case in cases if case.what == what)
    return case


@pytest.mark.parametrize(
    "eyes, smile, right",
    [("open", "leave", True), ("leave", "any", False), ("both or none", "smile", True), ("any", "warn", True)],
)
def test_an_opened_pair_is_right_where_it_is_wanted(eyes: str, smile: str, right: bool) -> None:
    cases = judge_photo(PORTRAITS / "takano_blink.jpg", [{"file": "takano_blink.jpg", "eyes": eyes, "smile": smile}])
    case = find(cases, "eyes")
    assert case.done == EDITED and case.is_right is right
    assert {"large", "light skin"} & set(case.groups)
    assert find(cases, "smile").done == LEFT


@pytest.mark.parametrize("label, right", [("right", True), ("left", False), ("both or none", False), ("open", True)])
def test_one_eye_alone_is_right_only_where_it_is_that_eye(label: str, right: bool) -> None:
    row = {"path": "bera_wink.jpg", "face": "1", "open": label, "smile": "any"}
    case = find(judge_photo(PORTRAITS / "bera_wink.jpg", [row]), "eyes")
    assert case.done == EDITED and case.is_right is right


def test_the_tables_count_what_was_done_with_what_is_right() -> None:
    cases = [
        Case("a", "eyes", True, EDITED, True, ()),
        Case("b", "eyes", True, UNSURE, True, ()),
        Case("c", "eyes", False, EDITED, False, ()),
        Case("d", "eyes", False, LEFT, False, ()),
        Case("e", "eyes", None, EDITED, True, ()),
    ]
    title, to_edit, to_leave, either, shares = describe(cases, "eyes")
    assert title == "eyes"
    assert to_edit.split() == ["to", "edit", "1", "edited", "1", "unsure", "0", "left"]
    assert to_leave.split() == ["to", "leave", "1", "edited", "0", "unsure", "1", "left"]
    assert "1 edited" in either
    assert "2 of 3 (67%) of the edits" in shares and "1 of 2 (50%) of those due" in shares
    assert "none of the edits" in describe([], "nothing")[-1]


@pytest.mark.parametrize(
    "text, words",
    [
        (None, "cannot be read"),
        ("file,what\na.jpg,b\n", "neither"),
        ("file,eyes,smile\ntakano_blink.jpg,perhaps,any\n", "must be one of"),
        ("path,face,open,smile\ntakano_blink.jpg,7,both,any\n", "face 7"),
    ],
)
def test_labels_that_cannot_be_used_are_named(
    tmp_path: Path, text: str | None, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(PORTRAITS / "takano_blink.jpg", tmp_path)
    if text is not None:
        (tmp_path / "labels.csv").write_text(text)
    monkeypatch.setattr("sys.argv", ["decisions", str(tmp_path)])
    assert decisions.main() == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and words in said and said.count("\n") == 1


def test_labels_of_several_faces_belong_to_one_photo(tmp_path: Path) -> None:
    rows = "path,face,open,smile\ngroup.jpg,1,both,any\ngroup.jpg,2,none,add\n"
    (tmp_path / "labels.csv").write_text(rows)
    ((path, found),) = read_labels(tmp_path).items()
    assert path == tmp_path / "group.jpg" and [row["face"] for row in found] == ["1", "2"]
    with pytest.raises(BadOption):
        read_labels(tmp_path / "nowhere")


def test_what_went_wrong_is_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(PORTRAITS / "takano_blink.jpg", tmp_path)
    (tmp_path / "labels.csv").write_text("file,eyes,smile\ntakano_blink.jpg,leave,leave\n")
    monkeypatch.setattr("sys.argv", ["decisions", str(tmp_path), "--list"])
    assert decisions.main() == 0
    said = capsys.readouterr().out
    assert "takano_blink.jpg: eyes edited" in said and "takano_blink.jpg: smile" not in said
    assert "eyes, all" in said and "smile, all" in said
