"""Best take: of several photos of one group, the best one, with every face that another one shows better put right.

The frame in which most people look good is kept. Whoever does not look good in it gets the whole face from the frame
in which they do, if the head has hardly moved in between; else their own eyes alone (references.py), or the usual edit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from donor.people import FaceCrop, ReferencePhoto, read_reference
from donor.whole_face import Transplant, find_obstacle, measure_detail, measure_movement, transplant_face
from edit.options import Options, Wish
from edit.plan import Engine, FixResult, Report
from face.expression import measure_openness, measure_smiling
from face.identity import SAME_PERSON, embed_face, measure_distance, measure_similarity
from face.search import remeasure
from face.types import Face
from photo.blend import count_changes
from photo.errors import BadOption
from photo.types import Matrix, Photo, Pixels, Progress
from retouch.pipeline import fix_photo
from retouch.progress import ignore_progress
from retouch.report import describe_outcome, to_json

# calibration: burst. How much open eyes, a smile and a sharp face count against each other.
_OPEN_EYES, _SMILE, _SHARP = 2.0, 1.0, 0.7
# calibration: burst. Less than this of each, 0 … 1, is what another frame may mend, and more than that is what it has
# to bring.
_POOR, _GOOD = 0.5, 0.75
# calibration: burst. A face with less than this of the detail that the person's sharpest has is blurred.
_BLURRED = 0.45
# calibration: burst. A whole face is taken from a frame where it has more than this; of a softer one the eyes alone.
_SHARP_ENOUGH = 0.65
# calibration: burst. Another frame has to be better by this much in all.
_CLEARLY_BETTER = 0.5
# calibration: burst. A face whose outline lies an eye distance off counts as so much worse: of two good ones the one
# nearer is taken.
_MOVED = 6.0
# calibration: burst. In registered frames a person who has moved by so many eye distances seems as unlike as this
# distance of looks.
_FAR, _FAR_COSTS = 4.0, 0.5
# calibration: burst. A transplanted smile may measure this much less than it did in its own frame.
_SMILE_LOSS = 0.25
_REGISTERED_PX, _FEATURES, _LEAST_INLIERS, _INLIER_PX = 1000, 2000, 25, 3.0


@dataclass(frozen=True, eq=False)
class BurstPhoto:
    """One photo of a burst, as far as it is needed: its faces, how sharp each is, and a small gray copy.

    `gray` uint8 (h, w); `scale` is its size in that of the photo.
    """

    reference: ReferencePhoto
    detail: tuple[float, ...]
    gray: NDArray[np.uint8]
    scale: float

    @property
    def crops(self) -> tuple[FaceCrop, ...]:
        return self.reference.crops


@dataclass(frozen=True, eq=False)
class Take:
    """Where one face of the kept photo comes from: the index of the frame, and why, in words.

    `frame` is None where the face did not come whole from another. `sightings` are the indices of the person's face in
    each frame. `outcome` is what was edited then, in words; `parts_from` the frame that gave eyes or smile alone.
    """

    face: Face
    frame: int | None
    words: str
    sightings: tuple[int | None, ...]
    outcome: str = ""
    parts_from: int | None = None


@dataclass(frozen=True, eq=False)
class BurstResult:
    """The best take: pixels uint8 (H, W, 3), which frame was kept, whose face came whole, and what was fixed then.

    `changed_pixels` differ from the kept photo, `changed_outside` of them outside all faces and edits.
    """

    pixels: Pixels
    base: int
    takes: tuple[Take, ...]
    fix: FixResult
    changed_pixels: int
    changed_outside: int


def read_burst_photo(photo: Photo) -> BurstPhoto:
    """Find and describe the faces of one photo of a burst; its pixels can be forgotten then.

    Raises MissingModel, MissingPackage.
    """
    reference = replace(read_reference(photo), among="the other photos of the burst")
    scale = min(1.0, _REGISTERED_PX / max(photo.width, photo.height))
    gray = cv2.cvtColor(photo.pixels, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(gray, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    detail = tuple(measure_detail(crop.pixels, crop.face) for crop in reference.crops)
    return BurstPhoto(reference, detail, np.asarray(small, np.uint8), scale)


def choose_base(frames: Sequence[BurstPhoto], options: Options) -> int:
    """The index of the frame in which the people look best, all taken together; the first of equals.

    Raises BadOption when no frame shows a face.
    """
    if not any(frame.crops for frame in frames):
        raise BadOption("--burst found no face in any of the photos.")
    # People are followed from the frame that shows most of them.
    anchor = max(range(len(frames)), key=lambda index: len(frames[index].crops))
    people = _follow_people(frames, anchor)
    scores = [sum(_score(frames, sightings, index, options) for sightings in people) for index in range(len(frames))]
    return int(np.argmax(scores))


def fix_burst(
    photo: Photo,
    frames: Sequence[BurstPhoto],
    base: int,
    options: Options,
    engine: Engine,
    on_progress: Progress = ignore_progress,
) -> BurstResult:
    """Put right in `photo`, which is that of `frames[base]`, every face that another frame shows better.

    Whole faces come first; `fix_photo` sees to the rest, with the other frames as references. Neither the photo nor
    the frames are written to. Raises FixError.
    """
    pixels = photo.pixels.copy()
    takes, regions = [], []
    people = _follow_people(frames, base)
    unknown = [number for number in options.faces or () if number > len(people)]
    if unknown:
        name = frames[base].reference.name
        raise BadOption(f"--faces names face {unknown[0]}, but {name} has {len(people)}; --analyze shows the numbers.")
    for number, sightings in enumerate(people):
        on_progress("comparing the photos", 0.2 * number / len(people))
        take, transplant = _choose_take(photo.pixels, frames, base, sightings, options)
        takes.append(take)
        if transplant is not None:
            # Where a neighbour's face was put already, what it brought stays.
            place, new = pixels[transplant.region.box.slices], transplant.region.alpha > 0
            place[new] = transplant.patch[new]
            regions.append(transplant.region)
    others = [frame.reference for index, frame in enumerate(frames) if index != base]
    assembled = replace(photo, pixels=pixels)
    theirs = replace(options, smile=replace(options.smile, from_reference=True))
    fixed = fix_photo(
        assembled, theirs, engine, lambda words, share: on_progress(words, 0.2 + 0.8 * share), references=others
    )
    takes = [_add_outcome(take, fixed.report, frames) for take in takes]
    regions += [edit.region for edit in fixed.plan.edits]
    changed_pixels, changed_outside = count_changes(photo.pixels, fixed.pixels, regions)
    return BurstResult(fixed.pixels, base, tuple(takes), fixed, changed_pixels, changed_outside)


def describe_burst(result: BurstResult, frames: Sequence[BurstPhoto]) -> str:
    """Return which photo was kept, whose face came from which other, and what was edited then, as lines of words."""
    lines = [f"Kept {frames[result.base].reference.name} of {len(frames)} photos."]
    for take in result.takes:
        outcome = f" {take.outcome[0].upper()}{take.outcome[1:]}" if take.outcome else ""
        lines.append(f"Face {take.face.number}: {take.words}.{outcome}")
    if result.changed_outside:
        lines.append(f"Warning: {result.changed_outside:,} pixels outside the masks changed.")
    else:
        lines.append(f"Changed {result.changed_pixels:,} pixels of it and touched no other.")
    return "\n".join(lines)


def burst_to_json(result: BurstResult, frames: Sequence[BurstPhoto]) -> dict[str, object]:
    """Return the report of the kept photo as `to_json` does, with the key `burst` for where its faces come from."""
    names = [frame.reference.name for frame in frames]
    faces = [
        {
            "face": take.face.number,
            "from": None if take.frame is None else names[take.frame],
            "parts_from": None if take.parts_from is None else names[take.parts_from],
            "reason": take.words,
        }
        for take in result.takes
    ]
    return {
        **to_json(result.fix.report),
        "changed_pixels": result.changed_pixels,
        "changed_outside": result.changed_outside,
        "burst": {"photos": names, "kept": names[result.base], "faces": faces},
    }


def _add_outcome(take: Take, report: Report, frames: Sequence[BurstPhoto]) -> Take:
    """The take with what `fix_photo` did to its face; the faces were found anew then, but stand where they stood."""
    now = max(report.faces, key=lambda face: face.box.overlap_ratio(take.face.box), default=None)
    changes = [change for change in report.changes if now is not None and change.face.number == now.number]
    if now is None or not changes:
        return take
    donors = [change.donor.name for change in changes if change.kept and change.donor is not None]
    parts_from = [index for index, frame in enumerate(frames) if frame.reference.name in donors]
    return replace(take, outcome=describe_outcome(report, now), parts_from=parts_from[0] if parts_from else None)


# ---- who is who ----------------------------------------------------------------------------------------


def _follow_people(frames: Sequence[BurstPhoto], anchor: int) -> list[tuple[int | None, ...]]:
    """For each face of the frame `anchor` the index of the same person's face in every frame; None where none is."""
    matched = [
        dict(enumerate(range(len(frame.crops)))) if index == anchor else _match_people(frames[anchor], frame)
        for index, frame in enumerate(frames)
    ]
    return [tuple(of_frame.get(index) for of_frame in matched) for index in range(len(frames[anchor].crops))]


