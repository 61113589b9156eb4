"""Every noun of the program, and nothing else.

Conventions that hold everywhere: pictures are RGB; coordinates are pixels of the whole upright
photo with the origin at the top left; boxes are half-open; left and right are the subject's own.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from landmarks import EyeLandmarks, Landmarks
from options import BadOption as BadOption
from options import FaceChoice as FaceChoice
from options import FixError as FixError
from options import MissingModel as MissingModel
from options import MissingPackage as MissingPackage
from options import NotEnoughMemory as NotEnoughMemory
from options import Options as Options
from options import UnreadablePhoto as UnreadablePhoto
from options import UnwritablePhoto as UnwritablePhoto

Pixels = NDArray[np.uint8]
Alpha = NDArray[np.float32]


class Feature(enum.Enum):
    """The parts of a face that can be edited."""

    RIGHT_EYE = "right eye"
    LEFT_EYE = "left eye"
    MOUTH = "mouth"

    @property
    def other_eye(self) -> Feature:
        """The eye on the other side. Raises ValueError for the mouth."""
        if self is Feature.MOUTH:
            raise ValueError("the mouth is not an eye")
        return Feature.LEFT_EYE if self is Feature.RIGHT_EYE else Feature.RIGHT_EYE


EYES = (Feature.RIGHT_EYE, Feature.LEFT_EYE)
"""The features that are eyes, the subject's right one first."""


