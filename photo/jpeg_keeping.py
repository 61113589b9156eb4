"""Saves an edited JPEG as the JPEG it was: its blocks, its metadata and all that lies behind the picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from photo.decode import straighten_exif
from photo.encode import Encoded, fold_back
from photo.jpeg_blocks import BlocksNotKept, edit_jpeg
from photo.jpeg_file import APP0, APP1, EXIF_NAME, LARGEST_CONTENT, Segment, read_jpeg, unlink_thumbnail
from photo.jpeg_metadata import LOST_CREDENTIALS
from photo.mark import mark_xmp
from photo.saving import Saving
from photo.types import Photo, Pixels
from photo.xmp import XMP_NAME

# The step that turns an upright picture back to how it lies in the file, by EXIF orientation.
_TURN_BACK: dict[int, Callable[[Any], Any]] = {
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: np.rot90(a.swapaxes(0, 1), 2),
    8: lambda a: np.rot90(a, -1),
}
_APP11 = 0xEB


def keep_jpeg(pixels: Pixels, photo: Photo, saving: Saving) -> Encoded:
    """Return an edited JPEG photo with every block that was not edited as it lies in its file.

    `pixels` uint8 (H, W, 3) is `photo.pixels` with edits. Metadata stays as it lies in the file, the orientation, too;
    only the small preview, which shows the old picture, and Content Credentials go, and the mark comes. Raises
    BlocksNotKept, and OSError when the file cannot be read any more.
    """
    if photo.path is None or photo.format not in ("JPEG", "MPO"):
        raise BlocksNotKept("the photo was no JPEG")
    source = photo.path.read_bytes()
    try:
        segments = read_jpeg(source).segments
    except ValueError as error:
        raise BlocksNotKept("the file is damaged") from error
    before = photo.pixels if photo.native is None else photo.native
    after = fold_back(pixels, photo)
    if before.dtype != np.uint8 or before.shape != after.shape:
        raise BlocksNotKept("its samples are of a rare kind")
    turn = _TURN_BACK.get(_read_orientation(segments), lambda a: a)
    metadata, notes = _keep_metadata(segments, saving)
    wanted = turn(after)
    edited = edit_jpeg(source, turn(before), wanted, metadata)
    height, width = edited.block_size[1], edited.block_size[0]
    notes.insert(
        0,
        f"A JPEG holds blocks, here of {width} × {height} pixels: {edited.touched:,} of {edited.blocks:,} "
        "were encoded anew, all others are as they were.",
    )
    return Encoded(edited.data, " ".join(notes), wanted, is_verified=True)


def _read_orientation(segments: tuple[Segment, ...]) -> int:
    blocks = [segment.content for segment in segments if _holds(segment, EXIF_NAME)]
    return straighten_exif(blocks[0])[1] if blocks else 1


def _holds(segment: Segment, name: bytes) -> bool:
    return segment.marker == APP1 and segment.content.startswith(name)


def _keep_metadata(segments: tuple[Segment, ...], saving: Saving) -> tuple[tuple[Segment, ...], list[str]]:
    """The metadata of the result, and sentences on what could not be kept."""
    notes = []
    credentials = {_name_box(segment) for segment in segments if b"c2pa" in segment.content} - {b""}
    kept = []
    for segment in segments:
        if _name_box(segment) in credentials:
            continue
        if _holds(segment, EXIF_NAME):
            kept.append(Segment(APP1, unlink_thumbnail(segment.content)))
        elif segment.is_metadata:
            kept.append(segment)
    if credentials and saving.signature is None:
        notes.append(LOST_CREDENTIALS)
    if saving.is_marked:
        notes += _mark(kept, saving)
    return tuple(kept), notes


def _name_box(segment: Segment) -> bytes:
    """The number that the pieces of one JUMBF box share, which may hold Content Credentials; empty for the rest."""
    return segment.content[2:4] if segment.marker == _APP11 and segment.content.startswith(b"JP") else b""


def _mark(segments: list[Segment], saving: Saving) -> list[str]:
    """Put the mark into the XMP segment, or into a new one; return sentences on what did not go well."""
    at = next((index for index, segment in enumerate(segments) if _holds(segment, XMP_NAME)), None)
    before = b"" if at is None else segments[at].content[len(XMP_NAME) :].rstrip(b"\0")
    xmp, note = mark_xmp(before, saving.source_type)
    if len(XMP_NAME + xmp) > LARGEST_CONTENT:
        return ["The XMP block has no room to say that the photo was edited."]
    segment = Segment(APP1, XMP_NAME + xmp)
    if at is None:
        # JFIF and Exif both want to be first.
        first = (index for index, other in enumerate(segments) if other.marker != APP0 and not _holds(other, EXIF_NAME))
        segments.insert(next(first, len(segments)), segment)
    else:
        segments[at] = segment
    return [note] if note else []
