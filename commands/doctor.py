"""Says what this machine can run: packages, device, memory, weights, and what to do next. It loads no model."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from diffusion.families import FAMILIES, Family, ModelFacts
from diffusion.weights import INSTALL, PACKAGES, download_command, find_weights
from edit.options import DEFAULT_MODEL, DiffusionOptions
from photo.errors import MissingModel
from photo.missing import ROOT
from photo.tool import read_version

# The names of distributions; of the two of OpenCV either will do.
_NEEDED = {"OpenCV": ("opencv-contrib-python", "opencv-python"), "MediaPipe": ("mediapipe",), "NumPy": ("numpy",)}
_OPTIONAL = {"peft": "--lora", "torchvision": "Qwen-Image-Edit", "gradio": "the page", "jpeglib": "lossless JPEG"}
# Beside the weights: activations and the working memory of the device, in gigabytes, and in ratio to the weights.
_WORKING_GB, _WORKING_RATIO = 1.5, 1.15
_GB = 1e9


@dataclass(frozen=True)
class Machine:
    """What a machine has: the kind of its device (`cuda`, `mps` or `cpu`; empty without torch), the name of that, and
    its memory and that of the computer in gigabytes; None where it cannot be found out. `is_half_fast` says whether the
    processor computes in half precision."""

    device: str
    device_name: str
    device_gb: float | None
    memory_gb: float | None
    is_half_fast: bool = False


def examine(options: DiffusionOptions) -> str:
    """Return a table of what is installed, what was found and what can run here, as lines, with the next step last."""
    machine = look_at_machine()
    lines = [*_list_packages(), "", *_list_machine(machine), "", *_list_models(machine), ""]
    return "\n".join([*lines, advise(options, machine)])


def look_at_machine() -> Machine:
    """Return what this machine has."""
    memory = _read_memory_gb()
    if importlib.util.find_spec("torch") is None:
        return Machine("", "", None, memory)
    import torch

    if torch.cuda.is_available():
        card = torch.cuda.get_device_properties(0)
        return Machine("cuda", str(card.name), card.total_memory / _GB, memory)
    if torch.backends.mps.is_available():
        return Machine("mps", "Apple graphics", memory, memory)
    flags = _read_text(Path("/proc/cpuinfo"))
    name = next((line.partition(":")[2].strip() for line in flags.splitlines() if line.startswith("model name")), "")
    is_half_fast = "avx512_bf16" in flags or "amx_bf16" in flags
    cores = f"{os.cpu_count()} cores" if os.cpu_count() else ""
    return Machine("cpu", ", ".join(filter(None, [name or "processor", cores])), memory, memory, is_half_fast)


def judge_fit(facts: ModelFacts, machine: Machine) -> str:
    """Return whether a model fits into the memory of a machine, as a few words, estimated from the sizes of weights."""
    if not machine.device:
        return "needs its packages first"
    if machine.device_gb is None:
        return "unknown: the memory cannot be found out"
    # In half precision on graphics cards, and on processors that are quick at it.
    width = 2 if machine.device == "cpu" and not machine.is_half_fast else 1
    if _fits(width * facts.memory_gb, machine.device_gb):
        return "yes" if machine.device != "cpu" else "yes, but in minutes for a face"
    if machine.device == "cuda" and _fits(facts.largest_gb, machine.device_gb):
        return "with --low_vram" if _fits(facts.memory_gb, machine.memory_gb or 0.0) else "no: too little memory"
    return f"no: about {width * facts.memory_gb * _WORKING_RATIO + _WORKING_GB:.0f} GB are needed"


def advise(options: DiffusionOptions, machine: Machine) -> str:
    """Return what to do next, as one line."""
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        return f"Next: the draft engine runs as it is; for diffusion models run: {INSTALL}"
    try:
        weights = find_weights(options.model)
    except MissingModel as error:
        return f"Next: {error}"
    if weights is None:
        return f"Next: fetch the weights of {options.model}: {download_command(options.model)}"
    lack = next((name for name in weights.family.packages if importlib.util.find_spec(name) is None), None)
    if lack is not None:
        return f"Next: {weights.family.name} needs a further package: pip install {lack}"
    model = "" if options.model == DEFAULT_MODEL else f" --model {options.model}"
    return f"Next: it is ready: python main.py photo.jpg --engine stable-diffusion{model}"


def _fits(weights_gb: float, memory_gb: float) -> bool:
    return weights_gb * _WORKING_RATIO + _WORKING_GB <= memory_gb


def _list_packages() -> list[str]:
    rows = [("this program", read_version(ROOT), "")]
    rows += [(name, _find_version(*packages), "for everything") for name, packages in _NEEDED.items()]
    for name in (*PACKAGES, *_OPTIONAL):
        needed = "diffusion models" if name in PACKAGES else _OPTIONAL[name]
        rows.append((name, _find_version(name), f"for {needed}"))
    return ["packages", *_align(rows)]


def _list_machine(machine: Machine) -> list[str]:
    device = machine.device_name or "not known without torch"
    rows = [("device", device, _describe_gb(machine.device_gb) if machine.device == "cuda" else "")]
    return ["machine", *_align([*rows, ("memory", _describe_gb(machine.memory_gb), "")])]


def _list_models(machine: Machine) -> list[str]:
    rows = [("model", "weights", "evaluations¹", "fits here²")]
    for family in FAMILIES:
        for model, facts in family.models.items():
            found = "here" if _has_weights(model) else f"{facts.download_gb:g} GB to fetch"
            rows.append((model, found, str(count_evaluations(family)), judge_fit(facts, machine)))
    notes = [
        "¹ passes of the large network for a face with the defaults",
        "² estimated from the size of the weights; nothing was run",
    ]
    return [*_align(rows), *notes]


def count_evaluations(family: Family) -> int:
    """Return how often the large network of a family looks at a tile with the default options."""
    sampling = family.choose_sampling(DiffusionOptions())
    return family.count_steps(sampling) * (2 if sampling.guidance > 1 else 1)


def _has_weights(model: str) -> bool:
    try:
        return find_weights(model) is not None
    except MissingModel:
        return False


def _find_version(*names: str) -> str:
    """The version of the first of some packages that is installed."""
    for name in names:
        with suppress(importlib.metadata.PackageNotFoundError):
            return importlib.metadata.version(name)
    return "missing"


def _read_memory_gb() -> float | None:
    """The memory of the computer, or of the container that the program runs in, in gigabytes."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None
    limit = _read_text(Path("/sys/fs/cgroup/memory.max")).strip()
    return (min(total, int(limit)) if limit.isdigit() else total) / _GB


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def _describe_gb(gigabytes: float | None) -> str:
    return "unknown" if gigabytes is None else f"{gigabytes:.0f} GB"


def _align(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """The rows as lines, the cells of each column below each other."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
