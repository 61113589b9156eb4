"""Measures on labelled photos what the program compares with its fitted numbers, and how far apart the two sides lie.

    python -m benchmark.calibrate [ROW …] [--photos FOLDER]

A row is one of `docs/calibration.md`; without any, all of those that can be measured again are. FOLDER has a
`labels.csv`, either as `tests/photos/README.md` describes it, or with `path`, `category`, `people`, `note` and
`expectation` for photos of one face each; without it, the portraits of the tests are measured. For every side of a
threshold one line tells how many there are, the least, the greatest and the middle value, and how many lie on the wrong
side. What no photo shows, such as noise or a hand over the mouth, is made of the labelled photos, and called so.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import itertools
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

import cv2
import numpy as np

import eyes_mask
import mouth_mask
from donor.align import align_faces
from donor.choose import LEAST_AGREEMENT
from edit.options import Options
from face import appearance, landmarker, occlusion, search
from face.analysis import FaceAnalysis
from face.expression import (
    CLOSED,
    COPIED_ASPECT_RATIO,
    NARROW,
    NEARLY_CLOSED,
    OPEN_ASPECT_RATIO,
    OPEN_BLINK,
    REAL_OPEN_BLINK,
    SMILE,
)
from face.eye_geometry import fit_closed_line, fit_open_lids
from face.identity import SAME_PERSON, measure_distance, measure_similarity
from face.types import EYES, Face, Feature
from photo import measure
from photo.errors import FixError
from photo.files import load_photo
from photo.measure import LUMA, measure_view_noise
from photo.types import FloatArray, Pixels

PORTRAITS = Path(__file__).resolve().parent.parent / "tests" / "photos"
# How the second side is made where no photo shows it: blur and ovals in eye distances, light and noise in 8-bit steps.
_MADE_BLUR, _MADE_LIGHT, _MADE_NOISE = 0.03, 1 / 5, 12.0
_HAND_OVER_MOUTH, _HAND_OVER_EYE = (0.45, 0.25), (0.32, 0.20)
_LENS_OVER_EYE, _LENS_LIGHT = (0.30, 0.22), 0.12
# What is drawn by chance is the same in every run.
_SEED = 1
# A value is looked for up to so many times its threshold, halving the way so often.
_MOST_TIMES, _BISECTIONS = 40.0, 18
# Heads turned less are looked at straight on.
_STRAIGHT_DEGREES = 10.0


@dataclass(frozen=True, eq=False)
class Sample:
    """One labelled face.

    `closed` are the eyes that a person calls closed, `smiles` whether one calls the mouth smiling, `has_glasses`
    whether glasses are on the nose; None where nobody has said so or doubts it. The rest is true where the label says
    so: a mask over the mouth, dark lenses over the eyes, a photo without colours of its own, one that is dark.
    `is_person` is false for animals.
    """

    path: Path
    analysis: FaceAnalysis
    person: str | None
    closed: frozenset[Feature] | None
    smiles: bool | None
    has_glasses: bool | None
    is_covered: bool = False
    is_under_dark_glass: bool = False
    is_toned: bool = False
    is_dark: bool = False
    is_person: bool = True

    @property
    def face(self) -> Face:
        return self.analysis.face

    @property
    def pixels(self) -> Pixels:
        return self.analysis.pixels


@dataclass(frozen=True, eq=False)
class Side:
    """The values of one kind of thing, and on which side of a threshold they belong; without one they are only told."""

    what: str
    values: Sequence[float]
    threshold: float | None = None
    belongs_above: bool = True

    @property
    def wrong(self) -> int:
        """How many values lie on the other side; what equals the threshold lies above."""
        if self.threshold is None:
            return 0
        return sum((value >= self.threshold) != self.belongs_above for value in self.values)

    def describe(self) -> str:
        """Return one line of text."""
        if not self.values:
            return f"  {self.what}: none"
        least, middle, most = min(self.values), float(np.median(self.values)), max(self.values)
        line = f"  {self.what}: {len(self.values)}, {least:.3f} … {most:.3f}, median {middle:.3f}"
        if self.threshold is None:
            return line
        return f"{line}; {self.wrong} {'below' if self.belongs_above else 'above'} {self.threshold:g}"


# ---- labels ---------------------------------------------------------------------------------------------


def read_samples(folder: Path) -> list[Sample]:
    """The labelled faces of a folder; a photo that is there twice counts once.

    Raises FixError when there is no `labels.csv`, when it has other columns, or when a photo cannot be read.
    """
    try:
        with (folder / "labels.csv").open(encoding="utf-8", newline="") as file:
            lines = list(csv.DictReader(file))
    except OSError as error:
        raise FixError(f"{folder} has no labels.csv that can be read.") from error
    columns = lines[0].keys() if lines else set()
    has_faces = {"path", "face", "person", "open", "mouth", "note"} <= set(columns)
    if not has_faces and not {"path", "category", "people", "note", "expectation"} <= set(columns):
        raise FixError(f"{folder / 'labels.csv'} has not the columns that tests/photos/README.md describes.")
    samples: dict[tuple[str, int], Sample] = {}
    analyses: dict[str, dict[int, FaceAnalysis]] = {}
    for line in lines:
        if not has_faces and line["people"] not in ("0", "1"):
            # Nobody has said which face of the group is which.
            continue
        path, number = folder / line["path"], int(line["face"]) if has_faces else 1
        digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else line["path"]
        if digest not in analyses:
            is_animal = not has_faces and line["people"] == "0"
            analyses[digest] = _analyze(path, least_muzzle=0.0 if is_animal else search._MUZZLE_RATIO)
        if number in analyses[digest] and (has_faces or len(analyses[digest]) == 1):
            read = _read_face_label if has_faces else _read_photo_label
            sample, key = read(path, analyses[digest][number], line), (digest, number)
            samples[key] = _fill_in(samples[key], sample) if key in samples else sample
    return list(samples.values())


def _analyze(path: Path, least_muzzle: float) -> dict[int, FaceAnalysis]:
    """The faces of a photo by their numbers."""
    pixels = load_photo(path).pixels
    with patch.object(search, "_MUZZLE_RATIO", least_muzzle):
        return {face.number: FaceAnalysis(pixels, face) for face in search.find_faces(pixels)}


def _fill_in(sample: Sample, other: Sample) -> Sample:
    """A sample with what only another label of the same photo tells."""
    names = ("person", "closed", "smiles", "has_glasses")
    unknown = {name: getattr(other, name) for name in names if getattr(sample, name) is None}
    return replace(sample, **unknown)


def _read_face_label(path: Path, analysis: FaceAnalysis, line: Mapping[str, str]) -> Sample:
    """A line of the portraits' kind, which tells of one face."""
    closed = {"none": frozenset[Feature](), "right": frozenset({Feature.RIGHT_EYE}), "both": frozenset(EYES)}
    # "hardly smiling" is on neither side.
    smiles = {"unsmiling": False, "smiling": True}.get(line["mouth"].split()[0])
    note = line["note"]
    has_glasses, is_toned, is_dark = "glasses" in note, "black and white" in note, "dark and noisy" in note
    return Sample(
        path,
        analysis,
        line["person"],
        closed.get(line["open"]),
        smiles,
        has_glasses,
        is_toned=is_toned,
        is_dark=is_dark,
    )


