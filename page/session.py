"""Other photos of the same people, given on the page: whose eyes, or smile, each face gets from them."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from donor.choose import choose_donors
from donor.people import ReferencePhoto, match_people
from edit.options import FaceChoice, Options, Wish
from edit.plan import Donor, Edit, EditPlan, Engine, FixResult
from edit.strokes import Strokes, covers
from face.identity import embed_face
from face.types import Face, Feature
from photo.errors import BadOption
from photo.files import FORMATS, load_photo, save_photo
from photo.geometry import halve_toward
from photo.types import Box, Photo, Pixels, Progress
from retouch.engines import DraftEngine
from retouch.pipeline import analyze_photo, fix_photo, ignore_progress, plan_edits

# Around a donor's eyes, or mouth, in widths of their box.
_GIFT_MARGIN = 0.12


@dataclass(frozen=True, eq=False)
class Others:
    """What a visitor gave: the photos as far as they are needed, and whether their smiles are wanted, too."""

    references: tuple[ReferencePhoto, ...] = ()
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
    pixels: Pixels, faces: Sequence[Face], references: Sequence[ReferencePhoto]
) -> dict[int, tuple[ReferencePhoto, ...]]:
    """For the number of each face the references that show the same person, cut down to that person alone.

    With these a part of the photo gets the same donors as the whole of it does.
    """
    own = {face.number: embed_face(pixels, face) for face in faces} if references else {}
    people: dict[int, tuple[ReferencePhoto, ...]] = {}
    for reference in references:
        is_burst = reference.size == pixels.shape[:2]
        for number, crop in match_people(faces, own, reference.crops, is_burst=is_burst).items():
            people[number] = (*people.get(number, ()), replace(reference, crops=(crop,)))
    return people


def find_gifts(
    pixels: Pixels, faces: Sequence[Face], plan: EditPlan, references: Sequence[ReferencePhoto], options: Options
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


# Around a face, in sizes of its box: enough for the masks, and for the eye to see the face in its place.
_FACE_MARGIN = 0.45
FACE_VIEW_PX = 720
"""What is larger around a face is painted and shown as small as this, so that a slider answers at once."""
# How far down the eyes are in that part of the photo.
_EYE_LEVEL = 0.38
# Of the box of an eye or a mouth this share must be painted over to ask for an edit there.
_ASKED_BY_HAND = 0.25


class Stopped(Exception):
    """The visitor pressed Cancel."""


@dataclass(frozen=True, eq=False)
class FaceView:
    """A part of the photo around one face, before and after, both uint8 (h, w, 3).

    `scale` is to the photo's pixels, `full_px` is the longest side of the part in these.
    """

    before: Pixels
    after: Pixels
    scale: float
    full_px: int

    @property
    def size(self) -> tuple[int, int]:
        """How many pixels it has across and down."""
        return self.after.shape[1], self.after.shape[0]

    @property
    def focus(self) -> float:
        """How far down the change is, 0 … 1; where the eyes are if nothing changed."""
        rows = np.flatnonzero((self.before != self.after).any(axis=(1, 2)))
        return float(rows.mean() / len(self.after)) if rows.size else _EYE_LEVEL


@dataclass(eq=False)
class OpenPhoto:
    """One photo on the page. `choices` holds what the visitor set, by face number; `shown` is
    the file of the photo as the page shows it.

    It comes without its faces, so that it can be shown at once; `find_faces` looks for them.
    """

    path: Path
    photo: Photo
    faces: tuple[Face, ...] = ()
    plan: EditPlan = field(default_factory=EditPlan)
    is_searched: bool = False
    choices: dict[int, FaceChoice] = field(default_factory=dict)
    strokes: Strokes | None = None
    selected: int | None = None
    shown: str | None = None
    result: FixResult | None = None
    saved: Path | None = None
    note: str | None = None
    others: Others = field(default_factory=Others)
    _possible: dict[int, frozenset[Feature]] = field(default_factory=dict)
    _people: dict[int, tuple[ReferencePhoto, ...]] | None = None
    _gifts: tuple[object, Mapping[int, Gift]] | None = None
    _searching: threading.Lock = field(default_factory=threading.Lock)

    @property
    def name(self) -> str:
        return self.path.name

    def find_faces(self, options: Options, on_progress: Progress = ignore_progress) -> None:
        """Look at the faces, once; the first that would be edited comes to mind first. Raises FixError."""
        with self._searching:
            if self.is_searched:
                return
            self.faces, self.plan = analyze_photo(self.photo, replace(options, choices={}, faces=None), on_progress)
            wanted = [edit.face.number for edit in self.plan.edits]
            self.selected = min(wanted, default=self.faces[0].number if self.faces else None)
            self.is_searched = True

    def face(self, number: int) -> Face | None:
        return next((face for face in self.faces if face.number == number), None)

    def planned(self, number: int) -> list[Edit]:
        """What the program would edit on a face by itself."""
        return [edit for edit in self.plan.edits if edit.face.number == number]

    def find_possible(self, number: int, options: Options) -> frozenset[Feature]:
        """What can be edited on a face when it is asked for."""
        if number not in self._possible:
            face = self.face(number)
            asked = {number: FaceChoice(eyes=Wish.ALWAYS, smile=Wish.ALWAYS)}
            plan = plan_edits(self.photo.pixels, (face,) if face else (), _alone(options, asked))
            self._possible[number] = frozenset(edit.feature for edit in plan.edits)
        return self._possible[number]

    def choice(self, number: int, options: Options) -> FaceChoice:
        """The switches and sliders of a face as they stand: those the visitor set, else what the program would do.

        A switch that is on is ALWAYS, one that is off NEVER.
        """
        planned = {edit.feature for edit in self.planned(number)}
        preset = FaceChoice(
            Wish.from_switch(bool(planned - {Feature.MOUTH})),
            Wish.from_switch(Feature.MOUTH in planned),
            options.eyes.opening,
            options.smile.strength,
        )
        return self.choices.get(number, preset)

    def take(self, others: Others) -> None:
        """Have other photos of the same people."""
        if others.references != self.others.references:
            self._people = None
        self.others, self._gifts = others, None

    def find_people(self, number: int) -> tuple[ReferencePhoto, ...]:
        """The other photos that show the person with this face, and nobody else."""
        if self._people is None:
            self._people = find_people(self.photo.pixels, self.faces, self.others.references)
        return self._people.get(number, ())

    def find_gifts(self, options: Options) -> Mapping[int, Gift]:
        """What the faces get from the other photos, by number, as the switches stand."""
        if not self.others.references:
            return {}
        wanted = self.final_options(options)
        standing = {face.number: self.choice(face.number, options) for face in self.faces}
        switches = [(number, choice.eyes, choice.smile) for number, choice in standing.items()]
        if self._gifts is None or self._gifts[0] != switches:
            plan = plan_edits(self.photo.pixels, self.faces, wanted)
            gifts = find_gifts(self.photo.pixels, self.faces, plan, self.others.references, wanted)
            self._gifts = switches, gifts
        return self._gifts[1]

    def final_options(self, options: Options) -> Options:
        """The options of the whole photo with all that was chosen, and asked for with the brush, for its faces."""
        choices = dict(self.choices)
        if self.strokes is not None and self.strokes.edit.any():
            for face in self.faces:
                choices[face.number] = self._ask_by_hand(face, self.choice(face.number, options))
        return replace(options, choices=choices, smile=replace(options.smile, from_reference=self.others.smile_too))

    def _ask_by_hand(self, face: Face, choice: FaceChoice) -> FaceChoice:
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


class Session:
    """The photos of one visitor, and a folder for what is shown to them and what they take home."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.photos: list[OpenPhoto] = []
        self.current = 0
        self.under_brush: OpenPhoto | None = None
        self.at_full_size = False
        self.stop = threading.Event()
        self._count = 0

    @property
    def photo(self) -> OpenPhoto | None:
        """The photo that is looked at."""
        return self.photos[self.current] if self.photos else None

    def close(self) -> None:
        """Stop what is running and forget all files."""
        self.stop.set()
        self.photos = []
        shutil.rmtree(self.folder, ignore_errors=True)

    def write_picture(self, pixels: Pixels, stem: str) -> str:
        """Write a picture to be shown as a JPEG file under a name of its own, and return its path."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._count += 1
        path = self.folder / f"{stem}_{self._count}.jpg"
        path.write_bytes(encode_jpeg(pixels))
        return str(path)


def open_photo(path: Path) -> OpenPhoto:
    """Read a photo. Raises FixError."""
    return OpenPhoto(path, load_photo(path))


def preview_face(opened: OpenPhoto, number: int, options: Options, *, at_full_size: bool = False) -> FaceView | None:
    """Paint one face as it stands, on a part of the photo no larger than needed, with the draft engine.

    A large part is shrunk first, except `at_full_size`. It is painted, measured and tried anew just as the whole photo
    will be.
    """
    face = opened.face(number)
    pixels = opened.photo.pixels
    box = None if face is None else _view_box(face).clipped(pixels.shape[1], pixels.shape[0])
    if face is None or box is None:
        return None
    full_px = max(box.width, box.height)
    scale = 1.0 if at_full_size else min(1.0, FACE_VIEW_PX / full_px)
    part = pixels[box.slices]
    if scale < 1.0:
        part = np.asarray(cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    choice = opened.final_options(options).choices.get(number) or opened.choice(number, options)
    strokes = None if opened.strokes is None else _cut_strokes(opened.strokes, box, pixels.shape)
    engine = DraftEngine(eye_color=options.eyes.color, seed=options.seed)
    smile = replace(options.smile, from_reference=opened.others.smile_too)
    wanted = replace(_alone(options, {number: choice}), smile=smile)
    people = opened.find_people(number)
    result = fix_photo(
        Photo(part), wanted, engine, faces=(face.within(box, scale),), strokes=strokes, references=people
    )
    return FaceView(part, result.pixels, scale, full_px)


def fix_opened(opened: OpenPhoto, options: Options, engine: Engine, stop: threading.Event, tell: Progress) -> None:
    """Fix a photo with all that was chosen, and write it as a file to take home. Raises FixError and Stopped."""

    def on_progress(words: str, share: float) -> None:
        if stop.is_set():
            raise Stopped
        tell(words, share)

    opened.find_faces(options, lambda words, _share: on_progress(words, 0.0))
    result = fix_photo(
        opened.photo, opened.final_options(options), engine, on_progress,
        faces=opened.faces, strokes=opened.strokes, references=opened.others.references,
    )  # fmt: skip
    on_progress("writing the file", 1.0)
    opened.result = result


def save_opened(opened: OpenPhoto, folder: Path) -> Path:
    """Write the result as `final_` and the photo's own name, in its own format with its metadata. Raises FixError."""
    if opened.result is None:
        raise BadOption("There is no result to save yet.")
    ending = opened.path.suffix if opened.path.suffix.lower() in FORMATS else ".png"
    target = folder / f"final_{opened.path.stem}{ending}"
    opened.note = save_photo(opened.result.pixels, opened.photo, target)
    opened.saved = target
    return target


