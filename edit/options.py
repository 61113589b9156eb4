"""What the user can choose: for the whole photo, in groups, and for single faces.

The one source of names, defaults, ranges and help for the command line, the page, the docs and the benchmark. Only
light modules are imported, so that the command line shows its help at once.
"""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from edit.flags import Flag, Rule, check_flags, find_flag, list_flags
from photo.errors import BadOption

ENGINES = ("auto", "draft", "stable-diffusion")
EYE_COLORS = ("brown", "hazel", "green", "blue", "grey")
SCHEDULERS = ("dpm++", "unipc", "ddim", "euler", "euler-a", "lcm", "tcd", "lightning")
FEW_STEP_SCHEDULERS = ("lcm", "tcd", "lightning")
"""Schedulers of models that need few steps and no guidance; most of these models need an adapter (`lora`)."""
TILE_SCHEMES = ("face", "grid")
DEFAULT_MODEL = "stable-diffusion-v1-5/stable-diffusion-inpainting"

_LARGEST_TILE_PX = 2048


class Wish(Enum):
    """Whether something is to be edited.

    AUTO edits where it is needed: closed eyes, mouths that do not smile. ALWAYS also edits eyes that are only
    narrow and mouths that smile faintly. NEVER leaves the feature as it is.
    """

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"

    def __str__(self) -> str:
        return self.value

    @classmethod
    def from_switch(cls, is_on: bool) -> Wish:
        """Return the wish that a switch expresses which the user turned on or off by hand."""
        return cls.ALWAYS if is_on else cls.NEVER


def _read_wish(text: str) -> Wish:
    try:
        return Wish(text.strip().lower())
    except ValueError as error:
        raise ArgumentTypeError(f"takes auto, always or never, not {text!r}") from error


def _read_eye_color(text: str) -> str:
    """The colour in lower case, with gray as grey."""
    lower = text.strip().lower()
    return "grey" if lower == "gray" else lower


def _read_face_numbers(text: str) -> tuple[int, ...]:
    """The numbers of a list such as 1,3-5, in order, each once."""
    numbers: set[int] = set()
    for part in text.split(","):
        found = re.fullmatch(r"\s*(\d{1,4})\s*(?:-\s*(\d{1,4})\s*)?", part, re.ASCII)
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
        if last < first:
            raise ArgumentTypeError(f"takes numbers of faces such as 1,3 or 1-3, not {text!r}")
        numbers.update(range(first, last + 1))
    return tuple(sorted(numbers))


@dataclass(frozen=True)
class EyeOptions:
    """Whether eyes are opened, and how.

    `opening` runs from 0, narrow, to 1, wide. `color` is one of `EYE_COLORS` or `#rrggbb`; None means the program's
    own choice. With `no_refine` rendered eyes stay as they are rendered. Raises BadOption.
    """

    wish: Wish = field(
        default=Wish.AUTO,
        metadata=Flag(
            "--eyes", "open closed eyes; always: narrow and half open ones, too", _read_wish, choices=tuple(Wish)
        ).field_metadata,
    )
    opening: float = field(
        default=0.5,
        metadata=Flag("--eye_opening", "how wide closed eyes open", float, between=(0, 1)).field_metadata,
    )
    color: str | None = field(
        default=None,
        metadata=Flag(
            "--eye_color", f"{', '.join(EYE_COLORS)}, or #rrggbb", _read_eye_color,
            rule=Rule(
                lambda color: color in EYE_COLORS or re.fullmatch("#[0-9a-fA-F]{6}", color) is not None,
                f"must be {', '.join(EYE_COLORS)} or a colour like #6b4a2f, not {{value}}.",
            ),
            unset="as the other eye or another photo shows it, else brown", metavar="COLOR",
        ).field_metadata,
    )  # fmt: skip
    no_refine: bool = field(
        default=False,
        metadata=Flag(
            "--no-refine", "leave rendered eyes as drawn, without what makes them look photographed"
        ).field_metadata,
    )

    def __post_init__(self) -> None:
        check_flags(self)


@dataclass(frozen=True)
class SmileOptions:
    """Whether mouths are made to smile, and how.

    `strength` runs from 0, no smile, to 1, a broad one. `from_reference` takes the smile, too, and not only the eyes,
    from reference photos. Raises BadOption.
    """

    wish: Wish = field(
        default=Wish.AUTO,
        metadata=Flag(
            "--smile", "make unsmiling mouths smile; always: faintly smiling ones, too", _read_wish,
            choices=tuple(Wish),
        ).field_metadata,
    )  # fmt: skip
    strength: float = field(
        default=0.5,
        metadata=Flag("--smile_strength", "how broad the smile is", float, between=(0, 1)).field_metadata,
    )
    from_reference: bool = field(
        default=False,
        metadata=Flag(
            "--smile_from_reference", "take the smile, too, from a reference photo in which the person smiles"
        ).field_metadata,
    )

    def __post_init__(self) -> None:
        check_flags(self)


