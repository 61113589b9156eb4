"""Close the eyes of a face by rendering lids over them, where a blink with known open eyes is wanted.

For samples, tests and the benchmark only: the true open eye is the photo before. Lengths are in half eye
widths; in the frame of an eye x runs along its corners, -1 … 1 in the picture, and y up toward the brow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from face.types import EYES, EyeLandmarks, Face, Feature
from photo.types import Box, FloatArray, Pixels

_FINER = 6
# How far the new lid reaches past the rims of the open eye: above it the old lashes must go, below it the waterline.
_REACH_ABOVE, _REACH_BELOW, _REACH_ASIDE = 0.65, 0.22, 0.55
# The closed lash line lies this far from the open lower rim (0) toward the upper one (1), and its ends so much higher
# than the corners of the open eye: means of real blinks, whose outer corner slides down.
_LASH_LINE = 0.17
_OUTER_END, _INNER_END = -0.16, 0.04
# Skin darker than this share of the typical luma around the eye is a lash, a glasses frame or deep shadow.
_DARK_SHARE = 0.70
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@dataclass(frozen=True, eq=False)
class _EyeFrame:
    """One eye in its own coordinates: `x`, `y` float32 (h, w) of every sample of a patch, and its rims there.

    `side` is -1 at the nose and 1 at the temple.
    """

    x: FloatArray
    y: FloatArray
    side: FloatArray
    upper: FloatArray
    lower: FloatArray
    half_width_px: float


def close_eyes(pixels: Pixels, face: Face, features: tuple[Feature, ...] = EYES, *, finer: int = _FINER) -> Pixels:
    """Return a copy of the photo, uint8 (H, W, 3), with the open eyes of `face` named in `features` closed.

    Lids and lashes are drawn `finer` times finer than the photo, and then averaged. Raises ValueError for the mouth.
    """
    result = pixels.copy()
    for number, feature in enumerate(features):
        _close_eye(result, face.eye(feature), np.random.default_rng(number), finer)
    return result


def _close_eye(pixels: Pixels, eye: EyeLandmarks, random: np.random.Generator, finer: int) -> None:
    """Close one eye in place."""
    height, width = pixels.shape[:2]
    center = eye.center
    unit = eye.width_px / 2
    reach = 2.4 * unit
    box = Box.around(center[None], reach).clipped(width, height)
    if box is None:
        return
    patch = pixels[box.slices].astype(np.float32)
    frame = _measure_frame(eye, box, 1)
    luma = patch @ _LUMA
    lid = _fill_lid(patch, frame)
    fine = _measure_frame(eye, box, finer)
    size = (box.width, box.height)
    light = cv2.resize(_shade_lid(fine), size, interpolation=cv2.INTER_AREA)
    lashes = cv2.resize(_draw_lashes(fine, random), size, interpolation=cv2.INTER_AREA)
    lid *= light[..., None]
    # Lashes are as dark as the darkest of the open eye, and keep a little of the skin's colour; black ones look drawn.
    darkest = float(np.percentile(luma[_mask_lid(frame) > 0.9], 4)) / max(float(np.median(lid @ _LUMA)), 1.0)
    ink = lid * np.clip(darkest, 0.10, 0.40) * np.array([1.30, 0.90, 0.70], np.float32)
    lashes = cv2.GaussianBlur(lashes, (0, 0), _measure_blur_px(luma, frame))
    lid += (ink - lid) * lashes[..., None]
    alpha = _mask_lid(frame) * (1 - _find_frame_of_glasses(patch, frame))
    alpha = cv2.GaussianBlur(alpha, (0, 0), max(0.5, 0.03 * unit))
    alpha = np.maximum(alpha, lashes)[..., None]
    pixels[box.slices] = np.rint(patch + (lid - patch) * alpha).clip(0, 255).astype(np.uint8)


def _measure_frame(eye: EyeLandmarks, box: Box, finer: int) -> _EyeFrame:
    """The eye's coordinates of every sample of `box`, `finer` times as many as pixels each way."""
    corners = sorted((eye.outer_corner[:2], eye.inner_corner[:2]), key=lambda point: float(point[0]))
    center, across = (corners[0] + corners[1]) / 2, corners[1] - corners[0]
    unit = float(np.linalg.norm(across)) / 2
    across = across / (2 * unit)
    up = np.array([across[1], -across[0]], np.float32)
    columns = (np.arange(box.width * finer, dtype=np.float32) + 0.5) / finer - 0.5 + box.left - center[0]
    rows = (np.arange(box.height * finer, dtype=np.float32) + 0.5) / finer - 0.5 + box.top - center[1]
    x = (columns[None, :] * across[0] + rows[:, None] * across[1]) / unit
    y = (columns[None, :] * up[0] + rows[:, None] * up[1]) / unit
    rims = []
    for points in (eye.upper, eye.lower):
        local = (points[:, :2] - center) / unit
        along, high = local @ across, local @ up
        # A parabola through both corners and one free skew: smoother than the landmarks, which jitter.
        bow = 1 - along**2
        basis = np.column_stack([bow, bow * along])
        weights = np.linalg.lstsq(basis, high, rcond=None)[0]
        inside = np.clip(1 - x**2, 0, None)
        rims.append((inside * (weights[0] + weights[1] * x)).astype(np.float32))
    outward = 1.0 if eye.outer_corner[0] > eye.inner_corner[0] else -1.0
    side = np.asarray(outward * x, np.float32)
    return _EyeFrame(x.astype(np.float32), y.astype(np.float32), side, rims[0], rims[1], unit)


