"""Lists the photos of a run, tells why other files are passed over, and names the results.

Nothing vanishes without a word: of a folder every file is either a photo to work on, or passed over with a reason.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from photo.errors import BadOption, UnreadablePhoto, UnwritablePhoto
from photo.files import INPUT_ENDINGS
from photo.names import show
from photo.writing import describe_error

_RESULTS = ("final_", "analysis_")
_RAW = "3fr arw cr2 cr3 crw dng erf iiq kdc mef mos mrw nef nrw orf pef raf raw rw2 rwl sr2 srf srw x3f"
_MOVING = "a GIF or a video, of which no single picture is edited"
# What a person would call a photo, and finds passed over.
_KINDS = {
    **dict.fromkeys(_RAW.split(), "a RAW photo, which cannot be read here; develop it first"),
    **dict.fromkeys(["jxl", "jp2", "j2k", "psd", "psb", "xcf"], "a format that cannot be read here"),
    **dict.fromkeys(["gif", "mp4", "mov", "m4v", "avi", "mkv", "webm", "mts"], _MOVING),
}


@dataclass(frozen=True)
class Input:
    """A photo of a run, and its `place`: its path below the folder that was named, or its name alone."""

    path: Path
    place: Path


@dataclass
class Listing:
    """The photos that were found, and the files and folders that were passed over, each with its reason."""

    inputs: list[Input] = field(default_factory=list)
    passed_over: list[tuple[Path, str]] = field(default_factory=list)

    @property
    def paths(self) -> list[Path]:
        """The paths of the photos."""
        return [photo.path for photo in self.inputs]


def list_inputs(
    sources: Sequence[Path], *, recursive: bool, results: Path, others: Iterable[Path] = (), may_be_empty: bool = False
) -> Listing:
    """Return the photos that were named, and those of the folders that were, each once.

    Results go into the folder `results`. Of a folder that is the same, earlier results are left out, and so are
    `results` and the folders `others` where they lie in a folder that is looked through. Raises UnreadablePhoto, also
    where there is no photo at all, unless `may_be_empty`.
    """
    listing = Listing()
    known: dict[str, Path] = {}
    written = [_identify(path) for path in (results, *others)]
    for source in sources:
        if not source.is_dir():
            found = Listing([Input(source, Path(source.name))])
        else:
            found = _list_folder(source, recursive, written, _identify(source) == written[0])
        # The photo itself comes before links to it, whatever their names.
        for photo in sorted(found.inputs, key=lambda photo: _holds(photo.path.is_symlink)):
            first = known.setdefault(os.path.realpath(photo.path), photo.path)
            if first is not photo.path:
                listing.passed_over.append((photo.path, f"the same photo as {show(first)}"))
        listing.inputs += [photo for photo in found.inputs if known[os.path.realpath(photo.path)] is photo.path]
        listing.passed_over += found.passed_over
    if not listing.inputs and not may_be_empty:
        raise UnreadablePhoto(_complain(sources, listing.passed_over))
    return listing


def list_photos(folder: Path) -> Listing:
    """Return the photos of a folder but earlier results. Raises UnreadablePhoto when there is none."""
    listing = _list_folder(folder, False, [], True)
    if not listing.inputs:
        raise UnreadablePhoto(_complain([folder], listing.passed_over))
    return listing


def describe_passed_over(passed_over: Sequence[tuple[Path, str]]) -> str:
    """Return lines that name what was passed over, by reason, without a final line break; empty if nothing was."""
    if not passed_over:
        return ""
    groups: dict[str, list[str]] = {}
    for path, reason in passed_over:
        groups.setdefault(reason, []).append(show(path))
    lines = [f"  {', '.join(names)}: {reason}" for reason, names in groups.items()]
    return "\n".join([f"Passed over {len(passed_over)}:", *lines])


def tell_apart(places: Sequence[Path], sources: Sequence[Path]) -> list[Path]:
    """Return a place for the result of each source, so that no two are the same, also where capitals count for nothing.

    A place that two would share gets the ending of its source into its name, a.jpg.png, and then a number, a_2.png.
    """
    wanted = Counter(map(_fold, places))
    taken = {place for place, count in wanted.items() if count == 1}
    apart = []
    for place, source in zip(places, sources, strict=True):
        if wanted[_fold(place)] > 1:
            place = next(name for name in _vary(place, source.suffix) if _fold(name) not in taken)
            taken.add(_fold(place))
        apart.append(place)
    return apart


def check_apart(results: Sequence[Path], mask_folders: Sequence[Path]) -> None:
    """Raise when two results, or a result and a folder of masks, would be one file: by links that are there already."""
    known: dict[str, Path] = {}
    for result in results:
        other = known.setdefault(_fold(Path(os.path.realpath(result))), result)
        if other is not result:
            raise UnwritablePhoto(f"{other} and {result} are the same file; name another folder for the results.")
    for folder in mask_folders:
        if _fold(Path(os.path.realpath(folder))) in known:
            raise BadOption(f"--masks_dir would make a folder {folder}, which is a result; name another folder.")


def _vary(place: Path, source_ending: str) -> Iterator[Path]:
    """Other names like that of a place, without end."""
    if source_ending.lower() != place.suffix.lower():
        place = place.with_name(f"{place.stem}{source_ending}{place.suffix}")
        yield place
    number = 1
    while True:
        yield place if number == 1 else place.with_name(f"{place.stem}_{number}{place.suffix}")
        number += 1


def _fold(path: Path) -> str:
    return str(path).casefold()


def _identify(path: Path) -> tuple[int, int] | None:
    """What tells a folder from every other, by whatever name; None where there is none yet."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def _list_folder(
    folder: Path, recursive: bool, written: Sequence[tuple[int, int] | None], leave_out_results: bool
) -> Listing:
    """The photos of one folder, and with `recursive` of those in it."""
    listing, waiting = Listing(), [folder]
    while waiting:
        current = waiting.pop(0)
        try:
            entries = sorted(current.iterdir())
        except OSError as error:
            reason = f"a folder that cannot be read: {describe_error(error)}"
            if current == folder:
                raise UnreadablePhoto(f"The folder {folder} cannot be read: {describe_error(error)}.") from error
            listing.passed_over.append((current, reason))
            continue
        for entry in entries:
            if recursive and _holds(entry.is_dir) and not _holds(entry.is_symlink) and not entry.name.startswith("."):
                if _identify(entry) in written:
                    listing.passed_over.append((entry, "the folder that results go to"))
                else:
                    waiting.append(entry)
                continue
            reason = _find_reason(entry, recursive, leave_out_results)
            if reason:
                listing.passed_over.append((entry, reason))
            else:
                listing.inputs.append(Input(entry, entry.relative_to(folder)))
    return listing


