"""face.expression: carried over."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from face.types import EYES, EyeLandmarks, Face, Feature

# Of 100 photos that people had sorted, the more closed eye of a face was at 0.63 … 0.90 where they saw closed eyes,
# and at no more than 0.53 where they saw laughing, narrow or lowered ones.
CLOSED = 0.57
# The less closed eye of such a pair was at 0.44 or more; wide open eyes stay below 0.35, the open one of a wink at 0.1.
NEARLY_CLOSED = 0.39
# The aspect ratio of an open eye at rest.
_OPEN_ASPECT_RATIO = 0.3


def measure_closedness(face: Face, feature: Feature) -> float:
    """How closed one eye is, 0 wide open … 1 shut: the mean of the blink score and of how far the lids are together."""
    shut = 1.0 - _aspect_ratio(face.eye(feature)) / _OPEN_ASPECT_RATIO
    return float(np.clip((face.blink(feature) + shut) / 2, 0.0, 1.0))


def find_closed(closedness: Mapping[Feature, float]) -> frozenset[Feature]:
    """Which eyes of a face are closed, by the closedness of both."""
    if max(closedness.values()) < CLOSED:
        return frozenset()
    return frozenset(feature for feature in EYES if closedness[feature] >= NEARLY_CLOSED)


def _aspect_ratio(eye: EyeLandmarks) -> float:
    """The six-point aspect ratio with the eye's width in space: on a turned head the width in the picture shrinks."""
    width = float(np.linalg.norm(eye.outer_corner - eye.inner_corner))
    return eye.aspect_ratio * eye.width_px / max(width, 1e-6)
