"""One visitor of the page: the open photos, what was chosen for their faces, previews, and the files to take home."""

from __future__ import annotations

import os
import shutil
import threading
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from donor.choose import DonorFinder
from donor.people import ReferencePhoto, match_people
from edit.options import FaceChoice, Options, Wish
from edit.plan import Donor, Edit, EditPlan, Engine, FixResult
from edit.strokes import Strokes, covers
from face.analysis import FaceAnalysis
from face.types import Face, Feature
from photo.errors import BadOption
from photo.files import FORMATS, load_photo, save_photo
from photo.geometry import halve_toward
from photo.preview import encode_jpeg
from photo.types import Box, Photo, Pixels, Progress
from retouch.engines import make_draft
from retouch.marking import choose_saving
from retouch.pipeline import analyze_photo, fix_photo, plan_edits
from retouch.progress import ignore_progress
from retouch.report import explain

# Left around a donor's eyes, or mouth, in their picture, as a fraction of the width of their box.
_DONOR_MARGIN = 0.12
# Left around a face in its preview, as a fraction of its box: enough for the masks, and to see the face in its place.
_FACE_MARGIN = 0.45
FACE_VIEW_PX = 720
"""Longest side of a preview: what is larger is shrunk before it is painted, so that a slider answers at once."""
# Of the pictures that a visitor looks at.
_PICTURE_QUALITY = 93
# Names of files may have 255 bytes on most systems.
_LONGEST_NAME_BYTES = 255
# To ask for an edit with the brush, more than this fraction of the box of an eye or a mouth must be painted over.
_ASKED_BY_HAND = 0.25


@dataclass(frozen=True, eq=False)
class References:
    """Other photos of the same people that a visitor gave, and whether their smiles are wanted, too."""

    photos: tuple[ReferencePhoto, ...] = ()
    smile_too: bool = False


@dataclass(frozen=True, eq=False)
class DonorPreview:
    """What one face gets from another photo.

    `picture`, uint8 (h, w, 3) RGB, shows the eyes or the mouth that are transferred, `name` is the photo's file name.
    Both are empty where nothing is transferred, and then `why_not` says why.
    """

    picture: Pixels | None = None
    name: str = ""
    why_not: str = ""


def find_people(
    analyses: Sequence[FaceAnalysis], references: Sequence[ReferencePhoto]
) -> dict[int, tuple[ReferencePhoto, ...]]:
    """Return, by face number, the references that show the same person, each cut down to that person alone.

    With these a part of the photo gets the same donors as the whole of it does.
    """
    people: dict[int, tuple[ReferencePhoto, ...]] = {}
    for reference in references:
        is_burst = all(reference.size == analysis.pixels.shape[:2] for analysis in analyses)
        for number, crop in match_people(analyses, reference.crops, is_burst=is_burst).items():
            people[number] = (*people.get(number, ()), replace(reference, crops=(crop,)))
    return people


def preview_donors(plan: EditPlan) -> Mapping[int, DonorPreview]:
    """Return, by face number, what each face with an edit gets from other photos."""
    previews: dict[int, DonorPreview] = {}
    for edit in plan.edits:
        donor = next((source for source in edit.sources if isinstance(source, Donor)), None)
        if donor is not None and not previews.get(edit.face.number, DonorPreview()).name:
            previews[edit.face.number] = DonorPreview(_cut_donor(donor, edit), donor.name)
        elif edit.no_donor:
            previews.setdefault(edit.face.number, DonorPreview(why_not=explain(edit.no_donor, numbers=False)))
    return previews


def _cut_donor(donor: Donor, edit: Edit) -> Pixels:
    """Return the part of a donor's photo that shows its eyes, or its mouth."""
    marks = donor.face.landmarks
    if edit.feature is Feature.MOUTH:
        points = marks.lips
    else:
        points = np.concatenate([part for eye in marks.eyes for part in (eye.upper, eye.lower)])
    tight = Box.around(points)
    pixels = donor.analysis.pixels
    box = tight.grown(round(_DONOR_MARGIN * tight.width)).clipped(pixels.shape[1], pixels.shape[0])
    return pixels if box is None else pixels[box.slices]


class Stopped(Exception):
    """The visitor pressed Cancel."""


