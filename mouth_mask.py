"""Decides which mouths to make smile, and outlines the part of the face that a smile moves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from edit.options import FaceChoice, Options
from edit.plan import Edit, Skip
from face.model_files import damaged_model, model_bytes
from face.occlusion import find_lower_rims, measure_lip_contrast, measure_sharpness
from face.types import Face, Feature, Landmarks
from photo.blend import draw_mask, smoothstep
from photo.geometry import scale_down, scale_size
from photo.types import Box, FloatArray, Pixels, Region

# Of 100 photos that people had sorted, unsmiling mouths score up to 0.25 and once 0.30, gentle smiles 0.37 and more.
SMILE_THRESHOLD = 0.38
# From here up to SMILE_THRESHOLD the Haar cascades are asked, which see a smile in so many windows of a face that is
# upright and drawn on a square of this side; see `count_smile_windows`.
UNSURE_SMILE = 0.25
_SMILE_WINDOWS = 420
_HAAR_SIDE_PX = 200
# A mouth that somebody asked for is left alone only if it smiles like this.
_CLEAR_SMILE = 0.6
# Around the lips, in mouth widths: as far as their corners travel in a smile, and the folds beside them.
_LIPS_REACH = 0.32
# That mask is drawn with the mouth at most this wide and then enlarged.
_LIPS_DRAWN_PX = 96.0

# Smaller mouths are a few pixels; there the score is a guess.
_LEAST_EYE_DISTANCE_PX = 24.0
# Beyond, the far corner of the mouth is out of sight, and raising the near one alone would make a smirk.
_MOST_YAW_DEGREES = 36.0
# Faces behind the one in focus: their smiles are missed, and a smile painted on one is sharper than the face.
_OUT_OF_FOCUS = 0.61
_BESIDE_SHARPEST = 0.735
# Lips so far apart, in mouth widths, over a jaw that hangs by this score: the person talks, sings or yawns, and corners
# pulled up over an open jaw make a grimace. Slightly open mouths have 0.14 and 0.11 at most, singers 0.21 and 0.31.
_TALKING_GAP, _TALKING_JAW = 0.18, 0.22
# Lips this close to the photo's edge, in eye distances, have no room to move.
_EDGE_GAP = 0.02
_CUT_OFF = "the mouth is cut off by the edge of the photo"

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
    """Return the soft mask of all that a smile moves; None when it lies outside the photo.

    `shape` is the photo's (H, W, …). `rims` are the lower rims of glasses, each float32 (n, 2) in photo pixels; they
    and what lies above stay out, as do the lower lids behind them or without `with_lids`. Alpha is 1 inside and falls
    smoothly to 0 at the rim, except at the photo's edge.
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
    # Everything above a line along both lower lids and across the ridge of the nose is out.
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
        # From the middle of the mouth to the far outline the rim gets as narrow as all else there.
        x, y = np.meshgrid(np.arange(columns, dtype=np.float32), np.arange(rows, dtype=np.float32))
        middle, far = to_mask(np.stack([mouth, far_end]))
        way = far - middle
        share = ((x - middle[0]) * way[0] + (y - middle[1]) * way[1]) / max(float(way @ way), 1e-6)
        inside /= 1 - (1 - shortening) * np.clip(share, 0, 1)
    faded = smoothstep(_OUTLINE_GAP, _OUTLINE_GAP + _RIM, inside)
    soft = cv2.GaussianBlur(faded, (0, 0), 0.02 * shortening * scale * eye_distance + 0.3) * (inside > 0)
    return _fit_region(box, soft.astype(np.float32), shape)


def _measure_far_side(landmarks: Landmarks, across: FloatArray, mouth: FloatArray) -> tuple[FloatArray, float]:
    """Where the mouth's axis leaves the face on the side that is turned away, and how narrow that half of it is.

    The latter in proportion to the near half; 1 for all that look ahead.
    """
    reach = (landmarks.points[:, :2] - mouth) @ across
    far, near = sorted((float(reach.min()), float(reach.max())), key=abs)
    shortening = float(np.clip(abs(far) / max(abs(near), 1e-6) / _TURNED_RATIO, _LEAST_SHORTENING, 1))
    return np.asarray(mouth + across * far, np.float32), shortening


def narrow_to_lips(edit: Edit) -> Edit:
    """The edit of a mouth with only the lips and the skin right around them in its region, by elliptical dilation.

    A smile moves the cheeks, too, but what is painted anew there is no longer this person's skin. The edit of an eye
    comes back as it is.
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


def exclude_lids(shape: tuple[int, ...], edit: Edit) -> Edit:
    """The edit of a mouth in a photo of `shape` with the lower lids out of its region: another photo's do not fit."""
    box, below = edit.region.box, mouth_region(shape, edit.face.landmarks, with_lids=False)
    if below is None:
        return edit
    both = box.union(below.box)
    alpha = np.zeros((both.height, both.width), np.float32)
    for part, values in ((below.box, below.alpha), (box, edit.region.alpha)):
        top, left = part.top - both.top, part.left - both.left
        view = alpha[top : top + part.height, left : left + part.width]
        view[:] = values if part is below.box else np.minimum(view, values)
    return replace(edit, region=Region(box, np.ascontiguousarray(view)))


def _reach_outline(mouth: FloatArray, across: FloatArray, down: FloatArray, eye_distance: float) -> FloatArray:
    turn = np.linspace(0, 2 * np.pi, 64, endpoint=False)[:, None]
    sideways, up, below = _REACH
    vertical = np.where(np.sin(turn) > 0, below, up)
    outline = mouth + eye_distance * (sideways * np.cos(turn) * across + vertical * np.sin(turn) * down)
    return np.asarray(outline, np.float32)


