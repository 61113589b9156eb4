"""Paints what is carried over from a donor: eyes and smiles of other photos, the other eye of the same one."""

from __future__ import annotations

from donor_eyes import carry_eye
from donor_fit import fit_face
from donor_mouth import carry_smile
from other_eye import copy_other_eye
from photo_look import measure_look
from photo_types import Donor, Edit, Feature, Pixels


def paint_from_donor(pixels: Pixels, painted: Pixels, edit: Edit, donor: Donor) -> Pixels:
    """Return the box of `edit.region` with the donor's feature in it, uint8 (h, w, 3).

    `pixels` uint8 (H, W, 3) is the photo as it was, by which the two are matched; `painted`, of the same size, is what
    the feature is put into. Neither is written to.
    """
    if donor.mirrored:
        return copy_other_eye(painted, edit)
    fit = fit_face(pixels, edit.face, donor.pixels, donor.face)[edit.feature]
    looks = measure_look(pixels, edit.face), measure_look(donor.pixels, donor.face)
    carry = carry_smile if edit.feature is Feature.MOUTH else carry_eye
    return carry(painted, edit, donor, fit, *looks)
