"""The people in folders of photos, told apart by the recognition network, for tests in which each may appear once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from face.identity import SAME_PERSON, Embedding, embed_face
from face.search import find_faces
from face.types import Face
from photo.errors import BadOption
from photo.files import load_photo
from photo.formats import FORMATS
from photo.types import Pixels

SKINS = ("dark", "medium", "light")
"""The groups of people by the lightness of their skin."""
# Their limits: luma, 0 … 255.
_SKIN_LUMA = (95.0, 145.0)


@dataclass(frozen=True, eq=False)
class Sighting:
    """One face of a photo uint8 (H, W, 3) RGB."""

    path: Path
    pixels: Pixels
    face: Face
    embedding: Embedding


def list_photos(folder: Path) -> list[Path]:
    """Return the photos of a folder in the order of their names. Raises BadOption where there are none."""
    paths = [path for path in sorted(folder.glob("*")) if path.suffix.lower() in FORMATS]
    if not paths:
        raise BadOption(f"there is no photo in {folder}.")
    return paths


def sight_faces(path: Path) -> list[Sighting]:
    """Return the faces of a photo, the widest first. Raises FixError."""
    pixels = load_photo(path).pixels
    faces = sorted(find_faces(pixels), key=lambda face: -face.box.width)
    return [Sighting(path, pixels, face, embed_face(pixels, face)) for face in faces]


def name_skin(luma: float) -> str:
    """Return the one of `SKINS` that a skin of this luma, 0 … 255, belongs to."""
    return SKINS[int(np.searchsorted(_SKIN_LUMA, luma, side="right"))]


def group_people(embeddings: Sequence[Embedding]) -> NDArray[np.int64]:
    """Return a number for each of n embeddings, int64 (n,): the same for those that may be of one person.

    Whoever is like somebody who is like a third is one person with both: nobody is counted as two people.
    """
    people = np.arange(len(embeddings))
    for index, embedding in enumerate(embeddings):
        for other in range(index):
            if float(np.linalg.norm(embedding - embeddings[other])) < SAME_PERSON:
                people[people == people[index]] = people[other]
    return people
