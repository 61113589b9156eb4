"""Decode a file that was just made, whole, and compare it with what was encoded, before it takes the place of another.

Most decoders make some picture of nearly any bytes, so decoding alone says little. What is stored without loss has to
come back to the last bit. Elsewhere the means of squares of a few pixels are compared, over bands of the picture: of a
JPEG every bit is read then, but only an eighth of its width and height is computed.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import cv2
import numpy as np
from PIL import Image

from photo.decode import DECODE_ERRORS, Samples, copy_samples, is_deep_png, pillow_limit, read_deep_png, to_8_bits
from photo.encode import Encoded, is_whole
from photo.formats import BY_NAME
from photo.heif import decode_heif
from photo.tiff_read import read_strips
from photo.types import FloatArray

# The side of the squares in pixels, and the number of bands. By this much Pillow shrinks a JPEG while it decodes it.
_SQUARE_PX, _BANDS = 8, 16
# The most that a band may differ in the mean, in levels of 8 bits. Encoders differ by a few, even at a poor quality
# that a photo came with, by more at the poorest that a user can ask for, and a part that is missing by far more.
_MOST_DIFFERENCE, _MOST_AT_ANY_QUALITY = 16.0, 32.0
# Rows compared at a time: a whole copy of a large picture takes longer than all the comparing.
_BAND_ROWS = 64


def verify(format_name: str, encoded: Encoded, quality: int | None = None) -> None:
    """Raise OSError unless the file is whole and shows the samples that it was made of.

    `format_name` is Pillow's; `quality` is that which the user chose for the file, None for that of this program.
    """
    if not is_whole(format_name, encoded.data):
        raise OSError(f"the {format_name} file does not go to its end")
    most = _MOST_DIFFERENCE if quality is None else _MOST_AT_ANY_QUALITY
    try:
        fault = _find_fault(format_name, encoded.data, encoded.samples, most)
    except DECODE_ERRORS as error:
        raise OSError(f"the {format_name} encoder made a file that cannot be decoded") from error
    if fault:
        raise OSError(f"the {format_name} encoder made {fault}")


def _find_fault(format_name: str, data: bytes, wanted: Samples, most: float) -> str:
    """What the file shows instead of the samples, or nothing. Raises what decoders do."""
    size, another = (wanted.shape[1], wanted.shape[0]), "another picture"
    another_size = "a picture of another size"
    if format_name == "HEIF":
        found = decode_heif(data)
        if (found.shape[1], found.shape[0]) != size:
            return another_size
        return "" if _are_alike(found, wanted, most) else another
    file = io.BytesIO(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pillow_limit(), Image.open(file, formats=[format_name]) as image:
            if image.size != size:
                return another_size
            if BY_NAME[format_name].is_exact:
                return "" if _are_equal(_decode_bands(format_name, data, image), wanted) else another
            if format_name == "JPEG":
                image.draft(None, (max(size[0] // _SQUARE_PX, 1), max(size[1] // _SQUARE_PX, 1)))
            return "" if _are_alike(copy_samples(image), wanted, most) else another


def _decode_bands(format_name: str, data: bytes, image: Image.Image) -> Iterator[Samples]:
    """Bands of the samples of a file as it stores them, from the top to the bottom; `image` is that of Pillow."""
    if format_name == "TIFF":
        yield from read_strips(data)
    elif format_name == "PNG" and is_deep_png(data):
        yield read_deep_png(data)
    else:
        for top in range(0, image.height, _BAND_ROWS):
            yield np.asarray(image.crop((0, top, image.width, min(top + _BAND_ROWS, image.height))))


def _are_equal(bands: Iterable[Samples], wanted: Samples) -> bool:
    """Whether bands of samples join to others, to the last bit."""
    top = 0
    for band in bands:
        other = wanted[top : top + len(band)]
        top += len(band)
        if band.dtype.itemsize != other.dtype.itemsize:
            return False
        # Some formats have no gray, and some leave out an alpha that is opaque everywhere.
        if band.shape != other.shape:
            band, other = _spread(band), _spread(other)
        if not np.array_equal(band, other):
            return False
    return top == len(wanted)


def _spread(samples: Samples) -> Samples:
    """Samples (H, W) or (H, W, 2 … 4) as red, green, blue and alpha."""
    channels: list[Any] = [samples] if samples.ndim == 2 else [samples[..., i] for i in range(samples.shape[2])]
    opaque = np.full(samples.shape[:2], np.iinfo(samples.dtype).max, samples.dtype)
    colors, alpha = (channels, opaque) if len(channels) % 2 else (channels[:-1], channels[-1])
    return np.dstack([*(colors if len(colors) == 3 else colors * 3), alpha])


def _are_alike(found: Samples, wanted: Samples, most: float) -> bool:
    """Whether no band differs by more than so many levels in the mean, in the channels that both have."""
    height, width = wanted.shape[:2]
    rows, columns = height // _SQUARE_PX, width // _SQUARE_PX
    if not rows or not columns:
        return True
    is_whole_size = found.shape[:2] == (height, width)
    means = _average(found, rows, columns) if is_whole_size else _widen(found[:rows, :columns])
    expected = _average(wanted, rows, columns)
    channels = min(means.shape[2], expected.shape[2])
    difference = np.abs(means[..., :channels] - expected[..., :channels])
    return max(float(band.mean()) for band in np.array_split(difference, min(_BANDS, rows))) <= most


def _average(samples: Samples, rows: int, columns: int) -> FloatArray:
    """Means of the squares that lie inside a picture, 0 … 255, float32 (rows, columns, 3 or 4)."""
    inside = np.ascontiguousarray(samples[: rows * _SQUARE_PX, : columns * _SQUARE_PX])
    means: Any = cv2.resize(inside, (columns, rows), interpolation=cv2.INTER_AREA)
    return _widen(means.reshape(rows, columns, *samples.shape[2:]))


def _widen(samples: Samples) -> FloatArray:
    """Samples (h, w) or (h, w, 2 … 4) as 0 … 255, float32; gray as three channels, without its alpha."""
    levels = to_8_bits(samples).astype(np.float32)
    if levels.ndim == 3 and levels.shape[2] > 2:
        return levels
    return np.repeat((levels if levels.ndim == 2 else levels[..., 0])[..., None], 3, axis=2)
