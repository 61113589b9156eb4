"""Tells the grain of a noisy photo from what it shows, so that skin can be moved under grain that stays.

Grain that is stretched with the skin turns into combs and streaks, which betray the warp before anything else does.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from photo.blend import smoothstep
from photo.types import FloatArray, Pixels

MOST_BLUR_PX = 6.0
"""No blur is measured larger than this."""

# calibration: grain. Grain is finer than this, in pixels.
_GRAIN_SIZE_PX = 1.8
# calibration: grain. Differences of this many deviations and more are no grain but edges: they move. So does what lies
# on a slope of this many deviations per pixel in the photo seen through a blur in which no grain is left.
_EDGE_SIGMAS = 5.0
_SLOPE_SIGMAS, _SLOPE_BLUR_PX = 0.8, 2.5
# calibration: grain. Less noise than the first number, in 8-bit steps, nobody sees drawn out; from the second on all of
# it stays.
_NOISE_RANGE = (2.0, 4.0)
# So many pixels in the middle, each way, tell the noise of all.
_NOISE_SIDE_PX = 1024
# Grain is told band by band of so many rows, each seen with so many around it as the blurs reach.
_BAND_ROWS, _AROUND_PX = 128, 12
# calibration: grain. On faces with smaller distances of the outer eye corners than these, in pixels, features are as
# fine as grain.
_EYE_DISTANCES_PX = (100.0, 180.0)


def find_grain(pixels: Pixels, eye_distance_px: float, on_step: Callable[[], None] = lambda: None) -> FloatArray | None:
    """Return the part of `pixels` uint8 (h, w, 3) that is grain, float32 (h, w, 3); None where it does not matter.

    Edges are left out of it by the size of the step: what is far above the noise is no noise. `on_step` is called
    every now and then.
    """
    share = float(smoothstep(*_EYE_DISTANCES_PX, np.array(eye_distance_px)))
    noise = measure_noise(_cut_middle(pixels)) if share > 0 else 0.0
    share *= float(smoothstep(*_NOISE_RANGE, np.array(noise)))
    if share == 0:
        return None
    grain = np.empty(pixels.shape, np.float32)
    for top in range(0, len(pixels), _BAND_ROWS):
        on_step()
        first = max(top - _AROUND_PX, 0)
        band = _find_in_band(pixels[first : top + _BAND_ROWS + _AROUND_PX], noise, share)
        grain[top : top + _BAND_ROWS] = band[top - first : top - first + _BAND_ROWS]
    return grain


def _cut_middle(pixels: Pixels) -> Pixels:
    rows, columns = (
        slice(max(size - _NOISE_SIDE_PX, 0) // 2, (size + _NOISE_SIDE_PX) // 2) for size in pixels.shape[:2]
    )
    return pixels[rows, columns]


def _find_in_band(pixels: Pixels, noise: float, share: float) -> FloatArray:
    """What of `pixels` uint8 (h, w, 3) is grain that deviates by `noise`, `share` of it: float32 (h, w, 3)."""
    values = pixels.astype(np.float32)
    fine = values - cv2.GaussianBlur(values, (0, 0), _GRAIN_SIZE_PX)
    calm = cv2.GaussianBlur(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), (0, 0), _SLOPE_BLUR_PX)
    slope = np.hypot(cv2.Sobel(calm, cv2.CV_32F, 1, 0, scale=1 / 8), cv2.Sobel(calm, cv2.CV_32F, 0, 1, scale=1 / 8))
    flat = np.exp(-((slope / (_SLOPE_SIGMAS * noise)) ** 2))[..., None]
    return np.asarray(share * flat * fine * np.exp(-((fine / (_EDGE_SIGMAS * noise)) ** 2)), np.float32)


# calibration: dark. A view whose whites are darker than the first number is lifted until they are as bright as the
# second.
_DARK_WHITE, _LIFTED_WHITE = 110.0, 220.0
# calibration: noise. A view of half the size in which noise deviates by more grey levels than the first number is
# blurred by so many pixels: clear photos have 0.2 … 3.0. Noise on closed lids is taken for an open eye.
_NOISY, _CALMING_SIGMA_PX = 4.0, 1.5
# The difference of two Laplacians sees no slopes (Immerkær, "Fast Noise Variance Estimation", 1996); of noise of
# deviation 1 its values have a deviation of 6, and the median of their size is 0.6745 times that.
_NOISE_KERNEL = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
_MEDIAN_TO_SIGMA = 1 / (6 * 0.6745)


def lift_dark(view: Pixels) -> Pixels:
    """A dark view uint8 (h, w, 3) made as bright as photos are; another one as it is."""
    # Counting the bright ones is much quicker than ranking all, and settles nearly every photo.
    if np.count_nonzero(view >= _DARK_WHITE) > 0.02 * view.size:
        return view
    white = float(np.percentile(view, 99))
    if white >= _DARK_WHITE:
        return view
    return cv2.convertScaleAbs(view, alpha=_LIFTED_WHITE / max(white, 1.0)).astype(np.uint8, copy=False)


def clear_up(view: Pixels) -> Pixels:
    """A dark or noisy view uint8 (h, w, 3) as the landmarker reads it best; another one as it is."""
    lifted = lift_dark(view)
    # What is lifted has had its noise lifted, too.
    if lifted is view and measure_view_noise(view) <= _NOISY:
        return view
    return cv2.GaussianBlur(lifted, (0, 0), _CALMING_SIGMA_PX).astype(np.uint8, copy=False)


def measure_view_noise(view: Pixels) -> float:
    """The noise in the green of a view uint8 (h, w, 3) shrunk to half its size, by `measure_noise`."""
    return measure_noise(np.asarray(cv2.resize(view[..., 1], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)))


def measure_noise(pixels: Pixels) -> float:
    """Standard deviation of the noise of `pixels` uint8 (h, w) or (h, w, 3), in 8-bit steps, mean of the channels."""
    ripples = np.abs(cv2.filter2D(pixels, cv2.CV_32F, _NOISE_KERNEL))
    return float(np.median(ripples, axis=(0, 1)).mean() * _MEDIAN_TO_SIGMA)


LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Weights of R, G, B in luma. Source: ITU-R BT.601."""
_REBLUR_SIGMA_PX = 1.0
_SHARPEST_PERCENTILE = 20.0
# The gradient filter blurs, too: a step without any blur measures this much.
_SOBEL_VARIANCE_PX2 = 0.6


