"""Which of a person's other photos has the eyes, or the smile, worth having, or why none has.

`references` says who is who. Here each face of the right person is measured: eyes open and on the camera, or a mouth
that smiles; seen from nearly the same angle, large, sharp, and without other glasses or hair around. What was measured
goes to the report.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from donor.align import Fit, fit_face
from donor.light import measure_saturation
from donor.other_eye import widen
from donor.people import FaceCrop, ReferencePhoto, choose_crops, match_people
from edit.options import Options
from edit.plan import Donor, Edit, EditPlan
from face.appearance import FaceAppearance, measure_appearance, measure_eye_skin
from face.expression import NEARLY_CLOSED, measure_closedness
from face.eye_geometry import EYEBALL_DEPTH, IRIS_CENTER, landmarks_in_frame, measure_iris
from face.identity import SAME_PERSON, embed_face, measure_distance
from face.types import EYES, Face, Feature
from mouth_mask import exclude_lids
from photo.errors import BadOption
from photo.measure import LUMA
from photo.types import FloatArray, Pixels

MOST_TURNED_DEGREES = 16.0
"""Seen from an angle that differs by more, an eye has another shape."""
MOST_TURNED_FOR_MOUTH_DEGREES = 9.0
"""A mouth stands out more."""
LEAST_SIZE_RATIO = 0.5
"""A donor's face has at least this part of the size of the target's, else it is too coarse."""
MOST_BLUR_RATIO = 0.015
"""A donor's edges are spread over no more than this part of its eye distance …"""
MOST_BLUR_GROWTH = 1.6
"""… or over no more than this many times what the target's own are, plus half a pixel."""
LEAST_AGREEMENT = 0.60
"""How alike the surroundings of the eyes must be: glasses on one of the two photos, or hair, make them differ."""
MOST_ASIDE, MOST_UP = 0.22, 0.10
"""How far the irises may stand off where they look at the camera, in half eye widths."""
LEAST_SMILE = 0.55
"""The smile score of a mouth that is carried over."""
LEAST_SATURATION_RATIO = 0.3
"""A donor's skin has at least this part of the target's colour: a grey eye does not suit a coloured face."""
MOST_DONORS = 2
"""A face tries so many donors before its eyes are rendered, or its smile is drawn."""

# Photos differ in contrast: this part of the darkest spots of the face is black in theirs.
_BLACK_SHARE = 0.7
# Blurred over more than this part of the eye distance, iris and white are one.
_MOST_BLUR_OF_IRIS = 0.04
# Both irises have one colour, to within this part of the skin's, and are darker than this part of it.
_SAME_IRIS, _BRIGHTEST_IRIS = 0.25, 0.85


@dataclass(frozen=True, eq=False)
class _Candidate:
    """A face of the right person, and what speaks for it or against it.

    `penalty` is lower for better ones. `iris` float32 (3,) is where the RGB of its irises lies between black, 0, and
    the skin around the eyes, 1, if they can be seen: it is of use where the eye itself is not.
    """

    donor: Donor
    penalty: float
    why_not: str = ""
    iris: FloatArray | None = None


@dataclass(frozen=True, eq=False)
class _Match:
    """A face of the photo, and the head of the same person in a reference, with its `name` and their `distance`."""

    face: Face
    crop: FaceCrop
    name: str
    distance: float


def choose_donors(
    pixels: Pixels, faces: Sequence[Face], plan: EditPlan, references: Sequence[ReferencePhoto], options: Options
) -> EditPlan:
    """Return the plan with donors set on the edits, or the reason why there is none.

    `pixels` uint8 (H, W, 3) is the photo, `faces` all of its faces. Mouths get donors only where
    `options.smile_from_reference` asks for it. Raises BadOption when `options.reference_face` names a face that no
    reference has.
    """
    wants = [edit for edit in plan.edits if edit.feature in EYES or options.smile_from_reference]
    if not wants or not references:
        return plan
    if options.reference_face is not None and not any(choose_crops(r, options) for r in references):
        raise BadOption(f"--reference_face names face {options.reference_face}, but no reference photo has so many.")
    own = {face.number: embed_face(pixels, face) for face in faces}
    matches: dict[int, list[_Match]] = {face.number: [] for face in faces}
    nearest = dict.fromkeys(own, math.inf)
    for reference in references:
        crops = choose_crops(reference, options)
        for number, embedding in own.items():
            nearest[number] = min([nearest[number], *(measure_distance(embedding, crop.embedding) for crop in crops)])
        by_number = {face.number: face for face in faces}
        for number, crop in match_people(faces, own, crops, is_burst=reference.size == pixels.shape[:2]).items():
            distance = measure_distance(own[number], crop.embedding)
            matches[number].append(_Match(by_number[number], crop, reference.name, distance))
    candidates: dict[tuple[int, bool], list[_Candidate]] = {}
    edits = []
    for edit in plan.edits:
        if edit in wants:
            key = edit.face.number, edit.feature is Feature.MOUTH
            if key not in candidates:
                candidates[key] = [_examine(pixels, match, *key[1:]) for match in matches[edit.face.number]]
            edit = _settle(pixels, edit, candidates[key], nearest[edit.face.number], references[0].among)
        edits.append(edit)
    return replace(plan, edits=tuple(edits))


