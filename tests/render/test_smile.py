"""The draft engine's smile: what the landmarker sees, and what must not change."""

from __future__ import annotations

import numpy as np
import pytest

from face.occlusion import find_lower_rims
from face.search import remeasure
from face.types import Face, Landmarks
from mouth_mask import mouth_region
from photo.types import Box, Pixels, Region
from render.smile import backward_field, measure_jacobian, paint_smile
from render.smile_motion import face_axes, lay_grid, smile_gain, smile_motion, smile_unit_px
from tests.conftest import FindFaces, LoadPhoto
from tests.support.faces import upright_landmarks
from tests.support.photos import development, portraits

GENTLE = 0.5
TRIES = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
UNSMILING = portraits(smile="add") + development(
    "neutral/stock_emotions_a3.jpg", "neutral/us_D000096.jpg", "neutral/us_W000154.jpg", "neutral/vid_lp_s18.jpg",
    "neutral/vid_ph_d1.jpg", "neutral/vv_021724.jpg", "neutral/vv_029110.jpg", "neutral/vv_029383.jpg",
    "hard/tilt25.jpg", "reference/image_3.jpg", "closed/cew_1888.jpg",
)  # fmt: skip


@pytest.fixture(scope="session")
def hopper(sample: LoadPhoto, faces_of: FindFaces) -> tuple[Pixels, Face, Region]:
    pixels = sample("image_2.jpg")
    return (pixels, *only_face(pixels, faces_of))


def only_face(pixels: Pixels, faces_of: FindFaces) -> tuple[Face, Region]:
    face = faces_of(pixels)[0]
    region = mouth_region(pixels.shape, face.landmarks, find_lower_rims(pixels, face.landmarks))
    assert region is not None
    return face, region


def put_in(pixels: Pixels, region: Region, painted: Pixels) -> Pixels:
    photo = pixels.copy()
    alpha = region.alpha[..., None]
    part = pixels[region.box.slices]
    photo[region.box.slices] = np.where(alpha > 0, np.rint(part + alpha * (painted.astype(np.float32) - part)), part)
    return photo


def smile_on(pixels: Pixels, face: Face, region: Region, amount: float = GENTLE) -> Face:
    after = remeasure(put_in(pixels, region, paint_smile(pixels, face, region, amount)), face)
    assert after is not None
    return after


# ---- what is seen ----------------------------------------------------------------------------------------


def test_the_unsmiling_sample_smiles(hopper: tuple[Pixels, Face, Region]) -> None:
    pixels, face, region = hopper
    assert face.smile < 0.1
    assert smile_on(pixels, face, region).smile > 0.5


def test_both_sides_smile_alike(hopper: tuple[Pixels, Face, Region]) -> None:
    after = smile_on(*hopper).blendshapes
    assert abs(after["mouthSmileLeft"] - after["mouthSmileRight"]) < 0.15


def test_a_larger_amount_smiles_more(hopper: tuple[Pixels, Face, Region]) -> None:
    pixels, face, region = hopper
    scores = [smile_on(pixels, face, region, amount).smile for amount in (0.1, 0.4, 1.0)]
    assert scores == sorted(scores)


def test_the_eyes_stay_as_they_are(hopper: tuple[Pixels, Face, Region]) -> None:
    pixels, face, region = hopper
    after = smile_on(pixels, face, region)
    for before, now in (
        (face.landmarks.left_eye, after.landmarks.left_eye),
        (face.landmarks.right_eye, after.landmarks.right_eye),
    ):
        assert now.aspect_ratio == pytest.approx(before.aspect_ratio, abs=0.04)


@pytest.mark.parametrize("path", UNSMILING)
def test_unsmiling_people_smile(path: str, real_photo: LoadPhoto, faces_of: FindFaces) -> None:
    pixels = real_photo(path)
    face, region = only_face(pixels, faces_of)
    assert any(smile_on(pixels, face, region, amount).smile > 0.5 for amount in TRIES)


@pytest.mark.parametrize(
    "path",
    [
        "womack_tilted.jpg",
        "abercrombie.jpg",
        "thompson_blink.jpg",
        "waters.jpg",
        *development("hard/tilt25.jpg", "reference/image_3.jpg", "neutral/vid_lp_s18.jpg"),
    ],
)
def test_tilted_and_turned_heads_do_not_smirk(path: str, real_photo: LoadPhoto, faces_of: FindFaces) -> None:
    pixels = real_photo(path)
    face, region = only_face(pixels, faces_of)
    after = smile_on(pixels, face, region).blendshapes
    assert abs(after["mouthSmileLeft"] - after["mouthSmileRight"]) < 0.25


# ---- what does not change --------------------------------------------------------------------------------


def test_the_photo_is_not_written_to(hopper: tuple[Pixels, Face, Region]) -> None:
    pixels, face, region = hopper
    before = pixels.copy()
    painted = paint_smile(pixels, face, region, GENTLE)
    assert np.array_equal(pixels, before)
    assert painted.shape == (region.box.height, region.box.width, 3)
    assert painted.dtype == np.uint8


def test_no_amount_changes_nothing(hopper: tuple[Pixels, Face, Region]) -> None:
    pixels, face, region = hopper
    assert np.array_equal(paint_smile(pixels, face, region, 0.0), pixels[region.box.slices])


