"""Measure at the scale where the feature lives: what is as wide as an eye needs no more pixels on a larger photo.

Filters as wide as the feature cost its pixels times its size again, so that a large close-up takes minutes. So they
see a shrunk picture, and only what they find, which is smooth, is enlarged; the photo's own detail stays as it is.
"""

from __future__ import annotations

import cv2
import numpy as np

from face.eye_geometry import EyeView
from face.types import EyeFrame
from photo.types import Box, FloatArray

MOST_HALF_WIDTH_PX = 96.0
"""So many pixels of half an eye's width tell where its lids, lashes and shadows are; few photos have more."""


def shrink_view(view: EyeView) -> EyeView:
    """The same part of the photo with at most MOST_HALF_WIDTH_PX per half eye; itself where it has no more anyway."""
    scale = MOST_HALF_WIDTH_PX / view.frame.half_width_px
    if scale >= 1:
        return view
    box = Box(0, 0, max(round(view.box.width * scale), 1), max(round(view.box.height * scale), 1))
    size = np.array([box.width / view.box.width, box.height / view.box.height], np.float32)
    # Pixels are counted from their centres.
    origin = (view.frame.origin - (view.box.left, view.box.top) + 0.5) * size - 0.5
    frame = EyeFrame(origin.astype(np.float32), view.frame.x_axis * size, view.frame.y_axis * size)
    return EyeView(box, frame, *frame.grid(box))


def fit_to(view: EyeView, picture: FloatArray) -> FloatArray:
    """A picture of what `view` shows, float32 (h, w) or (h, w, 3), with as many pixels as it has; maybe the same."""
    size = view.box.width, view.box.height
    if picture.shape[1::-1] == size:
        return picture
    way = cv2.INTER_AREA if picture.shape[0] > view.box.height else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, size, interpolation=way), np.float32)
