"""Decode a photo file into a `Photo`: upright 8-bit RGB, and the samples at the depth of the file."""

from __future__ import annotations

import struct
import threading
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin, PngImagePlugin, TiffImagePlugin, UnidentifiedImageError

from photo.errors import UnreadablePhoto
from photo.types import Photo

Samples = NDArray[np.uint8] | NDArray[np.uint16]

MAX_MEGAPIXELS = 250
"""Larger photos are refused: the pixels alone would need more than 750 MB, and a tiny file can claim any size."""

XMP_KEY = "XML:com.adobe.xmp"
"""The key of `Photo.text` that holds XMP; it is PNG's own name for it."""

EXIF_HEADER = b"Exif\0\0"
"""The first bytes of `Photo.exif`, as in JPEG."""

# The tags of a TIFF file that describe the photo, not how its samples are stored: description, maker, model,
# software, date, artist, host computer and copyright.
_DESCRIBING_TAGS = (270, 271, 272, 305, 306, 315, 316, 33432)
EXIF_IFD, GPS_IFD, XMP_TAG = 34665, 34853, 700

# Little- and big-endian, each with 32- or 64-bit offsets.
_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_READABLE = ("JPEG", "PNG", "WEBP", "TIFF", "BMP")
_RAW_ENDINGS = {".arw", ".cr2", ".cr3", ".dng", ".nef", ".orf", ".pef", ".raf", ".rw2", ".srw"}
_MODES = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "I;16", "I;16B", "I;16L"}
# What Pillow's decoders raise on damaged files; it has no common class for them.
_DECODE_ERRORS = (
    OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, OverflowError, struct.error, zlib.error,
)  # fmt: skip

_STRIP_ROWS = 64

# Two threads that raise Pillow's limit at once could leave it raised.
_LIMIT_LOCK = threading.Lock()

_ORIENTATION_TAG = 0x0112
# The steps that turn a picture upright, by EXIF orientation.
_UPRIGHT: dict[int, tuple[Callable[[Any], Any], ...]] = {
    1: (),
    2: (lambda a: cv2.flip(a, 1),),
    3: (lambda a: cv2.rotate(a, cv2.ROTATE_180),),
    4: (lambda a: cv2.flip(a, 0),),
    5: (cv2.transpose,),
    6: (lambda a: cv2.rotate(a, cv2.ROTATE_90_CLOCKWISE),),
    7: (cv2.transpose, lambda a: cv2.rotate(a, cv2.ROTATE_180)),
    8: (lambda a: cv2.rotate(a, cv2.ROTATE_90_COUNTERCLOCKWISE),),
}


def decode_photo(file: IO[bytes], path: Path) -> Photo:
    """Return the photo in an open JPEG, PNG, WebP, TIFF or BMP file; `path` is only used in errors.

    The arrays of the photo are read-only. Raises UnreadablePhoto when the file is empty, damaged, of another kind, or
    larger than `MAX_MEGAPIXELS`.
    """
    head = file.read(32)
    file.seek(0)
    if not head:
        raise UnreadablePhoto(f"{path} is empty; get the photo again from where it came from.")
    if head[4:8] == b"ftyp":
        raise UnreadablePhoto(f"{path} is a HEIC or AVIF file, which cannot be read; export it as JPEG first.")
    if path.suffix.lower() in _RAW_ENDINGS:
        raise UnreadablePhoto(f"{path} is a camera raw file, which cannot be read; export it as JPEG or TIFF first.")
    with warnings.catch_warnings():
        # Pillow warns of odd metadata, which does not concern the user, and of sizes, which are checked below.
        warnings.simplefilter("ignore")
        try:
            with _pillow_limit(), Image.open(file, formats=_READABLE) as image:
                _refuse_unfit(image, path)
                image.load()
                return _gather(image, file, head)
        except UnidentifiedImageError as error:
            if head[:4] in _TIFF_STARTS:
                raise UnreadablePhoto(
                    f"{path} is a kind of TIFF that cannot be read, or damaged; export it as plain 8- or 16-bit RGB."
                ) from error
            raise UnreadablePhoto(
                f"{path} is no photo that can be read; use a JPEG, PNG, WebP, TIFF or BMP file."
            ) from error
        except Image.DecompressionBombError as error:
            raise UnreadablePhoto(f"{path} is larger than {MAX_MEGAPIXELS} megapixels; make it smaller.") from error
        except _DECODE_ERRORS as error:
            raise UnreadablePhoto(
                f"{path} is damaged or incomplete; get the file again from where it came from."
            ) from error


def to_8_bits(samples: Samples) -> NDArray[np.uint8]:
    """Return samples of 8 or 16 bits as uint8 in the same shape, rounded: 65535 becomes 255."""
    if samples.dtype == np.uint16:
        return np.asarray(cv2.convertScaleAbs(samples, alpha=1 / 257), np.uint8).reshape(samples.shape)
    return np.asarray(samples, np.uint8)


