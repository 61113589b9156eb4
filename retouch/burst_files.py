"""From file to file: the best take of a burst, or of each in a folder, and the sheet of who came from where."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from photo.errors import BadOption, MissingPackage, UnreadablePhoto, UnwritablePhoto
from photo.files import FORMATS, check_output, load_photo, save_photo
from photo.names import show
from photo.types import Pixels, Progress
from photo.writing import Originals, remove_leftovers
from retouch.burst import burst_to_json, choose_base, describe_burst, fix_burst, read_burst_photo
from retouch.burst_groups import find_bursts
from retouch.drawing import draw_contact_sheet, widen_sheet
from retouch.files import FileJob, Summary, make_picture
from retouch.listing import tell_apart
from retouch.marking import choose_saving
from retouch.places import OUTPUT_FOLDER, is_same
from retouch.progress import scale_progress
from retouch.report import describe

# Finding the faces of all photos is this fraction of the work.
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


def plan_burst(job: FileJob, sheet: Path | None) -> BurstFiles:
    """Return the photos of the job's burst, and where the best take and its contact `sheet` go. Raises BadOption."""
    files, burst = job.files, job.files.burst
    assert burst is not None
    if len(files.sources) > 1:
        raise BadOption("With --burst one photo at most is named, the one to keep.")
    target = files.output
    if target is None or files.is_folder or target.is_dir():
        target = (target or OUTPUT_FOLDER) / f"best_{burst.resolve().name}.{files.format or 'png'}"
    elif files.format is not None:
        raise BadOption(f"--format has no effect: the ending of {target} names the format.")
    kept = next(iter(files.sources), None)
    return BurstFiles(tuple(job.listing.paths), kept, target, sheet, job.originals)


def make_best_take(
    job: FileJob,
    files: BurstFiles,
    on_progress: Progress,
    log: Callable[[str], None],
    sheets: list[Pixels] | None = None,
) -> Summary:
    """Write the best take of a burst, and its contact sheet; return what was done.

    Where `sheets` are collected, the contact sheet is added to them instead.

    A photo that cannot be read is left out, and `log` told why, unless it is the one to keep. The sheet never replaces
    a photo that was read, the result only where `files.originals` allows it. Raises FixError.
    """
    listed = _sort_out(files)
    paths, shots = [], []
    for number, path in enumerate(listed):
        on_progress("looking at the photos", _READING * number / len(listed))
        try:
            shots.append(read_burst_photo(load_photo(path)))
        except (UnreadablePhoto, MissingPackage) as error:
            if path == files.kept:
                raise
            log(f"warning: {error} It is left out.")
        else:
            paths.append(path)
    if len(paths) < 2:
        left = "only one of these photos" if paths else "none of these photos"
        raise UnreadablePhoto(f"--burst takes two photos or more, and {left} can be read.")
    base = choose_base(shots, job.options) if files.kept is None else 0
    photo = load_photo(paths[base])

    rest = scale_progress(on_progress, _READING, 1 - _READING)
    engine, why_draft = job.engine
    result = fix_burst(photo, shots, base, job.options, engine, rest)
    has_other_faces = any(source.photo is not None for source in result.sources)
    saving = choose_saving(job.options.output, result.fix.report, has_other_faces=has_other_faces)
    note = save_photo(result.pixels, photo, files.target, files.originals, saving)
    lines = [describe_burst(result, shots), *([note] if note else [])]
    if job.verbose:
        lines.append(describe(result.fix.report, numbers=True))
    lines += [f"Written: {show(files.target)}"]
    if sheets is not None:
        sheets.append(draw_contact_sheet(result, shots))
    elif files.sheet is not None:
        picture = draw_contact_sheet(result, shots)
        save_photo(picture, make_picture(picture), files.sheet, files.originals.but_never_by(_SHEET))
        lines.append(f"Written: {show(files.sheet)}")
    if result.fix.report.changes:
        lines += job.explain_draft(why_draft)
    data = burst_to_json(result, shots)
    left_out = [str(path) for path in listed if path not in paths]
    entry = {"input": str(paths[base]), "output": str(files.target), "note": note, "left_out": left_out, **data}
    return Summary("\n".join(lines), entry)


def plan_bursts(
    job: FileJob, sheet: Path | None, on_progress: Progress, log: Callable[[str], None]
) -> list[BurstFiles]:
    """Return the bursts among the photos of the job, and where the best take of each goes.

    All can be written, as far as that can be found out before. Raises FixError, also where there is no burst.
    """
    folder = job.output_folder
    if job.files.output is not None and not job.files.is_folder and folder.suffix.lower() in FORMATS:
        raise UnwritablePhoto(f"{folder} names one photo; with --burst auto --output_path must be a folder.")
    paths = job.listing.paths
    bursts = find_bursts(paths, lambda done: on_progress("looking for bursts", done / len(paths)), log)
    if not bursts:
        raise BadOption("--burst auto found no two photos that were taken one right after the other at one place.")
    places = {photo.path: photo.place.parent for photo in job.listing.inputs}
    firsts = [burst[0] for burst in bursts]
    names = [places[path] / f"best_{path.stem}{_choose_ending(path, job.files.format)}" for path in firsts]
    planned = [
        BurstFiles(burst, None, folder / name, sheet, job.originals)
        for burst, name in zip(bursts, tell_apart(names, firsts), strict=True)
    ]
    for files in planned:
        _sort_out(files)
    return planned


def write_sheets(job: FileJob, sheet: Path, sheets: Sequence[Pixels]) -> str:
    """Write the contact sheets of several bursts as one picture, one below the other; return where it is."""
    width = max(picture.shape[1] for picture in sheets)
    picture = np.concatenate([widen_sheet(one, width) for one in sheets])
    save_photo(picture, make_picture(picture), sheet, job.originals.but_never_by(_SHEET))
    return f"Written: {show(sheet)}"


def _choose_ending(path: Path, format: str | None) -> str:
    """The ending of a best take: the one that was asked for, else that of its first frame where it can be written."""
    if format is not None:
        return f".{format}"
    return path.suffix if path.suffix.lower() in FORMATS else ".png"


def _sort_out(files: BurstFiles) -> list[Path]:
    """The photos, the one to keep first where one is named; what cannot be written is found before any work."""
    others = [path for path in files.photos if files.kept is None or not is_same(path, files.kept)]
    paths = others if files.kept is None else [files.kept, *others]
    if len(paths) < 2:
        raise BadOption("--burst takes a folder of two photos or more; there is one.")
    for folder in {path.parent for path in (files.target, files.sheet) if path is not None}:
        remove_leftovers(folder)
    check_output(files.target, files.originals)
    if files.sheet is not None:
        check_output(files.sheet, files.originals.but_never_by(_SHEET))
    if files.sheet is not None and files.sheet.resolve() == files.target.resolve():
        raise BadOption("--contact_sheet and --output_path name the same file; name two.")
    return paths
