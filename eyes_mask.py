"""Decides which eyes are closed, and outlines the part of the face that opening them changes.

How an eye is judged: its closedness (0 wide open … 1 shut) joins the geometry of the lids with the landmarker's own
blink score, because either alone calls laughing eyes closed. Both eyes of a face are then decided together: lids move
as a pair, so an eye that is nearly closed beside one that clearly is counts as closed too. What that means for the
hard cases:

- Eyes narrowed by a laugh, half open or looking down stay as they are: they belong to the expression.
- One eye shut and the other open is opened. It may be a wink, but whoever runs this program asks for open eyes; the
  skip of the open eye says so, and `--no-eyes` or `--faces` keep a wink.
- Dark glasses, eyes under a hand, eyes of a few pixels and the eyes of a head in profile stay as they are: what would
  be painted there is a guess. Where one eye of a closed pair is seen and has to stay closed, both do.
- Of an eye that the photo's edge cuts off, what is seen opens if the other eye does; it alone decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
from numpy.typing import NDArray

from edit.options import Options
from edit.plan import Edit, Skip
from face.expression import CLOSED, NEARLY_CLOSED, find_closed, measure_closedness
from face.eye_geometry import landmarks_in_frame
from face.occlusion import is_under_dark_glass, lacks_lash_line
from face.search import find_faces
from face.types import EYES, EyeFrame, Face, Feature
from photo.blend import draw_mask, smoothstep
from photo.errors import BadOption
from photo.geometry import scale_down, scale_size
from photo.types import Box, Matrix, Pixels, Region

# Narrow and half open eyes, which are opened only when asked for this face; wide open ones stay below.
_NARROW = 0.35
# From here up to CLOSED a second look is taken, at the mirrored face, this much larger than its landmarks.
_CLOSE_CALL = 0.42
_MIRROR_PAD = 0.4
# On smaller faces two views differ by chance, and the more closed one would open lowered eyes.
_MIRROR_LEAST_EYE_DISTANCE_PX = 38.0
_MIRROR_SIDE_PX = 480

# Distance of the outer corners, in space. Below, an iris has fewer than 3 px and decisions contradict each other.
_LEAST_EYE_DISTANCE_PX = 24.0
# Beyond, the nose hides part of the far eye, and opening the near one alone would make a wink.
_MOST_YAW_DEGREES = 36.0
_CUT_OFF = "it is cut off by the edge of the photo"
_HIDDEN = "no lash line is seen there: a hand or hair may lie over it"

# The region in units of the eye frame: below and above the lash line, beyond the outer and the inner corner.
_BELOW = 0.72
_ABOVE = 1.3
_BEYOND_OUTER = 0.72
_BEYOND_INNER = 0.3
_BROW_GAP = 0.1
_RIM = 0.25
# Higher means a fuller outline; 2 is an ellipse.
_OUTLINE_POWER = 2.4
# Of the gap between the two eyes each region takes less than half, so they never meet.
_SHARE_OF_GAP = 0.45
# The mask is drawn with about so many pixels to the unit, then scaled to the photo.
_DRAWN_UNIT_PX = 40.0
_OUTLINE_POINTS = 33


def plan_eyes(pixels: Pixels, faces: tuple[Face, ...], options: Options) -> tuple[list[Edit], list[Skip]]:
    """Return the eyes to open and those left alone, each with its reason.

    `pixels` uint8 (H, W, 3) RGB. Every eye of every face is in exactly one of the lists. `measured` is the closedness.
    Raises BadOption when `options.faces` names a face that is not there.
    """
    check_face_numbers(faces, options)
    edits: list[Edit] = []
    skips: list[Skip] = []
    for face in faces:
        closedness = judge_closedness(pixels, face)
        choice = options.choose_for(face.number)
        closed = find_closed(closedness)
        if choice.eyes and not closed:
            closed = frozenset(feature for feature in EYES if closedness[feature] >= _NARROW)
        is_off = choice.eyes is False
        reasons = {feature: _reason_to_leave(pixels, face, feature, closed, options, is_off) for feature in EYES}
        seen = {feature: face.eye(feature).share_inside(pixels.shape) for feature in EYES}
        for feature in closed:
            if reasons[feature] == _CUT_OFF and reasons[feature.other_eye] is None and seen[feature] > 0:
                # Its landmarks alone would be a guess; beside an eye that is opened, what is seen of it opens, too.
                reasons[feature] = None
        for feature, other in (EYES, EYES[::-1]):
            measured = closedness[feature]
            reason = reasons[feature]
            other_stays_closed = other in closed and reasons[other] not in (None, _HIDDEN)
            if reason is None and other_stays_closed and seen[other] > 0:
                reason = "the other eye has to stay closed, and one open eye would look like a wink"
            region = None if reason else eye_region(pixels.shape, face, feature)
            if region is None:
                skips.append(Skip(face, feature, reason or "it lies outside the photo", measured, CLOSED))
            else:
                threshold = next((least for least in (CLOSED, NEARLY_CLOSED) if measured >= least), _NARROW)
                edits.append(Edit(face, feature, region, measured, threshold, float(choice.eye_opening or 0.0)))
    return edits, skips


def check_face_numbers(faces: tuple[Face, ...], options: Options) -> None:
    """Raise BadOption when `options.faces` names a face that was not found; with no face at all it names none."""
    unknown = sorted(set(options.faces or ()) - {face.number for face in faces})
    if unknown and faces:
        found = "1 face was found, number 1" if len(faces) == 1 else f"{len(faces)} faces were found, 1 to {len(faces)}"
        raise BadOption(f"--faces names face {unknown[0]}, but {found}.")


def judge_closedness(pixels: Pixels, face: Face) -> dict[Feature, float]:
    """Closedness of both eyes; where it is a close call, the face is also looked at in the mirror.

    The landmarker does not see a mirrored face quite alike: behind glasses one view misses what the other sees, while
    narrow and half open eyes stay below `CLOSED` in both. The more closed view counts.
    """
    closedness = {feature: measure_closedness(face, feature) for feature in EYES}
    is_large = face.landmarks.eye_distance_px >= _MIRROR_LEAST_EYE_DISTANCE_PX
    if is_large and _CLOSE_CALL <= max(closedness.values()) < CLOSED:
        mirrored = _look_in_mirror(pixels, face)
        if mirrored is not None:
            closedness = {
                feature: max(value, measure_closedness(mirrored, feature.other_eye))
                for feature, value in closedness.items()
            }
    return closedness


def _look_in_mirror(pixels: Pixels, face: Face) -> Face | None:
    """The face as it is found in its mirrored surroundings, where its right eye is a left one; None when it is not."""
    part = Box.around(face.landmarks.points).padded(_MIRROR_PAD).clipped(pixels.shape[1], pixels.shape[0])
    if part is None:
        return None
    scale = min(1.0, _MIRROR_SIDE_PX / max(part.width, part.height))
    found = find_faces(np.ascontiguousarray(scale_down(pixels[part.slices], scale)[:, ::-1]))
    return max(found, key=lambda other: other.box.width, default=None)


def eye_region(
    shape: tuple[int, ...], face: Face, feature: Feature, *, beyond_outer: float = _BEYOND_OUTER, below: float = _BELOW
) -> Region | None:
    """Return the soft mask of one eye: from under the lashes to just below the brow, inside the face's outline.

    `shape` is the photo's (H, W, …). `beyond_outer` and `below` are how far the region reaches past the outer corner
    and below the lash line, in half eye widths. Alpha is 1 in the middle and falls smoothly to exactly 0 at the rim.
    None when nothing of it lies inside the photo.
    """
    frame = face.eye_frame(feature)
    outline = _outline(face, feature, frame, beyond_outer, below)
    low, high = np.floor(outline.min(axis=0)).astype(int) - 2, np.ceil(outline.max(axis=0)).astype(int) + 3
    box = Box(int(low[0]), int(low[1]), int(high[0]), int(high[1]))
    scale = _DRAWN_UNIT_PX / frame.half_width_px
    size = scale_size(box.width, box.height, scale, least_px=3)
    inside = _fill(outline, box, size) & _fill(face.landmarks.hull.astype(np.float64), box, size)
    # The outermost pixels are the rim's zero, also where the outline touches the box.
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
    return Region(part, np.ascontiguousarray(alpha[rows, columns], dtype=np.float32))


def eyes_mask(shape: tuple[int, ...], edits: Iterable[Edit]) -> NDArray[np.uint8]:
    """Return the mask of all edited eyes as a picture of the whole photo, uint8 (H, W), 0 keep … 255 repaint."""
    return draw_mask(shape, (edit.region for edit in edits if edit.feature in EYES))


def _reason_to_leave(
    pixels: Pixels, face: Face, feature: Feature, closed: frozenset[Feature], options: Options, is_off: bool
) -> str | None:
    """Why an eye is left alone, in words for the user; None when it is to be opened."""
    if is_off:
        return "opening eyes is switched off"
    if options.faces is not None and face.number not in options.faces:
        return "this face was not chosen"
    distance = face.landmarks.eye_distance_3d_px
    if distance < _LEAST_EYE_DISTANCE_PX:
        return (
            f"the face is too small to tell: its outer eye corners are {distance:.0f} px apart, "
            f"{_LEAST_EYE_DISTANCE_PX:.0f} px are needed"
        )
    if face.eye(feature).share_inside(pixels.shape) < 1:
        return _CUT_OFF
    if feature not in closed:
        return _describe_open(face, feature, closed)
    if abs(face.yaw_degrees) > _MOST_YAW_DEGREES:
        return f"the head is turned too far to the side ({abs(face.yaw_degrees):.0f}°)"
    if is_under_dark_glass(pixels, face, feature):
        return "it is covered by something dark, such as sunglasses"
    if lacks_lash_line(pixels, face, feature):
        return _HIDDEN
    return None


def _describe_open(face: Face, feature: Feature, closed: frozenset[Feature]) -> str:
    if closed:
        return "open already; the other eye is closed, as in a wink, and counts as a closed eye"
    if measure_closedness(face, feature) < NEARLY_CLOSED:
        return "open already"
    if face.smile > 0.5:
        return "not closed, only narrowed by the smile"
    return "not closed, only lowered or half open"


def _outline(face: Face, feature: Feature, frame: EyeFrame, beyond_outer: float, below: float) -> Matrix:
    """The region's outline in photo pixels, (n, 2): a full ellipse bent along the lash line, kept below the brow."""
    eye = face.eye(feature)
    other = face.eye(feature.other_eye)
    gap = float(np.linalg.norm((eye.inner_corner - other.inner_corner)[:2]) / np.linalg.norm(frame.x_axis))
    left, right = -1.0 - beyond_outer, 1.0 + min(_BEYOND_INNER, _SHARE_OF_GAP * gap)
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
    """Height of a curve through `points` (n, 2) at each x; level beyond its ends."""
    order = np.argsort(points[:, 0])
    return np.interp(x, points[order, 0], points[order, 1])


def _fill(outline: Matrix, box: Box, size: tuple[int, int]) -> NDArray[np.uint8]:
    """A filled outline in photo pixels, drawn on `size` (columns, rows) pixels that show `box`."""
    scale = np.array([size[0] / box.width, size[1] / box.height])
    points = (outline - (box.left, box.top)) * scale - 0.5
    canvas = np.zeros((size[1], size[0]), np.uint8)
    cv2.fillPoly(canvas, [np.round(points * 16).astype(np.int32)], (255,), shift=4)
    return canvas
