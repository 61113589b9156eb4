"""The draft engine: opens eyes and makes smiles by geometry and rendering, with nothing to download."""

from __future__ import annotations

import importlib.metadata
import math
import sys
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from diffusion.weights import (
    INSTALL,
    check_packages,
    describe_model,
    download_command,
    fetch_adapter,
    fetch_weights,
    find_weights,
    set_up_hub,
)
from donor.other_eye import find_iris_color, match_other_eye
from donor.painter import DonorPainter
from edit.options import Options
from edit.plan import Edit, EditPlan, Engine
from face.appearance import FaceAppearance, measure_appearance, measure_eye_skin, measure_haze, thin_out
from face.eye_geometry import EYEBALL_DEPTH
from face.types import Face, Feature
from photo.blend import blend_patch
from photo.errors import MissingModel, MissingPackage
from photo.measure import LUMA, luma
from photo.types import FloatArray, Pixels, Progress
from render.eye import open_eye
from render.eyeball import (
    PUPIL_SHARE,
    EyeShading,
    blend_into_shadow,
    choose_catchlight,
    choose_iris,
    choose_sclera,
    guess_iris_ratio,
)
from render.smile import paint_smile

_MAX_GAZE = 0.20
# An iris that looks at the camera is round, one that looks where the head points is foreshortened: between the two.
_ROUND_SHARE = 0.7
# Turned further than this, people look less and less at the camera.
_CAMERA_YAW_DEGREES = (18.0, 40.0)
# An eye seen at the first part of its width or less shows the light's reflection in the middle: at the side it would
# lie on the ridge of the nose.
_SEEN_FOR_LIGHT = (0.60, 0.90)
# Fine structure shows from this many pixels per half eye width on, and fully at the second number.
_DETAIL_UNIT_PX = (14.0, 45.0)
# At so many pixels per half eye width an eye has no colour of its own, and from the second number on all of it.
_TINY_UNIT_PX = (5.0, 14.0)


class DraftEngine:
    """Paints edits at full resolution in a fraction of a second.

    `eye_color`: a name of `eyeball.IRIS_COLORS`, `#rrggbb`, or None to take it from the other eye or choose one.
    `seed` fixes the fine structure of irises and lashes.
    """

    name = "draft"

    def __init__(self, eye_color: str | None = None, seed: int = 0) -> None:
        self._eye_color = eye_color
        self._seed = seed

    def paint(self, pixels: Pixels, plan: EditPlan, on_progress: Progress) -> Pixels:
        """Return a copy of `pixels` uint8 (H, W, 3) with every edit of `plan` painted."""
        painted = pixels.copy()
        appearances: dict[int, FaceAppearance] = {}
        donors = DonorPainter(pixels)
        # Eyes before mouths: a smile lifts the cheeks, and with them the lower lids that the eyes have by then.
        edits = sorted(plan.edits, key=lambda edit: (edit.face.number, edit.feature is Feature.MOUTH))
        for index, edit in enumerate(edits):
            tell = partial(on_progress, f"painting face {edit.face.number}: {edit.feature.value}", index / len(edits))
            tell()
            rows, columns = edit.region.box.slices
            if edit.donor is not None:
                painted[rows, columns] = donors.paint(painted, edit, edit.donor)
            elif edit.feature is Feature.MOUTH:
                settled = _blend_eyes(pixels, painted, edit, plan)
                smile = paint_smile(settled, edit.face, edit.region, edit.amount, tell)
                np.copyto(painted[rows, columns], smile, where=edit.region.alpha[..., None] > 0)
            else:
                if edit.face.number not in appearances:
                    appearances[edit.face.number] = measure_appearance(pixels, edit.face)
                appearance = appearances[edit.face.number]
                shading = self._plan_eye(pixels, edit, plan, appearance)
                matched = match_other_eye(pixels, edit, plan)
                painted[rows, columns] = open_eye(painted, matched, shading, appearance, tell)
        on_progress("painted", 1.0)
        return painted

    def _plan_eye(self, pixels: Pixels, edit: Edit, plan: EditPlan, appearance: FaceAppearance) -> EyeShading:
        frame = edit.face.eye_frame(edit.feature)
        light = _find_light(pixels, edit.face)
        skin = measure_eye_skin(pixels, edit.face, edit.feature, appearance.skin)
        low, high = _DETAIL_UNIT_PX
        # The x axis of the frame runs to the nose: in the picture to the right for the right eye, to the left for the
        # left one.
        toward_right = 1.0 if frame.x_axis[0] > 0 else -1.0
        seen = frame.foreshortening
        haze = measure_haze(appearance.black, skin)
        clear = np.maximum(skin - haze, 1)
        iris = self._choose_iris(pixels, edit, plan, appearance, skin)
        tiny = float(np.interp(frame.half_width_px, _TINY_UNIT_PX, (1, 0)))
        return EyeShading(
            iris=appearance.tone.apply(blend_into_shadow(iris, clear, tiny)),
            sclera=appearance.tone.apply(blend_into_shadow(choose_sclera(clear), clear, tiny)),
            skin=skin,
            black=PUPIL_SHARE * appearance.black,
            catchlight=blend_into_shadow(choose_catchlight(skin, appearance.highlight), skin, tiny),
            gaze=_look_at_camera(edit.face, toward_right, seen),
            light_x=light * toward_right * float(np.interp(seen, _SEEN_FOR_LIGHT, (0, 1))),
            detail=float(np.clip((frame.half_width_px - low) / (high - low), 0, 1)),
            roundness=1 + _ROUND_SHARE * (1 / max(seen, 1e-6) - 1),
            seed=self._seed + edit.face.number,
            haze=haze,
        )

    def _choose_iris(
        self, pixels: Pixels, edit: Edit, plan: EditPlan, appearance: FaceAppearance, skin: FloatArray
    ) -> FloatArray:
        """The iris' colour without haze: the one asked for, the other eye's, another photo's, or a guess."""
        haze = measure_haze(appearance.black, skin)
        if not self._eye_color:
            known = find_iris_color(pixels, edit, plan)
            known = edit.iris if known is None else known
            if known is not None:
                return np.maximum(known - haze, 1)
        lit = np.maximum(appearance.skin - haze, 1)
        brow, black = appearance.brow_ratio * float(appearance.skin @ LUMA), float(appearance.black @ LUMA)
        ratio = guess_iris_ratio(*((dark - float(haze @ LUMA)) / float(lit @ LUMA) for dark in (brow, black)))
        return choose_iris(self._eye_color, np.maximum(skin - haze, 1), ratio)


