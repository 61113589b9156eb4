"""What was asked for on the command line, and on which terminal it is answered."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path

from commands.console import Console


@dataclass(frozen=True)
class Request:
    """One call of the program: `parsed` has the values of all arguments, `console` tells the person who waits.

    `interrupts` grows with each Ctrl+C, once there is something to be stopped.
    """

    parsed: argparse.Namespace
    console: Console
    interrupts: list[int] = field(default_factory=list)

    @property
    def sources(self) -> tuple[Path, ...]:
        """The photos and folders to work on, in the order in which they were named."""
        first = self.parsed.input_path
        return (*([first] if first else []), *self.parsed.photos)
