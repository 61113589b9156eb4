"""Folders are read into the library once: then only what is new or changed, whatever stopped the run before."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from library import index
from library.index import IndexResult, index_folders
from library.reading import LONG_SIDE_PX, read_moment, read_photo
from library.store import Library, PhotoRecord
from photo.errors import UnreadablePhoto
from photo.files import load_photo, save_photo
from photo.mark import is_marked, mark_photo
from tests.support.photos import PORTRAITS

ROOT = Path(__file__).parents[2]
NOT_PHOTOS = {"notes.txt": "no photo\n", ".hidden.jpg": "hidden\n"}


def save_plain(path: Path, gray: int = 120, exif: Image.Exif | None = None) -> Path:
    """A photo without a face."""
    Image.fromarray(np.full((60, 80, 3), gray, np.uint8)).save(path, exif=Image.Exif() if exif is None else exif)
    return path


def run(file: Path, *folders: Path, stop_after: int = 10**9, workers: int = 0) -> tuple[IndexResult, list[str]]:
    """Index folders; return what was done and the names of the photos that were read."""
    seen: list[str] = []

    def note(number: int, _of: int, path: Path) -> None:
        seen.append(path.name)
        if number == stop_after:
            raise KeyboardInterrupt

    with Library(file) as library:
        return index_folders(library, folders, workers, note), seen


def list_known(file: Path) -> dict[str, int]:
    """How many faces each photo of the library has, by its path."""
    with Library(file) as library:
        paths = [str(path) for path in library.list_files()]
        counts = dict.fromkeys(paths, 0)
        embedding = np.zeros(192, np.float32)
        for _, sighting in library.find_nearest(embedding, 1000, 3.0):
            counts[str(sighting.path)] += 1
        assert not library.find_damage()
        return counts


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder `photos`, three portraits and a broken photo, and the library of it; not to be changed."""
    place = tmp_path_factory.mktemp("made")
    folder = place / "photos"
    (folder / "below").mkdir(parents=True)
    for name in ("edwards.jpg", "cummings_blink.jpg"):
        shutil.copy(PORTRAITS / name, folder)
    shutil.copy(PORTRAITS / "takano.jpg", folder / "below")
    (folder / "broken.jpg").write_text("no photo\n")
    for name, text in NOT_PHOTOS.items():
        (folder / name).write_text(text)
    result, seen = run(place / "library.sqlite", folder)
    assert seen == ["broken.jpg", "cummings_blink.jpg", "edwards.jpg", "takano.jpg"]
    assert (result.read, result.faces, result.left, result.is_stopped) == (4, 3, 0, False)
    ((path, reason),) = result.unreadable
    assert path.name == "broken.jpg" and "broken.jpg" in reason
    return place


