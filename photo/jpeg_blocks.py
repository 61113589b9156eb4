"""Edits a JPEG in its blocks: those that an edit does not touch keep their coefficients, and so their every pixel.

A JPEG stores blocks of 8 × 8 samples as quantised coefficients of a cosine transform (DCT). Encoding a whole photo anew
rounds all of them once more; here only blocks with edited pixels get new ones, from the old ones plus the transform of
the edit. The colours of a photo mostly have half its resolution, and decoders interpolate them, so an edited block
reaches one pixel into its neighbours: where that would show, the neighbour counts as edited, too.
"""

from __future__ import annotations

import io
import struct
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from photo.jpeg_file import END, HUFFMAN_TABLES, RESTART_INTERVAL, JpegFile, Segment, read_jpeg, replace_picture
from photo.types import FloatArray, Mask

Samples8 = NDArray[np.uint8]
"""Samples as Pillow decodes a JPEG: uint8 (H, W) gray, (H, W, 3) RGB or (H, W, 4) CMYK."""

PACKAGE = "jpeglib"
"""The package that reads and writes coefficients; without it a JPEG is encoded anew as a whole."""

# Which of the package's libraries writes: the one for progressive files writes nothing else, and takes longer.
_SEQUENTIAL, _PROGRESSIVE = "turbo210", "mozjpeg403"
# The package has one library at a time for the whole process.
_LIBRARY_LOCK = threading.Lock()

# What Pillow raises on damaged files; it has no common class for them.
_DAMAGES = (OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, OverflowError, struct.error)
# Levels. Where colour differs by less than this at the rim of an edit, it is left as it was.
_FAINT_COLOR = 1.5
# Where a frame names its first component, of three bytes each, and where a scan of one component names it.
_FIRST_COMPONENT, _SCAN_COMPONENT = 6, 5
# Rows compared at a time, a multiple of the height of every block.
_BAND_ROWS = 64
# What 8-bit Huffman coding can express.
_MOST_COEFFICIENT = 1023
_NAMES = ("Y", "Cb", "Cr", "K")
# How many of them are luma and colour.
_COLORS = 3
# ITU-R BT.601, full range, as JFIF says.
_TO_YCC = np.array(
    [[0.299, 0.587, 0.114], [-0.168735892, -0.331264108, 0.5], [0.5, -0.418687589, -0.081312411]], np.float32
)


class BlocksNotKept(Exception):
    """The blocks of this file cannot be edited one by one; its text says why, in words that follow "since"."""


@dataclass(frozen=True)
class EditedJpeg:
    """A JPEG file with an edit, and how many of its `blocks`, of the size of the coarsest colour, were `touched`."""

    data: bytes
    touched: int
    blocks: int
    block_size: tuple[int, int]


def edit_jpeg(source: bytes, before: Samples8, after: Samples8, metadata: tuple[Segment, ...]) -> EditedJpeg:
    """Return the JPEG file `source` with `metadata`, where the samples that differ in `before` and `after` are edited.

    Both are as they lie in the file, not turned upright, and `before` is what the file decodes to. Raises
    BlocksNotKept; the file was decoded again, whole, to be sure that it shows the edit, and all other pixels as before.
    """
    try:
        jpeg = read_jpeg(source)
    except ValueError as error:
        raise BlocksNotKept("the file is damaged") from error
    if not jpeg.is_common:
        raise BlocksNotKept("it is of a rare kind")
    # Before the package sees it, which would make room for whatever size a damaged file claims.
    if before.shape != after.shape or not _is_picture(source, before):
        raise BlocksNotKept("the file changed meanwhile")
    picture = _read_picture(source)
    grid = _Grid(picture)
    # The package calls all of four components CMYK.
    color_space = "JCS_YCCK" if jpeg.is_ycck else str(picture.jpeg_color_space)
    touched = grid.find(before, after)
    while True:
        edited = _edit(picture, color_space, grid, touched, before, after)
        wider = _widen(touched, edited.needs_neighbours)
        if np.array_equal(wider, touched):
            break
        touched = wider
    coefficients = edited.coefficients
    if "K" in coefficients and not np.array_equal(coefficients["K"], picture.K):
        written = _write_planes(list(coefficients.values()), jpeg)
    else:
        for name, planes in coefficients.items():
            setattr(picture, name, planes)
        written = read_jpeg(_write_picture(picture, jpeg.is_progressive))
    data = replace_picture(jpeg, written, metadata).pack()
    check_edited(data, before, after, grid, touched)
    return EditedJpeg(data, int(touched.sum()), int(touched.size), (grid.width, grid.height))


