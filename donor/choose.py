"""Chooses which of a person's other photos give their eyes or their smile, or finds the reason why none does.

`donor.people` matches the people. Here each face of the right person is measured: eyes open and on the camera, or a
mouth that smiles; seen from nearly the same angle, large, sharp, and without other glasses or hair around. What was
measured goes into the report.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from donor.align import align_faces
from donor.light import measure_saturation
from donor.people import FaceCrop, KnownEyes, ReferencePhoto, choose_crops, match_people
from edit.options import Options
from edit.plan import Alignment, Donor, Intent
from edit.reasons import Cause, Reason
from face.analysis import FaceAnalysis
from face.expression import DONOR_SMILE, NEARLY_CLOSED, measure_closedness
from face.eye_geometry import EYEBALL_DEPTH, IRIS_CENTER, landmarks_in_frame
from face.identity import SAME_PERSON, measure_distance
from face.types import EYES, Face, Feature
from photo.errors import BadOption
from photo.measure import LUMA
from photo.types import FloatArray

# calibration: donor-view. Difference of yaw or pitch, in degrees.
MOST_TURNED_DEGREES = 16.0
"""Seen from an angle that differs by more, an eye has another shape."""
# calibration: donor-view. The same for a mouth, in degrees.
MOST_TURNED_FOR_MOUTH_DEGREES = 9.0
"""A mouth stands out more."""
# calibration: donor-view. Ratio of the eye distances.
LEAST_SIZE_RATIO = 0.5
"""A donor's face has at least this part of the size of the target's, else it is too coarse."""
# calibration: donor-view. Blur over the eye distance.
MOST_BLUR_RATIO = 0.015
"""A donor's edges are spread over no more than this part of its eye distance …"""
# calibration: donor-view. Blur over the target's.
MOST_BLUR_GROWTH = 1.6
"""… or over no more than this many times what the target's own are, plus half a pixel."""
# calibration: donor-agreement. Correlation of the two pictures, -1 … 1.
LEAST_AGREEMENT = 0.60
"""How alike the surroundings of the eyes must be: glasses on one of the two photos, or hair, make them differ."""
# calibration: gaze. In half eye widths.
MOST_ASIDE, MOST_UP = 0.22, 0.10
"""How far the irises may stand off where they look at the camera, in half eye widths."""
# calibration: donor-colour. Ratio of the skins' saturations.
LEAST_SATURATION_RATIO = 0.3
"""A donor's skin has at least this part of the target's colour: a grey eye does not suit a coloured face."""
MOST_DONORS = 2
"""A face tries so many donors before its eyes are rendered, or its smile is drawn."""

# calibration: donor-iris. Photos differ in contrast: this part of the darkest spots of the face is black in theirs.
_BLACK_FRACTION = 0.7
# calibration: donor-iris. Blurred over more than this part of the eye distance, iris and white are one.
_MOST_BLUR_OF_IRIS = 0.04
# calibration: donor-iris. Both irises have one colour, to within this part of the skin's, and are darker than this part
# of it.
_SAME_IRIS, _BRIGHTEST_IRIS = 0.25, 0.85


@dataclass(frozen=True, eq=False)
class Finding:
    """What other photos give for one edit.

    `donors` are at most `MOST_DONORS`, the best first; where there are none, `no_donor` is the reason. `iris` float32
    (3,) is the RGB of the irises in the light of this photo, measured in the others; None where it cannot be measured.
    `known` is what many photos tell of the person's eyes, if anything; with `is_iris_known_so` the iris is from there.
    """

    donors: tuple[Donor, ...] = ()
    no_donor: Cause | None = None
    iris: FloatArray | None = None
    known: KnownEyes | None = None
    is_iris_known_so: bool = False


@dataclass(frozen=True, eq=False)
class _Candidate:
    """A face of the right person in another photo, as a donor or with the reason why it is none.

    `penalty` is lower for better ones. `iris` float32 (3,) is the RGB of its irises on a scale from black, 0, to the
    skin around the eyes, 1; None where it cannot be measured. It is of use even where the eye itself is not.
    """

    penalty: float
    donor: Donor | None
    why_not: Cause | None
    iris: FloatArray | None = None


