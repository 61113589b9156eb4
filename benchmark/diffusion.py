"""Counts what Stable Diffusion costs per photo, here and by a fixed grid over the whole photo, and times it.

    python -m benchmark.diffusion PHOTO_OR_FOLDER … [--full] [--device cuda] [--calls 5] [--engine] [--json]

The grid is that of the first program of this kind: the photo scaled to at most 1024 px, tiles of 512 px every 256 px,
also such as reach over its edges, every one that touches the mask dilated by 20 px, eyes and mouths one after the
other, 120 steps from noise with guidance.
Both paint the same edits with the same networks, whose weights are random: the cost does not depend on them. An
evaluation is one pass of one tile through the UNet; guidance takes two for a step. Ours are counted at the engine's
own calls for the first try of each face. Seconds are those of the UNet and the autoencoder, from real calls of each.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

import inpaint
from benchmark.random_model import SCHEDULE, TRAIN_STEPS, make_pipeline
from diffusion.jobs import OnStep, Sampling, TileJob, TileResult
from diffusion.noise import find_start, make_scheduler
from diffusion.painter import TilePainter
from edit.options import DiffusionOptions, Options
from edit.plan import Edit, EditPlan
from face.types import Feature
from inpaint import StableDiffusionEngine
from photo.canvas import Canvas
from photo.errors import FixError
from photo.files import load_photo
from photo.formats import FORMATS
from photo.geometry import scale_size
from photo.types import Box, Photo, Region
from retouch.engines import make_draft
from retouch.pipeline import analyze_photo
from retouch.progress import ignore_progress
from tiling import grid_tiles

FEW_STEPS = Options(diffusion=DiffusionOptions(scheduler="lcm"))
TILE_PX = 512
GRID_OVERLAP_PX, GRID_PHOTO_PX, GRID_STEPS, GRID_DILATION_PX = 256, 1024, 120, 20
# Of one tile: the draft and what is around the mask; from pure noise only the latter.
_ENCODINGS, _GRID_ENCODINGS = 2, 1
_LATENT_PX = 8
DTYPES = ("float32", "bfloat16", "float16")


@dataclass(frozen=True)
class Work:
    """Tiles that go through the networks together or one after the other, each `steps` times, with guidance or not."""

    tiles: int
    steps: int
    guided: bool
    encodings: int = _ENCODINGS

    @property
    def evaluations(self) -> int:
        """Passes of one tile through the UNet."""
        return self.tiles * self.steps * (2 if self.guided else 1)


@dataclass(frozen=True)
class Cost:
    """What one way to paint a photo takes."""

    tiles: int
    evaluations: int
    seconds: float


@dataclass(frozen=True)
class PhotoRow:
    """One photo by this program, by it with few steps, and by the grid; `edited` faces get an edit of those found."""

    name: str
    faces: int
    edited: int
    ours: Cost
    few: Cost
    grid: Cost
    engine_seconds: float | None = None


class RecordingPainter(TilePainter):
    """Notes what it is asked for, and gives each tile back as it came."""

    def __init__(self) -> None:
        self.works: list[Work] = []

    @property
    def native_size(self) -> int:
        return TILE_PX

    def paint(self, jobs: Sequence[TileJob], sampling: Sampling, on_step: OnStep) -> list[TileResult]:
        """Record one piece of work."""
        self.works.append(Work(len(jobs), count_steps(sampling), sampling.guidance > 1))
        on_step(1.0)
        return [TileResult(job.image) for job in jobs]


def count_steps(sampling: Sampling) -> int:
    """How many steps are really taken: those from the noise level on that the draft starts with."""
    if sampling.strength >= 1:
        return sampling.steps
    scheduler = make_scheduler(SCHEDULE, sampling)
    scheduler.set_timesteps(max(sampling.steps, 2))
    times = scheduler.timesteps.tolist()
    return len(times) - find_start(times, sampling.strength, TRAIN_STEPS)


def record_engine(photo: Photo, plan: EditPlan, options: Options) -> list[Work]:
    """What the engine asks of the networks for the edits of `plan`, all tried once."""
    painter = RecordingPainter()
    StableDiffusionEngine(options, make_draft(Options()), lambda: painter).paint(
        Canvas(photo.pixels), plan, ignore_progress
    )
    return painter.works


def plan_grid(shape: tuple[int, ...], plan: EditPlan) -> list[Work]:
    """What the fixed grid takes for the same edits: a tile counts for the eyes and once more for the mouths."""
    eyes = [edit for edit in plan.edits if edit.feature is not Feature.MOUTH]
    mouths = [edit for edit in plan.edits if edit.feature is Feature.MOUTH]
    scale = min(1.0, GRID_PHOTO_PX / max(shape[:2]))
    width, height = scale_size(shape[1], shape[0], scale)
    small = height, width
    step = TILE_PX - GRID_OVERLAP_PX
    # A tile starts at every step inside the photo: as on one that goes on to the right and below.
    padded = tuple(math.ceil(side / step) * step + GRID_OVERLAP_PX for side in small)
    works: list[Work] = []
    for edits in (eyes, mouths):
        regions = [_dilate_outline(edit, scale, small) for edit in edits]
        tiles = grid_tiles(padded, TILE_PX, GRID_OVERLAP_PX, regions)
        works += [Work(1, GRID_STEPS, True, _GRID_ENCODINGS)] * len(tiles)
    return works


def _dilate_outline(edit: Edit, scale: float, shape: tuple[int, int]) -> Region:
    """The lids or the lips as a hard mask on the scaled photo, dilated."""
    eye = None if edit.feature is Feature.MOUTH else edit.face.eye(edit.feature)
    points = edit.face.landmarks.lips if eye is None else np.concatenate([eye.upper, eye.lower])
    mask = np.zeros(shape, np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(np.rint(points[:, :2] * scale).astype(np.int32)), (1,))
    grown = cv2.dilate(mask, np.ones((2 * GRID_DILATION_PX + 1,) * 2, np.uint8))
    return Region(Box(0, 0, shape[1], shape[0]), grown.astype(np.float32))


class Stopwatch:
    """Times real calls of the networks of a pipeline, each size of batch once, `calls` times."""

    def __init__(self, pipeline: Any, calls: int, batch_size: int) -> None:
        self._pipeline, self._calls, self._batch_size = pipeline, calls, batch_size
        self.known: dict[tuple[str, int], float] = {}

    def measure_evaluations(self, count: int) -> float:
        """Seconds of one call of the UNet for `count` tiles of 512 px."""
        return self._measure("unet", count)

    def measure(self, works: Iterable[Work]) -> float:
        """Seconds that the networks take for all of `works`, in batches as large as allowed."""
        seconds = 0.0
        for work in works:
            full, rest = divmod(work.tiles, self._batch_size)
            for tiles, times in ((self._batch_size, full), (rest, 1)):
                if tiles and times:
                    unet = self._measure("unet", tiles * (2 if work.guided else 1))
                    encode, decode = self._measure("encode", tiles), self._measure("decode", tiles)
                    seconds += times * (work.steps * unet + work.encodings * encode + decode)
        return seconds

    def _measure(self, part: str, count: int) -> float:
        if (part, count) not in self.known:
            self.known[part, count] = _time_calls(_prepare_call(self._pipeline, part, count), self._calls)
        return self.known[part, count]


def _prepare_call(pipeline: Any, part: str, count: int) -> Callable[[], object]:
    import torch

    unet, vae = pipeline.unet, pipeline.vae
    like = {"device": unet.device, "dtype": unet.dtype}
    side = TILE_PX // _LATENT_PX
    if part == "encode":
        picture = torch.rand((count, 3, TILE_PX, TILE_PX), **like)
        return lambda: vae.encode(picture)
    if part == "decode":
        latents = torch.randn((count, vae.config.latent_channels, side, side), **like)
        return lambda: vae.decode(latents)
    noise = torch.randn((count, unet.config.in_channels, side, side), **like)
    words = torch.randn((count, pipeline.tokenizer.model_max_length, unet.config.cross_attention_dim), **like)
    return lambda: unet(noise, 500, words)


def _time_calls(call: Callable[[], object], calls: int) -> float:
    """Median seconds of one of `calls` calls, after one to warm up."""
    import torch

    seconds: list[float] = []
    with torch.inference_mode():
        for _ in range(calls + 1):
            start = time.perf_counter()
            call()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])


def measure_photo(path: Path, stopwatch: Stopwatch, painter: TilePainter | None = None) -> PhotoRow:
    """Count and time one photo; with `painter` its whole way through the engine, too. Raises FixError."""
    photo = load_photo(path)
    faces, plan = analyze_photo(photo, Options())
    engine_seconds = None
    if painter is not None:
        engine = StableDiffusionEngine(Options(), make_draft(Options()), lambda: painter)
        start = time.perf_counter()
        engine.paint(Canvas(photo.pixels), plan, ignore_progress)
        engine_seconds = time.perf_counter() - start
    ours, few, grid = (
        Cost(sum(work.tiles for work in works), sum(work.evaluations for work in works), stopwatch.measure(works))
        for works in (
            record_engine(photo, plan, Options()),
            record_engine(photo, plan, FEW_STEPS),
            plan_grid(photo.pixels.shape, plan),
        )
    )
    edited = {edit.face.number for edit in plan.edits}
    return PhotoRow(path.name, len(faces), len(edited), ours, few, grid, engine_seconds)


def add_up(rows: Sequence[PhotoRow]) -> PhotoRow:
    """The sum over all photos, as one more row."""

    def total(costs: Iterable[Cost]) -> Cost:
        known = list(costs)
        return Cost(
            sum(cost.tiles for cost in known),
            sum(cost.evaluations for cost in known),
            sum(cost.seconds for cost in known),
        )

    engine = [row.engine_seconds for row in rows if row.engine_seconds is not None]
    return PhotoRow(
        "all",
        sum(row.faces for row in rows),
        sum(row.edited for row in rows),
        total(row.ours for row in rows),
        total(row.few for row in rows),
        total(row.grid for row in rows),
        sum(engine) if engine else None,
    )


def describe(rows: Sequence[PhotoRow]) -> str:
    """The table, with the sum as its last row."""
    lines = [
        f"{'':<20}{'faces':>10}{'tiles':>18}{'evaluations':>24}{'times fewer':>16}{'seconds':>30}",
        f"{'photo':<20}{'all':>5}{'edit':>5}"
        + f"{'ours':>6}{'few':>6}{'grid':>6}"
        + f"{'ours':>8}{'few':>8}{'grid':>8}"
        f"{'ours':>8}{'few':>8}" + f"{'ours':>10}{'few':>10}{'grid':>10}",
    ]
    for row in (*rows, add_up(rows)):
        costs = (row.ours, row.few, row.grid)
        line = f"{row.name:<20.19}{row.faces:>5}{row.edited:>5}"
        line += "".join(f"{cost.tiles:>6}" for cost in costs)
        line += "".join(f"{cost.evaluations:>8}" for cost in costs)
        line += "".join(f"{_divide(row.grid.evaluations, cost.evaluations):>8.1f}" for cost in costs[:2])
        line += "".join(f"{cost.seconds:>10.2f}" for cost in costs)
        if row.engine_seconds is not None:
            share = _divide(row.engine_seconds, row.ours.seconds)
            line += f"   engine {row.engine_seconds:.2f}, {share:.2f} times the networks"
        lines.append(line)
    return "\n".join(lines)


def _divide(one: float, other: float) -> float:
    return one / other if other else float("nan")


def find_photos(paths: Sequence[Path]) -> list[Path]:
    """The photos among `paths` and in the folders among them, in order."""
    files = [one for path in paths for one in (sorted(path.rglob("*")) if path.is_dir() else [path])]
    return [path for path in files if path.suffix.lower() in FORMATS]


def main() -> int:
    """Run the benchmark; 2 when there is no photo or no such device."""
    parser = argparse.ArgumentParser(description="Count and time the networks' work for photos.")
    parser.add_argument("paths", type=Path, nargs="+", metavar="PHOTO_OR_FOLDER")
    parser.add_argument("--full", action="store_true", help="networks as large as Stable Diffusion 1.5")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or mps")
    parser.add_argument("--dtype", choices=DTYPES, help="precision; unless said float32 on a CPU, else float16")
    parser.add_argument("--calls", type=int, default=5, help="real calls that each time is the median of")
    parser.add_argument("--batch_size", type=int, default=1, help="tiles of one photo at once; the grid has always one")
    parser.add_argument("--engine", action="store_true", help="also run the whole engine on every photo")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parsed = parser.parse_args()
    photos = find_photos(parsed.paths)
    if not photos:
        print("error: there is no photo.", file=sys.stderr)
        return 2
    # Networks of random weights paint noise, and it is to be painted to the end.
    inpaint.MOST_CHANGED, inpaint.LEAST_ALIKE = math.inf, -math.inf
    pipeline, device = _load_networks(parsed.full, parsed.device, parsed.dtype)
    stopwatch = Stopwatch(pipeline, parsed.calls, parsed.batch_size)
    painter = TilePainter(pipeline, parsed.batch_size) if parsed.engine else None
    rows: list[PhotoRow] = []
    for path in photos:
        try:
            rows.append(measure_photo(path, stopwatch, painter))
        except FixError as error:
            print(f"{path.name}: {error}", file=sys.stderr)
    size = "the full size" if parsed.full else "a tiny size"
    one, two = (stopwatch.measure_evaluations(count) for count in (1, 2))
    if parsed.json:
        measured = {"device": device, "full": parsed.full, "unet_seconds": one, "unet_guided_seconds": two}
        print(json.dumps({**measured, "photos": [asdict(row) for row in (*rows, add_up(rows))]}, indent=2))
    else:
        print(f"{device}, networks of {size}: UNet {one:.4f} s for one tile, {two:.4f} s for two\n{describe(rows)}")
    return 0


def _load_networks(full: bool, device: str, dtype: str | None) -> tuple[Any, str]:
    """A pipeline on the device, and the device in words."""
    import diffusers
    import torch
    import transformers

    # That prompts are long for a vocabulary of single letters is of no interest here.
    for library in (diffusers, transformers):
        library.utils.logging.set_verbosity_error()
    pipeline = make_pipeline(full)
    precision = dtype or ("float32" if device == "cpu" else "float16")
    pipeline.to(device, getattr(torch, precision))
    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else device
    threads = f", {torch.get_num_threads()} threads" if device == "cpu" else ""
    return pipeline, f"{name}{threads}, {precision}"


if __name__ == "__main__":
    sys.exit(main())
