"""The engines that paint: the draft engine, which needs no download, and the choice between it and Stable Diffusion."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from diffusion.families import describe_model
from diffusion.weights import (
    INSTALL,
    check_packages,
    download_command,
    fetch_adapter,
    fetch_weights,
    find_weights,
    set_up_hub,
)
from donor.other_eye import copy_other_eye
from donor.painter import paint_donor
from edit.options import DiffusionOptions, Options
from edit.plan import Donor, Edit, EditPlan, Engine, OtherEye, PaintResult, Rendered
from face.appearance import measure_haze
from face.types import EYES, Feature
from inpaint import StableDiffusionEngine
from photo.blend import blend
from photo.canvas import Canvas
from photo.errors import BadOption, MissingModel, MissingPackage
from photo.types import Pixels, Progress
from render.canonical import dim_catchlight
from render.contrast import deepen_iris, match_contrast
from render.exemplar import ExemplarPair, choose_pair, lay_exemplar, load_exemplars
from render.eye import open_eye
from render.eyeball import PUPIL_BLACK_RATIO, EyeShading, blend_into_shadow, choose_catchlight, choose_sclera
from render.refine import EyeRefiner, load_refiner, measure_strength, refine_eye
from render.smile import paint_smile

if TYPE_CHECKING:
    from diffusion.painter import TilePainter

# An iris that looks at the camera is round, one that looks where the head points is foreshortened: between the two.
_ROUND_FRACTION = 0.7
# calibration: eye-detail. An eye seen at the first part of its width or less shows the light's reflection in the
# middle: at the side it would lie on the ridge of the nose.
_SEEN_FOR_LIGHT = (0.60, 0.90)
# calibration: eye-detail. Fine structure shows from this many pixels per half eye width on, and fully at the second
# number.
_DETAIL_HALF_WIDTH_PX = (14.0, 45.0)
# calibration: eye-detail. At so many pixels per half eye width an eye has no colour of its own, and from the second
# number on all of it.
_TINY_HALF_WIDTH_PX = (5.0, 14.0)


class DraftEngine:
    """Paints edits at full resolution in a fraction of a second.

    `seed` fixes the fine structure of irises and lashes. `refiner` makes rendered eyes look photographed; None leaves
    them as they are rendered. From `exemplars` rendered eyes get their fine structure, where there are any.
    """

    name = "draft"

    def __init__(
        self, seed: int = 0, refiner: EyeRefiner | None = None, exemplars: tuple[ExemplarPair, ...] = ()
    ) -> None:
        self._seed, self._refiner, self._exemplars = seed, refiner, exemplars

    @property
    def refines_eyes(self) -> bool:
        """Whether a trained network has its part in the eyes that are rendered; exemplars are pictures of one, too."""
        return self._refiner is not None or bool(self._exemplars)

    def paint(self, canvas: Canvas, plan: EditPlan, on_progress: Progress) -> PaintResult:
        """Return a patch for every edit of `plan`, each painted from the first of its sources; see `Engine`."""
        # Eyes before mouths: a smile lifts the cheeks, and with them the lower lids that the eyes have by then.
        edits = sorted(plan.edits, key=lambda edit: (edit.face.number, edit.feature is Feature.MOUTH))
        alone: dict[Edit, Pixels] = {}
        for index, edit in enumerate(edits):
            text = f"painting face {edit.face.number}: {edit.feature.value}"
            on_step = partial(on_progress, text, index / len(edits))
            on_step()
            if edit in plan.painted:
                canvas.put(edit.region.box, plan.painted[edit])
            elif isinstance(edit.source, Donor):
                canvas.put(edit.region.box, paint_donor(canvas.work, edit, edit.source))
            elif isinstance(edit.source, OtherEye):
                canvas.put(edit.region.box, copy_other_eye(canvas.work, edit))
            elif edit.feature is Feature.MOUTH:
                eyes = [other for other in edits[:index] if other.face.number == edit.face.number]
                smile = _paint_smile(canvas, edit, eyes, on_step)
                canvas.put(edit.region.box, smile, where=edit.region.alpha > 0)
            else:
                # Both eyes of a face see the same: what the first of them is given.
                first = next(each for each in plan.edits if each.face is edit.face and _is_rendered_eye(each))
                canvas.put(edit.region.box, self.render_eye(canvas.work, edit, on_step, first))
            if edit.feature in EYES:
                alone[edit] = canvas.work[edit.region.box.slices].copy()
        patches = tuple(canvas.work[edit.region.box.slices].copy() for edit in plan.edits)
        canvas.restore()
        on_progress("painted", 1.0)
        return PaintResult(patches, alone=alone)

    def render_eye(self, pixels: Pixels, edit: Edit, on_step: Callable[[], None], first: Edit | None = None) -> Pixels:
        """Return the box of an eye's region, opened by rendering, uint8 (h, w, 3).

        `first` is the eye of the same face by which exemplars for both are chosen: this one, unless it is given.
        """
        face, shading = edit.face, self.shade_eye(edit)
        strength = measure_strength(face.eye_frame(edit.feature), face.yaw_degrees)
        appearance, seed = edit.analysis.appearance, self._seed + face.number
        if strength == 0 or not self.refines_eyes:
            return open_eye(pixels, edit, shading, on_step).pixels
        opened = open_eye(pixels, edit, dim_catchlight(shading, 1 - strength), on_step)
        on_step()
        if self._refiner is not None:
            refined = refine_eye(pixels, opened, edit.region, appearance, strength, self._refiner, seed)
            opened = replace(opened, pixels=refined)
        if self._exemplars:
            on_step()
            wanted = self.shade_eye(first or edit)
            light = appearance.light_from_right
            pair = choose_pair(self._exemplars, wanted.iris, wanted.clear_skin, light, seed)
            exemplar = pair.of(face.eye_frame(edit.feature).toward_right)
            laid = lay_exemplar(pixels, opened, edit.region, appearance, strength, exemplar)
            opened = replace(opened, pixels=laid)
        on_step()
        eye = deepen_iris(opened.pixels, edit.region.box, opened.geometry, shading.iris + shading.haze)
        expected = edit.analysis.eye_contrast
        return eye if expected is None else match_contrast(eye, edit.region.box, opened.geometry.frame, expected)

    def shade_eye(self, edit: Edit) -> EyeShading:
        """Return the colours, light and gaze of a rendered eye in this photo. Raises ValueError for any other."""
        source = edit.source
        if not isinstance(source, Rendered):
            raise ValueError("this eye is not rendered")
        appearance, frame = edit.analysis.appearance, edit.face.eye_frame(edit.feature)
        skin = edit.analysis.eye(edit.feature).skin
        low, high = _DETAIL_HALF_WIDTH_PX
        foreshortening = frame.foreshortening
        haze = measure_haze(appearance.black, skin)
        clear = np.maximum(skin - haze, 1)
        iris = clear if source.iris is None else source.iris
        tiny = float(np.interp(frame.half_width_px, _TINY_HALF_WIDTH_PX, (1, 0)))
        light = appearance.light_from_right * frame.toward_right
        return EyeShading(
            iris=appearance.tone.apply(blend_into_shadow(iris, clear, tiny)),
            sclera=appearance.tone.apply(blend_into_shadow(choose_sclera(clear), clear, tiny)),
            skin=skin,
            black=PUPIL_BLACK_RATIO * appearance.black,
            catchlight=blend_into_shadow(choose_catchlight(skin, appearance.highlight), skin, tiny),
            gaze=source.gaze,
            light_x=light * float(np.interp(foreshortening, _SEEN_FOR_LIGHT, (0, 1))),
            detail=float(np.clip((frame.half_width_px - low) / (high - low), 0, 1)),
            roundness=1 + _ROUND_FRACTION * (1 / max(foreshortening, 1e-6) - 1),
            seed=self._seed + edit.face.number,
            haze=haze,
        )


def _is_rendered_eye(edit: Edit) -> bool:
    return edit.feature in EYES and isinstance(edit.source, Rendered)


def _paint_smile(canvas: Canvas, edit: Edit, eyes: Sequence[Edit], on_step: Callable[[], None]) -> Pixels:
    """The smile, painted over the eyes as they will be in the result, since it moves the skin up to their rims.

    The canvas is left with the eyes as they were painted.
    """
    painted = [canvas.work[eye.region.box.slices].copy() for eye in eyes]
    seen = [
        blend(canvas.original[eye.region.box.slices], patch, eye.region.alpha)
        for eye, patch in zip(eyes, painted, strict=True)
    ]
    for eye, patch in zip(eyes, seen, strict=True):
        canvas.put(eye.region.box, patch)
    smile = paint_smile(canvas.work, edit.face, edit.region, edit.amount, on_step)
    for eye, patch in zip(eyes, painted, strict=True):
        canvas.put(eye.region.box, patch)
    return smile


def make_draft(options: Options) -> DraftEngine:
    """Return the draft engine that the options ask for. Raises MissingModel."""
    if options.eyes.no_refine:
        return DraftEngine(options.seed)
    return DraftEngine(options.seed, load_refiner(), load_exemplars())


# ---- choosing the engine -------------------------------------------------------------------------------

# A Linux machine without any of these has no graphics card that torch can use; asking torch would take seconds.
_CARDS = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/kfd", "/dev/dxg", "/dev/nvmap")


def choose_engine(options: Options, *, quiet: bool = False) -> tuple[Engine, str]:
    """Return the engine that `options.engine` means on this machine, and why `auto` chose the draft, as text.

    The text is empty where Stable Diffusion was chosen, or the draft by name. Missing weights are downloaded, unless
    `options.diffusion.offline`; nothing is loaded yet. Raises MissingPackage, MissingModel, BadOption.
    """
    draft = make_draft(options)
    if options.engine == "draft":
        return draft, ""
    if options.engine not in ("stable-diffusion", "auto"):
        raise BadOption(f"--engine {options.engine} is no engine that can paint.")
    set_up_hub(quiet=quiet)
    if options.engine == "stable-diffusion":
        return _make_diffusion_engine(options, draft), ""
    why = _find_obstacle(options.diffusion)
    if not why:
        try:
            return _make_diffusion_engine(options, draft), ""
        except MissingModel as error:
            why = str(error)
    return draft, f"Painted by the draft engine, not by Stable Diffusion: {why}"


def download_model(options: DiffusionOptions, log: Callable[[str], None], *, quiet: bool = False) -> None:
    """Fetch the weights that the options name, and do nothing else; `log` is told what and where. Raises FixError."""
    check_packages(["huggingface_hub"])
    set_up_hub(quiet=quiet)
    if find_weights(options.model) is None and not options.offline:
        log(f"Fetching {options.model}: {describe_model(options.model)}")
    weights = fetch_weights(options.model, offline=options.offline)
    log(f"On this machine: {weights.file or weights.folder}")
    if options.lora is not None:
        log(f"On this machine: {fetch_adapter(options.lora, offline=options.offline)}")


def _make_diffusion_engine(options: Options, draft: Engine) -> Engine:
    """The diffusion engine; its weights are downloaded if need be, and loaded when it first paints."""
    check_packages()
    wanted = options.diffusion
    weights = fetch_weights(wanted.model, offline=wanted.offline)
    check_packages(weights.family.packages, weights.family.name)
    adapter = None if wanted.lora is None else fetch_adapter(wanted.lora, offline=wanted.offline)

    def load() -> TilePainter:
        # Imported here, as it loads torch: a photo without anything to paint does not need it.
        from diffusion.painter import LoadOptions, load_painter

        return load_painter(LoadOptions(weights, wanted.device, adapter, wanted.low_vram, wanted.compile))

    return StableDiffusionEngine(options, draft, load, weights.family)


@dataclass(frozen=True)
class DiffusionState:
    """Whether Stable Diffusion can paint without a download, and on a graphics card; if not, `why`, as a sentence."""

    is_ready: bool
    has_card: bool
    why: str


def check_diffusion(options: DiffusionOptions) -> DiffusionState:
    """Return whether Stable Diffusion can paint on this machine, without loading or downloading anything."""
    why = _find_obstacle(replace(options, offline=True))
    return DiffusionState(not why, not why and _has_graphics_card(), why)


def _find_obstacle(options: DiffusionOptions) -> str:
    """Why `auto` should not choose Stable Diffusion, and how to install it, as text; empty if nothing is in the way."""
    fetch = f"{download_command(options.model)} ({describe_model(options.model)})"
    try:
        check_packages()
    except MissingPackage:
        return f"its packages are not installed; to have it run {INSTALL}, then {fetch}."
    if find_weights(options.model) is not None or (not options.offline and _has_graphics_card()):
        return ""
    return f"its weights are not on this machine; to fetch them run {fetch}."


def _has_graphics_card() -> bool:
    """Whether torch has a graphics card to compute on."""
    if importlib.metadata.version("torch").endswith("+cpu"):
        return False
    if sys.platform == "linux" and not any(Path(card).exists() for card in _CARDS):
        return False
    import torch

    return bool(torch.cuda.is_available() or torch.backends.mps.is_available())
