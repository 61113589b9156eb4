"""Decide which eyes to open, and draw the mask of the part of the face that opening them changes.

How an eye is judged: its closedness (0 wide open … 1 shut) combines the geometry of the lids with the landmarker's own
blink score, because each alone takes laughing eyes for closed ones. Both eyes of a face are then judged together: lids
move as a pair, so a nearly closed eye beside a clearly closed one counts as closed, too. What that means for the hard
cases:

- Eyes narrowed by a laugh, half open or looking down stay as they are: they belong to the expression.
- Eyes that may be closed or only lowered, narrowed by a laugh, half shut or in the shadow of a few pixels are left, and
  so are both beside a hand over one; the report says that it is not sure; `--eyes always` opens them.
- One eye shut and the other open is opened. It may be a wink, but whoever runs this program wants open eyes; the report
  on the open eye says so, and `--no-eyes` or `--faces` keep a wink.
- Eyes behind dark glasses or under something else, eyes of a few pixels and those of a head in profile stay as they
  are: an open eye there would be a guess. Where one eye of a closed pair is visible and has to stay closed, both do.
- Of an eye that the photo's edge cuts off, the visible part opens if the other eye does; by itself it stays closed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from edit.options import EyeOptions, Options, Wish
from edit.plan import Edit, Intent, Skip
from edit.reasons import Cause, Reason
from face.analysis import FaceAnalysis
from face.expression import CLOSED, NARROW, NARROWING_SMILE, NEARLY_CLOSED, Doubt
from face.eye_geometry import landmarks_in_frame
from face.types import EYES, EyeFrame, Face, Feature
from photo.blend import draw_mask, smoothstep
from photo.errors import BadOption
from photo.geometry import scale_size
from photo.types import Box, Matrix, Region

# calibration: face-size. Distance of the outer corners, in space. Below, an iris has fewer than 3 px and decisions
# contradict each other.
_LEAST_EYE_DISTANCE_PX = 24.0
# calibration: head-turn. Beyond, the nose hides part of the far eye, and opening the near one alone would make a wink.
_MOST_YAW_DEGREES = 36.0

_DOUBTS = {
    Doubt.LAUGHING: Reason.UNSURE_LAUGHING,
    Doubt.LOWERED: Reason.UNSURE_LOWERED,
    Doubt.HALF_SHUT: Reason.UNSURE_HALF_SHUT,
    Doubt.CRYING: Reason.UNSURE_CRYING,
    Doubt.ASLEEP: Reason.UNSURE_ASLEEP,
    Doubt.SMALL: Reason.UNSURE_SMALL,
    Doubt.BLURRED: Reason.UNSURE_BLURRED,
}

# The region in units of the eye frame: below and above the lash line, beyond the outer and the inner corner. Real
# lashes, and a line drawn along them, reach further than rendered ones.
_BELOW, _BELOW_REAL = 0.72, 0.75
_ABOVE = 1.3
_BEYOND_OUTER, _BEYOND_OUTER_REAL = 0.72, 0.85
_BEYOND_INNER = 0.3
_BROW_GAP = 0.1
_RIM = 0.25
# Higher means a fuller outline; 2 is an ellipse.
_OUTLINE_POWER = 2.4
# Of the gap between the two eyes each region takes less than half, so they never meet.
_FRACTION_OF_GAP = 0.45
# The mask is drawn with about this many pixels per unit of the eye frame, then scaled to the photo.
_DRAWN_UNIT_PX = 40.0
_OUTLINE_POINTS = 33


def plan_eyes(
    analyses: Sequence[FaceAnalysis], options: Options, on_step: Callable[[], None] = lambda: None
) -> tuple[list[Intent], list[Skip]]:
    """Return the eyes to open, and those left as they are with their causes.

    Every eye of every face is in exactly one of the lists. `measured` is the closedness. `on_step` is called before
    every face; what it raises ends the work. Raises MissingModel, and
    BadOption when `options.faces` names a face that was not found.
    """
    check_face_numbers([analysis.face for analysis in analyses], options)
    intents: list[Intent] = []
    skips: list[Skip] = []
    for analysis in analyses:
        on_step()
        closed = _find_wanted(analysis, options)
        causes = _find_causes(analysis, closed, options)
        amount = float(options.choose_for(analysis.face.number).eye_opening or 0.0)
        goal_fraction = min(1.0, amount / EyeOptions().opening)
        for feature in EYES:
            measured, cause = analysis.closedness[feature], causes[feature]
            if cause is not None:
                skips.append(Skip(analysis.face, feature, cause, measured, CLOSED))
            else:
                threshold = next((least for least in (CLOSED, NEARLY_CLOSED) if measured >= least), NARROW)
                intents.append(Intent(analysis, feature, measured, threshold, amount, goal_fraction))
    return intents, skips


def check_face_numbers(faces: Sequence[Face], options: Options) -> None:
    """Raise BadOption when `options.faces` names a face that was not found, unless no face was found at all."""
    unknown = sorted(set(options.faces or ()) - {face.number for face in faces})
    if unknown and faces:
        found = "1 face was found, number 1" if len(faces) == 1 else f"{len(faces)} faces were found, 1 to {len(faces)}"
        raise BadOption(f"--faces names face {unknown[0]}, but {found}.")


def _find_wanted(analysis: FaceAnalysis, options: Options) -> frozenset[Feature]:
    """The eyes that count as closed; where the user wants eyes opened always and none is closed, the narrow ones."""
    closed = analysis.closed
    if options.choose_for(analysis.face.number).eyes is Wish.ALWAYS and not closed:
        return frozenset(feature for feature in EYES if analysis.closedness[feature] >= NARROW)
    return closed


def _find_causes(analysis: FaceAnalysis, closed: frozenset[Feature], options: Options) -> dict[Feature, Cause | None]:
    """Why each eye is left as it is; None when it is to be opened."""
    causes = {feature: _find_cause(analysis, feature, closed, options) for feature in EYES}
    inside = {feature: analysis.eye(feature).fraction_inside for feature in EYES}
    for feature in closed:
        cause = causes[feature]
        if cause and cause.reason is Reason.CUT_OFF and causes[feature.other_eye] is None and inside[feature] > 0:
            # Its landmarks alone would be a guess; beside an eye that is opened, its visible part opens, too.
            causes[feature] = None
    own = dict(causes)
    for feature, other in (EYES, EYES[::-1]):
        cause = own[other]
        if own[feature] is not None or other not in closed or cause is None or inside[other] == 0:
            continue
        if cause.reason is not Reason.NO_LASH_LINE:
            causes[feature] = Cause(Reason.OTHER_STAYS_CLOSED)
        elif options.choose_for(analysis.face.number).eyes is not Wish.ALWAYS:
            # An eye under a hand may well be open; but whoever holds something over an eye may close the other, too.
            causes[feature] = Cause(Reason.UNSURE_COVERED)
    return causes


def _find_cause(analysis: FaceAnalysis, feature: Feature, closed: frozenset[Feature], options: Options) -> Cause | None:
    """Why an eye is left as it is, regardless of the other one; None when it may be opened."""
    face, eye = analysis.face, analysis.eye(feature)
    if options.choose_for(face.number).eyes is Wish.NEVER:
        return Cause(Reason.SWITCHED_OFF, {"what": "opening eyes"})
    if options.faces is not None and face.number not in options.faces:
        return Cause(Reason.NOT_CHOSEN)
    distance = face.landmarks.eye_distance_3d_px
    if distance < _LEAST_EYE_DISTANCE_PX:
        return Cause(Reason.TOO_SMALL, {"distance": distance, "least": _LEAST_EYE_DISTANCE_PX})
    if eye.fraction_inside < 1:
        return Cause(Reason.CUT_OFF)
    if feature not in closed:
        return Cause(_name_openness(analysis, feature, closed))
    if options.choose_for(face.number).eyes is not Wish.ALWAYS and analysis.doubt is not None:
        return Cause(_DOUBTS[analysis.doubt])
    if abs(face.yaw_degrees) > _MOST_YAW_DEGREES:
        return Cause(Reason.TURNED_AWAY, {"degrees": abs(face.yaw_degrees)})
    if eye.is_under_dark_glass:
        return Cause(Reason.UNDER_DARK_GLASS)
    if eye.lacks_lash_line:
        return Cause(Reason.NO_LASH_LINE)
    if options.choose_for(face.number).eyes is Wish.ALWAYS:
        return None
    if analysis.looks_of_stone:
        return Cause(Reason.UNSURE_STONE)
    return Cause(Reason.UNSURE_COVERED) if any(map(analysis.has_hand_over, EYES)) else None


def _name_openness(analysis: FaceAnalysis, feature: Feature, closed: frozenset[Feature]) -> Reason:
    """Why an eye does not count as closed."""
    if closed:
        return Reason.OPEN_BESIDE_CLOSED
    if feature in analysis.disputed:
        return Reason.UNSURE_READINGS
    if analysis.closedness[feature] < NEARLY_CLOSED:
        return Reason.OPEN
    return Reason.NARROWED_BY_SMILE if analysis.face.smile > NARROWING_SMILE else Reason.LOWERED


def eye_region(shape: tuple[int, ...], face: Face, feature: Feature, *, has_real_lashes: bool = False) -> Region | None:
    """Return the soft mask of one eye, from under the lashes to just below the brow, inside the face's outline.

    None when it lies outside the photo. `shape` is the photo's (H, W, …). With real lashes, from a donor, it extends a
    little further past the outer corner and below the lash line. Alpha is 1 in the middle and falls smoothly to exactly
    0 at the rim.
    """
    frame = face.eye_frame(feature)
    margins = (_BEYOND_OUTER_REAL, _BELOW_REAL) if has_real_lashes else (_BEYOND_OUTER, _BELOW)
    outline = _outline(face, feature, frame, *margins)
    low, high = np.floor(outline.min(axis=0)).astype(int) - 2, np.ceil(outline.max(axis=0)).astype(int) + 3
    box = Box(int(low[0]), int(low[1]), int(high[0]), int(high[1]))
    scale = _DRAWN_UNIT_PX / frame.half_width_px
    size = scale_size(box.width, box.height, scale, least_px=3)
    inside = _fill(outline, box, size) & _fill(face.landmarks.hull.astype(np.float64), box, size)
    # The outermost pixels are 0, also where the outline touches the box.
    inside[[0, -1]] = 0
    inside[:, [0, -1]] = 0
    depth = cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) / (_RIM * _DRAWN_UNIT_PX)
    soft = smoothstep(0.0, 1.0, depth)
    shrinks = scale > 1.0
    alpha = cv2.resize(soft, (box.width, box.height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    part = box.clipped(shape[1], shape[0])
    if part is None:
        return None
    rows = slice(part.top - box.top, part.bottom - box.top)
    columns = slice(part.left - box.left, part.right - box.left)
    return Region(part, np.ascontiguousarray(np.clip(alpha[rows, columns], 0, 1), dtype=np.float32))


def eyes_mask(shape: tuple[int, ...], edits: Iterable[Edit]) -> NDArray[np.uint8]:
    """Return the mask of all edited eyes, uint8 (H, W), 0 keep … 255 repaint; `shape` is the photo's (H, W, …)."""
    return draw_mask(shape, (edit.region for edit in edits if edit.feature in EYES))


