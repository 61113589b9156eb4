"""Makes Stable Diffusion inpainting models with random weights: right in every shape, and of no use for pictures.

    python -m benchmark.random_model FOLDER [--full]

Speed and memory do not depend on the weights, and a tiny one tries out in a second what a real one would take minutes
for. The tiny model weighs about 1 MB, the full one has the shape of Stable Diffusion 1.5.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

TRAIN_STEPS = 1000
SCHEDULE = {
    "num_train_timesteps": TRAIN_STEPS,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "steps_offset": 1,
}
"""The noise schedule of Stable Diffusion."""

_TINY_UNET = {
    "block_out_channels": (16, 32),
    "layers_per_block": 1,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
    "cross_attention_dim": 32,
    "attention_head_dim": 8,
    "norm_num_groups": 8,
}
_FULL_UNET = {"cross_attention_dim": 768}  # the others are the defaults of diffusers
# Four blocks make a latent stand for 8 × 8 pixels.
_TINY_VAE = {"block_out_channels": (8, 8, 8, 8), "layers_per_block": 1, "norm_num_groups": 4}
_FULL_VAE = {"block_out_channels": (128, 256, 512, 512), "layers_per_block": 2}
_TINY_TEXT = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
_FULL_TEXT = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
_TOKENS = 77
_TILE_LATENTS = 64


def make_pipeline(full: bool = False, seed: int = 0) -> Any:
    """A `StableDiffusionInpaintPipeline` of diffusers in float32 on the CPU, without a safety checker."""
    import torch
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionInpaintPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(seed)
    tokenizer = _make_tokenizer()
    unet = UNet2DConditionModel(
        sample_size=_TILE_LATENTS, in_channels=9, out_channels=4, **(_FULL_UNET if full else _TINY_UNET)
    )
    blocks = 4
    vae = AutoencoderKL(
        sample_size=_TILE_LATENTS * 8,
        latent_channels=4,
        down_block_types=("DownEncoderBlock2D",) * blocks,
        up_block_types=("UpDecoderBlock2D",) * blocks,
        **(_FULL_VAE if full else _TINY_VAE),
    )
    text = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            max_position_embeddings=_TOKENS,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
            **(_FULL_TEXT if full else _TINY_TEXT),
        )
    )
    return StableDiffusionInpaintPipeline(
        vae=vae,
        text_encoder=text,
        tokenizer=tokenizer,
        unet=unet,
        scheduler=DDIMScheduler(**SCHEDULE, clip_sample=False, set_alpha_to_one=False),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def _make_tokenizer() -> Any:
    """CLIP's tokenizer with a vocabulary of single bytes and no merges."""
    from transformers import CLIPTokenizer

    letters = list(list_byte_letters())
    words = [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        (path / "vocab.json").write_text(json.dumps({word: number for number, word in enumerate(words)}))
        (path / "merges.txt").write_text("#version: 0.2\n")
        (path / "tokenizer_config.json").write_text(
            json.dumps({"tokenizer_class": "CLIPTokenizer", "model_max_length": _TOKENS})
        )
        return CLIPTokenizer.from_pretrained(folder)


def list_byte_letters() -> list[str]:
    """Return a printable letter for each of the 256 bytes, as byte-level vocabularies write them."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = iter(range(256, 512))
    return [chr(byte) if byte in plain else chr(next(others)) for byte in range(256)]


def main() -> None:
    """Save a model to a folder, for `--model`."""
    parser = argparse.ArgumentParser(description="Make an inpainting model with random weights.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--full", action="store_true", help="as large as Stable Diffusion 1.5")
    parsed = parser.parse_args()
    make_pipeline(parsed.full).save_pretrained(parsed.folder)


if __name__ == "__main__":
    main()
