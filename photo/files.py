"""Load a photo, and save it so that the file appears whole or not at all.

`photo.decode` and `photo.encode` convert between bytes and samples, `photo.writing` writes the bytes; this module
checks the paths and formats.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from photo.credentials import sign
from photo.decode import decode_photo
from photo.encode import Encoded, encode_photo
from photo.errors import UnreadablePhoto, UnwritablePhoto
from photo.formats import FORMATS
from photo.heif import find_plugin
from photo.jpeg_blocks import BlocksNotKept
from photo.jpeg_keeping import keep_jpeg
from photo.mark import mark_photo
from photo.raw import ENDINGS as RAW_ENDINGS
from photo.saving import Saving
from photo.types import Photo, Pixels
from photo.verify import verify
from photo.writing import Originals, check_writable, describe_error, explain_write_errors, write_whole

INPUT_ENDINGS = (*FORMATS, *RAW_ENDINGS)
"""The file name endings of all that is read: the formats above, and raw files, which are never written."""


def load_photo(path: Path) -> Photo:
    """Return the photo in a file, upright, with all that is needed to save it back.

    It may be a JPEG, PNG, WebP, TIFF, BMP, AVIF, HEIC or raw file.

    Every array of the photo is read-only. `exif` has orientation 1 and no longer holds the thumbnail, which
    would show the old picture; XMP is in `text` under "XML:com.adobe.xmp", a JPEG comment under "Comment".
    Raises UnreadablePhoto when the file is missing, damaged, of another kind, or too large, and MissingPackage where
    HEIC or raw files need a package that is not installed.
    """
    if "\0" in str(path):
        raise UnreadablePhoto(f"{str(path)!r} is no file name; check the name.")
    try:
        kind = path.stat().st_mode
        if stat.S_ISDIR(kind):
            raise UnreadablePhoto(f"{path} is a folder; name one photo file.")
        if not stat.S_ISREG(kind):
            raise UnreadablePhoto(f"{path} is not a file; name a photo file.")
        with path.open("rb") as file:
            stamp = _stamp(os.fstat(file.fileno()))
            return replace(decode_photo(file, path), path=path, stamp=stamp)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UnreadablePhoto(f"{path} does not exist; check the name.") from error
    except PermissionError as error:
        raise UnreadablePhoto(f"You may not read {path}; change its permissions.") from error
    except OSError as error:
        raise UnreadablePhoto(f"{path} cannot be read: {describe_error(error)}; check the name.") from error


def save_photo(
    pixels: Pixels, photo: Photo, path: Path, originals: Originals | None = None, saving: Saving | None = None
) -> str | None:
    """Write `pixels` with all metadata of `photo`, in the format that the ending of `path` names.

    Returns sentences on what the format could not keep, or None. `pixels` uint8 (H, W, 3) is `photo.pixels` with
    edits. A photo without edits saved in its own format becomes a copy of the input file, byte for byte. What is
    encoded is decoded again, whole, before it replaces anything. The file appears whole or not at all; missing folders
    are made, and an existing file is replaced, but the input photo and those of `originals` only where that allows it.
    An edited JPEG keeps its blocks and metadata where `saving` allows it and the file can be read once more. Raises
    UnwritablePhoto, and ValueError when `pixels` does not fit the photo.
    """
    if pixels.shape != photo.pixels.shape or pixels.dtype != np.uint8:
        raise ValueError(f"pixels {pixels.dtype} {pixels.shape} do not fit the photo, {photo.pixels.shape}")
    originals, saving = originals or Originals(), saving or Saving()
    if photo.path is not None:
        originals = replace(originals, photos=(("the input photo itself", photo.path), *originals.photos))
    check_output(path, originals)
    format_name = FORMATS[path.suffix.lower()]
    is_unedited = format_name == own_format(photo) and np.array_equal(pixels, photo.pixels)
    data, note, check = _read_original(photo) if is_unedited else None, None, None
    if data is None:
        with explain_write_errors(path):
            encoded = encode_edited(format_name, pixels, photo, saving)
        if saving.signature is not None:
            signed = sign(encoded.data, format_name, photo.path, saving.signature)
            encoded = replace(encoded, data=signed, is_verified=False)
        data, note = encoded.data, encoded.note
        check = None if encoded.is_verified else partial(verify, format_name, encoded, saving.quality)
    write_whole(path, data, originals, check, last_check=partial(_refuse_newer, path, photo))
    return " ".join(filter(None, [photo.warning, note])) or None


def _refuse_newer(path: Path, photo: Photo) -> None:
    """Raise UnwritablePhoto when `path` is the file of the photo, and no longer as it was when that was read."""
    if photo.path is None or photo.stamp is None:
        return
    with suppress(OSError):  # a file that is gone cannot be lost
        if path.samefile(photo.path) and _stamp(path.stat()) != photo.stamp:
            raise UnwritablePhoto(f"{path} was changed by another program meanwhile, and stays as that left it.")


def _stamp(status: os.stat_result) -> tuple[int, int]:
    return status.st_size, status.st_mtime_ns


def check_output(path: Path, originals: Originals) -> None:
    """Raise UnwritablePhoto when no photo can be written to `path`, as far as can be checked without writing.

    Raises MissingPackage where the package for HEIC is not installed.
    """
    check_writable(path, originals)
    if path.suffix.lower() not in FORMATS:
        ending = f"the ending {path.suffix}" if path.suffix else "no ending"
        raise UnwritablePhoto(f"{path} has {ending}; name a file ending in {', '.join(FORMATS)}.")
    if FORMATS[path.suffix.lower()] == "HEIF":
        find_plugin(path)


def encode_edited(format_name: str, pixels: Pixels, photo: Photo, saving: Saving) -> Encoded:
    """Return the edited photo as a file; `format_name` is Pillow's."""
    notes: list[str | None] = []
    if format_name == own_format(photo) == "JPEG" and saving.quality is None:
        try:
            return keep_jpeg(pixels, photo, saving)
        except BlocksNotKept as error:
            notes.append(f"The blocks of the JPEG could not be kept, since {error}.")
        except OSError:
            notes.append("The blocks of the JPEG could not be kept, since its file is gone.")
    if saving.is_marked:
        photo, note = mark_photo(photo, saving.source_type)
        notes.append(note)
    encoded = encode_photo(format_name, pixels, photo, saving.quality)
    return replace(encoded, note=" ".join(filter(None, [*notes, encoded.note])) or None)


def own_format(photo: Photo) -> str:
    """Return Pillow's name of the format that the photo is best saved in: its own; MPO is JPEG."""
    return "JPEG" if photo.format == "MPO" else photo.format


def _read_original(photo: Photo) -> bytes | None:
    """The bytes of the input file; None when it is gone or no longer holds this photo."""
    if photo.path is None:
        return None
    try:
        current = load_photo(photo.path)
        if not np.array_equal(current.pixels, photo.pixels) or not _equal_alpha(current, photo):
            return None
        return photo.path.read_bytes()
    except (UnreadablePhoto, OSError):
        return None  # moved or deleted meanwhile; the samples in memory are encoded instead


def _equal_alpha(one: Photo, other: Photo) -> bool:
    if one.alpha is None or other.alpha is None:
        return one.alpha is other.alpha
    return np.array_equal(one.alpha, other.alpha)
