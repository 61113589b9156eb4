"""The noise that tiles are painted from: one rule for every model, and the schedulers of diffusers that follow it.

A strength is a noise level: 0.5 is half noise, whatever the number of steps, their spacing and the model. The older
models know a level as a time of their training schedule, and the step nearest to it is the first one. Flow models mix
picture and noise in just this ratio, so their first step is exactly the level.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from diffusion.jobs import Sampling

# Class in diffusers and what is set in it; all else comes from the model's own settings.
_SCHEDULERS: dict[str, tuple[str, dict[str, object]]] = {
    "dpm++": ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++", "timestep_spacing": "linspace"}),
    "unipc": ("UniPCMultistepScheduler", {"timestep_spacing": "linspace"}),
    "ddim": ("DDIMScheduler", {"timestep_spacing": "leading"}),
    "euler": ("EulerDiscreteScheduler", {"timestep_spacing": "linspace"}),
    "euler-a": ("EulerAncestralDiscreteScheduler", {"timestep_spacing": "linspace"}),
    "lcm": ("LCMScheduler", {}),
    "tcd": ("TCDScheduler", {}),
    "lightning": ("EulerDiscreteScheduler", {"timestep_spacing": "trailing"}),
}
# The levels that `flow_levels` returns are final: nothing in the scheduler may move them again.
_AS_GIVEN: dict[str, object] = {
    "shift": 1.0,
    "use_dynamic_shifting": False,
    "shift_terminal": None,
    "use_karras_sigmas": False,
    "use_exponential_sigmas": False,
    "use_beta_sigmas": False,
    "invert_sigmas": False,
}
LEAST_FLOW_STEPS = 4
"""Fewer steps of a flow model from a middle level would smear: a level below 1 saves no more than all but these."""


def make_scheduler(settings: Any, sampling: Sampling) -> Any:
    """Return a new scheduler of diffusers for a Stable Diffusion 1, 2 or XL, made from the `settings` of its own."""
    import diffusers

    name, changes = _SCHEDULERS[sampling.scheduler]
    if sampling.scheduler == "dpm++" and sampling.strength == 1:
        # Karras' spacing of the steps is good for the whole way from noise, bad for a part of it.
        changes = {**changes, "use_karras_sigmas": True}
    return getattr(diffusers, name).from_config(settings, **changes)


def find_start(times: Sequence[float], strength: float, train_steps: int) -> int:
    """Return the index of the one of the falling `times` that is nearest to the noise level `strength`; never 0.

    `times` are timesteps of the training schedule, 0 … `train_steps`, and `strength` is a fraction of `train_steps`:
    so a strength means the same noise for any number of steps and any spacing. The first time is that of pure noise,
    which only a strength of 1 starts from.
    """
    distances = np.abs(np.asarray(times, np.float64) - strength * train_steps)
    return max(int(distances.argmin()), 1)


def choose_start(scheduler: Any, sampling: Sampling) -> tuple[int, float]:
    """Return the number of steps, and the fraction of them to take, with which a pipeline starts at the wanted level.

    It is for schedulers of `make_scheduler`.
    """
    if sampling.strength >= 1:
        return sampling.steps, 1.0
    steps = max(sampling.steps, 2)
    scheduler.set_timesteps(steps)
    start = find_start(scheduler.timesteps.tolist(), sampling.strength, scheduler.config.num_train_timesteps)
    # The half keeps the pipeline's rounding away from the neighbouring integers.
    return steps, (steps - start + 0.5) / steps


def make_flow_scheduler(settings: Any) -> Any:
    """Return a new scheduler of a flow model, from the `settings` of its own, that takes noise levels as they are."""
    import diffusers

    return diffusers.FlowMatchEulerDiscreteScheduler.from_config(settings, **_AS_GIVEN)


def find_shift(settings: Mapping[str, Any], tokens: int, mu: float | None = None) -> float:
    """Return the factor by which a flow model's schedule is shifted toward noise; 1 is no shift.

    `settings` are those of the model's scheduler. Where it shifts large pictures more, `tokens` is the number of the
    patches of the picture; `mu` is the exponent of the shift where the model has a formula of its own for it.
    """
    if not settings.get("use_dynamic_shifting"):
        return float(settings.get("shift", 1.0))
    if mu is None:
        few, many = settings.get("base_image_seq_len", 256), settings.get("max_image_seq_len", 4096)
        low, high = settings.get("base_shift", 0.5), settings.get("max_shift", 1.15)
        mu = low + (high - low) * (tokens - few) / (many - few)
    return mu if settings.get("time_shift_type") == "linear" else math.exp(mu)


def flow_levels(strength: float, steps: int, shift: float, end: float = 0.0) -> list[float]:
    """Return the falling noise levels of a flow model's steps, the first one exactly `strength`, 0 … 1.

    `steps` are counted from pure noise: of these as many are taken as `strength` is a part of, but not fewer than
    `LEAST_FLOW_STEPS` where there are so many. They are spaced evenly before the schedule is shifted by `shift`: the
    start is the strength shifted back. The last level is `end`, where the model's scheduler sets one.
    """
    count = max(math.ceil(steps * strength - 1e-9), min(steps, LEAST_FLOW_STEPS))
    start = 1 / (1 + shift * (1 / strength - 1))
    even = np.linspace(start, start / count, count)
    levels = shift * even / (1 + (shift - 1) * even)
    if 0 < end < levels[-1] < strength:
        levels = strength - (strength - levels) * (strength - end) / (strength - levels[-1])
    levels[0] = strength
    return [float(level) for level in levels]
