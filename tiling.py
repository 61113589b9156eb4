"""Square tiles of a photo for the diffusion engine: place them, cut them out, and blend them back.

A tile has the size that the networks were trained on, whatever the size of the face in the photo. Not the tile itself
is blended back but the difference that was made to it, and only inside the soft regions: unchanged pixels keep their
bytes. All work is done on boxes, never on a copy of the whole photo.

Matrices are in pixel indices, as in OpenCV: the centre of the first pixel is (0, 0).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from face.types import Face
from photo.geometry import scale_down, scale_size
from photo.types import Alpha, Box, FloatArray, Mask, Matrix, Pixels, Region

EYE_DISTANCE_RATIO = 0.30
"""Distance of the outer eye corners in ratio to the side of a tile: mouth, chin and some hair fit in, too."""
MOST_ENLARGED = 4.0
"""Largest scale of a face: more would show no more detail, so the tile of a smaller face shows more around it."""
RIM_RATIO = 0.06
"""Least distance of an edit from the rim, in ratio to the side of a tile: there must be skin around it to match."""
MOST_SHRUNK = 1.3
"""A face that is reduced by more than this factor in its tile is refined by detail tiles."""
MOST_DETAIL_TILES = 6
"""More detail tiles would cost more than they show: larger faces are refined at somewhat less than full size."""

LATENT_CELL_PX = 8
"""Width and height, in pixels, of the square that one latent of most autoencoders encodes."""

# Standard deviation of the blur before a tile is shrunk, in pixels of the photo: at the finest pattern that the photo
# can show it leaves two thirds, of what would turn into a false pattern a sixth.
_SHRINK_SOFTNESS = 0.30


@dataclass(frozen=True, eq=False)
class FaceTile:
    """A square window on a photo, turned with the face: `size` × `size` pixels.

    `matrix` float32 (2, 3) maps photo pixels to tile pixels; it is a similarity with `scale` tile pixels per photo
    pixel. Raises ValueError when `matrix` and `scale` do not agree or `size` is no positive multiple of 8.
    """

    matrix: FloatArray
    size: int
    scale: float

    def __post_init__(self) -> None:
        _check_size(self.size)
        if self.matrix.shape != (2, 3) or self.matrix.dtype != np.float32 or not np.isfinite(self.matrix).all():
            raise ValueError(
                f"a tile's matrix needs finite float32 (2, 3), not {self.matrix.dtype} {self.matrix.shape}"
            )
        (a, b), (c, d) = self.matrix[:, :2].astype(np.float64)
        if not (self.scale > 0 and math.isclose(math.hypot(a, c), self.scale, rel_tol=1e-3)):
            raise ValueError(f"the matrix does not magnify {self.scale:g} times")
        if max(abs(a - d), abs(b + c)) > 1e-3 * self.scale:
            raise ValueError("the matrix is no turn and magnification")

    @property
    def bounds(self) -> Box:
        """The smallest box of the photo that holds the tile; it may extend beyond the photo."""
        rim = np.array([[x, y] for x in (-0.5, self.size - 0.5) for y in (-0.5, self.size - 0.5)])
        corners = _to_photo(self, rim) + 0.5
        low, high = np.floor(corners.min(axis=0)), np.ceil(corners.max(axis=0))
        return Box(int(low[0]), int(low[1]), max(int(high[0]), int(low[0]) + 1), max(int(high[1]), int(low[1]) + 1))


def face_tile(face: Face, photo_shape: tuple[int, ...], size: int, regions: Sequence[Region] = ()) -> FaceTile:
    """Return the upright tile of one face, which shows both eyes, the mouth and what is around them.

    The outer eye corners are at most `EYE_DISTANCE_RATIO` of the side apart: less where `regions` need more room, and
    on small faces, which are enlarged at most `MOST_ENLARGED` times. Near the edge of the photo, of shape (H, W, …),
    the tile moves inward as far as face and regions stay inside. Raises ValueError when `size` is no positive multiple
    of 8.
    """
    _check_size(size)
    marks = face.landmarks
    right, left = marks.right_eye.outer_corner, marks.left_eye.outer_corner
    across = (left - right)[:2].astype(np.float64)
    angle = math.atan2(across[1], across[0])
    eyes, mouth = (right + left)[:2] / 2, marks.lips[:, :2].mean(axis=0)
    center = (eyes.astype(np.float64) + mouth) / 2
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    needed = (np.concatenate([_face_points(face), _corner_points(regions)]) - center) @ turn.T
    room = 0.5 - RIM_RATIO
    side = max(marks.eye_distance_3d_px / EYE_DISTANCE_RATIO, float(np.abs(needed).max()) / room, size / MOST_ENLARGED)
    center += _move_inward(center, side, turn, needed, photo_shape)
    scale = size / side
    matrix = np.empty((2, 3))
    matrix[:, :2] = scale * turn
    matrix[:, 2] = (size - 1) / 2 - matrix[:, :2] @ center
    return FaceTile(matrix.astype(np.float32), size, scale)


def upright_tile(box: Box, size: int, scale: float = 1.0) -> FaceTile:
    """Return the tile whose top left corner is that of `box`, in pixels of the photo scaled by `scale`.

    Where the box is smaller than the tile, the tile shows more to the right and below. Raises ValueError when `size`
    is no positive multiple of 8.
    """
    # By pixel centres: (index + 0.5) · scale - 0.5.
    shift = 0.5 * scale - 0.5
    matrix = np.array([[scale, 0, shift - box.left], [0, scale, shift - box.top]], np.float32)
    return FaceTile(matrix, size, scale)


def detail_tiles(
    tile: FaceTile,
    face: Face,
    photo_shape: tuple[int, ...],
    size: int,
    overlap: int,
    regions: Sequence[Region] = (),
) -> tuple[FaceTile, ...]:
    """Return tiles that show the edited parts of a large face at about full size; none when `tile` already does.

    They lie on one grid, turned like `tile`, and overlap by `overlap` tile pixels. They cover `regions`, or without
    any the eyes and the mouth; tiles outside all regions, or outside the photo, are left out. There are at most
    `MOST_DETAIL_TILES`. Raises ValueError when `size` is no positive multiple of 8 or `overlap` is not in
    0 … size / 2.
    """
    _check_size(size)
    if not 0 <= overlap <= size // 2:
        raise ValueError(f"an overlap of {overlap} px does not suit tiles of {size} px")
    if tile.scale * MOST_SHRUNK >= 1:
        return ()
    needed = _corner_points(regions) if regions else _face_points(face)
    needed = _apply(tile.matrix.astype(np.float64), needed) + 0.5
    low, high = needed.min(axis=0), needed.max(axis=0)
    extent = np.maximum((high - low) / tile.scale, 1.0)  # in photo pixels
    step, rim = size - overlap, 2 * RIM_RATIO * size
    least_scale = 1 / MOST_SHRUNK
    while True:
        counts = np.maximum(np.ceil((extent * least_scale + rim - overlap) / step), 1)
        if counts.prod() <= MOST_DETAIL_TILES:
            break
        least_scale *= 0.95
    scale = min(1.0, float(((counts * step + overlap - rim) / extent).min()))
    if scale < tile.scale * MOST_SHRUNK:
        return ()
    zoom = scale / tile.scale
    origin = (low + high) / 2 * zoom - (counts * step + overlap) / 2
    tiles: list[FaceTile] = []
    for row, column in np.ndindex(int(counts[1]), int(counts[0])):
        matrix = zoom * tile.matrix.astype(np.float64)
        matrix[:, 2] += 0.5 * zoom - 0.5 - origin - (column * step, row * step)
        tiles.append(FaceTile(matrix.astype(np.float32), size, scale))
    if regions:
        return tuple(one for one in tiles if any(cut_alpha(region, one).any() for region in regions))
    return tuple(one for one in tiles if one.bounds.clipped(photo_shape[1], photo_shape[0]))


def grid_tiles(
    photo_shape: tuple[int, ...],
    size: int,
    overlap: int,
    regions: Sequence[Region] | None = None,
    scale: float = 1.0,
) -> tuple[Box, ...]:
    """Return a grid of boxes, `size` px wide and high, over a photo of shape (H, W, …) scaled by `scale`.

    Boxes are in pixels of the scaled photo, row by row, and overlap by `overlap` px; the last of a row or column is
    moved back to end at the edge, and a photo smaller than a box gets one box of its own size. With `regions`, in
    pixels of the photo itself, only boxes that touch one of them. Raises ValueError for an overlap not in
    0 … size - 1.
    """
    if not 0 <= overlap < size:
        raise ValueError(f"an overlap of {overlap} px does not suit tiles of {size} px")
    width, height = scale_size(photo_shape[1], photo_shape[0], scale)
    rows, columns = _grid_starts(height, size, size - overlap), _grid_starts(width, size, size - overlap)
    boxes = [Box(x, y, min(x + size, width), min(y + size, height)) for y in rows for x in columns]
    if regions is None:
        return tuple(boxes)
    return tuple(box for box in boxes if any(_touches(box, region, scale) for region in regions))


def cut_tile(pixels: Pixels, tile: FaceTile) -> Pixels:
    """Return the tile's part of the photo `pixels` uint8 (H, W, 3): uint8 (size, size, 3).

    Enlarged by Lanczos interpolation, reduced by averaging; beyond the photo's edge its outermost pixels are repeated.
    """
    height, width = pixels.shape[:2]
    margin = math.ceil(5 / min(tile.scale, 1.0))
    grown = tile.bounds.grown(margin)
    box = grown.clipped(width, height)
    if box is None:  # the tile lies outside the photo: it shows the nearest pixel
        x, y = min(max(grown.left, 0), width - 1), min(max(grown.top, 0), height - 1)
        box = Box(x, y, x + 1, y + 1)
    shown = _warp_into(pixels[box.slices], box, tile, cv2.INTER_LANCZOS4, cv2.BORDER_REPLICATE)
    return np.asarray(shown, np.uint8)


def cut_alpha(region: Region, tile: FaceTile) -> Alpha:
    """Return the tile's part of a soft mask: float32 (size, size), 0 … 1, 0 outside the region's box.

    Wherever the region is above 0 inside the tile, so is the result, even where it is thinner than a tile pixel.
    """
    # With a margin of zeros, a mask smaller than a tile pixel is averaged, too, and not skipped by the sampling.
    margin = math.ceil(3 / tile.scale) if tile.scale < 1 else 0
    alpha = np.pad(region.alpha, margin) if margin else region.alpha
    shown = _warp_into(alpha, region.box.grown(margin), tile, cv2.INTER_LINEAR, cv2.BORDER_CONSTANT)
    return np.clip(shown, 0, 1).astype(np.float32)


def blend_tiles(
    out: Pixels,
    tiles: Sequence[FaceTile],
    before: Sequence[Pixels],
    after: Sequence[Pixels],
    regions: Region | Sequence[Region],
) -> None:
    """Add the changes made to overlapping tiles of one grid to `out`, wherever `regions` are above 0.

    `out` uint8 (H, W, 3) is written in place. `before` and `after` are uint8 (size, size, 3) for every tile; all of
    `before` must be cut before any tile is blended. The differences are blended by the weights of `blend_weights`,
    resampled to the photo's resolution and added in full: the caller blends by alpha. Where they are 0 the photo keeps
    its bytes. Raises ValueError when the counts or shapes differ or the tiles do not lie on one grid.
    """
    if not len(tiles) == len(before) == len(after):
        raise ValueError(f"{len(tiles)} tiles, {len(before)} before and {len(after)} after do not belong together")
    if len(tiles) > 1:
        boxes, shape = place_tiles(tiles)
        weights: Sequence[FloatArray | None] = blend_weights(boxes, shape)
    else:
        weights = [None] * len(tiles)
    residuals: list[tuple[FaceTile, FloatArray]] = []
    for tile, one, other, weight in zip(tiles, before, after, weights, strict=True):
        if not one.shape == other.shape == (tile.size, tile.size, 3):
            raise ValueError(f"tiles of {tile.size} px do not fit {one.shape} and {other.shape}")
        difference = other.astype(np.float32) - one.astype(np.float32)
        if difference.any():
            residuals.append((tile, difference if weight is None else difference * weight[..., None]))
    if not residuals:
        return
    for box, inside in split_bands([regions] if isinstance(regions, Region) else regions):
        change = np.zeros((box.height, box.width, 3), np.float32)
        for tile, residual in residuals:
            if tile.bounds.overlap_ratio(box) > 0:
                change += _warp_back(residual, tile, box)
        changed = np.clip(np.rint(out[box.slices] + change), 0, 255).astype(np.uint8)
        np.copyto(out[box.slices], changed, where=inside[..., None])


def place_tiles(tiles: Sequence[FaceTile]) -> tuple[tuple[Box, ...], tuple[int, int]]:
    """Return the boxes of tiles on their common canvas, and the (height, width) of that canvas in tile pixels.

    Raises ValueError when there are no tiles, or when they are turned or scaled differently or on no common grid.
    """
    if not tiles:
        raise ValueError("there is no tile to place")
    turn = tiles[0].matrix[:, :2]
    if any(not np.allclose(tile.matrix[:, :2], turn, rtol=1e-4, atol=1e-5) for tile in tiles):
        raise ValueError("the tiles are turned or scaled differently")
    exact = np.array([tiles[0].matrix[:, 2] - tile.matrix[:, 2] for tile in tiles], np.float64)
    starts = np.rint(exact)
    if np.abs(exact - starts).max() > 0.1:
        raise ValueError("the tiles do not lie on a common grid")
    starts -= starts.min(axis=0)
    boxes = tuple(
        Box(int(x), int(y), int(x) + tile.size, int(y) + tile.size) for (x, y), tile in zip(starts, tiles, strict=True)
    )
    return boxes, (max(box.bottom for box in boxes), max(box.right for box in boxes))


def blend_weights(boxes: Sequence[Box], shape: tuple[int, ...]) -> tuple[FloatArray, ...]:
    """Return the blending weights of overlapping boxes: float32 (height, width) for each, 0 … 1.

    Weights fall linearly toward the rim of a box, and at every pixel of the canvas, of shape (H, W, …), they sum to 1
    over the boxes that cover it. Raises ValueError when a box extends beyond the canvas.
    """
    height, width = shape[:2]
    total = np.zeros((height, width), np.float32)
    tents: list[FloatArray] = []
    for box in boxes:
        if box.left < 0 or box.top < 0 or box.right > width or box.bottom > height:
            raise ValueError(f"{box} reaches over a canvas of {width} × {height} px")
        tents.append(np.outer(_tent(box.height), _tent(box.width)))
        total[box.slices] += tents[-1]
    return tuple(tent / total[box.slices] for tent, box in zip(tents, boxes, strict=True))


def _check_size(size: int) -> None:
    if size <= 0 or size % LATENT_CELL_PX:
        raise ValueError(f"the size of a tile must be a positive multiple of {LATENT_CELL_PX}, not {size}")


def _face_points(face: Face) -> Matrix:
    """The rims of the eyes and of the lips, float64 (n, 2)."""
    right, left, lips = face.landmarks.right_eye, face.landmarks.left_eye, face.landmarks.lips
    parts = (right.upper, right.lower, left.upper, left.lower, lips)
    return np.concatenate([part[:, :2].astype(np.float64) for part in parts])


def _corner_points(regions: Sequence[Region]) -> Matrix:
    """The corner pixels of the regions' boxes, float64 (n, 2)."""
    boxes = [region.box for region in regions]
    corners = [[x, y] for box in boxes for x in (box.left, box.right - 1) for y in (box.top, box.bottom - 1)]
    return np.array(corners, np.float64).reshape(-1, 2)


