"""A triage from folders to files: judges every photo, and writes CSV, JSON, a contact sheet and, if wanted, sidecars.

No photo is written to, whatever is asked for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from photo.errors import BadOption, UnwritablePhoto
from photo.names import show
from photo.pace import describe_pace
from photo.processes import Failure, WorkerDied, choose_worker_count, run_apart
from photo.types import Progress
from photo.writing import Originals, begins_with, check_writable, write_whole
from retouch.listing import Listing, describe_passed_over, list_inputs
from triage.scenes import Scene, group_scenes
from triage.sheet import make_sheet
from triage.sidecar import check_sidecar, name_sidecar, write_sidecar
from triage.tables import CSV_HEAD, describe_verdicts, make_csv, make_json
from triage.verdict import PhotoVerdict

CSV, JSON, SHEET = "triage.csv", "triage.json", "triage.html"

_FLAG = "--triage"

Judge = Callable[[Scene], "list[PhotoVerdict] | Failure"]


@dataclass(frozen=True)
class TriageFiles:
    """What a triage reads and where it writes: photos and folders, with `recursive` also the folders in them.

    `output` is the folder of the tables and the sheet. `sidecars` is one of `STYLES`, None for none; `overwrite` allows
    the tables and the sheet to replace files that this program did not write.
    """

    sources: tuple[Path, ...]
    output: Path
    recursive: bool = False
    sidecars: str | None = None
    overwrite: bool = False


class TriageJob:
    """One triage. What cannot be written is found out at once, before any photo is looked at. Raises FixError."""

    def __init__(self, files: TriageFiles) -> None:
        self.files = files
        self.listing: Listing = list_inputs(files.sources, recursive=files.recursive, results=files.output)
        photos = tuple(("a photo that is looked at", path) for path in self.listing.paths)
        self._originals = Originals(photos, files.overwrite, never=_FLAG, only_own=True)
        if files.output.exists() and not files.output.is_dir():
            raise BadOption(f"--output_path must be a folder with --triage, and {files.output} is a file.")
        for path in self._paths:
            check_writable(path, self._choose_originals(path))
        self.verdicts: list[PhotoVerdict] = []

    @property
    def _paths(self) -> list[Path]:
        return [self.files.output / name for name in (CSV, JSON, SHEET)]

    def judge(self, make: Callable[[], Judge], workers: int | None, on_progress: Progress) -> None:
        """Judge all photos, and add the verdicts to `verdicts` as they come.

        `make` returns what judges a scene; it is called once in every process. `workers` is their number, None for
        what suits the machine, 1 works in this one. A scene that brings its process down is taken apart, and the photo
        that does so is named. Raises KeyboardInterrupt with what was judged by then in `verdicts`.
        """
        on_progress("looking for scenes", 0.0)
        scenes = group_scenes(self.listing.paths)
        workers = workers or choose_worker_count(len(scenes))
        started, of = time.monotonic(), len(self.listing.paths)
        apart: list[Scene] = []
        for scene, result in self._run(make, scenes, min(workers, len(scenes))):
            if isinstance(result, list):
                self.verdicts += result
            else:
                apart += scene.apart()
            pace = describe_pace(len(self.verdicts), of, time.monotonic() - started)
            on_progress(f"photo {len(self.verdicts):,} of {of:,}{pace and f', {pace}'}", len(self.verdicts) / of)
        for scene, result in self._run(make, apart, workers):
            self.verdicts += result if isinstance(result, list) else [_note_failure(scene, result)]
        self.verdicts.sort(key=lambda one: one.scene)

    @staticmethod
    def _run(
        make: Callable[[], Judge], scenes: Sequence[Scene], workers: int
    ) -> Iterator[tuple[Scene, list[PhotoVerdict] | Failure | WorkerDied]]:
        if workers <= 1:
            judge = make()
            for scene in scenes:
                yield scene, judge(scene)
            return
        yield from run_apart(make, scenes, workers)

    def describe_passed_over(self) -> str:
        """Return what the folders hold beside photos, as lines; empty if nothing."""
        return describe_passed_over(self.listing.passed_over)

    def write(self, *, is_stopped: bool = False) -> str:
        """Write everything, and return the table with what was written, as text. Raises UnwritablePhoto."""
        stopped = (len(self.verdicts), len(self.listing.paths)) if is_stopped else None
        contents = (
            make_csv(self.verdicts),
            make_json(self.verdicts, stopped),
            make_sheet(self.verdicts, self.files.output),
        )
        lines = [describe_verdicts(self.verdicts), ""]
        for path, content in zip(self._paths, contents, strict=True):
            write_whole(path, content.encode("utf-8", "backslashreplace"), self._choose_originals(path))
            lines.append(f"Written: {show(path)}")
        if self.files.sidecars is not None and not is_stopped:
            lines += self._write_sidecars(self.files.sidecars)
        return "\n".join(lines)

    def _write_sidecars(self, style: str) -> list[str]:
        """Write the sidecars beside the photos; return what to say of them."""
        originals = Originals(self._originals.photos, overwrite=True, never="--sidecars")
        written: set[Path] = set()
        notes = []
        for one in self.verdicts:
            path = name_sidecar(one.path, style)
            if one.error:
                continue
            if path in written:
                notes.append(f"{show(one.path)} shares the sidecar of another photo, which tells of that one")
                continue
            why = check_sidecar(path, originals)
            if not why:
                try:
                    why = write_sidecar(one, path, originals)
                except UnwritablePhoto as error:
                    why = str(error)
            if why:
                notes.append(why.removesuffix("."))
            else:
                written.add(path)
        head = f"Written: {len(written)} {'sidecar' if len(written) == 1 else 'sidecars'} beside the photos"
        return [head, *(f"warning: {note}." for note in notes)]

    def _choose_originals(self, path: Path) -> Originals:
        """The photos, and whether a file that is there may be replaced: an earlier table of this program may."""
        if path.name == CSV and begins_with(path, CSV_HEAD.encode()):
            return replace(self._originals, only_own=False)
        return self._originals


def _note_failure(scene: Scene, result: Failure | WorkerDied) -> PhotoVerdict:
    """The verdict on a photo that could not be judged."""
    ((path, taken),) = scene.frames
    if isinstance(result, WorkerDied):
        error = f"{show(path)} brings the program down: the process that looked at it {result.why}."
    else:
        error = result.complaint.removeprefix("error: ")
    return PhotoVerdict(path, taken=taken, scene=scene.number, error=error)