def _find_reason(path: Path, recursive: bool, leave_out_results: bool) -> str:
    """Why an entry of a folder is no photo to work on; empty if it is one."""
    ending = path.suffix.lower()
    if path.name.startswith("."):
        return "hidden"
    if _holds(path.is_dir):
        return "a link to a folder" if recursive else "a folder; --recursive looks into it"
    if _holds(path.is_symlink) and not _holds(path.exists):
        return "a link to nothing"
    if ending not in INPUT_ENDINGS:
        return _KINDS.get(ending.removeprefix("."), "no photo")
    if not _holds(path.is_file):
        return "no file that can be read"
    if leave_out_results and path.name.startswith(_RESULTS):
        return "a result of an earlier run"
    return ""


def _holds(ask: Callable[[], bool]) -> bool:
    """The answer of a path to a question; no, where it may not be looked at."""
    try:
        return ask()
    except OSError:
        return False


def _complain(folders: Sequence[Path], passed_over: Sequence[tuple[Path, str]]) -> str:
    """That there is no photo, and what is there instead."""
    named = [f"{path.name} ({reason})" for path, reason in passed_over]
    most = 5
    more = f" and {len(named) - most} more" if len(named) > most else ""
    instead = f": there are {', '.join(named[:most])}{more}" if named else ""
    where = " and ".join(map(str, folders))
    return f"There is no photo in the folder{'s' if len(folders) > 1 else ''} {where}{instead}."
