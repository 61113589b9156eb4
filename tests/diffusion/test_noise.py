"""The one rule for the noise to start with, in numbers; what the pipelines make of it is in test_families."""

from __future__ import annotations

import itertools
import math

import pytest

from diffusion.noise import LEAST_FLOW_STEPS, find_shift, flow_levels


@pytest.mark.parametrize("strength", [0.05, 0.35, 0.5, 0.6, 0.7, 1.0])
@pytest.mark.parametrize("steps", [1, 2, 4, 8, 28, 50])
@pytest.mark.parametrize("shift", [1.0, 3.0, 0.4, math.exp(1.15)])
@pytest.mark.parametrize("end", [0.0, 0.02])
def test_the_first_level_is_the_strength_whatever_the_shift(
    strength: float, steps: int, shift: float, end: float
) -> None:
    levels = flow_levels(strength, steps, shift, end)
    assert levels[0] == strength
    assert all(one > other > 0 for one, other in itertools.pairwise(levels))
    assert min(steps, LEAST_FLOW_STEPS) <= len(levels) <= steps
    assert len(levels) >= strength * steps - 1e-6


def test_steps_are_counted_from_pure_noise() -> None:
    assert [len(flow_levels(strength, 28, 3.0)) for strength in (1.0, 0.5, 0.25, 0.01)] == [28, 14, 7, 4]
    assert [len(flow_levels(0.5, steps, 3.0)) for steps in (4, 8, 40)] == [4, 4, 20]


def test_from_pure_noise_the_schedule_is_that_of_the_model() -> None:
    import numpy as np

    torch = pytest.importorskip("torch")
    from diffusers import FlowMatchEulerDiscreteScheduler

    for settings, mu in (
        ({"shift": 3.0}, None),
        ({"use_dynamic_shifting": True}, 0.7),
        ({"use_dynamic_shifting": True, "shift_terminal": 0.02, "max_shift": 0.9}, 0.7),
    ):
        own = FlowMatchEulerDiscreteScheduler(**settings)
        own.set_timesteps(sigmas=np.linspace(1, 1 / 8, 8), mu=mu)
        shift = find_shift(own.config, 1024, mu)
        levels = flow_levels(1.0, 8, shift, own.config.shift_terminal or 0.0)
        assert torch.allclose(own.sigmas[:-1], torch.tensor(levels), atol=1e-5)


def test_large_pictures_are_shifted_more_where_the_model_says_so() -> None:
    dynamic = {"use_dynamic_shifting": True, "base_shift": 0.5, "max_shift": 1.15}
    assert find_shift(dynamic, 256) == pytest.approx(math.exp(0.5))
    assert find_shift(dynamic, 4096) == pytest.approx(math.exp(1.15))
    assert find_shift({**dynamic, "time_shift_type": "linear"}, 4096) == pytest.approx(1.15)
    assert find_shift({"shift": 3.0}, 256) == find_shift({"shift": 3.0}, 4096) == 3.0