@contextmanager
def _pillow_limit() -> Iterator[None]:
    """Raise Pillow's limit of pixels, which is one for the whole process, to `MAX_MEGAPIXELS`.

    Pillow warns at its limit and raises at twice that; `_refuse_unfit` refuses before anything is decoded.
    """
    with _LIMIT_LOCK:
        kept = Image.MAX_IMAGE_PIXELS
        Image.MAX_IMAGE_PIXELS = MAX_MEGAPIXELS * 1_000_000
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = kept


def _refuse_unfit(image: Image.Image, path: Path) -> None:
    """Raise UnreadablePhoto for an image that is too large, has several pictures or a mode that is not supported."""
    if image.width * image.height > MAX_MEGAPIXELS * 1_000_000:
        raise UnreadablePhoto(f"{path} is larger than {MAX_MEGAPIXELS} megapixels; make it smaller.")
    if image.mode not in _MODES:
        raise UnreadablePhoto(f"{path} holds {image.mode} samples, which cannot be read; export it as 16-bit TIFF.")
    # MPO is what phones write: a JPEG with a depth or brightness map behind the photo; its first picture is meant.
    pictures = getattr(image, "n_frames", 1)
    if pictures > 1 and image.format != "MPO":
        raise UnreadablePhoto(f"{path} holds {pictures} pictures; export the one to fix as a file of its own.")


def _gather(image: Image.Image, file: IO[bytes], head: bytes) -> Photo:
    """Return the Photo of a decoded image."""
    samples, alpha = _split_alpha(image, _read_samples(image, file, head))
    exif, orientation = straighten_exif(_read_exif(image))
    if image.format == "TIFF":
        orientation = 1  # both decoders have already turned it
    samples = _turn_upright(samples, orientation)
    alpha = None if alpha is None else _turn_upright(alpha, orientation)
    is_cmyk = image.mode == "CMYK"
    if is_cmyk:
        pixels = to_8_bits(_turn_upright(np.asarray(image.convert("RGB")), orientation))
    elif samples.ndim == 2:
        pixels = np.asarray(cv2.cvtColor(to_8_bits(samples), cv2.COLOR_GRAY2RGB), np.uint8)
    else:
        pixels = to_8_bits(samples)
    native = samples if is_cmyk or samples.ndim == 2 or samples.dtype == np.uint16 else None
    for array in (pixels, alpha, native):
        if array is not None:
            array.setflags(write=False)
    subsampling = JpegImagePlugin.get_sampling(image) if image.format in ("JPEG", "MPO") else -1
    return Photo(
        pixels=pixels,
        alpha=alpha,
        native=native,
        exif=exif,
        icc_profile=image.info.get("icc_profile") or None,
        dpi=_read_dpi(image),
        text=_read_text(image),
        subsampling=subsampling if subsampling >= 0 else None,
        quantization=_read_quantization(image),
        is_progressive=bool(image.info.get("progressive")) and image.format in ("JPEG", "MPO"),
        format=str(image.format),
    )


def _read_samples(image: Image.Image, file: IO[bytes], head: bytes) -> Samples:
    """All samples of the loaded image, (H, W) or (H, W, 2 … 4), at the depth of the file."""
    is_deep_png = image.format == "PNG" and head[24] == 16 and head[25] in (2, 4, 6)
    depths = image.tag_v2.get(258, ()) if isinstance(image, TiffImagePlugin.TiffImageFile) else ()
    if is_deep_png or (len(depths) > 1 and set(depths) == {16} and image.mode != "CMYK"):
        # Pillow keeps 8 bits of these; it has decoded them before all the same, as only it reports damaged files.
        file.seek(0)
        deep = cv2.imdecode(np.frombuffer(file.read(), np.uint8), cv2.IMREAD_UNCHANGED)
        if deep is None or deep.dtype != np.uint16 or deep.shape[:2] != (image.height, image.width):
            raise ValueError("16-bit samples cannot be decoded")
        if is_deep_png and head[25] == 4:
            return np.ascontiguousarray(deep[..., ::3])  # gray and alpha, which comes as B = G = R and alpha
        order = cv2.COLOR_BGRA2RGBA if deep.shape[2] == 4 else cv2.COLOR_BGR2RGB
        return np.asarray(cv2.cvtColor(deep, order), np.uint16)
    if image.mode.startswith("I;16"):
        return np.asarray(image).astype(np.uint16)  # from either byte order
    if image.mode == "PA" or (image.mode in ("P", "RGB") and "transparency" in image.info):
        image = image.convert("RGBA")
    elif image.mode == "L" and "transparency" in image.info:
        image = image.convert("LA")
    elif image.mode == "1":
        image = image.convert("L")
    elif image.mode in ("P", "RGBX", "YCbCr"):
        image = image.convert("RGB")
    return _copy_samples(image)


def _copy_samples(image: Image.Image) -> Samples:
    """The samples of a loaded image, copied in strips: as a whole, Pillow takes far longer and twice the memory."""
    pixel = np.asarray(image.crop((0, 0, 1, 1)))
    samples = np.empty((image.height, image.width, *pixel.shape[2:]), pixel.dtype)
    for top in range(0, image.height, _STRIP_ROWS):
        bottom = min(top + _STRIP_ROWS, image.height)
        samples[top:bottom] = np.asarray(image.crop((0, top, image.width, bottom)))
    return samples


