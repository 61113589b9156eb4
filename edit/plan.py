"""Every noun of the program, and nothing else.

Conventions that hold everywhere: pictures are RGB; coordinates are pixels of the whole upright
photo with the origin at the top left; boxes are half-open; left and right are the subject's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from face.types import EyeLandmarks, Face, Feature
from photo.types import FloatArray, Pixels, Progress, Region


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
    iris: FloatArray | None = None

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

    `similarity` is how much the whole face still looked like itself, -1 … 1 the same; None if it was not asked.
    """

    face: Face
    feature: Feature
    before: float
    after: float
    kept: bool
    tries: int
    note: str = ""
    donor: Donor | None = None
    similarity: float | None = None


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
