"""Decode a photo file into a `Photo`: upright 8-bit RGB, and the samples at the depth of the file."""

from __future__ import annotations

import struct
import threading
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, JpegImagePlugin, PngImagePlugin, TiffImagePlugin, UnidentifiedImageError

from photo import color, png_chunks, raw, tiff_read, tiff_tags, xmp
from photo.errors import UnreadablePhoto
from photo.heif import find_plugin, read_deep_heif
from photo.jpeg_file import EXIF_NAME
from photo.jpeg_metadata import LOST_CREDENTIALS, decode_xmp, read_metadata
from photo.types import Photo

Samples = NDArray[np.uint8] | NDArray[np.uint16]

MAX_MEGAPIXELS = 250
"""Larger photos are refused: the pixels alone would need more than 750 MB, and a tiny file can claim any size."""

XMP_KEY = "XML:com.adobe.xmp"
"""The key of `Photo.text` that holds XMP; it is PNG's own name for it."""

# The key of the text in which ImageMagick puts EXIF into a PNG: three lines, then hexadecimal digits.
_RAW_EXIF = "Raw profile type exif"

# Little- and big-endian, each with 32- or 64-bit offsets.
_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
# As bare samples, and as a container.
_JPEG_XL_STARTS = (b"\xff\x0a", b"\0\0\0\x0cJXL ")
_READABLE = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "AVIF")
_MODES = {"1", "L", "LA", "LAB", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "I;16", "I;16B", "I;16L"}
# What Pillow's decoders raise on damaged files; it has no common class for them.
DECODE_ERRORS = (
    OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, OverflowError, struct.error, zlib.error,
)  # fmt: skip

_STRIP_ROWS = 64
# The share of a JPEG's rows that may lack at its end.
_MOST_ROWS_LACKING = 0.05
_LARGEST_BLOCK = 16

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
    """Return the photo in an open JPEG, PNG, WebP, TIFF, BMP, AVIF, HEIC or camera raw file; `path` is for errors.

    The arrays of the photo are read-only. Raises UnreadablePhoto when the file is empty, damaged, of another kind, or
    larger than `MAX_MEGAPIXELS`, and MissingPackage where HEIC or raw files need a package that is not installed.
    """
    head = file.read(32)
    file.seek(0)
    if not head:
        raise UnreadablePhoto(f"{path} is empty; get the photo again from where it came from.")
    if head.startswith(_JPEG_XL_STARTS):
        raise UnreadablePhoto(f"{path} is a JPEG XL file, which cannot be read; export it as TIFF or PNG.")
    if raw.is_raw(path):
        return _read_raw(file, path)
    formats: tuple[str, ...] = _READABLE
    if head[4:8] == b"ftyp" and not head[8:12].startswith(b"avi"):
        formats = (find_plugin(path),)
    with warnings.catch_warnings():
        # Pillow warns of odd metadata, which does not concern the user, and of sizes, which are checked below.
        warnings.simplefilter("ignore")
        try:
            with pillow_limit(), Image.open(file, formats=formats) as image:
                notes = _refuse_unfit(image, path)
                warning = _load(image, head)
                return _gather(image, file, head, notes, warning)
        except UnidentifiedImageError as error:
            if head[:4] in _TIFF_STARTS:
                raise UnreadablePhoto(
                    f"{path} is a kind of TIFF that cannot be read, or damaged; export it as plain 8- or 16-bit RGB."
                ) from error
            raise UnreadablePhoto(
                f"{path} is no photo that can be read; use a JPEG, PNG, WebP, TIFF, HEIC, AVIF, BMP or raw file."
            ) from error
        except Image.DecompressionBombError as error:
            raise UnreadablePhoto(f"{path} is larger than {MAX_MEGAPIXELS} megapixels; make it smaller.") from error
        except DECODE_ERRORS as error:
            raise UnreadablePhoto(
                f"{path} is damaged or incomplete; get the file again from where it came from."
            ) from error


def _read_raw(file: IO[bytes], path: Path) -> Photo:
    """The photo in a camera's raw file, developed to 16 bits, with its Exif where it lies as in TIFF."""
    developed = raw.develop(file, path, MAX_MEGAPIXELS * 1_000_000)
    file.seek(0)
    data = file.read()
    exif = _pack_tags(data, 0)
    notes = [raw.NOTE] if exif else [raw.NOTE, raw.NO_EXIF]
    pixels = to_8_bits(developed)
    for array in (pixels, developed):
        array.setflags(write=False)
    text = _read_raw_xmp(data)
    return Photo(pixels=pixels, native=developed, exif=exif, text=text, notes=tuple(notes), format="RAW")


