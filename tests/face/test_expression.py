"""What an eye is called, what is planned for it and what passes as open never contradict each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edit.options import Options, SmileOptions, Wish
from edit.plan import EditPlan
from face.analysis import FaceAnalysis
from face.expression import (
    BLURRED,
    CLOSED,
    COPIED_ASPECT_RATIO,
    FAINT_SMILE,
    FAINT_SMILE_SPAN,
    NARROW,
    NEARLY_CLOSED,
    OPEN_ASPECT_RATIO,
    OPEN_BLINK,
    REAL_OPEN_BLINK,
    SHUT_ASPECT_RATIO_SPAN,
    SHUT_BLINK_SPAN,
    Doubt,
    EyeState,
    MouthDoubt,
    bares_teeth,
    find_closed,
    find_closed_in,
    find_doubt,
    find_mouth_doubt,
    is_fit_to_copy,
    measure_closedness,
    measure_openness,
    measure_smiling,
    name_eye,
)
from face.types import EYES, Face, Feature, Landmarks
from photo.types import Pixels
from retouch.pipeline import plan_edits
from retouch.quality import judge_edit
from retouch.report import describe_analysis
from tests.conftest import FindFaces, LoadPhoto
from tests.support.faces import make_face

RIGHT, LEFT = EYES
A_BIT = 0.005


@pytest.fixture
def closed_photo(sample: LoadPhoto) -> Pixels:
    return sample("image_3.jpg")


@pytest.fixture
def face(closed_photo: Pixels, faces_of: FindFaces) -> Face:
    return faces_of(closed_photo)[0]


def shape_eyes(face: Face, right: tuple[float, float], left: tuple[float, float] | None = None) -> Face:
    """The face with other eyes, each given by its aspect ratio and its blink score; both alike without a second."""
    points = face.landmarks.points.copy()
    wanted = dict(zip(EYES, (right, left or right), strict=True))
    for feature, (ratio, _) in wanted.items():
        eye = face.eye(feature)
        for upper, lower in zip(eye.upper[1:-1], eye.lower[1:-1], strict=True):
            for own in (upper, lower):
                place = np.flatnonzero((face.landmarks.points == own).all(axis=1))
                points[place] = (upper + lower) / 2 + (own - (upper + lower) / 2) * ratio / eye.aspect_ratio
    shapes = {"eyeBlinkRight": wanted[RIGHT][1], "eyeBlinkLeft": wanted[LEFT][1]}
    return replace(face, landmarks=Landmarks(points), blendshapes={**face.blendshapes, **shapes})


def flatten(face: Face) -> Face:
    """The face without depth: its width in space is that in the picture."""
    return replace(face, landmarks=Landmarks(face.landmarks.points * np.array([1, 1, 0], np.float32)))


# ---- closedness -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ratio", "blink", "closedness"), [(0.12, 0.55, 0.575), (0.3, 0.0, 0.0), (0.45, 0.0, 0.0), (0.15, 0.3, 0.4)]
)
def test_lids_and_blink_score_count_alike(face: Face, ratio: float, blink: float, closedness: float) -> None:
    shaped = flatten(shape_eyes(face, (ratio, blink), (0.3, 0.0)))
    assert shaped.eye(RIGHT).aspect_ratio == pytest.approx(ratio, abs=1e-4)
    assert measure_closedness(shaped, RIGHT) == pytest.approx(closedness, abs=1e-3)
    assert measure_closedness(shaped, LEFT) == pytest.approx(0.0, abs=1e-3)


def test_a_turned_head_closes_no_eye_and_opens_none(face: Face) -> None:
    points = flatten(face).landmarks.points.copy()
    for feature in EYES:
        eye = face.eye(feature)
        for upper, lower in zip(eye.upper[1:-1], eye.lower[1:-1], strict=True):
            for own in (upper, lower):  # lids that are parted straight up are parted as far when the head turns
                points[(face.landmarks.points == own).all(axis=1), 0] = (upper[0] + lower[0]) / 2
    level = replace(face, landmarks=Landmarks(points))
    ahead = shape_eyes(level, (0.15, 0.5))
    points, angle = ahead.landmarks.points.copy(), np.radians(50)
    points[:, 0], points[:, 2] = points[:, 0] * np.cos(angle), points[:, 0] * np.sin(angle)
    turned = replace(ahead, landmarks=Landmarks(points))
    assert turned.eye(LEFT).aspect_ratio > 1.5 * ahead.eye(LEFT).aspect_ratio
    for feature in EYES:
        assert measure_closedness(turned, feature) == pytest.approx(measure_closedness(ahead, feature), abs=1e-3)


# ---- states ---------------------------------------------------------------------------------------------


SHUT = (EyeState.CLOSED, EyeState.UNSURE)
SHARP = 0.8


@pytest.mark.parametrize(
    ("more", "less", "states"),
    [
        (CLOSED, NEARLY_CLOSED, (EyeState.CLOSED, EyeState.CLOSED)),
        (CLOSED, NEARLY_CLOSED - A_BIT, (EyeState.UNSURE, EyeState.NARROW)),
        (CLOSED, NARROW - A_BIT, (EyeState.UNSURE, EyeState.OPEN)),
        (CLOSED, 0.2, (EyeState.CLOSED, EyeState.OPEN)),
        (CLOSED - A_BIT, CLOSED - A_BIT, (EyeState.NARROW, EyeState.NARROW)),
        (CLOSED - A_BIT, NARROW, (EyeState.NARROW, EyeState.NARROW)),
        (NARROW, NARROW - A_BIT, (EyeState.NARROW, EyeState.OPEN)),
        (1.0, 1.0, (EyeState.CLOSED, EyeState.CLOSED)),
        (0.0, 0.0, (EyeState.OPEN, EyeState.OPEN)),
    ],
)
def test_states_change_at_their_thresholds(more: float, less: float, states: tuple[EyeState, EyeState]) -> None:
    for worse, better in (EYES, EYES[::-1]):
        closedness = {worse: more, better: less}
        closed = find_closed(closedness)
        doubt = find_doubt(make_face(), closed, closedness, SHARP)
        names = {feature: name_eye(closed, closedness[feature], doubt, feature) for feature in EYES}
        assert (names[worse], names[better]) == states
        assert closed == {feature for feature in EYES if names[feature] in SHUT}


# ---- plan, table and check ------------------------------------------------------------------------------


def plan_for(pixels: Pixels, face: Face) -> tuple[FaceAnalysis, EditPlan]:
    analysis = FaceAnalysis(pixels, face)
    return analysis, plan_edits((analysis,), Options(smile=SmileOptions(Wish.NEVER)))


def test_a_nearly_shut_eye_is_closed_in_plan_and_table_and_fails_the_check(closed_photo: Pixels, face: Face) -> None:
    # Laughing like this, the same eyes might only be narrowed; with teeth and no smile, shut by crying.
    rest = dict.fromkeys(("mouthSmileLeft", "mouthSmileRight", "mouthUpperUpLeft", "mouthUpperUpRight"), 0.1)
    face = replace(face, blendshapes={**face.blendshapes, **rest})
    shaped = shape_eyes(face, (0.12, 0.55))
    analysis, plan = plan_for(closed_photo, shaped)
    assert {edit.feature for edit in plan.edits} == set(EYES)
    assert describe_analysis((analysis,), plan, numbers=True).count("closed 0.12") == 2
    assert not any(judge_edit(edit, shaped).good for edit in plan.edits)


@pytest.mark.parametrize("ratio", [0.04, 0.12, 0.17, 0.21, 0.28])
@pytest.mark.parametrize("blink", [0.05, 0.30, 0.38, 0.45, 0.55, 0.75])
def test_plan_table_and_check_agree(closed_photo: Pixels, face: Face, ratio: float, blink: float) -> None:
    shaped = shape_eyes(face, (ratio, blink))
    analysis, plan = plan_for(closed_photo, shaped)
    planned = {edit.feature for edit in plan.edits}
    words = describe_analysis((analysis,), plan, numbers=True)
    assert words.count(f"closed {ratio:.2f}") == len(planned)
    # The same eye, painted, passes only if nobody would call it anything but open.
    _, blinking = plan_for(closed_photo, shape_eyes(face, (0.04, 0.8)))
    assert len(blinking.edits) == 2
    passed = [judge_edit(edit, shaped).good for edit in blinking.edits]
    assert not planned or not any(passed)
    assert passed == [ratio > OPEN_ASPECT_RATIO and blink < OPEN_BLINK] * 2
    if all(passed):
        assert not any(measure_closedness(shaped, feature) >= NEARLY_CLOSED for feature in EYES)


# ---- eyes to copy, best takes ---------------------------------------------------------------------------


def test_only_a_clearly_open_eye_is_copied(face: Face) -> None:
    least, most = COPIED_ASPECT_RATIO + A_BIT, REAL_OPEN_BLINK - A_BIT
    assert is_fit_to_copy(shape_eyes(face, (least, most), (0.0, 1.0)), RIGHT)
    assert not is_fit_to_copy(shape_eyes(face, (least, most), (0.0, 1.0)), LEFT)
    assert not is_fit_to_copy(shape_eyes(face, (COPIED_ASPECT_RATIO - A_BIT, most)), RIGHT)
    assert not is_fit_to_copy(shape_eyes(face, (least, REAL_OPEN_BLINK)), RIGHT)


def test_the_less_open_eye_tells_how_open_a_face_is(face: Face) -> None:
    wide = (0.35, 0.0)
    assert measure_openness(shape_eyes(face, wide)) == 1.0
    half_shut = OPEN_ASPECT_RATIO - SHUT_ASPECT_RATIO_SPAN / 2, 0.0
    half_blink = 0.35, REAL_OPEN_BLINK + SHUT_BLINK_SPAN / 2
    for less in (half_shut, half_blink):
        for eyes in ((wide, less), (less, wide)):
            assert measure_openness(shape_eyes(face, *eyes)) == pytest.approx(0.5, abs=1e-3)
    assert measure_openness(shape_eyes(face, wide, (0.35, 1.0))) == 0.0


def test_a_faint_smile_counts_in_part(face: Face) -> None:
    def smiling(score: float) -> float:
        shapes = {**face.blendshapes, "mouthSmileLeft": score - 0.1, "mouthSmileRight": score + 0.1}
        return measure_smiling(replace(face, blendshapes=shapes))

    assert smiling(FAINT_SMILE) == pytest.approx(0.0, abs=1e-6)
    assert smiling(FAINT_SMILE + FAINT_SMILE_SPAN / 2) == pytest.approx(0.5)
    assert smiling(FAINT_SMILE + FAINT_SMILE_SPAN) == pytest.approx(1.0)
    assert smiling(0.12) == 0.0 and smiling(0.8) == 1.0


def test_the_mouth_has_no_closedness(face: Face) -> None:
    with pytest.raises(ValueError, match="mouth"):
        measure_closedness(face, Feature.MOUTH)


# ---- doubts ----------------------------------------------------------------------------------------------


def doubt_of(face: Face, closedness: dict[Feature, float], sharpness: float = SHARP) -> Doubt | None:
    return find_doubt(face, find_closed(closedness), closedness, sharpness)


@pytest.mark.parametrize(
    "right, left, smile, pitch_degrees, doubt",
    [
        (0.80, 0.82, 0.9, 25.0, None),
        (0.60, 0.62, 0.1, 0.0, None),
        (0.50, 0.58, 0.9, 0.0, Doubt.LAUGHING),
        (0.60, 0.62, 0.1, 20.0, Doubt.LOWERED),
        (0.10, 0.70, 0.1, 0.0, None),
        (0.34, 0.66, 0.1, 0.0, Doubt.HALF_SHUT),
        (0.10, 0.20, 0.9, 20.0, None),
    ],
)
def test_only_what_is_surely_a_blink_is_without_doubt(
    right: float, left: float, smile: float, pitch_degrees: float, doubt: Doubt | None
) -> None:
    face = replace(make_face(smile=smile), pitch_degrees=pitch_degrees)
    assert doubt_of(face, dict(zip(EYES, (right, left), strict=True))) is doubt


def test_the_closed_eyes_of_a_blurred_face_are_in_doubt() -> None:
    closedness = dict.fromkeys(EYES, 0.8)
    assert doubt_of(make_face(), closedness, BLURRED - 0.01) is Doubt.BLURRED
    assert doubt_of(make_face(), closedness, BLURRED) is None
    assert doubt_of(make_face(), dict.fromkeys(EYES, 0.2), 0.1) is None


def test_eyes_shut_by_screaming_are_no_blink() -> None:
    closedness, lip = dict.fromkeys(EYES, 0.8), {"mouthUpperUpLeft": 0.8}
    assert doubt_of(make_face(smile=0.2, blendshapes=lip), closedness) is Doubt.CRYING
    assert doubt_of(make_face(smile=0.8, blendshapes=lip), closedness) is None


def test_the_closed_eyes_of_a_face_with_a_newborns_proportions_are_asleep() -> None:
    face = make_face()
    points = face.landmarks.points.copy()
    middle = (face.landmarks.left_eye.outer_corner + face.landmarks.right_eye.outer_corner) / 2
    for ratio, doubt in ((0.8, Doubt.ASLEEP), (1.1, None)):
        points[152] = middle + np.array([0, ratio * face.landmarks.eye_distance_3d_px, 0])
        shaped = replace(face, landmarks=Landmarks(points.astype(np.float32)))
        assert shaped.landmarks.chin_ratio == pytest.approx(ratio, abs=1e-3)
        assert doubt_of(shaped, dict.fromkeys(EYES, 0.8)) is doubt


@pytest.mark.parametrize(
    "eye_distance_px, right, left, smile, doubt",
    [
        (50.0, 0.60, 0.58, 0.1, None),
        (40.0, 0.60, 0.58, 0.1, Doubt.SMALL),
        (40.0, 0.68, 0.66, 0.1, None),
        (40.0, 0.68, 0.66, 0.6, Doubt.SMALL),
        (40.0, 0.76, 0.74, 0.6, None),
        (40.0, 0.90, 0.50, 0.1, Doubt.SMALL),
        (40.0, 0.90, 0.10, 0.1, Doubt.SMALL),
        (35.0, 0.90, 0.90, 0.1, Doubt.SMALL),
    ],
)
def test_on_few_pixels_only_what_is_clearly_shut_is_without_doubt(
    eye_distance_px: float, right: float, left: float, smile: float, doubt: Doubt | None
) -> None:
    face = make_face(smile=smile)
    factor = eye_distance_px / face.landmarks.eye_distance_px
    small = replace(face, landmarks=Landmarks(face.landmarks.points * np.float32(factor)))
    assert doubt_of(small, dict(zip(EYES, (right, left), strict=True))) is doubt


SHUT_PAIR, HALF_SHUT, WIDE = {RIGHT: 0.7, LEFT: 0.6}, {RIGHT: 0.6, LEFT: 0.3}, {RIGHT: 0.2, LEFT: 0.2}


@pytest.mark.parametrize(
    "readings, closed, disputed",
    [
        ([SHUT_PAIR], {RIGHT, LEFT}, set()),
        ([SHUT_PAIR, WIDE], {RIGHT, LEFT}, set()),
        ([SHUT_PAIR, HALF_SHUT, WIDE], {RIGHT}, {LEFT}),
        ([SHUT_PAIR, WIDE, WIDE], set(), {RIGHT, LEFT}),
        ([SHUT_PAIR, WIDE, WIDE, WIDE], set(), set()),
        ([WIDE], set(), set()),
    ],
)
def test_half_of_the_readings_call_an_eye_closed(
    readings: list[dict[Feature, float]], closed: set[Feature], disputed: set[Feature]
) -> None:
    assert [set(eyes) for eyes in find_closed_in(readings)] == [closed, disputed]


@pytest.mark.parametrize(
    "pitch_degrees, eyes, doubt",
    [
        (0.0, None, None),
        (0.0, Doubt.LOWERED, MouthDoubt.EYES),
        (0.0, Doubt.CRYING, MouthDoubt.EYES),
        (30.0, None, MouthDoubt.BENT),
    ],
)
def test_a_mouth_is_left_alone_below_doubtful_eyes_and_on_a_bent_head(
    pitch_degrees: float, eyes: Doubt | None, doubt: MouthDoubt | None
) -> None:
    face = replace(make_face(), pitch_degrees=pitch_degrees)
    assert find_mouth_doubt(face, eyes) is doubt
    assert find_mouth_doubt(make_face(blendshapes={"mouthUpperUpLeft": 0.5}), eyes) is MouthDoubt.TEETH


@pytest.mark.parametrize("pursed, pushed_up, doubt", [(0.8, 0.3, MouthDoubt.POUT), (0.9, 0.0, None), (0.2, 0.3, None)])
def test_pursed_lips_that_are_pushed_up_pout(pursed: float, pushed_up: float, doubt: MouthDoubt | None) -> None:
    face = make_face(blendshapes={"mouthPucker": pursed, "mouthShrugUpper": pushed_up})
    assert find_mouth_doubt(face, None) is doubt


@pytest.mark.parametrize("score, bares", [(0.1, False), (0.3, True)])
def test_one_raised_side_of_the_upper_lip_bares_the_teeth(score: float, bares: bool) -> None:
    assert bares_teeth(make_face(blendshapes={"mouthUpperUpLeft": score})) is bares
