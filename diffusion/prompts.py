"""Composes the prompts: the text that describes the edited parts of a face, or what an editor should do to them.

The text encoders of Stable Diffusion read 77 tokens and drop the rest, so prompts are short, the most important first.
Negative prompts name things; a "no" or "avoid" in them would mean the opposite. Models that edit read instructions.
"""

from __future__ import annotations

from collections.abc import Collection

import cv2
import numpy as np

from edit.options import DiffusionOptions
from face.analysis import FaceAnalysis
from face.types import EYES, Face, Feature
from photo.types import Pixels

# calibration: head-turn. Turned further than this, people look less and less at the camera.
_MOST_YAW_TO_CAMERA_DEGREES = 25.0
# calibration: light-words. Mean of the face's brightest channel, 0 … 255, and mean difference of its channels.
_DIM, _GRAY = 70.0, 4.0


def compose_prompt(
    analysis: FaceAnalysis,
    features: Collection[Feature],
    options: DiffusionOptions,
    *,
    instructs: bool = False,
    has_reference: bool = False,
) -> tuple[str, str]:
    """Return the prompt and the negative prompt for the edited `features` of one face.

    The prompt describes the face, or is an instruction with `instructs`; `has_reference` says that another photo of the
    person goes with it. `options.prompt` and `options.negative_prompt`
    replace them where they are set.
    """
    face = analysis.face
    wanted, unwanted = ["photo of a face"], []
    has_eyes = any(feature in EYES for feature in features)
    if has_eyes:
        wanted += ["eyes open", "natural iris and eyelashes"]
        if abs(face.yaw_degrees) <= _MOST_YAW_TO_CAMERA_DEGREES:
            wanted.insert(2, "looking at the camera")
        unwanted += ["closed eyes", "squinting", "crossed eyes", "deformed iris"]
    if Feature.MOUTH in features:
        wanted += ["gentle natural smile", "natural lips"]
        unwanted += ["frown", "deformed mouth", "bad teeth"]
    if has_eyes and analysis.lower_rims:
        wanted.append("wearing glasses")
    wanted += [*_describe_light(analysis.pixels, face), "realistic skin texture", "sharp focus"]
    unwanted += ["makeup", "cartoon", "painting", "blurry"]
    if options.prompt is not None:
        positive = options.prompt
    else:
        positive = _instruct(analysis, features, has_reference) if instructs else ", ".join(wanted)
    negative = ", ".join(unwanted) if options.negative_prompt is None else options.negative_prompt
    return positive, negative


def _instruct(analysis: FaceAnalysis, features: Collection[Feature], has_reference: bool) -> str:
    """What an editor should do to a face, as sentences."""
    tasks = []
    if any(feature in EYES for feature in features):
        is_frontal = abs(analysis.face.yaw_degrees) <= _MOST_YAW_TO_CAMERA_DEGREES
        tasks.append("Open this person's eyes naturally" + (", looking at the camera" if is_frontal else ""))
    if Feature.MOUTH in features:
        tasks.append("Give this person a gentle natural smile")
    keep = "Keep the same person, head position, hair, skin, light, colours, grain and background"
    if analysis.lower_rims:
        keep += ", and the glasses"
    other = ["The second picture shows the same person: take the look of the eyes from it"] if has_reference else []
    return ". ".join([*tasks, *other, keep]) + "."


def _describe_light(pixels: Pixels, face: Face) -> list[str]:
    """The parts of the prompt that name the light of a face, and that it has no colours."""
    box = face.box.clipped(pixels.shape[1], pixels.shape[0])
    if box is None:
        return []
    small = cv2.resize(pixels[box.slices], (16, 16), interpolation=cv2.INTER_AREA).astype(np.float32)
    terms = ["black and white photo"] if np.ptp(small, axis=2).mean() < _GRAY else []
    return [*terms, "dim light"] if small.max(axis=2).mean() < _DIM else [*terms, "natural light"]