def _read_raw_xmp(data: bytes) -> dict[str, str]:
    """The XMP of a raw file that is built as a TIFF, turned as the picture is when it is developed; else nothing."""
    try:
        tags = tiff_tags.read_tags(data)
    except ValueError:
        return {}
    packet, orientation = tags.raw(0, tiff_tags.XMP_TAG), (*tags.numbers(0, _ORIENTATION_TAG), 1)[0]
    return {XMP_KEY: xmp.drop_promises(xmp.turn(decode_xmp(packet), orientation))} if packet else {}


def _load(image: Image.Image, head: bytes) -> str | None:
    """Decode an image; a JPEG that lacks its last bytes too, for which a sentence is returned."""
    # Pillow would turn a TIFF by an orientation that only the XMP names, which mostly is what an earlier turn left.
    packet = image.info.pop("xmp", None)
    try:
        image.load()
        return None
    except OSError:
        # A progressive JPEG would lack detail everywhere, and nobody can tell how much.
        if not head.startswith(b"\xff\xd8") or image.info.get("progressive"):
            raise
    finally:
        if packet is not None:
            image.info["xmp"] = packet
    # The limit's lock is held here, so that no other thread decodes meanwhile.
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    try:
        image.load()
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = False
    rows = _count_lacking_rows(image)
    if rows > _MOST_ROWS_LACKING * image.height:
        raise ValueError("too much of the JPEG is missing")
    # One more row of blocks may hold grey ones, and colour that was smoothed with theirs.
    rows = min(rows + _LARGEST_BLOCK + 1, image.height)
    return f"The JPEG lacks its last bytes: parts of its lowest {rows} rows may be grey; look for a better copy."


def _count_lacking_rows(image: Image.Image) -> int:
    """The rows at the bottom, as stored, that are gray 128 throughout, which the decoder puts where nothing is."""
    samples = np.asarray(image)
    is_gray = (samples == 128).reshape(len(samples), -1).all(axis=1)
    return int(np.argmin(is_gray[::-1])) if not is_gray.all() else len(samples)


def to_8_bits(samples: Samples) -> NDArray[np.uint8]:
    """Return samples of 8 or 16 bits as uint8 in the same shape, rounded: 65535 becomes 255."""
    if samples.dtype == np.uint16:
        return np.asarray(cv2.convertScaleAbs(samples, alpha=1 / 257), np.uint8).reshape(samples.shape)
    return np.asarray(samples, np.uint8)


@contextmanager
def pillow_limit() -> Iterator[None]:
    """Raise Pillow's limit of pixels, which is one for the whole process, to `MAX_MEGAPIXELS` in the block.

    Pillow warns at its limit and raises at twice that; `decode_photo` refuses before anything is decoded.
    """
    with _LIMIT_LOCK:
        kept = Image.MAX_IMAGE_PIXELS
        Image.MAX_IMAGE_PIXELS = MAX_MEGAPIXELS * 1_000_000
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = kept


def _refuse_unfit(image: Image.Image, path: Path) -> list[str]:
    """Raise UnreadablePhoto for an image that is too large, has several pictures or a mode that is not supported.

    Returns sentences on thumbnails, which are no photos of their own; of a TIFF the page of the photo is chosen.
    """
    notes = []
    pictures = getattr(image, "n_frames", 1)
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        notes = tiff_read.choose_page(image)
        pictures = 1 if notes else pictures
        tiff_read.refuse_unfit(image, path)
    if image.width * image.height > MAX_MEGAPIXELS * 1_000_000:
        raise UnreadablePhoto(f"{path} is larger than {MAX_MEGAPIXELS} megapixels; make it smaller.")
    if image.mode not in _MODES:
        raise UnreadablePhoto(f"{path} holds {image.mode} samples, which cannot be read; export it as 16-bit TIFF.")
    # MPO is what phones write: a JPEG with a depth or brightness map behind the photo; its first picture is meant.
    # HEIC marks the one to show.
    if pictures > 1 and image.format not in ("MPO", "HEIF"):
        raise UnreadablePhoto(f"{path} holds {pictures} pictures; export the one to fix as a file of its own.")
    return notes


