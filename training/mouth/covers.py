"""Draws what free portraits do not show: mouths under masks, hands, hair and captions, teeth without a smile.

All work on crops uint8 (ROWS, COLUMNS, 3) of `training.mouth.crops` with their landmarks float32 (478, 2). Numbers are
chosen by looking at what comes out; the network has to be tried on real photos.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.random import Generator

from photo.types import FloatArray, Pixels
from training.mouth.crops import COLUMNS, ROWS

# The edge of the lower face from one ear to the other, numbers of MediaPipe's landmarks.
_JAW = [234, 93, 132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 361, 323, 454]
_CHEEKS, _CHIN, _BETWEEN_LIPS, _CORNERS = (50, 280), 152, 13, (61, 291)
_NOSE = (197, 195, 5, 4)
_LIPS = [61, 40, 37, 0, 267, 270, 291, 321, 314, 17, 84, 91, 61]
_LETTERS = list("abcdeghiklmnoprstuvwABDEST0123456789")
_HAIR = np.array([[28, 22, 20], [70, 48, 34], [120, 88, 56], [190, 160, 110], [150, 150, 150]])

Cover = tuple[FloatArray, FloatArray]
"""Colours float32 (rows, columns, 3) or (3,), and how much they cover, float32 (rows, columns), 0 … 1."""


def cover(crop: Pixels, points: FloatArray, skin: FloatArray, random: Generator, other: Pixels) -> Pixels:
    """Return a crop with something drawn over the mouth; `other` is a crop that lends its texture."""
    kinds: tuple[Callable[[], Cover], ...] = (
        lambda: _mask(crop, points, random),
        lambda: _thing(points, skin, random, other),
        lambda: _caption(points, random),
        lambda: _strands(points, random),
        lambda: _lines(points, random),
    )
    colors, alpha = kinds[random.choice(len(kinds), p=(0.36, 0.36, 0.12, 0.08, 0.08))]()
    soft = cv2.GaussianBlur(alpha, (0, 0), float(random.uniform(0.4, 1.2)))[..., None]
    return np.asarray(np.clip(crop + (colors - crop) * soft, 0, 255), np.uint8)


def unsmile(crop: Pixels, points: FloatArray, random: Generator) -> Pixels:
    """Return a laugh with the corners of the mouth drawn down and in: bared teeth, no smile."""
    y, x = np.mgrid[:ROWS, :COLUMNS].astype(np.float32)
    middle, (one, other) = points[_BETWEEN_LIPS], points[list(_CORNERS)]
    across = (x - middle[0]) / max(abs(float(other[0] - one[0])) / 2, 8.0)
    near = np.exp(-(((y - middle[1]) / 30) ** 4)) * np.exp(-((across / 1.7) ** 4))
    drop = random.uniform(0, 1.1) * float(middle[1] - (one[1] + other[1]) / 2) + random.uniform(-2, 4)
    narrower = random.uniform(0.75, 1.0)
    source_x = x + (x - middle[0]) * (1 / narrower - 1) * near
    source_y = y - drop * np.clip(across**2, 0, 1.5) * near
    moved = cv2.remap(
        crop, source_x.astype(np.float32), source_y.astype(np.float32), cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE
    )
    return np.asarray(moved, np.uint8)


def mirror(crop: Pixels, points: FloatArray) -> tuple[Pixels, FloatArray]:
    """Return a crop and its landmarks as in a mirror, with the numbers of both sides exchanged where they are used."""
    flipped = points * (-1, 1) + (COLUMNS - 1, 0)
    turned = flipped.copy()
    for pair in (_CORNERS, _CHEEKS):
        turned[list(pair)] = flipped[list(pair[::-1])]
    turned[_JAW] = flipped[_JAW[::-1]]
    return np.ascontiguousarray(crop[:, ::-1]), turned.astype(np.float32)


def _noise(random: Generator, sigma: float) -> FloatArray:
    """Smooth noise, float32 (rows, columns), of mean 0 and deviation 1."""
    rough = cv2.GaussianBlur(random.normal(size=(ROWS, COLUMNS)).astype(np.float32), (0, 0), sigma)
    return np.asarray((rough - rough.mean()) / max(float(rough.std()), 1e-6), np.float32)


def _mask(crop: Pixels, points: FloatArray, random: Generator) -> Cover:
    nose = points[random.choice(_NOSE)]
    top = [points[454] * 0.75 + points[280] * 0.25, nose, points[234] * 0.75 + points[50] * 0.25]
    jaw = points[_BETWEEN_LIPS] + (points[_JAW] - points[_BETWEEN_LIPS]) * random.uniform(1.0, 1.12)
    first, last = random.integers(0, 3), len(jaw) - random.integers(0, 3)
    alpha = np.zeros((ROWS, COLUMNS), np.float32)
    outline = np.concatenate([jaw[first:last], top])
    cv2.fillPoly(alpha, [np.rint(outline * 16).astype(np.int32)], (1.0,), cv2.LINE_AA, 4)
    kinds = ([235, 238, 240], [150, 195, 225], [30, 30, 32], random.uniform(20, 240, 3), [205, 170, 148])
    color = np.array(kinds[random.integers(len(kinds))], np.float32)
    gray = cv2.GaussianBlur(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY).astype(np.float32), (0, 0), random.uniform(5, 12))
    shade = (gray / max(float(gray.mean()), 1.0)) ** random.uniform(0.3, 0.9)
    cloth = color * (shade * (1 + 0.05 * _noise(random, random.uniform(2, 8))))[..., None]
    if random.random() < 0.5:
        rows = np.arange(ROWS)[:, None] + random.uniform(-0.1, 0.1) * np.arange(COLUMNS)
        cloth = cloth * (1 + random.uniform(0.03, 0.12) * np.sign(np.sin(rows / random.uniform(2, 6))))[..., None]
    if random.random() < 0.3:
        print_alpha = (_noise(random, random.uniform(1.5, 5)) > random.uniform(0.2, 1)) * random.uniform(0.4, 1)
        cloth = cloth + (random.uniform(0, 255, 3) - cloth) * print_alpha[..., None]
    cloth = np.ascontiguousarray(cloth, np.float32)
    if random.random() < 0.3:
        seam = tuple(float(value) for value in color * random.uniform(0.4, 0.8))
        cv2.line(cloth, _pixel(nose), _pixel(points[_CHIN]), seam, int(random.integers(1, 3)), cv2.LINE_AA)
    return cloth, alpha


def _thing(points: FloatArray, skin: FloatArray, random: Generator, other: Pixels) -> Cover:
    """A round thing, fingers, or a scarf from below."""
    alpha = np.zeros((ROWS, COLUMNS), np.float32)
    middle = points[_BETWEEN_LIPS] + random.normal(size=2) * (9, 6)
    kind = random.integers(3)
    if kind == 0:
        axes = (float(random.uniform(24, 70)), float(random.uniform(20, 60)))
        cv2.ellipse(alpha, (_pixel(middle), axes, float(random.uniform(0, 180))), (1.0,), -1, cv2.LINE_AA)
    elif kind == 1:
        angle, width, count = random.uniform(0, np.pi), random.uniform(10, 18), int(random.integers(1, 4))
        along = np.array([np.cos(angle), np.sin(angle)])
        beside = np.array([-along[1], along[0]])
        for number in range(count):
            base = middle + beside * (number - (count - 1) / 2) * width * 1.15
            tip = base + along * random.uniform(5, 25)
            cv2.line(alpha, _pixel(base - along * 110), _pixel(tip), (1.0,), int(width), cv2.LINE_AA)
    else:
        angle, high = random.uniform(-0.4, 0.4), random.uniform(-8, 2)
        y, x = np.mgrid[:ROWS, :COLUMNS]
        below = (y - middle[1] + random.uniform(0, 8)) * np.cos(angle) + (x - COLUMNS / 2) * np.sin(angle)
        alpha = (below > high).astype(np.float32)
    if random.random() < 0.45:
        top, left = random.integers(0, ROWS // 2), random.integers(0, COLUMNS // 2)
        part = other[top : top + ROWS // 2, left : left + COLUMNS // 2]
        return cv2.resize(part, (COLUMNS, ROWS)).astype(np.float32), alpha
    color = skin * random.uniform(0.7, 1.15) if random.random() < 0.5 else random.uniform(10, 250, 3)
    depth = cv2.distanceTransform((alpha > 0.5).astype(np.uint8), cv2.DIST_L2, 3)
    round_shade = 0.75 + 0.35 * np.clip(1.5 * depth / max(float(depth.max()), 1.0), 0, 1)
    shade = round_shade * (1 + 0.04 * _noise(random, random.uniform(1, 6)))
    return np.asarray(color * shade[..., None], np.float32), alpha


def _caption(points: FloatArray, random: Generator) -> Cover:
    """Letters, faint or full, alone or on a bar."""
    ink = np.zeros((ROWS, COLUMNS), np.float32)
    middle = points[_BETWEEN_LIPS]
    left, base = int(middle[0] - random.uniform(60, 100)), int(middle[1] + random.uniform(-2, 16))
    font, size, stroke = int(random.integers(0, 4)), float(random.uniform(0.6, 1.6)), int(random.integers(1, 4))
    words = "".join(random.choice(_LETTERS, 12))
    cv2.putText(ink, words, (left, base), font, size, (1.0,), stroke, cv2.LINE_AA)
    color = np.full(3, 255.0 * (random.random() < 0.6))
    if random.random() < 0.3:
        color = random.uniform(0, 255, 3)
    if random.random() >= 0.3:
        return color.astype(np.float32), ink * np.float32(random.uniform(0.45, 1))
    bar = np.zeros_like(ink)
    bar[max(base - int(random.uniform(18, 32)), 0) : base + 8] = random.uniform(0.5, 1)
    written = (color * ink[..., None] + (255 - color) * (1 - ink[..., None])).astype(np.float32)
    return written, np.maximum(ink, bar)


def _strands(points: FloatArray, random: Generator) -> Cover:
    alpha = np.zeros((ROWS, COLUMNS), np.float32)
    angle = random.uniform(0.2 * np.pi, 0.8 * np.pi)
    reach = np.array([np.cos(angle), np.sin(angle)]) * ROWS
    for _ in range(int(random.integers(40, 120))):
        middle, bend = points[_BETWEEN_LIPS] + random.normal(size=2) * (14, 20), random.normal(size=2) * 10
        path = np.rint([middle - reach, middle + bend, middle + reach]).astype(np.int32)
        shown = float(random.uniform(0.5, 1))
        cv2.polylines(alpha, [path], False, (shown,), int(random.integers(1, 4)), cv2.LINE_AA)
    color = _HAIR[random.integers(len(_HAIR))]
    return np.asarray(color * (1 + 0.3 * _noise(random, 1.0))[..., None], np.float32), alpha


def _lines(points: FloatArray, random: Generator) -> Cover:
    """Lines of one colour, along the lips or across."""
    alpha = np.zeros((ROWS, COLUMNS), np.float32)
    path = points[_LIPS]
    if random.random() >= 0.6:
        path = points[_BETWEEN_LIPS] + random.normal(size=(int(random.integers(3, 7)), 2)) * (30, 20)
    cv2.polylines(alpha, [np.rint(path).astype(np.int32)], False, (1.0,), int(random.integers(1, 4)), cv2.LINE_AA)
    return random.uniform(0, 255, 3).astype(np.float32), alpha


def _pixel(point: FloatArray) -> tuple[int, int]:
    return int(point[0]), int(point[1])
