"""Decode a file that was just made, whole, and compare it with what was encoded, before it takes the place of another.

Most decoders make some picture of nearly any bytes, so decoding alone says little. Compared are the means of squares of
a few pixels, over bands of the picture. It costs little beside the encoding: samples are not converted or kept, and of
a JPEG every bit is read, but only an eighth of its width and height is computed. Samples that are not compressed only
have to be there.
"""

from __future__ import annotations

import io
import warnings
from typing import Any

import cv2
import numpy as np
from PIL import Image

from photo.decode import DECODE_ERRORS, Samples, copy_samples, pillow_limit, straighten_exif, to_8_bits
from photo.encode import fold_back, is_whole, lay_on_white
from photo.heif import decode_heif
from photo.jpeg_keeping import TURN_BACK
from photo.types import FloatArray, Photo, Pixels

_UNCOMPRESSED = ("TIFF", "BMP")
# The side of the squares in pixels, and the number of bands. By this much Pillow shrinks a JPEG while it decodes it.
_SQUARE_PX, _BANDS = 8, 16
# The most that a band may differ in the mean, in levels of 8 bits. Encoders differ by a few, even at a poor quality
# that a photo came with, by more at the poorest that a user can ask for, and a part that is missing by far more.
_MOST_DIFFERENCE, _MOST_AT_ANY_QUALITY = 16.0, 32.0


def verify(format_name: str, data: bytes, pixels: Pixels, photo: Photo, quality: int | None = None) -> None:
    """Raise OSError unless `data` is a whole file that shows `pixels` uint8 (H, W, 3), which are `photo` with edits.

    `format_name` is Pillow's; `quality` is that which the user chose for the file, None for that of this program.
    """
    if not is_whole(format_name, data):
        raise OSError(f"the {format_name} file does not go to its end")
    if format_name in _UNCOMPRESSED:
        return
    try:
        found, size, orientation = _read_heif(data) if format_name == "HEIF" else _read(format_name, data)
    except DECODE_ERRORS as error:
        raise OSError(f"the {format_name} encoder made a file that cannot be decoded") from error
    wanted: Samples = pixels
    if found.ndim == 3 and found.shape[2] == 4:  # CMYK
        wanted = fold_back(pixels, photo)
    elif format_name == "JPEG" and photo.alpha is not None:
        wanted = lay_on_white(pixels, to_8_bits(photo.alpha))
    # The blocks of a turned photo are kept in the direction in which they are stored.
    wanted = TURN_BACK.get(orientation, lambda a: a)(wanted)
    height, width = wanted.shape[:2]
    if size != (width, height):
        raise OSError(f"the {format_name} encoder made a picture of another size")
    rows, columns = height // _SQUARE_PX, width // _SQUARE_PX
    if not rows or not columns:
        return
    is_whole_size = found.shape[:2] == (height, width)
    means = _average(found, rows, columns) if is_whole_size else _widen(found[:rows, :columns])
    difference = np.abs(means - _average(wanted, rows, columns))
    most = _MOST_DIFFERENCE if quality is None else _MOST_AT_ANY_QUALITY
    if max(float(band.mean()) for band in np.array_split(difference, min(_BANDS, rows))) > most:
        raise OSError(f"the {format_name} encoder made another picture")


def _read(format_name: str, data: bytes) -> tuple[Samples, tuple[int, int], int]:
    """A picture as it is stored, decoded to its end: gray, RGB or CMYK; its width and height, and its orientation.

    Of a JPEG there is one sample for each square of `_SQUARE_PX`.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pillow_limit(), Image.open(io.BytesIO(data), formats=[format_name]) as image:
            size, is_jpeg = image.size, format_name == "JPEG"
            if is_jpeg:
                image.draft(None, (max(size[0] // _SQUARE_PX, 1), max(size[1] // _SQUARE_PX, 1)))
            image.load()
            if image.mode.startswith("I"):
                return np.asarray(image).astype(np.uint16), size, 1
            has_colors_alone = image.mode in ("L", "RGB", "CMYK")
            samples = copy_samples(image if has_colors_alone else image.convert("RGB"))
            exif = image.info.get("exif") if is_jpeg else None
            return samples, size, straighten_exif(exif)[1] if exif else 1


def _read_heif(data: bytes) -> tuple[Samples, tuple[int, int], int]:
    """The same of a HEIC file, whose decoder turns it upright."""
    samples = decode_heif(data)
    colors = samples if samples.ndim == 2 else samples[..., :3] if samples.shape[2] > 2 else samples[..., 0]
    return colors, (samples.shape[1], samples.shape[0]), 1


def _average(samples: Samples, rows: int, columns: int) -> FloatArray:
    """Means of the squares that lie inside a picture, 0 … 255, float32 (rows, columns, 3 or 4)."""
    inside = np.ascontiguousarray(samples[: rows * _SQUARE_PX, : columns * _SQUARE_PX])
    means: Any = cv2.resize(inside, (columns, rows), interpolation=cv2.INTER_AREA)
    return _widen(means.reshape(rows, columns, *samples.shape[2:]))


def _widen(samples: Samples) -> FloatArray:
    """Samples (h, w) or (h, w, 3 … 4) as 0 … 255, float32; gray as three channels."""
    levels = to_8_bits(samples).astype(np.float32)
    return np.repeat(levels[..., None], 3, axis=2) if levels.ndim == 2 else levels
