"""The families of models: how each is known, and that all paint tiles by the same rules; the networks are random."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import main
from diffusion.families import FAMILIES, NAMES, Family, describe_model, find_family
from diffusion.jobs import TileJob
from edit.options import DiffusionOptions, Options
from inpaint import StableDiffusionEngine
from photo.blend import count_changes
from photo.errors import BadOption, MissingModel, MissingPackage
from photo.types import Photo, Pixels
from retouch import engines
from retouch.engines import DraftEngine
from retouch.pipeline import analyze, fix_photo, plan_edits
from tests.conftest import SAMPLES, LoadPhoto
from tests.support.painting import composite_with
from tests.support.tiny_models import TILE_PX

pytest.importorskip("torch")

from diffusion.painter import TilePainter
from diffusion.weights import Weights, find_weights

LoadTiny = Callable[[Path], TilePainter]
LoadFlow = Callable[[str], TilePainter]
FLOW_NAMES = ("Stable Diffusion 3.5", "FLUX.2 klein", "Z-Image-Turbo", "Qwen-Image-Edit")


def find(name: str) -> Family:
    return next(family for family in FAMILIES if family.name == name)


def make_jobs(count: int) -> list[TileJob]:
    random = np.random.default_rng(1)
    mask = np.zeros((TILE_PX, TILE_PX), np.uint8)
    mask[16:48, 16:48] = 255
    images = random.integers(0, 256, (count, TILE_PX, TILE_PX, 3), np.uint8)
    return [TileJob(image, mask, "eyes open", "closed eyes", seed) for seed, image in enumerate(images)]


def paint(painter: TilePainter, jobs: list[TileJob], options: DiffusionOptions | None = None) -> list[Pixels]:
    sampling = painter.family.choose_sampling(options or DiffusionOptions(steps=4))
    results = painter.paint(jobs, sampling, lambda _: None)
    pictures = [result.pixels for result in results if result.pixels is not None]
    assert len(pictures) == len(jobs), [result.why for result in results]
    return pictures


def difference(one: Pixels, other: Pixels) -> int:
    return int(np.abs(one.astype(int) - other).max())


# ---- which is which --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("index", "name"),
    [
        ({"_class_name": "StableDiffusionInpaintPipeline"}, "Stable Diffusion 1"),
        ({"_class_name": "StableDiffusionPipeline"}, "Stable Diffusion 1"),
        ({"_class_name": "StableDiffusionXLPipeline"}, "Stable Diffusion XL"),
        ({"_class_name": "StableDiffusion3Pipeline"}, "Stable Diffusion 3.5"),
        ({"_class_name": "Flux2KleinPipeline", "is_distilled": True}, "FLUX.2 klein"),
        ({"_class_name": "Flux2KleinPipeline", "is_distilled": False}, "FLUX.2 klein base"),
        ({"_class_name": "Flux2KleinPipeline"}, "FLUX.2 klein base"),
        ({"_class_name": "ZImagePipeline"}, "Z-Image-Turbo"),
        ({"_class_name": "QwenImageEditPlusPipeline"}, "Qwen-Image-Edit"),
        ({"_class_name": "FluxFillPipeline"}, None),
        ({"_class_name": "StableDiffusionUpscalePipeline"}, None),
        ({}, None),
    ],
)
def test_a_model_is_known_by_its_index(tmp_path: Path, index: dict[str, object], name: str | None) -> None:
    family = find_family(index, tmp_path)
    assert (family and family.name) == name


def test_stable_diffusion_2_is_known_by_its_text_encoder(tmp_path: Path) -> None:
    index = {"_class_name": "StableDiffusionInpaintPipeline"}
    (tmp_path / "text_encoder").mkdir()
    for width, name in ((1024, "Stable Diffusion 2"), (768, "Stable Diffusion 1")):
        (tmp_path / "text_encoder" / "config.json").write_text(json.dumps({"hidden_size": width}))
        family = find_family(index, tmp_path)
        assert family is not None and family.name == name


def test_every_known_model_has_a_size_and_a_licence() -> None:
    for family in FAMILIES:
        assert family.models
        for model in family.models:
            assert "GB" in describe_model(model) and ("icen" in describe_model(model))
    assert "see its page" in describe_model("some/model")


def test_a_model_of_no_family_is_one_sentence_with_the_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": "FluxKontextPipeline"}))
    photo = str(SAMPLES / "image_1.jpg")
    code = main.main([photo, "--engine", "stable-diffusion", "--model", str(tmp_path), "-o", str(tmp_path / "out.png")])
    told = capsys.readouterr().err
    assert code == 2
    assert told == f"error: {tmp_path} holds a FluxKontextPipeline; --model takes {NAMES}.\n"


def test_a_package_that_one_family_alone_needs_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    family = find("Qwen-Image-Edit")
    monkeypatch.setattr(type(family), "packages", ("not_a_package",))
    monkeypatch.setattr(engines, "fetch_weights", lambda *_, **__: Weights(tmp_path, family=family))
    with pytest.raises(
        MissingPackage, match=r"Qwen-Image-Edit needs the package not_a_package.*pip install not_a_pack"
    ):
        engines.choose_engine(Options(engine="stable-diffusion"))


def test_a_missing_part_of_several_is_noticed(tmp_path: Path, load_flow: LoadFlow) -> None:
    load_flow("FLUX.2 klein")._pipeline.save_pretrained(tmp_path, max_shard_size="50KB")
    assert find_weights(str(tmp_path)) == Weights(tmp_path, family=find("FLUX.2 klein"))
    parts = sorted((tmp_path / "transformer").glob("*.safetensors"))
    assert len(parts) > 1
    parts[0].unlink()
    with pytest.raises(MissingModel, match="not whole"):
        find_weights(str(tmp_path))


# ---- what is refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FLOW_NAMES)
def test_options_that_mean_nothing_to_a_family_are_refused(name: str) -> None:
    family = find(name)
    with pytest.raises(BadOption, match="--scheduler ddim has no effect"):
        family.check(DiffusionOptions(scheduler="ddim"))
    with pytest.raises(BadOption, match="--tile_size must be a multiple of 16"):
        family.check(DiffusionOptions(tile_size=72))
    family.check(DiffusionOptions(tile_size=512))


def test_a_negative_prompt_is_refused_where_none_is_taken() -> None:
    with pytest.raises(BadOption, match="--negative_prompt has no effect: FLUX"):
        find("FLUX.2 klein").check(DiffusionOptions(negative_prompt="hats"))
    find("Z-Image-Turbo").check(DiffusionOptions(negative_prompt="hats"))


# ---- painting --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FLOW_NAMES)
def test_a_seed_means_the_same_whatever_the_batch(load_flow: LoadFlow, name: str) -> None:
    painter = load_flow(name)
    assert painter.native_size == 1024
    jobs = make_jobs(2)
    together = paint(painter, jobs)
    assert [picture.shape for picture in together] == [(TILE_PX, TILE_PX, 3)] * 2
    assert max(map(difference, together, paint(painter, jobs))) == 0
    assert max(difference(one, paint(painter, [job])[0]) for one, job in zip(together, jobs, strict=True)) <= 1
    other = paint(painter, [replace(jobs[0], seed=99)])[0]
    assert difference(together[0], other) > 1


@pytest.mark.parametrize("name", FLOW_NAMES)
def test_prompts_reach_the_networks(load_flow: LoadFlow, name: str) -> None:
    painter, job = load_flow(name), make_jobs(1)[0]
    plain, other = (paint(painter, [replace(job, prompt=prompt)])[0] for prompt in ("eyes open", "a wide smile"))
    assert not np.array_equal(plain, other)


@pytest.mark.parametrize("name", FLOW_NAMES)
def test_stopping_leaves_the_painter_fit_for_the_next_photo(load_flow: LoadFlow, name: str) -> None:
    painter, jobs = load_flow(name), make_jobs(1)
    before = paint(painter, jobs)
    steps: list[float] = []

    def stop(done: float) -> None:
        steps.append(done)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        painter.paint(jobs, painter.family.choose_sampling(DiffusionOptions(steps=4)), stop)
    assert len(steps) == 1
    assert difference(paint(painter, jobs)[0], before[0]) == 0


def measure_first_level(painter: TilePainter, options: DiffusionOptions) -> tuple[float, int]:
    """The noise level of the first step that the pipeline took, 0 … 1, and how many steps it took."""
    taken: list[float] = []
    painter.paint(make_jobs(1), painter.family.choose_sampling(options), taken.append)
    assert taken[-1] == 1.0
    times = painter._pipeline.scheduler.timesteps.tolist()
    return times[len(times) - len(taken)] / 1000, len(taken)


@pytest.mark.parametrize("steps", [4, 9])
@pytest.mark.parametrize("strength", [0.35, 0.5, 0.7, 1.0])
@pytest.mark.parametrize("name", FLOW_NAMES)
def test_a_strength_is_the_first_noise_level(load_flow: LoadFlow, name: str, strength: float, steps: int) -> None:
    painter = load_flow(name)
    level, taken = measure_first_level(painter, DiffusionOptions(strength=strength, steps=steps))
    assert level == pytest.approx(strength, abs=1e-6)
    assert painter._pipeline.scheduler.sigmas[0].item() == pytest.approx(strength, abs=1e-6)
    assert painter._pipeline.scheduler.step_index == taken, "every step was taken, from the first level on"


@pytest.mark.parametrize("steps", [10, 25])
@pytest.mark.parametrize("strength", [0.35, 0.5, 0.7])
def test_a_strength_is_the_first_noise_level_of_u_nets_up_to_a_step(
    tiny_model: Path, tiny_xl_model: Path, load_tiny: LoadTiny, strength: float, steps: int
) -> None:
    for folder in (tiny_model, tiny_xl_model):
        level, _ = measure_first_level(load_tiny(folder), DiffusionOptions(strength=strength, steps=steps))
        assert level == pytest.approx(strength, abs=0.6 / steps)


def test_as_many_steps_as_promised_are_taken(load_flow: LoadFlow) -> None:
    taken = {name: measure_first_level(load_flow(name), DiffusionOptions())[1] for name in FLOW_NAMES}
    assert taken == {"Stable Diffusion 3.5": 14, "FLUX.2 klein": 4, "Z-Image-Turbo": 4, "Qwen-Image-Edit": 20}


def test_the_editor_without_a_mask_starts_from_the_draft(load_flow: LoadFlow) -> None:
    painter, (job,) = load_flow("Qwen-Image-Edit"), make_jobs(1)
    flat = replace(job, image=np.full_like(job.image, 90))
    calls = []
    for each in (job, flat):
        generator = pytest.importorskip("torch").Generator("cpu").manual_seed(5)
        for strength in (1e-6, 1.0):
            sampling = painter.family.choose_sampling(DiffusionOptions(strength=strength, steps=4))
            pipeline = painter._pipeline
            prepared = painter.family.prepare(pipeline, painter._settings, [each], sampling, [generator.manual_seed(5)])
            calls.append(prepared.arguments["latents"])
    near_draft, noise, near_flat, same_noise = calls
    assert (noise == same_noise).all() and not np.allclose(near_draft, near_flat)
    assert float(noise.std()) == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("name", ["FLUX.2 klein", "Qwen-Image-Edit"])
def test_another_photo_changes_its_own_tile_alone(load_flow: LoadFlow, name: str) -> None:
    painter, jobs = load_flow(name), make_jobs(3)
    assert painter.family.takes_reference
    from_noise = DiffusionOptions(steps=4, strength=1.0)
    reference = np.random.default_rng(7).integers(0, 256, (TILE_PX, TILE_PX, 3), np.uint8)
    seen = replace(jobs[1], reference=reference)
    alone = [paint(painter, [job], from_noise)[0] for job in (jobs[0], seen, jobs[2])]
    together = paint(painter, [jobs[0], seen, jobs[2]], from_noise)
    assert max(map(difference, alone, together)) <= 1
    assert not np.array_equal(alone[1], paint(painter, [jobs[1]], from_noise)[0])


# ---- the whole way ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FLOW_NAMES)
def test_nothing_outside_the_masks_changes(
    monkeypatch: pytest.MonkeyPatch, sample: LoadPhoto, load_flow: LoadFlow, name: str
) -> None:
    monkeypatch.setattr("inpaint.MOST_CHANGED", math.inf)
    monkeypatch.setattr("inpaint.LEAST_ALIKE", -math.inf)
    photo = sample("image_1.jpg")
    painter = load_flow(name)
    plan = plan_edits(analyze(photo), Options())
    options = Options(diffusion=DiffusionOptions(steps=4, tile_size=TILE_PX))
    engine = StableDiffusionEngine(options, DraftEngine(), lambda: painter, painter.family)
    one, other = (composite_with(engine, photo, plan) for _ in range(2))
    draft = composite_with(DraftEngine(), photo, plan)
    changed, outside = count_changes(photo, one, [edit.region for edit in plan.edits])
    assert changed > 1000 and outside == 0
    assert np.array_equal(one, other) and not np.array_equal(one, draft)


@pytest.mark.parametrize("name", FLOW_NAMES)
def test_noise_instead_of_a_face_leaves_the_draft(sample: LoadPhoto, load_flow: LoadFlow, name: str) -> None:
    photo = Photo(sample("image_1.jpg"))
    options = Options(diffusion=DiffusionOptions(steps=4, retries=0, tile_size=TILE_PX))
    painter = load_flow(name)
    engine = StableDiffusionEngine(options, DraftEngine(), lambda: painter, painter.family)
    result = fix_photo(photo, options, engine)
    assert result.report.changed_outside == 0 and result.report.changes
    assert all(change.kept for change in result.report.changes), "the draft is always there to fall back on"
