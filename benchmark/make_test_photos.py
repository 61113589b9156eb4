"""Make the portraits in tests/photos from official portraits of members of the US Congress.

Usage: python -m benchmark.make_test_photos FOLDER [OUTPUT_FOLDER]. FOLDER is `congress/original` of the repository
jforms/images, a copy of unitedstates/images, at commit 7eb7278deac9251bb7d787a96c5dabf84eabb60f. The same versions of
the packages give the same bytes; tests/photos/README.md says what each picture is for.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from benchmark.synthetic_blink import close_eyes
from face.search import find_faces
from face.types import EYES, Feature
from photo.types import Pixels

ROOT = Path(__file__).resolve().parent.parent
# Who is in the pictures, and the number in the Biographical Directory of Congress that names the source's file.
PEOPLE = {
    "abercrombie": "A000014", "bera": "B001287", "berkley": "B001231", "cummings": "C000984", "duckworth": "D000622",
    "edwards": "E000290", "faleomavaega": "F000010", "fudge": "F000455", "gabbard": "G000571", "hatch": "H000338",
    "inouye": "I000025", "kennedy": "K000379", "meng": "M001188", "payne": "P000604", "rush": "R000515",
    "takano": "T000472", "thompson": "T000193", "waters": "W000187", "womack": "W000809",
}  # fmt: skip
AS_THEY_ARE = (
    "abercrombie", "bera", "berkley", "cummings", "edwards", "faleomavaega", "fudge", "gabbard", "inouye", "kennedy",
    "meng", "payne", "takano", "waters", "womack",
)  # fmt: skip
BLINKING = ("cummings", "duckworth", "edwards", "rush", "takano", "thompson")
OTHER_MOMENT = ("cummings", "edwards", "takano")
# Three in a row, two rows.
GROUP = ("kennedy", "cummings", "edwards", "meng", "takano", "berkley")
GROUP_BLINKING = ("cummings", "edwards", "takano")
WIDTH_PX, GROUP_WIDTH_PX, GROUP_GAP_PX = 450, 300, 6
QUALITY = 88


def shrink(pixels: Pixels, width: int) -> Pixels:
    """The photo `width` pixels wide."""
    photo = Image.fromarray(pixels)
    return np.asarray(photo.resize((width, round(width * photo.height / photo.width)), Image.Resampling.LANCZOS))


def blink(pixels: Pixels, features: tuple[Feature, ...] = EYES) -> Pixels:
    """The portrait with those eyes of its one face closed."""
    (face,) = find_faces(pixels)
    return close_eyes(pixels, face, features)


def move(pixels: Pixels, degrees: float, larger: float, right: float, down: float) -> Pixels:
    """The photo turned counterclockwise about its middle, enlarged and moved by pixels; its borders go on."""
    height, width = pixels.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, larger) + np.array([[0, 0, right], [0, 0, down]])
    moved = cv2.warpAffine(pixels, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return moved.astype(np.uint8, copy=False)


def take_again(pixels: Pixels) -> Pixels:
    """Another moment, made of the same photo: nearer, the camera turned, a shorter exposure."""
    return np.asarray(np.rint(move(pixels, -3.0, 1.06, 7.0, -5.0) * 0.85), np.uint8)


def darken(pixels: Pixels) -> Pixels:
    """The photo as a small sensor sees it at night: an eighth of the light, and noise in every pixel."""
    noise = np.random.default_rng(0).normal(0, 4.0, pixels.shape)
    return np.asarray(np.rint(pixels / 8.0 + noise).clip(0, 255), np.uint8)


def lay_out(panels: list[Pixels]) -> Pixels:
    """One canvas of six portraits, three in a row."""
    height = min(panel.shape[0] for panel in panels)
    pitch_x, pitch_y = GROUP_WIDTH_PX + GROUP_GAP_PX, height + GROUP_GAP_PX
    canvas = np.full((2 * pitch_y + GROUP_GAP_PX, 3 * pitch_x + GROUP_GAP_PX, 3), 236, np.uint8)
    for index, panel in enumerate(panels):
        top, left = GROUP_GAP_PX + index // 3 * pitch_y, GROUP_GAP_PX + index % 3 * pitch_x
        canvas[top : top + height, left : left + GROUP_WIDTH_PX] = panel[:height]
    return canvas


def make_test_photos(source: Path, target: Path) -> None:
    """Write every picture into `target`, made from the portraits in `source`."""

    @cache
    def portrait(name: str) -> Pixels:
        return np.asarray(Image.open(source / f"{PEOPLE[name]}.jpg").convert("RGB"))

    @cache
    def blinking(name: str) -> Pixels:
        return blink(portrait(name))

    def group(of: Callable[[str], Pixels]) -> Pixels:
        return lay_out([shrink(of(name), GROUP_WIDTH_PX) for name in GROUP])

    pictures = {name: shrink(portrait(name), WIDTH_PX) for name in AS_THEY_ARE}
    pictures |= {f"{name}_blink": shrink(blinking(name), WIDTH_PX) for name in BLINKING}
    pictures |= {f"{name}_again": take_again(shrink(portrait(name), WIDTH_PX)) for name in OTHER_MOMENT}
    pictures["bera_wink"] = shrink(blink(portrait("bera"), (Feature.RIGHT_EYE,)), WIDTH_PX)
    pictures["hatch_gray"] = shrink(
        np.asarray(Image.fromarray(portrait("hatch")).convert("L").convert("RGB")), WIDTH_PX
    )
    pictures["thompson_dark"] = darken(shrink(blinking("thompson"), WIDTH_PX))
    pictures["womack_tilted"] = move(shrink(portrait("womack"), WIDTH_PX), 20.0, 1.0, 10.0, 10.0)
    pictures["group_blink"] = group(lambda name: (blinking if name in GROUP_BLINKING else portrait)(name))
    pictures["group_open"] = take_again(group(portrait))
    target.mkdir(parents=True, exist_ok=True)
    for name, pixels in pictures.items():
        Image.fromarray(pixels).save(target / f"{name}.jpg", quality=QUALITY)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        raise SystemExit(__doc__)
    make_test_photos(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) == 3 else ROOT / "tests" / "photos")
