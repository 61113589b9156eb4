"""The library file: what was written is found again, what was forgotten is gone, and no other file is harmed."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest

from benchmark.library import make_embeddings, make_photo
from face.identity import SAME_PERSON
from library.store import DamagedLibrary, Library, find_library
from photo.errors import FixError
from photo.types import FloatArray


def fill(path: Path, embeddings: FloatArray) -> None:
    """Make a library of photos with one face each."""
    with Library(path) as library:
        for number, embedding in enumerate(embeddings):
            library.add(make_photo(number, embedding[None]))


def path_of(number: int) -> Path:
    return make_photo(number, np.zeros((0, 192), np.float32)).path


@pytest.fixture(scope="module")
def embeddings() -> FloatArray:
    """Of 40 faces of 5 people, float32 (40, 192)."""
    return make_embeddings(40, 5, np.random.default_rng(1))


@pytest.fixture
def file(tmp_path: Path, embeddings: FloatArray) -> Path:
    """A library of these faces."""
    path = tmp_path / "here" / "faces.sqlite"
    fill(path, embeddings)
    return path


def test_what_is_known_of_a_photo_comes_back(tmp_path: Path, embeddings: FloatArray) -> None:
    photo = make_photo(7, embeddings[:2])
    with Library(tmp_path / "library.sqlite") as library:
        library.add(photo)
        sightings = sorted((found for _, found in library.find_nearest(embeddings[0], 9, 3.0)), key=lambda s: s.face_id)
        assert library.list_files() == {photo.path: (photo.size, photo.changed_ns)}
        assert library.find_digests(photo.size) == {photo.path: photo.digest}
    assert [sighting.path for sighting in sightings] == [photo.path] * 2
    assert [sighting.taken for sighting in sightings] == [photo.taken] * 2
    for sighting, face in zip(sightings, photo.faces, strict=True):
        ours, theirs = vars(face).copy(), vars(sighting.face).copy()
        assert np.abs(ours.pop("embedding") - theirs.pop("embedding")).max() < 1e-3
        assert ours == theirs


def test_the_nearest_faces_are_found_as_by_measuring_all(file: Path, embeddings: FloatArray) -> None:
    with Library(file) as library:
        for embedding in embeddings[:10]:
            found = library.find_nearest(embedding, 6, SAME_PERSON)
            distances = np.linalg.norm(embeddings - embedding, axis=1)
            order = [int(place) for place in np.argsort(distances) if distances[place] < SAME_PERSON][:6]
            assert len(order) > 1
            assert [sighting.path for _, sighting in found] == [path_of(number) for number in order]
            assert [distance for distance, _ in found] == pytest.approx(distances[order], abs=2e-3)


def test_photos_of_a_moment_are_found(file: Path) -> None:
    with Library(file) as library:
        # The made-up photos were taken a second apart.
        assert {sighting.path for sighting in library.find_taken_between(3.5, 6.0)} == {
            path_of(4),
            path_of(5),
            path_of(6),
        }


def test_a_photo_that_is_written_again_replaces_what_was_known(file: Path, embeddings: FloatArray) -> None:
    with Library(file) as library:
        library.add(make_photo(0, embeddings[1:2]))
        assert library.summarize().photos == library.summarize().faces == len(embeddings)
        nearest = library.find_nearest(embeddings[0], 1, 0.01)
        assert not nearest


def test_a_move_keeps_the_faces(file: Path, embeddings: FloatArray) -> None:
    with Library(file) as library:
        library.move(path_of(0), path_of(999), 5)
        ((_, sighting),) = library.find_nearest(embeddings[0], 1, SAME_PERSON)
        assert sighting.path == path_of(999)
        assert library.list_files()[path_of(999)][1] == 5 and path_of(0) not in library.list_files()


def test_of_what_is_forgotten_nothing_is_left_in_any_file(file: Path, embeddings: FloatArray) -> None:
    with Library(file) as library:
        library.add(make_photo(3, embeddings[9:10]))  # read again: another face then
        assert library.forget_folder(path_of(0).parent) == len(embeddings)
        assert library.summarize().photos == library.summarize().faces == 0
    content = b"".join(path.read_bytes() for path in file.parent.iterdir())
    for embedding in embeddings:
        assert embedding.astype(np.float16).tobytes() not in content
        assert np.packbits(embedding > 0).tobytes() not in content
    assert b"IMG_0" not in content


def test_only_a_folder_itself_is_forgotten(file: Path) -> None:
    with Library(file) as library:
        known = len(library.list_files())
        assert library.forget_folder(path_of(0).parent.with_name("000")) == 0  # the beginning of another's name
        assert len(library.list_files()) == known


@pytest.mark.posix
def test_only_its_owner_may_read_it(file: Path) -> None:
    with Library(file) as library:
        library.forget([path_of(0)])
        modes = {path.name: path.stat().st_mode & 0o777 for path in file.parent.iterdir()}
    assert len(modes) > 1  # SQLite lays others beside it
    assert set(modes.values()) == {0o600}


def test_a_library_that_must_exist_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(FixError, match="There is no library at"):
        Library(tmp_path / "library.sqlite", must_exist=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"no database\n" * 100, b"SQLite format 3\0 and no more"])
def test_a_file_that_is_no_library_gets_one_sentence_and_stays(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(DamagedLibrary) as caught:
        Library(path)
    assert str(caught.value).startswith(f"{path} is no photo library, or it is damaged")
    assert str(caught.value).count("\n") == 0
    assert path.read_bytes() == content


def test_the_database_of_another_program_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "bookmarks.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE bookmarks (address TEXT)")
    connection.commit()
    connection.close()
    before = path.read_bytes()
    with pytest.raises(DamagedLibrary, match="or is no photo library"):
        Library(path)
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_a_folder_is_no_library(tmp_path: Path) -> None:
    with pytest.raises(FixError, match="cannot be used"):
        Library(tmp_path)


def test_damage_is_found_and_gets_one_sentence(file: Path, embeddings: FloatArray) -> None:
    with Library(file) as library:
        assert not library.find_damage()
    content = bytearray(file.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    file.write_bytes(content)
    with pytest.raises(DamagedLibrary, match="damaged"), Library(file) as library:
        library.find_nearest(embeddings[0], 3, SAME_PERSON)


def test_a_change_that_fails_leaves_all_as_it_was(file: Path, embeddings: FloatArray) -> None:
    with Library(file) as library:
        before = library.list_files()
        photo = make_photo(0, embeddings[:1])
        broken = type(photo)(photo.path, 1, 1, b"", faces=(*photo.faces, None))  # type: ignore[arg-type]
        with pytest.raises(AttributeError):
            library.add(broken)
        assert library.list_files() == before
        assert library.find_nearest(embeddings[0], 1, 0.01)


@pytest.mark.parametrize(
    ("platform", "variable"), [("linux", "XDG_DATA_HOME"), ("win32", "LOCALAPPDATA"), ("darwin", "")]
)
def test_the_library_lies_where_the_system_keeps_data(
    platform: str, variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", platform)
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    if variable:
        monkeypatch.setenv(variable, str(tmp_path / "data"))
    folder = tmp_path / "data" if variable else tmp_path / "home" / "Library" / "Application Support"
    assert find_library() == folder / "open-eyes" / "library.sqlite"
