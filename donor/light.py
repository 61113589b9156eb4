"""Matches light, colours, sharpness and grain of an eye or a mouth to the photo it is transferred to."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from face.appearance import FaceAppearance
from photo.blend import smoothstep
from photo.measure import LUMA
from photo.types import FloatArray, Matrix

# calibration: donor-light. In half eye widths.
_LIGHT_WIDTH = 0.40
"""Light changes over this width, in half eye widths; what is finer belongs to the skin."""
# calibration: donor-light. Ratio of two lights.
_MOST_GAIN = 2.5
# calibration: donor-light. Share of a difference of colours.
_HAZE_FRACTION = 0.8
"""Of the difference of the two photos' blacks so much is taken away."""
# calibration: donor-light. Ratio of two saturations.
_PALER = 0.7
"""A skin with less than this part of the donor's colour is paler not by its light alone."""
# calibration: donor-light. Ratios of two lights.
_CALMED_GAIN = (1.15, 1.5)
"""A donor that is brightened by less than the first keeps its noise, by more than the second loses all of it."""
_MOST_CALMED = 0.85
# calibration: donor-light. In grey levels.
_CALM_LEVELS = 3.5
"""Differences of so many grey levels count as noise."""
# calibration: donor-light. A factor, half eye widths, grey levels.
_CRISPNESS, _CRISP_WIDTH, _CRISP_FROM = 1.6, 0.10, 0.5
"""So much stronger are edges made as they are finer than this part of half an eye, from so many grey levels on."""
# calibration: donor-light. In half eye widths.
_COLOR_WIDTH = 0.12
"""Blotches of colour noise are about so wide, or smaller."""


@dataclass(frozen=True, eq=False)
class Matched:
    """A donated part with the sharpness, light, colours and grain of its new photo: `pixels` float32 (h, w, 3) RGB.

    `calmed` 0 … 1 is the fraction of its noise that was removed, see `measure_darkness`. `noisy` float32 (h, w, 3) is
    the part in its new light before that: denoising mixes colours, the mean of many noisy pixels keeps them.
    """

    pixels: FloatArray
    calmed: float
    noisy: FloatArray


@dataclass(frozen=True, eq=False)
class DonorView:
    """The appearance of the target's face and of the donor's, and `scale`, the donor's pixels per target pixel."""

    appearance: FaceAppearance
    donor_appearance: FaceAppearance
    scale: float


def match_donor(
    target: FloatArray, donated: FloatArray, weight: FloatArray, half_width_px: float, view: DonorView
) -> Matched:
    """Return the part `donated` float32 (h, w, 3) as it would look in the target's photo.

    `target` float32 (h, w, 3) is the photo in the same place, `weight` (h, w) 0 … 1 is high where both show the same
    skin, `half_width_px` is half the width of an eye.
    """
    own, other = view.appearance, view.donor_appearance
    donated = match_sharpness(match_saturation(donated, own, other), view.scale, own, other)
    gain = match_light(target, donated, weight, half_width_px)
    calmed = measure_darkness(gain)
    noisy = donated * gain
    donated = crispen(calm_dark(donated, calmed), calmed, half_width_px) * gain
    donated = clear_haze(soften_highlights(donated, gain, own), gain, own, other)
    donated = calm_grain(calm_color(donated, target, weight, half_width_px), target, weight)
    return Matched(match_grain(donated, view.scale / (1 - calmed), own, other), calmed, noisy)


def measure_saturation(appearance: FaceAppearance) -> float:
    """Return the mean deviation of the skin's channels from its luma, as a fraction of the luma."""
    level = float(appearance.skin @ LUMA)
    return float(np.abs(appearance.skin - level).mean()) / max(level, 1.0)


def match_saturation(donated: FloatArray, appearance: FaceAppearance, donor_appearance: FaceAppearance) -> FloatArray:
    """Return `donated` (h, w, 3) desaturated to a target that is paler than its photo: gray for a gray one."""
    ratio = measure_saturation(appearance) / max(measure_saturation(donor_appearance), 1e-3)
    if ratio >= _PALER:
        return donated
    gray = (donated @ LUMA)[..., None]
    return np.asarray(gray + ratio * (donated - gray), np.float32)


