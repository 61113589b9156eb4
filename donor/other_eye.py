"""Copies the open other eye of the same face: where one eye is closed, no other source is as good.

Both eyes share the eye frame (`face.types.EyeFrame`), which is mirrored between them, so the open eye is transferred by
looking up, for every pixel of the closed one, the pixel of the same frame coordinates.
"""

from __future__ import annotations

import cv2
import numpy as np

from donor.light import match_light, skin_alike
from edit.plan import Edit
from face.analysis import FaceAnalysis
from face.expression import is_fit_to_copy
from face.eye_geometry import (
    IRIS_CENTER,
    MEAN_ASPECT_RATIO,
    amount_for_height,
    find_height,
    find_opening,
    landmarks_in_frame,
)
from face.types import EyeFrame, EyeLandmarks, Face, Feature
from photo.blend import smoothstep
from photo.measure import LUMA, luma
from photo.types import FloatArray, Pixels

# calibration: other-eye. An eye is fit to be copied when it is clearly open, large enough to carry detail and seen at
# nearly the same angle.
LEAST_WIDTH_PX = 10.0
MOST_YAW_DEGREES = 20.0
# calibration: other-eye. Moved further than this, in frame units, a mirrored iris leaves too little white to fill its
# place with.
MOST_GAZE_SHIFT = 0.45
_LEAST_GAZE_SHIFT = 0.02
# The rim of the lower lid is so high.
_RIM = 0.06


def is_other_open(analysis: FaceAnalysis, feature: Feature) -> bool:
    """Return whether the other eye of a face is open, large enough, and wholly inside the photo."""
    other = feature.other_eye
    eye = analysis.eye(other)
    return (
        eye.fraction_inside == 1 and is_fit_to_copy(analysis.face, other) and eye.landmarks.width_px >= LEAST_WIDTH_PX
    )


def is_seen_alike(face: Face, feature: Feature) -> bool:
    """Return whether the other eye is seen from nearly the same angle and its gaze is central enough to mirror it."""
    turned = abs(face.yaw_degrees) > MOST_YAW_DEGREES
    return not turned and abs(_gaze_shift(face, feature)) <= MOST_GAZE_SHIFT


def match_amount(face: Face, feature: Feature, amount: float, usual: float) -> float:
    """Return the amount 0 … 1 at which an eye opens as wide as the open other one.

    The user's `amount` is added as far as it differs from the `usual` one.
    """
    return match_height(face.eye(feature.other_eye).aspect_ratio / MEAN_ASPECT_RATIO, amount, usual)


def match_height(ratio: float, amount: float, usual: float) -> float:
    """Return the amount 0 … 1 at which an eye opens to `ratio` times the height of the mean one; as `match_amount`."""
    return float(np.clip(amount_for_height(ratio) + amount - usual, 0, 1))


def _gaze_shift(face: Face, feature: Feature) -> float:
    """How far the mirrored iris must move, in frame units: a sideways gaze moves one to the nose, the other away."""
    other = feature.other_eye
    iris_x = landmarks_in_frame(face.eye_frame(other), face.eye(other).iris[:1])[0]
    return 2 * (IRIS_CENTER[0] - float(iris_x[0]))


def copy_other_eye(pixels: Pixels, edit: Edit) -> Pixels:
    """Return the box of `edit.region` with the other eye mirrored into it, uint8 (h, w, 3) RGB.

    `pixels` uint8 (H, W, 3) is not written to. Both eyes have the same gaze, and the copy the light of its new place.
    """
    box = edit.region.box
    frame, donor = edit.face.eye_frame(edit.feature), edit.face.eye_frame(edit.feature.other_eye)
    x, y = frame.grid(box)
    copied = _turn_gaze(pixels, _sample(pixels, donor, x, y), x, y, edit, donor)
    target = pixels[box.slices].astype(np.float32)
    brow = find_height(frame, edit.face.eye(edit.feature).brow_lower, x)
    copied *= match_light(target, copied, skin_alike(x, y, brow), frame.half_width_px)
    # The brow stays the one of this side; toward the temple the lashes and their line come with the copy.
    reach = np.where(x < 0, 1.55, 1.1)
    weight = (1 - smoothstep(0.95, 1.35, np.hypot(x / reach, (y - 0.1) / 0.85)))[..., None]
    return np.asarray(np.clip(np.rint(target + weight * (copied - target)), 0, 255), np.uint8)


