"""Gives a rendered eye the fine structure of a photographed one: its iris, what its cornea mirrors, its white.

Fibres, pupil, reflections of windows and lashes, and the shading of a wet ball are hard to draw, and a small network
only smooths over them. They are taken from the eyes of nobody: pictures of people who do not exist, made by a diffusion
model and given away (see THIRD_PARTY.md). Where the eye is, how far open, where it looks, in what colour and in what
light stays as it was rendered: the exemplar lies under the rendered lids, with its iris over the rendered one, and all
that is coarse of its brightness and hue is replaced by what is coarse of the rendered eye.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import lru_cache
from zipfile import BadZipFile

import cv2
import numpy as np
from numpy.typing import NDArray

from face.appearance import FaceAppearance
from face.eye_geometry import IRIS_RADIUS
from face.model_files import damaged_model, model_bytes
from photo.blend import smoothstep
from photo.measure import LUMA, trimmed_mean
from photo.types import FloatArray, Mask, Pixels, Region
from render.canonical import cut_patch, lay_patch, patch_box, patch_grid
from render.eye import OpenedEye, cut_opened, tile_eye_grain
from render.eyeball import EyeGeometry, aperture_alpha, choose_catchlight, tint

_MODEL = "eye_exemplars.npz"
UNIT_PX = 48
"""Pixels per half eye width of the exemplars, and of the patches they are fitted to."""
REACH = (1.3, 0.6)
"""An exemplar shows so much to either side of its iris' centre, and above and below it, in half eye widths."""

# The colour of an iris is that of its ring between these radii, no higher over its centre than this: further up lies
# the shadow of the lid. By brightness the pixels between these percentiles count: brighter ones are reflections.
_RING, _BELOW, _RING_PERCENTILES = (0.40, 0.85), 0.15, (10, 60)
# The white begins at so many radii, reaches so near to the corners, and is no darker than the middle of it.
_WHITE_FROM, _WHITE_REACH, _WHITE_PERCENTILES = 1.25, 0.75, (50, 100)
# The skin is looked at so far below the eye, and so far to either side.
_SKIN_DEPTH, _SKIN_REACH = (0.45, 0.80), 0.60
_LEAST_PIXELS = 12
# Radii between which iris turns into white.
_LIMBUS = (0.85, 1.15)
# calibration: exemplar. Ratios of luma, and a share of a hue. What is brighter than the iris by the first factor begins
# to be a reflection, which has the colour of the light.
_GLINT = (1.5, 2.6)
_GLINT_HUE_FRACTION = 0.25
# calibration: exemplar. Shares of hues. Of an exemplar's own hues so much is left in the white, and in the iris.
_KEPT_WHITE_HUE, _KEPT_IRIS_HUE = 0.4, 0.5
# calibration: exemplar. Half eye widths, ratios of luma. Brightness that varies more slowly than the first number is
# the rendered eye's, changed by no more than these factors; its own reflections count as no brighter than so many times
# the iris. Reflections end softly at the brightest that the face has, bent from the last fraction of it on.
_COARSE, _MOST_RELIT, _NO_GLINT = (0.60, 0.12), (0.5, 1.6), 1.5
_BENT_FROM = 0.8
# The edge of the opening where colours are measured, and within which an exemplar is seen, in half eye widths: both are
# softer than where lids are drawn.
_OPENING_SOFTNESS, _SOFTNESS = 0.08, 0.10
# What the exemplars themselves are blurred by, in pixels of the photo.
_OWN_BLUR_PX = 0.45
# calibration: exemplar. Weights of logarithms of ratios, and of differences. The costs are those of an iris paler than
# the wanted one by a factor of e, of one darker than it, of a difference in its hue, and of a reflection on the wrong
# side; exemplars whose cost is above the least by no more than the first number are as good.
_NEARLY_AS_GOOD = 0.25
_PALER_COST, _DARKER_COST, _HUE_COST, _SIDE_COST = 1.5, 1.0, 1.5, 0.3