def skin_alike(x: FloatArray, y: FloatArray, brow: FloatArray | Matrix) -> FloatArray:
    """Return the weight 0 … 1, of the shape of `x`, of skin that looks alike with open and closed eyes.

    `x` and `y` are eye frame coordinates, `brow` is the height of the brow's lower edge at each.
    """
    lids = np.hypot(x / 1.25, (y - 0.05) / 0.80)
    weight = smoothstep(0.95, 1.15, lids) * (1 - smoothstep(-0.30, -0.15, y - brow))
    return weight * (1 - smoothstep(1.5, 1.9, np.abs(x)))


def match_light(target: FloatArray, donated: FloatArray, weight: FloatArray, half_width_px: float) -> FloatArray:
    """Return the gain that gives `donated` the light of `target`, smooth, float32 (h, w, 3).

    It is measured where `weight` 0 … 1 (h, w) is high, which is where both show the same skin, and extrapolated over
    the eye from there. `half_width_px` is half the width of the eye.
    """
    sigma = max(0.06 * half_width_px, 0.6)
    here, there = (np.log(cv2.GaussianBlur(part, (0, 0), sigma) + 4.0) for part in (target, donated))
    ratio = here - there
    if weight.sum() < 12:
        return np.ones_like(donated)
    strong = weight > 0.5
    middle = np.median(ratio[strong], axis=0) if strong.any() else np.median(ratio.reshape(-1, 3), axis=0)
    # Glints, hairs and rims of glasses lie on one of the two only.
    spread = max(1.4826 * float(np.median(np.abs(ratio - middle)[strong])) if strong.any() else 0.1, 0.05)
    off = np.linalg.norm(ratio - middle, axis=2) / (3 * spread)
    weight = weight / (1 + off**4)
    gain = np.zeros_like(ratio)
    total = np.zeros_like(weight)
    # Wide blurs reach the middle, narrow ones keep the rim seamless: each weighs more the narrower it is.
    for width, mix in ((_LIGHT_WIDTH, 1.0), (2.5 * _LIGHT_WIDTH, 0.05)):
        gain += mix * cv2.GaussianBlur(ratio * weight[..., None], (0, 0), width * half_width_px)
        total += mix * cv2.GaussianBlur(weight, (0, 0), width * half_width_px)
    gain = (gain + 1e-4 * middle) / (total + 1e-4)[..., None]
    limit = np.log(_MOST_GAIN)
    return np.exp(np.clip(gain, -limit, limit)).astype(np.float32)


def soften_highlights(donated: FloatArray, gain: FloatArray, appearance: FaceAppearance) -> FloatArray:
    """Return the brightened eye `donated` float32 (h, w, 3) without glaring whites; `gain` is what brightened it.

    Brightening a dark photo exaggerates what is brighter than skin: above its luma differences stay as they were.
    """
    level = max(float(appearance.skin @ LUMA), 1.0)
    gray = donated @ LUMA
    over = np.maximum(gray - level, 0)
    growth = np.maximum(gain @ LUMA, 1.0)
    return np.asarray(donated * ((gray - over + over / growth) / np.maximum(gray, 1.0))[..., None], np.float32)


def clear_haze(
    donated: FloatArray, gain: FloatArray, appearance: FaceAppearance, donor_appearance: FaceAppearance
) -> FloatArray:
    """Return the eye `donated` float32 (h, w, 3), brightened by `gain`, with blacks as deep as the target's.

    Brightening a dark photo brightens its blacks, too: what is darker than skin is darkened again.
    """
    level = max(float(appearance.skin @ LUMA), 1.0)
    haze = float(np.median(gain @ LUMA)) * float(donor_appearance.black @ LUMA) - float(appearance.black @ LUMA)
    if haze <= 0:
        return donated
    gray = donated @ LUMA
    depth = np.clip(1 - gray / level, 0, 1)
    return np.asarray(
        donated * ((gray - _HAZE_FRACTION * haze * depth) / np.maximum(gray, 1.0)).clip(0.1)[..., None], np.float32
    )


def measure_darkness(gain: FloatArray) -> float:
    """Return the fraction of its noise, 0 … `_MOST_CALMED`, that an eye brightened by `gain` (h, w, 3) has to lose."""
    low, high = _CALMED_GAIN
    return _MOST_CALMED * float(np.clip((float(np.median(gain @ LUMA)) - low) / (high - low), 0, 1))


