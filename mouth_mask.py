"""Decide which mouths to make smile, and draw the mask of the part of the face that a smile moves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from edit.options import FaceChoice, Options, SmileOptions, Wish
from edit.plan import Edit, Intent, Skip
from edit.reasons import Cause, Reason
from face.analysis import FaceAnalysis
from face.expression import CLEAR_SMILE, LEAST_RESTING, SMILE, SURELY_MOVED, UNSURE_SMILE, MouthDoubt, find_mouth_doubt
from face.model_files import damaged_model, model_bytes
from face.types import Face, Feature, Landmarks
from photo.blend import draw_mask, smoothstep
from photo.geometry import scale_down, scale_size
from photo.types import Box, FloatArray, Pixels, Region

# calibration: smile-windows. Where MediaPipe is unsure, the Haar cascades decide: they detect a smile in at least this
# many windows of an upright face, resized to a square of this side; see `count_smile_windows`.
_SMILE_WINDOWS = 420
_HAAR_SIDE_PX = 200
# Around the lips, in mouth widths: as far as their corners travel in a smile, and the folds beside them.
_LIPS_REACH = 0.32
# That mask is drawn with the mouth at most this wide and then enlarged.
_LIPS_DRAWN_PX = 96.0

# calibration: face-size. Smaller mouths are a few pixels; there the score is a guess.
_LEAST_EYE_DISTANCE_PX = 24.0
# calibration: head-turn. Beyond, the far corner of the mouth is out of sight, and raising the near one alone would make
# a smirk.
_MOST_YAW_DEGREES = 36.0
# calibration: focus. Faces behind the one in focus: their smiles are missed, and a smile painted on one is sharper than
# the face.
_OUT_OF_FOCUS = 0.61
_BESIDE_SHARPEST = 0.735
# calibration: talking. Lips this far apart, in mouth widths, over a jaw that hangs by this score: the person talks,
# sings or yawns, and corners pulled up over an open jaw make a grimace. Slightly open mouths have 0.14 and 0.11 at
# most, singers 0.21 and 0.31.
_TALKING_GAP, _TALKING_JAW = 0.18, 0.22
# Lips this close to the photo's edge, in eye distances, have no room to move.
_EDGE_GAP = 0.02

# The mask is drawn at this many pixels per eye distance and then enlarged: it is smooth, so nothing is lost.
_MASK_PX_PER_EYE_DISTANCE = 120
# The rest in eye distances: keep off the face's outline, and off the lower lids behind glasses; without them the
# lids belong to it, so that it is whole from a little above them on. Width of the soft rim.
_OUTLINE_GAP = 0.018
_LID_GAP = 0.13
_ABOVE_LID = 0.115
_RIM = 0.045
_ROUNDS_AWAY = 0.002
# One half of the face this much narrower than the other is the far half of a turned head; there the rim narrows, down
# to the second number: on a far mouth corner it would leave no room to rise.
_TURNED_RATIO, _LEAST_SHORTENING = 0.75, 0.35
# Below the rim of glasses, and beyond what was seen of it.
_RIM_GAP = 0.03
_RIM_END = 0.05
# How far the moved area reaches from the middle of the mouth: sideways, up, down.
_REACH = (0.74, 1.08, 0.62)


def mouth_region(
    shape: tuple[int, ...], landmarks: Landmarks, rims: Sequence[FloatArray] = (), *, with_lids: bool = True
) -> Region | None:
    """Return the soft mask of everything that a smile moves; None when it lies outside the photo.

    `shape` is the photo's (H, W, …). `rims` are the lower rims of glasses, each float32 (n, 2) in photo pixels; the
    mask leaves out them and everything above. Behind glasses, and without `with_lids`, it leaves out the lower lids,
    too. Alpha is 1 inside and falls smoothly to 0 at the rim, except at the photo's edge.
    """
    right, left = landmarks.right_eye, landmarks.left_eye
    eye_distance = landmarks.eye_distance_3d_px
    mouth = landmarks.lips[[0, 10], :2].mean(0)
    reach = np.hypot(_REACH[0], _REACH[1]) * eye_distance
    full = Box(*(int(v) for v in np.floor([mouth[0] - reach, mouth[1] - reach, mouth[0] + reach, mouth[1] + reach])))
    box = full.clipped(shape[1], shape[0])
    if box is None:
        return None
    scale = min(1.0, _MASK_PX_PER_EYE_DISTANCE / eye_distance)
    columns, rows = scale_size(box.width, box.height, scale, least_px=3)
    size = np.array([columns / box.width, rows / box.height], np.float32)

    def to_mask(points: FloatArray) -> FloatArray:
        return (points[:, :2] - (box.left, box.top) + 0.5) * size - 0.5

    allowed = np.zeros((rows, columns), np.uint8)
    _fill(allowed, to_mask(landmarks.hull), 255)
    across = (left.outer_corner - right.outer_corner)[:2]
    across = across / max(float(np.linalg.norm(across)), 1e-6)
    down = np.array([-across[1], across[0]], np.float32)
    gap = down * (_LID_GAP if rims or not with_lids else -_ABOVE_LID) * eye_distance
    # Everything above a line along both lower lids and across the ridge of the nose is left out.
    line = np.concatenate([right.lower[:, :2] + gap, landmarks.nose[2:3, :2], left.lower[::-1, :2] + gap])
    outward = across * 0.6 * eye_distance
    far_up = -down * 3 * eye_distance
    rim_gap = down * _RIM_GAP * eye_distance
    rim_end = across * _RIM_END * eye_distance
    for edge, beyond in ((line, outward), *((rim[np.argsort(rim @ across)] + rim_gap, rim_end) for rim in rims)):
        edge = np.concatenate([edge[:1] - beyond, edge, edge[-1:] + beyond])
        _fill(allowed, to_mask(np.concatenate([edge, edge[[-1, 0]] + far_up]).astype(np.float32)), 0)
    reach_mask = np.zeros_like(allowed)
    _fill(reach_mask, to_mask(_reach_outline(mouth, across, down, eye_distance)), 255)
    allowed &= reach_mask
    if not allowed.any():
        return None
    far_end, shortening = _measure_far_side(landmarks, across, mouth)
    inside = cv2.distanceTransform(allowed, cv2.DIST_L2, 5) / (scale * eye_distance)
    if shortening < 1.0:
        # From the middle of the mouth to the far outline the rim narrows in proportion to that half of the face.
        x, y = np.meshgrid(np.arange(columns, dtype=np.float32), np.arange(rows, dtype=np.float32))
        middle, far = to_mask(np.stack([mouth, far_end]))
        axis = far - middle
        fraction = ((x - middle[0]) * axis[0] + (y - middle[1]) * axis[1]) / max(float(axis @ axis), 1e-6)
        inside /= 1 - (1 - shortening) * np.clip(fraction, 0, 1)
    faded = smoothstep(_OUTLINE_GAP, _OUTLINE_GAP + _RIM, inside)
    soft = cv2.GaussianBlur(faded, (0, 0), 0.02 * shortening * scale * eye_distance + 0.3) * (inside > 0)
    return _fit_region(box, soft.astype(np.float32), shape)


def _measure_far_side(landmarks: Landmarks, across: FloatArray, mouth: FloatArray) -> tuple[FloatArray, float]:
    """Where the mouth's axis leaves the face on the side that is turned away, float32 (2,), and the narrowing there.

    The narrowing is the width of the far half in ratio to that of the near half, relative to a slightly turned head: 1
    for all that face the camera.
    """
    reach = (landmarks.points[:, :2] - mouth) @ across
    far, near = sorted((float(reach.min()), float(reach.max())), key=abs)
    shortening = float(np.clip(abs(far) / max(abs(near), 1e-6) / _TURNED_RATIO, _LEAST_SHORTENING, 1))
    return np.asarray(mouth + across * far, np.float32), shortening


def donor_mouth_region(shape: tuple[int, ...], landmarks: Landmarks, rims: Sequence[FloatArray]) -> Region | None:
    """Return the soft mask of a mouth that comes from another photo; None when it lies outside the photo.

    It leaves out the lower lids, as those of another photo do not fit. The arguments are those of `mouth_region`.
    """
    region = mouth_region(shape, landmarks, rims)
    below = mouth_region(shape, landmarks, with_lids=False)
    return region if region is None or below is None else _exclude_lids(region, below)


def narrow_to_lips(edit: Edit) -> Edit:
    """Return the edit of a mouth with its region reduced to the lips and the skin close to them (elliptical dilation).

    A smile moves the cheeks, too, but skin that is painted anew there is no longer this person's. The edit of an eye is
    returned itself.
    """
    if edit.feature is not Feature.MOUTH:
        return edit
    box, lips = edit.region.box, edit.face.landmarks.lips[:, :2]
    width = float(np.linalg.norm(lips[0] - lips[10]))
    scale = min(1.0, _LIPS_DRAWN_PX / max(width, 1.0))
    columns, rows = scale_size(box.width, box.height, scale, least_px=3)
    mask = np.zeros((rows, columns), np.uint8)
    _fill(mask, ((lips - (box.left, box.top) + 0.5) * (columns / box.width, rows / box.height) - 0.5), 255)
    reach = max(1, round(_LIPS_REACH * width * scale))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * round(0.7 * reach) + 1))
    inside = cv2.distanceTransform(cv2.dilate(mask, kernel), cv2.DIST_L2, 5) / (0.6 * reach)
    depth = cv2.resize(inside, (box.width, box.height), interpolation=cv2.INTER_LINEAR)
    soft = smoothstep(0.0, 1.0, depth) * edit.region.alpha
    return replace(edit, region=Region(box, soft)) if soft.any() else edit


def _exclude_lids(region: Region, below: Region) -> Region:
    """The region of a mouth, limited to the alpha of `below`, the region without the lower lids."""
    both = region.box.union(below.box)
    alpha = np.zeros((both.height, both.width), np.float32)
    alpha[below.box.shifted(-both.left, -both.top).slices] = below.alpha
    view = alpha[region.box.shifted(-both.left, -both.top).slices]
    return Region(region.box, np.ascontiguousarray(np.minimum(view, region.alpha)))


def _reach_outline(mouth: FloatArray, across: FloatArray, down: FloatArray, eye_distance: float) -> FloatArray:
    """Two half ellipses around the mouth, of `_REACH`, in photo pixels: float32 (64, 2)."""
    turn = np.linspace(0, 2 * np.pi, 64, endpoint=False)[:, None]
    sideways, up, below = _REACH
    vertical = np.where(np.sin(turn) > 0, below, up)
    outline = mouth + eye_distance * (sideways * np.cos(turn) * across + vertical * np.sin(turn) * down)
    return np.asarray(outline, np.float32)


def _fill(mask: NDArray[np.uint8], polygon: FloatArray, value: int) -> None:
    """Fill a polygon (n, 2), in pixels of the mask, with `value`."""
    cv2.fillPoly(mask, [np.round(polygon * 8).astype(np.int32)], (value,), cv2.LINE_8, 3)


def _fit_region(box: Box, soft: FloatArray, shape: tuple[int, ...]) -> Region | None:
    """The mask enlarged to its box, without empty margins; it falls to 0 on all sides but the photo's edge."""
    alpha = np.asarray(cv2.resize(soft, (box.width, box.height), interpolation=cv2.INTER_LINEAR), np.float32)
    # Values that round to 0 or 255 in 8 bits become exactly 0 or 1.
    alpha[alpha < _ROUNDS_AWAY] = 0
    alpha[alpha > 1 - _ROUNDS_AWAY] = 1
    used_rows, used_columns = np.flatnonzero(alpha.any(1)), np.flatnonzero(alpha.any(0))
    if not used_rows.size:
        return None
    used = Box(int(used_columns[0]), int(used_rows[0]), int(used_columns[-1]) + 1, int(used_rows[-1]) + 1)
    alpha = np.pad(alpha[used.slices], 1)
    grown = used.shifted(box.left, box.top).grown(1)
    inside = grown.clipped(shape[1], shape[0])
    if inside is None:
        return None
    top, left = inside.top - grown.top, inside.left - grown.left
    cut = alpha[top : top + inside.height, left : left + inside.width]
    return Region(inside, np.ascontiguousarray(np.clip(cut, 0, 1), np.float32))


