"""Make the sample photos in data/inputs from three public-domain photos.

Usage: python -m benchmark.make_samples FOLDER [OUTPUT_FOLDER]. FOLDER holds `grace_hopper.jpg` from the package
matplotlib, `astronaut.png` and `rocket.jpg` from scikit-image. The same versions give the same bytes.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFilter

from benchmark.synthetic_blink import close_eyes
from face.search import find_faces

ROOT = Path(__file__).resolve().parent.parent
WALL = (196, 190, 181)
FRAME, MAT = (62, 45, 34), (243, 240, 233)


class Hanging(NamedTuple):
    """One portrait of the wall: what it shows, its middle and height in pixels, and how it hangs."""

    who: str
    x: int
    y: int
    height: int
    degrees: float
    mirrored: bool


HANGINGS = (
    Hanging("hopper", 290, 410, 500, -1.5, False),
    Hanging("astronaut blinking", 790, 270, 360, 2.0, False),
    Hanging("astronaut", 1195, 235, 270, -3.0, True),
    Hanging("hopper", 1180, 645, 300, 2.5, True),
    Hanging("astronaut blinking", 790, 690, 230, -2.0, True),
)


def blink(photo: Image.Image) -> Image.Image:
    """The photo with the eyes of everybody in it closed by `close_eyes`."""
    pixels = np.asarray(photo)
    for face in find_faces(pixels):
        pixels = close_eyes(pixels, face)
    return Image.fromarray(pixels)


def hang_on_wall(portraits: dict[str, Image.Image]) -> Image.Image:
    """A picture of framed portraits, 1400 × 900."""
    wall = Image.new("RGB", (1400, 900), WALL)
    for hanging in HANGINGS:
        portrait = portraits[hanging.who]
        if hanging.mirrored:
            portrait = portrait.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        width = round(portrait.width * hanging.height / portrait.height)
        border = max(10, hanging.height // 22)
        # Framed and turned at three times the size: the slanting edges come out smooth.
        portrait = portrait.resize((3 * width, 3 * hanging.height), Image.Resampling.LANCZOS)
        card = Image.new("RGBA", (portrait.width + 12 * border, portrait.height + 12 * border), (*FRAME, 255))
        card.paste(MAT, (2 * border, 2 * border, card.width - 2 * border, card.height - 2 * border))
        card.paste(portrait, (6 * border, 6 * border))
        card = card.rotate(hanging.degrees, Image.Resampling.BICUBIC, expand=True)
        card = card.resize((card.width // 3, card.height // 3), Image.Resampling.BOX)
        place = (hanging.x - card.width // 2, hanging.y - card.height // 2)
        shadow = Image.new("L", wall.size)
        shadow.paste(110, (place[0] + border // 2, place[1] + border), card.getchannel("A"))
        wall.paste((60, 54, 48), (0, 0), shadow.filter(ImageFilter.GaussianBlur(border * 0.6)))
        wall.paste(card, place, card)
    return wall


def make_samples(source: Path, target: Path) -> None:
    """Write image_1.jpg … image_5.jpg into `target`, made from the three photos in `source`."""
    hopper = Image.open(source / "grace_hopper.jpg").convert("RGB")
    astronaut = Image.open(source / "astronaut.png").convert("RGB")
    rocket = Image.open(source / "rocket.jpg").convert("RGB")
    blinking = blink(astronaut)
    # Enlarged about twice, so that the face is as large as the other one.
    large = blinking.crop((80, 0, 364, 290)).resize((627, 640), Image.Resampling.LANCZOS)
    portrait = hopper.crop((78, 20, 478, 470))
    pair = Image.new("RGB", (1240, 640), (255, 255, 255))
    pair.paste(large, (0, 0))
    pair.paste(portrait.resize((601, 676), Image.Resampling.LANCZOS).crop((0, 0, 601, 640)), (639, 0))
    head = (100, 0, 340, 270)
    wall = hang_on_wall(
        {"hopper": portrait, "astronaut": astronaut.crop(head), "astronaut blinking": blinking.crop(head)}
    )
    target.mkdir(parents=True, exist_ok=True)
    for number, picture in enumerate((pair, hopper, blinking, wall, rocket), start=1):
        picture.save(target / f"image_{number}.jpg", quality=90, subsampling=0)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        raise SystemExit(__doc__)
    make_samples(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) == 3 else ROOT / "data" / "inputs")
