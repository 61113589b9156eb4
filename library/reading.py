"""Reads one photo for the library: its file, when it was taken, and every face in it, at a reduced size.

A face that can lend its eyes is not small, so a photo is looked at with its long side shortened; a JPEG is then not
even decoded in full.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from donor.choose import measure_gaze, measure_iris_ratio
from face.analysis import FaceAnalysis
from face.expression import NEARLY_CLOSED, REAL_OPEN_BLINK, measure_closedness
from face.eye_geometry import MEAN_ASPECT_RATIO, narrow_by_smile
from face.search import find_faces
from face.types import EYES, Face
from library.store import FaceRecord, PhotoRecord
from photo.decode import DECODE_ERRORS
from photo.errors import MissingPackage, UnreadablePhoto
from photo.files import load_photo
from photo.geometry import scale_down
from photo.mark import is_marked
from photo.types import Pixels

LONG_SIDE_PX = 1600
"""Photos are looked at with a long side of no more than this."""

# calibration: known-eyes. A face tells of its eyes if they are so many pixels apart as it was looked at; how high they
# stand open, if it is turned by no more degrees.
_LEAST_EYE_DISTANCE_PX, _MOST_TURNED_DEGREES = 60.0, 15.0

_EXIF_FOLDER, _TAKEN, _TAKEN_FRACTION, _CHANGED = 0x8769, 0x9003, 0x9291, 0x0132

_ERRORS = (*DECODE_ERRORS, Image.DecompressionBombError)


def read_photo(path: Path) -> PhotoRecord:
    """Return all that the library keeps of a photo; for one that cannot be read, why.

    Results of this program keep no faces: their eyes may be rendered. Raises OSError when the file is gone, and
    MissingModel.
    """
    status = path.stat()
    digest = read_digest(path)
    taken = read_moment(path)
    try:
        pixels, (width, height) = read_reduced(path)
    except UnreadablePhoto as error:
        return PhotoRecord(path, status.st_size, status.st_mtime_ns, digest, taken, error=str(error))
    except MissingPackage as error:
        # As if it had changed since: the next run reads it, should the package be there by then.
        return PhotoRecord(path, status.st_size, 0, digest, taken, error=str(error))
    scale = max(width, height) / max(pixels.shape[:2])
    found = () if is_marked(path) else find_faces(pixels)
    faces = tuple(_describe(FaceAnalysis(pixels, face), scale) for face in found)
    return PhotoRecord(
        path, status.st_size, status.st_mtime_ns, digest, taken, width, height, None, faces
    )  # fmt: skip


def read_digest(path: Path) -> bytes:
    """Return the BLAKE2b digest of a file's content, 32 bytes. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=32)).digest()


def read_moment(path: Path) -> float | None:
    """Return when a photo was taken, in seconds since 1970 by the camera's clock.

    None where the file does not tell, or cannot be read.
    """
    try:
        with _open_quietly(path) as image:
            exif = image.getexif()
            inner = exif.get_ifd(_EXIF_FOLDER)
    except _ERRORS:  # whatever is wrong with the file, it is for those to say who read its picture
        return None
    text = str(inner.get(_TAKEN) or exif.get(_CHANGED) or "").strip("\0 ")
    try:
        moment = datetime.strptime(text, "%Y:%m:%d %H:%M:%S").replace(tzinfo=UTC).timestamp()
        fraction = str(inner.get(_TAKEN_FRACTION, "")).strip("\0 ")
        return moment + (float(f"0.{fraction}") if fraction.isdecimal() else 0.0)
    except (ValueError, OverflowError):
        return None


@contextmanager
def _open_quietly(path: Path) -> Iterator[Image.Image]:
    """An open picture; what Pillow warns of, such as odd metadata, does not concern people."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(path) as image:
            yield image


def read_reduced(path: Path, long_side: int = LONG_SIDE_PX) -> tuple[Pixels, tuple[int, int]]:
    """Return the upright photo uint8 (h, w, 3), its long side `long_side` pixels at the most, and its full size.

    The size is (width, height). Raises UnreadablePhoto, MissingPackage.
    """
    try:
        with _open_quietly(path) as image:
            if image.format == "JPEG" and image.mode in ("RGB", "L"):
                return _read_jpeg(image, long_side)
    except _ERRORS:  # the reader of all formats finds the words for what is wrong
        pass
    pixels = load_photo(path).pixels
    return _shrink(pixels, long_side), (pixels.shape[1], pixels.shape[0])


def _read_jpeg(image: Image.Image, long_side: int) -> tuple[Pixels, tuple[int, int]]:
    """`read_reduced` for an ordinary JPEG: decoded at 1/2, 1/4 or 1/8 of its size where that will do."""
    size = image.size
    image.draft("RGB", (long_side, long_side))
    is_wide = image.width > image.height
    ImageOps.exif_transpose(image, in_place=True)
    if (image.width > image.height) != is_wide:
        size = size[1], size[0]
    return _shrink(np.array(image if image.mode == "RGB" else image.convert("RGB")), long_side), size


def _shrink(pixels: Pixels, long_side: int) -> Pixels:
    """The photo with a long side of `long_side` pixels at the most."""
    return scale_down(pixels, long_side / max(pixels.shape[:2]))


def _describe(analysis: FaceAnalysis, scale: float) -> FaceRecord:
    """The record of a face in a photo that is `scale` times larger than the one looked at."""
    face = analysis.face
    height, width = analysis.pixels.shape[:2]
    aside, up = measure_gaze(face)
    return FaceRecord(
        number=face.number,
        box=(face.box.left / width, face.box.top / height, face.box.right / width, face.box.bottom / height),
        eye_distance_px=face.landmarks.eye_distance_px * scale,
        yaw_degrees=face.yaw_degrees,
        pitch_degrees=face.pitch_degrees,
        sharpness=analysis.sharpness,
        closedness=max(measure_closedness(face, eye) for eye in EYES),
        gaze_aside=aside,
        gaze_up=up,
        smile=face.smile,
        light=analysis.appearance.light_from_right,
        embedding=analysis.embedding,
        chin=face.landmarks.chin_ratio,
        iris=_measure_iris(analysis),
        lid_height=_measure_lid_height(face),
    )


def _measure_iris(analysis: FaceAnalysis) -> tuple[float, float, float] | None:
    """RGB of the irises of open eyes from black, 0, to the skin around them, 1; None where the photo does not tell."""
    face = analysis.face
    if (
        face.landmarks.eye_distance_px < _LEAST_EYE_DISTANCE_PX
        or max(measure_closedness(face, eye) for eye in EYES) >= NEARLY_CLOSED
        or max(measure_gaze(face)) > 1
        or analysis.appearance.tone.weight > 0
    ):
        return None
    ratio = measure_iris_ratio(analysis, looks_ahead=True)
    return None if ratio is None else (float(ratio[0]), float(ratio[1]), float(ratio[2]))


def _measure_lid_height(face: Face) -> float | None:
    """How high the eyes stand open beside the mean open eye, as they would without a smile; None where not to be told.

    The blink score alone says here whether they are open: eyes that are narrow by nature count, too.
    """
    if (
        max(abs(face.yaw_degrees), abs(face.pitch_degrees)) > _MOST_TURNED_DEGREES
        or face.landmarks.eye_distance_px < _LEAST_EYE_DISTANCE_PX
        or max(face.blink(eye) for eye in EYES) >= REAL_OPEN_BLINK
    ):
        return None
    mean = sum(face.eye(eye).aspect_ratio for eye in EYES) / len(EYES)
    return float(mean / MEAN_ASPECT_RATIO / narrow_by_smile(face.smile))