@dataclass(frozen=True)
class ReferenceOptions:
    """How other photos of the same people are used.

    `face` is the number of the only face of each reference photo that may be a donor; None means any face of the same
    person. Raises BadOption.
    """

    face: int | None = field(
        default=None,
        metadata=Flag(
            "--reference_face", "only this face of the reference photos", int,
            rule=Rule(lambda number: number >= 1, "takes the number of a face, counted from 1."),
            unset="whoever is the same person", metavar="N",
        ).field_metadata,
    )  # fmt: skip

    def __post_init__(self) -> None:
        check_flags(self)


@dataclass(frozen=True)
class OutputOptions:
    """How the result is written.

    `quality` 1 … 100 is that of a JPEG, HEIC or AVIF; None keeps that of a JPEG, and all blocks that no edit touches.
    With `no_mark` the file does not say that it was edited. Raises BadOption.
    """

    quality: int | None = field(
        default=None,
        metadata=Flag(
            "--quality", "of a JPEG, HEIC or AVIF; a JPEG is encoded anew as a whole then", int, between=(1, 100),
            unset="a JPEG keeps its own, and all blocks that no edit touches; HEIC 95, AVIF 100",
        ).field_metadata,
    )  # fmt: skip
    no_mark: bool = field(
        default=False,
        metadata=Flag("--no-mark", "do not write into the result that it was edited, and how").field_metadata,
    )

    def __post_init__(self) -> None:
        check_flags(self)


@dataclass(frozen=True)
class DiffusionOptions:
    """How diffusion models paint.

    `strength`, above 0 and up to 1, is the noise level to start from; at 1 nothing of the draft is left. `steps` counts
    from pure noise, so at a strength of 0.5 half of them are done. Of `candidates` seeds for every face the best is
    kept; `retries` is the number of other seeds to try for a face of which none passes the checks. `tile_size` and
    `overlap` are in pixels. None means the default of the model, the scheduler or the edit. Raises BadOption.
    """

    model: str = field(
        default=DEFAULT_MODEL,
        metadata=Flag(
            "--model", "a folder, a .safetensors file, or an id of the Hugging Face hub",
            rule=Rule(lambda model: bool(model.strip()), "names no model."), metavar="MODEL",
        ).field_metadata,
    )  # fmt: skip
    offline: bool = field(default=False, metadata=Flag("--offline", "connect to nothing").field_metadata)
    device: str = field(
        default="auto",
        metadata=Flag(
            "--device", "auto, cuda, cuda:1, mps or cpu",
            rule=Rule(
                lambda device: re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", device) is not None,
                "must be auto, cpu, mps, cuda or a card such as cuda:1, not {value}.",
            ),
            metavar="DEVICE",
        ).field_metadata,
    )  # fmt: skip
    steps: int | None = field(
        default=None,
        metadata=Flag(
            "--steps",
            "counted from pure noise",
            int,
            between=(1, 1000),
            unset="those of the model: 25 for Stable Diffusion 1, 2, XL, or 6 with few-step schedulers",
        ).field_metadata,
    )
    guidance: float | None = field(
        default=None,
        metadata=Flag(
            "--guidance", "how closely to follow the prompt", float, between=(0, 50),
            unset="that of the model: 6 for Stable Diffusion 1, 2, XL; 1, which is none, with few-step schedulers",
        ).field_metadata,
    )  # fmt: skip
    strength: float = field(
        default=0.5,
        metadata=Flag(
            "--strength", "how much noise to start with; 1 leaves nothing of the draft", float, between=(0, 1),
            rule=Rule(
                lambda strength: strength > 0, "must be above 0; for no diffusion at all use --engine draft."
            ),
        ).field_metadata,
    )  # fmt: skip
    scheduler: str = field(
        default="dpm++",
        metadata=Flag(
            "--scheduler",
            "of Stable Diffusion 1, 2, XL; lcm, tcd and lightning need few steps and mostly an adapter",
            choices=SCHEDULERS,
        ).field_metadata,
    )
    lora: str | None = field(
        default=None,
        metadata=Flag(
            "--lora", "an adapter: a .safetensors file, a hub id, or a file in a hub repository", metavar="FILE"
        ).field_metadata,
    )
    prompt: str | None = field(
        default=None, metadata=Flag("--prompt", "instead of the program's own", metavar="WORDS").field_metadata
    )
    negative_prompt: str | None = field(
        default=None, metadata=Flag("--negative_prompt", "what not to paint", metavar="WORDS").field_metadata
    )
    tile_scheme: str = field(
        default="face",
        metadata=Flag(
            "--tile_scheme", "a tile for each face, or a fixed grid over the photo", choices=TILE_SCHEMES
        ).field_metadata,
    )
    tile_size: int | None = field(
        default=None,
        metadata=Flag(
            "--tile_size", "side of a tile", int,
            rule=Rule(
                lambda size: size % 8 == 0 and 64 <= size <= _LARGEST_TILE_PX,
                f"must be a multiple of 8 between 64 and {_LARGEST_TILE_PX}, not {{value}}.",
            ),
            unset="the model's own", metavar="PX",
        ).field_metadata,
    )  # fmt: skip
    overlap: int | None = field(
        default=None,
        metadata=Flag("--overlap", "overlap of tiles", int, unset="half of their side", metavar="PX").field_metadata,
    )
    candidates: int = field(
        default=1,
        metadata=Flag(
            "--candidates", "seeds that every face is painted with; the best painting is kept", int, between=(1, 16)
        ).field_metadata,
    )  # fmt: skip
    retries: int = field(
        default=2,
        metadata=Flag(
            "--retries", "other seeds for a face that came out wrong", int, between=(0, 20)
        ).field_metadata,
    )  # fmt: skip
    low_vram: bool = field(
        default=False,
        metadata=Flag("--low_vram", "for graphics cards with little memory; slower").field_metadata,
    )
    compile: bool = field(
        default=False,
        metadata=Flag("--compile", "compile the networks; pays off for many photos only").field_metadata,
    )

    def __post_init__(self) -> None:
        check_flags(self)
        if self.overlap is not None and not 0 <= self.overlap <= (self.tile_size or _LARGEST_TILE_PX) // 2:
            raise BadOption(f"--overlap must lie between 0 and half of --tile_size, not {self.overlap}.")