def read_strokes(layers: list[Pixels], keep_color: tuple[int, int, int]) -> Strokes | None:
    """Sort painted layers, each uint8 (h, w, 4), into what is kept (of `keep_color`) and what is edited."""
    keep: NDArray[np.uint8] | None = None
    edit: NDArray[np.uint8] | None = None
    for layer in layers:
        if layer.ndim != 3 or layer.shape[2] != 4 or not layer[..., 3].any():
            continue
        far = np.abs(layer[..., :3].astype(np.int16) - np.array(keep_color, np.int16)).max(axis=2) > 90
        alpha = np.where(layer[..., 3] > 60, np.uint8(255), np.uint8(0)).astype(np.uint8)
        one, other = np.where(far, 0, alpha).astype(np.uint8), np.where(far, alpha, 0).astype(np.uint8)
        keep = one if keep is None else np.maximum(keep, one)
        edit = other if edit is None else np.maximum(edit, other)
    return None if keep is None or edit is None else Strokes(keep, edit)


def encode_jpeg(pixels: Pixels, quality: int = 93) -> bytes:
    """Return `pixels` uint8 (H, W, 3) RGB as a JPEG file without any metadata."""
    ok, data = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not ok:
        raise ValueError("the picture cannot be encoded")
    return data.tobytes()


