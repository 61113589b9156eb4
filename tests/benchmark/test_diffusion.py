"""The benchmark of the diffusion stage counts what the networks are really asked for."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

# The benchmark takes the painter, and with it torch; where it is missing these tests are skipped.
pytest.importorskip("torch")

from benchmark import diffusion
from benchmark.random_model import make_pipeline
from diffusion.jobs import Sampling
from diffusion.painter import TilePainter
from edit.options import DiffusionOptions, Options
from edit.plan import Edit, EditPlan
from face.types import Feature
from inpaint import StableDiffusionEngine
from photo.canvas import Canvas
from photo.types import Photo
from retouch.engines import DraftEngine
from retouch.pipeline import analyze_photo
from retouch.progress import ignore_progress
from tests.conftest import LoadPhoto
from tests.support.photos import where_developing

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _let_noise_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks of random weights paint noise, which the engine would not go on with."""
    monkeypatch.setattr("inpaint.MOST_CHANGED", math.inf)
    monkeypatch.setattr("inpaint.LEAST_ALIKE", -math.inf)


def count_evaluations(pipeline: Any, options: Options, photo: Photo, plan: EditPlan) -> int:
    """Run the engine, and count what passes through the UNet."""
    count = 0

    def before_call(_unet: Any, inputs: tuple[Any, ...], _named: dict[str, Any]) -> None:
        nonlocal count
        count += inputs[0].shape[0]

    hook = pipeline.unet.register_forward_pre_hook(before_call, with_kwargs=True)
    engine = StableDiffusionEngine(options, DraftEngine(), lambda: TilePainter(pipeline, 2))
    engine.paint(Canvas(photo.pixels), plan, ignore_progress)
    hook.remove()
    return count


@pytest.mark.parametrize(
    "options",
    [
        Options(diffusion=DiffusionOptions(tile_size=64, steps=6)),
        Options(diffusion=DiffusionOptions(tile_size=64, steps=5, strength=1.0, guidance=1.0)),
        Options(diffusion=DiffusionOptions(tile_size=64, scheduler="lcm")),
        Options(diffusion=DiffusionOptions(tile_size=128, steps=4, tile_scheme="grid")),
    ],
    ids=["default", "from noise", "few steps", "grid"],
)
def test_what_is_counted_is_what_passes_through_the_network(sample: LoadPhoto, options: Options) -> None:
    photo = Photo(sample("image_1.jpg"))
    _, plan = analyze_photo(photo, options)
    assert plan.edits
    counted = sum(work.evaluations for work in diffusion.record_engine(photo, plan, options))
    assert counted == count_evaluations(make_pipeline(), options, photo, plan) > 0


@pytest.mark.parametrize("name", ["image_1.jpg", "image_2.jpg", "image_3.jpg", "image_4.jpg", "image_5.jpg"])
def test_no_photo_costs_more_than_the_grid(sample: LoadPhoto, name: str) -> None:
    photo = Photo(sample(name))
    _, plan = analyze_photo(photo, Options())
    ours, few, grid = (
        sum(work.evaluations for work in works)
        for works in (
            diffusion.record_engine(photo, plan, Options()),
            diffusion.record_engine(photo, plan, diffusion.FEW_STEPS),
            diffusion.plan_grid(photo.pixels.shape, plan),
        )
    )
    if plan.edits:
        assert ours * 10 < grid and few * 60 < grid
    else:
        assert ours == few == grid == 0


@pytest.mark.parametrize(
    "names",
    [
        ("group_blink.jpg", "cummings_blink.jpg", "rush_blink.jpg", "womack.jpg", "takano_blink.jpg"),
        *where_developing([f"reference/image_{name}" for name in ("1.jpg", "2.png", "3.jpg", "5.png", "6.png")]),
    ],
)
def test_several_photos_together_cost_a_twentieth(names: Sequence[str], real_photo: LoadPhoto) -> None:
    ours = few = grid = 0
    for name in names:
        photo = Photo(real_photo(name))
        _, plan = analyze_photo(photo, Options())
        one = sum(work.evaluations for work in diffusion.record_engine(photo, plan, Options()))
        other = sum(work.evaluations for work in diffusion.plan_grid(photo.pixels.shape, plan))
        assert one < other
        ours, grid = ours + one, grid + other
        few += sum(work.evaluations for work in diffusion.record_engine(photo, plan, diffusion.FEW_STEPS))
    assert ours * 20 <= grid
    assert few * 100 <= grid