def _examine(pixels: Pixels, match: _Match, is_mouth: bool) -> _Candidate:
    """See whether the eyes, or the mouth, of a head are worth having."""
    face, other, where = match.face, match.crop.face, f"in {match.name}"
    appearance, other_appearance = measure_appearance(pixels, face), measure_appearance(match.crop.pixels, other)
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
        why = _judge_mouth(match.crop, where)
        penalty, opening = 1 - other.smile, 1.0
    else:
        gaze = _measure_gaze(other)
        closedness = max(measure_closedness(other, eye) for eye in EYES)
        measured |= {"closedness": closedness, "gaze_aside": gaze[0], "gaze_up": gaze[1]}
        why = _judge_eyes(match.crop, closedness, where)
        opening = expect_opening(face, other)
        penalty = 2 * closedness + (1 - opening) + 0.5 * abs(face.smile - other.smile)
    iris = None if why or is_mouth else _find_iris(match.crop, other_appearance, measured["saturation_ratio"])
    why = why or _judge_view(face, measured, appearance, is_mouth, where)
    if not why:
        fits = fit_face(pixels, face, match.crop.pixels, other)
        measured["agreement"] = _measure_agreement(fits, is_mouth)
        if measured["agreement"] < LEAST_AGREEMENT:
            words = f"({measured['agreement']:.2f}, {LEAST_AGREEMENT:.2f} is needed)"
            why = f"what surrounds the eyes looks different {where}, as with other glasses or hair {words}"
    penalty += (measured["turned_degrees"] + measured["nodded_degrees"]) / 10 + match.distance
    penalty += 1 - measured.get("agreement", 0.0)
    donor = Donor(match.crop.pixels, other, match.name, opening, measured=measured)
    return _Candidate(donor, penalty, why, iris)


def _judge_eyes(crop: FaceCrop, closedness: float, where: str) -> str:
    """Why the eyes of a head show nothing worth having; empty if they do."""
    if closedness >= NEARLY_CLOSED:
        return f"the eyes are not clearly open {where}"
    seen = [crop.face.eye(eye) for eye in EYES]
    if not _is_inside(crop, [rim for eye in seen for rim in (eye.brow_lower, eye.lower)]):
        return f"the eyes are cut off by the edge of the photo {where}"
    return ""


def _judge_mouth(crop: FaceCrop, where: str) -> str:
    """Why the mouth of a head is not worth having; empty if it is."""
    if crop.face.smile < LEAST_SMILE:
        return f"the mouth does not smile clearly {where} (smile score {crop.face.smile:.2f})"
    if not _is_inside(crop, [crop.face.landmarks.lips, crop.face.landmarks.chin]):
        return f"the mouth is cut off by the edge of the photo {where}"
    return ""


def _judge_view(face: Face, measured: dict[str, float], appearance: FaceAppearance, is_mouth: bool, where: str) -> str:
    """Why a head is seen too differently, too small or too blurred, or looks elsewhere; empty if it does not."""
    if max(measured.get("gaze_aside", 0.0), measured.get("gaze_up", 0.0)) > 1:
        return f"the eyes look away from the camera {where}"
    turned = max(measured["turned_degrees"], measured["nodded_degrees"])
    if turned > (MOST_TURNED_FOR_MOUTH_DEGREES if is_mouth else MOST_TURNED_DEGREES):
        return f"the head is turned too differently {where} ({turned:.0f}°)"
    if measured["size_ratio"] < LEAST_SIZE_RATIO:
        return f"the face is too small {where} ({measured['size_ratio']:.2f} of the size here)"
    if measured["saturation_ratio"] < LEAST_SATURATION_RATIO:
        return f"the colours are too pale {where}"
    most = max(MOST_BLUR_RATIO * face.landmarks.eye_distance_px, MOST_BLUR_GROWTH * appearance.blur_sigma_px + 0.5)
    return f"the face is blurred {where}" if measured["blur_px"] > most else ""


def _measure_agreement(fits: dict[Feature, Fit], is_mouth: bool) -> float:
    return fits[Feature.MOUTH].agreement if is_mouth else min(fits[eye].agreement for eye in EYES)


