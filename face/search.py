"""Find every face of a photo, with its landmarks, expression and pose.

Three networks have to agree. `face.yunet` proposes boxes, in one quick look, whichever way round the faces are;
`face.res10` is the second witness, and says which way up they are; MediaPipe's FaceLandmarker (`face.landmarker`) reads
each one twice, the second time in an upright crop that the face fills: where it sees no face, or not the same one
twice, there is none.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from enum import Enum, auto
from functools import partial

import numpy as np

from face.boxes import Candidate, Corners, fraction_inside, overlap_ratio, suppress
from face.landmarker import BORDERS, Crop, LandmarkReading, borders_in, crop_of, read_crop, shift_ratio
from face.pyramid import Pyramid
from face.res10 import LEAST_CONFIDENCE, find_cut_boxes, witness
from face.types import Face, Landmarks
from face.yunet import FIRST_SIDE_PX, LIKELY, plan_levels, propose
from photo.geometry import scale_down, wrap_degrees
from photo.measure import clear_up
from photo.types import Box, Pixels, Points, Progress

# Seconds between two looks whether the search was cancelled, while a level of a large photo is searched.
_PATIENCE_S = 0.25
# Two boxes of two levels that share so much of both show the same.
_SAME_BOX = 0.6
# A box with this fraction of its area on a face already found shows a part of that face.
_PART_OF_FACE = 0.5
# calibration: witness. From here on the second witness is sure of a face that stands upright; of faces on their side or
# head it never is.
_SURELY_UPRIGHT = 0.97
# calibration: witness. A box that the first network is so sure of needs no second witness.
_SURELY_FACE = 0.8
# Which way up a face may stand: degrees clockwise, the likely ones and those between them.
_QUARTER_ROLLS, _ROLLS_BETWEEN = (-90.0, 90.0, 180.0), (-45.0, 45.0, -135.0, 135.0)
# Bystanders, smaller than this ratio to the largest face found so far, are looked at only as they stand.
_BYSTANDER_RATIO = 0.6
# Of mere hints only so many are looked into, with their surroundings in this size.
_MOST_HINTS, _CLOSER_SIDE_PX = 6, 320
# A reading whose roll differs by more than this from that of its crop is of a face that stands otherwise.
_MOST_TURN_IN_CROP = 70.0
# Two readings whose rolls differ by more than this many degrees disagree about which way is up.
_ON_ITS_HEAD = 150.0
# calibration: crop-size. Sides of the first crops in proportion to the proposed box. The narrow one keeps the
# neighbours out; some faces are only seen with more around them.
_BOX_TO_CROP = (1.25, 1.9)
# calibration: crop-size. Half a face is seen in one crop and not in the next: these sides, moved inward by these ratios
# to the box.
_CUT_BOX_TO_CROP = (1.25, 1.4, 1.6)
_CUT_INWARD = (0.0, 0.15, 0.30)
# The crop for a second opinion is larger by this factor.
_SECOND_CROP = 1.15
# calibration: crop-agreement. The two readings of one face may differ by this ratio to the eye distance; on things that
# are no face they differ more.
_SAME_READING_RATIO = 0.15
# calibration: crop-agreement. Landmarks that moved more than this from one crop to the next are read once more: half of
# all move by 0.004, few by more.
_SETTLED_RATIO = 0.01
_SAME_FACE_RATIO = 0.5
# calibration: muzzle. From the tip of the nose to the lip, in widths of the face: people have 0.14 … 0.24, even seen
# from below or with a mask on; less is a muzzle (a dog's: 0.11).
_MUZZLE_RATIO = 0.125
# calibration: crop-agreement. The landmarks must lie about where the box lies: by 0.40 of both at least, if
# half of it is cut off, and more; on a nose and a mouth taken for a small face they share 0.34.
_LEAST_AGREEMENT = 0.36


def find_faces(pixels: Pixels, on_progress: Progress | None = None) -> tuple[Face, ...]:
    """Return the faces of an upright photo, numbered in reading order; maybe none.

    `pixels` uint8 (H, W, 3) RGB. `on_progress` gets the fraction done of this search, 0 … 1, before every box that is
    looked at: what it raises ends the search. Faces are found whichever way round they are, in case that the photo lost
    its EXIF tag. Raises MissingModel, MissingPackage.
    """
    report = on_progress or (lambda _text, _done: None)
    at_start, at_middle, near_end, at_end = (
        partial(report, "looking for faces", fraction) for fraction in (0.0, 0.6, 0.8, 1.0)
    )
    at_start()
    photo = Pyramid(np.ascontiguousarray(pixels))
    readings, hints, refused = _search(photo, at_start)
    at_middle()
    if not readings:
        readings = _search_harder(photo, hints, refused, at_middle)
    near_end()
    readings = _search_edges(photo, readings, near_end)
    at_end()
    readings = [reading for reading in readings if not _is_animal(reading)]
    return tuple(
        replace(_to_face(reading, pixels), number=n) for n, reading in enumerate(_in_reading_order(readings), 1)
    )


def remeasure(pixels: Pixels, face: Face, *, as_it_stands: bool = False) -> Face | None:
    """Return a known face as measured again on changed pixels; None when no face is found there any more.

    `pixels` uint8 (H, W, 3) RGB of the size in which `face` was found. Number, box and confidence stay. `as_it_stands`
    is for a second opinion: a tilted head is not turned upright, and the crop is a little larger.
    Raises MissingModel, MissingPackage.
    """
    points = face.landmarks.points
    crop = crop_of(points)
    if as_it_stands:
        crop = replace(crop, roll=0.0, side=_SECOND_CROP * crop.side)
    readings = (read_crop(pixels, crop, face.confidence, border) for border in borders_in(pixels, crop))
    reading = next((reading for reading in readings if reading is not None), None)
    if reading is None or shift_ratio(reading.points, points) > _SAME_FACE_RATIO:
        return None
    return replace(_to_face(reading, pixels), number=face.number, box=face.box)


def remeasure_mirrored(pixels: Pixels, face: Face) -> Face | None:
    """Return a known face as measured in a mirrored crop, its right eye as the left one; None when no face is found.

    `pixels` uint8 (H, W, 3) RGB. The landmarks are in pixels of the mirrored crop, so use only measures that do not
    depend on the position. Raises MissingModel, MissingPackage.
    """
    crop = crop_of(face.landmarks.points)
    part = crop.box.grown(1).clipped(pixels.shape[1], pixels.shape[0])
    if part is None:
        return None
    mirrored = np.ascontiguousarray(pixels[part.slices][:, ::-1])
    (x, y), roll = crop.center, crop.roll
    there = replace(crop, center=(part.right - x, y - part.top), roll=-roll)
    readings = (read_crop(mirrored, there, face.confidence, border) for border in borders_in(mirrored, there))
    reading = next((reading for reading in readings if reading is not None), None)
    return None if reading is None else _to_face(reading, mirrored)


class _Upright(Enum):
    """Whether faces stand upright, by readings of crops turned to either side."""

    YES = auto()
    NO = auto()
    UNSURE = auto()


# ---- boxes ----------------------------------------------------------------------------------------------


def _search(
    photo: Pyramid, on_step: Callable[[], None]
) -> tuple[list[LandmarkReading], list[Candidate], list[Candidate]]:
    """The readings of the faces of a photo; boxes that are mere hints, the likeliest first; boxes without a face."""
    readings: list[LandmarkReading] = []
    hints: list[Candidate] = []
    refused: list[Candidate] = []
    pool = ThreadPoolExecutor(1)
    try:
        # While the landmarks of one level are read, the next level is searched.
        for level in [pool.submit(propose, photo, side) for side in plan_levels(photo.longest)]:
            candidates = _wait(level, on_step)
            hints += [candidate for candidate in candidates if candidate.confidence < LIKELY]
            likely = [candidate for candidate in candidates if candidate.confidence >= LIKELY]
            readings = _examine(photo.pixels, likely, readings, refused, on_step)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # whoever cancels does not wait for the level in work
    return readings, sorted(hints, key=lambda hint: -hint.confidence)[:_MOST_HINTS], refused


def _wait(level: Future[list[Candidate]], on_step: Callable[[], None]) -> list[Candidate]:
    """The boxes of a level once it is searched; `on_step` is called now and then while it is."""
    while True:
        try:
            return level.result(timeout=_PATIENCE_S)
        except TimeoutError:
            on_step()


def _search_harder(
    photo: Pyramid, hints: Sequence[Candidate], refused: list[Candidate], on_step: Callable[[], None]
) -> list[LandmarkReading]:
    """The faces of a photo in which none were found: small, larger than the picture, turned, or in noise and dark."""
    for candidates in _propose_harder(photo, hints, on_step):
        likely = [candidate for candidate in candidates if candidate.confidence >= LIKELY]
        readings = _examine(photo.pixels, likely, [], refused, on_step)
        if readings:
            return readings
    return []


def _propose_harder(
    photo: Pyramid, hints: Sequence[Candidate], on_step: Callable[[], None]
) -> Iterator[list[Candidate]]:
    """Boxes from one look after the other, each made only if those before showed no face."""
    closer = []
    for hint in hints:
        on_step()
        closer += _look_closer(photo.pixels, hint)
    yield closer
    on_step()
    yield propose(photo, FIRST_SIDE_PX, wide_border=True)
    scale = min(FIRST_SIDE_PX / photo.longest, 1.0)
    small = scale_down(photo.pixels, scale)
    on_step()
    yield [_enlarge(box, 1 / scale) for box in _propose_turned(small)]
    on_step()
    yield [_enlarge(box, 1 / scale) for box in _propose_in_noise(small)]


def _look_closer(pixels: Pixels, hint: Candidate) -> list[Candidate]:
    """What a hint turns into when it is looked at larger or smaller, with its surroundings; maybe nothing."""
    (x, y), reach = hint.center, 2.0 * hint.side
    around = Box(round(x - reach), round(y - reach), round(x + reach), round(y + reach)).clipped(
        pixels.shape[1], pixels.shape[0]
    )
    if around is None:
        return []
    view = Pyramid(np.ascontiguousarray(pixels[around.slices]))
    return [
        replace(box, corners=_shift(box.corners, around.left, around.top)) for box in propose(view, _CLOSER_SIDE_PX)
    ]


def _propose_turned(small: Pixels) -> list[Candidate]:
    """The boxes of faces that are only seen in a photo on its side or head."""
    found: list[Candidate] = []
    for turns in (1, 3, 2):
        turned = np.ascontiguousarray(np.rot90(small, turns))
        found += [_turn_back(box, turns, turned.shape) for box in propose(Pyramid(turned), max(small.shape[:2]))]
    return suppress(found)


def _propose_in_noise(small: Pixels) -> list[Candidate]:
    """The boxes of faces in a dark or noisy photo."""
    cleared = clear_up(small)
    if cleared is small:
        return []
    view = Pyramid(cleared)
    # Noise goes with the size.
    return suppress([box for side in (view.longest, view.longest // 2) for box in propose(view, side)])


def _turn_back(candidate: Candidate, turns: int, turned_shape: tuple[int, ...]) -> Candidate:
    """A box of a photo turned counter-clockwise by quarter turns, in pixels of the photo itself."""
    left, top, right, bottom = candidate.corners
    height, width = turned_shape[:2]
    for _ in range(turns):
        left, top, right, bottom = height - bottom, left, height - top, right
        height, width = width, height
    return replace(candidate, corners=(left, top, right, bottom))


def _shift(corners: Corners, x: float, y: float) -> Corners:
    left, top, right, bottom = corners
    return left + x, top + y, right + x, bottom + y


def _enlarge(candidate: Candidate, factor: float) -> Candidate:
    left, top, right, bottom = (factor * value for value in candidate.corners)
    return replace(candidate, corners=(left, top, right, bottom))


def _search_edges(
    photo: Pyramid, readings: list[LandmarkReading], on_step: Callable[[], None]
) -> list[LandmarkReading]:
    """The given readings and those of faces that the left or the right edge cuts through."""
    for candidate in find_cut_boxes(photo):
        left, top, right, bottom = candidate.corners
        inward = right - left if left < 0 else left - right
        aims = [(left + ratio * inward, top, right + ratio * inward, bottom) for ratio in _CUT_INWARD]
        for aim in aims:
            on_step()
            cut = replace(candidate, corners=aim)
            if _is_new(cut, readings):
                reading = _read_twice(photo.pixels, cut, 0.0, _CUT_BOX_TO_CROP)
                readings = readings if reading is None else _merge(readings, reading)
    return readings


def _examine(
    pixels: Pixels,
    candidates: Sequence[Candidate],
    readings: list[LandmarkReading],
    refused: list[Candidate],
    on_step: Callable[[], None],
) -> list[LandmarkReading]:
    """The given readings and those of boxes that show no part of a face already found.

    Boxes without a face are added to `refused`; the same box is not looked at again in another level.
    """
    for candidate in candidates:
        if any(_is_same(candidate, old) for old in refused) or not _is_new(candidate, readings):
            continue
        on_step()
        largest = max((_extent(reading.points) for reading in readings), default=0.0)
        is_bystander = candidate.side < _BYSTANDER_RATIO * largest
        reading = _confirm(pixels, candidate, on_step, is_bystander=is_bystander)
        if reading is None:
            refused.append(candidate)
        else:
            readings = _merge(readings, reading)
    return readings


def _is_same(candidate: Candidate, refused: Candidate) -> bool:
    """Whether a box would be refused as the other one was, which is not so when it is a surer one."""
    surer = candidate.confidence >= _SURELY_FACE > refused.confidence
    return not surer and overlap_ratio(candidate.corners, refused.corners) >= _SAME_BOX


def _is_new(candidate: Candidate, readings: list[LandmarkReading]) -> bool:
    return all(fraction_inside(candidate.corners, _bounds(reading.points)) <= _PART_OF_FACE for reading in readings)


def _confirm(
    pixels: Pixels, candidate: Candidate, on_step: Callable[[], None], *, is_bystander: bool
) -> LandmarkReading | None:
    """The landmarks of a candidate, with the way up that the witnesses agree on; None where they see no face."""
    doubtful: LandmarkReading | None = None
    for roll, seen in _ask_witness(pixels, candidate, is_bystander=is_bystander):
        on_step()
        reading = _read_twice(pixels, replace(candidate, confidence=seen or candidate.confidence), roll, _BOX_TO_CROP)
        if reading is None or abs(wrap_degrees(reading.pose[2] - roll)) > _MOST_TURN_IN_CROP:
            continue
        upright = _Upright.YES if seen >= _SURELY_UPRIGHT else _judge_upright(pixels, reading)
        if upright is _Upright.YES:
            return reading
        if upright is _Upright.UNSURE:
            doubtful = doubtful or reading
    return doubtful


def _ask_witness(pixels: Pixels, candidate: Candidate, *, is_bystander: bool) -> Iterator[tuple[float, float]]:
    """The ways up in which a candidate may be a face, the likeliest first: degrees clockwise, and how surely so."""
    seen = {0.0: witness(pixels, candidate, 0.0)}
    asked: set[float] = set()
    for rolls in ((), *(() if is_bystander else (_QUARTER_ROLLS, _ROLLS_BETWEEN))):
        seen |= {roll: witness(pixels, candidate, roll) for roll in rolls}
        sure = sorted((roll for roll in seen if seen[roll] >= _SURELY_UPRIGHT), key=lambda roll: -seen[roll])
        for roll in sure:
            if roll not in asked:
                asked.add(roll)
                yield roll, seen[roll]
    for roll in sorted(seen, key=lambda roll: -seen[roll]):
        is_possible = seen[roll] >= LEAST_CONFIDENCE or (roll == 0 and candidate.confidence >= _SURELY_FACE)
        if is_possible and roll not in asked:
            yield roll, seen[roll]


def _judge_upright(pixels: Pixels, reading: LandmarkReading) -> _Upright:
    """Whether the face of a reading stands as it was read, or on its head, by crops turned to either side.

    The landmarker finds the top of a face turned by 90 degrees, but sometimes not of one upside down.
    """
    crop = crop_of(reading.points)
    contradicts = False
    for angle in (90.0, -90.0):
        other = read_crop(pixels, replace(crop, roll=crop.roll + angle), reading.confidence)
        if other is None:
            continue
        if shift_ratio(other.points, reading.points) <= _SAME_READING_RATIO:
            return _Upright.YES
        contradicts |= abs(wrap_degrees(other.pose[2] - reading.pose[2])) > _ON_ITS_HEAD
    return _Upright.NO if contradicts else _Upright.UNSURE


def _is_animal(reading: LandmarkReading) -> bool:
    return Landmarks(reading.points).muzzle_ratio < _MUZZLE_RATIO


# ---- landmarks ------------------------------------------------------------------------------------------


def _read_twice(pixels: Pixels, candidate: Candidate, roll: float, crops: Sequence[float]) -> LandmarkReading | None:
    """Landmarks in a box, of a head turned clockwise by `roll` degrees; None if implausible.

    They are measured again in an upright crop that the face fills.
    `crops` are the sides of the first crops to try, in proportion to the box. Both readings have the same border, as
    half a face is measured somewhat wider beside one type of border than beside the other.
    """
    for border, ratio in itertools.product(BORDERS, crops):
        crop = Crop(candidate.center, ratio * candidate.side, roll)
        if border not in borders_in(pixels, crop):
            continue
        reading = read_crop(pixels, crop, candidate.confidence, border)
        if reading is None or overlap_ratio(_bounds(reading.points), candidate.corners) < _LEAST_AGREEMENT:
            continue
        again = read_crop(pixels, crop_of(reading.points), candidate.confidence, border)
        if again is None or (shift := shift_ratio(again.points, reading.points)) > _SAME_READING_RATIO:
            continue
        settled = None
        if shift > _SETTLED_RATIO:
            settled = read_crop(pixels, crop_of(again.points), candidate.confidence, border)
        return settled or again
    return None


def _bounds(points: Points) -> Corners:
    """Left, top, right, bottom of points, in pixels."""
    (x0, y0), (x1, y1) = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    return float(x0), float(y0), float(x1), float(y1)


def _extent(points: Points) -> float:
    """The larger of the width and the height of points, in pixels."""
    return float((points[:, :2].max(axis=0) - points[:, :2].min(axis=0)).max())


def _merge(readings: list[LandmarkReading], new: LandmarkReading) -> list[LandmarkReading]:
    """Add a reading, unless its face is already there; of two readings of one face, the more confident box wins."""
    for i, old in enumerate(readings):
        if min(shift_ratio(new.points, old.points), shift_ratio(old.points, new.points)) < _SAME_FACE_RATIO:
            better = new if new.confidence > old.confidence else old
            return [*readings[:i], better, *readings[i + 1 :]]
    return [*readings, new]


# ---- order and conversion -------------------------------------------------------------------------------


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
    """The face of a reading, numbered 0; its box is that of the landmarks inside the photo."""
    height, width = pixels.shape[:2]
    x0, y0, x1, y1 = _bounds(reading.points)
    bounds = Box(math.floor(x0), math.floor(y0), math.ceil(x1) + 1, math.ceil(y1) + 1).clipped(width, height)
    yaw, pitch, roll = reading.pose
    box = bounds or Box(0, 0, width, height)
    return Face(0, box, reading.confidence, Landmarks(reading.points), reading.blendshapes, yaw, pitch, roll)
