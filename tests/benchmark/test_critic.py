"""The critic finds a difference that is there and none where there is none, and judges only people it has not seen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("torch")

from benchmark import critic
from benchmark.critic import EyePatches
from benchmark.people import name_skin, sight_faces
from face.types import EYES
from photo.errors import BadOption
from retouch.engines import DraftEngine
from tests.support.faces import make_face

PHOTOS = Path(__file__).parents[1] / "photos"


def noise_patches(count: int, seed: int, *, has_dot: bool) -> NDArray[np.uint8]:
    """Gray patches with noise, and with a bright dot or without."""
    random = np.random.default_rng(seed)
    patches = random.normal(120, 12, (count, 29, 38, 3))
    if has_dot:
        patches[:, 12:15, 18:21] = 235
    return np.clip(patches, 0, 255).astype(np.uint8)


def make_people(count: int, *, has_dot: bool) -> list[EyePatches]:
    people = []
    for number in range(count):
        embedding = np.zeros(192, np.float32)
        embedding[number] = 1
        real = noise_patches(2, 10 * number, has_dot=False)
        opened = noise_patches(2, 10 * number + 5, has_dot=has_dot)
        people.append(EyePatches(real, opened, ("even" if number % 2 == 0 else "odd",), embedding))
    return people


def test_a_critic_sees_a_dot_that_only_opened_eyes_have() -> None:
    rows = critic.judge(make_people(40, has_dot=True), steps=40, seed=0)
    assert rows[0][0] == "all" and rows[0][1] == 20, "it judged people that it was trained on"
    assert rows[0][2] > 0.95


def test_a_critic_finds_nothing_where_both_kinds_are_alike() -> None:
    auc = critic.judge(make_people(60, has_dot=False), steps=40, seed=0)[0][2]
    assert 0.3 < auc < 0.7


def test_groups_get_figures_of_their_own_only_with_enough_people() -> None:
    people = make_people(40, has_dot=True)
    names = [row[0] for row in critic.judge(people, steps=2, seed=0)]
    assert names[0] == "all" and set(names[1:]) <= {"even", "odd"} and len(names) > 1
    with pytest.raises(BadOption, match="too few"):
        critic.judge(people[:10], steps=2, seed=0)


def test_one_person_is_never_both_learnt_from_and_judged() -> None:
    people = make_people(20, has_dot=True)
    twice = [*people, *make_people(20, has_dot=True)]
    assert critic.judge(twice, steps=2, seed=0)[0][1] == 10


def test_a_patch_shows_the_eye_upright_with_the_nose_on_the_right() -> None:
    face = make_face(1)
    for eye in EYES:
        frame = face.eye_frame(eye)
        pixels = np.zeros((300, 300, 3), np.uint8)
        for value, (x, y) in ((250, (1.0, 0.0)), (120, (0.0, 0.9))):
            column, row = (round(float(part[0])) for part in frame.to_photo(*np.array([[x], [y]], np.float32)))
            pixels[row - 1 : row + 2, column - 1 : column + 2] = value
        patch = critic.cut_patch(pixels, frame, 24).astype(int)[..., 0]
        row, column = divmod(int(patch.argmax()), patch.shape[1])
        assert column > patch.shape[1] / 2, "the inner corner is not on the right"
        above = patch[: row - 8]
        assert above.max() > 60, "the brow is not on top"


def test_the_eyes_of_a_portrait_differ_only_inside_the_masks() -> None:
    (sighting,) = sight_faces(PHOTOS / "meng.jpg")
    made = critic.make_patches(sighting, 12, DraftEngine())
    assert not isinstance(made, str), made
    assert made.real.shape == made.opened.shape == (2, 29, 38, 3)
    difference = np.abs(made.real.astype(int) - made.opened).max(axis=3)
    assert (difference[:, 8:24, 8:30].max(axis=(1, 2)) > 10).all(), "the eyes were not opened anew"
    assert made.groups[0] == "photos" and made.groups[1].startswith("skin: ")
    assert critic.make_patches(sighting, 4000, DraftEngine()) == "too small"


def test_skins_are_named_by_their_luma() -> None:
    assert [name_skin(luma) for luma in (40, 95, 120, 145, 200)] == ["dark", "medium", "medium", "light", "light"]


def test_known_people_are_recognised() -> None:
    one, other = np.zeros(192, np.float32), np.zeros(192, np.float32)
    one[0] = other[1] = 1
    assert critic.is_known(one, [other, one]) and not critic.is_known(one, [other]) and not critic.is_known(one, [])


def test_a_folder_without_photos_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert critic.main([str(tmp_path)]) == 2
    assert "there is no photo" in capsys.readouterr().err