def _blend_eyes(pixels: Pixels, painted: Pixels, mouth: Edit, plan: EditPlan) -> Pixels:
    """The photo with the eyes of the mouth's face as they will be seen: a smile moves the skin up to their rims."""
    settled = painted
    for eye in plan.edits:
        if eye.face.number == mouth.face.number and eye.feature is not Feature.MOUTH:
            settled = painted.copy() if settled is painted else settled
            settled[eye.region.box.slices] = blend_patch(pixels, painted, eye.region)
    return settled


def _look_at_camera(face: Face, toward_right: float, foreshortening: float) -> tuple[float, float]:
    """Where the iris stands off its mean place, in frame units, when the person looks at the camera."""
    low, high = _CAMERA_YAW_DEGREES
    attention = 1.0 - 0.6 * float(np.clip((abs(face.yaw_degrees) - low) / (high - low), 0, 1))
    across = -EYEBALL_DEPTH * math.sin(math.radians(face.yaw_degrees)) * attention * toward_right / foreshortening
    up = 0.3 * EYEBALL_DEPTH * math.sin(math.radians(face.pitch_degrees))
    return float(np.clip(across, -_MAX_GAZE, _MAX_GAZE)), float(np.clip(up, -0.06, 0.06))


def _find_light(pixels: Pixels, face: Face) -> float:
    """From which side of the picture the light comes, -1 left … 1 right; never 0, as no catchlight is central."""
    points = face.landmarks.oval[:, :2]
    low, high = points.min(axis=0).astype(int), points.max(axis=0).astype(int) + 1
    crop = pixels[max(low[1], 0) : max(high[1], 1), max(low[0], 0) : max(high[0], 1)]
    small = cv2.resize(luma(thin_out(crop)), (16, 16), interpolation=cv2.INTER_AREA)[3:13, 2:14]
    left, right = float(small[:, :6].mean()), float(small[:, 6:].mean())
    difference = 4.0 * (right - left) / max(right + left, 1.0)
    return float(np.clip(difference + math.copysign(0.35, difference), -1, 1))


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
    set_up_hub(quiet=quiet)
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
    from diffusion.painter import LoadOptions, load_painter
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
