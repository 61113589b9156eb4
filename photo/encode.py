"""Encode edited pixels, with the samples and the metadata of the `Photo` they came from, as a file.

The difference that the edits made is added to the samples as they were decoded. So wherever the pixels are unedited,
the written sample is the one that was read, at any depth and in any colour model.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin, TiffImagePlugin

from photo import color, iptc, png_chunks, xmp
from photo.decode import XMP_KEY, Samples, to_8_bits
from photo.errors import UnwritablePhoto
from photo.formats import BY_NAME
from photo.heif import write_heif
from photo.jpeg_file import APP1, COMMENT, LARGEST_CONTENT, Segment
from photo.jpeg_metadata import pack_resources
from photo.png_chunks import make_chunk
from photo.tiff_write import collect_tags, write_tiff
from photo.types import Photo, Pixels

JPEG_QUALITY = 95
"""Pillow's scale, 1 … 100: high enough that encoding anew is not visible, low enough that files do not grow much."""

_HEIF_QUALITY = 95
# The best that the encoder has; its colours are not stored as RGB, so that it is not quite lossless.
_AVIF_QUALITY = 100

PNG_COMPRESSION = 1
"""zlib's level, 0 … 9. On photos, whose low bits are noise, 6 saves a tenth of the size in three times the time."""

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601, as JPEG and Pillow use
# Rows processed at a time, so that a 16-bit photo is not in memory twice.
_SLAB_ROWS = 256


@dataclass(frozen=True, eq=False)
class Encoded:
    """A photo as the bytes of a file, with sentences on what the format could not keep, or None.

    `samples` are those that the file was made of, as it stores them: (H, W) or (H, W, 2 … 4), of 8 or 16 bits. It
    `is_verified` when the bytes were decoded again already, and compared with them.
    """

    data: bytes
    note: str | None
    samples: Samples
    is_verified: bool = False


def encode_photo(format_name: str, pixels: Pixels, photo: Photo, quality: int | None = None) -> Encoded:
    """Return `pixels` uint8 (H, W, 3) as a file.

    `format_name` is Pillow's: JPEG, PNG, WEBP, TIFF, BMP, AVIF or HEIF.

    Formats that have one get the `quality` 1 … 100 of their encoder's scale; without it a JPEG gets that of the photo,
    if it was a JPEG. Raises UnwritablePhoto when the format cannot hold a photo of this size, and OSError when the
    encoder fails.
    """
    # Never straight into a file: on a full disk Pillow's encoders take an incomplete write for a complete one.
    file = io.BytesIO()
    note, samples = _encode(file, format_name, pixels, photo, quality)
    data = file.getvalue()
    if not is_whole(format_name, data):
        raise OSError(f"the {format_name} encoder stopped before the end")
    return Encoded(data, note, samples)


def is_whole(format_name: str, data: bytes) -> bool:
    """Whether a file made by `encode_photo` ends where its format says; the samples are not decoded."""
    if format_name == "JPEG":
        return data.endswith(b"\xff\xd9")
    if format_name == "PNG":
        return data.endswith(make_chunk(b"IEND", b""))
    if format_name == "TIFF":
        return _holds_its_strips(data)
    if format_name in ("AVIF", "HEIF"):
        return _holds_its_boxes(data)
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


def _holds_its_boxes(data: bytes) -> bool:
    """Whether the boxes of a file of the ISO base media format fill it exactly."""
    at = 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        at += size if size > 1 else int.from_bytes(data[at + 8 : at + 16], "big") if size else len(data) - at
    return at == len(data) > 0


