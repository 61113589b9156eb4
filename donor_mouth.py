"""Carry a person's own smile over from another photo: mouth, cheeks and the folds beside them.

The donor's photo is laid over the target's (`donor_fit`) by the eyes and the nose, which a smile does not move. The
region of the edit, which spares eyes, nose and the outline of the face, is filled from there.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from donor_fit import Fit, warp_donor
from donor_light import match_donor
from photo_look import PhotoLook
from photo_types import Donor, Edit, Pixels
from soft_edges import smoothstep

Array = NDArray[np.float32]

# Light is compared where the region fades out, and not around the lips: so far, in eye distances.
_LIPS_GAP = (0.16, 0.30)
# Light changes across a face over about so much of the distance of the outer eye corners.
_LIGHT_UNIT = 0.35


def carry_smile(pixels: Pixels, edit: Edit, donor: Donor, fit: Fit, look: PhotoLook, donor_look: PhotoLook) -> Pixels:
    """Return the box of `edit.region` of the photo uint8 (H, W, 3) with the donor's smile in it, uint8 (h, w, 3).

    `look` and `donor_look` are those of the two faces. Neither photo is written to.
    """
    box, unit = edit.region.box, edit.face.landmarks.eye_distance_px
    target = pixels[box.slices].astype(np.float32)
    donated = warp_donor(donor.pixels, fit, box)
    matrix = fit.to_target()
    lips = donor.face.landmarks.lips[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    own_lips = edit.face.landmarks.lips[:, :2]
    apart = np.minimum(*(_measure_distance(points - (box.left, box.top), target.shape) for points in (lips, own_lips)))
    rim = 1 - smoothstep(0.5, 0.95, edit.region.alpha)
    alike = rim * smoothstep(_LIPS_GAP[0] * unit, _LIPS_GAP[1] * unit, apart) * (edit.region.alpha > 0)
    donated = match_donor(target, donated, alike, _LIGHT_UNIT * unit, fit.scale, look, donor_look).pixels
    return np.asarray(np.clip(np.rint(donated), 0, 255), np.uint8)


def _measure_distance(outline: NDArray[np.float64], shape: tuple[int, ...]) -> Array:
    """Distance in pixels of every pixel of a patch from a closed outline (n, 2), 0 inside it."""
    outside = np.full(shape[:2], 255, np.uint8)
    cv2.fillPoly(outside, [np.round(outline).astype(np.int32)], (0,))
    return np.asarray(cv2.distanceTransform(outside, cv2.DIST_L2, 5), np.float32)
