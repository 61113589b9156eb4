"""Time a large photo of each format: python -m benchmark.formats [--megapixels 12]

Decode, fix the faces with the draft engine, encode, verify as `save_photo` does before a file takes its place, and
write: flushed, and read back. A JPEG that keeps its blocks is decoded again within its encoding: that counts as
verifying here. Seconds are those of the processor, of all threads together. The share of verifying is shown of all, and
of all but the editing, which costs the same for every format.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from edit.options import Options
from photo import jpeg_blocks
from photo.encode import encode_photo
from photo.files import encode_edited, load_photo
from photo.formats import FORMATS
from photo.saving import Saving
from photo.types import Photo
from photo.verify import verify
from photo.writing import Originals, write_whole
from retouch.engines import make_draft
from retouch.pipeline import fix_photo

_GROUP = Path(__file__).parents[1] / "data" / "inputs" / "image_4.jpg"
_ENDINGS = (".jpg", ".tif", ".png", ".heic")


def make_photo(megapixels: float, format_name: str) -> Photo:
    """Return the group picture of the samples, five people, enlarged, with the grain of a camera.

    It has 16 bits for a TIFF, and colours of half the resolution for a JPEG, as phones write it.
    """
    with Image.open(_GROUP) as image:
        scale = (megapixels * 1e6 / (image.width * image.height)) ** 0.5
        size = round(image.width * scale), round(image.height * scale)
        large = np.asarray(image.convert("RGB").resize(size, Image.Resampling.BICUBIC))
    grain = np.random.default_rng(0).normal(0, 2.0, large.shape).astype(np.float32)
    pixels = np.clip(np.rint(large + grain), 0, 255).astype(np.uint8)
    native = pixels.astype(np.uint16) * np.uint16(257) if format_name == "TIFF" else None
    return Photo(pixels, native=native, subsampling=2)


def time_format(folder: Path, ending: str, megapixels: float) -> list[float]:
    """Return the seconds of decoding, editing, encoding, verifying and writing."""
    name = FORMATS[ending]
    made = make_photo(megapixels, name)
    source = folder / f"source{ending}"
    source.write_bytes(encode_photo(name, made.pixels, made).data)
    engine = make_draft(Options())
    marks = [time.process_time()]
    photo = load_photo(source)
    marks.append(time.process_time())
    pixels = fix_photo(photo, Options(), engine).pixels
    marks.append(time.process_time())
    with _timed(jpeg_blocks, "check_edited") as checks:
        encoded = encode_edited(name, pixels, photo, Saving())
    marks.append(time.process_time())
    if not encoded.is_verified:
        verify(name, encoded)
    marks.append(time.process_time())
    write_whole(folder / f"target{ending}", encoded.data, Originals())
    marks.append(time.process_time())
    decoding, editing, encoding, verifying, writing = (after - before for before, after in pairwise(marks))
    return [decoding, editing, encoding - sum(checks), verifying + sum(checks), writing]


@contextmanager
def _timed(module: Any, name: str) -> Iterator[list[float]]:
    """Collect the seconds of each call of a function of a module in the block."""
    function, seconds = getattr(module, name), []

    def call(*arguments: Any) -> Any:
        start = time.process_time()
        try:
            return function(*arguments)
        finally:
            seconds.append(time.process_time() - start)

    setattr(module, name, call)
    try:
        yield seconds
    finally:
        setattr(module, name, function)


def main() -> None:
    """Time the formats at the size that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megapixels", type=float, default=12)
    parser.add_argument("--endings", nargs="+", default=_ENDINGS, choices=FORMATS)
    arguments = parser.parse_args()
    Image.init()
    with tempfile.TemporaryDirectory() as folder:  # the models are warm afterwards
        time_format(Path(folder), ".png", 1)
    print("format   decode     edit   encode   verify    write   share of verifying   without the editing")
    for ending in arguments.endings:
        with tempfile.TemporaryDirectory() as folder:
            seconds = time_format(Path(folder), ending, arguments.megapixels)
        shares = [seconds[3] / total for total in (sum(seconds), sum(seconds) - seconds[1])]
        print(f"{ending:6}" + "".join(f"{value:8.2f}s" for value in seconds) + f"{shares[0]:20.1%} {shares[1]:21.1%}")


if __name__ == "__main__":
    main()
