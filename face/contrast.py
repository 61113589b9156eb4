"""How much contrast the features of a face have in their detail, and how much its open eyes would have.

Blur, noise reduction, compression, sharpening and haze weaken or strengthen the detail of brows, nose, lips and eyes
alike. So what the others show tells how crisp an eye may be that is painted beside them.
"""

from __future__ import annotations

import itertools

import cv2
import numpy as np

from face.types import EYES, EyeFrame, Face
from photo.measure import luma
from photo.types import Box, FloatArray, Mask, Pixels, Points

SIGMAS = (0.02, 0.04, 0.08, 0.16)
"""Contrast is measured in the bands between blurs with these standard deviations, in half eye widths."""
BAND_COUNT = len(SIGMAS) - 1
# A blur narrower than this is none.
_LEAST_SIGMA_PX = 0.3
# More pixels per half eye width show nothing more of the bands.
_MEASURED_HALF_WIDTH_PX = 48.0
# Less is no contrast; its logarithm stays finite.
_LEAST_CONTRAST = 1e-3
_DARKEST_LEVEL = 8.0
# Around the landmarks of brows and lips and of the nose's wings, in half eye widths.
_AROUND, _AROUND_NOSE = 0.12, 0.15
# The open eye with its rims, in its frame: beyond the corners, below and above them.
_EYE_REACH, _EYE_LOW, _EYE_HIGH = 1.05, -0.30, 0.50
# calibration: eye-contrast. For each band: the shares that brows, lips and nose have in the logarithm of the contrast
# of open eyes, that of the logarithm of the half eye width in pixels, and what is added.
_EXPECTED = np.array(
    [
        [0.14, 0.73, 0.25, 0.08, 1.16],
        [0.20, 0.63, 0.17, 0.14, 0.47],
        [0.29, 0.40, 0.19, 0.07, 0.09],
    ],
    np.float32,
)


def split_bands(picture: FloatArray, half_width_px: float) -> list[FloatArray]:
    """Return the detail of a picture float32 (h, w) or (h, w, 3) in each band, finest first, of the same shape."""
    blurred = [cv2.GaussianBlur(picture, (0, 0), max(sigma * half_width_px, _LEAST_SIGMA_PX)) for sigma in SIGMAS]
    return [np.asarray(fine - coarse, np.float32) for fine, coarse in itertools.pairwise(blurred)]


def measure_contrast(gray: FloatArray, within: FloatArray, half_width_px: float) -> FloatArray:
    """Return the logarithm of the contrast in each band, float32 (3,): of its standard deviation over the mean level.

    `gray` float32 (h, w) is the luma 0 … 255, `within` (h, w) 0 … 1 the weight of its pixels.
    """
    weight = within / max(float(within.sum()), 1e-6)
    level = max(float((gray * weight).sum()), _DARKEST_LEVEL)
    energies = [float((band * band * weight).sum()) for band in split_bands(gray, half_width_px)]
    return np.log(np.maximum(np.sqrt(energies) / level, _LEAST_CONTRAST)).astype(np.float32)


def find_eye(frame: EyeFrame, x: FloatArray, y: FloatArray) -> Mask:
    """Return where an open eye with its rims may be seen, bool in the shape of the frame coordinates `x` and `y`."""
    bow = np.sqrt(np.clip(1 - (x / _EYE_REACH) ** 2, 0, 1))
    return np.asarray((y < _EYE_HIGH * bow) & (y > _EYE_LOW * bow))


def measure_eyes(pixels: Pixels, face: Face) -> FloatArray | None:
    """Return the mean contrast of both eyes as the photo shows them, as `measure_contrast`; None at its edge.

    `pixels` uint8 (H, W, 3).
    """
    found = []
    for feature in EYES:
        frame = face.eye_frame(feature)
        angles = np.linspace(0, 2 * np.pi, 24, endpoint=False, dtype=np.float32)
        rim = frame.to_photo(_EYE_REACH * np.cos(angles), _EYE_HIGH * np.sin(angles))
        box = Box.around(np.column_stack(rim), 0).clipped(pixels.shape[1], pixels.shape[0])
        if box is None:
            return None
        within = find_eye(frame, *frame.grid(box)).astype(np.float32)
        found.append(_measure_shrunk(luma(pixels[box.slices]), within, frame.half_width_px))
    return np.asarray(np.mean(found, axis=0), np.float32)


def expect_eye_contrast(pixels: Pixels, face: Face) -> FloatArray | None:
    """Return the contrast that open eyes would have in a photo uint8 (H, W, 3), as `measure_contrast`.

    None where brows, lips or nose are not in the photo.
    """
    features = describe_features(pixels, face)
    return None if features is None else np.asarray((_EXPECTED * features).sum(axis=1), np.float32)


def describe_features(pixels: Pixels, face: Face) -> FloatArray | None:
    """Return what tells the contrast of the eyes, float32 (3, 5): for each band the columns of `_EXPECTED`.

    None where brows, lips or nose are not in the photo.
    """
    half_width_px = float(np.mean([face.eye_frame(eye).half_width_px for eye in EYES]))
    marks = face.landmarks
    brows = [
        _measure_around(pixels, np.concatenate([eye.brow_lower, eye.brow_upper]), _AROUND, half_width_px)
        for eye in marks.eyes
    ]
    lips = _measure_around(pixels, marks.lips, _AROUND, half_width_px)
    nose = _measure_around(pixels, marks.nose[6:], _AROUND_NOSE, half_width_px)
    seen = [brow for brow in brows if brow is not None]
    if not seen or lips is None or nose is None:
        return None
    size = np.full(BAND_COUNT, np.log(half_width_px))
    return np.stack([np.mean(seen, axis=0), lips, nose, size, np.ones(BAND_COUNT)], axis=1).astype(np.float32)


def _measure_around(pixels: Pixels, points: Points, margin: float, half_width_px: float) -> FloatArray | None:
    """The contrast within the hull of landmarks (n, 3) and so many half eye widths around it; None if not in sight."""
    pad_px = margin * half_width_px
    box = Box.around(points[:, :2], pad_px + 1).clipped(pixels.shape[1], pixels.shape[0])
    if box is None or min(box.width, box.height) < 4:
        return None
    hull = cv2.convexHull(np.rint((points[:, :2] - (box.left, box.top)) * 16).astype(np.int32))
    within = np.zeros((box.height, box.width), np.uint8)
    cv2.fillConvexPoly(within, hull, (255,), shift=4)
    side = 2 * round(pad_px) + 1
    within = np.asarray(cv2.dilate(within, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))), np.uint8)
    return _measure_shrunk(luma(pixels[box.slices]), within / np.float32(255), half_width_px)


def _measure_shrunk(gray: FloatArray, within: FloatArray, half_width_px: float) -> FloatArray:
    """`measure_contrast` of a picture that is reduced first where it is large."""
    scale = _MEASURED_HALF_WIDTH_PX / half_width_px
    if scale < 1:
        size = max(round(gray.shape[1] * scale), 1), max(round(gray.shape[0] * scale), 1)
        gray, within = (
            np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.float32)
            for picture in (gray, within)
        )
        half_width_px = _MEASURED_HALF_WIDTH_PX
    return measure_contrast(gray, within, half_width_px)
