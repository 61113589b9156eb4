"""Chooses what paints: the draft engine, or Stable Diffusion where it can run."""

from __future__ import annotations

import importlib.metadata
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from draft_engine import DraftEngine
from photo_types import Engine, MissingModel, MissingPackage, Options
from weights import (
    INSTALL,
    check_packages,
    describe_model,
    download_command,
    fetch_adapter,
    fetch_weights,
    find_weights,
    set_up_hub,
)

# Without any of these no graphics card that torch can use is in a Linux machine; torch takes seconds to say so.
_CARDS = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/kfd", "/dev/dxg", "/dev/nvmap")


def choose_engine(options: Options, *, quiet: bool = False) -> tuple[Engine, str]:
    """Return the engine that `options.engine` means here, and in words why `auto` did not take Stable Diffusion.

    Weights that are wanted and not here are downloaded, unless `options.offline`; nothing is loaded yet. Raises
    MissingPackage, MissingModel or BadOption.
    """
    draft = DraftEngine(eye_color=options.eye_color, seed=options.seed)
    if options.engine == "draft":
        return draft, ""
    set_up_hub(offline=options.offline, quiet=quiet)
    if options.engine == "stable-diffusion":
        return _make_diffusion_engine(options, draft), ""
    why = _find_obstacle(options)
    if not why:
        try:
            return _make_diffusion_engine(options, draft), ""
        except MissingModel as error:
            why = str(error)
    return draft, f"Painted by the draft engine, not by Stable Diffusion: {why}"


def _make_diffusion_engine(options: Options, draft: Engine) -> Engine:
    check_packages()
    weights = fetch_weights(options.model, offline=options.offline)
    adapter = None if options.lora is None else fetch_adapter(options.lora, offline=options.offline)
    from diffusion import LoadOptions, load_painter
    from inpaint import StableDiffusionEngine

    wanted = LoadOptions(weights, options.device, adapter, options.low_vram, options.compile)
    return StableDiffusionEngine(options, draft, lambda: load_painter(wanted))


@dataclass(frozen=True)
class DiffusionState:
    """Whether Stable Diffusion can paint without fetching anything; `why` not, as a sentence."""

    is_ready: bool
    has_card: bool
    why: str


def look_at_diffusion(options: Options) -> DiffusionState:
    """Find out, without loading or fetching anything, whether Stable Diffusion can paint here."""
    why = _find_obstacle(replace(options, offline=True))
    return DiffusionState(not why, not why and _has_graphics_card(), why)


def _find_obstacle(options: Options) -> str:
    """Why Stable Diffusion should not be tried unasked, and how to get it; empty when nothing is in the way."""
    fetch = f"{download_command(options.model)} ({describe_model(options.model)})"
    try:
        check_packages()
    except MissingPackage:
        return f"its packages are not installed; to have it run {INSTALL}, then {fetch}."
    if find_weights(options.model) is not None or (not options.offline and _has_graphics_card()):
        return ""
    return f"its weights are not on this machine; to fetch them run {fetch}."


def _has_graphics_card() -> bool:
    if importlib.metadata.version("torch").endswith("+cpu"):
        return False
    if sys.platform == "linux" and not any(Path(card).exists() for card in _CARDS):
        return False
    import torch

    return bool(torch.cuda.is_available() or torch.backends.mps.is_available())
