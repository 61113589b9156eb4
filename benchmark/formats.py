"""Time a large photo of each format: python -m benchmark.formats [--megapixels 12]

Decode, a small edit, encode, verify as `save_photo` does before a file takes its place, and write: flushed, and read
back. The photo is made here: soft colours with a little noise. Nothing is detected or painted, which costs the same for
every format. Seconds are those of the processor, of all threads together.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from photo.encode import encode_photo
from photo.files import FORMATS, encode_edited, load_photo
from photo.saving import Saving
from photo.types import Photo
from photo.verify import verify
from photo.writing import Originals, write_whole

_ENDINGS = (".jpg", ".tif", ".png", ".heic")


def make_photo(megapixels: float, deep: bool) -> Photo:
    """Return a made-up photo, 4 : 3, with 16 bits or with 8."""
    width = round((megapixels * 1e6 * 4 / 3) ** 0.5)
    random = np.random.default_rng(0)
    coarse = random.integers(20, 236, (24, 32, 3), np.uint8)
    pixels = cv2.resize(coarse, (width, width * 3 // 4), interpolation=cv2.INTER_CUBIC)
    pixels = cv2.add(pixels, random.integers(0, 6, pixels.shape, np.uint8))
    return Photo(np.asarray(pixels), native=np.asarray(pixels, np.uint16) * np.uint16(257) if deep else None)


def time_format(folder: Path, ending: str, megapixels: float) -> list[float]:
    """Return the seconds of decoding, editing, encoding, verifying and writing."""
    name = FORMATS[ending]
    made = make_photo(megapixels, deep=ending == ".tif")
    source = folder / f"source{ending}"
    source.write_bytes(encode_photo(name, made.pixels, made)[0])
    marks = [time.process_time()]
    photo = load_photo(source)
    marks.append(time.process_time())
    pixels = photo.pixels.copy()
    pixels[100:300, 100:400] ^= 8
    marks.append(time.process_time())
    data, _ = encode_edited(name, pixels, photo, Saving())
    marks.append(time.process_time())
    verify(name, data, pixels, photo)
    marks.append(time.process_time())
    write_whole(folder / f"target{ending}", data, Originals())
    marks.append(time.process_time())
    return [after - before for before, after in pairwise(marks)]


def main() -> None:
    """Time the formats at the size that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megapixels", type=float, default=12)
    parser.add_argument("--endings", nargs="+", default=_ENDINGS, choices=FORMATS)
    arguments = parser.parse_args()
    Image.init()
    print("format   decode     edit   encode   verify    write   share of verifying")
    for ending in arguments.endings:
        with tempfile.TemporaryDirectory() as folder:
            seconds = time_format(Path(folder), ending, arguments.megapixels)
        print(f"{ending:6}" + "".join(f"{value:8.2f}s" for value in seconds) + f"{seconds[3] / sum(seconds):10.0%}")


if __name__ == "__main__":
    main()
