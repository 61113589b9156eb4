"""Makes an eye from a dark, noisy photo regular: what the noise took from it, the model of an eye gives back.

Where the lids stand, where the person looks and what colours iris and white have is the photo's; that an iris is round
and a white smooth, it need not tell.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from donor_light import Matched
from eye_shape import IRIS_RADIUS, EyeFrame, Lids, find_frame, fit_open_lids, landmarks_in_frame
from eyeball import PUPIL_SHARE, EyeLook, aperture_alpha, choose_catchlight, choose_sclera, render_eyeball
from photo_look import LUMA, PhotoLook, measure_eye_skin, measure_skin, trimmed_mean
from photo_types import Box, Donor, Feature
from soft_edges import smoothstep

Array = NDArray[np.float32]

_MOST_STEADIED = 0.80
"""So much of the eyeball is the model's at most; the rest is as the photo shows it."""
_SUPERSAMPLING = 3
_SOFTNESS = 0.10
"""Width over which the model ends at the lids, in units of the eye frame."""
_IRIS_RINGS = (0.35, 0.85)
"""The iris' colour is measured between these shares of its radius, below its middle."""
_WHITE_FROM, _WHITE_REACH = 1.2, 0.75
"""The white's colour is measured from so many of its radii on, and no nearer to the corners."""
_IRIS_PERCENTILES, _WHITE_PERCENTILES = (15, 60), (60, 100)
"""By brightness: glints brighten an iris, a pupil darkens it, lashes and lids darken a white."""
_HUE_PERCENTILES = (10, 80)
"""As many pixels as can be: in the dark a step of 8 bits is a change of hue, and a median is one of the steps."""
_MOST_UNEVEN = 1.5
"""By so much at most the two irises of a face are made alike in brightness: more is no noise but a shadow."""
_MOST_IRIS, _LEAST_WHITE = 0.55, 0.85
"""Luma over the skin's: the iris is no brighter and the white no darker, however the noise has mixed them."""
_LIGHT_X = 0.35
_LEAST_PIXELS = 8
"""Fewer show no colour of their own."""


@dataclass(frozen=True, eq=False)
class _Eyeball:
    """Where the donor's eyeball lies: its lids and the iris' `center` in the `frame`, whose x is foreshortened."""

    frame: EyeFrame
    lids: Lids
    center: tuple[float, float]
    roundness: float


def steady_eye(matched: Matched, x: Array, y: Array, donor: Donor, feature: Feature, look: PhotoLook) -> Array:
    """A donated eye float32 (h, w, 3), already in the light of its new photo, made as regular as it had to be calmed.

    `x`, `y` (h, w) are coordinates in the eye frame of the donor's `feature`. `look` is that of the face the eye goes
    into. One that was not calmed comes back as it is.
    """
    donated, share = matched.pixels, matched.calmed
    if share <= 0:
        return donated
    eyeball = _find_eyeball(donor, feature)
    on_iris, on_white = _find_colors(x, y, eyeball)
    iris = _measure_iris(donated[on_iris], matched.noisy[on_iris])
    white = _measure(donated[on_white], _WHITE_PERCENTILES)
    if iris is None:
        return donated
    level = float(look.skin @ LUMA)
    iris = iris * _even_irises(donor, feature)
    iris = iris * min(1.0, _MOST_IRIS * level / max(float(iris @ LUMA), 1.0))
    usual = choose_sclera(look.skin)
    white = usual if white is None else (usual + white * max(1.0, _LEAST_WHITE * level / float(white @ LUMA))) / 2
    eye_look = EyeLook(
        iris=iris,
        sclera=white,
        skin=look.skin,
        black=PUPIL_SHARE * look.black,
        catchlight=choose_catchlight(look.skin, look.highlight),
        gaze=(0.0, 0.0),
        light_x=_LIGHT_X * (1.0 if eyeball.frame.x_axis[0] > 0 else -1.0),
        detail=0.0,
        roundness=eyeball.roundness,
        seed=0,
    )
    size = donated.shape[1], donated.shape[0]
    fine_size = _SUPERSAMPLING * size[0], _SUPERSAMPLING * size[1]
    fine_x, fine_y = (np.asarray(cv2.resize(axis, fine_size), np.float32) for axis in (x, y))
    alpha = aperture_alpha(fine_x, fine_y, eyeball.lids, _SOFTNESS)
    model = render_eyeball(fine_x, fine_y, eyeball.lids, eyeball.center, eye_look)

    def reduce(picture: Array) -> Array:
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.GaussianBlur(small, (0, 0), max(look.blur_sigma_px, 0.3)), np.float32)

    coverage = reduce(alpha)[..., None]
    # The same grain as the donated eye has by now: the two mixed have no more than either.
    model = reduce(model * alpha[..., None]) / np.maximum(coverage, 1e-3) + look.tile_grain(*donated.shape[:2])
    # Corners and rims are the photo's own: there the landmarks are least sure.
    weight = _MOST_STEADIED * share * coverage * (1 - smoothstep(0.75, 1.0, np.abs(x)))[..., None]
    return np.asarray(donated + weight * (model - donated), np.float32)


