"""Flow models of about a megabyte with random weights, one of each family, built without a download.

Each builder returns a pipeline as the real model's folder names it, so that loading it proves that the family takes
such a folder.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmark.random_model import list_byte_letters
from tests.support.tiny_models import make_tiny

_TOKENS = [
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>",
    "<|video_pad|>",
]  # fmt: skip
_CHAT = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def make_tiny_klein(seed: int = 0) -> Any:
    """A pipeline like that of FLUX.2 klein."""
    import torch
    from diffusers import AutoencoderKLFlux2, Flux2KleinPipeline, Flux2Transformer2DModel

    tokenizer = _make_qwen_tokenizer()
    torch.manual_seed(seed)
    transformer = Flux2Transformer2DModel(
        in_channels=16, num_layers=1, num_single_layers=1, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=48, timestep_guidance_channels=32, axes_dims_rope=(4, 4, 4, 4), guidance_embeds=False,
    )  # fmt: skip
    vae = AutoencoderKLFlux2(block_out_channels=(8, 8, 8, 8), layers_per_block=1, latent_channels=4, norm_num_groups=4)
    return Flux2KleinPipeline(
        scheduler=_make_scheduler(use_dynamic_shifting=True, shift=3.0),
        vae=vae,
        text_encoder=_make_qwen3(len(tokenizer), layers=28),  # the pipeline reads the layers 9, 18 and 27
        tokenizer=tokenizer,
        transformer=transformer,
        is_distilled=True,
    )


def make_tiny_z_image(seed: int = 0) -> Any:
    """A pipeline like that of Z-Image-Turbo."""
    import torch
    from diffusers import ZImagePipeline, ZImageTransformer2DModel

    tokenizer = _make_qwen_tokenizer()
    torch.manual_seed(seed)
    transformer = ZImageTransformer2DModel(
        in_channels=16, dim=32, n_layers=1, n_refiner_layers=1, n_heads=2, n_kv_heads=2, cap_feat_dim=16,
        axes_dims=[4, 6, 6], axes_lens=[1024, 64, 64],
    )  # fmt: skip
    return ZImagePipeline(
        scheduler=_make_scheduler(use_dynamic_shifting=False, shift=3.0),
        vae=_make_vae(16),
        text_encoder=_make_qwen3(len(tokenizer), layers=2),
        tokenizer=tokenizer,
        transformer=transformer,
    )


def make_tiny_sd3(seed: int = 0) -> Any:
    """A pipeline like that of Stable Diffusion 3.5, without its third text encoder, which it can do without."""
    import torch
    from diffusers import SD3Transformer2DModel, StableDiffusion3Pipeline
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection

    small = make_tiny(seed)
    config = CLIPTextConfig.from_dict({**small.text_encoder.config.to_dict(), "projection_dim": 32})
    transformer = SD3Transformer2DModel(
        sample_size=32, patch_size=2, in_channels=16, num_layers=1, attention_head_dim=8, num_attention_heads=4,
        joint_attention_dim=64, caption_projection_dim=32, pooled_projection_dim=64, out_channels=16,
        pos_embed_max_size=32,
    )  # fmt: skip
    torch.manual_seed(seed + 1)
    return StableDiffusion3Pipeline(
        transformer=transformer,
        scheduler=_make_scheduler(use_dynamic_shifting=False, shift=3.0),
        vae=_make_vae(16),
        text_encoder=CLIPTextModelWithProjection(config),
        tokenizer=small.tokenizer,
        text_encoder_2=CLIPTextModelWithProjection(config),
        tokenizer_2=small.tokenizer,
        text_encoder_3=None,
        tokenizer_3=None,
    )


def make_tiny_qwen_edit(seed: int = 0) -> Any:
    """A pipeline like that of Qwen-Image-Edit-2511.

    It cannot be saved: the real processor of texts and pictures needs torchvision, so this one has a stand-in.
    """
    import torch
    from diffusers import AutoencoderKLQwenImage, QwenImageEditPlusPipeline, QwenImageTransformer2DModel
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    tokenizer = _make_qwen_tokenizer()
    names = {name: tokenizer.convert_tokens_to_ids(name) for name in _TOKENS}
    torch.manual_seed(seed)
    config = Qwen2_5_VLConfig(
        text_config={
            "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
            "num_key_value_heads": 2, "vocab_size": len(tokenizer), "max_position_embeddings": 4096,
            "rope_scaling": {"mrope_section": [1, 1, 2], "rope_type": "default", "type": "default"},
            "rope_theta": 1_000_000.0,
        },
        vision_config={
            "depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": 16,
            "fullatt_block_indexes": [0],
        },
        hidden_size=16, vocab_size=len(tokenizer), image_token_id=names["<|image_pad|>"],
        video_token_id=names["<|video_pad|>"], vision_start_token_id=names["<|vision_start|>"],
        vision_end_token_id=names["<|vision_end|>"],
    )  # fmt: skip
    vae = AutoencoderKLQwenImage(
        base_dim=6, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1, temperal_downsample=[False, True, True]
    )
    transformer = QwenImageTransformer2DModel(
        patch_size=2, in_channels=64, out_channels=16, num_layers=1, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=16, axes_dims_rope=(4, 6, 6),
    )  # fmt: skip
    return QwenImageEditPlusPipeline(
        scheduler=_make_scheduler(use_dynamic_shifting=True, base_shift=0.5, max_shift=0.9, shift_terminal=0.02),
        vae=vae,
        text_encoder=Qwen2_5_VLForConditionalGeneration(config),
        tokenizer=tokenizer,
        processor=_PlainProcessor(tokenizer),
        transformer=transformer,
    )


class _PlainProcessor:
    """Turns texts and pictures into the input of a vision language model, without videos."""

    def __init__(self, tokenizer: Any) -> None:
        from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

        self._tokenizer, self._pictures = tokenizer, Qwen2VLImageProcessorPil()

    def __call__(self, text: list[str], images: list[Any], **arguments: Any) -> Any:
        """Return token ids, pixels and the grid of each picture; a picture has one token for each merged patch."""
        from transformers import BatchFeature

        pictures = self._pictures(images=images, return_tensors="pt")
        counts = [int(grid.prod()) // self._pictures.merge_size**2 for grid in pictures["image_grid_thw"]]
        first, *rest = text[0].split("<|image_pad|>")
        whole = first + "".join("<|image_pad|>" * count + part for count, part in zip(counts, rest, strict=True))
        return BatchFeature({**self._tokenizer([whole], return_tensors="pt"), **pictures})


BUILDERS: dict[str, Callable[[], Any]] = {
    "Stable Diffusion 3.5": make_tiny_sd3,
    "FLUX.2 klein": make_tiny_klein,
    "Z-Image-Turbo": make_tiny_z_image,
}
"""The builders of tiny models that can be saved, by the name of the family."""


def _make_scheduler(**settings: object) -> Any:
    from diffusers import FlowMatchEulerDiscreteScheduler

    return FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000, **settings)


def _make_vae(channels: int) -> Any:
    """An autoencoder with `channels` latent channels whose latents stand for 8 × 8 pixels."""
    from diffusers import AutoencoderKL

    blocks = 4
    return AutoencoderKL(
        latent_channels=channels, block_out_channels=(8,) * blocks, layers_per_block=1, norm_num_groups=4,
        down_block_types=("DownEncoderBlock2D",) * blocks, up_block_types=("UpDecoderBlock2D",) * blocks,
        scaling_factor=0.36, shift_factor=0.11, use_quant_conv=False, use_post_quant_conv=False,
    )  # fmt: skip


def _make_qwen3(words: int, layers: int) -> Any:
    """A language model like Qwen3."""
    from transformers import Qwen3Config, Qwen3ForCausalLM

    config = Qwen3Config(
        vocab_size=words, hidden_size=16, intermediate_size=16, num_hidden_layers=layers, num_attention_heads=2,
        num_key_value_heads=2, head_dim=8, max_position_embeddings=1024,
    )  # fmt: skip
    return Qwen3ForCausalLM(config)


def _make_qwen_tokenizer() -> Any:
    """Qwen's tokenizer with a vocabulary of single bytes and no merges."""
    from transformers import Qwen2Tokenizer

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        words = {letter: number for number, letter in enumerate([*list_byte_letters(), *_TOKENS])}
        (path / "vocab.json").write_text(json.dumps(words))
        (path / "merges.txt").write_text("#version: 0.2\n")
        settings = {
            "tokenizer_class": "Qwen2Tokenizer", "model_max_length": 1024, "chat_template": _CHAT,
            "pad_token": "<|endoftext|>", "eos_token": "<|im_end|>", "unk_token": "<|endoftext|>",
            "additional_special_tokens": _TOKENS,
        }  # fmt: skip
        (path / "tokenizer_config.json").write_text(json.dumps(settings))
        return Qwen2Tokenizer.from_pretrained(folder)
