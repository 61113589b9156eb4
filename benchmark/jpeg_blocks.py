"""What it takes to save an edited JPEG block by block, beside encoding it anew: python -m benchmark.jpeg_blocks [PHOTO]

Prints seconds and bytes of both ways, and how many pixels outside the edits each of them changed, for a sequential and
a progressive JPEG of 12 megapixels with ten edits of the size of a face's eyes, made from PHOTO, a sample without one.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from photo.encode import encode_photo
from photo.files import load_photo, save_photo
from photo.types import Mask, Photo, Pixels

ROOT = Path(__file__).parents[1]
SIZE_PX = (4240, 2830)  # 12 megapixels
_EDIT_PX = (260, 120)
_EDITS = 10
_ROUNDS = 3


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmark.jpeg_blocks", description=__doc__.partition("\n")[0])
    parser.add_argument("photo", type=Path, nargs="?", default=ROOT / "data" / "inputs" / "image_1.jpg")
    photo_path = parser.parse_args().photo
    print(f"{'file':12} {'way':18} {'seconds':>8} {'bytes':>11} {'of the source':>14} {'changed outside':>16}")
    with tempfile.TemporaryDirectory() as folder:
        for name, is_progressive in (("sequential", False), ("progressive", True)):
            source, target = Path(folder) / f"{name}.jpg", Path(folder) / "result.jpg"
            with Image.open(photo_path) as image:
                large = image.convert("RGB").resize(SIZE_PX, Image.Resampling.LANCZOS)
            large.save(source, quality=92, subsampling=2, progressive=is_progressive)
            photo = load_photo(source)
            pixels, edited = _edit(photo.pixels)
            for way, save in (("blocks kept", _keep), ("encoded anew", _encode)):
                seconds = [_time(save, pixels, photo, target) for _ in range(_ROUNDS)]
                size = target.stat().st_size
                changed = (load_photo(target).pixels != photo.pixels).any(axis=2) & ~edited
                print(
                    f"{name:12} {way:18} {statistics.median(seconds):8.2f} {size:11,} "
                    f"{100 * size / source.stat().st_size:13.1f}% {int(changed.sum()):16,}"
                )
    return 0


def _edit(before: Pixels) -> tuple[Pixels, Mask]:
    """The picture with soft spots of other colours, and the pixels in the boxes around them."""
    rng = np.random.default_rng(0)
    pixels, edited = before.copy(), np.zeros(before.shape[:2], np.bool_)
    width, height = _EDIT_PX
    down, across = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    alpha = np.clip(1.5 - 1.5 * np.hypot(down, across), 0, 1)[..., None]
    for _ in range(_EDITS):
        left, top = rng.integers(0, before.shape[1] - width), rng.integers(0, before.shape[0] - height)
        place = slice(top, top + height), slice(left, left + width)
        pixels[place] = np.rint(pixels[place] * (1 - alpha) + alpha * rng.integers(0, 256, 3))
        edited[place] = True
    return pixels, edited


def _keep(pixels: Pixels, photo: Photo, target: Path) -> None:
    save_photo(pixels, photo, target)


def _encode(pixels: Pixels, photo: Photo, target: Path) -> None:
    target.write_bytes(encode_photo("JPEG", pixels, photo).data)


def _time(save: Callable[[Pixels, Photo, Path], None], pixels: Pixels, photo: Photo, target: Path) -> float:
    target.unlink(missing_ok=True)
    start = time.perf_counter()
    save(pixels, photo, target)
    return time.perf_counter() - start


if __name__ == "__main__":
    sys.exit(main())