def _read_photo_label(path: Path, analysis: FaceAnalysis, line: Mapping[str, str]) -> Sample:
    """A line that tells of a photo: what is not said of its one face stays unknown."""
    category, note, wanted = line["category"], line["note"], line["expectation"]
    closed: frozenset[Feature] | None = None
    if wanted.startswith("open both eyes") or note.startswith("closed eyes"):
        closed = frozenset(EYES)
    elif any(words in note for words in ("eyes open", "open but narrow")) or wanted in ("ground truth", "reference"):
        closed = frozenset()
    smiles: bool | None = None
    if category == "neutral" or "neutral mouth" in note:
        smiles = False
    elif category == "smiling" or "while smiling" in note or wanted == "smile reference":
        smiles = True
    # Of one clip or person; "smile_" and "portrait_" say what the pair is for.
    person = path.parent.name.removeprefix("smile_").removeprefix("portrait_") if category == "pairs" else None
    return Sample(
        path,
        analysis,
        person,
        closed,
        smiles,
        has_glasses=True if "glasses" in note else None,
        is_covered="face mask" in note,
        is_under_dark_glass="dark lenses" in note,
        is_toned=any(word in note for word in ("black-and-white", "sepia")),
        is_dark="dark and noisy" in note,
        is_person=line["people"] != "0",
    )


