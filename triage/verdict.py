"""The verdict on one photo: what the plan of its edits says, put into one word and a few sentences.

Nothing is decided here: which eyes are closed, what may be no blink and where open eyes come from is in the plan that
fixing the photo would follow.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from donor.choose import measure_gaze
from edit.plan import Donor, Edit, EditPlan, OtherEye, Skip
from edit.reasons import Reason
from face.analysis import FaceAnalysis
from face.expression import SMILE, EyeState, name_eye
from face.types import EYES, Feature
from photo.names import show
from retouch.report import explain

_UNSURE = {reason for reason in Reason if reason.is_unsure} | {Reason.OUT_OF_FOCUS}
# Nobody asked for it to be fixed.
_NOT_WANTED = {Reason.SWITCHED_OFF, Reason.NOT_CHOSEN, Reason.NO_STRENGTH, Reason.KEPT_BY_HAND}


class Verdict(enum.Enum):
    """What a photo is worth; the value is its code in tables."""

    FINE = "fine"
    FIXABLE = "fixable"
    UNSURE = "unsure"
    CANNOT = "cannot-be-fixed"
    NO_FACE = "no-face"
    UNREADABLE = "unreadable"


@dataclass(frozen=True)
class FaceVerdict:
    """One face: its number, its box as fractions of the photo (left, top, right, bottom), and what was measured.

    `eyes` are the states of the right and the left eye, `smile` is MediaPipe's score, 0 … 1, and `is_smiling` what
    counts as a smile. `looks_at_camera` says whether open eyes do; None where none is open. `sharpness` runs from 0.5,
    out of focus, to 0.9 and more. `fixes`, `doubts` and `obstacles` are sentences without their full stop, on what can
    be fixed and from where, what is unsure, and what cannot be fixed and why. `picture` is the face as a small JPEG.
    """

    number: int
    box: tuple[float, float, float, float]
    eyes: tuple[str, str]
    smile: float
    is_smiling: bool
    looks_at_camera: bool | None
    sharpness: float
    fixes: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    obstacles: tuple[str, ...] = ()
    picture: bytes = b""

    @property
    def blinks(self) -> bool:
        """Whether an eye is surely closed."""
        return EyeState.CLOSED.value in self.eyes

    @property
    def verdict(self) -> Verdict:
        """The verdict on this face."""
        if self.obstacles:
            return Verdict.CANNOT
        if self.fixes:
            return Verdict.FIXABLE
        return Verdict.UNSURE if self.doubts else Verdict.FINE


@dataclass(frozen=True)
class PhotoVerdict:
    """One photo: its path, size (width, height), when it was taken, its faces, and the scene it belongs to.

    `scene` counts from 1; `is_best` marks the best frame of a scene of several. `error` is the sentence on why it could
    not be read. `picture` is a small JPEG of it.
    """

    path: Path
    size: tuple[int, int] = (0, 0)
    taken: float | None = None
    faces: tuple[FaceVerdict, ...] = ()
    scene: int = 0
    is_best: bool = False
    error: str = ""
    picture: bytes = b""

    @property
    def verdict(self) -> Verdict:
        """The verdict on the photo: that of the face that is worst off, as every face counts."""
        if self.error:
            return Verdict.UNREADABLE
        if not self.faces:
            return Verdict.NO_FACE
        found = {face.verdict for face in self.faces}
        return next(one for one in (Verdict.CANNOT, Verdict.FIXABLE, Verdict.UNSURE, Verdict.FINE) if one in found)

    @property
    def words(self) -> str:
        """The verdict in words."""
        if self.error:
            return self.error
        counts = {verdict: sum(face.verdict is verdict for face in self.faces) for verdict in Verdict}
        endings = {Verdict.FIXABLE: "can be fixed", Verdict.CANNOT: "cannot be fixed", Verdict.UNSURE: "unsure"}
        parts = [f"{counts[verdict]} {ending}" for verdict, ending in endings.items() if counts[verdict]]
        if parts:
            number, rest = parts[0].split(" ", 1)
            parts[0] = f"{number} {'face' if number == '1' else 'faces'} {rest}"
        return ", ".join(parts) or ("all fine" if self.faces else "no face")

    @property
    def reasons(self) -> list[str]:
        """Sentences on every face that is not fine, with its number."""
        return [
            f"Face {face.number}: {sentence}."
            for face in self.faces
            for sentence in (*face.fixes, *face.obstacles, *face.doubts)
        ]


def judge_face(analysis: FaceAnalysis, plan: EditPlan, picture: bytes = b"") -> FaceVerdict:
    """Return the verdict on one face by the plan of its photo. Raises MissingModel."""
    face, pixels = analysis.face, analysis.pixels
    height, width = pixels.shape[:2]
    states = {eye: name_eye(analysis.closed, analysis.closedness[eye], analysis.doubt, eye) for eye in EYES}
    is_open = any(state in (EyeState.OPEN, EyeState.NARROW) for state in states.values())
    edits = [edit for edit in plan.edits if edit.face.number == face.number]
    skips = [skip for skip in plan.skips if skip.face.number == face.number]
    doubts = [skip for skip in skips if skip.cause.reason in _UNSURE]
    obstacles = [skip for skip in skips if _is_obstacle(skip, states)]
    return FaceVerdict(
        face.number,
        (face.box.left / width, face.box.top / height, face.box.right / width, face.box.bottom / height),
        (states[EYES[0]].value, states[EYES[1]].value),
        face.smile,
        face.smile >= SMILE,
        max(measure_gaze(face)) <= 1 if is_open else None,
        analysis.sharpness,
        _describe_edits(edits),
        _describe_skips(doubts),
        _describe_skips(obstacles),
        picture,
    )


def _is_obstacle(skip: Skip, states: dict[Feature, EyeState]) -> bool:
    """Whether a feature is left alone though it should be fixed: a surely closed eye, or a mouth that is covered."""
    reason = skip.cause.reason
    if reason in _UNSURE or reason in _NOT_WANTED:
        return False
    if skip.feature in EYES:
        return states[skip.feature] is EyeState.CLOSED
    return reason is Reason.MOUTH_COVERED


def _describe_edits(edits: Sequence[Edit]) -> tuple[str, ...]:
    """What can be fixed, and from where."""
    by_source: dict[str, list[Feature]] = {}
    for edit in edits:
        by_source.setdefault(_name_source(edit), []).append(edit.feature)
    return tuple(f"{_name(features)}: can be fixed, {source}" for source, features in by_source.items())


def _name_source(edit: Edit) -> str:
    if isinstance(edit.source, Donor):
        return f"from {show(edit.source.name)}"
    if isinstance(edit.source, OtherEye):
        return f"from the {edit.feature.other_eye.value}"
    return "rendered"


def _describe_skips(skips: Sequence[Skip]) -> tuple[str, ...]:
    by_reason: dict[str, list[Feature]] = {}
    for skip in skips:
        by_reason.setdefault(explain(skip.cause, numbers=False), []).append(skip.feature)
    return tuple(f"{_name(features)}: {reason}" for reason, features in by_reason.items())


def _name(features: Sequence[Feature]) -> str:
    """Features as people name them."""
    if set(EYES) <= set(features):
        return " and ".join(["both eyes", *(one.value for one in features if one not in EYES)])
    return " and ".join(one.value for one in features)
