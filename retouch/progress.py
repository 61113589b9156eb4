"""Reports how far the work is, and measures how long each step of it takes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from photo.types import Progress


def ignore_progress(_text: str, _fraction: float) -> None:
    """Do nothing: for callers that show no progress."""


def scale_progress(on_progress: Progress, start: float, fraction: float) -> Progress:
    """Return the callback for a step that is `fraction` of the whole and begins when `start` of it is done."""
    return lambda text, done: on_progress(text, start + fraction * done)


class Clock:
    """Adds up the seconds of each step; `with clock(step):` measures one."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[step] = self.seconds.get(step, 0.0) + time.perf_counter() - start
