"""Fixes or analyzes one photo, or many: those that no earlier run has done, with a journal of what is done."""

from __future__ import annotations

from commands.journal import Journal
from commands.outcome import DONE, NOTHING_LOST, STOPPED, UNEXPECTED
from commands.request import Request
from commands.work import tell, work
from edit.arguments import BAD_USAGE
from photo.names import show
from retouch.files import Entry, FileJob, count_photos
from retouch.places import PhotoFiles


def run_photo(job: FileJob, request: Request, entries: list[Entry]) -> int:
    """Fix or analyze the only photo of a job, say what came of it, and add its entry; return the exit code."""
    (files,) = job.plan()
    with request.console.show_progress() as on_progress:
        summary = job.run_photo(files, on_progress)
    entries.append(tell(summary, request.console))
    return DONE


def run_photos(job: FileJob, request: Request, entries: list[Entry]) -> tuple[int, dict[str, int] | None]:
    """Run every photo that no earlier run has done; a bad one is reported and passed over.

    Adds an entry for each photo, and returns the exit code and, stopped, how many of how many are done.
    """
    console = request.console
    journal = open_journal(job, request)

    def is_done(files: PhotoFiles) -> bool:
        if (earlier := journal.find(files.source)) is None:
            return False
        entries.append(dict(earlier))
        return True

    codes, stopped = [DONE], None
    planned = job.plan(is_done)
    of = len(planned) + len(entries)
    if entries:
        failed = sum("error" in entry for entry in entries)
        again = f", {failed} of them failed, which --retry_failed tries again" if failed else ""
        console.say(f"Going on where an earlier run was stopped: {len(entries)} of {of} photos are done{again}.")
        codes += [BAD_USAGE] if failed else []
    try:
        for files, code, entry in work(job, planned, request, len(entries)):
            codes.append(code)
            entries.append(entry)
            journal.note(files.source, entry)
    except KeyboardInterrupt:
        job.clear_leftovers(planned)
        stopped = {"done": len(entries), "of": of}
        console.complain(f"stopped: {len(entries)} of {of} photos are done; {NOTHING_LOST}")
    finally:
        journal.close(is_stopped=stopped is not None or len(entries) < of)
    order = {str(path): place for place, path in enumerate(job.listing.paths)}
    entries.sort(key=lambda entry: order.get(str(entry["input"]), len(order)))
    if passed_over := job.describe_passed_over():
        console.say(passed_over)
    if stopped is None and any("error" in entry for entry in entries):
        console.say("The same command does all again; with --retry_failed it tries only the photos that failed.")
    console.say(count_photos(entries, show(job.output_folder)))
    return (STOPPED, stopped) if stopped is not None else (worst(codes), None)


def open_journal(job: FileJob, request: Request) -> Journal:
    """Return the journal of a run, which knows what an earlier one with the same settings has done."""
    return Journal(job.output_folder, job.describe_settings(), job.originals, retry_failed=request.parsed.retry_failed)


def worst(codes: list[int]) -> int:
    """Return the exit code of a run with photos of these codes."""
    return UNEXPECTED if UNEXPECTED in codes else max(codes)