_DOUBTS = {
    MouthDoubt.TEETH: Reason.UNSURE_TEETH,
    MouthDoubt.EYES: Reason.UNSURE_MOOD,
    MouthDoubt.BENT: Reason.UNSURE_BENT,
    MouthDoubt.POUT: Reason.UNSURE_POUT,
}


def plan_mouths(
    analyses: Sequence[FaceAnalysis], options: Options, on_step: Callable[[], None] = lambda: None
) -> tuple[list[Intent], list[Skip]]:
    """Return the mouths to make smile, and those left as they are with their causes.

    Every face is in exactly one of the lists. `measured` is MediaPipe's smile score, `threshold` the score that counts
    as a smile on this face. `on_step` is called before every face; what it raises ends the work. Raises MissingModel.
    """
    intents: list[Intent] = []
    skips: list[Skip] = []
    sharpest = max((analysis.sharpness for analysis in analyses), default=0.0) if analyses[1:] else 0.0
    for analysis in analyses:
        on_step()
        face, threshold = analysis.face, SMILE
        choice = options.choose_for(face.number)
        cause = _find_cause_without_pixels(face, options, choice)
        if cause is None:
            threshold = smile_threshold(analysis.pixels, face)
            cause = _find_cause(analysis, threshold, sharpest, always=choice.smile is Wish.ALWAYS)
        if cause is not None:
            skips.append(Skip(face, Feature.MOUTH, cause, face.smile, threshold))
        else:
            amount = float(choice.smile_strength or 0.0)
            goal_fraction = min(1.0, amount / SmileOptions().strength)
            intents.append(Intent(analysis, Feature.MOUTH, face.smile, threshold, amount, goal_fraction))
    return intents, skips


