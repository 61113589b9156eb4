"""Ranks candidates: paintings of one face with different seeds that all passed the checks."""

from __future__ import annotations

import math
from collections.abc import Sequence

from edit.plan import Edit
from face.expression import AIMED_SMILE, OPEN_ASPECT_RATIO
from face.types import Feature
from photo.blend import Patch, blend
from photo.measure import luma, measure_blur, measure_noise
from retouch.quality import Outcome

# An eye counts as fully open at so many times the aspect ratio from which on it is open at all.
_FULLY_OPEN = 1.3
# A different person is the worst that can come out, so likeness counts twice; no photo decided this.
_WEIGHTS = {"likeness": 2.0, "expression": 1.0, "texture": 1.0}


def rank(edits: Sequence[Edit], outcomes: Sequence[Outcome], patches: Sequence[Patch]) -> float:
    """Return how good a painted face is by what was measured, 0 … 1; more is better.

    It weighs the face's similarity to itself before, how open its eyes and how broad its smile came out up to the goal
    (the worst of them counts), and how well sharpness and grain of what was painted match the face around.
    """
    likeness = min((outcome.similarity for outcome in outcomes if outcome.similarity is not None), default=0.0)
    expression = min(_measure_goal(edit, outcome) for edit, outcome in zip(edits, outcomes, strict=True))
    texture = min(match_texture(edit, patch) for edit, patch in zip(edits, patches, strict=True))
    parts = {"likeness": max(likeness, 0.0), "expression": expression, "texture": texture}
    return sum(_WEIGHTS[name] * value for name, value in parts.items()) / sum(_WEIGHTS.values())


def _measure_goal(edit: Edit, outcome: Outcome) -> float:
    """How much of its goal an edit reached, 0 … 1."""
    goal = AIMED_SMILE if edit.feature is Feature.MOUTH else _FULLY_OPEN * OPEN_ASPECT_RATIO
    return min(max(outcome.value / (edit.goal_fraction * goal), 0.0), 1.0) if edit.goal_fraction > 0 else 1.0


def match_texture(edit: Edit, patch: Patch) -> float:
    """Return how well noise and blur of a patch match those of the untouched face around, 0 … 1."""
    pixels, region = edit.analysis.pixels, patch.region
    face = edit.face.box.clipped(pixels.shape[1], pixels.shape[0]) or region.box
    around = pixels[face.slices]
    painted = blend(pixels[region.box.slices], patch.pixels, region.alpha)
    noise = [measure_noise(part) + 1.0 for part in (painted, around)]  # a step more: nobody sees less
    blur = [measure_blur(luma(part)) for part in (painted, around)]
    apart = abs(math.log(noise[0] / noise[1])) + abs(math.log(blur[0] / blur[1]))
    return math.exp(-apart / 2)
