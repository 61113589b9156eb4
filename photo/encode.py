"""Encode edited pixels, with the samples and the metadata of the `Photo` they came from, as a file.

The difference that the edits made is added to the samples as they were decoded. So wherever the pixels are unedited,
the written sample is the one that was read, at any depth and in any colour model.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin, TiffImagePlugin

from photo.decode import EXIF_IFD, GPS_IFD, XMP_KEY, XMP_TAG, Samples, copy_describing_tags, to_8_bits
from photo.errors import UnwritablePhoto
from photo.types import Photo, Pixels

JPEG_QUALITY = 95
"""Pillow's scale, 1 … 100: high enough that encoding anew is not visible, low enough that files do not grow much."""

PNG_COMPRESSION = 1
"""zlib's level, 0 … 9. On photos, whose low bits are noise, 6 saves a tenth of the size in three times the time."""

_LARGEST_SIDE = {"JPEG": 65535, "WEBP": 16383}
# Bytes. A JPEG segment holds 65533 of them; XMP needs 29 for its name.
_LARGEST_SEGMENT = 65533 - 29
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601, as JPEG and Pillow use
# Rows processed at a time, so that a 16-bit photo is not in memory twice.
_SLAB_ROWS = 256


def encode_photo(
    format_name: str, pixels: Pixels, photo: Photo, quality: int | None = None
) -> tuple[bytes, str | None]:
    """Return `pixels` uint8 (H, W, 3) as the bytes of a "JPEG", "PNG", "WEBP", "TIFF" or "BMP" file.

    A JPEG gets the `quality` 1 … 100 of Pillow's scale; without one that of the photo, if it was a JPEG. The second
    value is sentences on what the format could not keep, or None. Raises UnwritablePhoto when the format cannot hold a
    photo of this size, and OSError when the encoder fails.
    """
    # Never straight into a file: on a full disk Pillow's encoders take an incomplete write for a complete one.
    file = io.BytesIO()
    note = _encode(file, format_name, pixels, photo, quality)
    data = file.getvalue()
    if not is_whole(format_name, data):
        raise OSError(f"the {format_name} encoder stopped before the end")
    return data, note


def is_whole(format_name: str, data: bytes) -> bool:
    """Whether a file made by `encode_photo` ends where its format says; the samples are not decoded."""
    if format_name == "JPEG":
        return data.endswith(b"\xff\xd9")
    if format_name == "PNG":
        return data.endswith(_make_chunk(b"IEND", b""))
    if format_name == "TIFF":
        return _holds_its_strips(data)
    start, beyond = {"WEBP": (4, 8), "BMP": (2, 0)}[format_name]
    return len(data) > start and len(data) == int.from_bytes(data[start : start + 4], "little") + beyond


def _holds_its_strips(tiff: bytes) -> bool:
    """Whether all strips that the tags of a TIFF file point to lie inside it."""
    file = io.BytesIO(tiff)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # Pillow warns of tags that are cut off
            tags = TiffImagePlugin.ImageFileDirectory_v2(file.read(8))
            file.seek(tags.next)
            tags.load(file)
        return all(start + size <= len(tiff) for start, size in zip(tags[273], tags[279], strict=True))
    except (OSError, SyntaxError, ValueError, LookupError, TypeError, struct.error, UserWarning):
        return False


