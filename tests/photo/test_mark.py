"""Edited pictures say so: in every format that holds XMP, beside whatever XMP is there."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from photo.decode import XMP_KEY
from photo.files import load_photo, save_photo
from photo.mark import SourceType, is_marked, mark_photo, mark_xmp, name_tool, read_source_type
from photo.types import Photo

RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
IPTC = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}"
XMP = "{http://ns.adobe.com/xap/1.0/}"
PACKET = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="uuid:1&amp;2" xmlns:dc="http://purl.org/dc/elements/1.1/" {more}>
<dc:subject><rdf:Bag><rdf:li>naïve &lt;tag&gt;</rdf:li></rdf:Bag></dc:subject>{inside}
</rdf:Description></rdf:RDF></x:xmpmeta>{padding}<?xpacket end="w"?>"""
SPACES = 'xmlns:i="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"'

INNER = "<i:DigitalSourceType>inner</i:DigitalSourceType>"


def make_packet(more: str = "", inside: str = "", padding: str = "") -> bytes:
    return PACKET.format(more=more, inside=inside, padding=padding).encode()


def read_properties(xmp: bytes) -> dict[str, list[str]]:
    """The simple properties of all descriptions, by their full names; read by another parser."""
    found: dict[str, list[str]] = {}
    for description in ET.fromstring(xmp.decode()).iter(f"{RDF}Description"):
        for name, value in description.attrib.items():
            found.setdefault(name, []).append(value)
        for child in description:
            found.setdefault(child.tag, []).append(child.attrib.get(f"{RDF}resource") or (child.text or "").strip())
    return found


@pytest.mark.parametrize("kind", SourceType)
def test_a_packet_is_made_where_there_is_none(kind: SourceType) -> None:
    xmp, note = mark_xmp(b"", kind)
    properties = read_properties(xmp)
    assert note is None
    assert properties[f"{IPTC}DigitalSourceType"] == [f"http://cv.iptc.org/newscodes/digitalsourcetype/{kind.value}"]
    assert properties[f"{XMP}CreatorTool"] == [name_tool()]
    assert read_source_type(xmp) is kind


@pytest.mark.parametrize(
    ("more", "inside"),
    [
        ("", ""),
        (f'{SPACES} i:DigitalSourceType="URI" xmp:CreatorTool="a &gt; b"', ""),
        (f"{SPACES} i:DigitalSourceType = 'URI' xmp:Rating='>3'", "<xmp:CreatorTool>a &gt; b</xmp:CreatorTool>"),
        (SPACES, "<i:DigitalSourceType>URI</i:DigitalSourceType><i:Other/>"),
        (SPACES, '<i:DigitalSourceType rdf:resource="URI"/>'),
        (SPACES, '<i:DigitalSourceType rdf:resource="URI"></i:DigitalSourceType  >'),
        (SPACES, f"<i:Event><rdf:Description>{INNER}</rdf:Description></i:Event>"),
    ],
)  # fmt: skip
def test_a_mark_is_merged_with_what_is_there(more: str, inside: str) -> None:
    uri = SourceType.CAPTURE.uri
    before = make_packet(more, inside).replace(b"URI", uri.encode())
    marked, note = mark_xmp(before, SourceType.SYNTHETIC)
    assert note is None
    old, new = read_properties(before), read_properties(marked)
    inner = [value for value in old.get(f"{IPTC}DigitalSourceType", []) if value == "inner"]
    assert sorted(new[f"{IPTC}DigitalSourceType"]) == sorted([SourceType.SYNTHETIC.uri, *inner])
    assert new[f"{XMP}CreatorTool"] == old.get(f"{XMP}CreatorTool", [name_tool()])
    for name in set(old) - {f"{IPTC}DigitalSourceType", f"{RDF}about"}:
        assert new[name] == old[name]
    # All of one picture describe one thing.
    assert set(new[f"{RDF}about"]) == {"uuid:1&2"}
    assert "naïve &lt;tag&gt;".encode() in marked


