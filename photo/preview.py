"""Pictures to be shown, not kept: small JPEGs without metadata, for pages and contact sheets."""

from __future__ import annotations

import cv2

from photo.errors import UnwritablePhoto
from photo.types import Pixels


def encode_jpeg(pixels: Pixels, quality: int, *, is_small: bool = False) -> bytes:
    """Return `pixels` uint8 (h, w, 3) RGB as a JPEG file without any metadata; `quality` is 1 … 100.

    With `is_small` encoding takes longer, and the file is a little smaller. Raises UnwritablePhoto.
    """
    settings = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_OPTIMIZE, int(is_small)]
    is_done, data = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), settings)
    if not is_done:
        raise UnwritablePhoto("A picture to be shown cannot be encoded as JPEG.")
    return data.tobytes()