@dataclass(frozen=True, eq=False)
class EyeColors:
    """Mean colours of an eye, RGB float32 (3,) 0 … 255: of its iris, its white, and the skin below it."""

    iris: FloatArray
    white: FloatArray
    skin: FloatArray

    @property
    def iris_ratio(self) -> float:
        """Luma of the iris over that of the skin."""
        return float(self.iris @ LUMA) / max(float(self.skin @ LUMA), 1.0)

    @property
    def iris_hue(self) -> FloatArray:
        """RGB of the iris over its luma, as it would be over grey skin: float32 (3,)."""
        hues = [color / max(float(color @ LUMA), 1.0) for color in (self.iris, self.skin)]
        return np.asarray(hues[0] / np.maximum(hues[1], 0.1), np.float32)


@dataclass(frozen=True, eq=False)
class EyeView:
    """A canonical patch of an eye and what is known of its pixels, float32 (h, w) each.

    `x`, `y` are coordinates in the eye frame, `across`, `up` the same from the centre of the round iris, `radii` the
    distance from it in radii of the iris, `opening` 0 … 1 is where the eyeball is seen.
    """

    geometry: EyeGeometry
    x: FloatArray
    y: FloatArray
    across: FloatArray
    up: FloatArray
    radii: FloatArray
    opening: FloatArray

    @classmethod
    def of(cls, geometry: EyeGeometry) -> EyeView:
        """Return the view of a patch with `UNIT_PX` pixels per half eye width."""
        x, y = patch_grid(geometry.frame, UNIT_PX)
        across, up = geometry.from_iris(x, y)
        radii = geometry.measure_radii(x, y)
        return cls(geometry, x, y, across, up, radii, aperture_alpha(x, y, geometry.lids, _OPENING_SOFTNESS))


@dataclass(frozen=True, eq=False)
class Exemplar:
    """A photographed eye around the centre of its round iris: `pixels` uint8 (h, w, 3) RGB, `UNIT_PX` per half width.

    `alpha` float32 (h, w) 0 … 1 is where its eyeball is seen. The nose is on the right, as in all canonical views.
    """

    pixels: Pixels
    alpha: FloatArray
    colors: EyeColors


@dataclass(frozen=True, eq=False)
class ExemplarPair:
    """Both eyes of one face: `right` is the one on the left of the picture. `light` -1 … 1: the side of its light."""

    right: Exemplar
    left: Exemplar
    light: float

    def of(self, toward_right: float) -> Exemplar:
        """Return the eye whose nose lies on this side (`EyeFrame.toward_right`)."""
        return self.right if toward_right > 0 else self.left


@lru_cache(maxsize=1)
def load_exemplars() -> tuple[ExemplarPair, ...]:
    """Return the exemplars that come with the program. Raises MissingModel."""
    try:
        file = np.load(io.BytesIO(model_bytes(_MODEL)), allow_pickle=False)
        columns = [file[name] for name in ("eyes", "iris", "white", "skin", "light")]
    except (ValueError, KeyError, OSError, EOFError, BadZipFile) as error:
        raise damaged_model(_MODEL) from error
    pairs = []
    for eyes, irises, whites, skins, light in zip(*columns, strict=True):
        both = [
            Exemplar(eye[..., :3], eye[..., 3].astype(np.float32) / 255, EyeColors(iris, white, skin))
            for eye, iris, white, skin in zip(eyes, irises, whites, skins, strict=True)
        ]
        pairs.append(ExemplarPair(both[0], both[1], float(light)))
    return tuple(pairs)


def choose_pair(
    pairs: tuple[ExemplarPair, ...], iris: FloatArray, skin: FloatArray, light: float, seed: int
) -> ExemplarPair:
    """Return the pair whose irises need the least change to become `iris` on `skin`, RGB float32 (3,) each.

    `light` -1 … 1 is the side that the face is lit from. Among those that suit about equally well `seed` decides.
    """
    wanted = EyeColors(iris, skin, skin)
    costs = np.array([_cost(pair, wanted, light) for pair in pairs])
    good = np.flatnonzero(costs <= costs.min() + _NEARLY_AS_GOOD)
    return pairs[int(np.random.default_rng(seed).choice(good))]