class _Match:
    """A face of the photo and the crop of the same person in the reference `name`; `distance` is that of embeddings."""

    def __init__(self, analysis: FaceAnalysis, crop: FaceCrop, name: str, distance: float) -> None:
        self.analysis, self.crop, self.name, self.distance = analysis, crop, name, distance

    @cached_property
    def alignment(self) -> Mapping[Feature, Alignment]:
        """How the two photos lie over each other, for each feature; the eyes and the mouth are registered together."""
        return align_faces(self.analysis, self.crop.analysis)


class DonorFinder:
    """Finds donors in other photos, and keeps what it found for each face.

    `analyses` are all faces of the photo. `known_eyes` are, by the number of a face, what is known of its person where
    no photo gives eyes. Raises BadOption when `options.reference.face` names a face that no reference has.
    """

    def __init__(
        self,
        analyses: Sequence[FaceAnalysis],
        references: Sequence[ReferencePhoto],
        options: Options,
        known_eyes: Mapping[int, KnownEyes] | None = None,
    ) -> None:
        self._analyses = analyses
        self._known_eyes = known_eyes or {}
        self._references = [(reference, choose_crops(reference, options)) for reference in references]
        self._candidates: dict[tuple[int, bool], list[_Candidate]] = {}
        if options.reference.face is not None and references and not any(crops for _, crops in self._references):
            number = options.reference.face
            raise BadOption(f"--reference_face names face {number}, but no reference photo has so many.")

    def find(self, intent: Intent) -> Finding:
        """Return what the other photos give for one intended edit; empty without any photo. Raises MissingModel."""
        known = self._known_eyes.get(intent.face.number) if intent.feature in EYES else None
        found = self._find_donors(intent)
        return found if known is None else _add_known(intent, found, known)

    def _find_donors(self, intent: Intent) -> Finding:
        """What the photos alone give."""
        if not self._references:
            return Finding()
        key = intent.face.number, intent.feature is Feature.MOUTH
        if key not in self._candidates:
            self._candidates[key] = [_examine(match, is_mouth=key[1]) for match in self._matches[key[0]]]
        return _select_donors(intent, self._candidates[key], self._nearest[key[0]], self._references[0][0].among)

    @cached_property
    def _matches(self) -> dict[int, list[_Match]]:
        """For the number of each face its matches in all references."""
        matches: dict[int, list[_Match]] = {analysis.face.number: [] for analysis in self._analyses}
        by_number = {analysis.face.number: analysis for analysis in self._analyses}
        for reference, crops in self._references:
            is_burst = all(reference.size == analysis.pixels.shape[:2] for analysis in self._analyses)
            for number, crop in match_people(self._analyses, crops, is_burst=is_burst).items():
                distance = measure_distance(by_number[number].embedding, crop.embedding)
                matches[number].append(_Match(by_number[number], crop, reference.name, distance))
        return matches

    @cached_property
    def _nearest(self) -> dict[int, float]:
        """For the number of each face the distance of the nearest face in all references; infinite without any."""
        crops = [crop for _, crops in self._references for crop in crops]
        return {
            analysis.face.number: min(
                (measure_distance(analysis.embedding, crop.embedding) for crop in crops), default=math.inf
            )
            for analysis in self._analyses
        }


def _examine(match: _Match, *, is_mouth: bool) -> _Candidate:
    """Measure a face in another photo as a donor of its mouth, or of its eyes."""
    face, other = match.analysis.face, match.crop.face
    appearance, other_appearance = match.analysis.appearance, match.crop.analysis.appearance
    size = other.landmarks.eye_distance_px / max(face.landmarks.eye_distance_px, 1e-6)
    measured = {
        "distance": match.distance,
        "turned_degrees": abs(face.yaw_degrees - other.yaw_degrees),
        "nodded_degrees": abs(face.pitch_degrees - other.pitch_degrees),
        "size_ratio": size,
        "blur_px": other_appearance.blur_sigma_px / max(size, 1e-6),
        "saturation_ratio": min(measure_saturation(other_appearance) / max(measure_saturation(appearance), 1e-3), 99.0),
    }
    if is_mouth:
        measured["smile"] = other.smile
        why = _judge_mouth(match)
        penalty, opening = 1 - other.smile, 1.0
    else:
        gaze = measure_gaze(other)
        closedness = max(measure_closedness(other, eye) for eye in EYES)
        measured |= {"closedness": closedness, "gaze_aside": gaze[0], "gaze_up": gaze[1]}
        why = _judge_eyes(match, closedness)
        opening = expect_opening(face, other)
        penalty = 2 * closedness + (1 - opening) + 0.5 * abs(face.smile - other.smile)
    is_pale = measured["saturation_ratio"] < LEAST_SATURATION_RATIO
    iris = None if why or is_mouth or is_pale else measure_iris_ratio(match.crop.analysis)
    why = why or _judge_view(match, measured, is_mouth)
    if why is None:
        measured["agreement"] = _measure_agreement(match.alignment, is_mouth)
        if measured["agreement"] < LEAST_AGREEMENT:
            values = {"agreement": measured["agreement"], "least": LEAST_AGREEMENT}
            why = Cause(Reason.THERE_LOOKS_DIFFERENT, {"name": match.name, **values})
    penalty += (measured["turned_degrees"] + measured["nodded_degrees"]) / 10 + match.distance
    penalty += 1 - measured.get("agreement", 0.0)
    donor = None if why else Donor(match.crop.analysis, match.name, match.alignment, opening, measured)
    return _Candidate(penalty, donor, why, iris)


