"""The models that can paint tiles, as families: each knows how its pipeline of diffusers is loaded and called.

All that differs between models is here; what paints, cuts and pastes tiles asks the family and never which one it is.
Importing this loads neither torch nor diffusers.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from diffusion.jobs import Sampling, TileJob
from diffusion.noise import choose_start, find_shift, flow_levels, make_flow_scheduler, make_scheduler
from edit.options import DEFAULT_MODEL, FEW_STEP_SCHEDULERS, DiffusionOptions
from photo.errors import BadOption

DEFAULT_STEPS, DEFAULT_GUIDANCE = 25, 6.0
"""From pure noise; the DPM-Solver papers find 20 to 25 steps enough. Guidance above 8 oversaturates."""
FEW_STEPS, FEW_STEPS_GUIDANCE = 6, 1.0
"""Distilled models are made for 4 to 8 steps without guidance, which also halves the cost of each step."""
SD2_MODEL = "sd2-community/stable-diffusion-2-inpainting"
_STABILITY = "Stability AI Community License, to be accepted on its page first"
SDXL_MODEL = "diffusers/stable-diffusion-xl-1.0-inpainting-0.1"


@dataclass(frozen=True)
class Call:
    """One call of a pipeline: its arguments, without generators and callback, and the number of steps it takes."""

    arguments: dict[str, Any]
    steps: int


@dataclass(frozen=True)
class SingleFile:
    """How the weights of a model look in a single file: how a name of its text encoder's begins, and the channels that
    its U-Net takes. `settings` is the model whose settings (some small text files) belong to it."""

    prefix: str
    channels: int
    settings: str


@dataclass(frozen=True)
class ModelFacts:
    """What is known of a model before it is fetched: its licence, and sizes in gigabytes.

    They are those of the download, of all weights in half precision, and of the largest network alone.
    """

    licence: str
    download_gb: float
    memory_gb: float
    largest_gb: float


class Family:
    """A kind of model. Its attributes are the same for all models of the kind.

    `name` is for people. `models` are known models by their ids on the Hugging Face hub. `classes` are the pipeline
    classes that a model's index may name, `pipeline` is the one that paints. `networks` are the folders with weights,
    of which `denoiser` holds the one that takes the steps. `cell_px` is the side of the square of pixels that the model
    paints or keeps as a whole. `steps` and `guidance` are the defaults, `half` is the precision on a graphics card.
    `largest_batch` is the number of tiles for one call, None for any. `takes_mask` is False for a model that paints the
    whole tile anew; `instructs` says that its prompt is an instruction, not a description; `takes_negative` that it
    takes a negative prompt, `takes_reference` another photo of the person, with one tile for a call. `packages` are
    needed beside those of all models.
    """

    name: str
    models: Mapping[str, ModelFacts] = {}
    classes: re.Pattern[str]
    pipeline: str
    networks: tuple[str, ...]
    denoiser: str
    cell_px: int = 8
    steps: int
    guidance: float
    half: str = "float16"
    largest_batch: int | None = None
    takes_mask: bool = True
    takes_negative: bool = True
    takes_reference: bool = False
    instructs: bool = False
    single_files: tuple[SingleFile, ...] = ()
    packages: tuple[str, ...] = ()

    def fits(self, index: Mapping[str, object], folder: Path) -> bool:
        """Return whether a model in the format of diffusers is of this family, by its `index` and its settings."""
        return self.classes.fullmatch(str(index.get("_class_name"))) is not None

    def check(self, options: DiffusionOptions) -> None:
        """Raise BadOption for an option that a model of this family cannot follow."""
        if options.tile_size is not None and options.tile_size % self.cell_px:
            raise BadOption(f"--tile_size must be a multiple of {self.cell_px} for {self.name}.")
        if options.negative_prompt is not None and not self.takes_negative:
            raise BadOption(f"--negative_prompt has no effect: {self.name} takes none.")

    def choose_sampling(self, options: DiffusionOptions) -> Sampling:
        """Return the sampling that the options set, with the defaults of the family where they set none."""
        raise NotImplementedError

    def count_steps(self, sampling: Sampling) -> int:
        """Return how many steps are taken, about, before a model is loaded."""
        raise NotImplementedError

    def find_native_size(self, pipeline: Any) -> int:
        """Return the side of the square pictures that a loaded model was trained on, in pixels."""
        raise NotImplementedError

    def prepare(
        self, pipeline: Any, settings: Any, jobs: Sequence[TileJob], sampling: Sampling, generators: Sequence[Any]
    ) -> Call:
        """Give the pipeline a new scheduler, made from the `settings` of the model's own, and return the call that
        paints tiles of one size, each with the generator of its noise.
        """
        raise NotImplementedError

    def choose_loading(self, folder: Path, *, is_file: bool) -> dict[str, Any]:
        """Return what loading the pipeline needs beside the place of the weights."""
        return {}


# ---- Stable Diffusion 1, 2, XL: U-Nets ---------------------------------------------------------------------


class _UNetFamily(Family):
    """What the U-Nets have in common: any scheduler, a mask, guidance with a negative prompt."""

    denoiser = "unet"
    networks: tuple[str, ...] = ("unet", "vae", "text_encoder")
    steps, guidance = DEFAULT_STEPS, DEFAULT_GUIDANCE

    def choose_sampling(self, options: DiffusionOptions) -> Sampling:
        few = options.scheduler in FEW_STEP_SCHEDULERS
        steps = options.steps or (FEW_STEPS if few else self.steps)
        guidance = (FEW_STEPS_GUIDANCE if few else self.guidance) if options.guidance is None else options.guidance
        return Sampling(options.scheduler, steps, guidance, options.strength)

    def count_steps(self, sampling: Sampling) -> int:
        return math.ceil(sampling.steps * sampling.strength)

    def find_native_size(self, pipeline: Any) -> int:
        return int(pipeline.unet.config.sample_size) * int(pipeline.vae_scale_factor)

    def prepare(
        self, pipeline: Any, settings: Any, jobs: Sequence[TileJob], sampling: Sampling, generators: Sequence[Any]
    ) -> Call:
        pipeline.scheduler = make_scheduler(settings, sampling)
        steps, strength = choose_start(pipeline.scheduler, sampling)
        arguments = {
            **_describe_squares(jobs),
            "strength": strength,
            "num_inference_steps": steps,
            "guidance_scale": sampling.guidance,
        }
        return Call(arguments, int(steps * strength))  # as the pipeline counts them


class StableDiffusion1(_UNetFamily):
    """Stable Diffusion 1: tiles of 512 px, made for inpainting or not."""

    name = "Stable Diffusion 1"
    models: Mapping[str, ModelFacts] = {DEFAULT_MODEL: ModelFacts("CreativeML OpenRAIL-M", 2.1, 2.1, 1.8)}
    classes = re.compile(r"StableDiffusion(Inpaint|Img2Img)?Pipeline")
    pipeline = "StableDiffusionInpaintPipeline"
    single_files: tuple[SingleFile, ...] = (
        SingleFile("cond_stage_model.transformer.", 9, DEFAULT_MODEL),
        SingleFile("cond_stage_model.transformer.", 4, "stable-diffusion-v1-5/stable-diffusion-v1-5"),
    )

    def choose_loading(self, folder: Path, *, is_file: bool) -> dict[str, Any]:
        # The safety checker is of no use for parts of a face, but it stays where somebody has its weights.
        if is_file:
            return {"safety_checker": None, "feature_extractor": None}
        if any((folder / "safety_checker").glob("*.safetensors")):
            return {}
        return {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}


class StableDiffusion2(StableDiffusion1):
    """Stable Diffusion 2: the pipeline of 1 with a larger text encoder."""

    name = "Stable Diffusion 2"
    models: Mapping[str, ModelFacts] = {SD2_MODEL: ModelFacts("CreativeML Open RAIL++-M", 2.6, 2.6, 1.8)}
    single_files = (SingleFile("cond_stage_model.model.", 9, SD2_MODEL),)

    def fits(self, index: Mapping[str, object], folder: Path) -> bool:
        return super().fits(index, folder) and _read_settings(folder / "text_encoder").get("hidden_size") == 1024


class StableDiffusionXL(_UNetFamily):
    """Stable Diffusion XL: tiles of 1024 px, two text encoders."""

    name = "Stable Diffusion XL"
    models: Mapping[str, ModelFacts] = {SDXL_MODEL: ModelFacts("CreativeML Open RAIL++-M", 7, 7, 5.2)}
    classes = re.compile(r"StableDiffusionXL(Inpaint|Img2Img)?Pipeline")
    pipeline = "StableDiffusionXLInpaintPipeline"
    networks = ("unet", "vae", "text_encoder", "text_encoder_2")
    single_files = (
        SingleFile("conditioner.embedders.1.", 9, SDXL_MODEL),
        SingleFile("conditioner.embedders.1.", 4, "stabilityai/stable-diffusion-xl-base-1.0"),
    )


# ---- flow models: transformers -----------------------------------------------------------------------------


class _FlowFamily(Family):
    """What the flow models have in common: tiles of 1024 px on a grid of 16 px, one scheduler, levels given by us."""

    denoiser = "transformer"
    networks: tuple[str, ...] = ("transformer", "vae", "text_encoder")
    cell_px = 16
    half = "bfloat16"  # in float16 the numbers of these transformers overflow

    def check(self, options: DiffusionOptions) -> None:
        super().check(options)
        if options.scheduler != DiffusionOptions.scheduler:
            raise BadOption(
                f"--scheduler {options.scheduler} has no effect: {self.name} has one of its own; leave it away."
            )

    def choose_sampling(self, options: DiffusionOptions) -> Sampling:
        guidance = self.guidance if options.guidance is None else options.guidance
        return Sampling("flow", options.steps or self.steps, guidance, options.strength)

    def count_steps(self, sampling: Sampling) -> int:
        return len(flow_levels(sampling.strength, sampling.steps, 1.0))

    def find_native_size(self, pipeline: Any) -> int:
        return 1024

    def find_mu(self, tokens: int, steps: int) -> float | None:
        """Return the exponent of the shift where the family has a formula of its own for it, else None."""
        return None

    def _choose_levels(self, settings: Any, size: int, sampling: Sampling) -> list[float]:
        tokens = (size // self.cell_px) ** 2
        shift = find_shift(settings, tokens, self.find_mu(tokens, sampling.steps))
        return flow_levels(sampling.strength, sampling.steps, shift, settings.get("shift_terminal") or 0.0)

    def _set_noise(self, pipeline: Any, settings: Any, jobs: Sequence[TileJob], sampling: Sampling) -> dict[str, Any]:
        """Give the pipeline its scheduler; return the arguments that say how much noise there is at each step."""
        pipeline.scheduler = make_flow_scheduler(settings)
        levels = self._choose_levels(settings, jobs[0].image.shape[0], sampling)
        # At a strength of 1 these pipelines mix the picture with noise as the first level says, whatever it is.
        return {"sigmas": levels, "num_inference_steps": len(levels), "strength": 1.0}


class StableDiffusion3(_FlowFamily):
    """Stable Diffusion 3 and 3.5."""

    name = "Stable Diffusion 3.5"
    models: Mapping[str, ModelFacts] = {
        "stabilityai/stable-diffusion-3.5-medium": ModelFacts(_STABILITY, 16, 16, 9.6),
        "stabilityai/stable-diffusion-3.5-large": ModelFacts(_STABILITY, 28, 28, 16.3),
    }
    classes = re.compile(r"StableDiffusion3(Inpaint|Img2Img)?Pipeline")
    pipeline = "StableDiffusion3InpaintPipeline"
    networks = ("transformer", "vae", "text_encoder", "text_encoder_2", "text_encoder_3")
    steps, guidance = 28, 4.5

    def choose_loading(self, folder: Path, *, is_file: bool) -> dict[str, Any]:
        # The third one is by far the largest; a model may be saved without it.
        has_third = (folder / "text_encoder_3").is_dir()
        return {} if has_third else {"text_encoder_3": None, "tokenizer_3": None}

    def prepare(
        self, pipeline: Any, settings: Any, jobs: Sequence[TileJob], sampling: Sampling, generators: Sequence[Any]
    ) -> Call:
        noise = self._set_noise(pipeline, settings, jobs, sampling)
        if sampling.strength < 1:
            # Only this pipeline takes pure noise at 1; just below it takes all steps, too, from the picture.
            noise["strength"] = 0.9999
        arguments = {
            **_describe_squares(jobs),
            **noise,
            "guidance_scale": sampling.guidance,
        }
        return Call(arguments, noise["num_inference_steps"])


class ZImage(_FlowFamily):
    """Z-Image-Turbo: few steps without guidance."""

    name = "Z-Image-Turbo"
    models: Mapping[str, ModelFacts] = {"Tongyi-MAI/Z-Image-Turbo": ModelFacts("Apache-2.0", 33, 20.5, 12.3)}
    classes = re.compile(r"ZImage(Inpaint|Img2Img)?Pipeline")
    pipeline = "ZImageInpaintPipeline"
    steps, guidance = 8, 1.0

    def prepare(
        self, pipeline: Any, settings: Any, jobs: Sequence[TileJob], sampling: Sampling, generators: Sequence[Any]
    ) -> Call:
        noise = self._set_noise(pipeline, settings, jobs, sampling)
        arguments = {
            **_describe_squares(jobs),
            **noise,
            # Here 0 is no guidance; elsewhere that is 1.
            "guidance_scale": max(sampling.guidance - 1, 0.0),
        }
        return Call(arguments, noise["num_inference_steps"])


class Klein(_FlowFamily):
    """FLUX.2 klein, distilled to four steps; it sees the draft beside the noise, and another photo if there is one."""

    name = "FLUX.2 klein"
    models: Mapping[str, ModelFacts] = {"black-forest-labs/FLUX.2-klein-4B": ModelFacts("Apache-2.0", 16, 16, 8.1)}
    classes = re.compile(r"Flux2Klein(Inpaint)?Pipeline")
    pipeline = "Flux2KleinInpaintPipeline"
    steps, guidance = 4, 1.0
    takes_negative, takes_reference, instructs = False, True, True
    _is_distilled = True

    def fits(self, index: Mapping[str, object], folder: Path) -> bool:
        return super().fits(index, folder) and bool(index.get("is_distilled")) == self._is_distilled

    def find_mu(self, tokens: int, steps: int) -> float | None:
        from diffusers.pipelines.flux2.pipeline_flux2_klein_inpaint import compute_empirical_mu

        return float(compute_empirical_mu(image_seq_len=tokens, num_steps=steps))

    def prepare(
        self, pipeline: Any, settings: Any, jobs: Sequence[TileJob], sampling: Sampling, generators: Sequence[Any]
    ) -> Call:
        noise = self._set_noise(pipeline, settings, jobs, sampling)
        # This pipeline takes the size of the pictures.
        arguments = {
            **_describe_tiles(jobs),
            **noise,
            "guidance_scale": sampling.guidance,
        }
        if jobs[0].reference is not None:
            # Of several it would give each picture all of them, so such a tile comes alone.
            arguments["image_reference"] = [Image.fromarray(jobs[0].reference)]
        return Call(arguments, noise["num_inference_steps"])


class KleinBase(Klein):
    """FLUX.2 klein before its distillation: many steps with guidance."""

    name = "FLUX.2 klein base"
    models: Mapping[str, ModelFacts] = {"black-forest-labs/FLUX.2-klein-base-4B": ModelFacts("Apache-2.0", 16, 16, 8.1)}
    steps, guidance = 28, 4.0
    _is_distilled = False


class QwenImageEdit(_FlowFamily):
    """Qwen-Image-Edit-2509 and 2511: an editor without a mask, which paints the whole tile anew."""

    name = "Qwen-Image-Edit"
    models: Mapping[str, ModelFacts] = {"Qwen/Qwen-Image-Edit-2511": ModelFacts("Apache-2.0", 58, 58, 41)}
    classes = re.compile(r"QwenImageEditPlusPipeline")
    pipeline = "QwenImageEditPlusPipeline"
    steps, guidance = 40, 4.0
    largest_batch = 1
    takes_mask, takes_reference, instructs = False, True, True
    packages = ("torchvision",)

    def prepare(
        self, pipeline: Any, settings: Any, jobs: Sequence[TileJob], sampling: Sampling, generators: Sequence[Any]
    ) -> Call:
        pipeline.scheduler = make_flow_scheduler(settings)
        (job,), (generator,) = jobs, generators
        size = job.image.shape[0]
        picture = Image.fromarray(job.image)
        levels = self._choose_levels(settings, size, sampling)
        arguments = {
            "image": [picture],
            "prompt": job.prompt,
            "height": size,
            "width": size,
            "sigmas": levels,
            "num_inference_steps": len(levels),
            "true_cfg_scale": sampling.guidance,
            "latents": _mix_qwen_latents(pipeline, picture, levels[0], generator),
        }
        if job.reference is not None:
            arguments["image"] = [picture, Image.fromarray(job.reference)]
        if sampling.guidance > 1:
            # Without one there is no guidance, whatever its scale.
            arguments["negative_prompt"] = job.negative_prompt or " "
        return Call(arguments, len(levels))


def _mix_qwen_latents(pipeline: Any, picture: Image.Image, level: float, generator: Any) -> Any:
    """The latents to start from, a picture with noise of a `level`, 0 … 1: the pipeline itself starts from pure noise.

    They are packed as the pipeline packs them: (1, patches, 4 · channels).
    """
    import torch
    from diffusers.utils.torch_utils import randn_tensor

    device, dtype = pipeline._execution_device, pipeline.text_encoder.dtype
    with torch.no_grad():
        pixels = pipeline.image_processor.preprocess(picture, picture.height, picture.width).unsqueeze(2)
        clean = pipeline._encode_vae_image(pixels.to(device, dtype), generator)
    noise = randn_tensor(clean.shape, generator=generator, device=device, dtype=dtype)
    mixed = level * noise + (1 - level) * clean
    return pipeline._pack_latents(mixed, 1, mixed.shape[1], *mixed.shape[-2:])


# ---- all of them -------------------------------------------------------------------------------------------

STABLE_DIFFUSION_1 = StableDiffusion1()
FAMILIES: tuple[Family, ...] = (
    # The first one that fits counts, so those that look closer come first.
    StableDiffusion2(), STABLE_DIFFUSION_1, StableDiffusionXL(), StableDiffusion3(), Klein(), KleinBase(), ZImage(),
    QwenImageEdit(),
)  # fmt: skip
NAMES = "Stable Diffusion 1, 2, XL or 3.5, FLUX.2 klein, Z-Image-Turbo or Qwen-Image-Edit"
"""The names of all families, for a sentence."""


def find_family(index: Mapping[str, object], folder: Path) -> Family | None:
    """Return the family of the model in `folder`, whose `model_index.json` holds `index`; None if it is of none."""
    return next((family for family in FAMILIES if family.fits(index, folder)), None)


def describe_model(model: str) -> str:
    """Return the size of the download of a model, and its licence, as text."""
    facts = next((family.models[model] for family in FAMILIES if model in family.models), None)
    if facts is None:
        return "size and licence: see its page on the Hugging Face hub"
    return f"about {facts.download_gb:g} GB, licence {facts.licence}"


def _describe_tiles(jobs: Sequence[TileJob]) -> dict[str, Any]:
    """The pictures, masks and prompts of tiles, as the inpainting pipelines take them."""
    return {
        "image": [Image.fromarray(job.image) for job in jobs],
        "mask_image": [Image.fromarray(job.mask) for job in jobs],
        "prompt": [job.prompt for job in jobs],
    }


def _describe_squares(jobs: Sequence[TileJob]) -> dict[str, Any]:
    """The same, with negative prompts and sizes for the pipelines that take these, too."""
    size = jobs[0].image.shape[0]
    return {
        **_describe_tiles(jobs),
        "negative_prompt": [job.negative_prompt for job in jobs],
        "height": size,
        "width": size,
    }


def _read_settings(folder: Path) -> dict[str, Any]:
    """The settings of one network; empty where they cannot be read."""
    try:
        settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return settings if isinstance(settings, dict) else {}
