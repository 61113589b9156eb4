"""How far the pixels of a photo walk through the code: python -m benchmark.way PHOTO [--beside OLD_CHECKOUT]

Runs `fix_photo` once under a tracer and lists the functions that are given pixels (a photo, a canvas or an analysis),
in the order in which each is first called. Printed are how often the next one lies in another file, in another
room, a package or a file at the top, and how often that is a higher one by the table of `tests/test_layout.py`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

from tests.test_layout import BELOW

ROOT = Path(__file__).parents[1]

_TRACED = """
import json, os, sys
from pathlib import Path
import numpy as np
{imports}
ROOT = os.getcwd()
photo = load_photo(Path(sys.argv[1]))
seen = {{}}


def is_picture(value):
    return isinstance(value, np.ndarray) and value.dtype == np.uint8 and value.ndim == 3 and value.shape[2] == 3


def trace(frame, event, _argument):
    code = frame.f_code
    inside = code.co_filename.startswith(ROOT) and ".venv" not in code.co_filename
    if event != "call" or not inside or code.co_name.startswith("<"):
        return
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    values = [frame.f_locals.get(name) for name in names]
    whole = ("Canvas", "FaceAnalysis")
    if any(is_picture(v) or is_picture(getattr(v, "pixels", None)) or type(v).__name__ in whole for v in values):
        seen.setdefault((os.path.relpath(code.co_filename, ROOT), code.co_name))


sys.setprofile(trace)
fix_photo(photo, Options(), DraftEngine())
sys.setprofile(None)
print(json.dumps([file for file, _ in seen]))
"""
_IMPORTS = {
    True: "from edit.options import Options\nfrom photo.files import load_photo\n"
    "from retouch.engines import DraftEngine\nfrom retouch.pipeline import fix_photo",
    False: "from draft_engine import DraftEngine\nfrom fix import fix_photo\nfrom options import Options\n"
    "from photo_io import load_photo",
}


def main() -> int:
    """Print the counts of this checkout, and of another one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photo", type=Path)
    parser.add_argument("--beside", type=Path)
    options = parser.parse_args()
    for root in (options.beside, ROOT):
        if root is not None:
            print(f"{'old' if root is options.beside else 'new'}: {walk(root.resolve(), options.photo.resolve())}")
    return 0


def walk(root: Path, photo: Path) -> str:
    """The counts of one checkout, in words."""
    script = _TRACED.format(imports=_IMPORTS[(root / "retouch").is_dir()])
    done = subprocess.run(
        [sys.executable, "-c", script, str(photo)], cwd=root, capture_output=True, text=True, check=True
    )
    files: list[str] = json.loads(done.stdout.splitlines()[-1])
    rooms = [Path(file).parts[0] for file in files]
    moves, room_moves = (sum(a != b for a, b in pairwise(way)) for way in (files, rooms))
    words = (
        f"{len(files)} functions in {len(set(files))} files, {moves} moves between files, {room_moves} between rooms"
    )
    heights = {room: height for height, room in enumerate(BELOW)}
    if not {room.removesuffix(".py") for room in rooms} <= set(heights):
        return words  # a checkout from before there were rooms
    way = [heights[room.removesuffix(".py")] for room in rooms]
    return f"{words}, {sum(after > before for before, after in pairwise(way))} of these back up"


if __name__ == "__main__":
    sys.exit(main())
