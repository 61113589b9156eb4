"""Which face of which other photo gives its eyes to which face of this one, or why none does.

People are told apart by the recognition network (`resemblance`): every face of the photo is paired with at most one
face of each reference, and only with one that is of the same person beyond doubt. A burst from one spot shows everybody
in the same places, so where the network hesitates, the place decides. Then the eyes of each candidate must be worth
having.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from donor_fit import fit_eyes
from eye_shape import EYEBALL_DEPTH, IRIS_CENTER, find_frame, landmarks_in_frame
from eyes_mask import NEARLY_CLOSED, measure_closedness
from faces import find_faces
from landmarks import Landmarks
from other_eye import measure_iris, widen
from photo_look import LUMA, measure_look
from photo_types import BadOption, Box, Donor, Edit, EditPlan, Face, Feature, Options, Photo, Pixels
from resemblance import SAME_PERSON, Description, describe_face, measure_distance

Array = NDArray[np.float32]
EYES = (Feature.RIGHT_EYE, Feature.LEFT_EYE)

MOST_TURNED_DEGREES = 16.0
"""Seen from an angle that differs by more, an eye has another shape."""
MOST_NODDED_DEGREES = 16.0
LEAST_SIZE_RATIO = 0.5
"""A donor's face has at least this part of the size of the target's, else its eyes are too coarse."""
MOST_BLUR_RATIO = 0.035
"""A donor's edges are spread over no more than this part of its eye distance …"""
MOST_BLUR_GROWTH = 1.6
"""… or over no more than this many times what the target's own are, plus half a pixel."""
LEAST_AGREEMENT = 0.55
"""How alike the surroundings of the eyes must be: glasses on one of the two photos, or hair, make them differ."""
MOST_ASIDE, MOST_UP = 0.22, 0.10
"""How far the irises may stand off where they look at the camera, in half eye widths."""
CLEAR_LEAD = 0.15
"""Two faces of one photo that lie closer together than this, as seen from a third, cannot be told apart by looks."""
MOST_DONORS = 2
"""A face tries so many donors before its eyes are rendered."""

# Both irises have one colour, to within this part of the skin's luma, and are darker than this part of it.
_SAME_IRIS, _BRIGHTEST_IRIS = 0.20, 0.85
# What is kept around a face, in its own widths and heights.
_SURROUNDINGS = 0.5
# In a burst from one spot a person stays within so many eye distances, and keeps the size within this factor.
_SAME_PLACE = 1.5
_SAME_SIZE = 1.25


@dataclass(frozen=True, eq=False)
class Head:
    """One face of a reference photo: where it is there, its surroundings alone, and what it looks like.

    `pixels` uint8 (h, w, 3) is what is kept of the photo, `face` the face in these pixels, `in_photo` in the whole one.
    """

    pixels: Pixels
    face: Face
    in_photo: Face
    looks: Description


@dataclass(frozen=True, eq=False)
class Reference:
    """Another photo as far as it is needed: its faces, its size (rows, columns), and what the user calls it."""

    heads: tuple[Head, ...]
    size: tuple[int, int]
    name: str
    path: Path | None = None


def read_reference(photo: Photo) -> Reference:
    """Find the faces of a photo that may give their eyes to others. Raises MissingModel, MissingPackage."""
    heads = tuple(_cut_head(photo.pixels, face) for face in find_faces(photo.pixels))
    name = photo.path.name if photo.path else "the reference photo"
    return Reference(heads, (photo.height, photo.width), name, photo.path)


def _cut_head(pixels: Pixels, face: Face) -> Head:
    """A copy of the surroundings of a face, so that the photo itself can be forgotten."""
    box = Box.around(face.landmarks.points).padded(_SURROUNDINGS).clipped(pixels.shape[1], pixels.shape[0])
    if box is None:
        box = Box(0, 0, pixels.shape[1], pixels.shape[0])
    shift = np.array([box.left, box.top, 0], np.float32)
    own = face.box
    moved = replace(
        face,
        box=Box(own.left - box.left, own.top - box.top, own.right - box.left, own.bottom - box.top),
        landmarks=Landmarks(face.landmarks.points - shift),
    )
    return Head(pixels[box.slices].copy(), moved, face, describe_face(pixels, face))


@dataclass(frozen=True, eq=False)
class _Candidate:
    """A face of the right person, and what speaks for it or against it.

    `penalty` is lower for better ones. `iris` float32 (3,) is the colour of its irises as the target's light shows
    them, if they can be seen: it is of use where the eye itself is not.
    """

    donor: Donor
    penalty: float
    why_not: str = ""
    iris: Array | None = None