def _find_cause_without_pixels(face: Face, options: Options, choice: FaceChoice) -> Cause | None:
    """Why a mouth is left as it is, by the options and the size of the face; None when it may smile."""
    if choice.smile is Wish.NEVER:
        return Cause(Reason.SWITCHED_OFF, {"what": "making smiles"})
    if choice.smile_strength == 0:
        return Cause(Reason.NO_STRENGTH)
    if options.faces is not None and face.number not in options.faces:
        return Cause(Reason.NOT_CHOSEN)
    distance = face.landmarks.eye_distance_3d_px
    if distance < _LEAST_EYE_DISTANCE_PX:
        return Cause(Reason.TOO_SMALL, {"distance": distance, "least": _LEAST_EYE_DISTANCE_PX})
    return None


def _find_cause(analysis: FaceAnalysis, threshold: float, sharpest: float, *, always: bool) -> Cause | None:
    """Why a mouth is left as it is, else None; `always` includes mouths that smile faintly or are out of focus.

    `sharpest` is the sharpness of the sharpest face of the photo.
    """
    face, shape = analysis.face, analysis.pixels.shape
    if face.smile >= (CLEAR_SMILE if always else threshold):
        return Cause(Reason.SMILING if face.smile >= CLEAR_SMILE else Reason.SMILING_A_LITTLE)
    # A mouth whose lower lip touches the edge can still smile; its corners and the line between the lips must show.
    lips = np.concatenate([face.landmarks.lips[[0, 10], :2], face.landmarks.lips_inner[:, :2]])
    gap = _EDGE_GAP * face.landmarks.eye_distance_3d_px
    if (lips < gap).any() or (lips > np.array(shape[1::-1]) - 1 - gap).any():
        return Cause(Reason.CUT_OFF)
    if _lip_gap(face.landmarks) > _TALKING_GAP and face.blendshapes["jawOpen"] > _TALKING_JAW:
        return Cause(Reason.MOUTH_OPEN)
    if abs(face.yaw_degrees) > _MOST_YAW_DEGREES:
        return Cause(Reason.TURNED_AWAY, {"degrees": abs(face.yaw_degrees)})
    if not always and analysis.sharpness < min(_OUT_OF_FOCUS, _BESIDE_SHARPEST * sharpest):
        return Cause(Reason.OUT_OF_FOCUS)
    if analysis.lips is None or analysis.lips.is_covered:
        return Cause(Reason.MOUTH_COVERED)
    if always:
        return None
    doubt = find_mouth_doubt(face, analysis.doubt)
    if doubt is not None:
        return Cause(_DOUBTS[doubt])
    if analysis.looks_of_stone:
        return Cause(Reason.UNSURE_STONE)
    look = analysis.mouth_look
    if look.moved > SURELY_MOVED:
        return Cause(Reason.UNSURE_MOVED)
    if look.resting < LEAST_RESTING and look.covered > look.moved:
        return Cause(Reason.UNSURE_COVERED)
    has_covered_eye = any(analysis.eye(feature).lacks_lash_line for feature in analysis.closed)
    return Cause(Reason.UNSURE_COVERED) if has_covered_eye or analysis.has_hand_over(Feature.MOUTH) else None


