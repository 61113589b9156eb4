"""What a person does with the library itself: fill it, look at it, and make it forget; each returns what to say."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

from library.index import IndexResult, check_folder, index_folders
from library.store import DamagedLibrary, Library, Summary, find_library
from photo.errors import BadOption
from photo.names import show
from photo.pace import name_time
from photo.types import Progress

# More processes than this wait for the disk, and each takes some hundred megabytes.
_MOST_WORKERS = 8
# Before so many photos are read nobody can tell how long the rest takes.
_SURE_AFTER = 10


def fill_library(path: Path | None, folders: Sequence[Path], on_progress: Progress) -> tuple[str, bool]:
    """Bring the library at `path`, None for that of this user, up to date with the photos in and below folders.

    Returns what was done as lines, and whether it was stopped by Ctrl+C before the end. Raises FixError.
    """
    started = time.monotonic()

    def tell(number: int, of: int, _: Path) -> None:
        words = f"photo {number:,} of {of:,}"
        if number >= _SURE_AFTER:
            words += f", {name_time((time.monotonic() - started) / number * (of - number))} left"
        on_progress(words, number / of)

    for folder in folders:
        check_folder(folder)  # before a library is made for nothing
    on_progress("looking for photos", 0.0)
    place = path or find_library()
    with Library(place) as library:
        result = index_folders(library, folders, min(os.cpu_count() or 1, _MOST_WORKERS), tell)
        summary = library.summarize()
    return "\n".join([*_describe_run(result), _describe(place, summary)]), result.is_stopped


def describe_library(path: Path | None) -> str:
    """Return what the library holds, as lines, after reading all of it. Raises FixError, also where it is damaged."""
    place = path or find_library()
    with Library(place, must_exist=True) as library:
        if damage := library.find_damage():
            raise DamagedLibrary(f"{place} is damaged ({damage.splitlines()[0]}); delete it and run --index again.")
        folders = _list_folders(list(library.list_files()))
        return "\n".join([_describe(place, library.summarize()), *(f"  {show(folder)}" for folder in folders)])


def forget_folders(path: Path | None, folders: Sequence[Path]) -> str:
    """Delete what the library knows of the photos below folders, there or not, and return how many that were.

    Raises FixError, also where it knows of none below one of them: nothing is forgotten then.
    """
    place = path or find_library()
    with Library(place, must_exist=True) as library:
        known = list(library.list_files())
        for folder in folders:
            if not any(photo.is_relative_to(folder.resolve()) for photo in known):
                raise BadOption(f"The library knows no photo below {folder}; --library_info lists its folders.")
        count = sum(library.forget_folder(folder.resolve()) for folder in folders)
        return f"Forgot {_count(count, 'photo')}.\n{_describe(place, library.summarize())}"


def _describe_run(result: IndexResult) -> list[str]:
    parts = [f"{_count(result.read, 'photo')} read, with {_count(result.faces, 'face')}"]
    for count, what in (
        (result.unchanged, "unchanged"), (result.moved, "moved"), (result.gone, "gone"), (result.left, "left to read"),
    ):  # fmt: skip
        parts += [f"{count:,} {what}"] if count else []
    lines = [f"{'; '.join(parts)}."]
    if result.unreadable:
        lines += [f"{len(result.unreadable):,} cannot be read:", *(f"  {show(why)}" for _, why in result.unreadable)]
    return lines


def _describe(place: Path, summary: Summary) -> str:
    unreadable = f", {summary.unreadable:,} of which cannot be read" if summary.unreadable else ""
    size = f"{summary.file_bytes / 1e6:,.1f} MB"
    return (
        f"The library {show(place)} ({size}) knows {_count(summary.photos, 'photo')}{unreadable}, and "
        f"{_count(summary.faces, 'face')} in them."
    )


def _list_folders(photos: Sequence[Path]) -> list[Path]:
    """The uppermost folders that hold photos themselves."""
    folders: list[Path] = []
    for folder in sorted({photo.parent for photo in photos}):
        if not folders or not folder.is_relative_to(folders[-1]):
            folders.append(folder)
    return folders


def _count(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
