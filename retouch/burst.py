"""Best take: of several photos of one group the best one is kept, and every face that another shows better is replaced.

The photo in which most people look good is kept. Whoever does not look good in it gets the whole face from a photo in
which they do, if the head has hardly moved in between; else their own eyes alone (`donor.choose`), or the usual edit.
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
from edit.reasons import Reason
from face.analysis import FaceAnalysis
from face.expression import measure_openness, measure_smiling
from face.identity import SAME_PERSON, embed_face, measure_distance, measure_similarity
from face.search import remeasure
from face.types import Face
from photo.blend import count_changes
from photo.errors import BadOption
from photo.names import show
from photo.types import Matrix, Photo, Pixels, Progress
from retouch.pipeline import fix_photo
from retouch.progress import ignore_progress, scale_progress
from retouch.report import describe_outcome, to_json

# calibration: burst. How much open eyes, a smile and a sharp face count against each other.
_OPEN_EYES, _SMILE, _SHARP = 2.0, 1.0, 0.7
# calibration: burst. Less than this of each, 0 … 1, is what another photo may mend.
_POOR = 0.5
# calibration: burst. A face with less than this of the detail that the person's sharpest has is blurred.
_BLURRED = 0.45
# calibration: burst. A whole face is taken from a frame where it has more than this; of a softer one the eyes alone.
_SHARP_ENOUGH = 0.65
# calibration: burst. Another frame has to be better by this much in all.
_CLEARLY_BETTER = 0.5
# calibration: burst. Frames whose scores differ by no more are equals: two readings of one face differ by so much.
_AS_GOOD = 0.05
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
class SmallCopy:
    """A photo as it is laid over others: `gray` uint8 (h, w), and `scale`, its size over that of the photo."""

    gray: NDArray[np.uint8]
    scale: float


@dataclass(frozen=True, eq=False)
class BurstPhoto:
    """What is needed of one photo of a burst: its faces, the `detail` of each, and a small copy.

    `detail` is as `measure_detail` gives it.
    """

    reference: ReferencePhoto
    detail: tuple[float, ...]
    copy: SmallCopy

    @property
    def crops(self) -> tuple[FaceCrop, ...]:
        """The faces of the photo."""
        return self.reference.crops


@dataclass(frozen=True, eq=False)
class FaceSource:
    """The photo that one face of the kept photo comes from, and the reason as text.

    `photo` is its index, None where the face was not replaced as a whole. `sightings` are the indices of the person's
    face in each photo, None where they are not in it. `outcome` is what was edited afterwards, as text; `parts_from` is
    the index of the photo that gave the eyes or the smile alone. `is_nowhere_better` says that no photo shows what is
    wanted of it; with `is_reason_told` the outcome says so, too.
    """

    face: Face
    photo: int | None
    reason: str
    sightings: tuple[int | None, ...]
    outcome: str = ""
    parts_from: int | None = None
    is_nowhere_better: bool = False
    is_reason_told: bool = False


@dataclass(frozen=True, eq=False)
class BurstResult:
    """The best take: pixels uint8 (H, W, 3) RGB, the index `base` of the kept photo, and the source of each face in it.

    `fix` is what was edited after whole faces were replaced. `changed_pixels` is the number of pixels that differ from
    the kept photo, `changed_outside` the number of those outside all replaced faces and edits.
    """

    pixels: Pixels
    base: int
    sources: tuple[FaceSource, ...]
    fix: FixResult
    changed_pixels: int
    changed_outside: int


def read_burst_photo(photo: Photo, analyses: Sequence[FaceAnalysis] | None = None) -> BurstPhoto:
    """Return the faces of one photo of a burst, measured; the result does not refer to the photo's pixels.

    `analyses` are those of its faces; without them they are searched for. Raises MissingModel, MissingPackage.
    """
    reference = replace(read_reference(photo, analyses), among="the other photos of the burst")
    detail = tuple(measure_detail(crop.pixels, crop.face) for crop in reference.crops)
    return BurstPhoto(reference, detail, shrink_for_registration(photo.pixels))


def shrink_for_registration(pixels: Pixels) -> SmallCopy:
    """Return the copy of a photo uint8 (H, W, 3) that `register` takes."""
    scale = min(1.0, _REGISTERED_PX / max(pixels.shape[:2]))
    gray = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(gray, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return SmallCopy(np.asarray(small, np.uint8), scale)


def choose_base(photos: Sequence[BurstPhoto], options: Options) -> int:
    """Return the index of the photo in which the people together look best; the first of equals.

    Raises BadOption when no photo shows a face.
    """
    if not any(photo.crops for photo in photos):
        raise BadOption("--burst found no face in any of the photos.")
    # People are matched to the photo that shows most of them.
    anchor = max(range(len(photos)), key=lambda index: len(photos[index].crops))
    people = _follow_people(photos, anchor)
    scores = [sum(_score(photos, sightings, index, options) for sightings in people) for index in range(len(photos))]
    return next(index for index, score in enumerate(scores) if score >= max(scores) - _AS_GOOD)


def fix_burst(
    photo: Photo,
    photos: Sequence[BurstPhoto],
    base: int,
    options: Options,
    engine: Engine,
    on_progress: Progress = ignore_progress,
) -> BurstResult:
    """Return `photo`, which is that of `photos[base]`, with every face fixed that another photo shows better.

    Whole faces are replaced first; `fix_photo` edits the rest, with the other photos as references. `photo` is not
    written to. Raises FixError.
    """
    pixels = photo.pixels.copy()
    sources, regions = [], []
    people = _follow_people(photos, base)
    unknown = [number for number in options.faces or () if number > len(people)]
    if unknown:
        name = photos[base].reference.name
        raise BadOption(f"--faces names face {unknown[0]}, but {name} has {len(people)}; --analyze shows the numbers.")
    for number, sightings in enumerate(people):
        on_progress("comparing the photos", 0.2 * number / len(people))
        source, transplant = _choose_source(photo.pixels, photos, base, sightings, options)
        sources.append(source)
        if transplant is not None:
            # Only where it changes anything, as it may overlap the face of a neighbour.
            place, new = pixels[transplant.region.box.slices], transplant.region.alpha > 0
            place[new] = transplant.patch[new]
            regions.append(transplant.region)
    others = [other.reference for index, other in enumerate(photos) if index != base]
    assembled = replace(photo, pixels=pixels)
    theirs = replace(options, smile=replace(options.smile, from_reference=True))
    fixed = fix_photo(assembled, theirs, engine, scale_progress(on_progress, 0.2, 0.8), references=others)
    sources = [_add_outcome(source, fixed.report, photos) for source in sources]
    regions += [edit.region for edit in fixed.plan.edits]
    changed_pixels, changed_outside = count_changes(photo.pixels, fixed.pixels, regions)
    return BurstResult(fixed.pixels, base, tuple(sources), fixed, changed_pixels, changed_outside)


def describe_burst(result: BurstResult, photos: Sequence[BurstPhoto]) -> str:
    """Return which photo was kept, where each face comes from, and what was edited, as lines of text."""
    lines = [f"Kept {show(photos[result.base].reference.name)} of {len(photos)} photos."]
    for source in result.sources:
        lines.append(f"Face {source.face.number}: {_describe_source(source)}")
    if result.changed_outside:
        lines.append(f"Warning: {result.changed_outside:,} pixels outside the masks changed.")
    else:
        lines.append(f"Changed {result.changed_pixels:,} pixels of it and touched no other.")
    return "\n".join(lines)


def _describe_source(source: FaceSource) -> str:
    """Where a face comes from and what was edited, as sentences."""
    if source.is_reason_told:
        return source.outcome
    outcome = f" {source.outcome[0].upper()}{source.outcome[1:]}" if source.outcome else ""
    return f"{show(source.reason)}.{outcome}"


def burst_to_json(result: BurstResult, photos: Sequence[BurstPhoto]) -> dict[str, object]:
    """Return the report of the kept photo as `to_json` does, with the sources of its faces under the key `burst`."""
    names = [photo.reference.name for photo in photos]
    faces = [
        {
            "face": source.face.number,
            "from": None if source.photo is None else names[source.photo],
            "parts_from": None if source.parts_from is None else names[source.parts_from],
            "reason": source.reason,
        }
        for source in result.sources
    ]
    return {
        **to_json(result.fix.report),
        "changed_pixels": result.changed_pixels,
        "changed_outside": result.changed_outside,
        "burst": {"photos": names, "kept": names[result.base], "faces": faces},
    }


def _add_outcome(source: FaceSource, report: Report, photos: Sequence[BurstPhoto]) -> FaceSource:
    """The source with what `fix_photo` did to its face, which was found anew then, but in the same place."""
    now = max(report.faces, key=lambda face: face.box.overlap_ratio(source.face.box), default=None)
    changes = [change for change in report.changes if now is not None and change.face.number == now.number]
    if now is None or not changes:
        return source
    donors = [change.donor.name for change in changes if change.kept and change.donor is not None]
    parts_from = [index for index, photo in enumerate(photos) if photo.reference.name in donors]
    notes = [change.note.reason for change in changes if change.kept and change.note is not None]
    return replace(
        source,
        outcome=describe_outcome(report, now),
        parts_from=parts_from[0] if parts_from else None,
        is_reason_told=source.is_nowhere_better and Reason.NOTHING_FROM in notes,
    )


# ---- the same person in every photo --------------------------------------------------------------------


def _follow_people(photos: Sequence[BurstPhoto], anchor: int) -> list[tuple[int | None, ...]]:
    """For each face of the photo `anchor` the index of the same person's face in every photo; None where none is."""
    matched = [
        dict(enumerate(range(len(photo.crops)))) if index == anchor else _match_people(photos[anchor], photo)
        for index, photo in enumerate(photos)
    ]
    return [tuple(of_photo.get(index) for of_photo in matched) for index in range(len(photos[anchor].crops))]


