"""Stable Diffusion models of about a megabyte with random weights, saved as real ones are: fast, and useless as art."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmark.random_model import make_pipeline

TILE_PX = 64
"""The native size of the tiny models."""


def make_tiny(seed: int = 0) -> Any:
    """A pipeline like that of Stable Diffusion 1.5 inpainting, whose native size is 64 px."""
    pipeline = make_pipeline(seed=seed)
    pipeline.unet.register_to_config(sample_size=TILE_PX // 8)
    return pipeline


def make_tiny_xl(seed: int = 0) -> Any:
    """A pipeline like that of Stable Diffusion XL inpainting, whose native size is 64 px."""
    import torch
    from diffusers import StableDiffusionXLInpaintPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    small = make_tiny(seed)
    torch.manual_seed(seed)
    config = CLIPTextConfig.from_dict({**small.text_encoder.config.to_dict(), "projection_dim": 32})
    unet = UNet2DConditionModel(
        sample_size=TILE_PX // 8,
        in_channels=9,
        out_channels=4,
        block_out_channels=(16, 32),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=(2, 4),
        norm_num_groups=8,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        transformer_layers_per_block=(1, 2),
        projection_class_embeddings_input_dim=80,  # six sizes of eight numbers and the 32 of the pooled text
        cross_attention_dim=64,  # both text encoders side by side
    )
    return StableDiffusionXLInpaintPipeline(
        vae=small.vae,
        text_encoder=CLIPTextModel(config),
        text_encoder_2=CLIPTextModelWithProjection(config),
        tokenizer=small.tokenizer,
        tokenizer_2=small.tokenizer,
        unet=unet,
        scheduler=small.scheduler,
    )


def save_tiny(folder: Path, *, xl: bool = False, variant: str | None = None) -> Path:
    """Save a tiny model into a folder that `--model` takes; return the folder."""
    import torch

    pipeline = make_tiny_xl() if xl else make_tiny()
    if variant == "fp16":
        pipeline.to(torch.float16)
    pipeline.save_pretrained(folder, variant=variant)
    return folder
