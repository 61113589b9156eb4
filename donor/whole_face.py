"""Transplants a face from another photo of a burst onto the same person's head, where the head has hardly moved.

The other photo is registered to this one by the landmarks that no expression moves. Its light is matched, and the two
are joined along a closed seam through the skin, drawn where they differ least.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from face.types import Face, Landmarks
from photo.geometry import fit_similarity, monotone_path, scale_down
from photo.types import Box, FloatArray, Mask, Matrix, Pixels, Region

# ---- transplanting -------------------------------------------------------------------------------------

# calibration: whole-face. Heads turned more than this against each other, in degrees, show different sides: the face
# would look pasted on.
_MOST_TURN = {"yaw": 8.0, "pitch": 9.0, "roll": 12.0}
# calibration: whole-face. What no expression moves may lie this far apart, in eye distances, once one frame is laid
# over the other.
_MOST_MISFIT = 0.045
# calibration: whole-face. So may, on an average, the outlines of the face, and so may the chins: a jaw that dropped
# makes another face.
_MOST_OUTLINE_MISFIT, _MOST_JAW = 0.085, 0.10
# calibration: whole-face. Faces that differ more in size than this were not taken from one spot.
_MOST_SCALE = 1.25
# Lengths in distances of the outer eye corners. The line keeps this far from eyes, brows and lips, and from the
# outline of the face, which is hair and background beyond.
_AROUND_FEATURES, _INSIDE_OUTLINE = 0.10, 0.05
# Beside an eye at the edge of a turned face it may come nearer to the outline.
_BESIDE_CORE = 0.015
# Skin this far from them is plain.
_BARE_FROM = 0.06
# calibration: whole-face. Pictures of faces no larger than this between the eyes tell the place well enough; a
# correction this large is wrong.
_SETTLED_PX, _MOST_SETTLED = 100.0, 0.15
_SETTLE_STEPS, _SETTLE_BLUR = (40, 1e-4), 5
# Half the width over which one frame fades into the other.
_FADE = 0.045
# How far brightness on the line reaches into the face, and how finely the tint of its skin is taken over, in eye
# distances, the coarse first.
_LIGHT_REACH = (1.0, 0.5, 0.25)
_TINT_REACH = (1.0, 0.5, 0.25, 0.12)
_MOST_GAIN = 1.6
# This is fine enough for both: so many pixels between the eyes.
_SPREAD_PX = 80.0
# calibration: frame-detail. A face that was less sharp is sharpened up to so much; more shows its noise.
_MOST_SHARPENING = 1.7
_DETAIL = (0.008, 0.03)
# calibration: frame-detail. Times the median of the detail on plain skin.
_NOISE = 3.0
# calibration: frame-detail. Single pixels that differ from their neighbours by more than so many times what is usual on
# the face are sparks: the sensor's noise, which other light would make brighter.
_SPARKS = 5.0
# calibration: frame-detail. The same for judging frames, in pixels of a face with so many between the eyes.
_DETAIL_PX, _DETAIL_BAND = 128.0, (1.0, 2.5)


@dataclass(frozen=True, eq=False)
class Transplant:
    """A face of another photo, registered and lit for this one: `patch` is uint8 (h, w, 3), the box of `region`."""

    region: Region
    patch: Pixels


def find_obstacle(face: Face, donor: Face) -> str:
    """Return why `donor`, the same person in another photo, cannot replace `face`, as text; empty if it can."""
    turns = {
        "yaw": donor.yaw_degrees - face.yaw_degrees,
        "pitch": donor.pitch_degrees - face.pitch_degrees,
        "roll": donor.roll_degrees - face.roll_degrees,
    }
    if any(abs(turn) > _MOST_TURN[name] for name, turn in turns.items()):
        return "the head is turned otherwise there"
    matrix, misfit = _register(face, donor)
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    if not 1 / _MOST_SCALE < scale < _MOST_SCALE:
        return "the face is of another size there"
    jaw = _measure_errors(donor.landmarks.chin, face.landmarks.chin, matrix)[-1] / face.landmarks.eye_distance_px
    if misfit > _MOST_MISFIT or measure_movement(face, donor) > _MOST_OUTLINE_MISFIT:
        return "the head has moved too much"
    return "the mouth is open otherwise there" if jaw > _MOST_JAW else ""


def measure_movement(face: Face, donor: Face) -> float:
    """Return how far the outlines of `face` and of `donor`, registered to it, lie apart: a mean, in eye distances."""
    matrix, _ = _register(face, donor)
    errors = _measure_errors(donor.landmarks.oval, face.landmarks.oval, matrix)
    return float(errors.mean() / face.landmarks.eye_distance_px)


def transplant_face(pixels: Pixels, face: Face, other: Pixels, donor: Face) -> Transplant | None:
    """Return the face `donor` of the photo `other` as it replaces `face` of the photo `pixels`.

    Both photos are uint8 (H, W, 3) RGB and not written to. None where no seam fits around the features, as when the
    face is cut off.
    """
    eye_distance = face.landmarks.eye_distance_px
    box = _face_box(face).clipped(pixels.shape[1], pixels.shape[0])
    if box is None:
        return None
    corner = np.array([box.left, box.top], np.float64)
    here = pixels[box.slices].astype(np.float32)
    size = (box.width, box.height)
    own = face.landmarks.points[:, :2] - corner
    matrix, _ = _register(face, donor)
    matrix[:, 2] -= corner
    matrix = _refine(matrix, here, other, _move(face.landmarks, own))
    warped = cv2.warpAffine(other, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    there = np.asarray(warped, np.uint8)
    covered = cv2.warpAffine(np.ones(other.shape[:2], np.uint8), matrix, size) > 0
    foreign = donor.landmarks.points[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    parts = _find_parts(_move(face.landmarks, own), _move(donor.landmarks, foreign), covered, eye_distance)
    lit = _match_light(_remove_sparks(there, parts), here, parts, eye_distance)
    inside = _shrink(parts.face, _INSIDE_OUTLINE * eye_distance)
    inside |= parts.core & _shrink(parts.face, _BESIDE_CORE * eye_distance)
    line = draw_line(here, lit, parts.core, inside, max(_FADE / 1.5 * eye_distance, 0.8))
    if line is None:
        return None
    alpha = fade_over(line, covered.shape, max(_FADE * eye_distance, 1.0))
    seam = (4 * alpha * (1 - alpha)).astype(np.float32)
    painted = lit + _spread(here - lit, seam, _LIGHT_REACH, eye_distance)
    mixed = here + alpha[..., None] * (painted - here)
    patch = np.where(alpha[..., None] > 0, np.rint(np.clip(mixed, 0, 255)), here).astype(np.uint8)
    return Transplant(Region(box, alpha), patch)


def measure_detail(pixels: Pixels, face: Face) -> float:
    """Return the strength of a face's fine detail over its brightness; comparable between photos of one person.

    `pixels` uint8 (H, W, 3). Faces with more than 128 px between the eyes are reduced to that size first.
    """
    box = _face_box(face).clipped(pixels.shape[1], pixels.shape[0])
    if box is None:
        return 0.0
    scale = min(1.0, _DETAIL_PX / face.landmarks.eye_distance_px)
    gray = cv2.cvtColor(pixels[box.slices], cv2.COLOR_RGB2GRAY).astype(np.float32)
    gray = np.asarray(cv2.resize(gray, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.float32)
    oval = (face.landmarks.oval[:, :2] - (box.left, box.top)) * scale
    within = _fill(gray.shape, oval.astype(np.float32))
    if not within.any():
        return 0.0
    band = _blur(gray, _DETAIL_BAND[0]) - _blur(gray, _DETAIL_BAND[1])
    # A high percentile: edges count, single glints and noise hardly do.
    return float(np.percentile(np.abs(band[within]), 90) / max(float(gray[within].mean()), 1.0))


def _face_box(face: Face) -> Box:
    """The box around the face with a margin; it may reach beyond the photo."""
    return Box.around(face.landmarks.oval).padded(0.1)


def _rigid_points(marks: Landmarks) -> Matrix:
    """The landmarks that no expression moves: corners of the eyes and ridge of the nose, (n, 2)."""
    eyes = [corner for eye in marks.eyes for corner in (eye.outer_corner, eye.inner_corner)]
    return np.array([*eyes, *marks.nose[:7]], np.float64)[:, :2]


def _register(face: Face, donor: Face) -> tuple[Matrix, float]:
    """The similarity (2, 3) from the donor's photo to the face's, and its mean error in eye distances."""
    points, places = _rigid_points(donor.landmarks), _rigid_points(face.landmarks)
    matrix = fit_similarity(points, places)
    return matrix, float(_measure_errors(points, places, matrix).mean() / face.landmarks.eye_distance_px)


def _measure_errors(points: NDArray[Any], places: NDArray[Any], matrix: Matrix) -> Matrix:
    """Distances (n,) in pixels of `points` (n, 2 or 3), mapped by `matrix`, from `places`."""
    moved = points[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    return np.linalg.norm(moved - places[:, :2], axis=1)


def _move(marks: Landmarks, xy: NDArray[Any]) -> Landmarks:
    """The landmarks at other positions (n, 2), with the depths they have."""
    points = marks.points.copy()
    points[:, :2] = xy
    return Landmarks(points)


def _feature_outlines(marks: Landmarks) -> list[FloatArray]:
    """Points whose convex hulls hold eyes with brows, lips, and the part from nose to upper lip."""
    eyes = marks.eyes
    return [
        *(np.concatenate([eye.brow_upper, eye.lower]) for eye in eyes),
        marks.lips,
        np.concatenate([marks.nose[2:], marks.lips[:10]]),
    ]


def _refine(matrix: Matrix, here: FloatArray, other: Pixels, marks: Landmarks) -> Matrix:
    """The `matrix` (2, 3) from `other` to `here`, refined so that the pixels agree best; `marks` are those of `here`.

    Landmarks of closed and of open eyes lie differently; skin, brows, nose and glasses show the position better.
    Source of the method: Evangelidis and Psarakis, "Parametric Image Alignment Using Enhanced Correlation
    Coefficient Maximization", 2008. Where the result is implausible the matrix stays as it is.
    """
    eye_distance = marks.eye_distance_px
    scale = min(1.0, _SETTLED_PX / eye_distance)
    grow = np.diag([scale, scale, 1.0])
    first = np.vstack([matrix, [0, 0, 1]])
    gray = cv2.resize(here, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).mean(axis=2)
    height, width = gray.shape
    theirs = cv2.warpAffine(other, (grow @ first)[:2], (width, height), flags=cv2.INTER_AREA).mean(axis=2)
    changing = [np.concatenate([eye.upper, eye.lower]) for eye in marks.eyes]
    moving = [_fill((height, width), part * scale) for part in (*changing, marks.lips)]
    unmoved = _fill((height, width), marks.oval * scale)
    unmoved &= ~_grow(np.any(moving, axis=0), _AROUND_FEATURES * eye_distance * scale)
    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, *_SETTLE_STEPS)
    try:
        _, shift = cv2.findTransformECC(
            gray.astype(np.float32), theirs.astype(np.float32), np.eye(2, 3, dtype=np.float32),
            cv2.MOTION_AFFINE, stop, unmoved.astype(np.uint8), _SETTLE_BLUR,
        )  # fmt: skip
    except cv2.error:  # it did not converge
        return matrix
    refined = np.linalg.inv(grow) @ np.linalg.inv(np.vstack([shift, [0, 0, 1]])) @ grow @ first
    back = np.linalg.inv(first)[:2]
    outline = marks.oval[:, :2] @ back[:, :2].T + back[:, 2]
    errors = _measure_errors(outline, marks.oval, refined[:2])
    return refined[:2] if errors.max() < _MOST_SETTLED * eye_distance else matrix


@dataclass(frozen=True, eq=False)
class _Parts:
    """Masks of the parts of both faces, registered to each other; each bool (h, w).

    `face` is inside both outlines and both photos, `bare` is its plain skin, `lips` what is lips in both, `core` one
    closed shape around eyes, brows, nose and mouth of both, which the seam has to enclose.
    """

    face: Mask
    bare: Mask
    lips: Mask
    core: Mask


def _find_parts(own: Landmarks, foreign: Landmarks, covered: Mask, eye_distance: float) -> _Parts:
    """The parts of the two faces; `covered` is True where the other photo has pixels."""
    shape = covered.shape
    both = (own, foreign)
    outlines = [part for marks in both for part in _feature_outlines(marks)]
    face = covered & _fill(shape, own.oval) & _fill(shape, foreign.oval)
    features = np.any([_fill(shape, outline) for outline in outlines], axis=0)
    lips = np.all([_fill(shape, marks.lips) & ~_fill(shape, marks.lips_inner) for marks in both], axis=0)
    core = _fill(shape, np.concatenate([outline[:, :2] for outline in outlines]))
    return _Parts(
        face=face,
        bare=face & ~_grow(features, _BARE_FROM * eye_distance),
        lips=face & lips,
        core=_grow(core, _AROUND_FEATURES * eye_distance),
    )


def _fill(shape: tuple[int, ...], outline: FloatArray) -> Mask:
    """Mask of the convex hull of an outline (n, 2 or 3), bool of `shape` (h, w)."""
    mask = np.zeros(shape, np.uint8)
    hull = cv2.convexHull(np.ascontiguousarray(outline[:, :2], np.float32))
    cv2.fillConvexPoly(mask, np.round(hull).astype(np.int32), (1,))
    return mask.astype(bool)


def _grow(mask: Mask, radius: float) -> Mask:
    return np.asarray(cv2.dilate(mask.astype(np.uint8), _disk(radius)), bool)


def _shrink(mask: Mask, radius: float) -> Mask:
    return np.asarray(cv2.erode(mask.astype(np.uint8), _disk(radius)), bool)


def _disk(radius: float) -> NDArray[np.uint8]:
    size = 2 * max(round(radius), 1) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)), np.uint8)


def _remove_sparks(there: Pixels, parts: _Parts) -> FloatArray:
    """`there` without single pixels much lighter or darker than their neighbours, float32 (h, w, 3)."""
    calm = cv2.medianBlur(there, 3).astype(np.float32)
    away = np.abs(there - calm).max(axis=2)
    usual = float(np.median(away[parts.face])) if parts.face.any() else 0.0
    return np.where((away > _SPARKS * max(usual, 1.0))[..., None], calm, there).astype(np.float32)


def _match_light(there: FloatArray, here: FloatArray, parts: _Parts, eye_distance: float) -> FloatArray:
    """`there` with the exposure, the sharpness and the tint of skin and lips of `here`; both float32 (h, w, 3)."""
    if not parts.bare.any():
        return there
    skins = [np.median(picture[parts.bare], axis=0) for picture in (here, there)]
    lit = there * np.clip(skins[0] / np.maximum(skins[1], 1.0), 1 / _MOST_GAIN, _MOST_GAIN)
    lit = _match_detail(lit.astype(np.float32), here, parts, eye_distance)
    known = _blur((parts.bare | parts.lips).astype(np.float32), _TINT_REACH[-1] / 10 * eye_distance)
    return lit + _spread(_tint(here) - _tint(lit), known, _TINT_REACH, eye_distance)


def _match_detail(there: FloatArray, here: FloatArray, parts: _Parts, eye_distance: float) -> FloatArray:
    """`there`, sharpened as far as it has less fine detail than `here`, its noise left as it is; both (h, w, 3)."""
    fine, coarse = (max(size * eye_distance, 0.5) for size in _DETAIL)
    details = [_blur(picture, fine) - _blur(picture, coarse) for picture in (there, here)]
    theirs, ours = (float(detail[parts.core].std()) for detail in details)
    gain = min(max(ours / max(theirs, 1e-6), 1.0), _MOST_SHARPENING)
    # What is no stronger than on plain skin is noise.
    noise = _NOISE * float(np.median(np.abs(details[0][parts.bare])))
    clear = np.sign(details[0]) * np.maximum(np.abs(details[0]) - noise, 0)
    return np.asarray(there + (gain - 1) * clear, np.float32)


def _spread(difference: FloatArray, weight: FloatArray, reaches: tuple[float, ...], eye_distance: float) -> FloatArray:
    """`difference` (h, w, 3), known where `weight` (h, w) 0 … 1 is high, interpolated smoothly everywhere."""
    height, width = weight.shape
    # The result is smooth, so for a large face a reduced picture will do.
    scale = min(1.0, _SPREAD_PX / eye_distance)
    known = scale_down(weight, scale)
    weighed = scale_down(difference * weight[..., None], scale)
    spread = np.zeros_like(weighed)
    for reach in reaches:
        sigma = reach * eye_distance * scale / 2
        near = _blur(np.asarray(known, np.float32), sigma)
        remainder = _blur(np.asarray(weighed - spread * known[..., None], np.float32), sigma)
        # At this scale nothing is known here: coarser ones decide.
        confidence = near / (near + 0.25 * float(near.max()))
        spread = spread + (confidence / np.maximum(near, 1e-6))[..., None] * remainder
    return np.asarray(cv2.resize(spread, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)


def _blur(picture: FloatArray, sigma: float) -> FloatArray:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.float32)


def _tint(picture: FloatArray) -> FloatArray:
    """The colours (h, w, 3) minus their brightness."""
    return picture - picture.mean(axis=2, keepdims=True)


# ---- the seam ------------------------------------------------------------------------------------------

# The line is looked for on so many rays from the middle, at so many places on each, and moves by at most so many places
# from ray to ray.
_RAYS, _PLACES, _BEND = 180, 40, 2
# From the middle to where the inside ends it is at least so much of the way to where the core does.
_LEAST_ROOM = 0.75
# What lies farther out is a little cheaper: more then comes from one picture.
_OUTWARD = 6.0
# What a slope of one gray level in each channel costs beside a difference of one.
_EDGES = 2.0


def draw_line(here: FloatArray, there: FloatArray, core: Mask, inside: Mask, soft_px: float) -> FloatArray | None:
    """Return the closed line around `core` and within `inside` along which two pictures differ least.

    float32 (rays, 2), x and y. `here` and `there` are float32 (h, w, 3), the masks bool (h, w); detail finer than
    `soft_px` is ignored. The line is found by dynamic programming over rays from the middle of the core, an idea of
    Efros and Freeman, "Image Quilting", 2001. It cuts off a little of the core where that is not all inside; None where
    it would cut off much.
    """
    calm = [cv2.GaussianBlur(picture, (0, 0), soft_px) for picture in (here, there)]
    difference = np.abs(calm[0] - calm[1]).sum(axis=2)
    slopes = [np.hypot(*np.gradient(picture.sum(axis=2))) for picture in calm]
    price = (difference + _EDGES * np.maximum(*slopes)).astype(np.float32)
    rows, columns = np.nonzero(core)
    middle = np.array([columns.mean(), rows.mean()])
    angles = np.linspace(0, 2 * np.pi, _RAYS, endpoint=False)
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    reach = np.arange(0, max(here.shape[:2]), dtype=np.float64)
    ray = middle + reach[None, :, None] * directions[:, None]
    inner = _last_inside(core, ray)
    outer = _first_outside(inside, ray)
    if (outer < np.maximum(_LEAST_ROOM * inner, 3)).any():
        return None
    inner = np.minimum(inner, outer - 2)
    fraction = np.linspace(0, 1, _PLACES)
    radius = inner[:, None] + (outer - inner)[:, None] * fraction
    places = middle + radius[..., None] * directions[:, None]
    costs = _sample(price, places) + _OUTWARD * (1 - fraction)
    return places[np.arange(_RAYS), _shortest_ring(costs)].astype(np.float32)


def _last_inside(mask: Mask, ray: Matrix) -> Matrix:
    """The index of the last place on each ray (rays, places, 2) that is in the mask, (rays,)."""
    seen = _sample(mask.astype(np.float32), ray) > 0.5
    return (ray.shape[1] - 1 - np.argmax(seen[:, ::-1], axis=1)).astype(np.float64)


def _first_outside(mask: Mask, ray: Matrix) -> Matrix:
    """The index of the first place on each ray (rays, places, 2) that is not in the mask, (rays,)."""
    seen = _sample(mask.astype(np.float32), ray) < 0.5
    return np.argmax(seen, axis=1).astype(np.float64)


def _sample(plane: FloatArray, places: Matrix) -> FloatArray:
    """`plane` (h, w) at places (rays, places, 2), interpolated; 0 outside."""
    x, y = (np.ascontiguousarray(places[..., i], np.float32) for i in (0, 1))
    return np.asarray(cv2.remap(plane, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT), np.float32)


def _shortest_ring(costs: Matrix) -> NDArray[np.intp]:
    """The index of the place on each ray, (rays,), of the cheapest closed path; `costs` are float64 (rays, places)."""
    # A path over three rounds has forgotten its free ends in the second: there the cheapest ring passes, too.
    start = int(monotone_path(-np.concatenate([costs, costs, costs]), _BEND)[len(costs)])
    return monotone_path(-costs, _BEND, start=start)


def fade_over(line: FloatArray, shape: tuple[int, ...], half_width_px: float) -> FloatArray:
    """Return an alpha of `shape` (h, w), float32: 1 inside the closed line (n, 2), 0 outside, with a soft edge.

    The edge lies over the line and is twice `half_width_px` wide.
    """
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [np.round(line * 16).astype(np.int32)], (1,), shift=4)
    within = cv2.distanceTransform(mask, cv2.DIST_L2, 5) - cv2.distanceTransform(1 - mask, cv2.DIST_L2, 5)
    # The distances count to the middle of the next pixel beyond, the line runs between the two.
    within = within - 0.5 * np.sign(within)
    ramp = np.clip(0.5 + within / (2 * half_width_px), 0.0, 1.0)
    return (ramp * ramp * (3 - 2 * ramp)).astype(np.float32)
