"""The plan of what to edit in a photo, and the results: types that planning, painting and reporting share.

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
from photo.blend import Patch
from photo.canvas import Canvas
from photo.types import FloatArray, Matrix, Pixels, Progress, Region


@dataclass(frozen=True, eq=False)
class Alignment:
    """The transform between a donor's photo and the target's.

    `to_donor` float64 (2, 3) maps (x, y, 1) of the target to pixels of the donor. `agreement` -1 … 1 is the correlation
    of the two aligned photos around the eyes.
    """

    to_donor: Matrix
    agreement: float

    @property
    def scale(self) -> float:
        """Donor pixels per target pixel, along a line."""
        return float(np.sqrt(abs(np.linalg.det(self.to_donor[:, :2]))))

    def to_target(self) -> Matrix:
        """Return the inverse, from donor to target pixels: float64 (2, 3)."""
        inverse = np.linalg.inv(np.vstack([self.to_donor, [0, 0, 1]]))
        return np.asarray(inverse[:2])


@dataclass(frozen=True, eq=False)
class Donor:
    """A source: a face of the same person in another photo, whose eyes or mouth are transferred.

    `name` is the user's name of the photo, `alignment` its transform for each feature. `opening` 0 … 1 is the fraction
    of the height of its open eyes that suits the target face. `measured` holds the measures by which it was chosen, by
    name.
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
    """A source: the photo alone; lids, lips and cheeks are warped, an eyeball is drawn.

    For an eye, `iris` float32 (3,) is the RGB of the iris in this photo's light, but without haze, and `is_iris_known`
    is True if it was measured in another photo. `gaze` is the offset (x, y) of the iris from its mean position, in the
    eye frame. `likeness` is the same person with open eyes in another photo, for engines that can look at one.
    """

    iris: FloatArray | None = None
    gaze: tuple[float, float] = (0.0, 0.0)
    is_iris_known: bool = False
    likeness: FaceAnalysis | None = None


Source = Donor | OtherEye | Rendered
"""Where the pixels of an edited feature come from."""


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
    """One edit: the feature of one face, its region, the reason for it, and the sources.

    `measured` crossed `threshold`, which is why there is an edit. `amount` 0 … 1 is how wide the eye opens or how broad
    the smile gets. `goal_fraction` 0 … 1 is the fraction of the usual goal that the result must reach; it is below 1
    where the user chose less than the default amount. `sources` are tried in order; the last one is always `Rendered`.
    `no_donor` is why there is no donor among them, or no longer; None if none was searched. Raises ValueError when
    `amount` is out of range or `sources` is empty.
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
        """The source of the next attempt."""
        return self.sources[0]

    @property
    def donor(self) -> Donor | None:
        """The source if it is a donor, else None."""
        return self.source if isinstance(self.source, Donor) else None


@dataclass(frozen=True, eq=False)
class Skip:
    """A feature that is left as it is, and why; `measured` and `threshold` as in `Edit`, where they were compared."""

    face: Face
    feature: Feature
    cause: Cause
    measured: float | None = None
    threshold: float | None = None


@dataclass(frozen=True, eq=False)
class EditPlan:
    """The edits of a photo, complete before anything is painted, and the features left as they are.

    `attempt` counts the attempts at these edits from 0: an engine that uses random numbers draws new ones for each.
    `painted` holds what the engine returned as `PaintResult.alone` for some of these edits in an earlier attempt, and
    need not paint again.
    """

    edits: tuple[Edit, ...] = ()
    skips: tuple[Skip, ...] = ()
    attempt: int = 0
    painted: Mapping[Edit, Pixels] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class PaintResult:
    """The output of an engine for a plan: a patch for each edit, in the order of `plan.edits`, and failures.

    Each patch is uint8 (h, w, 3) with the size of the box of the edit's region. `failures` maps the number of a face
    whose patches are of no use to the cause. `alone` holds patches of single edits as they were before any other edit
    of the same face was painted into them; another attempt at the same edit would paint them alike.
    """

    patches: tuple[Pixels, ...]
    failures: Mapping[int, Cause] = field(default_factory=dict)
    alone: Mapping[Edit, Pixels] = field(default_factory=dict)


class Engine(Protocol):
    """Paints the edits of a plan."""

    name: str

    def paint(self, canvas: Canvas, plan: EditPlan, on_progress: Progress) -> PaintResult:
        """Return a patch for every edit of `plan`; the canvas is restored before it returns.

        Pixels of a patch where the alpha of the edit's region is 0 are not used.
        """
        ...


@runtime_checkable
class RefiningEngine(Engine, Protocol):
    """An engine that refines what another one painted, and is replaced by it where it fails.

    `fallback` is that other engine. Every face is painted `candidates` times, at least once, and the best painting is
    kept; a face of which none passes the checks is painted up to `retries` times more.
    """

    @property
    def fallback(self) -> Engine: ...
    @property
    def candidates(self) -> int: ...
    @property
    def retries(self) -> int: ...


@dataclass(frozen=True, eq=False)
class Change:
    """The outcome of one edit: the measure before and after, whether the edit was kept, and its source.

    `tries` counts the attempts. `note` is why the edit was not kept, or what else the user should know. `source` is
    None where the edit was not kept. `similarity` is that of the whole face before and after, a cosine of embeddings,
    -1 … 1 the same; None if it was not measured.
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
        """The source if it is a donor, else None."""
        return self.source if isinstance(self.source, Donor) else None


@dataclass(frozen=True, eq=False)
class Report:
    """The faces found in one photo, the outcomes of its edits, and the features left as they are.

    `engine` is the name of the engine, `changed_pixels` the number of pixels that differ from the input,
    `changed_outside` those of them outside all regions, `seconds` the time of each step by its name. `refines_eyes`
    says that a trained network had its part in rendered eyes.
    """

    faces: tuple[Face, ...]
    changes: tuple[Change, ...]
    skips: tuple[Skip, ...]
    engine: str
    changed_pixels: int
    changed_outside: int
    seconds: Mapping[str, float]
    refines_eyes: bool = False


@dataclass(frozen=True, eq=False)
class Candidate:
    """A painting of one face that passed the checks: what was painted for its edits, and its rank.

    `score` 0 … 1 is how good it is by what was measured; more is better.
    """

    edits: tuple[Edit, ...]
    patches: tuple[Patch, ...]
    score: float

    @property
    def face(self) -> Face:
        return self.edits[0].face


@dataclass(frozen=True, eq=False)
class FixResult:
    """The fixed pixels uint8 (H, W, 3), the plan whose edits were kept, and the report.

    `patches` are what was painted for the edits of the plan, in their order, before it was blended in. `others` are
    the candidates of the faces that were not kept, those of one face from the best to the worst.
    """

    pixels: Pixels
    plan: EditPlan
    report: Report
    patches: tuple[Patch, ...] = ()
    others: tuple[Candidate, ...] = ()
