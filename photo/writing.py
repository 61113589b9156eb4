"""Write a file so that it appears whole or not at all, and never in the place of a photo that was read.

Every result goes this one way: the bytes are made in memory, written to a new file beside the target, flushed to the
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

# Written and compared at a time, so that the bytes of a large photo are not held twice.
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Originals:
    """The photos that a run reads, each as what it is to the user and its path: nothing written takes their place.

    Where `never` is empty `overwrite` allows it after all; else `never` names the flag whose files may not, ever.
    """

    photos: tuple[tuple[str, Path], ...] = ()
    overwrite: bool = False
    never: str = ""

    def but_never_by(self, flag: str) -> Originals:
        """The same photos for what `flag` writes, which replaces none whatever the user allows."""
        return replace(self, never=flag)

    def check(self, path: Path) -> None:
        """Raise UnwritablePhoto when `path` is one of the photos, by whatever name, link or spelling."""
        found = _find(path)
        if found is None or (self.overwrite and not self.never):
            return
        for what, photo in self.photos:
            there = _find(photo)
            if there is not None and os.path.samestat(found, there):
                if self.never:
                    raise UnwritablePhoto(
                        f"{path} is {what}, which {self.never} never replaces, not even with --overwrite; "
                        "name another place."
                    )
                raise UnwritablePhoto(f"{path} is {what}; name another file, or allow --overwrite.")


def check_writable(path: Path, originals: Originals) -> None:
    """Raise UnwritablePhoto when it can be seen that `write_whole` would fail. Writes nothing itself.

    Worth calling before the work is done; a full disk is only found by `write_whole`.
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

    Missing folders are made, and a file already there is replaced and keeps its mode. What a killed run for the same
    path has left behind is removed.
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
    """Turn what the file system raises into one sentence about `path`, an UnwritablePhoto."""
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
    """What the operating system says, in a few words."""
    if isinstance(error, RuntimeError) or error.errno == errno.ELOOP:
        return "its links lead round in a circle"
    return (error.strerror or str(error)).lower()


def _find(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except (OSError, ValueError):
        return None  # what cannot be found cannot be the same file


def _open_part(target: Path) -> IO[bytes]:
    """Open a new file beside `target`, locked for as long as it is open, so that nobody takes it for a left-over."""
    while True:
        part = target.parent / f"{_mark(target)}{secrets.token_hex(8)}.part"
        file = part.open("xb")
        if sys.platform != "win32":
            with suppress(OSError):  # a file system without locks: there left-overs are not removed either
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if part.exists():  # else another run took it for a left-over just before it was locked
            return file
        file.close()


def _remove_leftovers(target: Path) -> None:
    """Remove the new files of runs for the same target that were killed; those of running ones are locked."""
    for part in target.parent.glob(f"{_mark(target)}*.part"):
        with suppress(OSError):
            if sys.platform == "win32":
                part.unlink()  # which fails while somebody has it open
            else:
                with part.open("r+b") as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    part.unlink()


def _mark(target: Path) -> str:
    """How the names of new files for `target` begin: short, as its own may be as long as the file system allows."""
    return f".{zlib.crc32(os.fsencode(target.name)):08x}-"


def _read_back(part: Path, data: bytes) -> None:
    """Raise OSError unless the file holds `data` and nothing else."""
    with part.open("rb") as file:
        same = all(file.read(_CHUNK) == data[start : start + _CHUNK] for start in range(0, len(data), _CHUNK))
        if not same or file.read(1):
            raise OSError(errno.EIO, "it reads back otherwise than it was written")


def _sync_folder(folder: Path) -> None:
    """Have the file's new name stored, too, where the system can; the file itself is stored by now."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


if sys.platform != "win32":
    import fcntl