def _encode(file: IO[bytes], format_name: str, pixels: Pixels, photo: Photo, quality: int | None) -> str | None:
    """Write the photo to `file`; return sentences on what could not be kept, or None."""
    if max(photo.width, photo.height) > _LARGEST_SIDE.get(format_name, 2**31):
        limit = _LARGEST_SIDE[format_name]
        raise UnwritablePhoto(f"A {format_name} file holds at most {limit} pixels a side; choose .png instead.")
    notes: list[str] = []
    samples, alpha = fold_back(pixels, photo), photo.alpha
    if samples.dtype == np.uint16 and format_name not in ("PNG", "TIFF"):
        samples = to_8_bits(samples) if samples.ndim == 2 else pixels
        notes.append(f"{format_name} holds 8 bits: the 16-bit samples were rounded.")
    if _is_cmyk(samples) and format_name not in ("JPEG", "TIFF"):
        samples = pixels
        notes.append(f"{format_name} has no CMYK: the colours were converted to RGB.")
    if alpha is not None and format_name in ("JPEG", "BMP"):
        if int(alpha.min()) < np.iinfo(alpha.dtype).max:
            samples = _flatten(samples, to_8_bits(alpha))
            notes.append(f"{format_name} has no transparency: the photo was laid on white.")
        alpha = None
    extras = _collect_extras(samples, photo, format_name, notes)
    if format_name == "JPEG":
        extras.update(_choose_compression(photo, quality))
    is_deep = samples.dtype == np.uint16 and (samples.ndim == 3 or alpha is not None)
    if alpha is not None:
        alpha = to_8_bits(alpha) if samples.dtype == np.uint8 else _to_16_bits(alpha)
        joined: Any = np.dstack([samples, alpha])
        samples = joined
    if is_deep and format_name == "PNG":
        _write_deep_png(file, samples, extras)
    elif is_deep:
        _write_deep_tiff(file, samples, extras)
    else:
        _to_image(samples, has_alpha=alpha is not None).save(file, format_name, **extras)
    if format_name == "JPEG" and photo.format in ("JPEG", "MPO"):
        notes.append(
            "A JPEG is encoded anew as a whole, so other pixels differ a little, too; a PNG keeps them exactly."
        )
    if photo.format == "MPO":
        notes.append("Further pictures inside the file (such as a depth or brightness map) were left out.")
    return " ".join(notes) or None


def fold_back(pixels: Pixels, photo: Photo) -> Samples:
    """Return the samples of `photo` plus the difference between `pixels` uint8 (H, W, 3) and `photo.pixels`.

    The array is like `photo.native`, or `pixels` itself where that is None. Gray samples change by the luma of the
    difference; CMYK keeps its black where the new colour allows it.
    """
    native = photo.native
    if native is None:
        return pixels
    samples = native.copy()
    scale = 257 if native.dtype == np.uint16 else 1
    highest = int(np.iinfo(native.dtype).max)
    for top in range(0, photo.height, _SLAB_ROWS):
        rows = slice(top, top + _SLAB_ROWS)
        changed = (pixels[rows] != photo.pixels[rows]).any(axis=2)
        if not changed.any():
            continue
        new = pixels[rows][changed]
        if _is_cmyk(native):
            samples[rows][changed] = _to_cmyk(new, native[rows][changed])
            continue
        difference = (new.astype(np.float32) - photo.pixels[rows][changed]) * scale
        if native.ndim == 2:
            difference = difference @ _LUMA
        sum_ = native[rows][changed].astype(np.float32) + np.rint(difference)
        samples[rows][changed] = np.clip(sum_, 0, highest).astype(native.dtype)
    return samples


