"""Write a file so that it appears whole or not at all, and never replaces a photo, or what somebody else wrote.

Every result is written like this: the bytes are made in memory, written to a new file beside the target, flushed to the
disk and read back, and what they hold is checked meanwhile; only then does the new file take the target's place.
"""

from __future__ import annotations

import errno
import filecmp
import json
import os
import re
import secrets
import shutil
import signal
import stat
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import FrameType
from typing import IO

from photo.errors import UnwritablePhoto
from photo.mark import is_marked
from photo.signals import STOPS

# Bytes written and compared at a time, so that a large file is not in memory twice.
_CHUNK = 1 << 20
# What temporary files are called: nobody else's are.
_PART = re.compile(r"\.[0-9a-f]{8}-[0-9a-f]{16}\.part")

# Where results went before they were marked, and what they are called there.
_OWN_FOLDER, _OWN_NAMES = ("data", "outputs"), ("final_", "analysis_", "best_")


@dataclass(frozen=True)
class Originals:
    """The photos that a run reads, which must not be replaced: for each what to call it in an error, and its path.

    With `only_own` no other file is replaced either but what this program wrote: pictures with its mark, copies of
    these photos, its reports, and what is called like its results in a folder data/outputs. `overwrite` allows
    replacing all of them, unless `never` names a flag: the files of that flag may never replace a photo that is read.
    """

    photos: tuple[tuple[str, Path], ...] = ()
    overwrite: bool = False
    never: str = ""
    only_own: bool = False

    def but_never_by(self, flag: str) -> Originals:
        """The same photos for the files that `flag` writes, which may never replace them."""
        return replace(self, never=flag)

    def check(self, path: Path) -> None:
        """Raise UnwritablePhoto when `path`, under any name or link, is a file that may not be replaced."""
        found = _find(path)
        if found is None or (self.overwrite and not self.never):
            return
        what = self._names.get((found.st_dev, found.st_ino))
        if what is not None and self.never:
            raise UnwritablePhoto(
                f"{path} is {what}, which {self.never} never replaces, not even with --overwrite; name another place."
            )
        if what is not None:
            raise UnwritablePhoto(f"{path} is {what}; name another file, or allow --overwrite.")
        if self.only_own and not self.overwrite and not self._is_own(path, found):
            raise UnwritablePhoto(
                f"{path} is there already, and nothing in it says that this program wrote it; "
                "name another file, or allow --overwrite."
            )

    @cached_property
    def _found(self) -> list[tuple[str, Path, os.stat_result]]:
        listed = ((what, path, _find(path)) for what, path in self.photos)
        return [(what, path, found) for what, path, found in listed if found is not None]

    @cached_property
    def _names(self) -> dict[tuple[int, int], str]:
        """What each photo is called, by the number of its file; the first name counts."""
        return {(found.st_dev, found.st_ino): what for what, _, found in reversed(self._found)}

    def _is_own(self, path: Path, found: os.stat_result) -> bool:
        """Whether nothing is lost with the file at `path`, which is none of the photos."""
        if not stat.S_ISREG(found.st_mode):
            return True  # a folder or a device, which cannot be replaced anyway
        if is_marked(path) or _is_report(path) or _is_in_own_place(path):
            return True
        alike = (photo for _, photo, other in self._found if other.st_size == found.st_size)
        with suppress(OSError):
            return any(filecmp.cmp(path, photo, shallow=False) for photo in alike)
        return False


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


def begins_with(path: Path, beginning: bytes) -> bool:
    """Return whether a file begins so, as those do that this program wrote; not where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(len(beginning)) == beginning
    except OSError:
        return False


def write_whole(
    path: Path,
    data: bytes,
    originals: Originals,
    check: Callable[[], None] | None = None,
    *,
    is_private: bool = False,
    last_check: Callable[[], None] | None = None,
) -> None:
    """Make `data` the content of `path`, or raise UnwritablePhoto and leave everything as it was.

    Missing folders are made; an existing file is replaced and its mode kept, or only its owner may read the new one if
    it `is_private`. Temporary files that a killed run left behind in the folder are removed. `check` looks at the data
    on a thread of its own while they go to the disk, and `last_check` at whatever else there is to see, at the very
    end; if one raises OSError or UnwritablePhoto they do not replace anything.
    """
    check_writable(path, originals)
    with explain_write_errors(path), _hold_interrupts():
        # Through a link the file it points to is replaced, and the link stays.
        target = path.resolve()
        target.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(target.parent)
        file = _open_part(target)
        part = Path(file.name)
        try:
            with file, ThreadPoolExecutor(1) as pool:
                checked = pool.submit(check or (lambda: None))
                if is_private:
                    part.chmod(0o600)
                for start in range(0, len(data), _CHUNK):
                    file.write(data[start : start + _CHUNK])
                file.flush()
                os.fsync(file.fileno())
                _read_back(part, data)
                checked.result()
                if target.exists() and not is_private:
                    shutil.copymode(target, part)
                if last_check is not None:
                    last_check()
                if sys.platform == "win32":
                    file.close()  # no open file can be renamed there; elsewhere closing gives up the lock
                part.replace(target)
        finally:  # after the replacement there is nothing left to remove
            part.unlink(missing_ok=True)
        _sync_folder(target.parent)


@contextmanager
def _hold_interrupts() -> Iterator[None]:
    """Let Ctrl+C and its like take effect after the block: they could come between making and removing a file.

    Whoever is tired of waiting, for a disk that does not answer, presses it again.
    """
    held: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield  # nothing is interrupted here
        return
    handlers = {one: handler for one in STOPS if callable(handler := signal.getsignal(one))}

    def hold(number: int, frame: FrameType | None) -> None:
        held.append(number)
        if len(held) > 1:
            handlers[signal.Signals(number)](number, frame)

    for one in handlers:
        signal.signal(one, hold)
    try:
        yield
    finally:
        for one, handler in handlers.items():
            signal.signal(one, handler)
    if held:
        signal.raise_signal(held[0])


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


def _is_in_own_place(path: Path) -> bool:
    """Whether a file is called as only this program calls its results, in the folder where it has always put them."""
    return path.absolute().parent.parts[-2:] == _OWN_FOLDER and path.name.startswith(_OWN_NAMES)


def _is_report(path: Path) -> bool:
    """Whether a file is a report of this program: a list of photos, each with its input and output."""
    if path.suffix.lower() != ".json":
        return False
    try:
        report = json.loads(path.read_bytes())
        photos = report["photos"]
        return bool(photos or report["stopped"]) and all({"input", "output"} <= set(photo) for photo in photos)
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return False


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


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files that killed runs left in a folder; those of running ones are locked."""
    with suppress(OSError):
        for part in folder.iterdir():
            if _PART.fullmatch(part.name):
                with suppress(OSError):
                    _remove_leftover(part)


def _remove_leftover(part: Path) -> None:
    """Remove a temporary file. Raises OSError when it is in use."""
    if sys.platform == "win32":
        part.unlink()  # which fails while a process has it open
        return
    with part.open("r+b" if os.access(part, os.W_OK) else "rb") as file:
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