def _is_inside(crop: FaceCrop, parts: Sequence[FloatArray]) -> bool:
    points = np.concatenate(parts)[:, :2]
    return bool(((points >= 0) & (points < (crop.pixels.shape[1], crop.pixels.shape[0]))).all())


def _find_iris(crop: FaceCrop, appearance: FaceAppearance, saturation_ratio: float) -> FloatArray | None:
    """Where the RGB of a head's irises lies between black and the skin around the eyes, float32 (3,); None in doubt."""
    half_width_px = crop.face.landmarks.eye_distance_px
    if saturation_ratio < LEAST_SATURATION_RATIO or appearance.blur_sigma_px > _MOST_BLUR_OF_IRIS * half_width_px:
        return None
    ratios = []
    for eye in EYES:
        iris = measure_iris(crop.pixels, crop.face, eye)
        if iris is None:
            return None
        black, contrast = _measure_tones(crop.pixels, crop.face, eye, appearance)
        # A glint, or the mirror image of a window, lies on one of them mostly, and is brighter than an iris.
        if iris @ LUMA > _BRIGHTEST_IRIS * ((black + contrast) @ LUMA):
            return None
        ratios.append(np.maximum(iris - black, 1.0) / contrast)
    right, left = ratios
    return None if np.abs(right - left).max() > _SAME_IRIS else np.asarray((right + left) / 2, np.float32)


def _measure_tones(
    pixels: Pixels, face: Face, eye: Feature, appearance: FaceAppearance
) -> tuple[FloatArray, FloatArray]:
    """The RGB of black around an eye, and how much more of each the skin has, both float32 (3,)."""
    black = np.asarray(_BLACK_SHARE * appearance.black, np.float32)
    return black, np.maximum(measure_eye_skin(pixels, face, eye, appearance.skin) - black, 1.0)


def expect_opening(face: Face, donor: Face) -> float:
    """How much of the height of the donor's eyes suits this face's expression: 1 all … 0.7.

    A broad smile narrows the eyes, a slight one hardly, and raised brows widen them.
    """
    smile = 1 - 0.75 * float(np.clip(face.smile**2 - donor.smile**2, 0, 1))
    brows = 1 - 0.25 * float(np.clip(donor.blendshapes["browInnerUp"] - face.blendshapes["browInnerUp"], 0, 1))
    return max(smile * brows, 0.70)


def _measure_gaze(face: Face) -> tuple[float, float]:
    """How far the eyes look aside and up or down from the camera, where 1 is the most that a donor may."""
    irises = []
    for eye in EYES:
        x, y = landmarks_in_frame(face.eye_frame(eye), face.eye(eye).iris[:1])
        irises.append((float(x[0]), float(y[0])))
    (right_x, right_y), (left_x, left_y) = irises
    # x runs to the nose in both frames: half the difference is the way both look, the mean is their squint.
    aside = (right_x - left_x) / 2 + EYEBALL_DEPTH * math.sin(math.radians(face.yaw_degrees))
    up = (right_y + left_y) / 2 - IRIS_CENTER[1]
    return abs(aside) / MOST_ASIDE, abs(up) / MOST_UP


def _settle(pixels: Pixels, edit: Edit, candidates: Sequence[_Candidate], nearest: float, among: str) -> Edit:
    """The edit with its donors, best first, or with the reason why it has none; either way with the iris they show.

    `nearest` is the distance of the nearest face in the photos, `among` what those are called.
    """
    candidates = sorted(candidates, key=lambda candidate: candidate.penalty)
    irises = [candidate.iris for candidate in candidates if candidate.iris is not None]
    if irises and edit.feature in EYES:
        appearance = measure_appearance(pixels, edit.face)
        black, contrast = _measure_tones(pixels, edit.face, edit.feature, appearance)
        # The median: a reflection tints the irises of one photo.
        iris = black + np.median(irises, axis=0) * contrast
        edit = replace(edit, iris=np.asarray(np.clip(iris, 0, 255), np.float32))
    good = [candidate.donor for candidate in candidates if not candidate.why_not]
    if good:
        wide = exclude_lids(pixels.shape, edit) if edit.feature is Feature.MOUTH else widen(pixels.shape, edit)
        return replace(wide, donors=(*edit.donors, *good[:MOST_DONORS]))
    if edit.donors:
        return edit
    if candidates:
        comes = "nothing" if edit.iris is None else "only the colour of the eyes"
        return replace(edit, no_donor=f"{comes} comes from {among}: {candidates[0].why_not}")
    if math.isinf(nearest):
        return replace(edit, no_donor=f"nothing comes from {among}: they show no face")
    words = f"distance {nearest:.2f}, below {SAME_PERSON:.2f} is needed"
    if nearest < SAME_PERSON:
        words = "several faces look alike"
    return replace(edit, no_donor=f"nothing comes from {among}: nobody in them is clearly this person ({words})")
