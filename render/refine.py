"""Makes a rendered eye look photographed: a small network changes what lies inside the mask of the eye.

Where the eye is, how far open, where it looks and in what colour stays as it was rendered. The network has learnt from
portraits whose eyes were closed synthetically and rendered open again, so that both eyes lay exactly on each other,
after Shrivastava et al., "Learning from Simulated and Unsupervised Images through Adversarial Training" (2017);
`training/eyes` makes its weights.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from face.appearance import FaceAppearance, Tone
from face.model_files import read_network
from face.types import EyeFrame
from photo.blend import smoothstep
from photo.measure import LUMA
from photo.types import Box, FloatArray, Pixels, Region
from render.canonical import SPAN, cut_patch, draw_maps, lay_patch, patch_box, patch_size
from render.eye import OpenedEye, cut_opened
from render.eyeball import EyeGeometry

_MODEL, _UNIT_PX = "eye_refiner_24.onnx", 24
# The network keeps its input between two calls, so only one thread may use it at a time.
_LOCK = threading.Lock()

# Eyes of fewer pixels per half width are too small for a network to know; from the second number on all of its change
# is taken.
_SMALLEST_PX = (6.0, 10.0)
# Seen from the side the network was trained on few eyes: at these degrees its change begins to fade, and has gone.
_YAW_DEGREES = (28.0, 40.0)
# The iris keeps this part of the colour that was chosen for it.
_KEPT_HUE = 0.9
# Radii of the iris within which its colour is kept: fully up to the first, not at all beyond the second.
_IRIS_RADII = (0.88, 1.08)
# The pupil has no colour of its own.
_PUPIL_RADII = 0.36
# Eyes larger than the patch by these factors begin to show, and show, that it is coarser.
_COARSER = (1.3, 2.2)
# So far from the opening, in half eye widths, the change begins to fade, and has gone: skin is the person's own.
_AROUND = (0.06, 0.30)
# Where the mask is fainter nothing is to be seen of the eye.
_LEAST_MASK = 0.05


@dataclass(frozen=True, eq=False)
class EyeRefiner:
    """A refining network for patches with `unit_px` pixels per half eye width.

    `change` maps what the network takes, float32 (1, 3 + 1 + `MAP_COUNT` + 1, h, w) of the rendered eye -1 … 1, its
    mask 0 … 1, the maps and standard normal noise, to the change of the eye, float32 (1, 3, h, w).
    """

    unit_px: int
    change: Callable[[FloatArray], FloatArray]


@lru_cache(maxsize=1)
def load_refiner() -> EyeRefiner:
    """Return the network that comes with the program. Raises MissingModel."""
    network = read_network(_MODEL)

    def change(blob: FloatArray) -> FloatArray:
        with _LOCK:
            network.setInput(blob)
            return np.asarray(network.forward(), np.float32)

    return EyeRefiner(_UNIT_PX, change)


def measure_strength(frame: EyeFrame, yaw_degrees: float) -> float:
    """Return how much of the network's change suits an eye, 0 … 1: none for one that is tiny or seen from the side."""
    by_size = float(np.interp(frame.half_width_px, _SMALLEST_PX, (0, 1)))
    return by_size * float(np.interp(abs(yaw_degrees), _YAW_DEGREES, (1, 0)))


def refine_eye(  # noqa: PLR0913 what was painted, where, and with what
    pixels: Pixels,
    opened: OpenedEye,
    region: Region,
    appearance: FaceAppearance,
    strength: float,
    refiner: EyeRefiner,
    seed: int,
) -> Pixels:
    """Return the box of `region` with a rendered eye refined, uint8 (h, w, 3) RGB.

    `pixels` uint8 (H, W, 3) is the photo into which the eye was rendered, `strength` 0 … 1 as `measure_strength` tells
    it. With the same `seed` both eyes of a face mirror the same light.
    """
    geometry, box, unit_px = opened.geometry, region.box, refiner.unit_px
    frame = geometry.frame
    around = patch_box(frame, pixels.shape)
    if around is None:
        return opened.pixels
    seen, alpha = cut_opened(pixels, opened, region, around)
    patch = cut_patch(seen, frame, unit_px, around)
    maps = draw_maps(geometry, unit_px)
    mask = np.clip(cut_patch(alpha, frame, unit_px, around), 0, 1)
    noise = _draw_noise(geometry, unit_px, seed)
    change = strength * mask[..., None] * _run(refiner, patch, mask, maps, noise)
    change = _calm_around(change, maps, unit_px)
    change = _keep_colors(patch, change, maps, appearance.tone)
    # The region's alpha is applied once, when the eye is put into the photo.
    change /= np.maximum(mask, _LEAST_MASK)[..., None]
    rendered = opened.pixels.astype(np.float32)
    rendered += lay_patch(change, frame, unit_px, box)
    coarse = float(smoothstep(*_COARSER, np.asarray(frame.half_width_px / unit_px)))
    if coarse > 0:
        rendered = _replace_detail(rendered, patch + change, maps, geometry, box, coarse * strength, appearance)
    return np.asarray(np.clip(np.rint(rendered), 0, 255), np.uint8)