def _match_people(frame: BurstPhoto, other: BurstPhoto) -> dict[int, int]:
    """For indices of faces of `frame` the same people's in `other`; nobody is used twice, the surest come first."""
    matrix = _register(other, frame)
    pairs = []
    for index, crop in enumerate(frame.crops):
        for theirs, candidate in enumerate(other.crops):
            distance = measure_distance(crop.embedding, candidate.embedding)
            if distance < SAME_PERSON:
                pairs.append((distance + _price_of_place(crop, candidate, matrix), index, theirs))
    found: dict[int, int] = {}
    for _, index, theirs in sorted(pairs):
        if index not in found and theirs not in found.values():
            found[index] = theirs
    return found


def _price_of_place(crop: FaceCrop, other: FaceCrop, matrix: Matrix | None) -> float:
    if matrix is None:
        return 0.0
    place = np.array([[other.in_photo.box.center]], np.float64)
    moved = cv2.perspectiveTransform(place, matrix)[0, 0] - np.array(crop.in_photo.box.center)
    steps = float(np.linalg.norm(moved)) / crop.in_photo.landmarks.eye_distance_px
    return _FAR_COSTS * min(steps / _FAR, 1.0)


def _register(frame: BurstPhoto, base: BurstPhoto) -> Matrix | None:
    """The homography (3, 3) from the photo of `frame` to that of `base`; None where they share too little."""
    finder = cv2.ORB.create(_FEATURES)
    seen = [finder.detectAndCompute(one.gray, np.ones_like(one.gray)) for one in (frame, base)]
    if any(descriptors is None for _, descriptors in seen):
        return None
    matches = cv2.BFMatcher(cv2.NORM_HAMMING, crossCheck=True).match(seen[0][1], seen[1][1])
    if len(matches) < _LEAST_INLIERS:
        return None
    here = np.array([seen[0][0][match.queryIdx].pt for match in matches]) / frame.scale
    there = np.array([seen[1][0][match.trainIdx].pt for match in matches]) / base.scale
    matrix, inliers = cv2.findHomography(here, there, cv2.RANSAC, _INLIER_PX / base.scale)
    if matrix is None or int(inliers.sum()) < _LEAST_INLIERS:
        return None
    return np.asarray(matrix, np.float64)