# ---- how what is compared is learnt ---------------------------------------------------------------------


def find_tipping_point(module: ModuleType, numbers: Mapping[str, float], is_yes: Callable[[], bool]) -> float | None:
    """What the program compares with a threshold of which only the answer is told: where the answer turns to yes.

    `numbers` are the thresholds of `module` by their names, all moved together: the value is a multiple of them, to
    within a thousandth. None where even many times the thresholds leave it at no, as something else has decided.
    """

    def ask(times: float) -> bool:
        with patch.dict(vars(module), {name: times * number for name, number in numbers.items()}):
            return is_yes()

    low, high = 0.0, _MOST_TIMES
    if not ask(high):
        return None
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (low, middle) if ask(middle) else (middle, high)
    return (low + high) / 2


def _find_views(sample: Sample, pixels: Pixels) -> list[Pixels]:
    """What the landmarker is shown of a face, before noise and dark are taken from it, each uint8 (h, w, 3)."""
    views: list[Pixels] = []

    def clear_up(view: Pixels) -> Pixels:
        views.append(view)
        return measure.clear_up(view)

    with patch.object(landmarker, "clear_up", clear_up):
        search.remeasure(pixels, sample.face)
    return views[:1]


def _lay_over(pixels: Pixels, face: Face, center: FloatArray, size: tuple[float, float], color: FloatArray) -> Pixels:
    """A copy of the photo with a soft oval over `center`; half its width and height are in eye distances."""
    unit = face.landmarks.eye_distance_3d_px
    alpha = np.zeros(pixels.shape[:2], np.float32)
    axes = max(round(size[0] * unit), 1), max(round(size[1] * unit), 1)
    cv2.ellipse(alpha, (round(float(center[0])), round(float(center[1]))), axes, face.roll_degrees, 0, 360, (1.0,), -1)
    soft = cv2.GaussianBlur(alpha, (0, 0), max(0.02 * unit, 0.5))[..., None]
    return np.rint(pixels + soft * (color - pixels)).astype(np.uint8)


def _blur(pixels: Pixels, sigma_px: float) -> Pixels:
    return cv2.GaussianBlur(pixels, (0, 0), sigma_px).astype(np.uint8, copy=False)


def _add_noise(pixels: Pixels) -> Pixels:
    noise = np.random.default_rng(_SEED).normal(0, _MADE_NOISE, pixels.shape)
    return np.clip(np.rint(pixels + noise), 0, 255).astype(np.uint8)


# ---- rows -----------------------------------------------------------------------------------------------


def calibrate_closedness(samples: Sequence[Sample]) -> list[Side]:
    """Closedness of the eyes, 0 … 1."""
    known = [s for s in samples if s.closed is not None and s.is_person]
    shut = [s for s in known if s.closed]
    more = [max(s.analysis.closedness.values()) for s in shut]
    less = [min(s.analysis.closedness.values()) for s in shut if len(s.closed or ()) == len(EYES)]
    winks = [min(s.analysis.closedness.values()) for s in shut if len(s.closed or ()) == 1]
    open_ = [max(s.analysis.closedness.values()) for s in known if not s.closed]
    return [
        Side("more closed eye of a face with closed eyes", more, CLOSED),
        Side("more closed eye of a face with open eyes", open_, CLOSED, belongs_above=False),
        Side("less closed eye of two closed ones", less, NEARLY_CLOSED),
        Side("open eye of a wink", winks, NEARLY_CLOSED, belongs_above=False),
        Side("more closed eye of a face with open eyes, against narrow", open_, NARROW, belongs_above=False),
    ]


