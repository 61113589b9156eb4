"""Transfers a person's own open eye from another photo: lids, lashes and all, in the light of the photo it goes into.

The donor's photo is registered to the target's (`donor.align`); brows stay the target's. Light and colour are matched
where skin looks alike with open and closed eyes, sharpness and grain by the `FaceAppearance` of both faces. An eye from
a dark photo loses detail with its noise: its eyeball is then partly replaced by a rendered one of the same colours.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from donor.align import map_box, warp_donor
from donor.light import DonorView, Matched, match_donor, skin_alike
from edit.plan import Alignment, Donor, Edit
from face.appearance import FaceAppearance
from face.eye_geometry import IRIS_RADIUS, Lids, find_height, fit_open_lids, landmarks_in_frame
from face.types import EyeFrame, Feature
from photo.blend import smoothstep
from photo.measure import LUMA, trimmed_mean
from photo.types import Box, FloatArray, Mask, Pixels
from render.eyeball import (
    PUPIL_BLACK_RATIO,
    EyeShading,
    aperture_alpha,
    choose_catchlight,
    choose_sclera,
    render_eyeball,
)

# ---- transferring --------------------------------------------------------------------------------------

# All lengths are in units of the eye frame: half the width of the eye.
_MARGIN = 0.6
"""Around the region that is painted so much more is looked at, to match the light."""
_LASH_MARGIN = 0.10
"""When a lid is lowered, the strip below its rim that goes with it: lashes and their shadow."""
_LID_EDGE = 0.05
_FOLD_END = 0.55
"""Above the rim by so much the lid stands still when it is lowered."""
_CREASE = (0.30, 0.70)
"""Above the donor's upper lid its skin fades into the target's own between these heights …"""
_BROW_GAP = (0.05, 0.30)
"""… and below either brow by these."""


@dataclass(frozen=True, eq=False)
class _View:
    """The part of the target in which light is compared, and the donor's eye frame coordinates `x`, `y` of its pixels.

    `upper`, `lower` and `brow` are the heights of the donor's lids and brow at each pixel, `own_brow` that of the
    target's brow; all are float32 (h, w) in units of the donor's eye frame. `half_width_px` is half the width of the
    donor's eye in target pixels.
    """

    box: Box
    half_width_px: float
    x: FloatArray
    y: FloatArray
    upper: FloatArray
    lower: FloatArray
    brow: FloatArray
    own_brow: FloatArray


def transfer_eye(pixels: Pixels, edit: Edit, donor: Donor) -> Pixels:
    """Return the box of `edit.region` with the donor's eye in it, uint8 (h, w, 3) RGB.

    `pixels` uint8 (H, W, 3) is the photo, which may already show other edits. Neither photo is written to.
    """
    alignment, appearance = donor.alignment[edit.feature], edit.analysis.appearance
    view = _plan_view(pixels, edit, donor, alignment)
    target = pixels[view.box.slices].astype(np.float32)
    donated = _lower_lid(warp_donor(donor.analysis.pixels, alignment, view.box), view, donor)
    # Skin further below the eye may be lit differently.
    alike = skin_alike(view.x, view.y, np.minimum(view.brow, view.own_brow)) * (view.y > -1.4)
    difference = DonorView(appearance, donor.analysis.appearance, alignment.scale)
    matched = match_donor(target, donated, alike, view.half_width_px, difference)
    donated = regularize_eye(matched, view.x, view.y, donor, edit.feature, appearance)
    # Above the crease, and before the brows begin, the target's own skin comes back.
    fade = 1 - smoothstep(*_CREASE, view.y - view.upper)
    for brow in (view.brow, view.own_brow):
        fade *= 1 - smoothstep(-_BROW_GAP[1], -_BROW_GAP[0], view.y - brow)
    mixed = target + fade[..., None] * (donated - target)
    rows, columns = edit.region.box.top - view.box.top, edit.region.box.left - view.box.left
    part = mixed[rows : rows + edit.region.box.height, columns : columns + edit.region.box.width]
    return np.asarray(np.clip(np.rint(part), 0, 255), np.uint8)


def _plan_view(pixels: Pixels, edit: Edit, donor: Donor, alignment: Alignment) -> _View:
    frame = donor.face.eye_frame(edit.feature)
    half_width_px = frame.half_width_px / alignment.scale
    inner = edit.region.box
    box = inner.grown(round(_MARGIN * half_width_px)).clipped(pixels.shape[1], pixels.shape[0]) or inner
    x, y = _frame_of_donor(frame, alignment, box)
    eye = donor.face.eye(edit.feature)
    own_brow = edit.face.eye(edit.feature).brow_lower[:, :2] @ alignment.to_donor[:, :2].T + alignment.to_donor[:, 2]

    def height(curve: FloatArray) -> FloatArray:
        return find_height(frame, curve, x).astype(np.float32)

    return _View(
        box, half_width_px, x, y,
        upper=height(eye.upper), lower=height(eye.lower),
        brow=height(eye.brow_lower), own_brow=height(own_brow.astype(np.float32)),
    )  # fmt: skip


def _frame_of_donor(frame: EyeFrame, alignment: Alignment, box: Box) -> tuple[FloatArray, FloatArray]:
    """The donor's eye frame coordinates of every pixel of a box of the target, two float32 (h, w)."""
    map_x, map_y = map_box(alignment, box)
    return frame.to_frame(map_x, map_y)


