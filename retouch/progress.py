"""How far the work is, told to whoever watches, and how long each step of it took."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from photo.types import Progress


def ignore_progress(_text: str, _fraction: float) -> None:
    """Nobody is watching."""


def scale_progress(on_progress: Progress, start: float, fraction: float) -> Progress:
    """For a step that tells 0 … 1 of itself: its part of the whole, from `start` on."""
    return lambda text, part: on_progress(text, start + fraction * part)


class Clock:
    """Adds up the seconds of each step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, step: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[step] = self.seconds.get(step, 0.0) + time.perf_counter() - start
