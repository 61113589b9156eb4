"""Paints what is carried over from a donor: eyes and smiles of other photos, the other eye of the same one."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from donor.align import Fit, fit_face, warp_donor
from donor.eye import transfer_eye
from donor.light import match_donor
from donor.other_eye import copy_other_eye
from edit.plan import Donor, Edit
from face.appearance import FaceAppearance, measure_appearance
from face.types import Face, Feature
from photo.blend import smoothstep
from photo.types import FloatArray, Matrix, Pixels


@dataclass(frozen=True, eq=False)
class _Match:
    """A face and a donor's laid over each other, and how either looks in its photo."""

    fits: dict[Feature, Fit]
    appearance: FaceAppearance
    donor_appearance: FaceAppearance


class DonorPainter:
    """Carries eyes and smiles over into one photo, `pixels` uint8 (H, W, 3), which is not written to.

    A face is laid over a donor's once, though eyes and mouth come one by one.
    """

    def __init__(self, pixels: Pixels) -> None:
        self._pixels = pixels
        self._matches: dict[tuple[Face, Face], _Match] = {}

    def paint(self, painted: Pixels, edit: Edit, donor: Donor) -> Pixels:
        """Return the box of `edit.region` of `painted` with the donor's feature in it, uint8 (h, w, 3).

        `painted`, as large as the photo and not written to either, is the photo with what was painted before.
        """
        if donor.mirrored:
            return copy_other_eye(painted, edit)
        match = self._match(edit.face, donor)
        carry = transfer_smile if edit.feature is Feature.MOUTH else transfer_eye
        return carry(painted, edit, donor, match.fits[edit.feature], match.appearance, match.donor_appearance)

    def _match(self, face: Face, donor: Donor) -> _Match:
        key = face, donor.face
        if key not in self._matches:
            self._matches[key] = _Match(
                fit_face(self._pixels, face, donor.pixels, donor.face),
                measure_appearance(self._pixels, face),
                measure_appearance(donor.pixels, donor.face),
            )
        return self._matches[key]


# Light is compared where the region fades out, and not around the lips: so far, in eye distances.
_LIPS_GAP = (0.16, 0.30)
# Light changes across a face over about so much of the distance of the outer eye corners.
_LIGHT_UNIT = 0.35


def transfer_smile(
    pixels: Pixels, edit: Edit, donor: Donor, fit: Fit, appearance: FaceAppearance, donor_appearance: FaceAppearance
) -> Pixels:
    """Return the box of `edit.region` of the photo uint8 (H, W, 3) with the donor's smile in it, uint8 (h, w, 3).

    `appearance` and `donor_appearance` are those of the two faces. Neither photo is written to.
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
    donated = match_donor(target, donated, alike, _LIGHT_UNIT * unit, fit.scale, appearance, donor_appearance).pixels
    return np.asarray(np.clip(np.rint(donated), 0, 255), np.uint8)


def _measure_distance(outline: Matrix, shape: tuple[int, ...]) -> FloatArray:
    """Distance in pixels of every pixel of a patch from a closed outline (n, 2), 0 inside it."""
    outside = np.full(shape[:2], 255, np.uint8)
    cv2.fillPoly(outside, [np.round(outline).astype(np.int32)], (0,))
    return np.asarray(cv2.distanceTransform(outside, cv2.DIST_L2, 5), np.float32)
