"""The benchmark of edits on pairs of photos: its arithmetic, and one pair."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

from benchmark.edit_quality import Contestant, correlate, describe, find_gain, list_pairs, measure
from edit.options import DiffusionOptions
from tests.support.photos import PORTRAITS
from tests.support.tiny_models import TILE_PX


def test_the_gain_is_the_part_of_the_way() -> None:
    assert find_gain(0.9, 0.5, 0.1) == pytest.approx(0.5)
    assert find_gain(0.9, 0.1, 0.1) == pytest.approx(1.0)
    assert find_gain(0.9, 1.0, 0.1) == pytest.approx(-0.125)
    assert find_gain(0.2, 0.9, 0.15) is None


def test_a_wish_that_is_followed_correlates_and_never_falls() -> None:
    correlation, monotony = correlate([0.1, 0.2, 0.3, 0.4])
    assert correlation == pytest.approx(1.0) and monotony == 1.0
    assert correlate([0.4, 0.3, 0.3, 0.1])[1] == pytest.approx(1 / 3)
    assert correlate([0.2, 0.2, 0.2]) == (0.0, 1.0)


def test_the_own_pairs_are_found() -> None:
    own = [pair for pair in list_pairs() if pair[0].parent == PORTRAITS]
    assert [pair[0].name for pair in own] == ["cummings_blink.jpg", "edwards_blink.jpg", "takano_blink.jpg"]
    assert all(opened.name.endswith("_again.jpg") for _, opened in own)


def test_a_pair_is_measured_with_the_draft_and_counted_with_networks(
    monkeypatch: pytest.MonkeyPatch, tiny_model: Path
) -> None:
    monkeypatch.setattr("diffusion.painter._has_fast_bf16", lambda: False)
    diffusion = DiffusionOptions(model=str(tiny_model), device="cpu", steps=4, tile_size=TILE_PX, retries=0)
    rows = []
    for name in ("draft", "stable-diffusion"):
        contestant = Contestant(name, diffusion)
        rows += measure(PORTRAITS / "edwards_blink.jpg", PORTRAITS / "edwards_again.jpg", contestant)
    draft, refined = rows
    assert (draft.opened, draft.closed, draft.outside, draft.evaluations) == (2, 2, 0, 0)
    assert draft.gain is not None and 0.5 < draft.gain < 1.5
    assert draft.resemblance is not None and draft.resemblance > 0.5 and draft.delta_e is not None
    assert refined.outside == 0 and refined.evaluations > 0 and refined.evaluations % 4 == 0
    table = describe(rows)
    assert table.count("edwards_blink") == 2 and table.count("\nall") == 2
