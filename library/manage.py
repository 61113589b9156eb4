"""What a person does with the library itself: fill it, look at it and its people, and make it forget.

Each function returns what to say.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from library.index import IndexResult, check_folder, index_folders
from library.people import find_example, group_people
from library.people_page import check_page, write_page
from library.store import DamagedLibrary, Library, Person, Sighting, Summary, find_library
from photo.errors import BadOption
from photo.names import show
from photo.pace import name_time
from photo.processes import count_cores
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
        result = index_folders(library, folders, min(count_cores(), _MOST_WORKERS), tell)
        if not result.is_stopped:
            result.is_stopped = not _group(library, on_progress)
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


def list_people(path: Path | None, page: Path | None, on_progress: Progress) -> str:
    """Return the people of the library as lines, and write a picture of each to `page` where one is named.

    Faces that are new are grouped before. Raises FixError.
    """
    if page is not None:
        check_page(page)  # before any work
    place = path or find_library()
    with Library(place, must_exist=True) as library:
        if not _group(library, on_progress):
            raise KeyboardInterrupt
        people = library.list_people()
        examples = [find_example(library.read_person(person.number)) for person in people]
    if not people:
        return f"The library {show(place)} knows nobody who is in two photos or more."
    faces = sum(person.faces for person in people)
    lines = [f"The library {show(place)} knows {_count(len(people), 'person', 'people')} by {_count(faces, 'face')}."]
    lines += [_describe_person(*pair) for pair in zip(people, examples, strict=True)]
    if page is not None:
        pairs = list(zip(people, examples, strict=True))
        write_page(page, pairs, lambda done: on_progress(f"picture {done:,} of {len(pairs):,}", done / len(pairs)))
        lines.append(f"Written: {show(page)}")
    return "\n".join(lines)


def name_person(path: Path | None, who: str, name: str) -> str:
    """Name a person of the library, or take the name away if it is empty; return who is who now. Raises FixError."""
    name = " ".join(name.split())
    if name.isdecimal():
        raise BadOption(f"--name_person takes a name that is no number, not {name}.")
    with Library(path or find_library(), must_exist=True) as library:
        person = _find(library, who)
        number = library.name_person(person.number, name)
        now = next(one for one in library.list_people() if one.number == number)
    if number != person.number:
        return f"{_name(person)} is {_name(now)} now, who is in {_count(now.photos, 'photo')}."
    return f"Person {number} is called {show(name)} now." if name else f"Person {number} has no name now."


def take_out(path: Path | None, who: str, photos: Sequence[Path]) -> str:
    """Note that photos do not show a person of the library, for good, and return what was done. Raises FixError."""
    with Library(path or find_library(), must_exist=True) as library:
        person = _find(library, who)
        known = {sighting.path for sighting in library.read_person(person.number)}
        for photo in photos:
            if photo.resolve() not in known:
                raise BadOption(f"The library knows no face of {_name(person)} in {photo}; nothing was taken out.")
        for photo in photos:
            library.refuse(person.number, photo.resolve())
    return f"{_count(len(photos), 'photo')} taken out of {_name(person)}."


def _group(library: Library, on_progress: Progress) -> bool:
    """Group the faces that are new into people; return whether this was not stopped by Ctrl+C."""
    try:
        group_people(library, lambda share: on_progress("grouping the faces into people", share))
    except KeyboardInterrupt:
        return False
    return True


def _find(library: Library, who: str) -> Person:
    """The person of a name or a number."""
    person = library.find_person(who)
    if person is None:
        raise BadOption(f"The library knows no person {who}; --people lists all.")
    return person


def _name(person: Person) -> str:
    return show(person.name) if person.name else f"person {person.number}"


def _describe_person(person: Person, example: Sighting) -> str:
    name = f" {show(person.name)}:" if person.name else ""
    place = f"face {example.face.number} of {show(example.path)}"
    return f"  {person.number}:{name} {_count(person.photos, 'photo')}, such as {place}"


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


def _count(count: int, what: str, many: str = "") -> str:
    return f"{count:,} {what if count == 1 else many or f'{what}s'}"
