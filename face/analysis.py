"""One face in one photo, and all that is measured of it: each measure is computed at its first use and cached.

Planning, painting, checking and reporting all use it, so that no two parts of the program measure the same face twice,
or measure it differently.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import cv2
import numpy as np

from face.appearance import FaceAppearance, looks_of_stone, measure_appearance, measure_eye_skin
from face.contrast import expect_eye_contrast
from face.expression import Doubt, find_closed_in, find_doubt, is_close_call, measure_closedness
from face.eye_geometry import find_iris, mark_iris, measure_iris
from face.hands import covers, find_hands
from face.identity import Embedding, embed_face
from face.mouth_look import MouthLook, look_at_mouth
from face.occlusion import (
    LipContrast,
    find_lower_rims,
    is_under_dark_glass,
    lacks_lash_line,
    measure_lip_contrast,
    measure_sharpness,
)
from face.search import remeasure_elsewhere, remeasure_mirrored
from face.types import EYES, EyeFrame, EyeLandmarks, Face, Feature
from photo.types import Box, FloatArray, Pixels

# calibration: hands. Half the width of a finger, in eye distances.
_FINGER = 0.12


class EyeAnalysis:
    """One eye of a face, and everything measured of it; made by `FaceAnalysis` only."""

    def __init__(self, whole: FaceAnalysis, feature: Feature) -> None:
        self._whole, self._feature = whole, feature

    @property
    def landmarks(self) -> EyeLandmarks:
        """Its landmarks, in photo pixels."""
        return self._whole.face.eye(self._feature)

    @property
    def frame(self) -> EyeFrame:
        """Its eye frame."""
        return self._whole.face.eye_frame(self._feature)

    @cached_property
    def fraction_inside(self) -> float:
        """Fraction of its lid landmarks that lie inside the photo, 0 … 1."""
        return self.landmarks.fraction_inside(self._whole.pixels.shape)

    @cached_property
    def skin(self) -> FloatArray:
        """RGB of the skin around it, float32 (3,), 0 … 255."""
        whole = self._whole
        return measure_eye_skin(whole.pixels, whole.face, self._feature, whole.appearance.skin)

    @cached_property
    def iris(self) -> tuple[float, float, float]:
        """x, y and radius of the iris of an open eye, in its frame."""
        return find_iris(self._whole.pixels, self.landmarks, self.frame)

    @cached_property
    def iris_color(self) -> FloatArray | None:
        """RGB of the iris of an open eye as the photo shows it, float32 (3,); None where too few pixels show it."""
        return measure_iris(self._whole.pixels, self.landmarks, self.frame, self.iris)

    @cached_property
    def marked_iris_color(self) -> FloatArray | None:
        """The same where its landmarks see the iris: good enough for eyes that look ahead, and many times quicker."""
        return measure_iris(self._whole.pixels, self.landmarks, self.frame, mark_iris(self.landmarks, self.frame))

    @cached_property
    def is_under_dark_glass(self) -> bool:
        """Whether its upper lid is far darker than the cheek."""
        return is_under_dark_glass(self._whole.pixels, self._whole.face, self._feature)

    @cached_property
    def lacks_lash_line(self) -> bool:
        """Whether no dark line runs where the lids of a closed eye would meet."""
        return lacks_lash_line(self._whole.pixels, self._whole.face, self._feature)


class FaceAnalysis:
    """One face in one photo, `pixels` uint8 (H, W, 3), and everything measured of it.

    Neither `pixels` nor `face` may change afterwards. Every measure may raise MissingModel.
    """

    def __init__(self, pixels: Pixels, face: Face) -> None:
        self.pixels, self.face = pixels, face
        self._eyes = {feature: EyeAnalysis(self, feature) for feature in EYES}

    def eye(self, feature: Feature) -> EyeAnalysis:
        """One of the eyes. Raises KeyError for the mouth."""
        return self._eyes[feature]

    @cached_property
    def appearance(self) -> FaceAppearance:
        """Blur, grain, colours, brightness and the side of the light around the face."""
        return measure_appearance(self.pixels, self.face)

    @cached_property
    def embedding(self) -> Embedding:
        """The recognition network's embedding of the face, float32 (192,) of length 1."""
        return embed_face(self.pixels, self.face)

    @cached_property
    def sharpness(self) -> float:
        """Sharpness of the features in proportion to the face: 0.5 out of focus … 0.9 and more in focus."""
        return measure_sharpness(self.pixels, self.face.landmarks)

    @cached_property
    def eye_contrast(self) -> FloatArray | None:
        """The contrast that its eyes would have in their detail if they were open, float32 (3,); None if unknown."""
        return expect_eye_contrast(self.pixels, self.face)

    @cached_property
    def lower_rims(self) -> list[FloatArray]:
        """The lower rims of glasses, each float32 (n, 2) in photo pixels."""
        return find_lower_rims(self.pixels, self.face.landmarks)

    @cached_property
    def lips(self) -> LipContrast | None:
        """Contrast between the lips and the skin around them; None when the mouth is not in the photo."""
        return measure_lip_contrast(self.pixels, self.face.landmarks)

    @cached_property
    def mouth_look(self) -> MouthLook:
        """How likely the mouth is at rest, moved or covered, by a network of its own."""
        return look_at_mouth(self.pixels, self.face.landmarks, self.appearance.skin)

    @cached_property
    def looks_of_stone(self) -> bool:
        """Whether it has hardly any colour in a photo that shows colours, as a statue."""
        lips = self.lips
        return lips is not None and looks_of_stone(self.pixels, self.appearance.skin, lips.chroma)

    @cached_property
    def hands(self) -> list[FloatArray]:
        """The hands in front of it or close to it, each as points along its bones, float32 (n, 2)."""
        return find_hands(self.pixels, self.face)

    def has_hand_over(self, feature: Feature) -> bool:
        """Whether a hand lies over the lips, or over an eye."""
        marks, reach_px = self.face.landmarks, _FINGER * self.face.landmarks.eye_distance_3d_px
        if feature is Feature.MOUTH:
            outline = marks.lips
        else:
            eye = self.face.eye(feature)
            outline = np.concatenate([eye.upper, eye.lower[-2:0:-1]])
        return any(covers(hand, outline, reach_px) for hand in self.hands)

    @cached_property
    def readings(self) -> tuple[Mapping[Feature, float], ...]:
        """Closedness of both eyes, 0 wide open … 1 shut: one reading or, where it is a close call, several.

        The landmarker reads a face somewhat differently in each crop, and in its mirror image.
        """
        first = {feature: measure_closedness(self.face, feature) for feature in EYES}
        if not is_close_call(self.face, first):
            return (first,)
        others = [
            {feature: measure_closedness(face, feature) for feature in EYES}
            for face in remeasure_elsewhere(self.pixels, self.face)
        ]
        mirrored = remeasure_mirrored(self.pixels, self.face)
        if mirrored is not None:
            others.append({feature: measure_closedness(mirrored, feature.other_eye) for feature in EYES})
        return (first, *others)

    @cached_property
    def closedness(self) -> dict[Feature, float]:
        """Closedness of both eyes, 0 wide open … 1 shut: the mean of the readings."""
        return {feature: sum(reading[feature] for reading in self.readings) / len(self.readings) for feature in EYES}

    @cached_property
    def closed(self) -> frozenset[Feature]:
        """The closed eyes, by half of all readings."""
        return find_closed_in(self.readings)[0]

    @cached_property
    def disputed(self) -> frozenset[Feature]:
        """The eyes that do not count as closed, although some of the readings call them closed."""
        return find_closed_in(self.readings)[1]

    @cached_property
    def doubt(self) -> Doubt | None:
        """Why its closed eyes may be no blink; None if they surely are one, or none is closed."""
        if not self.closed:
            return None
        return find_doubt(self.face, self.closed, self.closedness, self.sharpness)

    def cut_out(self, box: Box) -> FaceAnalysis:
        """The face in a copy of the part of its photo inside `box`, so that the photo itself can be freed."""
        part = FaceAnalysis(self.pixels[box.slices].copy(), self.face.within(box))
        # The identity of a face does not depend on what is around it.
        part.embedding = self.embedding
        return part

    def shrunk(self, box: Box, scale: float) -> FaceAnalysis:
        """The face in the part of its photo inside `box`, resized by `scale`, 1 or less; at 1 it shares the pixels."""
        part = self.pixels[box.slices]
        if scale < 1.0:
            part = np.asarray(cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
        return FaceAnalysis(part, self.face.within(box, scale))
