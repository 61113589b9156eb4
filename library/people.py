"""Groups the faces of a library into people, without anybody saying who is who.

Two standard steps: clear faces that are very near to each other are one person (single linkage, the connected parts of
their graph); these parts are then merged by average linkage, the nearest first, as long as their faces are near enough
on average. Faces of one photo are of different people. What is blurred, small or turned away says little about who it
is: it forms no group, and joins one where it fits clearly. Infants are not told apart at all.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from donor.people import CLEAR_LEAD
from face.expression import INFANT_CHIN
from face.identity import SAME_PERSON
from library.store import FaceTable, Group, Library, Sighting
from photo.types import FloatArray

# calibration: people. Two clear faces nearer than this are one person, whatever else is near.
_SURELY_SAME = 0.60
# calibration: people. Parts whose faces are nearer than this, as the root of the mean square of all distances between
# them, are merged: the first for a single pair of faces, the second from as many pairs on as the third says.
_MERGED_FROM, _MERGED_TO, _MANY_PAIRS = 0.70, SAME_PERSON, 4
# Two parts that are together in more than this share of the photos of the smaller one are two people.
_MOST_TOGETHER = 0.1
# calibration: people. What a face must have to say who it is: eye distance in pixels, degrees of yaw and pitch, and
# sharpness.
_LEAST_EYE_DISTANCE_PX, _MOST_TURNED_DEGREES, _LEAST_SHARPNESS = 32.0, 35.0, 0.5

# Who is in fewer photos is no person of the library.
_LEAST_PHOTOS = 2
# A block of distances that is computed at once, rows and columns.
_ROWS, _COLUMNS = 1024, 8192

OnShare = Callable[[float], None]
"""Told how much of the work is done, 0 … 1."""


def group_people(library: Library, on_share: OnShare = lambda _: None) -> None:
    """Group the faces that came since the last time; people who are known keep their numbers, names and faces."""
    if not library.has_ungrouped():
        return
    table = library.read_table()
    named = {person.number for person in library.list_people() if person.name is not None}
    groups = find_groups(table, named, library.read_refusals(), on_share)
    library.write_groups(groups, int(table.ids.max(initial=0)))


def find_groups(
    table: FaceTable,
    named: set[int],
    refusals: Mapping[int, frozenset[int]],
    on_share: OnShare = lambda _: None,
) -> list[Group]:
    """Return the people among the faces of a table, those that are known with what is new to them.

    `named` are the numbers of people with names: two of these are never merged. `refusals` are, by the id of a face,
    the people that it is not.
    """
    is_clear, is_infant = find_clear(table), table.measures[:, 4] < INFANT_CHIN
    is_free = table.persons == 0
    refused = {place: refusals[int(key)] for place, key in enumerate(table.ids) if int(key) in refusals}
    loose = np.flatnonzero(is_free & is_clear)
    labels = _link_near(table, loose, set(refused), lambda share: on_share(0.8 * share))
    parts = [_Part(table, loose[members]) for members in _split(labels)]
    for part in parts:
        part.refused = frozenset().union(*(refused.get(int(place), frozenset()) for place in part.faces))
    known = [
        _Part(table, faces, int(table.persons[faces[0]]))
        for faces in _split(table.persons)
        if table.persons[faces[0]] != 0
    ]
    merged = _merge_parts([*known, *parts], named, lambda share: on_share(0.8 + 0.2 * share))
    people = [part for part in merged if part.person is not None or len(part.photos) >= _LEAST_PHOTOS]
    _add_unclear(table, people, np.flatnonzero(is_free & ~is_clear & ~is_infant), refused)
    return [
        Group(part.person, [int(table.ids[place]) for place in part.faces if is_free[place]], part.absorbed)
        for part in people
    ]


def find_clear(table: FaceTable) -> NDArray[np.bool_]:
    """Return which faces show well enough who they are, bool (n,)."""
    distance, yaw, pitch, sharpness, chin = table.measures.T
    turned = np.maximum(np.abs(yaw), np.abs(pitch))
    is_clear = (distance >= _LEAST_EYE_DISTANCE_PX) & (turned <= _MOST_TURNED_DEGREES) & (sharpness >= _LEAST_SHARPNESS)
    return np.asarray(is_clear & ~(chin < INFANT_CHIN), np.bool_)


@dataclass(eq=False)
class _Part:
    """Faces that count as one person: their places in the table, and what comparing them with others takes.

    The mean square of all distances to the faces of another part follows from the sums of both alone.
    """

    table: FaceTable
    faces: NDArray[np.int64]
    person: int | None = None
    absorbed: list[int] = field(default_factory=list)
    refused: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        self.total = self.table.embeddings[self.faces].sum(axis=0, dtype=np.float32)
        self.photos = set(self.table.photos[self.faces].tolist())

    def measure_square(self, others: Sequence[_Part]) -> FloatArray:
        """The mean square of the distances to the faces of each of the others, float32 (n,)."""
        totals = np.stack([other.total for other in others])
        counts = np.array([len(other.faces) for other in others], np.float32)
        return np.asarray(2 - 2 * (totals @ self.total) / (counts * len(self.faces)), np.float32)

    def may_join(self, other: _Part, named: set[int]) -> bool:
        """Whether nothing but looks speaks against the two being one person."""
        if self.person in named and other.person in named:
            return False
        if self.person in other.refused or other.person in self.refused:
            return False
        together = len(self.photos & other.photos)
        return together <= _MOST_TOGETHER * min(len(self.photos), len(other.photos))

    def join(self, other: _Part, named: set[int]) -> None:
        """Take the other part in; of two people the one with a name stays, else the one that was there first."""
        people = sorted({number for number in (self.person, other.person) if number is not None})
        people.sort(key=lambda number: number not in named)
        self.person = people[0] if people else None
        self.absorbed += [*other.absorbed, *people[1:]]
        self.refused |= other.refused
        self.total = self.total + other.total
        self.faces = np.concatenate([self.faces, other.faces])
        self.photos |= other.photos


def _most_square(pairs: int) -> float:
    """How large the mean square of so many distances may be between two parts that are merged."""
    share = min((pairs - 1) / (_MANY_PAIRS - 1), 1.0)
    return float((_MERGED_FROM + share * (_MERGED_TO - _MERGED_FROM)) ** 2)


def _split(labels: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """The places of each label."""
    order = np.argsort(labels, kind="stable")
    return [part for part in np.split(order, np.flatnonzero(np.diff(labels[order])) + 1) if len(part)]


def _find_pairs(
    vectors: FloatArray, least: float, on_share: OnShare
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """The pairs, first < second, of rows whose product is above `least`, a block at a time."""
    count = len(vectors)
    for top in range(0, count, _ROWS):
        for left in range(top - top % _COLUMNS, count, _COLUMNS):
            products = vectors[top : top + _ROWS] @ vectors[left : left + _COLUMNS].T
            first, second = np.nonzero(products > least)
            first, second = first + top, second + left
            yield first[first < second], second[first < second]
        on_share(1 - (1 - min(top + _ROWS, count) / count) ** 2)


def _link_near(table: FaceTable, faces: NDArray[np.int64], apart: set[int], on_share: OnShare) -> NDArray[np.int64]:
    """A label for each of the faces: the same for those that are linked by faces that are surely of one person.

    Those in `apart` are linked to none, nor are faces of one photo to each other.
    """
    labels = np.arange(len(faces))
    photos, is_apart = table.photos[faces], np.isin(faces, list(apart))
    for first, second in _find_pairs(table.embeddings[faces], 1 - _SURELY_SAME**2 / 2, on_share):
        is_link = (labels[first] != labels[second]) & (photos[first] != photos[second])
        is_link &= ~(is_apart[first] | is_apart[second])
        if is_link.any():
            links = labels[first[is_link]], labels[second[is_link]]
            graph = coo_array((np.ones(len(links[0]), np.bool_), links), shape=(len(faces), len(faces)))
            labels = connected_components(graph, directed=False)[1][labels].astype(np.int64)
    return labels


def _merge_parts(parts: Sequence[_Part], named: set[int], on_share: OnShare) -> list[_Part]:
    """The parts after merging by average linkage, always the two nearest that may be merged."""
    if not parts:
        return []
    means = np.stack([part.total / len(part.faces) for part in parts])
    near: dict[int, set[int]] = {place: set() for place in range(len(parts))}
    heap: list[tuple[float, int, int]] = []
    for first, second in _find_pairs(means, 1 - _MERGED_TO**2 / 2, on_share):
        squares = 2 - 2 * np.einsum("ij,ij->i", means[first], means[second])
        for square, one, other in zip(squares.tolist(), first.tolist(), second.tolist(), strict=True):
            near[one].add(other)
            near[other].add(one)
            if square < _most_square(len(parts[one].faces) * len(parts[other].faces)):
                heap.append((square, one, other))
    heapq.heapify(heap)
    alive, next_key = dict(enumerate(parts)), len(parts)
    while heap:
        _, one, other = heapq.heappop(heap)
        if one not in alive or other not in alive or not alive[one].may_join(alive[other], named):
            continue
        merged = alive.pop(one)
        merged.join(alive.pop(other), named)
        # A new key, so that what was measured of the two before no longer counts.
        key, next_key = next_key, next_key + 1
        near[key] = {place for place in near.pop(one) | near.pop(other) if place in alive}
        alive[key] = merged
        others = sorted(near[key])
        if not others:
            continue
        squares = merged.measure_square([alive[place] for place in others])
        for place, square in zip(others, squares.tolist(), strict=True):
            near[place].add(key)
            if square < _most_square(len(merged.faces) * len(alive[place].faces)):
                heapq.heappush(heap, (square, place, key))
    return list(alive.values())


def _add_unclear(
    table: FaceTable, people: Sequence[_Part], faces: NDArray[np.int64], refused: Mapping[int, frozenset[int]]
) -> None:
    """Add each of these faces to the person whose faces are near to it on average, and clearly nearer than others'."""
    if not people:
        return
    means = np.stack([part.total / len(part.faces) for part in people])
    for start in range(0, len(faces), _ROWS):
        some = faces[start : start + _ROWS]
        distances = np.sqrt(np.maximum(2 - 2 * table.embeddings[some] @ means.T, 0))
        for place, row in zip(some.tolist(), distances, strict=True):
            best = int(row.argmin())
            part = people[best]
            rest = float(np.delete(row, best).min(initial=2.0))
            is_clear = row[best] < SAME_PERSON and rest >= row[best] + CLEAR_LEAD
            is_there = int(table.photos[place]) in part.photos
            if is_clear and not is_there and part.person not in refused.get(place, frozenset()):
                part.faces = np.append(part.faces, place)
                part.photos.add(int(table.photos[place]))


def find_example(sightings: Sequence[Sighting]) -> Sighting:
    """Return the face of a person that shows them best: large, sharp, straight, with open eyes, and like the others."""
    middle = np.mean([sighting.face.embedding for sighting in sightings], axis=0)

    def rate(sighting: Sighting) -> float:
        face = sighting.face
        turned = max(abs(face.yaw_degrees), abs(face.pitch_degrees))
        size = min(face.eye_distance_px / 100, 1.0)
        return float(size + face.sharpness - turned / 30 - 2 * face.closedness + 2 * middle @ face.embedding)

    return max(sightings, key=lambda sighting: (rate(sighting), -sighting.face_id))
