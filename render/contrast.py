"""Gives a rendered eye as much contrast in its detail as its face lets expect: no crisper nor softer than the rest."""

from __future__ import annotations

import cv2
import numpy as np

from face.contrast import find_eye, measure_contrast, split_bands
from face.eye_geometry import EyeView
from face.feature_scale import fit_to, shrink_view
from face.types import EyeFrame
from photo.measure import luma
from photo.types import Box, FloatArray, Pixels

# calibration: eye-contrast. Eyes differ, too, not only photos: so much of the difference is made up for, on a
# logarithmic scale, and in no band more than by these factors.
_SHARE, _LEAST_GAIN, _MOST_GAIN = 0.65, 0.65, 1.35
# The change fades over so many half eye widths at the rim of the eye.
_FADE = 0.12


def match_contrast(painted: Pixels, box: Box, frame: EyeFrame, expected: FloatArray) -> Pixels:
    """Return the box of a painted eye, uint8 (h, w, 3) RGB, with the contrast that `expected` tells.

    `expected` float32 (3,) as `expect_eye_contrast` of the face returns it.
    """
    view = EyeView(box, frame, *frame.grid(box))
    small = shrink_view(view)
    half_width_px = small.frame.half_width_px
    picture = painted.astype(np.float32)
    reduced = fit_to(small, picture)
    within = find_eye(small.frame, small.x, small.y).astype(np.float32)
    if not within.any():
        return painted
    lacking = expected - measure_contrast(luma(reduced), within, half_width_px)
    gains = np.clip(np.exp(_SHARE * lacking), _LEAST_GAIN, _MOST_GAIN)
    change = sum((gain - 1) * band for gain, band in zip(gains, split_bands(reduced, half_width_px), strict=True))
    soft = cv2.GaussianBlur(within, (0, 0), max(_FADE * half_width_px, 0.5))[..., None]
    changed = picture + fit_to(view, np.asarray(soft * change, np.float32))
    return np.asarray(np.clip(np.rint(changed), 0, 255), np.uint8)
