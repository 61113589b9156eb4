"""Measure a photo around one face: blur, grain, colours, haze, and the light on the skin.

A painted patch must have the same ones, or it is visible.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from face.types import EyeLandmarks, Face, Feature
from photo.blend import smoothstep
from photo.geometry import scale_down
from photo.measure import LUMA, luma, measure_blur
from photo.types import Box, FloatArray, Matrix, Pixels

# calibration: tone. Hues of a face that its luma does not explain, as a part of the spread of luma: gray and sepia
# photos have up to 0.07, photos in colour 0.1 … 0.5.
_TONE_OWN_HUES = (0.075, 0.10)
_TONE_SIZE = (48, 48)
# calibration: haze. Darkest spots with this part of the skin's luma are the first sign of haze, with the second a sure
# one; then they are nearly all haze.
_HAZE_RATIO = (0.40, 0.70)
_HAZE_FRACTION = 0.72
# Of a face with more pixels, a part of them is enough for its light and its shadows; they are picked, not averaged, so
# that the grain stays.
_ENOUGH_PIXELS = 500_000
# Half the side of the largest square of skin whose grain is sampled: a larger one would hold nothing new.
_MOST_GRAIN_PX = 96.0
# The same of the photo around a face without such a square.
_MOST_AROUND_PX = 400.0
# A value from here on is blown out and shows no grain.
_BLOWN_OUT = 252
# calibration: grain. Wide enough to keep the blotches of a noisy photo, which are several pixels across.
_GRAIN_SIGMA_PX = 2.5
# calibration: skin-hue. The hue below the eyes is the right one in mixed light, but a glint there, or a rim of glasses,
# would falsify it.
_BELOW_WEIGHT = 0.75


@dataclass(frozen=True, eq=False)
class Tone:
    """Whether a photo has a single hue, as an old print has: `weight` 0 a colour photo … 1 toned or gray.

    At luma l such a photo has the colour l + `curve` @ (1, l, l²), with `curve` float64 (3, 3).
    """

    weight: float
    curve: Matrix

    def apply(self, colors: FloatArray) -> FloatArray:
        """Return colours float32 (…, 3), 0 … 255, blended by `weight` toward those of their luma in the toned photo."""
        level = np.asarray(colors @ LUMA, np.float64)[..., None]
        toned = level + np.concatenate([np.ones_like(level), level, level * level], axis=-1) @ self.curve.T
        return np.asarray(np.clip(colors + self.weight * (toned - colors), 0, 255), np.float32)


@dataclass(frozen=True, eq=False)
class FaceAppearance:
    """The photo around one face, as measured by `measure_appearance`.

    `blur_sigma_px`: blur of the sharpest edges, a standard deviation. `grain` float32 (h, w, 3): zero-mean noise of the
    skin, in 8-bit steps. `skin` float32 (3,): its median RGB, 0 … 255. `brow_ratio`: luma of the brows divided by the
    skin's. `highlight`: luma of the brightest skin, 0 … 255. `black` float32 (3,): RGB of the darkest spots of the
    face, which haze makes gray. `tone`: whether the photo has colours or one hue. `light_from_right`: the side of the
    picture the light comes from, -1 left … 1 right; never 0, as no catchlight is central.
    """

    blur_sigma_px: float
    grain: FloatArray
    skin: FloatArray
    brow_ratio: float
    highlight: float
    black: FloatArray
    tone: Tone
    light_from_right: float

    def tile_grain(self, height: int, width: int) -> FloatArray:
        """Return grain for a patch of any size, float32 (height, width, 3), tiled by mirroring, without seams."""
        rows = _mirror_indices(height, self.grain.shape[0])
        columns = _mirror_indices(width, self.grain.shape[1])
        return self.grain[rows[:, None], columns[None, :]]


def _mirror_indices(count: int, period: int) -> NDArray[np.intp]:
    index = np.arange(count) % (2 * period)
    return np.where(index < period, index, 2 * period - 1 - index)


def thin_out(pixels: Pixels) -> Pixels:
    """Return every nth pixel, across and down, of a picture uint8 (h, w, 3): about half a million, or all if fewer."""
    step = max(1, math.isqrt(pixels.shape[0] * pixels.shape[1] // _ENOUGH_PIXELS))
    return pixels[::step, ::step]


def measure_appearance(pixels: Pixels, face: Face) -> FaceAppearance:
    """Return the appearance of one face in a photo uint8 (H, W, 3)."""
    box = _eye_band(face).clipped(pixels.shape[1], pixels.shape[0])
    band = pixels[box.slices] if box is not None else pixels
    gray = luma(band)
    cheek = _cheek_patch(pixels, face)
    skin = measure_skin(pixels, face)
    return FaceAppearance(
        blur_sigma_px=measure_blur(gray),
        grain=_extract_grain(cheek),
        skin=skin,
        brow_ratio=_measure_brow(pixels, face) / max(float(skin @ LUMA), 1.0),
        highlight=float(np.percentile(gray, 98)),
        black=_measure_black(pixels, face),
        tone=measure_tone(pixels, face),
        light_from_right=measure_light_side(pixels, face),
    )


def measure_skin(pixels: Pixels, face: Face) -> FloatArray:
    """Return the median RGB, float32 (3,), of forehead, nose and cheeks in a photo uint8 (H, W, 3).

    Without blown highlights and deep shadows. Where none of these places is in the photo, the median of the photo.
    """
    eyes = face.landmarks.eyes
    middle = (eyes[0].inner_corner + eyes[1].inner_corner)[:2] / 2
    brows = (eyes[0].brow_upper[4] + eyes[1].brow_upper[4])[:2] / 2
    up = brows - middle
    places = [
        middle + 2.0 * up,
        middle - 0.8 * up,
        *(e.center - 1.5 * up for e in eyes),
    ]
    half = max(0.07 * face.landmarks.eye_distance_px, 1.0)
    found = [patch.reshape(-1, 3) for x, y in places if (patch := _cut_square(pixels, x, y, half)) is not None]
    if not found:
        return np.asarray(np.median(pixels.reshape(-1, 3), axis=0), np.float32)
    samples = np.concatenate(found)
    level = samples @ LUMA
    low, high = np.percentile(level, [20, 85])
    good = (level >= low) & (level <= high) & (samples.max(axis=1) < 250)
    return np.asarray(np.median(samples[good] if good.any() else samples, axis=0), np.float32)


def measure_tone(pixels: Pixels, face: Face) -> Tone:
    """Return whether the hue of a face in a photo uint8 (H, W, 3) follows from its luma alone."""
    box = Box.around(face.landmarks.points).clipped(pixels.shape[1], pixels.shape[0])
    small = cv2.resize(pixels if box is None else pixels[box.slices], _TONE_SIZE, interpolation=cv2.INTER_AREA)
    colors = small.reshape(-1, 3).astype(np.float64)
    level = colors @ LUMA
    powers = np.stack([np.ones_like(level), level, level * level], axis=1)
    hue = colors - level[:, None]
    curve = np.linalg.lstsq(powers, hue, rcond=None)[0]
    own = float(np.sqrt(((hue - powers @ curve) ** 2).sum(axis=1).mean())) / max(float(level.std()), 5.0)
    low, high = _TONE_OWN_HUES
    return Tone(float(np.clip((high - own) / (high - low), 0, 1)), curve.T)


def measure_haze(black: FloatArray, skin: FloatArray) -> FloatArray:
    """Return the RGB, float32 (3,), that haze or a faded print adds to a face; mostly 0.

    `black` and `skin` are float32 (3,), as in `FaceAppearance`. Only where no spot of the face is nearly dark is there
    haze; else pale hair would count as haze.
    """
    low, high = _HAZE_RATIO
    ratio = np.asarray(float(black @ LUMA) / max(float(skin @ LUMA), 1.0))
    return np.asarray(_HAZE_FRACTION * smoothstep(low, high, ratio) * np.minimum(black, skin), np.float32)


def measure_eye_skin(pixels: Pixels, face: Face, feature: Feature, skin: FloatArray) -> FloatArray:
    """Return the RGB, float32 (3,), of the skin around one eye in a photo uint8 (H, W, 3).

    The brightness is that just below the eye; the hue is the mean of that below both eyes and, with less weight, that
    of the face's `skin` float32 (3,). Both eyes get one hue, as irises of two hues look ill.
    """
    own, other = (_measure_below(pixels, face.eye(eye), skin) for eye in (feature, feature.other_eye))
    own_level, level = max(float(own @ LUMA), 1.0), max(float(skin @ LUMA), 1.0)
    below = (own / own_level + other / max(float(other @ LUMA), 1.0)) / 2
    chroma = _BELOW_WEIGHT * below + (1 - _BELOW_WEIGHT) * skin / level
    return np.asarray(chroma * np.clip(own_level, 0.45 * level, 1.15 * level), np.float32)


def _measure_below(pixels: Pixels, eye: EyeLandmarks, skin: FloatArray) -> FloatArray:
    """Median RGB just below one eye; `skin` where that lies outside the photo."""
    unit = eye.width_px / 2
    middle = eye.center
    down = middle - eye.brow_lower[2, :2]
    x, y = middle + 0.85 * unit * down / max(float(np.linalg.norm(down)), 1e-6)
    patch = _cut_square(pixels, x, y, max(0.35 * unit, 1.0))
    return skin if patch is None else np.asarray(np.median(patch.reshape(-1, 3), axis=0), np.float32)


def _cut_square(pixels: Pixels, x: float, y: float, half: float) -> Pixels | None:
    """The square with sides of about 2 · `half` pixels around a point; None when it lies outside the photo."""
    box = Box.around(np.array([[x, y]]), half).clipped(pixels.shape[1], pixels.shape[0])
    return None if box is None else pixels[box.slices]


def _measure_black(pixels: Pixels, face: Face) -> FloatArray:
    """Mean RGB of the darkest hundredth of the face."""
    box = Box.around(face.landmarks.points).clipped(pixels.shape[1], pixels.shape[0])
    crop = thin_out(pixels if box is None else pixels[box.slices]).reshape(-1, 3)
    level = luma(crop)
    return np.asarray(crop[level <= np.percentile(level, 1)].mean(axis=0), np.float32)


def _measure_brow(pixels: Pixels, face: Face) -> float:
    """First quartile of the luma of the brows; of the whole photo where the brows lie outside it."""
    samples = []
    for eye in face.landmarks.eyes:
        for fraction in (0.3, 0.5, 0.7):
            line = eye.brow_lower[1:4, :2] + fraction * (eye.brow_upper[1:4, :2] - eye.brow_lower[1:4, :2])
            inside = ((line >= 0) & (line < (pixels.shape[1], pixels.shape[0]))).all(axis=1)
            samples += [pixels[int(y), int(x)] for x, y in line[inside]]
    level = luma(np.array(samples) if samples else pixels.reshape(-1, 3))
    return float(np.percentile(level, 25))


def _eye_band(face: Face) -> Box:
    """The box around both eyes and brows; it may reach beyond the photo."""
    left, right = face.landmarks.left_eye, face.landmarks.right_eye
    points = np.concatenate([left.upper, left.brow_upper, right.upper, right.brow_upper])[:, :2]
    return Box.around(points, 0.1 * face.landmarks.eye_distance_px)


def _cheek_patch(pixels: Pixels, face: Face) -> Pixels:
    """The smoothest of several squares under the eyes, so without rims of glasses; blown-out ones only if need be."""
    half = min(max(0.10 * face.landmarks.eye_distance_px, 3.0), _MOST_GRAIN_PX)
    patches = []
    for eye in face.landmarks.eyes:
        middle = eye.center
        down = middle - eye.brow_lower[2, :2]
        for distance in (1.0, 1.6, 2.2):
            x, y = middle + distance * down
            patch = _cut_square(pixels, x, y, half)
            if patch is not None and min(patch.shape[:2]) >= 3:
                patches.append(patch)
    bare = [patch for patch in patches if patch.max() < _BLOWN_OUT]
    if bare:
        return min(bare, key=lambda patch: float(luma(patch).std()))
    # In a large square some pixel is always blown out.
    if patches and half == _MOST_GRAIN_PX:
        return min(patches, key=lambda patch: np.count_nonzero(patch >= _BLOWN_OUT))
    # The photo instead, but no more than is needed: of 12 megapixels grain is large and slow.
    x, y = face.landmarks.points[:, :2].mean(axis=0)
    around = _cut_square(pixels, float(x), float(y), _MOST_AROUND_PX)
    return pixels if around is None else around


def _extract_grain(patch: Pixels) -> FloatArray:
    """The difference to the blurred patch, float32 (h, w, 3)."""
    skin = patch.astype(np.float32)
    grain = skin - cv2.GaussianBlur(skin, (0, 0), _GRAIN_SIGMA_PX)
    spread = max(float(np.median(np.abs(grain))) * 1.4826, 0.2)
    # Clipped, as a mole, a hair or a glint is no grain.
    return np.clip(grain, -2.5 * spread, 2.5 * spread)


def measure_light_side(pixels: Pixels, face: Face) -> float:
    """Return the side the light on a face comes from, -1 left … 1 right of the photo uint8 (H, W, 3).

    Never 0, as no catchlight is central.
    """
    points = face.landmarks.oval[:, :2]
    low, high = points.min(axis=0).astype(int), points.max(axis=0).astype(int) + 1
    crop = pixels[max(low[1], 0) : max(high[1], 1), max(low[0], 0) : max(high[0], 1)]
    small = cv2.resize(luma(thin_out(crop)), (16, 16), interpolation=cv2.INTER_AREA)[3:13, 2:14]
    left, right = float(small[:, :6].mean()), float(small[:, 6:].mean())
    difference = 4.0 * (right - left) / max(right + left, 1.0)
    return float(np.clip(difference + math.copysign(0.35, difference), -1, 1))


# calibration: stone. In a photo whose most colourful twentieth has the first chroma (CIELAB) or more, skin that is
# lighter than the second number and has less chroma than the third, with lips that differ from it by less than the
# fourth, is stone. Dark skin may have so little chroma in cold light.
_COLORFUL, _STONE_LIGHTNESS, _STONE_CHROMA, _STONE_LIPS = 25.0, 50.0, 9.5, 2.0
# calibration: stone. No skin is as gray as this in such a photo, be it light or dark; renderings and prints are.
_GRAY_CHROMA = 2.0
# The photo's colours are looked at with this longest side.
_COLORS_SIDE_PX = 200


def looks_of_stone(pixels: Pixels, skin: FloatArray, lip_chroma: float) -> bool:
    """Return whether a face has the colours of a statue: hardly any, in a photo that shows colours.

    `pixels` uint8 (H, W, 3) is the photo, `skin` float32 (3,) the RGB of the face's skin, 0 … 255, and `lip_chroma` the
    distance of the lips from the skin around them in the a and b of CIELAB.
    """
    light, *hue = _to_lab(skin.reshape(1, 1, 3))[0, 0].tolist()
    chroma = float(np.hypot(*hue))
    is_pale = light >= _STONE_LIGHTNESS and chroma < _STONE_CHROMA
    if lip_chroma >= _STONE_LIPS or not (is_pale or chroma < _GRAY_CHROMA):
        return False
    small = scale_down(pixels, min(1.0, _COLORS_SIDE_PX / max(pixels.shape[:2])), least_px=2)
    colors = _to_lab(small.astype(np.float32))
    return float(np.percentile(np.hypot(colors[..., 1], colors[..., 2]), 95)) >= _COLORFUL


def _to_lab(colors: FloatArray) -> FloatArray:
    """RGB 0 … 255 float32 (h, w, 3) in CIELAB."""
    return np.asarray(cv2.cvtColor(np.asarray(colors, np.float32) / 255, cv2.COLOR_RGB2LAB), np.float32)
