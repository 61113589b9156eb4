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
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edit.arguments import BAD_USAGE
from edit.command_line import build_parser
from edit.effects import check_effects, list_diffusion_flags
from edit.options import Options, options_from_flags
from photo.errors import BadOption, FixError, MissingPackage
from photo.missing import explain_missing_library, explain_missing_package, find_missing_library
from photo.names import show
from retouch.console import Console, note_interrupts

if TYPE_CHECKING:
    from photo.types import Pixels, Progress
    from retouch.burst_files import BurstFiles
    from retouch.files import Entry, FileJob, JobFiles, PhotoFiles, Summary

_DONE, _UNEXPECTED, _STOPPED = 0, 1, 130
_NOTHING_LOST = "no file was left half-written."


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
    console = Console(quiet=parsed.quiet)
    interrupts: list[int] = []
    try:
        code, complaint = _guard(partial(_run, parsed, given, console, interrupts), parsed.debug, interrupts)
    except KeyboardInterrupt:
        code, complaint = _STOPPED, f"stopped; {_NOTHING_LOST}"
    if complaint:
        console.complain(complaint)
    return code


def _guard(action: Callable[[], int], debug: bool, interrupts: Sequence[int]) -> tuple[int, str]:
    """Run `action`; return its exit code and no words, or the code and the one line that tells what went wrong.

    Raises KeyboardInterrupt when the person who waits has stopped it.
    """
    try:
        return action(), ""
    except Exception as error:  # a person gets a sentence, --debug the traceback
        if interrupts:
            raise KeyboardInterrupt from error
        code, complaint = _explain(error)
        if code == _UNEXPECTED and debug:
            raise
        return code, complaint


def _explain(error: Exception) -> tuple[int, str]:
    """The exit code for an error, and the line that tells what went wrong."""
    if isinstance(error, FixError):
        return BAD_USAGE, f"error: {show(str(error))}"
    if isinstance(error, ModuleNotFoundError):
        return BAD_USAGE, f"error: {explain_missing_package(error.name or 'it needs')}"
    if isinstance(error, ImportError) and (library := find_missing_library(error)):
        return BAD_USAGE, f"error: {explain_missing_library(library)}"
    reason = (str(error).strip().splitlines() or ["no further words"])[0]
    return _UNEXPECTED, (
        f"error: something unexpected went wrong ({type(error).__name__}: {show(reason)}); "
        "run it again with --debug and report what it prints."
    )


class _Guarded:
    """Work on one task after the other, maybe in a process of its own: what goes wrong comes back as a `Failure`."""

    def __init__(self, work: Callable[[Any], Any], debug: bool) -> None:
        self._work, self._debug = work, debug

    def __call__(self, task: Any) -> Any:
        from photo.processes import Failure

        try:
            return self._work(task)
        except Exception as error:  # one bad photo does not stop the others
            code, complaint = _explain(error)
            if code == _UNEXPECTED and self._debug:
                complaint = "".join(traceback.format_exception(error)).rstrip()
            return Failure(code, complaint)