def _lip_gap(landmarks: Landmarks) -> float:
    """Distance between the lips in mouth widths."""
    lips, inner = landmarks.lips, landmarks.lips_inner
    return float(np.linalg.norm(inner[5] - inner[15]) / max(float(np.linalg.norm(lips[10] - lips[0])), 1e-6))


def smile_threshold(pixels: Pixels, face: Face) -> float:
    """Return MediaPipe's smile score from which on this face counts as smiling.

    `pixels` uint8 (H, W, 3). Where the score of the face is between `UNSURE_SMILE` and `SMILE`, the Haar smile cascade
    decides: when it detects a smile in at least `_SMILE_WINDOWS` windows, the lower threshold holds. Raises
    MissingModel.
    """
    if not UNSURE_SMILE <= face.smile < SMILE:
        return SMILE
    return UNSURE_SMILE if count_smile_windows(pixels, face.landmarks) >= _SMILE_WINDOWS else SMILE


def count_smile_windows(pixels: Pixels, landmarks: Landmarks) -> int:
    """Return the number of windows of an upright face in which the Haar smile cascade detects a smile.

    0 without a frontal face. `pixels` uint8 (H, W, 3). The face is resized to a fixed size, on which unsmiling mouths
    get about 150 and grins 400 and more. Raises MissingModel.
    """
    side = _HAAR_SIDE_PX
    right, left = landmarks.right_eye.outer_corner[:2], landmarks.left_eye.outer_corner[:2]
    across = (left - right) / max(float(np.linalg.norm(left - right)), 1e-6)
    center = (landmarks.lips[[0, 10], :2].mean(0) + (right + left) / 2) / 2
    scale = side / (2 * landmarks.eye_distance_3d_px)
    reach = side / scale
    around = Box(*(int(v) for v in (*(center - reach), *(center + reach)))).clipped(pixels.shape[1], pixels.shape[0])
    if around is None:
        return 0
    shrink = min(1.0, scale)
    gray = cv2.cvtColor(scale_down(pixels[around.slices], shrink, least_px=2), cv2.COLOR_RGB2GRAY)
    turn = np.array([[across[0], across[1]], [-across[1], across[0]]]) * scale / shrink
    shift = np.array([side / 2, side / 2]) - turn @ ((center - (around.left, around.top)) * shrink)
    upright = cv2.warpAffine(gray, np.column_stack([turn, shift]), (side, side), None, cv2.INTER_LINEAR)
    upright = cv2.equalizeHist(upright)
    least = (side // 2, side // 2)
    if not len(_load_cascade("haarcascade_frontalface_default.xml").detectMultiScale(upright, 1.1, 3, minSize=least)):
        return 0
    lower_half = upright[side // 2 :]
    least = (side // 4, side // 8)
    return len(_load_cascade("haarcascade_smile.xml").detectMultiScale(lower_half, 1.1, 0, minSize=least))


@lru_cache(maxsize=2)
def _load_cascade(name: str) -> cv2.CascadeClassifier:
    """One of the Haar cascades, loaded once. Raises MissingModel."""
    data = model_bytes(name).decode("utf-8", errors="replace")
    cascade, file = cv2.CascadeClassifier(), cv2.FileStorage()
    try:
        file.open(data, cv2.FILE_STORAGE_READ | cv2.FILE_STORAGE_MEMORY)
        is_read = cascade.read(file.getFirstTopLevelNode())
    except cv2.error as error:
        raise damaged_model(name) from error
    if not is_read:
        raise damaged_model(name)
    return cascade


def mouth_mask(shape: tuple[int, ...], edits: Iterable[Edit]) -> NDArray[np.uint8]:
    """Return the mask of all edited mouths, uint8 (H, W), 0 keep … 255 repaint; `shape` is the photo's (H, W, …)."""
    return draw_mask(shape, (edit.region for edit in edits if edit.feature is Feature.MOUTH))
