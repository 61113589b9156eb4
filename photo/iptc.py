"""The captions and keywords of the IPTC's older standard (IIM), which newspapers and picture desks use.

JPEG and TIFF hold them as they are; for other formats they become the XMP properties that stand for them.
Sources: IPTC-NAA Information Interchange Model 4.2; IPTC Photo Metadata Standard; Photoshop file formats.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

RESOURCES_NAME = b"Photoshop 3.0\0"
"""What the content of a JPEG segment begins with that holds Photoshop's resources."""

_IPTC_RESOURCE = 0x0404
# What else may stay: the mark of copyright and its address.
_KEPT_RESOURCES = (0x040A, 0x040B)
_PATHS = range(2000, 2999)

_DC = ("http://purl.org/dc/elements/1.1/", "dc")
_PHOTOSHOP = ("http://ns.adobe.com/photoshop/1.0/", "photoshop")
_CORE = ("http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/", "Iptc4xmpCore")
_PROPERTIES = {
    5: (*_DC, "title", "Alt"), 25: (*_DC, "subject", "Bag"), 40: (*_PHOTOSHOP, "Instructions", ""),
    55: (*_PHOTOSHOP, "DateCreated", ""), 80: (*_DC, "creator", "Seq"), 85: (*_PHOTOSHOP, "AuthorsPosition", ""),
    90: (*_PHOTOSHOP, "City", ""), 92: (*_CORE, "Location", ""), 95: (*_PHOTOSHOP, "State", ""),
    100: (*_CORE, "CountryCode", ""), 101: (*_PHOTOSHOP, "Country", ""),
    103: (*_PHOTOSHOP, "TransmissionReference", ""), 105: (*_PHOTOSHOP, "Headline", ""),
    110: (*_PHOTOSHOP, "Credit", ""), 115: (*_PHOTOSHOP, "Source", ""), 116: (*_DC, "rights", "Alt"),
    120: (*_DC, "description", "Alt"), 122: (*_PHOTOSHOP, "CaptionWriter", ""),
}  # fmt: skip
# Numbers of the version, and the time of day, which the date holds in XMP.
_WITHOUT_MEANING = (0, 60)


def read_resources(data: bytes) -> dict[int, bytes]:
    """Return Photoshop's resources by their numbers; what is damaged is left out."""
    found: dict[int, bytes] = {}
    at = 0
    while data[at : at + 4] in (b"8BIM", b"MeSa", b"PHUT", b"AgHg", b"DCSR") and at + 7 <= len(data):
        number, name = struct.unpack_from(">HB", data, at + 4)
        at += 6 + (name + 2) // 2 * 2
        if at + 4 > len(data):
            break
        size = struct.unpack_from(">L", data, at)[0]
        if at + 4 + size <= len(data):
            found.setdefault(number, data[at + 4 : at + 4 + size])
        at += 4 + size + size % 2
    return found


def select_resources(data: bytes) -> tuple[bytes, bool]:
    """Return those of Photoshop's resources that suit the edited photo, and whether clipping paths are left out."""
    found = read_resources(data)
    kept = {number: found[number] for number in (_IPTC_RESOURCE, *_KEPT_RESOURCES) if found.get(number)}
    return pack_resources(kept), any(number in _PATHS for number in found)


def pack_resources(resources: dict[int, bytes]) -> bytes:
    """Return Photoshop's resources as bytes."""
    return b"".join(
        b"8BIM" + struct.pack(">HHL", number, 0, len(data)) + data + b"\0" * (len(data) % 2)
        for number, data in resources.items()
    )


def wrap(iptc: bytes) -> bytes:
    """Return the records as Photoshop's resource that holds them."""
    return pack_resources({_IPTC_RESOURCE: iptc})


def unwrap(resources: bytes) -> bytes:
    """Return the records in Photoshop's resources; none where there are none."""
    return read_resources(resources).get(_IPTC_RESOURCE, b"")


def to_properties(iptc: bytes) -> tuple[dict[tuple[str, str, str], tuple[str, list[str]]], list[str]]:
    """Return records as XMP properties, as `xmp.add_properties` takes them, and the numbers of those without one."""
    records = list(_read_records(iptc))
    is_utf8 = any((record, number) == (1, 90) and b"\x1b%G" in value for record, number, value in records)
    properties: dict[tuple[str, str, str], tuple[str, list[str]]] = {}
    unknown: list[str] = []
    for record, number, value in records:
        if record != 2 or number not in _PROPERTIES:
            if record != 1 and number not in _WITHOUT_MEANING:
                unknown.append(f"{record}:{number:03}")
            continue
        uri, prefix, name, form = _PROPERTIES[number]
        text = _decode(value, is_utf8)
        if number == 55 and len(text) == 8 and text.isdigit():
            text = f"{text[:4]}-{text[4:6]}-{text[6:]}"
        properties.setdefault((uri, prefix, name), (form, []))[1].append(text)
    return properties, sorted(set(unknown))


def _decode(value: bytes, is_utf8: bool) -> str:
    """Text without the signs that XML cannot hold."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = value.decode("utf-8", "replace") if is_utf8 else value.decode("latin-1")
    return "".join(character for character in text if character in "\t\n\r" or ord(character) >= 32)


def _read_records(iptc: bytes) -> Iterator[tuple[int, int, bytes]]:
    at = 0
    while at + 5 <= len(iptc) and iptc[at] == 0x1C:
        record, number, size = struct.unpack_from(">BBH", iptc, at + 1)
        at += 5
        if size & 0x8000:  # the length of the length of long values
            digits = size & 0x7FFF
            size = int.from_bytes(iptc[at : at + digits], "big")
            at += digits
        if at + size > len(iptc):
            return
        yield record, number, iptc[at : at + size]
        at += size
