"""Pairs of rendered and real eyes: made from a portrait, kept in a file, split by person."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.photos import PORTRAITS
from training.eyes import portraits
from training.eyes.make_pairs import make_pairs
from training.eyes.pairs import EyePair, PairArrays, load_pairs, save_pairs, split_people


@pytest.fixture(scope="session")
def pairs() -> list[EyePair]:
    why, made = make_pairs(PORTRAITS / "takano.jpg")
    assert not why
    return made[24]


def test_both_eyes_of_a_portrait_lie_on_their_rendering(pairs: list[EyePair]) -> None:
    assert len(pairs) == 2
    for pair in pairs:
        outside = pair.mask == 0
        assert outside.any() and (pair.mask == 255).any()
        difference = np.abs(pair.rendered.astype(int) - pair.real).mean(axis=2)
        # Synthetic lids reach a little further than the mask.
        assert difference[outside].mean() < 3 < difference[pair.mask > 200].mean()
        assert not np.array_equal(pair.rendered, pair.planned)


@pytest.mark.parametrize("name, why", [("takano_blink.jpg", "eyes not wide open"), ("hatch_gray.jpg", "colour")])
def test_what_is_no_open_eye_in_colour_is_passed_over(name: str, why: str) -> None:
    said, made = make_pairs(PORTRAITS / name)
    assert why in said and not made


def test_a_file_of_pairs_is_read_as_it_was_written(pairs: list[EyePair], tmp_path: Path) -> None:
    for name in ("a", "b"):
        save_pairs(tmp_path / f"{name}_24.npz", 24, pairs)
    again = load_pairs(sorted(tmp_path.glob("*_24.npz")))
    assert len(again.name) == 4 and list(again.name) == ["takano.jpg"] * 4
    for number, pair in enumerate(pairs):
        assert np.abs(again.real[2 + number].astype(int) - pair.real).mean() < 2
        assert np.abs(again.mask[number].astype(int) - pair.mask).mean() < 4
        assert again.maps[number].min() >= -1 and again.maps[number].shape[:2] == pair.mask.shape
    assert not np.array_equal(again.maps, again.planned_maps)


def test_all_portraits_of_a_person_are_on_one_side() -> None:
    random = np.random.default_rng(0)
    people = random.standard_normal((30, 192)).astype(np.float32)
    rows = np.repeat(people, 4, axis=0) + 0.1 * random.standard_normal((120, 192)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    nothing = np.zeros((120, 2, 2, 3), np.uint8)
    maps = np.zeros((120, 2, 2, 6), np.float16)
    names, values = np.array(["x"] * 120), np.ones(120, np.float32)
    arrays = PairArrays(
        nothing, nothing, nothing, nothing[..., 0], maps, maps, names, names, rows, values, values, values
    )  # fmt: skip
    split = split_people(arrays, 0.2, rows[:1], 0.55).reshape(30, 4)
    assert (split == split[:, :1]).all()
    assert (split[0] == 2).all() and 4 <= (split[:, 0] == 1).sum() <= 6


def test_the_sources_are_complete_and_files_are_taken_as_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for source in portraits.read_sources():
        assert all((source.name, source.repository, source.pattern, source.licence, source.licence_at))
        assert len(source.commit) == 40 and len(source.checksum) == 64
    clone = tmp_path / "someone+faces"
    (clone / "in").mkdir(parents=True)
    Image.new("RGB", (4, 4)).save(clone / "in" / "a b.jpg")
    (clone / "in" / "notes.txt").write_text("no portrait")
    for command in (["init", "-q"], ["add", "."], ["-c", "user.name=x", "-c", "user.email=x@y", "commit", "-qm", "x"]):
        subprocess.run(["git", "-C", str(clone), *command], check=True)
    head = subprocess.run(["git", "-C", str(clone), "rev-parse", "HEAD"], stdout=subprocess.PIPE, check=True)
    row = portraits.Source("some", "someone/faces", head.stdout.decode().strip(), r"in/.*\.jpg", "CC0", "LICENSE", "0")
    monkeypatch.setattr(portraits, "read_sources", lambda: [row])
    monkeypatch.setattr("sys.argv", ["portraits", str(tmp_path), str(tmp_path / "out")])
    assert portraits.main() == 1, "other files than those that were listed"
    monkeypatch.setattr("sys.argv", ["portraits", str(tmp_path), str(tmp_path / "out"), "--accept"])
    assert portraits.main() == 0
    assert [path.name for path in (tmp_path / "out" / "some").iterdir()] == ["in_a_b.jpg"]