def calm_dark(donated: FloatArray, fraction: float) -> FloatArray:
    """Return the donated eye float32 (h, w, 3) from a dark photo without the `fraction` 0 … 1 of its noise.

    In the dark noise is strongest, and brightening shows it. Specks are removed first, by a median, then the rest by
    non-local means: Buades et al., "A non-local algorithm for image denoising", 2005. With 0 it comes back itself.
    """
    if fraction == 0:
        return donated
    calm = cv2.medianBlur(np.clip(np.rint(donated), 0, 255).astype(np.uint8), 3)
    smooth = cv2.fastNlMeansDenoisingColored(calm, None, _CALM_LEVELS, 2 * _CALM_LEVELS, 5, 15).astype(np.float32)
    return np.asarray(donated + fraction * (smooth - donated), np.float32)


def crispen(donated: FloatArray, fraction: float, half_width_px: float) -> FloatArray:
    """Return the donated eye with the rims of lids and irises sharpened that noise and `calm_dark` blurred.

    `fraction` 0 … 1 is the one given to `calm_dark`; with 0 the eye comes back itself.
    """
    if fraction == 0:
        return donated
    gray = donated @ LUMA
    width = max(_CRISP_WIDTH * half_width_px, 1.0)
    fine = gray - cv2.GaussianBlur(gray, (0, 0), width)
    # Edges alone: the remaining noise is fainter. And no halos: nothing gets brighter or darker than its surroundings.
    fine = np.sign(fine) * np.maximum(np.abs(fine) - _CRISP_FROM, 0)
    near = np.ones((2 * round(width) + 1,) * 2, np.uint8)
    crisp = np.clip(gray + _CRISPNESS * fraction * fine, cv2.erode(gray, near), cv2.dilate(gray, near))
    return np.asarray(donated + (crisp - gray)[..., None], np.float32)


def calm_color(donated: FloatArray, target: FloatArray, weight: FloatArray, half_width_px: float) -> FloatArray:
    """Return `donated` with a smoother hue if its hue is noisier than the target's, as in brightened dark photos.

    Both are float32 (h, w, 3); `weight` (h, w) is above 0.5 where both show the same skin.
    """
    ring = weight > 0.5
    if ring.sum() < 12:
        return donated
    width = max(_COLOR_WIDTH * half_width_px, 0.8)

    def measure(picture: FloatArray) -> tuple[FloatArray, FloatArray, float]:
        hue = picture - (picture @ LUMA)[..., None]
        smooth = np.asarray(cv2.GaussianBlur(hue, (0, 0), width), np.float32)
        return hue, smooth, float(np.median(np.abs(hue - smooth)[ring]))

    hue, smooth, noise = measure(donated)
    excess = 1 - measure(target)[2] / max(noise, 1e-3)
    if excess <= 0:
        return donated
    return np.asarray(donated + min(1.5 * excess, 1.0) * (smooth - hue), np.float32)


def calm_grain(donated: FloatArray, target: FloatArray, weight: FloatArray) -> FloatArray:
    """Return `donated` with fewer specks of noise if it has more than the target, as brightened dark photos have.

    Both are float32 (h, w, 3); `weight` (h, w) is above 0.5 where both show the same skin.
    """
    ring = weight > 0.5
    if ring.sum() < 12:
        return donated

    def measure(picture: FloatArray) -> tuple[FloatArray, float]:
        calm = np.asarray(cv2.medianBlur(picture, 3), np.float32)
        return calm, float(np.abs((picture - calm) @ LUMA)[ring].mean())

    calm, noise = measure(donated)
    excess = 1 - measure(target)[1] / max(noise, 1e-3)
    return np.asarray(donated + min(1.5 * max(excess, 0.0), 1.0) * (calm - donated), np.float32)


def match_sharpness(
    donated: FloatArray, scale: float, appearance: FaceAppearance, donor_appearance: FaceAppearance
) -> FloatArray:
    """Return `donated` blurred if its photo is sharper than the target; `scale` is as in `DonorView`."""
    own = donor_appearance.blur_sigma_px / scale
    missing = appearance.blur_sigma_px**2 - own**2
    if missing <= 0.05:
        return donated
    return np.asarray(cv2.GaussianBlur(donated, (0, 0), float(np.sqrt(missing))), np.float32)


def match_grain(
    donated: FloatArray, scale: float, appearance: FaceAppearance, donor_appearance: FaceAppearance
) -> FloatArray:
    """Return `donated` with grain added if the target's skin has more of it; `scale` is as in `DonorView`."""
    have = float(donor_appearance.grain.std()) / max(scale, 1.0)
    want = float(appearance.grain.std())
    missing = np.sqrt(max(want**2 - have**2, 0.0)) / max(want, 1e-3)
    if missing < 0.2:
        return donated
    return donated + missing * appearance.tile_grain(*donated.shape[:2])
