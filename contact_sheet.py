"""A picture that shows who came from where: one row for each person of a burst, one column for each photo."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from burst import BurstResult, Frame
from photo_types import Face, Pixels

_WIDTH, _HEIGHT, _GAP, _HEAD = 150, 180, 10, 34
# How much of the cell the face's outline fills.
_FILLED = 0.72
_PAPER, _INK, _PALE = (250, 250, 248), (40, 40, 40), (225, 225, 222)
# Orange and blue differ for colour-blind eyes too.
_TAKEN, _KEPT = (235, 120, 0), (60, 140, 215)
_FRAME_PX = 6
_MARGIN = 36


def draw_contact_sheet(result: BurstResult, frames: Sequence[Frame]) -> Pixels:
    """Return the sheet of a best take as uint8 (h, w, 3).

    A face that came whole from another photo is framed in orange there, one that gave only eyes or smile in thin
    orange, and what was kept in blue; the last column shows the result.
    """
    rows, columns = len(result.takes), len(frames) + 1
    width = _MARGIN + columns * (_WIDTH + _GAP) + _GAP
    sheet = np.full((_HEAD + rows * (_HEIGHT + _GAP) + _GAP, width, 3), _PAPER, np.uint8)
    names = [*(frame.reference.name for frame in frames), "result"]
    for column, name in enumerate(names):
        _write(sheet, name, _left(column), _HEAD - 12, _KEPT if column == result.base else _INK)
    for row, take in enumerate(result.takes):
        top = _HEAD + row * (_HEIGHT + _GAP)
        _write(sheet, str(take.face.number), 8, top + _HEIGHT // 2, _INK)
        for column, shot in enumerate(take.shots):
            head = frames[column].heads[shot] if shot is not None else None
            cell = np.full((_HEIGHT, _WIDTH, 3), _PALE, np.uint8) if head is None else _cut(head.pixels, head.face)
            _place(sheet, cell, column, top)
            if column == take.frame:
                _frame(sheet, column, top, _TAKEN, _FRAME_PX)
            elif column == take.parts_from:
                _frame(sheet, column, top, _TAKEN, _FRAME_PX // 2)
            elif column == result.base and take.frame is None:
                _frame(sheet, column, top, _KEPT, _FRAME_PX)
        _place(sheet, _cut(result.pixels, take.face), len(frames), top)
    return sheet


def _left(column: int) -> int:
    return _MARGIN + column * (_WIDTH + _GAP) + _GAP


def _cut(pixels: Pixels, face: Face) -> Pixels:
    """The face in the middle of a cell."""
    outline = face.landmarks.oval[:, :2]
    low, high = outline.min(axis=0), outline.max(axis=0)
    middle, size = (low + high) / 2, high - low
    scale = _FILLED * min(_WIDTH / size[0], _HEIGHT / size[1])
    # Averaged down from a cell drawn finer, as large faces would flicker otherwise.
    finer = int(np.clip(np.ceil(1 / scale), 1, 16))
    fine = scale * finer
    matrix = np.array(
        [[fine, 0, _WIDTH * finer / 2 - fine * middle[0]], [0, fine, _HEIGHT * finer / 2 - fine * middle[1]]]
    )
    drawn = cv2.warpAffine(pixels, matrix, (_WIDTH * finer, _HEIGHT * finer), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.resize(drawn, (_WIDTH, _HEIGHT), interpolation=cv2.INTER_AREA), np.uint8)


def _place(sheet: Pixels, cell: Pixels, column: int, top: int) -> None:
    sheet[top : top + _HEIGHT, _left(column) : _left(column) + _WIDTH] = cell


def _frame(sheet: Pixels, column: int, top: int, color: tuple[int, int, int], width: int) -> None:
    corners = (_left(column), top), (_left(column) + _WIDTH - 1, top + _HEIGHT - 1)
    cv2.rectangle(sheet, *corners, color, width)


def _write(sheet: Pixels, text: str, left: int, bottom: int, color: tuple[int, int, int]) -> None:
    """Write a line, the end of it where all has no room; letters that the font lacks become question marks."""
    plain = text.encode("ascii", "replace").decode()
    while len(plain) > 4 and cv2.getTextSize(plain, cv2.FONT_HERSHEY_SIMPLEX, 0.45, 1)[0][0] > _WIDTH:
        plain = f"..{plain[3:]}"
    cv2.putText(sheet, plain, (left, bottom), cv2.FONT_HERSHEY_SIMPLEX, 0.45, color, 1, cv2.LINE_AA)
