"""Limit the number of pixels in which an eye is measured, whatever the size of the photo.

The cost of filters as wide as the eye grows with its pixels times its width, so that a large close-up would take
minutes. So they run on a shrunk picture, and only their results, which are smooth, are enlarged; the photo's own detail
stays as it is.
"""

from __future__ import annotations

import cv2
import numpy as np

from face.eye_geometry import EyeView
from face.types import EyeFrame
from photo.types import Box, FloatArray

MOST_HALF_WIDTH_PX = 96.0
"""Pixels of half an eye's width that are enough for its lids, lashes and shadows; few photos have more."""


def shrink_view(view: EyeView) -> EyeView:
    """Return a view of the same box with at most MOST_HALF_WIDTH_PX per half eye; `view` itself if it has fewer."""
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
    """Return a picture float32 (h, w) or (h, w, 3) of a view's box, resized to the view's pixels; itself if it fits."""
    size = view.box.width, view.box.height
    if picture.shape[1::-1] == size:
        return picture
    interpolation = cv2.INTER_AREA if picture.shape[0] > view.box.height else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, size, interpolation=interpolation), np.float32)
