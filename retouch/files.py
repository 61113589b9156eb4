"""From file to file: a photo, every photo of a folder, or the best take of a burst, with the masks beside them.

All that is read and written on the way of the command line goes through here. Nothing is printed: what a person should
read comes back as text, what programs read as entries of the JSON report.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from donor.people import ReferencePhoto, read_reference
from edit.options import Options
from edit.plan import EditPlan, Engine, RefiningEngine
from eyes_mask import eyes_mask
from mouth_mask import mouth_mask
from photo.canvas import Canvas
from photo.errors import BadOption, UnreadablePhoto, UnwritablePhoto
from photo.files import FORMATS, check_output, load_photo, save_photo
from photo.saving import Saving
from photo.types import Photo, Progress
from photo.writing import Originals
from retouch.burst import burst_to_json, choose_base, describe_burst, fix_burst, read_burst_photo
from retouch.drawing import draw_analysis, draw_contact_sheet
from retouch.engines import choose_engine
from retouch.marking import choose_saving
from retouch.pipeline import analyze_photo, fix_photo
from retouch.progress import ignore_progress, scale_progress
from retouch.report import analysis_to_json, describe, describe_analysis, to_json

OUTPUT_FOLDER = Path("data/outputs")
"""Where results go when the user names no place; it is taken from the current folder."""

Entry = dict[str, object]
"""What the JSON report says of one photo, or of one burst."""

_DRAFT, *_MASKS = "draft.png", "eyes_mask.png", "mouth_mask.png"

# Finding the faces of all photos is this fraction of the work.
_READING = 0.6
_SHEET = "--contact_sheet"


@dataclass(frozen=True)
class JobFiles:
    """What a run reads and where it writes, as the user named it.

    `source` is a photo or a folder of them; with a `burst`, a folder, it is the photo to keep. `references` are photos
    and folders of photos. `output` names the result, or the folder of results; `masks_dir` takes the masks, too.
    `overwrite` allows results to replace photos that are read.
    """

    source: Path | None = None
    burst: Path | None = None
    references: tuple[Path, ...] = ()
    output: Path | None = None
    masks_dir: Path | None = None
    overwrite: bool = False


@dataclass(frozen=True)
class PhotoFiles:
    """One photo of a run: where it lies, where its result goes, and the folder of its masks, if they are wanted."""

    source: Path
    target: Path
    masks_dir: Path | None = None


class FileJob:
    """What one run does to each photo: fixes it, or only analyzes it and draws numbered boxes.

    Engine and reference photos are got when the first photo needs them, once. `log` is told what a person should know
    meanwhile, `quiet` keeps the engine from showing its progress. Raises FixError.
    """

    def __init__(
        self, files: JobFiles, options: Options, log: Callable[[str], None], *, analyze: bool, quiet: bool
    ) -> None:
        self.files, self.options, self.analyze = files, options, analyze
        self.originals = _list_originals(files, analyze)
        self._log, self._quiet = log, quiet
        self._has_told_why_draft = False

    @cached_property
    def engine(self) -> tuple[Engine, str]:
        """The engine, and why it is only the draft engine, if that was not asked for. Raises FixError."""
        return choose_engine(self.options, quiet=self._quiet)

    @cached_property
    def references(self) -> list[ReferencePhoto]:
        """The photos that may give eyes to others; in a folder a photo that cannot be read is passed over."""
        found: list[ReferencePhoto] = []
        for path in self.files.references:
            for file in _list_photos(path, leave_out_results=True) if path.is_dir() else [path]:
                try:
                    found.append(read_reference(load_photo(file)))
                except UnreadablePhoto as error:
                    if not path.is_dir():
                        raise
                    self._log(f"warning: {error} It is left out.")
        if self.files.references and not found:
            raise UnreadablePhoto("None of the reference photos can be read.")
        return found

    def plan_photo(self, source: Path) -> PhotoFiles:
        """Return where the result of a single photo goes: the path that was named, or a name made from the photo's."""
        output = self.files.output
        try:
            is_folder = output is None or output.is_dir()
        except OSError as error:
            raise UnwritablePhoto(f"{output} cannot be written: {error.strerror}; name another file.") from error
        if output is None or is_folder:
            output = (output or OUTPUT_FOLDER) / self._name_result(source)
        return PhotoFiles(source, output, self.files.masks_dir)

    def plan_folder(self, folder: Path, output: Path) -> list[PhotoFiles]:
        """Return the photos of a folder with their places in `output`; none of what is written replaces an original."""
        if output.exists() and not output.is_dir():
            raise UnwritablePhoto(f"{output} is a file; --output_path must be a folder when --input_path is one.")
        photos = _list_inputs(folder, output)
        names = [Path(self._name_result(photo)) for photo in photos]
        planned = []
        for photo, name in zip(photos, names, strict=True):
            # Two photos such as a.jpg and a.png would share a result: there the old ending stays in the name.
            own = name.with_suffix(f"{photo.suffix}.png") if names.count(name) > 1 else name
            masks_dir = self.files.masks_dir / photo.name if self.files.masks_dir else None
            planned.append(PhotoFiles(photo, output / own, masks_dir))
        for files in planned:
            for path, originals in self._list_outputs(files):
                originals.check(path)
        return planned

    def run_photo(self, files: PhotoFiles, on_progress: Progress) -> tuple[str, Entry]:
        """Fix or analyze one photo, write what comes of it, and return what was done as text and as an entry."""
        self._check_outputs(files)
        photo, original = load_photo(files.source), None
        # The photo itself may lie among the references: it has nothing to give.
        references = [r for r in self.references if r.path is None or not _is_same(r.path, files.source)]
        if self.analyze:
            analyses, plan = analyze_photo(photo, self.options, on_progress, references)
            faces = tuple(analysis.face for analysis in analyses)
            text, data = describe_analysis(analyses, plan), analysis_to_json(analyses, plan)
            pixels, saving = draw_analysis(photo.pixels, faces, plan), Saving(is_marked=not self.options.output.no_mark)
        else:
            engine, why_draft = self.engine
            result = fix_photo(photo, self.options, engine, on_progress, references=references)
            faces, plan = result.report.faces, result.plan
            text, data = describe(result.report), to_json(result.report)
            if why_draft and result.report.changes and not self._has_told_why_draft:
                self._has_told_why_draft = True
                text += f"\n{why_draft}"
            pixels, original = result.pixels, photo
            saving = choose_saving(self.options.output, result.report)
        unknown = [number for number in self.options.faces or () if number > len(faces)]
        if unknown:
            raise BadOption(
                f"--faces names face {unknown[0]}, but {files.source} has {len(faces)}; --analyze shows the numbers."
            )
        note = save_photo(pixels, original or Photo(pixels), files.target, self.originals, saving)
        if files.masks_dir is not None:
            self._write_masks(files.masks_dir, photo, plan)
        entry = {"input": str(files.source), "output": str(files.target), "note": note, **data}
        return "\n".join([text, *([note] if note else []), f"Written: {files.target}"]), entry

    def plan_burst(self, folder: Path, sheet: Path | None) -> BurstFiles:
        """Return the photos of the burst in a folder, and where the best take and its contact `sheet` go."""
        if not folder.is_dir():
            raise UnreadablePhoto(f"--burst takes a folder of photos; {folder} is none.")
        target = self.files.output or OUTPUT_FOLDER / f"best_{folder.resolve().name}.png"
        photos = tuple(_list_photos(folder, leave_out_results=True))
        return BurstFiles(photos, self.files.source, target, sheet, self.originals)

    def _name_result(self, source: Path) -> str:
        return f"{'analysis' if self.analyze else 'final'}_{source.stem}.png"

    def _list_outputs(self, files: PhotoFiles) -> list[tuple[Path, Originals]]:
        """What is written for one photo, each with the photos as they stand to it."""
        masks = [] if files.masks_dir is None else [files.masks_dir / name for name in (_DRAFT, *_MASKS)]
        spared = self.originals.but_never_by("--masks_dir")
        return [(files.target, self.originals), *((path, spared) for path in masks)]

    def _check_outputs(self, files: PhotoFiles) -> None:
        """Find out before any work is done whether all can be written, and that nothing is written over another."""
        for path, originals in self._list_outputs(files):
            check_output(path, originals)
            if path is not files.target and path.resolve() == files.target.resolve():
                raise BadOption(f"--masks_dir would write {path} over the result; name another folder.")

    def _write_masks(self, folder: Path, photo: Photo, plan: EditPlan) -> None:
        """Write the masks (white is repainted) and what the draft engine painted, before the two were put together."""
        shape, originals = photo.pixels.shape, self.originals.but_never_by("--masks_dir")
        engine = self.engine[0]
        draft = engine.fallback if isinstance(engine, RefiningEngine) else engine
        canvas = Canvas(photo.pixels)
        painted = draft.paint(canvas, plan, ignore_progress)
        for edit, patch in zip(plan.edits, painted.patches, strict=True):
            canvas.put(edit.region.box, patch)
        made = Saving(is_marked=not self.options.output.no_mark)
        save_photo(canvas.work, Photo(canvas.work), folder / _DRAFT, originals, made)
        for name, mask in zip(_MASKS, (eyes_mask(shape, plan.edits), mouth_mask(shape, plan.edits)), strict=True):
            gray = mask[:, :, None].repeat(3, axis=2)
            save_photo(gray, Photo(gray, native=mask), folder / name, originals, made)


