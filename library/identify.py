"""Tells whom of the people of a library a face shows, where that is sure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from donor.people import CLEAR_LEAD
from face.analysis import FaceAnalysis
from face.expression import is_infant
from face.identity import SAME_PERSON, Embedding
from library.store import Library

# So many of the nearest faces are asked, and of each person the mean distance of so many counts.
_ASKED, _MEAN_OF = 400, 3
# calibration: people. A face is surely of somebody whose nearest faces are nearer than this on average.
_SURE = 0.72


def identify_faces(library: Library, analyses: Sequence[FaceAnalysis]) -> dict[int, int]:
    """Return the number of the person by that of the face, for the faces that are surely of somebody, each of another.

    Infants are nobody: they look alike to the network.
    """
    ranked = []
    for analysis in analyses:
        found = None if is_infant(analysis.face) else identify(library, analysis.embedding)
        if found is not None:
            ranked.append((*found, analysis.face.number))
    persons: dict[int, int] = {}
    for _, person, number in sorted(ranked):
        if person not in persons.values():
            persons[number] = person
    return persons


def identify(library: Library, embedding: Embedding) -> tuple[float, int] | None:
    """Return the distance and the number of the person that a face surely shows; None where that is not sure."""
    distances: dict[int, list[float]] = {}
    for distance, sighting in library.find_nearest(embedding, _ASKED, SAME_PERSON):
        if sighting.person is not None:
            distances.setdefault(sighting.person, []).append(distance)
    ranked = sorted((float(np.mean(near[:_MEAN_OF])), person) for person, near in distances.items())
    if not ranked or ranked[0][0] >= _SURE:
        return None
    if len(ranked) > 1 and ranked[1][0] < ranked[0][0] + CLEAR_LEAD:
        return None
    return ranked[0]