def calibrate_open_eye(samples: Sequence[Sample]) -> list[Side]:
    """The six-point aspect ratio and MediaPipe's blink score of single eyes."""
    eyes = [(s, e) for s in samples if s.closed is not None and s.is_person for e in EYES]
    open_ = [(s.face.eye(e).aspect_ratio, s.face.blink(e)) for s, e in eyes if s.closed is not None and not s.closed]
    shut = [(s.face.eye(e).aspect_ratio, s.face.blink(e)) for s, e in eyes if s.closed is not None and e in s.closed]
    return [
        Side("aspect ratio of open eyes", [ratio for ratio, _ in open_], OPEN_ASPECT_RATIO),
        Side("aspect ratio of open eyes, to be copied", [ratio for ratio, _ in open_], COPIED_ASPECT_RATIO),
        Side("aspect ratio of closed eyes", [ratio for ratio, _ in shut], COPIED_ASPECT_RATIO, belongs_above=False),
        Side("blink score of open eyes", [blink for _, blink in open_], OPEN_BLINK, belongs_above=False),
        Side("blink score of open eyes, to be copied", [b for _, b in open_], REAL_OPEN_BLINK, belongs_above=False),
        Side("blink score of closed eyes", [blink for _, blink in shut], OPEN_BLINK),
    ]


def calibrate_smile(samples: Sequence[Sample]) -> list[Side]:
    """MediaPipe's smile score, 0 … 1."""
    return [
        Side("smiling mouths", [s.face.smile for s in samples if s.smiles], SMILE),
        Side("unsmiling mouths", [s.face.smile for s in samples if s.smiles is False], SMILE, belongs_above=False),
    ]


def calibrate_smile_windows(samples: Sequence[Sample]) -> list[Side]:
    """Windows in which the Haar cascade sees a smile; asked only where the score is in doubt."""
    counts = [(s.smiles, mouth_mask.count_smile_windows(s.pixels, s.face.landmarks)) for s in samples]
    least = mouth_mask._SMILE_WINDOWS
    return [
        Side("smiling mouths", [count for smiles, count in counts if smiles], least),
        Side("unsmiling mouths", [count for smiles, count in counts if smiles is False], least, belongs_above=False),
    ]


def calibrate_focus(samples: Sequence[Sample]) -> list[Side]:
    """Sharpness of the features in proportion to the face, and that of the same faces out of focus."""
    people = [s for s in samples if s.is_person]
    blurred = [
        occlusion.measure_sharpness(_blur(s.pixels, _MADE_BLUR * s.face.landmarks.eye_distance_3d_px), s.face.landmarks)
        for s in people
    ]
    least = mouth_mask._OUT_OF_FOCUS
    return [
        Side("faces as they are", [s.analysis.sharpness for s in people], least),
        Side(f"made: blurred by {_MADE_BLUR:g} eye distances", blurred, least, belongs_above=False),
    ]


def calibrate_lips(samples: Sequence[Sample]) -> list[Side]:
    """Steps of lightness on the lips over the lightness around them; and the mouths that count as covered: 1."""
    people = [s for s in samples if s.is_person]
    under_hand = []
    for s in people:
        mouth = s.face.landmarks.lips[:, :2].mean(axis=0)
        covered = _lay_over(s.pixels, s.face, mouth, _HAND_OVER_MOUTH, s.analysis.appearance.skin)
        under_hand.append(occlusion.measure_lip_contrast(covered, s.face.landmarks))
    seen = [s.analysis.lips for s in people if not s.is_covered]
    covered_lips = [s.analysis.lips for s in people if s.is_covered]
    least = occlusion._LEAST_LIP_CONTRAST
    sides = []
    for what, some, is_seen in (
        ("lips that are seen", seen, True),
        ("mouths under a mask", covered_lips, False),
        ("made: mouths under an oval of skin colour", under_hand, False),
    ):
        found = [lips for lips in some if lips is not None]
        sides += [
            Side(f"contrast of {what}", [lips.contrast for lips in found], least, belongs_above=is_seen),
            Side(f"chroma of {what}", [lips.chroma for lips in found]),
            Side(f"lightness of {what}", [lips.lightness for lips in found]),
            Side(f"covered, {what}", [float(lips.is_covered) for lips in found], 0.5, belongs_above=not is_seen),
        ]
    return sides


