"""Shows what trained weights make of real closed eyes: before, rendered, and refined, side by side.

    python -m training.eyes.refine OUT.png PHOTO … --weights 24.pt [48.pt]

The weights are to be chosen on photos of closed eyes, and not by the losses. Where the eyes are, how far open, where
they look and in what colour stays as it was rendered; the network changes what lies inside the mask of the eye.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import cv2
import numpy as np
import torch

from edit.options import Options, SmileOptions, Wish
from edit.plan import Edit
from face.appearance import FaceAppearance, Tone
from face.types import EYES, EyeFrame, Face
from photo.blend import blend, smoothstep
from photo.files import load_photo
from photo.measure import LUMA
from photo.types import Box, FloatArray, Pixels, Region
from render.eye import OpenedEye, open_eye
from render.eyeball import EyeGeometry
from retouch.engines import DraftEngine
from retouch.pipeline import fix_photo
from training.eyes.canonical import SPAN, cut_patch, dim_catchlight, draw_maps, lay_patch, patch_box, patch_size
from training.eyes.export import load_refiner
from training.eyes.networks import Refiner

# Eyes of fewer pixels per half width are too small for a network to know; from the second number on all of its change
# is taken.
_SMALLEST_PX = (6.0, 10.0)
# From here on eyes are refined in large patches, where there are weights for them.
_LARGE_FROM_PX = 34.0
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
# Where the mask is fainter nothing is to be seen of the eye.
_LEAST_MASK = 0.05
_SHOWN_WIDTH_PX, _SHOWN_HEIGHT_PX = 420, 180


class RefiningDraft(DraftEngine):
    """The draft engine, with refiners by the pixels per half eye width that they were trained on."""

    def __init__(self, refiners: Mapping[int, Refiner], seed: int = 0) -> None:
        super().__init__(seed)
        self._refiners, self._noise_seed = refiners, seed

    def render_eye(self, pixels: Pixels, edit: Edit, on_step: Callable[[], None]) -> Pixels:
        """Return the box of an eye's region, rendered and refined."""
        face = edit.face
        frame = face.eye_frame(edit.feature)
        strength = measure_strength(frame, face.yaw_degrees)
        opened = open_eye(pixels, edit, dim_catchlight(self.shade_eye(edit), 1 - strength), on_step)
        if strength == 0:
            return opened.pixels
        unit_px = max(self._refiners) if frame.half_width_px >= _LARGE_FROM_PX else min(self._refiners)
        refiner, seed = self._refiners[unit_px], self._noise_seed + face.number
        return refine_eye(pixels, opened, edit.region, edit.analysis.appearance, strength, refiner, unit_px, seed)


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
    refiner: Refiner,
    unit_px: int,
    seed: int,
) -> Pixels:
    """Return the box of `region` with a rendered eye refined, uint8 (h, w, 3) RGB.

    `pixels` uint8 (H, W, 3) is the photo into which the eye was rendered, `strength` 0 … 1 as `measure_strength` tells
    it. With the same `seed` both eyes of a face mirror the same light.
    """
    geometry, box = opened.geometry, region.box
    frame = geometry.frame
    around = patch_box(frame, pixels.shape)
    if around is None:
        return opened.pixels
    # As the result will show it, with all that lies around.
    place = box.shifted(-around.left, -around.top)
    seen = pixels[around.slices].copy()
    alpha = np.zeros(seen.shape[:2], np.float32)
    inner = place.clipped(around.width, around.height)
    if inner is None:
        return opened.pixels
    part = inner.shifted(-place.left, -place.top).slices
    alpha[inner.slices] = region.alpha[part]
    seen[inner.slices] = blend(seen[inner.slices], opened.pixels[part], region.alpha[part])
    patch = cut_patch(seen, frame, unit_px, around)
    maps = draw_maps(geometry, unit_px)
    mask = np.clip(cut_patch(alpha, frame, unit_px, around), 0, 1)
    noise = _draw_noise(geometry, unit_px, seed)
    change = strength * mask[..., None] * _run(refiner, patch, mask, maps, noise)
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


def _run(refiner: Refiner, patch: FloatArray, mask: FloatArray, maps: FloatArray, noise: FloatArray) -> FloatArray:
    """The change of a patch that the network asks for, float32 (h, w, 3), in 8-bit steps."""
    layers = [patch / 127.5 - 1, mask[..., None], maps, noise[..., None]]
    blob = np.ascontiguousarray(np.concatenate(layers, axis=2).transpose(2, 0, 1)[None], np.float32)
    with torch.no_grad():
        output = refiner(torch.from_numpy(blob)).numpy()
    return np.asarray(output[0].transpose(1, 2, 0) * 127.5, np.float32)


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


def _cut_eyes(pixels: Pixels, face: Face) -> Pixels:
    """The part of a photo around both eyes of a face, upright, uint8 (180, 420, 3)."""
    right, left = (eye.outer_corner[:2].astype(np.float64) for eye in face.landmarks.eyes)
    scale = 0.62 * _SHOWN_WIDTH_PX / max(float(np.linalg.norm(left - right)), 1.0)
    across = (left - right) / max(float(np.linalg.norm(left - right)), 1e-6) * scale
    turn = np.array([across, [-across[1], across[0]]])
    middle = np.array([_SHOWN_WIDTH_PX / 2, _SHOWN_HEIGHT_PX / 2]) - turn @ ((left + right) / 2)
    size = (_SHOWN_WIDTH_PX, _SHOWN_HEIGHT_PX)
    return np.asarray(cv2.warpAffine(pixels, np.column_stack([turn, middle]), size, flags=cv2.INTER_AREA), np.uint8)


def main() -> int:
    """Write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sheet", type=Path)
    parser.add_argument("photos", type=Path, nargs="+")
    parser.add_argument("--weights", type=Path, nargs="+", required=True)
    chosen = parser.parse_args()
    refiners = {unit_px: refiner for refiner, unit_px in map(load_refiner, chosen.weights)}
    options = Options(smile=SmileOptions(wish=Wish.NEVER))
    rows = []
    for path in chosen.photos:
        photo = load_photo(path)
        rendered = fix_photo(photo, options, DraftEngine())
        refined = fix_photo(photo, options, RefiningDraft(refiners))
        for face in {change.face for change in rendered.report.changes if change.kept and change.feature in EYES}:
            pictures = (photo.pixels, rendered.pixels, refined.pixels)
            rows.append(np.concatenate([_cut_eyes(pixels, face) for pixels in pictures], axis=1))
    if not rows:
        print("No eyes were opened.", file=sys.stderr)
        return 1
    cv2.imwrite(str(chosen.sheet), np.concatenate(rows)[..., ::-1])
    print(f"{chosen.sheet}: {len(rows)} faces; each as it was, rendered, and refined")
    return 0


if __name__ == "__main__":
    sys.exit(main())
