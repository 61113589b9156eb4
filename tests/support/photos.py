"""Photos of real people for the tests: the portraits in tests/photos, and the development photos where they are.

The development photos may not be passed on; they lie beside the checkout of whoever may have them. A name with a
folder before it is one of theirs, a bare name is a portrait that is shipped. What a case is about, it tries on the
portraits everywhere and on the development photos where they are; only a test that no portrait can replace is marked
`photos`, and is left out without them.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple, TypeVar

import cv2
import numpy as np

from photo.types import Pixels

ROOT = next(folder for folder in Path(__file__).resolve().parents if (folder / "pyproject.toml").is_file())
PORTRAITS = ROOT / "tests" / "photos"
DEVELOPMENT = ROOT.parent / "shared" / "photos"
LEFT_OUT = "the development photos are not here"

LoadPhoto = Callable[[str], Pixels]
Case = TypeVar("Case")


class Label(NamedTuple):
    """What is right for one face of a portrait.

    `open` says which eyes are to be opened: none, right (the person's own) or both; `smile` whether a smile is to be
    added: add, leave or any.
    """

    path: str
    face: int
    person: str
    open: str
    smile: str


class Pair(NamedTuple):
    """Two photos of one person: with closed eyes, and with open ones at another moment."""

    person: str
    closed: str
    opened: str


@cache
def read_labels() -> tuple[Label, ...]:
    """The labels of every face in tests/photos, in the order of their file names."""
    with (PORTRAITS / "labels.csv").open(encoding="utf-8", newline="") as file:
        return tuple(
            Label(row["path"], int(row["face"]), row["person"], row["open"], row["smile"])
            for row in csv.DictReader(file)
        )


def portraits(*, to_open: str | None = None, smile: str | None = None) -> list[str]:
    """The names of the portraits of one person, of those with these labels if any are given."""
    labels = read_labels()
    groups = {label.path for label in labels if label.face > 1}
    return [
        label.path
        for label in labels
        if label.path not in groups and to_open in (None, label.open) and smile in (None, label.smile)
    ]


def count_people() -> list[tuple[str, int]]:
    """The name of every picture in tests/photos, with how many people it shows."""
    return [(name, max(at.face for at in read_labels() if at.path == name)) for name in _names()]


def _names() -> list[str]:
    return sorted({label.path for label in read_labels()})


PAIRS = tuple(Pair(who, f"{who}_blink.jpg", f"{who}_again.jpg") for who in ("cummings", "edwards", "takano"))


def have_development_photos() -> bool:
    """Whether the development photos lie beside the checkout."""
    return DEVELOPMENT.is_dir()


def development(*patterns: str) -> list[str]:
    """The names of the development photos that match; none where they are not.

    Raises FileNotFoundError for a pattern that matches nothing.
    """
    found: set[str] = set()
    for pattern in patterns if have_development_photos() else ():
        names = {path.relative_to(DEVELOPMENT).as_posix() for path in DEVELOPMENT.glob(pattern)}
        if not names:
            raise FileNotFoundError(f"no development photo is called {pattern}")
        found |= names
    return sorted(found)


def where_developing(*cases: Case) -> list[Case]:
    """Those cases of a parametrised test which need development photos: all of them, or none."""
    return list(cases) if have_development_photos() else []


def development_pairs(*people: str) -> tuple[Pair, ...]:
    """Pairs of the development photos by the names of their folders."""
    return tuple(Pair(who, f"pairs/{who}/input_closed.jpg", f"pairs/{who}/ref_open.jpg") for who in people)


def load_pixels(path: Path) -> Pixels:
    """The photo, uint8 (H, W, 3) RGB, read-only."""
    bgr = cv2.imdecode(np.fromfile(path, dtype=np.uint8), cv2.IMREAD_COLOR)
    pixels = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)
    pixels.setflags(write=False)
    return pixels


def make_loader(*folders: Path) -> LoadPhoto:
    """A function that loads a photo by its path in the first of the folders that has it, each photo only once."""

    @cache
    def load(name: str) -> Pixels:
        return load_pixels(next((folder / name for folder in folders if (folder / name).is_file()), folders[-1] / name))

    return load
