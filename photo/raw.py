"""Develops a camera's raw file, with the camera's white balance, to 16-bit sRGB; rawpy and LibRaw do it."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from photo.errors import MissingPackage, UnreadablePhoto

ENDINGS = (
    ".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dng", ".erf", ".iiq", ".kdc", ".mef", ".mos", ".mrw", ".nef", ".nrw",
    ".orf", ".pef", ".raf", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f",
)  # fmt: skip
"""How names of raw files end; they are read, never written."""

NOTE = "The raw file was developed with the camera's white balance, to sRGB."
NO_EXIF = "What the raw file says of camera and place lies where it cannot be read, and was left out."


def is_raw(path: Path) -> bool:
    """Return whether a file is a raw file by its name: inside, most of them are TIFF files."""
    return path.suffix.lower() in ENDINGS


def develop(file: IO[bytes], path: Path, most_pixels: int) -> NDArray[np.uint16]:
    """Return the picture of a raw file, upright, uint16 (H, W, 3) sRGB.

    Raises MissingPackage where rawpy is not installed, UnreadablePhoto when it cannot read the file.
    """
    try:
        import rawpy
    except ImportError as error:
        raise MissingPackage(
            f"{path} is a camera raw file, which needs the package rawpy; run: pip install -r requirements_formats.txt"
        ) from error
    try:
        with rawpy.imread(file) as raw:
            if raw.sizes.raw_width * raw.sizes.raw_height > most_pixels:
                raise UnreadablePhoto(f"{path} is larger than {most_pixels // 1_000_000} megapixels; make it smaller.")
            developed: Any = raw.postprocess(use_camera_wb=True, output_bps=16, no_auto_bright=False)
    except (rawpy.LibRawError, OSError, ValueError, MemoryError) as error:
        raise UnreadablePhoto(
            f"{path} is a camera raw file that cannot be read, or damaged; export it as TIFF."
        ) from error
    if developed.ndim == 2:
        developed = np.repeat(developed[..., None], 3, axis=2)
    return np.ascontiguousarray(developed[..., :3])
