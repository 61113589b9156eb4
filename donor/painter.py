"""Paints what is transferred from another photo: eyes, which `donor.eye` sees to, and smiles."""

from __future__ import annotations

import cv2
import numpy as np

from donor.align import warp_donor
from donor.eye import transfer_eye
from donor.light import DonorView, match_donor
from edit.plan import Donor, Edit
from face.types import Feature
from photo.blend import smoothstep
from photo.types import FloatArray, Matrix, Pixels

# Light is compared where the region fades out, and not around the lips: so far, in eye distances.
_LIPS_GAP = (0.16, 0.30)
# Light changes across a face over about so much of the distance of the outer eye corners.
_LIGHT_UNIT = 0.35


def paint_donor(pixels: Pixels, edit: Edit, donor: Donor) -> Pixels:
    """Return the box of `edit.region` with the donor's eye or smile in it, uint8 (h, w, 3) RGB.

    `pixels` uint8 (H, W, 3) is the photo, which may already show other edits. Neither photo is written to.
    """
    return (transfer_smile if edit.feature is Feature.MOUTH else transfer_eye)(pixels, edit, donor)


def transfer_smile(pixels: Pixels, edit: Edit, donor: Donor) -> Pixels:
    """Return the box of `edit.region` with the donor's smile in it, uint8 (h, w, 3) RGB; see `paint_donor`."""
    alignment = donor.alignment[edit.feature]
    box, unit = edit.region.box, edit.face.landmarks.eye_distance_px
    target = pixels[box.slices].astype(np.float32)
    donated = warp_donor(donor.analysis.pixels, alignment, box)
    matrix = alignment.to_target()
    lips = donor.face.landmarks.lips[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    own_lips = edit.face.landmarks.lips[:, :2]
    apart = np.minimum(*(_measure_distance(points - (box.left, box.top), target.shape) for points in (lips, own_lips)))
    rim = 1 - smoothstep(0.5, 0.95, edit.region.alpha)
    alike = rim * smoothstep(_LIPS_GAP[0] * unit, _LIPS_GAP[1] * unit, apart) * (edit.region.alpha > 0)
    view = DonorView(edit.analysis.appearance, donor.analysis.appearance, alignment.scale)
    donated = match_donor(target, donated, alike, _LIGHT_UNIT * unit, view).pixels
    return np.asarray(np.clip(np.rint(donated), 0, 255), np.uint8)


def _measure_distance(outline: Matrix, shape: tuple[int, ...]) -> FloatArray:
    """Distance in pixels of every pixel of a patch from a closed outline (n, 2), 0 inside it; float32 (h, w)."""
    outside = np.full(shape[:2], 255, np.uint8)
    cv2.fillPoly(outside, [np.round(outline).astype(np.int32)], (0,))
    return np.asarray(cv2.distanceTransform(outside, cv2.DIST_L2, 5), np.float32)
