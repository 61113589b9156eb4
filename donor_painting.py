"""Paints what is carried over from a donor: eyes and smiles of other photos, the other eye of the same one."""

from __future__ import annotations

from dataclasses import dataclass

from donor_eyes import carry_eye
from donor_fit import Fit, fit_face
from donor_mouth import carry_smile
from other_eye import copy_other_eye
from photo_look import PhotoLook, measure_look
from photo_types import Donor, Edit, Face, Feature, Pixels


@dataclass(frozen=True, eq=False)
class _Match:
    """A face and a donor's laid over each other, and how either looks in its photo."""

    fits: dict[Feature, Fit]
    look: PhotoLook
    donor_look: PhotoLook


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
        carry = carry_smile if edit.feature is Feature.MOUTH else carry_eye
        return carry(painted, edit, donor, match.fits[edit.feature], match.look, match.donor_look)

    def _match(self, face: Face, donor: Donor) -> _Match:
        key = face, donor.face
        if key not in self._matches:
            self._matches[key] = _Match(
                fit_face(self._pixels, face, donor.pixels, donor.face),
                measure_look(self._pixels, face),
                measure_look(donor.pixels, donor.face),
            )
        return self._matches[key]