def test_the_grid_takes_every_tile_that_the_mask_touches(sample: LoadPhoto) -> None:
    pixels = sample("image_1.jpg")
    _, plan = analyze_photo(Photo(pixels), Options())
    mouths = EditPlan(tuple(edit for edit in plan.edits if edit.feature is Feature.MOUTH))
    eyes = EditPlan(tuple(edit for edit in plan.edits if edit.feature is not Feature.MOUTH))
    both = diffusion.plan_grid(pixels.shape, plan)
    # Eyes and mouths go one after the other.
    assert len(both) == len(diffusion.plan_grid(pixels.shape, eyes)) + len(diffusion.plan_grid(pixels.shape, mouths))
    assert {work.evaluations for work in both} == {240}
    scale = min(1.0, 1024 / max(pixels.shape[:2]))
    height, width = round(pixels.shape[0] * scale), round(pixels.shape[1] * scale)
    touched = sum(
        any(touches(edit, scale, left, top) for edit in eyes.edits)
        for top in range(0, height, 256)
        for left in range(0, width, 256)
    )
    assert len(diffusion.plan_grid(pixels.shape, eyes)) == touched > 0


def touches(edit: Edit, scale: float, left: int, top: int) -> bool:
    """Whether the box of an eye, dilated by 20 px, reaches into the tile; near enough to the dilated outline."""
    eye = edit.face.eye(edit.feature)
    points = [point * scale for rim in (eye.upper, eye.lower) for point in rim[:, :2]]
    (left_most, right_most), (top_most, bottom_most) = (
        (min(point[axis] for point in points) - 20, max(point[axis] for point in points) + 20) for axis in (0, 1)
    )
    return bool(left_most < left + 512 and right_most >= left and top_most < top + 512 and bottom_most >= top)


def test_half_the_noise_takes_half_the_steps() -> None:
    assert diffusion.count_steps(Sampling("dpm++", 20, 6.0, 0.5)) == 10
    assert diffusion.count_steps(Sampling("dpm++", 20, 6.0, 1.0)) == 20
    assert diffusion.Work(3, 10, True).evaluations == 60 and diffusion.Work(3, 4, False).evaluations == 12


def test_seconds_are_added_up_by_batch() -> None:
    stopwatch = diffusion.Stopwatch(None, 1, 4)
    seconds = {("unet", 8): 5.0, ("unet", 4): 3.0, ("encode", 4): 0.4, ("encode", 2): 0.2}
    stopwatch.known.update({**seconds, ("decode", 4): 0.8, ("decode", 2): 0.4})
    # Ten tiles: two batches of four, guided, and one of two.
    expected = 2 * (10 * 5.0 + 2 * 0.4 + 0.8) + (10 * 3.0 + 2 * 0.2 + 0.4)
    assert stopwatch.measure([diffusion.Work(10, 10, True)]) == pytest.approx(expected)


def test_the_table_is_printed(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_text("this is no photo\n")
    command = [sys.executable, "-m", "benchmark.diffusion", str(ROOT / "data" / "inputs" / "image_1.jpg")]
    done = subprocess.run(
        [*command, str(tmp_path), "--calls", "1", "--json"], cwd=ROOT,
        capture_output=True, text=True, encoding="utf-8", check=True, timeout=180,
    )  # fmt: skip
    answer = json.loads(done.stdout)
    assert [row["name"] for row in answer["photos"]] == ["image_1.jpg", "all"]
    assert "broken.png" in done.stderr
    assert answer["unet_seconds"] > 0 and not answer["full"]
    first = answer["photos"][0]
    assert first["few"]["seconds"] < first["ours"]["seconds"] < first["grid"]["seconds"]
    rows = [
        diffusion.PhotoRow(**{**row, **{k: diffusion.Cost(**row[k]) for k in ("ours", "few", "grid")}})
        for row in [first]
    ]
    table = diffusion.describe(rows).splitlines()
    assert len(table) == 4 and len({len(line) for line in table}) == 1


def test_without_a_photo_it_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["diffusion.py", str(tmp_path)])
    assert diffusion.main() == 2
    assert capsys.readouterr().err.startswith("error: there is no photo")
