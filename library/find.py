"""Finds the photos whose open eyes suit a face: taken within seconds first, then the same day, then any other.

Here only the photos are chosen, generously, by what the library knows of them. They are then read like the reference
photos that a user names, and `donor.choose` decides by their pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from donor.choose import LEAST_SIZE_RATIO, MOST_TURNED_DEGREES
from face.analysis import FaceAnalysis
from face.expression import NARROW, NEARLY_CLOSED
from face.identity import limit_of, measure_distance
from library.reading import read_moment
from library.store import Library, Sighting
from photo.files import INPUT_ENDINGS
from photo.mark import is_marked

MOMENT_S = 10.0
"""Photos taken within so many seconds show the same light, the same place and the same clothes."""
_DAY_S = 12 * 3600.0
# calibration: people. Of 580,000 pairs of strangers three were nearer than SAME_PERSON, none nearer than this: among
# hundreds of thousands of faces there are some like that. Whoever was there at that moment, or is known as the same
# person, need not be so near.
_SURELY_SAME = 0.75

MOST_PHOTOS = 6
"""So many photos are read at the most to fix one, and for each face in it …"""
_MOST_FOR_A_FACE = 3
# Of so many faces of a person the best are chosen.
_CANDIDATES = 400
# Of the photos in a folder so many before and after a name are looked at.
_NAMES_AROUND = 8


@dataclass(frozen=True, eq=False)
class Candidate:
    """A photo of the library for a face: `distance` is that of the embeddings, a lower `penalty` suits better."""

    sighting: Sighting
    distance: float
    penalty: float


def choose_photos(
    library: Library,
    analyses: Sequence[FaceAnalysis],
    path: Path,
    taken: float | None,
    persons: Mapping[int, int] | None = None,
) -> list[Path]:
    """Return the photos of the library in which people of these faces have open eyes, the most suitable first.

    At most `MOST_PHOTOS`; none for faces whose eyes are open. `path` and `taken` are those of the photo to fix,
    `persons` the people of the library that faces are known to show, by the numbers of the faces.
    """
    chosen: dict[Path, int] = {}
    for analysis in analyses:
        if not has_narrow_eyes(analysis):
            continue
        ranked = rank_candidates(library, analysis, path, taken, (persons or {}).get(analysis.face.number))
        places = (place for place in dict.fromkeys(one.sighting.path for one in ranked) if _is_untouched(place))
        for rank, place in enumerate(islice(places, _MOST_FOR_A_FACE)):
            chosen[place] = min(rank, chosen.get(place, rank))
    # The best photo of every face before the second best of any.
    return sorted(chosen, key=lambda place: chosen[place])[:MOST_PHOTOS]


def has_narrow_eyes(analysis: FaceAnalysis) -> bool:
    """Return whether an eye of the face is closed, half shut or narrow, so that others of the person may be of use."""
    return max(analysis.closedness.values()) >= NARROW


def _is_untouched(place: Path) -> bool:
    """Whether a photo is there, and no result of this program, whose eyes may be rendered."""
    try:
        return place.is_file() and not is_marked(place)
    except OSError:
        return False


def rank_candidates(
    library: Library, analysis: FaceAnalysis, path: Path, taken: float | None, person: int | None = None
) -> list[Candidate]:
    """Return the faces of the library that may lend their eyes to a face, the most suitable first.

    Where `person` is known to be shown, nobody does who is known to be somebody else.
    """
    limit = limit_of(analysis.face)
    found = library.find_nearest(analysis.embedding, _CANDIDATES, limit)
    seen = {sighting.face_id for _, sighting in found}
    if taken is not None:
        # Of a person with thousands of photos those of this moment may not be among the nearest.
        for sighting in library.find_taken_between(taken - MOMENT_S, taken + MOMENT_S):
            distance = measure_distance(analysis.embedding, sighting.face.embedding)
            if sighting.face_id not in seen and distance < limit:
                found.append((distance, sighting))
    here = path.resolve()
    refused = frozenset() if person is None else library.list_refused(person)
    candidates = [
        Candidate(sighting, distance, _measure_penalty(analysis, sighting, distance, taken))
        for distance, sighting in found
        if sighting.path != here and _is_usable(analysis, sighting)
        if person is None or (sighting.person in (None, person) and sighting.face_id not in refused)
        if distance < _SURELY_SAME or _is_sure(sighting, taken, person)
    ]
    return sorted(candidates, key=lambda candidate: (candidate.penalty, candidate.sighting.path))


def _is_sure(sighting: Sighting, taken: float | None, person: int | None) -> bool:
    """Whether more than looks says that a face of the library is of the same person."""
    if person is not None and sighting.person == person:
        return True
    return taken is not None and sighting.taken is not None and abs(taken - sighting.taken) <= MOMENT_S


def _is_usable(analysis: FaceAnalysis, sighting: Sighting) -> bool:
    """Whether the eyes there are open and large enough, and seen from about the same angle."""
    face, there = analysis.face, sighting.face
    return (
        there.closedness < NEARLY_CLOSED
        and there.eye_distance_px >= LEAST_SIZE_RATIO * face.landmarks.eye_distance_px
        and _measure_turn(analysis, sighting) <= MOST_TURNED_DEGREES
    )


def _measure_turn(analysis: FaceAnalysis, sighting: Sighting) -> float:
    """Difference of the two poses, in degrees."""
    face, there = analysis.face, sighting.face
    return max(abs(face.yaw_degrees - there.yaw_degrees), abs(face.pitch_degrees - there.pitch_degrees))


def _measure_penalty(analysis: FaceAnalysis, sighting: Sighting, distance: float, taken: float | None) -> float:
    """How badly a face suits; each part is about 1 where it begins to matter."""
    there = sighting.face
    apart = None if taken is None or sighting.taken is None else abs(taken - sighting.taken)
    time = 3.0 if apart is None or apart > _DAY_S else 1.5 if apart > MOMENT_S else 0.0
    gaze = max(there.gaze_aside - 1, there.gaze_up - 1, 0.0)
    light = abs(analysis.appearance.light_from_right - there.light)
    smile = abs(analysis.face.smile - there.smile)
    blur = max(0.8 - there.sharpness, 0.0) * 4
    view = _measure_turn(analysis, sighting) / 8 + 2 * there.closedness + gaze
    return time + view + light / 2 + smile / 2 + blur + distance


def find_neighbours(path: Path, taken: float | None) -> list[Path]:
    """Return the photos beside this one that were taken within `MOMENT_S` of it by the same clock, the nearest first.

    Cameras number photos as they take them: only those whose names stand next to this one's are looked at. `taken` is
    when it was taken; without it there are none.
    """
    if taken is None:
        return []
    try:
        names = sorted(place for place in path.resolve().parent.iterdir() if place.suffix.lower() in INPUT_ENDINGS)
    except OSError:
        return []
    here = path.resolve()
    if here not in names:
        return []
    middle = names.index(here)
    around = names[max(middle - _NAMES_AROUND, 0) : middle + _NAMES_AROUND + 1]
    apart = {}
    for place in around:
        moment = None if place == here else read_moment(place)
        if moment is not None and abs(moment - taken) <= MOMENT_S and _is_untouched(place):
            apart[place] = abs(moment - taken)
    return sorted(apart, key=lambda place: apart[place])