# ---- who looks good ------------------------------------------------------------------------------------


def _measure_sharpness(frames: Sequence[BurstPhoto], sightings: Sequence[int | None], index: int) -> float:
    """The detail of a person's face in one frame, in that of their sharpest."""
    details = [frame.detail[shot] if shot is not None else 0.0 for frame, shot in zip(frames, sightings, strict=True)]
    return details[index] / max(*details, 1e-6)


def _score(frames: Sequence[BurstPhoto], sightings: Sequence[int | None], index: int, options: Options) -> float:
    """How good a person looks in one frame; 0 where they are not in it."""
    shot = sightings[index]
    if shot is None:
        return 0.0
    face = frames[index].crops[shot].face
    total = _SHARP * _measure_sharpness(frames, sightings, index)
    if options.eyes.wish is not Wish.NEVER:
        total += _OPEN_EYES * measure_openness(face)
    return total + (_SMILE * measure_smiling(face) if options.smile.wish is not Wish.NEVER else 0.0)


def _find_faults(
    frames: Sequence[BurstPhoto], sightings: Sequence[int | None], index: int, options: Options
) -> list[str]:
    """What another frame may show better, in words of what it has to bring."""
    shot = sightings[index]
    assert shot is not None
    face = frames[index].crops[shot].face
    faults = []
    if options.eyes.wish is not Wish.NEVER and measure_openness(face) < _POOR:
        faults.append("open eyes")
    if options.smile.wish is not Wish.NEVER and measure_smiling(face) < _POOR:
        faults.append("a smile")
    if _measure_sharpness(frames, sightings, index) < _BLURRED:
        faults.append("a sharp picture")
    return faults


