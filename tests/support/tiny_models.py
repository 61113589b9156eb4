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


def save_tiny_file(folder: Path) -> Path:
    """Save a tiny model as one `.safetensors` file with the names of the original code, its settings beside it.

    Returns the path of the file; the same model lies in `folder / "whole"` in the format of diffusers.
    """
    from diffusers import UNet2DConditionModel
    from safetensors.torch import save_file

    pipeline = make_tiny()
    # The names of a single file presume four levels of two blocks each.
    pipeline.unet = UNet2DConditionModel(
        sample_size=TILE_PX // 8,
        in_channels=9,
        out_channels=4,
        block_out_channels=(8, 16, 16, 16),
        cross_attention_dim=32,
        attention_head_dim=8,
        norm_num_groups=8,
    )
    pipeline.save_pretrained(folder / "whole")
    pipeline.save_pretrained(folder / "model")
    for path in (folder / "model").rglob("*.safetensors"):
        path.unlink()
    arrays = {f"model.diffusion_model.{_name_unet(key)}": array for key, array in pipeline.unet.state_dict().items()}
    for key, array in pipeline.vae.state_dict().items():
        is_attention = "attentions" in key and array.ndim == 2
        arrays[f"first_stage_model.{_name_vae(key)}"] = array[:, :, None, None] if is_attention else array
    for key, array in pipeline.text_encoder.state_dict().items():
        arrays[f"cond_stage_model.transformer.text_model.{key.removeprefix('text_model.')}"] = array
    file = folder / "model.safetensors"
    save_file({key: array.contiguous().clone() for key, array in arrays.items()}, file)
    return file


def _replace_all(text: str, *pairs: tuple[str, str]) -> str:
    for old, new in pairs:
        text = text.replace(old, new)
    return text


def _name_unet(key: str) -> str:
    """The name that the original code gives to a weight of a U-Net of diffusers."""
    part, *rest = key.split(".")
    if part == "mid_block":
        kind, index, *inner = rest
        number = 2 * int(index) if kind == "resnets" else 1
        return _name_block(f"middle_block.{number}", inner)
    if part not in {"down_blocks", "up_blocks"}:
        return _replace_all(
            key,
            ("time_embedding.linear_1", "time_embed.0"),
            ("time_embedding.linear_2", "time_embed.2"),
            ("conv_in", "input_blocks.0.0"),
            ("conv_norm_out", "out.0"),
            ("conv_out", "out.2"),
        )
    level, kind, index, *inner = rest
    place = {"resnets": 0, "attentions": 1}.get(kind)
    if part == "down_blocks":
        if place is None:
            return f"input_blocks.{3 * (int(level) + 1)}.0.op.{inner[-1]}"
        return _name_block(f"input_blocks.{3 * int(level) + int(index) + 1}.{place}", inner)
    if place is None:
        return f"output_blocks.{3 * int(level) + 2}.{1 if level == '0' else 2}.conv.{inner[-1]}"
    return _name_block(f"output_blocks.{3 * int(level) + int(index)}.{place}", inner)


def _name_block(place: str, inner: list[str]) -> str:
    names = {
        "norm1": "in_layers.0", "conv1": "in_layers.2", "norm2": "out_layers.0", "conv2": "out_layers.3",
        "time_emb_proj": "emb_layers.1", "conv_shortcut": "skip_connection",
    }  # fmt: skip
    return ".".join([place, names.get(inner[0], inner[0]), *inner[1:]])


def _name_vae(key: str) -> str:
    """The name that the original code gives to a weight of an autoencoder of diffusers with four levels."""
    key = _replace_all(
        key,
        ("conv_shortcut", "nin_shortcut"),
        ("conv_norm_out", "norm_out"),
        ("mid_block.resnets.0", "mid.block_1"),
        ("mid_block.resnets.1", "mid.block_2"),
    )
    for level in range(4):
        key = _replace_all(
            key,
            (f"down_blocks.{level}.resnets", f"down.{level}.block"),
            (f"down_blocks.{level}.downsamplers.0", f"down.{level}.downsample"),
            (f"up_blocks.{level}.resnets", f"up.{3 - level}.block"),
            (f"up_blocks.{level}.upsamplers.0", f"up.{3 - level}.upsample"),
        )
    if "mid_block.attentions.0" not in key:
        return key
    return _replace_all(
        key,
        ("mid_block.attentions.0", "mid.attn_1"), ("group_norm", "norm"), ("to_out.0", "proj_out"),
        ("to_q", "q"), ("to_k", "k"), ("to_v", "v"),
    )  # fmt: skip
