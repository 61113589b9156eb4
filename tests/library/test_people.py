"""Faces are grouped into people who keep their numbers; nobody is mixed up by one photo, one blur, or one crash."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, linkage

from benchmark.library import make_embeddings, make_photo
from face.expression import INFANT_CHIN
from library import people
from library.find import rank_candidates
from library.identify import identify
from library.known_eyes import find_median, learn_eyes
from library.manage import list_people, name_person, take_out
from library.people import find_groups, group_people
from library.store import _PEOPLE, DamagedLibrary, FaceRecord, FaceTable, Library
from photo.errors import BadOption, UnwritablePhoto
from photo.types import FloatArray
from tests.library.test_propose import analyze, turn_embedding

ROOT = Path(__file__).parents[2]


def make_table(embeddings: FloatArray, photos: Sequence[int] | None = None, chin: float = 1.2) -> FaceTable:
    """A table of clear faces, each in a photo of its own unless `photos` says otherwise."""
    ids = np.arange(1, len(embeddings) + 1)
    measures = np.tile(np.array([120, 0, 0, 0.9, chin], np.float32), (len(ids), 1))
    return FaceTable(ids, ids if photos is None else np.array(photos), np.zeros_like(ids), measures, embeddings)


def group(table: FaceTable, named: Sequence[int] = (), refused: dict[int, frozenset[int]] | None = None) -> set[str]:
    """The groups, each as the ids of its faces."""
    found = find_groups(table, set(named), refused or {})
    return {" ".join(map(str, sorted(one.face_ids))) for one in found}


def near(embedding: FloatArray, *distances: float) -> FloatArray:
    """A face and others at these distances from it, in directions of their own."""
    turned = [turn_embedding(embedding, distance, 50 + seed) for seed, distance in enumerate(distances)]
    return np.stack([embedding, *turned])


@pytest.fixture
def one() -> FloatArray:
    return make_embeddings(1, 1, np.random.default_rng(3))[0]


def test_made_up_people_are_told_apart() -> None:
    random = np.random.default_rng(0)
    centers = random.standard_normal((12, 192)).astype(np.float32)
    centers /= np.linalg.norm(centers, axis=1, keepdims=True)
    whose = random.integers(12, size=300)
    embeddings = centers[whose] + random.standard_normal((300, 192)).astype(np.float32) * (0.5 / 192**0.5)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    due = {" ".join(map(str, np.flatnonzero(whose == person) + 1)) for person in range(12)}
    assert group(make_table(np.asarray(embeddings, np.float32))) == due


def test_merging_is_average_linkage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people, "_SURELY_SAME", 0.0)  # every face begins by itself
    monkeypatch.setattr(people, "_MERGED_FROM", people._MERGED_TO)
    monkeypatch.setattr(people, "_LEAST_PHOTOS", 1)
    sizes = set()
    for seed in range(5):
        random = np.random.default_rng(seed)
        blobs = random.standard_normal((6, 12)).repeat(10, axis=0) + 1.1 * random.standard_normal((60, 12))
        embeddings = np.zeros((60, 192), np.float32)
        embeddings[:, :12] = blobs / np.linalg.norm(blobs, axis=1, keepdims=True)
        squares = 2 - 2 * (embeddings.astype(np.float64) @ embeddings.T)
        tree = linkage(squares[np.triu_indices(60, 1)], "average")
        labels = fcluster(tree, people._MERGED_TO**2, "distance")
        due = {" ".join(map(str, np.flatnonzero(labels == label) + 1)) for label in set(labels)}
        assert group(make_table(embeddings)) == due
        sizes |= {len(one.split()) for one in due}
    assert len(sizes) > 4  # neither all in one, nor each by itself


def test_blocks_of_distances_miss_no_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    embeddings = make_embeddings(90, 9, np.random.default_rng(5))
    whole = group(make_table(embeddings))
    monkeypatch.setattr(people, "_ROWS", 7)
    monkeypatch.setattr(people, "_COLUMNS", 21)
    assert len(whole) == 9 and group(make_table(embeddings)) == whole


def test_two_faces_need_to_be_nearer_than_many(one: FloatArray) -> None:
    assert group(make_table(near(one, 0.65))) == {"1 2"}
    assert group(make_table(near(one, 0.80))) == set()
    assert group(make_table(near(one, 0.3, 0.3, 0.3, 0.3, 0.78))) == {"1 2 3 4 5 6"}


def test_who_is_in_one_photo_only_is_nobody(one: FloatArray) -> None:
    assert group(make_table(one[None])) == set()


def test_faces_of_one_photo_are_different_people(one: FloatArray) -> None:
    # Twins: side by side in every photo.
    embeddings = np.concatenate([near(one, 0.2, 0.2), near(turn_embedding(one, 0.68, 9), 0.2, 0.2)])
    assert group(make_table(embeddings)) == {"1 2 3 4 5 6"}
    assert group(make_table(embeddings, [1, 2, 3, 1, 2, 3])) == {"1 2 3", "4 5 6"}


def test_infants_are_nobody_and_what_is_unclear_only_joins(one: FloatArray) -> None:
    embeddings = near(one, 0.3, 0.3, 0.3)
    assert group(make_table(embeddings, chin=INFANT_CHIN - 0.02)) == set()
    table = make_table(embeddings)
    table.measures[:, 3] = 0.3  # all blurred
    assert group(table) == set()
    table.measures[:3, 3] = 0.9
    assert group(table) == {"1 2 3 4"}
    table.measures[3, 4] = INFANT_CHIN - 0.02
    assert group(table) == {"1 2 3"}


def test_unclear_faces_between_two_people_join_neither(one: FloatArray) -> None:
    other = turn_embedding(one, 1.0, 9)
    between = (one + other) / np.linalg.norm(one + other)
    table = make_table(np.concatenate([near(one, 0.2), near(other, 0.2), between[None]]))
    table.measures[4, 0] = 20.0
    assert group(table) == {"1 2", "3 4"}


# ---- in the library --------------------------------------------------------------------------------------


def make_face(embedding: FloatArray) -> FaceRecord:
    (face,) = make_photo(0, embedding[None]).faces
    return replace(face, chin=1.2)


def add(file: Path, numbers: Sequence[int], embeddings: FloatArray) -> None:
    with Library(file) as library:
        for number, embedding in zip(numbers, embeddings, strict=True):
            library.add(replace(make_photo(number, embedding[None]), faces=(make_face(embedding),)))
        group_people(library)


def read_people(file: Path) -> dict[str, list[int]]:
    """The numbers of the photos of each person, by name or number."""
    with Library(file) as library:
        return {
            person.name or str(person.number): sorted(
                int(sighting.taken or 0) for sighting in library.read_person(person.number)
            )
            for person in library.list_people()
        }


@pytest.fixture
def pair() -> tuple[FloatArray, FloatArray]:
    """Seven faces of each of two people."""
    (one,) = make_embeddings(1, 1, np.random.default_rng(8))
    return near(one, *[0.4] * 6), near(turn_embedding(one, 1.4, 1), *[0.4] * 6)


@pytest.fixture
def file(tmp_path: Path, pair: tuple[FloatArray, FloatArray]) -> Path:
    """A library of four photos of one person, 0 to 3, and three of another, 10 to 12."""
    path = tmp_path / "library.sqlite"
    add(path, range(4), pair[0][:4])
    add(path, range(10, 13), pair[1][:3])
    return path


def test_new_photos_join_people_who_keep_their_numbers(file: Path, pair: tuple[FloatArray, FloatArray]) -> None:
    assert read_people(file) == {"1": [0, 1, 2, 3], "2": [10, 11, 12]}
    add(file, [4, 13], np.stack([pair[0][4], pair[1][4]]))
    assert read_people(file) == {"1": [0, 1, 2, 3, 4], "2": [10, 11, 12, 13]}
    with Library(file) as library:
        assert not library.has_ungrouped()


def test_people_who_turn_out_to_be_one_are_merged_unless_both_have_names(tmp_path: Path, one: FloatArray) -> None:
    ends = np.concatenate([near(one, 0.2, 0.2), near(turn_embedding(one, 0.95, 9), 0.2, 0.2)])
    middle = np.stack(
        [turn_embedding((ends[0] + ends[3]) / np.linalg.norm(ends[0] + ends[3]), 0.1, k) for k in range(9)]
    )
    for names, due in (
        ((), {"1": 15}),
        (("Ada",), {"Ada": 15}),
        (("Ada", "Bea"), {"Ada", "Bea"}),
    ):
        path = tmp_path / f"{len(names)}.sqlite"
        add(path, range(6), ends)
        assert len(read_people(path)) == 2
        for number, name in zip((2, 1), names, strict=False):
            name_person(path, str(number), name)
        add(path, range(6, 15), middle)
        found = {name: len(photos) for name, photos in read_people(path).items()}
        assert found == due or (set(found) == due and sum(found.values()) == 15)


def test_a_name_is_kept_and_makes_two_one(file: Path) -> None:
    assert name_person(file, "2", " Ada  Lovelace ") == "Person 2 is called Ada Lovelace now."
    assert "Ada Lovelace is" not in name_person(file, "ada lovelace", "Ada")
    assert read_people(file) == {"Ada": [10, 11, 12], "1": [0, 1, 2, 3]}
    assert name_person(file, "1", "ADA") == "person 1 is Ada now, who is in 7 photos."
    assert read_people(file) == {"Ada": [0, 1, 2, 3, 10, 11, 12]}
    assert name_person(file, "Ada", "") == "Person 2 has no name now."
    with pytest.raises(BadOption, match="knows no person Eve; --people lists all"):
        name_person(file, "Eve", "Ada")
    with pytest.raises(BadOption, match="no number"):
        name_person(file, "2", "7")


def test_who_was_taken_out_stays_out_also_when_the_photo_is_read_again(
    file: Path, pair: tuple[FloatArray, FloatArray]
) -> None:
    wrong = make_photo(3, pair[0][:1]).path
    assert take_out(file, "1", [wrong]) == "1 photo taken out of person 1."
    assert read_people(file)["1"] == [0, 1, 2]
    add(file, [3, 4], pair[0][3:5])
    assert read_people(file) == {"1": [0, 1, 2, 4], "2": [10, 11, 12]}
    with pytest.raises(BadOption, match="no face of person 1 in"):
        take_out(file, "1", [make_photo(4, pair[0][:1]).path, wrong])
    assert read_people(file)["1"] == [0, 1, 2, 4]


def test_a_photo_that_is_read_again_keeps_its_people_and_another_face_gets_none(
    file: Path, pair: tuple[FloatArray, FloatArray]
) -> None:
    with Library(file) as library:
        changed = turn_embedding(pair[0][0], 0.3, 1)
        library.add(replace(make_photo(0, changed[None]), size=5))
        library.add(make_photo(1, pair[1][6:7]))
    assert read_people(file) == {"1": [0, 2, 3], "2": [10, 11, 12]}


def test_of_people_who_are_forgotten_no_name_is_left(file: Path) -> None:
    name_person(file, "1", "Zebulonia")
    with Library(file) as library:
        library.forget_folder(make_photo(0, np.zeros((0, 192), np.float32)).path.parent)
        assert library.list_people() == []
    assert b"Zebulonia" not in b"".join(path.read_bytes() for path in file.parent.iterdir())


def test_an_older_library_is_brought_up_to_date(file: Path, pair: tuple[FloatArray, FloatArray]) -> None:
    with Library(file) as library:
        before = library.list_files()
        execute = library._connection.execute
        for line in ("faces_by_person", "refusals_by_person"):
            execute(f"DROP INDEX {line}")
        for table in re.findall(r"CREATE TABLE (\w+)", _PEOPLE)[1:]:
            execute(f"DROP TABLE {table}")
        for column in re.findall(r"ADD COLUMN (\w+)", _PEOPLE):
            execute(f"ALTER TABLE faces DROP COLUMN {column}")
        execute("DROP TABLE people")
        execute("PRAGMA user_version = 1")
    with Library(file) as library:
        assert set(library.list_files()) == set(before) and not library.find_damage()
        assert {changed_ns for _, changed_ns in library.list_files().values()} == {-1}  # read again by the next run
        assert library.find_nearest(pair[0][0], 1, 0.01)
        group_people(library)
    assert sorted(read_people(file).values()) == [[0, 1, 2, 3], [10, 11, 12]]


def test_a_library_of_a_newer_program_stays_as_it_is(file: Path) -> None:
    with Library(file) as library:
        library._connection.execute("PRAGMA user_version = 99")
    with pytest.raises(DamagedLibrary, match="another version"):
        Library(file)


@pytest.mark.posix
def test_grouping_that_is_killed_changes_nothing_and_is_done_again(
    tmp_path: Path, pair: tuple[FloatArray, FloatArray]
) -> None:
    file = tmp_path / "library.sqlite"
    with Library(file) as library:
        for number, embedding in enumerate(np.concatenate(pair)):
            library.add(make_photo(number, embedding[None]))
    script = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom library import store\n"
        "from library.people import group_people\n"
        "def die(connection):\n    os.kill(os.getpid(), signal.SIGKILL)\n"
        "store._delete_nobodies = die\n"  # the last step, with everything written and nothing committed
        "with store.Library(Path(sys.argv[1])) as library:\n    group_people(library)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(file)], cwd=ROOT, capture_output=True)
    assert done.returncode == -signal.SIGKILL
    assert read_people(file) == {}
    with Library(file) as library:
        assert library.has_ungrouped() and not library.find_damage() and library.summarize().faces == 14
        group_people(library)
    assert sorted(map(len, read_people(file).values())) == [7, 7]
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


# ---- whom a face shows -----------------------------------------------------------------------------------


def test_a_face_is_told_only_where_it_is_sure(file: Path, pair: tuple[FloatArray, FloatArray]) -> None:
    with Library(file) as library:
        found = identify(library, pair[0][5])
        assert found is not None and found[1] == 1
        assert identify(library, turn_embedding(pair[0][0], 0.84, 5)) is None
        both = pair[0][0] + pair[1][0]
        assert identify(library, both / np.linalg.norm(both)) is None


def test_of_a_known_person_nobody_else_lends_the_eyes(tmp_path: Path) -> None:
    (analysis,) = analyze("edwards_blink.jpg")
    face = analysis.face
    with Library(tmp_path / "library.sqlite") as library:
        for number in range(6):
            embedding = turn_embedding(analysis.embedding, 0.4, number)
            record = replace(make_face(embedding), yaw_degrees=face.yaw_degrees, pitch_degrees=face.pitch_degrees)
            library.add(replace(make_photo(number, embedding[None]), faces=(record,)))
        group_people(library)
        ((number, count),) = [(person.number, person.photos) for person in library.list_people()]
        assert count == 6
        library.refuse(number, make_photo(0, np.zeros((0, 192), np.float32)).path)
        ranked = rank_candidates(library, analysis, tmp_path / "photo.jpg", None, number)
        assert {int(candidate.sighting.taken or 0) for candidate in ranked} == {1, 2, 3, 4, 5}
        assert len(rank_candidates(library, analysis, tmp_path / "photo.jpg", None)) == 6
        ranked = rank_candidates(library, analysis, tmp_path / "photo.jpg", None, number + 1)
        assert [int(candidate.sighting.taken or 0) for candidate in ranked] == [0]  # the others are somebody else


# ---- what their eyes are like ----------------------------------------------------------------------------


def test_the_eyes_of_a_person_are_the_medians_of_their_photos(file: Path, pair: tuple[FloatArray, FloatArray]) -> None:
    with Library(file) as library:
        assert learn_eyes(library, 1) is None
        for number, (red, height) in enumerate([(0.20, 0.8), (0.22, 0.9), (0.21, 0.85), (0.9, 3.0)]):
            face = replace(make_face(pair[0][number]), iris=(red, 0.3, 0.4), lid_height=height)
            library.add(replace(make_photo(number, pair[0][:1]), faces=(face,)))
        library.name_person(1, "Ada")
        known = learn_eyes(library, 1)
        assert known is not None and known.iris is not None
        assert (known.who, known.photos) == ("Ada", 4)
        assert known.iris == pytest.approx([0.215, 0.3, 0.4]) and known.lid_height == pytest.approx(0.875)
        assert learn_eyes(library, 2) is None


def test_measures_that_differ_or_are_few_tell_nothing() -> None:
    assert find_median([[0.2]] * 3, 0.1) is None
    assert find_median([[0.2]] * 4, 0.1) == pytest.approx([0.2])
    assert find_median([[0.2], [0.5], [0.8], [0.9]], 0.1) is None


# ---- what is told ----------------------------------------------------------------------------------------


def test_people_are_listed_with_an_example_and_shown_on_a_page_for_the_owner_alone(file: Path, tmp_path: Path) -> None:
    name_person(file, "2", '<b>"Ada"</b>')
    page = tmp_path / "people.html"
    text = list_people(file, page, lambda *_: None)
    assert "knows 2 people by 7 faces." in text
    assert re.search(
        r'  2: <b>"Ada"</b>: 3 photos, such as face \d+ of \S+IMG_\d+\.jpg\n  1: 4 photos, such as face ', text
    )
    content = page.read_text(encoding="utf-8")
    assert "&lt;b&gt;&quot;Ada&quot;&lt;/b&gt;" in content and '<b>"Ada' not in content
    assert "http:" not in content and "https:" not in content and "default-src 'none'" in content
    if sys.platform != "win32":
        page.chmod(0o644)
        list_people(file, page, lambda *_: None)  # its own page is replaced
        assert page.stat().st_mode & 0o777 == 0o600


def test_a_page_replaces_nothing_of_others_and_has_to_be_one(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "index.html"
    other.write_text("<p>mine</p>\n")
    with pytest.raises(UnwritablePhoto, match="is there already"):
        list_people(file, other, lambda *_: None)
    assert other.read_text() == "<p>mine</p>\n"
    with pytest.raises(BadOption, match=r"must end in \.html"):
        list_people(file, tmp_path / "people.png", lambda *_: None)
