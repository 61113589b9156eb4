"""The closed line along which one picture can be set into another so that it is not seen."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]
Mask = NDArray[np.bool_]

# The line is looked for on so many rays from the middle, at so many places on each, and moves by at most so many places
# from ray to ray.
_RAYS, _PLACES, _BEND = 180, 40, 2
# From the middle to where the inside ends it is at least so much of the way to where the core does.
_LEAST_ROOM = 0.75
# What lies farther out is a little cheaper: more then comes from one picture.
_OUTWARD = 6.0
# What a slope of one gray level in each channel costs beside a difference of one.
_EDGES = 2.0


def draw_line(here: Plane, there: Plane, core: Mask, inside: Mask, soft_px: float) -> NDArray[np.float32] | None:
    """Draw the closed line around `core` and within `inside` along which two pictures differ least: (rays, 2) x and y.

    `here` and `there` float32 (h, w, 3), the masks bool (h, w); what is finer than `soft_px` does not count.
    Found by dynamic programming over rays from the middle. Source of the idea: Efros and Freeman, "Image Quilting",
    2001. It cuts off a little of the core where that is not all inside; where it would cut off much there is none.
    """
    calm = [cv2.GaussianBlur(picture, (0, 0), soft_px) for picture in (here, there)]
    difference = np.abs(calm[0] - calm[1]).sum(axis=2)
    slopes = [np.hypot(*np.gradient(picture.sum(axis=2))) for picture in calm]
    price = (difference + _EDGES * np.maximum(*slopes)).astype(np.float32)
    rows, columns = np.nonzero(core)
    middle = np.array([columns.mean(), rows.mean()])
    angles = np.linspace(0, 2 * np.pi, _RAYS, endpoint=False)
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    reach = np.arange(0, max(here.shape[:2]), dtype=np.float64)
    ray = middle + reach[None, :, None] * directions[:, None]
    inner = _last_inside(core, ray)
    outer = _first_outside(inside, ray)
    if (outer < np.maximum(_LEAST_ROOM * inner, 3)).any():
        return None
    inner = np.minimum(inner, outer - 2)
    share = np.linspace(0, 1, _PLACES)
    radius = inner[:, None] + (outer - inner)[:, None] * share
    places = middle + radius[..., None] * directions[:, None]
    costs = _sample(price, places) + _OUTWARD * (1 - share)
    return places[np.arange(_RAYS), _shortest_ring(costs)].astype(np.float32)


def _last_inside(mask: Mask, ray: NDArray[np.float64]) -> NDArray[np.float64]:
    seen = _sample(mask.astype(np.float32), ray) > 0.5
    return (ray.shape[1] - 1 - np.argmax(seen[:, ::-1], axis=1)).astype(np.float64)


def _first_outside(mask: Mask, ray: NDArray[np.float64]) -> NDArray[np.float64]:
    seen = _sample(mask.astype(np.float32), ray) < 0.5
    return np.argmax(seen, axis=1).astype(np.float64)


def _sample(plane: Plane, places: NDArray[np.float64]) -> Plane:
    x, y = (np.ascontiguousarray(places[..., i], np.float32) for i in (0, 1))
    return np.asarray(cv2.remap(plane, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT), np.float32)


def _shortest_ring(costs: Plane) -> NDArray[np.intp]:
    """The cheapest place on each ray, (rays,), of a path that closes; costs (rays, places)."""
    start = int(_walk(np.concatenate([costs, costs, costs]), None)[len(costs)])
    return _walk(costs, start)


def _walk(costs: Plane, start: int | None) -> NDArray[np.intp]:
    """The cheapest path over the rays in order; with `start` it begins there, and ends where it can close."""
    count, places = costs.shape
    offsets = range(-_BEND, _BEND + 1)
    total = costs[0].astype(np.float64)
    if start is not None:
        total = np.where(np.arange(places) == start, total, np.inf)
    came = np.zeros((count, places), np.intp)
    for row in range(1, count):
        options = np.stack([_shift(total, offset) for offset in offsets])
        best = options.argmin(axis=0)
        came[row] = np.clip(np.arange(places) + best - _BEND, 0, places - 1)
        total = options[best, np.arange(places)] + costs[row]
    if start is not None:
        total = np.where(np.abs(np.arange(places) - start) <= _BEND, total, np.inf)
    path = np.zeros(count, np.intp)
    path[-1] = int(total.argmin())
    for row in range(count - 1, 0, -1):
        path[row - 1] = came[row, path[row]]
    return path


def _shift(values: NDArray[np.float64], offset: int) -> NDArray[np.float64]:
    """`values[i + offset]` at i, infinite beyond the ends."""
    shifted = np.full_like(values, np.inf)
    if offset >= 0:
        shifted[: len(values) - offset] = values[offset:]
    else:
        shifted[-offset:] = values[:offset]
    return shifted


def fade_over(line: NDArray[np.float32], shape: tuple[int, ...], half_width_px: float) -> Plane:
    """1 within the line (n, 2), 0 beyond, with a soft edge over it: float32 of `shape` (h, w)."""
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [np.round(line * 16).astype(np.int32)], (1,), shift=4)
    within = cv2.distanceTransform(mask, cv2.DIST_L2, 5) - cv2.distanceTransform(1 - mask, cv2.DIST_L2, 5)
    # The distances count to the middle of the next pixel beyond, the line runs between the two.
    within = within - 0.5 * np.sign(within)
    ramp = np.clip(0.5 + within / (2 * half_width_px), 0.0, 1.0)
    return (ramp * ramp * (3 - 2 * ramp)).astype(np.float32)
