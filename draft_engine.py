"""The draft engine: opens eyes and makes smiles by geometry and rendering, with nothing to download."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from compositing import blend_patch
from donor_painting import DonorPainter
from eye_shape import EYEBALL_DEPTH, find_frame
from eyeball import (
    PUPIL_SHARE,
    EyeLook,
    blend_into_shadow,
    choose_catchlight,
    choose_iris,
    choose_sclera,
    guess_iris_ratio,
)
from open_eyes import open_eye
from other_eye import find_iris_color, match_other_eye
from photo_look import LUMA, PhotoLook, luma, measure_eye_skin, measure_look, measure_veil
from photo_types import Edit, EditPlan, Face, Feature, Pixels, Progress
from smile import paint_smile

Array = NDArray[np.float32]

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
        looks: dict[int, PhotoLook] = {}
        donors = DonorPainter(pixels)
        # Eyes before mouths: a smile lifts the cheeks, and with them the lower lids that the eyes have by then.
        edits = sorted(plan.edits, key=lambda edit: (edit.face.number, edit.feature is Feature.MOUTH))
        for index, edit in enumerate(edits):
            on_progress(f"painting face {edit.face.number}: {edit.feature.value}", index / len(edits))
            rows, columns = edit.region.box.slices
            if edit.donor is not None:
                painted[rows, columns] = donors.paint(painted, edit, edit.donor)
            elif edit.feature is Feature.MOUTH:
                settled = _blend_eyes(pixels, painted, edit, plan)
                smile = paint_smile(settled, edit.face, edit.region, edit.amount)
                painted[rows, columns] = np.where(edit.region.alpha[..., None] > 0, smile, painted[rows, columns])
            else:
                if edit.face.number not in looks:
                    looks[edit.face.number] = measure_look(pixels, edit.face)
                look = looks[edit.face.number]
                eye_look = self._plan_eye(pixels, edit, plan, look)
                painted[rows, columns] = open_eye(painted, match_other_eye(pixels, edit, plan), eye_look, look)
        on_progress("painted", 1.0)
        return painted

    def _plan_eye(self, pixels: Pixels, edit: Edit, plan: EditPlan, look: PhotoLook) -> EyeLook:
        frame = find_frame(edit.face, edit.feature)
        light = _find_light(pixels, edit.face)
        skin = measure_eye_skin(pixels, edit.face, edit.feature, look.skin)
        low, high = _DETAIL_UNIT_PX
        # The x axis of the frame runs to the nose: in the picture to the right for the right eye, to the left for the
        # left one.
        toward_right = 1.0 if frame.x_axis[0] > 0 else -1.0
        seen = frame.seen_share
        veil = measure_veil(look.black, skin)
        clear = np.maximum(skin - veil, 1)
        iris = self._choose_iris(pixels, edit, plan, look, skin)
        tiny = float(np.interp(frame.unit_px, _TINY_UNIT_PX, (1, 0)))
        return EyeLook(
            iris=look.tone.apply(blend_into_shadow(iris, clear, tiny)),
            sclera=look.tone.apply(blend_into_shadow(choose_sclera(clear), clear, tiny)),
            skin=skin,
            black=PUPIL_SHARE * look.black,
            catchlight=blend_into_shadow(choose_catchlight(skin, look.highlight), skin, tiny),
            gaze=_look_at_camera(edit.face, toward_right, seen),
            light_x=light * toward_right * float(np.interp(seen, _SEEN_FOR_LIGHT, (0, 1))),
            detail=float(np.clip((frame.unit_px - low) / (high - low), 0, 1)),
            roundness=1 + _ROUND_SHARE * (1 / max(seen, 1e-6) - 1),
            seed=self._seed + edit.face.number,
            veil=veil,
        )

    def _choose_iris(self, pixels: Pixels, edit: Edit, plan: EditPlan, look: PhotoLook, skin: Array) -> Array:
        """The iris' colour without haze: the one asked for, the other eye's, another photo's, or a guess."""
        veil = measure_veil(look.black, skin)
        if not self._eye_color:
            known = find_iris_color(pixels, edit, plan)
            known = edit.iris if known is None else known
            if known is not None:
                return np.maximum(known - veil, 1)
        lit = np.maximum(look.skin - veil, 1)
        brow, black = look.brow_ratio * float(look.skin @ LUMA), float(look.black @ LUMA)
        ratio = guess_iris_ratio(*((dark - float(veil @ LUMA)) / float(lit @ LUMA) for dark in (brow, black)))
        return choose_iris(self._eye_color, np.maximum(skin - veil, 1), ratio)


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
    small = cv2.resize(luma(crop), (16, 16), interpolation=cv2.INTER_AREA)[3:13, 2:14]
    left, right = float(small[:, :6].mean()), float(small[:, 6:].mean())
    difference = 4.0 * (right - left) / max(right + left, 1.0)
    return float(np.clip(difference + math.copysign(0.35, difference), -1, 1))
