"""Reads folders of photos into the library: only what is new or changed, in several processes, stopped at any moment.

The processes only read; this one writes, a photo at a time, as they come. A photo that was moved is recognised by its
content, one that was deleted is forgotten.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from library.reading import read_digest, read_photo
from library.store import Library, PhotoRecord
from photo.errors import UnreadablePhoto
from photo.files import INPUT_ENDINGS
from photo.processes import begin_to_serve, hold_interrupts_back
from photo.writing import describe_error

# So many photos wait for each process: none is ever idle, and little is thrown away when the run is stopped.
_AHEAD = 3

OnPhoto = Callable[[int, int, Path], None]
"""Told after each photo: how many are done, how many there are, and its path."""


@dataclass(eq=False)
class IndexResult:
    """What a run over folders did, as numbers of photos; `faces` are those of the photos it read.

    `unreadable` are the paths of photos that cannot be read, with the reason. `is_stopped` tells that it did not get to
    the end; `left` photos were not read then.
    """

    read: int = 0
    unchanged: int = 0
    moved: int = 0
    gone: int = 0
    faces: int = 0
    left: int = 0
    unreadable: list[tuple[Path, str]] = field(default_factory=list)
    is_stopped: bool = False


def index_folders(library: Library, folders: Iterable[Path], workers: int, on_photo: OnPhoto) -> IndexResult:
    """Bring the library up to date with all photos in and below `folders`, and return what was done.

    `workers` is the number of processes, 0 reads in this one. Ctrl+C ends the run with what was read by then in the
    library. Raises UnreadablePhoto when a folder cannot be read, and MissingModel.
    """
    result = IndexResult()
    roots = [folder.resolve() for folder in folders]
    files = dict(found for root in roots for found in _walk(root))
    known = library.list_files()
    wanted = []
    for path, status in files.items():
        if known.get(path) == (status.st_size, status.st_mtime_ns):
            result.unchanged += 1
        else:
            wanted.append(path)
    gone = {
        path
        for path in known
        if path not in files and any(path.is_relative_to(root) for root in roots) and _is_gone(path)
    }
    wanted = [path for path in wanted if not _note_move(library, path, files[path], known, gone, result)]
    result.gone = library.forget(gone)
    result.left = len(wanted)
    try:
        for number, record in enumerate(_read_all(wanted, workers), start=1):
            library.add(record)
            result.left -= 1
            result.read += 1
            result.faces += len(record.faces)
            if record.error is not None:
                result.unreadable.append((record.path, record.error))
            on_photo(number, len(wanted), record.path)
    except KeyboardInterrupt:
        result.is_stopped = True
    return result


def check_folder(folder: Path) -> None:
    """Raise UnreadablePhoto where there is no such folder, or it cannot be got at."""
    try:
        is_folder = S_ISDIR(folder.stat().st_mode)
    except FileNotFoundError:
        is_folder = False
    except OSError as error:
        raise UnreadablePhoto(f"The folder {folder} cannot be read: {describe_error(error)}.") from error
    if not is_folder:
        raise UnreadablePhoto(f"{folder} is no folder; name one that holds photos.")


def _walk(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """All photos in and below a folder, in the order of their names; hidden ones and their folders are passed over."""

    def fail(error: OSError) -> None:
        if Path(error.filename) == folder:
            raise UnreadablePhoto(f"The folder {folder} cannot be read: {describe_error(error)}.") from error

    check_folder(folder)
    for place, inner, names in os.walk(folder, onerror=fail):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        for name in sorted(names):
            path = Path(place, name)
            if path.suffix.lower() not in INPUT_ENDINGS or name.startswith("."):
                continue
            with suppress(OSError):  # it is gone by now, or a link to nothing
                if S_ISREG((status := path.stat()).st_mode):
                    yield path, status


def _is_gone(path: Path) -> bool:
    """Whether nothing is at a path; not where that cannot be told, as for want of permission."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        pass
    return False


def _note_move(
    library: Library,
    path: Path,
    status: os.stat_result,
    known: dict[Path, tuple[int, int]],
    gone: set[Path],
    result: IndexResult,
) -> bool:
    """Whether a new path holds a photo that is known under a path where it no longer is; the library then knows."""
    if path in known:
        return False
    lost = {old: digest for old, digest in library.find_digests(status.st_size).items() if _is_gone(old)}
    if not lost:
        return False
    try:
        digest = read_digest(path)
    except OSError:
        return False
    for old, old_digest in lost.items():
        if old_digest == digest:
            library.move(old, path, status.st_mtime_ns)
            gone.discard(old)
            result.moved += 1
            return True
    return False


def _read_all(paths: list[Path], workers: int) -> Iterator[PhotoRecord]:
    """The records of photos as they become ready; those that vanish meanwhile are left out."""
    if workers == 0:
        for path in paths:
            record = _read(path)
            if record is not None:
                yield record
        return
    # Spawned: a copy of this process would share its database and the threads of its networks.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=begin_to_serve)
    waiting: dict[Future[PhotoRecord | None], Path] = {}
    todo = iter(paths)
    try:
        while True:
            for path in todo:
                with hold_interrupts_back():
                    waiting[pool.submit(_read, path)] = path
                if len(waiting) >= _AHEAD * workers:
                    break
            if not waiting:
                return
            done, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                path = waiting.pop(future)
                try:
                    record = future.result()
                except BrokenProcessPool:
                    # Which photo it was cannot be told: those that waited are read one by one, each by itself.
                    pool.shutdown(wait=False, cancel_futures=True)
                    yield from _read_apart([path, *waiting.values(), *todo])
                    return
                if record is not None:
                    yield record
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _read_apart(paths: list[Path]) -> Iterator[PhotoRecord]:
    """The records of photos, each read in a process that it may bring down; that photo then counts as damaged."""
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(1, mp_context=context, initializer=begin_to_serve)
    try:
        for path in paths:
            try:
                with hold_interrupts_back():
                    future = pool.submit(_read, path)
                record = future.result()
            except BrokenProcessPool:
                pool.shutdown(wait=False)
                pool = ProcessPoolExecutor(1, mp_context=context, initializer=begin_to_serve)
                record = _note_crash(path)
            if record is not None:
                yield record
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _read(path: Path) -> PhotoRecord | None:
    """The record of a photo; None when its file is gone."""
    try:
        return read_photo(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        return _note_error(path, f"{path} cannot be read: {describe_error(error)}.")


def _note_crash(path: Path) -> PhotoRecord | None:
    return _note_error(path, f"{path} cannot be read: it brings the program down.")


def _note_error(path: Path, error: str) -> PhotoRecord | None:
    """The record of a photo of which nothing but its failure is known."""
    try:
        status = path.stat()
    except OSError:
        return None
    return PhotoRecord(path, status.st_size, status.st_mtime_ns, b"", error=error)
