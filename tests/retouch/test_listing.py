"""Which files of a run are photos, why others are passed over, and what results are called."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photo.errors import BadOption, UnreadablePhoto, UnwritablePhoto
from retouch.listing import check_apart, describe_passed_over, list_inputs, list_photos, tell_apart

RESULTS = Path("data/outputs")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with photos and other files in it and below it."""
    monkeypatch.chdir(tmp_path)
    for name in (
        "in/b.jpg", "in/a.PNG", "in/notes.txt", "in/.hidden.jpg", "in/clip.gif", "in/raw.RAW", "in/phone.jxl",
        "in/final_a.png", "in/deep/c.tif", "in/deep/er/c.tif", "in/.git/d.jpg", "in/out/e.jpg", "in/masks/a.PNG/m.png",
    ):  # fmt: skip
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return tmp_path


def name_places(
    *sources: str, recursive: bool = False, results: Path = RESULTS, others: tuple[Path, ...] = ()
) -> list[str]:
    listing = list_inputs([Path(name) for name in sources], recursive=recursive, results=results, others=others)
    return [photo.place.as_posix() for photo in listing.inputs]


@pytest.mark.usefixtures("folder")
def test_every_file_of_a_folder_is_a_photo_or_has_a_reason() -> None:
    listing = list_inputs([Path("in")], recursive=False, results=RESULTS)
    assert [path.as_posix() for path in listing.paths] == ["in/a.PNG", "in/b.jpg", "in/final_a.png"]
    reasons = {path.name: reason for path, reason in listing.passed_over}
    assert {*reasons, "a.PNG", "b.jpg", "final_a.png"} == {path.name for path in Path("in").iterdir()}
    assert "GIF" in reasons["clip.gif"] and "RAW" in reasons["raw.RAW"] and "cannot be read" in reasons["phone.jxl"]
    assert reasons["notes.txt"] == "no photo" and reasons[".hidden.jpg"] == "hidden"
    assert "--recursive" in reasons["deep"]
    lines = describe_passed_over(listing.passed_over).splitlines()
    assert lines[0] == f"Passed over {len(reasons)}:"
    assert all(any(name in line and reason in line for line in lines) for name, reason in reasons.items())


@pytest.mark.usefixtures("folder")
def test_folders_in_a_folder_are_looked_through_but_those_of_results_and_hidden_ones() -> None:
    places = name_places("in", recursive=True, results=Path("in/../in/out"), others=(Path("in/masks"),))
    assert places == ["a.PNG", "b.jpg", "final_a.png", "deep/c.tif", "deep/er/c.tif"]
    assert "final_a.png" not in name_places("in", recursive=True, results=Path("in"))


@pytest.mark.posix
def test_links_are_followed_once_and_lead_round_in_no_circle(folder: Path) -> None:
    (folder / "in" / "a_link.jpg").symlink_to("b.jpg")
    (folder / "in" / "dead.jpg").symlink_to("nothing.jpg")
    (folder / "in" / "deep" / "round").symlink_to("..")
    os.mkfifo(folder / "in" / "pipe.jpg")
    listing = list_inputs([Path("in")], recursive=True, results=Path("in/out"), others=[Path("in/masks")])
    assert [path.name for path in listing.paths] == ["a.PNG", "b.jpg", "final_a.png", "c.tif", "c.tif"]
    reasons = {path.name: reason for path, reason in listing.passed_over}
    assert reasons["a_link.jpg"] == f"the same photo as {Path('in/b.jpg')}"
    assert reasons["dead.jpg"] == "a link to nothing" and reasons["round"] == "a link to a folder"
    assert reasons["pipe.jpg"] == "no file that can be read"


@pytest.mark.usefixtures("folder")
def test_what_is_named_is_taken_whatever_it_is_called_and_once() -> None:
    assert name_places("in/notes.txt", "in/b.jpg", "./in/b.jpg", "in/missing.jpg") == [
        "notes.txt",
        "b.jpg",
        "missing.jpg",
    ]


@pytest.mark.usefixtures("folder")
def test_a_folder_without_a_photo_says_what_is_there_instead() -> None:
    Path("empty").mkdir()
    with pytest.raises(UnreadablePhoto, match=r"There is no photo in the folder empty\.$"):
        list_photos(Path("empty"))
    Path("empty/clip.gif").touch()
    with pytest.raises(UnreadablePhoto, match=r"no photo in the folder empty: there are clip.gif \(a GIF"):
        list_inputs([Path("empty")], recursive=False, results=RESULTS)
    assert name_places("empty", "in/b.jpg") == ["b.jpg"]


@pytest.mark.parametrize(
    ("places", "sources", "expected"),
    [
        ("a.png b.png", "a.jpg b.jpg", "a.png b.png"),
        ("a.png a.png", "a.jpg a.tif", "a.jpg.png a.tif.png"),
        ("a.png a.png a.jpg.png", "a.jpg a.tif a.jpg.png", "a.jpg_2.png a.tif.png a.jpg.png"),
        ("a.jpg a.jpg a.jpg", "a.jpg a.jpg a.jpg", "a.jpg a_2.jpg a_3.jpg"),
        ("A.png a.png", "A.jpg a.jpg", "A.jpg.png a.jpg_2.png"),
    ],
)
def test_no_two_results_have_one_name(places: str, sources: str, expected: str) -> None:
    apart = tell_apart([Path(name) for name in places.split()], [Path(name) for name in sources.split()])
    assert [str(path) for path in apart] == expected.split()


NAMES = st.sampled_from(["a", "A", "a_2", "a.jpg", "a.jpg_2", "b/a", "b/A_2"])


@given(st.lists(st.tuples(NAMES, st.sampled_from([".jpg", ".tif", ".png"])), max_size=12))
def test_whatever_the_photos_are_called_no_two_results_have_one_name(names: list[tuple[str, str]]) -> None:
    sources = [Path(name + ending) for name, ending in names]
    for places in ([Path(f"{name}.png") for name, _ in names], sources):
        apart = tell_apart(places, sources)
        assert len({str(path).casefold() for path in apart}) == len(names)
        assert [path.parent for path in apart] == [path.parent for path in places]
        assert [path.suffix for path in apart] == [path.suffix for path in places]


@pytest.mark.posix
def test_links_make_no_two_results_one(tmp_path: Path) -> None:
    (tmp_path / "b.png").symlink_to("a.png")
    one, other = tmp_path / "a.png", tmp_path / "b.png"
    with pytest.raises(UnwritablePhoto, match="are the same file"):
        check_apart([one, other], [])
    with pytest.raises(BadOption, match="--masks_dir would make a folder"):
        check_apart([one], [other])
    check_apart([one, tmp_path / "c.png"], [tmp_path / "masks" / "a.png"])
