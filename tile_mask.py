"""What soft masks mean for tiles: where they reach, what the networks are given, and the colours around them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from photo_types import Alpha, Box, Pixels, Region

Plane = NDArray[np.float32]
Values = NDArray[np.float64]

LATENT_CELL_PX = 8
"""One latent of the autoencoder stands for a square of this many pixels."""

GAIN_RANGE = (0.85, 1.15)
"""The autoencoder's drift in contrast is a few percent; what lies further off is something else."""
_RING_GAP_PX, _RING_WIDTH_PX = 2, 16
# How firmly the fit holds on to "no drift" where the ring says little, in pixels of the ring.
_RING_PRIOR = 4.0
_RING_LEAST_PX = 64
_RING_STRIDE = 2
# Near black and white the samples are cut off and tell of no gain.
_RING_LEVELS = (4, 251)

# Rows of a region that are worked on at once: what is in memory does not grow with the photo.
_BAND_ROWS = 256


def snap_mask(alpha: Alpha) -> Pixels:
    """The mask that the networks are given for `alpha` float32 (s, s): uint8 (s, s), 0 keep or 255 repaint.

    Every latent cell of 8 × 8 pixels that holds anything above 0, and the cells around it, are repainted as a whole:
    so the mask is the same for pixels and latents, and no thin mask is lost. Raises ValueError when the sides are no
    multiples of 8.
    """
    height, width = alpha.shape
    if height % LATENT_CELL_PX or width % LATENT_CELL_PX:
        raise ValueError(f"a mask of {width} × {height} px does not lie on the grid of {LATENT_CELL_PX} px")
    cells = alpha.reshape(height // LATENT_CELL_PX, LATENT_CELL_PX, width // LATENT_CELL_PX, LATENT_CELL_PX)
    hit = (cells.max(axis=(1, 3)) > 0).astype(np.uint8) * 255
    grown = cv2.dilate(hit, np.ones((3, 3), np.uint8))
    return np.asarray(grown.repeat(LATENT_CELL_PX, axis=0).repeat(LATENT_CELL_PX, axis=1), np.uint8)


def split_bands(regions: Sequence[Region]) -> Iterator[tuple[Box, NDArray[np.bool_]]]:
    """Boxes that hold all that is above 0, and where in each, bool (h, w); no pixel comes twice."""
    for number, region in enumerate(regions):
        for top in range(region.box.top, region.box.bottom, _BAND_ROWS):
            box = Box(region.box.left, top, region.box.right, min(top + _BAND_ROWS, region.box.bottom))
            inside = find_inside(region, box)
            for other in regions[:number]:
                if other.box.overlap_ratio(box) > 0:
                    inside &= ~find_inside(other, box)
            if inside.any():
                yield box, inside


def find_inside(region: Region, box: Box) -> NDArray[np.bool_]:
    """Where in `box` the region is above 0, bool (h, w)."""
    inside = np.zeros((box.height, box.width), bool)
    left, top = max(box.left, region.box.left), max(box.top, region.box.top)
    right, bottom = min(box.right, region.box.right), min(box.bottom, region.box.bottom)
    if left < right and top < bottom:
        alpha = region.alpha[
            top - region.box.top : bottom - region.box.top, left - region.box.left : right - region.box.left
        ]
        inside[top - box.top : bottom - box.top, left - box.left : right - box.left] = alpha > 0
    return inside


def match_ring(before: Pixels, after: Pixels, alpha: Alpha) -> Pixels:
    """Take the drift in colour out of a repainted tile: return `after` so that it fits `before` around the mask.

    `before` and `after` are uint8 (s, s, 3), `alpha` float32 (s, s) as the mask was snapped from. On a ring just
    outside the snapped mask nothing should have changed; what did is fitted by least squares, per channel, as a gain
    (0.85 … 1.15), an offset and a slope over the tile, and undone everywhere. What a ring cannot tell stays
    as it is. Raises ValueError when the sides are no multiples of 8.
    """
    mask = snap_mask(alpha)
    inner, outer = _grow(mask, _RING_GAP_PX), _grow(mask, _RING_GAP_PX + _RING_WIDTH_PX)
    rows, columns = (index * _RING_STRIDE for index in np.nonzero((outer > inner)[::_RING_STRIDE, ::_RING_STRIDE]))
    height, width = alpha.shape
    x, y = np.linspace(-1, 1, width, dtype=np.float32), np.linspace(-1, 1, height, dtype=np.float32)
    result = after.copy()
    for channel in range(3):
        was, now = (picture[rows, columns, channel].astype(np.float64) for picture in (before, after))
        low, high = _RING_LEVELS
        fit = (np.minimum(was, now) >= low) & (np.maximum(was, now) <= high)
        if np.count_nonzero(fit) < _RING_LEAST_PX:
            continue
        gain, offset, slope_x, slope_y = _fit_drift(was[fit], now[fit], x[columns[fit]], y[rows[fit]])
        drift = np.float32(offset) + np.float32(slope_x) * x[None, :] + np.float32(slope_y) * y[:, None]
        result[..., channel] = np.clip(np.rint((after[..., channel] - drift) / np.float32(gain)), 0, 255)
    return result


def _fit_drift(was: Values, now: Values, x: Plane, y: Plane) -> tuple[float, float, float, float]:
    """Gain, offset and slopes so that now ≈ gain · was + offset + slope_x · x + slope_y · y, near no drift at all."""
    middle = was.mean()
    terms = np.stack([was - middle, np.ones_like(was), x, y]).astype(np.float64)
    change = now - was
    weight = np.ones_like(was)
    for _ in range(3):
        normal = (terms * weight) @ terms.T
        # In the place of terms that the ring does not tell: no drift.
        normal[np.diag_indices(4)] += _RING_PRIOR * np.array([64.0**2, 1.0, 1.0, 1.0])
        found = np.linalg.solve(normal, (terms * weight) @ change)
        gain = float(np.clip(1 + found[0], *GAIN_RANGE))
        if gain != 1 + found[0]:
            rest = change - (gain - 1) * terms[0]
            found[1:] = np.linalg.solve(normal[1:, 1:], (terms[1:] * weight) @ rest)
        # Hair or a shadow that the networks moved into the ring is no drift.
        miss = np.abs(change - (gain - 1) * terms[0] - found[1:] @ terms[1:])
        weight = 1 / (1 + (miss / max(2 * float(np.median(miss)), 1.0)) ** 2)
    return gain, float(found[1] - (gain - 1) * middle), float(found[2]), float(found[3])


def _grow(mask: Pixels, px: int) -> Pixels:
    return np.asarray(cv2.dilate(mask, np.ones((2 * px + 1, 2 * px + 1), np.uint8)), np.uint8)
