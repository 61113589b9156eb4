"""A photo, a box and a soft mask, and the names of all kinds of arrays that the program hands round."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
"""A picture, uint8 (h, w, 3) RGB."""
Alpha = NDArray[np.float32]
"""A weight or an opacity at each pixel, float32 (h, w), 0 … 1."""
FloatArray = NDArray[np.float32]
"""Any float32 array: pictures (h, w, 3) or (h, w) of 0 … 255, colours (3,), coordinates; each docstring gives the
shape and the range."""
Points = NDArray[np.float32]
"""Points in pixels, float32 (n, 2) or (n, 3): x, y and, for landmarks, depth."""
Matrix = NDArray[np.float64]
"""Any float64 array: transforms (2, 3) or (3, 3), curves, systems of equations."""
Mask = NDArray[np.bool_]
"""Selected pixels, bool (h, w)."""


@dataclass(frozen=True)
class Box:
    """A half-open rectangle of whole pixels: columns left … right-1, rows top … bottom-1.

    Raises ValueError when it is empty.
    """

    left: int
    top: int
    right: int
    bottom: int

    def __post_init__(self) -> None:
        if self.right <= self.left or self.bottom <= self.top:
            raise ValueError(f"box is empty: {self}")

    @classmethod
    def around(cls, points: NDArray[np.float32] | Matrix, pad: float | Matrix = 0.0) -> Box:
        """The box of the pixels that `points` (n, 2 or more: x, y, …) lie in, and those within `pad` pixels of them.

        `pad` may be an array (2,), one for x and one for y. The box may reach beyond the photo.
        """
        low = np.floor(points[:, :2].min(axis=0) - pad).astype(int)
        high = np.floor(points[:, :2].max(axis=0) + pad).astype(int) + 1
        return cls(int(low[0]), int(low[1]), int(high[0]), int(high[1]))

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def center(self) -> tuple[float, float]:
        """(x, y) of the centre, in pixels."""
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns, for indexing an array of the whole photo."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def padded(self, ratio: float) -> Box:
        """The box grown on every side by `ratio` times its own width and height."""
        dx, dy = round(self.width * ratio), round(self.height * ratio)
        return Box(self.left - dx, self.top - dy, self.right + dx, self.bottom + dy)

    def grown(self, px: int) -> Box:
        """The box grown on every side by `px` pixels."""
        return Box(self.left - px, self.top - px, self.right + px, self.bottom + px)

    def shifted(self, right: int, down: int) -> Box:
        """The box moved by `right` and `down` pixels."""
        return Box(self.left + right, self.top + down, self.right + right, self.bottom + down)

    def scaled(self, scale: float) -> Box:
        """The box in a photo resized by `scale`, in whole pixels, at least one wide and high."""
        left, top = round(self.left * scale), round(self.top * scale)
        return Box(left, top, max(round(self.right * scale), left + 1), max(round(self.bottom * scale), top + 1))

    def clipped(self, width: int, height: int) -> Box | None:
        """The part inside a photo of `width` × `height` pixels; None when nothing is inside."""
        left, top = max(self.left, 0), max(self.top, 0)
        right, bottom = min(self.right, width), min(self.bottom, height)
        return Box(left, top, right, bottom) if left < right and top < bottom else None

    def union(self, other: Box) -> Box:
        """The smallest box that holds both."""
        return Box(
            min(self.left, other.left),
            min(self.top, other.top),
            max(self.right, other.right),
            max(self.bottom, other.bottom),
        )

    def overlap_ratio(self, other: Box) -> float:
        """Intersection over union, 0 … 1."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        if width <= 0 or height <= 0:
            return 0.0
        shared = width * height
        return shared / (self.width * self.height + other.width * other.height - shared)


@dataclass(frozen=True, eq=False)
class Photo:
    """A photo, upright, with all that is needed to save it back faithfully.

    `pixels` uint8 (H, W, 3) RGB is what faces are found in and what is edited.
    `native` holds the samples as decoded where they are not 8-bit RGB: uint16 (H, W) or (H, W, 3) for
    16 bits, uint8 (H, W) for grayscale, uint8 (H, W, 4) for CMYK; else None.
    `alpha` is uint8 or uint16 (H, W), None for an opaque photo. `exif` starts with `jpeg_file.EXIF_NAME`. `dpi` is dots
    per inch across and down. `text` maps the keys of PNG text chunks, "Comment" and `decode.XMP_KEY` to their values.
    `resources` are Photoshop's resources, IPTC among them, and `chunks` those of a PNG on colour and time.
    `notes` are sentences on what the file holds and a newly encoded one will not; `warning` one on a damaged file.
    `subsampling` is the chroma subsampling of a JPEG as Pillow numbers it, 0 … 2, `quantization` its tables of 64 steps
    each, and `is_progressive` whether it comes in several passes. `format` is Pillow's name of the file format, `path`
    the file it was read from, and `stamp` its size and time of change then, in nanoseconds. Raises ValueError when
    `pixels` has another type or shape.
    """

    pixels: Pixels
    alpha: NDArray[np.uint8] | NDArray[np.uint16] | None = None
    native: NDArray[np.uint8] | NDArray[np.uint16] | None = None
    exif: bytes | None = None
    icc_profile: bytes | None = None
    dpi: tuple[float, float] | None = None
    text: Mapping[str, str] = field(default_factory=dict)
    resources: bytes = b""
    chunks: Mapping[bytes, bytes] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    warning: str | None = None
    subsampling: int | None = None
    quantization: tuple[tuple[int, ...], ...] = ()
    is_progressive: bool = False
    format: str = "PNG"
    path: Path | None = None
    stamp: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.pixels.dtype != np.uint8 or self.pixels.ndim != 3 or self.pixels.shape[2] != 3:
            raise ValueError(f"pixels need uint8 (H, W, 3), not {self.pixels.dtype} {self.pixels.shape}")

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])


@dataclass(frozen=True, eq=False)
class Region:
    """A soft mask: `alpha` float32 (box.height, box.width), 0 keep the original … 1 repaint.

    Raises ValueError when `alpha` has another type or shape.
    """

    box: Box
    alpha: Alpha

    def __post_init__(self) -> None:
        if self.alpha.shape != (self.box.height, self.box.width) or self.alpha.dtype != np.float32:
            raise ValueError(f"alpha {self.alpha.dtype} {self.alpha.shape} does not fit {self.box}")


Progress = Callable[[str, float], None]
"""A callback for progress: called with a short text on the current step and the fraction done of the photo, 0 … 1."""