def _move_inward(center: Matrix, side: float, turn: Matrix, needed: Matrix, photo_shape: tuple[int, ...]) -> Matrix:
    """The shift of a tile's centre, float64 (2,), to show less beyond the photo's edge, but all of `needed`."""
    limit = np.array([photo_shape[1], photo_shape[0]], np.float64) - 1
    reach = 0.5 * side * float(np.abs(turn[0]).sum())
    wanted = np.maximum(reach - center, 0) - np.maximum(center + reach - limit, 0)
    free = side * (0.5 - RIM_RATIO)
    return turn.T @ np.clip(turn @ wanted, needed.max(axis=0) - free, needed.min(axis=0) + free)


def _apply(matrix: Matrix, points: Matrix) -> Matrix:
    return points @ matrix[:, :2].T + matrix[:, 2]


def _to_photo(tile: FaceTile, points: Matrix) -> Matrix:
    matrix = tile.matrix.astype(np.float64)
    return np.linalg.solve(matrix[:, :2], (points - matrix[:, 2]).T).T


def _warp_into(
    part: NDArray[np.uint8] | FloatArray, box: Box, tile: FaceTile, interpolation: int, border: int
) -> NDArray[np.uint8] | FloatArray:
    """The photo's part at `box` warped into the tile; where that reduces it, it is averaged down first."""
    matrix = tile.matrix.astype(np.float64)
    matrix[:, 2] += matrix[:, :2] @ (box.left, box.top)
    if tile.scale < 1:
        part = scale_down(part, tile.scale)
        ratio = np.array([part.shape[1] / box.width, part.shape[0] / box.height])
        matrix[:, 2] += matrix[:, :2] @ (0.5 / ratio - 0.5)
        matrix[:, :2] /= ratio
    return cv2.warpAffine(  # type: ignore[return-value]
        part, matrix, (tile.size, tile.size), flags=interpolation, borderMode=border
    )


