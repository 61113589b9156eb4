"""Faces are found where they are, and nowhere else."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from face import landmarker, res10, yunet
from face.search import find_faces, remeasure
from face.types import Face, Feature
from photo.errors import MissingModel
from photo.types import Pixels
from tests.conftest import ROOT, SAMPLES, FindFaces, LoadPhoto, ReplaceModel
from tests.support.photos import count_people, development, where_developing

Numbers = NDArray[Any]


def _shift_ratio(points: Numbers, others: Numbers, face: Face) -> float:
    """Mean distance of two sets of landmarks in eye distances."""
    return float(np.linalg.norm(points[:, :2] - others[:, :2], axis=1).mean()) / face.landmarks.eye_distance_px


def _turn(pixels: Pixels, degrees: float) -> tuple[Pixels, Numbers]:
    """The photo turned clockwise on a larger canvas, and the matrix (2, 3) that does it."""
    height, width = pixels.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), -degrees, 1.0)
    cos, sin = abs(matrix[0, 0]), abs(matrix[0, 1])
    size = int(width * cos + height * sin), int(height * cos + width * sin)
    matrix = matrix + np.array([[0, 0, (size[0] - width) / 2], [0, 0, (size[1] - height) / 2]])
    turned = cv2.warpAffine(pixels, matrix, size, flags=cv2.INTER_CUBIC, borderValue=(90, 90, 90))
    return turned.astype(np.uint8, copy=False), matrix


def test_one_face_with_all_that_is_known_of_it(sample: LoadPhoto, faces_of: FindFaces) -> None:
    pixels = sample("image_2.jpg")
    (face,) = faces_of(pixels)
    assert face.number == 1
    assert face.confidence > 0.9
    assert len(face.blendshapes) == 52
    assert face.landmarks.points.dtype == np.float32
    assert max(abs(face.yaw_degrees), abs(face.pitch_degrees), abs(face.roll_degrees)) < 15
    assert 0 <= face.box.left < face.box.right <= pixels.shape[1]
    assert 0 <= face.box.top < face.box.bottom <= pixels.shape[0]
    assert face.blink(Feature.LEFT_EYE) < 0.3
    assert face.smile < 0.3


def test_closed_eyes_and_a_smile_are_read(sample: LoadPhoto, faces_of: FindFaces) -> None:
    (face,) = faces_of(sample("image_3.jpg"))
    assert face.landmarks.left_eye.aspect_ratio < 0.1
    assert face.blink(Feature.RIGHT_EYE) > 0.5
    assert face.smile > 0.7


@pytest.mark.parametrize("is_right", [False, True])
def test_a_face_that_the_edge_halves_is_found(sample: LoadPhoto, faces_of: FindFaces, is_right: bool) -> None:
    photo = sample("image_4.jpg")
    face = faces_of(photo)[3]
    x = face.landmarks.points[:, 0]
    middle = int((x.min() + x.max()) / 2)
    start, stop = (0, middle) if is_right else (middle, photo.shape[1])
    points = face.landmarks.points - np.array([start, 0, 0], np.float32)
    found = find_faces(np.ascontiguousarray(photo[:, start:stop]))
    assert min(_shift_ratio(other.landmarks.points, points, face) for other in found) < 0.1


def test_every_face_of_a_group_is_found_and_numbered_in_reading_order(sample: LoadPhoto, faces_of: FindFaces) -> None:
    found = faces_of(sample("image_4.jpg"))
    assert [face.number for face in found] == [1, 2, 3, 4, 5]
    for face, after in itertools.pairwise(found):
        is_same_row = after.box.top < face.box.bottom
        assert after.box.left > face.box.left if is_same_row else after.box.top > face.box.top


@pytest.mark.parametrize("degrees", [-40.0, 0.0, 40.0])
@pytest.mark.parametrize("brightness", [0.25, 1.0])
def test_a_face_that_fills_a_dark_or_tilted_picture_is_found(
    sample: LoadPhoto, faces_of: FindFaces, degrees: float, brightness: float
) -> None:
    pixels = sample("image_1.jpg")
    face = max(faces_of(pixels), key=lambda face: face.box.width)
    box = face.box.padded(0.08).clipped(pixels.shape[1], pixels.shape[0])
    assert box is not None
    turned, matrix = _turn(pixels[box.slices], degrees)
    (found,) = find_faces((turned * brightness).astype(np.uint8))
    expected = (face.landmarks.points[:, :2] - (box.left, box.top)) @ matrix[:, :2].T + matrix[:, 2]
    assert _shift_ratio(found.landmarks.points, expected, found) < 0.06
    assert found.roll_degrees == pytest.approx(face.roll_degrees + degrees, abs=6)


def test_a_face_in_noise_and_dark_is_not_taken_for_one_on_its_head(sample: LoadPhoto, faces_of: FindFaces) -> None:
    pixels = sample("image_3.jpg")
    (face,) = faces_of(pixels)
    box = face.box.padded(0.1).clipped(pixels.shape[1], pixels.shape[0])
    assert box is not None
    crop = np.ascontiguousarray(pixels[box.slices])
    scale = 220 / max(crop.shape)
    small = cv2.resize(crop, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    # With this noise the detector finds the face upside down, too, and nearly as surely.
    noise = np.random.default_rng(35).normal(0, 5, small.shape)
    (found,) = find_faces(np.clip(0.2 * small + noise, 0, 255).astype(np.uint8))
    assert found.roll_degrees == pytest.approx(face.roll_degrees, abs=10)


@pytest.mark.parametrize("name", ["image_5.jpg"])
def test_no_face_is_seen_where_there_is_none(sample: LoadPhoto, faces_of: FindFaces, name: str) -> None:
    assert faces_of(sample(name)) == ()


@pytest.mark.parametrize("picture", ["noise", "blurred noise", "gradient", "checkers", "circles", "black", "one pixel"])
def test_no_face_is_seen_in_textures(picture: str) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    if picture == "noise":
        pixels = noise
    elif picture == "blurred noise":
        soft = cv2.GaussianBlur(noise, (0, 0), 12).astype(np.float64)
        pixels = ((soft - soft.min()) / np.ptp(soft) * 255).astype(np.uint8)
    elif picture == "gradient":
        pixels = np.broadcast_to(np.linspace(0, 255, 640).astype(np.uint8)[None, :, None], (480, 640, 3)).copy()
    elif picture == "checkers":
        pixels = np.repeat((np.indices((480, 640)) // 32).sum(axis=0)[..., None] % 2 * 255, 3, axis=2).astype(np.uint8)
    elif picture == "circles":
        pixels = np.full((480, 640, 3), 200, np.uint8)
        for x in range(60, 640, 130):
            cv2.circle(pixels, (x, 240), 50, (80, 60, 40), -1)
    else:
        pixels = np.zeros((480, 640, 3) if picture == "black" else (1, 1, 3), np.uint8)
    assert find_faces(pixels) == ()


@pytest.mark.parametrize("degrees", [-45, -25, 25, 45, 90, -90, 180])
def test_turned_faces_are_found_with_their_landmarks_in_place(
    sample: LoadPhoto, faces_of: FindFaces, degrees: float
) -> None:
    pixels = sample("image_2.jpg")
    (upright,) = faces_of(pixels)
    turned, matrix = _turn(pixels, degrees)
    (face,) = find_faces(turned)
    expected = np.column_stack([upright.landmarks.points[:, :2], np.ones(478)]) @ matrix.T
    assert _shift_ratio(face.landmarks.points, expected, upright) < 0.03
    difference = (face.roll_degrees - upright.roll_degrees - degrees + 180) % 360 - 180
    assert abs(difference) < 4
    assert abs(face.yaw_degrees - upright.yaw_degrees) < 5
    assert abs(face.pitch_degrees - upright.pitch_degrees) < 5


def test_small_face_in_a_large_photo_is_found(sample: LoadPhoto, faces_of: FindFaces) -> None:
    pixels = sample("image_2.jpg")
    (face,) = faces_of(pixels)
    scale = 26 / face.box.width
    small = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    photo = np.full((1500, 2600, 3), 128, np.uint8)
    photo[700 : 700 + small.shape[0], 1800 : 1800 + small.shape[1]] = small
    (found,) = find_faces(photo)
    x, y = found.box.center
    assert 1800 < x < 1800 + small.shape[1]
    assert 700 < y < 700 + small.shape[0]


@pytest.mark.parametrize("pad", [0.0, -0.08])
def test_face_that_fills_the_picture_is_found(sample: LoadPhoto, faces_of: FindFaces, pad: float) -> None:
    pixels = sample("image_2.jpg")
    (face,) = faces_of(pixels)
    box = face.box.padded(pad).clipped(pixels.shape[1], pixels.shape[0])
    assert box is not None
    (found,) = find_faces(np.ascontiguousarray(pixels[box.slices]))
    moved = found.landmarks.points + np.array([box.left, box.top, 0], np.float32)
    assert _shift_ratio(moved, face.landmarks.points, face) < 0.06


def test_looking_again_at_the_same_pixels_sees_the_same(sample: LoadPhoto, faces_of: FindFaces) -> None:
    pixels = sample("image_2.jpg")
    (face,) = faces_of(pixels)
    again = remeasure(pixels, face)
    assert again is not None
    assert (again.number, again.box, again.confidence) == (face.number, face.box, face.confidence)
    assert _shift_ratio(again.landmarks.points, face.landmarks.points, face) < 0.02


def test_looking_again_where_the_face_is_gone_sees_none(sample: LoadPhoto, faces_of: FindFaces) -> None:
    pixels = sample("image_2.jpg")
    (face,) = faces_of(pixels)
    assert remeasure(np.full_like(pixels, 127), face) is None


def test_progress_runs_from_nought_to_one(sample: LoadPhoto) -> None:
    told: list[float] = []
    find_faces(sample("image_5.jpg"), lambda _text, done: told.append(done))
    assert told[0] == 0
    assert told[-1] == 1
    assert told == sorted(told)


class Stopped(Exception):
    """Raised by who cancels."""


def test_a_search_can_be_stopped_before_every_look(sample: LoadPhoto) -> None:
    pixels, told = sample("image_5.jpg"), list[float]()
    find_faces(pixels, lambda _text, done: told.append(done))
    assert len(told) >= 7  # nobody is in this photo, so it is looked at in every way there is

    def stop(_text: str, done: float) -> None:
        told.append(done)
        if len(told) == last:
            raise Stopped

    for last in (1, 4):  # how often it waits for a level depends on the machine
        told.clear()
        with pytest.raises(Stopped):
            find_faces(pixels, stop)
        assert len(told) == last


@pytest.fixture
def fresh_models() -> Iterator[None]:
    """Models are loaded anew inside the test, and again after it."""
    loaders = (yunet._load_detector, res10._load_network, landmarker._load_landmarker)
    for loader in loaders:
        loader.cache_clear()
    yield
    for loader in loaders:
        loader.cache_clear()


@pytest.mark.usefixtures("fresh_models")
@pytest.mark.parametrize("name", [yunet._MODEL, res10._LAYERS, res10._WEIGHTS, landmarker._MODEL])
@pytest.mark.parametrize("content", [None, b"", b"not a model"])
@pytest.mark.parametrize("is_sum_right", [False, True])
def test_missing_or_damaged_model_is_named(
    sample: LoadPhoto, replace_model: ReplaceModel, name: str, content: bytes | None, is_sum_right: bool
) -> None:
    replace_model(name, content, is_sum_right)
    with pytest.raises(MissingModel, match=re.escape(name)):
        find_faces(sample("image_2.jpg"))


def test_nothing_is_written_to_the_error_stream() -> None:
    script = (
        "import cv2, sys; from face.search import find_faces; pixels = cv2.imread(sys.argv[1])[..., ::-1].copy(); "
        "print(len(find_faces(pixels))); print('own words', file=sys.stderr)"
    )
    command = [sys.executable, "-W", "error", "-c", script, str(SAMPLES / "image_2.jpg")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr.strip()) == ("1", "own words")


# ---- on real people -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "count"),
    [
        *count_people(),
        *where_developing(
            ("closed/group_uol_g1.jpg", 4),
            ("closed/group_uol_111024.jpg", 4),
            ("hard/crowd_solvay1927.jpg", 29),
            ("closed/cew_1888.jpg", 1),
            ("closed/cew_2186.jpg", 1),
            ("hard/closed_lowlight_noise.jpg", 1),
            ("hard/profile_58deg.jpg", 1),
            ("hard/animal_dog.jpg", 0),
            ("neutral/vv_021724.jpg", 1),
        ),
    ],
)
def test_as_many_faces_as_people(real_photo: LoadPhoto, faces_of: FindFaces, name: str, count: int) -> None:
    assert len(faces_of(real_photo(name))) == count


def test_yaw_changes_its_sign_in_the_mirror(real_photo: LoadPhoto, faces_of: FindFaces) -> None:
    pixels = real_photo("payne.jpg")
    (to_the_left,) = faces_of(pixels)
    (to_the_right,) = find_faces(np.ascontiguousarray(pixels[:, ::-1]))
    assert to_the_left.yaw_degrees < -15
    assert to_the_right.yaw_degrees > 15


@pytest.mark.photos
def test_yaw_is_positive_towards_the_right_of_the_picture(shared_photo: LoadPhoto, faces_of: FindFaces) -> None:
    (to_the_right,) = faces_of(shared_photo("hard/profile_58deg.jpg"))
    (to_the_left,) = faces_of(shared_photo("reference/image_3.jpg"))
    assert to_the_right.yaw_degrees > 40
    assert to_the_left.yaw_degrees < -20


@pytest.mark.parametrize(
    "name",
    [
        "womack.jpg",
        "takano_blink.jpg",
        "kennedy.jpg",
        *development("neutral/vid_ph_d1.jpg", "closed/vid_ph_drv.jpg", "smiling/vv_021300.jpg"),
    ],
)
def test_landmarks_are_not_laid_on_a_face_that_stands_on_its_head(
    real_photo: LoadPhoto, faces_of: FindFaces, name: str
) -> None:
    pixels = real_photo(name)
    (upright,) = faces_of(pixels)
    (face,) = find_faces(np.ascontiguousarray(pixels[::-1, ::-1]))
    back = np.array([pixels.shape[1], pixels.shape[0]]) - face.landmarks.points[:, :2]
    assert _shift_ratio(back, upright.landmarks.points, upright) < 0.03
