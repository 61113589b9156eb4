"""The temporary folder of a running page, and what is removed from it, and of pages that were ended by force.

A running page holds a lock on a file in its folder; the system gives it free with the process, however that ends.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

if sys.platform != "win32":
    import fcntl

PREFIX = "open_eyes_page_"
VISITORS = "visitors"
"""The folder in that of the page where what belongs to its visitors lies, until they are forgotten."""
UNCLAIMED_SECONDS = 1800.0
"""What lies elsewhere in it, such as uploads, goes when it is so old; who opened a photo has it by another name."""
_LOCK = ".in_use"
# A page that is just being started has its folder a moment before its lock.
_STARTING_SECONDS = 60.0


@contextmanager
def make_folder() -> Iterator[Path]:
    """Give a new folder to a page, after those were removed that no running one owns; it vanishes at the end."""
    remove_leftovers(Path(tempfile.gettempdir()))
    folder = Path(tempfile.mkdtemp(prefix=PREFIX)).resolve()
    try:
        with (folder / _LOCK).open("wb") as lock:
            _lock(lock)
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def remove_leftovers(parent: Path) -> None:
    """Remove the folders in `parent` of pages that no longer run."""
    for folder in parent.glob(f"{PREFIX}*"):
        with suppress(OSError):
            if not folder.is_symlink() and folder.is_dir() and not _is_in_use(folder):
                shutil.rmtree(folder, ignore_errors=True)


def remove_unclaimed(folder: Path, seconds: float = UNCLAIMED_SECONDS) -> None:
    """Remove from the folder of a page what nobody has opened, or fetched, for so long."""
    oldest = time.time() - seconds
    with suppress(OSError):
        for path in folder.iterdir():
            if path.name in (VISITORS, _LOCK):
                continue
            with suppress(OSError):
                if _last_change(path) >= oldest:
                    continue
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path, ignore_errors=True)
                else:
                    path.unlink()


def _last_change(path: Path) -> float:
    """When a file, or the newest one in a folder, was last changed, in seconds of the clock."""
    times = [path.lstat().st_mtime]
    for inner in path.rglob("*"):
        with suppress(OSError):
            times.append(inner.lstat().st_mtime)
    return max(times)


def _is_in_use(folder: Path) -> bool:
    """Whether a page runs that owns the folder."""
    try:
        with (folder / _LOCK).open("r+b") as file:
            _lock(file)
    except FileNotFoundError:
        return time.time() - folder.stat().st_mtime < _STARTING_SECONDS
    except OSError:
        return True  # locked, or somebody else's
    return False


def _lock(file: IO[bytes]) -> None:
    """Lock an open file. Raises OSError when another process has locked it."""
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
