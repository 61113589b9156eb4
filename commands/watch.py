"""Works on photos as they come into watched folders, until Ctrl+C, which is how it is meant to end."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from commands.arrivals import wait_for_photos
from commands.outcome import DONE
from commands.photos import open_journal, worst
from commands.request import Request
from commands.work import work
from photo.names import show
from retouch.files import Entry, FileJob, count_photos
from retouch.places import PhotoFiles


def watch_photos(job: FileJob, request: Request, entries: list[Entry]) -> int:
    """Run photos as they come, and add an entry for each; return the exit code."""
    journal, console = open_journal(job, request), request.console

    def is_known(path: Path) -> bool:
        return journal.find(path) is not None

    console.say(f"Watching {' and '.join(show(source) for source in job.files.sources)}; Ctrl+C ends it.\n")
    codes = [DONE]
    try:
        for ready in wait_for_photos(job.list_again, is_known):
            planned = job.plan(partial(_is_left_for_later, ready))
            for files, code, entry in work(job, planned, request):
                codes.append(code)
                entries.append(entry)
                journal.note(files.source, entry)
    except KeyboardInterrupt:
        console.say(f"Watched no longer. {count_photos(entries, show(job.output_folder))}")
    finally:
        journal.close(is_stopped=True)
    return worst(codes)


def _is_left_for_later(ready: set[Path], files: PhotoFiles) -> bool:
    return files.source not in ready