def test_marking_again_changes_nothing() -> None:
    once, _ = mark_xmp(make_packet(), SourceType.TRAINED)
    assert read_properties(mark_xmp(once, SourceType.TRAINED)[0]) == read_properties(once)
    assert len(mark_xmp(once, SourceType.TRAINED)[0]) == len(once)


@pytest.mark.parametrize("before", SourceType)
@pytest.mark.parametrize("after", SourceType)
def test_a_picture_never_says_less_than_before(before: SourceType, after: SourceType) -> None:
    order = list(SourceType)
    marked, _ = mark_xmp(mark_xmp(b"", before)[0], after)
    assert read_source_type(marked) is order[max(order.index(before), order.index(after))]


def test_a_captured_photo_no_longer_says_that_it_is_only_that() -> None:
    captured = "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"
    marked, _ = mark_xmp(make_packet(f'{SPACES} i:DigitalSourceType="{captured}"'), SourceType.CAPTURE)
    assert captured.encode() not in marked
    assert read_source_type(marked) is SourceType.CAPTURE


def test_the_mark_takes_the_room_of_the_padding() -> None:
    packet = make_packet(padding="\n" + " " * 2000 + "\n")
    marked, _ = mark_xmp(packet, SourceType.SYNTHETIC)
    assert len(marked) == len(packet)
    assert marked.endswith(b'<?xpacket end="w"?>')


@pytest.mark.parametrize(
    "damaged",
    [b"<x:xmpmeta", b"no XML", make_packet()[:-80], b'<!DOCTYPE x [<!ENTITY a "b">]>' + make_packet(), b"\xff" * 9],
)
def test_xmp_that_cannot_be_read_gives_way_and_that_is_said(damaged: bytes) -> None:
    marked, note = mark_xmp(damaged, SourceType.SYNTHETIC)
    assert note == "The XMP block is damaged and was replaced."
    assert read_source_type(marked) is SourceType.SYNTHETIC
    assert read_source_type(damaged) is None


@given(st.binary(max_size=300), st.integers(0, 600))
def test_no_xmp_raises(junk: bytes, at: int) -> None:
    packet = make_packet()
    marked, _ = mark_xmp(packet[:at] + junk + packet[at:], SourceType.SYNTHETIC)
    assert read_source_type(marked) is SourceType.SYNTHETIC


def test_an_rdf_without_content_is_filled() -> None:
    empty = b'<r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/>'
    assert read_source_type(mark_xmp(empty, SourceType.SYNTHETIC)[0]) is SourceType.SYNTHETIC


@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp", ".tif"])
def test_a_written_picture_is_known_again(tmp_path: Path, ending: str) -> None:
    pixels = np.zeros((8, 8, 3), np.uint8)
    source = Photo(pixels, text={XMP_KEY: make_packet().decode()})
    path = tmp_path / f"edited{ending}"
    save_photo(pixels, source, path)
    assert not is_marked(path)
    save_photo(pixels, mark_photo(source, SourceType.CAPTURE)[0], path)
    assert is_marked(path)
    xmp = load_photo(path).text[XMP_KEY].encode()
    assert read_source_type(xmp) is SourceType.CAPTURE
    assert "naïve".encode() in xmp


def test_the_mark_without_a_type_claims_nothing(tmp_path: Path) -> None:
    pixels = np.zeros((8, 8, 3), np.uint8)
    path = tmp_path / "mask.png"
    save_photo(pixels, mark_photo(Photo(pixels))[0], path)
    assert is_marked(path)
    assert b"DigitalSourceType" not in path.read_bytes()


def test_what_cannot_be_read_is_not_marked(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    Image.new("RGB", (4, 4)).save(tmp_path / "other.png")
    for name in ("empty", "other.png", "missing", ".", "null\0"):
        assert not is_marked(tmp_path / name)
