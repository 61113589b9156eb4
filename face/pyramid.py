"""A photo in every size in which faces are looked for."""

from __future__ import annotations

import cv2
from cv2.typing import MatLike

from photo.geometry import can_halve, halve, scale_size
from photo.types import Pixels

# Photos this long are halved before they are shrunk further, which is quicker; of shorter ones it costs sharpness.
_HALVED_PX = 2400


class Pyramid:
    """A photo uint8 (H, W, 3) RGB in every size that is searched; its repeatedly halved copies are cached.

    `longest` is its longer side in pixels.
    """

    def __init__(self, pixels: Pixels) -> None:
        self.pixels, self.longest = pixels, max(pixels.shape[:2])
        self._halves: list[MatLike] = [pixels]

    def scale_to(self, side: int, halve_from_px: int = _HALVED_PX) -> tuple[MatLike, float]:
        """Return the photo with `side` as its longest side in pixels, and the scale that leads there.

        It is halved first, as often as its longest side has at least `halve_from_px` pixels.
        """
        height, width = self.pixels.shape[:2]
        scale = side / self.longest
        size = scale_size(width, height, scale)
        halves = 0
        while can_halve(self._halves[halves], *size) and max(self._halves[halves].shape[:2]) >= halve_from_px:
            halves += 1
            if halves == len(self._halves):
                self._halves.append(halve(self._halves[-1]))
        flags = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        return cv2.resize(self._halves[halves], size, interpolation=flags), scale
