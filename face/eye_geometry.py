"""Where the lids and the iris of an eye are, closed and open.

All coordinates are those of the *eye frame* (`face.types.EyeFrame`): origin midway between the corners of the eye,
x = -1 at the outer corner and +1 at the inner one, y toward the brow, one unit = half the true width of the eye.
A turned head foreshortens x but not y, so the two axes keep scales of their own. Both eyes have the same frame,
mirrored: measures of one eye apply to the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from face.types import EyeFrame, EyeLandmarks
from photo.blend import smoothstep
from photo.measure import luma, trimmed_mean
from photo.types import Box, FloatArray, Matrix, Pixels, Points

# calibration: lids. Lid curves are (1 - x²)(a + bx + cx²). Means over 61 open eyes and 53 closed ones, looked at
# straight on.
OPEN_UPPER = (0.421, -0.041, 0.092)
OPEN_LOWER = (-0.173, 0.123, -0.044)
CLOSED_LINE = (-0.076, 0.089, 0.045)
MEAN_ASPECT_RATIO = 0.27
# calibration: lids. Iris of the same open eyes: centre and radius.
IRIS_CENTER = (-0.06, 0.135)
IRIS_RADIUS = 0.43
EYEBALL_DEPTH = 0.55
"""The middle of the eyeball lies this far behind the corners of the eye: on a turned head the iris of an eye that looks
at the camera therefore stands off the middle."""

# calibration: lid-height. How much of this person's own deviation from the mean closed line the opened lids keep.
OWN_SHAPE_RATIO = 0.5
# calibration: lid-height. A smile pushes the lower lid up and narrows the eye: at a full smile to this part of the
# height.
SMILING_HEIGHT_RATIO = 0.84
# calibration: lid-height. A far eye, seen at this part of its width or less, opens to this part of the height: both
# shrink on the way round.
FORESHORTENED_WIDTH, FORESHORTENED_HEIGHT_RATIO = 0.60, 0.76
# calibration: lid-height. How high the upper lid stands at amount 0 and 1, as a part of the mean open eye.
LEAST_HEIGHT_RATIO = 0.62
MOST_HEIGHT_RATIO = 1.32


def evaluate_lid(coefficients: Sequence[float] | FloatArray, x: FloatArray | float) -> FloatArray:
    """Return the height of a lid curve at each `x` in the eye frame, float32 like `x`.

    `coefficients` are three, and the curve is 0 at and beyond the corners; or five, the last two being its heights at
    and beyond the outer and the inner corner.
    """
    x = np.clip(np.asarray(x, np.float32), -1.0, 1.0)
    a, b, c, *ends = coefficients
    height = (1 - x * x) * (a + b * x + c * x * x)
    if ends:
        height = height + (ends[0] * (1 - x) + ends[1] * (1 + x)) / 2
    return np.asarray(height, np.float32)


@dataclass(frozen=True, eq=False)
class EyeView:
    """A box of the photo around an eye, and the frame coordinates `x`, `y` float32 (h, w) of its pixels."""

    box: Box
    frame: EyeFrame
    x: FloatArray
    y: FloatArray


def landmarks_in_frame(frame: EyeFrame, points: Points) -> tuple[FloatArray, FloatArray]:
    """Return frame coordinates x and y, each float32 (n,), of landmarks float32 (n, 2 or 3)."""
    return frame.to_frame(points[:, 0], points[:, 1])


def find_height(frame: EyeFrame, points: Points, x: FloatArray) -> Matrix:
    """Return the height, float64 like `x`, of the curve through photo points (n, 2 or 3), in the eye frame.

    Beyond its ends the curve is level.
    """
    along, height = landmarks_in_frame(frame, points)
    order = np.argsort(along)
    return np.interp(x, along[order], height[order])


@dataclass(frozen=True, eq=False)
class Lids:
    """The lids of one eye in its frame, as coefficients for `evaluate_lid`.

    `closed` float32 (5,) is the line where closed lids meet, which ends below the outer corner of the open eye. `upper`
    and `lower` float32 (3,) are the rims of the open lids, `brow_height` is the height of the brow's lower edge over
    the middle of the eye.
    """

    closed: FloatArray
    upper: FloatArray
    lower: FloatArray
    brow_height: float


def fit_closed_line(frame: EyeFrame, eye: EyeLandmarks) -> FloatArray:
    """Return coefficients float32 (5,) of the line where the lids of a closed eye meet, fitted to both rims."""
    corner_x, corner_y = landmarks_in_frame(frame, np.stack([eye.outer_corner, eye.inner_corner]))
    slope = float(corner_y[1] - corner_y[0]) / max(float(corner_x[1] - corner_x[0]), 1e-6)
    ends = corner_y + slope * (np.array([-1.0, 1.0], np.float32) - corner_x)
    curve = _fit_curve(frame, np.concatenate([eye.upper[1:-1], eye.lower[1:-1]]), CLOSED_LINE, ends)
    return np.concatenate([curve, ends]).astype(np.float32)


def fit_open_lids(frame: EyeFrame, eye: EyeLandmarks, opening: float) -> Lids:
    """Return the lids of an open eye, fitted to its landmarks, the upper one at `opening` 0 … 1 of its height."""
    upper, lower = (
        _fit_curve(frame, rim[1:-1], mean) for rim, mean in ((eye.upper, OPEN_UPPER), (eye.lower, OPEN_LOWER))
    )
    brow_height = float(landmarks_in_frame(frame, eye.brow_lower)[1][1:4].mean())
    return Lids(np.asarray((*CLOSED_LINE, 0, 0), np.float32), lower + opening * (upper - lower), lower, brow_height)


def _fit_curve(
    frame: EyeFrame, points: Points, mean: tuple[float, float, float], ends: Sequence[float] | FloatArray = (0.0, 0.0)
) -> FloatArray:
    """Coefficients float32 (3,) of the lid curve through landmarks (n, 3), by ridge regression toward the `mean` one.

    `ends` are its heights at the corners. The landmarks of an eye 20 px wide vary by a tenth of its width.
    """
    x, y = landmarks_in_frame(frame, points)
    x = np.clip(x, -0.98, 0.98)
    y = y - evaluate_lid((0.0, 0.0, 0.0, *ends), x)
    basis = (1 - x * x)[:, None] * np.stack([np.ones_like(x), x, x * x], axis=1)
    ridge = np.diag([0.05, 0.2, 0.4]).astype(np.float32)
    design = np.concatenate([basis, ridge])
    target = np.concatenate([y, ridge @ np.asarray(mean, np.float32)])
    return np.linalg.lstsq(design, target, rcond=None)[0].astype(np.float32)


def amount_for_height(height_ratio: float) -> float:
    """Return the amount at which `plan_lids` makes an eye `height_ratio` times as high as the mean one.

    It may lie outside 0 … 1.
    """
    return (height_ratio - LEAST_HEIGHT_RATIO) / (MOST_HEIGHT_RATIO - LEAST_HEIGHT_RATIO)


def narrow_by_smile(smile: float) -> float:
    """Return the part of its height that an eye keeps when the mouth smiles with this score, 0 … 1."""
    return 1.0 - (1.0 - SMILING_HEIGHT_RATIO) * smile


def plan_lids(frame: EyeFrame, eye: EyeLandmarks, amount: float, smile: float) -> Lids:
    """Return where the lids of a closed eye will be once it is opened.

    `amount` 0 … 1 is how wide to open it, about 0.5 like the mean open eye; `smile` 0 … 1, the smile score, narrows it.
    """
    closed = fit_closed_line(frame, eye)
    own = OWN_SHAPE_RATIO * (closed[:3] - np.asarray(CLOSED_LINE, np.float32))
    # How far the closed line sags does not tell how high the open lids stand.
    own[0] = 0.0
    height = LEAST_HEIGHT_RATIO + (MOST_HEIGHT_RATIO - LEAST_HEIGHT_RATIO) * amount
    height *= narrow_by_smile(smile)
    height *= float(np.interp(frame.foreshortening, (FORESHORTENED_WIDTH, 0.95), (FORESHORTENED_HEIGHT_RATIO, 1.0)))
    brow_height = float(landmarks_in_frame(frame, eye.brow_lower)[1][1:4].mean())
    lower = np.asarray(OPEN_LOWER, np.float32) * (1.0 - 0.25 * smile) + own
    # The lower rim must never rise above the closed line: opening an eye leaves it in place or lowers it.
    lower[0] = min(lower[0], float(evaluate_lid(closed, 0.0)) - 0.02)
    upper = np.asarray(OPEN_UPPER, np.float32) * height + own
    # A low brow leaves less room: the lid cannot slide up under it.
    upper[0] = min(upper[0], 0.55 * brow_height)
    return Lids(closed, upper, lower, brow_height)


# calibration: iris-place. The iris is looked for so far aside of its landmarks, and taken to be there if its rim is so
# many times clearer.
_IRIS_SEARCH, _CLEARLY_BETTER = 0.25, 2.0
# calibration: iris-place. A smaller iris shows no colour of its own.
_LEAST_IRIS_PX = 2.0
# calibration: iris-place. Of the lower half of the iris at least this part must be seen, this near to the middle of its
# landmarks (in radii); the colour is that of the pixels between these percentiles of brightness.
_LEAST_SEEN, _WITHIN = 0.15, 0.95
_IRIS_PERCENTILES = (15, 50)


def measure_iris(
    pixels: Pixels, eye: EyeLandmarks, frame: EyeFrame, circle: tuple[float, float, float]
) -> FloatArray | None:
    """Return the RGB, float32 (3,), of the iris of an open eye as photographed; None where too few pixels show it.

    `pixels` uint8 (H, W, 3). `circle` comes from `find_iris`. Neither the circle nor the landmarks are always right:
    only pixels within both, and between the lids, count as iris.
    """
    iris_x, iris_y, radius = circle
    # Lower half mostly: the upper one lies in the shadow of the lid.
    angles, radii = np.meshgrid(np.radians(np.linspace(170, 370, 25)), np.linspace(0.45, 0.85, 5))
    round_x = 1 / frame.foreshortening
    x = (iris_x + radius * radii * np.cos(angles) * round_x).astype(np.float32)
    y = (iris_y + radius * radii * np.sin(angles)).astype(np.float32)
    marked_x, marked_y = (float(value[0]) for value in landmarks_in_frame(frame, eye.iris[:1]))
    inside = np.hypot((x - marked_x) / round_x, y - marked_y) < _WITHIN * radius
    inside &= find_opening(x, y, eye, frame) > 0.8
    columns, rows = frame.to_photo(x[inside], y[inside])
    seen = (columns >= 0) & (rows >= 0) & (columns <= pixels.shape[1] - 1) & (rows <= pixels.shape[0] - 1)
    if radius * frame.half_width_px < _LEAST_IRIS_PX or seen.sum() < _LEAST_SEEN * x.size:
        return None
    colors = cv2.remap(pixels, columns[seen], rows[seen], cv2.INTER_LINEAR).reshape(-1, 3).astype(np.float32)
    # Glints, reflections and the white are brighter; the darkest pixels are pupil and lashes.
    return trimmed_mean(colors, _IRIS_PERCENTILES)


def mark_iris(eye: EyeLandmarks, frame: EyeFrame) -> tuple[float, float, float]:
    """Return x, y and radius of the iris in the eye frame by its landmarks alone: right where somebody looks ahead."""
    x, y = (float(value[0]) for value in landmarks_in_frame(frame, eye.iris[:1]))
    return x, y, IRIS_RADIUS


def find_iris(pixels: Pixels, eye: EyeLandmarks, frame: EyeFrame) -> tuple[float, float, float]:
    """Return x, y and radius of the iris in the eye frame: where the step from dark to bright at its sides is greatest.

    `pixels` uint8 (H, W, 3). The landmarks stay near the middle when somebody looks far aside. After Daugman, "High
    confidence visual recognition of persons by a test of statistical independence", 1993.
    """
    start_x, start_y = (float(value[0]) for value in landmarks_in_frame(frame, eye.iris[:1]))
    round_x = 1 / frame.foreshortening
    angles = np.radians(np.concatenate([np.linspace(-50, 20, 8), np.linspace(160, 230, 8)]))

    def score(center_x: float, center_y: float, radius: float) -> float:
        rings = np.array([radius - 0.05, radius + 0.07])[:, None]
        x, y = center_x + rings * np.cos(angles) * round_x, center_y + rings * np.sin(angles)
        map_x, map_y = frame.to_photo(x.astype(np.float32), y.astype(np.float32))
        inner, outer = luma(cv2.remap(pixels, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))
        # The weaker of the two sides counts: lashes and corners are dark on one side only.
        step = outer - inner
        return min(float(np.median(step[:8])), float(np.median(step[8:])))

    radii = np.linspace(0.39, 0.48, 4)
    usual = max(((start_x, start_y, float(radius)) for radius in radii), key=lambda circle: score(*circle))
    tried = [
        (start_x + float(dx), start_y + float(dy), float(radius))
        for radius in radii
        for dx in np.linspace(-_IRIS_SEARCH, _IRIS_SEARCH, 21)
        for dy in np.linspace(-0.08, 0.04, 4)
    ]
    found = max(
        tried,
        key=lambda circle: score(*circle) - 40 * (circle[0] - start_x) ** 2 - 800 * (circle[2] - IRIS_RADIUS) ** 2,
    )
    # Where the landmarks are nearly as good, they are used, as they vary less.
    return found if score(*found) > _CLEARLY_BETTER * max(score(*usual), 1.0) else usual


def find_opening(x: FloatArray, y: FloatArray, eye: EyeLandmarks, frame: EyeFrame) -> FloatArray:
    """Return the visible part of an open eye between its lids, float32 0 … 1 in the shape of `x`, soft at the rims.

    `x` and `y` are frame coordinates.
    """
    upper, lower = (find_height(frame, rim, x) for rim in (eye.upper, eye.lower))
    return smoothstep(-0.08, 0.02, upper - y) * smoothstep(-0.02, 0.06, y - lower)
