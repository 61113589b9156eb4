"""A closed eye is seen by its lash line; under a hand there is none, and nothing is painted on the hand."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from edit.options import EyeOptions, Options, Wish
from edit.reasons import Reason
from eyes_mask import plan_eyes
from face.analysis import FaceAnalysis
from face.occlusion import lacks_lash_line
from face.types import EYES, Face, Feature
from photo.types import Pixels
from retouch.report import explain
from tests.conftest import FindFaces, LoadPhoto

CLOSED_SAMPLE = "image_3.jpg"


def cover_with_skin(pixels: Pixels, face: Face, feature: Feature) -> Pixels:
    """The photo with an oval of the cheek's colour over one eye, as large as a palm."""
    frame = face.eye_frame(feature)
    across, up = (round(size * frame.half_width_px) for size in (1.8, 1.1))
    x, y = (round(float(v)) for v in frame.origin)
    cheek_x, cheek_y = (round(float(v)) for v in frame.origin - 2.3 * frame.y_axis)
    palm = np.median(pixels[cheek_y - 5 : cheek_y + 6, cheek_x - 5 : cheek_x + 6], axis=(0, 1))
    alpha = np.zeros((2 * up, 2 * across), np.float32)
    cv2.ellipse(alpha, (across, up), (across - 4, up - 4), 0, 0, 360, (1.0,), -1)
    soft = cv2.GaussianBlur(alpha, (0, 0), 1.5)[..., None]
    covered = pixels.copy()
    place = covered[y - up : y + up, x - across : x + across]
    place[...] = np.rint(place + soft * (palm - place)).astype(np.uint8)
    return covered


def test_closed_eyes_show_their_lash_line(sample: LoadPhoto, faces_of: FindFaces) -> None:
    pixels = sample(CLOSED_SAMPLE)
    (face,) = faces_of(pixels)
    assert not any(lacks_lash_line(pixels, face, feature) for feature in EYES)


def test_on_a_blurred_face_closed_eyes_are_believed_without_a_line(sample: LoadPhoto, faces_of: FindFaces) -> None:
    pixels = sample(CLOSED_SAMPLE)
    (face,) = faces_of(pixels)
    without_line = cover_with_skin(cover_with_skin(pixels, face, EYES[0]), face, EYES[1])
    blurred = cv2.GaussianBlur(without_line, (0, 0), 0.04 * face.landmarks.eye_distance_px).astype(np.uint8, copy=False)
    assert all(lacks_lash_line(without_line, face, feature) for feature in EYES)
    assert not any(lacks_lash_line(blurred, face, feature) for feature in EYES)


@pytest.mark.parametrize("feature", EYES)
def test_an_eye_under_a_hand_stays_under_it_and_the_other_one_opens_where_that_is_asked_for(
    feature: Feature, sample: LoadPhoto, faces_of: FindFaces
) -> None:
    pixels = sample(CLOSED_SAMPLE)
    (face,) = faces_of(pixels)
    covered = cover_with_skin(pixels, face, feature)
    always = Options(eyes=EyeOptions(wish=Wish.ALWAYS))
    intents, skips = plan_eyes((FaceAnalysis(covered, face),), always)
    assert [intent.feature for intent in intents] == [feature.other_eye]
    assert [skip.feature for skip in skips] == [feature]
    assert "hand" in explain(skips[0].cause)
    intents, skips = plan_eyes((FaceAnalysis(covered, face),), Options())
    assert not intents
    reasons = {skip.feature: skip.cause.reason for skip in skips}
    assert reasons == {feature: Reason.NO_LASH_LINE, feature.other_eye: Reason.UNSURE_COVERED}


def test_outside_the_photo_there_is_no_lash_line(sample: LoadPhoto, faces_of: FindFaces) -> None:
    pixels = sample(CLOSED_SAMPLE)
    (face,) = faces_of(pixels)
    assert lacks_lash_line(np.ascontiguousarray(pixels[:8, :8]), face, Feature.LEFT_EYE)
