"""The thresholds are measured again on labelled photos, and what lies on the wrong side is counted."""

from __future__ import annotations

import csv
import shutil
import types
from pathlib import Path

import pytest

from benchmark import calibrate
from face.analysis import FaceAnalysis
from face.types import EYES
from tests.support.photos import PORTRAITS

LABELS = "path,face,person,open,mouth,note\n"


def make_folder(folder: Path, *lines: str) -> Path:
    """A folder with these labels and the portraits that they name."""
    (folder / "labels.csv").write_text(LABELS + "".join(f"{line}\n" for line in lines), encoding="utf-8")
    for line in lines:
        shutil.copy(PORTRAITS / line.partition(",")[0], folder)
    return folder


def test_a_side_counts_what_lies_on_the_other_one() -> None:
    above = calibrate.Side("some", [0.2, 0.5, 0.9], 0.5)
    assert above.wrong == 1
    assert above.describe() == "  some: 3, 0.200 … 0.900, median 0.500; 1 below 0.5"
    below = calibrate.Side("some", [0.2, 0.5, 0.9], 0.5, belongs_above=False)
    assert below.wrong == 2
    assert below.describe().endswith("; 2 above 0.5")
    assert calibrate.Side("some", [1.0]).describe() == "  some: 1, 1.000 … 1.000, median 1.000"
    assert calibrate.Side("some", [], 0.5).describe() == "  some: none"


def test_what_is_compared_is_found_by_moving_the_threshold() -> None:
    module = types.ModuleType("some")
    vars(module)["LEAST"] = 0.4
    found = calibrate.find_tipping_point(module, {"LEAST": 0.4}, lambda: bool(vars(module)["LEAST"] > 0.31))
    assert found is not None and abs(0.4 * found - 0.31) < 1e-3
    assert vars(module)["LEAST"] == 0.4
    assert calibrate.find_tipping_point(module, {"LEAST": 0.4}, lambda: False) is None


def test_labels_are_believed_and_the_wrong_ones_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_folder(
        tmp_path,
        "edwards_blink.jpg,1,Edwards,both,smiling with teeth,synthetic blink",
        "edwards.jpg,1,Edwards,both,unsmiling,mislabelled",
        "womack.jpg,1,Womack,none,unsmiling,open eyes",
    )
    samples = calibrate.read_samples(folder)
    assert [sample.closed for sample in samples] == [frozenset(EYES), frozenset(EYES), frozenset()]
    assert [sample.smiles for sample in samples] == [True, False, False]
    closed, open_, *_ = calibrate.calibrate_closedness(samples)
    assert (len(closed.values), closed.wrong, len(open_.values), open_.wrong) == (2, 1, 1, 0)
    smiling, unsmiling = calibrate.calibrate_smile(samples)
    assert (len(smiling.values), smiling.wrong, len(unsmiling.values), unsmiling.wrong) == (1, 0, 2, 1)
    same, different, *_ = calibrate.calibrate_identity(samples)
    assert (len(same.values), same.wrong, len(different.values), different.wrong) == (1, 0, 2, 0)
    line, *_ = calibrate.calibrate_lash_line(samples[:1])
    assert len(line.values) == 2 and line.wrong == 0 and min(line.values) > 0.9

    assert calibrate.main(["smile", "muzzle", "--photos", str(folder)]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "3 labelled faces in 3 photos"
    assert [line.partition(":")[0] for line in out if line and not line.startswith(" ")][1:] == ["smile", "muzzle"]


def test_a_photo_that_is_there_twice_counts_once(tmp_path: Path) -> None:
    folder = make_folder(tmp_path, "womack.jpg,1,Womack,none,unsmiling,open eyes")
    shutil.copy(folder / "womack.jpg", folder / "again.jpg")
    with (folder / "labels.csv").open("a", encoding="utf-8") as file:
        file.write("again.jpg,1,Womack,none,unsmiling,open eyes\n")
    assert len(calibrate.read_samples(folder)) == 1


def test_the_landmarker_is_shown_what_is_measured(tmp_path: Path) -> None:
    (sample,) = calibrate.read_samples(make_folder(tmp_path, "womack.jpg,1,Womack,none,unsmiling,open eyes"))
    assert isinstance(sample.analysis, FaceAnalysis)
    clear, noisy = calibrate.calibrate_noise([sample])
    assert len(clear.values) == len(noisy.values) == 1
    assert clear.wrong == 0 and noisy.values[0] > clear.values[0] + 1
    bright, dark, made = calibrate.calibrate_dark([sample])
    assert (bright.wrong, dark.values, made.wrong) == (0, [], 0)


def test_all_labels_of_the_portraits_are_understood() -> None:
    with (PORTRAITS / "labels.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert {line["open"] for line in lines} <= {"none", "right", "both"}
    assert {line["mouth"].split()[0] for line in lines} <= {"smiling", "unsmiling", "hardly"}


@pytest.mark.parametrize(
    ("labels", "words"),
    [(None, "no labels.csv"), ("a,b\n1,2\n", "columns"), (LABELS + "none.jpg,1,A,none,smiling,\n", "none.jpg")],
)
def test_a_folder_that_cannot_be_used_is_one_sentence(
    labels: str | None, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if labels is not None:
        (tmp_path / "labels.csv").write_text(labels, encoding="utf-8")
    assert calibrate.main(["smile", "--photos", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and error.count("\n") == 1 and words in error


def test_a_row_that_is_not_there_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert calibrate.main(["beauty"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: beauty is no row") and error.count("\n") == 1
