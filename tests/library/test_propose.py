"""Only other photos of the same people with open eyes are proposed: those of the moment first, then the most alike."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from face.analysis import FaceAnalysis
from face.search import find_faces
from library.find import MOMENT_S, MOST_PHOTOS, choose_photos, find_neighbours, rank_candidates
from library.index import index_folders
from library.propose import Proposer
from library.reading import read_moment, read_photo
from library.store import FaceRecord, Group, Library, PhotoRecord
from photo.errors import FixError
from photo.files import load_photo, save_photo
from photo.mark import SourceType, is_marked
from photo.saving import Saving
from photo.types import FloatArray
from tests.support.photos import PORTRAITS, load_pixels

OPEN = ("edwards.jpg", "edwards_again.jpg", "takano.jpg", "waters.jpg")
TAKEN = 1_700_000_000.0
DAY_S = 86_400.0


def analyze(name: str) -> tuple[FaceAnalysis, ...]:
    pixels = load_pixels(PORTRAITS / name)
    return tuple(FaceAnalysis(pixels, face) for face in find_faces(pixels))


def save_result(source: Path, path: Path) -> None:
    """The photo as this program writes it after an edit."""
    photo = load_photo(source)
    pixels = photo.pixels.copy()
    pixels[:16, :16] //= 2
    save_photo(pixels, photo, path, saving=Saving(is_marked=True, source_type=SourceType.SYNTHETIC))
    assert is_marked(path)


@pytest.fixture(scope="module")
def blinking() -> tuple[FaceAnalysis, ...]:
    return analyze("edwards_blink.jpg")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Portraits with open eyes, one that blinks, a result of this program, and `library.sqlite`, which knows them."""
    folder = tmp_path_factory.mktemp("portraits")
    for name in (*OPEN, "edwards_blink.jpg"):
        shutil.copy(PORTRAITS / name, folder)
    save_result(PORTRAITS / "edwards.jpg", folder / "edwards_fixed.jpg")
    with Library(folder / "library.sqlite") as library:
        result = index_folders(library, [folder], 0, lambda *_: None)
    assert (result.read, result.faces) == (6, 5)
    return folder


def test_the_person_with_open_eyes_is_chosen_and_nobody_else(folder: Path, blinking: tuple[FaceAnalysis, ...]) -> None:
    with Library(folder / "library.sqlite") as library:
        chosen = choose_photos(library, blinking, folder / "edwards_blink.jpg", None)
    assert sorted(path.name for path in chosen) == ["edwards.jpg", "edwards_again.jpg"]


def test_nothing_is_chosen_for_open_eyes_or_for_a_stranger(folder: Path) -> None:
    with Library(folder / "library.sqlite") as library:
        assert not choose_photos(library, analyze("edwards_again.jpg"), Path("other.jpg"), None)
        assert not choose_photos(library, analyze("duckworth_blink.jpg"), Path("other.jpg"), None)