def _encode(
    file: IO[bytes], format_name: str, pixels: Pixels, photo: Photo, quality: int | None
) -> tuple[str | None, Samples]:
    """Write the photo to `file`; return sentences on what could not be kept, or None, and the samples written."""
    limit = BY_NAME[format_name].largest_side
    if limit is not None and max(photo.width, photo.height) > limit:
        raise UnwritablePhoto(f"A {format_name} file holds at most {limit} pixels a side; choose .png instead.")
    notes = list(photo.notes)
    samples, alpha = _suit_format(fold_back(pixels, photo), pixels, photo, format_name, notes)
    photo = _suit_metadata(photo, format_name, notes)
    profile = photo.icc_profile if photo.icc_profile and _fits_profile(samples, photo.icc_profile) else None
    if profile and format_name == "BMP":
        samples = _drop_profile(samples, profile, notes)
        profile = None
    elif photo.icc_profile and not profile and not _was_cmyk(photo, samples):
        notes.append("The colour profile is for another colour model and was left out.")
    is_cmyk = _is_cmyk(samples)
    if alpha is not None:
        alpha = to_8_bits(alpha) if samples.dtype == np.uint8 else _to_16_bits(alpha)
        joined: Any = np.dstack([samples, alpha])
        samples = joined
    if format_name == "TIFF":
        tags = collect_tags(photo.text.get(XMP_KEY, "").encode(), photo.resources, profile)
        damage = write_tiff(file, samples, is_cmyk=is_cmyk, exif=photo.exif, tags=tags, dpi=photo.dpi)
        notes += [damage] if damage else []
    else:
        extras = _collect_extras(photo, profile, format_name, notes)
        extras.update(_choose_compression(photo, format_name, quality))
        _write(file, samples, is_cmyk, format_name, extras, photo.chunks)
    if format_name == "JPEG" and photo.format in ("JPEG", "MPO"):
        notes.append(
            "A JPEG is encoded anew as a whole, so other pixels differ a little, too; a PNG keeps them exactly."
        )
    return " ".join(dict.fromkeys(notes)) or None, samples


def _suit_format(
    samples: Samples, pixels: Pixels, photo: Photo, format_name: str, notes: list[str]
) -> tuple[Samples, Samples | None]:
    """The samples and the alpha as the format can hold them; sentences on what it cannot are added to `notes`."""
    alpha = photo.alpha
    is_deep_heif = format_name == "HEIF" == photo.format and samples.ndim == 3 and alpha is None
    if samples.dtype == np.uint16 and format_name not in ("PNG", "TIFF") and not is_deep_heif:
        samples = to_8_bits(samples) if samples.ndim == 2 else pixels
        notes.append(f"{format_name} holds 8 bits: the 16-bit samples were rounded.")
    if _is_cmyk(samples) and format_name not in ("JPEG", "TIFF"):
        samples = pixels
        how = "by the photo's profile to sRGB" if color.is_usable(photo.icc_profile, "CMYK") else "to RGB"
        notes.append(f"{format_name} has no CMYK: the colours were converted {how}.")
    if alpha is not None and format_name in ("JPEG", "BMP"):
        if int(alpha.min()) < np.iinfo(alpha.dtype).max:
            samples = lay_on_white(samples, to_8_bits(alpha))
            notes.append(f"{format_name} has no transparency: the photo was laid on white.")
        alpha = None
    return samples, alpha


def _was_cmyk(photo: Photo, samples: Samples) -> bool:
    """Whether samples came from CMYK by the profile, which has done its work then."""
    return photo.native is not None and _is_cmyk(photo.native) and not _is_cmyk(samples)


def _drop_profile(samples: Samples, profile: bytes, notes: list[str]) -> Samples:
    """Samples as sRGB, for a format that holds no profile."""
    mode = "L" if samples.ndim == 2 else "RGB"
    model_fits = color.is_usable(profile, mode) and samples.dtype == np.uint8
    if not model_fits or (mode == "RGB" and color.is_srgb(profile)):
        return samples
    notes.append("BMP holds no colour profile: the colours were converted to sRGB.")
    converted = color.to_srgb(np.asarray(samples, np.uint8), profile)
    return converted[..., 1] if mode == "L" else converted


def _suit_metadata(photo: Photo, format_name: str, notes: list[str]) -> Photo:
    """The photo with its metadata as the format holds it; sentences on what it cannot hold are added to `notes`."""
    if format_name == "BMP":
        lost = [
            name
            for name, value in (
                ("EXIF", photo.exif), ("XMP", photo.text.get(XMP_KEY)), ("IPTC", photo.resources),
                ("comment", photo.text.get("Comment")),
            )
            if value
        ]  # fmt: skip
        if lost:
            notes.append(f"BMP has no place for {', '.join(lost)}: left out.")
    elif photo.resources and format_name not in ("JPEG", "TIFF"):
        photo = _move_iptc(photo, format_name, notes)
    if format_name != "PNG":
        notes += png_chunks.tell_lost(photo.chunks, format_name, bool(photo.icc_profile))
    if format_name not in ("PNG", "JPEG"):
        keys = [key for key in photo.text if key != XMP_KEY and not (format_name == "BMP" and key == "Comment")]
        if keys:
            names = ", ".join("".join(c if c.isprintable() else "?" for c in key) for key in keys)
            notes.append(f"{format_name} has no place for the texts {names}: left out.")
    if photo.dpi is not None and format_name in ("WEBP", "AVIF", "HEIF"):
        notes.append(f"{format_name} has no place for the resolution ({photo.dpi[0]:g} dpi): left out.")
    return photo