def _cost(pair: ExemplarPair, wanted: EyeColors, light: float) -> float:
    colors = pair.right.colors, pair.left.colors
    paler = float(np.mean([np.log(each.iris_ratio / max(wanted.iris_ratio, 0.05)) for each in colors]))
    hue = float(np.mean([np.abs(each.iris_hue - wanted.iris_hue).mean() for each in colors]))
    side = max(-pair.light * light, 0.0)
    return _PALER_COST * max(paler, 0) + _DARKER_COST * max(-paler, 0) + _HUE_COST * hue + _SIDE_COST * side


def lay_exemplar(
    pixels: Pixels,
    opened: OpenedEye,
    region: Region,
    appearance: FaceAppearance,
    strength: float,
    exemplar: Exemplar,
) -> Pixels:
    """Return the box of `region` with the fine structure of an exemplar in a rendered eye, uint8 (h, w, 3) RGB.

    `pixels` uint8 (H, W, 3) is the photo into which the eye was rendered, `strength` 0 … 1 how much of the exemplar is
    taken. An eye too far shut to show its colours stays as it is.
    """
    geometry, box = opened.geometry, region.box
    around = patch_box(geometry.frame, pixels.shape)
    if around is None:
        return opened.pixels
    seen_now, _ = cut_opened(pixels, opened, region, around)
    rendered = cut_patch(seen_now, geometry.frame, UNIT_PX, around)
    view = EyeView.of(geometry)
    wanted = measure_colors(rendered, view)
    if wanted is None:
        return opened.pixels
    picture, seen = _fit(exemplar, view)
    picture = _relight(picture, seen, rendered, exemplar.colors, wanted, view, appearance)
    if appearance.tone.weight > 0:
        picture = np.asarray(appearance.tone.apply(picture), np.float32)
    alpha = np.asarray(strength * seen * aperture_alpha(view.x, view.y, geometry.lids, _SOFTNESS), np.float32)[
        ..., None
    ]
    # Premultiplied, so that blurring does not mix in colours from outside the opening.
    layer = lay_patch(np.concatenate([picture * alpha, alpha], axis=2), geometry.frame, UNIT_PX, box)
    blur = float(np.sqrt(max(appearance.blur_sigma_px**2 - _OWN_BLUR_PX**2, 0)))
    if blur > 0:
        layer = np.asarray(cv2.GaussianBlur(layer, (0, 0), blur), np.float32)
    eye, coverage = layer[..., :3], np.clip(layer[..., 3:], 0, 1)
    grain = tile_eye_grain(eye, wanted.skin, appearance)
    result = opened.pixels * (1 - coverage) + eye + coverage * grain
    return np.asarray(np.clip(np.rint(result), 0, 255), np.uint8)


def measure_colors(patch: FloatArray, view: EyeView) -> EyeColors | None:
    """Return the colours of the eye in a patch (h, w, 3); None where too little of it is seen."""
    x, y, radii, opening = view.x, view.y, view.radii, view.opening
    ring, white, skin = (
        np.asarray(part, bool)
        for part in (
            (opening > 0.9) & (radii > _RING[0]) & (radii < _RING[1]) & (y < view.geometry.center[1] + _BELOW),
            (opening > 0.95) & (radii > _WHITE_FROM) & (np.abs(x) < _WHITE_REACH),
            (np.abs(x) < _SKIN_REACH) & (y < -_SKIN_DEPTH[0]) & (y > -_SKIN_DEPTH[1]),
        )
    )
    if min(int(part.sum()) for part in (ring, white, skin)) < _LEAST_PIXELS:
        return None
    return EyeColors(
        trimmed_mean(patch[ring], _RING_PERCENTILES), trimmed_mean(patch[white], _WHITE_PERCENTILES),
        trimmed_mean(patch[skin], (0, 100)),
    )  # fmt: skip