def _outline(face: Face, feature: Feature, frame: EyeFrame, beyond_outer: float, below: float) -> Matrix:
    """The region's outline in photo pixels, float64 (n, 2): a superellipse bent along the lash line, below the brow."""
    eye = face.eye(feature)
    other = face.eye(feature.other_eye)
    gap = float(np.linalg.norm((eye.inner_corner - other.inner_corner)[:2]) / np.linalg.norm(frame.x_axis))
    left, right = -1.0 - beyond_outer, 1.0 + min(_BEYOND_INNER, _FRACTION_OF_GAP * gap)
    x = np.linspace(left, right, _OUTLINE_POINTS)
    fullness = (1.0 - np.abs(np.linspace(-1.0, 1.0, _OUTLINE_POINTS)) ** _OUTLINE_POWER) ** (1.0 / _OUTLINE_POWER)
    lids = np.column_stack(landmarks_in_frame(frame, (eye.upper + eye.lower) / 2)).astype(np.float64)
    brow = np.column_stack(landmarks_in_frame(frame, eye.brow_lower)).astype(np.float64)
    lash_line, under_brow = _curve(x, lids), _curve(x, brow) - _BROW_GAP
    height = np.minimum(_ABOVE, np.maximum(under_brow - lash_line, 0.1))
    top, bottom = lash_line + height * fullness, lash_line - below * fullness
    around = frame.to_photo(np.concatenate([x, x[::-1]]), np.concatenate([top, bottom[::-1]]))
    return np.column_stack(around).astype(np.float64)


def _curve(x: Matrix, points: Matrix) -> Matrix:
    """Height at each x of the curve through `points` float64 (n, 2); level beyond its ends."""
    order = np.argsort(points[:, 0])
    return np.interp(x, points[order, 0], points[order, 1])


def _fill(outline: Matrix, box: Box, size: tuple[int, int]) -> NDArray[np.uint8]:
    """The inside of an outline in photo pixels: uint8, 0 or 255, with `size` (columns, rows) pixels for `box`."""
    scale = np.array([size[0] / box.width, size[1] / box.height])
    points = (outline - (box.left, box.top)) * scale - 0.5
    canvas = np.zeros((size[1], size[0]), np.uint8)
    cv2.fillPoly(canvas, [np.round(points * 16).astype(np.int32)], (255,), shift=4)
    return canvas