def _run(parsed: argparse.Namespace, given: set[str], console: Console, interrupts: list[int]) -> int:
    """Do what the arguments ask for; `interrupts` grows with each Ctrl+C, once there is something to be stopped."""
    options = options_from_flags(vars(parsed))
    sources = (*([parsed.input_path] if parsed.input_path else []), *parsed.photos)
    if parsed.gradio and sources:
        raise BadOption("--gradio opens photos in the browser; leave --input_path away.")
    check_effects(given, vars(parsed))
    actions = ("index", "forget", "library_info", "people", "name_person", "not_person")
    action = next((name for name in actions if getattr(parsed, name)), None)
    if action is not None:
        if sources:
            named = ", ".join(f"--{name}" for name in actions[:-1])
            raise BadOption(f"{named} and --{actions[-1]} fix no photo; leave the photo away.")
        return _keep_library(parsed, console, interrupts)
    if parsed.gradio:
        return _show_page(options, parsed, console, interrupts)
    if parsed.doctor:
        if sources or parsed.burst is not None:
            raise BadOption("--doctor fixes no photo; leave the photo away.")
        from retouch.doctor import examine

        console.say(examine(options.diffusion))
        return _DONE
    if parsed.download_model:
        from retouch.engines import download_model

        with note_interrupts(interrupts):
            download_model(options.diffusion, console.say, quiet=parsed.quiet)
        return _DONE
    if parsed.burst == "auto" and not sources:
        raise BadOption("--burst auto looks through photos; name their folder, such as: main.py holiday/ --burst auto.")
    if not sources and parsed.burst is None:
        raise BadOption("Name a photo, such as: python main.py photo.jpg; --help lists every option.")
    if parsed.triage:
        return _sort_photos(options, sources, parsed, console, interrupts)
    from retouch.files import FileJob

    files = _name_files(parsed, sources)
    with note_interrupts(interrupts):
        job = FileJob(
            files, options, console.complain, analyze=parsed.analyze, quiet=parsed.quiet, verbose=parsed.verbose
        )  # fmt: skip
        return _run_job(job, parsed, list_diffusion_flags(given), console, interrupts)


def _name_files(parsed: argparse.Namespace, sources: tuple[Path, ...]) -> JobFiles:
    """What a run reads and writes. Raises BadOption."""
    from retouch.files import JobFiles

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


def _run_job(
    job: FileJob, parsed: argparse.Namespace, diffusion_flags: Sequence[str], console: Console, interrupts: list[int]
) -> int:
    """Work on the photos or the burst of a job, and write the report."""
    if parsed.report is not None:
        job.check_report(parsed.report)
    job.check_engine(diffusion_flags)
    entries: list[Entry] = []
    stopped = None
    if parsed.burst == "auto":
        code, stopped = _run_bursts(job, parsed, console, entries, interrupts)
    elif parsed.burst is not None:
        code = _run_burst(job, parsed.contact_sheet, console, entries)
    elif parsed.watch:
        code = _watch_photos(job, parsed, console, entries, interrupts)
    elif job.files.are_many:
        code, stopped = _run_photos(job, parsed, console, entries, interrupts)
    else:
        code = _run_photo(job, job.plan()[0], console.show_progress, console, entries)
    if not (job.files.are_many and parsed.burst is None) and (passed_over := job.describe_passed_over()):
        console.say(passed_over)
    if parsed.report is not None:
        job.write_report(parsed.report, entries, stopped)
    return code


def _run_photo(
    job: FileJob,
    files: PhotoFiles,
    show_progress: Callable[[], AbstractContextManager[Progress]],
    console: Console,
    entries: list[Entry],
) -> int:
    """Fix or analyze one photo, and say what came of it."""
    with show_progress() as on_progress:
        summary = job.run_photo(files, on_progress)
    return _tell(summary, console, entries)


def _tell(summary: Summary, console: Console, entries: list[Entry]) -> int:
    entries.append(summary.entry)
    console.say(summary.text)
    return _DONE


