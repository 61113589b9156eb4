"""Renders an eyeball between two lids: sclera, iris, pupil, catchlight, and the shadow of the lid.

Everything here takes coordinates in the eye frame (see `face.eye_geometry`) and colours, and returns RGB; nothing is
read from a photo. Nothing is pure white or black either: the sclera takes most of its colour from the light and the
skin around it, and that, more than any detail, keeps a rendered eye from being taken for a doll's.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from face.eye_geometry import IRIS_RADIUS, Lids, evaluate_lid
from face.types import EyeFrame
from photo.blend import smoothstep
from photo.measure import LUMA
from photo.types import FloatArray

PUPIL_RATIO = 0.36
# calibration: sclera. Sclera luma over the luma of the skin below the eye, by that luma: such that rendered whites are
# as bright as those of 1,757 open eyes, but half as much brighter on dark skin: pale skin in little light is as dark,
# and its eyes do not glow.
_SKIN_LUMA = (40.0, 75.0, 95.0, 115.0, 140.0, 170.0, 200.0)
_SCLERA_RATIO = (1.05, 1.32, 1.28, 1.06, 1.02, 0.99, 0.94)
# calibration: sclera. RGB over luma of the same skin and sclera, medians: what both look like in neutral light.
_TYPICAL_SKIN = np.array([1.30, 0.93, 0.80], np.float32)
_TYPICAL_SCLERA = np.array([1.155, 0.972, 0.925], np.float32)
# calibration: sclera. How much of the deviation from the typical skin is the light's tint; the rest is this person's
# own complexion.
_CAST_FRACTION = 0.75
# Of what the photo shows of the skin at least this part is skin, and no haze.
_LEAST_CLEAR = 0.1
# How much of the skin's tint a shadow has; gray ones look blue beside warm skin.
_SHADOW_WARMTH = 0.8

# calibration: iris-colour. Ratios of luma, and RGB over luma.
IRIS_COLORS = {
    "brown": (0.42, (1.30, 0.93, 0.74)),
    "hazel": (0.50, (1.22, 0.97, 0.66)),
    "green": (0.54, (1.05, 1.01, 0.80)),
    "blue": (0.58, (0.90, 1.01, 1.18)),
    "grey": (0.56, (1.02, 1.00, 0.98)),
}
"""Named eye colours: luma over skin luma, and RGB over luma."""
# calibration: iris-colour. Share of luma.
PUPIL_BLACK_RATIO = 0.60
"""A pupil may be this much darker than the darkest hundredth of the face."""
# calibration: iris-colour. A colour nobody told us: a brown as dark as brows and darkest spots of the face suggest,
# since dark eyes go with dark hair: a fit to the lower half of the irises of 50 people, less a tenth, which is
# reflected surroundings, and drawn toward the dark: a stranger asks about eyes that are too pale, never about dark
# ones. The hues are those of 947 brown irises of free portraits over the hue of their skin: the darker, the redder, and
# never greener than the skin.
_IRIS_FIT = (0.19, 0.22, 0.58)
_IRIS_RATIO, _HUE_RATIO = (0.28, 0.44), (0.30, 0.55)
_DARK_IRIS_CHROMA = np.array([1.44, 0.89, 0.69], np.float32)
_PALE_IRIS_CHROMA = np.array([1.30, 0.94, 0.725], np.float32)
# calibration: iris-colour. Skin this bright is fully lit; an iris gets no lighter on skin that is paler still.
_LIT_SKIN_LUMA = 150.0
# calibration: white-sides. Shares of luma: toward the nose the white is brighter than its mean, toward the temple,
# under the overhang of the brow, darker; from and up to these distances from the middle of the eye.
_BRIGHTER_INSIDE, _DARKER_OUTSIDE, _SIDES = 0.12, 0.05, (0.15, 0.55)
# The flesh in the inner corner: middle and half axes of the rounding it gives the opening, in the eye frame.
_CARUNCLE = (0.93, 0.0, 0.11, 0.055)
# The outer corner fades into the skin from here on.
_OUTER_FADE = (0.80, 1.0)
# An eye is far, and seen the more from the side, the rounder its iris is drawn to make up for it.
_FAR_ROUNDNESS = (1.15, 1.45)
# calibration: middle-of-eye. The fraction of the light that the upper lid takes from what lies right below it; what a
# pupil is darker than its iris; and how much of the light the cornea mirrors from the sky or the ceiling.
_LID_SHADOW, _PUPIL_DEPTH, _SKY = 0.50, 0.58, 0.10
# calibration: glint. A reflection is as strong as the contrast of the face, from none at the first number on.
_GLINT_CONTRAST = (0.03, 0.50)


@dataclass(frozen=True, eq=False)
class EyeShading:
    """The colours, the light and the gaze with which one eye is rendered.

    Colours are float32 (3,) RGB 0 … 255. `gaze` (x, y) is the offset of the iris from its mean position, in units of
    the eye frame. `light_x` -1 … 1 is the direction of the light along the frame's x. `detail` 0 … 1 is the strength
    of fine structure, which depends on the size of the eye in the photo. `roundness` is the iris' width over its height
    in frame units. `seed` fixes the structure of iris and lashes. `haze` is added to the whole eyeball: `iris` and
    `sclera` are given without it, all other colours as the photo shows them.
    """

    iris: FloatArray
    sclera: FloatArray
    skin: FloatArray
    black: FloatArray
    catchlight: FloatArray
    gaze: tuple[float, float]
    light_x: float
    detail: float
    roundness: float
    seed: int
    haze: FloatArray = field(default_factory=lambda: np.zeros(3, np.float32))

    @property
    def clear_skin(self) -> FloatArray:
        """`skin` without the haze, RGB float32 (3,)."""
        return np.asarray(np.maximum(self.skin - self.haze, _LEAST_CLEAR * self.skin), np.float32)


@dataclass(frozen=True, eq=False)
class EyeGeometry:
    """Where the parts of a rendered eye are: its frame and lids, and of its iris the centre and the roundness.

    `center` (x, y) is in the eye frame, `roundness` is the iris' width over its height there. `light_x` -1 … 1 is the
    direction of the light along the frame's x.
    """

    frame: EyeFrame
    lids: Lids
    center: tuple[float, float]
    roundness: float
    light_x: float

    def from_iris(self, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return frame coordinates as seen from the centre of the iris, which is round in them; arrays of any shape."""
        return (x - self.center[0]) / self.roundness, y - self.center[1]

    def measure_radii(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Return the distance of frame coordinates from the centre of the iris, in its radii; arrays of any shape."""
        return np.asarray(np.hypot(*self.from_iris(x, y)) / IRIS_RADIUS, np.float32)


def tint(color: FloatArray, strength: float) -> FloatArray:
    """Return `color` float32 (3,) with its chroma scaled by `strength`: 0 gray of the same luma, 1 unchanged."""
    gray = float(color @ LUMA)
    return np.asarray(gray + strength * (color - gray), np.float32)


def _light(level: float, chroma: FloatArray, skin: FloatArray, cast_share: float = _CAST_FRACTION) -> FloatArray:
    """The colour of luma `level` that has `chroma` (3,) in neutral light, in the light that falls on `skin`."""
    skin_chroma = skin / max(float(skin @ LUMA), 1.0)
    cast = np.clip(skin_chroma / _TYPICAL_SKIN, 0.3, 3.0) ** cast_share
    color = chroma * cast
    color = color / max(float(color @ LUMA), 1e-3) * level
    return np.asarray(np.clip(tint(color, _measure_colorfulness(skin)), 1, 240), np.float32)


def _measure_colorfulness(skin: FloatArray) -> float:
    """Saturation of the skin, 0 … 1: 0 in a black-and-white photo, where nothing else may have a colour either."""
    spread = float(np.ptp(skin)) / max(float(skin @ LUMA), 1.0)
    return float(np.clip((spread - 0.03) / 0.20, 0, 1))


def cast_shadow(color: FloatArray, depth: FloatArray, skin: FloatArray) -> FloatArray:
    """Return `color` (3,) or (h, w, 3) without the fraction `depth` (h, w), 0 … 1, of its light, float32 (h, w, 3).

    The remaining light has passed through skin or was reflected by it: the warmer `skin` (3,), the warmer the shadow.
    """
    power = np.clip(float(skin @ LUMA) / np.maximum(skin, 1.0), 0.5, 2.0) ** _SHADOW_WARMTH
    return np.asarray(color * np.clip(1 - depth, 0.2, 1)[..., None] ** power, np.float32)


def blend_into_shadow(color: FloatArray, skin: FloatArray, alpha: float) -> FloatArray:
    """Return `color` float32 (3,) blended by `alpha` 0 … 1 into what `skin` is in a shadow of the same luma.

    On faces of few pixels lens and compression blur chroma more than luma: there an eye is a shadow in the skin.
    """
    depth = np.array([[1 - float(color @ LUMA) / max(float(skin @ LUMA), 1.0)]], np.float32)
    shadow = cast_shadow(skin, depth, skin)[0, 0]
    return np.asarray(color + alpha * (shadow - color), np.float32)


def choose_sclera(skin: FloatArray) -> FloatArray:
    """Return the RGB float32 (3,) of the sclera in the light in which the skin below the eye has the colour `skin`."""
    level = float(skin @ LUMA)
    return _light(level * float(np.interp(level, _SKIN_LUMA, _SCLERA_RATIO)), _TYPICAL_SCLERA, skin)


def choose_flesh(skin: FloatArray) -> FloatArray:
    """Return the RGB float32 (3,) of the moist flesh in the corners of the eye and along the rim of the lower lid."""
    return tint(skin * np.array([0.95, 0.77, 0.75], np.float32), _measure_colorfulness(skin))


def guess_iris_ratio(brow_ratio: float, black_ratio: float) -> float:
    """Return the luma ratio of an unknown iris to the skin, from the ratios of the brows and of the darkest spots."""
    start, per_brow, per_black = _IRIS_FIT
    return float(np.clip(start + per_brow * brow_ratio + per_black * black_ratio, *_IRIS_RATIO))


def choose_iris(color: str | None, skin: FloatArray, guessed_ratio: float) -> FloatArray:
    """Return the RGB float32 (3,) of an iris in the light in which the skin has the colour `skin`.

    `color` is a name of `IRIS_COLORS`, `#rrggbb`, or None for a brown of `guessed_ratio` times the skin's luma.
    """
    level = float(skin @ LUMA)
    lit = min(level, _LIT_SKIN_LUMA)
    if color is None:
        low, high = _HUE_RATIO
        weight = float(np.clip((guessed_ratio - low) / (high - low), 0, 1))
        chroma = _DARK_IRIS_CHROMA + weight * (_PALE_IRIS_CHROMA - _DARK_IRIS_CHROMA)
        return _light(guessed_ratio * lit, chroma, skin, cast_share=1.0)
    if color.startswith("#"):
        rgb = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)], np.float32)
        ratio = float(rgb @ LUMA) / _LIT_SKIN_LUMA
        chroma = rgb / max(float(rgb @ LUMA), 1.0)
    else:
        ratio = IRIS_COLORS[color][0]
        chroma = np.array(IRIS_COLORS[color][1], np.float32)
    return _light(ratio * lit, chroma, skin)


def choose_catchlight(skin: FloatArray, highlight: float) -> FloatArray:
    """Return the RGB float32 (3,) of the catchlight, a little brighter than the brightest skin, of luma `highlight`."""
    level = float(np.clip(1.10 * highlight, 1.40 * float(skin @ LUMA), 240))
    neutral = tint(skin, 0.25)
    return np.asarray(np.clip(neutral / max(float(neutral @ LUMA), 1.0) * level, 0, 250), np.float32)


def aperture_alpha(x: FloatArray, y: FloatArray, lids: Lids, softness: float) -> FloatArray:
    """Return the alpha of the visible eyeball at frame coordinates `x`, `y`, float32 0 … 1.

    Its edge is `softness` units wide, in half eye widths.
    """
    upper, lower = evaluate_lid(lids.upper, x), evaluate_lid(lids.lower, x)
    # The lower lid is a moist, rounded rim: its edge is twice as soft as that under the lashes.
    slit = smoothstep(-softness / 2, softness / 2, upper - y) * smoothstep(-softness, softness, y - lower)
    slit = np.where(np.abs(x) < 1, slit, np.float32(0)) * (1 - smoothstep(*_OUTER_FADE, -x))
    middle_x, middle_y, across, up = _CARUNCLE
    corner = 1 - smoothstep(0.6, 1.2, np.hypot((x - middle_x) / across, (y - middle_y) / up))
    return np.asarray(np.maximum(slit, 0.8 * corner), np.float32)


def render_eyeball(
    x: FloatArray, y: FloatArray, lids: Lids, center: tuple[float, float], shading: EyeShading
) -> FloatArray:
    """Return the eyeball at frame coordinates `x`, `y` (h, w), RGB float32 (h, w, 3) 0 … 255.

    `center` (x, y) is the middle of the iris, in units of the eye frame.
    """
    below_lid = np.maximum(evaluate_lid(lids.upper, x) - y, 0)
    above_rim = np.maximum(y - evaluate_lid(lids.lower, x), 0)

    sclera = _shade_sclera(x, y, shading)
    iris, coverage = _paint_iris(x, y, center, shading)
    eye = sclera + coverage[..., None] * (iris - sclera)

    # The upper lid and its lashes shade the top third; the lower rim barely does.
    shadow = _LID_SHADOW * np.exp(-below_lid / 0.10) + 0.12 * np.exp(-above_rim / 0.06)
    eye = cast_shadow(eye, shadow, shading.clear_skin) + shading.haze

    # Nothing in a hazy photo is black, and no pupil either.
    eye = np.maximum(eye, shading.black)
    reflection = _mirror_scene(x, y, below_lid, center, shading)
    return np.asarray(eye + reflection[..., None] * (shading.catchlight - eye), np.float32)


def _mirror_scene(
    x: FloatArray, y: FloatArray, below_lid: FloatArray, center: tuple[float, float], shading: EyeShading
) -> FloatArray:
    """Alpha (h, w) of what the cornea mirrors: the bright upper half of the surroundings, and where the light is.

    `below_lid` (h, w) is the depth under the upper lid, whose lashes hide the scene there.
    """
    contrast = float((shading.catchlight - shading.black) @ LUMA) / 255
    low, high = _GLINT_CONTRAST
    strength = float(np.clip((contrast - low) / (high - low), 0, 1))
    dx, dy = (x - center[0]) / (IRIS_RADIUS * shading.roundness), (y - center[1]) / IRIS_RADIUS
    # A window is neither round nor quite even.
    across, up = dx - 0.30 * shading.light_x, dy - 0.34
    window = (np.abs(across / 0.17) ** 3 + np.abs((up - 0.25 * across) / 0.20) ** 3) ** (1 / 3)
    light = 0.80 * (1 - smoothstep(0.45, 1.25, window)) * (1 - 0.25 * smoothstep(0.0, 0.2, -up))
    lashes = smoothstep(0.02, 0.16, below_lid)
    sky = _SKY * (1 - smoothstep(0.55, 0.95, np.hypot(dx, dy - 0.1))) * smoothstep(-0.25, 0.35, dy) * lashes
    return np.asarray(strength * np.maximum(light, sky), np.float32)


def _shade_sclera(x: FloatArray, y: FloatArray, shading: EyeShading) -> FloatArray:
    """RGB (h, w, 3) of the sclera: a moist ball, darker toward the corners, pink at the inner one."""
    ball = 0.16 * np.clip(np.abs(x - 0.05), 0, 1) ** 2.0 + 0.06 * np.clip(-shading.light_x * x, 0, 1)
    ball += 0.25 * smoothstep(0.72, 1.0, -x)
    # The inner corner of a far eye lies deep behind the ridge of the nose.
    ball += 0.5 * smoothstep(*_FAR_ROUNDNESS, np.asarray(shading.roundness)) * smoothstep(0.25, 0.55, x)
    sclera = cast_shadow(shading.sclera, ball, shading.clear_skin)
    sides = 1 + _BRIGHTER_INSIDE * smoothstep(*_SIDES, x) - _DARKER_OUTSIDE * smoothstep(*_SIDES, -x)
    sclera = sclera * sides[..., None]
    inner = 0.85 * smoothstep(0.62, 0.92, x)
    outer = 0.60 * smoothstep(0.62, 0.98, -x)
    return np.asarray(sclera + (inner + outer)[..., None] * (choose_flesh(shading.clear_skin) - sclera), np.float32)


def _paint_iris(
    x: FloatArray, y: FloatArray, center: tuple[float, float], shading: EyeShading
) -> tuple[FloatArray, FloatArray]:
    """RGB (h, w, 3) of iris and pupil, and their alpha (h, w)."""
    dx, dy = (x - center[0]) / (IRIS_RADIUS * shading.roundness), (y - center[1]) / IRIS_RADIUS
    distance, angle = np.hypot(dx, dy), np.arctan2(dy, dx)

    random = np.random.default_rng(shading.seed)
    fibres = np.zeros_like(distance)
    # Frequencies without a common divisor, each bent differently: evenly spaced spokes would be seen to be artificial.
    for frequency in (5, 11, 17, 26, 37, 53):
        bend = 2.5 * random.normal() * distance + 0.8 * np.cos(2 * angle + random.uniform(0, 2 * np.pi))
        fibres += np.cos(frequency * angle + random.uniform(0, 2 * np.pi) + bend)
    fibres *= shading.detail * 0.035 * smoothstep(PUPIL_RATIO, 0.65, distance)

    # Light enters from above and falls on the far, lower side of the iris.
    glow = 1.0 + 0.28 * np.clip(-dy, -1, 1) - 0.10 * shading.light_x * dx
    collarette = 1.0 + 0.12 * np.exp(-(((distance - 0.55) / 0.12) ** 2))
    limbus = 1.0 - 0.26 * smoothstep(0.66, 1.0, distance)
    iris = shading.iris * (glow * collarette * limbus * (1 + fibres))[..., None]

    pupil = 1 - smoothstep(PUPIL_RATIO - 0.08, PUPIL_RATIO + 0.08, distance)
    iris = iris * (1 - _PUPIL_DEPTH * pupil)[..., None]
    coverage = 1 - smoothstep(0.86, 1.10, distance)
    return np.asarray(iris, np.float32), coverage
