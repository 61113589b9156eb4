"""The canonical view of one eye: always of the same size and the same way round, whatever the photo.

A patch spans `SPAN` half eye widths, with the nose on the right and the brow on top; a turned head's narrower eye stays
as narrow as it is seen. The refining network sees and changes nothing but such patches, in training and in use.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from face.eye_geometry import evaluate_lid
from face.types import EyeFrame
from photo.geometry import halve
from photo.types import Box, FloatArray, Matrix, Pixels
from render.eyeball import EyeGeometry, EyeShading, aperture_alpha

SPAN = (4.0, 3.0)
"""Width and height of a patch, in half eye widths."""
# Its left and upper edge, seen from the middle between the corners of the eye.
_LEFT, _TOP = -2.0, 1.7
# How far the edge of the opening is spread over, as in the rendered eye or a little more.
_SOFTNESS = 0.08
# Beyond so many radii from its centre all is equally far from the iris.
_FAR_RADII = 2.0
# Pixels farther apart than this are averaged, not picked from.
_AVERAGED_FROM = 1.15
# And from here on they are halved before, which leaves enough for the average.
_HALVED_FROM = 8.0

MAP_COUNT = 6
"""The number of maps that `draw_maps` returns."""


def patch_size(unit_px: int) -> tuple[int, int]:
    """Return height and width in pixels of a patch with `unit_px` pixels per half eye width."""
    return round(SPAN[1] * unit_px), round(SPAN[0] * unit_px)


def patch_to_photo(frame: EyeFrame, unit_px: int) -> Matrix:
    """Return the transform from pixels of the patch to those of the photo, float64 (2, 3)."""
    along = frame.x_axis / max(float(np.linalg.norm(frame.x_axis)), 1e-6) * frame.half_width_px
    axes = np.stack([along, -frame.y_axis], axis=1).astype(np.float64) / unit_px
    # Pixel (0, 0) is a square whose centre lies half a pixel from the edges of the patch.
    first = np.array([_LEFT * unit_px + 0.5, -_TOP * unit_px + 0.5])
    return np.column_stack([axes, frame.origin + axes @ first])


def patch_box(frame: EyeFrame, shape: tuple[int, ...]) -> Box | None:
    """Return the part of a photo of this shape (H, W, …) that a patch shows, with what its blur needs around it.

    None where it lies outside the photo.
    """
    unit_px = 8
    matrix = patch_to_photo(frame, unit_px)
    height, width = patch_size(unit_px)
    corners = np.array([[x, y, 1.0] for x in (-1, width) for y in (-1, height)])
    return Box.around(corners @ matrix.T, 3.0).clipped(shape[1], shape[0])


def cut_patch(picture: Pixels | FloatArray, frame: EyeFrame, unit_px: int, box: Box) -> FloatArray:
    """Return the canonical patch of a picture (h, w) or (h, w, 3) that shows the part `box` of a photo, float32.

    What lies outside the box repeats its edge.
    """
    matrix = patch_to_photo(frame, unit_px)
    matrix[:, 2] -= (box.left, box.top)
    step = frame.half_width_px / unit_px
    source = picture.astype(np.float32)
    # A blur as wide as the steps on a large face would cost more than its pixels: halving does most of it.
    while step >= _HALVED_FROM:
        source = np.asarray(halve(source), np.float32)
        # The centre of the first of the larger pixels lies half a pixel from that of the first of the smaller ones.
        matrix /= 2
        matrix[:, 2] -= 0.25
        step /= 2
    if step > _AVERAGED_FROM:
        source = np.asarray(cv2.GaussianBlur(source, (0, 0), 0.5 * float(np.sqrt(step * step - 1))), np.float32)
    height, width = patch_size(unit_px)
    way = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return np.asarray(
        cv2.warpAffine(source, matrix, (width, height), flags=way, borderMode=cv2.BORDER_REPLICATE), np.float32
    )


def lay_patch(patch: FloatArray, frame: EyeFrame, unit_px: int, box: Box) -> FloatArray:
    """Return a patch (h, w, 3) as the part `box` of a photo sees it, float32 (box.height, box.width, 3).

    What lies outside the patch is 0.
    """
    matrix = np.asarray(cv2.invertAffineTransform(patch_to_photo(frame, unit_px)), np.float64)
    matrix[:, 2] += matrix[:, :2] @ np.array([box.left, box.top], np.float64)
    shrunk = unit_px / frame.half_width_px
    if shrunk > _AVERAGED_FROM:
        patch = np.asarray(cv2.GaussianBlur(patch, (0, 0), 0.5 * float(np.sqrt(shrunk * shrunk - 1))), np.float32)
    way = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(patch, matrix, (box.width, box.height), flags=way), np.float32)


def patch_grid(frame: EyeFrame, unit_px: int) -> tuple[FloatArray, FloatArray]:
    """Return the eye frame's coordinates x and y of every pixel of a patch, each float32 (h, w)."""
    height, width = patch_size(unit_px)
    matrix = patch_to_photo(frame, unit_px)
    columns, rows = np.meshgrid(np.arange(width, dtype=np.float64), np.arange(height, dtype=np.float64))
    photo_x, photo_y = (matrix[axis, 0] * columns + matrix[axis, 1] * rows + matrix[axis, 2] for axis in (0, 1))
    return frame.to_frame(photo_x.astype(np.float32), photo_y.astype(np.float32))


def draw_maps(eye: EyeGeometry, unit_px: int) -> FloatArray:
    """Return what is known of every pixel of the patch, float32 (h, w, `MAP_COUNT`), all within -1 … 1.

    The opening 0 … 1; the distance from the centre of the iris, in units of two radii; the height over the rim of the
    upper lid; x and y in the patch; and, the same everywhere, the side of the light.
    """
    height, width = patch_size(unit_px)
    columns, rows = np.meshgrid(np.arange(width, dtype=np.float64), np.arange(height, dtype=np.float64))
    x, y = patch_grid(eye.frame, unit_px)
    opening = aperture_alpha(x, y, eye.lids, softness=_SOFTNESS)
    distance = eye.measure_radii(x, y)
    over_lid = np.clip(y - evaluate_lid(eye.lids.upper, x), -1, 1)
    return np.stack(
        [
            opening,
            np.clip(distance, 0, _FAR_RADII) / _FAR_RADII,
            over_lid,
            (columns + 0.5) / width * 2 - 1,
            (rows + 0.5) / height * 2 - 1,
            np.full((height, width), eye.light_x),
        ],
        axis=2,
    ).astype(np.float32)


def dim_catchlight(shading: EyeShading, fraction: float) -> EyeShading:
    """Return the same shading with a catchlight of `fraction` 0 … 1 of its contrast: a refined eye gets its own."""
    return replace(shading, catchlight=shading.black + np.float32(fraction) * (shading.catchlight - shading.black))
