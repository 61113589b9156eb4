"""What keeps a mouth from being seen: something over it, blur; and the lower rims of glasses above it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from landmarks import EyeLandmarks, Landmarks
from photo_types import Box, Pixels

Floats = NDArray[np.float32]

# The mouth is looked at with so many pixels per eye distance.
_LOOK_PX_PER_EYE_DISTANCE = 100
# Lips and the mouth's line show as steps of lightness, in shares of the lightness there: cloth 0.13, faces 0.5 … 8.
_LEAST_LIP_CONTRAST = 0.2
# Folds in cloth and fingers show steps too, but no more of them where the lips should be than around …
_LEAST_CONTRAST_TO_RING = 1.25
# … and the 'lips' have the colour (a, b of CIELAB) and lightness of what is around them.
_LEAST_LIP_CHROMA = 2.5
_LEAST_LIP_LIGHTNESS = 3.0
# In a photo with colours, no lips have so little colour of their own; so little is something else.
_NO_LIP_CHROMA = 0.9
_NO_LIP_LIGHTNESS = 4.0
_COLORED_SKIN_CHROMA = 6.0
# Cloth of a colour far from the forehead's; lips that are seen in spite of it are still lips (a red beard).
_CLOTH_CHROMA = 22.0
_LEAST_CHROMA_ON_CLOTH = 4.0
# On smaller faces a moustache leaves no pixel of pure lip colour.
_SHARP_EYE_DISTANCE_PX = 60.0

# Blurs, in eye distances, between which the finest and the coarser steps lie.
_SHARPNESS_SIGMAS = (0.012, 0.024, 0.048)

# The patch under an eye in which a rim is looked for: columns along the eye, rows downward, in eye widths.
_RIM_PATCH = (48, 56)
_RIM_ALONG = (-0.10, 1.05)
_RIM_DOWN = (0.32, 1.30)
# A rim is a line this strong (log lightness against both sides), on average and at its faintest fifth.
_RIM_CONTRAST = 0.10
_RIM_FAINTEST = 0.035
_SECOND_RIM = 0.45
# A rim ends about as high as it begins, in rows; folds beside nose and mouth run downhill.
_RIM_MOST_DROP = 18


@dataclass(frozen=True)
class MouthLook:
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


def measure_mouth_look(pixels: Pixels, landmarks: Landmarks) -> MouthLook | None:
    """Measure how the lips stand out from what is around them; None when the mouth is not in the photo.

    `pixels` uint8 (H, W, 3).
    """
    eye_distance = landmarks.eye_distance_3d_px
    around = np.concatenate([landmarks.lips, landmarks.right_eye.brow_lower, landmarks.left_eye.brow_lower])[:, :2]
    pad = 0.35 * eye_distance
    low, high = np.floor(around.min(0) - pad).astype(int), np.ceil(around.max(0) + pad).astype(int)
    box = Box(int(low[0]), int(low[1]), int(high[0]), int(high[1])).clipped(pixels.shape[1], pixels.shape[0])
    if box is None:
        return None
    scale = min(1.0, _LOOK_PX_PER_EYE_DISTANCE / eye_distance)
    size = max(2, round(box.width * scale)), max(2, round(box.height * scale))
    small = cv2.resize(pixels[box.slices], size, interpolation=cv2.INTER_AREA)
    lab = cv2.GaussianBlur(cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2LAB), (0, 0), 1.0)

    def draw(points: Floats) -> NDArray[np.uint8]:
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
    return MouthLook(
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
    low, high = points.min(0) - 0.1 * eye_distance, points.max(0) + 0.1 * eye_distance
    box = Box(*(int(v) for v in (*np.floor(low), *np.ceil(high)))).clipped(pixels.shape[1], pixels.shape[0])
    if box is None:
        return 0.0
    scale = min(1.0, _LOOK_PX_PER_EYE_DISTANCE / eye_distance)
    size = max(2, round(box.width * scale)), max(2, round(box.height * scale))
    gray = cv2.cvtColor(cv2.resize(pixels[box.slices], size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    blurred = [
        cv2.GaussianBlur(gray.astype(np.float32), (0, 0), sigma * eye_distance * scale) for sigma in _SHARPNESS_SIGMAS
    ]
    fine, coarse = (np.percentile(np.abs(a - b), 97) for a, b in pairwise(blurred))
    return float(fine / max(coarse, 1e-6))


def find_lower_rims(pixels: Pixels, landmarks: Landmarks) -> list[Floats]:
    """Find the lower rims of glasses: each float32 (n, 2) in photo pixels, from the temple to the nose.

    `pixels` uint8 (H, W, 3). A rim is the strongest unbroken line from side to side under an eye (found by dynamic
    programming); a deep crease may pass for one. Glasses have two rims, so beside one a fainter one is enough.
    """
    eyes = landmarks.eyes
    lines = [_trace_lower_rim(pixels, landmarks, eye) for eye in eyes]
    least = 1.0 if all(clearness < 1.0 for _, clearness in lines) else _SECOND_RIM
    return [line for line, clearness in lines if clearness >= least]


def _trace_lower_rim(pixels: Pixels, landmarks: Landmarks, eye: EyeLandmarks) -> tuple[Floats, float]:
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
    low, high = where.min((0, 1)) - 4 / scale, where.max((0, 1)) + 4 / scale
    box = Box(*(int(v) for v in (*np.floor(low), *np.ceil(high)))).clipped(pixels.shape[1], pixels.shape[0])
    if box is None:
        return where[0], 0.0
    size = max(2, round(box.width * scale)), max(2, round(box.height * scale))
    gray = cv2.cvtColor(cv2.resize(pixels[box.slices], size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    at = ((where - (box.left, box.top)) * (size[0] / box.width, size[1] / box.height)).astype(np.float32)
    patch = cv2.remap(gray, at[..., 0], at[..., 1], cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE)
    light = cv2.GaussianBlur(np.log(patch.astype(np.float32) + 12), (0, 0), 0.8)
    reach = 4
    line = np.abs(light[2 * reach :] + light[: -2 * reach] - 2 * light[reach:-reach]) / 2
    path = _strongest_path(line)
    strength = line[path, np.arange(columns)]
    rim: Floats = where[path + reach, np.arange(columns)]
    if abs(int(path[-1]) - int(path[0])) > _RIM_MOST_DROP:
        return rim, 0.0
    return rim, float(min(strength.mean() / _RIM_CONTRAST, np.quantile(strength, 0.2) / _RIM_FAINTEST))


def _strongest_path(line: Floats) -> NDArray[np.intp]:
    """The row per column of the strongest path from left to right whose steps are at most two rows."""
    rows, columns = line.shape
    steps, each = np.arange(-2, 3), np.arange(rows)
    # With two rows of nothing above and below; row k of the view is the total moved by step k.
    padded = np.full(rows + 4, -np.inf, line.dtype)
    moved = np.lib.stride_tricks.sliding_window_view(padded, rows)
    cost = (0.01 * np.abs(steps)[:, None]).astype(line.dtype)
    padded[2:-2] = line[:, 0]
    came_from = np.zeros((columns, rows), np.intp)
    for column in range(1, columns):
        choices = moved - cost
        best = choices.argmax(0)
        came_from[column] = each + steps[best]
        padded[2:-2] = choices[best, each] + line[:, column]
    path = np.empty(columns, np.intp)
    path[-1] = int(padded[2:-2].argmax())
    for column in range(columns - 1, 0, -1):
        path[column - 1] = came_from[column][path[column]]
    return path