@dataclass(frozen=True, eq=False)
class FaceView:
    """The part `box` of the photo around one face, before and after the edits, both uint8 (h, w, 3) RGB.

    `scale` is how many of its pixels make one of the photo's, 0 … 1.
    """

    before: Pixels
    after: Pixels
    box: Box
    scale: float


@dataclass(frozen=True)
class FacePicture:
    """The files of a FaceView, laid over the photo at `box`; `is_sharp` when no pixel of the photo is left out."""

    box: Box
    before: str
    after: str
    is_sharp: bool


@dataclass(frozen=True, eq=False)
class PhotoPart:
    """The part of a photo around one face, which previews are painted on: `box` of the photo, reduced by `scale` 0 … 1.

    `analysis` is the face in this part, and `finder` knows its donors: both keep what they measured, so that moving a
    slider measures nothing again but the result.
    """

    box: Box
    scale: float
    analysis: FaceAnalysis
    finder: DonorFinder | None = None


@dataclass(eq=False)
class OpenPhoto:
    """One open photo. It comes without its faces, so that it can be shown at once; `find_faces` looks for them.

    `held` is the photo itself, and None while it is at rest: then `photo` reads it once more.
    `choices` holds what the visitor set, by face number, and `selected` the number of the face that is looked at.
    `key` is its name on the page. `shown` is the file of the photo as the page shows it, `shown_result` that of the
    result, and `is_sharp` says that these leave no pixel out; `pictures` holds faces that were painted with the
    settings as they are, by number, and `thumbnail` the address of a small picture. `saved` is the file of the result
    itself, `note` a remark on saving it, `why_draft` why Stable Diffusion did not paint it, and `made_with` the
    settings that it was made with. `is_removed` says that the visitor has put the photo away.
    """

    path: Path
    held: Photo | None
    analyses: tuple[FaceAnalysis, ...] = ()
    plan: EditPlan = field(default_factory=EditPlan)
    is_searched: bool = False
    choices: dict[int, FaceChoice] = field(default_factory=dict)
    strokes: Strokes | None = None
    selected: int | None = None
    key: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    shown: str | None = None
    shown_result: str | None = None
    is_sharp: bool = False
    pictures: dict[int, FacePicture] = field(default_factory=dict)
    thumbnail: str = ""
    result: FixResult | None = None
    saved: Path | None = None
    note: str | None = None
    why_draft: str = ""
    made_with: object = None
    is_removed: bool = False
    references: References = field(default_factory=References)
    _possible: dict[int, frozenset[Feature]] = field(default_factory=dict)
    _people: dict[int, tuple[ReferencePhoto, ...]] | None = None
    _finder: DonorFinder | None = None
    _donor_plan: tuple[object, EditPlan, Mapping[int, DonorPreview]] | None = None
    _parts: dict[tuple[int, bool], PhotoPart] = field(default_factory=dict)
    _rested: dict[int, FaceChoice] = field(default_factory=dict)
    _searching: threading.Lock = field(default_factory=threading.Lock)

    @property
    def photo(self) -> Photo:
        """The photo. Raises FixError where it was at rest, and can be read no more."""
        if self.held is None:
            self.held = load_photo(self.path)
        return self.held

    @property
    def pixel_count(self) -> int:
        """How many pixels of it are held in memory."""
        return 0 if self.held is None else self.held.pixels.shape[0] * self.held.pixels.shape[1]

    def rest(self, options: Options) -> None:
        """Give back the memory: keep what the visitor set and the file of the result, and measure anew when asked."""
        if self.is_searched:
            self._rested = self._choose_all(options)
        self.held = self.result = self._people = self._finder = self._donor_plan = None
        self.analyses, self.plan, self.is_searched = (), EditPlan(), False
        self._parts.clear()

    @property
    def name(self) -> str:
        return self.path.name

    def find_faces(self, options: Options, on_progress: Progress = ignore_progress) -> None:
        """Find the faces, once, and select the first that would be edited. Raises FixError."""
        with self._searching:
            if self.is_searched:
                return
            own = replace(options, choices={}, faces=None)
            self.analyses, self.plan = analyze_photo(self.photo, own, on_progress)
            wanted = [edit.face.number for edit in self.plan.edits]
            if self.selected is None or self.face(self.selected) is None:
                self.selected = min(wanted, default=self.faces[0].number if self.faces else None)
            self.is_searched = True

    @property
    def faces(self) -> tuple[Face, ...]:
        return tuple(analysis.face for analysis in self.analyses)

    def face(self, number: int) -> Face | None:
        return next((face for face in self.faces if face.number == number), None)

    def analysis(self, number: int) -> FaceAnalysis | None:
        return next((analysis for analysis in self.analyses if analysis.face.number == number), None)

    def planned(self, number: int) -> list[Edit]:
        """Return what the program would edit on a face by itself."""
        return [edit for edit in self.plan.edits if edit.face.number == number]

    def find_possible(self, number: int, options: Options) -> frozenset[Feature]:
        """Return what can be edited on a face when it is asked for."""
        if number not in self._possible:
            analysis = self.analysis(number)
            asked = {number: FaceChoice(eyes=Wish.ALWAYS, smile=Wish.ALWAYS)}
            plan = plan_edits((analysis,) if analysis else (), _alone(options, asked))
            self._possible[number] = frozenset(edit.feature for edit in plan.edits)
        return self._possible[number]

    def choice(self, number: int, options: Options) -> FaceChoice:
        """Return the settings of a face: those that the visitor chose, else what the program would do by itself."""
        planned = {edit.feature for edit in self.planned(number)}
        preset = FaceChoice(
            Wish.from_switch(bool(planned - {Feature.MOUTH})),
            Wish.from_switch(Feature.MOUTH in planned),
            options.eyes.opening,
            options.smile.strength,
        )
        return self.choices.get(number, preset)

    def offer(self, number: int, options: Options) -> FaceChoice | None:
        """Return the settings that would edit what the program is not sure of on a face; None where it is sure.

        Nothing is offered for a face that the visitor has set already.
        """
        unsure = {
            skip.feature for skip in self.plan.skips if skip.face.number == number and skip.cause.reason.is_unsure
        }
        wanted = unsure & self.find_possible(number, options) if unsure and number not in self.choices else frozenset()
        if not wanted:
            return None
        choice = self.choice(number, options)
        return replace(
            choice,
            eyes=Wish.ALWAYS if wanted - {Feature.MOUTH} else choice.eyes,
            smile=Wish.ALWAYS if Feature.MOUTH in wanted else choice.smile,
        )

    def settings(self, options: Options) -> tuple[object, ...]:
        """Return all that the result depends on, so that two of them compare equal when nothing was changed."""
        choices = self._choose_all(options) if self.is_searched else self._rested
        others = tuple(reference.path for reference in self.references.photos), self.references.smile_too
        diffusion = options.diffusion.prompt, options.diffusion.negative_prompt
        return choices, self.strokes, others, options.engine, options.seed, options.eyes.color, diffusion

    def _choose_all(self, options: Options) -> dict[int, FaceChoice]:
        return {face.number: self.choice(face.number, options) for face in self.faces}

    def is_finished(self, options: Options) -> bool:
        """Whether there is a result, and it was made with the settings as they are."""
        return self.saved is not None and self.made_with == self.settings(options)

    def set_references(self, references: References) -> None:
        """Use these other photos of the same people from now on."""
        if references.photos != self.references.photos:
            self._people = self._finder = None
            self._parts.clear()
        self.pictures.clear()
        self.references, self._donor_plan = references, None

    def finder(self, options: Options) -> DonorFinder:
        """Return what finds the donors of the whole photo, with all that it found so far."""
        if self._finder is None:
            self._finder = DonorFinder(self.analyses, self.references.photos, options)
        return self._finder

    def part(self, number: int, options: Options, *, at_full_size: bool) -> PhotoPart | None:
        """Return the part of the photo around a face, with all that was measured of it so far; None where none is."""
        analysis, key = self.analysis(number), (number, at_full_size)
        if key not in self._parts and analysis is not None:
            part = _cut_part(analysis, at_full_size=at_full_size)
            if part is None:
                return None
            small = part.analysis
            self._parts[key] = replace(part, finder=DonorFinder((small,), self.find_people(number), options))
        return self._parts.get(key)

    def find_people(self, number: int) -> tuple[ReferencePhoto, ...]:
        """Return the references that show the person with this face, each cut down to that person alone."""
        if self._people is None:
            self._people = find_people(self.analyses, self.references.photos)
        return self._people.get(number, ())

    def preview_donors(self, options: Options) -> Mapping[int, DonorPreview]:
        """Return, by face number, what the faces get from the references with the settings as they are."""
        return self._plan_donors(options)[1]

    def has_own_eyes(self, number: int, options: Options) -> bool:
        """Return whether a face gets its eyes from a reference: they are as wide open as they are there."""
        return any(
            edit.face.number == number and edit.feature is not Feature.MOUTH and isinstance(edit.sources[0], Donor)
            for edit in self._plan_donors(options)[0].edits
            if edit.sources
        )

    def _plan_donors(self, options: Options) -> tuple[EditPlan, Mapping[int, DonorPreview]]:
        """The plan of the whole photo with the references, and what it takes from them; empty without any."""
        if not self.references.photos:
            return EditPlan(), {}
        switches = [(number, choice.eyes, choice.smile) for number, choice in self._choose_all(options).items()]
        if self._donor_plan is None or self._donor_plan[0] != switches:
            plan = plan_edits(self.analyses, self.final_options(options), self.finder(options))
            self._donor_plan = switches, plan, preview_donors(plan)
        return self._donor_plan[1], self._donor_plan[2]

    def final_options(self, options: Options) -> Options:
        """Return the options for the whole photo with all that was chosen for its faces or asked for with the brush."""
        choices = dict(self.choices)
        if self.strokes is not None and self.strokes.edit.any():
            for face in self.faces:
                choices[face.number] = self._ask_by_hand(face, self.choice(face.number, options))
        smile = replace(options.smile, from_reference=self.references.smile_too)
        return replace(options, choices=choices, smile=smile)

    def _ask_by_hand(self, face: Face, choice: FaceChoice) -> FaceChoice:
        """Return the settings of a face, with what was painted over with the brush switched on."""
        strokes, shape = self.strokes, self.photo.pixels.shape
        if strokes is None:
            return choice
        eyes = [Box.around(np.concatenate([eye.upper, eye.lower])) for eye in face.landmarks.eyes]
        mouth = Box.around(face.landmarks.lips)
        if any(covers(strokes.edit, box.padded(0.2), shape) > _ASKED_BY_HAND for box in eyes):
            choice = replace(choice, eyes=Wish.ALWAYS)
        if covers(strokes.edit, mouth, shape) > _ASKED_BY_HAND:
            choice = replace(choice, smile=Wish.ALWAYS)
        return choice