def _move_iptc(photo: Photo, format_name: str, notes: list[str]) -> Photo:
    """The photo with its IPTC records as XMP properties, where it lacks them."""
    properties, unknown = iptc.to_properties(iptc.unwrap(photo.resources))
    moved = xmp.add_properties(photo.text.get(XMP_KEY, ""), properties) if properties else photo.text.get(XMP_KEY, "")
    if moved is None:
        notes.append(f"{format_name} has no place for IPTC, and the XMP is damaged: IPTC was left out.")
        return photo
    if properties:
        notes.append(f"{format_name} has no place for IPTC: it was put into the XMP.")
    if unknown:
        notes.append(f"IPTC records without an XMP property were left out: {', '.join(unknown)}.")
    return replace(photo, text={**photo.text, XMP_KEY: moved}) if moved else photo


def _write(
    file: IO[bytes],
    samples: Samples,
    is_cmyk: bool,
    format_name: str,
    extras: dict[str, Any],
    chunks: Mapping[bytes, bytes],
) -> None:
    """Write samples in a format other than TIFF."""
    if format_name == "PNG":
        made = io.BytesIO() if chunks else file
        if samples.dtype == np.uint16 and samples.ndim == 3:
            _write_deep_png(made, samples, extras)
        else:
            Image.fromarray(np.ascontiguousarray(samples)).save(made, "PNG", **extras)
        if isinstance(made, io.BytesIO) and made is not file:
            file.write(png_chunks.insert(made.getvalue(), chunks))
    elif format_name == "HEIF":
        mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[1 if samples.ndim == 2 else samples.shape[2]]
        mode += ";16" if samples.dtype == np.uint16 else ""
        write_heif(file, samples, mode, extras)
    else:
        _to_image(samples, is_cmyk=is_cmyk).save(file, format_name, **extras)


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
    profile = photo.icc_profile or b""
    by_profile = _is_cmyk(native) and color.is_usable(profile, "CMYK")
    for top in range(0, photo.height, _SLAB_ROWS):
        rows = slice(top, top + _SLAB_ROWS)
        changed = (pixels[rows] != photo.pixels[rows]).any(axis=2)
        if not changed.any():
            continue
        new = pixels[rows][changed]
        if _is_cmyk(native):
            old = native[rows][changed]
            if by_profile:
                # The way to CMYK and back is not exact, so only the difference that it makes is taken.
                before = color.srgb_to_cmyk(photo.pixels[rows][changed], profile).astype(np.int16)
                inks = old + (color.srgb_to_cmyk(new, profile) - before)
                samples[rows][changed] = inks.clip(0, 255).astype(np.uint8)
            else:
                samples[rows][changed] = _to_cmyk(new, old)
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


