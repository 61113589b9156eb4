"""What keeps a mouth from being seen: something over it, blur; and the lower rims of glasses above it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from face.eye_geometry import EyeView, Lids, evaluate_lid, fit_closed_line
from face.feature_scale import fit_to, shrink_view
from face.types import EyeFrame, EyeLandmarks, Face, Feature, Landmarks
from photo.blend import smoothstep
from photo.geometry import monotone_path, scale_down
from photo.measure import MOST_BLUR_PX, luma, measure_blur
from photo.types import Box, FloatArray, Pixels

# The mouth is looked at with so many pixels per eye distance.
_LOOK_PX_PER_EYE_DISTANCE = 100
# calibration: lips. Lips and the mouth's line show as steps of lightness, in shares of the lightness there: cloth 0.13,
# faces 0.5 … 8.
_LEAST_LIP_CONTRAST = 0.2
# calibration: lips. Folds in cloth and fingers show steps too, but no more of them where the lips should be than around
# …
_LEAST_CONTRAST_TO_RING = 1.25
# calibration: lips. … and the 'lips' have the colour (a, b of CIELAB) and lightness of what is around them.
_LEAST_LIP_CHROMA = 2.5
_LEAST_LIP_LIGHTNESS = 3.0
# calibration: lips. In a photo with colours, no lips have so little colour of their own; so little is something else.
_NO_LIP_CHROMA = 0.9
_NO_LIP_LIGHTNESS = 4.0
_COLORED_SKIN_CHROMA = 6.0
# calibration: lips. Cloth of a colour far from the forehead's; lips that are seen in spite of it are still lips (a red
# beard).
_CLOTH_CHROMA = 22.0
_LEAST_CHROMA_ON_CLOTH = 4.0
# calibration: lips. On smaller faces a moustache leaves no pixel of pure lip colour.
_SHARP_EYE_DISTANCE_PX = 60.0

# calibration: focus. Blurs, in eye distances, between which the finest and the coarser steps lie.
_SHARPNESS_SIGMAS = (0.012, 0.024, 0.048)

# The patch under an eye in which a rim is looked for: columns along the eye, rows downward, in eye widths.
_RIM_PATCH = (48, 56)
_RIM_ALONG = (-0.10, 1.05)
_RIM_DOWN = (0.32, 1.30)
# calibration: rims. A rim is a line this strong (log lightness against both sides), on average and at its faintest
# fifth.
_RIM_CONTRAST = 0.10
_RIM_FAINTEST = 0.035
_SECOND_RIM = 0.45
# calibration: rims. A rim ends about as high as it begins, in rows; folds beside nose and mouth run downhill.
_RIM_MOST_DROP = 18
# What a row up or down costs along the line, in its own units: of two lines as strong, the straighter one is meant.
_RIM_STEP_COST = 0.01


@dataclass(frozen=True)
class LipContrast:
    """How the lips stand out from what is around them.

    `contrast` and `ring_contrast` are the steps of lightness on the lips and around; `chroma` and `lightness` the
    distances of the lips' colour from the skin around them, `cloth_chroma` that of this skin from the forehead and
    `skin_chroma` that of the forehead from gray, all in CIELAB. `is_sharp` tells whether there are enough
    pixels to compare colours.
    """

    contrast: float
    ring_contrast: float
    chroma: float
    lightness: float
    cloth_chroma: float
    skin_chroma: float
    is_sharp: bool

    @property
    def is_covered(self) -> bool:
        """Whether something else than lips is there."""
        if self.contrast < _LEAST_LIP_CONTRAST:
            return True
        if not self.is_sharp:
            return False
        is_colored = self.skin_chroma > _COLORED_SKIN_CHROMA
        if is_colored and self.chroma < _NO_LIP_CHROMA and self.lightness < _NO_LIP_LIGHTNESS:
            return True
        alike = self.chroma < _LEAST_LIP_CHROMA and self.lightness < _LEAST_LIP_LIGHTNESS
        if alike and self.contrast < _LEAST_CONTRAST_TO_RING * self.ring_contrast:
            return True
        return self.cloth_chroma > _CLOTH_CHROMA and self.chroma < _LEAST_CHROMA_ON_CLOTH


def measure_lip_contrast(pixels: Pixels, landmarks: Landmarks) -> LipContrast | None:
    """Measure how the lips stand out from what is around them; None when the mouth is not in the photo.

    `pixels` uint8 (H, W, 3).
    """
    eye_distance = landmarks.eye_distance_3d_px
    around = np.concatenate([landmarks.lips, landmarks.right_eye.brow_lower, landmarks.left_eye.brow_lower])[:, :2]
    pad = 0.35 * eye_distance
    box = Box.around(around, pad).clipped(pixels.shape[1], pixels.shape[0])
    if box is None:
        return None
    scale = min(1.0, _LOOK_PX_PER_EYE_DISTANCE / eye_distance)
    small = scale_down(pixels[box.slices], scale, least_px=2)
    lab = cv2.GaussianBlur(cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2LAB), (0, 0), 1.0)

    def draw(points: FloatArray) -> NDArray[np.uint8]:
        mask = np.zeros(lab.shape[:2], np.uint8)
        cv2.fillPoly(mask, [np.round((points[:, :2] - (box.left, box.top)) * scale).astype(np.int32)], (1,))
        return mask

    def grow(mask: NDArray[np.uint8], by: int) -> NDArray[np.uint8]:
        return np.asarray(cv2.dilate(mask, np.ones((2 * by + 1,) * 2, np.uint8)), np.uint8)

    unit = max(1, round(0.02 * eye_distance * scale))
    mouth = draw(landmarks.lips)
    lips = mouth & ~grow(draw(landmarks.lips_inner), 1)
    lips = lips if lips.sum() >= 5 else mouth
    ring = grow(mouth, 3 * unit) - grow(mouth, unit)
    brows = np.stack([landmarks.right_eye.brow_lower[-1], landmarks.left_eye.brow_lower[-1], landmarks.nose[0]])
    forehead = draw(brows)
    if not (lips.any() and ring.any() and forehead.any()):
        return None
    steps = np.hypot(cv2.Scharr(lab[..., 0], cv2.CV_32F, 1, 0), cv2.Scharr(lab[..., 0], cv2.CV_32F, 0, 1))
    lip_color, ring_color, forehead_color = (lab[mask > 0].mean(0) for mask in (lips, ring, forehead))
    light = max(float(ring_color[0]), 1.0)
    return LipContrast(
        contrast=float(steps[mouth > 0].mean()) / light,
        ring_contrast=float(steps[ring > 0].mean()) / light,
        chroma=float(np.hypot(*(lip_color - ring_color)[1:])),
        lightness=abs(float(lip_color[0] - ring_color[0])),
        cloth_chroma=float(np.hypot(*(ring_color - forehead_color)[1:])),
        skin_chroma=float(np.hypot(*forehead_color[1:])),
        is_sharp=eye_distance >= _SHARP_EYE_DISTANCE_PX,
    )


def measure_sharpness(pixels: Pixels, landmarks: Landmarks) -> float:
    """Return how sharp the features of a face are, whatever its size: 0.5 out of focus … 0.9 and up in focus.

    `pixels` uint8 (H, W, 3). The strength of the finest steps of lightness against steps twice as coarse, both in
    proportion to the face.
    """
    eyes = landmarks.eyes
    points = np.concatenate([landmarks.lips, *(curve for eye in eyes for curve in (eye.upper, eye.lower))])[:, :2]
    eye_distance = landmarks.eye_distance_3d_px
    box = Box.around(points, 0.1 * eye_distance).clipped(pixels.shape[1], pixels.shape[0])
    if box is None:
        return 0.0
    scale = min(1.0, _LOOK_PX_PER_EYE_DISTANCE / eye_distance)
    gray = cv2.cvtColor(scale_down(pixels[box.slices], scale, least_px=2), cv2.COLOR_RGB2GRAY)
    blurred = [
        cv2.GaussianBlur(gray.astype(np.float32), (0, 0), sigma * eye_distance * scale) for sigma in _SHARPNESS_SIGMAS
    ]
    fine, coarse = (np.percentile(np.abs(a - b), 97) for a, b in pairwise(blurred))
    return float(fine / max(coarse, 1e-6))


def find_lower_rims(pixels: Pixels, landmarks: Landmarks) -> list[FloatArray]:
    """Find the lower rims of glasses: each float32 (n, 2) in photo pixels, from the temple to the nose.

    `pixels` uint8 (H, W, 3). A rim is the strongest unbroken line from side to side under an eye (found by dynamic
    programming); a deep crease may pass for one. Glasses have two rims, so beside one a fainter one is enough.
    """
    eyes = landmarks.eyes
    lines = [_trace_lower_rim(pixels, landmarks, eye) for eye in eyes]
    least = 1.0 if all(clearness < 1.0 for _, clearness in lines) else _SECOND_RIM
    return [line for line, clearness in lines if clearness >= least]


def _trace_lower_rim(pixels: Pixels, landmarks: Landmarks, eye: EyeLandmarks) -> tuple[FloatArray, float]:
    """The line under an eye that is most like a rim, and how clear it is: 1 and more for one that is sure."""
    columns, rows = _RIM_PATCH
    width = landmarks.eye_distance_3d_px * 0.34
    inward = (eye.inner_corner - eye.outer_corner)[:2]
    inward = inward / max(float(np.linalg.norm(inward)), 1e-6)
    across = (landmarks.left_eye.outer_corner - landmarks.right_eye.outer_corner)[:2]
    across = across / max(float(np.linalg.norm(across)), 1e-6)
    down = np.array([-across[1], across[0]], np.float32)
    along = np.linspace(*_RIM_ALONG, columns, dtype=np.float32)[None, :, None] * max(eye.width_px, 1e-6) * inward
    below = np.linspace(*_RIM_DOWN, rows, dtype=np.float32)[:, None, None] * width * down
    where = (eye.outer_corner[:2] + along + below).astype(np.float32)
    # Shrunk first, so that one sample of the patch is about one pixel.
    scale = min(1.0, rows / ((_RIM_DOWN[1] - _RIM_DOWN[0]) * width))
    box = Box.around(where.reshape(-1, 2), 4 / scale).clipped(pixels.shape[1], pixels.shape[0])
    if box is None:
        return where[0], 0.0
    gray = cv2.cvtColor(scale_down(pixels[box.slices], scale, least_px=2), cv2.COLOR_RGB2GRAY)
    at = ((where - (box.left, box.top)) * (gray.shape[1] / box.width, gray.shape[0] / box.height)).astype(np.float32)
    patch = cv2.remap(gray, at[..., 0], at[..., 1], cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE)
    light = cv2.GaussianBlur(np.log(patch.astype(np.float32) + 12), (0, 0), 0.8)
    reach = 4
    line = np.abs(light[2 * reach :] + light[: -2 * reach] - 2 * light[reach:-reach]) / 2
    path = monotone_path(line.T, most_step=2, step_cost=_RIM_STEP_COST)
    strength = line[path, np.arange(columns)]
    rim: FloatArray = where[path + reach, np.arange(columns)]
    if abs(int(path[-1]) - int(path[0])) > _RIM_MOST_DROP:
        return rim, 0.0
    return rim, float(min(strength.mean() / _RIM_CONTRAST, np.quantile(strength, 0.2) / _RIM_FAINTEST))


# All places are in units of the eye frame. Where the upper lid is sampled:
_LID_ACROSS = np.linspace(-0.5, 0.5, 15)
_LID_UP = np.linspace(0.15, 0.55, 9)
# calibration: dark-glass. Median grey level of the upper lid against the cheek: closed lids have 0.5 … 1.3 of it, dark
# lenses under 0.25.
_DARK_LENS_RATIO = 0.35

# The lash line is looked for in these columns, and in rows from below the lashes up to the lid.
_LINE_ACROSS = np.linspace(-0.75, 0.75, 31)
_LINE_ROWS = np.linspace(-0.75, 0.55, 53)
_ON_LINE, _ON_LID, _ON_SKIN = (-0.16, 0.14), (0.20, 0.50), (-0.75, -0.30)
# calibration: lash-line. Among the lashes some skin shows; it is as bright as the brighter quarter of what lies there.
_SKIN_PERCENTILE = 75
_SMOOTHED = 0.05
# calibration: lash-line. A column has a line if it is darker than lid and skin by this share. Of closed eyes 0.48 …
# 1.00 of the columns have one (the fewest behind mirroring glasses), of eyes under hands and hair, 0.00 … 0.35.
_LINE_CONTRAST = 0.08
_LEAST_LINE_SHARE = 0.40
# calibration: lash-line. On faces that show less, sockets are dark blots, and a lash line has no pixels of its own:
# with the outer corners of the eyes so many pixels apart, or so many of what a blur of this many deviations leaves of
# them.
_LEAST_EYE_DISTANCE_PX = 60.0
_SIGMAS_PER_DETAIL = 2.0


def is_under_dark_glass(pixels: Pixels, face: Face, feature: Feature) -> bool:
    """Whether the upper lid of an eye is far darker than the cheek of its side; `pixels` uint8 (H, W, 3)."""
    x, y = np.meshgrid(_LID_ACROSS, _LID_UP)
    lid = np.column_stack(face.eye_frame(feature).to_photo(x.ravel(), y.ravel()))
    marks = face.landmarks
    cheek = marks.left_cheek if feature is Feature.LEFT_EYE else marks.right_cheek
    return _median_grey(pixels, lid) < _DARK_LENS_RATIO * _median_grey(pixels, cheek[:, :2])


def lacks_lash_line(pixels: Pixels, face: Face, feature: Feature) -> bool:
    """Whether no dark line runs where the lids of a closed eye would meet; `pixels` uint8 (H, W, 3).

    The landmarker puts a closed eye wherever it sees none, under a hand, too. On small or blurred faces it is believed.
    """
    if face.landmarks.eye_distance_px < _LEAST_EYE_DISTANCE_PX:
        return False
    frame = face.eye_frame(feature)
    x, offset = np.meshgrid(_LINE_ACROSS.astype(np.float32), _LINE_ROWS.astype(np.float32))
    y = evaluate_lid(fit_closed_line(frame, face.eye(feature)), x) + offset
    map_x, map_y = frame.to_photo(x, y)
    around = Box.around(np.stack([map_x.ravel(), map_y.ravel()], axis=1)).padded(0.1)
    box = around.clipped(pixels.shape[1], pixels.shape[0])
    if box is None:
        return True
    view = shrink_view(EyeView(box, frame, *frame.grid(box)))
    map_x, map_y = view.frame.to_photo(x, y)
    gray = cv2.GaussianBlur(
        fit_to(view, luma(pixels[box.slices])), (0, 0), max(_SMOOTHED * view.frame.half_width_px, 0.5)
    )
    map_x, map_y = map_x - view.box.left, map_y - view.box.top
    level = cv2.remap(gray, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

    def rows(low: float, high: float) -> FloatArray:
        return np.asarray(level[(low < _LINE_ROWS) & (high > _LINE_ROWS)], np.float32)

    lid = np.median(rows(*_ON_LID), axis=0)
    skin = np.percentile(rows(*_ON_SKIN), _SKIN_PERCENTILE, axis=0)
    contrast = 1 - rows(*_ON_LINE).min(axis=0) / np.maximum(np.minimum(lid, skin), 1)
    has_line = float(np.mean(contrast > _LINE_CONTRAST)) >= _LEAST_LINE_SHARE
    return not has_line and _detail_px(pixels, face) >= _LEAST_EYE_DISTANCE_PX


def _detail_px(pixels: Pixels, face: Face) -> float:
    """How many pixels between the outer corners of the eyes the blur of the photo leaves; at least so many."""
    if face.landmarks.eye_distance_px >= _LEAST_EYE_DISTANCE_PX * _SIGMAS_PER_DETAIL * MOST_BLUR_PX:
        # Enough whatever the blur, which takes long to measure here.
        return _LEAST_EYE_DISTANCE_PX
    box = face.box.clipped(pixels.shape[1], pixels.shape[0])
    sigma_px = measure_blur(luma(pixels[box.slices])) if box is not None else 0.0
    return face.landmarks.eye_distance_px / max(_SIGMAS_PER_DETAIL * sigma_px, 1.0)


def _median_grey(pixels: Pixels, points: FloatArray) -> float:
    inside = np.clip(points.astype(int), 0, (pixels.shape[1] - 1, pixels.shape[0] - 1))
    return float(np.median(pixels[inside[:, 1], inside[:, 0]].mean(axis=1)))


# calibration: nose-edge. Only an eye that is foreshortened to this part of its width can lie behind the nose.
_MOST_FORESHORTENING = 0.76
# Where the edge is looked for, in the eye frame, and how finely.
_X_RANGE, _Y_RANGE = (0.10, 1.35), (-0.55, 1.00)
_STEPS = (48, 48)
# calibration: nose-edge. Luma that the nose must stand out by, on average along its edge, to be believed.
_LEAST_CONTRAST = 5.0
_EDGE_SOFTNESS = 0.12
# A rim is looked for between these heights over the closed lash line and under the brow.
_RIM_ABOVE_LINE, _RIM_BELOW_BROW = 0.30, 0.20
_RIM_X_RANGE = (-1.15, 1.05)
# calibration: upper-rim. Luma over the lid's that an edge must have along this share of its length to count as one.
_RIM_CONTRAST_FACE_EDGES, _RIM_SHARE = 0.12, 0.75
_RIM_MARGIN = 0.06
# calibration: hair-strand. A strand of hair is looked for in this part of the eye frame, as a dark line narrower than
# _STRAND_WIDTH.
_STRAND_X, _STRAND_Y, _STRAND_STEPS = (-1.35, 1.20), (0.85, -0.50), (64, 120)
_STRAND_WIDTH = 0.30
# calibration: hair-strand. It is darker than the skin beside it by this much of the skin's luma, along this share of
# its way both above and below the lashes; near these nothing can be told.
_STRAND_CONTRAST, _STRAND_SHARE, _STRAND_LASHES = 0.10, 0.92, 0.18
_STRAND_EDGE = 0.06


def visible_alpha(source: FloatArray, frame: EyeFrame, box: Box, x: FloatArray, y: FloatArray) -> FloatArray:
    """Where the region of an eye is not hidden by the nose: float32 0 … 1 in the shape of `x`.

    `source` float32 (h, w) is the luma of `box`, `x` and `y` (h, w) its frame coordinates.
    """
    visible = np.ones_like(x)
    if frame.foreshortening > _MOST_FORESHORTENING:
        return visible
    rows = np.linspace(*_Y_RANGE, _STEPS[0], dtype=np.float32)
    columns = np.linspace(*_X_RANGE, _STEPS[1], dtype=np.float32)
    map_x, map_y = frame.to_photo(*np.meshgrid(columns, rows))
    smooth = cv2.GaussianBlur(source, (0, 0), max(0.04 * frame.half_width_px, 0.6))
    sampled = cv2.remap(smooth, map_x - box.left, map_y - box.top, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    # The nose catches light, the corner of the eye beside it lies in its shadow; a step over two samples.
    contrast = np.zeros(_STEPS, np.float32)
    contrast[:, 2:-2] = sampled[:, 4:] - sampled[:, :-4]
    edge = monotone_path(contrast, most_step=1)
    if float(contrast[np.arange(_STEPS[0]), edge].mean()) < _LEAST_CONTRAST:
        return visible
    edge_x = np.interp(y, rows, cv2.GaussianBlur(columns[edge].reshape(-1, 1), (1, 17), 0).ravel()).astype(np.float32)
    return smoothstep(0.0, _EDGE_SOFTNESS, edge_x - x)


def find_rim_height(source: FloatArray, frame: EyeFrame, box: Box, lids: Lids, x: FloatArray) -> FloatArray | None:
    """Height in the eye frame, float32 in the shape of `x`, above which nothing may move; None where nothing stands.

    That is the rim of glasses; or a crease as sharp as one, where the skin above stays still just as well.
    `source` float32 (h, w) is the luma of `box`.
    """
    highest = lids.brow_height - _RIM_BELOW_BROW
    columns = np.linspace(*_RIM_X_RANGE, _STEPS[1], dtype=np.float32)
    line = evaluate_lid(lids.closed, columns)
    if highest - float(line.min()) < 2 * _RIM_ABOVE_LINE:
        return None
    offsets = np.linspace(_RIM_ABOVE_LINE, highest - float(line.min()), _STEPS[0], dtype=np.float32)
    grid_y = line[:, None] + offsets[None, :]
    map_x, map_y = frame.to_photo(np.repeat(columns[:, None], len(offsets), axis=1), grid_y)
    smooth = cv2.GaussianBlur(source, (0, 0), max(0.02 * frame.half_width_px, 0.5))
    sampled = cv2.remap(smooth, map_x - box.left, map_y - box.top, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    contrast = np.zeros(_STEPS, np.float32)
    contrast[:, 1:-1] = np.abs(sampled[:, 2:] - sampled[:, :-2])
    path = monotone_path(contrast, most_step=1)
    strong = contrast[np.arange(len(path)), path] > _RIM_CONTRAST_FACE_EDGES * max(float(np.median(sampled)), 1.0)
    if float(strong.mean()) < _RIM_SHARE:
        return None
    heights = cv2.GaussianBlur(grid_y[np.arange(len(path)), path].reshape(-1, 1), (1, 9), 0).ravel() - _RIM_MARGIN
    return np.asarray(np.interp(x, columns, heights), np.float32)


def find_hair_strand(
    source: FloatArray, frame: EyeFrame, box: Box, lids: Lids, x: FloatArray, y: FloatArray
) -> FloatArray | None:
    """How far a strand of hair that hangs across the eye covers each pixel, float32 0 … 1 like `x`; None without one.

    `source` float32 (h, w) is the luma of `box`, `x` and `y` (h, w) its frame coordinates.
    """
    rows = np.linspace(*_STRAND_Y, _STRAND_STEPS[0], dtype=np.float32)
    columns = np.linspace(*_STRAND_X, _STRAND_STEPS[1], dtype=np.float32)
    map_x, map_y = frame.to_photo(*np.meshgrid(columns, rows))
    smooth = cv2.GaussianBlur(source, (0, 0), max(0.02 * frame.half_width_px, 0.5))
    sampled = cv2.remap(smooth, map_x - box.left, map_y - box.top, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    step = (_STRAND_X[1] - _STRAND_X[0]) / (_STRAND_STEPS[1] - 1)
    # Only along the row: lashes, creases and brows lie across it and are no ridge in it.
    kernel = np.ones((1, round(_STRAND_WIDTH / step) | 1), np.uint8)
    ridge = (cv2.morphologyEx(sampled, cv2.MORPH_CLOSE, kernel) - sampled) / max(float(np.median(sampled)), 1.0)
    path = monotone_path(np.clip(ridge, 0, 2 * _STRAND_CONTRAST), most_step=1)
    along = ridge[np.arange(len(rows)), path] > _STRAND_CONTRAST
    away = rows - evaluate_lid(lids.closed, columns[path])
    for part in (away > _STRAND_LASHES, away < -_STRAND_LASHES):
        if part.sum() < 4 or float(along[part].mean()) < _STRAND_SHARE:
            return None
    # Short hair to the eye's scale: it bends once at most, and is as wide above the lashes as below.
    path_x = np.polyval(np.polyfit(rows, columns[path], 2), rows)
    aside = np.abs(columns[None, :] - path_x[:, None])
    covered = ((ridge > _STRAND_CONTRAST / 2) & (aside < _STRAND_WIDTH)).sum(axis=1)
    half = 0.5 * step * float(np.median(covered[np.abs(away) > _STRAND_LASHES]))
    cover = 1 - smoothstep(0.9 * half, 0.9 * half + _STRAND_EDGE, aside)
    to_column = (x - columns[0]) / step
    to_row = (y - rows[0]) / (rows[1] - rows[0])
    laid = cv2.remap(cover, to_column, to_row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(laid, np.float32)
