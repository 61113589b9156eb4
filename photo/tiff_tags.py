"""Reads and writes the tags of TIFF files and Exif blocks as raw bytes, so that no value changes on its way.

Sources: TIFF 6.0; Exif 2.3, section 4.6; the design of BigTIFF.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

EXIF_IFD, GPS_IFD, INTEROPERABILITY_IFD = 34665, 34853, 40965
XMP_TAG, IPTC_TAG, PHOTOSHOP_TAG, ICC_TAG, CREDENTIALS_TAG = 700, 33723, 34377, 34675, 52545
_POINTERS = (EXIF_IFD, GPS_IFD, INTEROPERABILITY_IFD)
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_CODES = {1: "B", 3: "H", 4: "L", 6: "b", 8: "h", 9: "l", 13: "L", 16: "Q", 17: "q", 18: "Q"}
# Files come from strangers: no photo has more, and a circle of directories must end.
_MOST_PAGES, _MOST_ENTRIES, _DEEPEST = 64, 4096, 3

# Tags on how samples are stored, and those that are kept elsewhere: size, depth, strips and tiles, resolution,
# orientation, colour tables, thumbnails, JPEG tables, subsampling, reference black and white, raw sensor data.
_STORAGE_TAGS = {
    *range(254, 260), *range(262, 267), 273, 274, *range(277, 285), *range(288, 293), 296, 297, 301, *range(317, 326),
    330, *range(332, 348), *range(512, 522), *range(529, 533), XMP_TAG, *range(33421, 33424), IPTC_TAG, PHOTOSHOP_TAG,
    ICC_TAG, CREDENTIALS_TAG, *range(50706, 51200),
}  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """A tag's type as TIFF numbers it, its number of values, and their bytes; or a directory that it points to."""

    kind: int
    count: int
    data: bytes
    directory: Directory | None = None


Directory = Mapping[int, Entry]
"""The tags of one directory."""


@dataclass(frozen=True)
class Tags:
    """The directories of a file or a block, the pages of a TIFF, and its byte order: "<" or ">"."""

    order: str
    pages: tuple[Directory, ...]

    def numbers(self, page: int, tag: int) -> tuple[int, ...]:
        """The whole numbers of a tag of a page; none where it is missing or of another type."""
        entry = self.pages[page].get(tag) if page < len(self.pages) else None
        code = _CODES.get(entry.kind) if entry else None
        return struct.unpack(f"{self.order}{entry.count}{code}", entry.data) if entry and code else ()

    def raw(self, page: int, tag: int) -> bytes:
        """The bytes of a tag of a page; none where it is missing."""
        entry = self.pages[page].get(tag) if page < len(self.pages) else None
        return entry.data if entry else b""


def read_tags(data: bytes) -> Tags:
    """Return the tags of a TIFF file, BigTIFF, or of the TIFF part of an Exif block.

    A tag that lies outside the data is left out. Raises ValueError when it does not begin as TIFF.
    """
    order = {b"II": "<", b"MM": ">"}.get(data[:2], "")
    try:
        version = struct.unpack_from(f"{order}H", data, 2)[0] if order else 0
        is_big = version == 43
        # Panasonic's and Olympus' raw files have version numbers of their own.
        if not is_big and version not in (42, 0x55, 0x4F52, 0x5352):
            raise ValueError("this is no TIFF")
        at = struct.unpack_from(f"{order}{'Q' if is_big else 'L'}", data, 8 if is_big else 4)[0]
        pages: list[Directory] = []
        seen: set[int] = set()
        while at and at not in seen and len(pages) < _MOST_PAGES:
            seen.add(at)
            page, at = _read_directory(data, at, order, is_big, 0)
            pages.append(page)
    except struct.error as error:
        raise ValueError("the tags are damaged") from error
    return Tags(order, tuple(pages))


def _read_directory(data: bytes, at: int, order: str, is_big: bool, depth: int) -> tuple[Directory, int]:
    """A directory, and the offset of the next one, 0 for none."""
    number, step, place = ("Q", 20, "Q") if is_big else ("H", 12, "L")
    count = struct.unpack_from(f"{order}{number}", data, at)[0]
    if count > _MOST_ENTRIES:
        raise ValueError("the tags are damaged")
    at += struct.calcsize(f"={number}")
    directory: dict[int, Entry] = {}
    inside = struct.calcsize(f"={place}")
    for entry in range(at, at + count * step, step):
        tag, kind, values = struct.unpack_from(f"{order}HH{place}", data, entry)
        size = _SIZES.get(kind, 0) * values
        value = entry + step - inside
        if size > inside:
            value = struct.unpack_from(f"{order}{place}", data, value)[0]
        if not size or value + size > len(data):
            continue
        raw = bytes(data[value : value + size])
        if tag in _POINTERS and kind in _CODES and depth < _DEEPEST:
            below = struct.unpack_from(f"{order}{_CODES[kind]}", raw)[0]
            try:
                directory[tag] = Entry(4, 1, b"", _read_directory(data, below, order, is_big, depth + 1)[0])
            except (struct.error, ValueError):
                continue
        else:
            directory[tag] = Entry(kind, values, raw)
    after = at + count * step
    following = struct.unpack_from(f"{order}{place}", data, after)[0] if after + inside <= len(data) else 0
    return directory, following