def _to_cmyk(colors: Pixels, before: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """CMYK (n, 4) of RGB `colors` (n, 3), with the black of `before` (n, 4) or as much of it as the colour allows.

    The inverse of Pillow's RGB = (255 - C, M, Y) (255 - K) / 255.
    """
    white = np.maximum(255 - before[:, 3].astype(np.float32), colors.max(axis=1))
    inks = 255 - colors * (255 / np.maximum(white, 1))[:, None]
    return np.rint(np.column_stack([inks, 255 - white])).clip(0, 255).astype(np.uint8)


def _is_cmyk(samples: Samples) -> bool:
    """Whether samples without alpha are CMYK."""
    return samples.ndim == 3 and samples.shape[2] == 4


def _to_16_bits(alpha: Samples) -> NDArray[np.uint16]:
    return np.asarray(alpha, np.uint16) * np.uint16(1 if alpha.dtype == np.uint16 else 257)


def _flatten(samples: Samples, alpha: NDArray[np.uint8]) -> Samples:
    """8-bit samples composited over white; where alpha is 255 they stay as they are."""
    opacity = (alpha if samples.ndim == 2 else alpha[..., None]).astype(np.uint16)
    return ((samples * opacity + 255 * (255 - opacity) + 127) // 255).astype(np.uint8)


def _to_image(samples: Samples, *, has_alpha: bool) -> Image.Image:
    if _is_cmyk(samples) and not has_alpha:
        size = (samples.shape[1], samples.shape[0])
        return Image.frombuffer("CMYK", size, np.ascontiguousarray(samples), "raw", "CMYK", 0, 1)
    return Image.fromarray(np.ascontiguousarray(samples))


def _collect_extras(samples: Samples, photo: Photo, format_name: str, notes: list[str]) -> dict[str, Any]:
    """Arguments of Pillow's `save` for the metadata; a sentence on each part that does not fit is added to `notes`."""
    extras: dict[str, Any] = {}
    if photo.dpi is not None and format_name != "WEBP":
        extras["dpi"] = photo.dpi
    if photo.icc_profile and format_name != "BMP" and _fits_profile(samples, photo.icc_profile):
        extras["icc_profile"] = photo.icc_profile
    exif, xmp = photo.exif, photo.text.get(XMP_KEY, "").encode()
    if format_name == "JPEG":
        comment = photo.text.get("Comment", "").encode("latin-1", "replace")
        for name, block in (("EXIF", exif or b""), ("XMP", xmp), ("comment", comment)):
            if len(block) > _LARGEST_SEGMENT:
                notes.append(f"The {name} block is too long for JPEG and was left out.")
            elif block:
                extras[name.lower()] = block
    elif format_name == "WEBP":
        # Lossless, so that unedited pixels stay exact; method 0 is the only one that takes seconds, not minutes.
        extras.update(lossless=True, quality=0, method=0, exact=True, exif=exif or b"", xmp=xmp)
    elif format_name == "PNG":
        extras.update(compress_level=PNG_COMPRESSION, pnginfo=_collect_png_text(photo))
        if exif:
            extras["exif"] = exif
    elif format_name == "TIFF":
        tags = _select_tags(exif, xmp)
        if tags is None:
            notes.append("The EXIF block is damaged and was left out.")
            tags = _select_tags(None, xmp) or b""
        extras["exif"] = tags
    return extras


def _choose_compression(photo: Photo, quality: int | None) -> dict[str, Any]:
    """Arguments of Pillow's `save` that make a JPEG like the one that the photo was, or as the user chose."""
    extras: dict[str, Any] = {"subsampling": photo.subsampling or 0, "progressive": photo.is_progressive}
    if quality is None and photo.quantization:
        # Pillow encodes gray with one table, and has no place for a fourth.
        return {**extras, "qtables": [list(table) for table in photo.quantization[:3]], "optimize": True}
    return {**extras, "quality": quality or JPEG_QUALITY}


def _fits_profile(samples: Samples, profile: bytes) -> bool:
    """Whether an ICC profile applies to the colour model of samples without alpha; an RGB one also applies to gray."""
    model = profile[16:20]
    if model == b"CMYK" or _is_cmyk(samples):
        return model == b"CMYK" and _is_cmyk(samples)
    return model != b"GRAY" or samples.ndim == 2


def _collect_png_text(photo: Photo) -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    for key, value in photo.text.items():
        if not 1 <= len(key.encode("latin-1", "ignore")) == len(key) <= 79:
            continue  # no key that PNG allows
        if isinstance(value, PngImagePlugin.iTXt):
            info.add_itxt(key, value, value.lang or "", value.tkey or "")
        elif key == XMP_KEY or len(value.encode("latin-1", "ignore")) != len(value):
            info.add_itxt(key, value)
        else:
            info.add_text(key, value)
    return info


def _select_tags(exif: bytes | None, xmp: bytes) -> bytes | None:
    """An EXIF block of only the tags that suit any TIFF file, or None when `exif` cannot be parsed."""
    source, tags = Image.Exif(), Image.Exif()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # Pillow warns of damaged tags and leaves them out
            source.load(exif or b"")
            copy_describing_tags(source, tags)
            if xmp:
                tags[XMP_TAG] = xmp
            return tags.tobytes()
    except (OSError, SyntaxError, ValueError, LookupError, TypeError, AttributeError, struct.error, UserWarning):
        return None


def _write_deep_png(file: IO[bytes], samples: Samples, extras: dict[str, Any]) -> None:
    """Write 16-bit samples (H, W, 2 … 4), which Pillow cannot. Source: PNG specification, third edition."""
    height, width, channels = samples.shape
    # Pillow writes a picture of one pixel with the same metadata; all chunks but header and samples are taken from it.
    template = io.BytesIO()
    Image.new("RGB" if channels > 2 else "L", (1, 1)).save(template, "PNG", **extras)
    chunks = _split_png(template.getvalue())
    metadata = [chunk for kind, chunk in chunks if kind not in (b"IHDR", b"IDAT", b"IEND")]
    color_type = {2: 4, 3: 2, 4: 6}[channels]
    file.write(b"\x89PNG\r\n\x1a\n")
    file.write(_make_chunk(b"IHDR", struct.pack(">2L5B", width, height, 16, color_type, 0, 0, 0)))
    file.writelines(metadata)
    compressor = zlib.compressobj(PNG_COMPRESSION)
    above = np.zeros((1, width * channels * 2), np.uint8)
    for top in range(0, height, _SLAB_ROWS):
        slab = samples[top : top + _SLAB_ROWS].astype(">u2").reshape(-1, width * channels).view(np.uint8)
        # Filter 2, "up": the difference to the row above compresses better.
        filtered = np.empty((len(slab), slab.shape[1] + 1), np.uint8)
        filtered[:, 0] = 2
        np.subtract(slab, np.concatenate([above, slab[:-1]]), out=filtered[:, 1:])
        above = slab[-1:]
        file.write(_make_chunk(b"IDAT", compressor.compress(filtered.tobytes())))
    file.write(_make_chunk(b"IDAT", compressor.flush()))
    file.write(_make_chunk(b"IEND", b""))


def _make_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))