@dataclass(frozen=True)
class Box:
    """A half-open rectangle of whole pixels: columns left … right-1, rows top … bottom-1."""

    left: int
    top: int
    right: int
    bottom: int

    def __post_init__(self) -> None:
        if self.right <= self.left or self.bottom <= self.top:
            raise ValueError(f"box is empty: {self}")

    @classmethod
    def around(cls, points: NDArray[np.float32]) -> Box:
        """The box of the pixels that `points` (n, 2 or more: x, y, …) lie in."""
        low, high = points.min(axis=0), points.max(axis=0)
        return cls(int(low[0]), int(low[1]), int(high[0]) + 1, int(high[1]) + 1)

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def center(self) -> tuple[float, float]:
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns, to index an array of the whole photo."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def padded(self, ratio: float) -> Box:
        """The box grown on every side by `ratio` times its own width and height."""
        dx, dy = round(self.width * ratio), round(self.height * ratio)
        return Box(self.left - dx, self.top - dy, self.right + dx, self.bottom + dy)

    def grown(self, px: int) -> Box:
        """The box grown on every side by `px` pixels."""
        return Box(self.left - px, self.top - px, self.right + px, self.bottom + px)

    def shifted(self, right: int, down: int) -> Box:
        return Box(self.left + right, self.top + down, self.right + right, self.bottom + down)

    def scaled(self, scale: float) -> Box:
        """The box in a photo resized by `scale`, to whole pixels and at least one."""
        left, top = round(self.left * scale), round(self.top * scale)
        return Box(left, top, max(round(self.right * scale), left + 1), max(round(self.bottom * scale), top + 1))

    def clipped(self, width: int, height: int) -> Box | None:
        """The part inside a photo of `width` × `height` pixels; None when nothing is inside."""
        left, top = max(self.left, 0), max(self.top, 0)
        right, bottom = min(self.right, width), min(self.bottom, height)
        return Box(left, top, right, bottom) if left < right and top < bottom else None

    def union(self, other: Box) -> Box:
        """The smallest box that holds both."""
        return Box(
            min(self.left, other.left),
            min(self.top, other.top),
            max(self.right, other.right),
            max(self.bottom, other.bottom),
        )

    def overlap_ratio(self, other: Box) -> float:
        """Intersection over union, 0 … 1."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        if width <= 0 or height <= 0:
            return 0.0
        shared = width * height
        return shared / (self.width * self.height + other.width * other.height - shared)


@dataclass(frozen=True, eq=False)
class Photo:
    """A photo, upright, with all that is needed to save it back faithfully.

    `pixels` uint8 (H, W, 3) RGB is what faces are found in and what is edited.
    `native` holds the samples as decoded where they are not 8-bit RGB: uint16 (H, W) or (H, W, 3) for
    16 bits, uint8 (H, W) for grayscale, uint8 (H, W, 4) for CMYK; else None.
    `alpha` uint8 or uint16 (H, W), or None. `format` is Pillow's name of the file format.
    """

    pixels: Pixels
    alpha: NDArray[np.uint8] | NDArray[np.uint16] | None = None
    native: NDArray[np.uint8] | NDArray[np.uint16] | None = None
    exif: bytes | None = None
    icc_profile: bytes | None = None
    dpi: tuple[float, float] | None = None
    text: Mapping[str, str] = field(default_factory=dict)
    subsampling: int | None = None
    format: str = "PNG"
    path: Path | None = None

    def __post_init__(self) -> None:
        if self.pixels.dtype != np.uint8 or self.pixels.ndim != 3 or self.pixels.shape[2] != 3:
            raise ValueError(f"pixels need uint8 (H, W, 3), not {self.pixels.dtype} {self.pixels.shape}")

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])


@dataclass(frozen=True, eq=False)
class Face:
    """One face: where it is, its landmarks, and what they say.

    `number` counts from 1 in reading order and is what `--faces` takes. `confidence` 0 … 1 is the
    detector's. `blendshapes` maps MediaPipe's 52 names to 0 … 1. Pose in degrees: `yaw` positive when
    the subject turns to their own left (picture right), `pitch` positive when they look down, `roll` positive when the
    head is tilted clockwise in the picture.
    """

    number: int
    box: Box
    confidence: float
    landmarks: Landmarks
    blendshapes: Mapping[str, float]
    yaw_degrees: float
    pitch_degrees: float
    roll_degrees: float

    def eye(self, feature: Feature) -> EyeLandmarks:
        """The landmarks of one eye. Raises ValueError for the mouth."""
        if feature is Feature.MOUTH:
            raise ValueError("the mouth is not an eye")
        return self.landmarks.left_eye if feature is Feature.LEFT_EYE else self.landmarks.right_eye

    def blink(self, feature: Feature) -> float:
        """MediaPipe's blink score of one eye: 0 open … 1 closed."""
        return self.blendshapes["eyeBlinkLeft" if feature is Feature.LEFT_EYE else "eyeBlinkRight"]

    @property
    def smile(self) -> float:
        """Mean of MediaPipe's two smile scores: 0 none … 1 broad."""
        return (self.blendshapes["mouthSmileLeft"] + self.blendshapes["mouthSmileRight"]) / 2

    def within(self, box: Box, scale: float = 1.0) -> Face:
        """The same face in the part of its photo that `box` cuts out, resized by `scale`."""
        origin = np.array([box.left, box.top, 0], np.float32)
        return replace(
            self,
            box=self.box.shifted(-box.left, -box.top).scaled(scale),
            landmarks=Landmarks((self.landmarks.points - origin) * np.float32(scale)),
        )


@dataclass(frozen=True, eq=False)
class Region:
    """A soft mask: `alpha` float32 (box.height, box.width), 0 keep the original … 1 repaint."""

    box: Box
    alpha: Alpha

    def __post_init__(self) -> None:
        if self.alpha.shape != (self.box.height, self.box.width) or self.alpha.dtype != np.float32:
            raise ValueError(f"alpha {self.alpha.dtype} {self.alpha.shape} does not fit {self.box}")


