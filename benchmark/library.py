"""What a large photo library costs: time to write, size on disk, time to find the nearest faces, and to group people.

    python -m benchmark.library [--faces COUNT] [--queries COUNT] [--people COUNT] [--group]
    python -m benchmark.library --read [COUNT]             # reading made-up photos of 12 megapixels
    python -m benchmark.library --unchanged [COUNT]        # a second run over files that did not change
    python -m benchmark.library --photos FOLDER [FOLDER …] # who is taken for whom among real people

Faces are made up: embeddings of made-up people, spread about each as those of one person are (see the row "identity"
of docs/calibration.md), three to a photo. Prints how many of the truly nearest faces the search found, too. With
--photos the names of the files say who is who: photos whose names are the same but for their folder and ending show one
person, all others different people.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from face.expression import INFANT_CHIN
from face.identity import SAME_PERSON
from library.index import index_folders
from library.people import group_people
from library.reading import read_photo
from library.store import EMBEDDING_SIZE, FaceRecord, FaceTable, Library, PhotoRecord
from photo.types import FloatArray

_FACES_PER_PHOTO = 3
# The median distance of two faces of one person is about the root of 2 times this.
_SPREAD = 0.33
_WANTED = 20
_SAMPLES = Path(__file__).parents[1] / "data" / "inputs"
# The photos that are read are the samples, enlarged to about so many pixels.
_MEGAPIXELS = 12.0


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


def measure_made_up(faces: int, people: int, queries: int, *, groups: bool) -> None:
    """Print what a library of made-up faces costs."""
    random = np.random.default_rng(0)
    embeddings = make_embeddings(faces, people, random)
    with tempfile.TemporaryDirectory() as folder, Library(Path(folder) / "library.sqlite") as library:
        started = time.perf_counter()
        for number, start in enumerate(range(0, faces, _FACES_PER_PHOTO)):
            library.add(make_photo(number, embeddings[start : start + _FACES_PER_PHOTO]))
        seconds = time.perf_counter() - started
        summary = library.summarize()
        print(f"{summary.photos} photos with {summary.faces} faces written in {seconds:.1f} s, ", end="")
        print(f"{1000 * seconds / summary.photos:.2f} ms a photo; {summary.file_bytes / 2**20:.0f} MB on disk")
        times, found, due = [], 0, 0
        for query in random.integers(faces, size=queries):
            started = time.perf_counter()
            nearest = library.find_nearest(embeddings[query], _WANTED, SAME_PERSON)
            times.append(time.perf_counter() - started)
            distances = np.linalg.norm(embeddings - embeddings[query], axis=1)
            true = {int(place) + 1 for place in np.argsort(distances)[:_WANTED] if distances[place] < SAME_PERSON}
            found, due = found + len(true & {sighting.face_id for _, sighting in nearest}), due + len(true)
        print(f"nearest {_WANTED} of {summary.faces} faces: median {1000 * float(np.median(times)):.0f} ms, ", end="")
        print(f"slowest {1000 * max(times):.0f} ms; {found} of the {due} truly nearest found")
        if groups:
            _measure_grouping(library, people)
        started = time.perf_counter()
        damage = library.find_damage()
        print(f"integrity check: {time.perf_counter() - started:.1f} s, {damage or 'no damage'}")


def _measure_grouping(library: Library, people: int) -> None:
    for what in ("all faces", "one photo more"):
        started, used = time.perf_counter(), time.process_time()
        group_people(library)
        print(
            f"grouping, {what}: {time.perf_counter() - started:.1f} s, of them {time.process_time() - used:.1f} s of a "
            f"processor; {len(library.list_people())} groups of {people} people"
        )
        stranger = make_embeddings(1, 1, np.random.default_rng(99))
        library.add(make_photo(10**6, stranger))


def measure_reading(count: int) -> None:
    """Print how long a photo of 12 megapixels takes to read, and how many that makes in a second on all processors."""
    samples = sorted(_SAMPLES.glob("*.jpg"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(count):
            with Image.open(samples[number % len(samples)]) as image:
                scale = (_MEGAPIXELS * 1e6 / (image.width * image.height)) ** 0.5
                large = image.convert("RGB").resize((round(scale * image.width), round(scale * image.height)))
            # No two are the same file.
            large.putpixel((0, 0), (number % 256, number // 256, 0))
            large.save(folder / f"{number:05d}.jpg", quality=92)
        with Library(folder / "library.sqlite") as library:
            read_photo(folder / "00000.jpg")  # loads the networks
            started, used = time.perf_counter(), time.process_time()
            result = index_folders(library, [folder], 0, lambda *_: None)
            seconds, used = time.perf_counter() - started, time.process_time() - used
    workers = os.cpu_count() or 1
    print(
        f"{result.read} photos of {_MEGAPIXELS:.0f} MP with {result.faces} faces read in {seconds:.1f} s by one "
        f"process, {used / result.read:.2f} s of a processor each: {workers * result.read / used:.1f} a second by "
        f"{workers} processors with nothing else to do"
    )


def measure_unchanged(count: int) -> None:
    """Print how long a run takes over files that are all known."""
    with tempfile.TemporaryDirectory() as name, Library(Path(name) / "library.sqlite") as library:
        folder = Path(name).resolve() / "photos"
        for number in range(count):
            path = folder / f"{number // 100:04d}" / f"IMG_{number:06d}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x")
            status = path.stat()
            library.add(PhotoRecord(path, status.st_size, status.st_mtime_ns, number.to_bytes(32, "big")))
        started, used = time.perf_counter(), time.process_time()
        result = index_folders(library, [folder], os.cpu_count() or 1, lambda *_: None)
        seconds, used = time.perf_counter() - started, time.process_time() - used
    print(f"{result.unchanged} unchanged files looked at in {seconds:.2f} s, {used:.2f} s of a processor; ", end="")
    print(f"{result.read} read")


def measure_people(folders: Sequence[Path], file: Path | None) -> None:
    """Print who is taken for whom in folders of photos; the library is kept in `file` if one is named."""
    with tempfile.TemporaryDirectory() as name, Library(file or Path(name) / "library.sqlite") as library:
        index_folders(library, folders, 0, lambda *_: None)
        group_people(library)
        table = library.read_table()
        sightings = {sighting.face_id: sighting for sighting in library.read_faces(table.ids.tolist())}
        names = np.array([sightings[face].path.stem for face in table.ids.tolist()])
        print(f"{len(set(names))} people in {library.summarize().photos} photos with {len(names)} faces")
        _print_pairs(table, names)
        _print_groups(table, names)
        infants = table.measures[:, 4] < INFANT_CHIN
        print(
            f"{int(infants.sum())} infants, {int((infants & (table.persons != 0)).sum())} of them in a group: ", end=""
        )
        print(", ".join(sorted(set(names[infants]))) or "none")


def _print_pairs(table: FaceTable, names: NDArray[np.str_]) -> None:
    squares = np.maximum(2 - 2 * table.embeddings @ table.embeddings.T, 0)
    first, second = np.triu_indices(len(names), 1)
    distances, is_same = np.sqrt(squares[first, second]), names[first] == names[second]
    other = np.sort(distances[~is_same])
    print(
        f"{len(other)} pairs of different people: nearest {', '.join(f'{value:.3f}' for value in other[:5])}; "
        f"{int((other < SAME_PERSON).sum())} below {SAME_PERSON}"
    )
    if is_same.any():
        same = distances[is_same]
        print(
            f"{len(same)} pairs of one person: {same.min():.2f} … {same.max():.2f}, median {np.median(same):.2f}; "
            f"{int((same >= SAME_PERSON).sum())} at {SAME_PERSON} or above"
        )
    place = np.argsort(np.where(is_same, np.inf, distances))[:5]
    for one, another in zip(first[place], second[place], strict=True):
        print(f"  {names[one]} and {names[another]}: {np.sqrt(squares[one, another]):.3f}")


def _print_groups(table: FaceTable, names: NDArray[np.str_]) -> None:
    groups = {person: Counter(names[table.persons == person]) for person in set(table.persons.tolist()) - {0}}
    mixed = [sorted(group) for group in groups.values() if len(group) > 1]
    several = {name for name, count in Counter(names).items() if count > 1}
    whole = {name for group in groups.values() for name, count in group.items() if count == (names == name).sum()}
    print(f"{len(groups)} groups, {len(mixed)} of them mixed; {len(several & whole)} of {len(several)} people whole")
    for group in mixed[:20]:
        print(f"  mixed: {', '.join(group)}")


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=int, default=300_000, metavar="COUNT")
    parser.add_argument("--people", type=int, default=2_000, metavar="COUNT")
    parser.add_argument("--queries", type=int, default=20, metavar="COUNT")
    parser.add_argument("--group", action="store_true")
    parser.add_argument("--read", type=int, nargs="?", const=40, metavar="COUNT")
    parser.add_argument("--unchanged", type=int, nargs="?", const=10_000, metavar="COUNT")
    parser.add_argument("--photos", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument("--file", type=Path, metavar="FILE", help="with --photos, the library to keep")
    chosen = parser.parse_args()
    if chosen.read:
        measure_reading(chosen.read)
    elif chosen.unchanged:
        measure_unchanged(chosen.unchanged)
    elif chosen.photos:
        measure_people(chosen.photos, chosen.file)
    else:
        measure_made_up(chosen.faces, chosen.people, chosen.queries, groups=chosen.group)
    return 0


if __name__ == "__main__":
    sys.exit(main())
