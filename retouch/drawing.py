"""Pictures for people: a photo with numbered faces and masks, and the contact sheet of a burst."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from edit.plan import EditPlan
from face.types import Face
from photo.types import Box, Pixels, Region
from retouch.burst import BurstPhoto, BurstResult

# ---- the annotated photo -------------------------------------------------------------------------------

# The annotated picture: enlarged until it is this long and its faces this wide, so that numbers can be read …
_MIN_LONG_SIDE_PX = 1000
_MIN_FACE_WIDTH_PX = 56
# … but never beyond this, and never made smaller.
_MAX_LONG_SIDE_PX = 4000
_MIN_LABEL_HEIGHT_PX = 20
_LABEL_TO_FACE = 0.35  # height of a number in face heights
_LABEL_TO_PHOTO = 1 / 28  # and at most this much of the photo's long side
# Orange and blue differ for colour-blind eyes too.
_EDIT_COLOR = (255, 150, 20)
_KEEP_COLOR = (110, 190, 255)
_INK = (0, 0, 0)


def draw_analysis(pixels: Pixels, faces: Sequence[Face], plan: EditPlan) -> Pixels:
    """Return the photo with a numbered box around each face and the outline of every mask, uint8 (h, w, 3) RGB.

    `pixels` uint8 (H, W, 3) is not written to. A small photo, or one with small faces, is enlarged so that the numbers
    can be read. The boxes of faces that the plan edits are orange, the others blue.
    """
    long_side = max(pixels.shape[:2])
    narrowest = min((face.box.width for face in faces), default=_MIN_FACE_WIDTH_PX)
    wanted_scale = max(_MIN_LONG_SIDE_PX / long_side, _MIN_FACE_WIDTH_PX / narrowest)
    scale = max(1.0, min(wanted_scale, _MAX_LONG_SIDE_PX / long_side))
    picture = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC) if scale > 1 else pixels
    picture = np.ascontiguousarray(picture, dtype=np.uint8).copy()
    line = max(1, round(max(picture.shape[:2]) / 900))

    edited = {edit.face.number for edit in plan.edits}
    boxes = {face.number: face.box.scaled(scale) for face in faces}
    for edit in plan.edits:
        _draw_outline(picture, edit.region, scale, line)
    for face in faces:
        box = boxes[face.number]
        for color, width in ((_INK, line + 2), (_EDIT_COLOR if face.number in edited else _KEEP_COLOR, line)):
            cv2.rectangle(picture, (box.left, box.top), (box.right - 1, box.bottom - 1), color, width, cv2.LINE_AA)
    # The labels come last and avoid the boxes and each other, so that none hides a face of a crowd.
    taken = list(boxes.values())
    for face in faces:
        label = _place_label(picture, boxes[face.number], str(face.number), taken)
        taken.append(label)
        _draw_label(picture, label, str(face.number), _EDIT_COLOR if face.number in edited else _KEEP_COLOR)
    return picture


def _draw_outline(picture: Pixels, region: Region, scale: float, line: int) -> None:
    """Draw the contour at which the alpha of a region is a half."""
    inside = np.pad((region.alpha > 0.5).astype(np.uint8), 1)
    contours, _ = cv2.findContours(inside, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    corner = np.array([region.box.left - 1, region.box.top - 1], np.float32)
    scaled = [np.round((contour + corner) * scale).astype(np.int32) for contour in contours]
    cv2.polylines(picture, scaled, True, _EDIT_COLOR, line, cv2.LINE_AA)


def _place_label(picture: Pixels, box: Box, text: str, taken: Sequence[Box]) -> Box:
    """The box of a number beside a face: above it, below, or at a side, where it is free; above if it is nowhere."""
    rows, columns = picture.shape[:2]
    height = round(min(box.height * _LABEL_TO_FACE, max(rows, columns) * _LABEL_TO_PHOTO))
    height = max(height, _MIN_LABEL_HEIGHT_PX)
    width = round(height * (0.35 + 0.6 * len(text)))
    gap = max(1, height // 8)
    corners = [
        (box.left, box.top - gap - height),
        (box.left, box.bottom + gap),
        (box.left - gap - width, box.top),
        (box.right + gap, box.top),
        (box.right - width, box.top - gap - height),
        (box.right - width, box.bottom + gap),
    ]
    places = [Box(left, top, left + width, top + height) for left, top in corners]
    for place in places:
        if place == place.clipped(columns, rows) and all(place.overlap_ratio(other) == 0 for other in taken):
            return place
    left = min(max(places[0].left, 0), max(columns - width, 0))
    top = min(max(places[0].top, 0), max(rows - height, 0))
    return Box(left, top, left + width, top + height)


def _draw_label(picture: Pixels, label: Box, text: str, color: tuple[int, int, int]) -> None:
    """Fill the box `label` with `color`, and write `text` into it."""
    corners = (label.left, label.top), (label.right - 1, label.bottom - 1)
    cv2.rectangle(picture, *corners, color, cv2.FILLED)
    cv2.rectangle(picture, *corners, _INK, max(1, label.height // 16), cv2.LINE_AA)
    # The font's capital is 22 px high at scale 1; it takes 60 % of the label.
    font_scale = label.height * 0.6 / 22
    stroke = max(1, round(label.height / 14))
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_DUPLEX, font_scale, stroke)
    start = round(label.left + (label.width - width) / 2), round(label.bottom - (label.height - height) / 2)
    cv2.putText(picture, text, start, cv2.FONT_HERSHEY_DUPLEX, font_scale, _INK, stroke, cv2.LINE_AA)


# ---- the contact sheet ---------------------------------------------------------------------------------

# In pixels: a cell, the gap between cells, the line of names above them, and the column of numbers beside them.
_WIDTH, _HEIGHT, _GAP, _HEADER, _MARGIN = 150, 180, 10, 34, 36
# The part of the cell that the face's outline fills.
_FILLED = 0.72
_PAPER, _SHEET_INK, _EMPTY = (250, 250, 248), (40, 40, 40), (225, 225, 222)
_TAKEN, _KEPT = (235, 120, 0), (60, 140, 215)
_BORDER_PX = 6


def draw_contact_sheet(result: BurstResult, photos: Sequence[BurstPhoto]) -> Pixels:
    """Return the contact sheet of a best source, uint8 (h, w, 3) RGB: a row for each face, a column for each photo.

    The photo from which a whole face was taken has an orange border in its row, one that gave only eyes or smile a thin
    orange border, and the face that was kept a blue one; the last column shows the result.
    """
    rows, columns = len(result.sources), len(photos) + 1
    width = _MARGIN + columns * (_WIDTH + _GAP) + _GAP
    sheet = np.full((_HEADER + rows * (_HEIGHT + _GAP) + _GAP, width, 3), _PAPER, np.uint8)
    names = [*(photo.reference.name for photo in photos), "result"]
    for column, name in enumerate(names):
        _write(sheet, name, _left(column), _HEADER - 12, _KEPT if column == result.base else _SHEET_INK)
    for row, source in enumerate(result.sources):
        top = _HEADER + row * (_HEIGHT + _GAP)
        _write(sheet, str(source.face.number), 8, top + _HEIGHT // 2, _SHEET_INK)
        for column, sighting in enumerate(source.sightings):
            crop = photos[column].crops[sighting] if sighting is not None else None
            cell = (
                np.full((_HEIGHT, _WIDTH, 3), _EMPTY, np.uint8) if crop is None else _cut_cell(crop.pixels, crop.face)
            )
            _paste(sheet, cell, column, top)
            if column == source.photo:
                _draw_border(sheet, column, top, _TAKEN, _BORDER_PX)
            elif column == source.parts_from:
                _draw_border(sheet, column, top, _TAKEN, _BORDER_PX // 2)
            elif column == result.base and source.photo is None:
                _draw_border(sheet, column, top, _KEPT, _BORDER_PX)
        _paste(sheet, _cut_cell(result.pixels, source.face), len(photos), top)
    return sheet


def widen_sheet(sheet: Pixels, width: int) -> Pixels:
    """Return a contact sheet uint8 (h, w, 3) with paper at its right side, up to `width`."""
    wide = np.full((sheet.shape[0], width, 3), _PAPER, np.uint8)
    wide[:, : sheet.shape[1]] = sheet
    return wide


def _left(column: int) -> int:
    """The left edge of a column of cells."""
    return _MARGIN + column * (_WIDTH + _GAP) + _GAP


def _cut_cell(pixels: Pixels, face: Face) -> Pixels:
    """A cell uint8 (_HEIGHT, _WIDTH, 3) with the face in its middle."""
    outline = face.landmarks.oval[:, :2]
    low, high = outline.min(axis=0), outline.max(axis=0)
    middle, size = (low + high) / 2, high - low
    scale = _FILLED * min(_WIDTH / size[0], _HEIGHT / size[1])
    # Drawn finer and averaged down, as large faces would be aliased otherwise.
    finer = int(np.clip(np.ceil(1 / scale), 1, 16))
    fine = scale * finer
    matrix = np.array(
        [[fine, 0, _WIDTH * finer / 2 - fine * middle[0]], [0, fine, _HEIGHT * finer / 2 - fine * middle[1]]]
    )
    drawn = cv2.warpAffine(pixels, matrix, (_WIDTH * finer, _HEIGHT * finer), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.resize(drawn, (_WIDTH, _HEIGHT), interpolation=cv2.INTER_AREA), np.uint8)


def _paste(sheet: Pixels, cell: Pixels, column: int, top: int) -> None:
    sheet[top : top + _HEIGHT, _left(column) : _left(column) + _WIDTH] = cell


def _draw_border(sheet: Pixels, column: int, top: int, color: tuple[int, int, int], width: int) -> None:
    corners = (_left(column), top), (_left(column) + _WIDTH - 1, top + _HEIGHT - 1)
    cv2.rectangle(sheet, *corners, color, width)


def _write(sheet: Pixels, text: str, left: int, bottom: int, color: tuple[int, int, int]) -> None:
    """Write one line, only its end if it is too long; characters that the font lacks become question marks."""
    plain = text.encode("ascii", "replace").decode()
    while len(plain) > 4 and cv2.getTextSize(plain, cv2.FONT_HERSHEY_SIMPLEX, 0.45, 1)[0][0] > _WIDTH:
        plain = f"..{plain[3:]}"
    cv2.putText(sheet, plain, (left, bottom), cv2.FONT_HERSHEY_SIMPLEX, 0.45, color, 1, cv2.LINE_AA)
