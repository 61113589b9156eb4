"""What tiles are asked for; no torch is needed for it."""

from __future__ import annotations

from diffusion.families import STABLE_DIFFUSION_1
from diffusion.jobs import Sampling
from edit.options import DiffusionOptions


def test_few_step_schedulers_have_their_own_defaults() -> None:
    assert STABLE_DIFFUSION_1.choose_sampling(DiffusionOptions()) == Sampling("dpm++", 25, 6.0, 0.5)
    assert STABLE_DIFFUSION_1.choose_sampling(DiffusionOptions(scheduler="lcm")) == Sampling("lcm", 6, 1.0, 0.5)
    assert STABLE_DIFFUSION_1.choose_sampling(DiffusionOptions(scheduler="lcm", steps=8, guidance=0.0)) == Sampling(
        "lcm", 8, 0.0, 0.5
    )
