"""Matches people between photos: which face of another photo shows the same person?

The recognition network (`face.identity`) decides: every face of the photo is matched with at most one face of each
reference, and only if the two are clearly of one person. A burst taken from one spot shows everybody in the same
places, so where the network is unsure, the position decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edit.options import Options
from face.analysis import FaceAnalysis
from face.identity import SAME_PERSON, Embedding, measure_distance
from face.search import find_faces
from face.types import Face
from photo.types import Box, FloatArray, Photo, Pixels

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
    """One face of a reference photo, cut out with its surroundings; `in_photo` is the face in the whole photo."""

    analysis: FaceAnalysis
    in_photo: Face

    @property
    def face(self) -> Face:
        """The face in the coordinates of the crop."""
        return self.analysis.face

    @property
    def pixels(self) -> Pixels:
        """The face with its surroundings, uint8 (h, w, 3) RGB."""
        return self.analysis.pixels

    @property
    def embedding(self) -> Embedding:
        return self.analysis.embedding


@dataclass(frozen=True, eq=False)
class ReferencePhoto:
    """The faces of another photo, its size (rows, columns), and its name in reports.

    `among` is what reports call it together with the other references.
    """

    crops: tuple[FaceCrop, ...]
    size: tuple[int, int]
    name: str
    path: Path | None = None
    among: str = "the reference photos"


@dataclass(frozen=True, eq=False)
class KnownEyes:
    """What the eyes of one person are like in many photos, so that they can be rendered true.

    `who` names the person, `photos` counts the photos. `iris` float32 (3,) is the RGB of the irises on a scale from
    black, 0, to the skin around the eyes, 1, `lid_height` the height of the open eyes beside the mean ones; None where
    that is not known.
    """

    who: str
    photos: int
    iris: FloatArray | None = None
    lid_height: float | None = None


@dataclass(frozen=True, eq=False)
class OtherPhotos:
    """What other photos give for one: their faces, and by the number of a face what is known of the person's eyes."""

    references: Sequence[ReferencePhoto] = ()
    known_eyes: Mapping[int, KnownEyes] = field(default_factory=dict)


def read_reference(photo: Photo, analyses: Sequence[FaceAnalysis] | None = None) -> ReferencePhoto:
    """Return the faces of a photo that may serve as donors; it does not refer to the photo's pixels.

    `analyses` are those of its faces; without them they are searched for. Raises MissingModel, MissingPackage.
    """
    if analyses is None:
        analyses = [FaceAnalysis(photo.pixels, face) for face in find_faces(photo.pixels)]
    crops = tuple(map(_cut_crop, analyses))
    name = photo.path.name if photo.path else "the reference photo"
    return ReferencePhoto(crops, (photo.height, photo.width), name, photo.path)


def _cut_crop(analysis: FaceAnalysis) -> FaceCrop:
    """A copy of a face with its surroundings, so that the photo itself can be freed."""
    pixels, face = analysis.pixels, analysis.face
    box = Box.around(face.landmarks.points).padded(_SURROUNDINGS).clipped(pixels.shape[1], pixels.shape[0])
    if box is None:
        box = Box(0, 0, pixels.shape[1], pixels.shape[0])
    return FaceCrop(analysis.cut_out(box), face)


def choose_crops(reference: ReferencePhoto, options: Options) -> list[FaceCrop]:
    """Return the faces that may serve as donors: all, or the one that `options.reference.face` names."""
    number = options.reference.face
    return [crop for crop in reference.crops if number is None or crop.face.number == number]


def match_people(analyses: Sequence[FaceAnalysis], crops: Sequence[FaceCrop], *, is_burst: bool) -> dict[int, FaceCrop]:
    """Return the crop of the same person by the number of the face; no crop is used twice.

    `is_burst`: both photos may have been taken from one spot. The closest pair is matched first. A pair with a rival
    almost as close is matched only if the positions single it out.
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
    """A face and a crop that may show one person; `in_place` if they also lie in the same place of their photos."""

    distance: float
    face: Face
    crop: FaceCrop
    in_place: bool


def _is_in_place(face: Face, other: Face) -> bool:
    """Whether two faces in photos of one size have about the same size and position."""
    scale = face.landmarks.eye_distance_px / max(other.landmarks.eye_distance_px, 1e-6)
    moved = np.linalg.norm((face.landmarks.points - other.landmarks.points)[:, :2].mean(axis=0))
    return 1 / _SAME_SIZE < scale < _SAME_SIZE and float(moved) < _SAME_PLACE * face.landmarks.eye_distance_px