def _list_originals(files: JobFiles, analyze: bool) -> Originals:
    """All photos that the run reads, so that nothing it writes takes their place."""
    found: list[tuple[str, Path]] = []
    if files.source is not None:
        is_folder = files.source.is_dir()
        inputs = _list_inputs(files.source, files.output or OUTPUT_FOLDER) if is_folder else [files.source]
        found += [("the input photo itself", path) for path in inputs]
    others = [("the input photo itself", files.burst)] if files.burst is not None else []
    for what, path in [*others, *(("a reference photo", path) for path in files.references)]:
        listed = _list_photos(path, leave_out_results=True) if path.is_dir() else [path]
        found += [(what, file) for file in listed]
    originals = Originals(tuple(found), files.overwrite)
    return originals.but_never_by("--analyze") if analyze else originals


def _list_inputs(folder: Path, output: Path) -> list[Path]:
    """The photos of a folder whose results go to `output`; earlier results are none of them."""
    return _list_photos(folder, leave_out_results=output.exists() and output.samefile(folder))


def _list_photos(folder: Path, *, leave_out_results: bool) -> list[Path]:
    try:
        files = sorted(folder.iterdir())
    except OSError as error:
        raise UnreadablePhoto(f"The folder {folder} cannot be read: {error.strerror}.") from error
    photos = [
        file
        for file in files
        if file.suffix.lower() in FORMATS and file.is_file() and not file.name.startswith(".")
        if not (leave_out_results and file.name.startswith(("final_", "analysis_")))
    ]
    if not photos:
        raise UnreadablePhoto(f"There is no photo in the folder {folder}.")
    return photos


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
    files: BurstFiles, options: Options, engine: Engine, on_progress: Progress, log: Callable[[str], None]
) -> tuple[str, Entry]:
    """Write the best take of a burst, and its contact sheet; return the report as text and as JSON.

    A photo that cannot be read is left out, and `log` told why, unless it is the one to keep. The sheet never replaces
    a photo that was read, the result only where `files.originals` allows it. Raises FixError.
    """
    listed = _sort_out(files)
    paths, shots = [], []
    for number, path in enumerate(listed):
        on_progress("looking at the photos", _READING * number / len(listed))
        try:
            shots.append(read_burst_photo(load_photo(path)))
        except UnreadablePhoto as error:
            if path == files.kept:
                raise
            log(f"warning: {error} It is left out.")
        else:
            paths.append(path)
    if len(paths) < 2:
        left = "only one of these photos" if paths else "none of these photos"
        raise UnreadablePhoto(f"--burst takes two photos or more, and {left} can be read.")
    base = choose_base(shots, options) if files.kept is None else 0
    photo = load_photo(paths[base])

    rest = scale_progress(on_progress, _READING, 1 - _READING)
    result = fix_burst(photo, shots, base, options, engine, rest)
    has_other_faces = any(source.photo is not None for source in result.sources)
    saving = choose_saving(options.output, result.fix.report, has_other_faces=has_other_faces)
    note = save_photo(result.pixels, photo, files.target, files.originals, saving)
    lines = [describe_burst(result, shots), *([note] if note else []), f"Written: {files.target}"]
    if files.sheet is not None:
        picture = draw_contact_sheet(result, shots)
        made = Saving(is_marked=not options.output.no_mark)
        save_photo(picture, Photo(picture), files.sheet, files.originals.but_never_by(_SHEET), made)
        lines.append(f"Written: {files.sheet}")
    data = burst_to_json(result, shots)
    left_out = [str(path) for path in listed if path not in paths]
    entry = {"input": str(paths[base]), "output": str(files.target), "note": note, "left_out": left_out, **data}
    return "\n".join(lines), entry


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
