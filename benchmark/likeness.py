"""How well the recognition network tells people apart, and how long it takes for a face.

python -m benchmark.likeness FOLDER [--alias ONE=OTHER …]

In FOLDER each subfolder holds photos of one person alone; photos with another number of faces are passed over.
`--alias` says that two subfolders show the same person.
"""

from __future__ import annotations

import argparse
import itertools
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from face.identity import SAME_PERSON, Embedding, embed_face, measure_distance
from face.search import find_faces
from photo.files import load_photo
from photo.formats import FORMATS

_ROUNDS = 5  # of which the fastest counts


@dataclass(frozen=True, eq=False)
class Shot:
    """One photo of one person."""

    person: str
    name: str
    embedding: Embedding
    milliseconds: float


def read_shots(folder: Path, aliases: dict[str, str]) -> list[Shot]:
    """Describe every face that is alone in a photo. Raises FixError."""
    sightings = []
    for path in sorted(folder.glob("*/*")):
        if path.suffix.lower() not in FORMATS:
            continue
        pixels = load_photo(path).pixels
        faces = find_faces(pixels)
        if len(faces) != 1:
            continue
        times = []
        for _ in range(_ROUNDS):
            started = time.perf_counter()
            embedding = embed_face(pixels, faces[0])
            times.append(1000 * (time.perf_counter() - started))
        person = path.parent.name
        sightings.append(Shot(aliases.get(person, person), f"{path.parent.name}/{path.name}", embedding, min(times)))
    return sightings


def describe_distances(title: str, pairs: list[tuple[Shot, Shot]], nearest_first: bool) -> str:
    """Say how far apart the pairs lie, and which three lie on the wrong side of the rest."""
    if not pairs:
        return f"{title}: none"
    ranked = sorted(
        pairs, key=lambda pair: measure_distance(pair[0].embedding, pair[1].embedding), reverse=not nearest_first
    )
    values = np.array([measure_distance(one.embedding, other.embedding) for one, other in pairs])
    lines = [f"{title}: {len(values)} pairs, {values.min():.2f} … {values.max():.2f}, median {np.median(values):.2f}"]
    for one, other in ranked[:3]:
        lines.append(f"  {measure_distance(one.embedding, other.embedding):.2f}  {one.name}  {other.name}")
    return "\n".join(lines)


def main() -> None:
    """Measure the folder named on the command line."""
    parser = argparse.ArgumentParser(description="How well people are told apart, and how long it takes.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--alias", action="append", default=[], metavar="ONE=OTHER")
    choice = parser.parse_args()
    sightings = read_shots(choice.folder, dict(alias.split("=", 1) for alias in choice.alias))
    if not sightings:
        parser.error(f"{choice.folder} has no subfolder with a photo of one face")
    pairs = list(itertools.combinations(sightings, 2))
    same = [pair for pair in pairs if pair[0].person == pair[1].person]
    different = [pair for pair in pairs if pair[0].person != pair[1].person]
    print(describe_distances("one person", same, nearest_first=False))
    print(describe_distances("two people", different, nearest_first=True))
    wrong = sum(measure_distance(a.embedding, b.embedding) >= SAME_PERSON for a, b in same)
    wrong += sum(measure_distance(a.embedding, b.embedding) < SAME_PERSON for a, b in different)
    print(f"on the wrong side of {SAME_PERSON}: {wrong}")
    print(f"milliseconds for a face: {np.median([shot.milliseconds for shot in sightings]):.0f}")


if __name__ == "__main__":
    main()
