"""Made-up faces for the tests, with what is measured, planned and borrowed of them: of any size, anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from edit.plan import Alignment, Donor, Edit
from face.analysis import FaceAnalysis
from face.types import LANDMARK_COUNT, Face, Feature, Landmarks
from photo.types import Box, Pixels, Region

# Outer corners of the eyes, corners of the mouth, the right ones first, and the chin: in eye distances from the nose.
_PLACES = {33: (-1 / 2, -1 / 3), 263: (1 / 2, -1 / 3), 61: (-1 / 4, 1 / 3), 291: (1 / 4, 1 / 3), 152: (0, 5 / 6)}
_SPREAD = 1 / 60
_BOX = Box(10, 20, 110, 140)


def upright_landmarks(center: tuple[float, float] = (50.0, 60.0), eye_distance_px: float = 60.0) -> Landmarks:
    """Eyes and mouth where they belong around `center`, everything else near it; both eyes measure as shut."""
    points = np.random.default_rng(0).normal(0, _SPREAD, (LANDMARK_COUNT, 3))
    for index, place in _PLACES.items():
        points[index] = (*place, 0)
    return Landmarks((points * eye_distance_px + (*center, 0)).astype(np.float32))


def make_face(
    number: int = 1,
    box: Box = _BOX,
    *,
    smile: float = 0.1,
    yaw_degrees: float = 0.0,
    blendshapes: Mapping[str, float] | None = None,
) -> Face:
    """An upright face in the middle of its box: the left eye is shut, and the lids of the right one are, too."""
    shapes = {"mouthSmileLeft": smile, "mouthSmileRight": smile, "eyeBlinkLeft": 0.9, "eyeBlinkRight": 0.1}
    shapes |= dict.fromkeys(("mouthUpperUpLeft", "mouthUpperUpRight", "mouthPucker", "mouthShrugUpper"), 0.0)
    landmarks = upright_landmarks(box.center, 0.6 * box.width)
    return Face(number, box, 0.99, landmarks, {**shapes, **(blendshapes or {})}, yaw_degrees, 0.0, 0.0)


def move_face(
    face: Face, x: float, y: float, eye_distance_px: float, degrees: float | None = None, *, number: int | None = None
) -> Face:
    """The same face, found or made up, with its middle at (x, y) and of another size.

    `degrees` is the slope of the line through its eyes then, clockwise; None leaves it.
    """
    points = face.landmarks.points.astype(np.float64)
    points -= points.mean(axis=0)
    points *= eye_distance_px / face.landmarks.eye_distance_px
    if degrees is not None:
        right, left = (eye.outer_corner[:2].astype(np.float64) for eye in face.landmarks.eyes)
        across, down = left - right
        angle = np.radians(degrees) - np.arctan2(down, across)
        points[:, :2] @= np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    points[:, :2] += x, y
    moved = Landmarks(points.astype(np.float32))
    return replace(face, number=number or face.number, box=Box.around(moved.points), landmarks=moved)


def make_analysis(face: Face | None = None, pixels: Pixels | None = None) -> FaceAnalysis:
    """A face in a photo; in a grey one that it just fits into unless another is given."""
    face = face or make_face()
    if pixels is None:
        pixels = np.full((face.box.bottom + 20, face.box.right + 20, 3), 128, np.uint8)
    return FaceAnalysis(pixels, face)


def make_edit(
    analysis: FaceAnalysis | None = None, feature: Feature = Feature.MOUTH, region: Region | None = None, **fields: Any
) -> Edit:
    """An edit of half an amount, rendered unless `fields` say otherwise, in all of the face but its rim."""
    analysis = analysis or make_analysis()
    if region is None:
        face = analysis.face.box
        box = Box(face.left + 2, face.top + 2, face.right - 2, face.bottom - 2)
        region = Region(box, np.ones((box.height, box.width), np.float32))
    return Edit(analysis, feature, region, **{"measured": 0.04, "threshold": 0.2, "amount": 0.5, **fields})


def make_donor(analysis: FaceAnalysis | None = None, name: str = "another photo", **fields: Any) -> Donor:
    """A face to take eyes and mouth from, whose photo lies over the target's pixel by pixel."""
    analysis = analysis or make_analysis()
    alignments = {feature: Alignment(np.eye(2, 3), 1.0) for feature in Feature}
    return Donor(analysis, name, alignments, **{"measured": {"distance": 0.5}, **fields})
