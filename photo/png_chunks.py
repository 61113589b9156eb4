"""The chunks of a PNG file: those on colour and time, which a new PNG keeps as they are. Source: PNG, third edition."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping

KEPT = (b"cICP", b"sRGB", b"gAMA", b"cHRM", b"mDCV", b"cLLI", b"tIME")
"""The chunks that are kept, in the order in which they are written; all belong before the samples."""

CREDENTIALS = b"caBX"
_SRGB_GAMMA = 45455
_SRGB_PRIMARIES = (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
_SRGB_CODE = (1, 13, 0, 1)
_LONGEST = 1 << 16


def read_chunks(png: bytes) -> dict[bytes, bytes]:
    """Return the content of the chunks that are kept or told of; of others nothing is read."""
    found: dict[bytes, bytes] = {}
    for kind, content in _walk(png):
        if kind in KEPT and len(content) < _LONGEST:
            found.setdefault(kind, content)
        elif kind == CREDENTIALS:
            found[kind] = b""
    return found


def insert(png: bytes, chunks: Mapping[bytes, bytes]) -> bytes:
    """Return a PNG file with chunks behind its header."""
    header = 8 + 25
    return png[:header] + b"".join(make_chunk(kind, chunks[kind]) for kind in KEPT if kind in chunks) + png[header:]


def make_chunk(kind: bytes, data: bytes) -> bytes:
    """Return a chunk as it lies in a file."""
    return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))


def tell_lost(chunks: Mapping[bytes, bytes], format_name: str, has_profile: bool) -> list[str]:
    """Return sentences on what another format cannot say: colours other than sRGB without a profile, and the time."""
    notes = []
    strange = []
    # The more exact statement counts: a code, then a profile, then "this is sRGB", then gamma and primaries.
    if b"cICP" in chunks:
        if tuple(chunks[b"cICP"]) != _SRGB_CODE:
            strange.append("cICP")
    elif not has_profile and b"sRGB" not in chunks:
        gamma, primaries = chunks.get(b"gAMA", b""), chunks.get(b"cHRM", b"")
        if len(gamma) == 4 and abs(struct.unpack(">L", gamma)[0] - _SRGB_GAMMA) > 100:
            strange.append("gAMA")
        if len(primaries) == 32 and any(
            abs(value - usual) > 100
            for value, usual in zip(struct.unpack(">8L", primaries), _SRGB_PRIMARIES, strict=True)
        ):
            strange.append("cHRM")
    strange += [kind.decode() for kind in (b"mDCV", b"cLLI") if kind in chunks]
    if strange:
        notes.append(
            f"{format_name} cannot keep what the PNG says of its colours ({', '.join(strange)}): they may change."
        )
    if b"tIME" in chunks:
        notes.append(f"{format_name} has no place for the PNG's time of change (tIME): it was left out.")
    return notes


def _walk(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 8
    while at + 12 <= len(png):
        size, kind = struct.unpack_from(">L4s", png, at)
        if kind != b"IDAT":
            yield kind, png[at + 8 : at + 8 + min(size, _LONGEST)]
        at += size + 12
