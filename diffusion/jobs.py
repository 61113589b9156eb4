"""The input and output of the networks: tiles, results, and how to sample. It needs no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from edit.options import FEW_STEP_SCHEDULERS, DiffusionOptions
from photo.types import Pixels

DEFAULT_STEPS, DEFAULT_GUIDANCE = 25, 6.0
"""From pure noise; the DPM-Solver papers find 20 to 25 steps enough. Guidance above 8 oversaturates."""
FEW_STEPS, FEW_STEPS_GUIDANCE = 6, 1.0
"""Distilled models are made for 4 to 8 steps without guidance, which also halves the cost of each step."""

OnStep = Callable[[float], None]
"""Called after each step with the fraction of the whole list of tiles that is done, 0 … 1."""


@dataclass(frozen=True, eq=False)
class TileJob:
    """One square tile to paint.

    `image` is uint8 (size, size, 3) RGB and `mask` uint8 (size, size), 255 where to repaint and 0 where to keep.
    `seed` fixes the noise of this tile alone, whatever else is in its batch.
    """

    image: Pixels
    mask: Pixels
    prompt: str
    negative_prompt: str
    seed: int


@dataclass(frozen=True, eq=False)
class TileResult:
    """The painted tile, uint8 (size, size, 3) RGB; or None, with the reason in `why`."""

    pixels: Pixels | None
    why: str = ""


@dataclass(frozen=True)
class Sampling:
    """How tiles are denoised.

    `steps` are counted from pure noise. `strength`, 0 … 1, is the noise level to start at, as a fraction of the
    training schedule; 1 is pure noise. `guidance` 1 is none, and halves the cost of each step.
    """

    scheduler: str
    steps: int
    guidance: float
    strength: float

    @classmethod
    def from_options(cls, options: DiffusionOptions) -> Sampling:
        """Return the sampling that the options set, with the defaults of the scheduler where they set none."""
        few = options.scheduler in FEW_STEP_SCHEDULERS
        steps = options.steps or (FEW_STEPS if few else DEFAULT_STEPS)
        guidance = (FEW_STEPS_GUIDANCE if few else DEFAULT_GUIDANCE) if options.guidance is None else options.guidance
        return cls(options.scheduler, steps, guidance, options.strength)
