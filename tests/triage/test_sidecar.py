"""Sidecars: what is in one stays, what a person gave counts more, and what cannot be read is left alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.dom import minidom

import pytest

from photo.mark import is_marked
from photo.writing import Originals
from triage.sidecar import name_sidecar, write_sidecar
from triage.verdict import FaceVerdict, PhotoVerdict

FACE = FaceVerdict(1, (0, 0, 1, 1), ("open", "open"), 0.6, True, True, 0.9)
FINE = PhotoVerdict(Path("a.jpg"), faces=(FACE,))
BLINK = PhotoVerdict(
    Path("a.jpg"), faces=(replace(FACE, eyes=("closed", "closed"), fixes=("both eyes: can be fixed, rendered",)),)
)
DARKTABLE = """<?xml version="1.0" encoding="UTF-8"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 4.4.0-Exiv2">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmlns:darktable="http://darktable.sf.net/" xmp:Rating="RATING" darktable:auto_presets_applied="1">
   <dc:subject><rdf:Bag><rdf:li>wedding &amp; été</rdf:li></rdf:Bag></dc:subject>
   <darktable:history><rdf:Seq><rdf:li darktable:num="0" darktable:operation="exposure"/></rdf:Seq></darktable:history>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
"""


def write(verdict: PhotoVerdict, path: Path) -> str:
    return write_sidecar(verdict, path, Originals(overwrite=True, never="--sidecars"))


def read(path: Path) -> dict[str, list[str]]:
    """Every property and its texts, by the name it is written under."""
    found: dict[str, list[str]] = {}
    document = minidom.parseString(path.read_bytes())
    for description in document.getElementsByTagName("rdf:Description"):
        for name, value in description.attributes.items():
            if not name.startswith(("xmlns", "rdf:")):
                found.setdefault(name, []).append(value)
        for node in description.childNodes:
            if node.nodeType == node.ELEMENT_NODE:
                items = node.getElementsByTagName("rdf:li") or [node]
                texts = [getattr(item.firstChild, "data", item.toxml()) for item in items]
                found.setdefault(node.tagName, []).extend(texts)
    return found


def test_names_are_those_of_other_programs() -> None:
    assert name_sidecar(Path("in/IMG_1.CR3"), "adobe") == Path("in/IMG_1.xmp")
    assert name_sidecar(Path("in/IMG_1.CR3"), "darktable") == Path("in/IMG_1.CR3.xmp")


def test_a_new_sidecar_holds_rating_label_and_keywords(tmp_path: Path) -> None:
    path = tmp_path / "a.xmp"
    assert write(FINE, path) == ""
    found = read(path)
    assert found["xmp:Rating"] == ["3"] and found["xmp:Label"] == ["Green"]
    assert found["dc:subject"] == ["Open Eyes: all fine"]
    assert found["lr:hierarchicalSubject"] == ["Open Eyes|all fine"]
    # A program may copy it into the photo, which is no result of this one.
    assert not is_marked(path)


def test_a_later_triage_changes_only_what_an_earlier_one_gave(tmp_path: Path) -> None:
    path = tmp_path / "a.xmp"
    assert write(replace(FINE, is_best=True), path) == ""
    assert read(path)["xmp:Rating"] == ["4"]
    assert write(BLINK, path) == ""
    found = read(path)
    assert found["xmp:Rating"] == ["2"] and found["xmp:Label"] == ["Blue"]
    assert found["dc:subject"] == ["Open Eyes: can be fixed", "Open Eyes: somebody blinks"]
    once = path.read_bytes()
    assert write(BLINK, path) == "" and path.read_bytes() == once


@pytest.mark.parametrize(("rating", "after"), [("5", "5"), ("-1", "-1"), ("0", "2")])
def test_everything_in_a_sidecar_stays(tmp_path: Path, rating: str, after: str) -> None:
    path = tmp_path / "a.jpg.xmp"
    path.write_text(DARKTABLE.replace("RATING", rating), encoding="utf-8")
    before = read(path)
    assert write(BLINK, path) == ""
    found = read(path)
    assert found["xmp:Rating"] == [after] and found["xmp:Label"] == ["Blue"]
    assert found["dc:subject"][0] == "wedding & été"
    assert found["dc:subject"][1:] == ["Open Eyes: can be fixed", "Open Eyes: somebody blinks"]
    for name in ("darktable:history", "darktable:auto_presets_applied"):
        assert found[name] == before[name]
    assert 'x:xmptk="XMP Core 4.4.0-Exiv2"' in path.read_text(encoding="utf-8")


def test_a_label_that_a_person_gave_later_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.xmp"
    write(FINE, path)
    by_hand = path.read_text().replace("<xmp:Label>Green</xmp:Label>", "<xmp:Label>Purple</xmp:Label>")
    path.write_text(by_hand.replace("<xmp:Rating>3<", "<xmp:Rating>5<"))
    write(BLINK, path)
    found = read(path)
    assert found["xmp:Label"] == ["Purple"] and found["xmp:Rating"] == ["5"]


@pytest.mark.parametrize(
    "content",
    [
        b"this is no XMP",
        DARKTABLE.encode()[:-40],
        b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b">]>' + DARKTABLE.encode().partition(b"?>")[2],
        DARKTABLE.replace("UTF-8", "ISO-8859-1").encode("latin-1"),
        DARKTABLE.encode("latin-1"),
        b"<rdf/>",
    ],
)
def test_a_sidecar_that_cannot_be_read_is_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.xmp"
    path.write_bytes(content)
    assert "stays as it is" in write(FINE, path)
    assert path.read_bytes() == content
    assert [file.name for file in tmp_path.iterdir()] == ["a.xmp"]


def test_utf_16_is_read_as_well(tmp_path: Path) -> None:
    path = tmp_path / "a.xmp"
    path.write_bytes(DARKTABLE.replace("UTF-8", "UTF-16").replace("RATING", "0").encode("utf-16"))
    assert write(FINE, path) == ""
    assert read(path)["dc:subject"][0] == "wedding & été"