# ---- from which frame ----------------------------------------------------------------------------------


def _choose_take(
    pixels: Pixels, frames: Sequence[BurstPhoto], base: int, sightings: tuple[int | None, ...], options: Options
) -> tuple[Take, Transplant | None]:
    """Where the face of one person shall come from, and what to put in its place."""
    own = sightings[base]
    assert own is not None
    here = frames[base].crops[own]
    face = here.in_photo
    faults = _find_faults(frames, sightings, base, options)
    if options.faces is not None and face.number not in options.faces:
        return Take(face, None, "left out", sightings), None
    if not faults:
        return Take(face, None, "looks good as it is", sightings), None
    wanted = _score(frames, sightings, base, options) + _CLEARLY_BETTER
    better = []
    for index, shot in enumerate(sightings):
        score = _score(frames, sightings, index, options)
        if index != base and shot is not None and score > wanted:
            better.append((_MOVED * measure_movement(face, frames[index].crops[shot].face) - score, index))
    words = f"no photo has it with {' and '.join(faults)}"
    for _, index in sorted(better):
        still = _find_faults(frames, sightings, index, options)
        brought = [fault for fault in faults if fault not in still]
        if not brought or any(fault not in faults for fault in still):
            continue
        crop = frames[index].crops[sightings[index] or 0]
        why = find_obstacle(face, crop.face)
        if not why and _measure_sharpness(frames, sightings, index) < _SHARP_ENOUGH:
            why = "it is less sharp there"
        transplant = None if why else transplant_face(pixels, face, crop.pixels, crop.face)
        if transplant is not None:
            why = _find_flaw(pixels, here, crop, transplant, options)
        elif not why:
            why = "the face is cut off or turned too far"
        name = frames[index].reference.name
        if transplant is not None and not why:
            return Take(face, index, f"whole face from {name}, with {' and '.join(brought)}", sightings), transplant
        words = f"not taken whole from {name}: {why}"
    return Take(face, None, words, sightings), None


def _find_flaw(pixels: Pixels, here: FaceCrop, there: FaceCrop, transplant: Transplant, options: Options) -> str:
    """Look at a transplanted face as at any other edit; say what is wrong with it, nothing if it is good.

    `here` is the head in the photo `pixels`, `there` the one that was put in its place.
    """
    tried = pixels.copy()
    tried[transplant.region.box.slices] = transplant.patch
    after = remeasure(tried, here.in_photo)
    if after is None:
        return "the face was no longer recognised"
    if measure_openness(after) < min(_POOR, measure_openness(there.face)):
        return "the eyes did not come out clearly open"
    if after.smile < there.face.smile - _SMILE_LOSS:
        return "the smile did not come out clearly"
    embedding = embed_face(tried, here.in_photo)
    is_same = measure_distance(here.embedding, embedding) <= SAME_PERSON
    if not is_same or measure_similarity(here.embedding, embedding) < options.min_resemblance:
        return "it no longer looked like the same person"
    return ""
