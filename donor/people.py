"""Who is who in other photos: which face there is which person here.

People are told apart by the recognition network (`face.identity`): every face of the photo is paired with at most one
face of each reference, and only with one that is of the same person beyond doubt. A burst from one spot shows everybody
in the same places, so where the network hesitates, the place decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edit.options import Options
from face.analysis import FaceAnalysis
from face.identity import SAME_PERSON, Embedding, measure_distance
from face.search import find_faces
from face.types import Face
from photo.types import Box, Photo, Pixels

# calibration: identity. Difference of two distances of descriptions.
CLEAR_LEAD = 0.15
"""Two faces of one photo that lie closer together than this, as seen from a third, cannot be told apart by looks."""

# calibration: same-place. In a burst from one spot a person stays within so many eye distances, and keeps the size
# within this factor.
_SAME_PLACE = 1.5
_SAME_SIZE = 1.25
# What is kept around a face, in its own widths and heights.
_SURROUNDINGS = 0.5


@dataclass(frozen=True, eq=False)
class FaceCrop:
    """One face of a reference photo: in its surroundings alone, which are kept, and `in_photo` where it is there."""

    analysis: FaceAnalysis
    in_photo: Face

    @property
    def face(self) -> Face:
        """The face in the surroundings that are kept."""
        return self.analysis.face

    @property
    def pixels(self) -> Pixels:
        """What is kept of the photo, uint8 (h, w, 3)."""
        return self.analysis.pixels

    @property
    def embedding(self) -> Embedding:
        return self.analysis.embedding


@dataclass(frozen=True, eq=False)
class ReferencePhoto:
    """Another photo as far as it is needed: its faces, its size (rows, columns), and what the user calls it.

    `among` is what it and its like are called in reports.
    """

    crops: tuple[FaceCrop, ...]
    size: tuple[int, int]
    name: str
    path: Path | None = None
    among: str = "the reference photos"


def read_reference(photo: Photo) -> ReferencePhoto:
    """Find the faces of a photo that may give their eyes to others. Raises MissingModel, MissingPackage."""
    crops = tuple(_cut_crop(photo.pixels, face) for face in find_faces(photo.pixels))
    name = photo.path.name if photo.path else "the reference photo"
    return ReferencePhoto(crops, (photo.height, photo.width), name, photo.path)


def _cut_crop(pixels: Pixels, face: Face) -> FaceCrop:
    """A copy of the surroundings of a face, so that the photo itself can be forgotten."""
    box = Box.around(face.landmarks.points).padded(_SURROUNDINGS).clipped(pixels.shape[1], pixels.shape[0])
    if box is None:
        box = Box(0, 0, pixels.shape[1], pixels.shape[0])
    return FaceCrop(FaceAnalysis(pixels, face).cut_out(box), face)


def choose_crops(reference: ReferencePhoto, options: Options) -> list[FaceCrop]:
    """The faces that may give anything: all, or the one of `options.reference.face`."""
    number = options.reference.face
    return [crop for crop in reference.crops if number is None or crop.face.number == number]


def match_people(analyses: Sequence[FaceAnalysis], crops: Sequence[FaceCrop], *, is_burst: bool) -> dict[int, FaceCrop]:
    """For the numbers of faces the crop of the same person; nobody is used twice.

    `is_burst` if both photos may be from one spot. The closest pair is taken first. A pair that another one rivals is
    taken only if the places say so.
    """
    pairs = []
    for analysis in analyses:
        for crop in crops:
            distance = measure_distance(analysis.embedding, crop.embedding)
            if distance < SAME_PERSON:
                pairs.append(
                    _Pair(distance, analysis.face, crop, is_burst and _is_in_place(analysis.face, crop.in_photo))
                )
    pairs.sort(key=lambda pair: pair.distance)
    result: dict[int, FaceCrop] = {}
    for pair in pairs:
        rivals = [
            other
            for other in pairs
            if (other.face is pair.face) != (other.crop is pair.crop) and other.distance < pair.distance + CLEAR_LEAD
        ]
        is_clear = not rivals or (pair.in_place and not any(other.in_place for other in rivals))
        if is_clear and pair.face.number not in result and pair.crop not in result.values():
            result[pair.face.number] = pair.crop
    return result


@dataclass(frozen=True, eq=False)
class _Pair:
    """A face and a head that may be of one person; `in_place` if they are also in the same place of their photos."""

    distance: float
    face: Face
    crop: FaceCrop
    in_place: bool


def _is_in_place(face: Face, other: Face) -> bool:
    """Whether two faces of photos of one size are about as large and about where the other is."""
    scale = face.landmarks.eye_distance_px / max(other.landmarks.eye_distance_px, 1e-6)
    moved = np.linalg.norm((face.landmarks.points - other.landmarks.points)[:, :2].mean(axis=0))
    return 1 / _SAME_SIZE < scale < _SAME_SIZE and float(moved) < _SAME_PLACE * face.landmarks.eye_distance_px