@pytest.fixture
def place(made: Path, tmp_path: Path) -> Path:
    """The same to be changed; the library knows the photos at their places in here."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    with Library(tmp_path / "library.sqlite") as library:
        for path, (_, changed_ns) in library.list_files().items():
            library.move(path, tmp_path / path.relative_to(made), changed_ns)
    return tmp_path


def test_every_photo_is_there_with_its_faces(made: Path) -> None:
    folder = made / "photos"
    assert list_known(made / "library.sqlite") == {
        str(folder / "broken.jpg"): 0,
        str(folder / "cummings_blink.jpg"): 1,
        str(folder / "edwards.jpg"): 1,
        str(folder / "below" / "takano.jpg"): 1,
    }


def test_a_second_run_reads_nothing(place: Path) -> None:
    result, seen = run(place / "library.sqlite", place / "photos")
    assert not seen and (result.unchanged, result.read, result.moved, result.gone) == (4, 0, 0, 0)


def test_only_a_new_photo_is_read(place: Path) -> None:
    save_plain(place / "photos" / "below" / "wall.png")
    result, seen = run(place / "library.sqlite", place / "photos")
    assert seen == ["wall.png"] and (result.unchanged, result.read, result.faces) == (4, 1, 0)
    assert list_known(place / "library.sqlite")[str(place / "photos" / "below" / "wall.png")] == 0


def test_a_changed_photo_is_read_again(place: Path) -> None:
    changed = save_plain(place / "photos" / "edwards.jpg")
    result, seen = run(place / "library.sqlite", place / "photos")
    assert seen == ["edwards.jpg"] and (result.unchanged, result.read) == (3, 1)
    assert list_known(place / "library.sqlite")[str(changed)] == 0


def test_a_photo_that_is_mended_is_no_longer_broken(place: Path) -> None:
    shutil.copy(PORTRAITS / "takano.jpg", place / "photos" / "broken.jpg")
    run(place / "library.sqlite", place / "photos")
    with Library(place / "library.sqlite") as library:
        assert library.summarize().unreadable == 0 and library.summarize().faces == 4


@pytest.mark.parametrize("whole_folder", [False, True])
def test_a_deleted_photo_is_forgotten(place: Path, whole_folder: bool) -> None:
    gone = place / "photos" / "below" / "takano.jpg"
    if whole_folder:
        shutil.rmtree(gone.parent)
    else:
        gone.unlink()
    result, seen = run(place / "library.sqlite", place / "photos")
    assert not seen and (result.unchanged, result.gone) == (3, 1)
    assert str(gone) not in list_known(place / "library.sqlite")


@pytest.mark.parametrize("whole_folder", [False, True])
def test_a_moved_photo_is_recognised_by_its_content(place: Path, whole_folder: bool) -> None:
    old, new = place / "photos" / "below" / "takano.jpg", place / "photos" / "elsewhere" / "takano.jpg"
    if whole_folder:
        old.parent.rename(new.parent)
    else:
        new.parent.mkdir()
        old.rename(new)
    result, seen = run(place / "library.sqlite", place / "photos")
    assert not seen and (result.unchanged, result.moved, result.gone) == (3, 1, 0)
    known = list_known(place / "library.sqlite")
    assert known[str(new)] == 1 and str(old) not in known


def test_another_photo_of_the_same_size_is_no_moved_one(place: Path) -> None:
    old = place / "photos" / "below" / "takano.jpg"
    size = old.stat().st_size
    old.unlink()
    other = save_plain(place / "photos" / "other.jpg")
    other.write_bytes(other.read_bytes() + b"\0" * (size - other.stat().st_size))
    assert other.stat().st_size == size
    result, seen = run(place / "library.sqlite", place / "photos")
    assert seen == ["other.jpg"] and (result.moved, result.gone) == (0, 1)


def test_a_copy_is_another_photo(place: Path) -> None:
    shutil.copy(place / "photos" / "edwards.jpg", place / "photos" / "copy.jpg")
    result, seen = run(place / "library.sqlite", place / "photos")
    assert seen == ["copy.jpg"] and result.moved == 0
    assert sum(list_known(place / "library.sqlite").values()) == 4


def test_photos_outside_of_the_folder_stay_known(place: Path) -> None:
    result, _ = run(place / "library.sqlite", place / "photos" / "below")
    assert (result.unchanged, result.gone) == (1, 0)
    assert len(list_known(place / "library.sqlite")) == 4


def test_a_folder_may_be_named_as_people_do(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place / "photos")
    result, seen = run(place / "library.sqlite", Path("../photos/below"), Path())
    assert not seen and result.unchanged == 4


def test_a_stopped_run_is_taken_up_where_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(5):
        save_plain(folder / f"{number}.jpg", 40 * number)
    file = tmp_path / "library.sqlite"
    result, seen = run(file, folder, stop_after=2)
    assert result.is_stopped and (result.read, result.left) == (2, 3)
    assert len(list_known(file)) == 2
    result, again = run(file, folder)
    assert not result.is_stopped and sorted(seen + again) == [f"{number}.jpg" for number in range(5)]
    assert len(list_known(file)) == 5


@pytest.mark.posix
def test_a_killed_run_leaves_a_library_of_what_was_read(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(40):
        save_plain(folder / f"{number:02d}.jpg", 5 * number)
    script = (
        "import sys\nfrom pathlib import Path\nfrom library.index import index_folders\n"
        "from library.store import Library\n"
        "with Library(Path(sys.argv[1])) as library:\n"
        "    index_folders(library, [Path(sys.argv[2])], 0, lambda *_: print(flush=True))\n"
    )
    file = tmp_path / "library.sqlite"
    command = [sys.executable, "-c", script, str(file), str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        for _ in range(3):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    known = len(list_known(file))
    assert 3 <= known < 40
    result, _ = run(file, folder)
    assert (result.unchanged, result.read) == (known, 40 - known)


def is_running(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
        # An ended process counts until its new parent has asked for it.
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except ProcessLookupError:
        return False
    except FileNotFoundError:
        return not Path("/proc").is_dir()


@pytest.mark.posix
def test_the_processes_of_a_killed_run_end(tmp_path: Path) -> None:
    for number in range(3):
        save_plain(tmp_path / f"{number}.jpg")
    script = (
        "import multiprocessing, sys, time\nfrom pathlib import Path\nfrom library.index import index_folders\n"
        "from library.store import Library\n"
        "def tell(*_):\n"
        "    print(*(child.pid for child in multiprocessing.active_children()), flush=True)\n"
        "    time.sleep(60)\n"
        "with Library(Path(sys.argv[1]) / 'library.sqlite') as library:\n"
        "    index_folders(library, [Path(sys.argv[1])], 1, tell)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        children = [int(word) for word in process.stdout.readline().split()]
        assert children and all(is_running(child) for child in children)
        process.send_signal(signal.SIGKILL)
        process.stdout.close()
    end = time.monotonic() + 20
    while any(is_running(child) for child in children) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(is_running(child) for child in children)


def test_other_processes_read_the_same(made: Path, tmp_path: Path) -> None:
    result, seen = run(tmp_path / "library.sqlite", made / "photos", workers=2)
    assert (result.read, result.faces, len(result.unreadable), len(seen)) == (4, 3, 1, 4)
    assert list_known(tmp_path / "library.sqlite") == list_known(made / "library.sqlite")


def read_or_die(path: Path) -> PhotoRecord | None:
    """In the place of reading: some photos bring the process down."""
    if "deadly" in path.name:
        os._exit(9)
    return PhotoRecord(path, 1, 1, b"")


def test_a_photo_that_brings_a_process_down_is_named_and_the_others_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "_read", read_or_die)
    for name in ("1.jpg", "2_deadly.jpg", "3.jpg", "4.jpg"):
        save_plain(tmp_path / name)
    result, seen = run(tmp_path / "library.sqlite", tmp_path, workers=1)
    assert sorted(seen) == ["1.jpg", "2_deadly.jpg", "3.jpg", "4.jpg"]
    assert [path.name for path, _ in result.unreadable] == ["2_deadly.jpg"]


def test_a_folder_that_is_none_gets_one_sentence(tmp_path: Path) -> None:
    for wrong in (tmp_path / "nowhere", save_plain(tmp_path / "photo.jpg")):
        with pytest.raises(UnreadablePhoto, match="is no folder; name one that holds photos"):
            run(tmp_path / "library.sqlite", wrong)


# ---- one photo -------------------------------------------------------------------------------------------


def test_a_face_is_measured_in_the_full_photo(made: Path, tmp_path: Path) -> None:
    large = tmp_path / "large.jpg"
    with Image.open(PORTRAITS / "edwards.jpg") as image:
        width, height = 5 * image.width, 5 * image.height
        image.resize((width, height)).save(large)
    assert max(width, height) > LONG_SIDE_PX
    (face,), (small,) = read_photo(large).faces, read_photo(made / "photos" / "edwards.jpg").faces
    assert (read_photo(large).width, read_photo(large).height) == (width, height)
    assert face.eye_distance_px == pytest.approx(5 * small.eye_distance_px, rel=0.03)
    assert face.box == pytest.approx(small.box, abs=0.05)
    assert face.closedness < 0.3 and small.closedness < 0.3


def test_a_turned_and_a_gray_photo_are_seen_upright(made: Path, tmp_path: Path) -> None:
    (straight,) = read_photo(made / "photos" / "edwards.jpg").faces
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    with Image.open(PORTRAITS / "edwards.jpg") as image:
        width, height = image.size
        image.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.jpg", exif=exif)
        image.convert("L").save(tmp_path / "gray.jpg")
    for name in ("turned.jpg", "gray.jpg"):
        record = read_photo(tmp_path / name)
        (face,) = record.faces
        assert (record.width, record.height) == (width, height)
        assert face.box == pytest.approx(straight.box, abs=0.03)
        assert np.linalg.norm(face.embedding - straight.embedding) < 0.5


def test_open_eyes_tell_their_colour_and_height_and_closed_ones_none(made: Path, tmp_path: Path) -> None:
    large = tmp_path / "large.png"
    with Image.open(PORTRAITS / "edwards.jpg") as image:
        image.convert("L").save(tmp_path / "gray.png")
        image.resize((2 * image.width, 2 * image.height)).save(large)
    (face,) = read_photo(large).faces
    assert face.iris is not None and all(0 < part < 0.85 for part in face.iris)
    assert face.lid_height is not None and 0.6 < face.lid_height < 1.5
    assert face.chin is not None and face.chin > 0.95
    (blinking,) = read_photo(made / "photos" / "cummings_blink.jpg").faces
    assert blinking.iris is None and blinking.lid_height is None
    (gray,) = read_photo(tmp_path / "gray.png").faces
    assert gray.iris is None


def test_a_closed_eye_is_known_as_closed(made: Path) -> None:
    (face,) = read_photo(made / "photos" / "cummings_blink.jpg").faces
    assert face.closedness > 0.57


def test_a_result_of_this_program_keeps_no_faces(tmp_path: Path) -> None:
    photo = load_photo(PORTRAITS / "edwards.jpg")
    save_photo(photo.pixels, mark_photo(photo)[0], tmp_path / "fixed.png")
    assert is_marked(tmp_path / "fixed.png")
    record = read_photo(tmp_path / "fixed.png")
    assert record.error is None and record.width == photo.width and not record.faces


def test_when_a_photo_was_taken_comes_from_its_exif(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = "2024:05:01 12:00:03"
    exif.get_ifd(0x8769)[0x9291] = "25"
    path = save_plain(tmp_path / "photo.jpg", exif=exif)
    assert read_moment(path) == 1714564803.25
    assert read_moment(save_plain(tmp_path / "plain.jpg")) is None
    (tmp_path / "broken.jpg").write_text("no photo\n")
    assert read_moment(tmp_path / "broken.jpg") is None