def _find_eyeball(donor: Donor, feature: Feature) -> _Eyeball:
    eye, frame = donor.face.eye(feature), find_frame(donor.face, feature)
    center_x, center_y = (float(value[0]) for value in landmarks_in_frame(frame, eye.iris[:1]))
    roundness = 1 / max(frame.seen_share, 0.5)
    return _Eyeball(frame, fit_open_lids(frame, eye, donor.opening), (center_x, center_y), roundness)


def _find_colors(x: Array, y: Array, eyeball: _Eyeball) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Where iris is seen that no lid shades, and where white; both (h, w)."""
    center_x, center_y = eyeball.center
    distance = np.hypot((x - center_x) / eyeball.roundness, y - center_y) / IRIS_RADIUS
    inside = aperture_alpha(x, y, eyeball.lids, _SOFTNESS) > 0.9
    low, high = _IRIS_RINGS
    return (
        np.asarray(inside & (distance > low) & (distance < high) & (y < center_y)),
        np.asarray(inside & (distance > _WHITE_FROM) & (np.abs(x) < _WHITE_REACH)),
    )


def _even_irises(donor: Donor, feature: Feature) -> Array:
    """What to multiply the iris of one eye by, float32 (3,), for both of the donor's to have one colour.

    Each eye keeps its own light, as the skin below it tells.
    """
    own, other = (_measure_reflectance(donor, eye) for eye in (feature, feature.other_eye))
    if own is None or other is None:
        return np.ones(3, np.float32)
    own_level, other_level = (max(float(color @ LUMA), 1e-3) for color in (own, other))
    hues = (own / own_level + other / other_level) / (2 * own / own_level)
    level = np.clip(np.sqrt(other_level / own_level), 1 / _MOST_UNEVEN, _MOST_UNEVEN)
    return np.asarray(hues * level, np.float32)


def _measure_reflectance(donor: Donor, feature: Feature) -> Array | None:
    """The colour float32 (3,) of an iris over how bright the skin below it is; None where there is none to see."""
    eye = donor.face.eye(feature)
    box = Box.around(np.concatenate([eye.upper, eye.lower])).clipped(donor.pixels.shape[1], donor.pixels.shape[0])
    if box is None:
        return None
    eyeball = _find_eyeball(donor, feature)
    on_iris, _ = _find_colors(*eyeball.frame.grid(box), eyeball)
    color = _measure(donor.pixels[box.slices][on_iris].astype(np.float32), _HUE_PERCENTILES)
    if color is None:
        return None
    skin = measure_eye_skin(donor.pixels, donor.face, feature, measure_skin(donor.pixels, donor.face))
    return np.asarray(np.maximum(color, 1) / max(float(skin @ LUMA), 1.0), np.float32)


def _measure_iris(calm: Array, noisy: Array) -> Array | None:
    """Colour of an iris from pixels (n, 3) of its lower half: as bright as they are calmed, with the hue of the noisy.

    None where they are too few.
    """
    color, hue = _measure(calm, _IRIS_PERCENTILES), _measure(noisy, _HUE_PERCENTILES)
    if color is None or hue is None:
        return None
    return np.asarray(hue * float(color @ LUMA) / max(float(hue @ LUMA), 1.0), np.float32)


def _measure(colors: Array, percentiles: tuple[int, int]) -> Array | None:
    """Mean of those of `colors` (n, 3) whose luma is between two percentiles; None where they are too few."""
    return trimmed_mean(colors, percentiles) if len(colors) >= _LEAST_PIXELS else None
