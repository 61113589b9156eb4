"""HEIC files, by the package pillow-heif where it is installed; Pillow itself reads AVIF."""

from __future__ import annotations

import importlib
import io
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from photo.errors import MissingPackage


def find_plugin(path: Path) -> str:
    """Return Pillow's name of the format HEIC, once the plug-in is registered. Raises MissingPackage without it."""
    _import(path).register_heif_opener()
    return "HEIF"


def read_deep_heif(file: IO[bytes]) -> NDArray[np.uint16]:
    """Return the samples of a HEIC file of 10 or 12 bits, stretched to 16 bits, (H, W, 3 or 4) or (H, W)."""
    file.seek(0)
    opened = _import(Path()).open_heif(file, convert_hdr_to_8bit=False)
    samples: Any = np.asarray(opened)
    if samples.dtype != np.uint16:
        raise ValueError("deep samples cannot be decoded")
    return np.ascontiguousarray(samples)


def write_heif(file: IO[bytes], samples: NDArray[Any], mode: str, extras: dict[str, Any]) -> None:
    """Write samples of 8 bits, or of 16, of which HEIC keeps 10.

    Colour has half the resolution, as every phone reads it. The encoder also has a mode without loss, but its decoder
    fails on pictures of 12 megapixels made so.
    """
    package = _import(Path())
    height, width = samples.shape[:2]
    heif = package.from_bytes(mode=mode, size=(width, height), data=np.ascontiguousarray(samples).tobytes())
    heif.save(file, format="HEIF", **extras)


def decode_heif(data: bytes) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Return all samples of a HEIC file, (H, W) or (H, W, 2 … 4), stretched to 16 bits where it holds more than 8.

    Raises OSError, ValueError.
    """
    try:
        return np.asarray(_import(Path()).open_heif(io.BytesIO(data), convert_hdr_to_8bit=False))
    except RuntimeError as error:
        raise OSError(str(error)) from error


def _import(path: Path) -> Any:
    try:
        return importlib.import_module("pillow_heif")
    except ImportError as error:
        raise MissingPackage(
            f"{path} is a HEIC file, which needs the package pillow-heif; run: pip install -r requirements_formats.txt"
        ) from error