@dataclass(frozen=True)
class Work:
    """How far the work for a visitor is: what is being done to which photo, and the fraction that is done, 0 … 1."""

    text: str
    fraction: float
    photo: OpenPhoto | None = None


class Session:
    """The photos of one visitor, and a folder for the files that are shown to them or that they take home.

    `references` are the other photos of the same people, for all photos but themselves. `removed` is the photo that was
    put away last, and where it was; `wanted` are the options with what was set for the engine; `shows_masks` says that
    what is repainted is tinted. `stop` is set to end the work that is going on, which `work` tells about. `left_at` is
    when the page was left, in seconds of `time.monotonic`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.photos: list[OpenPhoto] = []
        self.current = 0
        self.removed: tuple[int, OpenPhoto] | None = None
        self.shows_masks = False
        self.references = References()
        self.wanted: Options | None = None
        self.stop = threading.Event()
        self.is_closed = False
        self.left_at: float | None = None
        self.work: Work | None = None
        self.archive: tuple[tuple[Path, ...], Path] | None = None
        self._adopted: dict[Path, Path] = {}
        self._count = 0

    @property
    def photo(self) -> OpenPhoto | None:
        """The photo that is shown; None where none is open."""
        photos = self.photos  # one is put away, perhaps, while another event is answered
        return photos[min(self.current, len(photos) - 1)] if photos else None

    @property
    def pixel_count(self) -> int:
        """How many pixels its photos hold in memory together."""
        return sum(opened.pixel_count for opened in self._all_photos())

    def _all_photos(self) -> list[OpenPhoto]:
        return [*self.photos, *([self.removed[1]] if self.removed else [])]

    def rest(self, options: Options) -> None:
        """Give back the memory of all photos."""
        for opened in self._all_photos():
            opened.rest(options)

    def close(self) -> None:
        """Stop what is running and forget all files."""
        self.is_closed = True
        self.stop.set()
        self.photos, self.removed = [], None
        shutil.rmtree(self.folder, ignore_errors=True)

    def adopt(self, path: Path) -> Path:
        """Return the path under which an uploaded file stays for as long as the session does.

        The uploaded file itself goes after a while, and another visitor may have sent the same one.
        """
        if path not in self._adopted:
            own = self.folder / f"photo_{len(self._adopted)}" / path.name
            own.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(path, own)
            except OSError:  # a file system without links, or a file that is gone, of which reading it tells
                if path.is_file():
                    shutil.copyfile(path, own)
            self._adopted[path] = own
        return self._adopted[path]

    def use_references(self, references: References) -> None:
        """Use these other photos of the same people for all photos from now on; none gives anything to itself."""
        self.references = references
        for opened in self._all_photos():
            self.give_references(opened)

    def give_references(self, opened: OpenPhoto) -> None:
        """Have a photo use the other photos of the same people that there are."""
        others = tuple(photo for photo in self.references.photos if photo.path != opened.path)
        opened.set_references(References(others, self.references.smile_too))

    def remove(self, number: int) -> None:
        """Put a photo away, and keep it for `put_back`, until the next one is."""
        opened = self.photos[number]
        opened.is_removed = True
        self.photos = [other for other in self.photos if other is not opened]
        self.removed = number, opened
        self.current = max(min(self.current - (number < self.current), len(self.photos) - 1), 0)

    def put_back(self) -> None:
        """Put the photo back that was put away last, and show it."""
        if self.removed is not None:
            number, opened = self.removed
            opened.is_removed = False
            self.current = min(number, len(self.photos))
            self.photos = [*self.photos[: self.current], opened, *self.photos[self.current :]]
            self.removed = None

    def write_picture(self, pixels: Pixels, stem: str) -> str:
        """Write `pixels`, uint8 (h, w, 3) RGB, as a JPEG file under a name that is new, and return its path."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._count += 1
        path = self.folder / f"{stem}_{self._count}.jpg"
        path.write_bytes(encode_jpeg(pixels, _PICTURE_QUALITY))
        return str(path)