def _lower_lid(donated: FloatArray, view: _View, donor: Donor) -> FloatArray:
    """The donor's eye with its upper lid lowered to `donor.opening` of its height; the eyeball does not move."""
    if donor.opening >= 0.99:
        return donated
    down = (1 - donor.opening) * np.maximum(view.upper - view.lower, 0)
    rim = view.upper - down
    above = view.y - rim
    shift = down * (1 - smoothstep(0.0, 1.0, above / _FOLD_END))
    # The lid moves along the donor's vertical, which need not be that of the target.
    step_x, step_y = _up_step(view)
    columns, rows = np.meshgrid(
        np.arange(donated.shape[1], dtype=np.float32), np.arange(donated.shape[0], dtype=np.float32)
    )
    map_x, map_y = columns + shift * step_x, rows + shift * step_y
    lid = cv2.remap(donated, map_x, map_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    alpha = smoothstep(-_LASH_MARGIN - _LID_EDGE, -_LASH_MARGIN, above) * (1 - smoothstep(1.2, 1.5, np.abs(view.x)))
    return np.asarray(donated + alpha[..., None] * (lid - donated), np.float32)


def _up_step(view: _View) -> tuple[float, float]:
    """The vector (x, y) in target pixels of one unit upward in the donor's eye frame."""
    height, width = view.x.shape
    across = np.array(
        [
            [view.x[0, -1] - view.x[0, 0], view.x[-1, 0] - view.x[0, 0]],
            [view.y[0, -1] - view.y[0, 0], view.y[-1, 0] - view.y[0, 0]],
        ]
    ) / np.array([max(width - 1, 1), max(height - 1, 1)])
    step = np.linalg.solve(across, np.array([0.0, 1.0]))
    return float(step[0]), float(step[1])


# ---- regularizing a noisy eye --------------------------------------------------------------------------

_MOST_REGULARIZED = 0.80
"""So much of the eyeball is the model's at most; the rest is as the photo shows it."""
_SUPERSAMPLING = 3
_SOFTNESS = 0.10
"""Width over which the model ends at the lids, in units of the eye frame."""
_IRIS_RINGS = (0.35, 0.85)
"""The iris' colour is measured between these shares of its radius, below its middle."""
_WHITE_FROM, _WHITE_REACH = 1.2, 0.75
"""The white's colour is measured from so many of its radii on, and no nearer to the corners."""
# calibration: regular-eye. Percentiles of brightness.
_IRIS_PERCENTILES, _WHITE_PERCENTILES = (15, 60), (60, 100)
"""By brightness: glints brighten an iris, a pupil darkens it, lashes and lids darken a white."""
# calibration: regular-eye. Percentiles of brightness.
_HUE_PERCENTILES = (10, 80)
"""As many pixels as can be: in the dark a step of 8 bits is a change of hue, and a median is one of the steps."""
# calibration: regular-eye. Ratio of two brightnesses.
_MOST_UNEVEN = 1.5
"""By so much at most the two irises of a face are made alike in brightness: more is no noise but a shadow."""
# calibration: regular-eye. Ratios of luma.
_MOST_IRIS, _LEAST_WHITE = 0.55, 0.85
"""Luma over the skin's: the iris is no brighter and the white no darker, however the noise has mixed them."""
_LIGHT_X = 0.35
_LEAST_PIXELS = 8
"""Fewer show no colour of their own."""


@dataclass(frozen=True, eq=False)
class _Eyeball:
    """Geometry of the donor's eyeball: lids and centre of the iris in `frame`, and width over height of the iris."""

    frame: EyeFrame
    lids: Lids
    center: tuple[float, float]
    roundness: float


def regularize_eye(
    matched: Matched, x: FloatArray, y: FloatArray, donor: Donor, feature: Feature, appearance: FaceAppearance
) -> FloatArray:
    """Return the donated eye with its eyeball blended toward a rendered one of its colours, float32 (h, w, 3).

    `matched` is the eye in the light of its new photo; the more it had to be denoised, the more of the rendered eyeball
    it gets, and with `matched.calmed` 0 it comes back itself. `x`, `y` (h, w) are coordinates in the eye frame of the
    donor's `feature`, `appearance` is that of the face the eye goes into.
    """
    donated, calmed = matched.pixels, matched.calmed
    if calmed <= 0:
        return donated
    eyeball = _find_eyeball(donor, feature)
    on_iris, on_white = _find_colors(x, y, eyeball)
    iris = _measure_iris(donated[on_iris], matched.noisy[on_iris])
    white = _measure(donated[on_white], _WHITE_PERCENTILES)
    if iris is None:
        return donated
    level = float(appearance.skin @ LUMA)
    iris = iris * _even_irises(donor, feature)
    iris = iris * min(1.0, _MOST_IRIS * level / max(float(iris @ LUMA), 1.0))
    usual = choose_sclera(appearance.skin)
    white = usual if white is None else (usual + white * max(1.0, _LEAST_WHITE * level / float(white @ LUMA))) / 2
    shading = EyeShading(
        iris=iris,
        sclera=white,
        skin=appearance.skin,
        black=PUPIL_BLACK_RATIO * appearance.black,
        catchlight=choose_catchlight(appearance.skin, appearance.highlight),
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
    model = render_eyeball(fine_x, fine_y, eyeball.lids, eyeball.center, shading)

    def reduce(picture: FloatArray) -> FloatArray:
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.GaussianBlur(small, (0, 0), max(appearance.blur_sigma_px, 0.3)), np.float32)

    coverage = reduce(alpha)[..., None]
    # The same pattern of grain as the donated eye has by now: a blend of the two has as much.
    model = reduce(model * alpha[..., None]) / np.maximum(coverage, 1e-3) + appearance.tile_grain(*donated.shape[:2])
    # Corners and rims stay as in the photo: there the landmarks are least certain.
    weight = _MOST_REGULARIZED * calmed * coverage * (1 - smoothstep(0.75, 1.0, np.abs(x)))[..., None]
    return np.asarray(donated + weight * (model - donated), np.float32)


def _find_eyeball(donor: Donor, feature: Feature) -> _Eyeball:
    """The eyeball of one eye of the donor, between lids lowered to `donor.opening`."""
    eye, frame = donor.face.eye(feature), donor.face.eye_frame(feature)
    center_x, center_y = (float(value[0]) for value in landmarks_in_frame(frame, eye.iris[:1]))
    roundness = 1 / max(frame.foreshortening, 0.5)
    return _Eyeball(frame, fit_open_lids(frame, eye, donor.opening), (center_x, center_y), roundness)


def _find_colors(x: FloatArray, y: FloatArray, eyeball: _Eyeball) -> tuple[Mask, Mask]:
    """Masks of the iris below the shadow of the lid and of the sclera, both bool (h, w)."""
    center_x, center_y = eyeball.center
    distance = np.hypot((x - center_x) / eyeball.roundness, y - center_y) / IRIS_RADIUS
    inside = aperture_alpha(x, y, eyeball.lids, _SOFTNESS) > 0.9
    low, high = _IRIS_RINGS
    return (
        np.asarray(inside & (distance > low) & (distance < high) & (y < center_y)),
        np.asarray(inside & (distance > _WHITE_FROM) & (np.abs(x) < _WHITE_REACH)),
    )


def _even_irises(donor: Donor, feature: Feature) -> FloatArray:
    """The factors float32 (3,) by which the colour of one iris gets equal to the mean of both of the donor's.

    Colours are compared relative to the skin below each eye, so that each keeps its own light.
    """
    own, other = (_measure_reflectance(donor, eye) for eye in (feature, feature.other_eye))
    if own is None or other is None:
        return np.ones(3, np.float32)
    own_level, other_level = (max(float(color @ LUMA), 1e-3) for color in (own, other))
    hues = (own / own_level + other / other_level) / (2 * own / own_level)
    level = np.clip(np.sqrt(other_level / own_level), 1 / _MOST_UNEVEN, _MOST_UNEVEN)
    return np.asarray(hues * level, np.float32)


def _measure_reflectance(donor: Donor, feature: Feature) -> FloatArray | None:
    """The RGB float32 (3,) of an iris over the luma of the skin below it; None where too few pixels show it."""
    eye, pixels = donor.face.eye(feature), donor.analysis.pixels
    box = Box.around(np.concatenate([eye.upper, eye.lower])).clipped(pixels.shape[1], pixels.shape[0])
    if box is None:
        return None
    eyeball = _find_eyeball(donor, feature)
    on_iris, _ = _find_colors(*eyeball.frame.grid(box), eyeball)
    color = _measure(pixels[box.slices][on_iris].astype(np.float32), _HUE_PERCENTILES)
    if color is None:
        return None
    skin = donor.analysis.eye(feature).skin
    return np.asarray(np.maximum(color, 1) / max(float(skin @ LUMA), 1.0), np.float32)


def _measure_iris(calm: FloatArray, noisy: FloatArray) -> FloatArray | None:
    """RGB float32 (3,) of an iris from the pixels (n, 3) of its lower half; None where they are too few.

    Its luma is that of the `calm` pixels, its hue that of the `noisy` ones.
    """
    color, hue = _measure(calm, _IRIS_PERCENTILES), _measure(noisy, _HUE_PERCENTILES)
    if color is None or hue is None:
        return None
    return np.asarray(hue * float(color @ LUMA) / max(float(hue @ LUMA), 1.0), np.float32)


def _measure(colors: FloatArray, percentiles: tuple[int, int]) -> FloatArray | None:
    """Mean of those of `colors` (n, 3) whose luma lies between two percentiles; None where there are too few."""
    return trimmed_mean(colors, percentiles) if len(colors) >= _LEAST_PIXELS else None
