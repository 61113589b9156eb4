"""What TIFF files have that Pillow leaves to its callers: thumbnails, planes, inverted gray, Lab, metadata in tags."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from photo import iptc, tiff_tags
from photo.errors import UnreadablePhoto
from photo.jpeg_metadata import LOST_CREDENTIALS, LOST_PATHS

_WHITE_IS_ZERO, _YCBCR, _LAB, _OTHER_LABS = 0, 6, 8, (9, 10)
_RAW_SENSOR = (32803, 34892)
_JPEG = (6, 7)
_REDUCED, _MASK = 1, 4
_MULTIPLIED = 1


def choose_page(image: TiffImagePlugin.TiffImageFile) -> list[str]:
    """Move to the page of the photo if all others are thumbnails or masks of it; return sentences on these."""
    pages = getattr(image, "n_frames", 1)
    if pages < 2:
        return []
    kinds, sizes = [], []
    for page in range(pages):
        image.seek(page)
        kinds.append(int(image.tag_v2.get(254, 0)))
        sizes.append(image.size)
    largest = max(
        range(pages), key=lambda page: (not kinds[page] & (_REDUCED | _MASK), sizes[page][0] * sizes[page][1])
    )
    image.seek(largest)
    others = [page for page in range(pages) if page != largest]
    # Without a word on what a page is, only a single small one is taken for a thumbnail: others are pictures.
    are_marked = all(kinds[page] & (_REDUCED | _MASK) for page in others)
    if not are_marked and not (pages == 2 and _is_small_copy(sizes[others[0]], sizes[largest])):
        return []
    return ["The TIFF's thumbnail, which shows the old picture, was left out."]


def _is_small_copy(size: tuple[int, int], of: tuple[int, int]) -> bool:
    """Whether a page has the shape of another, up to a pixel, and at most half its size."""
    width, height = size
    return width * 2 <= of[0] and abs(width * of[1] - height * of[0]) <= max(of)


def refuse_unfit(image: TiffImagePlugin.TiffImageFile, path: Path) -> None:
    """Raise UnreadablePhoto for kinds of TIFF that would be read wrong."""
    tags: Any = image.tag_v2
    photometric, compression, bits = tags.get(262), tags.get(259, 1), tags.get(258, (1,))
    name = None
    if photometric in _OTHER_LABS or (photometric == _LAB and set(bits) != {8}):
        name = "Lab colours of a rare kind"
    elif photometric in _RAW_SENSOR:
        name = "raw samples of a sensor"
    elif photometric == _YCBCR and compression not in _JPEG:
        name = "uncompressed YCbCr samples"
    elif len(set(bits)) > 1:
        name = "channels of different depths"
    elif set(bits) == {16} and tags.get(338) == (_MULTIPLIED,):
        name = "16-bit colours that are multiplied by their transparency"
    elif set(bits) == {16} and image.mode == "CMYK":
        name = "16-bit CMYK samples"
    if name:
        raise UnreadablePhoto(f"{path} is a TIFF with {name}, which cannot be read; export it as 8- or 16-bit RGB.")


def read_strips(tiff: bytes) -> Iterator[NDArray[np.uint8] | NDArray[np.uint16]]:
    """Yield the samples of an uncompressed TIFF file strip by strip, from the top, (rows, W) or (rows, W, 2 … 4).

    Raises ValueError for a file of another kind, LookupError where tags are missing.
    """
    tags = tiff_tags.read_tags(tiff)
    width, compression = (tags.numbers(0, tag)[0] for tag in (256, 259))
    bits, channels = tags.numbers(0, 258), tags.numbers(0, 277)[0]
    planes, fill_order = tags.numbers(0, 284) or (1,), tags.numbers(0, 266) or (1,)
    if compression != 1 or planes != (1,) or fill_order != (1,) or set(bits) not in ({8}, {16}):
        raise ValueError("this is no plain TIFF")
    kind = np.dtype(f"{tags.order}u{bits[0] // 8}")
    shape = (-1, width) if channels == 1 else (-1, width, channels)
    for start, size in zip(tags.numbers(0, 273), tags.numbers(0, 279), strict=True):
        yield np.frombuffer(tiff, kind, size // kind.itemsize, start).reshape(shape)


def read_orientation(image: TiffImagePlugin.TiffImageFile, file: IO[bytes]) -> int:
    """Return the orientation 1 … 8 that the file names, by which Pillow has already turned the image."""
    file.seek(0)
    try:
        numbers = tiff_tags.read_tags(file.read()).numbers(image.tell(), 274)
    except ValueError:
        return 1
    return numbers[0] if numbers and 1 <= numbers[0] <= 8 else 1


def read_deep(image: TiffImagePlugin.TiffImageFile, file: IO[bytes]) -> NDArray[np.uint16] | None:
    """Return 16-bit samples that Pillow would round or invert; None for all other files."""
    tags: Any = image.tag_v2
    depths = tuple(tags.get(258, ()))
    is_inverted = tags.get(262) == _WHITE_IS_ZERO
    if image.mode.startswith("I;16"):
        samples = np.asarray(image).astype(np.uint16)
        return np.uint16(65535) - samples if is_inverted else samples
    if len(depths) < 2 or set(depths) != {16} or image.mode == "CMYK":
        return None
    file.seek(0)
    data = file.read()
    joined = _join_planes(data, image.tell()) if tags.get(284, 1) == 2 else _decode_deep(data, image.tell())
    if joined.shape[:2] != (image.height, image.width):
        raise ValueError("16-bit samples cannot be decoded")
    if is_inverted:
        joined[..., 0] = 65535 - joined[..., 0]
    return joined


def _decode_deep(data: bytes, page: int) -> NDArray[np.uint16]:
    pages: Any = cv2.imdecodemulti(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)[1] if page else ()
    deep: Any = pages[page] if page else cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if deep is None or deep.dtype != np.uint16:
        raise ValueError("16-bit samples cannot be decoded")
    if deep.ndim == 2 or deep.shape[2] < 3:
        return deep
    return np.asarray(cv2.cvtColor(deep, cv2.COLOR_BGRA2RGBA if deep.shape[2] == 4 else cv2.COLOR_BGR2RGB), np.uint16)


def _join_planes(data: bytes, page: int) -> NDArray[np.uint16]:
    planes = []
    for plane in tiff_tags.split_planes(data, page):
        with Image.open(io.BytesIO(plane), formats=["TIFF"]) as image:
            planes.append(np.asarray(image).astype(np.uint16))
    return np.dstack(planes)


def read_resources(image: TiffImagePlugin.TiffImageFile, file: IO[bytes]) -> tuple[bytes, list[str]]:
    """Return Photoshop's resources of a page, IPTC among them, and sentences on what is left out."""
    file.seek(0)
    try:
        tags = tiff_tags.read_tags(file.read())
    except ValueError:
        return b"", []
    notes = []
    resources, has_paths = iptc.select_resources(tags.raw(image.tell(), tiff_tags.PHOTOSHOP_TAG))
    if has_paths:
        notes.append(LOST_PATHS)
    records = tags.raw(image.tell(), tiff_tags.IPTC_TAG)
    if records and not iptc.unwrap(resources):
        resources += iptc.wrap(records.rstrip(b"\0"))
    if tags.raw(image.tell(), tiff_tags.CREDENTIALS_TAG):
        notes.append(LOST_CREDENTIALS)
    return resources, notes