def _warp_back(residual: FloatArray, tile: FaceTile, box: Box) -> FloatArray:
    """A tile's residual float32 (size, size, 3) warped to the photo's pixels in `box`; 0 outside the tile."""
    matrix = tile.matrix.astype(np.float64)
    matrix[:, 2] += matrix[:, :2] @ (box.left, box.top)
    if tile.scale > 1:
        # Just as much blur as reducing it to the photo's pixels needs, so that details stay sharp.
        softness = _SHRINK_SOFTNESS * math.sqrt(tile.scale**2 - 1)
        residual = cv2.GaussianBlur(residual, (0, 0), softness).astype(np.float32, copy=False)
    shown = cv2.warpAffine(residual, matrix, (box.width, box.height), flags=cv2.INTER_LANCZOS4 | cv2.WARP_INVERSE_MAP)
    return shown.astype(np.float32, copy=False)


def _touches(box: Box, region: Region, scale: float) -> bool:
    """Whether a box of the photo scaled by `scale` holds any pixel of the region above 0."""
    low = math.floor(box.left / scale), math.floor(box.top / scale)
    high = math.ceil(box.right / scale), math.ceil(box.bottom / scale)
    return bool(find_inside(region, Box(*low, *high)).any())


def _grid_starts(length: int, size: int, step: int) -> list[int]:
    """Where the boxes of a grid start along one axis."""
    last = max(length - size, 0)
    return [*range(0, last, step), last]


