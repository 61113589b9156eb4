"""What counts as an open eye and as a smile: every threshold of the program that judges either, side by side.

Eyes are judged by two measures. Their *closedness* combines the lids' geometry with the landmarker's blink score, and
both eyes of a face are judged together: it decides what is edited, and names eyes in tables and reports. Painted eyes
are checked by the two measures separately, since an edit that moves only one of them has not opened the eye.
Mouths are judged by MediaPipe's smile score. What speaks against a blink, or against a smile, is a doubt: only what is
without doubt is edited.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence

import numpy as np

from face.types import EYES, EyeLandmarks, Face, Feature

# ---- eyes as they are found -----------------------------------------------------------------------------

# calibration: closedness. Of 100 photos that people had sorted, the more closed eye of a face was at 0.63 … 0.90 where
# they saw closed eyes, and at no more than 0.53 where they saw laughing, narrow or lowered ones.
CLOSED = 0.57
# calibration: closedness. The less closed eye of such a pair was at 0.44 or more, the open one of a wink at 0.1.
NEARLY_CLOSED = 0.39
# calibration: closedness. Wide open eyes stay below; narrow and half open ones are opened only with `Wish.ALWAYS`.
NARROW = 0.35
# calibration: reading. A face is read in further crops where its more closed eye has the first or more, unless both are
# as closed as the second one and the face is large.
CLOSE_CALL, PLAINLY_CLOSED = 0.42, 0.70
# calibration: reading. On faces with a smaller distance of the eye corners, pixels, one reading differs from the next
# by as much as two photos do.
_ROUGH_EYE_DISTANCE_PX = 60.0
# Closed is what half of the readings call closed; where at least the second part of them does, nobody knows.
_MOST_READINGS, _SOME_READINGS = 1 / 2, 1 / 3
# calibration: reading. On faces smaller than this, a shadow under the brow may count as a closed eye: there the mean of
# both eyes has to reach the second number, the first of it without a smile, and the less closed eye the third.
_FEW_PIXELS, _CLOSED_SMALL, _BOTH_CLOSED_SMALL = 45.0, (0.65, 0.72), 0.55
# calibration: reading. On still smaller ones nothing tells a blink from a shadow, a squint or a lowered lid.
_TOO_FEW_PIXELS = 36.0
# calibration: closedness. The aspect ratio of an open eye at rest.
_RESTING_ASPECT_RATIO = 0.3

# calibration: doubt. Closed eyes of these kinds are only taken for a blink where both are shut further, on average: a
# laugh narrows them, and who looks down lowers the lids. A smile that just narrows eyes needs the first of the two
# values, one of this score and more the second.
SURELY_CLOSED_LAUGHING, SURELY_CLOSED_BENT = (0.53, 0.60), 0.65
_BROAD_SMILE = 0.80
# calibration: doubt. A head bent forward by more degrees looks down.
_BENT_DEGREES = 15.0
# calibration: doubt. Beside a single closed eye the other one is wide open if somebody winks or blinks with one; where
# it is more closed than this, both lids are lowered, and one of them was taken for closed by chance.
_WIDE_OPEN = 0.28

# calibration: focus. On a face that is less sharp, lids are a blur in which an iris may hide.
BLURRED = 0.50
# calibration: doubt. Who screams or cries shuts the eyes and raises the upper lip, without the corners of the mouth.
_SCREAMING_LIP, _SCREAMING_SMILE = 0.5, 0.4
# calibration: infant. From the eyes to the chin, in distances of the outer eye corners: newborns have a short chin, and
# are asleep rather than caught in a blink.
INFANT_CHIN = 0.92

# ---- eyes as they come out, or are to be copied ---------------------------------------------------------

# calibration: open-eye. A painted eye with a larger aspect ratio and a smaller blink score than these is open. Best
# takes and the opening of a whole face are judged by the same ratio.
OPEN_ASPECT_RATIO, OPEN_BLINK = 0.20, 0.40
# calibration: open-eye. Real open eyes: as an eye that was left alone is nobody's work, it may be a little narrower to
# be copied, but must not be half shut.
COPIED_ASPECT_RATIO, REAL_OPEN_BLINK = 0.18, 0.35
# calibration: burst. A real eye this far below or above those of an open one is shut; between them it counts in part.
SHUT_ASPECT_RATIO_SPAN, SHUT_BLINK_SPAN = 0.12, 0.35

# ---- mouths ---------------------------------------------------------------------------------------------

# calibration: smile. Of 100 photos that people had sorted, unsmiling mouths score up to 0.25 and once 0.30, gentle
# smiles 0.37 and more.
SMILE = 0.38
# calibration: smile. From here up to SMILE the Haar cascades decide, see `mouth_mask.smile_threshold`.
UNSURE_SMILE = 0.25
# calibration: smile. With `Wish.ALWAYS` a mouth is left as it is only if it smiles like this.
CLEAR_SMILE = 0.6
# calibration: smile. A painted mouth smiles above the first, more than was called a smile before: who looks at a
# changed photo wants to see it. The same mouth scores a little less in other crops, so the second is aimed at.
PAINTED_SMILE, AIMED_SMILE = 0.50, 0.53
# calibration: smile. Such a smile narrows the eyes; a fainter one leaves the cause to lowered lids.
NARROWING_SMILE = 0.50
# calibration: teeth. An upper lip that is raised by this score bares the teeth: in a smile that is not scored as one,
# in crying, rage and speech. A gentle smile is no match for any of them.
BARED_TEETH = 0.20
# calibration: mouth-look. A mouth is taken to be at rest where the network that looks at it gives that this chance.
LEAST_RESTING = 0.5
# calibration: mouth-look. To take one for moved it has to be surer than to take it for covered: lips may be parted.
SURELY_MOVED = 0.75
# calibration: busy-mouth. Whoever bends the head by more degrees looks at something, and poses for nobody.
_BUSY_PITCH_DEGREES = 20.0
# calibration: pout. MediaPipe's scores of pursed lips and of a raised upper one; full lips reach the first alone.
_PURSED, _PUSHED_UP = 0.5, 0.15
# calibration: smile. A smile that is taken from another photo loses some on its way.
DONOR_SMILE = 0.55
# calibration: burst. Among photos of one moment a fainter smile than SMILE counts in part, from the first on and fully
# at the sum of both.
FAINT_SMILE, FAINT_SMILE_SPAN = 0.15, 0.40


class Doubt(enum.Enum):
    """Why closed eyes may be no blink."""

    LAUGHING = "narrowed by laughing"
    LOWERED = "lowered"
    HALF_SHUT = "half shut, both"
    CRYING = "shut by crying or screaming"
    ASLEEP = "an infant's"
    SMALL = "of a few pixels"
    BLURRED = "blurred"


class MouthDoubt(enum.Enum):
    """Why a mouth that does not smile had better be left alone."""

    TEETH = "shows teeth"
    EYES = "below eyes that are in doubt"
    BENT = "of a bent head"
    POUT = "pouts"


class EyeState(enum.Enum):
    """The state of an eye in tables and reports."""

    OPEN = "open"
    NARROW = "narrow"
    CLOSED = "closed"
    UNSURE = "unsure"


def measure_closedness(face: Face, feature: Feature) -> float:
    """Return the closedness of one eye, 0 wide open … 1 shut.

    It is the mean of the blink score and of how much lower the aspect ratio is than that of an eye at rest.
    """
    lids_closed = 1.0 - _aspect_ratio_in_space(face.eye(feature)) / _RESTING_ASPECT_RATIO
    return float(np.clip((face.blink(feature) + lids_closed) / 2, 0.0, 1.0))


def find_closed(closedness: Mapping[Feature, float]) -> frozenset[Feature]:
    """Return the closed eyes of one reading of a face: a nearly closed eye beside a closed one counts."""
    if max(closedness.values()) < CLOSED:
        return frozenset()
    return frozenset(feature for feature in EYES if closedness[feature] >= NEARLY_CLOSED)


def is_close_call(face: Face, closedness: Mapping[Feature, float]) -> bool:
    """Return whether one reading of the closedness is not enough to tell whether the eyes of a face are closed."""
    if max(closedness.values()) < CLOSE_CALL:
        return False
    is_rough = face.landmarks.eye_distance_px < _ROUGH_EYE_DISTANCE_PX
    return is_rough or min(closedness.values()) < PLAINLY_CLOSED


def find_closed_in(readings: Sequence[Mapping[Feature, float]]) -> tuple[frozenset[Feature], frozenset[Feature]]:
    """Return the eyes that are closed, by half of all readings of a face, and those about which they disagree."""
    found = [find_closed(reading) for reading in readings]
    shares = {feature: sum(feature in closed for closed in found) / len(found) for feature in EYES}
    closed = frozenset(feature for feature in EYES if shares[feature] >= _MOST_READINGS)
    return closed, frozenset(feature for feature in EYES if _SOME_READINGS <= shares[feature] < _MOST_READINGS)


def find_doubt(
    face: Face, closed: frozenset[Feature], closedness: Mapping[Feature, float], sharpness: float
) -> Doubt | None:
    """Return why the closed eyes of a face, with this closedness of both, may be no blink; None if they surely are.

    `sharpness` is that of `face.occlusion.measure_sharpness`; 0 tells nothing.
    """
    if not closed:
        return None
    mean = sum(closedness.values()) / len(closedness)
    if face.landmarks.eye_distance_px < _FEW_PIXELS:
        least = _between(*_CLOSED_SMALL, face.smile)
        is_tiny = face.landmarks.eye_distance_px < _TOO_FEW_PIXELS
        if is_tiny or mean < least or min(closedness.values()) < _BOTH_CLOSED_SMALL:
            return Doubt.SMALL
    if 0.0 < sharpness < BLURRED:
        return Doubt.BLURRED
    if len(closed) == 1 and min(closedness.values()) > _WIDE_OPEN:
        return Doubt.HALF_SHUT
    if len(closed) == 2:
        if face.pitch_degrees > _BENT_DEGREES and mean < SURELY_CLOSED_BENT:
            return Doubt.LOWERED
        if face.smile > NARROWING_SMILE and mean < _between(*SURELY_CLOSED_LAUGHING, face.smile):
            return Doubt.LAUGHING
        if _raised_lip(face) > _SCREAMING_LIP and face.smile < _SCREAMING_SMILE:
            return Doubt.CRYING
        if is_infant(face):
            return Doubt.ASLEEP
    return None


def is_infant(face: Face) -> bool:
    """Return whether a face is that of a newborn, by its short chin; older infants are not told."""
    return face.landmarks.chin_ratio < INFANT_CHIN


def _between(low: float, high: float, smile: float) -> float:
    """The mean closedness from which eyes above a smile are surely closed: the broader it is, the more it needs."""
    return low + (high - low) * min(max((smile - NARROWING_SMILE) / (_BROAD_SMILE - NARROWING_SMILE), 0.0), 1.0)


def find_mouth_doubt(face: Face, eyes: Doubt | None) -> MouthDoubt | None:
    """Return why a mouth that does not smile should be left alone; `eyes` is the doubt about closed eyes above it."""
    if bares_teeth(face):
        return MouthDoubt.TEETH
    if face.blendshapes["mouthPucker"] > _PURSED and face.blendshapes["mouthShrugUpper"] > _PUSHED_UP:
        return MouthDoubt.POUT
    if eyes is not None:
        return MouthDoubt.EYES
    return MouthDoubt.BENT if face.pitch_degrees > _BUSY_PITCH_DEGREES else None


def name_eye(closed: frozenset[Feature], closedness: float, doubt: Doubt | None, feature: Feature) -> EyeState:
    """Return the state of one eye with this closedness, by the closed eyes of its face and the doubt about them."""
    if feature in closed:
        return EyeState.CLOSED if doubt is None else EyeState.UNSURE
    return EyeState.NARROW if closedness >= NARROW else EyeState.OPEN


def bares_teeth(face: Face) -> bool:
    """Return whether the upper lip is raised, as it is in a laugh, in crying, in rage and in speech."""
    return _raised_lip(face) > BARED_TEETH


def _raised_lip(face: Face) -> float:
    """MediaPipe's score of a raised upper lip, of the higher side."""
    return max(face.blendshapes["mouthUpperUpLeft"], face.blendshapes["mouthUpperUpRight"])


