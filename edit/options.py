"""What the user can choose, and the errors that are written for them.

This module imports nothing heavy, so that the command line can show its help at once. Everybody else
finds these names in `photo_types`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from photo.errors import BadOption

ENGINES = ("auto", "draft", "stable-diffusion")
EYE_COLORS = ("brown", "hazel", "green", "blue", "grey")
SCHEDULERS = ("dpm++", "unipc", "ddim", "euler", "euler-a", "lcm", "tcd", "lightning")
FEW_STEP_SCHEDULERS = ("lcm", "tcd", "lightning")
"""Schedulers of models that need a handful of steps and no guidance; most of them need an adapter (`lora`)."""
TILE_SCHEMES = ("face", "grid")
DEFAULT_MODEL = "stable-diffusion-v1-5/stable-diffusion-inpainting"


@dataclass(frozen=True)
class FaceChoice:
    """What the user wants for one face; None leaves it to the program and to the options of the whole photo.

    `eyes` and `smile` at False leave them alone. At True they are edited also where the program would not by itself,
    because the eyes are only narrow or the smile is a faint one. `eye_opening` and `smile_strength` run from 0 to 1.
    Raises BadOption.
    """

    eyes: bool | None = None
    smile: bool | None = None
    eye_opening: float | None = None
    smile_strength: float | None = None

    def __post_init__(self) -> None:
        for name in ("eye_opening", "smile_strength"):
            value = getattr(self, name)
            if value is not None and not 0.0 <= value <= 1.0:
                raise BadOption(f"{name} of a face must lie between 0 and 1, not {value:g}.")


@dataclass(frozen=True)
class Options:
    """What the user can choose. The one source of defaults for the command line, the page and the benchmark.

    `eye_opening` and `smile_strength` run from 0 to 1. `eye_color` is one of `EYE_COLORS` or `#rrggbb`, None means
    the program's own choice. `faces` are numbers as the report gives them, None means all.
    `choices` maps such numbers to what is wanted for that face alone. `reference_face` is the one
    face of each reference photo that may give its eyes, None means whoever is the same person;
    `smile_from_reference` takes their smiles, too. A face that resembles itself less than `min_resemblance`, 0 … 1,
    after an edit is put back.

    The others are for Stable Diffusion alone. `strength` 0 … 1 is the share of noise to start with, at 1 nothing of the
    draft is left. `steps` counts from pure noise, so half of them are taken from a strength of 0.5. `retries` is how
    many other seeds a face that came out wrong gets. None means: as suits the model, the scheduler or the edit.
    Raises BadOption.
    """

    engine: str = "auto"
    eyes: bool = True
    smile: bool = True
    eye_opening: float = 0.5
    smile_strength: float = 0.5
    eye_color: str | None = None
    faces: tuple[int, ...] | None = None
    reference_face: int | None = None
    smile_from_reference: bool = False
    min_resemblance: float = 0.6
    seed: int = 0
    model: str = DEFAULT_MODEL
    device: str = "auto"
    steps: int | None = None
    guidance: float | None = None
    strength: float = 0.5
    scheduler: str = "dpm++"
    lora: str | None = None
    prompt: str | None = None
    negative_prompt: str | None = None
    tile_scheme: str = "face"
    tile_size: int | None = None
    overlap: int | None = None
    retries: int = 2
    low_vram: bool = False
    compile: bool = False
    offline: bool = False
    choices: Mapping[int, FaceChoice] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise BadOption(f"--engine must be one of {', '.join(ENGINES)}, not {self.engine!r}.")
        for name in ("eye_opening", "smile_strength", "min_resemblance", "strength"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise BadOption(f"--{name} must lie between 0 and 1, not {getattr(self, name):g}.")
        if not (
            self.eye_color is None
            or self.eye_color in EYE_COLORS
            or re.fullmatch("#[0-9a-fA-F]{6}", self.eye_color) is not None
        ):
            raise BadOption(
                f"--eye_color must be {', '.join(EYE_COLORS)} or a colour like #6b4a2f, not {self.eye_color!r}."
            )
        if self.faces is not None and (not self.faces or min(self.faces) < 1):
            raise BadOption("--faces takes the numbers of faces, counted from 1, such as 1,3.")
        if self.reference_face is not None and self.reference_face < 1:
            raise BadOption("--reference_face takes the number of a face, counted from 1.")
        self._check_diffusion()

    def choose_for(self, face_number: int) -> FaceChoice:
        """What is wanted for one face: its own choice, filled up with that for the whole photo.

        `eyes` and `smile` are None where the program decides; both numbers are set.
        """
        own = self.choices.get(face_number, FaceChoice())
        return FaceChoice(
            own.eyes if own.eyes is not None or self.eyes else False,
            own.smile if own.smile is not None or self.smile else False,
            self.eye_opening if own.eye_opening is None else own.eye_opening,
            self.smile_strength if own.smile_strength is None else own.smile_strength,
        )

    def _check_diffusion(self) -> None:
        for name, known in (("scheduler", SCHEDULERS), ("tile_scheme", TILE_SCHEMES)):
            if getattr(self, name) not in known:
                raise BadOption(f"--{name} must be one of {', '.join(known)}, not {getattr(self, name)!r}.")
        if re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", self.device) is None:
            raise BadOption(f"--device must be auto, cpu, mps, cuda or a card such as cuda:1, not {self.device!r}.")
        if self.strength == 0:
            raise BadOption("--strength must be above 0; for no diffusion at all use --engine draft.")
        for name, low, high in (("steps", 1, 1000), ("retries", 0, 20), ("guidance", 0, 50)):
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise BadOption(f"--{name} must lie between {low} and {high}, not {value:g}.")
        size = self.tile_size
        if size is not None and (size % 8 or not 64 <= size <= 2048):
            raise BadOption(f"--tile_size must be a multiple of 8 between 64 and 2048, not {size}.")
        if self.overlap is not None and not 0 <= self.overlap <= (size or 2048) // 2:
            raise BadOption(f"--overlap must lie between 0 and half of --tile_size, not {self.overlap}.")
        if not self.model.strip():
            raise BadOption("--model names no model.")