def shrink(pixels: Pixels, longest_px: int) -> Pixels:
    """Return a smaller picture whose long side is at most so long; a smaller one comes back as it is."""
    scale = longest_px / max(pixels.shape[:2])
    if scale >= 1.0:
        return pixels
    size = max(round(pixels.shape[1] * scale), 1), max(round(pixels.shape[0] * scale), 1)
    halved = halve_toward(pixels, *size)
    return np.asarray(cv2.resize(halved, size, interpolation=cv2.INTER_AREA), np.uint8)


def _alone(options: Options, choices: Mapping[int, FaceChoice]) -> Options:
    return replace(options, faces=None, choices=choices)


def _view_box(face: Face) -> Box:
    return face.box.union(Box.around(face.landmarks.points)).padded(_FACE_MARGIN)


def _cut_strokes(strokes: Strokes, box: Box, shape: tuple[int, ...]) -> Strokes:
    """The strokes over a part of the photo, as masks of that part alone."""
    height, width = strokes.keep.shape
    left, right = (round(value / shape[1] * width) for value in (box.left, box.right))
    top, bottom = (round(value / shape[0] * height) for value in (box.top, box.bottom))
    part = slice(top, max(bottom, top + 1)), slice(left, max(right, left + 1))
    return Strokes(strokes.keep[part], strokes.edit[part])
