"""Writes samples of 8 or 16 bits as an uncompressed TIFF file, with every tag of the source as the bytes it was."""

from __future__ import annotations

import struct
from typing import IO

from photo import iptc, tiff_tags
from photo.decode import Samples
from photo.errors import UnwritablePhoto
from photo.jpeg_file import EXIF_NAME
from photo.tiff_tags import Entry, fraction, longs, opaque, pack_directory, shorts

_SLAB_ROWS = 256
_LARGEST_FILE = 1 << 32


def write_tiff(
    file: IO[bytes],
    samples: Samples,
    *,
    is_cmyk: bool,
    exif: bytes | None,
    tags: dict[int, bytes],
    dpi: tuple[float, float] | None,
) -> str | None:
    """Write samples (H, W) or (H, W, 2 … 4), whose second or fourth channel is alpha unless they are CMYK.

    `tags` are those of XMP, IPTC, Photoshop and the colour profile, by number. Returns a sentence when the Exif block
    is damaged and was left out. Raises UnwritablePhoto when the file would be larger than TIFF allows.
    """
    height, width = samples.shape[:2]
    channels = 1 if samples.ndim == 2 else samples.shape[2]
    order, directory, note = "<", {}, None
    try:
        if exif:
            block = tiff_tags.read_tags(exif.removeprefix(EXIF_NAME))
            order = block.order
            directory = tiff_tags.select_describing(block.pages[0]) if block.pages else {}
    except ValueError:
        note = "The EXIF block is damaged and was left out."
    bits = samples.dtype.itemsize * 8
    photometric = 5 if is_cmyk else 2 if channels > 2 else 1
    strip_rows = min(_SLAB_ROWS, height)
    row = width * channels * samples.dtype.itemsize
    sizes = [row * min(strip_rows, height - top) for top in range(0, height, strip_rows)]
    directory |= {
        256: longs(order, width), 257: longs(order, height), 258: shorts(order, *[bits] * channels),
        259: shorts(order, 1), 262: shorts(order, photometric),
        273: longs(order, *[0] * len(sizes)), 277: shorts(order, channels), 278: longs(order, strip_rows),
        279: longs(order, *sizes), 284: shorts(order, 1),
    }  # fmt: skip
    if channels == 2 or (channels == 4 and not is_cmyk):
        directory[338] = shorts(order, 2)  # alpha, and the colours are not multiplied by it
    if dpi is not None:
        directory |= {282: fraction(order, dpi[0]), 283: fraction(order, dpi[1]), 296: shorts(order, 2)}
    for tag, data in tags.items():
        directory[tag] = Entry(1, len(data), data) if tag == tiff_tags.XMP_TAG else opaque(data)
    start = 8 + len(pack_directory(order, directory, 8))
    start += start % 2
    if start + sum(sizes) >= _LARGEST_FILE:
        raise UnwritablePhoto("A TIFF file holds at most 4 GB; choose .png instead.")
    directory[273] = longs(order, *(start + row * top for top in range(0, height, strip_rows)))
    head = struct.pack(f"{order}2sHL", {"<": b"II", ">": b"MM"}[order], 42, 8) + pack_directory(order, directory, 8)
    file.write(head.ljust(start, b"\0"))
    kind = f"{order}u{samples.dtype.itemsize}"
    for top in range(0, height, _SLAB_ROWS):
        file.write(samples[top : top + _SLAB_ROWS].astype(kind).tobytes())
    return note


def collect_tags(xmp: bytes, resources: bytes, profile: bytes | None) -> dict[int, bytes]:
    """Return the tags of a photo for `write_tiff`: XMP, IPTC alone and among Photoshop's resources, the profile."""
    records = iptc.unwrap(resources)
    found = {
        tiff_tags.XMP_TAG: xmp, tiff_tags.IPTC_TAG: records, tiff_tags.PHOTOSHOP_TAG: resources,
        tiff_tags.ICC_TAG: profile or b"",
    }  # fmt: skip
    return {tag: data for tag, data in found.items() if data}
