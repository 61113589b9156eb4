"""Gives a rendered eye the contrast of a photographed one: in its iris, and in its detail as its face lets expect."""

from __future__ import annotations

import cv2
import numpy as np

from face.contrast import find_eye, measure_contrast, split_bands
from face.eye_geometry import EyeView
from face.feature_scale import fit_to, shrink_view
from face.types import EyeFrame
from photo.blend import smoothstep
from photo.measure import LUMA, luma
from photo.types import Box, FloatArray, Pixels
from render.eyeball import EyeGeometry, aperture_alpha

# calibration: eye-contrast. Eyes differ, too, not only photos: of a difference so much is made up for, on a logarithmic
# scale, in each band where an eye has too much, and where it has too little; and all of it that is beyond what eyes
# usually differ by; by no more than these factors. Irises sharper than their face are noticed more than softer ones.
_TOO_MUCH, _TOO_LITTLE, _USUAL = np.array([0.8, 0.6, 0.4], np.float32), 0.3, 0.3
_MOST_GAINS = (0.3, 1.3)
# Bands overlap, so that one pass changes less than it aims at.
_PASSES = 3
# calibration: iris-depth. Ratios of luma. Refined eyes come out paler and flatter than asked for: so far, on a
# logarithmic scale, the iris is brought back to the brightness that was asked for; so many times darker is what is
# darker than that, brighter what is brighter; by no more than these factors.
_BACK_TO_ASKED, _DARKER, _BRIGHTER, _GAINS = 0.8, 1.6, 1.4, (0.4, 1.6)
# The brightness of an iris is that of its ring between these radii, no higher over its centre than this: further up
# lies the shadow of the lid. It turns into white between these radii.
_RING, _BELOW, _LIMBUS = (0.40, 0.85), 0.05, (0.85, 1.10)
_SOFTNESS, _LEAST_PIXELS = 0.08, 12
# The change fades over so many half eye widths around the rim of the eye.
_FADE = 0.08


def deepen_iris(painted: Pixels, box: Box, geometry: EyeGeometry, asked: FloatArray) -> Pixels:
    """Return the box of a painted eye, uint8 (h, w, 3) RGB, with its iris as dark as `asked`, RGB float32 (3,).

    The pupil becomes darker with it, and reflections stay as bright. An eye too far shut to show its iris stays.
    """
    x, y = geometry.frame.grid(box)
    radii = geometry.measure_radii(x, y)
    opening = aperture_alpha(x, y, geometry.lids, _SOFTNESS)
    level = np.maximum(luma(painted), 1.0)
    ring = (opening > 0.8) & (radii > _RING[0]) & (radii < _RING[1]) & (y < geometry.center[1] + _BELOW)
    if int(ring.sum()) < _LEAST_PIXELS:
        return painted
    mean = float(np.median(level[ring]))
    ratio = level / mean
    deeper = np.where(ratio < 1, ratio**_DARKER, ratio**_BRIGHTER)
    deeper *= (max(float(asked @ LUMA), 1.0) / mean) ** _BACK_TO_ASKED
    iris = opening * (1 - smoothstep(*_LIMBUS, radii))
    gain = np.clip(1 + iris * (deeper / ratio - 1), *_GAINS)
    return np.asarray(np.clip(np.rint(painted * gain[..., None]), 0, 255), np.uint8)


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
    measured = measure_contrast(luma(reduced), within, half_width_px)
    lacking = expected - measured
    share = np.where(lacking < 0, _TOO_MUCH, _TOO_LITTLE)
    made_up = np.sign(lacking) * np.maximum(share * np.abs(lacking), np.abs(lacking) - _USUAL)
    aim = measured + np.clip(made_up, *np.log(_MOST_GAINS))
    # All of what was measured is changed; the change fades outside it.
    side = 2 * round(2 * _FADE * half_width_px) + 1
    around = cv2.dilate(within, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
    soft = cv2.GaussianBlur(around, (0, 0), max(_FADE * half_width_px, 0.5))[..., None]
    matched = reduced
    for _ in range(_PASSES):
        gains = np.exp(aim - measure_contrast(luma(matched), within, half_width_px))
        bands = split_bands(matched, half_width_px)
        change = sum((gain - 1) * band for gain, band in zip(gains, bands, strict=True))
        matched = np.asarray(matched + soft * change, np.float32)
    changed = picture + fit_to(view, matched - reduced)
    return np.asarray(np.clip(np.rint(changed), 0, 255), np.uint8)