def _judge_eyes(match: _Match, closedness: float) -> Cause | None:
    """The reason why the eyes there cannot be used, neither they nor their colour; None if they can."""
    if closedness >= NEARLY_CLOSED:
        return Cause(Reason.THERE_EYES_CLOSED, {"name": match.name})
    seen = [match.crop.face.eye(eye) for eye in EYES]
    if not _is_inside(match.crop, [rim for eye in seen for rim in (eye.brow_lower, eye.lower)]):
        return Cause(Reason.THERE_EYES_CUT_OFF, {"name": match.name})
    return None


def _judge_mouth(match: _Match) -> Cause | None:
    """The reason why the mouth there cannot be used; None if it can."""
    face = match.crop.face
    if face.smile < DONOR_SMILE:
        return Cause(Reason.THERE_NO_SMILE, {"name": match.name, "smile": face.smile})
    if not _is_inside(match.crop, [face.landmarks.lips, face.landmarks.chin]):
        return Cause(Reason.THERE_MOUTH_CUT_OFF, {"name": match.name})
    return None


def _judge_view(match: _Match, measured: Mapping[str, float], is_mouth: bool) -> Cause | None:
    """The reason why the view of a face there differs too much, or is too small, pale or blurred; None if not."""
    name = {"name": match.name}
    if max(measured.get("gaze_aside", 0.0), measured.get("gaze_up", 0.0)) > 1:
        return Cause(Reason.THERE_LOOKS_AWAY, name)
    turned = max(measured["turned_degrees"], measured["nodded_degrees"])
    if turned > (MOST_TURNED_FOR_MOUTH_DEGREES if is_mouth else MOST_TURNED_DEGREES):
        return Cause(Reason.THERE_TURNED, {**name, "degrees": turned})
    if measured["size_ratio"] < LEAST_SIZE_RATIO:
        return Cause(Reason.THERE_TOO_SMALL, {**name, "ratio": measured["size_ratio"]})
    if measured["saturation_ratio"] < LEAST_SATURATION_RATIO:
        return Cause(Reason.THERE_TOO_PALE, name)
    eye_distance, blur = match.analysis.face.landmarks.eye_distance_px, match.analysis.appearance.blur_sigma_px
    most = max(MOST_BLUR_RATIO * eye_distance, MOST_BLUR_GROWTH * blur + 0.5)
    return Cause(Reason.THERE_BLURRED, name) if measured["blur_px"] > most else None


def _measure_agreement(alignment: Mapping[Feature, Alignment], is_mouth: bool) -> float:
    """Correlation -1 … 1 of the aligned photos; of the eyes the lower one."""
    return alignment[Feature.MOUTH].agreement if is_mouth else min(alignment[eye].agreement for eye in EYES)


def _is_inside(crop: FaceCrop, parts: Sequence[FloatArray]) -> bool:
    """Whether all points of `parts`, each (n, 2 or 3), lie inside the crop."""
    points = np.concatenate(parts)[:, :2]
    return bool(((points >= 0) & (points < (crop.pixels.shape[1], crop.pixels.shape[0]))).all())


