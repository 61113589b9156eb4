"""Of a burst the best photo is kept, and whoever looks better in another is put right from there."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmark.synthetic_blink import close_eyes
from edit.options import Options, SmileOptions, Wish
from face.expression import measure_openness
from photo.errors import BadOption
from photo.types import Photo, Pixels
from retouch.burst import (
    BurstPhoto,
    BurstResult,
    burst_to_json,
    choose_base,
    describe_burst,
    fix_burst,
    read_burst_photo,
)
from retouch.drawing import draw_contact_sheet
from retouch.engines import DraftEngine
from tests.conftest import FindFaces, LoadPhoto
from tests.support.photos import where_developing

# The numbers of two portraits of one woman in image_4.jpg, whose eyes are open.
LARGE, SMALL = 3, 5
NO_SMILE = Options(smile=SmileOptions(Wish.NEVER))


def shift(pixels: Pixels, right: float, down: float) -> Pixels:
    """The next photo of a burst: the camera has moved, the exposure is a little shorter."""
    matrix = np.array([[1.0, 0.0, right], [0.0, 1.0, down]])
    moved = cv2.warpAffine(pixels, matrix, pixels.shape[1::-1], flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    return np.clip(moved * 0.92, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def group(sample: LoadPhoto) -> Pixels:
    return sample("image_4.jpg")


@pytest.fixture(scope="module")
def photos(group: Pixels, faces_of: FindFaces) -> list[Photo]:
    """In the first photo the one portrait has its eyes closed, in the second the other."""
    large, small = (faces_of(group)[number - 1] for number in (LARGE, SMALL))
    pictures = close_eyes(group, large), shift(close_eyes(group, small), 5.3, -3.6)
    return [Photo(pixels, path=Path(name)) for pixels, name in zip(pictures, ("one.jpg", "two.jpg"), strict=True)]


@pytest.fixture(scope="module")
def burst(photos: list[Photo]) -> list[BurstPhoto]:
    return [read_burst_photo(photo) for photo in photos]


@pytest.fixture(scope="module")
def result(photos: list[Photo], burst: list[BurstPhoto]) -> BurstResult:
    return fix_burst(photos[0], burst, 0, NO_SMILE, DraftEngine())


def test_the_whole_face_comes_from_where_its_eyes_are_open(
    group: Pixels, result: BurstResult, photos: list[Photo]
) -> None:
    sources = {source.face.number: source for source in result.sources}
    assert sources[LARGE].photo == 1 and "two.jpg" in sources[LARGE].reason
    assert sources[SMALL].photo is None and "good as it is" in sources[SMALL].reason
    eye = sources[LARGE].face.landmarks.right_eye
    left, top = eye.upper[:, :2].min(axis=0).astype(int) - 3
    right, bottom = eye.lower[:, :2].max(axis=0).astype(int) + 4
    truth = group[top:bottom, left:right].astype(float)
    off, was_off = (np.abs(p[top:bottom, left:right] - truth).mean() for p in (result.pixels, photos[0].pixels))
    assert off < was_off / 2


def test_the_same_person_elsewhere_in_the_photo_is_no_donor(result: BurstResult) -> None:
    # Five portraits of two people: each is followed by its place.
    for index, source in enumerate(result.sources):
        assert source.sightings == (index, index)


def test_nothing_outside_faces_and_edits_changes(result: BurstResult, photos: list[Photo]) -> None:
    assert result.changed_outside == 0
    changed = (result.pixels != photos[0].pixels).any(axis=2)
    assert 0 < result.changed_pixels == np.count_nonzero(changed)
    near = np.zeros(changed.shape, bool)
    for source in result.sources:
        near[source.face.box.padded(0.5).clipped(changed.shape[1], changed.shape[0]).slices] = True  # type: ignore[union-attr]
    assert not changed[~near].any()


def test_who_is_closed_in_every_photo_gets_the_usual_edit(result: BurstResult) -> None:
    source = result.sources[0]
    assert source.photo is None and "no photo has it with open eyes" in source.reason
    assert "opened both eyes" in source.outcome


def test_the_report_calls_the_other_photos_of_a_burst_so(result: BurstResult) -> None:
    assert "comes from the other photos of the burst" in result.sources[0].outcome
    assert not any("reference" in source.outcome for source in result.sources)


def test_the_report_says_who_came_from_where(result: BurstResult, burst: list[BurstPhoto]) -> None:
    text = describe_burst(result, burst)
    assert text.splitlines()[0] == "Kept one.jpg of 2 photos."
    assert f"Face {LARGE}: whole face from two.jpg, with open eyes." in text
    data = json.loads(json.dumps(burst_to_json(result, burst), allow_nan=False))
    assert data["burst"]["kept"] == "one.jpg" and data["burst"]["photos"] == ["one.jpg", "two.jpg"]
    assert [face["from"] for face in data["burst"]["faces"]][LARGE - 1] == "two.jpg"
    assert data["changed_pixels"] == result.changed_pixels


def test_the_photo_with_most_open_eyes_is_kept(group: Pixels, photos: list[Photo], burst: list[BurstPhoto]) -> None:
    better = read_burst_photo(Photo(shift(group, 2.2, 1.4), path=Path("three.jpg")))
    assert choose_base([*burst, better], NO_SMILE) == 2
    assert choose_base([better, *burst], NO_SMILE) == 0


def test_a_photo_without_faces_is_no_donor_and_never_kept(sample: LoadPhoto, burst: list[BurstPhoto]) -> None:
    empty = read_burst_photo(Photo(sample("image_5.jpg"), path=Path("rocket.jpg")))
    assert choose_base([empty, *burst], NO_SMILE) == 1
    with pytest.raises(BadOption, match="no face"):
        choose_base([empty, empty], NO_SMILE)


def test_faces_left_out_stay_as_they_are(photos: list[Photo], burst: list[BurstPhoto]) -> None:
    result = fix_burst(photos[0], burst, 0, Options(smile=SmileOptions(Wish.NEVER), faces=(SMALL,)), DraftEngine())
    assert np.array_equal(result.pixels, photos[0].pixels)
    assert {source.reason for source in result.sources} == {"left out", "looks good as it is"}


def test_a_face_that_is_not_there_is_said(photos: list[Photo], burst: list[BurstPhoto]) -> None:
    with pytest.raises(BadOption, match=r"names face 9, but one\.jpg has 5"):
        fix_burst(photos[0], burst, 0, Options(faces=(1, 9)), DraftEngine())


def test_a_stranger_gives_nothing(sample: LoadPhoto, faces_of: FindFaces) -> None:
    pixels = sample("image_2.jpg")
    closed = Photo(close_eyes(pixels, faces_of(pixels)[0]), path=Path("her.jpg"))
    pair = [read_burst_photo(closed), read_burst_photo(Photo(sample("image_3.jpg"), path=Path("stranger.jpg")))]
    result = fix_burst(closed, pair, 0, NO_SMILE, DraftEngine())
    assert result.sources[0].sightings == (0, None) and result.sources[0].photo is None


def test_smiles_count_only_where_they_are_wanted(sample: LoadPhoto) -> None:
    pixels = sample("image_2.jpg")
    shots = [Photo(pixels, path=Path("one.jpg")), Photo(shift(pixels, 3.0, 2.0), path=Path("two.jpg"))]
    pair = [read_burst_photo(shot) for shot in shots]
    (ignored,) = fix_burst(shots[0], pair, 0, NO_SMILE, DraftEngine()).sources
    assert ignored.reason == "looks good as it is" and not ignored.outcome
    (wanted,) = fix_burst(shots[0], pair, 0, Options(), DraftEngine()).sources
    assert wanted.reason == "no photo has it with a smile" and "made the mouth smile" in wanted.outcome


def test_openness_follows_the_eyes(sample: LoadPhoto, faces_of: FindFaces) -> None:
    closed, opened = (faces_of(sample(name))[0] for name in ("image_3.jpg", "image_2.jpg"))
    assert measure_openness(closed) == 0.0
    assert measure_openness(opened) == 1.0


def test_the_contact_sheet_has_a_row_for_each_face(result: BurstResult, burst: list[BurstPhoto]) -> None:
    sheet = draw_contact_sheet(result, burst)
    assert sheet.dtype == np.uint8
    fewer = draw_contact_sheet(
        BurstResult(result.pixels, 0, result.sources[:1], result.fix, result.changed_pixels, 0), burst
    )
    row = (sheet.shape[0] - fewer.shape[0]) / (len(result.sources) - 1)
    assert row == int(row) > 100
    # Three columns: both photos and the result. The second photo's cell of the large portrait is framed in orange.
    orange = (np.abs(sheet.astype(int) - (235, 120, 0)).max(axis=2) < 12).nonzero()
    assert orange[0].min() > (LARGE - 1) * row and orange[0].max() < (LARGE + 1) * row
    assert sheet.shape[1] / 3 < orange[1].mean() < sheet.shape[1] * 2 / 3


@pytest.mark.parametrize(
    ("names", "closed"),
    [
        (("group_blink.jpg", "group_open.jpg"), {2, 3, 5}),
        *where_developing((("closed/group_uol_g1.jpg", "pairs/uol_g1/ref_open.jpg"), {2, 3, 4})),
    ],
)
def test_people_with_closed_eyes_get_their_own_from_the_next_photo(
    names: tuple[str, str], closed: set[int], real_photo: LoadPhoto
) -> None:
    group = [Photo(real_photo(name), path=Path(name)) for name in names]
    burst = [read_burst_photo(photo) for photo in group]
    assert choose_base(burst, NO_SMILE) == 1
    result = fix_burst(group[0], burst, 0, NO_SMILE, DraftEngine())
    assert {source.face.number for source in result.sources} > closed
    for source in result.sources:
        if source.face.number in closed:
            assert 1 in (source.photo, source.parts_from)
        else:
            assert source.photo is None and not source.outcome
    assert result.changed_outside == 0
