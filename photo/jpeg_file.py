"""The segments of a JPEG file: metadata that can be kept as it lies there, and what lies behind the picture.

Sources: ITU-T T.81, annex B; Exif 2.3; CIPA DC-007 (Multi-Picture Format).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass

EXIF_NAME = b"Exif\0\0"
"""What the content of a JPEG segment begins with that holds Exif, and `Photo.exif` with it."""

_MPF_NAME = b"MPF\0"
LARGEST_CONTENT = 65533
"""The most bytes that a segment holds."""

APP0, APP1, APP2, APP13, COMMENT = 0xE0, 0xE1, 0xE2, 0xED, 0xFE
_APP14 = 0xEE
HUFFMAN_TABLES, RESTART_INTERVAL = 0xC4, 0xDD
_SOI, _EOI, _SCAN = b"\xff\xd8", 0xD9, 0xDA
END = bytes((0xFF, _EOI))
"""The marker at the end of a picture."""

_PROGRESSIVE = (0xC2,)
_FRAMES = (*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0))
_MPF_ENTRIES = 0xB002

# In a scan FF is followed by 0, by the number of a restart, or by more of its kind: anything else ends the scan.
_SCAN_END = re.compile(rb"\xff(?=[^\x00\xd0-\xd7\xff])")


@dataclass(frozen=True)
class Segment:
    """One segment before the first scan: its marker, 0xC0 … 0xFE, and its content, without marker and length."""

    marker: int
    content: bytes

    @property
    def is_metadata(self) -> bool:
        """Whether it is an application's segment or a comment, which decide nothing about the samples, or little."""
        return APP0 <= self.marker <= 0xEF or self.marker == COMMENT

    def pack(self) -> bytes:
        """Return the segment as it lies in a file."""
        return struct.pack(">BBH", 0xFF, self.marker, len(self.content) + 2) + self.content


@dataclass(frozen=True)
class JpegFile:
    """A JPEG file taken apart: the segments before the first scan, all from there to the end of the picture, the rest.

    `scans` begins with the first scan and ends with the end marker. `trailer` is what lies behind: further pictures,
    a gain map, a video.
    """

    segments: tuple[Segment, ...]
    scans: bytes
    trailer: bytes

    @property
    def frame(self) -> Segment:
        """The segment that tells size, depth and components."""
        return next(segment for segment in self.segments if segment.marker in _FRAMES)

    @property
    def is_progressive(self) -> bool:
        return self.frame.marker in _PROGRESSIVE

    @property
    def is_common(self) -> bool:
        """Whether it is of the kind that every reader knows: 8 bits, Huffman codes, baseline or progressive."""
        return self.frame.marker in (0xC0, 0xC1, 0xC2) and self.frame.content[0] == 8

    @property
    def is_ycck(self) -> bool:
        """Whether its four components are luma, two of colour, and black, as Adobe's marker tells."""
        adobe = next((s.content for s in self.segments if s.marker == _APP14 and s.content.startswith(b"Adobe")), b"")
        return len(self.frame.content) == 6 + 4 * 3 and len(adobe) >= 12 and adobe[11] == 2

    def pack(self) -> bytes:
        """Return the file."""
        return _SOI + b"".join(segment.pack() for segment in self.segments) + self.scans + self.trailer


def read_jpeg(data: bytes) -> JpegFile:
    """Return a JPEG file taken apart. Raises ValueError when it does not hold a whole picture."""
    if not data.startswith(_SOI):
        raise ValueError("this is no JPEG file")
    segments: list[Segment] = []
    at = 2
    while True:
        marker, content, after = _read_segment(data, at)
        if marker == _SCAN:
            break
        segments.append(Segment(marker, content))
        at = after
    end = _find_end(data, after)
    if not any(segment.marker in _FRAMES for segment in segments):
        raise ValueError("the JPEG file has no frame")
    return JpegFile(tuple(segments), data[at:end], data[end:])


def _read_segment(data: bytes, at: int) -> tuple[int, bytes, int]:
    """The marker and content of the segment at an offset, and the offset behind it."""
    while data[at : at + 2] == b"\xff\xff":  # any number of fill bytes may precede a marker
        at += 1
    if at + 4 > len(data) or data[at] != 0xFF:
        raise ValueError("the JPEG file is damaged")
    marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
    if marker < 0xC0 or 0xD0 <= marker <= 0xD9 or length < 2 or at + 2 + length > len(data):
        raise ValueError("the JPEG file is damaged")
    return marker, data[at + 4 : at + 2 + length], at + 2 + length


def _find_end(data: bytes, at: int) -> int:
    """The offset behind the end marker of the picture whose first scan's data begins at an offset."""
    while True:
        found = _SCAN_END.search(data, at)
        if found is None or found.start() + 2 > len(data):
            raise ValueError("the JPEG file has no end")
        if data[found.start() + 1] == _EOI:
            return found.start() + 2
        at = _read_segment(data, found.start())[2]