def _run_photos(
    job: FileJob, parsed: argparse.Namespace, console: Console, entries: list[Entry], interrupts: Sequence[int]
) -> tuple[int, dict[str, int] | None]:
    """Run every photo that no earlier run has done; a bad one is reported and passed over.

    Stopped, say how many of how many are done.
    """
    from retouch.files import count_photos
    from retouch.journal import Journal

    journal = Journal(job.output_folder, job.describe_settings(), job.originals, retry_failed=parsed.retry_failed)

    def is_done(files: PhotoFiles) -> bool:
        if (earlier := journal.find(files.source)) is None:
            return False
        entries.append(dict(earlier))
        return True

    codes, stopped = [_DONE], None
    planned = job.plan(is_done)
    of = len(planned) + len(entries)
    if entries:
        failed = sum("error" in entry for entry in entries)
        again = f", {failed} of them failed, which --retry_failed tries again" if failed else ""
        console.say(f"Going on where an earlier run was stopped: {len(entries)} of {of} photos are done{again}.")
        codes += [BAD_USAGE] if failed else []
    try:
        for files, code, entry in _work(job, planned, parsed, console, interrupts, len(entries)):
            codes.append(code)
            entries.append(entry)
            journal.note(files.source, entry)
    except KeyboardInterrupt:
        job.clear_leftovers(planned)
        stopped = {"done": len(entries), "of": of}
        console.complain(f"stopped: {len(entries)} of {of} photos are done; {_NOTHING_LOST}")
    finally:
        journal.close(is_stopped=stopped is not None or len(entries) < of)
    order = {str(path): place for place, path in enumerate(job.listing.paths)}
    entries.sort(key=lambda entry: order.get(str(entry["input"]), len(order)))
    if passed_over := job.describe_passed_over():
        console.say(passed_over)
    console.say(count_photos(entries, show(job.output_folder)))
    if stopped is not None:
        return _STOPPED, stopped
    return _UNEXPECTED if _UNEXPECTED in codes else max(codes), None


def _watch_photos(
    job: FileJob, parsed: argparse.Namespace, console: Console, entries: list[Entry], interrupts: Sequence[int]
) -> int:
    """Run photos as they come, until Ctrl+C, which is how it is meant to end."""
    from retouch.files import count_photos
    from retouch.journal import Journal
    from retouch.watch import wait_for_photos

    journal = Journal(job.output_folder, job.describe_settings(), job.originals, retry_failed=parsed.retry_failed)

    def is_known(path: Path) -> bool:
        return journal.find(path) is not None

    console.say(f"Watching {' and '.join(show(source) for source in job.files.sources)}; Ctrl+C ends it.\n")
    codes = [_DONE]
    try:
        for ready in wait_for_photos(job.list_again, is_known):
            planned = job.plan(partial(_is_left_for_later, ready))
            for files, code, entry in _work(job, planned, parsed, console, interrupts, 0):
                codes.append(code)
                entries.append(entry)
                journal.note(files.source, entry)
    except KeyboardInterrupt:
        console.say(f"Watched no longer. {count_photos(entries, show(job.output_folder))}")
    finally:
        journal.close(is_stopped=True)
    return _UNEXPECTED if _UNEXPECTED in codes else max(codes)


def _is_left_for_later(ready: set[Path], files: PhotoFiles) -> bool:
    return files.source not in ready


def _work(
    job: FileJob, planned: list[PhotoFiles], parsed: argparse.Namespace, console: Console, interrupts: Sequence[int],
    done: int,
) -> Iterator[tuple[PhotoFiles, int, Entry]]:  # fmt: skip
    """Yield every photo with its exit code and entry as it gets ready, and say what came of it."""
    of = done + len(planned)
    workers = _count_workers(job, planned, parsed.workers)
    started = time.monotonic()
    if workers > 1:
        from photo.pace import describe_pace
        from photo.processes import run_apart

        make = partial(_make_worker, job, parsed.debug)
        told: set[str] = set()
        for number, (files, result) in enumerate(run_apart(make, planned, workers), 1):
            pace = describe_pace(number, len(planned), time.monotonic() - started)
            console.say(f"Photo {done + number} of {of}{f' ({pace})' if pace else ''}: {show(files.source)}")
            yield files, *_tell_result(files, result, parsed.quiet, console, told)
        return
    for number, files in enumerate(planned, 1):
        if interrupts:
            raise KeyboardInterrupt
        console.say(f"Photo {done + number} of {of}: {show(files.source)}")
        show_progress = partial(console.show_progress, done + number, of)
        own: list[Entry] = []
        action = partial(_run_photo, job, files, show_progress, console, own)
        code, complaint = _guard(action, parsed.debug, interrupts)
        if complaint:
            own = [_complain_of(files, complaint, parsed.quiet, console)]
        console.say("")
        yield files, code, own[0]


