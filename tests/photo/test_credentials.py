"""Content Credentials: signed with a chain of the tests' own making, read back by the same library, without network."""

from __future__ import annotations

import io
import json
import socket
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from photo.credentials import EditedRegion, Signature, check_signature, sign
from photo.errors import BadOption, MissingPackage
from photo.files import load_photo, save_photo
from photo.mark import SourceType
from photo.saving import Saving
from photo.types import Box

c2pa = pytest.importorskip("c2pa")
certificates = pytest.importorskip("tests.support.certificates")

REGIONS = (
    EditedRegion("Face 1: right eye", Box(4, 5, 14, 12), SourceType.CAPTURE),
    EditedRegion("Face 2: mouth", Box(20, 20, 40, 30), SourceType.SYNTHETIC),
)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def read(path: Path, kind: str = "image/jpeg") -> tuple[Any, dict[str, Any]]:
    """What the credentials say as a whole, and the manifest of the file itself."""
    with c2pa.Reader(kind, io.BytesIO(path.read_bytes())) as reader:
        assert reader.get_validation_state() == "Valid"
        found = json.loads(reader.json())
    failures = found["validation_results"]["activeManifest"]["failure"]
    # A chain of one's own is sound, but nobody vouches for it.
    assert {failure["code"] for failure in failures} <= {"signingCredential.untrusted"}
    return found, found["manifests"][found["active_manifest"]]


def find_actions(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        action
        for assertion in manifest["assertions"]
        if assertion["label"].startswith("c2pa.actions")
        for action in assertion["data"]["actions"]
    ]


def save_signed(folder: Path, source: Path, name: str, kind: str = "es256") -> Path:
    photo = load_photo(source)
    pixels = photo.pixels.copy()
    pixels[5:12, 4:14] //= 2
    chain, key = certificates.make_certificate(folder, kind)
    signature = Signature(chain, key, REGIONS)
    saving = Saving(is_marked=True, source_type=SourceType.SYNTHETIC, signature=signature)
    save_photo(pixels, photo, folder / name, saving=saving)
    return folder / name


def make_source(folder: Path, name: str = "source.jpg") -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    Image.fromarray(pixels).save(folder / name)
    return folder / name


@pytest.mark.parametrize("kind", ["es256", "es384", "ed25519", "ps256"])
def test_the_actions_name_the_edited_regions(tmp_path: Path, kind: str) -> None:
    _, manifest = read(save_signed(tmp_path, make_source(tmp_path), "result.jpg", kind))
    opened, *edited = find_actions(manifest)
    assert opened["action"] == "c2pa.opened"
    assert [action["action"] for action in edited] == ["c2pa.edited"] * 2
    assert [action["description"] for action in edited] == ["Face 1: right eye", "Face 2: mouth"]
    assert [action["digitalSourceType"] for action in edited] == [SourceType.CAPTURE.uri, SourceType.SYNTHETIC.uri]
    shape = edited[1]["changes"][0]["region"][0]["shape"]
    assert (shape["origin"], shape["width"], shape["height"]) == ({"x": 20, "y": 20}, 20, 10)
    assert [ingredient["title"] for ingredient in manifest["ingredients"]] == ["source.jpg"]
    assert manifest["ingredients"][0]["relationship"] == "parentOf"
    # A small copy of the source would show the old picture.
    assert "thumbnail" not in manifest and "thumbnail" not in manifest["ingredients"][0]


@pytest.mark.parametrize(
    ("ending", "kind"), [(".png", "image/png"), (".webp", "image/webp"), (".tif", "image/tiff"), (".jpg", "image/jpeg")]
)
def test_every_format_that_holds_them(tmp_path: Path, ending: str, kind: str) -> None:
    path = save_signed(tmp_path, make_source(tmp_path, f"source{ending}"), f"result{ending}")
    _, manifest = read(path, kind)
    assert len(find_actions(manifest)) == 3
    with Image.open(path) as image:
        image.load()


def test_credentials_of_the_source_stay_as_those_of_an_ingredient(tmp_path: Path) -> None:
    first = save_signed(tmp_path, make_source(tmp_path), "first.jpg")
    found, manifest = read(save_signed(tmp_path, first, "second.jpg"))
    assert len(found["manifests"]) == 2
    assert manifest["ingredients"][0]["active_manifest"] in found["manifests"]
    older = found["manifests"][manifest["ingredients"][0]["active_manifest"]]
    assert [ingredient["title"] for ingredient in older["ingredients"]] == ["source.jpg"]


def test_without_a_signature_they_are_lost_with_a_word(tmp_path: Path) -> None:
    photo = load_photo(save_signed(tmp_path, make_source(tmp_path), "first.jpg"))
    pixels = photo.pixels.copy()
    pixels[5:12, 4:14] = 99
    note = save_photo(pixels, photo, tmp_path / "second.jpg")
    assert note is not None and "Content Credentials" in note
    assert b"c2pa" not in (tmp_path / "second.jpg").read_bytes()


def test_a_source_that_cannot_hold_any_is_named(tmp_path: Path) -> None:
    _, manifest = read(save_signed(tmp_path, make_source(tmp_path, "source.bmp"), "result.jpg"))
    assert [ingredient["title"] for ingredient in manifest["ingredients"]] == ["source.bmp"]


def test_further_pictures_are_still_found(tmp_path: Path) -> None:
    source = tmp_path / "source.jpg"
    pages = [Image.new("RGB", (64, 48), color) for color in ("red", "blue")]
    pages[0].save(source, "MPO", save_all=True, append_images=pages[1:])
    path = save_signed(tmp_path, source, "result.jpg")
    read(path)
    with Image.open(path) as image:
        assert image.format == "MPO"
        image.seek(1)
        assert np.asarray(image)[20, 20, 2] > 250


def test_what_cannot_sign_is_one_sentence(tmp_path: Path) -> None:
    chain, key = certificates.make_certificate(tmp_path)
    check_signature(Signature(chain, key))
    other = tmp_path / "other"
    other.mkdir()
    _, wrong_key = certificates.make_certificate(other)
    _, locked = certificates.make_certificate(other, password=b"secret")
    junk = tmp_path / "junk.pem"
    junk.write_text("nothing of the kind")
    for certificate, secret in ((tmp_path / "none.pem", key), (chain, junk), (chain, locked), (chain, tmp_path)):
        with pytest.raises(BadOption, match=r"\.$"):
            check_signature(Signature(certificate, secret))
    data = make_source(tmp_path).read_bytes()
    for certificate, secret in ((junk, key), (chain, wrong_key)):
        with pytest.raises(BadOption, match=r"\.$"):
            sign(data, "JPEG", None, Signature(certificate, secret))


def test_a_format_without_room_is_refused(tmp_path: Path) -> None:
    signature = Signature(*certificates.make_certificate(tmp_path))
    with pytest.raises(BadOption, match="cannot be signed"):
        sign(b"BM", "BMP", None, signature)


def test_without_the_package_it_is_said_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    signature = Signature(*certificates.make_certificate(tmp_path))
    monkeypatch.setitem(sys.modules, "c2pa", None)
    with pytest.raises(MissingPackage, match=r"pip install -r requirements_sign\.txt"):
        check_signature(signature)
