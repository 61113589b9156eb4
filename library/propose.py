"""Proposes other photos of the people in a photo: those beside it taken within seconds, and those of the library.

They are read like the reference photos that a user names; `donor.choose` decides what they give.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from donor.people import ReferencePhoto, read_reference
from face.analysis import FaceAnalysis
from library.find import MOST_PHOTOS, choose_photos, find_neighbours, has_narrow_eyes
from library.reading import read_moment
from library.store import Library, find_library
from photo.errors import FixError, MissingPackage, UnreadablePhoto
from photo.files import load_photo

# Frames of one moment propose the same photos: so many are kept, of which only the faces are in memory.
_MOST_KEPT = 2 * MOST_PHOTOS
_AMONG = "their other photos"


class Proposer:
    """Proposes photos of the library at `path`, None for that of this user, and of the folders of the photos to fix.

    A library that was named has to be there and in order, else FixError is raised; of what is wrong with that of the
    user, or with a photo that was proposed, `log` is told, and the work goes on without.
    """

    def __init__(self, path: Path | None, log: Callable[[str], None]) -> None:
        self._path, self._log = path, log
        self._read: OrderedDict[Path, ReferencePhoto | None] = OrderedDict()
        if path is not None:
            Library(path, must_exist=True).close()

    def propose(self, analyses: Sequence[FaceAnalysis], photo: Path) -> list[ReferencePhoto]:
        """Return the other photos that may show these people with open eyes, the most suitable first.

        None where no eye is closed or narrow; `MOST_PHOTOS` at the most. `photo` is the one they are in.
        Raises MissingModel, MissingPackage.
        """
        if not any(has_narrow_eyes(analysis) for analysis in analyses):
            return []
        taken = read_moment(photo)
        places = dict.fromkeys((*find_neighbours(photo, taken), *self._ask_library(analyses, photo, taken)))
        found = (self._read_once(place, photo) for place in list(places)[:MOST_PHOTOS])
        return [reference for reference in found if reference is not None and reference.crops]

    def _ask_library(self, analyses: Sequence[FaceAnalysis], photo: Path, taken: float | None) -> list[Path]:
        if self._library_path is None:
            return []
        try:
            with Library(self._library_path, must_exist=True) as library:
                return choose_photos(library, analyses, photo, taken)
        except FixError as error:
            if self._path is not None:
                raise
            self._library_path = None
            self._log(f"warning: {error} Photos are fixed without the library.")
            return []

    @cached_property
    def _library_path(self) -> Path | None:
        """The library to ask; None where there is none."""
        if self._path is not None:
            return self._path
        try:
            return place if (place := find_library()).is_file() else None
        except (FixError, OSError):
            return None

    def _read_once(self, place: Path, photo: Path) -> ReferencePhoto | None:
        """The faces of a photo; None, and `log` is told, where it cannot be read."""
        if place in self._read:
            self._read.move_to_end(place)
            return self._read[place]
        try:
            reference = read_reference(load_photo(place))
            # The library's photos lie in many folders, and names such as IMG_0001.jpg come again in each.
            name = place.name if place.parent == photo.resolve().parent else str(place)
            self._read[place] = replace(reference, name=name, among=_AMONG)
        except (UnreadablePhoto, MissingPackage) as error:
            self._log(f"warning: {error} It is left out.")
            self._read[place] = None
        if len(self._read) > _MOST_KEPT:
            self._read.popitem(last=False)
        return self._read[place]