def _read_picture(source: bytes) -> Any:
    """The picture with its coefficients, as the package reads it."""
    try:
        import jpeglib
    except ImportError as error:
        raise BlocksNotKept(f"the package {PACKAGE} is not installed") from error
    with _LIBRARY_LOCK, tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "source.jpg"
        path.write_bytes(source)
        jpeglib.version.set(_SEQUENTIAL)
        try:
            picture = jpeglib.read_dct(str(path))
            picture.load()
        except (OSError, ValueError) as error:
            raise BlocksNotKept("its coefficients cannot be read") from error
    return picture


def _write_picture(picture: Any, is_progressive: bool) -> bytes:
    import jpeglib

    with _LIBRARY_LOCK, tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "result.jpg"
        jpeglib.version.set(_PROGRESSIVE if is_progressive else _SEQUENTIAL)
        try:
            picture.write_dct(str(path), flags=["+OPTIMIZE_CODING"])
            return path.read_bytes()
        except OSError as error:
            raise BlocksNotKept("its coefficients cannot be written") from error


def _write_planes(planes: list[NDArray[np.int16]], jpeg: JpegFile) -> JpegFile:
    """A file of the coefficients of each component in a scan of its own, with the frame and the steps of another.

    The package writes three components at most, but a gray picture of each, whose scan is what such a file holds.
    """
    if jpeg.is_progressive:
        raise BlocksNotKept("the edit changes its black ink, and it comes in several passes")
    import jpeglib

    scans = b""
    for plane, number in zip(planes, jpeg.frame.content[_FIRST_COMPONENT::3], strict=True):
        # The steps stand in the frame of the whole; those of the gray picture are not used.
        gray = read_jpeg(_write_picture(jpeglib.from_dct(plane, qt=np.ones((1, 8, 8), np.uint16)), False))
        tables = b"".join(segment.pack() for segment in gray.segments if segment.marker == HUFFMAN_TABLES)
        scan = bytearray(gray.scans.removesuffix(END))
        scan[_SCAN_COMPONENT] = number
        scans += tables + scan
    kept = (segment for segment in jpeg.segments if segment.marker not in (HUFFMAN_TABLES, RESTART_INTERVAL))
    return read_jpeg(JpegFile(tuple(kept), scans + END, b"").pack())