def is_fit_to_copy(face: Face, feature: Feature) -> bool:
    """Return whether an eye as photographed is open enough to be copied."""
    return face.eye(feature).aspect_ratio > COPIED_ASPECT_RATIO and face.blink(feature) < REAL_OPEN_BLINK


def measure_openness(face: Face) -> float:
    """Return a score of both eyes being open, 0 … 1: by the aspect ratio and the blink score of the less open one."""
    measures = []
    for feature in EYES:
        measures.append(1 - (OPEN_ASPECT_RATIO - face.eye(feature).aspect_ratio) / SHUT_ASPECT_RATIO_SPAN)
        measures.append(1 - (face.blink(feature) - REAL_OPEN_BLINK) / SHUT_BLINK_SPAN)
    return float(np.clip(min(measures), 0.0, 1.0))


def measure_smiling(face: Face) -> float:
    """Return a score of the mouth smiling, 0 … 1, for comparing photos of one moment."""
    return float(np.clip((face.smile - FAINT_SMILE) / FAINT_SMILE_SPAN, 0.0, 1.0))


def _aspect_ratio_in_space(eye: EyeLandmarks) -> float:
    """The six-point aspect ratio with the eye's width in 3-D: on a turned head the width in the picture shrinks."""
    width = float(np.linalg.norm(eye.outer_corner - eye.inner_corner))
    return eye.aspect_ratio * eye.width_px / max(width, 1e-6)