def _split_png(png: bytes) -> list[tuple[bytes, bytes]]:
    """The chunks of a PNG file, each as its kind and its whole bytes."""
    chunks, start = [], 8
    while start < len(png):
        size = struct.unpack_from(">L", png, start)[0] + 12
        chunks.append((png[start + 4 : start + 8], png[start : start + size]))
        start += size
    return chunks


def _write_deep_tiff(file: IO[bytes], samples: Samples, extras: dict[str, Any]) -> None:
    """Write 16-bit samples (H, W, 2 … 4) uncompressed, which Pillow cannot. Source: TIFF 6.0."""
    height, width, channels = samples.shape
    tags = TiffImagePlugin.ImageFileDirectory_v2(prefix=b"II")
    described = Image.Exif()
    described.load(extras["exif"])
    for tag in described:
        tags[tag] = described.get_ifd(tag) if tag in (EXIF_IFD, GPS_IFD) else described[tag]
    tags[256], tags[257], tags[258] = width, height, (16,) * channels
    tags[259], tags[262], tags[277] = 1, 2 if channels > 2 else 1, channels
    tags[273], tags[278], tags[279] = 0, height, samples.nbytes
    if channels in (2, 4):
        tags[338] = 2  # the last channel is alpha, and the colours are not multiplied by it
    if "dpi" in extras:
        across, down = extras["dpi"]
        tags[282], tags[283], tags[296] = across, down, 2
    if "icc_profile" in extras:
        tags[34675] = extras["icc_profile"]
    tags.save(file)
    for top in range(0, height, _SLAB_ROWS):
        file.write(samples[top : top + _SLAB_ROWS].astype("<u2").tobytes())
