"""The refiner trains, its weights are written and read again, and they refine an eye in a photo."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from edit.options import Options, SmileOptions, Wish
from photo.files import load_photo
from render.canonical import MAP_COUNT, patch_size
from retouch.engines import DraftEngine
from retouch.pipeline import fix_photo
from tests.support.photos import PORTRAITS
from training.eyes import evaluate
from training.eyes import train as training
from training.eyes.augment import Augmentation, draw_remains
from training.eyes.make_pairs import make_pairs
from training.eyes.networks import REFINER_CHANNELS, WIDTHS, Critic, Refiner
from training.eyes.pairs import load_pairs, save_pairs
from training.eyes.refine import refiner_of


@pytest.mark.parametrize("unit_px", sorted(WIDTHS))
def test_the_networks_take_patches_of_their_scale(unit_px: int) -> None:
    size = patch_size(unit_px)
    change = Refiner(WIDTHS[unit_px])(torch.zeros(1, REFINER_CHANNELS, *size))
    assert change.shape == (1, 3, *size)
    answers, features = Critic()(torch.zeros(1, 3 + MAP_COUNT, *size))
    assert len(answers) == 3 and len(features) == 4


def test_remains_of_closed_lids_lie_on_the_rendered_eye_alone_and_not_on_the_eyeball() -> None:
    torch.manual_seed(0)
    remains = draw_remains(24, 12, 0)
    assert remains.shape == (12, *patch_size(24)) and remains.min() >= 0 and 0.05 < remains.max() <= 1
    augmentation = Augmentation(torch.from_numpy(remains))
    light = torch.full((8, 3, *patch_size(24)), 0.6)
    maps = torch.zeros(8, MAP_COUNT, *patch_size(24))
    maps[:, 1] = 1
    maps[:, 0, :, 40:56] = 1
    mask = torch.ones(8, 1, *patch_size(24))
    rendered, real, _, _ = augmentation(light, light, mask, maps)
    assert rendered.min() >= 0 and real.max() <= 1
    difference = (rendered - real).abs()
    assert difference[..., :30].max() > 0.03 and difference[..., 44:52].mean() < difference[..., :30].mean()


def test_training_writes_weights_that_refine_an_eye(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    why, made = make_pairs(PORTRAITS / "takano.jpg")
    assert not why
    other = np.roll(made[24][0].person, 7)
    save_pairs(tmp_path / "one_24.npz", 24, made[24])
    save_pairs(tmp_path / "two_24.npz", 24, [replace(pair, person=other, name="other.jpg") for pair in made[24]])
    pairs = load_pairs(sorted(tmp_path.glob("*_24.npz")))
    monkeypatch.setattr(training, "HELD_OUT", 0.5)
    monkeypatch.setattr(training, "_STEPS_ALONE", 1)
    apart = np.zeros((0, 192), np.float32)
    training.train(pairs, 24, tmp_path, 4.0, 4, apart)
    steps = torch.load(tmp_path / "24.pt")["steps"]
    training.train(pairs, 24, tmp_path, 2.0, 4, apart)
    kept = torch.load(tmp_path / "24.pt")
    assert kept["steps"] > steps and len(kept["weights"]) == 2
    assert (tmp_path / "24.png").stat().st_size > 1000 and "done" in (tmp_path / "24.log").read_text()
    monkeypatch.setattr(evaluate, "HELD_OUT", 0.5)
    assert evaluate.main([str(tmp_path), str(tmp_path / "24.pt")]) == 0
    told = capsys.readouterr().out.splitlines()[-2:]
    # Two eyes are held out, of one of two people: no group has enough of them.
    assert [line.split()[:2] for line in told[1:]] == [["all", "2"]]
    assert 5 < float(told[1].split()[2]) < 60

    refiner = refiner_of(tmp_path / "24.pt")
    assert refiner.unit_px == 24
    photo = load_photo(PORTRAITS / "takano_blink.jpg")
    options = Options(smile=SmileOptions(wish=Wish.NEVER))
    rendered = fix_photo(photo, options, DraftEngine())
    refined = fix_photo(photo, options, DraftEngine(refiner=refiner))
    assert refined.report.changed_outside == 0 and refined.report.changes
    assert not np.array_equal(rendered.pixels, refined.pixels)


def test_differences_count_within_the_mask_and_means_see_no_detail() -> None:
    real = np.full((1, 24, 32, 3), 100, np.uint8)
    eyes = real.astype(np.float32)
    mask = np.zeros((1, 24, 32), np.uint8)
    mask[0, 6:18, 8:24] = 255
    eyes[0, :, 4:8] += 50  # outside the mask
    assert [float(value[0]) for value in evaluate.measure_differences(eyes, real, mask, 24)] == [0, 0]
    checkers = np.indices((24, 32)).sum(axis=0) % 2 * 40.0 - 20.0
    fine, coarse = evaluate.measure_differences(eyes + checkers[None, ..., None].astype(np.float32), real, mask, 24)
    assert fine[0] == pytest.approx(20) and coarse[0] < 4