def _gather(image: Image.Image, file: IO[bytes], head: bytes, notes: list[str], warning: str | None) -> Photo:
    """Return the Photo of a decoded image."""
    is_lab = image.mode == "LAB"
    if is_lab:
        notes.append("Lab colours were converted to sRGB.")
        samples, alpha = copy_samples(color.lab_to_srgb(image)), None
    else:
        samples, alpha = _split_alpha(image, _read_samples(image, file, head))
    exif, orientation = straighten_exif(_read_exif(image, file))
    shown = orientation
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        shown = tiff_read.read_orientation(image, file)
    elif image.format == "HEIF":
        shown = int(image.info.get("original_orientation") or 1)
    if image.format in ("TIFF", "HEIF"):
        orientation = 1  # their decoders have already turned it
    samples = _turn_upright(samples, orientation)
    alpha = None if alpha is None else _turn_upright(alpha, orientation)
    profile = None if is_lab else image.info.get("icc_profile") or None
    if image.mode == "CMYK":
        pixels = _show_cmyk(np.asarray(samples, np.uint8), profile or b"")
    elif samples.ndim == 2:
        pixels = np.asarray(cv2.cvtColor(to_8_bits(samples), cv2.COLOR_GRAY2RGB), np.uint8)
    else:
        pixels = to_8_bits(samples)
    native = samples if image.mode == "CMYK" or samples.ndim == 2 or samples.dtype == np.uint16 else None
    for array in (pixels, alpha, native):
        if array is not None:
            array.setflags(write=False)
    text, resources, chunks = _read_metadata(image, file, notes)
    if XMP_KEY in text:
        turned = xmp.turn(text[XMP_KEY], shown)
        if xmp.count_regions(turned) < xmp.count_regions(text[XMP_KEY]):
            notes.append("Image regions of IPTC that cannot be turned with the photo were left out.")
        text[XMP_KEY] = turned
    subsampling = JpegImagePlugin.get_sampling(image) if image.format in ("JPEG", "MPO") else -1
    return Photo(
        pixels=pixels,
        alpha=alpha,
        native=native,
        exif=exif,
        icc_profile=profile,
        dpi=_read_dpi(image),
        text=text,
        resources=resources,
        chunks=chunks,
        notes=tuple(notes),
        warning=warning,
        subsampling=subsampling if subsampling >= 0 else None,
        quantization=_read_quantization(image),
        is_progressive=bool(image.info.get("progressive")) and image.format in ("JPEG", "MPO"),
        format=str(image.format),
    )


def _show_cmyk(samples: NDArray[np.uint8], profile: bytes) -> NDArray[np.uint8]:
    """CMYK samples (H, W, 4) as RGB, by their profile; without a usable one as Pillow shows them."""
    if color.is_usable(profile, "CMYK"):
        return color.to_srgb(samples, profile)
    size = (samples.shape[1], samples.shape[0])
    return np.asarray(Image.frombuffer("CMYK", size, np.ascontiguousarray(samples), "raw", "CMYK", 0, 1).convert("RGB"))


def _read_samples(image: Image.Image, file: IO[bytes], head: bytes) -> Samples:
    """All samples of the loaded image, (H, W) or (H, W, 2 … 4), at the depth of the file."""
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        deep_tiff = tiff_read.read_deep(image, file)
        if deep_tiff is not None:
            return deep_tiff
    if image.format == "HEIF" and int(image.info.get("bit_depth", 8)) > 8:
        return read_deep_heif(file)
    if image.format == "PNG" and is_deep_png(head):
        # Pillow has decoded it before all the same, as only it reports damaged files.
        file.seek(0)
        deep = read_deep_png(file.read())
        if deep.shape[:2] != (image.height, image.width):
            raise ValueError("16-bit samples cannot be decoded")
        return deep
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
    return copy_samples(image)


def is_deep_png(head: bytes) -> bool:
    """Return whether a PNG file, by its first bytes, holds 16-bit samples of which Pillow keeps 8 bits."""
    return head[24] == 16 and head[25] in (2, 4, 6)


def read_deep_png(data: bytes) -> NDArray[np.uint16]:
    """Return the samples (H, W, 2 … 4) of a PNG file of 16 bits with colours or alpha. Raises ValueError."""
    deep: Any = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if deep is None or deep.dtype != np.uint16:
        raise ValueError("16-bit samples cannot be decoded")
    if data[25] == 4:
        return np.ascontiguousarray(deep[..., ::3])  # gray and alpha, which comes as B = G = R and alpha
    return np.asarray(cv2.cvtColor(deep, cv2.COLOR_BGRA2RGBA if deep.shape[2] == 4 else cv2.COLOR_BGR2RGB), np.uint16)


def copy_samples(image: Image.Image) -> Samples:
    """Return the samples of a loaded image.

    They are copied in strips: as a whole, Pillow takes far longer and twice the memory.
    """
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