def _measure_blur_px(luma: FloatArray, frame: _EyeFrame) -> float:
    """How blurred the open eye is, as the sigma in pixels that its steepest edges have."""
    near = (np.abs(frame.x) < 1.1) & (np.abs(frame.y) < 0.9)
    slope = np.hypot(cv2.Sobel(luma, cv2.CV_32F, 1, 0, scale=1 / 8), cv2.Sobel(luma, cv2.CV_32F, 0, 1, scale=1 / 8))
    step = float(np.ptp(np.percentile(luma[near], (2, 98))))
    # A step blurred by sigma is nowhere steeper than its height / (sigma sqrt(2 pi)).
    sigma = step / (2.507 * max(float(np.percentile(slope[near], 98)), 1e-3))
    return float(np.clip(sigma, 0.4, max(0.4, 0.07 * frame.half_width_px)))


def _rise(values: FloatArray, start: float, end: float) -> FloatArray:
    """0 up to `start`, 1 from `end` on, smooth between (a cubic step)."""
    share = np.clip((values - start) / (end - start), 0, 1)
    return (share * share * (3 - 2 * share)).astype(np.float32)


def _lash_height(frame: _EyeFrame) -> FloatArray:
    temple = np.clip((1 + frame.side) / 2, 0, 1)
    ends = _OUTER_END * temple + _INNER_END * (1 - temple)
    return np.asarray(frame.lower + _LASH_LINE * (frame.upper - frame.lower) + ends, np.float32)


def _mask_lid(frame: _EyeFrame) -> FloatArray:
    """Where the open eye with its lashes is covered, 0 … 1."""
    aside = 1 - _rise(np.abs(frame.x), 1.18, 1 + _REACH_ASIDE)
    above = 1 - _rise(frame.y - frame.upper, 0.55 * _REACH_ABOVE, _REACH_ABOVE)
    below = 1 - _rise(frame.lower - frame.y, 0.5 * _REACH_BELOW, _REACH_BELOW)
    return aside * above * below


def _fill_lid(patch: FloatArray, frame: _EyeFrame) -> FloatArray:
    """Bare skin over the eye: colours drawn in from the skin around, with that skin's own fine texture."""
    luma = patch @ _LUMA
    covered = _mask_lid(frame) > 0.02
    near = (np.abs(frame.x) < 1.6) & (frame.y < frame.upper + 0.9) & (frame.y > frame.lower - 0.9)
    ring = near & ~covered
    typical = float(np.median(luma[ring]))
    skin = (ring & (luma > _DARK_SHARE * typical) & (luma < 1.45 * typical)).astype(np.float32)
    total, weight = np.zeros_like(patch), np.zeros_like(luma)
    # Wide blurs reach the middle, narrow ones keep the rim seamless: each weighs more the narrower it is.
    for sigma, share in ((0.18, 1.0), (0.40, 0.03), (1.0, 0.0004)):
        spread = cv2.GaussianBlur(skin, (0, 0), sigma * frame.half_width_px)
        total += share * cv2.GaussianBlur(patch * skin[..., None], (0, 0), sigma * frame.half_width_px)
        weight += share * spread
    lid = total / np.maximum(weight, 1e-9)[..., None]
    return np.asarray(lid + _borrow_texture(patch, frame), np.float32)


