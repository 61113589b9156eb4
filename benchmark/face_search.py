"""Finds the faces of all photos in folders; says how long it takes, and what another version found or missed.

    python -m benchmark.face_search FOLDER … [--save FILE] [--compare FILE] [--sheet OUT.png]

`--save` keeps what was found, `--compare` names faces that only one of the two versions found; run it once in each of
two work trees. Times are of the search alone, in seconds of processor time and of the clock, after a warm-up. `--sheet`
shows every face that only one version found: lost ones framed in red, new ones in green.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict

import cv2
import numpy as np

from face.boxes import fraction_inside
from face.search import find_faces
from face.types import Face
from photo.errors import FixError
from photo.files import INPUT_ENDINGS, load_photo
from photo.types import Pixels

# Two boxes of one face share at least this part of the smaller one.
_SAME_FACE = 0.4
_TILE_PX = 160
_PER_ROW = 10
_LOST, _NEW = (220, 40, 40), (40, 180, 40)

Corners = tuple[int, int, int, int]


class Found(TypedDict):
    """What was found in one photo: corners of the faces in pixels, and seconds of processor time and of the clock."""

    faces: list[Corners]
    cpu: float
    wall: float


def search(path: Path) -> tuple[Pixels, Found]:
    """Return the photo uint8 (H, W, 3) and what is found in it. Raises FixError."""
    pixels = load_photo(path).pixels
    cpu, wall = time.process_time(), time.perf_counter()
    faces = find_faces(pixels)
    taken = time.process_time() - cpu, time.perf_counter() - wall
    return pixels, Found(faces=[_corners(face) for face in faces], cpu=taken[0], wall=taken[1])


def _corners(face: Face) -> Corners:
    return face.box.left, face.box.top, face.box.right, face.box.bottom


def missing_from(some: Sequence[Corners], others: Sequence[Corners]) -> list[Corners]:
    """Return those of `some` that share too little with any of `others` to be one of their faces."""
    return [
        one
        for one in some
        if all(max(fraction_inside(one, other), fraction_inside(other, one)) < _SAME_FACE for other in others)
    ]


def _cut_tile(pixels: Pixels, corners: Corners, color: tuple[int, int, int]) -> Pixels:
    """The face with as much around it, in a frame."""
    left, top, right, bottom = corners
    reach = max(right - left, bottom - top)
    x, y = (left + right) // 2, (top + bottom) // 2
    padded = cv2.copyMakeBorder(pixels, reach, reach, reach, reach, cv2.BORDER_CONSTANT, value=(128, 128, 128))
    part = padded[max(y, 0) : y + 2 * reach, max(x, 0) : x + 2 * reach]
    tile = cv2.resize(part, (_TILE_PX, _TILE_PX), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.rectangle(tile, (0, 0), (_TILE_PX - 1, _TILE_PX - 1), color, 5), np.uint8)


def _lay_out(tiles: list[Pixels]) -> Pixels:
    blank = np.full((_TILE_PX, _TILE_PX, 3), 255, np.uint8)
    tiles = tiles + [blank] * (-len(tiles) % _PER_ROW)
    rows = [np.concatenate(tiles[at : at + _PER_ROW], axis=1) for at in range(0, len(tiles), _PER_ROW)]
    return np.concatenate(rows)


def main() -> int:
    """Search all photos, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--save", type=Path, metavar="FILE")
    parser.add_argument("--compare", type=Path, metavar="FILE")
    parser.add_argument("--sheet", type=Path, metavar="OUT.png")
    chosen = parser.parse_args()
    before: dict[str, Found] = json.loads(chosen.compare.read_text()) if chosen.compare else {}
    now: dict[str, Found] = {}
    tiles: list[Pixels] = []
    find_faces(np.full((320, 320, 3), 128, np.uint8))
    for path in sorted(path for folder in chosen.folders for path in folder.rglob("*")):
        if path.suffix.lower() not in INPUT_ENDINGS:
            continue
        try:
            pixels, found = search(path)
        except FixError as error:
            print(f"{path}: {error}")
            continue
        now[str(path)] = found
        old = before.get(str(path))
        if old is None:
            continue
        lost, new = missing_from(old["faces"], found["faces"]), missing_from(found["faces"], old["faces"])
        tiles += [_cut_tile(pixels, corners, _LOST) for corners in lost]
        tiles += [_cut_tile(pixels, corners, _NEW) for corners in new]
        if lost or new:
            print(f"{path}: lost {lost}, new {new}", flush=True)
    if not now:
        print("No photo was found.")
        return 2
    for title, version in (("before", before), ("now", now)):
        shared = [version[name] for name in now if name in version]
        if shared:
            cpu, wall = ([found[kind] for found in shared] for kind in ("cpu", "wall"))
            print(
                f"{title}: {sum(len(found['faces']) for found in shared)} faces in {len(shared)} photos, "
                f"processor {np.mean(cpu):.3f} s a photo (most {max(cpu):.2f}), clock {np.mean(wall):.3f} s"
            )
    if chosen.save:
        chosen.save.write_text(json.dumps(now, indent=1))
    if chosen.sheet and tiles:
        cv2.imwrite(str(chosen.sheet), _lay_out(tiles)[..., ::-1])
    return 0


if __name__ == "__main__":
    sys.exit(main())