def calibrate_lash_line(samples: Sequence[Sample]) -> list[Side]:
    """The share of the columns of a closed eye in which a lash line is seen."""
    least = occlusion._LEAST_LINE_FRACTION

    def find_share(pixels: Pixels, face: Face, eye: Feature) -> float | None:
        lacks = partial(occlusion.lacks_lash_line, pixels, face, eye)
        times = find_tipping_point(occlusion, {"_LEAST_LINE_FRACTION": least}, lacks)
        return None if times is None else times * least

    closed, hidden = [], []
    for s in samples:
        for eye in s.closed or () if s.is_person else ():
            closed.append(find_share(s.pixels, s.face, eye))
            over = _lay_over(s.pixels, s.face, s.face.eye(eye).center, _HAND_OVER_EYE, s.analysis.appearance.skin)
            hidden.append(find_share(over, s.face, eye))
    return [
        Side("closed eyes", _drop_unknown(closed), least),
        Side("made: under an oval of skin colour", _drop_unknown(hidden), least, belongs_above=False),
    ]


def calibrate_dark_glass(samples: Sequence[Sample]) -> list[Side]:
    """Median grey level of the upper lid over that of the cheek."""
    most = occlusion._DARK_LENS_RATIO

    def find_ratio(pixels: Pixels, face: Face, eye: Feature) -> float | None:
        is_dark = partial(occlusion.is_under_dark_glass, pixels, face, eye)
        times = find_tipping_point(occlusion, {"_DARK_LENS_RATIO": most}, is_dark)
        return None if times is None else times * most

    people = [s for s in samples if s.is_person]
    eyes = [(s, eye) for s in people if not s.is_under_dark_glass and s.closed is not None for eye in EYES]
    closed, open_ = (
        [find_ratio(s.pixels, s.face, eye) for s, eye in eyes if (eye in (s.closed or ())) is is_closed]
        for is_closed in (True, False)
    )
    labelled = [find_ratio(s.pixels, s.face, eye) for s in people if s.is_under_dark_glass for eye in EYES]
    made = []
    for s in people:
        dark = np.asarray(_LENS_LIGHT * s.analysis.appearance.skin, np.float32)
        for eye in EYES:
            lens = _lay_over(s.pixels, s.face, s.face.eye(eye).center, _LENS_OVER_EYE, dark)
            made.append(find_ratio(lens, s.face, eye))
    return [
        Side("closed eyes", _drop_unknown(closed), most),
        Side("open eyes, which are not asked about", _drop_unknown(open_)),
        Side("eyes behind dark lenses", _drop_unknown(labelled), most, belongs_above=False),
        Side("made: behind a dark oval", _drop_unknown(made), most, belongs_above=False),
    ]


def calibrate_rims(samples: Sequence[Sample]) -> list[Side]:
    """How clear the clearer lower rim of a face is, in multiples of what is sure."""
    numbers = {name: getattr(occlusion, name) for name in ("_RIM_CONTRAST", "_RIM_FAINTEST")}

    def find_clearness(sample: Sample) -> float | None:
        return find_tipping_point(
            occlusion, numbers, lambda: not occlusion.find_lower_rims(sample.pixels, sample.face.landmarks)
        )

    return [
        Side("faces with glasses", _drop_unknown(find_clearness(s) for s in samples if s.has_glasses), 1.0),
        Side(
            "faces without glasses", _drop_unknown(find_clearness(s) for s in samples if s.has_glasses is False), 1.0,
            belongs_above=False,
        ),
    ]  # fmt: skip


def calibrate_identity(samples: Sequence[Sample]) -> list[Side]:
    """Distance of two descriptions by the recognition network, 0 … 2, and their cosine, of faces of two photos."""
    named = [s for s in samples if s.person is not None]
    pairs = [(one, other) for one, other in itertools.combinations(named, 2) if one.path != other.path]
    same = [(a.analysis.embedding, b.analysis.embedding) for a, b in pairs if a.person == b.person]
    different = [(a.analysis.embedding, b.analysis.embedding) for a, b in pairs if a.person != b.person]
    least = Options().min_resemblance
    return [
        Side("distance, one person", [measure_distance(*pair) for pair in same], SAME_PERSON, belongs_above=False),
        Side("distance, two people", [measure_distance(*pair) for pair in different], SAME_PERSON),
        Side("cosine, one person", [measure_similarity(*pair) for pair in same], least),
        Side("cosine, two people", [measure_similarity(*pair) for pair in different], least, belongs_above=False),
    ]