def _match_people(photo: BurstPhoto, other: BurstPhoto) -> dict[int, int]:
    """The index of the same person's face in `other` by that in `photo`, the closest pairs first, each face once."""
    matrix = register(other.copy, photo.copy)
    pairs = []
    for index, crop in enumerate(photo.crops):
        for theirs, candidate in enumerate(other.crops):
            distance = measure_distance(crop.embedding, candidate.embedding)
            if distance < SAME_PERSON:
                pairs.append((distance + _position_cost(crop, candidate, matrix), index, theirs))
    found: dict[int, int] = {}
    for _, index, theirs in sorted(pairs):
        if index not in found and theirs not in found.values():
            found[index] = theirs
    return found


def _position_cost(crop: FaceCrop, other: FaceCrop, matrix: Matrix | None) -> float:
    """What the distance of two embeddings grows by where the faces lie apart once their photos are registered."""
    if matrix is None:
        return 0.0
    place = np.array([[other.in_photo.box.center]], np.float64)
    moved = cv2.perspectiveTransform(place, matrix)[0, 0] - np.array(crop.in_photo.box.center)
    steps = float(np.linalg.norm(moved)) / crop.in_photo.landmarks.eye_distance_px
    return _FAR_COSTS * min(steps / _FAR, 1.0)


