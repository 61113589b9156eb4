"""Finds flags of the command line that do nothing in a run, beside the others that were given."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from edit.flags import list_flags
from edit.options import DiffusionOptions, Wish
from photo.errors import BadOption

# The program connects to nothing then, whatever paints: this is no flag without effect.
_ALWAYS_KEPT = "offline"
_PAGE = ("host", "port", "auth", "auth_file", "names")
_NOT_ON_THE_PAGE = (
    "output_path", "burst", "contact_sheet", "overwrite", "format", "copy_unchanged", "recursive", "masks_dir",
    "report", "analyze", "reference_path", "layers", "sign",
)  # fmt: skip
_NOT_WITH_A_BURST = ("analyze", "masks_dir", "reference_path", "copy_unchanged", "recursive", "layers", "sign")
_OF_EYES = ("eye_opening", "eye_color")
_OF_SMILES = ("smile_strength", "smile_from_reference")


def check_effects(given: Collection[str], values: Mapping[str, Any]) -> None:
    """Raise BadOption for a flag that would do nothing, or that does not go with another one.

    `given` are the flags, without dashes, that were named on the command line, `values` those of all flags.
    """
    for flag, why in _find_idle(given, values):
        if flag in given:
            raise BadOption(f"--{flag} {why}.")


def list_diffusion_flags(given: Collection[str]) -> list[str]:
    """Return those of the flags that were given which tell how Stable Diffusion paints, without dashes."""
    known = [flag.dest for _, flag, _ in list_flags(DiffusionOptions)]
    return [dest for dest in known if dest in given and dest != _ALWAYS_KEPT]


def _find_idle(given: Collection[str], values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The flags that have no place in this run, each with the rest of its sentence."""
    if values["gradio"]:
        yield from (
            (flag, "does not go with --gradio, where photos are opened in the browser") for flag in _NOT_ON_THE_PAGE
        )
    else:
        yield from ((flag, "has an effect with --gradio alone") for flag in _PAGE)
    if values["burst"] is not None:
        yield from ((flag, "does not go with --burst") for flag in _NOT_WITH_A_BURST)
    elif not values["reference_path"] and not values["gradio"]:
        why = "has no effect without other photos: name some with --reference_path"
        yield from ((flag, why) for flag in ("smile_from_reference", "reference_face"))
    if values["burst"] is None:
        yield "contact_sheet", "shows who came from where; it goes with --burst"
    if values["analyze"]:
        why = "has no effect with --analyze, which writes a PNG with boxes for every photo"
        yield from ((flag, why) for flag in ("format", "copy_unchanged"))
        why = "has no effect with --analyze, which paints nothing"
        yield from ((flag, why) for flag in ("layers", "sign", "quality", *list_diffusion_flags(given)))
    if values["eyes"] is Wish.NEVER:
        yield from ((flag, "has no effect where no eyes are opened") for flag in _OF_EYES)
    if values["smile"] is Wish.NEVER:
        yield from ((flag, "has no effect where nobody is made to smile") for flag in _OF_SMILES)
    if values["engine"] == "draft" and not values["download_model"]:
        why = "has no effect with --engine draft: it tells Stable Diffusion how to paint"
        yield from ((flag, why) for flag in list_diffusion_flags(given))
