"""The library file: one SQLite database with what is known of every photo and every face in it.

It holds biometric data, so only its owner may read it. Every photo is committed by itself: whatever ends the program,
the file is whole and holds all photos that were finished. Embeddings are searched in two steps: the sign of each of
their numbers, a bit each, in blobs of many faces that are quick to read; then the exact distance of the best.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from face.identity import Embedding, measure_distance
from photo.errors import FixError
from photo.types import FloatArray
from photo.user_folder import find_user_folder

SCHEMA_VERSION = 2
"""Raised when the tables change; an older file is brought up to date, one of a newer version is refused."""

EMBEDDING_SIZE = 192
# One bit for each number of an embedding, and so many faces in one blob.
_CODE_BYTES = EMBEDDING_SIZE // 8
_FACES_PER_BLOB = 4096
# Among so many faces with the most alike signs the nearest ones are looked for exactly.
_SHORTLIST = 4000
# The number of bits set in each value of 16 bits.
_BITS_SET = np.unpackbits(np.arange(2**16, dtype=np.uint16).view(np.uint8).reshape(-1, 2), axis=1).sum(
    axis=1, dtype=np.uint8
)
# A face that is read anew keeps its person where it is nearer than this to what it was: another face is not.
_UNCHANGED = 0.5
# SQLite takes so many values in one statement, whatever it was built with.
_MOST_VALUES = 900

_SCHEMA = """
CREATE TABLE photos (
    id INTEGER PRIMARY KEY,
    path BLOB NOT NULL UNIQUE,
    size INTEGER NOT NULL,
    changed_ns INTEGER NOT NULL,
    digest BLOB,
    taken REAL,
    width INTEGER NOT NULL DEFAULT 0,
    height INTEGER NOT NULL DEFAULT 0,
    error TEXT
);
CREATE INDEX photos_by_digest ON photos (digest);
CREATE INDEX photos_by_size ON photos (size);
CREATE INDEX photos_by_time ON photos (taken);
CREATE TABLE faces (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    photo INTEGER NOT NULL REFERENCES photos (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    left REAL NOT NULL, top REAL NOT NULL, right REAL NOT NULL, bottom REAL NOT NULL,
    eye_distance_px REAL NOT NULL,
    yaw REAL NOT NULL, pitch REAL NOT NULL,
    sharpness REAL NOT NULL,
    closedness REAL NOT NULL,
    gaze_aside REAL NOT NULL, gaze_up REAL NOT NULL,
    smile REAL NOT NULL,
    light REAL NOT NULL,
    embedding BLOB NOT NULL
);
CREATE INDEX faces_by_photo ON faces (photo);
CREATE TABLE codes (
    number INTEGER PRIMARY KEY,
    bits BLOB NOT NULL
);
"""
# Version 2 knows people. Photos that were read before are read again by the next run, for the measures of their eyes.
_PEOPLE = """
CREATE TABLE people (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT UNIQUE COLLATE NOCASE
);
ALTER TABLE faces ADD COLUMN person INTEGER REFERENCES people (id) ON DELETE SET NULL;
ALTER TABLE faces ADD COLUMN chin REAL;
ALTER TABLE faces ADD COLUMN iris_red REAL;
ALTER TABLE faces ADD COLUMN iris_green REAL;
ALTER TABLE faces ADD COLUMN iris_blue REAL;
ALTER TABLE faces ADD COLUMN lid_height REAL;
CREATE INDEX faces_by_person ON faces (person);
CREATE TABLE refusals (
    face INTEGER NOT NULL REFERENCES faces (id) ON DELETE CASCADE,
    person INTEGER NOT NULL REFERENCES people (id) ON DELETE CASCADE,
    PRIMARY KEY (face, person)
) WITHOUT ROWID;
CREATE INDEX refusals_by_person ON refusals (person);
CREATE TABLE grouped (last_face INTEGER NOT NULL);
INSERT INTO grouped VALUES (0);
UPDATE photos SET changed_ns = -1 WHERE id IN (SELECT photo FROM faces);
"""


class DamagedLibrary(FixError):
    """The library file is damaged, of another version, or no library."""


@dataclass(frozen=True, eq=False)
class FaceRecord:
    """What the library knows of one face.

    `box` is left, top, right, bottom as fractions 0 … 1 of the photo. `eye_distance_px` is that in the full photo.
    `closedness` 0 … 1 is that of the eye that is more closed. `gaze_aside` and `gaze_up` are as ratios to what still
    counts as looking at the camera. `light` -1 left … 1 right. `embedding` float32 (192,). `chin` is the ratio that is
    small in infants. `iris` is the RGB of both irises from black, 0, to the skin around the eyes, 1, and `lid_height`
    how high the eyes stand open beside the mean open eye; all three are None where they were not measured.
    """

    number: int
    box: tuple[float, float, float, float]
    eye_distance_px: float
    yaw_degrees: float
    pitch_degrees: float
    sharpness: float
    closedness: float
    gaze_aside: float
    gaze_up: float
    smile: float
    light: float
    embedding: Embedding
    chin: float | None = None
    iris: tuple[float, float, float] | None = None
    lid_height: float | None = None


@dataclass(frozen=True, eq=False)
class PhotoRecord:
    """What the library knows of one photo.

    `size` in bytes and `changed_ns` are those of the file, `digest` is of its content. `taken` is the camera's local
    time in seconds since 1970, None where the photo does not tell. `error` is why it cannot be read, else None.
    """

    path: Path
    size: int
    changed_ns: int
    digest: bytes
    taken: float | None = None
    width: int = 0
    height: int = 0
    error: str | None = None
    faces: tuple[FaceRecord, ...] = ()


@dataclass(frozen=True, eq=False)
class Sighting:
    """A face of the library: its id, the photo it is in, when that was taken, and the face itself.

    `person` is the number of the person that it was grouped with, None where it was with nobody.
    """

    face_id: int
    path: Path
    taken: float | None
    face: FaceRecord
    person: int | None = None


@dataclass(frozen=True, eq=False)
class FaceTable:
    """All faces of a library, as columns that are int64 or float32 (n,), in the order of their ids.

    `photos` are numbers of photos, `persons` those of people, 0 where a face belongs to nobody. `measures` float32
    (n, 5) are eye distance in pixels, yaw and pitch in degrees, sharpness, and the ratio of the chin, NaN where that is
    not known. `embeddings` float32 (n, 192).
    """

    ids: NDArray[np.int64]
    photos: NDArray[np.int64]
    persons: NDArray[np.int64]
    measures: FloatArray
    embeddings: FloatArray


@dataclass(frozen=True, eq=False)
class Group:
    """Faces that were found to be of one person: `face_ids` are those that are new to them.

    `person` is their number, None for somebody new; the people `absorbed` turned out to be the same and end.
    """

    person: int | None
    face_ids: Sequence[int]
    absorbed: Sequence[int] = ()


@dataclass(frozen=True)
class Person:
    """A person of the library: number, name if one was given, in how many photos they were found, by how many faces."""

    number: int
    name: str | None
    photos: int
    faces: int


@dataclass(frozen=True)
class Summary:
    """How much a library holds; `unreadable` photos are among `photos`."""

    photos: int
    unreadable: int
    faces: int
    file_bytes: int


def find_library() -> Path:
    """Return where the library of this user is, or would be made. Raises FixError where they have no home."""
    try:
        return find_user_folder("data") / "library.sqlite"
    except RuntimeError as error:
        raise FixError("Your home folder cannot be found; name the library with --library.") from error


class Library:
    """An open library file, for a `with` statement; made if it does not exist, unless `must_exist`.

    Raises DamagedLibrary, and FixError where the file cannot be opened; what goes wrong with the file later becomes one
    of these at the end of the `with` statement.
    """

    def __init__(self, path: Path, *, must_exist: bool = False) -> None:
        self.path = path
        if not os.path.lexists(path):
            if must_exist:
                raise FixError(f"There is no library at {path}; make one with --index FOLDER.")
            _make_private(path)
        with self._explain_errors(), ExitStack() as stack:
            self._connection = sqlite3.connect(path, timeout=30, isolation_level=None)
            stack.callback(self._connection.close)
            self._set_up()
            stack.pop_all()

    def _set_up(self) -> None:
        execute = self._connection.execute
        (version,) = execute("PRAGMA user_version").fetchone()
        is_new = version == 0 and not execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if not is_new and not 1 <= version <= SCHEMA_VERSION:
            raise DamagedLibrary(
                f"{self.path} was written by another version of this program, or is no photo library; name another "
                "file with --library or, if it once was one, delete it and run --index again."
            )
        execute("PRAGMA journal_mode = WAL")
        execute("PRAGMA synchronous = NORMAL")
        execute("PRAGMA foreign_keys = ON")
        execute("PRAGMA secure_delete = ON")  # what is forgotten does not linger in the file
        execute("PRAGMA mmap_size = 1073741824")
        if is_new:
            self._change_tables(f"{_SCHEMA} {_PEOPLE}")
        elif version == 1:
            self._change_tables(_PEOPLE)

    def _change_tables(self, script: str) -> None:
        """Bring the tables up to date, all or none; another process may have been quicker."""
        with self._transaction() as connection:
            if connection.execute("PRAGMA user_version").fetchone()[0] == SCHEMA_VERSION:
                return
            for statement in script.split(";"):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def __enter__(self) -> Library:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        with self._explain_errors():
            self.close()
            if isinstance(error, sqlite3.Error):
                raise error

    def close(self) -> None:
        """Close the file; the object is of no use afterwards."""
        self._connection.close()

    @contextmanager
    def _explain_errors(self) -> Iterator[None]:
        """Turn an error of SQLite into a sentence."""
        try:
            yield
        except sqlite3.OperationalError as error:  # the file is whole, but cannot be got at: locked, no room, no right
            raise FixError(f"The library {self.path} cannot be used: {error}.") from error
        except sqlite3.Error as error:
            raise DamagedLibrary(
                f"{self.path} is no photo library, or it is damaged ({error}); name another file with --library or, if "
                "it once was one, delete it and run --index again."
            ) from error

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """All changes within are made, or none."""
        with self._connection as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection

    # ---- photos ----------------------------------------------------------------------------------------

    def add(self, photo: PhotoRecord) -> None:
        """Write all that is known of a photo in place of what was known of its path before.

        Faces that are still there stay with their people.
        """
        with self._transaction() as connection:
            before = _read_people(connection, photo.path)
            _delete(connection, photo.path)
            cursor = connection.execute(
                "INSERT INTO photos (path, size, changed_ns, digest, taken, width, height, error) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    os.fsencode(photo.path), photo.size, photo.changed_ns, photo.digest, photo.taken,
                    photo.width, photo.height, photo.error,
                ),
            )  # fmt: skip
            for face in photo.faces:
                self._add_face(connection, cursor.lastrowid, face, before)
            if before:
                _delete_nobodies(connection)

    def _add_face(
        self, connection: sqlite3.Connection, photo_id: int | None, face: FaceRecord, before: Sequence[_Belonging]
    ) -> None:
        """Write a face; `before` are the faces that its photo had, and whom they belonged to."""
        same = min(before, key=lambda known: measure_distance(known.embedding, face.embedding), default=None)
        if same is not None and measure_distance(same.embedding, face.embedding) >= _UNCHANGED:
            same = None
        cursor = connection.execute(
            "INSERT INTO faces (photo, number, left, top, right, bottom, eye_distance_px, yaw, pitch, sharpness, "
            "closedness, gaze_aside, gaze_up, smile, light, embedding, chin, iris_red, iris_green, iris_blue, "
            f"lid_height, person) VALUES ({', '.join('?' * 22)})",
            (
                photo_id, face.number, *face.box, face.eye_distance_px, face.yaw_degrees, face.pitch_degrees,
                face.sharpness, face.closedness, face.gaze_aside, face.gaze_up, face.smile, face.light,
                face.embedding.astype(np.float16).tobytes(), face.chin, *(face.iris or (None, None, None)),
                face.lid_height, same.person if same else None,
            ),
        )  # fmt: skip
        assert cursor.lastrowid is not None
        _write_code(connection, cursor.lastrowid, _encode(face.embedding[None])[0].tobytes())
        for person in same.refused if same else ():
            connection.execute("INSERT INTO refusals VALUES (?, ?)", (cursor.lastrowid, person))

    def list_files(self) -> dict[Path, tuple[int, int]]:
        """Return size and time of change of every photo that is known, by its path."""
        rows = self._connection.execute("SELECT path, size, changed_ns FROM photos")
        return {Path(os.fsdecode(path)): (size, changed_ns) for path, size, changed_ns in rows}

    def find_digests(self, size: int) -> dict[Path, bytes]:
        """Return the digests of all known photos of `size` bytes, by path."""
        rows = self._connection.execute("SELECT path, digest FROM photos WHERE size = ?", (size,))
        return {Path(os.fsdecode(path)): digest for path, digest in rows}

    def move(self, old: Path, new: Path, changed_ns: int) -> None:
        """Note that a photo lies elsewhere now; what was known of the new path before is forgotten."""
        with self._transaction() as connection:
            _delete(connection, new)
            connection.execute(
                "UPDATE photos SET path = ?, changed_ns = ? WHERE path = ?",
                (os.fsencode(new), changed_ns, os.fsencode(old)),
            )

    def forget(self, paths: Iterable[Path]) -> int:
        """Delete all that is known of these photos, and return how many were known."""
        with self._transaction() as connection:
            count = sum(_delete(connection, path) for path in paths)
            _delete_nobodies(connection)
            return count

    def forget_folder(self, folder: Path) -> int:
        """Delete all that is known of the photos below a folder, and return how many there were.

        What was deleted is no longer in the file, nor in the one beside it that SQLite keeps.
        """
        deleted = self.forget([path for path in self.list_files() if path.is_relative_to(folder)])
        self._connection.execute("VACUUM")
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return deleted

    # ---- faces -----------------------------------------------------------------------------------------

    def find_nearest(self, embedding: Embedding, count: int, within: float) -> list[tuple[float, Sighting]]:
        """Return up to `count` faces with a distance below `within` from `embedding`, the nearest first.

        Distances are Euclidean, 0 … 2, as in `face.identity`. A face whose signs differ from those of the embedding
        in more places than those of thousands of others is overlooked, however near it is.
        """
        ids = self._shortlist(embedding)
        found: list[tuple[float, int]] = []
        for start in range(0, len(ids), _MOST_VALUES):
            part = ids[start : start + _MOST_VALUES]
            rows = self._connection.execute(
                f"SELECT id, embedding FROM faces WHERE id IN ({', '.join('?' * len(part))})", part
            ).fetchall()
            if rows:
                known = np.stack([np.frombuffer(blob, np.float16) for _, blob in rows]).astype(np.float32)
                distances = np.linalg.norm(known - embedding, axis=1)
                found += [
                    (float(distance), row[0])
                    for distance, row in zip(distances, rows, strict=True)
                    if distance < within
                ]
        found.sort()
        sightings = {sighting.face_id: sighting for sighting in self.read_faces([key for _, key in found[:count]])}
        return [(distance, sightings[key]) for distance, key in found[:count]]

    def _shortlist(self, embedding: Embedding) -> list[int]:
        """The ids of the faces whose signs are most alike those of `embedding`."""
        wanted = _encode(embedding[None])[0].view(np.uint16)
        best_ids: list[NDArray[np.int64]] = []
        best_differences: list[NDArray[np.uint16]] = []
        for number, bits in self._connection.execute("SELECT number, bits FROM codes"):
            codes = np.frombuffer(bits, np.uint16).reshape(_FACES_PER_BLOB, -1)
            differences = _BITS_SET[codes ^ wanted].sum(axis=1, dtype=np.uint16)
            # Where there is no face, or no longer, all bits are 0.
            places = np.flatnonzero((differences < EMBEDDING_SIZE // 2) & codes.any(axis=1))
            best_ids.append(places + number * _FACES_PER_BLOB)
            best_differences.append(differences[places])
        if not best_ids:
            return []
        ids, all_differences = np.concatenate(best_ids), np.concatenate(best_differences)
        if len(ids) > _SHORTLIST:
            ids = ids[np.argpartition(all_differences, _SHORTLIST)[:_SHORTLIST]]
        return [int(key) for key in ids]

    def find_taken_between(self, first: float, last: float) -> list[Sighting]:
        """Return all faces of photos that were taken in this span of seconds since 1970, in the camera's time."""
        rows = self._connection.execute(
            "SELECT faces.id FROM faces JOIN photos ON photos.id = faces.photo WHERE photos.taken BETWEEN ? AND ?",
            (first, last),
        ).fetchall()
        return self.read_faces([key for (key,) in rows])

    def read_faces(self, face_ids: Sequence[int]) -> list[Sighting]:
        """Return the faces with these ids, in no particular order."""
        sightings = []
        for start in range(0, len(face_ids), _MOST_VALUES):
            part = face_ids[start : start + _MOST_VALUES]
            rows = self._connection.execute(
                f"SELECT {_COLUMNS} FROM faces JOIN photos ON photos.id = faces.photo "
                f"WHERE faces.id IN ({', '.join('?' * len(part))})",
                part,
            )
            sightings += [_read_sighting(row) for row in rows]
        return sightings

    # ---- people ----------------------------------------------------------------------------------------

    def has_ungrouped(self) -> bool:
        """Return whether faces came since people were grouped last."""
        last = self._connection.execute("SELECT max(id) FROM faces").fetchone()[0] or 0
        return last > self._connection.execute("SELECT last_face FROM grouped").fetchone()[0]

    def read_table(self) -> FaceTable:
        """Return all faces, with what tells people apart."""
        count = self._connection.execute("SELECT count(*) FROM faces").fetchone()[0]
        numbers = np.zeros((3, count), np.int64)
        measures = np.zeros((count, 5), np.float32)
        embeddings = np.zeros((count, EMBEDDING_SIZE), np.float32)
        rows = self._connection.execute(
            "SELECT id, photo, ifnull(person, 0), eye_distance_px, yaw, pitch, sharpness, chin, embedding "
            "FROM faces ORDER BY id LIMIT ?",
            (count,),
        )
        for place, (face, photo, person, *measured, chin, embedding) in enumerate(rows):
            numbers[:, place] = face, photo, person
            measures[place] = *measured, np.nan if chin is None else chin
            embeddings[place] = np.frombuffer(embedding, np.float16)
        return FaceTable(numbers[0], numbers[1], numbers[2], measures, embeddings)

    def read_refusals(self) -> dict[int, frozenset[int]]:
        """Return, by the id of a face, the people from whom it was taken out by hand."""
        found: dict[int, frozenset[int]] = {}
        for face, person in self._connection.execute("SELECT face, person FROM refusals"):
            found[face] = found.get(face, frozenset()) | {person}
        return found

    def list_refused(self, number: int) -> frozenset[int]:
        """Return the ids of the faces that were taken out of a person by hand."""
        rows = self._connection.execute("SELECT face FROM refusals WHERE person = ?", (number,))
        return frozenset(face for (face,) in rows)

    def write_groups(self, groups: Sequence[Group], last_face: int) -> None:
        """Note who was found to be whom among the faces up to the id `last_face`: all of it, or nothing.

        Faces that were forgotten meanwhile are passed over.
        """
        with self._transaction() as connection:
            for group in groups:
                person = group.person
                if person is None:
                    person = connection.execute("INSERT INTO people DEFAULT VALUES").lastrowid
                for other in group.absorbed:
                    _merge(connection, other, person)
                connection.executemany(
                    "UPDATE faces SET person = ? WHERE id = ? AND person IS NULL "
                    "AND EXISTS (SELECT 1 FROM people WHERE id = ?)",
                    [(person, face, person) for face in group.face_ids],
                )
            _delete_nobodies(connection)
            connection.execute("UPDATE grouped SET last_face = ?", (last_face,))

    def list_people(self) -> list[Person]:
        """Return all people, those with a name first, then those of most photos."""
        rows = self._connection.execute(
            "SELECT people.id, people.name, count(DISTINCT faces.photo) AS photos, count(*) FROM people "
            "JOIN faces ON faces.person = people.id GROUP BY people.id "
            "ORDER BY people.name IS NULL, photos DESC, people.id"
        )
        return [Person(*row) for row in rows]

    def find_person(self, text: str) -> Person | None:
        """Return the person of a name, or of a number; None where there is none."""
        people = self.list_people()
        wanted = text.strip().casefold()
        named = [person for person in people if (person.name or "").casefold() == wanted]
        return next(iter([*named, *(person for person in people if str(person.number) == wanted)]), None)

    def name_person(self, number: int, name: str) -> int:
        """Name a person, and return their number; who had this name already turns out to be the same person.

        An empty name takes it away.
        """
        known = self.find_person(name) if name else None
        same = known if known is not None and known.name is not None and known.number != number else None
        with self._transaction() as connection:
            if same is not None:
                _merge(connection, number, same.number)
                return same.number
            connection.execute("UPDATE people SET name = ? WHERE id = ?", (name or None, number))
        return number

    def refuse(self, number: int, path: Path) -> int:
        """Take the faces of a photo out of a person for good, and return how many these were."""
        with self._transaction() as connection:
            rows = connection.execute(
                "SELECT faces.id FROM faces JOIN photos ON photos.id = faces.photo WHERE person = ? AND path = ?",
                (number, os.fsencode(path)),
            ).fetchall()
            for (face,) in rows:
                connection.execute("UPDATE faces SET person = NULL WHERE id = ?", (face,))
                connection.execute("INSERT OR IGNORE INTO refusals VALUES (?, ?)", (face, number))
            if rows:
                # Whom they are of instead, the next grouping may find.
                connection.execute("UPDATE grouped SET last_face = 0")
            _delete_nobodies(connection)
            return len(rows)

    def read_person(self, number: int) -> list[Sighting]:
        """Return all faces of a person, in no particular order."""
        rows = self._connection.execute("SELECT id FROM faces WHERE person = ?", (number,)).fetchall()
        return self.read_faces([face for (face,) in rows])

    # ---- the whole -------------------------------------------------------------------------------------

    def summarize(self) -> Summary:
        """Return how much the library holds."""
        photos, unreadable, faces, file_bytes = (
            self._connection.execute(f"SELECT {what}").fetchone()[0]
            for what in (
                "count(*) FROM photos",
                "count(*) FROM photos WHERE error NOT NULL",
                "count(*) FROM faces",
                "page_count * page_size FROM pragma_page_count(), pragma_page_size()",
            )
        )
        return Summary(photos, unreadable, faces, file_bytes)

    def find_damage(self) -> str:
        """Return what SQLite finds wrong with the file, empty if it is whole; this reads all of it."""
        lines = [row[0] for row in self._connection.execute("PRAGMA integrity_check")]
        return "" if lines == ["ok"] else "; ".join(lines)


_COLUMNS = (
    "faces.id, photos.path, photos.taken, number, left, top, right, bottom, eye_distance_px, yaw, pitch, "
    "sharpness, closedness, gaze_aside, gaze_up, smile, light, embedding, chin, iris_red, iris_green, iris_blue, "
    "lid_height, person"
)


def _read_sighting(row: tuple[Any, ...]) -> Sighting:
    """A row of `_COLUMNS` as an object."""
    face_id, path, taken, number, left, top, right, bottom, *measures = row
    *others, embedding, chin, red, green, blue, lid_height, person = measures
    vector = np.frombuffer(embedding, np.float16).astype(np.float32)
    iris = None if red is None else (red, green, blue)
    known: list[Any] = [number, (left, top, right, bottom), *others, vector, chin, iris, lid_height]
    return Sighting(face_id, Path(os.fsdecode(path)), taken, FaceRecord(*known), person)


@dataclass(frozen=True, eq=False)
class _Belonging:
    """A face that is about to be read again: whom it belongs to, and from whom it was taken out."""

    embedding: Embedding
    person: int | None
    refused: Sequence[int]


def _read_people(connection: sqlite3.Connection, path: Path) -> list[_Belonging]:
    """Whom the faces of a photo belong to."""
    rows = connection.execute(
        "SELECT faces.id, embedding, person FROM faces JOIN photos ON photos.id = faces.photo WHERE photos.path = ?",
        (os.fsencode(path),),
    ).fetchall()
    found = []
    for face, blob, person in rows:
        refused = [row[0] for row in connection.execute("SELECT person FROM refusals WHERE face = ?", (face,))]
        found.append(_Belonging(np.frombuffer(blob, np.float16).astype(np.float32), person, refused))
    return found


def _merge(connection: sqlite3.Connection, number: int, into: int | None) -> None:
    """Make a person part of another one; what was refused to either is refused to both."""
    connection.execute("UPDATE faces SET person = ? WHERE person = ?", (into, number))
    connection.execute("UPDATE OR IGNORE refusals SET person = ? WHERE person = ?", (into, number))
    connection.execute("DELETE FROM people WHERE id = ?", (number,))


def _delete_nobodies(connection: sqlite3.Connection) -> None:
    """Delete the people, with their names, of whom no face is left."""
    connection.execute("DELETE FROM people WHERE NOT EXISTS (SELECT 1 FROM faces WHERE faces.person = people.id)")


def _delete(connection: sqlite3.Connection, path: Path) -> int:
    """Delete a photo with its faces and their codes; return how many photos that were, 0 or 1."""
    place_of_photo = (os.fsencode(path),)
    faces = connection.execute(
        "SELECT faces.id FROM faces JOIN photos ON photos.id = faces.photo WHERE photos.path = ?", place_of_photo
    ).fetchall()
    for (face_id,) in faces:
        _write_code(connection, face_id, bytes(_CODE_BYTES))
    return connection.execute("DELETE FROM photos WHERE path = ?", place_of_photo).rowcount


def _write_code(connection: sqlite3.Connection, face_id: int, code: bytes) -> None:
    """Write the code of a face in place: a page of the file changes, not the whole blob."""
    number, place = divmod(face_id, _FACES_PER_BLOB)
    connection.execute(
        "INSERT OR IGNORE INTO codes (number, bits) VALUES (?, zeroblob(?))", (number, _FACES_PER_BLOB * _CODE_BYTES)
    )
    with connection.blobopen("codes", "bits", number) as blob:
        blob.seek(place * _CODE_BYTES)
        blob.write(code)


def _encode(embeddings: FloatArray) -> NDArray[np.uint8]:
    """The signs of embeddings (n, 192), uint8 (n, 24)."""
    return np.packbits(embeddings > 0, axis=1)


def _make_private(path: Path) -> None:
    """An empty file that only its owner may read; so may those that SQLite lays beside it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        return  # another process was quicker
    except OSError as error:
        raise FixError(f"The library {path} cannot be made: {error.strerror}.") from error