def register(photo: SmallCopy, base: SmallCopy) -> Matrix | None:
    """Return the homography float64 (3, 3) from `photo` to `base`, both at full size.

    None where they have too few features in common.
    """
    finder = cv2.ORB.create(_FEATURES)
    seen = [finder.detectAndCompute(one.gray, np.ones_like(one.gray)) for one in (photo, base)]
    if any(descriptors is None for _, descriptors in seen):
        return None
    matches = cv2.BFMatcher(cv2.NORM_HAMMING, crossCheck=True).match(seen[0][1], seen[1][1])
    if len(matches) < _LEAST_INLIERS:
        return None
    here = np.array([seen[0][0][match.queryIdx].pt for match in matches]) / photo.scale
    there = np.array([seen[1][0][match.trainIdx].pt for match in matches]) / base.scale
    matrix, inliers = cv2.findHomography(here, there, cv2.RANSAC, _INLIER_PX / base.scale)
    if matrix is None or int(inliers.sum()) < _LEAST_INLIERS:
        return None
    return np.asarray(matrix, np.float64)


# ---- how good a person looks ---------------------------------------------------------------------------


def _measure_sharpness(photos: Sequence[BurstPhoto], sightings: Sequence[int | None], index: int) -> float:
    """The detail of a person's face in one photo over that of their sharpest, 0 … 1; 0 where they are not in it."""
    details = [
        0.0 if sighting is None else photo.detail[sighting] for photo, sighting in zip(photos, sightings, strict=True)
    ]
    return details[index] / max(*details, 1e-6)