def _borrow_texture(patch: FloatArray, frame: _EyeFrame) -> FloatArray:
    """Pores and grain of the cheek under the eye, moved up onto the lid."""
    fine: Any = patch - cv2.GaussianBlur(patch, (0, 0), max(0.8, 0.10 * frame.half_width_px))
    # So far down that nothing of the eye itself comes along.
    moved = np.roll(fine, -round(1.8 * frame.half_width_px), axis=0)
    limit = 2.5 * float(np.median(np.abs(moved))) + 1.0
    return np.clip(moved, -limit, limit).astype(np.float32)


def _shade_lid(frame: _EyeFrame) -> FloatArray:
    """Light on a lid that bulges over the eyeball: factors about 1, lit from above."""
    lash = _lash_height(frame)
    # 0 at the lash line, 1 where the open lid was
    height = (frame.y - lash) / np.maximum(frame.upper - lash, 0.12)
    inside = np.sqrt(np.clip(1 - frame.x**2, 0, 1))
    bulge = np.exp(-(((height - 0.75) / 0.55) ** 2)) * inside
    under = np.exp(-np.clip(height, 0, None) / 0.22) * (height > 0) * inside
    crease = np.exp(-(((frame.y - frame.upper - 0.10 * inside) / 0.06) ** 2)) * _rise(inside, 0.1, 0.6)
    below = np.exp(-np.clip(lash - frame.y, 0, None) / 0.10) * (height <= 0) * inside
    return (1 + 0.10 * bulge - 0.14 * under - 0.04 * crease - 0.12 * below).astype(np.float32)


def _draw_lashes(frame: _EyeFrame, random: np.random.Generator) -> FloatArray:
    """The closed lash line and the lashes hanging from it, opacity 0 … 1 on the fine grid."""
    lash = _lash_height(frame)
    side = frame.side
    thickness = 0.030 + 0.050 * _rise(side, -1.0, 0.4)
    line = np.exp(-(((frame.y - lash) / thickness) ** 2)) * (1 - _rise(np.abs(frame.x), 0.90, 1.10))
    hairs = np.zeros_like(line)
    for root in np.linspace(-0.55, 0.98, 26) + random.normal(0, 0.02, 26):
        length = (0.16 + 0.18 * (root + 0.55) / 1.5) * random.uniform(0.7, 1.2)
        # Each hair leaves its root downward and bends to the temple; along it, `share` runs 0 … 1.
        share = np.clip((lash - frame.y) / length, 0, 1)
        lean = (0.25 + 0.6 * max(root, 0.0)) * length
        path = root + lean * share**1.5
        width = 0.034 * (1.1 - share)
        hair = np.exp(-(((side - path) / width) ** 2)) * (frame.y < lash) * (frame.y > lash - length)
        np.maximum(hairs, hair * 0.95 * (1 - 0.5 * share), out=hairs)
    return np.maximum(0.82 * line, hairs).astype(np.float32)


def _find_frame_of_glasses(patch: FloatArray, frame: _EyeFrame) -> FloatArray:
    """Dark bars that pass the eye and go on: 1 on them, 0 elsewhere. Lashes and iris end where the eye ends."""
    luma = patch @ _LUMA
    typical = float(np.median(luma[_mask_lid(frame) < 0.02]))
    dark = ((luma < 0.45 * typical) & (frame.y > frame.upper + 0.16)).astype(np.uint8)
    count, labels = cv2.connectedComponents(dark)
    found = np.zeros(luma.shape, np.uint8)
    for label in range(1, count):
        part = labels == label
        if (part & (np.abs(frame.x) > 1.3)).any() and np.ptp(frame.x[part]) > 1.0:
            found |= part.astype(np.uint8)
    return np.asarray(cv2.dilate(found, np.ones((3, 3), np.uint8)), np.float32)
