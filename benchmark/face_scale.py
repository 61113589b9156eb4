"""How the time for one face grows with its size: the same close-up, 400 … 6400 px from ear to ear.

    python -m benchmark.face_scale [--sizes PX ...] [--profile COUNT] [--beside FOLDER] [--limit SECONDS]

What costs more than its pixels shows as a growth above 1; the longest step is what may pass before Cancel takes effect.
Each size is measured in a process of its own, with the models loaded beforehand; seconds are those of the processor, of
all threads together. `--beside` measures another checkout's modules, too, and prints its figures under the own ones;
`--limit` is where a measurement is given up.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import os
import pstats
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

import cv2
import numpy as np
from numpy.typing import NDArray

HERE = Path(__file__).resolve().parent.parent
# Which checkout's modules a measuring process takes.
_MODULES = "FACE_SCALE_MODULES"
sys.path.insert(0, os.environ.get(_MODULES, str(HERE)))

from edit.options import Options  # noqa: E402
from face.search import find_faces  # noqa: E402
from photo.files import load_photo  # noqa: E402
from photo.types import Photo  # noqa: E402
from retouch.engines import make_draft  # noqa: E402
from retouch.pipeline import fix_photo  # noqa: E402

SIZES_PX = (400, 800, 1600, 3200, 6400)
PORTRAIT = HERE / "tests" / "photos" / "thompson_blink.jpg"
# So much of the face's width and height is left around it.
_AROUND = 0.22
# A photo that is enlarged has none of its own any more.
_GRAIN_SIGMA = 3.0

Row = dict[str, Any]


class StepTimer:
    """A callback for progress that keeps the most seconds of CPU between two calls: cancelled work ends at one."""

    def __init__(self) -> None:
        self.longest, self._last = 0.0, time.process_time()

    def __call__(self, _text: str, _fraction: float) -> None:
        """Note a step."""
        now = time.process_time()
        self.longest, self._last = max(self.longest, now - self._last), now


def make_close_up(width_px: int) -> NDArray[np.uint8]:
    """A head that fills the photo, its face `width_px` wide, the eyes closed, the mouth glum: uint8 (h, w, 3)."""
    pixels = load_photo(PORTRAIT).pixels
    (face,) = find_faces(pixels)
    around = face.box.padded(_AROUND).clipped(pixels.shape[1], pixels.shape[0])
    assert around is not None, "a face lies in its photo"
    scale = width_px / face.box.width
    size = round(around.width * scale), round(around.height * scale)
    way = cv2.INTER_LANCZOS4 if scale > 1 else cv2.INTER_AREA
    large = np.asarray(cv2.resize(pixels[around.slices], size, interpolation=way), np.uint8)
    grain = np.zeros(large.shape, np.int16)
    cv2.setRNGSeed(1)
    cv2.randn(grain, np.zeros(3), np.full(3, _GRAIN_SIGMA))
    return cv2.add(large, grain, dtype=cv2.CV_8U).astype(np.uint8, copy=False)


def measure_size(width_px: int, functions: int) -> Row:
    """Fix the close-up of one size, in this process: seconds of CPU by step and in all, and its peak memory in MB."""
    # The models load once per process; that is no face's time.
    fix_photo(Photo(make_close_up(SIZES_PX[0])), Options(), make_draft(Options()))
    photo = Photo(make_close_up(width_px))
    profile, steps = cProfile.Profile(), StepTimer()
    # The report's clock then tells what the processor spent, on both threads.
    with patch("time.perf_counter", time.process_time):
        started = time.process_time()
        if functions:
            result = profile.runcall(fix_photo, photo, Options(), make_draft(Options()), steps)
        else:
            result = fix_photo(photo, Options(), make_draft(Options()), steps)
        seconds = {**result.report.seconds, "all": time.process_time() - started}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024**2 if sys.platform == "darwin" else 1024)
    row: Row = {"width_px": width_px, "megapixels": photo.width * photo.height / 1e6, "peak_mb": peak}
    row["seconds"], row["longest_step"] = seconds, steps.longest
    row["tries"] = max((change.tries for change in result.report.changes), default=0)
    row["kept"] = sum(change.kept for change in result.report.changes)
    if functions:
        row["functions"] = _list_functions(profile, functions)
    return row


def _list_functions(profile: cProfile.Profile, count: int) -> list[str]:
    """The functions that cost the most of their own, a line for each."""
    stats: Any = pstats.Stats(profile)
    entries = sorted(stats.stats.items(), key=lambda entry: -entry[1][2])[:count]
    return [
        f"{own:8.2f} s  {calls:6d} ×  {Path(file).name}:{line} {name}"
        for (file, line, name), (_, calls, own, _, _) in entries
    ]


def measure_apart(modules: Path, width_px: int, functions: int, limit_s: float) -> Row | None:
    """`measure_size` with the modules of a checkout in a process of its own; None where it takes too long."""
    command = [sys.executable, str(Path(__file__).resolve()), "--apart", str(width_px), "--profile", str(functions)]
    environment = {**os.environ, _MODULES: str(modules)}
    try:
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, timeout=limit_s, check=True)
    except subprocess.TimeoutExpired:
        return None
    row: Row = json.loads(done.stdout)
    return row


def describe_row(name: str, row: Row, before: Row | None) -> str:
    """Return a line on one size, with the growth of its seconds over that of its pixels since the size `before`."""
    steps = ", ".join(f"{step} {seconds:.2f}" for step, seconds in row["seconds"].items() if step != "all")
    line = (
        f"{name} {row['width_px']:5d} px, {row['megapixels']:5.1f} MP: "
        f"{row['seconds']['all']:6.2f} s of CPU ({steps}), "
        f"longest step {row['longest_step']:.2f} s, {row['peak_mb']:.0f} MB, "
        f"{row['tries']} tries, {row['kept']} edits kept"
    )
    if before is not None:
        growth = row["seconds"]["all"] / before["seconds"]["all"] / (row["megapixels"] / before["megapixels"])
        line += f"; growth {growth:.2f} of the pixels'"
    return "\n".join([line, *(f"    {function}" for function in row.get("functions", ()))])


def main() -> int:
    """Print a line for every size, and below it that of the other checkout."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES_PX, metavar="PX")
    parser.add_argument("--profile", type=int, default=0, metavar="COUNT", help="name so many functions of each size")
    parser.add_argument("--beside", type=Path, metavar="FOLDER", help="another checkout to measure, too")
    parser.add_argument("--limit", type=float, default=600.0, metavar="SECONDS")
    parser.add_argument("--apart", type=int, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.apart is not None:
        print(json.dumps(measure_size(chosen.apart, chosen.profile)))
        return 0
    checkouts = {"this": HERE} if chosen.beside is None else {"this": HERE, "that": chosen.beside.resolve()}
    before: dict[str, Row] = {}
    for width_px in chosen.sizes:
        for name, folder in checkouts.items():
            row = measure_apart(folder, width_px, chosen.profile, chosen.limit)
            if row is None:
                print(f"{name} {width_px:5d} px: given up after {chosen.limit:.0f} s", flush=True)
                continue
            print(describe_row(name, row, before.get(name)), flush=True)
            before[name] = row
    return 0


if __name__ == "__main__":
    sys.exit(main())
