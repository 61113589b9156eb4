"""What every engine promises, and how one is chosen."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from diffusion import weights
from edit.options import ENGINES, DiffusionOptions, Options
from edit.plan import EditPlan, Engine, RefiningEngine
from inpaint import StableDiffusionEngine
from photo.blend import count_changes
from photo.canvas import Canvas
from photo.errors import BadOption, MissingModel, MissingPackage
from photo.types import Pixels
from retouch import engines
from retouch.engines import DraftEngine, choose_engine
from retouch.pipeline import analyze, plan_edits
from retouch.progress import ignore_progress
from tests.conftest import LoadPhoto
from tests.support.painting import composite_with
from tests.support.tiny_models import TILE_PX

if TYPE_CHECKING:
    from diffusion.painter import TilePainter

LoadTiny = Callable[[Path], "TilePainter"]
FLOW_NAMES = ("Z-Image-Turbo", "Qwen-Image-Edit")  # with a mask and without; the others cost more time
NAMES = ("draft", "tiny", "tiny-grid", "tiny-xl", "tiny-lcm", "tiny-from-noise", *FLOW_NAMES)


@pytest.fixture(params=NAMES)
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, load_tiny: LoadTiny) -> Engine:
    """Each engine in turn; those of Stable Diffusion with models of random weights, whose noise is let through."""
    monkeypatch.setattr("inpaint.MOST_CHANGED", math.inf)
    monkeypatch.setattr("inpaint.LEAST_ALIKE", -math.inf)
    name = request.param
    if name == "draft":
        return DraftEngine()
    if name in FLOW_NAMES:
        painter = request.getfixturevalue("load_flow")(name)
        options = Options(diffusion=DiffusionOptions(steps=4, tile_size=TILE_PX))
        return StableDiffusionEngine(options, DraftEngine(), lambda: painter, painter.family)
    if not name.startswith("tiny"):
        raise ValueError(f"no branch makes {name}")
    options = Options(
        diffusion=DiffusionOptions(
            steps=4,
            tile_scheme="grid" if name == "tiny-grid" else "face",
            scheduler="lcm" if name == "tiny-lcm" else "dpm++",
            strength=1.0 if name == "tiny-from-noise" else 0.5,
        )
    )
    folder: Path = request.getfixturevalue("tiny_xl_model" if name == "tiny-xl" else "tiny_model")
    return StableDiffusionEngine(options, DraftEngine(), lambda: load_tiny(folder))


@pytest.fixture(scope="module")
def plan(sample: LoadPhoto) -> EditPlan:
    return plan_edits(analyze(sample("image_1.jpg")), Options())


def paint(engine: Engine, pixels: Pixels, plan: EditPlan) -> tuple[Pixels, ...]:
    """The patches that an engine paints on an untouched canvas."""
    return engine.paint(Canvas(pixels), plan, ignore_progress).patches


def are_equal(one: tuple[Pixels, ...], other: tuple[Pixels, ...]) -> bool:
    return all(np.array_equal(*pair) for pair in zip(one, other, strict=True))


def test_an_engine_paints_a_patch_for_each_edit_and_leaves_the_photo(
    engine: Engine, plan: EditPlan, sample: LoadPhoto
) -> None:
    pixels = sample("image_1.jpg").copy()
    before = pixels.copy()
    canvas = Canvas(pixels)
    painted = engine.paint(canvas, plan, ignore_progress)
    assert not painted.failures
    np.testing.assert_array_equal(pixels, before)
    np.testing.assert_array_equal(canvas.work, before)
    for edit, patch in zip(plan.edits, painted.patches, strict=True):
        assert patch.shape == (edit.region.box.height, edit.region.box.width, 3) and patch.dtype == np.uint8
        assert not np.shares_memory(patch, pixels) and not np.shares_memory(patch, canvas.work)
        assert (patch != pixels[edit.region.box.slices]).any()


def test_an_engine_paints_alike_on_a_canvas_that_was_painted_on(
    engine: Engine, plan: EditPlan, sample: LoadPhoto
) -> None:
    canvas = Canvas(sample("image_1.jpg"))
    first, again = (engine.paint(canvas, plan, ignore_progress).patches for _ in range(2))
    assert are_equal(first, again)


def test_nothing_outside_the_masks_is_used(engine: Engine, plan: EditPlan, sample: LoadPhoto) -> None:
    pixels = sample("image_1.jpg")
    final = composite_with(engine, pixels, plan)
    changed, outside = count_changes(pixels, final, [edit.region for edit in plan.edits])
    assert changed > 0 and outside == 0


def test_an_engine_paints_the_same_again(engine: Engine, plan: EditPlan, sample: LoadPhoto) -> None:
    pixels = sample("image_1.jpg")
    assert are_equal(paint(engine, pixels, plan), paint(engine, pixels, plan))


def test_an_engine_without_edits_changes_nothing(engine: Engine, sample: LoadPhoto) -> None:
    canvas = Canvas(sample("image_5.jpg"))
    painted = engine.paint(canvas, EditPlan(), ignore_progress)
    assert not painted.patches and not painted.failures
    np.testing.assert_array_equal(canvas.work, canvas.original)


def test_progress_never_falls_and_ends_at_one(engine: Engine, plan: EditPlan, sample: LoadPhoto) -> None:
    told: list[tuple[str, float]] = []
    engine.paint(Canvas(sample("image_1.jpg")), plan, lambda words, share: told.append((words, share)))
    shares = [share for _, share in told]
    assert shares == sorted(shares) and shares[0] >= 0 and shares[-1] == 1.0
    assert all(words for words, _ in told)


def test_an_engine_that_leaves_something_to_chance_draws_anew(
    engine: Engine, plan: EditPlan, sample: LoadPhoto
) -> None:
    pixels = sample("image_1.jpg")
    first, second = (paint(engine, pixels, EditPlan(plan.edits, attempt=n)) for n in range(2))
    assert are_equal(first, second) != isinstance(engine, RefiningEngine)


# ---- choosing --------------------------------------------------------------------------------------------


@pytest.fixture
def nothing_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with the packages, and with neither weights nor a graphics card nor a network."""
    monkeypatch.setattr(weights, "_find_in_cache", lambda *_: None)
    monkeypatch.setattr(engines, "check_packages", lambda *_: None)
    monkeypatch.setattr(engines, "_has_graphics_card", lambda: False)

    def fail(model: str, **_: object) -> Path:
        raise MissingModel(f"{model} cannot be fetched.")

    monkeypatch.setattr(weights, "_download", fail)
    monkeypatch.setattr(engines, "set_up_hub", lambda **_: None)