def _count_workers(job: FileJob, planned: Sequence[PhotoFiles], wanted: int | None) -> int:
    """How many processes are to work on photos."""
    from photo.processes import choose_worker_count

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
        from retouch.progress import ignore_progress

        self._told.clear()
        return self._job.run_photo(files, ignore_progress), list(self._told)


def _make_worker(job: FileJob, debug: bool) -> _Guarded:
    return _Guarded(_PhotoWorker(job), debug)


def _tell_result(files: PhotoFiles, result: Any, quiet: bool, console: Console, told: set[str]) -> tuple[int, Entry]:
    """Say what came of a photo in another process, and return its exit code and entry; `told` are warnings so far."""
    from photo.processes import Failure, WorkerDied

    if isinstance(result, WorkerDied):
        why = f"error: {show(files.source)} brings the program down: the process that worked on it {result.why}."
        result = Failure(BAD_USAGE, why)
    if isinstance(result, Failure):
        entry = _complain_of(files, result.complaint, quiet, console)
        code = result.code
    else:
        summary, warnings = result
        for warning in [text for text in warnings if text not in told]:
            told.add(warning)
            console.complain(warning)
        console.say(summary.text)
        code, entry = _DONE, summary.entry
    console.say("")
    return code, entry


def _complain_of(files: PhotoFiles, complaint: str, quiet: bool, console: Console) -> Entry:
    """Say why a photo failed, and return its entry."""
    name = show(files.source)
    is_named = name in complaint or not quiet
    console.complain(complaint if is_named else f"{complaint} ({name})")
    return _note_failure(files.source, complaint)


def _note_failure(source: Path, complaint: str) -> Entry:
    """The entry of a photo that failed."""
    return {"input": str(source), "output": None, "error": complaint.removeprefix("error: ")}


def _run_burst(job: FileJob, sheet: Path | None, console: Console, entries: list[Entry]) -> int:
    """Make the best of several photos of one group, and say what came of it."""
    from retouch.burst_files import make_best_take, plan_burst

    files = plan_burst(job, sheet)
    with console.show_progress() as on_progress:
        summary = make_best_take(job, files, on_progress, console.complain)
    return _tell(summary, console, entries)


def _run_bursts(
    job: FileJob, parsed: argparse.Namespace, console: Console, entries: list[Entry], interrupts: Sequence[int]
) -> tuple[int, dict[str, int] | None]:
    """Make the best take of every burst that is found; one that shows no face is reported and passed over."""
    from retouch.burst_files import make_best_take, plan_bursts, write_sheets

    with console.show_progress() as on_progress:
        planned = plan_bursts(job, parsed.contact_sheet, on_progress, console.complain)
    sheets: list[Pixels] = []
    codes, stopped = [], None
    try:
        for number, files in enumerate(planned, 1):
            names = ", ".join(show(path.name) for path in files.photos)
            console.say(f"Burst {number} of {len(planned)}, in {show(files.photos[0].parent)}: {names}")
            show_progress = partial(console.show_progress, number, len(planned))

            def make(files: BurstFiles = files, show_progress: Callable[..., Any] = show_progress) -> int:
                with show_progress() as on_progress:
                    summary = make_best_take(job, files, on_progress, console.complain, sheets)
                return _tell(summary, console, entries)

            code, complaint = _guard(make, parsed.debug, interrupts)
            codes.append(code)
            if complaint:
                console.complain(complaint)
                entries.append(_note_failure(files.photos[0], complaint))
            console.say("")
    except KeyboardInterrupt:
        stopped = {"done": len(entries), "of": len(planned)}
        console.complain(f"stopped: {len(entries)} of {len(planned)} bursts are done; {_NOTHING_LOST}")
    if parsed.contact_sheet is not None and sheets:
        console.say(write_sheets(job, parsed.contact_sheet, sheets))
    return (_STOPPED, stopped) if stopped is not None else (max(codes), None)


