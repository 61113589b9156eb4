"""Which mouths are made to smile, which are left alone and why, and the mask of a mouth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import pytest

from edit.options import Options, SmileOptions, Wish
from edit.plan import Edit, Intent, Skip
from face.analysis import FaceAnalysis
from face.expression import SMILE, UNSURE_SMILE
from face.occlusion import find_lower_rims, measure_lip_contrast
from face.types import Face, Feature
from mouth_mask import (
    _load_cascade,
    count_smile_windows,
    donor_mouth_region,
    mouth_mask,
    mouth_region,
    narrow_to_lips,
    plan_mouths,
    smile_threshold,
)
from photo.errors import MissingModel
from photo.types import FloatArray, Pixels, Region
from retouch.pipeline import plan_edits
from retouch.report import explain
from tests.conftest import FindFaces, LoadPhoto, ReplaceModel
from tests.support.photos import development, portraits

NO_SMILE = {"mouthSmileLeft": 0.0, "mouthSmileRight": 0.0, "mouthUpperUpLeft": 0.0, "mouthUpperUpRight": 0.0}
SMILING = portraits(smile="leave") + development(
    "smiling/vv_020106.jpg", "smiling/vv_020527.jpg", "smiling/vv_021300.jpg", "smiling/vv_021736.jpg",
    "smiling/vv_021741.jpg", "smiling/vv_021946.jpg", "smiling/vv_022122.jpg", "smiling/vv_029317.jpg",
    "hard/narrow_021711.jpg", "hard/narrow_B001229.jpg", "hard/narrow_S000888.jpg", "closed/cew_2377.jpg",
    "closed/cew_1786.jpg", "closed/stock_laugh1.jpg", "closed/vid_lp_s32.jpg",
)  # fmt: skip
UNSMILING = portraits(smile="add") + development(
    "neutral/us_B001242.jpg", "neutral/us_E000288.jpg", "neutral/us_G000551.jpg", "neutral/vv_010818.jpg",
    "neutral/vv_014503.jpg", "neutral/vv_020317.jpg", "neutral/vv_029110.jpg", "hard/tilt25.jpg",
    "closed/vid_ph_d1.jpg", "closed/cew_1467.jpg", "reference/image_2.png",
)  # fmt: skip


@pytest.fixture(scope="session")
def hopper(sample: LoadPhoto, faces_of: FindFaces) -> tuple[Pixels, Face]:
    pixels = sample("image_2.jpg")
    return pixels, faces_of(pixels)[0]


def plan(pixels: Pixels, faces: Sequence[Face], options: Options | None = None) -> tuple[list[Intent], list[Skip]]:
    return plan_mouths([FaceAnalysis(pixels, face) for face in faces], options or Options())


def edit_of(pixels: Pixels, face: Face) -> Edit:
    """The one edit of the mouth of a face, with its region."""
    edits = plan_edits((FaceAnalysis(pixels, face),), Options(smile=SmileOptions(Wish.ALWAYS))).edits
    (edit,) = (edit for edit in edits if edit.feature is Feature.MOUTH)
    return edit


def reason_for(pixels: Pixels, face: Face, options: Options | None = None) -> str:
    """Why the one mouth is left alone; empty when it is not."""
    intents, skips = plan(pixels, (face,), options)
    assert len(intents) + len(skips) == 1
    return explain(skips[0].cause) if skips else ""


# ---- the decision ----------------------------------------------------------------------------------------


def test_the_unsmiling_sample_is_to_smile(hopper: tuple[Pixels, Face]) -> None:
    pixels, face = hopper
    (intent,), skips = plan(pixels, (face,), Options(smile=SmileOptions(strength=0.7)))
    assert not skips
    assert intent.amount == 0.7
    assert intent.measured == face.smile < intent.threshold


def test_the_smiling_sample_is_left_alone(sample: LoadPhoto, faces_of: FindFaces) -> None:
    pixels = sample("image_3.jpg")
    face = faces_of(pixels)[0]
    intents, (skip,) = plan(pixels, (face,))
    assert not intents
    assert explain(skip.cause) == "already smiling"
    assert skip.measured is not None
    assert skip.threshold is not None
    assert skip.measured >= skip.threshold


@pytest.mark.parametrize("path", SMILING)
def test_smiling_people_are_left_alone(path: str, real_photo: LoadPhoto, faces_of: FindFaces) -> None:
    pixels = real_photo(path)
    assert "already smiling" in reason_for(pixels, faces_of(pixels)[0])


@pytest.mark.parametrize("path", UNSMILING)
def test_unsmiling_people_are_to_smile(path: str, real_photo: LoadPhoto, faces_of: FindFaces) -> None:
    pixels = real_photo(path)
    assert not reason_for(pixels, faces_of(pixels)[0])


def test_every_face_of_a_group_is_in_one_list(sample: LoadPhoto, faces_of: FindFaces) -> None:
    pixels = sample("image_4.jpg")
    faces = faces_of(pixels)
    intents, skips = plan(pixels, faces)
    numbers = [intent.face.number for intent in intents] + [skip.face.number for skip in skips]
    assert sorted(numbers) == [face.number for face in faces]
    assert intents
    assert skips


def test_a_photo_without_faces_has_no_mouths(sample: LoadPhoto) -> None:
    assert plan(sample("image_5.jpg"), ()) == ([], [])


# ---- the reasons -----------------------------------------------------------------------------------------


def test_the_user_can_switch_it_off(hopper: tuple[Pixels, Face]) -> None:
    assert "switched off" in reason_for(*hopper, Options(smile=SmileOptions(Wish.NEVER)))


def test_the_user_can_choose_faces(hopper: tuple[Pixels, Face]) -> None:
    pixels, face = hopper
    assert "not chosen" in reason_for(pixels, face, Options(faces=(face.number + 1,)))
    assert not reason_for(pixels, face, Options(faces=(face.number,)))


def test_a_profile_is_left_alone(hopper: tuple[Pixels, Face]) -> None:
    pixels, face = hopper
    assert "turned too far" in reason_for(pixels, replace(face, yaw_degrees=-50.0))


def test_lids_are_spared_for_another_photo(sample: LoadPhoto, faces_of: FindFaces) -> None:
    pixels = sample("image_3.jpg")
    face = faces_of(pixels)[0]
    edit = edit_of(pixels, replace(face, blendshapes={**face.blendshapes, **NO_SMILE}))
    region = donor_mouth_region(pixels.shape, face.landmarks, edit.analysis.lower_rims)
    assert region is not None
    spared = replace(edit, region=region)
    full = mouth_mask(pixels.shape, [edit]).astype(int)
    less = mouth_mask(pixels.shape, [spared]).astype(int)
    for eye in face.landmarks.eyes:
        column, row = np.rint(eye.lower[4, :2]).astype(int)
        assert full[row, column] > 240
        assert less[row, column] == 0
    column, row = np.rint(face.landmarks.lips[0, :2]).astype(int)
    assert less[row, column] == full[row, column] == 255
    assert (less <= full).all()


def test_a_talking_mouth_is_left_alone(hopper: tuple[Pixels, Face]) -> None:
    pixels, face = hopper
    points = face.landmarks.points.copy()
    points[[14, 17]] += np.float32(0.3) * (face.landmarks.chin[2] - face.landmarks.nose[6])
    agape = replace(face, landmarks=replace(face.landmarks, points=points))
    assert not reason_for(pixels, agape)
    talking = replace(agape, blendshapes={**face.blendshapes, "jawOpen": 0.4})
    assert "open" in reason_for(pixels, talking)
    assert not reason_for(pixels, replace(face, blendshapes=talking.blendshapes))


@pytest.mark.photos
@pytest.mark.parametrize("path", ["closed/vid_lp_d12.jpg", "closed/vid_lp_d18.jpg", "pairs/lp_d12/gt_open.jpg"])
def test_singing_people_are_left_alone(path: str, shared_photo: LoadPhoto, faces_of: FindFaces) -> None:
    pixels = shared_photo(path)
    assert "wide open" in reason_for(pixels, faces_of(pixels)[0])


def test_a_tiny_face_is_left_alone(hopper: tuple[Pixels, Face], faces_of: FindFaces) -> None:
    pixels, face = hopper
    small = replace(face.landmarks, points=face.landmarks.points * np.float32(0.15))
    tiny = cv2.resize(pixels, None, fx=0.15, fy=0.15, interpolation=cv2.INTER_AREA).astype(np.uint8)
    assert "too small" in reason_for(tiny, replace(face, landmarks=small))


def test_a_mouth_cut_off_by_the_edge_is_left_alone(hopper: tuple[Pixels, Face]) -> None:
    pixels, face = hopper
    row = int(face.landmarks.lips[[0, 10], 1].mean())
    assert "cut off" in reason_for(np.ascontiguousarray(pixels[:row]), face)


@pytest.mark.parametrize("color", [(120, 165, 205), (235, 235, 232), (25, 25, 28)], ids=["blue", "white", "black"])
def test_a_face_mask_gets_no_smile(color: tuple[int, int, int], hopper: tuple[Pixels, Face]) -> None:
    pixels, face = hopper
    covered = pixels.copy()
    oval = face.landmarks.oval
    outline = np.concatenate([face.landmarks.nose[3:4], oval[9:28:3]])[:, :2]
    cv2.fillPoly(covered, [np.rint(outline).astype(np.int32)], color)
    # Pleats, so that it is not a flat patch.
    for share in (0.8, 0.95, 1.1):
        row = int(face.landmarks.lips[:, 1].mean() * share)
        covered[row : row + 2][(covered[row : row + 2] == color).all(axis=2)] = tuple(v * 3 // 4 for v in color)
    assert "covered" in reason_for(covered, face)


@pytest.mark.photos
def test_a_real_face_mask_gets_no_smile(shared_photo: LoadPhoto, faces_of: FindFaces) -> None:
    pixels = shared_photo("hard/facemask.jpg")
    assert "covered" in reason_for(pixels, faces_of(pixels)[0])


def test_a_blurred_face_beside_a_sharp_one_is_left_alone(hopper: tuple[Pixels, Face]) -> None:
    pixels, face = hopper
    blurred = cv2.GaussianBlur(pixels, (0, 0), 0.05 * face.landmarks.eye_distance_px)
    both = np.concatenate([pixels, blurred], axis=1)
    shift = np.array([pixels.shape[1], 0, 0], np.float32)
    behind = replace(face, number=2, landmarks=replace(face.landmarks, points=face.landmarks.points + shift))
    (intent,), (skip,) = plan(both, (face, behind))
    assert intent.face.number == 1
    assert "blurred" in explain(skip.cause)


def test_lips_are_told_from_skin(hopper: tuple[Pixels, Face]) -> None:
    pixels, face = hopper
    contrast = measure_lip_contrast(pixels, face.landmarks)
    assert contrast is not None
    assert not contrast.is_covered
    gray = np.repeat(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2).astype(np.uint8)
    in_gray = measure_lip_contrast(gray, face.landmarks)
    assert in_gray is not None
    assert not in_gray.is_covered


# ---- the vote of the cascades ----------------------------------------------------------------------------


def test_the_cascade_sees_more_of_a_grin(sample: LoadPhoto, faces_of: FindFaces, hopper: tuple[Pixels, Face]) -> None:
    astronaut = sample("image_3.jpg")
    grin = count_smile_windows(astronaut, faces_of(astronaut)[0].landmarks)
    pixels, face = hopper
    assert grin > count_smile_windows(pixels, face.landmarks)


def test_the_cascade_has_a_say_only_where_the_score_is_in_doubt(sample: LoadPhoto, faces_of: FindFaces) -> None:
    pixels = sample("image_3.jpg")
    face = faces_of(pixels)[0]

    def with_score(score: float) -> Face:
        return replace(face, blendshapes={**face.blendshapes, "mouthSmileLeft": score, "mouthSmileRight": score})

    assert smile_threshold(pixels, with_score(0.1)) == SMILE
    assert smile_threshold(pixels, with_score(0.3)) == UNSURE_SMILE
    assert smile_threshold(pixels, with_score(0.9)) == SMILE


@pytest.mark.parametrize(("content", "is_sum_right"), [(None, False), (b"no cascade", False), (b"no cascade", True)])
def test_a_bad_cascade_is_said_in_one_sentence(
    sample: LoadPhoto,
    faces_of: FindFaces,
    replace_model: ReplaceModel,
    content: bytes | None,
    is_sum_right: bool,
) -> None:
    astronaut = sample("image_3.jpg")
    (face,) = faces_of(astronaut)
    replace_model("haarcascade_smile.xml", content, is_sum_right)
    _load_cascade.cache_clear()
    with pytest.raises(MissingModel, match=r"haarcascade_smile\.xml"):
        count_smile_windows(astronaut, face.landmarks)


# ---- the mask --------------------------------------------------------------------------------------------


def region_of(pixels: Pixels, face: Face) -> Region:
    region = mouth_region(pixels.shape, face.landmarks, find_lower_rims(pixels, face.landmarks))
    assert region is not None
    return region


def alpha_at(region: Region, points: FloatArray) -> FloatArray:
    whole = np.zeros((region.box.bottom + 400, region.box.right + 400), np.float32)
    whole[region.box.slices] = region.alpha
    at = np.rint(points[:, :2]).astype(int)
    return np.asarray(whole[at[:, 1], at[:, 0]], np.float32)


def test_the_mask_holds_the_lips_and_keeps_off_the_eyes(hopper: tuple[Pixels, Face]) -> None:
    pixels, face = hopper
    region = region_of(pixels, face)
    assert (alpha_at(region, face.landmarks.lips) == 1).all()
    for eye in (face.landmarks.left_eye, face.landmarks.right_eye):
        assert (alpha_at(region, np.concatenate([eye.upper, eye.lower])) == 0).all()
    assert (alpha_at(region, face.landmarks.oval) < 0.2).all()


def test_the_mask_falls_smoothly_to_nothing(hopper: tuple[Pixels, Face]) -> None:
    alpha = region_of(*hopper).alpha
    rim = np.concatenate([alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]])
    assert (rim == 0).all()
    assert alpha.max() == 1
    assert np.abs(np.diff(alpha, axis=0)).max() < 0.45
    assert np.abs(np.diff(alpha, axis=1)).max() < 0.45


def test_the_mask_keeps_off_the_rims_of_glasses(hopper: tuple[Pixels, Face]) -> None:
    pixels, face = hopper
    rims = find_lower_rims(pixels, face.landmarks)
    assert len(rims) == 2
    region = mouth_region(pixels.shape, face.landmarks, rims)
    assert region is not None
    for rim in rims:
        assert (alpha_at(region, rim) == 0).all()


# Faces without deep creases under the eyes: those of Payne, Takano, Thompson and Waters do pass for rims.
@pytest.mark.parametrize(
    "path",
    [
        "bera.jpg",
        "berkley.jpg",
        "cummings_blink.jpg",
        "edwards.jpg",
        "gabbard.jpg",
        "hatch_gray.jpg",
        "kennedy.jpg",
        "meng.jpg",
        "womack.jpg",
        *development("neutral/vid_ph_d1.jpg", "neutral/vid_lp_s18.jpg", "smiling/vv_022122.jpg"),
    ],
)
def test_no_rim_is_seen_where_there_are_no_glasses(path: str, real_photo: LoadPhoto, faces_of: FindFaces) -> None:
    pixels = real_photo(path)
    assert not find_lower_rims(pixels, faces_of(pixels)[0].landmarks)


def test_the_mask_grows_with_the_face(hopper: tuple[Pixels, Face]) -> None:
    pixels, face = hopper
    twice = replace(face.landmarks, points=face.landmarks.points * np.float32(2))
    large = mouth_region((2 * pixels.shape[0], 2 * pixels.shape[1]), twice)
    small = mouth_region(pixels.shape, face.landmarks)
    assert large is not None
    assert small is not None
    assert large.alpha.sum() == pytest.approx(4 * small.alpha.sum(), rel=0.03)


def test_the_whole_mask_is_that_of_the_edits(hopper: tuple[Pixels, Face]) -> None:
    pixels, face = hopper
    edit = edit_of(pixels, face)
    mask = mouth_mask(pixels.shape, [edit])
    assert mask.shape == pixels.shape[:2]
    assert mask.dtype == np.uint8
    outside = mask.copy()
    outside[edit.region.box.slices] = 0
    assert not outside.any()
    assert mask.max() == 255
    assert not mouth_mask(pixels.shape, []).any()


def test_the_lips_alone_are_a_small_soft_part_of_the_region(sample: LoadPhoto, faces_of: FindFaces) -> None:
    pixels = sample("image_2.jpg")
    edit = edit_of(pixels, faces_of(pixels)[0])
    narrow = narrow_to_lips(edit)
    assert narrow.region.box == edit.region.box
    assert (narrow.region.alpha <= edit.region.alpha).all()
    assert narrow.region.alpha.sum() < 0.6 * edit.region.alpha.sum()
    for x, y in edit.face.landmarks.lips[:, :2].astype(int):
        assert narrow.region.alpha[y - edit.region.box.top, x - edit.region.box.left] > 0.9
    eye = replace(edit, feature=Feature.LEFT_EYE)
    assert narrow_to_lips(eye) is eye