def test_a_photo_that_is_gone_is_not_chosen(folder: Path, blinking: tuple[FaceAnalysis, ...], tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    with Library(tmp_path / "library.sqlite") as library:
        for path in library.list_files():
            library.move(path, tmp_path / path.name, 1)
        (tmp_path / "edwards.jpg").unlink()
        chosen = choose_photos(library, blinking, tmp_path / "edwards_blink.jpg", None)
    assert [path.name for path in chosen] == ["edwards_again.jpg"]


def test_the_photo_itself_is_not_chosen(folder: Path, blinking: tuple[FaceAnalysis, ...]) -> None:
    with Library(folder / "library.sqlite") as library:
        chosen = choose_photos(library, blinking, folder / "below" / ".." / "edwards.jpg", None)
    assert [path.name for path in chosen] == ["edwards_again.jpg"]


def turn_embedding(embedding: FloatArray, distance: float, seed: int) -> FloatArray:
    """An embedding at this distance from another one."""
    other = np.random.default_rng(seed).standard_normal(len(embedding))
    other -= (other @ embedding) * embedding
    cosine = 1 - distance**2 / 2
    turned = cosine * embedding + np.sqrt(1 - cosine**2) * other / np.linalg.norm(other)
    return np.asarray(turned, np.float32)


@pytest.fixture
def record(folder: Path, blinking: tuple[FaceAnalysis, ...]) -> FaceRecord:
    """The blinking face with open eyes, as the library would know it."""
    (face,) = read_photo(folder / "edwards.jpg").faces
    return replace(face, embedding=turn_embedding(blinking[0].embedding, 0.4, 0))


def rank(tmp_path: Path, analysis: FaceAnalysis, photos: Mapping[str, tuple[float | None, FaceRecord]]) -> list[str]:
    """The names of made-up photos in the order in which they suit a face, taken at TAKEN."""
    with Library(tmp_path / "library.sqlite") as library:
        for number, (name, (taken, face)) in enumerate(photos.items()):
            library.add(PhotoRecord(tmp_path / name, number, number, b"", taken, faces=(face,)))
        ranked = rank_candidates(library, analysis, tmp_path / "photo.jpg", TAKEN)
        return [candidate.sighting.path.name for candidate in ranked]


def test_photos_of_the_moment_come_before_those_of_the_day_and_these_before_others(
    tmp_path: Path, blinking: tuple[FaceAnalysis, ...], record: FaceRecord
) -> None:
    photos = {
        "unknown": (None, record),
        "year": (TAKEN - 300 * DAY_S, record),
        "hour": (TAKEN + 3600, record),
        "moment": (TAKEN - MOMENT_S / 2, record),
    }
    assert rank(tmp_path, blinking[0], photos)[:2] == ["moment", "hour"]


def test_of_one_day_the_most_alike_view_comes_first(
    tmp_path: Path, blinking: tuple[FaceAnalysis, ...], record: FaceRecord
) -> None:
    face = blinking[0].face
    straight = replace(record, yaw_degrees=face.yaw_degrees, pitch_degrees=face.pitch_degrees, sharpness=0.9)
    photos = {
        name: (TAKEN + 3600, changed)
        for name, changed in {
            "turned": replace(straight, yaw_degrees=face.yaw_degrees + 12),
            "aside": replace(straight, gaze_aside=3.0),
            "unlike": replace(straight, smile=record.smile - 0.8),
            "blurred": replace(straight, sharpness=0.5),
            "alike": straight,
        }.items()
    }
    assert rank(tmp_path, blinking[0], photos)[0] == "alike"


@pytest.mark.parametrize(
    "change",
    [
        {"closedness": 0.6},
        {"eye_distance_px": 20.0},
        {"yaw_degrees": 40.0},
        {"pitch_degrees": 40.0},
    ],
    ids=str,
)
def test_eyes_that_are_shut_small_or_turned_are_left_out(
    tmp_path: Path, blinking: tuple[FaceAnalysis, ...], record: FaceRecord, change: dict[str, float]
) -> None:
    photos = {"no": (TAKEN, replace(record, **change)), "yes": (TAKEN, record)}  # type: ignore[arg-type]
    assert rank(tmp_path, blinking[0], photos) == ["yes"]


def test_another_person_is_left_out_even_at_the_same_moment(
    tmp_path: Path, blinking: tuple[FaceAnalysis, ...], record: FaceRecord
) -> None:
    stranger = replace(record, embedding=turn_embedding(blinking[0].embedding, 0.9, 1))
    assert rank(tmp_path, blinking[0], {"stranger": (TAKEN, stranger)}) == []


def test_somebody_alike_is_left_out_unless_time_or_a_known_person_says_so(
    tmp_path: Path, blinking: tuple[FaceAnalysis, ...], record: FaceRecord
) -> None:
    alike = replace(record, embedding=turn_embedding(blinking[0].embedding, 0.8, 1))
    photos = {"day": (TAKEN - DAY_S, alike), "unknown": (None, alike), "moment": (TAKEN + 3, alike)}
    assert rank(tmp_path, blinking[0], photos) == ["moment"]
    with Library(tmp_path / "library.sqlite") as library:
        ids = [sighting.face_id for _, sighting in library.find_nearest(alike.embedding, 9, 0.1)]
        library.write_groups([Group(None, ids)], max(ids))
        (person,) = library.list_people()
        ranked = rank_candidates(library, blinking[0], tmp_path / "photo.jpg", None, person.number)
    assert {candidate.sighting.path.name for candidate in ranked} == set(photos)


def test_the_moment_is_found_among_very_many_photos_of_a_person(
    tmp_path: Path, blinking: tuple[FaceAnalysis, ...], record: FaceRecord
) -> None:
    near = {
        f"{number}": (TAKEN - 99 * DAY_S, replace(record, embedding=turn_embedding(blinking[0].embedding, 0.2, number)))
        for number in range(450)
    }
    far = replace(record, embedding=turn_embedding(blinking[0].embedding, 0.8, 1))
    assert rank(tmp_path, blinking[0], {**near, "moment": (TAKEN + 2, far)})[0] == "moment"


# ---- beside the photo ------------------------------------------------------------------------------------


def save_taken(source: Path, path: Path, taken: float) -> Path:
    """A copy of a photo with the time at which it was taken in its Exif."""
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = datetime.fromtimestamp(taken, UTC).strftime("%Y:%m:%d %H:%M:%S")
    with Image.open(source) as image:
        image.save(path, exif=exif, quality=95)
    assert read_moment(path) == taken
    return path


def test_neighbours_are_the_photos_of_the_same_seconds(tmp_path: Path) -> None:
    for name, seconds in {"IMG_1": 0, "IMG_2": -4, "IMG_3": 3, "IMG_4": 11, "IMG_5": -3600}.items():
        save_taken(PORTRAITS / "waters.jpg", tmp_path / f"{name}.jpg", TAKEN + seconds)
    shutil.copy(PORTRAITS / "waters.jpg", tmp_path / "IMG_6.jpg")
    save_result(tmp_path / "IMG_3.jpg", tmp_path / "IMG_3_fixed.jpg")
    assert [path.name for path in find_neighbours(tmp_path / "IMG_1.jpg", TAKEN)] == ["IMG_3.jpg", "IMG_2.jpg"]
    assert not find_neighbours(tmp_path / "IMG_1.jpg", None)
    assert not find_neighbours(tmp_path / "elsewhere" / "IMG_1.jpg", TAKEN)


def test_a_frame_of_the_same_moment_is_proposed_without_a_library(
    tmp_path: Path, blinking: tuple[FaceAnalysis, ...]
) -> None:
    photo = save_taken(PORTRAITS / "edwards_blink.jpg", tmp_path / "1.jpg", TAKEN)
    save_taken(PORTRAITS / "edwards_again.jpg", tmp_path / "2.jpg", TAKEN + 1)
    (tmp_path / "3.jpg").write_text("no photo\n")
    told: list[str] = []
    proposer = Proposer(None, told.append)
    (reference,) = proposer.propose(blinking, photo).references
    assert reference.name == "2.jpg" and len(reference.crops) == 1
    assert proposer.propose(blinking, photo).references[0] is reference  # read once
    assert not proposer.propose(analyze("edwards_again.jpg"), photo).references
    assert not told


# ---- the library -----------------------------------------------------------------------------------------


def test_the_library_proposes_photos_as_references_named_by_their_path(
    folder: Path, blinking: tuple[FaceAnalysis, ...], tmp_path: Path
) -> None:
    references = Proposer(folder / "library.sqlite", print).propose(blinking, tmp_path / "photo.jpg").references
    assert 0 < len(references) <= MOST_PHOTOS
    assert {reference.name for reference in references} == {
        str(folder / "edwards.jpg"),
        str(folder / "edwards_again.jpg"),
    }
    assert {reference.path for reference in references} == {folder / "edwards.jpg", folder / "edwards_again.jpg"}


def test_a_photo_that_broke_since_is_left_out_with_a_warning(
    folder: Path, blinking: tuple[FaceAnalysis, ...], tmp_path: Path
) -> None:
    with Library(folder / "library.sqlite") as library:
        known = {path.name: path for path in library.list_files()}
    record = read_photo(known["edwards.jpg"])
    broken = tmp_path / "broken.jpg"
    broken.write_text("no photo\n")
    with Library(tmp_path / "library.sqlite") as library:
        library.add(replace(record, path=broken))
    told: list[str] = []
    proposer = Proposer(tmp_path / "library.sqlite", told.append)
    assert not proposer.propose(blinking, tmp_path / "photo.jpg").references
    assert not proposer.propose(blinking, tmp_path / "photo.jpg").references
    assert len(told) == 1 and "broken.jpg" in told[0]


def test_a_library_that_is_named_has_to_be_there_and_in_order(tmp_path: Path) -> None:
    with pytest.raises(FixError, match="There is no library"):
        Proposer(tmp_path / "library.sqlite", print)
    (tmp_path / "notes.txt").write_text("no library\n" * 100)
    with pytest.raises(FixError, match="is no photo library"):
        Proposer(tmp_path / "notes.txt", print)


def test_without_the_library_of_the_user_photos_are_fixed_all_the_same(
    tmp_path: Path, blinking: tuple[FaceAnalysis, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("library.propose.find_library", lambda: tmp_path / "library.sqlite")
    told: list[str] = []
    assert not Proposer(None, told.append).propose(blinking, tmp_path / "photo.jpg").references
    assert not told and not list(tmp_path.iterdir())
    (tmp_path / "library.sqlite").write_text("damaged\n" * 100)
    proposer = Proposer(None, told.append)
    for _ in range(2):
        assert not proposer.propose(blinking, tmp_path / "photo.jpg").references
    assert len(told) == 1 and "is damaged" in told[0] and "without the library" in told[0]
