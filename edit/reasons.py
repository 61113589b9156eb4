"""Why a feature is left as it is, an edit is undone, or a donor is not used: reasons as values.

The program compares only these; `retouch/report.py` turns them into sentences, the page into short labels.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field


class Reason(enum.Enum):
    """A reason; its value is the code in the JSON report, which stays the same when the sentence is reworded."""

    @property
    def is_unsure(self) -> bool:
        """Whether the feature was left because nobody can be sure of it: a person may say so."""
        return self.value.startswith("unsure-")

    # Either feature is left alone …
    SWITCHED_OFF = "switched-off"
    NOT_CHOSEN = "face-not-chosen"
    TOO_SMALL = "face-too-small"
    CUT_OFF = "cut-off-by-the-edge"
    OUTSIDE = "outside-the-photo"
    TURNED_AWAY = "head-turned-too-far"
    KEPT_BY_HAND = "kept-by-hand"
    UNSURE_STONE = "unsure-stone"
    UNSURE_COVERED = "unsure-partly-covered"
    # … an eye …
    OPEN = "open"
    OPEN_BESIDE_CLOSED = "open-beside-a-closed-one"
    NARROWED_BY_SMILE = "narrowed-by-the-smile"
    LOWERED = "lowered-or-half-open"
    UNSURE_LAUGHING = "unsure-laughing"
    UNSURE_LOWERED = "unsure-lowered"
    UNSURE_HALF_SHUT = "unsure-half-shut"
    UNSURE_CRYING = "unsure-crying"
    UNSURE_ASLEEP = "unsure-asleep"
    UNSURE_SMALL = "unsure-small"
    UNSURE_READINGS = "unsure-readings"
    UNSURE_BLURRED = "unsure-blurred"
    UNDER_DARK_GLASS = "under-dark-glass"
    NO_LASH_LINE = "hidden"
    OTHER_STAYS_CLOSED = "other-eye-stays-closed"
    # … a mouth.
    NO_STRENGTH = "strength-is-0"
    SMILING = "smiling"
    SMILING_A_LITTLE = "smiling-a-little"
    MOUTH_OPEN = "mouth-wide-open"
    UNSURE_TEETH = "unsure-teeth"
    UNSURE_MOVED = "unsure-moved"
    UNSURE_MOOD = "unsure-mood"
    UNSURE_BENT = "unsure-bent"
    UNSURE_POUT = "unsure-pout"
    OUT_OF_FOCUS = "out-of-focus"
    MOUTH_COVERED = "mouth-covered"
    # An edit did not do what it should.
    NOT_RECOGNIZED = "face-not-recognized"
    EYE_NOT_OPEN = "eye-not-clearly-open"
    DONOR_EYE_NOT_OPEN = "donor-eye-not-clearly-open"
    NO_CLEAR_SMILE = "no-clear-smile"
    OTHER_EYE_FAILED = "other-eye-failed"
    IDENTITY_LOST = "other-person"
    PAINTER_FAILED = "painter-failed"
    NO_FACE_PAINTED = "no-face-painted"
    PAINTED_OFF = "painted-out-of-place"
    PAINTED_AROUND = "surroundings-not-recognized"
    DRAFT_KEPT = "draft-kept"
    # Nothing, or only a colour, comes from another photo; the second one was tried and dropped.
    NOTHING_FROM = "nothing-from-references"
    DROPPED = "donor-dropped"
    KNOWN_COLOR = "known-color"
    NO_DONOR_KNOWN_COLOR = "no-donor-known-color"
    NO_FACE_THERE = "no-face-there"
    NOBODY_ALIKE = "nobody-alike"
    SEVERAL_ALIKE = "several-alike"
    THERE_EYES_CLOSED = "there-eyes-not-open"
    THERE_EYES_CUT_OFF = "there-eyes-cut-off"
    THERE_NO_SMILE = "there-no-smile"
    THERE_MOUTH_CUT_OFF = "there-mouth-cut-off"
    THERE_LOOKS_AWAY = "there-looks-away"
    THERE_TURNED = "there-turned"
    THERE_TOO_SMALL = "there-too-small"
    THERE_TOO_PALE = "there-too-pale"
    THERE_BLURRED = "there-blurred"
    THERE_LOOKS_DIFFERENT = "there-looks-different"


@dataclass(frozen=True)
class Cause:
    """A reason with the values that its sentence names: measures, text, or the cause behind it."""

    reason: Reason
    values: Mapping[str, float | str | Cause] = field(default_factory=dict)
