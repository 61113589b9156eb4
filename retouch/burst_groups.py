"""Finds the bursts in a folder: photos that were taken one right after the other, from about the same place.

When a photo was taken is in its Exif; where that is missing, the order of the names stands for it, as cameras number
their photos. That the place is the same is seen in the pictures: they lie over each other but for what moved.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from library.find import MOMENT_S
from library.reading import read_moment, read_reduced
from photo.errors import MissingPackage, UnreadablePhoto
from photo.mark import is_marked
from retouch.burst import SmallCopy, register, shrink_for_registration

# calibration: burst-place. Of a frame at least this share is seen in the next one; more where no clock says that they
# were taken within seconds.
_LEAST_SHARED, _LEAST_SHARED_UNTIMED = 0.4, 0.7
# calibration: burst-place. Nobody zooms further within a burst.
_MOST_ZOOM = 1.8
# Within so many seconds nobody gets to another place: there the picture may be all people who move.
_SAME_PLACE_S = 2.0
# What two frames share is counted in a picture with this longest side.
_COUNTED_SIDE_PX = 512


@dataclass(frozen=True, eq=False)
class _Frame:
    """A photo of a folder; `taken` in seconds is None where it does not tell, `copy` shows it small."""

    path: Path
    taken: float | None
    copy: SmallCopy


def find_bursts(
    paths: Sequence[Path], on_photo: Callable[[int], None], log: Callable[[str], None]
) -> list[tuple[Path, ...]]:
    """Return the bursts among photos, each of two frames or more in the order in which they were taken.

    Frames of a burst lie in one folder. Results of this program belong to none. `on_photo` is told how many were looked
    at; of what cannot be read `log` is told.
    """
    folders: dict[Path, list[Path]] = {}
    for path in paths:
        folders.setdefault(path.parent, []).append(path)
    found: list[list[Path]] = []
    count = itertools.count(1)
    for inside in folders.values():
        moments: dict[Path, float | None] = {}
        for path in inside:
            if is_marked(path):
                on_photo(next(count))
            else:
                moments[path] = read_moment(path)
        # Those without a time follow in the order of their names: IMG_9 before IMG_10.
        order = sorted(moments, key=lambda path: (moments[path] is None, moments[path] or 0.0, _split_name(path)))
        last: _Frame | None = None
        for path in order:
            frame = _read_frame(path, moments[path], log)
            on_photo(next(count))
            if frame is None:
                continue
            if last is None or not _belong_together(last, frame):
                found.append([])
            found[-1].append(path)
            last = frame
    return [tuple(frames) for frames in found if len(frames) > 1]


def _split_name(path: Path) -> list[tuple[int, str]]:
    """The parts of a name by which it is sorted, numbers by their value."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", path.name.casefold())]


def _read_frame(path: Path, taken: float | None, log: Callable[[str], None]) -> _Frame | None:
    """A photo of the folder; None where it cannot be read."""
    try:
        pixels, _ = read_reduced(path)
    except (UnreadablePhoto, MissingPackage) as error:
        log(f"warning: {error} It is left out.")
        return None
    return _Frame(path, taken, shrink_for_registration(pixels))


def _belong_together(one: _Frame, other: _Frame) -> bool:
    """Whether two frames, the second taken after the first, are of one burst."""
    if (one.taken is None) != (other.taken is None):
        return False
    if one.taken is not None and other.taken is not None:
        apart = other.taken - one.taken
        if apart > MOMENT_S or apart <= _SAME_PLACE_S:
            return apart <= _SAME_PLACE_S
    least = _LEAST_SHARED_UNTIMED if one.taken is None else _LEAST_SHARED
    return measure_shared(one.copy, other.copy) >= least


def measure_shared(one: SmallCopy, other: SmallCopy) -> float:
    """Return which share of the smaller of two pictures is seen in both, 0 … 1; 0 where they show different places."""
    matrix = register(one, other)
    if matrix is None:
        return 0.0
    (height, width), (rows, columns) = (np.array(copy.gray.shape) / copy.scale for copy in (one, other))
    corners = np.array([[[0, 0], [width, 0], [width, height], [0, height]]], np.float64)
    moved = cv2.perspectiveTransform(corners, matrix)[0].astype(np.float32)
    area = cv2.contourArea(moved)
    zoom = np.sqrt(area / (width * height))
    if not cv2.isContourConvex(moved) or not 1 / _MOST_ZOOM <= zoom <= _MOST_ZOOM:
        return 0.0
    # Counted in a small picture: OpenCV's intersection of polygons is wrong where their sides coincide.
    scale = _COUNTED_SIDE_PX / max(rows, columns)
    counted = np.zeros((round(rows * scale), round(columns * scale)), np.uint8)
    # The middles of pixels are counted, not their rims.
    cv2.fillConvexPoly(counted, np.rint((moved * scale - 0.5) * 16).astype(np.int32), (1,), shift=4)
    shared = np.count_nonzero(counted) / scale**2
    return float(min(shared / min(area, columns * rows), 1.0))