def select_describing(directory: Directory) -> dict[int, Entry]:
    """Return the tags that describe the photo, not how its samples are stored: those that suit any file."""
    return {tag: entry for tag, entry in directory.items() if tag not in _STORAGE_TAGS and entry.kind <= 13}


def pack(order: str, directory: Directory, start: int = 0) -> bytes:
    """Return a TIFF header and a directory with all below it; offsets count from `start` bytes before them."""
    mark = {"<": b"II", ">": b"MM"}[order]
    return struct.pack(f"{order}2sHL", mark, 42, start + 8) + pack_directory(order, directory, start + 8)


def pack_directory(order: str, directory: Directory, at: int) -> bytes:
    """Return a directory, the last of its file, and all that it points to, as it lies at the offset `at`."""
    entries, values = b"", b""
    place = at + 2 + 12 * len(directory) + 4
    for tag, entry in sorted(directory.items()):
        if entry.directory is not None:
            field = struct.pack(f"{order}L", place + len(values))
            values += pack_directory(order, entry.directory, place + len(values))
        elif len(entry.data) <= 4:
            field = entry.data.ljust(4, b"\0")
        else:
            field = struct.pack(f"{order}L", place + len(values))
            values += entry.data + b"\0" * (len(entry.data) % 2)
        entries += struct.pack(f"{order}HHL", tag, entry.kind, entry.count) + field
    return struct.pack(f"{order}H", len(directory)) + entries + struct.pack(f"{order}L", 0) + values


def shorts(order: str, *values: int) -> Entry:
    """Return an entry of 16-bit numbers."""
    return Entry(3, len(values), struct.pack(f"{order}{len(values)}H", *values))


def longs(order: str, *values: int) -> Entry:
    """Return an entry of 32-bit numbers."""
    return Entry(4, len(values), struct.pack(f"{order}{len(values)}L", *values))


def fraction(order: str, value: float) -> Entry:
    """Return an entry of one positive number, kept to a ten-thousandth."""
    return Entry(5, 1, struct.pack(f"{order}2L", round(value * 10000), 10000))


def opaque(data: bytes) -> Entry:
    """Return an entry of bytes that have no further meaning to TIFF."""
    return Entry(7, len(data), data)


def split_planes(data: bytes, page: int) -> list[bytes]:
    """Return a classic TIFF with separate planes as one gray TIFF for each plane.

    The samples stay where they are; each result is the file with a new directory behind it. Raises ValueError when the
    file is no such TIFF.
    """
    tags = read_tags(data)
    directory, order = dict(tags.pages[page]), tags.order
    offset_tag, size_tag = (324, 325) if 324 in directory else (273, 279)
    offsets, sizes = tags.numbers(page, offset_tag), tags.numbers(page, size_tag)
    planes = (tags.numbers(page, 277) or (1,))[0]
    bits = tags.numbers(page, 258)
    if data[2:4] not in (b"*\0", b"\0*") or not offsets or len(offsets) != len(sizes) or len(offsets) % planes:
        raise ValueError("this is no TIFF with separate planes")
    results, share = [], len(offsets) // planes
    for plane in range(planes):
        part = slice(plane * share, (plane + 1) * share)
        own = {tag: entry for tag, entry in directory.items() if tag in _STORAGE_TAGS and entry.directory is None}
        for tag in (XMP_TAG, IPTC_TAG, PHOTOSHOP_TAG, ICC_TAG, CREDENTIALS_TAG, 330, 338, 339):
            own.pop(tag, None)
        own |= {
            258: shorts(order, bits[0]), 262: shorts(order, 1), 277: shorts(order, 1), 284: shorts(order, 1),
            offset_tag: longs(order, *offsets[part]), size_tag: longs(order, *sizes[part]),
        }  # fmt: skip
        at = len(data) + len(data) % 2
        results.append(
            data[:4] + struct.pack(f"{order}L", at) + data[8:] + b"\0" * (at - len(data))
            + pack_directory(order, own, at)
        )  # fmt: skip
    return results
