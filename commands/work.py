"""Works on the photos of a job, one after the other or in several processes, and says what came of each."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from commands.console import Console
from commands.outcome import DONE, Guarded, guard
from commands.request import Request
from edit.arguments import BAD_USAGE
from photo.errors import BadOption
from photo.names import show
from photo.pace import describe_pace
from photo.processes import Failure, WorkerDied, choose_worker_count, run_apart
from retouch.files import Entry, FileJob, Summary
from retouch.places import PhotoFiles
from retouch.progress import ignore_progress


def tell(summary: Summary, console: Console) -> Entry:
    """Say what came of a photo or a burst, and return its entry."""
    console.say(summary.text)
    return summary.entry


def note_failure(source: Path, complaint: str) -> Entry:
    """Return the entry of a photo that failed, with the line that says why."""
    return {"input": str(source), "output": None, "error": complaint.removeprefix("error: ")}


def work(
    job: FileJob, planned: Sequence[PhotoFiles], request: Request, done: int = 0
) -> Iterator[tuple[PhotoFiles, int, Entry]]:
    """Yield every photo with its exit code and entry as it gets ready, and say what came of it.

    `done` photos were ready before. Raises KeyboardInterrupt when the person who waits has stopped it.
    """
    workers = _count_workers(job, planned, request.parsed.workers)
    run = _work_apart(job, planned, request, done, workers) if workers > 1 else _work_here(job, planned, request, done)
    for files, code, entry in run:
        request.console.say("")
        yield files, code, entry


def _work_here(
    job: FileJob, planned: Sequence[PhotoFiles], request: Request, done: int
) -> Iterator[tuple[PhotoFiles, int, Entry]]:
    """As `work`, in this process."""
    console, of = request.console, done + len(planned)
    for number, files in enumerate(planned, done + 1):
        if request.interrupts:
            raise KeyboardInterrupt
        console.say(f"Photo {number} of {of}: {show(files.source)}")
        entries: list[Entry] = []

        def run(files: PhotoFiles = files, number: int = number, entries: list[Entry] = entries) -> int:
            with console.show_progress(number, of) as on_progress:
                summary = job.run_photo(files, on_progress)
            entries.append(tell(summary, console))
            return DONE

        code, complaint = guard(run, request.parsed.debug, request.interrupts)
        yield files, code, _complain_of(files, complaint, request) if complaint else entries[0]


def _work_apart(
    job: FileJob, planned: Sequence[PhotoFiles], request: Request, done: int, workers: int
) -> Iterator[tuple[PhotoFiles, int, Entry]]:
    """As `work`, in so many processes of their own."""
    started = time.monotonic()
    told: set[str] = set()
    of = done + len(planned)
    make = partial(_make_worker, job, request.parsed.debug)
    for number, (files, result) in enumerate(run_apart(make, planned, workers), 1):
        pace = describe_pace(number, len(planned), time.monotonic() - started)
        request.console.say(f"Photo {done + number} of {of}{f' ({pace})' if pace else ''}: {show(files.source)}")
        yield files, *_tell_result(files, result, request, told)


def _count_workers(job: FileJob, planned: Sequence[PhotoFiles], wanted: int | None) -> int:
    """How many processes are to work on photos."""
    if job.is_in_place(planned):
        if (wanted or 1) > 1:
            raise BadOption("--workers does not go with results that take the place of the photos themselves.")
        return 1
    if wanted is None and (job.analyze or not hasattr(job.engine[0], "fallback")):
        wanted = choose_worker_count(len(planned))
    return max(min(wanted or 1, len(planned)), 1)


class _PhotoWorker:
    """Works on the photos of a job in a process of its own; returns what came of each, and what it was told."""

    def __init__(self, job: FileJob) -> None:
        self._job = job
        self._told: list[str] = []
        job.log = self._told.append

    def __call__(self, files: PhotoFiles) -> tuple[Summary, list[str]]:
        self._told.clear()
        return self._job.run_photo(files, ignore_progress), list(self._told)


def _make_worker(job: FileJob, debug: bool) -> Guarded:
    return Guarded(_PhotoWorker(job), debug)


def _tell_result(files: PhotoFiles, result: Any, request: Request, told: set[str]) -> tuple[int, Entry]:
    """Say what came of a photo in another process, and return its exit code and entry; `told` are warnings so far."""
    if isinstance(result, WorkerDied):
        why = f"error: {show(files.source)} brings the program down: the process that worked on it {result.why}."
        result = Failure(BAD_USAGE, why)
    if isinstance(result, Failure):
        return result.code, _complain_of(files, result.complaint, request)
    summary, warnings = result
    for warning in [text for text in warnings if text not in told]:
        told.add(warning)
        request.console.complain(warning)
    return DONE, tell(summary, request.console)


def _complain_of(files: PhotoFiles, complaint: str, request: Request) -> Entry:
    """Say why a photo failed, and return its entry."""
    name = show(files.source)
    is_named = name in complaint or not request.parsed.quiet
    request.console.complain(complaint if is_named else f"{complaint} ({name})")
    return note_failure(files.source, complaint)
