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

from face.identity import Embedding
from photo.errors import FixError
from photo.types import FloatArray
from photo.user_folder import find_user_folder

SCHEMA_VERSION = 1
"""Raised when the tables change; a file of another version is refused, since it can be made anew from the photos."""

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


class DamagedLibrary(FixError):
    """The library file is damaged, of another version, or no library."""


@dataclass(frozen=True, eq=False)
class FaceRecord:
    """What the library knows of one face.

    `box` is left, top, right, bottom as fractions 0 … 1 of the photo. `eye_distance_px` is that in the full photo.
    `closedness` 0 … 1 is that of the eye that is more closed. `gaze_aside` and `gaze_up` are as ratios to what still
    counts as looking at the camera. `light` -1 left … 1 right. `embedding` float32 (192,).
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
    """A face of the library: its id, the photo it is in, when that was taken, and the face itself."""

    face_id: int
    path: Path
    taken: float | None
    face: FaceRecord


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
        if not is_new and version != SCHEMA_VERSION:
            raise DamagedLibrary(
                f"{self.path} was written by another version of this program, or is no library; delete it and run "
                "--index again, or name another file with --library."
            )
        execute("PRAGMA journal_mode = WAL")
        execute("PRAGMA synchronous = NORMAL")
        execute("PRAGMA foreign_keys = ON")
        execute("PRAGMA secure_delete = ON")  # what is forgotten does not linger in the file
        execute("PRAGMA mmap_size = 1073741824")
        if is_new:
            self._connection.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")

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
                f"{self.path} is no library, or it is damaged ({error}); delete it and run --index again, or name "
                "another file with --library."
            ) from error

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """All changes within are made, or none."""
        with self._connection as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection

    # ---- photos ----------------------------------------------------------------------------------------

    def add(self, photo: PhotoRecord) -> None:
        """Write all that is known of a photo in place of what was known of its path before."""
        with self._transaction() as connection:
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
                self._add_face(connection, cursor.lastrowid, face)

    def _add_face(self, connection: sqlite3.Connection, photo_id: int | None, face: FaceRecord) -> None:
        cursor = connection.execute(
            "INSERT INTO faces (photo, number, left, top, right, bottom, eye_distance_px, yaw, pitch, sharpness, "
            f"closedness, gaze_aside, gaze_up, smile, light, embedding) VALUES ({', '.join('?' * 16)})",
            (
                photo_id, face.number, *face.box, face.eye_distance_px, face.yaw_degrees, face.pitch_degrees,
                face.sharpness, face.closedness, face.gaze_aside, face.gaze_up, face.smile, face.light,
                face.embedding.astype(np.float16).tobytes(),
            ),
        )  # fmt: skip
        assert cursor.lastrowid is not None
        _write_code(connection, cursor.lastrowid, _encode(face.embedding[None])[0].tobytes())

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
            return sum(_delete(connection, path) for path in paths)

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
    "sharpness, closedness, gaze_aside, gaze_up, smile, light, embedding"
)


def _read_sighting(row: tuple[Any, ...]) -> Sighting:
    """A row of `_COLUMNS` as an object."""
    face_id, path, taken, number, *measures, embedding = row
    vector = np.frombuffer(embedding, np.float16).astype(np.float32)
    left, top, right, bottom, *others = measures
    known: list[Any] = [number, (left, top, right, bottom), *others, vector]
    face = FaceRecord(*known)
    return Sighting(face_id, Path(os.fsdecode(path)), taken, face)


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
