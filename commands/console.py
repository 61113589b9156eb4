"""Says on the terminal what is done, and how far it is.

Whoever watches a terminal sees a bar once the work has taken a second; where the output goes into a file, or to nobody,
a plain line tells now and then what is being done.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from photo.names import clean

if TYPE_CHECKING:
    from photo.types import Progress

# Seconds before a bar is shown, and between two plain lines.
_PATIENCE, _BETWEEN_LINES = 1.0, 10.0


@contextmanager
def note_interrupts(interrupts: list[int]) -> Iterator[None]:
    """Stop the block at Ctrl+C as usual, and add each to `interrupts`: what is imported may take it for an error."""

    def interrupt(number: int, _: object) -> None:
        interrupts.append(number)
        raise KeyboardInterrupt

    def report(lost: sys.UnraisableHookArgs) -> None:
        if not isinstance(lost.exc_value, KeyboardInterrupt):
            report_before(lost)

    before, report_before = None, sys.unraisablehook
    with suppress(ValueError):  # only the main thread may set it, and no other one is interrupted
        before = signal.signal(signal.SIGINT, interrupt)
    sys.unraisablehook = report
    try:
        yield
    finally:
        sys.unraisablehook = report_before
        if before is not None:
            signal.signal(signal.SIGINT, before)


class Console:
    """Standard output for what was done and is being done, standard error for mistakes and the bar.

    `quiet` shows mistakes alone.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._bar: Any = None

    def say(self, text: str) -> None:
        """Print what a person asked for, unless the console is quiet."""
        if not self._quiet:
            self._print(text, sys.stdout)

    def complain(self, text: str) -> None:
        """Print what went wrong."""
        self._print(text, sys.stderr)

    @contextmanager
    def show_progress(self, number: int = 1, of: int = 1) -> Iterator[Progress]:
        """Show how far photo `number` of so many is, by the callback that the block gets."""
        place = f"photo {number} of {of}: " if of > 1 else ""
        if self._quiet:
            yield lambda _text, _fraction: None
        elif sys.stderr.isatty():
            with self._show_bar(place) as on_progress:
                yield on_progress
        else:
            yield self._print_now_and_then(place)

    @contextmanager
    def _show_bar(self, place: str) -> Iterator[Progress]:
        from tqdm import tqdm

        form = "{desc} {percentage:3.0f} %|{bar}|"
        start = time.monotonic()
        with tqdm(total=100, leave=False, bar_format=form, delay=_PATIENCE, file=sys.stderr) as bar:
            self._bar = bar
            # One step alone may take longer than a person waits.
            timer = threading.Timer(_PATIENCE, bar.refresh)
            timer.daemon = True
            timer.start()

            def on_progress(text: str, fraction: float) -> None:
                bar.set_description_str(place + text, refresh=False)
                bar.n = 100 * fraction
                if time.monotonic() - start >= _PATIENCE:
                    bar.refresh()

            try:
                yield on_progress
            finally:
                timer.cancel()
                timer.join()
                self._bar = None

    def _print_now_and_then(self, place: str) -> Progress:
        last = time.monotonic()

        def on_progress(text: str, fraction: float) -> None:
            nonlocal last
            if time.monotonic() - last >= _BETWEEN_LINES:
                last = time.monotonic()
                self._print(f"{place}{text} ({fraction:.0%})", sys.stdout)

        return on_progress

    def _print(self, text: str, stream: TextIO) -> None:
        """Print lines; above the bar, if there is one. When nobody reads any more the work goes on."""
        text = clean(text)
        try:
            if self._bar is not None:
                self._bar.write(text, file=stream)
            else:
                stream.write(f"{text}\n")
            stream.flush()
        except OSError:
            # What is still in the buffer would fail once more at the end.
            with Path(os.devnull).open("w") as nowhere, suppress(OSError, ValueError):
                os.dup2(nowhere.fileno(), stream.fileno())
