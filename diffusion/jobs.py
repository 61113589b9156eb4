"""The input and output of the networks: tiles, results, and how to sample. It needs no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from photo.types import Pixels

OnStep = Callable[[float], None]
"""Called after each step with the fraction of the whole list of tiles that is done, 0 … 1."""


@dataclass(frozen=True, eq=False)
class TileJob:
    """One square tile to paint.

    `image` is uint8 (size, size, 3) RGB and `mask` uint8 (size, size), 255 where to repaint and 0 where to keep.
    `seed` fixes the noise of this tile alone, whatever else is in its batch. `reference` is a tile of another photo of
    the same person, of the same size and kind, for models that take one.
    """

    image: Pixels
    mask: Pixels
    prompt: str
    negative_prompt: str
    seed: int
    reference: Pixels | None = None


@dataclass(frozen=True, eq=False)
class TileResult:
    """The painted tile, uint8 (size, size, 3) RGB; or None, with the reason in `why`."""

    pixels: Pixels | None
    why: str = ""


@dataclass(frozen=True)
class Sampling:
    """How tiles are denoised.

    `scheduler` is one of `SCHEDULERS`, or `flow` for models that have one of their own. `steps` are counted from pure
    noise. `strength`, 0 … 1, is the noise level to start at, as a fraction of the training schedule; 1 is pure noise.
    `guidance` 1 is none, and halves the cost of each step.
    """

    scheduler: str
    steps: int
    guidance: float
    strength: float