def _tent(length: int) -> FloatArray:
    """A triangular window, float32 (length,), above 0 everywhere."""
    index = np.arange(length, dtype=np.float32) + 0.5
    return np.minimum(index, length - index)


# calibration: drift. Ratio of two contrasts.
GAIN_RANGE = (0.85, 1.15)
"""The autoencoder's drift in contrast is a few percent; what lies further off is something else."""
_RING_GAP_PX, _RING_WIDTH_PX = 2, 16
# The weight of "no drift" in the fit, in pixels of the ring: it decides where the ring has little contrast.
_RING_PRIOR = 4.0
_RING_LEAST_PX = 64
_RING_STRIDE = 2
# Near black and white the samples are clipped and do not show the gain.
_RING_LEVELS = (4, 251)

# Rows of a region that are processed at once, so that memory does not grow with the photo.
_BAND_ROWS = 256


def snap_mask(alpha: Alpha, cell_px: int = LATENT_CELL_PX) -> Pixels:
    """Return the networks' mask for `alpha` float32 (s, s): uint8 (s, s), 0 keep or 255 repaint.

    Every cell of `cell_px` × `cell_px` pixels, which the networks see as one, with any alpha above 0, and the cells
    around it, are repainted as a whole: so the mask is the same for pixels and latents, and no thin mask is lost.
    Raises ValueError when the sides are no multiples of `cell_px`.
    """
    height, width = alpha.shape
    if height % cell_px or width % cell_px:
        raise ValueError(f"a mask of {width} × {height} px does not lie on the grid of {cell_px} px")
    cells = alpha.reshape(height // cell_px, cell_px, width // cell_px, cell_px)
    hit = (cells.max(axis=(1, 3)) > 0).astype(np.uint8) * 255
    grown = cv2.dilate(hit, np.ones((3, 3), np.uint8))
    return np.asarray(grown.repeat(cell_px, axis=0).repeat(cell_px, axis=1), np.uint8)


def split_bands(regions: Sequence[Region]) -> Iterator[tuple[Box, Mask]]:
    """Yield boxes that together hold all pixels of the regions above 0, and for each their mask, bool (h, w).

    No pixel is in two of the masks.
    """
    for number, region in enumerate(regions):
        for top in range(region.box.top, region.box.bottom, _BAND_ROWS):
            box = Box(region.box.left, top, region.box.right, min(top + _BAND_ROWS, region.box.bottom))
            inside = find_inside(region, box)
            for other in regions[:number]:
                if other.box.overlap_ratio(box) > 0:
                    inside &= ~find_inside(other, box)
            if inside.any():
                yield box, inside


def find_inside(region: Region, box: Box) -> Mask:
    """Return the mask of the pixels of `box` where the region is above 0, bool (h, w)."""
    inside = np.zeros((box.height, box.width), bool)
    left, top = max(box.left, region.box.left), max(box.top, region.box.top)
    right, bottom = min(box.right, region.box.right), min(box.bottom, region.box.bottom)
    if left < right and top < bottom:
        alpha = region.alpha[
            top - region.box.top : bottom - region.box.top, left - region.box.left : right - region.box.left
        ]
        inside[top - box.top : bottom - box.top, left - box.left : right - box.left] = alpha > 0
    return inside


def match_ring(before: Pixels, after: Pixels, alpha: Alpha, cell_px: int = LATENT_CELL_PX) -> Pixels:
    """Return a repainted tile without its drift in colour, so that `after` matches `before` around the mask.

    `before` and `after` are uint8 (s, s, 3), `alpha` float32 (s, s) is the soft mask of the tile. On a ring just
    outside its mask, snapped to cells of `cell_px`, nothing should have changed; any change there is fitted by robust
    least squares, per channel, as a gain (0.85 … 1.15), an offset and a slope over the tile, and undone everywhere. A
    channel with too few usable pixels on the ring stays as it is. Raises ValueError when the sides are no multiples of
    `cell_px`.
    """
    mask = snap_mask(alpha, cell_px)
    inner, outer = _grow(mask, _RING_GAP_PX), _grow(mask, _RING_GAP_PX + _RING_WIDTH_PX)
    rows, columns = (index * _RING_STRIDE for index in np.nonzero((outer > inner)[::_RING_STRIDE, ::_RING_STRIDE]))
    height, width = alpha.shape
    x, y = np.linspace(-1, 1, width, dtype=np.float32), np.linspace(-1, 1, height, dtype=np.float32)
    result = after.copy()
    for channel in range(3):
        was, now = (picture[rows, columns, channel].astype(np.float64) for picture in (before, after))
        low, high = _RING_LEVELS
        fit = (np.minimum(was, now) >= low) & (np.maximum(was, now) <= high)
        if np.count_nonzero(fit) < _RING_LEAST_PX:
            continue
        gain, offset, slope_x, slope_y = _fit_drift(was[fit], now[fit], x[columns[fit]], y[rows[fit]])
        drift = np.float32(offset) + np.float32(slope_x) * x[None, :] + np.float32(slope_y) * y[:, None]
        result[..., channel] = np.clip(np.rint((after[..., channel] - drift) / np.float32(gain)), 0, 255)
    return result


def _fit_drift(was: Matrix, now: Matrix, x: FloatArray, y: FloatArray) -> tuple[float, float, float, float]:
    """Gain, offset and slopes so that now ≈ gain · was + offset + slope_x · x + slope_y · y, near no drift at all."""
    middle = was.mean()
    terms = np.stack([was - middle, np.ones_like(was), x, y]).astype(np.float64)
    change = now - was
    weight = np.ones_like(was)
    for _ in range(3):
        normal = (terms * weight) @ terms.T
        # For terms that the ring does not determine: no drift.
        normal[np.diag_indices(4)] += _RING_PRIOR * np.array([64.0**2, 1.0, 1.0, 1.0])
        found = np.linalg.solve(normal, (terms * weight) @ change)
        gain = float(np.clip(1 + found[0], *GAIN_RANGE))
        if gain != 1 + found[0]:
            rest = change - (gain - 1) * terms[0]
            found[1:] = np.linalg.solve(normal[1:, 1:], (terms[1:] * weight) @ rest)
        # Hair or a shadow that the networks moved into the ring is no drift.
        miss = np.abs(change - (gain - 1) * terms[0] - found[1:] @ terms[1:])
        weight = 1 / (1 + (miss / max(2 * float(np.median(miss)), 1.0)) ** 2)
    return gain, float(found[1] - (gain - 1) * middle), float(found[2]), float(found[3])


def _grow(mask: Pixels, px: int) -> Pixels:
    return np.asarray(cv2.dilate(mask, np.ones((2 * px + 1, 2 * px + 1), np.uint8)), np.uint8)
