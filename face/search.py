"""Find every face of a photo, with its landmarks, expression and pose.

`face.detector` says where faces may be. MediaPipe's FaceLandmarker (`face.landmarker`) looks at each box twice, the
second time at an upright crop that the face fills; where it sees no face, or not the same one twice, there is none.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from enum import Enum, auto
from functools import cache

import cv2
import numpy as np

from face.detector import (
    COARSE_SIDES,
    FINE_SIDES,
    SMALLEST_FACE_PX,
    Candidate,
    Corners,
    Pyramid,
    find_boxes,
    find_cut_boxes,
    has_boxes,
    overlap_ratio,
    plan_levels,
    share_inside,
)
from face.landmarker import BORDERS, Crop, LandmarkReading, borders_in, crop_of, read_crop, shift_ratio
from face.types import Face, Landmarks
from photo.geometry import scale_down, shift_matrix, turn_matrix, wrap_degrees
from photo.measure import lift_dark
from photo.types import Box, Matrix, Pixels, Points, Progress

# Finer levels are not searched once they can only add faces smaller than this share of the largest one found:
# bystanders, too small to be edited.
_BYSTANDER_RATIO = 0.4
# A box with this share of its area on a face already seen shows a part of that face.
_PART_OF_FACE = 0.5
# As the photo stands, on its left side, on its right side, upside down; for photos that lost their EXIF tag.
_QUARTER_TURNS = (0, 1, 3, 2)
# Heads tilted by more than the SSD was trained on; tried only where nobody was seen.
_TILTS_DEGREES = (-40.0, 40.0)
# So many faces are asked which way is up; the first that is sure decides.
_WITNESSES = 3
# Two looks whose rolls differ by more than this many degrees disagree about which way is up.
_ON_ITS_HEAD = 150.0
# calibration: crop-size. Sides of the first crops in proportion to the box of the SSD. The narrow one keeps the
# neighbours out; some faces are only seen with more around them.
_BOX_TO_CROP = (1.25, 1.9)
# calibration: crop-size. Half a face is seen in one crop and not in the next: these sides, moved inward by these shares
# of the box.
_CUT_BOX_TO_CROP = (1.25, 1.4, 1.6)
_CUT_INWARD = (0.0, 0.15, 0.30)
# The crop for a second opinion is so many times larger.
_SECOND_CROP = 1.15
# calibration: crop-agreement. The two looks at one face may differ by this much of the eye distance; on things that are
# no face they differ more.
_SAME_LOOK_RATIO = 0.15
_SAME_FACE_RATIO = 0.5
# calibration: muzzle. From the tip of the nose to the lip, in widths of the face: people have 0.14 … 0.24, even seen
# from below or with a mask on; less is a muzzle (a dog's: 0.11).
_MUZZLE_RATIO = 0.125
# calibration: crop-agreement. The landmarks must lie about where the SSD saw the face: by 0.40 of both at least, if
# half of it is cut off, and more; on a nose and a mouth taken for a small face they share 0.34.
_LEAST_AGREEMENT = 0.36


def find_faces(pixels: Pixels, on_progress: Progress | None = None) -> tuple[Face, ...]:
    """Find the faces of an upright photo, numbered in reading order; none is a result, not an error.

    `pixels` uint8 (H, W, 3) RGB. `on_progress` is told how far this search is, 0 … 1. When no face stands
    upright, the photo is also tried lying on either side and upside down.
    Raises MissingModel, MissingPackage.
    """
    tell = on_progress or (lambda _text, _done: None)
    tell("looking for faces", 0.0)
    frame, turns, readings = _search_coarsely(pixels)
    if not readings:
        readings = _search_harder(pixels)
    tell("looking for faces", 0.5)
    readings = _search_edges(frame, readings)
    readings = _search(frame, _choose_fine_level(frame.pixels, readings), readings)
    tell("looking for faces", 1.0)
    readings = [_turn_back(reading, turns, frame.pixels.shape) for reading in readings if not _is_animal(reading)]
    return tuple(
        replace(_to_face(reading, pixels), number=n) for n, reading in enumerate(_in_reading_order(readings), 1)
    )


def remeasure(pixels: Pixels, face: Face, *, as_it_stands: bool = False) -> Face | None:
    """Measure one known face again on changed pixels; None when no face is seen there any more.

    `pixels` uint8 (H, W, 3) RGB of the size in which `face` was found. Number, box and confidence stay. `as_it_stands`
    does not turn a tilted head upright and shows a little more around it: a second opinion.
    Raises MissingModel, MissingPackage.
    """
    points = face.landmarks.points
    crop = crop_of(points)
    if as_it_stands:
        crop = replace(crop, roll=0.0, side=_SECOND_CROP * crop.side)
    seen = (read_crop(pixels, crop, face.confidence, border) for border in borders_in(pixels, crop))
    reading = next((reading for reading in seen if reading is not None), None)
    if reading is None or shift_ratio(reading.points, points) > _SAME_FACE_RATIO:
        return None
    return replace(_to_face(reading, pixels), number=face.number, box=face.box)


def remeasure_mirrored(pixels: Pixels, face: Face) -> Face | None:
    """Measure one known face in its mirrored surroundings, where its right eye is a left one; None when none is seen.

    `pixels` uint8 (H, W, 3) RGB. The landmarks are those of the mirrored surroundings, of use for what does not depend
    on the place. Raises MissingModel, MissingPackage.
    """
    crop = crop_of(face.landmarks.points)
    part = crop.box.grown(1).clipped(pixels.shape[1], pixels.shape[0])
    if part is None:
        return None
    mirrored = np.ascontiguousarray(pixels[part.slices][:, ::-1])
    (x, y), roll = crop.center, crop.roll
    there = replace(crop, center=(part.right - x, y - part.top), roll=-roll)
    seen = (read_crop(mirrored, there, face.confidence, border) for border in borders_in(mirrored, there))
    reading = next((reading for reading in seen if reading is not None), None)
    return None if reading is None else _to_face(reading, mirrored)


class _Upright(Enum):
    """Whether faces stand upright, by looks at them from their sides."""

    YES = auto()
    NO = auto()
    UNSURE = auto()


# ---- boxes ----------------------------------------------------------------------------------------------


def _search_coarsely(pixels: Pixels) -> tuple[Pyramid, int, list[LandmarkReading]]:
    """The photo turned so that its faces stand upright, by how many quarter turns, and the faces seen so far."""
    first = Pyramid(np.ascontiguousarray(pixels))
    search_harder = cache(lambda: _search_harder(pixels))
    best: tuple[Pyramid, int, list[LandmarkReading]] = (first, 0, [])
    for turns in _QUARTER_TURNS:
        if turns and not has_boxes(pixels, turns):
            continue
        frame = Pyramid(np.ascontiguousarray(np.rot90(pixels, turns))) if turns else first
        readings = _search(frame, plan_levels(frame.pixels, COARSE_SIDES), [])
        if not readings and turns == 0:
            readings = _examine(frame.pixels, find_boxes(frame, COARSE_SIDES[0], wide_border=True), [])
        if readings and len(readings) >= len(best[2]):
            upright = _judge_upright(frame.pixels, readings)
            if upright is _Upright.UNSURE and turns:
                # A face that the dark hides is sometimes seen only where the photo stands on its head, and wrongly.
                hidden = search_harder()
                if _outdo(readings, hidden, _judge_upright(pixels, hidden)):
                    return first, 0, hidden
            if _outdo(best[2], readings, upright):
                return frame, turns, readings
        best = (frame, turns, readings) if len(readings) > len(best[2]) else best
    return best


def _outdo(readings: list[LandmarkReading], others: list[LandmarkReading], upright: _Upright) -> bool:
    """Whether the `others`, which stand `upright` in their frame or not, are to be believed rather than the looks."""
    top, other_top = (max((reading.confidence for reading in some), default=0.0) for some in (readings, others))
    return upright is _Upright.YES or (upright is _Upright.UNSURE and other_top > top)


def _search_harder(pixels: Pixels) -> list[LandmarkReading]:
    """The faces of a photo in which none stands out: in the dark, or on heads that are tilted far to one side."""
    height, width = pixels.shape[:2]
    scale = min(COARSE_SIDES[1] / max(height, width), 1.0)
    small = lift_dark(scale_down(pixels, scale))
    to_small = np.diag([small.shape[1] / width, small.shape[0] / height, 1.0])
    side = math.ceil(math.hypot(*small.shape[:2]))
    readings: list[LandmarkReading] = []
    for tilt in (0.0, *_TILTS_DEGREES):
        # Turned like this, a head with this tilt stands upright.
        to_middle = shift_matrix(-small.shape[1] / 2, -small.shape[0] / 2)
        turn = shift_matrix(side / 2, side / 2) @ turn_matrix(tilt) @ to_middle
        level = cv2.warpAffine(small, turn[:2], (side, side), borderMode=cv2.BORDER_REPLICATE)
        view = Pyramid(level.astype(np.uint8, copy=False))
        back = np.linalg.inv(turn @ to_small)
        for level_side in plan_levels(small, COARSE_SIDES):
            found = find_boxes(view, level_side)
            readings = _examine(pixels, [_place(candidate, back) for candidate in found], readings, tilt)
    return readings


def _place(candidate: Candidate, to_photo: Matrix) -> Candidate:
    """The upright box in the photo with the centre and the size of one found in a turned level."""
    left, top, right, bottom = candidate.corners
    x, y, _ = to_photo @ ((left + right) / 2, (top + bottom) / 2, 1.0)
    reach = 0.5 * max(right - left, bottom - top) * math.sqrt(abs(np.linalg.det(to_photo[:2, :2])))
    return replace(candidate, corners=(x - reach, y - reach, x + reach, y + reach))


def _judge_upright(pixels: Pixels, readings: list[LandmarkReading]) -> _Upright:
    """Whether landmarks were laid on faces that stand upright in this frame, or on their heads.

    From its side, the landmarker tells the top of a face from its bottom; from below it sometimes does not.
    """
    witnesses = sorted(readings, key=lambda item: -item.confidence)[:_WITNESSES]
    wrong = 0
    for reading in witnesses:
        crop = crop_of(reading.points)
        contradicts = False
        for angle in (90.0, -90.0):
            other = read_crop(pixels, replace(crop, roll=crop.roll + angle), reading.confidence)
            if other is None:
                continue
            if shift_ratio(other.points, reading.points) <= _SAME_LOOK_RATIO:
                return _Upright.YES
            contradicts |= abs(wrap_degrees(other.pose[2] - reading.pose[2])) > _ON_ITS_HEAD
        wrong += contradicts
    return _Upright.NO if 2 * wrong > len(witnesses) else _Upright.UNSURE


def _is_animal(reading: LandmarkReading) -> bool:
    return Landmarks(reading.points).muzzle_ratio < _MUZZLE_RATIO


def _search(photo: Pyramid, sides: Sequence[int], readings: list[LandmarkReading]) -> list[LandmarkReading]:
    """The looks given and those at faces that the levels of these sides show, from coarse to fine."""
    with ThreadPoolExecutor(1) as pool:
        # While the faces of one level are looked at, the next level is searched.
        for candidates in pool.map(lambda side: find_boxes(photo, side), sides):
            readings = _examine(photo.pixels, candidates, readings)
    return readings


def _search_edges(photo: Pyramid, readings: list[LandmarkReading]) -> list[LandmarkReading]:
    """The looks given and those at faces that the left or the right edge cuts through."""
    for candidate in find_cut_boxes(photo):
        left, top, right, bottom = candidate.corners
        inward = right - left if left < 0 else left - right
        aims = [(left + share * inward, top, right + share * inward, bottom) for share in _CUT_INWARD]
        cut = [replace(candidate, corners=aim) for aim in aims]
        readings = _examine(photo.pixels, cut, readings, crops=_CUT_BOX_TO_CROP)
    return readings


def _choose_fine_level(pixels: Pixels, readings: list[LandmarkReading]) -> list[int]:
    """The coarsest level that shows all but bystanders, if any; the levels before it would show nothing more."""
    longest = max(pixels.shape[:2])
    enough_px = _BYSTANDER_RATIO * max((_extent(reading.points) for reading in readings), default=0.0)
    chosen: list[int] = []
    for side in (COARSE_SIDES[-1], *plan_levels(pixels, FINE_SIDES)):
        chosen = [side] if side > COARSE_SIDES[-1] else []
        if SMALLEST_FACE_PX * longest / side <= enough_px:
            break
    return chosen


def _examine(
    pixels: Pixels,
    candidates: list[Candidate],
    readings: list[LandmarkReading],
    tilt: float = 0.0,
    crops: Sequence[float] = _BOX_TO_CROP,
) -> list[LandmarkReading]:
    """Look, with the head tilted by so many degrees, at the boxes that are not part of a face already seen."""
    for candidate in candidates:
        if any(share_inside(candidate.corners, _bounds(reading.points)) > _PART_OF_FACE for reading in readings):
            continue
        reading = _confirm(pixels, candidate, tilt, crops)
        if reading is not None:
            readings = _merge(readings, reading)
    return readings


# ---- landmarks ------------------------------------------------------------------------------------------


def _confirm(pixels: Pixels, candidate: Candidate, tilt: float, crops: Sequence[float]) -> LandmarkReading | None:
    """Landmarks in a box of the SSD, measured again in an upright crop that the face fills; None if implausible.

    `crops` are the sides of the first crops to try, in proportion to the box. Both looks see the same beyond the edge:
    half a face is seen somewhat wider beside one than beside the other.
    """
    left, top, right, bottom = candidate.corners
    center = (left + right) / 2, (top + bottom) / 2
    for border, ratio in itertools.product(BORDERS, crops):
        crop = Crop(center, ratio * max(right - left, bottom - top), tilt)
        if border not in borders_in(pixels, crop):
            continue
        reading = read_crop(pixels, crop, candidate.confidence, border)
        if reading is None or overlap_ratio(_bounds(reading.points), candidate.corners) < _LEAST_AGREEMENT:
            continue
        again = read_crop(pixels, crop_of(reading.points), candidate.confidence, border)
        if again is not None and shift_ratio(again.points, reading.points) <= _SAME_LOOK_RATIO:
            return again
    return None


def _bounds(points: Points) -> Corners:
    (x0, y0), (x1, y1) = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    return float(x0), float(y0), float(x1), float(y1)


def _extent(points: Points) -> float:
    return float((points[:, :2].max(axis=0) - points[:, :2].min(axis=0)).max())


def _merge(readings: list[LandmarkReading], new: LandmarkReading) -> list[LandmarkReading]:
    """Add a look, unless its face is already there; of two looks at one face the surer box wins."""
    for i, old in enumerate(readings):
        if min(shift_ratio(new.points, old.points), shift_ratio(old.points, new.points)) < _SAME_FACE_RATIO:
            better = new if new.confidence > old.confidence else old
            return [*readings[:i], better, *readings[i + 1 :]]
    return [*readings, new]


# ---- order and conversion -------------------------------------------------------------------------------


def _turn_back(reading: LandmarkReading, quarter_turns: int, turned_shape: tuple[int, ...]) -> LandmarkReading:
    """A look at a photo turned counter-clockwise by quarter turns, in pixels of the photo as it is."""
    points = reading.points.copy()
    height, width = turned_shape[:2]
    for _ in range(quarter_turns):
        points[:, 0], points[:, 1] = height - points[:, 1], points[:, 0].copy()
        height, width = width, height
    yaw, pitch, roll = reading.pose
    return replace(reading, points=points, pose=(yaw, pitch, wrap_degrees(roll + 90.0 * quarter_turns)))


def _in_reading_order(readings: list[LandmarkReading]) -> list[LandmarkReading]:
    """Rows from top to bottom, each from left to right; faces whose heights overlap by half share a row."""
    rows: list[list[LandmarkReading]] = []
    for reading in sorted(readings, key=lambda item: float(item.points[:, 1].mean())):
        y = float(reading.points[:, 1].mean())
        last = rows[-1] if rows else []
        if last and y - np.mean([item.points[:, 1].mean() for item in last]) < 0.6 * _extent(last[0].points):
            last.append(reading)
        else:
            rows.append([reading])
    return [reading for row in rows for reading in sorted(row, key=lambda item: float(item.points[:, 0].mean()))]


def _to_face(reading: LandmarkReading, pixels: Pixels) -> Face:
    height, width = pixels.shape[:2]
    x0, y0, x1, y1 = _bounds(reading.points)
    bounds = Box(math.floor(x0), math.floor(y0), math.ceil(x1) + 1, math.ceil(y1) + 1).clipped(width, height)
    yaw, pitch, roll = reading.pose
    box = bounds or Box(0, 0, width, height)
    return Face(0, box, reading.confidence, Landmarks(reading.points), reading.blendshapes, yaw, pitch, roll)
