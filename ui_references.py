"""Other photos of the same people, given on the page: whose eyes, or smile, each face gets from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from donor_choice import choose_donors
from photo_types import Box, Donor, Edit, EditPlan, Face, Feature, Options, Pixels
from references import Reference, pair_up
from resemblance import describe_face

# Around a donor's eyes, or mouth, in widths of their box.
_GIFT_MARGIN = 0.12


@dataclass(frozen=True, eq=False)
class Others:
    """What a visitor gave: the photos as far as they are needed, and whether their smiles are wanted, too."""

    references: tuple[Reference, ...] = ()
    smile_too: bool = False


@dataclass(frozen=True, eq=False)
class Gift:
    """What one face gets: `picture` uint8 (h, w, 3) of the eyes or the mouth that are carried over from `name`.

    Both are empty where nothing is, and then `why_not` says why.
    """

    picture: Pixels | None = None
    name: str = ""
    why_not: str = ""


def find_people(
    pixels: Pixels, faces: Sequence[Face], references: Sequence[Reference]
) -> dict[int, tuple[Reference, ...]]:
    """For the number of each face the references that show the same person, cut down to that person alone.

    With these a part of the photo gets the same donors as the whole of it does.
    """
    own = {face.number: describe_face(pixels, face) for face in faces} if references else {}
    people: dict[int, tuple[Reference, ...]] = {}
    for reference in references:
        is_burst = reference.size == pixels.shape[:2]
        for number, head in pair_up(faces, own, reference.heads, is_burst=is_burst).items():
            people[number] = (*people.get(number, ()), replace(reference, heads=(head,)))
    return people


def find_gifts(
    pixels: Pixels, faces: Sequence[Face], plan: EditPlan, references: Sequence[Reference], options: Options
) -> Mapping[int, Gift]:
    """What each face with an edit gets from the references, by its number."""
    gifts: dict[int, Gift] = {}
    for edit in choose_donors(pixels, faces, plan, references, options).edits:
        donor = next((donor for donor in edit.donors if not donor.mirrored), None)
        if donor is not None and not gifts.get(edit.face.number, Gift()).name:
            gifts[edit.face.number] = Gift(_show_gift(donor, edit), donor.name)
        elif edit.no_donor:
            gifts.setdefault(edit.face.number, Gift(why_not=edit.no_donor))
    return gifts


def _show_gift(donor: Donor, edit: Edit) -> Pixels:
    """The eyes, or the mouth, of a donor."""
    marks = donor.face.landmarks
    if edit.feature is Feature.MOUTH:
        points = marks.lips
    else:
        points = np.concatenate([part for eye in marks.eyes for part in (eye.upper, eye.lower)])
    tight = Box.around(points)
    box = tight.grown(round(_GIFT_MARGIN * tight.width)).clipped(donor.pixels.shape[1], donor.pixels.shape[0])
    return donor.pixels if box is None else donor.pixels[box.slices]
