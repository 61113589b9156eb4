"""Chooses the sources of each eye and mouth before anything is painted.

An open other eye comes first, then the same person in other photos, and last rendering, which is always possible; for
it the colour of the iris and the gaze are chosen here, so that the engine has nothing to decide.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import replace

import numpy as np

from donor.choose import DonorFinder, Finding
from donor.other_eye import is_other_open, is_seen_alike, match_amount, match_height
from edit.options import EyeOptions, Options
from edit.plan import Intent, OtherEye, Rendered, Source
from edit.reasons import Cause, Reason
from face.analysis import FaceAnalysis
from face.appearance import measure_haze
from face.eye_geometry import EYEBALL_DEPTH
from face.types import Face, Feature
from photo.measure import LUMA
from photo.types import FloatArray
from render.eyeball import choose_iris, guess_iris_ratio

# calibration: gaze. In half eye widths.
_MOST_GAZE_ASIDE, _MOST_GAZE_UP = 0.20, 0.06
# calibration: head-turn. Turned further than this, people look less and less at the camera.
_CAMERA_YAW_DEGREES = (18.0, 40.0)


def choose_sources(
    intent: Intent, edited: Collection[Feature], options: Options, finder: DonorFinder | None
) -> tuple[Intent, tuple[Source, ...], Cause | None]:
    """Return the intent with its final amount, its sources in the order of trying, and why no donor is among them.

    `edited` are all features of this face that will be edited. The cause is None where a donor or the other eye is
    among the sources, and where no other photo was searched. Raises MissingModel.
    """
    is_mouth = intent.feature is Feature.MOUTH
    uses_photos = not is_mouth or options.smile.from_reference
    found = finder.find(intent) if finder is not None and uses_photos else Finding()
    if is_mouth:
        return intent, (*found.donors, Rendered()), found.no_donor
    analysis, feature = intent.analysis, intent.feature
    has_other = feature.other_eye not in edited and is_other_open(analysis, feature)
    iris, is_found = _choose_iris(analysis, feature, options, found.iris, has_other)
    rendered = Rendered(iris, _look_at_camera(analysis.face, feature), is_iris_known=is_found, likeness=found.likeness)
    no_donor = _credit_iris(found) if is_found else found.no_donor
    if not has_other:
        if found.known is not None and found.known.lid_height is not None:
            amount = match_height(found.known.lid_height, intent.amount, EyeOptions().opening)
            intent = replace(intent, amount=amount)
        return intent, (*found.donors, rendered), no_donor
    amount = match_amount(analysis.face, feature, intent.amount, EyeOptions().opening)
    other = (OtherEye(),) if is_seen_alike(analysis.face, feature) else ()
    return replace(intent, amount=amount), (*other, *found.donors, rendered), None if other else no_donor


def _credit_iris(found: Finding) -> Cause | None:
    """Why no donor is among the sources, where other photos still gave the colour of the iris."""
    no_donor = found.no_donor
    if found.known is not None and found.is_iris_known_so and not found.donors:
        values: dict[str, float | str | Cause] = {"who": found.known.who, "photos": float(found.known.photos)}
        if no_donor is None:
            return Cause(Reason.KNOWN_COLOR, values)
        return Cause(Reason.NO_DONOR_KNOWN_COLOR, {**values, "why": no_donor})
    if no_donor is None or no_donor.reason is not Reason.NOTHING_FROM:
        return no_donor
    return Cause(no_donor.reason, {**no_donor.values, "what": "only the colour of the eyes"})


def _choose_iris(
    analysis: FaceAnalysis, feature: Feature, options: Options, found: FloatArray | None, has_other: bool
) -> tuple[FloatArray, bool]:
    """The iris' RGB without haze, float32 (3,), and whether it is `found`, the one of another photo.

    The colour of the options comes first, then that of an open other eye, then `found`, then a guess.
    """
    appearance, skin = analysis.appearance, analysis.eye(feature).skin
    haze = measure_haze(appearance.black, skin)
    if not options.eyes.color:
        own = analysis.eye(feature.other_eye).iris_color if has_other else None
        known = found if own is None else own
        if known is not None:
            return np.maximum(known - haze, 1), own is None
    lit = np.maximum(appearance.skin - haze, 1)
    brow, black = appearance.brow_ratio * float(appearance.skin @ LUMA), float(appearance.black @ LUMA)
    ratio = guess_iris_ratio(*((dark - float(haze @ LUMA)) / float(lit @ LUMA) for dark in (brow, black)))
    return choose_iris(options.eyes.color, np.maximum(skin - haze, 1), ratio), False


def _look_at_camera(face: Face, feature: Feature) -> tuple[float, float]:
    """Offset (x, y) of the iris from its mean position, in the eye frame, when the person looks at the camera."""
    frame = face.eye_frame(feature)
    low, high = _CAMERA_YAW_DEGREES
    attention = 1.0 - 0.6 * float(np.clip((abs(face.yaw_degrees) - low) / (high - low), 0, 1))
    aside = -EYEBALL_DEPTH * math.sin(math.radians(face.yaw_degrees)) * attention * frame.toward_right
    up = 0.3 * EYEBALL_DEPTH * math.sin(math.radians(face.pitch_degrees))
    return (
        float(np.clip(aside / frame.foreshortening, -_MOST_GAZE_ASIDE, _MOST_GAZE_ASIDE)),
        float(np.clip(up, -_MOST_GAZE_UP, _MOST_GAZE_UP)),
    )
