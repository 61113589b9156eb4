"""What the eyes of a person are like in all their photos of the library: the medians, which no single photo moves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from donor.people import KnownEyes
from library.store import Library
from photo.types import FloatArray

# calibration: known-eyes. So many photos have to show a measure, and half of them differ from their median by no more:
# of an iris in parts of the skin's brightness, of a height in parts of the mean open eye's.
_LEAST_PHOTOS, _MOST_IRIS_SPREAD, _MOST_HEIGHT_SPREAD = 4, 0.10, 0.15


def learn_eyes(library: Library, person: int) -> KnownEyes | None:
    """Return what is known of the eyes of a person, by their number; None where that is nothing sure."""
    sightings = library.read_person(person)
    irises = [sighting.face.iris for sighting in sightings if sighting.face.iris is not None]
    heights = [sighting.face.lid_height for sighting in sightings if sighting.face.lid_height is not None]
    iris = find_median(irises, _MOST_IRIS_SPREAD)
    height = find_median([[value] for value in heights], _MOST_HEIGHT_SPREAD)
    if iris is None and height is None:
        return None
    name = next((found.name for found in library.list_people() if found.number == person), None)
    photos = len({sighting.path for sighting in sightings})
    return KnownEyes(name or f"person {person}", photos, iris, None if height is None else float(height[0]))


def find_median(measures: Sequence[Sequence[float]], most_spread: float) -> FloatArray | None:
    """Return the median of measures (n, m), float32 (m,); None where they are too few, or differ too much."""
    if len(measures) < _LEAST_PHOTOS:
        return None
    values = np.asarray(measures, np.float32)
    median = np.median(values, axis=0)
    spread = np.median(np.abs(values - median).max(axis=1))
    return np.asarray(median, np.float32) if spread <= most_spread else None