def _fit(exemplar: Exemplar, view: EyeView) -> tuple[FloatArray, FloatArray]:
    """The exemplar with its iris over the rendered one, float32 (h, w, 3), and where its eyeball is seen (h, w)."""
    height, width = exemplar.alpha.shape
    columns = np.asarray(view.across * UNIT_PX + (width - 1) / 2, np.float32)
    rows = np.asarray((height - 1) / 2 - view.up * UNIT_PX, np.float32)
    picture = cv2.remap(
        exemplar.pixels.astype(np.float32), columns, rows, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    seen = cv2.remap(exemplar.alpha, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return np.asarray(picture, np.float32), np.asarray(seen, np.float32)


def _relight(  # noqa: PLR0913 what is lit anew, and after what
    picture: FloatArray,
    seen: FloatArray,
    rendered: FloatArray,
    own: EyeColors,
    wanted: EyeColors,
    view: EyeView,
    appearance: FaceAppearance,
) -> FloatArray:
    """The exemplar (h, w, 3) in the colours and the light of the rendered eye, where `seen` (h, w) says it is seen."""
    iris = np.asarray(1 - smoothstep(*_LIMBUS, view.radii))[..., None]
    glint = iris * smoothstep(*_GLINT, picture @ LUMA / max(float(own.iris @ LUMA), 1.0))[..., None]

    by_white, by_iris = (
        np.log(np.clip(new / np.maximum(old, 1.0), 0.1, 10))
        for new, old in ((wanted.white, own.white), (wanted.iris, own.iris))
    )
    gain = (1 - glint) * (iris * by_iris + (1 - iris) * by_white) + glint * float(by_white @ LUMA)
    picture = np.clip(picture, 1, 255) * np.exp(gain)
    level = (picture @ LUMA)[..., None]
    catchlight = choose_catchlight(wanted.skin, appearance.highlight)
    hues = (wanted.iris, wanted.white, tint(catchlight, _GLINT_HUE_FRACTION))
    of_iris, of_white, of_light = (hue / max(float(hue @ LUMA), 1.0) for hue in hues)
    for where, hue, kept in (
        (1 - iris, of_white, _KEPT_WHITE_HUE), (iris - glint, of_iris, _KEPT_IRIS_HUE), (glint, of_light, 0.0),
    ):  # fmt: skip
        picture = picture + where * (1 - kept) * (level * hue - picture)

    # What is coarse: the lid's shadow, the ball's shading, the side of the light.
    weight = np.asarray(view.opening * seen * (1 - 0.8 * glint[..., 0]) + 1e-4, np.float32)
    dull = np.minimum(rendered @ LUMA, np.where(view.radii < 1, _NO_GLINT * float(wanted.iris @ LUMA), 255.0))
    coarse = [_blur_within(np.asarray(one, np.float32), weight) for one in (dull, picture @ LUMA)]
    picture = picture * np.clip(coarse[0] / np.maximum(coarse[1], 1), *_MOST_RELIT)[..., None]

    level = (picture @ LUMA)[..., None]
    brightest = float(catchlight @ LUMA)
    room = (1 - _BENT_FROM) * brightest
    bent = _BENT_FROM * brightest + room * np.tanh((level - _BENT_FROM * brightest) / room)
    return np.asarray(
        picture * np.where(level > _BENT_FROM * brightest, bent, level) / np.maximum(level, 1), np.float32
    )


def _blur_within(values: FloatArray, weight: FloatArray) -> FloatArray:
    """Means of values (h, w) by `weight` (h, w), so that nothing from outside the opening is mixed in."""
    across, up = (reach * UNIT_PX for reach in _COARSE)
    sums, weights = (cv2.GaussianBlur(one, (0, 0), across, sigmaY=up) for one in (values * weight, weight))
    return np.asarray(sums / weights, np.float32)


def find_glint_side(exemplar: Exemplar) -> float:
    """Return where the reflections lie in the iris of an exemplar: -1 … 1, positive toward the nose."""
    height, width = exemplar.alpha.shape
    columns, rows = np.meshgrid(np.arange(width) - (width - 1) / 2, np.arange(height) - (height - 1) / 2)
    radius_px = IRIS_RADIUS * UNIT_PX
    within: Mask = np.asarray((np.hypot(columns, rows) < 0.9 * radius_px) & (exemplar.alpha > 0.5))
    levels: NDArray[np.float64] = np.asarray(exemplar.pixels @ LUMA, np.float64)
    bright = np.clip(levels / max(float(exemplar.colors.iris @ LUMA), 1.0) - _GLINT[0], 0, None) * within
    return float(np.clip((bright * columns).sum() / max(bright.sum(), 1e-6) / radius_px, -1, 1))