def open_photo(path: Path) -> OpenPhoto:
    """Read a photo. Raises FixError."""
    return OpenPhoto(path, load_photo(path))


def preview_face(opened: OpenPhoto, number: int, options: Options, *, at_full_size: bool = False) -> FaceView | None:
    """Paint one face with its settings as they are, on a part of the photo no larger than needed, by the draft engine.

    A part larger than FACE_VIEW_PX is shrunk first, except `at_full_size`. It is painted, checked and tried anew just
    as the whole photo will be. Returns None when there is no such face. Raises FixError.
    """
    part = opened.part(number, options, at_full_size=at_full_size)
    if part is None:
        return None
    choice = opened.final_options(options).choices.get(number) or opened.choice(number, options)
    strokes = None if opened.strokes is None else _cut_strokes(opened.strokes, part.box, opened.photo.pixels.shape)
    smile = replace(options.smile, from_reference=opened.references.smile_too)
    wanted = replace(_alone(options, {number: choice}), smile=smile)
    pixels = part.analysis.pixels
    result = fix_photo(
        Photo(pixels), wanted, make_draft(options),
        analyses=(part.analysis,), finder=part.finder, strokes=strokes,
    )  # fmt: skip
    return FaceView(pixels, result.pixels, part.box, part.scale)


def fix_opened(
    opened: OpenPhoto, options: Options, engine: Engine, stop: threading.Event, on_progress: Progress
) -> None:
    """Fix a photo with all that was chosen, and keep the result in `opened`. Raises FixError, Stopped."""

    def on_step(text: str, fraction: float) -> None:
        if stop.is_set() or opened.is_removed:
            raise Stopped
        on_progress(text, fraction)

    opened.find_faces(options, lambda text, _fraction: on_step(text, 0.0))
    result = fix_photo(
        opened.photo, opened.final_options(options), engine, on_step,
        analyses=opened.analyses, finder=opened.finder(options), strokes=opened.strokes,
    )  # fmt: skip
    on_step("writing the file", 1.0)
    opened.result = result


