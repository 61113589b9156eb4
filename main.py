"""The command line: turns arguments into `Options`, runs photos, bursts or the page, and says what was done.

Nothing heavy is imported before the arguments are understood, so `--help` and mistakes answer at once.
"""

from __future__ import annotations

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - an older Python must be able to read this file, and say so
    print(f"error: Python 3.11 or newer is needed, and this is {sys.version.split()[0]}.", file=sys.stderr)
    sys.exit(2)
if __name__ == "__main__":
    # The built-in half of the module signal, which itself takes a while to import.
    import _signal  # type: ignore[import-not-found]
    import os

    # Ctrl+C during the imports below: there an exception would be lost, or shown with where it arose.
    _signal.signal(
        _signal.SIGINT, lambda *_: (os.write(2, b"stopped; no file was left half-written.\n"), os._exit(130))
    )

import argparse
import io
import os
import signal
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from commands.console import Console, note_interrupts
from commands.outcome import DONE, NOTHING_LOST, STOPPED, guard
from commands.request import Request
from edit.command_line import build_parser
from edit.effects import check_effects, list_diffusion_flags
from edit.options import options_from_flags
from photo.errors import BadOption

if TYPE_CHECKING:
    from retouch.files import Entry, FileJob
    from retouch.places import JobFiles

_LIBRARY_FLAGS = ("index", "forget", "library_info", "people", "name_person", "not_person")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code: 0 done, 2 bad input or usage, 1 unexpected, 130 stopped."""
    # A service may have closed them; nobody reads then, but everybody writes to them.
    sys.stdout, sys.stderr = (stream or io.StringIO() for stream in (sys.stdout, sys.stderr))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # an old console may have no arrow
    parser = build_parser()
    parsed, given = parser.read(arguments)
    # Before numpy is loaded: its second thread helps with no matrix this small, but keeps a processor busy waiting.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Nor do OpenCV's threads turn in circles between two pieces of work: MediaPipe works beside them.
    for name in ("MAIN", "WORKER"):
        os.environ.setdefault(f"OPENCV_THREAD_POOL_ACTIVE_WAIT_{name}", "0")
    request = Request(parsed, Console(quiet=parsed.quiet))
    try:
        code, complaint = guard(partial(_dispatch, request, given), parsed.debug, request.interrupts)
    except KeyboardInterrupt:
        code, complaint = STOPPED, f"stopped; {NOTHING_LOST}"
    if complaint:
        request.console.complain(complaint)
    return code


def _dispatch(request: Request, given: set[str]) -> int:
    """Do what the arguments ask for, of which those named in `given` were written; return the exit code."""
    parsed, console, sources = request.parsed, request.console, request.sources
    options = options_from_flags(vars(parsed))
    if parsed.gradio and sources:
        raise BadOption("--gradio opens photos in the browser; leave --input_path away.")
    check_effects(given, vars(parsed))
    if any(getattr(parsed, name) for name in _LIBRARY_FLAGS):
        if sources:
            named = ", ".join(f"--{name}" for name in _LIBRARY_FLAGS[:-1])
            raise BadOption(f"{named} and --{_LIBRARY_FLAGS[-1]} fix no photo; leave the photo away.")
        from commands.library import keep_library

        return keep_library(request)
    if parsed.gradio:
        from commands.page import show_page

        return show_page(request, options)
    if parsed.doctor:
        if sources or parsed.burst is not None:
            raise BadOption("--doctor fixes no photo; leave the photo away.")
        from commands.doctor import examine

        console.say(examine(options.diffusion))
        return DONE
    if parsed.download_model:
        from retouch.engines import download_model

        with note_interrupts(request.interrupts):
            download_model(options.diffusion, console.say, quiet=parsed.quiet)
        return DONE
    if parsed.burst == "auto" and not sources:
        raise BadOption("--burst auto looks through photos; name their folder, such as: main.py holiday/ --burst auto.")
    if not sources and parsed.burst is None:
        raise BadOption("Name a photo, such as: python main.py photo.jpg; --help lists every option.")
    if parsed.triage:
        from commands.triage import sort_photos

        return sort_photos(request, options)
    from retouch.files import FileJob

    files = _name_files(parsed, sources)
    with note_interrupts(request.interrupts):
        job = FileJob(
            files, options, console.complain, analyze=parsed.analyze, quiet=parsed.quiet, verbose=parsed.verbose
        )  # fmt: skip
        return _run_job(job, request, list_diffusion_flags(given))


def _name_files(parsed: argparse.Namespace, sources: tuple[Path, ...]) -> JobFiles:
    """What a run reads and writes. Raises BadOption."""
    from retouch.places import JobFiles

    is_auto = parsed.burst == "auto"
    output = None if parsed.output_path is None else Path(parsed.output_path)
    files = JobFiles(
        sources, None if is_auto else parsed.burst, is_auto, tuple(parsed.reference_path or ()), output,
        is_folder=output is not None and parsed.output_path.endswith(("/", os.sep)), format=parsed.format,
        recursive=parsed.recursive, masks_dir=parsed.masks_dir, overwrite=parsed.overwrite,
        copy_unchanged=parsed.copy_unchanged, layers=parsed.layers,
        sign=None if parsed.sign is None else (parsed.sign[0], parsed.sign[1]), library=parsed.library,
        no_library=parsed.no_library, person=parsed.person, watch=parsed.watch,
    )  # fmt: skip
    for flag in ("recursive", "workers", "retry_failed", "watch"):
        if getattr(parsed, flag) and not files.are_many and parsed.burst is None:
            raise BadOption(
                f"--{flag} has no effect without a folder{'' if flag == 'recursive' else ', or several photos'}."
            )
    return files


def _run_job(job: FileJob, request: Request, diffusion_flags: Sequence[str]) -> int:
    """Work on the photos or the bursts of a job, and write the report; return the exit code."""
    from commands.bursts import run_burst, run_bursts
    from commands.photos import run_photo, run_photos
    from commands.watch import watch_photos

    parsed, are_many = request.parsed, job.files.are_many and request.parsed.burst is None
    if parsed.report is not None:
        job.check_report(parsed.report)
    job.check_engine(diffusion_flags)
    entries: list[Entry] = []
    stopped = None
    if parsed.burst == "auto":
        code, stopped = run_bursts(job, request, entries)
    elif parsed.burst is not None:
        code = run_burst(job, request, entries)
    elif parsed.watch:
        code = watch_photos(job, request, entries)
    elif are_many:
        code, stopped = run_photos(job, request, entries)
    else:
        code = run_photo(job, request, entries)
    if not are_many and (passed_over := job.describe_passed_over()):
        request.console.say(passed_over)
    if parsed.report is not None:
        job.write_report(parsed.report, entries, stopped)
    return code


if __name__ == "__main__":
    exit_code = main()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl+C now ends what is left without a word
    sys.exit(exit_code)