def _score(photos: Sequence[BurstPhoto], sightings: Sequence[int | None], index: int, options: Options) -> float:
    """The score of a person in one photo, higher is better; 0 where they are not in it."""
    sighting = sightings[index]
    if sighting is None:
        return 0.0
    face = photos[index].crops[sighting].face
    total = _SHARP * _measure_sharpness(photos, sightings, index)
    if options.eyes.wish is not Wish.NEVER:
        total += _OPEN_EYES * measure_openness(face)
    return total + (_SMILE * measure_smiling(face) if options.smile.wish is not Wish.NEVER else 0.0)


def _find_faults(
    photos: Sequence[BurstPhoto], sightings: Sequence[int | None], index: int, options: Options
) -> list[str]:
    """What another photo may show better, as names of what it has to have."""
    sighting = sightings[index]
    assert sighting is not None
    face = photos[index].crops[sighting].face
    faults = []
    if options.eyes.wish is not Wish.NEVER and measure_openness(face) < _POOR:
        faults.append("open eyes")
    if options.smile.wish is not Wish.NEVER and measure_smiling(face) < _POOR:
        faults.append("a smile")
    if _measure_sharpness(photos, sightings, index) < _BLURRED:
        faults.append("a sharp picture")
    return faults


# ---- the photo that a face comes from ------------------------------------------------------------------


def _choose_source(
    pixels: Pixels, photos: Sequence[BurstPhoto], base: int, sightings: tuple[int | None, ...], options: Options
) -> tuple[FaceSource, Transplant | None]:
    """The source of one person's face, and the transplant where it is replaced as a whole."""
    own = sightings[base]
    assert own is not None
    here = photos[base].crops[own]
    face = here.in_photo
    faults = _find_faults(photos, sightings, base, options)
    if options.faces is not None and face.number not in options.faces:
        return FaceSource(face, None, "left out", sightings), None
    if not faults:
        return FaceSource(face, None, "looks good as it is", sightings), None
    least = _score(photos, sightings, base, options) + _CLEARLY_BETTER
    better = []
    for index, sighting in enumerate(sightings):
        score = _score(photos, sightings, index, options)
        if index != base and sighting is not None and score > least:
            better.append((_MOVED * measure_movement(face, photos[index].crops[sighting].face) - score, index))
    reason, is_nowhere_better = f"no photo has it with {' and '.join(faults)}", True
    for _, index in sorted(better):
        still = _find_faults(photos, sightings, index, options)
        brought = [fault for fault in faults if fault not in still]
        if not brought or any(fault not in faults for fault in still):
            continue
        crop = photos[index].crops[sightings[index] or 0]
        why = find_obstacle(face, crop.face)
        if not why and _measure_sharpness(photos, sightings, index) < _SHARP_ENOUGH:
            why = "it is less sharp there"
        transplant = None if why else transplant_face(pixels, face, crop.pixels, crop.face)
        if transplant is not None:
            why = _find_flaw(pixels, here, crop, transplant, options)
        elif not why:
            why = "the face is cut off or turned too far"
        name = photos[index].reference.name
        if transplant is not None and not why:
            reason = f"whole face from {name}, with {' and '.join(brought)}"
            return FaceSource(face, index, reason, sightings), transplant
        reason, is_nowhere_better = f"not taken whole from {name}: {why}", False
    return FaceSource(face, None, reason, sightings, is_nowhere_better=is_nowhere_better), None


def _find_flaw(pixels: Pixels, here: FaceCrop, there: FaceCrop, transplant: Transplant, options: Options) -> str:
    """What is wrong with a transplanted face, which is checked like any other edit, as text; empty if nothing is.

    `here` is the face in the photo `pixels`, `there` the one that replaces it.
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
