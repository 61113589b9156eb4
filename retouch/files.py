"""A best take from file to file: reads the photos of a burst, one at a time, and writes what comes of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edit.options import Options
from edit.plan import Engine
from photo.errors import BadOption, UnreadablePhoto
from photo.files import check_output, load_photo, save_photo
from photo.types import Photo, Progress
from photo.writing import Originals
from retouch.burst import burst_to_json, choose_base, describe_burst, fix_burst, read_burst_photo
from retouch.drawing import draw_contact_sheet

# The share of the work that finding the faces of all photos is.
_READING = 0.6
_SHEET = "--contact_sheet"


@dataclass(frozen=True)
class BurstFiles:
    """The photos of a burst and what to write.

    `kept` is the photo to keep, None means the best one; it need not be among `photos`. `sheet` may be None.
    `originals` are all photos that the run reads.
    """

    photos: tuple[Path, ...]
    kept: Path | None
    target: Path
    sheet: Path | None
    originals: Originals


def make_best_take(
    files: BurstFiles, options: Options, engine: Engine, on_progress: Progress, say: Callable[[str], None]
) -> tuple[str, dict[str, object]]:
    """Write the best take of a burst, and its contact sheet; return the report in words and as JSON.

    A photo that cannot be read is left out, and `say` told why, unless it is the one to keep. The sheet never replaces
    a photo that was read, the result only where `files.originals` allows it. Raises FixError.
    """
    asked = _sort_out(files)
    paths, frames = [], []
    for number, path in enumerate(asked):
        on_progress("looking at the photos", _READING * number / len(asked))
        try:
            frames.append(read_burst_photo(load_photo(path)))
        except UnreadablePhoto as error:
            if path == files.kept:
                raise
            say(f"warning: {error} It is left out.")
        else:
            paths.append(path)
    if len(paths) < 2:
        left = "only one of these photos" if paths else "none of these photos"
        raise UnreadablePhoto(f"--burst takes two photos or more, and {left} can be read.")
    base = choose_base(frames, options) if files.kept is None else 0
    photo = load_photo(paths[base])

    def tell(words: str, share: float) -> None:
        on_progress(words, _READING + (1 - _READING) * share)

    result = fix_burst(photo, frames, base, options, engine, tell)
    note = save_photo(result.pixels, photo, files.target, files.originals)
    words = [describe_burst(result, frames), *([note] if note else []), f"Written: {files.target}"]
    if files.sheet is not None:
        picture = draw_contact_sheet(result, frames)
        save_photo(picture, Photo(picture), files.sheet, files.originals.but_never_by(_SHEET))
        words.append(f"Written: {files.sheet}")
    data = burst_to_json(result, frames)
    left_out = [str(path) for path in asked if path not in paths]
    entry = {"input": str(paths[base]), "output": str(files.target), "note": note, "left_out": left_out, **data}
    return "\n".join(words), entry


def _sort_out(files: BurstFiles) -> list[Path]:
    """The photos, the one to keep first where one is named; what cannot be written is found before any work."""
    others = [path for path in files.photos if files.kept is None or not _is_same(path, files.kept)]
    paths = others if files.kept is None else [files.kept, *others]
    if len(paths) < 2:
        raise BadOption("--burst takes a folder of two photos or more; there is one.")
    check_output(files.target, files.originals)
    if files.sheet is not None:
        check_output(files.sheet, files.originals.but_never_by(_SHEET))
    if files.sheet is not None and files.sheet.resolve() == files.target.resolve():
        raise BadOption("--contact_sheet and --output_path name the same file; name two.")
    return paths


def _is_same(one: Path, other: Path) -> bool:
    return one.exists() and other.exists() and one.samefile(other)