def _read_exif(image: Image.Image, file: IO[bytes]) -> bytes | None:
    """`EXIF_NAME` and the EXIF block of the file; of a TIFF, whose EXIF is part of its tags, a new block."""
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        file.seek(0)
        return _pack_tags(file.read(), image.tell())
    exif: bytes | None = image.info.get("exif")
    if exif is None and _RAW_EXIF in image.info:
        with suppress(ValueError):
            exif = bytes.fromhex("".join(image.info[_RAW_EXIF].split("\n")[3:]))
    return EXIF_NAME + exif.removeprefix(EXIF_NAME) if exif else None


def _pack_tags(tiff: bytes, page: int) -> bytes | None:
    """The describing tags of a page of a TIFF file as an EXIF block; None where there are none."""
    try:
        tags = tiff_tags.read_tags(tiff)
        described = tiff_tags.select_describing(tags.pages[page])
        return EXIF_NAME + tiff_tags.pack(tags.order, described) if described else None
    except (ValueError, IndexError):
        return None


def straighten_exif(exif: bytes | None) -> tuple[bytes | None, int]:
    """Return EXIF with orientation 1 and no thumbnail, and the orientation 1 … 8 that it had.

    Only these bytes change: the block is not parsed and written anew, so makers' own notes stay intact.
    A damaged block is returned unchanged, with orientation 1. Source of the layout: EXIF 2.3, section 4.6.2.
    """
    if exif is None:
        return None, 1
    start = len(EXIF_NAME)
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


def _read_metadata(
    image: Image.Image, file: IO[bytes], notes: list[str]
) -> tuple[dict[str, str], bytes, dict[bytes, bytes]]:
    """Texts by key, XMP and comment among them, Photoshop's resources, and a PNG's chunks on colour and time.

    Sentences on what a newly encoded file will not hold are added to `notes`.
    """
    text: dict[str, str] = {}
    resources, chunks = b"", {}
    block = image.info.get("xmp")
    if isinstance(block, (bytes, str)) and block:
        text[XMP_KEY] = decode_xmp(block) if isinstance(block, bytes) else block
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        found = read_metadata(image.applist, image.format == "MPO")
        notes += found.notes
        resources = found.resources
        text = {XMP_KEY: found.xmp} if found.xmp else {}
        if found.comment:
            text["Comment"] = _decode_text(found.comment)
    elif isinstance(image, PngImagePlugin.PngImageFile):
        text |= image.text
        if "exif" not in image.info:
            text.pop(_RAW_EXIF, None)  # it is EXIF now
        file.seek(0)
        chunks = png_chunks.read_chunks(file.read())
        if chunks.pop(png_chunks.CREDENTIALS, None) is not None:
            notes.append(LOST_CREDENTIALS)
    elif isinstance(image, TiffImagePlugin.TiffImageFile):
        resources, more = tiff_read.read_resources(image, file)
        notes += more
    else:
        notes += _tell_parts(image, file)
    if XMP_KEY in text and image.format not in ("JPEG", "MPO"):
        text[XMP_KEY] = xmp.drop_promises(text[XMP_KEY])
    return text, resources, chunks


def _tell_parts(image: Image.Image, file: IO[bytes]) -> list[str]:
    """Sentences on what else a HEIC, AVIF or WebP file holds."""
    file.seek(0)
    if image.format == "WEBP":
        return [LOST_CREDENTIALS] if b"C2PA" in file.read() else []
    notes = []
    if image.format == "AVIF" and _is_deep_avif(file):
        notes.append("AVIF's 10 or 12 bits a sample were read as 8.")
    kinds = " ".join(image.info.get("aux", {}))
    if "gainmap" in kinds.lower():
        notes.append("The gain map, which brightens the photo on HDR screens, was left out.")
    if image.info.get("depth_images"):
        notes.append("The depth map was left out.")
    if getattr(image, "n_frames", 1) > 1:
        notes.append("Further pictures inside the file were left out.")
    return notes


def _is_deep_avif(file: IO[bytes]) -> bool:
    """Whether the samples of an AVIF file have more than 8 bits. Source: AV1 Codec ISO Media File Format Binding."""
    file.seek(0)
    head = file.read(1 << 16)
    at = head.find(b"av1C")
    return at >= 0 and len(head) > at + 6 and bool(head[at + 6] & 0x40)


def _decode_text(raw_text: bytes) -> str:
    try:
        return raw_text.decode()
    except UnicodeDecodeError:
        return raw_text.decode("latin-1")