def replace_picture(source: JpegFile, picture: JpegFile, metadata: Sequence[Segment]) -> JpegFile:
    """Return the picture of one file with `metadata`, and what lies behind the picture of `source`.

    Offsets in `metadata` to further pictures, of the Multi-Picture Format, are corrected.
    """
    frame = [segment for segment in picture.segments if not segment.is_metadata]
    made = JpegFile((*metadata, *frame), picture.scans, source.trailer)
    return _move_further_pictures(source, made)


def _move_further_pictures(source: JpegFile, made: JpegFile) -> JpegFile:
    segments = list(made.segments)
    for index, segment in enumerate(segments):
        if segment.marker == APP2 and segment.content.startswith(_MPF_NAME):
            before = _measure_to_trailer(source, segment.content)
            after = _measure_to_trailer(made, segment.content)
            first = len(made.pack()) - len(made.trailer)
            if before is not None and after is not None:
                segments[index] = Segment(APP2, _shift_entries(segment.content, after - before, first))
    return JpegFile(tuple(segments), made.scans, made.trailer)


def foresee_growth(data: bytes, grown: bytes) -> bytes:
    """Return a JPEG file whose index of further pictures will be right once it has grown as `grown` has.

    `grown` is the same file with more segments. A file without such an index is returned as it is.
    """
    small, large = read_jpeg(data), read_jpeg(grown)
    for at, segment in enumerate(small.segments):
        if segment.marker == APP2 and segment.content.startswith(_MPF_NAME):
            before, after = (_measure_to_trailer(jpeg, segment.content) for jpeg in (small, large))
            if before is not None and after is not None:
                content = _shift_entries(segment.content, after - before, len(grown) - len(large.trailer))
                segments = (*small.segments[:at], Segment(APP2, content), *small.segments[at + 1 :])
                return JpegFile(segments, small.scans, small.trailer).pack()
    return data


def _measure_to_trailer(jpeg: JpegFile, content: bytes) -> int | None:
    """The bytes from the header of the Multi-Picture segment, where its offsets count from, to the trailer."""
    at = 2
    for segment in jpeg.segments:
        if segment.content == content:
            return len(jpeg.pack()) - len(jpeg.trailer) - (at + 4 + len(_MPF_NAME))
        at += len(segment.content) + 4
    return None


def _shift_entries(content: bytes, shift: int, first_size: int) -> bytes:
    """The Multi-Picture segment with the size of the first picture, and the others' offsets moved; as is if damaged."""
    block, start = bytearray(content), len(_MPF_NAME)
    order = {b"II": "<", b"MM": ">"}.get(content[start : start + 2])
    if order is None:
        return content
    try:
        directory = start + struct.unpack_from(f"{order}L", block, start + 4)[0]
        for index in range(struct.unpack_from(f"{order}H", block, directory)[0]):
            entry = directory + 2 + 12 * index
            tag, _, size, place = struct.unpack_from(f"{order}HHLL", block, entry)
            if tag != _MPF_ENTRIES:
                continue
            for number in range(size // 16):
                at = start + place + 16 * number + 4
                offset = struct.unpack_from(f"{order}L", block, at + 4)[0]
                if number == 0:
                    struct.pack_into(f"{order}L", block, at, first_size)
                elif offset:
                    struct.pack_into(f"{order}L", block, at + 4, offset + shift)
    except struct.error:
        return content
    return bytes(block)


def unlink_thumbnail(exif: bytes) -> bytes:
    """Return the content of an Exif segment without its thumbnail, which shows the old picture; as is if damaged.

    The thumbnail's bytes are blanked, and the link to them is cut; nothing else moves, so makers' notes stay intact.
    """
    block, start = bytearray(exif), len(EXIF_NAME)
    order = {b"II": "<", b"MM": ">"}.get(exif[start : start + 2])
    if order is None:
        return exif
    try:
        directory = start + struct.unpack_from(f"{order}L", block, start + 4)[0]
        link = directory + 2 + 12 * struct.unpack_from(f"{order}H", block, directory)[0]
        second = struct.unpack_from(f"{order}L", block, link)[0]
        struct.pack_into(f"{order}L", block, link, 0)
        if second == 0:
            return exif
        place, size = 0, 0
        for index in range(struct.unpack_from(f"{order}H", block, start + second)[0]):
            tag, _, _, value = struct.unpack_from(f"{order}HHLL", block, start + second + 2 + 12 * index)
            place, size = (value, size) if tag == 0x0201 else (place, value) if tag == 0x0202 else (place, size)
    except struct.error:
        return exif
    if place and size and block[start + place : start + place + 2] == _SOI and start + place + size <= len(block):
        block[start + place : start + place + size] = bytes(size)
    return bytes(block)