def save_opened(opened: OpenPhoto, folder: Path, options: Options) -> Path:
    """Write the result as `final_` and the photo's own name into a new folder in `folder`; return its path.

    Format and metadata are the photo's own, and the mark of edited photos is that of the command line. An earlier
    result is removed. Raises FixError.
    """
    if opened.result is None:
        raise BadOption("There is no result to save yet.")
    # A name of its own for each result: a browser may have kept what an earlier one held.
    target = folder / f"result_{uuid.uuid4().hex}" / name_result(opened.path)
    saving = choose_saving(options.output, opened.result.report)
    opened.note = save_photo(opened.result.pixels, opened.photo, target, saving=saving)
    earlier, opened.saved = opened.saved, target
    if earlier is not None:
        shutil.rmtree(earlier.parent, ignore_errors=True)
    return target


def name_result(path: Path) -> str:
    """Return the name of the result of a photo: that of the photo after `final_`, as long as names may be."""
    ending = path.suffix if path.suffix.lower() in FORMATS else ".png"
    room = _LONGEST_NAME_BYTES - len(os.fsencode(f"final_{ending}"))
    stem = path.stem
    while len(os.fsencode(stem)) > room:
        stem = stem[:-1]
    return f"final_{stem}{ending}"


def read_seed(seed: float | None) -> int:
    """Return the seed as a whole number; an empty field is 0. Raises BadOption."""
    try:
        return int(seed or 0)
    except (OverflowError, ValueError) as error:
        raise BadOption("The seed takes a whole number.") from error


