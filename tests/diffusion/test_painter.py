"""Stable Diffusion on tiles, with tiny models of random weights that are loaded as real ones are."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

# Importing the painter loads torch; where it is missing these tests are skipped.
pytest.importorskip("torch")

from diffusion.families import STABLE_DIFFUSION_1
from diffusion.jobs import Sampling, TileJob
from diffusion.noise import find_start, make_scheduler
from diffusion.painter import LoadOptions, TilePainter, load_painter, pick_device
from diffusion.weights import Weights, fetch_adapter, find_weights
from edit.options import SCHEDULERS, DiffusionOptions
from photo.errors import BadOption, MissingModel, MissingPackage, NotEnoughMemory
from photo.types import Pixels
from tests.support.tiny_models import TILE_PX, make_tiny, save_tiny, save_tiny_file

LoadTiny = Callable[[Path], TilePainter]
FEW = Sampling("dpm++", 4, 6.0, 0.5)


def make_jobs(count: int, size: int = TILE_PX) -> list[TileJob]:
    random = np.random.default_rng(1)
    mask = np.zeros((size, size), np.uint8)
    mask[16:40, 16:48] = 255
    images = random.integers(0, 256, (count, size, size, 3), np.uint8)
    return [TileJob(image, mask, "eyes open", "closed eyes", seed) for seed, image in enumerate(images)]


def paint(painter: TilePainter, jobs: list[TileJob], sampling: Sampling = FEW) -> list[Pixels]:
    results = painter.paint(jobs, sampling, lambda _share: None)
    pictures = [result.pixels for result in results if result.pixels is not None]
    assert len(pictures) == len(jobs), [result.why for result in results]
    return pictures


def difference(one: Pixels, other: Pixels) -> int:
    return int(np.abs(one.astype(int) - other).max())


class FakePipeline:
    """Stands in for a pipeline of diffusers where a test needs one that fails in its own way."""

    def __init__(self, answer: Callable[[int], Any], flags: list[bool] | None = None) -> None:
        self.answer = answer
        self.flags = flags
        self.batches: list[int] = []
        self.unet = SimpleNamespace(dtype="torch.float32", config=SimpleNamespace(sample_size=8))
        self.vae_scale_factor = 8
        self.scheduler = SimpleNamespace(config={"num_train_timesteps": 1000})

    def set_progress_bar_config(self, disable: bool) -> None:
        assert disable

    def to(self, dtype: Any) -> None:
        self.unet.dtype = dtype

    def __call__(self, **arguments: Any) -> Any:
        count = len(arguments["prompt"])
        self.batches.append(count)
        return SimpleNamespace(images=self.answer(count), nsfw_content_detected=self.flags)


def noise(count: int) -> Any:
    return np.random.default_rng(0).random((count, TILE_PX, TILE_PX, 3))


# ---- painting --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("xl", [False, True])
def test_a_model_is_loaded_and_paints(tiny_model: Path, tiny_xl_model: Path, load_tiny: LoadTiny, xl: bool) -> None:
    painter = load_tiny(tiny_xl_model if xl else tiny_model)
    assert painter.native_size == TILE_PX
    (picture,) = paint(painter, make_jobs(1))
    assert picture.shape == (TILE_PX, TILE_PX, 3) and picture.dtype == np.uint8


def test_other_sizes_than_the_native_one_can_be_painted(tiny_model: Path, load_tiny: LoadTiny) -> None:
    (picture,) = paint(load_tiny(tiny_model), make_jobs(1, 96))
    assert picture.shape == (96, 96, 3)


def test_a_seed_means_the_same_whatever_the_batch(tiny_model: Path, load_tiny: LoadTiny) -> None:
    pipeline = load_tiny(tiny_model)._pipeline
    jobs = make_jobs(3)
    alone = [paint(TilePainter(pipeline, 1), [job])[0] for job in jobs]
    for batch_size in (1, 2, 3):
        together = paint(TilePainter(pipeline, batch_size), jobs)
        assert max(map(difference, alone, together)) <= 1
    backward = paint(TilePainter(pipeline, 2), jobs[::-1])[::-1]
    assert max(map(difference, alone, backward)) <= 1


def test_other_seeds_give_other_pictures(tiny_model: Path, load_tiny: LoadTiny) -> None:
    painter = load_tiny(tiny_model)
    job = make_jobs(1)[0]
    one, other = paint(painter, [job, replace(job, seed=99)])
    assert difference(one, other) > 1


def test_prompts_reach_the_networks(tiny_model: Path, load_tiny: LoadTiny) -> None:
    painter = load_tiny(tiny_model)
    job = make_jobs(1)[0]
    one, other = paint(painter, [job, replace(job, prompt="a wide smile")])
    assert difference(one, other) > 0


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_every_scheduler_works_and_takes_no_more_steps_than_told(
    tiny_model: Path, load_tiny: LoadTiny, scheduler: str, strength: float
) -> None:
    shares: list[float] = []
    sampling = STABLE_DIFFUSION_1.choose_sampling(DiffusionOptions(scheduler=scheduler, strength=strength, steps=6))
    load_tiny(tiny_model).paint(make_jobs(1), sampling, shares.append)
    assert len(shares) == (6 if strength == 1 else 3) or (strength < 1 and len(shares) <= 4)
    assert shares == sorted(shares) and shares[-1] == 1.0


def test_progress_runs_through_all_batches(tiny_model: Path, load_tiny: LoadTiny) -> None:
    shares: list[float] = []
    TilePainter(load_tiny(tiny_model)._pipeline, 1).paint(make_jobs(3), FEW, shares.append)
    assert len(shares) == 6 and shares == sorted(shares)
    assert shares[0] == pytest.approx(1 / 6) and shares[-1] == pytest.approx(1)


def test_two_threads_may_share_a_painter(tiny_model: Path, load_tiny: LoadTiny) -> None:
    painter = load_tiny(tiny_model)
    jobs = make_jobs(2)
    expected = paint(painter, jobs)
    results: dict[int, list[Pixels]] = {}
    threads = [threading.Thread(target=lambda n=n: results.update({n: paint(painter, jobs)})) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [0, 1, 2]
    assert all(difference(a, b) == 0 for got in results.values() for a, b in zip(expected, got, strict=True))


def test_stopping_within_a_step_leaves_the_painter_fit_for_the_next_photo(
    tiny_model: Path, load_tiny: LoadTiny
) -> None:
    painter = load_tiny(tiny_model)
    jobs = make_jobs(1)
    before = paint(painter, jobs)
    steps: list[float] = []

    def stop(share: float) -> None:
        steps.append(share)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        painter.paint(jobs, FEW, stop)
    assert len(steps) == 1
    assert difference(paint(painter, jobs)[0], before[0]) == 0


# ---- what can go wrong on the way ------------------------------------------------------------------------


def test_a_batch_that_does_not_fit_is_halved(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(count: int) -> Any:
        if count > 2:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2 GiB")
        return noise(count)

    monkeypatch.setattr("diffusion.families.make_scheduler", lambda *_: None)
    pipeline = FakePipeline(answer)
    painter = TilePainter(pipeline, 8)
    sampling = replace(FEW, strength=1.0)
    assert len(paint(painter, make_jobs(8), sampling)) == 8
    assert pipeline.batches == [8, 4, 2, 2, 2, 2]
    paint(painter, make_jobs(3), sampling)
    assert pipeline.batches[6:] == [2, 1]


def test_not_even_one_tile_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(_count: int) -> Any:
        raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr("diffusion.families.make_scheduler", lambda *_: None)
    with pytest.raises(NotEnoughMemory, match="--low_vram"):
        TilePainter(FakePipeline(answer), 4).paint(make_jobs(4), replace(FEW, strength=1.0), lambda _: None)


def test_other_errors_are_not_taken_for_lack_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(_count: int) -> Any:
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr("diffusion.families.make_scheduler", lambda *_: None)
    with pytest.raises(RuntimeError, match="shapes"):
        TilePainter(FakePipeline(answer), 2).paint(make_jobs(2), replace(FEW, strength=1.0), lambda _: None)


@pytest.mark.parametrize(
    ("value", "flags", "why"),
    [(0.0, None, "empty"), (np.nan, None, "no numbers"), (None, [False, True], "safety checker")],
)
def test_an_unusable_picture_is_told_from_the_others(
    monkeypatch: pytest.MonkeyPatch, value: float | None, flags: list[bool] | None, why: str
) -> None:
    def answer(count: int) -> Any:
        pictures = noise(count)
        if value is not None:
            pictures[1] = value
        return pictures

    monkeypatch.setattr("diffusion.families.make_scheduler", lambda *_: None)
    painter = TilePainter(FakePipeline(answer, flags), 2)
    good, bad = painter.paint(make_jobs(2), replace(FEW, strength=1.0), lambda _: None)
    assert good.pixels is not None and good.why == ""
    assert bad.pixels is None and why in bad.why


def test_half_precision_that_overflows_is_tried_again_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    pipeline = FakePipeline(lambda count: noise(count) * (np.nan if pipeline.unet.dtype == torch.float16 else 1.0))
    pipeline.unet.dtype = torch.float16
    monkeypatch.setattr("diffusion.families.make_scheduler", lambda *_: None)
    assert len(paint(TilePainter(pipeline, 2), make_jobs(2), replace(FEW, strength=1.0))) == 2
    assert pipeline.unet.dtype == torch.float32 and pipeline.batches == [2, 2]


# ---- where to start --------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize("steps", [5, 8, 25, 50])
def test_a_strength_is_a_noise_level_whatever_the_spacing(scheduler: str, steps: int) -> None:
    import diffusers

    settings = diffusers.DDIMScheduler(beta_schedule="scaled_linear", steps_offset=1).config
    made = make_scheduler(settings, Sampling(scheduler, steps, 1.0, 0.5))
    made.set_timesteps(steps)
    times = made.timesteps.tolist()
    start = find_start(times, 0.5, 1000)
    assert abs(times[start] - 500) <= 0.6 * 1000 / steps + 10


def test_only_a_strength_of_one_starts_from_pure_noise() -> None:
    times = [999.0, 749.0, 499.0, 249.0]
    assert [find_start(times, strength, 1000) for strength in (0.99, 0.7, 0.5, 0.01)] == [1, 1, 2, 3]


# ---- loading ---------------------------------------------------------------------------------------------


def test_a_model_is_loaded_once(tiny_model: Path) -> None:
    options = LoadOptions(Weights(tiny_model), "cpu")
    assert load_painter(options) is load_painter(replace(options))


def test_half_precision_files_are_brought_to_what_the_device_needs(tmp_path: Path, load_tiny: LoadTiny) -> None:
    folder = save_tiny(tmp_path, variant="fp16")
    assert find_weights(str(folder)) == Weights(folder, "fp16")
    painter = load_tiny(folder)
    assert str(painter._pipeline.unet.dtype) == "torch.float32"
    paint(painter, make_jobs(1))


def test_a_single_file_is_the_same_model_as_the_folder(tmp_path: Path, load_tiny: LoadTiny) -> None:
    file = save_tiny_file(tmp_path)
    assert find_weights(str(file)) == Weights(tmp_path / "model", file=file)
    jobs = make_jobs(1)
    from_file, from_folder = (paint(load_tiny(path), jobs)[0] for path in (file, tmp_path / "whole"))
    assert difference(from_file, from_folder) == 0


@pytest.mark.parametrize("as_file", [False, True])
def test_loading_a_model_never_connects(
    tmp_path: Path, load_tiny: LoadTiny, monkeypatch: pytest.MonkeyPatch, as_file: bool
) -> None:
    # Not because the process was told to stay offline: the library reads that only when it is imported.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("connected"))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("asked for an address"))
    paint(load_tiny(save_tiny_file(tmp_path) if as_file else save_tiny(tmp_path)), make_jobs(1))


def test_a_safety_checker_that_was_not_fetched_is_done_without(tmp_path: Path, load_tiny: LoadTiny) -> None:
    folder = save_tiny(tmp_path)
    index = json.loads((folder / "model_index.json").read_text())
    index |= {
        "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
        "feature_extractor": ["transformers", "CLIPImageProcessor"],
        "requires_safety_checker": True,
    }
    (folder / "model_index.json").write_text(json.dumps(index))
    paint(load_tiny(folder), make_jobs(1))


def test_little_video_memory_means_one_tile_at_a_time(tiny_model: Path) -> None:
    painter = load_painter(LoadOptions(Weights(tiny_model), "cpu", low_vram=True))
    assert painter._batch_size == 1 and painter._pipeline.vae.use_tiling
    paint(painter, make_jobs(2))


@pytest.mark.parametrize("broken", ["unet/config.json", "unet/diffusion_pytorch_model.safetensors"])
def test_a_damaged_model_gets_one_sentence(tmp_path: Path, load_tiny: LoadTiny, broken: str) -> None:
    folder = save_tiny(tmp_path)
    (folder / broken).write_text("{")
    with pytest.raises(MissingModel, match="cannot be loaded"):
        load_tiny(folder)


def test_a_strange_adapter_gets_one_sentence(tiny_model: Path) -> None:
    adapter = tiny_model / "unet" / "diffusion_pytorch_model.safetensors"
    with pytest.raises((MissingModel, MissingPackage), match=r"peft|cannot be loaded"):
        load_painter(LoadOptions(Weights(tiny_model), "cpu", adapter=adapter))


def test_an_adapter_changes_what_is_painted(tmp_path: Path, tiny_model: Path) -> None:
    peft = pytest.importorskip("peft")
    from diffusers.utils import convert_state_dict_to_diffusers

    pipeline = make_tiny()
    pipeline.unet.add_adapter(peft.LoraConfig(r=4, target_modules=["to_q", "to_v"], init_lora_weights=False))
    layers = convert_state_dict_to_diffusers(peft.get_peft_model_state_dict(pipeline.unet))
    pipeline.save_lora_weights(tmp_path, unet_lora_layers=layers)
    adapter = fetch_adapter(str(tmp_path / "pytorch_lora_weights.safetensors"), offline=True)
    (plain,), (adapted,) = (
        paint(load_painter(LoadOptions(Weights(tiny_model), "cpu", adapter=choice)), make_jobs(1))
        for choice in (None, adapter)
    )
    assert difference(plain, adapted) > 1


def test_a_device_that_is_not_there_is_named() -> None:
    assert pick_device("cpu") == "cpu"
    assert pick_device("auto") in {"cpu", "cuda", "mps"}
    with pytest.raises(BadOption, match="cuda:99"):
        pick_device("cuda:99")
