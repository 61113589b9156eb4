"""One person is told from another, whatever their eyes and mouths do."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np
import pytest

from face import identity
from face.identity import SAME_PERSON, embed_face, is_surely_same, limit_of, measure_distance
from face.types import Face, Landmarks
from photo import geometry
from photo.errors import MissingModel
from photo.types import FloatArray, Pixels
from tests.conftest import FindFaces, LoadPhoto, ReplaceModel
from tests.support.photos import PAIRS, Pair, development_pairs, portraits, read_labels, where_developing


def _distance(a: tuple[Pixels, Face], b: tuple[Pixels, Face]) -> float:
    return measure_distance(embed_face(*a), embed_face(*b))


def _with_points(face: Face, points: FloatArray) -> Face:
    return replace(face, landmarks=Landmarks(points.astype(np.float32)))


@pytest.fixture
def _unloaded() -> Iterator[None]:
    """The network is not loaded yet, and what a test loads is dropped."""
    identity._load_network.cache_clear()
    yield
    identity._load_network.cache_clear()


def test_a_description_has_length_one(sample: LoadPhoto, faces_of: FindFaces) -> None:
    pixels = sample("image_2.jpg")
    said = embed_face(pixels, faces_of(pixels)[0])
    assert said.shape == (192,) and said.dtype == np.float32
    assert np.linalg.norm(said) == pytest.approx(1.0, abs=1e-5)


def test_the_same_picture_has_no_distance_to_itself(sample: LoadPhoto, faces_of: FindFaces) -> None:
    pixels = sample("image_2.jpg")
    (face,) = faces_of(pixels)
    assert _distance((pixels, face), (pixels, face)) == 0.0


def test_two_people_are_told_apart_in_every_pair(sample: LoadPhoto, faces_of: FindFaces) -> None:
    # The astronaut is the left of the pair, alone in image_3; Grace Hopper is the right one, alone in image_2.
    pair, hopper, astronaut = (sample(f"image_{n}.jpg") for n in (1, 2, 3))
    left, right = faces_of(pair)
    astronauts = [(pair, left), (astronaut, faces_of(astronaut)[0])]
    hoppers = [(pair, right), (hopper, faces_of(hopper)[0])]
    for same in (astronauts, hoppers):
        assert _distance(*same) < SAME_PERSON
    for one, other in itertools.product(astronauts, hoppers):
        assert _distance(one, other) > SAME_PERSON + 0.2


def test_a_tilted_face_is_seen_upright(sample: LoadPhoto, faces_of: FindFaces) -> None:
    pixels = sample("image_2.jpg")
    (face,) = faces_of(pixels)
    matrix = cv2.getRotationMatrix2D(face.box.center, 40, 1.0)
    turned = cv2.warpAffine(pixels, matrix, pixels.shape[1::-1], flags=cv2.INTER_CUBIC).astype(np.uint8)
    points = face.landmarks.points.copy()
    points[:, :2] = points[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    assert _distance((pixels, face), (turned, _with_points(face, points))) < 0.3


def test_the_size_of_the_photo_matters_little(sample: LoadPhoto, faces_of: FindFaces) -> None:
    pixels = sample("image_2.jpg")
    (face,) = faces_of(pixels)
    large = cv2.resize(pixels, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC).astype(np.uint8)
    # The centre of pixel 0 is at 1.5 of the larger photo.
    bigger = _with_points(face, face.landmarks.points * 4 + np.array([1.5, 1.5, 0]))
    assert _distance((pixels, face), (large, bigger)) < 0.2


def test_a_fit_brings_points_to_their_places() -> None:
    places = np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 1.0]])
    # Twice as large, a quarter turn clockwise, moved by (5, 7).
    points = np.array([[5.0, 7.0], [5.0, 11.0], [3.0, 7.0]])
    matrix = geometry.fit_similarity(points, places)
    np.testing.assert_allclose(points @ matrix[:, :2].T + matrix[:, 2], places, atol=1e-9)


def test_a_face_at_the_edge_of_the_photo_can_be_described(sample: LoadPhoto, faces_of: FindFaces) -> None:
    pixels = sample("image_2.jpg")
    (face,) = faces_of(pixels)
    middle = round(face.box.center[0])
    half = np.ascontiguousarray(pixels[:, :middle])
    assert np.isfinite(embed_face(half, face)).all()


@pytest.mark.usefixtures("_unloaded")
@pytest.mark.parametrize(
    ("content", "is_sum_right", "words"),
    [(None, False, "missing"), (b"no network", False, "damaged"), (b"no network", True, "damaged")],
)
def test_a_bad_model_file_is_said_in_one_sentence(
    content: bytes | None,
    is_sum_right: bool,
    words: str,
    sample: LoadPhoto,
    faces_of: FindFaces,
    replace_model: ReplaceModel,
) -> None:
    pixels = sample("image_2.jpg")
    (face,) = faces_of(pixels)
    replace_model(identity._MODEL, content, is_sum_right)
    with pytest.raises(MissingModel, match=words):
        embed_face(pixels, face)


@pytest.mark.parametrize(
    "pairs",
    [PAIRS, *where_developing(development_pairs("lp_d0", "lp_d18", "lp_s18", "lp_s32", "ph_drv"))],
    ids=lambda pairs: pairs[0].person,
)
def test_nobody_is_taken_for_somebody_else(pairs: tuple[Pair, ...], real_photo: LoadPhoto, faces_of: FindFaces) -> None:
    closed = [real_photo(pair.closed) for pair in pairs]
    others = [real_photo(pair.opened) for pair in pairs]
    before, after = ([embed_face(pixels, faces_of(pixels)[0]) for pixels in photos] for photos in (closed, others))
    distances = np.array([[measure_distance(a, b) for b in after] for a in before])
    same = np.eye(len(pairs), dtype=bool)
    assert distances[same].max() < SAME_PERSON < distances[~same].min()


def test_all_portraits_of_one_person_are_told_from_all_of_others(real_photo: LoadPhoto, faces_of: FindFaces) -> None:
    people = {label.path: label.person for label in read_labels() if label.path in portraits()}
    looks = {path: embed_face(real_photo(path), faces_of(real_photo(path))[0]) for path in people}
    for (one, look), (other, another) in itertools.combinations(looks.items(), 2):
        is_same = measure_distance(look, another) < SAME_PERSON
        assert is_same == (people[one] == people[other]), (one, other)


def test_who_may_be_a_child_has_to_be_closer(sample: LoadPhoto, faces_of: FindFaces) -> None:
    (face,) = faces_of(sample("image_2.jpg"))
    points = face.landmarks.points.copy()
    across = points[263] - points[33]
    up = np.array([across[1], -across[0], 0]) / np.linalg.norm(across)
    points[10] = points[152] + 1.6 * face.landmarks.eye_distance_3d_px * up
    child = _with_points(face, points)
    assert face.landmarks.height_ratio > 1.7 and child.landmarks.height_ratio == pytest.approx(1.6, abs=0.01)
    assert limit_of(face, face) == SAME_PERSON
    assert limit_of(child, face) == limit_of(face, child) == limit_of(child) < 0.58
    assert is_surely_same(0.75, face, face) and not is_surely_same(0.80, face, face)
    assert is_surely_same(0.45, face, child) and not is_surely_same(0.52, face, child)
    # Closed eyes make every face shorter, so they say nothing, unless the chin is a newborn's.
    asleep = replace(child, blendshapes={**child.blendshapes, "eyeBlinkLeft": 0.9})
    assert limit_of(asleep) == SAME_PERSON
    points = points.copy()
    points[152] = (points[33] + points[263]) / 2 - 0.8 * face.landmarks.eye_distance_3d_px * up
    assert limit_of(_with_points(asleep, points)) < 0.58


def test_hardly_a_grown_up_has_an_infants_proportions(real_photo: LoadPhoto, faces_of: FindFaces) -> None:
    faces = [face for name in portraits() for face in faces_of(real_photo(name))]
    assert sum(limit_of(face) < SAME_PERSON for face in faces) <= len(faces) // 10
    assert len(faces) > 20