def _sort_photos(
    options: Options, sources: tuple[Path, ...], parsed: argparse.Namespace, console: Console, interrupts: list[int]
) -> int:
    """Say of every photo whether it is fine, can be fixed, or cannot, and change none of them."""
    from triage.run import OUTPUT_FOLDER, TriageFiles, TriageJob

    output = OUTPUT_FOLDER if parsed.output_path is None else Path(parsed.output_path)
    job = TriageJob(TriageFiles(sources, output, parsed.recursive, parsed.sidecars, parsed.overwrite))
    is_stopped = False
    with note_interrupts(interrupts):
        try:
            with console.show_progress() as on_progress:
                job.judge(partial(_make_judge, options, parsed.debug), parsed.workers, on_progress)
        except KeyboardInterrupt:
            is_stopped = True
        console.say(job.write(is_stopped=is_stopped))
    if passed_over := job.describe_passed_over():
        console.say(passed_over)
    if is_stopped:
        console.complain(f"stopped: {len(job.verdicts)} of {len(job.listing.paths)} photos were looked at.")
        return _STOPPED
    return BAD_USAGE if any(one.error for one in job.verdicts) else _DONE


def _make_judge(options: Options, debug: bool) -> _Guarded:
    """What judges the scenes of a triage, to be made in each of its processes."""
    from triage.scenes import judge_scene

    return _Guarded(partial(judge_scene, options=options), debug)


def _keep_library(parsed: argparse.Namespace, console: Console, interrupts: list[int]) -> int:
    """Fill the photo library, look at it or its people, or make it forget."""
    from library.manage import describe_library, fill_library, forget_folders, list_people, name_person, take_out

    with note_interrupts(interrupts):
        if parsed.library_info:
            console.say(describe_library(parsed.library))
        elif parsed.forget:
            console.say(forget_folders(parsed.library, parsed.forget))
        elif parsed.people:
            page = None if parsed.people is True else parsed.people
            with console.show_progress() as on_progress:
                text = list_people(parsed.library, page, on_progress)
            console.say(text)
        elif parsed.name_person:
            console.say(name_person(parsed.library, *parsed.name_person))
        elif parsed.not_person:
            who, *photos = parsed.not_person
            if not photos:
                raise BadOption("--not_person takes a person, and the photos that do not show them.")
            console.say(take_out(parsed.library, who, [Path(photo) for photo in photos]))
        else:
            with console.show_progress() as on_progress:
                text, is_stopped = fill_library(parsed.library, parsed.index, on_progress)
            console.say(text)
            if is_stopped:
                console.complain("stopped; the next run with --index reads the rest.")
                return _STOPPED
    return _DONE


def _show_page(options: Options, parsed: argparse.Namespace, console: Console, interrupts: list[int]) -> int:
    """Show the page in the browser until Ctrl+C, which is how it is meant to end."""
    from getpass import getpass

    # Before gradio is imported, and by it what else may report how it is used: they read this only then.
    os.environ.update(GRADIO_ANALYTICS_ENABLED="False", HF_HUB_DISABLE_TELEMETRY="1", DO_NOT_TRACK="1")
    try:
        from page.login import find_login
        from page.server import serve
    except ModuleNotFoundError as error:
        if error.name != "gradio":
            raise
        text = "the package gradio is not installed; run: pip install -r requirements.txt"
        raise MissingPackage(text) from error

    with suppress(KeyboardInterrupt), note_interrupts(interrupts):
        ask = getpass if sys.stdin is not None and sys.stdin.isatty() else None
        auth = find_login(parsed.auth, parsed.auth_file, os.environ, ask)
        serve(options, parsed.host, parsed.port, auth, console.complain, parsed.names or ())
    return _DONE


if __name__ == "__main__":
    exit_code = main()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl+C now ends what is left without a word
    sys.exit(exit_code)