def measure_iris_ratio(there: FaceAnalysis, *, looks_ahead: bool = False) -> FloatArray | None:
    """Return the RGB of the irises of open eyes from black, 0, to the skin around them, 1, float32 (3,).

    None where that is unsure: blurred, behind reflections, or not alike in both eyes. Of eyes that are known to look
    ahead the irises are not searched for, which takes long.
    """
    if there.appearance.blur_sigma_px > _MOST_BLUR_OF_IRIS * there.face.landmarks.eye_distance_px:
        return None
    ratios = []
    for eye in EYES:
        iris = there.eye(eye).marked_iris_color if looks_ahead else there.eye(eye).iris_color
        if iris is None:
            return None
        black, contrast = _measure_tones(there, eye)
        # A reflection is brighter than an iris, and mostly lies on one of the two only.
        if iris @ LUMA > _BRIGHTEST_IRIS * ((black + contrast) @ LUMA):
            return None
        ratios.append(np.maximum(iris - black, 1.0) / contrast)
    right, left = ratios
    return None if np.abs(right - left).max() > _SAME_IRIS else np.asarray((right + left) / 2, np.float32)


def _measure_tones(analysis: FaceAnalysis, eye: Feature) -> tuple[FloatArray, FloatArray]:
    """The RGB of black around an eye, and that of the skin minus it, both float32 (3,)."""
    black = np.asarray(_BLACK_FRACTION * analysis.appearance.black, np.float32)
    return black, np.maximum(analysis.eye(eye).skin - black, 1.0)


def expect_opening(face: Face, donor: Face) -> float:
    """Return the fraction 0.7 … 1 of the height of the donor's eyes that suits this face's expression.

    A broad smile narrows the eyes, a slight one hardly, and raised brows widen them.
    """
    smile = 1 - 0.75 * float(np.clip(face.smile**2 - donor.smile**2, 0, 1))
    brows = 1 - 0.25 * float(np.clip(donor.blendshapes["browInnerUp"] - face.blendshapes["browInnerUp"], 0, 1))
    return max(smile * brows, 0.70)


def measure_gaze(face: Face) -> tuple[float, float]:
    """Return how far the eyes look aside, and up or down, from the camera, as ratios to the most that a donor may."""
    irises = []
    for eye in EYES:
        x, y = landmarks_in_frame(face.eye_frame(eye), face.eye(eye).iris[:1])
        irises.append((float(x[0]), float(y[0])))
    (right_x, right_y), (left_x, left_y) = irises
    # x runs to the nose in both frames: half the difference is the common direction, the mean is the squint.
    aside = (right_x - left_x) / 2 + EYEBALL_DEPTH * math.sin(math.radians(face.yaw_degrees))
    up = (right_y + left_y) / 2 - IRIS_CENTER[1]
    return abs(aside) / MOST_ASIDE, abs(up) / MOST_UP


def _light_iris(intent: Intent, ratio: FloatArray) -> FloatArray:
    """The RGB float32 (3,) that irises with this `ratio` (3,), from black to the skin, have in the light of a photo."""
    black, contrast = _measure_tones(intent.analysis, intent.feature)
    return np.asarray(np.clip(black + ratio * contrast, 0, 255), np.float32)


def _add_known(intent: Intent, found: Finding, known: KnownEyes) -> Finding:
    """The finding with what is known of the person, where no photo was found that tells it."""
    if found.iris is not None or known.iris is None:
        return replace(found, known=known)
    return replace(found, iris=_light_iris(intent, known.iris), known=known, is_iris_known_so=True)


def _select_donors(intent: Intent, candidates: Sequence[_Candidate], nearest: float, among: str) -> Finding:
    """The finding for `intent`: the best of the candidates, or the reason why there is none.

    `nearest` is the distance of the nearest face in all other photos, `among` what reports call these.
    """
    candidates = sorted(candidates, key=lambda candidate: candidate.penalty)
    irises = [candidate.iris for candidate in candidates if candidate.iris is not None]
    iris = None
    if irises and intent.feature in EYES:
        # The median: a reflection tints the irises of one photo.
        iris = _light_iris(intent, np.asarray(np.median(irises, axis=0), np.float32))
    good = [candidate.donor for candidate in candidates if candidate.donor is not None]
    if good:
        return Finding(tuple(good[:MOST_DONORS]), None, iris)
    if candidates and candidates[0].why_not is not None:
        why = candidates[0].why_not
    elif math.isinf(nearest):
        why = Cause(Reason.NO_FACE_THERE)
    elif nearest < SAME_PERSON:
        why = Cause(Reason.SEVERAL_ALIKE)
    else:
        why = Cause(Reason.NOBODY_ALIKE, {"distance": nearest, "most": SAME_PERSON})
    return Finding((), Cause(Reason.NOTHING_FROM, {"what": "nothing", "among": among, "why": why}), iris)
