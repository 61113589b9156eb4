"""The networks on tiles: loads a model once, and paints lists of tiles with it in batches.

It knows nothing of photos and faces. Importing it loads torch and diffusers, which takes seconds, so it is imported
only when a model is about to be loaded.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import diffusers
import numpy as np
import torch
import transformers
from safetensors import SafetensorError

from diffusion.families import STABLE_DIFFUSION_1, Family
from diffusion.jobs import OnStep, Sampling, TileJob, TileResult
from diffusion.weights import Weights
from photo.errors import BadOption, MissingModel, MissingPackage, NotEnoughMemory

_BATCH_OF = {"cuda": 8, "mps": 2, "cpu": 1}  # on a CPU a batch of two takes twice as long as one


class TilePainter:
    """Paints tiles with one pipeline of diffusers. Threads may share it: they take turns.

    `batch_size` is the number of tiles that go through the networks at once; it is halved when they do not fit into
    memory. `family` says how the pipeline is called.
    """

    def __init__(self, pipeline: Any, batch_size: int, family: Family = STABLE_DIFFUSION_1) -> None:
        self._pipeline, self.family = pipeline, family
        self._settings = pipeline.scheduler.config
        self._batch_size = min(batch_size, family.largest_batch or batch_size)
        self._lock = threading.Lock()
        pipeline.set_progress_bar_config(disable=True)

    @property
    def native_size(self) -> int:
        """The side of the square pictures that the model was trained on, in pixels."""
        return self.family.find_native_size(self._pipeline)

    def paint(self, jobs: Sequence[TileJob], sampling: Sampling, on_step: OnStep) -> list[TileResult]:
        """Return a result for each of the tiles, which are all of one size, in their order.

        A result depends on the seed of its own tile, not on the rest of the batch. `on_step` is called after each step.
        Raises NotEnoughMemory when not even one tile fits, MissingModel when the networks do not fit the task.
        """
        results: list[TileResult] = []
        with self._lock:
            while len(results) < len(jobs):
                part = _cut_batch(jobs[len(results) : len(results) + self._batch_size])
                on_batch_step = _scale_steps(on_step, len(results) / len(jobs), len(part) / len(jobs))
                painted = self._try_batch(part, sampling, on_batch_step)
                if painted is not None:
                    results += painted
                elif len(part) == 1:
                    raise NotEnoughMemory(
                        f"The memory of the device does not hold one tile of {jobs[0].image.shape[0]} px; "
                        "try --low_vram, a smaller --tile_size, --device cpu, or --engine draft."
                    )
                else:
                    self._batch_size = len(part) // 2
        return results

    def _try_batch(self, jobs: Sequence[TileJob], sampling: Sampling, on_step: OnStep) -> list[TileResult] | None:
        """The results of tiles painted at once; None when there is not enough memory."""
        try:
            pictures, flagged = self._run(jobs, sampling, on_step)
            if self._is_half() and not np.isfinite(pictures).all():
                # Half precision overflowed. It would again, so the networks stay in full precision.
                self._pipeline.to(torch.float32)
                pictures, flagged = self._run(jobs, sampling, on_step)
        except RuntimeError as error:
            if not _is_out_of_memory(error):
                raise
        else:
            size = jobs[0].image.shape[0]
            return [_check_picture(picture, size, flag) for picture, flag in zip(pictures, flagged, strict=True)]
        # Outside the handler the traceback no longer keeps alive what the failed try had allocated.
        _free_memory()
        return None

    def _run(self, jobs: Sequence[TileJob], sampling: Sampling, on_step: OnStep) -> tuple[Any, Sequence[bool]]:
        """The painted tiles, float (n, size, size, 3) 0 … 1, and for each whether the safety checker flagged it."""
        # On the CPU on every device, so that a seed means the same everywhere.
        generators = [torch.Generator("cpu").manual_seed(job.seed) for job in jobs]
        call = self.family.prepare(self._pipeline, self._settings, jobs, sampling, generators)
        count = 0

        def after_step(_pipeline: Any, _index: int, _time: Any, tensors: dict[str, Any]) -> dict[str, Any]:
            nonlocal count
            count += 1
            on_step(min(count / call.steps, 1.0))
            return tensors

        output = self._pipeline(
            **call.arguments, generator=generators, output_type="np", callback_on_step_end=after_step
        )
        flagged = getattr(output, "nsfw_content_detected", None)
        return output.images, flagged or [False] * len(jobs)

    def _is_half(self) -> bool:
        return getattr(self._pipeline, self.family.denoiser).dtype == torch.float16


@dataclass(frozen=True)
class LoadOptions:
    """What a loaded pipeline depends on; `device` is auto, cpu, mps, cuda, or one of several cards such as cuda:1."""

    weights: Weights
    device: str = "auto"
    adapter: Path | None = None
    low_vram: bool = False
    compile: bool = False


_loading = threading.Lock()


def load_painter(options: LoadOptions) -> TilePainter:
    """Return the painter of a model, loaded unless it is the one that was loaded last.

    Raises MissingModel, MissingPackage, BadOption, NotEnoughMemory.
    """
    with _loading:
        return _load(options)


@lru_cache(maxsize=1)
def _load(options: LoadOptions) -> TilePainter:
    device = pick_device(options.device)
    kind = device.partition(":")[0]
    family = options.weights.family
    on_cpu = torch.bfloat16 if _has_fast_bf16() else torch.float32
    dtype = on_cpu if kind == "cpu" else getattr(torch, family.half)
    with _load_errors(options.weights.file or options.weights.folder):
        pipeline = _open(options.weights, dtype)
    if options.adapter is not None:
        with _load_errors(options.adapter):
            _add_adapter(pipeline, options.adapter)
    with _load_errors(options.weights.file or options.weights.folder):
        if options.low_vram:
            pipeline.vae.enable_slicing()
            pipeline.vae.enable_tiling()
        if options.low_vram and kind == "cuda":
            pipeline.enable_model_cpu_offload(device=device)
        else:
            pipeline.to(device)
        if options.compile:
            getattr(pipeline, family.denoiser).compile()
    return TilePainter(pipeline, 1 if options.low_vram else _BATCH_OF[kind], family)


def pick_device(name: str) -> str:
    """Return the device that `name` means on this machine; auto is the fastest there is. Raises BadOption."""
    has = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return next(kind for kind in ("cuda", "mps", "cpu") if has[kind])
    kind, _, number = name.partition(":")
    if not has[kind] or int(number or 0) >= (torch.cuda.device_count() if kind == "cuda" else 1):
        raise BadOption(f"--device {name} is not on this machine, or this torch was not built for it.")
    return name


def _open(weights: Weights, dtype: Any) -> Any:
    """The pipeline of diffusers that paints, still on the CPU."""
    for library in (diffusers, transformers):
        library.utils.logging.set_verbosity_error()
        library.utils.logging.disable_progress_bar()
    # By name: AutoPipelineForInpainting does not know all of them, and imports dozens of others first.
    kind = getattr(diffusers, weights.family.pipeline)
    if weights.file is not None:
        extra = weights.family.choose_loading(weights.folder, is_file=True)
        return kind.from_single_file(
            str(weights.file), config=str(weights.folder), dtype=dtype, local_files_only=True, **extra
        )
    extra = weights.family.choose_loading(weights.folder, is_file=False)
    return kind.from_pretrained(
        weights.folder, dtype=dtype, variant=weights.variant, use_safetensors=True, local_files_only=True, **extra
    )


def _add_adapter(pipeline: Any, path: Path) -> None:
    try:
        pipeline.load_lora_weights(str(path.parent), weight_name=path.name, local_files_only=True)
    except ValueError as error:
        if "PEFT" not in str(error):
            raise
        raise MissingPackage("--lora needs the package peft; run: pip install -r requirements_torch.txt") from error
    pipeline.fuse_lora()


@contextmanager
def _load_errors(path: Path) -> Iterator[None]:
    """Turn the errors of loading a damaged or unsupported model into MissingModel or NotEnoughMemory."""
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, SafetensorError) as error:
        if isinstance(error, RuntimeError) and _is_out_of_memory(error):
            raise NotEnoughMemory("The model does not fit into memory; try --low_vram or --engine draft.") from error
        reason = (str(error).strip().splitlines() or ["no further words"])[0]
        raise MissingModel(f"{path} cannot be loaded: {reason[:200]}") from error


def _check_picture(picture: Any, size: int, flagged: bool) -> TileResult:
    """A picture of the networks, float (h, w, 3) 0 … 1, as uint8 (size, size, 3), or why it cannot be used."""
    if flagged:
        return TileResult(None, "the model's safety checker blanked the picture")
    if not np.isfinite(picture).all():
        return TileResult(None, "the networks gave no numbers")
    pixels = np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)
    if np.ptp(pixels) == 0:
        return TileResult(None, "the networks gave an empty picture")
    if pixels.shape[:2] != (size, size):
        # Some models choose the size of their pictures themselves.
        shrinks = pixels.shape[0] > size
        pixels = cv2.resize(pixels, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    return TileResult(np.asarray(pixels, np.uint8))


def _cut_batch(jobs: Sequence[TileJob]) -> Sequence[TileJob]:
    """The first of the tiles that may go through the networks at once: one with a reference goes alone."""
    with_reference = [number for number, job in enumerate(jobs) if job.reference is not None]
    return jobs[: max(with_reference[0], 1)] if with_reference else jobs


def _scale_steps(on_step: OnStep, start: float, fraction: float) -> OnStep:
    """The callback for a batch that is `fraction` of the whole list and begins when `start` of it is done."""
    return lambda done: on_step(start + fraction * done)


def _is_out_of_memory(error: RuntimeError) -> bool:
    text = str(error).lower()
    return isinstance(error, torch.OutOfMemoryError) or "out of memory" in text or "can't allocate memory" in text


def _free_memory() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    elif torch.backends.mps.is_available():
        torch.mps.empty_cache()


def _has_fast_bf16() -> bool:
    """Whether the CPU has bfloat16 instructions: with them it is twice as fast as float32, without far slower."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags
