"""Two checkouts side by side, in one run: python -m benchmark.beside OLD_CHECKOUT [--rounds N]

Prints the median and the range of CPU seconds and peak memory for a photo of 12 megapixels with five faces, of the CPU
seconds that a moved slider of the page takes to its picture, and of the wall seconds of `--help`; rounds alternate, so
that both meet the same machine. Each run is a process of its own, with the models warm where it says so. Memory is read
from /proc, so this needs Linux.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).parents[1]
SIZE_PX = (4240, 2830)  # 12 megapixels

# In process: twice, of which the second counts, with the models warm.
_DRAFT = """
import json, sys, time
from pathlib import Path
{imports}
photo = load_photo(Path(sys.argv[1]))
for _ in range(2):
    start = time.process_time()
    result = fix_photo(photo, Options(), DraftEngine())
    seconds = time.process_time() - start
# Linux also counts what the parent had when it forked into ru_maxrss, but not into this.
peak = int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024
print(json.dumps([seconds, peak, len(result.plan.edits)]))
"""
_SLIDER = """
import json, sys, time
from dataclasses import replace
from pathlib import Path
{imports}
opened = open_photo(Path(sys.argv[1]))
opened.find_faces(Options())
number = opened.selected
seconds = []
for opening in (0.5, 0.45, 0.55, 0.5, 0.6):
    opened.choices[number] = replace(opened.choice(number, Options()), eye_opening=opening)
    start = time.process_time()
    preview_face(opened, number, Options())
    seconds.append(time.process_time() - start)
print(json.dumps([sorted(seconds[1:])[2], 0, 0]))
"""
_FLAT = {
    "draft": "from draft_engine import DraftEngine\nfrom fix import fix_photo\nfrom options import Options\n"
    "from photo_io import load_photo",
    "slider": "from options import Options\nfrom ui_session import open_photo, preview_face",
}
_ROOMS = {
    "draft": "from edit.options import Options\nfrom photo.files import load_photo\n"
    "import retouch.engines\nfrom retouch.pipeline import fix_photo\n"
    # Older checkouts have no refining network.
    "make_draft = getattr(retouch.engines, 'make_draft', lambda _: retouch.engines.DraftEngine())\n"
    "DraftEngine = lambda: make_draft(Options())",
    "slider": "from edit.options import Options\nfrom page.session import open_photo, preview_face",
}


def main() -> int:
    """Measure both and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    roots = {"old": options.old.resolve(), "new": ROOT}
    with tempfile.TemporaryDirectory() as folder:
        photo = Path(folder) / "group.jpg"
        make_group(photo)
        rows: dict[str, dict[str, list[float]]] = {}
        for _ in range(options.rounds):
            for name, root in roots.items():
                for what, value in measure(root, photo).items():
                    rows.setdefault(what, {}).setdefault(name, []).append(value)
    print(f"{'':34}{'old':>24}{'new':>24}{'new / old':>12}")
    for what, values in rows.items():
        medians = {name: statistics.median(some) for name, some in values.items()}
        cells = [f"{medians[name]:.2f} ({min(values[name]):.2f} … {max(values[name]):.2f})" for name in roots]
        print(f"{what:34}{cells[0]:>24}{cells[1]:>24}{medians['new'] / max(medians['old'], 1e-9):12.2f}")
    return 0


def make_group(path: Path) -> None:
    """The group picture of the samples, five people, enlarged to 12 megapixels, with the grain of a camera."""
    group = cv2.imread(str(ROOT / "data" / "inputs" / "image_4.jpg"))
    large = cv2.resize(group, SIZE_PX, interpolation=cv2.INTER_CUBIC).astype(np.float32)
    large += np.random.default_rng(0).normal(0, 2.0, large.shape).astype(np.float32)
    cv2.imwrite(str(path), np.clip(np.rint(large), 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 92])


def measure(root: Path, photo: Path) -> dict[str, float]:
    """The figures of one checkout, by what they are."""
    imports = _ROOMS if (root / "retouch").is_dir() else _FLAT
    draft = _run(root, _DRAFT.format(imports=imports["draft"]), [str(photo)])
    slider = _run(root, _SLIDER.format(imports=imports["slider"]), [str(photo)])
    return {
        "12 MP, five faces: CPU s": draft[0],
        "12 MP, five faces: peak MB": draft[1],
        "slider to picture: CPU s": slider[0],
        "--help: wall s": min(_time_help(root) for _ in range(3)),
    }


def _run(root: Path, script: str, arguments: Sequence[str]) -> list[float]:
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OPENCV_THREAD_POOL_ACTIVE_WAIT_MAIN": "0",
                   "OPENCV_THREAD_POOL_ACTIVE_WAIT_WORKER": "0"}  # fmt: skip
    command = [sys.executable, "-c", script, *arguments]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=True)
    return [float(value) for value in json.loads(done.stdout.splitlines()[-1])]


def _time_help(root: Path) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "main.py", "--help"], cwd=root, capture_output=True, check=True)
    return time.perf_counter() - start


if __name__ == "__main__":
    sys.exit(main())