def choose_donors(
    pixels: Pixels, faces: Sequence[Face], plan: EditPlan, references: Sequence[Reference], options: Options
) -> EditPlan:
    """Return the plan with donors set on the edits of eyes, or the reason why there is none.

    `pixels` uint8 (H, W, 3) is the photo, `faces` all of its faces. Raises BadOption when `options.reference_face`
    names a face that no reference has.
    """
    wanted = [face for face in faces if any(e.face.number == face.number and e.feature in EYES for e in plan.edits)]
    if not wanted or not references:
        return plan
    own = {face.number: describe_face(pixels, face) for face in faces}
    found: dict[int, list[_Candidate]] = {face.number: [] for face in wanted}
    nearest: dict[int, float] = {}
    for reference in references:
        heads = _choose_heads(reference, options)
        for face in wanted:
            distances = [measure_distance(own[face.number], head.looks) for head in heads]
            nearest[face.number] = min([nearest.get(face.number, math.inf), *distances])
        is_burst = reference.size == pixels.shape[:2]
        for number, head in _pair_up(faces, own, heads, is_burst).items():
            if number in found:
                face = next(face for face in wanted if face.number == number)
                distance = measure_distance(own[number], head.looks)
                found[number].append(_examine(pixels, face, head, reference.name, distance))
    if options.reference_face is not None and not any(_choose_heads(r, options) for r in references):
        raise BadOption(f"--reference_face names face {options.reference_face}, but no reference photo has so many.")
    edits = []
    for edit in plan.edits:
        if edit.feature in EYES:
            edit = _settle(pixels.shape, edit, found[edit.face.number], nearest.get(edit.face.number, math.inf))
        edits.append(edit)
    return replace(plan, edits=tuple(edits))


def _choose_heads(reference: Reference, options: Options) -> list[Head]:
    number = options.reference_face
    return [head for head in reference.heads if number is None or head.face.number == number]


def _pair_up(
    faces: Sequence[Face], own: Mapping[int, Description], heads: Sequence[Head], is_burst: bool
) -> dict[int, Head]:
    """For numbers of `faces` the head of the same person; nobody is used twice.

    The closest pair is taken first. A pair that another one rivals is taken only if the places say so.
    """
    pairs = []
    for face in faces:
        for head in heads:
            distance = measure_distance(own[face.number], head.looks)
            if distance < SAME_PERSON:
                pairs.append(_Pair(distance, face, head, is_burst and _is_in_place(face, head.in_photo)))
    pairs.sort(key=lambda pair: pair.distance)
    result: dict[int, Head] = {}
    for pair in pairs:
        rivals = [
            other
            for other in pairs
            if (other.face is pair.face) != (other.head is pair.head) and other.distance < pair.distance + CLEAR_LEAD
        ]
        is_clear = not rivals or (pair.in_place and not any(other.in_place for other in rivals))
        if is_clear and pair.face.number not in result and pair.head not in result.values():
            result[pair.face.number] = pair.head
    return result


@dataclass(frozen=True, eq=False)
class _Pair:
    """A face and a head that may be of one person; `in_place` if they are also in the same place of their photos."""

    distance: float
    face: Face
    head: Head
    in_place: bool


def _is_in_place(face: Face, other: Face) -> bool:
    """Whether two faces of photos of one size are about as large and about where the other is."""
    scale = face.landmarks.eye_distance_px / max(other.landmarks.eye_distance_px, 1e-6)
    moved = np.linalg.norm((face.landmarks.points - other.landmarks.points)[:, :2].mean(axis=0))
    return 1 / _SAME_SIZE < scale < _SAME_SIZE and float(moved) < _SAME_PLACE * face.landmarks.eye_distance_px