def _split_alpha(image: Image.Image, samples: Samples) -> tuple[Samples, Samples | None]:
    """The colour samples, contiguous, and the alpha (H, W) or None."""
    channels = 1 if samples.ndim == 2 else samples.shape[2]
    if channels == 2:
        return np.ascontiguousarray(samples[..., 0]), np.ascontiguousarray(samples[..., 1])
    if channels == 4 and image.mode != "CMYK":
        colors: Any = cv2.cvtColor(samples, cv2.COLOR_RGBA2RGB)
        return colors, np.ascontiguousarray(samples[..., 3])
    if samples.dtype == np.uint16 and "transparency" in image.info:
        # PNG: one 16-bit colour stands for full transparency.
        key = np.asarray(image.info["transparency"], np.uint16)
        is_clear = samples == key if channels == 1 else (samples == key).all(axis=2)
        return samples, np.where(is_clear, 0, 65535).astype(np.uint16)
    return samples, None


def _turn_upright(samples: Samples, orientation: int) -> Samples:
    """The samples turned or mirrored as an EXIF orientation demands; unchanged for an unknown one."""
    for step in _UPRIGHT.get(orientation, ()):
        samples = np.ascontiguousarray(step(samples))
    return samples


def _read_exif(image: Image.Image) -> bytes | None:
    """`EXIF_HEADER` and the EXIF block of the file; of a TIFF, whose EXIF is part of its tags, a new block."""
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        exif: bytes | None = image.info.get("exif")
        return EXIF_HEADER + exif.removeprefix(EXIF_HEADER) if exif else None
    block = Image.Exif()
    copy_describing_tags(image.getexif(), block)
    return block.tobytes() if len(block) else None


def copy_describing_tags(source: Image.Exif, target: Image.Exif) -> None:
    """Copy the tags that describe the photo, including those of the camera and of the place."""
    for tag in _DESCRIBING_TAGS:
        if tag in source:
            target[tag] = source[tag]
    for ifd in (EXIF_IFD, GPS_IFD):
        if values := source.get_ifd(ifd):
            target[ifd] = dict(values)


def straighten_exif(exif: bytes | None) -> tuple[bytes | None, int]:
    """Return EXIF with orientation 1 and no thumbnail, and the orientation 1 … 8 that it had.

    Only these bytes change: the block is not parsed and written anew, so makers' own notes stay intact.
    A damaged block is returned unchanged, with orientation 1. Source of the layout: EXIF 2.3, section 4.6.2.
    """
    if exif is None:
        return None, 1
    start = len(EXIF_HEADER)
    order = {b"II": "<", b"MM": ">"}.get(exif[start : start + 2])
    if order is None:
        return exif, 1
    block, orientation = bytearray(exif), 1
    try:
        directory = start + struct.unpack_from(f"{order}L", block, start + 4)[0]
        after = directory + 2 + 12 * struct.unpack_from(f"{order}H", block, directory)[0]
        for entry in range(directory + 2, after, 12):
            tag, kind = struct.unpack_from(f"{order}HH", block, entry)
            value = {3: "H", 4: "L"}.get(kind)
            if tag == _ORIENTATION_TAG and value:
                orientation = struct.unpack_from(f"{order}{value}", block, entry + 8)[0]
                struct.pack_into(f"{order}{value}", block, entry + 8, 1)
        struct.pack_into(f"{order}L", block, after, 0)  # there is no second directory: the thumbnail is unlinked
    except struct.error:
        return exif, 1
    return bytes(block), orientation if orientation in _UPRIGHT else 1


def _read_quantization(image: Image.Image) -> tuple[tuple[int, ...], ...]:
    """The quantization tables of a JPEG, in its order; none where they have numbers that an encoder cannot keep."""
    tables: dict[int, list[int]] = getattr(image, "quantization", {}) if image.format in ("JPEG", "MPO") else {}
    return (
        tuple(tuple(tables[number]) for number in sorted(tables)) if sorted(tables) == list(range(len(tables))) else ()
    )


def _read_dpi(image: Image.Image) -> tuple[float, float] | None:
    """Dots per inch, across and down; None where they are missing or implausible."""
    try:
        across, down = (float(value) for value in image.info.get("dpi", ()))
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    # JPEG has 16 bits for it; Pillow returns 1 for a TIFF without a resolution; NaN fails the comparison, too.
    return (across, down) if all(1 < value < 65535 for value in (across, down)) else None


def _read_text(image: Image.Image) -> dict[str, str]:
    """The text chunks of a PNG, the comment of a JPEG, and XMP of any format, by key."""
    text: dict[str, str] = dict(image.text) if isinstance(image, PngImagePlugin.PngImageFile) else {}
    comment, xmp = image.info.get("comment"), image.info.get("xmp")
    if isinstance(comment, bytes) and comment:
        text["Comment"] = comment.decode("latin-1")
    if isinstance(xmp, bytes) and xmp and XMP_KEY not in text:
        text[XMP_KEY] = xmp.decode("utf-8", "replace").rstrip("\0")
    return text
