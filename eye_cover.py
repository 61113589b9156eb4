"""What keeps a closed eye from being seen: dark glasses, a hand, hair."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from eye_shape import evaluate_lid, find_frame, fit_closed_line
from photo_look import luma, measure_blur
from photo_types import Box, Face, Feature, Pixels

Floats = NDArray[np.float32]

# All places are in units of the eye frame. Where the upper lid is sampled:
_LID_ACROSS = np.linspace(-0.5, 0.5, 15)
_LID_UP = np.linspace(0.15, 0.55, 9)
# Median grey level of the upper lid against the cheek: closed lids have 0.5 … 1.3 of it, dark lenses under 0.25.
_DARK_LENS_RATIO = 0.35

# The lash line is looked for in these columns, and in rows from below the lashes up to the lid.
_LINE_ACROSS = np.linspace(-0.75, 0.75, 31)
_LINE_ROWS = np.linspace(-0.75, 0.55, 53)
_ON_LINE, _ON_LID, _ON_SKIN = (-0.16, 0.14), (0.20, 0.50), (-0.75, -0.30)
# Among the lashes some skin shows; it is as bright as the brighter quarter of what lies there.
_SKIN_PERCENTILE = 75
_SMOOTHED = 0.05
# A column has a line if it is darker than lid and skin by this share. Of closed eyes 0.48 … 1.00 of the columns have
# one (the fewest behind mirroring glasses), of eyes under hands and hair, 0.00 … 0.35.
_LINE_CONTRAST = 0.08
_LEAST_LINE_SHARE = 0.40
# On faces that show less, sockets are dark blots, and a lash line has no pixels of its own: with the outer corners of
# the eyes so many pixels apart, or so many of what a blur of this many deviations leaves of them.
_LEAST_EYE_DISTANCE_PX = 60.0
_SIGMAS_PER_DETAIL = 2.0


def is_under_dark_glass(pixels: Pixels, face: Face, feature: Feature) -> bool:
    """Whether the upper lid of an eye is far darker than the cheek of its side; `pixels` uint8 (H, W, 3)."""
    x, y = np.meshgrid(_LID_ACROSS, _LID_UP)
    lid = np.column_stack(find_frame(face, feature).to_photo(x.ravel(), y.ravel()))
    marks = face.landmarks
    cheek = marks.left_cheek if feature is Feature.LEFT_EYE else marks.right_cheek
    return _median_grey(pixels, lid) < _DARK_LENS_RATIO * _median_grey(pixels, cheek[:, :2])


def lacks_lash_line(pixels: Pixels, face: Face, feature: Feature) -> bool:
    """Whether no dark line runs where the lids of a closed eye would meet; `pixels` uint8 (H, W, 3).

    The landmarker puts a closed eye wherever it sees none, under a hand, too. On small or blurred faces it is believed.
    """
    if face.landmarks.eye_distance_px < _LEAST_EYE_DISTANCE_PX:
        return False
    frame = find_frame(face, feature)
    x, offset = np.meshgrid(_LINE_ACROSS.astype(np.float32), _LINE_ROWS.astype(np.float32))
    map_x, map_y = frame.to_photo(x, evaluate_lid(fit_closed_line(frame, face.eye(feature)), x) + offset)
    around = Box.around(np.stack([map_x.ravel(), map_y.ravel()], axis=1)).padded(0.1)
    box = around.clipped(pixels.shape[1], pixels.shape[0])
    if box is None:
        return True
    gray = cv2.GaussianBlur(luma(pixels[box.slices]), (0, 0), max(_SMOOTHED * frame.unit_px, 0.5))
    level = cv2.remap(gray, map_x - box.left, map_y - box.top, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

    def rows(low: float, high: float) -> Floats:
        return np.asarray(level[(low < _LINE_ROWS) & (high > _LINE_ROWS)], np.float32)

    lid = np.median(rows(*_ON_LID), axis=0)
    skin = np.percentile(rows(*_ON_SKIN), _SKIN_PERCENTILE, axis=0)
    contrast = 1 - rows(*_ON_LINE).min(axis=0) / np.maximum(np.minimum(lid, skin), 1)
    has_line = float(np.mean(contrast > _LINE_CONTRAST)) >= _LEAST_LINE_SHARE
    return not has_line and _detail_px(pixels, face) >= _LEAST_EYE_DISTANCE_PX


def _detail_px(pixels: Pixels, face: Face) -> float:
    """How many pixels between the outer corners of the eyes the blur of the photo leaves."""
    box = face.box.clipped(pixels.shape[1], pixels.shape[0])
    sigma_px = measure_blur(luma(pixels[box.slices])) if box is not None else 0.0
    return face.landmarks.eye_distance_px / max(_SIGMAS_PER_DETAIL * sigma_px, 1.0)


def _median_grey(pixels: Pixels, points: Floats) -> float:
    inside = np.clip(points.astype(int), 0, (pixels.shape[1] - 1, pixels.shape[0] - 1))
    return float(np.median(pixels[inside[:, 1], inside[:, 0]].mean(axis=1)))
