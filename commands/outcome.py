"""What came of a piece of work: its exit code and, where it went wrong, one line that says so.

This is the only place where every error is caught.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from typing import Any

from edit.arguments import BAD_USAGE
from photo.errors import FixError
from photo.missing import explain_missing_library, explain_missing_package, find_missing_library
from photo.names import show

DONE, UNEXPECTED, STOPPED = 0, 1, 130
"""Exit codes beside `BAD_USAGE`: all was done, something unexpected went wrong, Ctrl+C."""
NOTHING_LOST = "no file was left half-written."


def guard(action: Callable[[], int], debug: bool, interrupts: Sequence[int]) -> tuple[int, str]:
    """Run `action`; return its exit code and no words, or the code and the one line that tells what went wrong.

    With `debug` what is unexpected is raised anew. Raises KeyboardInterrupt when the person who waits has stopped it.
    """
    try:
        return action(), ""
    except Exception as error:  # a person gets a sentence, --debug the traceback
        if interrupts:
            raise KeyboardInterrupt from error
        code, complaint = _explain(error)
        if code == UNEXPECTED and debug:
            raise
        return code, complaint


class Guarded:
    """Work on one task after the other, maybe in a process of its own: what goes wrong comes back as a `Failure`."""

    def __init__(self, work: Callable[[Any], Any], debug: bool) -> None:
        self._work, self._debug = work, debug

    def __call__(self, task: Any) -> Any:
        from photo.processes import Failure  # which loads what --help does not need

        try:
            return self._work(task)
        except Exception as error:  # one bad photo does not stop the others
            code, complaint = _explain(error)
            if code == UNEXPECTED and self._debug:
                complaint = "".join(traceback.format_exception(error)).rstrip()
            return Failure(code, complaint)


def _explain(error: Exception) -> tuple[int, str]:
    """The exit code for an error, and the line that tells what went wrong."""
    if isinstance(error, FixError):
        return BAD_USAGE, f"error: {show(str(error))}"
    if isinstance(error, ModuleNotFoundError):
        return BAD_USAGE, f"error: {explain_missing_package(error.name or 'it needs')}"
    if isinstance(error, ImportError) and (library := find_missing_library(error)):
        return BAD_USAGE, f"error: {explain_missing_library(library)}"
    reason = (str(error).strip().splitlines() or ["no further words"])[0]
    return UNEXPECTED, (
        f"error: something unexpected went wrong ({type(error).__name__}: {show(reason)}); "
        "run it again with --debug and report what it prints."
    )
