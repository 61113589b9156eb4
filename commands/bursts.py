"""Makes the best take of the photos of one group, or of every burst that is found among many photos."""

from __future__ import annotations

from commands.outcome import DONE, NOTHING_LOST, STOPPED, guard
from commands.request import Request
from commands.work import note_failure, tell
from photo.names import show
from photo.types import Pixels
from retouch.burst_files import BurstFiles, make_best_take, plan_burst, plan_bursts, write_sheets
from retouch.files import Entry, FileJob


def run_burst(job: FileJob, request: Request, entries: list[Entry]) -> int:
    """Make the best of several photos of one group, say what came of it, and add its entry; return the exit code."""
    console = request.console
    files = plan_burst(job, request.parsed.contact_sheet)
    with console.show_progress() as on_progress:
        summary = make_best_take(job, files, on_progress, console.complain)
    entries.append(tell(summary, console))
    return DONE


def run_bursts(job: FileJob, request: Request, entries: list[Entry]) -> tuple[int, dict[str, int] | None]:
    """Make the best take of every burst that is found; one that shows no face is reported and passed over.

    Adds an entry for each burst, and returns the exit code and, stopped, how many of how many are done.
    """
    console, sheet = request.console, request.parsed.contact_sheet
    with console.show_progress() as on_progress:
        planned = plan_bursts(job, sheet, on_progress, console.complain)
    sheets: list[Pixels] = []
    codes, stopped = [], None
    try:
        for number, files in enumerate(planned, 1):
            names = ", ".join(show(path.name) for path in files.photos)
            console.say(f"Burst {number} of {len(planned)}, in {show(files.photos[0].parent)}: {names}")

            def make(files: BurstFiles = files, number: int = number) -> int:
                with console.show_progress(number, len(planned)) as on_progress:
                    summary = make_best_take(job, files, on_progress, console.complain, sheets)
                entries.append(tell(summary, console))
                return DONE

            code, complaint = guard(make, request.parsed.debug, request.interrupts)
            codes.append(code)
            if complaint:
                console.complain(complaint)
                entries.append(note_failure(files.photos[0], complaint))
            console.say("")
    except KeyboardInterrupt:
        stopped = {"done": len(entries), "of": len(planned)}
        console.complain(f"stopped: {len(entries)} of {len(planned)} bursts are done; {NOTHING_LOST}")
    if sheet is not None and sheets:
        console.say(write_sheets(job, sheet, sheets))
    return (STOPPED, stopped) if stopped is not None else (max(codes), None)
