"""Closed eyes are told from open ones, and their masks stay where they belong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import pytest

from edit.options import EyeOptions, Options, Wish
from edit.plan import Edit, Intent, Skip
from edit.reasons import Reason
from eyes_mask import check_face_numbers, eye_region, eyes_mask, plan_eyes
from face.analysis import FaceAnalysis
from face.expression import CLOSED, NARROWING_SMILE, NEARLY_CLOSED, find_closed, measure_closedness
from face.search import find_faces
from face.types import EYES, Face, Feature, Landmarks
from photo.blend import draw_mask
from photo.errors import BadOption
from photo.types import Box, FloatArray, Pixels, Region
from retouch.pipeline import plan_edits
from retouch.report import explain
from tests.conftest import FindFaces, LoadPhoto
from tests.support.photos import development, portraits, where_developing


@pytest.fixture
def closed_photo(sample: LoadPhoto) -> Pixels:
    return sample("image_3.jpg")


@pytest.fixture
def closed_face(closed_photo: Pixels, faces_of: FindFaces) -> Face:
    return faces_of(closed_photo)[0]


@pytest.fixture
def open_face(sample: LoadPhoto, faces_of: FindFaces) -> Face:
    return faces_of(sample("image_2.jpg"))[0]


def _with_points(face: Face, points: FloatArray) -> Face:
    return replace(face, landmarks=Landmarks(points.astype(np.float32)))


def _with_blink(face: Face, right: float, left: float) -> Face:
    return replace(face, blendshapes={**face.blendshapes, "eyeBlinkRight": right, "eyeBlinkLeft": left})


def _plan(photo: Pixels, faces: Sequence[Face], options: Options | None = None) -> tuple[list[Intent], list[Skip]]:
    return plan_eyes([FaceAnalysis(photo, face) for face in faces], options or Options())


def _edits(photo: Pixels, face: Face) -> list[Edit]:
    """The edits of the eyes of one face, with their regions."""
    plan = plan_edits((FaceAnalysis(photo, face),), Options())
    return [edit for edit in plan.edits if edit.feature in EYES]


def _reasons(photo: Pixels, face: Face, options: Options | None = None) -> list[str]:
    intents, skips = _plan(photo, (face,), options)
    assert not intents
    assert [skip.feature for skip in skips] == list(EYES)
    return [explain(skip.cause) for skip in skips]


# ---- decisions ------------------------------------------------------------------------------------------


def test_closed_eyes_are_opened_as_far_as_the_user_wants(closed_photo: Pixels, closed_face: Face) -> None:
    intents, skips = _plan(closed_photo, (closed_face,), Options(eyes=EyeOptions(opening=0.7)))
    assert skips == []
    assert [intent.feature for intent in intents] == list(EYES)
    for intent in intents:
        assert intent.face is closed_face
        assert intent.amount == 0.7
        assert intent.measured >= intent.threshold == CLOSED


def test_open_eyes_are_left_with_what_was_measured(sample: LoadPhoto, open_face: Face) -> None:
    intents, skips = _plan(sample("image_2.jpg"), (open_face,))
    assert intents == []
    for skip in skips:
        assert explain(skip.cause) == "open already"
        assert skip.threshold == CLOSED
        assert skip.measured is not None
        assert 0 <= skip.measured < NEARLY_CLOSED


def test_a_photo_without_faces_needs_no_plan(sample: LoadPhoto) -> None:
    assert _plan(sample("image_5.jpg"), ()) == ([], [])


def test_an_eye_over_the_threshold_follows_its_closed_pair(closed_face: Face) -> None:
    face = _with_blink(closed_face, right=0.75, left=0.1)
    assert NEARLY_CLOSED <= measure_closedness(face, Feature.LEFT_EYE) < CLOSED
    assert find_closed({feature: measure_closedness(face, feature) for feature in EYES}) == set(EYES)


def test_two_half_closed_eyes_are_an_expression(closed_photo: Pixels, closed_face: Face) -> None:
    lowered = _with_blink(closed_face, right=0.1, left=0.1)
    laughing = replace(lowered, blendshapes={**lowered.blendshapes, "mouthSmileLeft": 0.9, "mouthSmileRight": 0.9})
    unsmiling = replace(lowered, blendshapes={**lowered.blendshapes, "mouthSmileLeft": 0.0, "mouthSmileRight": 0.0})
    no_second_look = np.full_like(closed_photo, 128)
    assert _reasons(no_second_look, laughing) == ["not closed, only narrowed by the smile"] * 2
    assert _reasons(no_second_look, unsmiling) == ["not closed, only lowered or half open"] * 2


def test_a_close_call_is_looked_at_in_the_mirror(closed_photo: Pixels, closed_face: Face) -> None:
    doubtful = _with_blink(closed_face, right=0.1, left=0.1)
    assert max(measure_closedness(doubtful, feature) for feature in EYES) < CLOSED
    closedness = FaceAnalysis(closed_photo, doubtful).closedness
    assert min(closedness.values()) > NEARLY_CLOSED
    assert max(closedness.values()) >= CLOSED


def test_the_closed_eye_of_a_wink_is_opened_and_the_report_says_so(closed_photo: Pixels, closed_face: Face) -> None:
    points = closed_face.landmarks.points.copy()
    eye = closed_face.landmarks.left_eye
    for index in np.flatnonzero((points[:, None] == eye.upper[None, 1:-1]).all(axis=2).any(axis=1)):
        points[index, 1] -= 0.35 * eye.width_px
    face = _with_blink(_with_points(closed_face, points), right=0.75, left=0.0)
    analysis = FaceAnalysis(closed_photo, face)
    # Further readings would be of the photo, which shows closed eyes.
    analysis.readings = ({feature: measure_closedness(face, feature) for feature in EYES},)
    intents, skips = plan_eyes((analysis,), Options())
    assert [intent.feature for intent in intents] == [Feature.RIGHT_EYE]
    assert [skip.feature for skip in skips] == [Feature.LEFT_EYE]
    assert "wink" in explain(skips[0].cause)


def test_switched_off(closed_photo: Pixels, closed_face: Face) -> None:
    assert (
        _reasons(closed_photo, closed_face, Options(eyes=EyeOptions(Wish.NEVER)))
        == ["opening eyes is switched off"] * 2
    )


def test_only_the_chosen_faces_are_opened(sample: LoadPhoto, faces_of: FindFaces) -> None:
    photo = sample("image_4.jpg")
    intents, skips = _plan(photo, faces_of(photo), Options(faces=(4,)))
    assert {intent.face.number for intent in intents} == {4}
    assert {explain(skip.cause) for skip in skips if skip.face.number == 1} == {"this face was not chosen"}


def test_choosing_a_face_that_is_not_there_names_those_that_are(sample: LoadPhoto, faces_of: FindFaces) -> None:
    found = faces_of(sample("image_4.jpg"))
    with pytest.raises(BadOption, match="face 7, but 5 faces were found, 1 to 5"):
        check_face_numbers(found, Options(faces=(1, 7)))
    with pytest.raises(BadOption, match="1 face was found, number 1"):
        _plan(sample("image_4.jpg"), found[:1], Options(faces=(2,)))
    check_face_numbers((), Options(faces=(2,)))


def test_a_face_of_a_few_pixels_is_left(closed_photo: Pixels, closed_face: Face) -> None:
    points = closed_face.landmarks.points * (20 / closed_face.landmarks.eye_distance_px)
    reasons = _reasons(closed_photo, _with_points(closed_face, points))
    assert all("too small" in reason and "20 px" in reason for reason in reasons)


def test_a_head_in_profile_is_left(closed_photo: Pixels, closed_face: Face) -> None:
    reasons = _reasons(closed_photo, replace(closed_face, yaw_degrees=-44.0))
    assert all("turned too far" in reason and "44°" in reason for reason in reasons)


def test_what_is_seen_of_an_eye_at_the_edge_opens_with_its_pair(closed_photo: Pixels, closed_face: Face) -> None:
    cut = round(float(closed_face.landmarks.left_eye.upper[:, 0].mean()))
    seen = np.ascontiguousarray(closed_photo[:, :cut])
    edits = _edits(seen, closed_face)
    assert [edit.feature for edit in edits] == list(EYES)
    assert edits[1].region.box.right == cut
    assert _plan(seen, (closed_face,))[1] == []


def test_an_eye_at_the_edge_stays_as_it_is_where_its_pair_does(closed_photo: Pixels, closed_face: Face) -> None:
    worn = closed_photo.copy()
    eye = closed_face.landmarks.right_eye
    x, y = eye.upper[:, :2].mean(axis=0)
    cv2.circle(worn, (round(float(x)), round(float(y))), round(0.8 * eye.width_px), (12, 10, 10), -1)
    cut = round(float(closed_face.landmarks.left_eye.upper[:, 0].mean()))
    reasons = _reasons(np.ascontiguousarray(worn[:, :cut]), closed_face)
    assert "dark" in reasons[0]
    assert "cut off" in reasons[1]


def test_an_eye_under_dark_glass_keeps_its_pair_closed(closed_photo: Pixels, closed_face: Face) -> None:
    worn = closed_photo.copy()
    eye = closed_face.landmarks.left_eye
    x, y = eye.upper[:, :2].mean(axis=0)
    cv2.circle(worn, (round(float(x)), round(float(y))), round(0.8 * eye.width_px), (12, 10, 10), -1)
    reasons = _reasons(worn, closed_face)
    assert "wink" in reasons[0]
    assert "dark" in reasons[1]


def test_an_eye_beyond_the_edge_does_not(closed_photo: Pixels, closed_face: Face) -> None:
    cut = int(closed_face.landmarks.left_eye.inner_corner[0]) - 2
    edits = _edits(np.ascontiguousarray(closed_photo[:, :cut]), closed_face)
    assert [edit.feature for edit in edits] == [Feature.RIGHT_EYE]


def test_eyes_are_not_painted_on_dark_lenses(closed_photo: Pixels, closed_face: Face) -> None:
    worn = closed_photo.copy()
    for eye in closed_face.landmarks.eyes:
        x, y = eye.upper[:, :2].mean(axis=0)
        cv2.circle(worn, (round(float(x)), round(float(y))), round(0.8 * eye.width_px), (12, 10, 10), -1)
    assert all("dark" in reason for reason in _reasons(worn, closed_face))


# ---- regions --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1.0, 2.0, 8.0])
def test_region_is_soft_and_in_proportion_to_the_face(closed_face: Face, scale: float) -> None:
    face = _with_points(closed_face, closed_face.landmarks.points * scale)
    region = eye_region((3000, 3000, 3), face, Feature.LEFT_EYE)
    assert region is not None
    alpha = region.alpha
    assert alpha.max() == pytest.approx(1, abs=0.02)
    assert max(alpha[0].max(), alpha[-1].max(), alpha[:, 0].max(), alpha[:, -1].max()) == 0
    assert 1.3 < region.box.width / face.landmarks.left_eye.width_px < 2.1
    step = max(np.abs(np.diff(alpha, axis=0)).max(), np.abs(np.diff(alpha, axis=1)).max())
    # The rim is a quarter of half an eye wide and at its steepest 1.5 times as steep as a straight ramp.
    assert step < 1.8 / (0.125 * face.landmarks.left_eye.width_px)


def test_region_holds_the_lids_but_not_the_brow(closed_face: Face) -> None:
    face = _with_points(closed_face, closed_face.landmarks.points * 4)
    for feature in EYES:
        region = eye_region((2048, 2048, 3), face, feature)
        assert region is not None
        eye = face.eye(feature)
        mask = np.zeros((2048, 2048), np.float32)
        mask[region.box.slices] = region.alpha
        inner_rims = np.concatenate([eye.upper[2:-2], eye.lower[2:-2]])
        assert min(mask[int(y), int(x)] for x, y, _ in inner_rims) > 0.8
        assert max(mask[int(y), int(x)] for x, y, _ in np.concatenate([eye.brow_lower, eye.brow_upper])) == 0


def test_region_stays_inside_the_face_and_the_photo(closed_face: Face) -> None:
    points = closed_face.landmarks.points
    # A head so near the edge that its right eye is half outside the photo.
    moved = points - np.array([closed_face.landmarks.right_eye.upper[4, 0], 0, 0], np.float32)
    region = eye_region((512, 512, 3), _with_points(closed_face, moved), Feature.RIGHT_EYE)
    assert region is not None
    assert region.box.left == 0
    assert eye_region((512, 512, 3), _with_points(closed_face, points + 2000), Feature.RIGHT_EYE) is None
    hull = cv2.convexHull(np.ascontiguousarray(points[:, :2]))
    region = eye_region((512, 512, 3), closed_face, Feature.RIGHT_EYE)
    assert region is not None
    rows, columns = np.nonzero(region.alpha > 0.05)
    for x, y in zip(columns + region.box.left, rows + region.box.top, strict=True):
        assert cv2.pointPolygonTest(hull, (float(x), float(y)), measureDist=True) > -1.5


def test_the_two_regions_never_meet(closed_photo: Pixels, closed_face: Face) -> None:
    edits = _edits(closed_photo, closed_face)
    assert edits
    masks = [eyes_mask(closed_photo.shape, [edit]) > 0 for edit in edits]
    assert not (masks[0] & masks[1]).any()


def test_an_alpha_that_rounding_put_above_one_is_no_hole_in_the_mask() -> None:
    alpha = np.full((3, 4), np.nextafter(np.float32(1), np.float32(2)), np.float32)
    assert (draw_mask((3, 4), [Region(Box(0, 0, 4, 3), alpha)]) == 255).all()


def test_mask_of_the_photo_is_black_where_nothing_is_touched(closed_photo: Pixels, closed_face: Face) -> None:
    edits = _edits(closed_photo, closed_face)
    assert edits
    mask = eyes_mask(closed_photo.shape, edits)
    assert mask.dtype == np.uint8
    assert mask.shape == closed_photo.shape[:2]
    touched = np.zeros(mask.shape, bool)
    for edit in edits:
        touched[edit.region.box.slices] |= edit.region.alpha > 0
    assert np.array_equal(mask > 0, touched)
    assert mask.max() == 255
    assert not eyes_mask(closed_photo.shape, []).any()


# ---- on real people -------------------------------------------------------------------------------------


def _opened(photo: Pixels, faces: tuple[Face, ...]) -> set[tuple[int, Feature]]:
    return {(intent.face.number, intent.feature) for intent in _plan(photo, faces)[0]}


@pytest.mark.parametrize(
    "name",
    [
        *portraits(to_open="both"),
        *development("closed/[!g]*", "pairs/*/input_closed.jpg", "reference/image_[23].*", "hard/closed_*"),
    ],
)
def test_every_closed_pair_is_opened(real_photo: LoadPhoto, faces_of: FindFaces, name: str) -> None:
    photo = real_photo(name)
    assert _opened(photo, faces_of(photo)) == {(1, feature) for feature in EYES}


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("group_blink.jpg", {2, 3, 5}),
        ("group_open.jpg", set()),
        *where_developing(
            ("closed/group_uol_g1.jpg", {2, 3, 4}),
            ("closed/group_uol_111024.jpg", {2}),  # 1 laughs and bends forward, so nobody can be sure
            ("reference/image_1.jpg", {1}),
            ("reference/image_5.png", {2}),
        ),
    ],
)
def test_in_groups_only_the_closed_eyes_are_opened(
    real_photo: LoadPhoto, faces_of: FindFaces, name: str, numbers: set[int]
) -> None:
    photo = real_photo(name)
    assert _opened(photo, faces_of(photo)) == {(number, feature) for number in numbers for feature in EYES}


@pytest.mark.parametrize(
    "name",
    [
        *portraits(to_open="none"),
        *development(
            "neutral/*",
            "smiling/*",
            "pairs/*/gt_open.jpg",
            "pairs/*/ref_*.jpg",
            "pairs/*/input_neutral.jpg",
            "pairs/portrait_*/*.jpg",
            "hard/narrow_*",
            "hard/[afhlpst][!_]*",
        ),
    ],
)
def test_open_narrow_lowered_and_covered_eyes_are_left(real_photo: LoadPhoto, faces_of: FindFaces, name: str) -> None:
    photo = real_photo(name)
    assert _opened(photo, faces_of(photo)) == set()


@pytest.mark.parametrize("eye_distance_px", [40, 30])
def test_small_faces_of_a_group_are_decided_as_large_ones(
    real_photo: LoadPhoto, faces_of: FindFaces, eye_distance_px: int
) -> None:
    """The smallest of the six faces has that many pixels between its outer eye corners."""
    photo = real_photo("group_blink.jpg")
    smallest = min(face.landmarks.eye_distance_px for face in faces_of(photo))
    ratio = eye_distance_px / smallest
    small = cv2.resize(photo, None, fx=ratio, fy=ratio, interpolation=cv2.INTER_AREA).astype(np.uint8)
    assert _opened(small, find_faces(small)) == {(number, feature) for number in (2, 3, 5) for feature in EYES}


@pytest.mark.photos
def test_small_faces_of_a_crowd_are_decided_alike(shared_photo: LoadPhoto, faces_of: FindFaces) -> None:
    """At least five of the 29 seem to have their eyes shut, too few pixels to be sure; nobody gets one open eye."""
    photo = shared_photo("hard/crowd_solvay1927.jpg")
    analyses = [FaceAnalysis(photo, face) for face in faces_of(photo)]
    shut = {(analysis.face.number, feature) for analysis in analyses for feature in analysis.closed}
    opened = _opened(photo, faces_of(photo))
    assert len(shut) >= 10 and len(opened) <= 14
    assert opened <= shut
    assert all({(number, feature) for feature in EYES} <= opened for number, _ in opened)


@pytest.mark.parametrize("name", [*portraits(to_open="right"), *development("hard/wink.jpg")])
def test_a_wink_is_opened(real_photo: LoadPhoto, faces_of: FindFaces, name: str) -> None:
    photo = real_photo(name)
    assert _opened(photo, faces_of(photo)) == {(1, Feature.RIGHT_EYE)}


@pytest.mark.parametrize(
    "closedness, changes, reason",
    [
        ((0.60, 0.62), {"pitch_degrees": 20.0}, Reason.UNSURE_LOWERED),
        ((0.50, 0.58), {"pitch_degrees": 0.0}, Reason.UNSURE_LAUGHING),
        ((0.34, 0.66), {"pitch_degrees": 0.0}, Reason.UNSURE_HALF_SHUT),
    ],
)
def test_eyes_that_may_be_no_blink_are_left_alone_unless_that_is_asked_for(
    closed_photo: Pixels,
    closed_face: Face,
    closedness: tuple[float, float],
    changes: dict[str, float],
    reason: Reason,
) -> None:
    face = replace(closed_face, **changes)  # type: ignore[arg-type]
    assert face.smile > NARROWING_SMILE
    analysis = FaceAnalysis(closed_photo, face)
    analysis.readings = (dict(zip(EYES, closedness, strict=True)),)
    intents, skips = plan_eyes([analysis], Options())
    assert not intents and reason in {skip.cause.reason for skip in skips}
    always = Options(eyes=EyeOptions(wish=Wish.ALWAYS))
    wanted = {eye for eye in EYES if analysis.closedness[eye] >= NEARLY_CLOSED}
    assert {intent.feature for intent in plan_eyes([analysis], always)[0]} == wanted
