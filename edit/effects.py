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
    "report", "analyze", "reference_path", "layers", "sign", "library", "no_library", "index", "library_info", "forget",
    "people", "name_person", "not_person", "person", "triage", "sidecars", "workers", "retry_failed", "watch",
)  # fmt: skip
_NOT_WITH_A_BURST = (
    "analyze", "masks_dir", "reference_path", "copy_unchanged", "recursive", "layers", "sign", "library", "no_library",
    "person", "triage", "workers", "retry_failed", "watch",
)  # fmt: skip
_NOT_WITH_TRIAGE = (
    "analyze", "masks_dir", "reference_path", "copy_unchanged", "format", "layers", "sign", "library", "no_library",
    "person", "report", "quality", "no_mark", "engine", "eye_color", "no_refine", "min_resemblance", "seed",
    "retry_failed", "watch",
)  # fmt: skip
_OF_EYES = ("eye_opening", "eye_color", "library", "no_library")
# These do one thing to the photo library, and nothing else.
_OF_THE_LIBRARY = ("index", "forget", "library_info", "people", "name_person", "not_person")
_WITH_THE_LIBRARY = {"library", "quiet", "debug", "photos", "input_path"}
# How flags are written that have a dash where the name of their value has none.
_NAMES = {"no_library": "no-library", "no_mark": "no-mark", "no_refine": "no-refine"}
_WITH_THE_DOCTOR = {"doctor", "engine", "burst", "quiet", "debug", "photos", "input_path"}
_OF_SMILES = ("smile_strength", "smile_from_reference")


def check_effects(given: Collection[str], values: Mapping[str, Any]) -> None:
    """Raise BadOption for a flag that would do nothing, or that does not go with another one.

    `given` are the flags, without dashes, that were named on the command line, `values` those of all flags.
    """
    for flag, why in (*_find_idle_of_the_library(given, values), *_find_idle(given, values)):
        if flag in given:
            raise BadOption(f"--{_NAMES.get(flag, flag)} {why}.")


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
        barred = [flag for flag in _NOT_WITH_A_BURST if flag != "recursive" or values["burst"] != "auto"]
        yield from ((flag, "does not go with --burst") for flag in barred)
    elif not values["reference_path"] and not values["gradio"]:
        why = "has no effect without other photos: name some with --reference_path"
        yield from ((flag, why) for flag in ("smile_from_reference", "reference_face"))
    if values["burst"] is None:
        yield "contact_sheet", "shows who came from where; it goes with --burst"
    if values["triage"]:
        why = "has no effect with --triage, which changes no photo and writes tables"
        yield from ((flag, why) for flag in (*_NOT_WITH_TRIAGE, *list_diffusion_flags(given)))
    else:
        if values["watch"]:
            yield "workers", "has no effect with --watch, where photos come one by one"
        yield "sidecars", "has an effect with --triage alone"
    if values["analyze"]:
        why = "has no effect with --analyze, which writes a PNG with boxes for every photo"
        yield from ((flag, why) for flag in ("format", "copy_unchanged"))
        why = "has no effect with --analyze, which paints nothing"
        yield from ((flag, why) for flag in ("layers", "sign", "quality", *list_diffusion_flags(given)))
    if values["doctor"]:
        kept = {*_WITH_THE_DOCTOR, *list_diffusion_flags(given), _ALWAYS_KEPT}
        yield from ((flag, "has no effect with --doctor, which fixes no photo") for flag in sorted(set(given) - kept))
    if values["eyes"] is Wish.NEVER:
        idle = [flag for flag in _OF_EYES if flag != "library" or values["person"] is None]
        yield from ((flag, "has no effect where no eyes are opened") for flag in idle)
    if values["smile"] is Wish.NEVER:
        yield from ((flag, "has no effect where nobody is made to smile") for flag in _OF_SMILES)
    if values["engine"] == "draft" and not values["download_model"]:
        why = "has no effect with --engine draft: it tells Stable Diffusion how to paint"
        yield from ((flag, why) for flag in list_diffusion_flags(given))


def _find_idle_of_the_library(given: Collection[str], values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The same for the flags of the photo library, and for all others where it is filled, shown, or made to forget."""
    action = next((flag for flag in _OF_THE_LIBRARY if values[flag]), None)
    if action is not None and not values["gradio"]:
        why = f"has no effect with --{action}, which fixes no photo"
        yield from ((flag, why) for flag in sorted(given) if flag not in {action, *_WITH_THE_LIBRARY})
    if values["reference_path"]:
        why = "has no effect with --reference_path: then only those photos give eyes"
        yield from ((flag, why) for flag in ("library", "no_library", "person"))
    if values["no_library"]:
        yield "library", "has no effect with --no-library"
        yield "person", "needs the library, which --no-library switches off"
    if values["person"] is not None:
        yield "faces", "does not go with --person, which names the face"