class _Grid:
    """The grid of the coarsest blocks of a picture (its MCUs), each with all blocks of all components in it.

    `width` and `height` are in pixels, `rows` and `columns` count them. `factors` are the blocks (down, across) of each
    component in one of them. `mean_step` is the coarsest step of the mean of a block, in levels.
    """

    def __init__(self, picture: Any) -> None:
        count = int(picture.num_components)
        self.factors = [(int(down), int(across)) for down, across in np.asarray(picture.samp_factor)[:count]]
        most_down, most_across = (max(values) for values in zip(*self.factors, strict=True))
        if count == 1:
            self.factors, most_down, most_across = [(1, 1)], 1, 1
        if any(most_down % down or most_across % across for down, across in self.factors):
            raise BlocksNotKept("its colours have an odd resolution")
        self.height, self.width = 8 * most_down, 8 * most_across
        self.mean_step = max(float(np.asarray(picture.get_component_qt(index))[0, 0]) for index in range(count)) / 8
        self.rows = -(-int(picture.height) // self.height)
        self.columns = -(-int(picture.width) // self.width)

    def find(self, before: Samples8, after: Samples8) -> Mask:
        """The blocks in which any sample differs, bool (rows, columns)."""
        touched = np.zeros((self.rows, self.columns), np.bool_)
        for row in range(self.rows):
            band = slice(row * self.height, (row + 1) * self.height)
            touched[row, _find_columns(before[band], after[band], self.width)] = True
        return touched

    def cut(self, samples: Samples8, touched: Mask) -> FloatArray:
        """The samples of the touched blocks, float32 (n, height, width, channels); beyond the edge the last repeats."""
        down = np.minimum(np.arange(self.rows * self.height), samples.shape[0] - 1).reshape(self.rows, self.height)
        across = np.minimum(np.arange(self.columns * self.width), samples.shape[1] - 1)
        rows, columns = np.nonzero(touched)
        picked = samples[down[rows][:, :, None], across.reshape(self.columns, self.width)[columns][:, None, :]]
        return picked.astype(np.float32).reshape(*picked.shape[:3], 1 if samples.ndim == 2 else samples.shape[2])

    def average(self, samples: Samples8, touched: Mask) -> FloatArray:
        """The means of the touched blocks of one row of the grid, of which `samples` are, float32 (n, channels)."""
        starts = np.flatnonzero(touched) * self.width
        blocks = [samples[:, start : start + self.width].mean(axis=(0, 1), dtype=np.float32) for start in starts]
        return np.array(blocks, np.float32).reshape(len(starts), -1)


def _find_columns(one: Samples8, other: Samples8, width: int) -> NDArray[np.intp]:
    """The columns of blocks, `width` pixels each, in which two bands of samples differ."""
    if np.array_equal(one, other):
        return np.empty(0, np.intp)
    differs = (one != other).reshape(len(one), -1).any(axis=0)
    return np.unique(np.flatnonzero(differs) // (width * (1 if one.ndim == 2 else one.shape[2])))


@dataclass
class _Edited:
    """New coefficients by the names of the components, and the blocks whose neighbours they would show in, too."""

    coefficients: dict[str, NDArray[np.int16]]
    needs_neighbours: Mask


def _edit(picture: Any, color_space: str, grid: _Grid, touched: Mask, before: Samples8, after: Samples8) -> _Edited:
    """The coefficients with the edit in them.

    The colour of blocks at the rim of `touched` stays where the edit hardly changes it; where it does, the block needs
    its neighbours.
    """
    old, new = grid.cut(before, touched), grid.cut(after, touched)
    deltas = _to_components(color_space, new - old)
    rows, columns = np.nonzero(touched)
    is_rim = _find_rim(touched)[rows, columns]
    needs = np.zeros_like(touched)
    coefficients = {}
    for index, (name, (down, across)) in enumerate(zip(_NAMES, grid.factors, strict=False)):
        planes = np.array(getattr(picture, name))
        table = np.asarray(picture.get_component_qt(index), np.float32)
        if not table.all():
            raise BlocksNotKept("its quantization tables are damaged")
        where = _BlockPlaces(rows, columns, (down, across), planes.shape[:2])
        known = where.get(planes) * table
        delta = deltas[..., index]
        if color_space in ("JCS_YCbCr", "JCS_YCCK") and index < _COLORS:
            delta = _unclip(delta, old[..., :_COLORS], new[..., :_COLORS], where.join(_transform_back(known)), index)
        delta = _shrink(delta, 8 * down, 8 * across)
        if (delta.shape[1], delta.shape[2]) != (grid.height, grid.width):
            is_faint = np.abs(delta).max(axis=(1, 2)) < _FAINT_COLOR
            delta[is_rim & is_faint] = 0
            needs[rows[is_rim & ~is_faint], columns[is_rim & ~is_faint]] = True
        changed = where.split(delta)
        quantized = np.rint((known + _transform(changed)) / table).clip(-_MOST_COEFFICIENT, _MOST_COEFFICIENT)
        is_same = ~changed.any(axis=(-2, -1))
        quantized[is_same] = where.get(planes)[is_same]
        where.put(planes, quantized.astype(np.int16))
        coefficients[name] = planes
    return _Edited(coefficients, needs)


class _BlockPlaces:
    """Where the blocks of one component lie that belong to some blocks of the grid."""

    def __init__(
        self, rows: NDArray[np.intp], columns: NDArray[np.intp], factors: tuple[int, int], shape: tuple[int, ...]
    ) -> None:
        self._factors = factors
        down, across = factors
        self._rows = rows[:, None, None] * down + np.arange(down)[None, :, None] + np.zeros((1, 1, across), np.intp)
        self._columns = columns[:, None, None] * across + np.arange(across)[None, None, :] + np.zeros_like(self._rows)
        # A component has no blocks that lie beyond the edge of the photo as a whole.
        self._is_there = (self._rows < shape[0]) & (self._columns < shape[1])

    def get(self, planes: NDArray[np.int16]) -> FloatArray:
        """The blocks, float32 (n, down, across, 8, 8); those beyond the edge are 0."""
        found = np.zeros((*self._rows.shape, 8, 8), np.float32)
        found[self._is_there] = planes[self._rows[self._is_there], self._columns[self._is_there]]
        return found

    def put(self, planes: NDArray[np.int16], blocks: NDArray[np.int16]) -> None:
        """Write the blocks, int16 (n, down, across, 8, 8), where they belong."""
        planes[self._rows[self._is_there], self._columns[self._is_there]] = blocks[self._is_there]

    def split(self, samples: FloatArray) -> FloatArray:
        """Samples (n, 8 down, 8 across) as blocks (n, down, across, 8, 8)."""
        down, across = self._factors
        return samples.reshape(-1, down, 8, across, 8).swapaxes(2, 3)

    def join(self, blocks: FloatArray) -> FloatArray:
        """The inverse of `split`."""
        down, across = self._factors
        return blocks.swapaxes(2, 3).reshape(-1, 8 * down, 8 * across)


def _to_components(color_space: str, delta: FloatArray) -> FloatArray:
    """Differences of samples (…, channels) as differences of the components that the file stores.

    Pillow inverts CMYK, as Adobe's programs do.
    """
    if color_space == "JCS_YCbCr":
        return delta @ _TO_YCC.T
    if color_space == "JCS_YCCK":
        return np.concatenate([delta[..., :3] @ _TO_YCC.T, -delta[..., 3:]], axis=-1)
    if color_space == "JCS_CMYK":
        return -delta
    if color_space in ("JCS_GRAYSCALE", "JCS_RGB"):
        return delta
    raise BlocksNotKept("its colours are of an unknown kind")


def _unclip(delta: FloatArray, old: FloatArray, new: FloatArray, known: FloatArray, index: int) -> FloatArray:
    """The difference in one component, measured from what the file holds where a colour of the old pixel was clipped.

    There the file may hold lighter or darker samples than can be shown. `known` are its samples of the component
    `index` less their middle, at their own resolution.
    """
    is_clipped = ((old == 0) | (old == 255)).any(axis=-1) & (old != new).any(axis=-1)
    if not is_clipped.any():
        return delta
    tall, wide = delta.shape[1] // known.shape[1], delta.shape[2] // known.shape[2]
    full = known.repeat(tall, axis=1).repeat(wide, axis=2)
    wanted = new @ _TO_YCC[index] - (128 if index == 0 else 0)
    return np.where(is_clipped, wanted - full, delta)


def _shrink(samples: FloatArray, height: int, width: int) -> FloatArray:
    """Samples (n, h, w) averaged down to (n, height, width)."""
    count, tall, wide = samples.shape
    if (tall, wide) == (height, width):
        return samples.copy()
    return samples.reshape(count, height, tall // height, width, wide // width).mean(axis=(2, 4), dtype=np.float32)


def _make_transform() -> FloatArray:
    """The matrix of the cosine transform of 8 samples."""
    frequency, place = np.arange(8)[:, None], np.arange(8)[None, :]
    matrix = np.cos((2 * place + 1) * frequency * np.pi / 16) / 2
    matrix[0] /= np.sqrt(2)
    return matrix.astype(np.float32)


_DCT = _make_transform()


def _transform(blocks: FloatArray) -> FloatArray:
    return np.asarray(_DCT @ blocks @ _DCT.T, np.float32)


def _transform_back(blocks: FloatArray) -> FloatArray:
    return np.asarray(_DCT.T @ blocks @ _DCT, np.float32)


def _find_rim(touched: Mask) -> Mask:
    """The touched blocks with an untouched neighbour inside the photo, also over a corner."""
    near_others = cv2.dilate((~touched).astype(np.uint8), np.ones((3, 3), np.uint8))
    return touched & (near_others != 0)


def _widen(touched: Mask, needs_neighbours: Mask) -> Mask:
    grown = cv2.dilate(needs_neighbours.astype(np.uint8), np.ones((3, 3), np.uint8))
    return touched | (grown != 0)


def _is_picture(source: bytes, samples: Samples8) -> bool:
    """Whether a JPEG file decodes to samples."""
    with _decode(source, samples.shape) as image:
        if image is None:
            return False
        bands = (slice(top, top + _BAND_ROWS) for top in range(0, len(samples), _BAND_ROWS))
        return all(np.array_equal(_read_rows(image, rows), samples[rows]) for rows in bands)


@contextmanager
def _decode(data: bytes, shape: tuple[int, ...]) -> Iterator[Image.Image | None]:
    """A JPEG file as Pillow decodes it, whole; None where it cannot, or where size or channels are others."""
    with warnings.catch_warnings(), ExitStack() as stack:
        warnings.simplefilter("ignore")  # Pillow warns of sizes that the photo was read with
        found = None
        try:
            image = stack.enter_context(Image.open(io.BytesIO(data), formats=("JPEG", "MPO")))
            if (image.height, image.width) == shape[:2] and len(image.getbands()) == (shape[2] if shape[2:] else 1):
                image.load()
                found = image
        except (*_DAMAGES, Image.DecompressionBombError):
            pass
        yield found


def _read_rows(image: Image.Image, rows: slice) -> Samples8:
    """Some rows of a decoded picture: a copy of the whole takes longer than all the comparing."""
    return np.asarray(image.crop((0, rows.start, image.width, min(rows.stop, image.height))))


def check_edited(data: bytes, before: Samples8, after: Samples8, grid: _Grid, touched: Mask) -> None:
    """Raise BlocksNotKept unless the file decodes to `before` where no block was touched, elsewhere near to `after`."""
    with _decode(data, before.shape) as image:
        if image is None:
            raise BlocksNotKept("it could not be read again")
        found = _compare(image, before, grid, touched)
    edits, errors = [0.0], [0.0]
    for row in np.flatnonzero(touched.any(axis=1)).tolist():
        rows = slice(row * grid.height, (row + 1) * grid.height)
        bands = before[rows], found.get(row, before[rows]), after[rows]
        old, new, wanted = (grid.average(band, touched[row]) for band in bands)
        edits += np.abs(wanted - old).ravel().tolist()
        errors += np.abs(wanted - new).ravel().tolist()
    # The mean of a block cannot be finer than a step of its first coefficient.
    if np.mean(errors) > _FAINT_COLOR + grid.mean_step + np.mean(edits) / 2:
        raise BlocksNotKept("the edit would not show in it")


def _compare(image: Image.Image, before: Samples8, grid: _Grid, touched: Mask) -> dict[int, Samples8]:
    """The samples of each row of blocks that differs, by its number. Raises BlocksNotKept where none may differ."""
    found = {}
    for top in range(0, len(before), _BAND_ROWS):
        band = _read_rows(image, slice(top, top + _BAND_ROWS))
        if np.array_equal(band, before[top : top + _BAND_ROWS]):
            continue
        for row in range(top // grid.height, -(-(top + len(band)) // grid.height)):
            new = band[row * grid.height - top : (row + 1) * grid.height - top]
            old = before[row * grid.height : (row + 1) * grid.height]
            if not touched[row, _find_columns(new, old, grid.width)].all():
                raise BlocksNotKept("its other pixels would have changed")
            found[row] = new
    return found