def _sample(pixels: Pixels, frame: EyeFrame, x: FloatArray, y: FloatArray) -> FloatArray:
    """The photo at eye frame coordinates (h, w), float32 (h, w, 3)."""
    map_x, map_y = frame.to_photo(x, y)
    seen = cv2.remap(pixels, map_x, map_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(seen, np.float32)


def _turn_gaze(
    pixels: Pixels, copied: FloatArray, x: FloatArray, y: FloatArray, edit: Edit, donor: EyeFrame
) -> FloatArray:
    """The mirrored eye with its iris moved so that both have the same gaze; mirrored eyes squint or diverge.

    Sclera is filled in where the iris was, and the iris is composited at its new place; where the upper lid hid it, its
    lower half is mirrored.
    """
    other = edit.analysis.eye(edit.feature.other_eye)
    eye, (iris_x, iris_y, radius) = other.landmarks, other.iris
    shift = 2 * (IRIS_CENTER[0] - iris_x)
    if abs(shift) < _LEAST_GAZE_SHIFT:
        return copied
    # An iris is round in the photo, while x of the frame is foreshortened.
    round_x = 1 / donor.foreshortening

    def distance(center_x: float) -> FloatArray:
        return np.asarray(np.hypot((x - center_x) / round_x, y - iris_y), np.float32)

    opening = find_opening(x, y, eye, donor)
    old = 1 - smoothstep(radius + 0.06, radius + 0.16, distance(iris_x))
    white = _extend_sclera(copied, opening * (1 - old), x, y)
    moved = np.asarray(copied + (opening * old)[..., None] * (white - copied), np.float32)
    # Filled in where the lids hide it: an iris is alike above and below its middle, and roughly alike all around.
    iris = _average_iris(pixels, eye, donor, (iris_x, iris_y, radius), distance(iris_x + shift))
    for from_y in (2 * iris_y - y, y):
        seen = smoothstep(0.8, 1.0, find_opening(x - shift, from_y, eye, donor))[..., None]
        iris = iris + seen * (_sample(pixels, donor, x - shift, from_y) - iris)
    new = 1 - smoothstep(radius - 0.02, radius + 0.08, distance(iris_x + shift))
    # An iris reaches below the lower lid, whose wet rim is white only beside it.
    free = find_opening(x, y + _RIM, eye, donor) * (y < iris_y) + opening * (y >= iris_y)
    return np.asarray(moved + (free * new)[..., None] * (iris - moved), np.float32)


def _average_iris(
    pixels: Pixels, eye: EyeLandmarks, frame: EyeFrame, circle: tuple[float, float, float], distance: FloatArray
) -> FloatArray:
    """RGB (h, w, 3) of the iris `circle` (x, y, radius), averaged over all angles, at each `distance` (h, w)."""
    iris_x, iris_y, radius = circle
    round_x = 1 / frame.foreshortening
    angles, rings = np.meshgrid(np.linspace(0, 2 * np.pi, 48, endpoint=False), np.linspace(0, radius, 8))
    x = (iris_x + rings * np.cos(angles) * round_x).astype(np.float32)
    y = (iris_y + rings * np.sin(angles)).astype(np.float32)
    seen = find_opening(x, y, eye, frame) > 0.9
    colors = _sample(pixels, frame, x, y)
    places, means = [], []
    for ring, place in enumerate(rings[:, 0]):
        found = colors[ring][seen[ring]]
        if len(found):
            # The outer rings catch some white where the circle fits badly: the darker half is iris.
            dark = luma(found) <= np.median(luma(found))
            places.append(place)
            means.append(found[dark].mean(axis=0))
    if not means:
        return np.broadcast_to(colors.mean(axis=(0, 1)), (*distance.shape, 3))
    channels = [np.interp(distance, places, channel) for channel in np.array(means).T]
    return np.stack(channels, axis=-1).astype(np.float32)


def _extend_sclera(copied: FloatArray, known: FloatArray, x: FloatArray, y: FloatArray) -> FloatArray:
    """`copied` (h, w, 3) with the sclera extrapolated, mostly sideways, from where it is `known` (h, w) 0 … 1."""
    half_width_px = max(x.shape[1] - 1, 1) / max(float(np.ptp(x)), 1e-3)
    gray = copied @ LUMA
    sure = known > 0.5
    if sure.sum() < 6:
        return copied
    # Lashes, and their shadow in the corners, are no white.
    weight = known * (gray > 0.75 * float(np.median(gray[sure])))
    total = np.zeros_like(copied)
    sums = np.zeros_like(weight)
    for across, along, mix in ((0.35, 0.08, 1.0), (0.9, 0.25, 0.02)):
        wide, high = across * half_width_px, along * half_width_px
        total += mix * cv2.GaussianBlur(copied * weight[..., None], (0, 0), wide, sigmaY=high)
        sums += mix * cv2.GaussianBlur(weight, (0, 0), wide, sigmaY=high)
    return np.asarray(total / np.maximum(sums, 1e-4)[..., None], np.float32)
