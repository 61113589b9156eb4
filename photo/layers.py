"""Layers for those who retouch on: the untouched photo, and above it one layer with a mask for every edit.

Written as Photoshop's own file (PSD), or as a TIFF with Photoshop's layers in a tag of its own; nothing is compressed,
which is quick. Source: Adobe Photoshop File Formats Specification, and TIFF Technical Notes of Adobe (ImageSourceData).
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import TiffImagePlugin

from photo.blend import Patch
from photo.decode import XMP_KEY, Samples
from photo.encode import fold_back
from photo.errors import BadOption, UnwritablePhoto
from photo.mark import mark_xmp
from photo.saving import Saving
from photo.types import Box, Photo, Pixels

ENDINGS = (".psd", ".tif", ".tiff")
"""The endings of file names that files with layers may have."""

_MAX_SIDE = 30_000
_MAX_BYTES = 2**31
_RGB_MODE = 3
_MASK_CHANNEL = -2
_ICC, _RESOLUTION, _XMP = 1039, 1005, 1060
_ICC_TAG, _XMP_TAG, _LAYERS_TAG = 34675, 700, 37724


@dataclass(frozen=True)
class NamedPatch:
    """One edit as a layer: its name for people, and the painted region."""

    name: str
    patch: Patch


def check_layers(path: Path) -> None:
    """Raise BadOption when files with layers cannot have the ending of `path`."""
    if path.suffix.lower() not in ENDINGS:
        raise BadOption(f"--layers must name a file ending in {' or '.join(ENDINGS[:2])}, not {path}.")


def encode_layers(
    path: Path, pixels: Pixels, photo: Photo, patches: Sequence[NamedPatch], saving: Saving
) -> tuple[bytes, str | None]:
    """Return the bytes of a file with layers for the ending of `path`, and a sentence on what it cannot hold, or None.

    `pixels` uint8 (H, W, 3) is `photo.pixels` with the patches in it, which programs show that know no layers. The
    layers are RGB, with 16 bits where the photo has them. Raises UnwritablePhoto when the photo is too large.
    """
    base = _to_rgb(photo.pixels if photo.native is None else photo.native, photo.pixels)
    merged = _to_rgb(fold_back(pixels, photo), pixels)
    # All channels of the photo as layer and as picture, twice that for the edits at most, and the rest.
    if max(photo.width, photo.height) > _MAX_SIDE or 3 * base.nbytes > _MAX_BYTES:
        raise UnwritablePhoto(f"{path} cannot be written: a file with layers holds no photo of this size.")
    profile, notes = photo.icc_profile, []
    if profile is not None and profile[16:20] != b"RGB ":
        profile = None
        notes.append("The layers are in RGB: the colour profile of the photo does not fit and was left out.")
    if photo.alpha is not None:
        notes.append("The layers hold no transparency of the photo.")
    xmp = photo.text.get(XMP_KEY, "").encode()
    if saving.is_marked:
        xmp, damage = mark_xmp(xmp, saving.source_type)
        notes += [damage] if damage else []
    layers = _pack_layers(base, patches)
    extras = _Extras(profile, xmp, photo.dpi)
    data = (_pack_psd if path.suffix.lower() == ".psd" else _pack_tiff)(merged, layers, extras)
    return data, " ".join(notes) or None


@dataclass(frozen=True)
class _Extras:
    profile: bytes | None
    xmp: bytes
    dpi: tuple[float, float] | None


def _to_rgb(samples: Samples, pixels: Pixels) -> Samples:
    """Samples as RGB (H, W, 3) of their depth; CMYK as the pixels that it is shown as."""
    if samples.ndim == 2:
        return np.repeat(samples[:, :, None], 3, axis=2)
    return samples if samples.shape[2] == 3 else pixels


def _to_bytes(plane: NDArray[Any]) -> bytes:
    """A plane of samples, the high byte first."""
    return plane.astype(plane.dtype.newbyteorder(">")).tobytes()


def _pack_layers(base: Samples, patches: Sequence[NamedPatch]) -> bytes:
    """The layers, the lowest first: their records, then their channels."""
    height, width = base.shape[:2]
    is_deep = base.dtype == np.uint16
    records, channels = [_pack_record("Photo", Box(0, 0, width, height), base.dtype.itemsize, has_mask=False)], []
    channels += [_to_bytes(base[..., index]) for index in range(3)]
    for named in patches:
        box = named.patch.region.box
        records.append(_pack_record(named.name, box, base.dtype.itemsize, has_mask=True))
        painted: Samples = named.patch.pixels.astype(np.uint16) * np.uint16(257) if is_deep else named.patch.pixels
        mask = np.rint(named.patch.region.alpha * np.iinfo(base.dtype).max).astype(base.dtype)
        channels += [_to_bytes(plane) for plane in (*np.moveaxis(painted, 2, 0), mask)]
    raw = struct.pack(">H", 0)
    body = struct.pack(">h", len(records)) + b"".join(records) + b"".join(raw + channel for channel in channels)
    return body + bytes(-len(body) % 4)


def _pack_record(name: str, box: Box, sample_bytes: int, *, has_mask: bool) -> bytes:
    place = struct.pack(">4l", box.top, box.left, box.bottom, box.right)
    size = box.width * box.height * sample_bytes + 2
    numbers = [0, 1, 2, *([_MASK_CHANNEL] if has_mask else [])]
    channels = struct.pack(">H", len(numbers)) + b"".join(struct.pack(">hL", number, size) for number in numbers)
    # Normal mode, opaque, not clipped to the layer below, visible.
    mode = b"8BIMnorm" + struct.pack(">4B", 255, 0, 0, 0)
    mask = struct.pack(">L", 20) + place + bytes(4) if has_mask else struct.pack(">L", 0)
    short = name.encode("ascii", "replace")[:255]
    short_name = struct.pack(">B", len(short)) + short
    short_name += bytes(-len(short_name) % 4)
    extra = mask + struct.pack(">L", 0) + short_name + _pack_block(b"luni", _pack_unicode(name))
    return place + channels + mode + struct.pack(">L", len(extra)) + extra


def _pack_unicode(text: str) -> bytes:
    encoded = text.encode("utf-16-be")
    return struct.pack(">L", len(encoded) // 2) + encoded


def _pack_block(key: bytes, content: bytes) -> bytes:
    content += bytes(-len(content) % 4)
    return b"8BIM" + key + struct.pack(">L", len(content)) + content


def _pack_psd(merged: Samples, layers: bytes, extras: _Extras) -> bytes:
    height, width = merged.shape[:2]
    depth = 8 * merged.dtype.itemsize
    header = b"8BPS" + struct.pack(">H6xHLLHH", 1, 3, height, width, depth, _RGB_MODE)
    resources = b"".join(_list_resources(extras))
    # Layers of 16 bits lie in a block of their own, behind an empty list of layers.
    section = struct.pack(">L", len(layers)) + layers if depth == 8 else struct.pack(">L", 0)
    section += struct.pack(">L", 0) + (_pack_block(b"Lr16", layers) if depth == 16 else b"")
    picture = b"".join(_to_bytes(merged[..., index]) for index in range(3))
    return b"".join(
        [
            header, struct.pack(">L", 0), struct.pack(">L", len(resources)), resources,
            struct.pack(">L", len(section)), section, struct.pack(">H", 0), picture,
        ]
    )  # fmt: skip


def _list_resources(extras: _Extras) -> Iterator[bytes]:
    if extras.dpi is not None:
        across, down = (round(value * 65536) for value in extras.dpi)
        yield _pack_resource(_RESOLUTION, struct.pack(">LHHLHH", across, 1, 1, down, 1, 1))
    if extras.profile is not None:
        yield _pack_resource(_ICC, extras.profile)
    if extras.xmp:
        yield _pack_resource(_XMP, extras.xmp)


def _pack_resource(number: int, content: bytes) -> bytes:
    return b"8BIM" + struct.pack(">HHL", number, 0, len(content)) + content + bytes(len(content) % 2)


def _pack_tiff(merged: Samples, layers: bytes, extras: _Extras) -> bytes:
    """A plain TIFF of the result, whose tag for Photoshop holds the layers."""
    height, width, depth = *merged.shape[:2], 8 * merged.dtype.itemsize
    key = b"Layr" if depth == 8 else b"Lr16"
    # Photoshop's blocks have the byte order of the file; here the high byte comes first in both.
    tags = TiffImagePlugin.ImageFileDirectory_v2(prefix=b"MM")
    tags[256], tags[257], tags[258] = width, height, (depth,) * 3
    tags[259], tags[262], tags[277] = 1, 2, 3
    tags[273], tags[278], tags[279] = 0, height, merged.nbytes
    if extras.dpi is not None:
        tags[282], tags[283], tags[296] = *extras.dpi, 2
    if extras.profile is not None:
        tags[_ICC_TAG] = extras.profile
    if extras.xmp:
        tags.tagtype[_XMP_TAG] = 1
        tags[_XMP_TAG] = extras.xmp
    tags.tagtype[_LAYERS_TAG] = 7
    tags[_LAYERS_TAG] = b"Adobe Photoshop Document Data Block\0" + _pack_block(key, layers)
    file = io.BytesIO()
    tags.save(file)
    file.write(_to_bytes(merged))
    return file.getvalue()