def _examine(pixels: Pixels, face: Face, head: Head, name: str, distance: float) -> _Candidate:
    """See whether the eyes of `head`, who is the same person, are worth having for `face`."""
    other = head.face
    closedness = max(measure_closedness(other, eye) for eye in EYES)
    gaze = _measure_gaze(other)
    turned, nodded = abs(face.yaw_degrees - other.yaw_degrees), abs(face.pitch_degrees - other.pitch_degrees)
    size = other.landmarks.eye_distance_px / max(face.landmarks.eye_distance_px, 1e-6)
    look, other_look = measure_look(pixels, face), measure_look(head.pixels, other)
    blur = other_look.blur_sigma_px / max(size, 1e-6)
    measured = {
        "distance": distance,
        "closedness": closedness,
        "gaze_aside": gaze[0],
        "gaze_up": gaze[1],
        "turned_degrees": turned,
        "nodded_degrees": nodded,
        "size_ratio": size,
        "blur_px": blur,
    }
    donor = Donor(head.pixels, other, name, expect_opening(face, other), measured=measured)
    where = f"in {name}"
    why = ""
    if closedness >= NEARLY_CLOSED:
        why = f"the eyes are not clearly open {where}"
    elif not _is_inside(head.pixels, other):
        why = f"the eyes are cut off by the edge of the photo {where}"
    elif max(gaze) > 1:
        why = f"the eyes look away from the camera {where}"
    elif turned > MOST_TURNED_DEGREES or nodded > MOST_NODDED_DEGREES:
        why = f"the head is turned too differently {where} ({max(turned, nodded):.0f}°)"
    elif size < LEAST_SIZE_RATIO:
        why = f"the face is too small {where} ({size:.2f} of the size here)"
    elif blur > max(MOST_BLUR_RATIO * face.landmarks.eye_distance_px, MOST_BLUR_GROWTH * look.blur_sigma_px + 0.5):
        why = f"the face is blurred {where}"
    else:
        fits = fit_eyes(pixels, face, head.pixels, other)
        agreement = min(fit.agreement for fit in fits.values())
        donor = replace(donor, measured={**measured, "agreement": agreement})
        if agreement < LEAST_AGREEMENT:
            why = f"what surrounds the eyes looks different {where}, as with other glasses or hair ({agreement:.2f})"
    smile = abs(face.smile - other.smile)
    penalty = turned / 10 + nodded / 10 + 0.5 * smile + distance + 2 * closedness + (1 - donor.opening)
    penalty += 1 - donor.measured.get("agreement", 0.0)
    is_seen = closedness < NEARLY_CLOSED and max(gaze) <= 1
    iris = _find_iris(head, look.skin, other_look.skin) if is_seen else None
    return _Candidate(donor, penalty, why, iris)


def _find_iris(head: Head, skin: Array, head_skin: Array) -> Array | None:
    """The colour of the irises of a head, brought from the light on its skin to that on another; None if in doubt."""
    right, left = (measure_iris(head.pixels, head.face, eye) for eye in EYES)
    if right is None or left is None:
        return None
    # A glint, or the mirror image of a window, lies on one of them mostly, and is brighter than an iris.
    level = float(head_skin @ LUMA)
    if np.abs(right - left).max() > _SAME_IRIS * level or float((right + left) @ LUMA) > 2 * _BRIGHTEST_IRIS * level:
        return None
    return np.asarray(np.clip((right + left) / 2 * skin / np.maximum(head_skin, 1.0), 0, 255), np.float32)


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
        x, y = landmarks_in_frame(find_frame(face, eye), face.eye(eye).iris[:1])
        irises.append((float(x[0]), float(y[0])))
    (right_x, right_y), (left_x, left_y) = irises
    # x runs to the nose in both frames: half the difference is the way both look, the mean is their squint.
    aside = (right_x - left_x) / 2 + EYEBALL_DEPTH * math.sin(math.radians(face.yaw_degrees))
    up = (right_y + left_y) / 2 - IRIS_CENTER[1]
    return abs(aside) / MOST_ASIDE, abs(up) / MOST_UP


def _is_inside(pixels: Pixels, face: Face) -> bool:
    points = np.concatenate([face.eye(eye).brow_lower for eye in EYES] + [face.eye(eye).lower for eye in EYES])[:, :2]
    return bool(((points >= 0) & (points < (pixels.shape[1], pixels.shape[0]))).all())


def _settle(shape: tuple[int, ...], edit: Edit, candidates: Iterable[_Candidate], nearest: float) -> Edit:
    """The edit with its donors, best first, or with the reason why it has none."""
    candidates = sorted(candidates, key=lambda candidate: candidate.penalty)
    good = [candidate.donor for candidate in candidates if not candidate.why_not]
    if good:
        return replace(widen(shape, edit), donors=(*edit.donors, *good[:MOST_DONORS]))
    if edit.donors:
        return edit
    if candidates:
        iris = next((candidate.iris for candidate in candidates if candidate.iris is not None), None)
        took = "" if iris is None else "only their colour"
        words = f"{took or 'nothing'} was taken from the reference photos: {candidates[0].why_not}"
        return replace(edit, no_donor=words, iris=iris)
    if math.isinf(nearest):
        return replace(edit, no_donor="nothing was taken from the reference photos: they show no face")
    return replace(
        edit,
        no_donor="nothing was taken from the reference photos: nobody in them is clearly this person "
        f"(distance {nearest:.2f}, below {SAME_PERSON:.2f} is needed)",
    )
