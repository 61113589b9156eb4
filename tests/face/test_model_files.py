"""Model files are what they were when the program was made, or the program says so."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from face import res10
from face.model_files import MODELS, model_bytes
from photo.errors import MissingModel
from tests.conftest import ROOT


@pytest.mark.parametrize("name", MODELS)
def test_every_model_file_is_whole(name: str) -> None:
    assert hashlib.sha256(model_bytes(name)).hexdigest() == MODELS[name][1]


def test_every_model_file_of_the_program_is_known() -> None:
    endings = {".caffemodel", ".npz", ".onnx", ".prototxt", ".task", ".xml"}
    files = [path for folder in (ROOT, ROOT / "models") for path in folder.iterdir() if path.suffix in endings]
    assert {path.name: path.parent for path in files} == {name: folder for name, (folder, _) in MODELS.items()}


def test_a_file_that_differs_in_one_bit_is_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = bytearray(model_bytes("deploy.prototxt"))
    data[1000] ^= 1
    (tmp_path / "deploy.prototxt").write_bytes(data)
    monkeypatch.setitem(MODELS, "deploy.prototxt", (tmp_path, MODELS["deploy.prototxt"][1]))
    with pytest.raises(MissingModel, match=r"deploy\.prototxt is damaged"):
        model_bytes("deploy.prototxt")


def test_a_folder_in_the_place_of_a_file_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "deploy.prototxt").mkdir()
    monkeypatch.setitem(MODELS, "deploy.prototxt", (tmp_path, MODELS["deploy.prototxt"][1]))
    with pytest.raises(MissingModel, match=r"deploy\.prototxt cannot be read"):
        model_bytes("deploy.prototxt")


# ---- what the layers of the detector are mended of -------------------------------------------------------


def test_what_stands_once_is_replaced() -> None:
    assert res10.replace_once("a: 1\nb: 2\n", "b: 2\n", "b: 3\n") == "a: 1\nb: 3\n"


@pytest.mark.parametrize(("text", "count"), [("a: 1\n", 0), ("b: 2\nb: 2\n", 2)])
def test_what_does_not_stand_there_once_is_no_known_file(text: str, count: int) -> None:
    with pytest.raises(MissingModel, match=re.escape(f"'b: 2' {count} times")):
        res10.replace_once(text, "b: 2\n", "b: 3\n")


def test_the_layers_of_the_detector_are_mended() -> None:
    layers = res10._read_files()[0].decode()
    assert layers.count("step: 64\n") == 3
    assert "step: 100" not in layers and "step: 300" not in layers
    assert layers.count("confidence_threshold") == 1
    assert f"confidence_threshold: {res10.LEAST_CONFIDENCE}\n" in layers
