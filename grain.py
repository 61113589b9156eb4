"""Tells the grain of a noisy photo from what it shows, so that skin can be moved under grain that stays.

Grain that is stretched with the skin turns into combs and streaks, which betray the warp before anything else does.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from landmarker import measure_noise
from photo_types import Pixels
from soft_edges import smoothstep

Floats = NDArray[np.float32]

# Grain is finer than this, in pixels.
_GRAIN_SIZE_PX = 1.8
# Differences of this many deviations and more are no grain but edges: they move. So does what lies on a slope of this
# many deviations per pixel in the photo seen through a blur in which no grain is left.
_EDGE_SIGMAS = 5.0
_SLOPE_SIGMAS, _SLOPE_BLUR_PX = 0.8, 2.5
# Less noise than the first number, in 8-bit steps, nobody sees drawn out; from the second on all of it stays.
_NOISE_RANGE = (2.0, 4.0)
# On faces with smaller distances of the outer eye corners than these, in pixels, features are as fine as grain.
_EYE_DISTANCES_PX = (100.0, 180.0)


def find_grain(pixels: Pixels, eye_distance_px: float) -> Floats | None:
    """Return the part of `pixels` uint8 (h, w, 3) that is grain, float32 (h, w, 3); None where it does not matter.

    Edges are left out of it by the size of the step: what is far above the noise is no noise.
    """
    share = float(smoothstep(*_EYE_DISTANCES_PX, np.array(eye_distance_px)))
    noise = measure_noise(pixels) if share > 0 else 0.0
    share *= float(smoothstep(*_NOISE_RANGE, np.array(noise)))
    if share == 0:
        return None
    values = pixels.astype(np.float32)
    fine = values - cv2.GaussianBlur(values, (0, 0), _GRAIN_SIZE_PX)
    calm = cv2.GaussianBlur(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), (0, 0), _SLOPE_BLUR_PX)
    slope = np.hypot(cv2.Sobel(calm, cv2.CV_32F, 1, 0, scale=1 / 8), cv2.Sobel(calm, cv2.CV_32F, 0, 1, scale=1 / 8))
    flat = np.exp(-((slope / (_SLOPE_SIGMAS * noise)) ** 2))[..., None]
    return np.asarray(share * flat * fine * np.exp(-((fine / (_EDGE_SIGMAS * noise)) ** 2)), np.float32)
