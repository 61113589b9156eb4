"""Write a file so that it appears whole or not at all, and never replaces a photo that was read.

Every result is written like this: the bytes are made in memory, written to a new file beside the target, flushed to the
disk and read back; only then does the new file take the target's place.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from photo.errors import UnwritablePhoto

# Bytes written and compared at a time, so that a large file is not in memory twice.
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Originals:
    """The photos that a run reads, which must not be replaced: for each what to call it in an error, and its path.

    `overwrite` allows replacing them, unless `never` names a flag: the files of that flag may never do so.
    """

    photos: tuple[tuple[str, Path], ...] = ()
    overwrite: bool = False
    never: str = ""

    def but_never_by(self, flag: str) -> Originals:
        """The same photos for the files that `flag` writes, which may never replace them."""
        return replace(self, never=flag)

    def check(self, path: Path) -> None:
        """Raise UnwritablePhoto when `path` is one of the photos, under any name or link, and may not replace it."""
        found = _find(path)
        if found is None or (self.overwrite and not self.never):
            return
        for what, photo in self.photos:
            original = _find(photo)
            if original is not None and os.path.samestat(found, original):
                if self.never:
                    raise UnwritablePhoto(
                        f"{path} is {what}, which {self.never} never replaces, not even with --overwrite; "
                        "name another place."
                    )
                raise UnwritablePhoto(f"{path} is {what}; name another file, or allow --overwrite.")


def check_writable(path: Path, originals: Originals) -> None:
    """Raise UnwritablePhoto when `write_whole` would fail, as far as can be checked without writing.

    Call it before any long work; a full disk is only found by `write_whole`.
    """
    if "\0" in str(path):
        raise UnwritablePhoto(f"{str(path)!r} is no file name; name another file.")
    with explain_write_errors(path):
        if path.is_dir():
            raise UnwritablePhoto(f"{path} is a folder; name the file to write in it.")
        if path.exists() and not path.is_file():
            raise UnwritablePhoto(f"{path} is no ordinary file; name another file to write.")
        originals.check(path)
        if path.is_symlink():
            # A circle of links is an error here; from Python 3.13 on resolving it is none.
            with suppress(FileNotFoundError):
                path.stat()
        folder = next(parent for parent in path.resolve().parents if parent.exists())
        if not folder.is_dir():
            raise UnwritablePhoto(f"{path} cannot be written: {folder} is a file, not a folder; name another folder.")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise UnwritablePhoto(f"You may not write {path}; choose another folder or change its permissions.")


def write_whole(path: Path, data: bytes, originals: Originals) -> None:
    """Make `data` the content of `path`, or raise UnwritablePhoto and leave everything as it was.

    Missing folders are made; an existing file is replaced and its mode kept. Temporary files that a killed run for the
    same path left behind are removed.
    """
    check_writable(path, originals)
    with explain_write_errors(path):
        # Through a link the file it points to is replaced, and the link stays.
        target = path.resolve()
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(target)
        file = _open_part(target)
        part = Path(file.name)
        try:
            with file:
                for start in range(0, len(data), _CHUNK):
                    file.write(data[start : start + _CHUNK])
                file.flush()
                os.fsync(file.fileno())
                _read_back(part, data)
                if target.exists():
                    shutil.copymode(target, part)
                if sys.platform == "win32":
                    file.close()  # no open file can be renamed there; elsewhere closing gives up the lock
                part.replace(target)
        finally:  # also on Ctrl-C; after the replacement there is nothing left to remove
            part.unlink(missing_ok=True)
        _sync_folder(target.parent)


@contextmanager
def explain_write_errors(path: Path) -> Iterator[None]:
    """Turn an error of the file system into an UnwritablePhoto: one sentence about `path`."""
    try:
        yield
    except (FileExistsError, NotADirectoryError) as error:
        raise UnwritablePhoto(f"{path} lies below a file, not a folder; name another folder.") from error
    except PermissionError as error:
        raise UnwritablePhoto(f"You may not write {path}; choose another folder or change its permissions.") from error
    # Path.resolve raises RuntimeError for a circle of links up to Python 3.12.
    except (OSError, RuntimeError) as error:
        raise UnwritablePhoto(f"{path} cannot be written: {describe_error(error)}; name another file.") from error


def describe_error(error: OSError | RuntimeError) -> str:
    """Return the text of an error of the operating system, in lower case, to be put in a sentence."""
    if isinstance(error, RuntimeError) or error.errno == errno.ELOOP:
        return "its links lead round in a circle"
    return (error.strerror or str(error)).lower()


def _find(path: Path) -> os.stat_result | None:
    """The status of a file; None when there is none."""
    try:
        return path.stat()
    except (OSError, ValueError):
        return None  # what cannot be found cannot be the same file


def _open_part(target: Path) -> IO[bytes]:
    """Open a new file beside `target`, locked while it is open, so that no other run removes it as a leftover."""
    while True:
        part = target.parent / f"{_mark(target)}{secrets.token_hex(8)}.part"
        file = part.open("xb")
        if sys.platform != "win32":
            with suppress(OSError):  # a file system without locks: there leftovers are not removed either
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if part.exists():  # else another run removed it as a leftover just before it was locked
            return file
        file.close()


def _remove_leftovers(target: Path) -> None:
    """Remove temporary files of killed runs for the same target; those of running ones are locked."""
    for part in target.parent.glob(f"{_mark(target)}*.part"):
        with suppress(OSError):
            if sys.platform == "win32":
                part.unlink()  # which fails while a process has it open
            else:
                with part.open("r+b") as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    part.unlink()


def _mark(target: Path) -> str:
    """How names of temporary files for `target` begin: short, as its own name may have the maximum length."""
    return f".{zlib.crc32(os.fsencode(target.name)):08x}-"


def _read_back(part: Path, data: bytes) -> None:
    """Raise OSError unless the file at `part` holds exactly `data`."""
    with part.open("rb") as file:
        same = all(file.read(_CHUNK) == data[start : start + _CHUNK] for start in range(0, len(data), _CHUNK))
        if not same or file.read(1):
            raise OSError(errno.EIO, "it reads back otherwise than it was written")


def _sync_folder(folder: Path) -> None:
    """Flush the folder's entry for the new file to the disk, where the system can; its content is there by now."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


if sys.platform != "win32":
    import fcntl