def lay_on_white(samples: Samples, alpha: NDArray[np.uint8]) -> Samples:
    """Return 8-bit samples composited over white by `alpha` (H, W); where that is 255 they stay as they are."""
    opacity = (alpha if samples.ndim == 2 else alpha[..., None]).astype(np.uint16)
    return ((samples * opacity + 255 * (255 - opacity) + 127) // 255).astype(np.uint8)


def _to_image(samples: Samples, *, is_cmyk: bool) -> Image.Image:
    if is_cmyk:
        size = (samples.shape[1], samples.shape[0])
        return Image.frombuffer("CMYK", size, np.ascontiguousarray(samples), "raw", "CMYK", 0, 1)
    return Image.fromarray(np.ascontiguousarray(samples))


def _collect_extras(photo: Photo, profile: bytes | None, format_name: str, notes: list[str]) -> dict[str, Any]:
    """Arguments of Pillow's `save` for the metadata; a sentence on each part that does not fit is added to `notes`."""
    extras: dict[str, Any] = {}
    if photo.dpi is not None and format_name in ("JPEG", "PNG", "BMP"):
        extras["dpi"] = photo.dpi
    if profile:
        extras["icc_profile"] = profile
    exif, packet = photo.exif or b"", photo.text.get(XMP_KEY, "")
    if format_name == "JPEG":
        if len(exif) > LARGEST_CONTENT:
            notes.append("The EXIF block is too long for JPEG and was left out.")
        elif exif:
            extras["exif"] = exif
        extras["extra"] = _collect_segments(photo, packet, notes)
    elif format_name == "WEBP":
        extras.update(exif=exif, xmp=packet.encode())
    elif format_name == "PNG":
        extras["pnginfo"] = _collect_png_text(photo)
        if exif:
            extras["exif"] = exif
    elif format_name == "AVIF":
        extras.update(exif=exif, xmp=packet.encode())
        notes.append("AVIF is encoded anew as a whole, so other pixels may differ a little, too.")
    elif format_name == "HEIF":
        extras.update({name: value for name, value in (("exif", exif), ("xmp", packet.encode())) if value})
        notes.append("HEIC is encoded anew as a whole, so other pixels may differ a little, too.")
    return extras


def _choose_compression(photo: Photo, format_name: str, quality: int | None) -> dict[str, Any]:
    """Arguments of Pillow's `save` for how samples are compressed: without loss, or at the quality the user chose.

    A JPEG becomes like the one that the photo was, if no quality is chosen.
    """
    if format_name == "WEBP":
        # Method 0 is the only one that takes seconds, not minutes.
        return {"lossless": True, "quality": 0, "method": 0, "exact": True}
    if format_name == "PNG":
        return {"compress_level": PNG_COMPRESSION}
    if format_name == "AVIF":
        return {"quality": quality or _AVIF_QUALITY, "subsampling": "4:4:4", "speed": 10}
    if format_name == "HEIF":
        return {"quality": quality or _HEIF_QUALITY}
    if format_name == "BMP":
        return {}
    extras: dict[str, Any] = {"subsampling": photo.subsampling or 0, "progressive": photo.is_progressive}
    if quality is None and photo.quantization:
        # Pillow encodes gray with one table, and has no place for a fourth.
        return {**extras, "qtables": [list(table) for table in photo.quantization[:3]], "optimize": True}
    return {**extras, "quality": quality or JPEG_QUALITY}


def _collect_segments(photo: Photo, packet: str, notes: list[str]) -> bytes:
    """The segments of a JPEG with XMP, IPTC and comments."""
    segments = b""
    parts = xmp.split(packet) if packet else []
    if parts is None:
        notes.append("The XMP block is too long for JPEG and was left out.")
    for part in parts or []:
        segments += Segment(APP1, part).pack()
    segments += pack_resources(photo.resources)
    texts = [
        value.encode() if key == "Comment" else f"{key}: {value}".encode()
        for key, value in photo.text.items()
        if key != XMP_KEY
    ]
    for text in texts:
        if len(text) > LARGEST_CONTENT:
            notes.append("The comment block is too long for JPEG and was left out.")
        elif text:
            segments += Segment(COMMENT, text).pack()
    if any(key not in (XMP_KEY, "Comment") for key in photo.text):
        notes.append("The PNG's texts became comments of the JPEG.")
    return segments


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
    file.write(make_chunk(b"IHDR", struct.pack(">2L5B", width, height, 16, color_type, 0, 0, 0)))
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
        file.write(make_chunk(b"IDAT", compressor.compress(filtered.tobytes())))
    file.write(make_chunk(b"IDAT", compressor.flush()))
    file.write(make_chunk(b"IEND", b""))


def _split_png(png: bytes) -> list[tuple[bytes, bytes]]:
    """The chunks of a PNG file, each as its kind and its whole bytes."""
    chunks, start = [], 8
    while start < len(png):
        size = struct.unpack_from(">L", png, start)[0] + 12
        chunks.append((png[start + 4 : start + 8], png[start : start + size]))
        start += size
    return chunks
