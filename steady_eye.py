"""Makes an eye from a dark, noisy photo regular: what the noise took from it, the model of an eye gives back.

Where the lids stand, where the person looks and what colours iris and white have is the photo's; that an iris is round
and a white smooth, it need not tell.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from eye_shape import IRIS_RADIUS, find_frame, fit_open_lids, landmarks_in_frame
from eyeball import EyeLook, aperture_alpha, choose_catchlight, choose_sclera, render_eyeball
from other_eye import measure_iris
from photo_look import LUMA, PhotoLook
from photo_types import Donor, Feature
from soft_edges import smoothstep

Array = NDArray[np.float32]

_MOST_STEADIED = 0.80
"""So much of the eyeball is the model's at most; the rest is as the photo shows it."""
_SUPERSAMPLING = 3
_SOFTNESS = 0.10
"""Width over which the model ends at the lids, in units of the eye frame."""
_IRIS_RINGS = (0.35, 0.85)
"""The iris' colour is measured between these shares of its radius, below its middle."""
_IRIS_PERCENTILE, _WHITE_PERCENTILE = 40, 60
"""Glints brighten an iris, lashes and lids darken a white."""
_MOST_IRIS, _LEAST_WHITE = 0.55, 0.85
"""Luma over the skin's: the iris is no brighter and the white no darker, however the noise has mixed them."""
_LIGHT_X = 0.35


def steady_eye(
    donated: Array, x: Array, y: Array, donor: Donor, feature: Feature, share: float, look: PhotoLook
) -> Array:
    """A donated eye float32 (h, w, 3), already in the light of its new photo, made regular by a `share` 0 … 1.

    `x`, `y` (h, w) are coordinates in the eye frame of the donor's `feature`. `look` is that of the face the eye goes
    into. A share of 0 changes nothing.
    """
    if share <= 0:
        return donated
    eye, frame = donor.face.eye(feature), find_frame(donor.face, feature)
    lids = fit_open_lids(frame, eye, donor.opening)
    center_x, center_y = (float(value[0]) for value in landmarks_in_frame(frame, eye.iris[:1]))
    seen = float(np.linalg.norm(frame.x_axis)) / frame.unit_px
    roundness = 1 / max(seen, 0.5)
    distance = np.hypot((x - center_x) / roundness, y - center_y) / IRIS_RADIUS
    inside = aperture_alpha(x, y, lids, _SOFTNESS) > 0.9
    low, high = _IRIS_RINGS
    iris = _measure(donated, inside & (distance > low) & (distance < high) & (y < center_y), _IRIS_PERCENTILE, True)
    white = _measure(donated, inside & (distance > 1.2) & (np.abs(x) < 0.75), _WHITE_PERCENTILE, False)
    if iris is None:
        return donated
    level = float(look.skin @ LUMA)
    iris = iris * _even_hues(donor, feature)
    iris = iris * min(1.0, _MOST_IRIS * level / max(float(iris @ LUMA), 1.0))
    usual = choose_sclera(look.skin)
    white = usual if white is None else (usual + white * max(1.0, _LEAST_WHITE * level / float(white @ LUMA))) / 2
    eye_look = EyeLook(
        iris=iris,
        sclera=white,
        skin=look.skin,
        black=0.6 * look.black,
        catchlight=choose_catchlight(look.skin, look.highlight),
        gaze=(0.0, 0.0),
        light_x=_LIGHT_X * (1.0 if frame.x_axis[0] > 0 else -1.0),
        detail=0.0,
        roundness=roundness,
        seed=0,
    )
    size = donated.shape[1], donated.shape[0]
    fine_size = _SUPERSAMPLING * size[0], _SUPERSAMPLING * size[1]
    fine_x, fine_y = (np.asarray(cv2.resize(axis, fine_size), np.float32) for axis in (x, y))
    alpha = aperture_alpha(fine_x, fine_y, lids, _SOFTNESS)
    model = render_eyeball(fine_x, fine_y, lids, (center_x, center_y), eye_look)

    def reduce(picture: Array) -> Array:
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.GaussianBlur(small, (0, 0), max(look.blur_sigma_px, 0.3)), np.float32)

    coverage = reduce(alpha)[..., None]
    model = reduce(model * alpha[..., None]) / np.maximum(coverage, 1e-3)
    # Corners and rims are the photo's own: there the landmarks are least sure.
    weight = _MOST_STEADIED * share * coverage * (1 - smoothstep(0.75, 1.0, np.abs(x)))[..., None]
    return np.asarray(donated + weight * (model - donated), np.float32)


def _even_hues(donor: Donor, feature: Feature) -> Array:
    """What to multiply the iris of one eye by, float32 (3,), for both of the donor's to have one hue."""
    own, other = (measure_iris(donor.pixels, donor.face, eye) for eye in (feature, feature.other_eye))
    if own is None or other is None:
        return np.ones(3, np.float32)
    own_hue, other_hue = (np.maximum(color, 1) / max(float(color @ LUMA), 1.0) for color in (own, other))
    return np.asarray((own_hue + other_hue) / (2 * own_hue), np.float32)


def _measure(donated: Array, where: NDArray[np.bool_], percentile: float, darker: bool) -> Array | None:
    """Mean colour of the darker or the brighter part of some pixels; None where they are too few."""
    colors = donated[where]
    if len(colors) < 8:
        return None
    level = colors @ LUMA
    limit = np.percentile(level, percentile)
    return np.asarray(colors[level <= limit if darker else level >= limit].mean(axis=0), np.float32)
