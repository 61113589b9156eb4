"""What the user can choose, and the errors that are written for them.

This module imports nothing heavy, so that the command line can show its help at once. Everybody else
finds these names in `photo_types`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

ENGINES = ("auto", "draft", "stable-diffusion")
EYE_COLORS = ("brown", "hazel", "green", "blue", "grey")


class FixError(Exception):
    """Something the user can mend; its text is one clear sentence for them."""


class UnreadablePhoto(FixError):
    """The input is missing, is no picture, or is damaged."""


class UnwritablePhoto(FixError):
    """The output cannot be written where or as the user asked."""


class BadOption(FixError):
    """An option has a value that makes no sense."""


class MissingPackage(FixError):
    """A Python package that the chosen engine needs is not installed."""


class MissingModel(FixError):
    """A model file that the program needs is not there or is damaged."""


@dataclass(frozen=True)
class Options:
    """What the user can choose. The one source of defaults for the command line, the page and the benchmark.

    `eye_opening` and `smile_strength` run from 0 to 1. `eye_color` is one of `EYE_COLORS` or `#rrggbb`, None means
    the program's own choice. `faces` are numbers as the report gives them, None means all. Raises BadOption.
    """

    engine: str = "auto"
    eyes: bool = True
    smile: bool = True
    eye_opening: float = 0.5
    smile_strength: float = 0.5
    eye_color: str | None = None
    faces: tuple[int, ...] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise BadOption(f"--engine must be one of {', '.join(ENGINES)}, not {self.engine!r}.")
        for name in ("eye_opening", "smile_strength"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise BadOption(f"--{name} must lie between 0 and 1, not {getattr(self, name):g}.")
        if not (
            self.eye_color is None
            or self.eye_color in EYE_COLORS
            or re.fullmatch("#[0-9a-fA-F]{6}", self.eye_color) is not None
        ):
            raise BadOption(
                f"--eye_color must be {', '.join(EYE_COLORS)} or a colour like #6b4a2f, not {self.eye_color!r}."
            )
        if self.faces is not None and (not self.faces or min(self.faces) < 1):
            raise BadOption("--faces takes the numbers of faces, counted from 1, such as 1,3.")
