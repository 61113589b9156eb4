"""From file to file: one photo or many, with the masks beside them.

All that is read and written on the way of the command line goes through here and through `retouch.burst_files`. Nothing
is printed: what a person should read comes back as text, what programs read as entries of the JSON report.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

from donor.people import OtherPhotos, ReferencePhoto, read_reference
from edit.options import FaceChoice, Options, Wish
from edit.plan import EditPlan, Engine, FixResult, RefiningEngine
from eyes_mask import eyes_mask
from face.analysis import FaceAnalysis
from library.propose import Proposer
from mouth_mask import mouth_mask
from photo.blend import Patch, lay
from photo.canvas import Canvas
from photo.credentials import Signature, check_signature
from photo.errors import BadOption, MissingPackage, UnreadablePhoto
from photo.files import FORMATS, check_output, load_photo, save_photo
from photo.layers import NamedPatch, check_layers, encode_layers
from photo.mark import mark_photo, name_tool
from photo.names import show
from photo.saving import Saving
from photo.types import Photo, Pixels, Progress
from photo.writing import Originals, check_writable, remove_leftovers, write_whole
from retouch.drawing import draw_analysis
from retouch.engines import choose_engine
from retouch.hints import is_new
from retouch.listing import Listing, describe_passed_over, list_inputs, list_photos
from retouch.marking import choose_saving, name_edit, name_regions
from retouch.pipeline import analyze, analyze_photo, fix_photo
from retouch.places import JobFiles, PhotoFiles, ResultPlaces, is_same
from retouch.progress import ignore_progress, scale_progress
from retouch.report import analysis_to_json, describe, describe_analysis, to_json

Entry = dict[str, object]
"""What the JSON report says of one photo, or of one burst."""

_DRAFT, *_MASKS = "draft.png", "eyes_mask.png", "mouth_mask.png"
_THE_INPUT = "the input photo itself"
# How far the work is when the faces are known, to be analyzed or fixed.
_ANALYZED, _FOUND = 0.9, 0.4
_PROPOSED = "a photo of the same people, from which eyes may come"


@dataclass(frozen=True)
class Summary:
    """What came of one photo: text for people, an entry of the report, and whether a result was written."""

    text: str
    entry: Entry
    is_written: bool = True


class FileJob:
    """What one run does to each photo: fixes it, or only analyzes it and draws numbered boxes.

    Engine and reference photos are got when the first photo needs them, once. `log` is told what a person should know
    meanwhile, `quiet` keeps the engine from showing its progress, `verbose` tells people what was measured, too.
    Raises FixError.
    """

    def __init__(
        self,
        files: JobFiles,
        options: Options,
        log: Callable[[str], None],
        *,
        analyze: bool = False,
        quiet: bool = False,
        verbose: bool = False,
    ) -> None:
        self.files, self.options, self.analyze = files, options, analyze
        self._places = ResultPlaces(files, is_analysis=analyze)
        self.verbose = verbose
        self.log, self._quiet = log, quiet
        if files.format is not None and f".{files.format}" not in FORMATS:
            known = ", ".join(ending.removeprefix(".") for ending in FORMATS)
            raise BadOption(f"--format must be one of {known}, not {files.format}.")
        if files.layers is not None:
            check_layers(files.layers)
            if files.are_many:
                raise BadOption("--layers takes the edits of a single photo.")
        self._signature = None if files.sign is None else Signature(*files.sign)
        if self._signature is not None:
            check_signature(self._signature)
        is_alone = not (files.no_library or files.references or files.burst or files.are_bursts)
        asks = is_alone and options.eyes.wish is not Wish.NEVER
        self._proposer = Proposer(files.library, self._tell, files.person) if asks or files.person is not None else None
        self.listing = self._list_sources()
        self.originals = self._list_originals()

    def __getstate__(self) -> dict[str, object]:
        """The job for another process, which loads its own engine and references, and has to set `log`."""
        return {name: value for name, value in vars(self).items() if name not in ("log", "engine", "references")}

    def _tell(self, text: str) -> None:
        self.log(text)

    @property
    def output_folder(self) -> Path:
        """The folder that results go to where they are not named one by one."""
        return self._places.folder

    @cached_property
    def engine(self) -> tuple[Engine, str]:
        """The engine, and why it is only the draft engine, if that was not asked for. Raises FixError."""
        return choose_engine(self.options, quiet=self._quiet)

    @cached_property
    def references(self) -> list[ReferencePhoto]:
        """The photos that may give eyes to others; in a folder a photo that cannot be read is passed over."""
        found: list[ReferencePhoto] = []
        for path in self.files.references:
            for file in list_photos(path).paths if path.is_dir() else [path]:
                try:
                    found.append(read_reference(load_photo(file)))
                except (UnreadablePhoto, MissingPackage) as error:
                    if not path.is_dir():
                        raise
                    self.log(f"warning: {error} It is left out.")
        if self.files.references and not found:
            raise UnreadablePhoto("None of the reference photos can be read.")
        return found

    def plan(self, is_done: Callable[[PhotoFiles], bool] = lambda _: False) -> list[PhotoFiles]:
        """Return every photo of the run with the place of its result; nothing that is written replaces an original.

        No two photos have one place. What killed runs left behind in the folders of results is removed. Photos that
        `is_done` says are done are left out, and their results are not looked at.
        """
        planned = self._places.plan(self.listing)
        if self.files.are_many:
            planned = [files for files in planned if not is_done(files)]
            for files in planned:
                for path, originals in self._list_outputs(files):
                    originals.check(path)
        self.clear_leftovers(planned)
        return planned

    def clear_leftovers(self, planned: Sequence[PhotoFiles]) -> None:
        """Remove the temporary files that killed processes left behind in the folders of results."""
        for folder in {files.target.parent for files in planned}:
            remove_leftovers(folder)

    def describe_settings(self) -> str:
        """Return a digest that differs wherever the results of a photo would, as of another version of the program."""
        files = replace(self.files, sources=(), recursive=False, watch=False)
        text = "\n".join([name_tool(), repr(self.options), repr(files), str(self.analyze)])
        return hashlib.blake2b(text.encode("utf-8", "backslashreplace"), digest_size=16).hexdigest()

    def is_in_place(self, planned: Sequence[PhotoFiles]) -> bool:
        """Return whether results take the place of photos that are read, so that the order of work matters."""
        read = {os.path.realpath(path) for _, path in self.originals.photos}
        return any(os.path.realpath(files.target) in read for files in planned)

    def run_photo(self, files: PhotoFiles, on_progress: Progress) -> Summary:
        """Fix or analyze one photo, write what comes of it, and return what was done."""
        self._check_outputs(files)
        photo = load_photo(files.source)
        # The photo itself may lie among the references: it has nothing to give.
        named = [r for r in self.references if r.path is None or not is_same(r.path, files.source)]
        found, options, who = self._find_person(photo, on_progress)
        references = (
            named if self._proposer is None else partial(self._propose, self._proposer, options, files, on_progress)
        )
        if self.analyze:
            analyses, plan = analyze_photo(photo, options, on_progress, references, found)
            face_count, is_changed = len(analyses), True
            text = describe_analysis(analyses, plan, numbers=self.verbose)
            data = analysis_to_json(analyses, plan)
            pixels = draw_analysis(photo.pixels, tuple(analysis.face for analysis in analyses), plan)
            result_photo, saving = make_picture(pixels), Saving()
        else:
            engine, why_draft = self.engine
            result = fix_photo(photo, options, engine, on_progress, analyses=found, references=references)
            report, plan, pixels = result.report, result.plan, result.pixels
            face_count, is_changed = len(report.faces), any(change.kept for change in report.changes)
            text, data = describe(report, numbers=self.verbose), to_json(report)
            if report.changes:
                text = "\n".join([text, *self.explain_draft(why_draft)])
            result_photo, saving = photo, choose_saving(self.options.output, report)
            if self._signature is not None:
                saving = replace(saving, signature=name_regions(self._signature, result))
            if self.files.layers is not None and is_changed:
                text += f"\n{self._write_layers(self.files.layers, photo, result, saving)}"
            if files.masks_dir is not None and result.others:
                text += f"\n{self._write_others(files.masks_dir, photo, result)}"
        text = f"{who}\n{text}" if who else text
        unknown = [number for number in self.options.faces or () if number > face_count]
        if unknown:
            raise BadOption(
                f"--faces names face {unknown[0]}, but {files.source} has {face_count}; --analyze shows the numbers."
            )
        is_written, note = is_changed or files.is_copied, None
        if is_written:
            note = save_photo(pixels, result_photo, files.target, self.originals, saving)
        if files.masks_dir is not None:
            self._write_masks(files.masks_dir, photo, plan)
        lines = [text, *([note] if note and is_written else []), _tell_where(files.target, is_written)]
        output = str(files.target) if is_written else None
        entry = {"input": str(files.source), "output": output, "note": note if is_written else None, **data}
        return Summary("\n".join(lines), entry, is_written)

    def _find_person(self, photo: Photo, on_progress: Progress) -> tuple[tuple[FaceAnalysis, ...] | None, Options, str]:
        """The faces of a photo, the options for that of the wanted person alone, and what to say of it.

        Where nobody is wanted: None, the options of the run, and nothing.
        """
        if self.files.person is None or self._proposer is None:
            return None, self.options, ""
        analyses = analyze(photo.pixels, scale_progress(on_progress, 0.0, _FOUND))
        numbers = self._proposer.choose_faces(analyses)
        name = show(self.files.person)
        if numbers:
            return analyses, replace(self.options, faces=numbers), f"Face {numbers[0]} is {name}."
        nobody = {analysis.face.number: FaceChoice(Wish.NEVER, Wish.NEVER) for analysis in analyses}
        return analyses, replace(self.options, choices=nobody), f"No face is {name} for sure."

    def _propose(
        self, proposer: Proposer, options: Options, files: PhotoFiles, on_progress: Progress,
        analyses: Sequence[FaceAnalysis],
    ) -> OtherPhotos:  # fmt: skip
        """The other photos of the people in a photo of the run that are found by themselves."""
        wanted = [
            face
            for face in analyses
            if (not options.faces or face.face.number in options.faces)
            and options.choose_for(face.face.number).eyes is not Wish.NEVER
        ]
        if not wanted:
            return OtherPhotos()
        on_progress("looking for other photos of these people", _ANALYZED if self.analyze else _FOUND)
        found = proposer.propose(wanted, files.source)
        known = {path for _, path in self.originals.photos}
        read = [r.path for r in found.references if r.path is not None and r.path not in known]
        if read:
            # They are read like all others, and so they are not replaced either.
            named = tuple((_PROPOSED, path) for path in read)
            self.originals = replace(self.originals, photos=(*self.originals.photos, *named))
            self._check_outputs(files)
        return found

    def explain_draft(self, why_draft: str) -> list[str]:
        """Return the line on why Stable Diffusion does not paint, once on a machine, or always where details are asked
        for; else nothing."""
        is_told = bool(why_draft) and (self.verbose or (not self._quiet and is_new("stable_diffusion")))
        return [why_draft] if is_told else []

    def check_engine(self, flags: Sequence[str]) -> None:
        """Raise BadOption where `flags` tell Stable Diffusion how to paint, and the draft engine was chosen instead."""
        if flags and self.options.engine == "auto" and (why := self.engine[1]):
            raise BadOption(f"--{flags[0]} has no effect: {why[0].lower()}{why[1:]}")

    def describe_passed_over(self) -> str:
        """Return what the folders hold beside the photos of this run, as lines; empty if nothing."""
        return describe_passed_over(self.listing.passed_over)

    def check_report(self, path: Path) -> None:
        """Raise FixError when the report cannot be written to `path`."""
        if path.suffix.lower() != ".json" or path.is_dir():
            raise BadOption(f"--report must name a file that ends in .json, not {path}.")
        check_writable(path, self.originals.but_never_by("--report"))

    def write_report(self, path: Path, entries: list[Entry], stopped: Mapping[str, int] | None = None) -> None:
        """Write the report of the run; `stopped` says how many photos were `done`, of how many, when it was stopped."""
        report: dict[str, object] = {"photos": entries}
        if self.listing.passed_over:
            passed_over = [{"input": str(file), "reason": reason} for file, reason in self.listing.passed_over]
            report["passed_over"] = passed_over
        if stopped is not None:
            report["stopped"] = dict(stopped)
        text = json.dumps(report, indent=2) + "\n"  # in ASCII: file names may hold what is no text
        write_whole(path, text.encode("ascii"), self.originals.but_never_by("--report"))

    # ---- what is read ------------------------------------------------------------------------------------

    def _list_sources(self) -> Listing:
        """The photos to work on; with a burst all of its photos."""
        files = self.files
        if files.burst is not None:
            if not files.burst.is_dir():
                raise UnreadablePhoto(f"--burst takes a folder of photos; {files.burst} is none.")
            return list_photos(files.burst)
        if len(files.sources) > 1:
            missing = next((path for path in files.sources if not os.path.lexists(path)), None)
            if missing is not None:
                raise UnreadablePhoto(
                    f"{missing} does not exist; check the name, and put it in quotes where it holds a space."
                )
        if files.watch and (wrong := next((path for path in files.sources if not path.is_dir()), None)) is not None:
            raise BadOption(f"--watch takes folders, and {wrong} is none.")
        if files.watch and any(is_same(path, self.output_folder) for path in files.sources):
            raise BadOption("--watch needs another folder for results; name one with --output_path.")
        others = [files.masks_dir] if files.masks_dir is not None else []
        return list_inputs(
            files.sources, recursive=files.recursive, results=self.output_folder, others=others,
            may_be_empty=files.watch,
        )  # fmt: skip

    def list_again(self) -> list[Path]:
        """Look for the photos of the sources anew, and return their paths."""
        self.listing = self._list_sources()
        self.originals = self._list_originals()
        return self.listing.paths

    def _list_originals(self) -> Originals:
        """All photos that the run reads, so that nothing it writes takes their place."""
        files = self.files
        found = [(_THE_INPUT, path) for path in (*(files.sources if files.burst else ()), *self.listing.paths)]
        for path in files.references:
            listed = list_photos(path) if path.is_dir() else None
            found += [("a reference photo", file) for file in (listed.paths if listed else [path])]
            known = {passed for passed, _ in self.listing.passed_over}
            if listed and not any(source.is_dir() and is_same(source, path) for source in files.sources):
                self.listing.passed_over += [passed for passed in listed.passed_over if passed[0] not in known]
        originals = Originals(tuple(found), files.overwrite, only_own=True)
        return originals.but_never_by("--analyze") if self.analyze else originals

    # ---- what is written ---------------------------------------------------------------------------------

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
        if (layers := self.files.layers) is not None:
            check_writable(layers, self.originals.but_never_by("--layers"))
            if layers.resolve() in (path.resolve() for path, _ in self._list_outputs(files)):
                raise BadOption(f"--layers would write {show(layers)} over another result; name another file.")

    def _write_layers(self, path: Path, photo: Photo, result: FixResult, saving: Saving) -> str:
        """Write the photo with its edits as layers; return what to say of it."""
        patches = [
            NamedPatch(name_edit(edit), patch) for edit, patch in zip(result.plan.edits, result.patches, strict=True)
        ]
        data, note = encode_layers(path, result.pixels, photo, patches, saving)
        write_whole(path, data, self.originals.but_never_by("--layers"))
        return " ".join(filter(None, [f"Layers written: {show(path)}.", note]))

    def _write_masks(self, folder: Path, photo: Photo, plan: EditPlan) -> None:
        """Write the masks (white is repainted) and what the draft engine painted, before the two were put together."""
        shape, originals = photo.pixels.shape, self.originals.but_never_by("--masks_dir")
        engine = self.engine[0]
        draft = engine.fallback if isinstance(engine, RefiningEngine) else engine
        canvas = Canvas(photo.pixels)
        painted = draft.paint(canvas, plan, ignore_progress)
        for edit, patch in zip(plan.edits, painted.patches, strict=True):
            canvas.put(edit.region.box, patch)
        save_photo(canvas.work, make_picture(canvas.work), folder / _DRAFT, originals)
        for name, mask in zip(_MASKS, (eyes_mask(shape, plan.edits), mouth_mask(shape, plan.edits)), strict=True):
            gray = mask[:, :, None].repeat(3, axis=2)
            save_photo(gray, mark_photo(Photo(gray, native=mask))[0], folder / name, originals)

    def _write_others(self, folder: Path, photo: Photo, result: FixResult) -> str:
        """Write the result once more for each candidate that was not kept, with that in it; return what to say."""
        originals = self.originals.but_never_by("--masks_dir")
        of_face: dict[int, list[Patch]] = {}
        for edit, patch in zip(result.plan.edits, result.patches, strict=True):
            of_face.setdefault(edit.face.number, []).append(patch)
        ranks = dict.fromkeys(of_face, 1)
        for other in result.others:
            ranks[other.face.number] += 1
            canvas = Canvas(photo.pixels)
            for number, patches in of_face.items():
                lay(canvas, other.patches if number == other.face.number else patches)
            name = f"face_{other.face.number}_candidate_{ranks[other.face.number]}.png"
            save_photo(canvas.work, make_picture(canvas.work), folder / name, originals)
        return f"Other candidates written, the best first: {len(result.others)} in {show(folder)}."


def make_picture(pixels: Pixels) -> Photo:
    """Return a picture of this program's own making, uint8 (H, W, 3), with its mark."""
    return mark_photo(Photo(pixels))[0]


def count_photos(entries: Sequence[Entry], output: str) -> str:
    """Return how many photos were written into a folder, needed nothing, or failed, as a sentence."""
    failed = sum("error" in entry for entry in entries)
    written = sum(entry["output"] is not None for entry in entries)
    unchanged = len(entries) - written - failed
    what = "1 photo" if len(entries) == 1 else f"{len(entries)} photos"
    parts = [f"{written} written to {output}", *([f"{unchanged} left unchanged"] if unchanged else [])]
    return f"{what}: {', '.join(parts)}, {failed} failed."


def _tell_where(target: Path, is_written: bool) -> str:
    """Where the result is, or why there is none."""
    if is_written:
        return f"Written: {show(target)}"
    earlier = f" {show(target)} is from an earlier run." if target.exists() else ""
    return f"Nothing was written; --copy_unchanged copies such photos, too.{earlier}"