@dataclass(frozen=True)
class FaceChoice:
    """What the user wants for one face; None leaves it to the options of the whole photo.

    `eye_opening` and `smile_strength` run from 0 to 1, as in `EyeOptions` and `SmileOptions`. Raises BadOption.
    """

    eyes: Wish | None = None
    smile: Wish | None = None
    eye_opening: float | None = None
    smile_strength: float | None = None

    def __post_init__(self) -> None:
        find_flag(EyeOptions, "wish").check(self.eyes, "eyes of a face")
        find_flag(SmileOptions, "wish").check(self.smile, "smile of a face")
        find_flag(EyeOptions, "opening").check(self.eye_opening, "eye_opening of a face")
        find_flag(SmileOptions, "strength").check(self.smile_strength, "smile_strength of a face")


@dataclass(frozen=True)
class Options:
    """Everything that the user can choose.

    `faces` are face numbers as in the report, None means all. `choices` maps such numbers to what the user wants for
    that face alone. A face whose similarity to itself after an edit (a cosine of embeddings) is below
    `min_resemblance`, 0 … 1, is put back. Raises BadOption.
    """

    engine: str = field(
        default="auto", metadata=Flag("--engine", "what paints the edits", choices=ENGINES).field_metadata
    )
    eyes: EyeOptions = field(default_factory=EyeOptions)
    smile: SmileOptions = field(default_factory=SmileOptions)
    reference: ReferenceOptions = field(default_factory=ReferenceOptions)
    diffusion: DiffusionOptions = field(default_factory=DiffusionOptions)
    output: OutputOptions = field(default_factory=OutputOptions)
    faces: tuple[int, ...] | None = field(
        default=None,
        metadata=Flag(
            "--faces", "only these faces, numbered as in --analyze", _read_face_numbers,
            rule=Rule(
                lambda numbers: len(numbers) > 0 and min(numbers) >= 1,
                "takes the numbers of faces, counted from 1, such as 1,3.",
            ),
            unset="all", metavar="1,3-5",
        ).field_metadata,
    )  # fmt: skip
    # calibration: identity. The cosine of two descriptions, before and after; -1 … 1.
    min_resemblance: float = field(
        default=0.6,
        metadata=Flag(
            "--min_resemblance", "put a face back that resembles itself less than this after an edit", float,
            between=(0, 1),
        ).field_metadata,
    )  # fmt: skip
    seed: int = field(
        default=0, metadata=Flag("--seed", "the same seed gives the same result", int, metavar="N").field_metadata
    )
    choices: Mapping[int, FaceChoice] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        check_flags(self)

    def choose_for(self, face_number: int) -> FaceChoice:
        """Return the choice for one face, completed by the options of the whole photo, so that no field is None."""
        own = self.choices.get(face_number, FaceChoice())
        return FaceChoice(
            self.eyes.wish if own.eyes is None else own.eyes,
            self.smile.wish if own.smile is None else own.smile,
            self.eyes.opening if own.eye_opening is None else own.eye_opening,
            self.smile.strength if own.smile_strength is None else own.smile_strength,
        )


GROUPS: Mapping[str, type[Any]] = {
    "eyes": EyeOptions,
    "smile": SmileOptions,
    "reference": ReferenceOptions,
    "diffusion": DiffusionOptions,
    "output": OutputOptions,
}
"""The groups by the names of their fields in `Options`."""


def options_from_flags(values: Mapping[str, Any]) -> Options:
    """Return options from values of flags, by their names without dashes; other names are ignored. Raises BadOption."""

    def pick(group: type[Any]) -> dict[str, Any]:
        return {name: values[flag.dest] for name, flag, _ in list_flags(group) if flag.dest in values}

    return Options(**pick(Options), **{name: group(**pick(group)) for name, group in GROUPS.items()})
