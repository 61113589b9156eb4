"""What the command line writes beside and into a result: the mark, layers and a signature."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import main
from edit.options import Options
from photo.decode import XMP_KEY
from photo.errors import BadOption
from photo.files import load_photo
from photo.mark import SourceType, is_marked, read_source_type
from retouch.files import FileJob
from retouch.places import JobFiles

SAMPLE = Path(main.__file__).parent / "data" / "inputs" / "image_1.jpg"


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sample's result as JPEG, signed, and its layers."""
    certificates = pytest.importorskip("tests.support.certificates")
    pytest.importorskip("c2pa")
    folder = tmp_path_factory.mktemp("results")
    chain, key = certificates.make_certificate(folder)
    arguments = [SAMPLE, "-o", folder / "result.jpg", "--layers", folder / "layers.psd", "--sign", chain, key]
    assert main.main([*map(str, arguments), "--engine", "draft", "--quiet"]) == 0
    return folder


def test_the_result_says_that_a_network_had_its_part(results: Path) -> None:
    assert is_marked(results / "result.jpg") and is_marked(results / "layers.psd")
    xmp = load_photo(results / "result.jpg").text[XMP_KEY].encode()
    assert read_source_type(xmp) is SourceType.TRAINED


def test_without_the_network_it_says_that_a_part_was_rendered(tmp_path: Path) -> None:
    arguments = [SAMPLE, "-o", tmp_path / "result.jpg", "--engine", "draft", "--no-refine", "--quiet"]
    assert main.main([*map(str, arguments)]) == 0
    xmp = load_photo(tmp_path / "result.jpg").text[XMP_KEY].encode()
    assert read_source_type(xmp) is SourceType.SYNTHETIC


def test_layers_and_signature_name_the_same_edits(results: Path) -> None:
    psd_tools, c2pa = pytest.importorskip("psd_tools"), pytest.importorskip("c2pa")
    picture = psd_tools.PSDImage.open(results / "layers.psd")
    with c2pa.Reader("image/jpeg", io.BytesIO((results / "result.jpg").read_bytes())) as reader:
        found = json.loads(reader.json())
    actions = found["manifests"][found["active_manifest"]]["assertions"][0]["data"]["actions"]
    edits = [action["description"] for action in actions if action["action"] == "c2pa.edited"]
    base, *layers = picture
    assert [layer.name for layer in layers] == edits
    assert set(edits) == {"Face 1: right eye", "Face 1: left eye", "Face 2: mouth"}
    # The lowest layer is the photo as it was, and all together are the result, but for the rounding of the JPEG.
    with Image.open(SAMPLE) as image:
        assert np.array_equal(np.rint(base.numpy("color") * 255), np.asarray(image))
    result = load_photo(results / "result.jpg").pixels.astype(int)
    assert np.abs(np.rint(picture.numpy("color") * 255) - result).mean() < 0.5


def test_no_mark_leaves_it_out(tmp_path: Path) -> None:
    arguments = [SAMPLE, "-o", tmp_path / "result.jpg", "--engine", "draft", "--no-mark", "--quiet"]
    assert main.main([*map(str, arguments)]) == 0
    assert not is_marked(tmp_path / "result.jpg")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--layers", "a.png"), ".psd or .tif"),
        (("--layers", "a.psd", "--analyze"), "no effect with --analyze"),
        (("--sign", "none.pem", "none.key"), "cannot be read"),
        (("--quality", "0"), "must lie between 1 and 100"),
        (("--quality", "80", "--analyze"), "no effect with --analyze"),
        (("--layers", "result.tif"), "over another result"),
    ],
)
def test_what_cannot_be_is_said_before_any_work(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    pytest.importorskip("c2pa")
    assert main.main([str(SAMPLE), "-o", "result.tif", *arguments]) == 2
    assert words in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_layers_take_one_photo(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(SAMPLE.read_bytes())
    with pytest.raises(BadOption, match="single photo"):
        FileJob(JobFiles((tmp_path,), layers=tmp_path / "a.psd"), Options(), print)