def calibrate_muzzle(samples: Sequence[Sample]) -> list[Side]:
    """From the tip of the nose to the lip, in widths of the face."""
    people = [s.face.landmarks.muzzle_ratio for s in samples if s.is_person]
    animals = [s.face.landmarks.muzzle_ratio for s in samples if not s.is_person]
    least = search._MUZZLE_RATIO
    return [Side("people", people, least), Side("animals", animals, least, belongs_above=False)]


def calibrate_detector_confidence(samples: Sequence[Sample]) -> list[Side]:
    """Confidence of the detectors, 0 … 1; what one takes for a face below its threshold is not looked for here."""
    return [Side("people", [s.face.confidence for s in samples if s.is_person])]


def calibrate_noise(samples: Sequence[Sample]) -> list[Side]:
    """Deviation of the noise of what the landmarker is shown, at half its size, in grey levels."""
    most = measure._NOISY
    people = [s for s in samples if s.is_person]
    views = [view for s in people for view in _find_views(s, s.pixels)]
    clear, noisy = ([measure_view_noise(view) for view in some] for some in (views, map(_add_noise, views)))
    return [
        Side("views of photos as they are", clear, most, belongs_above=False),
        Side(f"made: the same with noise of {_MADE_NOISE:g} grey levels", noisy, most),
    ]


def calibrate_dark(samples: Sequence[Sample]) -> list[Side]:
    """The whites of what the landmarker is shown: the 99th percentile of its values, 0 … 255."""
    least = measure._DARK_WHITE
    people = [s for s in samples if s.is_person]

    def find_whites(some: list[Sample], light: float = 1.0) -> list[float]:
        dimmed = [(s, np.rint(light * s.pixels.astype(np.float32)).astype(np.uint8)) for s in some]
        return [float(np.percentile(view, 99)) for s, pixels in dimmed for view in _find_views(s, pixels)]

    return [
        Side("photos as they are", find_whites([s for s in people if not s.is_dark]), least),
        Side("photos called dark", find_whites([s for s in people if s.is_dark]), least, belongs_above=False),
        Side(f"made: in {_MADE_LIGHT:g} of the light", find_whites(people, _MADE_LIGHT), least, belongs_above=False),
    ]


def calibrate_tone(samples: Sequence[Sample]) -> list[Side]:
    """Hues of a face that its luma does not explain, in the spread of its luma; 1 stands for more, too."""
    low, high = appearance._TONE_OWN_HUES
    people = [s for s in samples if s.is_person]

    def find_own_hues(sample: Sample, pixels: Pixels) -> float:
        with patch.object(appearance, "_TONE_OWN_HUES", (0.0, 1.0)):
            return 1.0 - appearance.measure_tone(pixels, sample.face).weight

    def make_gray(pixels: Pixels) -> Pixels:
        return np.repeat(np.rint(pixels @ LUMA)[..., None], 3, axis=2).astype(np.uint8)

    return [
        Side("photos with colours", [find_own_hues(s, s.pixels) for s in people if not s.is_toned], high),
        Side(
            "gray and sepia photos", [find_own_hues(s, s.pixels) for s in people if s.is_toned], low,
            belongs_above=False,
        ),
        Side(
            "made: without colours", [find_own_hues(s, make_gray(s.pixels)) for s in people], low, belongs_above=False
        ),
    ]  # fmt: skip


def calibrate_haze(samples: Sequence[Sample]) -> list[Side]:
    """Luma of the darkest hundredth of a face over that of its skin."""
    first = appearance._HAZE_RATIO[0]
    looks = [s.analysis.appearance for s in samples if s.is_person]
    ratios = [float(look.black @ LUMA) / max(float(look.skin @ LUMA), 1.0) for look in looks]
    return [Side("photos as they are", ratios, first, belongs_above=False)]


def calibrate_face_size(samples: Sequence[Sample]) -> list[Side]:
    """Distance of the outer eye corners in pixels: on which sizes all the other rows of this folder were measured."""
    sizes = [s.face.landmarks.eye_distance_3d_px for s in samples if s.is_person]
    return [Side("faces", sizes, eyes_mask._LEAST_EYE_DISTANCE_PX)]


