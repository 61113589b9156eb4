"""Whether the program still makes the same bytes: python -m benchmark.golden --save FILE, then --compare FILE.

Runs the command line over every sample photo, over one photo whose eyes come from a reference photo, over a burst
with its contact sheet, and over any folders named. What counts is the decoded pixels of every picture written (result,
masks, draft, sheet), and the report as JSON without times and paths. Each gets a SHA-256, so that two commits can be
compared on one machine; other processors round otherwise, so the sums are not kept in the repository.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "data" / "inputs"
ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp")
# Of the group picture: the astronaut with open eyes.
OPEN_EYED = slice(80, 380), slice(1030, 1350)
# What a report says differently each time, or in another folder.
NOT_COMPARED = {"seconds", "input", "output", "reason_code"}


def main() -> int:
    """Save or compare the sums; exit code 1 where any differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path, help="more photos, each run with --masks_dir")
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout to run (default: this one)")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--save", type=Path, metavar="FILE")
    what.add_argument("--compare", type=Path, metavar="FILE")
    options = parser.parse_args()
    sums = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, value in measure(options.root.resolve(), Path(folder), options.folders):
            sums[name] = value
            print(f"{value[:12]}  {name}", flush=True)
    if options.save is not None:
        options.save.write_text(json.dumps(sums, indent=1) + "\n", encoding="utf-8")
        return 0
    known = json.loads(options.compare.read_text(encoding="utf-8"))
    differing = sorted(name for name in {*sums, *known} if sums.get(name) != known.get(name))
    print("\n".join(["", *(f"differs: {name}" for name in differing)] if differing else ["", "all the same"]))
    return 1 if differing else 0


def measure(root: Path, scratch: Path, folders: Sequence[Path]) -> Iterator[tuple[str, str]]:
    """Names and sums of all that the program in `root` writes."""
    photos = [*_list_photos(SAMPLES), *(photo for folder in folders for photo in _list_photos(folder))]
    for photo in photos:
        yield from _run(root, scratch / "single", f"{photo.parent.name}/{photo.name}", ["--input_path", str(photo)])
    other = scratch / "open_eyed.png"
    cv2.imwrite(str(other), _take_other_photo())
    closed = str(SAMPLES / "image_3.jpg")
    asked = ["--input_path", closed, "--reference_path", str(other)]
    yield from _run(root, scratch / "donor", "donor", asked)
    burst = scratch / "frames"
    burst.mkdir()
    (burst / "1.jpg").write_bytes(Path(closed).read_bytes())
    (burst / "2.png").write_bytes(other.read_bytes())
    sheet = str(scratch / "burst" / "sheet.png")
    yield from _run(root, scratch / "burst", "burst", ["--burst", str(burst), "--contact_sheet", sheet], masks=False)
    yield from _run(root, scratch / "analysis", "analysis", ["--input_path", closed, "--analyze"], masks=False)


def _list_photos(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in ENDINGS)


def _take_other_photo() -> NDArray[np.uint8]:
    """The open-eyed astronaut out of the group picture, larger, a little turned and darker, BGR."""
    group = cv2.imread(str(SAMPLES / "image_4.jpg"))
    opened = cv2.resize(group[OPEN_EYED], None, fx=1.6, fy=1.6, interpolation=cv2.INTER_CUBIC)
    height, width = opened.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), 2.0, 1.05)
    moved = cv2.warpAffine(opened, turn, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(np.rint(moved * 0.85), np.uint8)


def _run(
    root: Path, folder: Path, name: str, arguments: Sequence[str], *, masks: bool = True
) -> Iterator[tuple[str, str]]:
    """Run the command line once into an emptied `folder`; the sum of each file that it writes."""
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    written = ["--output_path", str(folder / "result.png"), "--report", str(folder / "report.json")]
    written += ["--masks_dir", str(folder)] if masks else []
    # The mark names the version; an older checkout knows no mark.
    unmarked = ["--no-mark"] if (root / "photo" / "mark.py").exists() else []
    command = [sys.executable, "main.py", *arguments, *written, "--engine", "draft", "--quiet", *unmarked]
    # Nobody's photo library changes the sums; an older checkout has no flag for that.
    own_data = {"XDG_DATA_HOME": str(folder.parent / "data"), "LOCALAPPDATA": str(folder.parent / "data")}
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, env={**os.environ, **own_data})
    if done.returncode:
        yield f"{name}: exit code", f"{done.returncode} {done.stderr.strip()}"
    for path in sorted(folder.iterdir()):
        yield f"{name}: {path.name}", _sum_up(path)


def _sum_up(path: Path) -> str:
    if path.suffix == ".json":
        report = _strip(json.loads(path.read_text(encoding="utf-8")))
        return hashlib.sha256(json.dumps(report, sort_keys=True).encode()).hexdigest()
    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    return hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).hexdigest()


def _strip(value: object) -> object:
    """The JSON value without what may differ."""
    if isinstance(value, dict):
        return {key: _strip(inner) for key, inner in value.items() if key not in NOT_COMPARED}
    return [_strip(inner) for inner in value] if isinstance(value, list) else value


if __name__ == "__main__":
    sys.exit(main())