def test_the_draft_engine_needs_no_word() -> None:
    engine, why = choose_engine(Options(engine="draft"))
    assert (engine.name, why) == ("draft", "")


@pytest.mark.usefixtures("nothing_here")
@pytest.mark.parametrize("name", ENGINES)
def test_every_name_has_a_branch(name: str, tiny_model: Path) -> None:
    engine, _ = choose_engine(Options(engine=name, diffusion=DiffusionOptions(model=str(tiny_model))))
    assert engine.name == ("stable-diffusion" if name == "auto" else name)


@pytest.mark.usefixtures("nothing_here")
def test_a_name_without_a_branch_never_becomes_another_engine() -> None:
    options = Options()
    object.__setattr__(options, "engine", "magic")  # as if it were listed in ENGINES, and nothing made it
    with pytest.raises(BadOption, match="--engine magic"):
        choose_engine(options)


@pytest.mark.usefixtures("nothing_here")
def test_auto_takes_the_draft_and_says_how_to_get_the_weights() -> None:
    engine, why = choose_engine(Options())
    assert engine.name == "draft"
    assert "--download_model" in why and "2.1 GB" in why and "OpenRAIL" in why and "\n" not in why


@pytest.mark.usefixtures("nothing_here")
def test_auto_takes_weights_that_are_here(tiny_model: Path) -> None:
    engine, why = choose_engine(Options(diffusion=DiffusionOptions(model=str(tiny_model))))
    assert isinstance(engine, StableDiffusionEngine) and why == ""
    assert engine.fallback.name == "draft" and engine.retries == DiffusionOptions().retries


@pytest.mark.usefixtures("nothing_here")
def test_auto_with_a_graphics_card_fetches_the_weights_or_says_why_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "_has_graphics_card", lambda: True)
    engine, why = choose_engine(Options())
    assert engine.name == "draft" and "cannot be fetched" in why
    engine, why = choose_engine(Options(diffusion=DiffusionOptions(offline=True)))
    assert engine.name == "draft" and "--download_model" in why


@pytest.mark.usefixtures("nothing_here")
def test_auto_without_the_packages_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tiny_model: Path) -> None:
    def miss() -> None:
        raise MissingPackage("torch is missing")

    monkeypatch.setattr(engines, "check_packages", miss)
    engine, why = choose_engine(Options(diffusion=DiffusionOptions(model=str(tiny_model))))
    assert engine.name == "draft" and "pip install -r requirements_torch.txt" in why
    with pytest.raises(MissingPackage, match="torch"):
        choose_engine(Options(engine="stable-diffusion", diffusion=DiffusionOptions(model=str(tiny_model))))


@pytest.mark.usefixtures("nothing_here")
@pytest.mark.parametrize("offline", [False, True])
def test_stable_diffusion_never_becomes_the_draft_silently(offline: bool) -> None:
    with pytest.raises(MissingModel):
        choose_engine(Options(engine="stable-diffusion", diffusion=DiffusionOptions(offline=offline)))


@pytest.mark.usefixtures("nothing_here")
@pytest.mark.parametrize("engine", ["auto", "stable-diffusion"])
def test_a_model_that_was_named_and_is_not_there_is_an_error(engine: str) -> None:
    with pytest.raises(MissingModel, match=r"\./nothing"):
        choose_engine(Options(engine=engine, diffusion=DiffusionOptions(model="./nothing")))
