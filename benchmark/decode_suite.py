"""Read a folder of strange and damaged photos: python -m benchmark.decode_suite FOLDER [--list]

For the test pictures of image libraries, which are not shipped. Each file is read; counted are those that are read,
those refused with a sentence, those that raise anything else (a fault of this program), and those whose 8-bit colours
differ by more than 2 levels from what Pillow shows of the same file, which somebody must look at (`--list` names all).
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from photo.errors import FixError
from photo.files import load_photo
from photo.types import Pixels

_TOLERANCE = 2


def read_one(path: Path) -> tuple[str, str]:
    """Return how reading a file went, and more on it: "read", "refused", "differs" or "fault"."""
    try:
        photo = load_photo(path)
    except FixError as error:
        return "refused", str(error)
    except Exception as error:  # that is what is looked for
        return "fault", repr(error)
    shown = _show_by_pillow(path)
    if shown is None or shown.shape != photo.pixels.shape:
        return ("read", "") if shown is None else ("differs", f"{shown.shape} and {photo.pixels.shape}")
    largest = int(np.abs(shown.astype(int) - photo.pixels).max())
    return ("differs", f"by {largest}") if largest > _TOLERANCE else ("read", photo.warning or "")


def _show_by_pillow(path: Path) -> Pixels | None:
    """The picture as Pillow alone shows it; None where it cannot, or where samples have 16 bits, which it rounds."""
    try:
        with warnings.catch_warnings(), Image.open(path) as image:
            warnings.simplefilter("ignore")
            if image.mode.startswith("I;16"):
                return None
            upright = ImageOps.exif_transpose(image)
            mode = "RGBA" if upright.has_transparency_data else "RGB"
            return np.asarray(upright.convert(mode))[..., :3]
    except Exception:  # Pillow has no common class for what damaged files raise
        return None


def main() -> None:
    """Read the files of the folder that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--list", action="store_true", help="name every file that was refused, too")
    arguments = parser.parse_args()
    counts: Counter[str] = Counter()
    for path in sorted(file for file in arguments.folder.rglob("*") if file.is_file()):
        result, more = read_one(path)
        counts[result] += 1
        if result in ("fault", "differs") or arguments.list:
            print(f"{result:8} {path.relative_to(arguments.folder)}: {more}")
    print(", ".join(f"{count} {result}" for result, count in counts.most_common()))
    sys.exit(1 if counts["fault"] else 0)


if __name__ == "__main__":
    main()