def read_strokes(layers: list[Pixels], keep_color: tuple[int, int, int]) -> Strokes | None:
    """Sort painted layers, each uint8 (h, w, 4) RGBA, into what is to be kept (of `keep_color`) and what to be edited.

    Returns None when nothing was painted.
    """
    keep: NDArray[np.uint8] | None = None
    edit: NDArray[np.uint8] | None = None
    for layer in layers:
        if layer.ndim != 3 or layer.shape[2] != 4 or not layer[..., 3].any():
            continue
        is_other = np.abs(layer[..., :3].astype(np.int16) - np.array(keep_color, np.int16)).max(axis=2) > 90
        alpha = np.where(layer[..., 3] > 60, np.uint8(255), np.uint8(0)).astype(np.uint8)
        kept, edited = np.where(is_other, 0, alpha).astype(np.uint8), np.where(is_other, alpha, 0).astype(np.uint8)
        keep = kept if keep is None else np.maximum(keep, kept)
        edit = edited if edit is None else np.maximum(edit, edited)
    return None if keep is None or edit is None else Strokes(keep, edit)


def shrink(pixels: Pixels, longest_px: int) -> Pixels:
    """Return `pixels`, uint8 (H, W, 3) RGB, shrunk so that the longer side has `longest_px`; a smaller one as it is."""
    scale = longest_px / max(pixels.shape[:2])
    if scale >= 1.0:
        return pixels
    size = max(round(pixels.shape[1] * scale), 1), max(round(pixels.shape[0] * scale), 1)
    halved = halve_toward(pixels, *size)
    return np.asarray(cv2.resize(halved, size, interpolation=cv2.INTER_AREA), np.uint8)


def _alone(options: Options, choices: Mapping[int, FaceChoice]) -> Options:
    return replace(options, faces=None, choices=choices)


def _cut_part(analysis: FaceAnalysis, *, at_full_size: bool) -> PhotoPart | None:
    """The part of the photo around a face; one larger than FACE_VIEW_PX is shrunk, except `at_full_size`."""
    face, shape = analysis.face, analysis.pixels.shape
    around = face.box.union(Box.around(face.landmarks.points)).padded(_FACE_MARGIN)
    box = around.clipped(shape[1], shape[0])
    if box is None:
        return None
    scale = 1.0 if at_full_size else min(1.0, FACE_VIEW_PX / max(box.width, box.height))
    return PhotoPart(box, scale, analysis.shrunk(box, scale))


def _cut_strokes(strokes: Strokes, box: Box, shape: tuple[int, ...]) -> Strokes:
    """Return the strokes over the part `box` of a photo of this `shape` alone; they may be of another size than it."""
    height, width = strokes.keep.shape
    left, right = (round(value / shape[1] * width) for value in (box.left, box.right))
    top, bottom = (round(value / shape[0] * height) for value in (box.top, box.bottom))
    part = slice(top, max(bottom, top + 1)), slice(left, max(right, left + 1))
    return Strokes(strokes.keep[part], strokes.edit[part])