@dataclass(frozen=True, eq=False)
class Donor:
    """A face of the same person, whose eyes or mouth can be carried over.

    `pixels` uint8 (H, W, 3) is its photo, `name` what the user calls it. `opening` 0 … 1 is how much of the
    height of its open eyes suits the face that gets them. `mirrored` if it is the same face in the same photo, and an
    eye comes from the other side. `measured` holds what was found when it was chosen, by name.
    """

    pixels: Pixels
    face: Face
    name: str
    opening: float = 1.0
    mirrored: bool = False
    measured: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Edit:
    """One thing to change: which feature of which face, where, and why.

    `measured` crossed `threshold`, so the edit is wanted. `amount` 0 … 1 is how far to go: how wide the
    eye opens, how broad the smile is. `goal_share` 0 … 1 is how much of the usual goal has to be reached: less than
    all of it where less than the default was asked for. `donors` are faces to carry the feature over from, the best
    first; where there is none it is rendered, and `no_donor` says in words why, if a donor was looked for. `iris`
    float32 (3,) is the RGB of the irises as this photo shows them, where it is known.
    """

    face: Face
    feature: Feature
    region: Region
    measured: float
    threshold: float
    amount: float
    goal_share: float = 1.0
    donors: tuple[Donor, ...] = ()
    no_donor: str = ""
    iris: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        if not 0.0 <= self.amount <= 1.0:
            raise ValueError(f"amount must lie in 0 … 1, not {self.amount}")

    @property
    def donor(self) -> Donor | None:
        """The face to carry the feature over from, if any."""
        return self.donors[0] if self.donors else None

    @property
    def donor_eye(self) -> EyeLandmarks:
        """The eye that is carried over. Raises ValueError without a donor, and for the mouth."""
        if self.donor is None:
            raise ValueError("there is no donor")
        return self.donor.face.eye(self.feature.other_eye if self.donor.mirrored else self.feature)


@dataclass(frozen=True, eq=False)
class Skip:
    """One thing left alone, and the reason in words for the user."""

    face: Face
    feature: Feature
    reason: str
    measured: float | None = None
    threshold: float | None = None


@dataclass(frozen=True, eq=False)
class EditPlan:
    """What will be done to a photo, and what will not.

    `attempt` counts the tries at these edits from 0: an engine that leaves something to chance draws anew for each.
    """

    edits: tuple[Edit, ...] = ()
    skips: tuple[Skip, ...] = ()
    attempt: int = 0


Progress = Callable[[str, float], None]
"""Told what is being done, in words, and how far the whole photo is, 0 … 1."""


class Engine(Protocol):
    """Paints the edits of a plan."""

    name: str

    def paint(self, pixels: Pixels, plan: EditPlan, on_progress: Progress) -> Pixels:
        """Return a new uint8 (H, W, 3) photo with every edit of `plan` painted; `pixels` is not written to.

        What it does outside the regions of the plan does not matter: it is not used.
        """
        ...


@runtime_checkable
class RefiningEngine(Engine, Protocol):
    """An engine that starts from what another one painted, and is left for it where it fails.

    `fallback` is that other engine. A face that came out wrong is painted up to `retries` times more. `notes` tells of
    the last `paint`: for the number of a face that it could not paint, and left as `fallback` did, why.
    """

    @property
    def fallback(self) -> Engine: ...
    @property
    def retries(self) -> int: ...
    @property
    def notes(self) -> Mapping[int, str]: ...


@dataclass(frozen=True, eq=False)
class Change:
    """What became of one edit: the value before and after, whether it was kept, and whom it was carried over from.

    `resemblance` is how much the whole face still looked like itself, -1 … 1 the same; None if it was not asked.
    """

    face: Face
    feature: Feature
    before: float
    after: float
    kept: bool
    tries: int
    note: str = ""
    donor: Donor | None = None
    resemblance: float | None = None


@dataclass(frozen=True, eq=False)
class Report:
    """What was found, done and left alone in one photo."""

    faces: tuple[Face, ...]
    changes: tuple[Change, ...]
    skips: tuple[Skip, ...]
    engine: str
    changed_pixels: int
    changed_outside: int
    seconds: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class FixResult:
    """The fixed pixels uint8 (H, W, 3), the plan whose edits were kept, and the report."""

    pixels: Pixels
    plan: EditPlan
    report: Report