def test_the_soft_rim_shows_no_second_edge(hopper: tuple[Pixels, Face, Region]) -> None:
    pixels, face, region = hopper
    painted = paint_smile(pixels, face, region, 1.0).astype(int)
    change = np.abs(painted - pixels[region.box.slices]).max(axis=2)
    assert change[region.alpha < 0.9].max() <= 2
    assert change[region.alpha == 1].max() > 40


def test_the_same_photo_gives_the_same_smile(hopper: tuple[Pixels, Face, Region]) -> None:
    pixels, face, region = hopper
    assert np.array_equal(paint_smile(pixels, face, region, GENTLE), paint_smile(pixels, face, region, GENTLE))


def test_skin_stays_as_sharp_as_it_was(hopper: tuple[Pixels, Face, Region]) -> None:
    pixels, face, region = hopper
    painted = paint_smile(pixels, face, region, GENTLE)

    def roughness(part: Pixels) -> float:
        gray = part.astype(np.float32).mean(axis=2)
        return float(np.abs(np.diff(gray, axis=1))[region.alpha[:, 1:] == 1].mean())

    assert roughness(painted) == pytest.approx(roughness(pixels[region.box.slices]), rel=0.12)


# ---- the map ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("amount", TRIES)
def test_the_map_folds_nowhere(amount: float, hopper: tuple[Pixels, Face, Region]) -> None:
    _, face, region = hopper
    grid = lay_grid(face.landmarks, region)
    field = backward_field(face.landmarks, region, grid, smile_gain(face.landmarks, amount))
    assert measure_jacobian(field, grid).min() > 0.3


@pytest.mark.parametrize(
    "path", [*portraits(), *development("closed/cew_2813.jpg", "reference/image_2.png", "closed/vid_lp_d18.jpg")]
)
def test_the_map_folds_nowhere_on_cropped_turned_and_open_mouths(
    path: str, real_photo: LoadPhoto, faces_of: FindFaces
) -> None:
    face, region = only_face(real_photo(path), faces_of)
    grid = lay_grid(face.landmarks, region)
    field = backward_field(face.landmarks, region, grid, smile_gain(face.landmarks, 1.0))
    assert measure_jacobian(field, grid).min() > 0.3
    inside = grid.nodes + field
    assert inside.min() > -1.0
    assert (inside.reshape(-1, 2).max(0) < (region.box.right, region.box.bottom)).all()


def test_a_map_that_folds_is_seen() -> None:
    box = Box(0, 0, 40, 40)
    region = Region(box, np.ones((40, 40), np.float32))
    grid = lay_grid(upright_landmarks(), region)
    field = np.zeros_like(grid.nodes)
    assert measure_jacobian(field, grid).min() == pytest.approx(1.0)
    field[..., 0] = -1.5 * grid.nodes[..., 0]
    assert measure_jacobian(field, grid).min() < 0


# ---- the motion ------------------------------------------------------------------------------------------


def test_the_axes_of_an_upright_face_are_those_of_the_photo() -> None:
    across, up, toward = face_axes(upright_landmarks())
    assert across == pytest.approx([1, 0, 0], abs=1e-6)
    assert up[1] < -0.95
    assert toward[2] < -0.95


def test_the_corners_move_up_and_outward(hopper: tuple[Pixels, Face, Region]) -> None:
    _, face, _ = hopper
    places, motions = smile_motion(face.landmarks)
    unit = smile_unit_px(face.landmarks)
    for corner, outward in ((face.landmarks.lips[0], -1), (face.landmarks.lips[10], 1)):
        motion = motions[np.abs(places - corner[:2]).sum(1).argmin()]
        assert 0.05 < outward * motion[0] / unit < 0.2
        assert 0.15 < -motion[1] / unit < 0.35


def turn_head(landmarks: Landmarks, degrees: float) -> Landmarks:
    points = landmarks.points
    middle, angle = points.mean(0), np.radians(degrees)
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    return Landmarks(((points - middle) @ turn.T + middle).astype(np.float32))


def test_a_turned_head_gets_more_of_a_smile_as_less_of_it_is_seen(hopper: tuple[Pixels, Face, Region]) -> None:
    landmarks = hopper[1].landmarks
    assert smile_gain(turn_head(landmarks, 30), 0.5) > smile_gain(landmarks, 0.5)
    assert smile_gain(turn_head(landmarks, 5), 0.5) == pytest.approx(smile_gain(landmarks, 0.5))


def test_the_far_corner_of_a_turned_mouth_has_room_to_rise(hopper: tuple[Pixels, Face, Region]) -> None:
    pixels, face, _ = hopper
    landmarks = turn_head(face.landmarks, -36)
    region = mouth_region(pixels.shape, landmarks)
    assert region is not None
    near, far = lay_grid(landmarks, region).depth_at(landmarks.lips[[0, 10]])
    assert near > 0.3
    assert far > 0.06, "it stays behind, and the near one makes a smirk"


def test_a_corner_that_hangs_lower_than_the_other_rises_more() -> None:
    landmarks = upright_landmarks()
    lopsided = landmarks.points.copy()
    lopsided[291, 1] += 2
    rises = []
    for points in (landmarks.points, lopsided):
        places, motions = smile_motion(Landmarks(points))
        right, left = (motions[np.abs(places - points[index, :2]).sum(1).argmin()] for index in (61, 291))
        rises.append((-right[1], -left[1]))
    assert rises[0][1] == pytest.approx(rises[0][0], abs=0.05)
    assert rises[1][1] > rises[1][0] + 0.5
