"""What a large photo library costs: time to write, size on disk, time to find the nearest faces.

    python -m benchmark.library [--faces COUNT] [--queries COUNT] [--people COUNT]

Faces are made up: embeddings of made-up people, spread about each as those of one person are (see the row "identity"
of docs/calibration.md), three to a photo. Prints how many of the truly nearest faces the search found, too.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from face.identity import SAME_PERSON
from library.store import EMBEDDING_SIZE, FaceRecord, Library, PhotoRecord
from photo.types import FloatArray

_FACES_PER_PHOTO = 3
# The median distance of two faces of one person is about the root of 2 times this.
_SPREAD = 0.33
_WANTED = 20


def make_embeddings(count: int, people: int, random: np.random.Generator) -> FloatArray:
    """Return embeddings of made-up people, float32 (count, 192) of length 1."""
    centers = random.standard_normal((people, EMBEDDING_SIZE), np.float32)
    centers /= np.linalg.norm(centers, axis=1, keepdims=True)
    noise = random.standard_normal((count, EMBEDDING_SIZE), np.float32) * (_SPREAD / EMBEDDING_SIZE**0.5)
    embeddings = centers[random.integers(people, size=count)] + noise
    return np.asarray(embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True), np.float32)


def make_photo(number: int, embeddings: FloatArray) -> PhotoRecord:
    """Return a made-up photo with a face for each embedding (n, 192)."""
    faces = tuple(
        FaceRecord(place + 1, (0.1, 0.1, 0.2, 0.3), 120, 0, 0, 0.9, 0.1, 0.1, 0.1, 0.4, 0.2, vector)
        for place, vector in enumerate(embeddings)
    )
    path = Path(f"/photos/{number // 1000:04d}/IMG_{number:07d}.jpg")
    return PhotoRecord(path, 4_000_000, number, number.to_bytes(32, "big"), float(number), 4000, 3000, None, faces)


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=int, default=300_000, metavar="COUNT")
    parser.add_argument("--people", type=int, default=2_000, metavar="COUNT")
    parser.add_argument("--queries", type=int, default=20, metavar="COUNT")
    chosen = parser.parse_args()
    random = np.random.default_rng(0)
    embeddings = make_embeddings(chosen.faces, chosen.people, random)
    with tempfile.TemporaryDirectory() as folder, Library(Path(folder) / "library.sqlite") as library:
        started = time.perf_counter()
        for number, start in enumerate(range(0, chosen.faces, _FACES_PER_PHOTO)):
            library.add(make_photo(number, embeddings[start : start + _FACES_PER_PHOTO]))
        seconds = time.perf_counter() - started
        summary = library.summarize()
        print(f"{summary.photos} photos with {summary.faces} faces written in {seconds:.1f} s, ", end="")
        print(f"{1000 * seconds / summary.photos:.2f} ms a photo; {summary.file_bytes / 2**20:.0f} MB on disk")
        times, found, due = [], 0, 0
        for query in random.integers(chosen.faces, size=chosen.queries):
            started = time.perf_counter()
            nearest = library.find_nearest(embeddings[query], _WANTED, SAME_PERSON)
            times.append(time.perf_counter() - started)
            distances = np.linalg.norm(embeddings - embeddings[query], axis=1)
            true = {int(place) + 1 for place in np.argsort(distances)[:_WANTED] if distances[place] < SAME_PERSON}
            found, due = found + len(true & {sighting.face_id for _, sighting in nearest}), due + len(true)
        print(f"nearest {_WANTED} of {summary.faces} faces: median {1000 * float(np.median(times)):.0f} ms, ", end="")
        print(f"slowest {1000 * max(times):.0f} ms; {found} of the {due} truly nearest found")
        started = time.perf_counter()
        damage = library.find_damage()
        print(f"integrity check: {time.perf_counter() - started:.1f} s, {damage or 'no damage'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
