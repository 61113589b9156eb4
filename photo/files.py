"""Load a photo, and save it so that the file appears whole or not at all.

What is in the file is decoded by `photo_decoding` and written by `photo_encoding`; here are the paths, the
refusals, and the care for files that are already there.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO

import numpy as np

from photo.decode import decode_photo
from photo.encode import encode_photo
from photo.errors import UnreadablePhoto, UnwritablePhoto
from photo.types import Photo, Pixels

FORMATS = {
    ".bmp": "BMP",
    ".jfif": "JPEG",
    ".jpe": "JPEG",
    ".jpeg": "JPEG",
    ".jpg": "JPEG",
    ".png": "PNG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
}
"""File name endings that can be written, and Pillow's name of the format each stands for."""


def load_photo(path: Path) -> Photo:
    """Read a JPEG, PNG, WebP, TIFF or BMP file upright, with all that is needed to save it back.

    Every array of the photo is read-only. `exif` says orientation 1 and no longer holds the thumbnail, which
    would show the old picture; XMP is in `text` under "XML:com.adobe.xmp", a JPEG comment under "Comment".
    Raises UnreadablePhoto when the file is missing, damaged, of another kind, or too large.
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
            return replace(decode_photo(file, path), path=path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UnreadablePhoto(f"{path} does not exist; check the name.") from error
    except PermissionError as error:
        raise UnreadablePhoto(f"You may not read {path}; change its permissions.") from error
    except OSError as error:
        raise UnreadablePhoto(f"{path} cannot be read: {_describe(error)}; check the name.") from error


def save_photo(pixels: Pixels, photo: Photo, path: Path, *, overwrite: bool = False) -> str | None:
    """Write `pixels` with everything `photo` carries, in the format that the ending of `path` names.

    `pixels` uint8 (H, W, 3) is `photo.pixels` with edits. A photo without edits saved in its own format becomes
    a copy of the input file, byte for byte. The file appears whole or not at all; missing folders are made, and a
    file already there is replaced, but the input photo itself only with `overwrite`.
    Returns sentences on what the chosen format could not keep, or None. Raises UnwritablePhoto, and ValueError
    when `pixels` does not fit the photo.
    """
    if pixels.shape != photo.pixels.shape or pixels.dtype != np.uint8:
        raise ValueError(f"pixels {pixels.dtype} {pixels.shape} do not fit the photo, {photo.pixels.shape}")
    check_output(path, photo.path, overwrite=overwrite)
    format_name = FORMATS[path.suffix.lower()]
    own_format = "JPEG" if photo.format == "MPO" else photo.format
    with _explain_write_errors(path):
        # Through a link the file it points to is replaced, and the link stays.
        target = path.resolve()
        target.parent.mkdir(parents=True, exist_ok=True)
        original = None
        if format_name == own_format and np.array_equal(pixels, photo.pixels):
            original = _read_original(photo)
        with _open_atomically(target) as file:
            if original is None:
                return encode_photo(file, format_name, pixels, photo)
            file.write(original)
            return None


def check_output(path: Path, input_path: Path | None, *, overwrite: bool = False) -> None:
    """Raise UnwritablePhoto when a photo read from `input_path` can be seen not to be writable to `path`.

    Worth calling before the work is done. It writes nothing, so that a full disk is only found by `save_photo`.
    """
    if "\0" in str(path):
        raise UnwritablePhoto(f"{str(path)!r} is no file name; name another file.")
    if path.suffix.lower() not in FORMATS:
        ending = f"the ending {path.suffix}" if path.suffix else "no ending"
        raise UnwritablePhoto(f"{path} has {ending}; name a file ending in {', '.join(FORMATS)}.")
    with _explain_write_errors(path):
        if path.is_dir():
            raise UnwritablePhoto(f"{path} is a folder; name the file to write in it.")
        if path.exists():
            if not path.is_file():
                raise UnwritablePhoto(f"{path} is no ordinary file; name another file to write.")
            if not overwrite and input_path is not None and input_path.exists() and path.samefile(input_path):
                raise UnwritablePhoto(f"{path} is the input photo itself; name another file, or allow --overwrite.")
        folder = next(parent for parent in path.resolve().parents if parent.exists())
        if not folder.is_dir():
            raise UnwritablePhoto(f"{path} cannot be written: {folder} is a file, not a folder; name another folder.")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise UnwritablePhoto(f"You may not write {path}; choose another folder or change its permissions.")


def _read_original(photo: Photo) -> bytes | None:
    """The bytes of the input file, when it is still there and still holds this photo."""
    if photo.path is None:
        return None
    try:
        now = load_photo(photo.path)
        if not np.array_equal(now.pixels, photo.pixels) or not _equal_alpha(now, photo):
            return None
        return photo.path.read_bytes()
    except (UnreadablePhoto, OSError):
        return None  # it was moved meanwhile; the samples in memory are written instead


def _equal_alpha(one: Photo, other: Photo) -> bool:
    if one.alpha is None or other.alpha is None:
        return one.alpha is other.alpha
    return np.array_equal(one.alpha, other.alpha)


@contextmanager
def _open_atomically(target: Path) -> Iterator[IO[bytes]]:
    """Open a new file beside `target` that takes its place when the block ends, and vanishes when it fails."""
    # A short name of its own: the target's name may already be as long as the file system allows.
    part = target.parent / f".{secrets.token_hex(8)}.part"
    try:
        with part.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, part)
        part.replace(target)
    finally:  # also on Ctrl-C; after the replacement there is nothing left to remove
        part.unlink(missing_ok=True)


@contextmanager
def _explain_write_errors(path: Path) -> Iterator[None]:
    """Turn what the file system raises into one sentence about `path`."""
    try:
        yield
    except (FileExistsError, NotADirectoryError) as error:
        raise UnwritablePhoto(f"{path} lies below a file, not a folder; name another folder.") from error
    except PermissionError as error:
        raise UnwritablePhoto(f"You may not write {path}; choose another folder or change its permissions.") from error
    # Path.resolve raises RuntimeError for a circle of links up to Python 3.12.
    except (OSError, RuntimeError) as error:
        raise UnwritablePhoto(f"{path} cannot be written: {_describe(error)}; name another file.") from error


def _describe(error: OSError | RuntimeError) -> str:
    """What the operating system says, in a few words."""
    if isinstance(error, RuntimeError) or error.errno == errno.ELOOP:
        return "its links lead round in a circle"
    return (error.strerror or str(error)).lower()