def luma(pixels: NDArray[np.generic]) -> FloatArray:
    """Luma float32 (h, w), 0 … 255, of RGB pixels (h, w, 3)."""
    return pixels.astype(np.float32) @ LUMA


def trimmed_mean(colors: FloatArray, percentiles: tuple[int, int]) -> FloatArray:
    """Mean float32 (3,) of those of `colors` float32 (n, 3) whose luma lies between two percentiles; n is not 0."""
    level = colors @ LUMA
    low, high = np.percentile(level, percentiles)
    return np.asarray(colors[(level >= low) & (level <= high)].mean(axis=0), np.float32)


def measure_blur(gray: FloatArray) -> float:
    """Standard deviation in pixels of the blur of the sharpest edges in luma float32 (h, w).

    Source: Zhuo and Sim, "Defocus map estimation from a single image", 2011: an edge loses gradient when it
    is blurred again, the less so the softer it was.
    """
    once = cv2.GaussianBlur(gray, (0, 0), _REBLUR_SIGMA_PX)
    before, after = (np.hypot(cv2.Sobel(g, cv2.CV_32F, 1, 0), cv2.Sobel(g, cv2.CV_32F, 0, 1)) for g in (gray, once))
    strong = before > max(np.percentile(before, 95), 8.0)
    if strong.sum() < 12:
        return 1.0
    ratio = np.clip(before[strong] / np.maximum(after[strong], 1e-3), 1.05, 6.0)
    sigmas = _REBLUR_SIGMA_PX / np.sqrt(ratio * ratio - 1)
    sharpest = float(np.percentile(sigmas, _SHARPEST_PERCENTILE))
    return float(np.clip(np.sqrt(max(sharpest**2 - _SOBEL_VARIANCE_PX2, 0)), 0.3, MOST_BLUR_PX))