def _fill(mask: NDArray[np.uint8], polygon: FloatArray, value: int) -> None:
    cv2.fillPoly(mask, [np.round(polygon * 8).astype(np.int32)], (value,), cv2.LINE_8, 3)


def _fit_region(box: Box, soft: FloatArray, shape: tuple[int, ...]) -> Region | None:
    """Enlarge the mask to its box and cut off the empty margin; it goes to 0 on all sides but the photo's edge."""
    alpha = np.asarray(cv2.resize(soft, (box.width, box.height), interpolation=cv2.INTER_LINEAR), np.float32)
    # What rounds to nothing or to everything in 8 bits is just that.
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
    return Region(inside, np.ascontiguousarray(cut, np.float32))


def plan_mouths(pixels: Pixels, faces: tuple[Face, ...], options: Options) -> tuple[list[Edit], list[Skip]]:
    """Return the mouths to make smile and those left alone, each with its reason.

    `pixels` uint8 (H, W, 3) RGB. Every face is in exactly one of the lists. `measured` is MediaPipe's smile score and
    `threshold` what counted as a smile on this face. Raises MissingModel.
    """
    edits: list[Edit] = []
    skips: list[Skip] = []
    sharpest = max((measure_sharpness(pixels, face.landmarks) for face in faces), default=0.0) if faces[1:] else 0.0
    for face in faces:
        threshold = SMILE_THRESHOLD
        choice = options.choose_for(face.number)
        reason = _reason_not_to_look(face, options, choice)
        region = None
        if reason is None:
            threshold = smile_threshold(pixels, face)
            reason = _reason_to_leave(pixels, face, threshold, sharpest, is_asked=choice.smile is True)
        if reason is None:
            region = mouth_region(pixels.shape, face.landmarks, find_lower_rims(pixels, face.landmarks))
            reason = None if region else _CUT_OFF
        if region is None:
            skips.append(Skip(face, Feature.MOUTH, str(reason), face.smile, threshold))
        else:
            edits.append(Edit(face, Feature.MOUTH, region, face.smile, threshold, float(choice.smile_strength or 0.0)))
    return edits, skips


def _reason_not_to_look(face: Face, options: Options, choice: FaceChoice) -> str | None:
    if choice.smile is False:
        return "making smiles is switched off"
    if choice.smile_strength == 0:
        return "a smile of strength 0 was asked for"
    if options.faces is not None and face.number not in options.faces:
        return "this face was not chosen"
    distance = face.landmarks.eye_distance_3d_px
    if distance < _LEAST_EYE_DISTANCE_PX:
        return (
            f"the face is too small: its outer eye corners are {distance:.0f} px apart, "
            f"{_LEAST_EYE_DISTANCE_PX:.0f} px are needed"
        )
    return None


def _reason_to_leave(pixels: Pixels, face: Face, threshold: float, sharpest: float, *, is_asked: bool) -> str | None:
    """Why a mouth is left alone; one that was asked for also where it is only faintly smiling or out of focus."""
    if face.smile >= (_CLEAR_SMILE if is_asked else threshold):
        return "already smiling" if face.smile >= _CLEAR_SMILE else "already smiling a little"
    # A lower lip that touches the edge can still smile; the corners and the line between the lips must be seen.
    lips = np.concatenate([face.landmarks.lips[[0, 10], :2], face.landmarks.lips_inner[:, :2]])
    gap = _EDGE_GAP * face.landmarks.eye_distance_3d_px
    if (lips < gap).any() or (lips > np.array(pixels.shape[1::-1]) - 1 - gap).any():
        return _CUT_OFF
    if _lip_gap(face.landmarks) > _TALKING_GAP and face.blendshapes["jawOpen"] > _TALKING_JAW:
        return "the mouth is wide open, as in talking or singing"
    if abs(face.yaw_degrees) > _MOST_YAW_DEGREES:
        return f"the head is turned too far to the side ({abs(face.yaw_degrees):.0f}°)"
    sharpness = measure_sharpness(pixels, face.landmarks)
    if not is_asked and sharpness < min(_OUT_OF_FOCUS, _BESIDE_SHARPEST * sharpest):
        return "the face is too blurred beside the others to tell whether it smiles"
    contrast = measure_lip_contrast(pixels, face.landmarks)
    if contrast is None or contrast.is_covered:
        return "the mouth is covered, or cannot be told from what is around it"
    return None


def _lip_gap(landmarks: Landmarks) -> float:
    """Distance between the lips in mouth widths."""
    lips, inner = landmarks.lips, landmarks.lips_inner
    return float(np.linalg.norm(inner[5] - inner[15]) / max(float(np.linalg.norm(lips[10] - lips[0])), 1e-6))


def smile_threshold(pixels: Pixels, face: Face) -> float:
    """Return the smile score that counts as a smile on this face.

    MediaPipe's score decides. Where it is in doubt, OpenCV's cascades may tip the balance: when the smile cascade
    sees a smile in so many windows of a frontal face, less of a score is enough. Raises MissingModel.
    """
    if not UNSURE_SMILE <= face.smile < SMILE_THRESHOLD:
        return SMILE_THRESHOLD
    return UNSURE_SMILE if count_smile_windows(pixels, face.landmarks) >= _SMILE_WINDOWS else SMILE_THRESHOLD


def count_smile_windows(pixels: Pixels, landmarks: Landmarks) -> int:
    """Count the windows of an upright face in which the Haar smile cascade sees a smile; 0 without a frontal face.

    `pixels` uint8 (H, W, 3). On one fixed size of face: unsmiling mouths get about 150, grins 400 and more.
    Raises MissingModel.
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
    """Return the mouth edits' masks over the whole photo, uint8 (H, W): 0 keep … 255 repaint."""
    return draw_mask(shape, (edit.region for edit in edits if edit.feature is Feature.MOUTH))
