"""A pair of photos of one person for the tests of donors: made from the open-eyed astronaut of a sample."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from benchmark.synthetic_blink import close_eyes
from donor.align import align_faces
from edit.plan import Donor
from face.analysis import FaceAnalysis
from face.search import find_faces
from face.types import Face
from photo.types import Matrix, Pixels
from tests.conftest import LoadPhoto

SHIFT_X, SHIFT_Y, LARGER, TURNED_DEGREES, DIMMED = 9.0, -6.0, 1.12, 3.0, 0.75


@dataclass(frozen=True, eq=False)
class Moments:
    """Three photos uint8 (h, w, 3) with their faces.

    `blinking`, what it is with `open` eyes, and another moment: larger, turned, moved and darker, by `matrix` (2, 3).
    """

    open: Pixels
    open_face: Face
    blinking: Pixels
    face: Face
    other: Pixels
    other_face: Face
    matrix: Matrix

    @cached_property
    def open_analysis(self) -> FaceAnalysis:
        return FaceAnalysis(self.open, self.open_face)

    @cached_property
    def analysis(self) -> FaceAnalysis:
        """The face that blinks."""
        return FaceAnalysis(self.blinking, self.face)

    @cached_property
    def other_analysis(self) -> FaceAnalysis:
        return FaceAnalysis(self.other, self.other_face)


def make_donor(target: FaceAnalysis, donor: FaceAnalysis, name: str = "other") -> Donor:
    """The donor's face laid over the target's, without asking whether it is worth having."""
    return Donor(donor, name, align_faces(target, donor))


def make_moments(sample: LoadPhoto) -> Moments:
    """Cut the astronaut out of the group picture, let her blink, and take another photo of her."""
    cut = np.ascontiguousarray(sample("image_4.jpg")[80:380, 1030:1350])
    opened = np.asarray(cv2.resize(cut, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC), np.uint8)
    open_face = find_faces(opened)[0]
    blinking = close_eyes(opened, open_face)
    height, width = opened.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), TURNED_DEGREES, LARGER)
    matrix = np.asarray(turn, np.float64) + np.array([[0, 0, SHIFT_X], [0, 0, SHIFT_Y]])
    moved = cv2.warpAffine(opened, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    other = np.asarray(np.rint(moved * DIMMED), np.uint8)
    return Moments(opened, open_face, blinking, find_faces(blinking)[0], other, find_faces(other)[0], matrix)
