"""A hand at the lips or over an eye leaves them alone: a smile would bend its fingers."""

from __future__ import annotations

import numpy as np
import pytest

from edit.options import EyeOptions, Options, SmileOptions, Wish
from edit.reasons import Cause, Reason
from eyes_mask import plan_eyes
from face import analysis as module
from face.analysis import FaceAnalysis
from face.hands import covers, find_hands
from face.types import EYES, Face, Feature
from mouth_mask import plan_mouths
from photo.types import Box, FloatArray, Pixels
from tests.conftest import FindFaces, LoadPhoto

ALWAYS = Options(eyes=EyeOptions(wish=Wish.ALWAYS), smile=SmileOptions(Wish.ALWAYS))
SQUARE = np.array([[10, 10], [30, 10], [30, 30], [10, 30]], np.float32)


@pytest.mark.parametrize(
    ("point", "is_over"), [((20, 20), True), ((33, 20), True), ((36, 20), False), ((33, 33), True), ((34, 34), False)]
)
def test_a_hand_covers_what_it_lies_over_or_nearly(point: tuple[float, float], is_over: bool) -> None:
    hand = np.array([(200, 200), point], np.float32)
    assert covers(hand, SQUARE, 5.0) is is_over
    assert not covers(hand[:1], SQUARE, 5.0)


def test_no_hand_is_seen_where_there_is_none(sample: LoadPhoto, faces_of: FindFaces) -> None:
    pixels = sample("image_2.jpg")
    (face,) = faces_of(pixels)
    assert find_hands(pixels, face) == []
    assert find_hands(pixels, face.within(Box(5000, 5000, 5100, 5100))) == []


def plan(pixels: Pixels, face: Face, options: Options, hand: FloatArray) -> tuple[set[Feature], dict[Feature, Cause]]:
    """What is edited of a face with a hand before it, and why not the rest."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "find_hands", lambda *_: [hand])
        analyses = [FaceAnalysis(pixels, face)]
        eyes, mouths = plan_eyes(analyses, options), plan_mouths(analyses, options)
    edited = {intent.feature for intent in (*eyes[0], *mouths[0])}
    return edited, {skip.feature: skip.cause for skip in (*eyes[1], *mouths[1])}


def test_a_mouth_behind_a_finger_is_left_unless_that_is_asked_for(sample: LoadPhoto, faces_of: FindFaces) -> None:
    pixels = sample("image_2.jpg")
    (face,) = faces_of(pixels)
    at_lips, far_away = face.landmarks.lips[5:6, :2], face.landmarks.lips[5:6, :2] + face.landmarks.eye_distance_px
    edited, causes = plan(pixels, face, Options(), at_lips)
    assert Feature.MOUTH not in edited and causes[Feature.MOUTH].reason is Reason.UNSURE_COVERED
    assert Feature.MOUTH in plan(pixels, face, ALWAYS, at_lips)[0]
    assert Feature.MOUTH in plan(pixels, face, Options(), far_away)[0]


@pytest.mark.parametrize("feature", EYES)
def test_both_eyes_are_left_where_a_hand_lies_over_one(
    feature: Feature, sample: LoadPhoto, faces_of: FindFaces
) -> None:
    pixels = sample("image_3.jpg")
    (face,) = faces_of(pixels)
    hand = face.eye(feature).upper[3:6, :2]
    edited, causes = plan(pixels, face, Options(), hand)
    assert not edited & set(EYES)
    assert [causes[eye].reason for eye in EYES] == [Reason.UNSURE_COVERED] * 2
    assert set(EYES) <= plan(pixels, face, ALWAYS, hand)[0]


@pytest.mark.photos
def test_a_real_finger_at_the_lips_is_seen(shared_photo: LoadPhoto, faces_of: FindFaces) -> None:
    pixels = shared_photo("field/f14_drowsy.jpg")
    (face,) = faces_of(pixels)
    analysis = FaceAnalysis(pixels, face)
    assert analysis.has_hand_over(Feature.MOUTH)
    assert not any(map(analysis.has_hand_over, EYES))
