"""Proposes other photos of the people in a photo: those beside it taken within seconds, and those of the library.

They are read like the reference photos that a user names; `donor.choose` decides what they give.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from donor.people import KnownEyes, OtherPhotos, ReferencePhoto, read_reference
from face.analysis import FaceAnalysis
from library.find import MOST_PHOTOS, choose_photos, find_neighbours, has_narrow_eyes
from library.identify import identify_faces
from library.known_eyes import learn_eyes
from library.reading import read_moment
from library.store import Library, find_library
from photo.errors import BadOption, FixError, MissingPackage, UnreadablePhoto
from photo.files import load_photo

# Frames of one moment propose the same photos: so many are kept, of which only the faces are in memory.
_MOST_KEPT = 2 * MOST_PHOTOS
_AMONG = "their other photos"


class Proposer:
    """Proposes photos of the library at `path`, None for that of this user, and of the folders of the photos to fix.

    A library that was named has to be there and in order, else FixError is raised; of what is wrong with that of the
    user, or with a photo that was proposed, `log` is told, and the work goes on without. `who` is the name or number of
    the only person to propose photos of; then the library has to be there, too, and know them.
    """

    def __init__(self, path: Path | None, log: Callable[[str], None], who: str | None = None) -> None:
        self._path, self._log = path, log
        self._read: OrderedDict[Path, ReferencePhoto | None] = OrderedDict()
        self._wanted = None
        if who is not None:
            self._path = path = path or find_library()
            with Library(path, must_exist=True) as library:
                self._wanted = library.find_person(who)
            if self._wanted is None:
                raise BadOption(f"The library knows no person {who}; --people lists all.")
        elif path is not None:
            Library(path, must_exist=True).close()

    def choose_faces(self, analyses: Sequence[FaceAnalysis]) -> tuple[int, ...]:
        """Return the numbers of the faces that surely show the wanted person; all where nobody is wanted."""
        if self._wanted is None:
            return tuple(analysis.face.number for analysis in analyses)
        assert self._path is not None
        with Library(self._path, must_exist=True) as library:
            persons = identify_faces(library, analyses)
        return tuple(number for number, person in persons.items() if person == self._wanted.number)

    def propose(self, analyses: Sequence[FaceAnalysis], photo: Path) -> OtherPhotos:
        """Return the other photos that may show these people with open eyes, the most suitable first.

        None where no eye is closed or narrow; `MOST_PHOTOS` at the most. With them comes what is known of the eyes of
        people that the library surely recognises. `photo` is the one they are in. Raises MissingModel, MissingPackage.
        """
        if not any(has_narrow_eyes(analysis) for analysis in analyses):
            return OtherPhotos()
        taken = read_moment(photo)
        listed, known_eyes = self._ask_library(analyses, photo, taken)
        places = dict.fromkeys((*find_neighbours(photo, taken), *listed))
        found = (self._read_once(place, photo) for place in list(places)[:MOST_PHOTOS])
        return OtherPhotos([one for one in found if one is not None and one.crops], known_eyes)

    def _ask_library(
        self, analyses: Sequence[FaceAnalysis], photo: Path, taken: float | None
    ) -> tuple[list[Path], dict[int, KnownEyes]]:
        """The photos that the library proposes, and by the number of a face what it knows of the person's eyes."""
        if self._library_path is None:
            return [], {}
        try:
            with Library(self._library_path, must_exist=True) as library:
                narrow = [analysis for analysis in analyses if has_narrow_eyes(analysis)]
                persons = identify_faces(library, narrow)
                learnt = {number: learn_eyes(library, person) for number, person in persons.items()}
                listed = choose_photos(library, narrow, photo, taken, persons)
                return listed, {number: known for number, known in learnt.items() if known is not None}
        except FixError as error:
            if self._path is not None:
                raise
            self._library_path = None
            self._log(f"warning: {error} Photos are fixed without the library.")
            return [], {}

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
