"""When one eye is closed and the other open: the open one is the best source there is.

Both eyes share the eye frame (`eye_shape`), which is mirrored between them, so the open eye is carried over by looking
up, for every pixel of the closed one, the pixel of the same frame coordinates.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from eye_shape import (
    IRIS_CENTER,
    IRIS_RADIUS,
    MEAN_ASPECT_RATIO,
    EyeFrame,
    amount_for_height,
    find_frame,
    landmarks_in_frame,
)
from landmarks import EyeLandmarks
from options import Options
from photo_types import Box, Edit, EditPlan, Pixels
from soft_edges import smoothstep

Array = NDArray[np.float32]

# An eye is fit to be copied when it is clearly open, large enough to carry detail and seen at nearly the same angle.
LEAST_ASPECT_RATIO = 0.18
MOST_BLINK = 0.35
LEAST_WIDTH_PX = 10.0
MOST_YAW_DEGREES = 20.0
# Moved further than this, in frame units, a mirrored iris drags the lids along; then the eye is rendered instead.
MOST_GAZE_SHIFT = 0.14
DEFAULT_AMOUNT = Options().eye_opening
# Skin around the eyes whose tone is matched: a ring at this distance, in frame units.
_RING = (1.10, 1.45)


def _is_open(pixels: Pixels, edit: Edit, plan: EditPlan) -> bool:
    other = edit.feature.other_eye
    edited = any(e.face.number == edit.face.number and e.feature is other for e in plan.edits)
    eye = edit.face.eye(other)
    rims = np.concatenate([eye.upper, eye.lower])[:, :2]
    # Landmarks are also given for what the photo's edge cuts off.
    inside = bool(((rims >= 0) & (rims < (pixels.shape[1], pixels.shape[0]))).all())
    return (
        inside
        and not edited
        and eye.aspect_ratio > LEAST_ASPECT_RATIO
        and edit.face.blink(other) < MOST_BLINK
        and eye.width_px >= LEAST_WIDTH_PX
    )


def is_fit_to_copy(pixels: Pixels, edit: Edit, plan: EditPlan) -> bool:
    """Whether the face's other eye is open, seen well enough and looks straight enough to be mirrored over."""
    return (
        _is_open(pixels, edit, plan)
        and abs(edit.face.yaw_degrees) <= MOST_YAW_DEGREES
        and abs(_gaze_shift(edit)) <= MOST_GAZE_SHIFT
    )


def match_other_eye(pixels: Pixels, edit: Edit, plan: EditPlan) -> Edit:
    """The edit with its amount such that the eye opens as wide as the open other one; unchanged if there is none."""
    if not _is_open(pixels, edit, plan):
        return edit
    ratio = edit.face.eye(edit.feature.other_eye).aspect_ratio / MEAN_ASPECT_RATIO
    # The user's choice and the retries still count, as the difference from the default.
    amount = amount_for_height(ratio) + edit.amount - DEFAULT_AMOUNT
    return replace(edit, amount=float(np.clip(amount, 0, 1)))


def _gaze_shift(edit: Edit) -> float:
    """How far the mirrored iris must move, in frame units: looking aside moves one to the nose, the other away."""
    other = edit.feature.other_eye
    iris_x = landmarks_in_frame(find_frame(edit.face, other), edit.face.eye(other).iris[:1])[0]
    return 2 * (IRIS_CENTER[0] - float(iris_x[0]))


def find_iris_color(pixels: Pixels, edit: Edit, plan: EditPlan) -> Array | None:
    """Colour float32 (3,) RGB of the open other eye's iris as the photo shows it; None where there is none to see."""
    if not _is_open(pixels, edit, plan):
        return None
    return measure_iris(pixels, edit.face.eye(edit.feature.other_eye))


def measure_iris(pixels: Pixels, eye: EyeLandmarks) -> Array | None:
    """Colour float32 (3,) RGB of the iris of an open eye as the photo shows it; None where it has too few pixels."""
    x, y = eye.iris[0, :2]
    radius = float(np.linalg.norm(eye.iris[1:, :2] - eye.iris[0, :2], axis=1).mean())
    reach = int(radius) + 2
    box = Box(int(x) - reach, int(y) - reach, int(x) + reach + 1, int(y) + reach + 1)
    clipped = box.clipped(pixels.shape[1], pixels.shape[0])
    if clipped is None:
        return None
    rows, columns = np.mgrid[clipped.slices]
    distance = np.hypot(columns - x, rows - y) / max(radius, 1.0)
    # Lower half only: the upper one lies in the shadow of the lid.
    ring = (distance > 0.5) & (distance < 0.85) & (rows > y)
    if ring.sum() < 6:
        return None
    return np.asarray(np.median(pixels[rows[ring], columns[ring]], axis=0), np.float32)


def copy_other_eye(pixels: Pixels, edit: Edit) -> Pixels:
    """Return the box of `edit.region` with the other eye mirrored in, uint8 (h, w, 3); gaze and light stay parallel."""
    box = edit.region.box
    frame, donor = find_frame(edit.face, edit.feature), find_frame(edit.face, edit.feature.other_eye)
    x, y = frame.grid(box)
    look_x = _turn_gaze(x, y, edit, donor)
    map_x, map_y = donor.to_photo(look_x, y)
    copied = cv2.remap(pixels, map_x, map_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
    target = pixels[box.slices].astype(np.float32)
    copied = _match_tone(copied, target, x, y)
    # The brow and the outer skin are the person's own on this side.
    weight = (1 - smoothstep(0.95, 1.35, np.hypot(x / 1.1, (y - 0.1) / 0.85)))[..., None]
    return np.asarray(np.clip(np.rint(target + weight * (copied - target)), 0, 255), np.uint8)


def _turn_gaze(x: Array, y: Array, edit: Edit, donor: EyeFrame) -> Array:
    """Frame x to look up in the open eye. Mirrored eyes squint unless they look straight on, so the iris is moved."""
    eye = edit.face.eye(edit.feature.other_eye)
    iris_x, iris_y = (float(v[0]) for v in landmarks_in_frame(donor, eye.iris[:1]))
    shift = _gaze_shift(edit)
    distance = np.hypot(x - (iris_x + shift), y - iris_y) / IRIS_RADIUS
    return np.asarray(x - shift * (1 - smoothstep(1.0, 2.2, distance)), np.float32)


def _match_tone(copied: Array, target: Array, x: Array, y: Array) -> Array:
    """Scale the copied eye so that the skin around it is as bright and as coloured as the skin it is put into."""
    distance = np.hypot(x / 1.1, (y - 0.1) / 0.9)
    ring = (distance > _RING[0]) & (distance < _RING[1]) & (y < 0.5)
    if ring.sum() < 12:
        return copied
    gain = np.median(target[ring], axis=0) / np.maximum(np.median(copied[ring], axis=0), 1.0)
    return copied * np.clip(gain, 0.6, 1.6).astype(np.float32)
