"""What will be done to a photo and what came of it: the nouns that planning, painting and reporting share.

Conventions that hold everywhere: pictures are RGB; coordinates are pixels of the whole upright
photo with the origin at the top left; boxes are half-open; left and right are the subject's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np

from edit.reasons import Cause
from face.analysis import FaceAnalysis
from face.types import Face, Feature
from photo.canvas import Canvas
from photo.types import FloatArray, Matrix, Pixels, Progress, Region


@dataclass(frozen=True, eq=False)
class Alignment:
    """How a donor's photo lies over the target's.

    `to_donor` float64 (2, 3) takes (x, y, 1) of the target to pixels of the donor. `agreement` -1 … 1 is how alike the
    two photos look around the eyes when they are laid so.
    """

    to_donor: Matrix
    agreement: float

    @property
    def scale(self) -> float:
        """Pixels of the donor for a pixel of the target."""
        return float(np.sqrt(abs(np.linalg.det(self.to_donor[:, :2]))))

    def to_target(self) -> Matrix:
        """The way back: float64 (2, 3)."""
        inverse = np.linalg.inv(np.vstack([self.to_donor, [0, 0, 1]]))
        return np.asarray(inverse[:2])


@dataclass(frozen=True, eq=False)
class Donor:
    """A source: a face of the same person in another photo, whose eyes or mouth are transferred.

    `name` is what the user calls the photo, `alignment` how it lies over the target for each feature. `opening` 0 … 1
    is how much of the height of its open eyes suits the face that gets them. `measured` holds what was found when it
    was chosen, by name.
    """

    analysis: FaceAnalysis
    name: str
    alignment: Mapping[Feature, Alignment]
    opening: float = 1.0
    measured: Mapping[str, float] = field(default_factory=dict)

    @property
    def face(self) -> Face:
        return self.analysis.face


@dataclass(frozen=True)
class OtherEye:
    """A source: the open other eye of the same face, mirrored."""


@dataclass(frozen=True, eq=False)
class Rendered:
    """A source: nothing but the photo itself; lids, lips and cheeks are moved, an eyeball is drawn.

    Of an eye, `iris` float32 (3,) is its RGB as this photo shows it, but without haze, `is_iris_known` if another photo
    tells it, and `gaze` where its middle stands off its mean place, in the eye frame.
    """

    iris: FloatArray | None = None
    gaze: tuple[float, float] = (0.0, 0.0)
    is_iris_known: bool = False


Source = Donor | OtherEye | Rendered
"""Where the new look of a feature comes from."""


@dataclass(frozen=True, eq=False)
class Intent:
    """An edit that is wanted, before its region and its sources are known; the fields are those of `Edit`."""

    analysis: FaceAnalysis
    feature: Feature
    measured: float
    threshold: float
    amount: float
    goal_fraction: float = 1.0

    @property
    def face(self) -> Face:
        return self.analysis.face


@dataclass(frozen=True, eq=False)
class Edit:
    """One thing to change: which feature of which face, where, why, and from what.

    `measured` crossed `threshold`, so the edit is wanted. `amount` 0 … 1 is how far to go: how wide the eye opens, how
    broad the smile is. `goal_fraction` 0 … 1 is how much of the usual goal has to be reached: less than all of it where
    less than the default was asked for. `sources` are tried in their order, the last one is always `Rendered`;
    `no_donor` says why none is a donor, or no longer, if one was looked for.
    """

    analysis: FaceAnalysis
    feature: Feature
    region: Region
    measured: float
    threshold: float
    amount: float
    goal_fraction: float = 1.0
    sources: tuple[Source, ...] = (Rendered(),)
    no_donor: Cause | None = None

    def __post_init__(self) -> None:
        if not 0.0 <= self.amount <= 1.0:
            raise ValueError(f"amount must lie in 0 … 1, not {self.amount}")
        if not self.sources:
            raise ValueError("an edit needs a source")

    @property
    def face(self) -> Face:
        return self.analysis.face

    @property
    def source(self) -> Source:
        """Where the new look comes from in the next try."""
        return self.sources[0]

    @property
    def donor(self) -> Donor | None:
        """The other photo's face that is the source, if it is one."""
        return self.source if isinstance(self.source, Donor) else None


@dataclass(frozen=True, eq=False)
class Skip:
    """One thing left alone, and why."""

    face: Face
    feature: Feature
    cause: Cause
    measured: float | None = None
    threshold: float | None = None


@dataclass(frozen=True, eq=False)
class EditPlan:
    """What will be done to a photo, complete before anything is painted, and what will not.

    `attempt` counts the tries at these edits from 0: an engine that leaves something to chance draws anew for each.
    """

    edits: tuple[Edit, ...] = ()
    skips: tuple[Skip, ...] = ()
    attempt: int = 0


@dataclass(frozen=True, eq=False)
class PaintResult:
    """What an engine made of a plan: a patch for each edit, in their order, and why a face has none worth looking at.

    Each patch is uint8 (h, w, 3), the box of the edit's region. `failures` go by the number of the face.
    """

    patches: tuple[Pixels, ...]
    failures: Mapping[int, Cause] = field(default_factory=dict)


class Engine(Protocol):
    """Paints the edits of a plan."""

    name: str

    def paint(self, canvas: Canvas, plan: EditPlan, on_progress: Progress) -> PaintResult:
        """Paint every edit of `plan`; the canvas is as untouched afterwards as it was before.

        What a patch shows outside the edit's region does not matter: it is not used.
        """
        ...


@runtime_checkable
class RefiningEngine(Engine, Protocol):
    """An engine that starts from what another one painted, and is left for it where it fails.

    `fallback` is that other engine. A face that came out wrong is painted up to `retries` times more.
    """

    @property
    def fallback(self) -> Engine: ...
    @property
    def retries(self) -> int: ...


@dataclass(frozen=True, eq=False)
class Change:
    """What became of one edit: the value before and after, whether it was kept, and what its source was.

    `source` is None where the edit was not kept. `similarity` is how much the whole face still looked like itself,
    -1 … 1 the same; None if it was not asked.
    """

    face: Face
    feature: Feature
    before: float
    after: float
    kept: bool
    tries: int
    note: Cause | None = None
    source: Source | None = None
    similarity: float | None = None

    @property
    def donor(self) -> Donor | None:
        """The other photo's face that the feature comes from, if any."""
        return self.source if isinstance(self.source, Donor) else None


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
