"""Groups photos into scenes, and judges the frames of one scene together.

A scene is what was taken from one moment on: its frames lend each other open eyes, and one of them is the best.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from donor.choose import DonorFinder
from donor.people import ReferencePhoto
from edit.options import Options
from face.analysis import FaceAnalysis
from face.types import Face
from library.find import MOMENT_S
from library.reading import read_moment, read_reduced
from photo.errors import MissingPackage, UnreadablePhoto
from photo.geometry import scale_down
from photo.mark import is_marked
from photo.preview import encode_jpeg
from photo.types import Photo, Pixels
from retouch.burst import choose_base, read_burst_photo
from retouch.pipeline import analyze, plan_edits
from triage.verdict import PhotoVerdict, judge_face

MOST_FRAMES = 12
"""A longer scene is judged in parts, so that the frames in memory have a bound."""

_FIRST_SIDE_PX, _SECOND_SIDE_PX = 1600, 3200
# Where the eyes of a face are nearer than this, the photo is looked at again, larger: the plan needs pixels to tell.
_CLEAR_EYE_DISTANCE_PX = 48.0
# The sides of the small pictures, and what is seen around a face, in its own width and height.
_PHOTO_SIDE_PX, _FACE_SIDE_PX, _AROUND = 360, 112, 0.18
_QUALITY = 78


@dataclass(frozen=True)
class Scene:
    """The frames of one scene in the order they were taken, each with its moment; `number` counts from 1."""

    number: int
    frames: tuple[tuple[Path, float | None], ...]

    def apart(self) -> Iterator[Scene]:
        """Yield each frame as a scene of its own, under the same number."""
        for frame in self.frames:
            yield Scene(self.number, (frame,))


def group_scenes(paths: Sequence[Path]) -> list[Scene]:
    """Return the scenes of photos: frames of one folder, each taken within `MOMENT_S` of the one before it.

    A photo whose file does not tell when it was taken is a scene of its own. Scenes come in the order of time, those
    without a time last.
    """
    moments = [(path, read_moment(path)) for path in paths]
    known = sorted(
        ((path, taken) for path, taken in moments if taken is not None),
        key=lambda frame: (frame[1], str(frame[0])),
    )
    by_folder: dict[Path, list[tuple[Path, float | None]]] = {}
    for path, taken in known:
        by_folder.setdefault(path.parent, []).append((path, taken))
    groups = [group for frames in by_folder.values() for group in _split(frames)]
    groups.sort(key=lambda group: (group[0][1] or 0.0, str(group[0][0])))
    groups += [[frame] for frame in moments if frame[1] is None]
    return [Scene(number, tuple(group)) for number, group in enumerate(groups, 1)]


def _split(frames: list[tuple[Path, float | None]]) -> Iterator[list[tuple[Path, float | None]]]:
    """Frames in the order of time, cut where the next one was taken later, or a part has enough."""
    part = frames[:1]
    for (_, before), frame in pairwise(frames):
        if (frame[1] or 0.0) - (before or 0.0) > MOMENT_S or len(part) == MOST_FRAMES:
            yield part
            part = []
        part.append(frame)
    yield part


@dataclass(frozen=True, eq=False)
class _Look:
    """One frame as it was looked at: its pixels, reduced, its faces, and its full size (width, height)."""

    path: Path
    taken: float | None
    pixels: Pixels
    size: tuple[int, int]
    analyses: tuple[FaceAnalysis, ...]


def judge_scene(scene: Scene, options: Options) -> list[PhotoVerdict]:
    """Return the verdicts on the frames of a scene, in their order. Raises MissingModel.

    A frame that cannot be read has the reason, and does not concern the others. Results of this program lend nothing,
    as when photos are fixed.
    """
    looks: list[_Look | PhotoVerdict] = []
    for path, taken in scene.frames:
        try:
            looks.append(_look(path, taken))
        except (UnreadablePhoto, MissingPackage) as error:
            looks.append(PhotoVerdict(path, taken=taken, error=str(error)))
    seen = [look for look in looks if isinstance(look, _Look)]
    # A single frame is compared with nothing.
    shots = [read_burst_photo(Photo(look.pixels, path=look.path), look.analyses) for look in seen if len(seen) > 1]
    best = choose_base(shots, options) if any(shot.crops for shot in shots) else None
    lent = {look.path: shot.reference for look, shot in zip(seen, shots, strict=False) if not is_marked(look.path)}
    verdicts = []
    for look in looks:
        if isinstance(look, _Look):
            verdict = _judge(look, [reference for path, reference in lent.items() if path != look.path], options)
            look = replace(verdict, is_best=best is not None and look is seen[best])
        verdicts.append(replace(look, scene=scene.number))
    return verdicts


def _look(path: Path, taken: float | None) -> _Look:
    """A photo at the size that its smallest face needs. Raises UnreadablePhoto, MissingPackage, MissingModel."""
    pixels, size = read_reduced(path, _FIRST_SIDE_PX)
    analyses = analyze(pixels)
    distances = [analysis.face.landmarks.eye_distance_px for analysis in analyses]
    if min(distances, default=_CLEAR_EYE_DISTANCE_PX) < _CLEAR_EYE_DISTANCE_PX and max(size) > max(pixels.shape):
        pixels, size = read_reduced(path, _SECOND_SIDE_PX)
        analyses = analyze(pixels)
    return _Look(path, taken, pixels, size, analyses)


def _judge(look: _Look, others: Sequence[ReferencePhoto], options: Options) -> PhotoVerdict:
    """The verdict on one frame; `others` may lend it open eyes."""
    plan = plan_edits(look.analyses, options, DonorFinder(look.analyses, others, options))
    faces = tuple(judge_face(one, plan, _encode(_cut_face(look.pixels, one.face))) for one in look.analyses)
    small = scale_down(look.pixels, _PHOTO_SIDE_PX / max(look.pixels.shape))
    return PhotoVerdict(look.path, look.size, look.taken, faces, picture=_encode(small))


def _cut_face(pixels: Pixels, face: Face) -> Pixels:
    """A face with a little around it, no larger than it is shown."""
    box = face.box.padded(_AROUND).clipped(pixels.shape[1], pixels.shape[0]) or face.box
    part = pixels[box.slices]
    return scale_down(part, _FACE_SIDE_PX / max(part.shape))


def _encode(pixels: Pixels) -> bytes:
    return encode_jpeg(pixels, _QUALITY, is_small=True)
