"""How near edited eyes and smiles come to what the same people look like, on pairs of photos, for each engine.

    python -m benchmark.edit_quality [CLOSED=OPEN …] [--engine draft stable-diffusion] [--model MODEL] [--linearity]

A pair is a photo with closed eyes and another one of the same person with open ones. Without any, those of tests/photos
are taken, whose blinks are synthetic, and those of the development photos where they lie beside the checkout. For each
engine it prints:

- opened: of the closed eyes those that measure as open in the result
- gain: (result - input) / (truth - input) of the landmarker's blink score; 1 is as in the other photo, below 1 less
- resemblance: the cosine of the face in the result to the face in the other photo, and in brackets to the input
- ΔE: how far the mean colour of the eye, against the skin around it, is from that in the other photo (CIE 1976)
- outside: pixels that changed outside the masks
- seconds, and evaluations: how often the large network looked at a tile

With `--linearity` every photo is fixed with five values of `--eye_opening` and of `--smile_strength`; the correlation
of each with what was measured is printed, and the part of the steps that did not go backward. Nothing is fitted here,
and a model of random weights tells nothing but seconds and evaluations.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from diffusion.families import Family
from diffusion.jobs import OnStep, Sampling, TileJob, TileResult
from diffusion.painter import LoadOptions, TilePainter, load_painter
from diffusion.weights import fetch_weights
from edit.options import DiffusionOptions, EyeOptions, Options, SmileOptions, Wish
from edit.plan import Engine
from face.analysis import FaceAnalysis
from face.expression import OPEN_ASPECT_RATIO, OPEN_BLINK
from face.identity import measure_similarity
from face.search import remeasure
from face.types import EYES, Face, Feature
from inpaint import StableDiffusionEngine
from photo.errors import FixError
from photo.files import load_photo
from photo.types import FloatArray, Photo, Pixels
from retouch.engines import make_draft
from retouch.pipeline import analyze, fix_photo

ROOT = Path(__file__).parents[1]
PORTRAITS, DEVELOPMENT = ROOT / "tests" / "photos", ROOT.parent / "shared" / "photos" / "pairs"
VALUES = (0.2, 0.35, 0.5, 0.65, 0.8)


@dataclass(frozen=True)
class Quality:
    """The measures of one pair and engine; None where there was nothing to measure."""

    pair: str
    engine: str
    closed: int
    opened: int
    gain: float | None
    resemblance: float | None
    resemblance_to_input: float | None
    delta_e: float | None
    outside: int
    seconds: float
    evaluations: int


class CountingPainter:
    """Passes tiles on to a painter, and counts how often its large network looks at one."""

    def __init__(self, painter: TilePainter, family: Family) -> None:
        self._painter, self._family = painter, family
        self.evaluations = 0

    @property
    def native_size(self) -> int:
        """That of the painter."""
        return self._painter.native_size

    def paint(self, jobs: Sequence[TileJob], sampling: Sampling, on_step: OnStep) -> list[TileResult]:
        """Return what the painter paints."""
        self.evaluations += len(jobs) * self._family.count_steps(sampling) * (2 if sampling.guidance > 1 else 1)
        return self._painter.paint(jobs, sampling, on_step)


class Contestant:
    """One engine, made anew for each set of options; the networks stay loaded, and are counted."""

    def __init__(self, name: str, diffusion: DiffusionOptions) -> None:
        self.name, self._diffusion = name, diffusion
        self._painter: CountingPainter | None = None
        if name != "draft":
            weights = fetch_weights(diffusion.model, offline=True)
            painter = load_painter(LoadOptions(weights, diffusion.device, low_vram=diffusion.low_vram))
            self._painter, self._family = CountingPainter(painter, weights.family), weights.family

    @property
    def evaluations(self) -> int:
        """Those of all photos so far."""
        return 0 if self._painter is None else self._painter.evaluations

    def make(self, options: Options) -> Engine:
        """Return the engine for these options."""
        draft, painter = make_draft(options), self._painter
        if painter is None:
            return draft
        return StableDiffusionEngine(
            replace(options, diffusion=self._diffusion),
            draft,
            lambda: painter,  # type: ignore[arg-type, return-value]
            self._family,
        )


def list_pairs() -> list[tuple[Path, Path]]:
    """Return the pairs that lie here, closed and open."""
    own = [(path, path.with_name(path.name.replace("_blink", "_again"))) for path in PORTRAITS.glob("*_blink.jpg")]
    development = [(path, path.with_name("ref_open.jpg")) for path in DEVELOPMENT.glob("*/input_closed.jpg")]
    return sorted(pair for pair in (*own, *development) if pair[1].is_file())


def measure(closed: Path, opened: Path, contestant: Contestant) -> list[Quality]:
    """Return the qualities of every face with closed eyes in a pair that is edited. Raises FixError."""
    photo, truth = load_photo(closed), analyze(load_photo(opened).pixels)
    analyses, options = analyze(photo.pixels), Options()
    before, start = contestant.evaluations, time.perf_counter()
    result = fix_photo(photo, options, contestant.make(options), analyses=analyses)
    seconds, evaluations = time.perf_counter() - start, contestant.evaluations - before
    wanted = {change.face.number for change in result.report.changes if change.feature in EYES}
    qualities = []
    for analysis in analyses:
        if analysis.face.number in wanted and truth:
            other = max(truth, key=lambda one: measure_similarity(one.embedding, analysis.embedding))
            name = closed.stem if len(wanted) == 1 else f"{closed.stem} {analysis.face.number}"
            name = f"{closed.parent.name}/{name}" if closed.stem == "input_closed" else name
            eyes = [change.feature for change in result.report.changes if change.face is analysis.face]
            found = _compare(analysis, other, result.pixels, [eye for eye in eyes if eye in EYES])
            outside = result.report.changed_outside
            qualities.append(Quality(name, contestant.name, *found, outside, seconds, evaluations))
    return qualities


def _compare(
    analysis: FaceAnalysis, truth: FaceAnalysis, pixels: Pixels, eyes: Sequence[Feature]
) -> tuple[int, int, float | None, float | None, float | None, float | None]:
    """Closed and opened eyes, gain, both resemblances, and ΔE of a face in the result against the other photo."""
    after = remeasure(pixels, analysis.face)
    if after is None:
        return len(eyes), 0, None, None, None, None
    fixed = FaceAnalysis(pixels, after)
    opened = sum(after.eye(eye).aspect_ratio > OPEN_ASPECT_RATIO and after.blink(eye) < OPEN_BLINK for eye in eyes)
    gains = [
        gain
        for eye in eyes
        if (gain := find_gain(analysis.face.blink(eye), after.blink(eye), truth.face.blink(eye))) is not None
    ]
    colors = [float(np.linalg.norm(_measure_color(fixed, eye) - _measure_color(truth, eye))) for eye in eyes]
    return (
        len(eyes),
        opened,
        statistics.mean(gains) if gains else None,
        measure_similarity(truth.embedding, fixed.embedding),
        measure_similarity(analysis.embedding, fixed.embedding),
        statistics.mean(colors) if colors else None,
    )


def find_gain(before: float, after: float, truth: float) -> float | None:
    """Return the part of the way from `before` to `truth` that `after` has come; None where there is hardly a way."""
    return None if abs(truth - before) < 0.1 else (after - before) / (truth - before)


def _measure_color(analysis: FaceAnalysis, eye: Feature) -> FloatArray:
    """The mean CIELAB colour between the lids minus that of the skin around, float32 (3,)."""
    marks, pixels = analysis.face.eye(eye), analysis.pixels
    mask = np.zeros(pixels.shape[:2], np.uint8)
    outline = np.concatenate([marks.upper, marks.lower[::-1]])[:, :2]
    cv2.fillPoly(mask, [np.rint(outline).astype(np.int32)], (1,))
    skin = analysis.eye(eye).skin
    mean = pixels[mask > 0].mean(axis=0) if mask.any() else skin
    lab = cv2.cvtColor(np.array([[mean, skin]], np.float32) / 255, cv2.COLOR_RGB2LAB)[0]
    return np.asarray(lab[0] - lab[1], np.float32)


def measure_linearity(path: Path, contestant: Contestant, feature: str) -> tuple[float, float] | None:
    """Return the correlation of a wish with what is measured, and the part of the steps that do not go backward.

    `feature` is eye_opening or smile_strength. None where nothing is edited, or not with every value. Raises FixError.
    """
    photo = load_photo(path)
    analyses, measured = analyze(photo.pixels), []
    for value in VALUES:
        eyes, smile = EyeOptions(Wish.NEVER), SmileOptions(Wish.NEVER)
        if feature == "eye_opening":
            eyes = EyeOptions(Wish.AUTO, opening=value)
        else:
            smile = SmileOptions(Wish.ALWAYS, strength=value)
        options = Options(eyes=eyes, smile=smile)
        reached = _measure_wish(photo, options, contestant, analyses)
        if reached is None:
            return None
        measured.append(reached)
    return correlate(measured)


def _measure_wish(
    photo: Photo, options: Options, contestant: Contestant, analyses: Sequence[FaceAnalysis]
) -> float | None:
    """The mean aspect ratio of the edited eyes, or smile score of the edited mouths; None where none was kept."""
    result = fix_photo(photo, options, contestant.make(options), analyses=analyses)
    kept = [change for change in result.report.changes if change.kept]
    values = [_measure_feature(remeasure(result.pixels, change.face), change.feature) for change in kept]
    known = [value for value in values if value is not None]
    return statistics.mean(known) if known else None


def _measure_feature(face: Face | None, feature: Feature) -> float | None:
    if face is None:
        return None
    return face.smile if feature is Feature.MOUTH else face.eye(feature).aspect_ratio


def correlate(measured: Sequence[float]) -> tuple[float, float]:
    """Return the correlation of rising wishes with what was measured, and the part of the steps that do not fall."""
    steps = np.diff(measured)
    is_flat = np.ptp(measured) == 0
    correlation = 0.0 if is_flat else float(np.corrcoef(np.arange(len(measured)), measured)[0, 1])
    return correlation, float((steps >= 0).mean())


def describe(rows: Sequence[Quality]) -> str:
    """Return the table, with the means of each engine as its last rows."""
    lines = [f"{'pair':<28}{'engine':<18}{'opened':>8}{'gain':>7}{'resemblance':>15}{'ΔE':>6}{'outside':>9}"
             f"{'seconds':>9}{'evaluations':>13}"]  # fmt: skip
    for row in (*rows, *(_average(name, rows) for name in dict.fromkeys(row.engine for row in rows))):
        resemblance = f"{_show(row.resemblance, 2)} ({_show(row.resemblance_to_input, 2)})"
        lines.append(
            f"{row.pair:<28.27}{row.engine:<18}{f'{row.opened}/{row.closed}':>8}{_show(row.gain, 2):>7}"
            f"{resemblance:>15}{_show(row.delta_e, 1):>6}{row.outside:>9}{row.seconds:>9.2f}{row.evaluations:>13}"
        )
    return "\n".join(lines)


def _average(engine: str, rows: Sequence[Quality]) -> Quality:
    """The sums of counts and the means of measures over all pairs of an engine, each where it could be measured."""
    own = [row for row in rows if row.engine == engine]

    def mean(values: Sequence[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        return statistics.mean(known) if known else None

    return Quality(
        "all", engine, sum(row.closed for row in own), sum(row.opened for row in own), mean([row.gain for row in own]),
        mean([row.resemblance for row in own]), mean([row.resemblance_to_input for row in own]),
        mean([row.delta_e for row in own]), sum(row.outside for row in own),
        statistics.mean(row.seconds for row in own), sum(row.evaluations for row in own),
    )  # fmt: skip


def _show(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def main() -> int:
    """Run the benchmark; 2 where there is no pair, or a model is not here."""
    parser = argparse.ArgumentParser(description="How near edits come to what the same people look like.")
    parser.add_argument("pairs", nargs="*", metavar="CLOSED=OPEN")
    parser.add_argument("--engine", nargs="+", choices=("draft", "stable-diffusion"), default=["draft"])
    parser.add_argument("--model", default=DiffusionOptions.model)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--tile_size", type=int)
    parser.add_argument("--linearity", action="store_true", help="also how wishes and results go together")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parsed = parser.parse_args()
    named = [tuple(map(Path, pair.split("=", 1))) for pair in parsed.pairs]
    pairs = [(pair[0], pair[-1]) for pair in named] or list_pairs()
    rows, lines = [], []
    try:
        diffusion = DiffusionOptions(model=parsed.model, device=parsed.device, tile_size=parsed.tile_size)
        for contestant in (Contestant(name, diffusion) for name in parsed.engine):
            rows += [row for pair in pairs for row in measure(*pair, contestant)]
            for feature in ("eye_opening", "smile_strength") if parsed.linearity else ():
                found = [measure_linearity(closed, contestant, feature) for closed, _ in pairs]
                known = [one for one in found if one is not None]
                if known:
                    correlation, monotony = (statistics.mean(values) for values in zip(*known, strict=True))
                    lines.append(
                        f"{contestant.name}: --{feature}: correlation {correlation:.2f}, {100 * monotony:.0f} % of "
                        f"steps not backward, in {len(known)} of {len(found)} photos"
                    )
    except FixError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if not rows:
        print("error: there is no pair with closed eyes.", file=sys.stderr)
        return 2
    print(json.dumps([asdict(row) for row in rows], indent=2) if parsed.json else "\n".join([describe(rows), *lines]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
