"""Converts samples by their colour profiles, with littleCMS as Pillow brings it."""

from __future__ import annotations

import io
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

_ROWS = 256
_MODES = {1: "L", 3: "RGB", 4: "CMYK"}
_MODELS = {b"GRAY": "L", b"RGB ": "RGB", b"CMYK": "CMYK"}


def is_usable(profile: bytes | None, mode: str) -> bool:
    """Return whether a profile can be read and is one for samples of a mode: "L", "RGB" or "CMYK"."""
    if not profile or _MODELS.get(profile[16:20]) != mode:
        return False
    try:
        _make_transform(profile, mode, "RGB", True)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return False
    return True


def to_srgb(samples: NDArray[np.uint8], profile: bytes) -> NDArray[np.uint8]:
    """Return 8-bit samples (H, W) or (H, W, 3 or 4) of a usable profile as sRGB (H, W, 3)."""
    mode = _MODES[1 if samples.ndim == 2 else samples.shape[2]]
    return _apply(samples, mode, "RGB", _make_transform(profile, mode, "RGB", True))


def srgb_to_cmyk(pixels: NDArray[np.uint8], profile: bytes) -> NDArray[np.uint8]:
    """Return sRGB (n, 3) as CMYK (n, 4) of a usable profile."""
    return _apply(pixels[None], "RGB", "CMYK", _make_transform(profile, "RGB", "CMYK", False))[0]


def lab_to_srgb(image: Image.Image) -> Image.Image:
    """Return an image of mode LAB as sRGB."""
    transform = ImageCms.buildTransform(ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB")
    return ImageCms.applyTransform(image, transform) or image


def is_srgb(profile: bytes) -> bool:
    """Return whether an RGB profile means sRGB: colours all over the cube come out as they went in, or 2 levels off."""
    if not is_usable(profile, "RGB"):
        return False
    steps = np.linspace(0, 255, 6).astype(np.uint8)
    cube = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
    return int(np.abs(to_srgb(cube, profile).astype(int) - cube).max()) <= 2


@lru_cache(maxsize=4)
def _make_transform(profile: bytes, source: str, target: str, is_from: bool) -> ImageCms.ImageCmsTransform:
    """The transform from the profile to sRGB, or back; relative colorimetric, with black points matched."""
    own, srgb = ImageCms.ImageCmsProfile(io.BytesIO(profile)), ImageCms.createProfile("sRGB")
    first, second = (own, srgb) if is_from else (srgb, own)
    return ImageCms.buildTransform(
        first, second, source, target, ImageCms.Intent.RELATIVE_COLORIMETRIC, ImageCms.Flags.BLACKPOINTCOMPENSATION
    )


def _apply(
    samples: NDArray[np.uint8], source: str, target: str, transform: ImageCms.ImageCmsTransform
) -> NDArray[np.uint8]:
    height, width = samples.shape[:2]
    channels = {"RGB": 3, "CMYK": 4}[target]
    result = np.empty((height, width, channels), np.uint8)
    for top in range(0, height, _ROWS):
        part = np.ascontiguousarray(samples[top : top + _ROWS])
        image = Image.frombytes(source, (width, len(part)), part.tobytes())
        result[top : top + _ROWS] = np.asarray(ImageCms.applyTransform(image, transform))
    return result
