"""Every measure of a face is made once, when it is asked for, and the same everywhere."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from face import analysis as module
from face.analysis import FaceAnalysis
from face.appearance import measure_appearance, measure_eye_skin
from face.expression import CLOSE_CALL, CLOSED, PLAINLY_CLOSED, measure_closedness
from face.identity import embed_face
from face.search import find_faces, remeasure_elsewhere, remeasure_mirrored
from face.types import EYES, Face, Feature
from photo.types import Box, Pixels
from tests.conftest import FindFaces, LoadPhoto
from tests.support.photos import portraits

RIGHT, LEFT = EYES


@pytest.fixture
def pixels(sample: LoadPhoto) -> Pixels:
    return sample("image_2.jpg")


@pytest.fixture
def face(pixels: Pixels, faces_of: FindFaces) -> Face:
    return faces_of(pixels)[0]


def count_calls(patch: pytest.MonkeyPatch, name: str) -> list[str]:
    """Has every call of a measure noted in the list."""
    calls: list[str] = []
    measure = getattr(module, name)

    def note_and_measure(*arguments: object) -> object:
        calls.append(name)
        return measure(*arguments)

    patch.setattr(module, name, note_and_measure)
    return calls


def with_blink(face: Face, right: float, left: float) -> Face:
    return replace(face, blendshapes={**face.blendshapes, "eyeBlinkRight": right, "eyeBlinkLeft": left})


# ---- once -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "get"),
    [
        ("measure_appearance", lambda whole: whole.appearance),
        ("embed_face", lambda whole: whole.embedding),
        ("measure_sharpness", lambda whole: whole.sharpness),
        ("find_lower_rims", lambda whole: whole.lower_rims),
        ("measure_lip_contrast", lambda whole: whole.lips),
        ("measure_eye_skin", lambda whole: whole.eye(RIGHT).skin),
        ("find_iris", lambda whole: whole.eye(RIGHT).iris),
        ("measure_iris", lambda whole: whole.eye(RIGHT).iris_color),
        ("is_under_dark_glass", lambda whole: whole.eye(RIGHT).is_under_dark_glass),
        ("lacks_lash_line", lambda whole: whole.eye(RIGHT).lacks_lash_line),
    ],
)
def test_a_measure_is_made_at_its_first_use_and_once(
    pixels: Pixels, face: Face, monkeypatch: pytest.MonkeyPatch, name: str, get: Callable[[FaceAnalysis], object]
) -> None:
    calls = count_calls(monkeypatch, name)
    whole = FaceAnalysis(pixels, face)
    assert calls == []
    first = get(whole)
    assert calls == [name]
    assert get(whole) is first and calls == [name]


def test_each_eye_is_measured_for_itself_from_the_same_appearance(
    pixels: Pixels, face: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    appearances, skins = (count_calls(monkeypatch, name) for name in ("measure_appearance", "measure_eye_skin"))
    whole = FaceAnalysis(pixels, face)
    right, left = (whole.eye(feature).skin for feature in EYES)
    assert len(skins) == 2 and len(appearances) == 1 and not np.array_equal(right, left)
    assert whole.eye(LEFT) is whole.eye(LEFT) and whole.eye(LEFT).landmarks is face.eye(LEFT)
    with pytest.raises(KeyError):
        whole.eye(Feature.MOUTH)


def test_it_says_what_the_measures_say(pixels: Pixels, face: Face) -> None:
    whole = FaceAnalysis(pixels, face)
    appearance = measure_appearance(pixels, face)
    assert np.array_equal(whole.appearance.skin, appearance.skin)
    assert np.array_equal(whole.eye(LEFT).skin, measure_eye_skin(pixels, face, LEFT, appearance.skin))
    assert np.array_equal(whole.embedding, embed_face(pixels, face))


# ---- parts ----------------------------------------------------------------------------------------------


def test_what_is_cut_out_keeps_the_embedding_and_lets_go_of_the_photo(
    pixels: Pixels, face: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = FaceAnalysis(pixels, face)
    # So close around the eyes that the network would see another picture.
    box = Box.around(np.concatenate([face.eye(feature).brow_upper for feature in EYES])).padded(0.4)
    calls = count_calls(monkeypatch, "embed_face")
    part = whole.cut_out(box)
    assert part.embedding is whole.embedding and calls == ["embed_face"]
    assert not np.allclose(embed_face(part.pixels, part.face), whole.embedding, atol=0.01)
    assert np.array_equal(part.pixels, pixels[box.slices]) and not np.shares_memory(part.pixels, pixels)
    moved = face.landmarks.points - part.face.landmarks.points
    assert np.allclose(moved, [box.left, box.top, 0], atol=1e-3)


def test_a_smaller_copy_has_its_face_in_place(pixels: Pixels, face: Face) -> None:
    whole = FaceAnalysis(pixels, face)
    box = face.box
    half, full = whole.shrunk(box, 0.5), whole.shrunk(box, 1.0)
    assert half.pixels.shape[:2] == (round(box.height / 2), round(box.width / 2))
    assert half.face.landmarks.eye_distance_px == pytest.approx(face.landmarks.eye_distance_px / 2)
    assert np.array_equal(full.pixels, pixels[box.slices])
    assert full.face.landmarks.eye_distance_px == pytest.approx(face.landmarks.eye_distance_px)
    for eye in EYES:
        x, y = (half.face.eye(eye).iris[0, :2]).astype(int)
        around = half.pixels[y - 2 : y + 3, x - 2 : x + 3]
        assert around.mean() < 0.7 * half.appearance.skin.mean()


# ---- closedness -----------------------------------------------------------------------------------------


def with_closedness(face: Face, right: float, left: float) -> Face:
    """The face with blink scores that make its eyes so closed."""
    scores = [
        face.blink(feature) + 2 * (closedness - measure_closedness(face, feature))
        for feature, closedness in ((RIGHT, right), (LEFT, left))
    ]
    return with_blink(face, *scores)


def read_as(
    patch: pytest.MonkeyPatch, elsewhere: list[tuple[float, float]], mirrored: tuple[float, float] | None
) -> None:
    """Lets further crops of a face, and its mirror image, be read with these closednesses of the right and left eye."""
    patch.setattr(module, "remeasure_elsewhere", lambda _, face: [with_closedness(face, *pair) for pair in elsewhere])
    patch.setattr(
        module,
        "remeasure_mirrored",
        lambda _, face: None if mirrored is None else with_closedness(face, right=mirrored[1], left=mirrored[0]),
    )


@pytest.mark.parametrize(
    ("elsewhere", "mirrored", "mean", "called"),
    [
        # In the mirror the right eye is a left one.
        ([(0.60, 0.20), (0.62, 0.20)], (0.64, 0.40), (0.59, 0.25), ({RIGHT}, set())),
        ([(0.60, 0.50), (0.50, 0.50)], (0.60, 0.44), (0.55, 0.41), ({RIGHT, LEFT}, set())),
        ([(0.66, 0.20), (0.50, 0.20)], None, (0.553, 0.20), (set(), {RIGHT})),
        ([(0.50, 0.20), (0.50, 0.20)], (0.50, 0.20), (0.50, 0.20), (set(), set())),
        ([], None, (0.50, 0.20), (set(), set())),
    ],
)
def test_a_close_call_is_decided_by_most_of_several_readings(
    pixels: Pixels,
    face: Face,
    elsewhere: list[tuple[float, float]],
    mirrored: tuple[float, float] | None,
    mean: tuple[float, float],
    called: tuple[set[Feature], set[Feature]],
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        read_as(patch, elsewhere, mirrored)
        check_readings(pixels, face, mean, called)


def check_readings(
    pixels: Pixels, face: Face, mean: tuple[float, float], called: tuple[set[Feature], set[Feature]]
) -> None:
    whole = FaceAnalysis(pixels, with_closedness(face, right=0.50, left=0.20))
    assert whole.closedness == pytest.approx(dict(zip(EYES, mean, strict=True)), abs=0.01)
    assert [set(whole.closed), set(whole.disputed)] == list(called)


def test_only_close_calls_are_read_more_than_once(pixels: Pixels, face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = [count_calls(monkeypatch, name) for name in ("remeasure_elsewhere", "remeasure_mirrored")]
    for right, left in ((0.1, CLOSE_CALL - 0.01), (PLAINLY_CLOSED, PLAINLY_CLOSED + 0.1)):
        known = FaceAnalysis(pixels, with_closedness(face, right=right, left=left))
        assert known.closedness == pytest.approx({RIGHT: right, LEFT: left})
    assert not any(calls)
    # On a face of few pixels one reading says less.
    shut = with_closedness(face, right=PLAINLY_CLOSED, left=PLAINLY_CLOSED)
    small = FaceAnalysis(pixels, shut).shrunk(face.box, 55.0 / face.landmarks.eye_distance_px)
    assert len(small.readings) > 1
    whole = FaceAnalysis(pixels, with_closedness(face, right=0.1, left=CLOSED - 0.01))
    assert whole.readings is whole.readings and len(whole.readings) == 6
    assert [len(names) for names in calls] == [2, 2]
    # The photo itself shows open eyes: its other readings say less.
    assert whole.closedness[LEFT] < CLOSE_CALL and not whole.closed and not whole.disputed


def test_a_face_reads_alike_in_other_crops(real_photo: LoadPhoto, faces_of: FindFaces) -> None:
    apart = []
    for name in portraits():
        photo = real_photo(name)
        (face,) = faces_of(photo)
        others = remeasure_elsewhere(photo, face)
        assert len(others) == 4, name
        for other in others:
            assert other.number == face.number and other.box == face.box
            moved = np.linalg.norm((other.landmarks.points - face.landmarks.points)[:, :2], axis=1).mean()
            assert moved < 0.1 * face.landmarks.eye_distance_px, name
            apart += [abs(measure_closedness(other, eye) - measure_closedness(face, eye)) for eye in EYES]
    assert max(apart) < MOST_APART and statistics.median(apart) < USUALLY_APART


def test_a_face_outside_the_photo_has_no_other_readings(pixels: Pixels, face: Face) -> None:
    assert remeasure_elsewhere(pixels, face.within(Box(5000, 5000, 5100, 5100))) == []


# Two readings of one eye are at most so far apart, and those of wide open ones and of most others hardly.
MOST_APART, OPEN_MOST_APART, USUALLY_APART = 0.20, 0.13, 0.05


def test_a_mirrored_face_reads_alike_with_its_eyes_swapped(real_photo: LoadPhoto, faces_of: FindFaces) -> None:
    apart = []
    for name in portraits():
        photo = real_photo(name)
        (face,) = faces_of(photo)
        mirrored = remeasure_mirrored(photo, face)
        assert mirrored is not None, name
        for feature in EYES:
            plain, other = measure_closedness(face, feature), measure_closedness(mirrored, feature.other_eye)
            apart.append(abs(plain - other))
            assert apart[-1] < (OPEN_MOST_APART if plain < 0.3 else MOST_APART), (name, feature, plain, other)
        assert mirrored.yaw_degrees == pytest.approx(-face.yaw_degrees, abs=3.0), name
        assert mirrored.landmarks.eye_distance_px == pytest.approx(face.landmarks.eye_distance_px, rel=0.08), name
    assert statistics.median(apart) < USUALLY_APART


def test_a_wink_is_mirrored(real_photo: LoadPhoto, faces_of: FindFaces) -> None:
    photo = real_photo("bera_wink.jpg")
    (face,) = faces_of(photo)
    mirrored = remeasure_mirrored(photo, face)
    assert mirrored is not None
    right, left = (measure_closedness(face, feature) for feature in EYES)
    assert right > left + 0.2
    assert measure_closedness(mirrored, LEFT) > measure_closedness(mirrored, RIGHT) + 0.2


def test_a_lying_face_is_mirrored(pixels: Pixels) -> None:
    lying = np.ascontiguousarray(np.rot90(pixels))
    (face,) = find_faces(lying)
    assert abs(face.roll_degrees) > 70
    mirrored = remeasure_mirrored(lying, face)
    assert mirrored is not None
    assert mirrored.roll_degrees == pytest.approx(-face.roll_degrees, abs=5.0)
    for feature in EYES:
        apart = abs(measure_closedness(mirrored, feature.other_eye) - measure_closedness(face, feature))
        assert apart < OPEN_MOST_APART


def test_a_face_outside_the_photo_has_no_mirrored_reading(pixels: Pixels, face: Face) -> None:
    away = face.within(Box(5000, 5000, 5100, 5100))
    assert remeasure_mirrored(pixels, away) is None
