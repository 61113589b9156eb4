"""The lashes of a closed eye: their darkness, reach and colour, and the skin without them.

The lashes of an open eye lie elsewhere; remains of the old ones are the surest sign that an eye was painted.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from cv2.typing import MatLike

from face.appearance import FaceAppearance
from face.eye_geometry import EyeView, Lids, evaluate_lid
from face.feature_scale import fit_to, shrink_view
from photo.blend import smoothstep
from photo.measure import LUMA
from photo.types import FloatArray

# All lengths below are in units of the eye frame: half the width of the eye.
LASH_CLEARANCE = 0.10
"""Below the closed line the lashes lie at least this far down."""
# calibration: lash-removal. In half eye widths.
LONGEST_LASHES = 0.52
"""… and at most this far: what is darker still further down is no lash."""
TEMPLE_REACH = 0.25
"""At the outer corner they hang so much further."""
REMOVED_MARGIN = 0.30
"""Hanging lashes are found as what is darker than the skin so far beyond their reach."""
# calibration: lash-removal. Ratios of luma.
GLINT_RATIO = (1.15, 1.35)
"""What is so much brighter than the skin is a reflection."""
HALO = 0.12
"""So wide is what is wiped with each of them."""
# calibration: lash-removal. Shares of the lightness around.
HAIR_LIFT, COVERED_LIFT = (0.08, 0.26), (0.12, 0.30)
"""What is darker than the skin around by these shares is wiped, and is no skin to borrow from: a little, and fully."""
# calibration: lash-removal. Shares of the lightness.
HAIR_ROUGHNESS = (0.04, 0.09)
"""Single hairs are no darker on average: they show as roughness, in shares of the lightness."""
FILL_SIGMA = 0.22
"""Bare skin lends its colour so far around."""
# calibration: lash-removal. In half eye widths.
TAIL_WIDTH = 0.40
"""What is dark beyond the outer corner and narrower than this belongs to the lashes …"""
# calibration: lash-removal. In half eye widths.
TAIL_HEIGHTS = (-0.50, 0.36)
"""… if it lies between these heights over the end of the closed line …"""
# calibration: lash-removal. In half eye widths.
LINER_HEIGHT = 0.06
"""… and, on average, below this one: a wing of liner that points up stands so beside an open eye, too."""
LINE_WIDTH = 0.55
"""The dark band of the closed line is narrower than this …"""
LINE_BAND = (-0.08, 0.30)
"""… and lies between these heights over the line."""
# calibration: lash-removal. Shares of the lightness; the share of the band that goes.
LINE_LIFT, LINE_LIGHTENED = (0.03, 0.15), 0.5
"""It is wiped, to this part, where it is darker than the lid by these shares: a little, and fully."""
LASH_BAND = 0.06
"""So far above and below the closed line its colour is measured …"""
# calibration: lash-removal. A percentile of luma.
LASH_PERCENTILE = 30
"""… on the darker pixels, up to this percentile."""


@dataclass(frozen=True, eq=False)
class Lashes:
    """The lashes of a closed eye.

    `darkness` 0 … 1 is the contrast of the closed lash line to the lid, `reach` how far lashes hang below that line, in
    half eye widths, and `color` float32 (3,) the RGB of its darker part.
    """

    darkness: float
    reach: float
    color: FloatArray


def measure_lashes(source: FloatArray, gray: FloatArray, view: EyeView, lids: Lids) -> Lashes:
    """Return the lashes, measured across the closed line and averaged along the middle of the eye.

    `source` float32 (h, w, 3) RGB 0 … 255 and `gray` (h, w), its luma, are the part of the photo that `view` shows.
    """
    offset = view.y - evaluate_lid(lids.closed, view.x)
    middle = np.abs(view.x) < 0.75
    skin = gray[middle & (offset < -0.45) & (offset > -0.75)]
    if skin.size == 0:
        return Lashes(0.5, LASH_CLEARANCE, np.full(3, 30, np.float32))
    level = max(float(np.median(skin)), 1.0)
    steps = np.arange(-LONGEST_LASHES, 0.16, 0.03)
    profile = []
    for step in steps:
        band = gray[middle & (np.abs(offset - step) < 0.025)]
        profile.append(float(np.percentile(band, 30)) / level if band.size else 1.0)
    dark = 1 - np.array(profile)
    darkness = float(np.clip(dark.max(), 0.1, 0.9))
    below = steps[(dark > 0.35 * darkness) & (steps < 0)]
    reach = -float(below.min()) if below.size else LASH_CLEARANCE
    line = middle & (np.abs(offset) < LASH_BAND)
    dark_line = source[line & (gray <= np.percentile(gray[line], LASH_PERCENTILE))] if line.any() else source[:1, 0]
    color = np.asarray(np.median(dark_line, axis=0), np.float32)
    return Lashes(darkness, float(np.clip(reach + 0.05, LASH_CLEARANCE, LONGEST_LASHES)), color)


def remove_lash_tail(source: FloatArray, view: EyeView, lids: Lids, appearance: FaceAppearance) -> FloatArray:
    """Return `source` float32 (h, w, 3) without the dark tail of lashes and liner beyond the outer corner."""
    whole, view = view, shrink_view(view)
    height = view.y - float(evaluate_lid(lids.closed, -1.0))
    filled, lift = _fill_dark(fit_to(view, source), view, TAIL_WIDTH, 1 / 5)
    low, high = TAIL_HEIGHTS
    near = smoothstep(0.98, 1.10, -view.x) * smoothstep(low, low + 0.12, height)
    near *= 1 - smoothstep(high - 0.12, high, height)
    dark = near * smoothstep(0.04, 0.12, lift)
    if float((dark * view.y).sum()) > LINER_HEIGHT * float(dark.sum()):
        return source
    return _blend_in(source, filled, dark, whole, appearance)


def remove_lower_lashes(
    source: FloatArray, view: EyeView, lids: Lids, lashes: Lashes, skin: FloatArray, appearance: FaceAppearance
) -> FloatArray:
    """Return `source` float32 (h, w, 3) without the lashes that hang over the skin below the closed line.

    They are filled in from the bare skin around and below them. `skin` float32 (3,) is its RGB below the eye.
    """
    whole, view = view, shrink_view(view)
    seen, half_width_px = fit_to(view, source), view.frame.half_width_px
    size = max(3, round((lashes.reach + REMOVED_MARGIN) * half_width_px) | 1)
    across = max(3, round(size * view.frame.foreshortening) | 1)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (across, size))
    # Smoothed first: in a noisy photo the closing would pick the brightest grains.
    smooth = np.asarray(cv2.GaussianBlur(seen, (0, 0), max(0.06 * half_width_px, 0.6)), np.float32)
    # Glints on wet skin are no skin colour, and what lies between them is no lash.
    gray, (dim, bright) = smooth @ LUMA, (ratio * float(skin @ LUMA) for ratio in GLINT_RATIO)
    dulled = smooth * np.minimum(bright / np.maximum(gray, 1.0), 1)[..., None]
    closed = cv2.morphologyEx(dulled, cv2.MORPH_CLOSE, kernel)
    closed = np.asarray(cv2.GaussianBlur(closed, (0, 0), max(size / 6, 0.6)), np.float32)
    lift = _measure_lift(closed, smooth)
    offset = view.y - evaluate_lid(lids.closed, view.x)
    # Toward the temple lashes are longer.
    below = offset + lashes.reach + TEMPLE_REACH * smoothstep(0.3, 1.0, -view.x)
    near = smoothstep(-0.56, -0.28, below) * (1 - smoothstep(0.02, 0.10, offset))
    near *= (1 - smoothstep(1.45, 1.65, -view.x)) * (view.x < 1.25)
    # Sharpening and JPEG leave a pale halo beside dark hairs, which belongs to them.
    halo = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (max(3, round(HALO * half_width_px) | 1),) * 2)
    lift = np.asarray(cv2.dilate(lift, halo), np.float32)
    # Wet skin is rough with glints.
    rough = smoothstep(*HAIR_ROUGHNESS, _measure_roughness(seen, view, whole, appearance))
    rough *= 1 - smoothstep(dim, bright, cv2.dilate(seen @ LUMA, halo))
    # The ends of lashes are thin, and hardly darker than the skin once it is smoothed.
    hair = np.asarray(cv2.dilate(np.maximum(smoothstep(*HAIR_LIFT, lift), rough), halo), np.float32)

    # Filled from bare skin, not from the lid, which is lit differently. Where none is near, the closing has to do.
    bare = (1 - near * smoothstep(*COVERED_LIFT, lift)) * (1 - smoothstep(-0.15, -0.05, offset))
    bare = bare * (1 - smoothstep(dim, bright, gray)) + 1e-3 * (offset < 0)
    reach = max(FILL_SIGMA * half_width_px, 1.0)
    weight = cv2.GaussianBlur(bare, (0, 0), reach)[..., None]
    borrowed = cv2.GaussianBlur(dulled * bare[..., None], (0, 0), reach) / np.maximum(weight, 1e-6)
    known = smoothstep(0.002, 0.05, weight)
    filled = closed + known * (borrowed - closed)
    return _blend_in(source, filled, near * hair, whole, appearance)


def lighten_lash_line(source: FloatArray, view: EyeView, lids: Lids, appearance: FaceAppearance) -> FloatArray:
    """Return `source` float32 (h, w, 3) with the lid just above the closed line about as bright as the lid further up.

    The line of a shut eye is as broad as its lashes are deep; on an open eye it would be a dark band above the rim.
    """
    whole, view = view, shrink_view(view)
    filled, lift = _fill_dark(fit_to(view, source), view, LINE_WIDTH, 1 / 6)
    offset = view.y - evaluate_lid(lids.closed, view.x)
    start, end = LINE_BAND
    near = smoothstep(start, 0.0, offset) * (1 - smoothstep(0.6 * end, end, offset)) * (np.abs(view.x) < 1.25)
    return _blend_in(source, filled, LINE_LIGHTENED * near * smoothstep(*LINE_LIFT, lift), whole, appearance)


def _fill_dark(seen: FloatArray, view: EyeView, widest: float, softness: float) -> tuple[FloatArray, FloatArray]:
    """`seen`, the picture of `view`, without what is dark and narrower than `widest`, and how dark that was, (h, w).

    What is filled in is blurred by `softness` times that width.
    """
    half_width_px = view.frame.half_width_px
    size = max(3, round(widest * half_width_px) | 1)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    smooth = cv2.GaussianBlur(seen, (0, 0), max(0.04 * half_width_px, 0.6))
    closed = cv2.morphologyEx(smooth, cv2.MORPH_CLOSE, kernel)
    filled = np.asarray(cv2.GaussianBlur(closed, (0, 0), max(softness * size, 0.6)), np.float32)
    return filled, _measure_lift(filled, smooth)


def _blend_in(
    source: FloatArray, filled: FloatArray, mask: FloatArray, view: EyeView, appearance: FaceAppearance
) -> FloatArray:
    """`source`, the picture of `view`, with `filled` (h, w, 3) and the photo's grain blended in by the softened `mask`.

    `filled` and `mask` (h, w) 0 … 1 may be those of a reduced picture.
    """
    half_width_px = view.frame.half_width_px * mask.shape[0] / view.box.height
    alpha = np.asarray(cv2.GaussianBlur(mask, (0, 0), max(0.03 * half_width_px, 0.5)), np.float32)
    grain = appearance.tile_grain(view.box.height, view.box.width)
    return np.asarray(source + fit_to(view, alpha)[..., None] * (fit_to(view, filled) + grain - source), np.float32)


def _measure_lift(filled: MatLike, smooth: MatLike) -> FloatArray:
    """How much darker `smooth` is than `filled`, both (h, w, 3), as a fraction of the latter's luma; (h, w)."""
    return np.asarray((filled - smooth) @ LUMA / np.maximum(filled @ LUMA, 8.0), np.float32)


def _measure_roughness(source: FloatArray, view: EyeView, whole: EyeView, appearance: FaceAppearance) -> FloatArray:
    """Local variation of the luma beyond the photo's grain, as a fraction of the luma; (h, w).

    `source` is the picture of `view`, which may be a reduced one of the `whole`.
    """
    half_width_px = view.frame.half_width_px
    gray = source @ LUMA
    smooth = cv2.GaussianBlur(gray, (0, 0), max(0.10 * half_width_px, 1.0))
    rough = cv2.GaussianBlur(np.abs(gray - smooth), (0, 0), max(0.05 * half_width_px, 0.7))
    grain = appearance.grain if view is whole else fit_to(view, appearance.tile_grain(*whole.x.shape))
    level = float(np.abs(grain @ LUMA).mean())
    return np.asarray((rough - 1.5 * level) / np.maximum(smooth, 8.0), np.float32)
