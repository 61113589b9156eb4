"""Measure noise, grain, blur and luma, and brighten or smooth pictures that are too dark or noisy to be read.

Grain is separated from the rest of a photo so that skin can be warped under grain that stays: stretched grain turns
into combs and streaks, which betray the warp before anything else does.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from photo.blend import smoothstep
from photo.types import FloatArray, Pixels

# Intel's filters inside OpenCV round differently with where a picture happens to lie in memory, so that the same photo
# would come out in two versions. OpenCV's own are as quick here.
cv2.ipp.setUseIPP(False)

MOST_BLUR_PX = 6.0
"""No blur is measured larger than this."""

# calibration: grain. Grain is finer than this, in pixels.
_GRAIN_SIZE_PX = 1.8
# calibration: grain. Differences of this many deviations and more are no grain but edges: they move. So does what lies
# on a slope of this many deviations per pixel in the photo seen through a blur in which no grain is left.
_EDGE_SIGMAS = 5.0
_SLOPE_SIGMAS, _SLOPE_BLUR_PX = 0.8, 2.5
# calibration: grain. Noise below the first value, in 8-bit steps, is not visible when stretched; above the second, all
# grain stays.
_NOISE_RANGE = (2.0, 4.0)
# Noise is measured in a square of this side in the middle.
_NOISE_SIDE_PX = 1024
# Grain is found in bands of this many rows, each with the rows around it that the blurs need.
_BAND_ROWS, _AROUND_PX = 128, 12
# calibration: grain. On faces with smaller distances of the outer eye corners than these, in pixels, features are as
# fine as grain.
_EYE_DISTANCES_PX = (100.0, 180.0)


def find_grain(pixels: Pixels, eye_distance_px: float, on_step: Callable[[], None] = lambda: None) -> FloatArray | None:
    """Return the grain in `pixels` uint8 (h, w, 3), float32 (h, w, 3) of mean near 0; None where it is negligible.

    Steps far above the noise are edges and no grain. On faces whose outer eye corners, `eye_distance_px` apart, are
    near each other, features are as fine as grain: there it is weighted down. `on_step` is called once per band.
    """
    weight = float(smoothstep(*_EYE_DISTANCES_PX, np.array(eye_distance_px)))
    noise = measure_noise(_cut_middle(pixels)) if weight > 0 else 0.0
    weight *= float(smoothstep(*_NOISE_RANGE, np.array(noise)))
    if weight == 0:
        return None
    grain = np.empty(pixels.shape, np.float32)
    for top in range(0, len(pixels), _BAND_ROWS):
        on_step()
        first = max(top - _AROUND_PX, 0)
        band = _find_in_band(pixels[first : top + _BAND_ROWS + _AROUND_PX], noise, weight)
        grain[top : top + _BAND_ROWS] = band[top - first : top - first + _BAND_ROWS]
    return grain


def _cut_middle(pixels: Pixels) -> Pixels:
    rows, columns = (
        slice(max(size - _NOISE_SIDE_PX, 0) // 2, (size + _NOISE_SIDE_PX) // 2) for size in pixels.shape[:2]
    )
    return pixels[rows, columns]


def _find_in_band(pixels: Pixels, noise: float, weight: float) -> FloatArray:
    """The grain of standard deviation `noise` in `pixels` uint8 (h, w, 3), times `weight` 0 … 1: float32 (h, w, 3)."""
    fine = pixels.astype(np.float32)
    grain = np.asarray(cv2.GaussianBlur(fine, (0, 0), _GRAIN_SIZE_PX), np.float32)
    np.subtract(fine, grain, out=fine)
    calm = cv2.GaussianBlur(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), (0, 0), _SLOPE_BLUR_PX)
    across, down = cv2.Sobel(calm, cv2.CV_32F, 1, 0, scale=1 / 8), cv2.Sobel(calm, cv2.CV_32F, 0, 1, scale=1 / 8)
    flat = weight * cv2.exp((across**2 + down**2) / -((_SLOPE_SIGMAS * noise) ** 2))
    # In place, as a large face has tens of millions of these values.
    np.multiply(fine, fine, out=grain)
    grain /= -((_EDGE_SIGMAS * noise) ** 2)
    cv2.exp(grain, grain)
    grain *= fine
    grain *= flat[..., None]
    return grain


# calibration: dark. A view whose whites are darker than the first value is brightened until they reach the second.
_DARK_WHITE, _LIFTED_WHITE = 110.0, 220.0
# calibration: noise. A view of half the size in which noise deviates by more grey levels than the first value is
# blurred by the second, in pixels: clear photos have 0.2 … 3.0. Noise on closed lids is taken for an open eye. The
# third is for noise in which no face is read otherwise.
_NOISY, _CALMING_SIGMA_PX, _NUMBING_SIGMA_PX = 4.0, 1.5, 3.5
# The difference of two Laplacians sees no slopes (Immerkær, "Fast Noise Variance Estimation", 1996); of noise of
# deviation 1 its values have a deviation of 6, and the median of their size is 0.6745 times that.
_NOISE_KERNEL = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
_MEDIAN_TO_SIGMA = 1 / (6 * 0.6745)


def lift_dark(view: Pixels) -> Pixels:
    """Return a dark view uint8 (h, w, 3) scaled to usual brightness; any other view itself."""
    # Counting bright samples is much quicker than a percentile, and settles nearly every photo.
    if np.count_nonzero(view >= _DARK_WHITE) > 0.02 * view.size:
        return view
    white = float(np.percentile(view, 99))
    if white >= _DARK_WHITE:
        return view
    return cv2.convertScaleAbs(view, alpha=_LIFTED_WHITE / max(white, 1.0)).astype(np.uint8, copy=False)


def clear_up(view: Pixels) -> Pixels:
    """Return a dark view uint8 (h, w, 3) brightened and smoothed, a noisy one smoothed, any other one itself.

    So the landmarker reads it best.
    """
    lifted = lift_dark(view)
    # Brightening amplifies the noise, too.
    if lifted is view and measure_view_noise(view) <= _NOISY:
        return view
    return cv2.GaussianBlur(lifted, (0, 0), _CALMING_SIGMA_PX).astype(np.uint8, copy=False)


def smooth_more(view: Pixels) -> Pixels:
    """Return a view uint8 (h, w, 3) of `clear_up` so smooth that heavy noise is gone, and fine detail with it."""
    sigma = (_NUMBING_SIGMA_PX**2 - _CALMING_SIGMA_PX**2) ** 0.5
    return cv2.GaussianBlur(view, (0, 0), sigma).astype(np.uint8, copy=False)


def measure_view_noise(view: Pixels) -> float:
    """Return the noise, in 8-bit steps, of the green channel of a view uint8 (h, w, 3) at half its size."""
    return measure_noise(np.asarray(cv2.resize(view[..., 1], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)))


def measure_noise(pixels: Pixels) -> float:
    """Return the standard deviation of the noise of `pixels` uint8 (h, w) or (h, w, 3), in 8-bit steps.

    Of several channels it is the mean.
    """
    ripples = np.abs(cv2.filter2D(pixels, cv2.CV_32F, _NOISE_KERNEL))
    return float(np.median(ripples, axis=(0, 1)).mean() * _MEDIAN_TO_SIGMA)


LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Weights of R, G, B in luma. Source: ITU-R BT.601."""
_REBLUR_SIGMA_PX = 1.0
_SHARPEST_PERCENTILE = 20.0
# The gradient filter blurs, too: a step without any blur measures this much.
_SOBEL_VARIANCE_PX2 = 0.6


def luma(pixels: NDArray[np.generic]) -> FloatArray:
    """Return the luma float32 (…), 0 … 255, of RGB pixels (…, 3)."""
    return pixels.astype(np.float32) @ LUMA


def trimmed_mean(colors: FloatArray, percentiles: tuple[int, int]) -> FloatArray:
    """Return the mean, float32 (3,), of the colours float32 (n > 0, 3) whose luma lies between two percentiles."""
    level = colors @ LUMA
    low, high = np.percentile(level, percentiles)
    return np.asarray(colors[(level >= low) & (level <= high)].mean(axis=0), np.float32)


def measure_blur(gray: FloatArray) -> float:
    """Return the standard deviation of the blur of the sharpest edges in luma float32 (h, w), 0.3 … 6 pixels.

    1 where there are too few edges. Source: Zhuo and Sim, "Defocus map estimation from a single image", 2011: an edge
    loses gradient when it is blurred again, the less so the softer it was.
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