def _replace_detail(  # noqa: PLR0913 two pictures and where they lie
    rendered: FloatArray,
    refined: FloatArray,
    maps: FloatArray,
    geometry: EyeGeometry,
    box: Box,
    weight: float,
    appearance: FaceAppearance,
) -> FloatArray:
    """Between the lids of a large eye the refined patch alone, with the photo's grain.

    The patch is coarser than such a photo: what it changes would lie behind the fine structure of what was rendered.
    """
    unit_px = round(len(maps) / SPAN[1])
    within = lay_patch(maps[..., 0], geometry.frame, unit_px, box)[..., None]
    smooth = lay_patch(refined, geometry.frame, unit_px, box) + appearance.tile_grain(box.height, box.width)
    return np.asarray(rendered + weight * np.clip(within, 0, 1) * (smooth - rendered), np.float32)


def _draw_noise(geometry: EyeGeometry, unit_px: int, seed: int) -> FloatArray:
    """Standard normal noise (h, w), the same in the photo for both eyes: a left eye's patch is mirrored."""
    noise = np.random.default_rng(seed).standard_normal(patch_size(unit_px)).astype(np.float32)
    return noise if geometry.frame.toward_right > 0 else noise[:, ::-1]


def _run(refiner: EyeRefiner, patch: FloatArray, mask: FloatArray, maps: FloatArray, noise: FloatArray) -> FloatArray:
    """The change of a patch that the network asks for, float32 (h, w, 3), in 8-bit steps."""
    layers = [patch / 127.5 - 1, mask[..., None], maps, noise[..., None]]
    blob = np.ascontiguousarray(np.concatenate(layers, axis=2).transpose(2, 0, 1)[None], np.float32)
    return np.asarray(refiner.change(blob)[0].transpose(1, 2, 0) * 127.5, np.float32)


def _calm_around(change: FloatArray, maps: FloatArray, unit_px: int) -> FloatArray:
    """The change, fading with the distance from the opening; beyond its edge it only lightens and darkens."""
    outside = np.asarray(maps[..., 0] < 0.5, np.uint8)
    distance = cv2.distanceTransform(outside, cv2.DIST_L2, 5) / unit_px
    near = 1 - smoothstep(*_AROUND, distance)
    luma = np.repeat((change @ LUMA)[..., None], 3, axis=2)
    hue = np.clip(maps[..., :1], 0, 1)
    return np.asarray(near[..., None] * (luma + hue * (change - luma)), np.float32)


def _keep_colors(patch: FloatArray, change: FloatArray, maps: FloatArray, tone: Tone) -> FloatArray:
    """The change without what it does to the mean hue of the iris, and to any hue in a photo of one hue."""
    distance = 2 * maps[..., 1]
    within = (1 - smoothstep(*_IRIS_RADII, distance)) * maps[..., 0]
    ring = within * (distance > _PUPIL_RADII)
    total = float(ring.sum())
    if total > 1:
        mean = (change * ring[..., None]).sum(axis=(0, 1)) / total
        change = change - _KEPT_HUE * within[..., None] * (mean - float(mean @ LUMA))
    return (
        change if tone.weight == 0 else np.asarray(change + tone.weight * _tone_down(patch, change, tone), np.float32)
    )


def _tone_down(patch: FloatArray, change: FloatArray, tone: Tone) -> FloatArray:
    """What takes the hues out of a change in a photo of one hue; nothing where nothing changes."""
    changed = np.clip(np.abs(change).sum(axis=2, keepdims=True) / 3, 0, 1)
    target = np.clip(patch + change, 0, 255)
    full = Tone(1.0, tone.curve).apply(target)
    return np.asarray(changed * (full - target), np.float32)