def calibrate_lids(samples: Sequence[Sample]) -> list[Side]:
    """The curves of open and closed lids in the eye frame, (1 - x²)(a + bx + cx²), and the irises of open eyes."""
    straight = [s for s in samples if s.is_person and abs(s.face.yaw_degrees) < _STRAIGHT_DEGREES]
    open_ = [(s, eye) for s in straight if s.closed == frozenset() for eye in EYES]
    shut = [(s, eye) for s in straight for eye in s.closed or ()]
    lids = [fit_open_lids(s.face.eye_frame(eye), s.face.eye(eye), 1.0) for s, eye in open_]
    lines = [fit_closed_line(s.face.eye_frame(eye), s.face.eye(eye)) for s, eye in shut]
    curves = {
        "open upper lid": [lid.upper for lid in lids],
        "open lower lid": [lid.lower for lid in lids],
        "closed line": lines,
    }
    irises = [s.analysis.eye(eye).iris for s, eye in open_]
    return [
        *(
            Side(f"{what}, {'abc'[i]}", [float(curve[i]) for curve in found])
            for what, found in curves.items()
            for i in range(3)
        ),
        Side("aspect ratio of the same open eyes", [s.face.eye(eye).aspect_ratio for s, eye in open_]),
        *(Side(f"iris, {what}", [iris[i] for iris in irises]) for i, what in enumerate(("x", "y", "radius"))),
    ]


def calibrate_donor_agreement(samples: Sequence[Sample]) -> list[Side]:
    """How alike the surroundings of the eyes are, -1 … 1, the less alike of the two eyes.

    A face with closed eyes is laid over open ones of the same person in other photos, and over those of the next
    person in the list whose head is turned about alike.
    """
    named = [s for s in samples if s.person is not None and s.closed is not None]
    targets, donors = [s for s in named if s.closed], [s for s in named if not s.closed]

    def measure_agreement(target: Sample, donor: Sample) -> float:
        alignments = align_faces(target.analysis, donor.analysis)
        return min(alignments[eye].agreement for eye in EYES)

    same, different = [], []
    for number, target in enumerate(targets):
        others = [d for d in donors if d.person != target.person]
        alike = [d for d in others if abs(d.face.yaw_degrees - target.face.yaw_degrees) < _STRAIGHT_DEGREES]
        same += [measure_agreement(target, donor) for donor in donors if donor.person == target.person]
        different += [measure_agreement(target, alike[number % len(alike)])] if alike else []
    return [
        Side("one person", same, LEAST_AGREEMENT),
        Side("two people", different, LEAST_AGREEMENT, belongs_above=False),
    ]


def _drop_unknown(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


ROWS: Mapping[str, Callable[[Sequence[Sample]], list[Side]]] = {
    "closedness": calibrate_closedness,
    "open-eye": calibrate_open_eye,
    "smile": calibrate_smile,
    "smile-windows": calibrate_smile_windows,
    "focus": calibrate_focus,
    "lips": calibrate_lips,
    "lash-line": calibrate_lash_line,
    "dark-glass": calibrate_dark_glass,
    "rims": calibrate_rims,
    "identity": calibrate_identity,
    "muzzle": calibrate_muzzle,
    "detector-confidence": calibrate_detector_confidence,
    "noise": calibrate_noise,
    "dark": calibrate_dark,
    "tone": calibrate_tone,
    "haze": calibrate_haze,
    "face-size": calibrate_face_size,
    "lids": calibrate_lids,
    "donor-agreement": calibrate_donor_agreement,
}
"""What can be measured again, by the name of its row in `docs/calibration.md`."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the rows; return 0, or 2 when there is nothing to measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(ROWS)}")
    parser.add_argument("--photos", type=Path, default=PORTRAITS, metavar="FOLDER")
    chosen = parser.parse_args(arguments)
    unknown = [row for row in chosen.rows if row not in ROWS]
    if unknown:
        print(
            f"error: {unknown[0]} is no row that can be measured again; those are {', '.join(ROWS)}.", file=sys.stderr
        )
        return 2
    try:
        samples = read_samples(chosen.photos)
        print(f"{len(samples)} labelled faces in {len({sample.path for sample in samples})} photos")
        for row in chosen.rows or ROWS:
            summary = " ".join((ROWS[row].__doc__ or "").split("\n\n")[0].split())
            print(f"\n{row}: {summary}", *(side.describe() for side in ROWS[row](samples)), sep="\n", flush=True)
    except FixError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
