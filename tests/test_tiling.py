from __future__ import annotations

import tracemalloc

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from face.types import Face
from photo.geometry import scale_size
from photo.types import Alpha, Box, Mask, Pixels, Region
from tests.conftest import FindFaces, LoadPhoto
from tests.support.faces import move_face
from tiling import (
    EYE_DISTANCE_SHARE,
    MOST_DETAIL_TILES,
    MOST_ENLARGED,
    MOST_SHRUNK,
    FaceTile,
    blend_tiles,
    blend_weights,
    cut_alpha,
    cut_tile,
    detail_tiles,
    face_tile,
    grid_tiles,
    match_ring,
    place_tiles,
    snap_mask,
    upright_tile,
)

SIZE = 128
SHAPES = [(64, 64), (64, 3000), (3000, 64), (4000, 6000), (1, 1)]

sides = st.integers(1, 300)
shapes = st.tuples(sides, sides)
seeds = st.integers(0, 2**32 - 1)
quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def real_face(sample: LoadPhoto, faces_of: FindFaces) -> Face:
    return faces_of(sample("image_1.jpg"))[0]


def draw_regions(face: Face, shape: tuple[int, ...]) -> list[Region]:
    """Soft ellipses over the eyes and the mouth, as far as they lie in the photo."""
    regions = []
    marks = face.landmarks
    for part in (marks.right_eye.upper, marks.left_eye.upper, marks.lips):
        low, high = part[:, :2].min(axis=0), part[:, :2].max(axis=0)
        pad = 0.4 * marks.eye_distance_px + 1
        whole = Box(*(int(v) for v in (*np.floor(low - pad), *np.ceil(high + pad))))
        box = whole.clipped(shape[1], shape[0])
        if box is None:
            continue
        y, x = np.mgrid[box.top : box.bottom, box.left : box.right] + 0.5
        (mx, my) = whole.center
        alpha = np.clip(2 - 2 * np.hypot((x - mx) / whole.width, (y - my) / whole.height) * 2, 0, 1).astype(np.float32)
        regions.append(Region(box, alpha))
    return regions


def invert(tile: Pixels) -> Pixels:
    return np.asarray(255 - tile, np.uint8)


def make_photo(shape: tuple[int, ...], seed: int) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (*shape[:2], 3), np.uint8)


@st.composite
def placed_faces(draw: st.DrawFn) -> tuple[tuple[int, int], tuple[float, float, float, float]]:
    """The shape of a photo, and where in it a face lies: also small, huge, turned, and over the edge."""
    shape = draw(shapes)
    x, y = draw(st.floats(-0.2, 1.2)) * shape[1], draw(st.floats(-0.2, 1.2)) * shape[0]
    return shape, (x, y, draw(st.floats(0.5, 400)), draw(st.floats(-180, 180)))


@st.composite
def placed_boxes(draw: st.DrawFn, shape: tuple[int, int]) -> Box:
    left, top = draw(st.integers(0, shape[1] - 1)), draw(st.integers(0, shape[0] - 1))
    return Box(left, top, draw(st.integers(left + 1, shape[1])), draw(st.integers(top + 1, shape[0])))


# ---- where the tile of a face lies -----------------------------------------------------------------------


@quick
@given(placed_faces())
def test_the_regions_of_a_face_fit_into_its_tile(
    real_face: Face, where: tuple[tuple[int, int], tuple[float, float, float, float]]
) -> None:
    shape, place = where
    face = move_face(real_face, *place)
    regions = draw_regions(face, shape)
    tile = face_tile(face, shape, SIZE, regions)
    assert tile.scale <= MOST_ENLARGED + 1e-6
    parts = (face.landmarks.right_eye.upper, face.landmarks.left_eye.lower, face.landmarks.lips)
    corners = [[x, y] for r in regions for x in (r.box.left, r.box.right - 1) for y in (r.box.top, r.box.bottom - 1)]
    points = np.concatenate([*(part[:, :2] for part in parts), np.array(corners).reshape(-1, 2)])
    shown = points @ tile.matrix[:, :2].T + tile.matrix[:, 2]
    assert shown.min() > 0.04 * SIZE and shown.max() < 0.96 * SIZE


@quick
@given(st.floats(-180, 180), st.floats(20, 400))
def test_a_face_stands_upright_in_its_tile(real_face: Face, degrees: float, eye_distance: float) -> None:
    face = move_face(real_face, 2000, 1500, eye_distance, degrees)
    tile = face_tile(face, (3000, 4000, 3), 512)
    marks = face.landmarks
    right, left, lips = (
        tile.matrix[:, :2] @ point[:2] + tile.matrix[:, 2]
        for point in (marks.right_eye.outer_corner, marks.left_eye.outer_corner, marks.lips.mean(axis=0))
    )
    assert abs(right[1] - left[1]) < 0.5 and right[0] < left[0] and lips[1] > left[1]
    if 512 / tile.scale > 128.5:  # not held back by the largest magnification
        share = (left[0] - right[0]) / 512
        # A face that is turned aside in space is shown as large as it is, not as wide.
        assert 0.8 * EYE_DISTANCE_SHARE < share <= EYE_DISTANCE_SHARE + 1e-3


def test_a_tile_moves_away_from_the_edge_of_the_photo(real_face: Face) -> None:
    face = move_face(real_face, 300, 90, 100, 0)
    tile = face_tile(face, (1000, 600), 512)
    middle = face_tile(move_face(real_face, 500, 500, 100, 0), (1000, 1000), 512)
    assert tile.bounds.top > 90 - 500 + middle.bounds.top
    assert tile.bounds.width == pytest.approx(middle.bounds.width, abs=2)


@pytest.mark.parametrize("size", [0, -8, 100, 511])
def test_the_size_of_a_tile_is_a_multiple_of_8(real_face: Face, size: int) -> None:
    with pytest.raises(ValueError, match="multiple of 8"):
        face_tile(real_face, (100, 100), size)


@pytest.mark.parametrize(
    ("matrix", "scale"),
    [
        (np.eye(2, 3), 1.0),  # float64
        (np.eye(3, dtype=np.float32), 1.0),
        (np.eye(2, 3, dtype=np.float32), 2.0),
        (np.array([[1, 0, 0], [0, 2, 0]], np.float32), 1.0),
        (np.array([[1, 0, np.nan], [0, 1, 0]], np.float32), 1.0),
        (np.array([[1, 0, 0], [0, -1, 0]], np.float32), 1.0),
    ],
)
def test_a_tile_is_a_turned_and_scaled_window(matrix: Alpha, scale: float) -> None:
    with pytest.raises(ValueError, match="matri"):
        FaceTile(matrix, 64, scale)


# ---- what goes back --------------------------------------------------------------------------------------


@quick
@given(placed_faces(), seeds)
def test_a_generator_that_changes_nothing_leaves_the_photo_as_it_was(
    real_face: Face, where: tuple[tuple[int, int], tuple[float, float, float, float]], seed: int
) -> None:
    shape, place = where
    photo = make_photo(shape, seed)
    face = move_face(real_face, *place)
    regions = draw_regions(face, shape)
    tile = face_tile(face, shape, SIZE, regions)
    out = photo.copy()
    shown = cut_tile(photo, tile)
    assert shown.shape == (SIZE, SIZE, 3) and shown.dtype == np.uint8
    blend_tiles(out, (tile,), (shown,), (shown.copy(),), regions)
    assert np.array_equal(out, photo)


@quick
@given(placed_faces(), seeds)
def test_bytes_outside_the_regions_stay(
    real_face: Face, where: tuple[tuple[int, int], tuple[float, float, float, float]], seed: int
) -> None:
    shape, place = where
    photo = make_photo(shape, seed)
    face = move_face(real_face, *place)
    regions = draw_regions(face, shape)
    tile = face_tile(face, shape, SIZE, regions)
    tiles = detail_tiles(tile, face, shape, SIZE, 32, regions)
    boxes = grid_tiles(shape, SIZE, 64, regions, 0.7)
    for group in ((tile,), tiles, tuple(upright_tile(box, SIZE, 0.7) for box in boxes)):
        out = photo.copy()
        before = [cut_tile(photo, one) for one in group]
        blend_tiles(out, group, before, [invert(one) for one in before], regions)
        outside = np.ones(shape, bool)
        for region in regions:
            outside[region.box.slices] &= region.alpha == 0
        assert np.array_equal(out[outside], photo[outside])


@pytest.mark.parametrize("shape", SHAPES)
def test_bytes_outside_the_regions_stay_at_every_size_of_photo(real_face: Face, shape: tuple[int, int]) -> None:
    photo = make_photo(shape, 1)
    for x, y in ((0.5, 0.5), (1.0, 0.0)):
        face = move_face(real_face, x * shape[1], y * shape[0], 0.3 * min(shape), 20)
        regions = draw_regions(face, shape)
        tile = face_tile(face, shape, 512, regions)
        out = photo.copy()
        before = cut_tile(photo, tile)
        blend_tiles(out, (tile,), (before,), (invert(before),), regions)
        changed = (out != photo).any(axis=2)
        assert changed.any()
        for region in regions:
            changed[region.box.slices] &= region.alpha == 0
        assert not changed.any()


@quick
@given(placed_faces(), st.integers(-60, 60))
def test_a_constant_change_arrives_as_it_is(
    real_face: Face, where: tuple[tuple[int, int], tuple[float, float, float, float]], change: int
) -> None:
    shape, place = where
    photo = np.full((*shape, 3), 100, np.uint8)
    face = move_face(real_face, *place)
    regions = draw_regions(face, shape)
    tile = face_tile(face, shape, SIZE, regions)
    grid = tuple(upright_tile(box, SIZE) for box in grid_tiles(shape, SIZE, 50, regions))
    for tiles in ((tile,), detail_tiles(tile, face, shape, SIZE, 32, regions), grid):
        if not tiles:
            continue
        before = [cut_tile(photo, one) for one in tiles]
        assert all((one == 100).all() for one in before)
        out = photo.copy()
        blend_tiles(out, tiles, before, [one + np.uint8(change % 256) for one in before], regions)
        for region in regions:
            assert (out[region.box.slices][region.alpha > 0] == 100 + change).all()


@pytest.mark.parametrize("eye_distance", [30, 60, 150, 600])
def test_a_change_arrives_where_it_was_made(real_face: Face, eye_distance: float) -> None:
    """A spot painted at the middle of an eye in the tile appears there in the photo, whatever the scale."""
    face = move_face(real_face, 1000.3, 900.7, eye_distance, 17)
    photo = np.full((1800, 2000, 3), 80, np.uint8)
    whole = Region(Box(0, 0, 2000, 1800), np.ones((1800, 2000), np.float32))
    tile = face_tile(face, photo.shape, 512)
    before = cut_tile(photo, tile)
    target = face.landmarks.left_eye.outer_corner[:2].astype(np.float64)
    x, y = tile.matrix[:, :2].astype(np.float64) @ target + tile.matrix[:, 2]
    rows, columns = np.mgrid[:512, :512]
    spot = 100 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 12**2))
    out = photo.copy()
    blend_tiles(out, (tile,), (before,), ((before + spot[..., None]).astype(np.uint8),), whole)
    change = out[..., 0].astype(np.float64) - 80
    assert change.max() > 85
    rows, columns = np.mgrid[:1800, :2000]
    found = (change * columns).sum() / change.sum(), (change * rows).sum() / change.sum()
    assert found == pytest.approx(tuple(target), abs=0.15)


def test_what_is_cut_and_put_back_is_what_was_there(sample: LoadPhoto, real_face: Face) -> None:
    """The draft's tile pasted onto a photo without the draft brings the draft back."""
    photo = sample("image_1.jpg")
    tile = face_tile(real_face, photo.shape, 512)
    marked = photo.copy()
    (box,) = [r.box for r in draw_regions(real_face, photo.shape)][2:]
    y, x = np.mgrid[: box.height, : box.width]
    bump = 40 * np.sin(np.pi * (y + 0.5) / box.height) * np.sin(np.pi * (x + 0.5) / box.width)
    marked[box.slices] = np.clip(marked[box.slices] + bump[..., None], 0, 255).astype(np.uint8)
    region = Region(box, np.ones((box.height, box.width), np.float32))
    out = photo.copy()
    blend_tiles(out, (tile,), (cut_tile(photo, tile),), (cut_tile(marked, tile),), region)
    miss = np.abs(out[box.slices].astype(int) - marked[box.slices].astype(int))
    assert miss.mean() < 1.0


def test_two_regions_over_each_other_change_once() -> None:
    photo = np.full((64, 64, 3), 100, np.uint8)
    tile = upright_tile(Box(0, 0, 64, 64), 64)
    before = cut_tile(photo, tile)
    regions = [
        Region(Box(10, 10, 40, 40), np.ones((30, 30), np.float32)),
        Region(Box(30, 30, 60, 60), np.ones((30, 30), np.float32)),
    ]
    out = photo.copy()
    blend_tiles(out, (tile,), (before,), (before + np.uint8(20),), regions)
    assert set(np.unique(out)) == {100, 120}


def test_tiles_that_do_not_fit_are_refused() -> None:
    tile = upright_tile(Box(0, 0, 64, 64), 64)
    out = np.zeros((64, 64, 3), np.uint8)
    region = Region(Box(0, 0, 64, 64), np.ones((64, 64), np.float32))
    good, bad = np.zeros((64, 64, 3), np.uint8), np.zeros((32, 64, 3), np.uint8)
    with pytest.raises(ValueError, match="do not fit"):
        blend_tiles(out, (tile,), (good,), (bad,), region)
    with pytest.raises(ValueError, match="belong together"):
        blend_tiles(out, (tile,), (good, good), (good,), region)


def test_memory_does_not_grow_with_the_photo(real_face: Face) -> None:
    photo = np.zeros((4000, 6000, 3), np.uint8)
    face = move_face(real_face, 3000, 2000, 900, 10)
    regions = draw_regions(face, photo.shape)
    tracemalloc.start()
    try:
        tile = face_tile(face, photo.shape, 512, regions)
        for tiles in ((tile,), detail_tiles(tile, face, photo.shape, 512, 128, regions)):
            before = [cut_tile(photo, one) for one in tiles]
            blend_tiles(photo, tiles, before, [one + np.uint8(9) for one in before], regions)
        peak_mb = tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()
    assert photo.any()
    assert peak_mb < 100


# ---- cutting ---------------------------------------------------------------------------------------------


@quick
@given(shapes, st.data(), seeds)
def test_an_upright_tile_of_full_size_shows_the_very_pixels(
    shape: tuple[int, int], data: st.DataObject, seed: int
) -> None:
    photo = make_photo(shape, seed)
    box = data.draw(placed_boxes(shape))
    shown = cut_tile(photo, upright_tile(box, SIZE))
    rows = np.clip(np.arange(box.top, box.top + SIZE), 0, shape[0] - 1)
    columns = np.clip(np.arange(box.left, box.left + SIZE), 0, shape[1] - 1)
    assert np.array_equal(shown, photo[rows][:, columns])


def test_a_tile_wholly_outside_shows_the_nearest_pixel() -> None:
    photo = make_photo((40, 50), 3)
    assert (cut_tile(photo, upright_tile(Box(5000, -900, 5001, -899), 64)) == photo[0, -1]).all()


def test_shrinking_averages() -> None:
    """Stripes of one pixel turn grey: they do not survive as coarse stripes."""
    photo = np.zeros((2000, 2000, 3), np.uint8)
    photo[:, ::2] = 255
    shown = cut_tile(photo, upright_tile(Box(0, 0, 1, 1), 256, 0.137))
    assert shown[8:-8, 8:-8].min() > 90 and shown[8:-8, 8:-8].max() < 165


@quick
@given(placed_faces(), st.data())
def test_not_one_pixel_of_a_mask_is_lost(
    real_face: Face, where: tuple[tuple[int, int], tuple[float, float, float, float]], data: st.DataObject
) -> None:
    shape, place = where
    face = move_face(real_face, *place)
    box = data.draw(placed_boxes(shape))
    alpha = np.zeros((box.height, box.width), np.float32)
    row, column = data.draw(st.integers(0, box.height - 1)), data.draw(st.integers(0, box.width - 1))
    alpha[row, column] = 1.0
    region = Region(box, alpha)
    tile = face_tile(face, shape, SIZE, [region])
    shown = cut_alpha(region, tile)
    assert shown.shape == (SIZE, SIZE) and shown.dtype == np.float32
    assert shown.min() >= 0 and shown.max() <= 1
    assert shown.any()
    x, y = tile.matrix[:, :2] @ (box.left + column, box.top + row) + tile.matrix[:, 2]
    assert snap_mask(shown)[round(float(y)), round(float(x))] == 255


# ---- masks -----------------------------------------------------------------------------------------------


@quick
@given(hnp.arrays(np.bool_, (64, 80), elements=st.booleans(), fill=st.just(False)))
def test_a_snapped_mask_covers_every_cell_and_those_around(spots: Mask) -> None:
    mask = snap_mask(spots.astype(np.float32) * np.float32(1e-3))
    assert mask.shape == spots.shape and mask.dtype == np.uint8 and set(np.unique(mask)) <= {0, 255}
    expected = np.zeros((8, 10), bool)
    for row, column in zip(*np.nonzero(spots), strict=True):
        cell = row // 8, column // 8
        expected[max(cell[0] - 1, 0) : cell[0] + 2, max(cell[1] - 1, 0) : cell[1] + 2] = True
    assert np.array_equal(mask > 0, expected.repeat(8, 0).repeat(8, 1))


def test_a_mask_off_the_grid_is_refused() -> None:
    with pytest.raises(ValueError, match="grid of 8 px"):
        snap_mask(np.zeros((60, 64), np.float32))


# ---- grids and weights -----------------------------------------------------------------------------------


@quick
@given(st.data())
def test_weights_sum_to_one_wherever_a_box_is(data: st.DataObject) -> None:
    shape = data.draw(shapes)
    boxes = data.draw(st.lists(placed_boxes(shape), min_size=1, max_size=8))
    total = np.zeros(shape, np.float32)
    covered = np.zeros(shape, bool)
    for box, weight in zip(boxes, blend_weights(boxes, shape), strict=True):
        assert weight.shape == (box.height, box.width) and weight.dtype == np.float32
        assert weight.min() > 0 and weight.max() <= 1 + 1e-6
        total[box.slices] += weight
        covered[box.slices] = True
    assert np.allclose(total[covered], 1, atol=1e-5)
    assert not total[~covered].any()


def test_a_box_over_the_canvas_has_no_weights() -> None:
    with pytest.raises(ValueError, match="reaches over"):
        blend_weights([Box(0, 0, 10, 10)], (8, 20))


@quick
@given(shapes, st.integers(1, 100), st.data(), st.floats(0.2, 2))
def test_a_grid_covers_the_photo(shape: tuple[int, int], size: int, data: st.DataObject, scale: float) -> None:
    overlap = data.draw(st.integers(0, size // 2))
    if size - overlap < 8:
        overlap, size = 0, size + 8
    boxes = grid_tiles(shape, size, overlap, scale=scale)
    width, height = scale_size(shape[1], shape[0], scale)
    covered = np.zeros((height, width), bool)
    for box in boxes:
        assert box.left >= 0 and box.top >= 0 and box.right <= width and box.bottom <= height
        assert (box.width, box.height) == (min(size, width), min(size, height))
        covered[box.slices] = True
    assert covered.all()
    assert len(set(boxes)) == len(boxes)
    total = np.zeros((height, width), np.float32)
    for box, weight in zip(boxes, blend_weights(boxes, (height, width)), strict=True):
        total[box.slices] += weight
    assert np.allclose(total, 1, atol=1e-5)


@quick
@given(shapes, st.data())
def test_only_boxes_that_touch_a_mask_are_taken(shape: tuple[int, int], data: st.DataObject) -> None:
    box = data.draw(placed_boxes(shape))
    alpha = np.zeros((box.height, box.width), np.float32)
    alpha[data.draw(st.integers(0, box.height - 1)), data.draw(st.integers(0, box.width - 1))] = 0.1
    mask = np.zeros(shape, np.float32)
    mask[box.slices] = alpha
    taken = grid_tiles(shape, 64, 32, [Region(box, alpha)])
    assert taken == tuple(one for one in grid_tiles(shape, 64, 32) if mask[one.slices].any())
    assert taken


def test_the_reference_scheme_on_a_photo_of_1024_px() -> None:
    boxes = grid_tiles((1024, 768, 3), 512, 256)
    assert [(box.left, box.top) for box in boxes] == [(x, y) for y in (0, 256, 512) for x in (0, 256)]


@pytest.mark.parametrize("overlap", [-1, 64, 65])
def test_an_overlap_leaves_a_step(overlap: int, real_face: Face) -> None:
    with pytest.raises(ValueError, match="overlap"):
        grid_tiles((100, 100), 64, overlap)
    with pytest.raises(ValueError, match="overlap"):
        detail_tiles(face_tile(real_face, (100, 100), 64), real_face, (100, 100), 64, overlap)


# ---- detail tiles ----------------------------------------------------------------------------------------


@quick
@given(st.floats(-180, 180), st.floats(10, 3000), st.sampled_from([0, 16, 32, 64]))
def test_detail_tiles_show_a_large_face_larger(
    real_face: Face, degrees: float, eye_distance: float, overlap: int
) -> None:
    shape = (4000, 6000)
    face = move_face(real_face, 3100, 1900, eye_distance, degrees)
    tile = face_tile(face, shape, SIZE)
    tiles = detail_tiles(tile, face, shape, SIZE, overlap)
    if tile.scale * MOST_SHRUNK >= 1:
        assert not tiles
        return
    assert len(tiles) <= MOST_DETAIL_TILES
    if not tiles:
        return
    assert tiles[0].scale >= tile.scale * MOST_SHRUNK and tiles[0].scale <= 1
    boxes, canvas = place_tiles(tiles)
    total = np.zeros(canvas, np.float32)
    for box, weight in zip(boxes, blend_weights(boxes, canvas), strict=True):
        total[box.slices] += weight
    assert np.allclose(total, 1, atol=1e-5)
    marks = face.landmarks
    for part in (marks.right_eye.upper, marks.left_eye.lower, marks.lips):
        for point in part[:, :2]:
            spots = [one.matrix[:, :2] @ point + one.matrix[:, 2] for one in tiles]
            assert any(spot.min() >= -0.5 and spot.max() <= SIZE - 0.5 for spot in spots)


def test_detail_tiles_that_touch_no_region_are_left_out(real_face: Face) -> None:
    shape = (4000, 6000)
    face = move_face(real_face, 3100, 1900, 260, 0)
    tile = face_tile(face, shape, SIZE)
    corners = [Region(Box(x, x, x + 9, x + 9), np.ones((9, 9), np.float32)) for x in (2000, 2260)]
    whole = Region(Box(2000, 2000, 2269, 2269), np.ones((269, 269), np.float32))
    every = detail_tiles(tile, face, shape, SIZE, 16, [whole])
    some = detail_tiles(tile, face, shape, SIZE, 16, corners)
    assert 1 < len(some) < len(every)
    for box in (corners[0].box, corners[1].box):
        shown = [one.matrix[:, :2] @ box.center + one.matrix[:, 2] for one in some]
        assert any(spot.min() > 8 and spot.max() < SIZE - 8 for spot in shown)


def test_tiles_off_one_grid_have_no_canvas(real_face: Face) -> None:
    one, other = upright_tile(Box(0, 0, 64, 64), 64), upright_tile(Box(0, 0, 64, 64), 64, 0.5)
    with pytest.raises(ValueError, match="differently"):
        place_tiles([one, other])
    shifted = FaceTile(one.matrix + np.array([[0, 0, 0.4], [0, 0, 0]], np.float32), 64, 1.0)
    with pytest.raises(ValueError, match="common grid"):
        place_tiles([one, shifted])
    with pytest.raises(ValueError, match="no tile"):
        place_tiles([])


# ---- colour ----------------------------------------------------------------------------------------------


def make_tile_with_mask(seed: int) -> tuple[Pixels, Alpha]:
    noise = np.random.default_rng(seed).normal(128, 90, (256, 256, 3)).astype(np.float32)
    tile = np.clip(cv2.GaussianBlur(noise, (0, 0), 3) * 2 - 128, 40, 215).astype(np.uint8)
    alpha = np.zeros((256, 256), np.float32)
    alpha[110:150, 70:120] = alpha[110:150, 150:190] = 1
    return tile, alpha


@pytest.mark.parametrize("seed", range(4))
def test_drift_in_colour_is_undone(seed: int) -> None:
    before, alpha = make_tile_with_mask(seed)
    random = np.random.default_rng(seed)
    y, x = np.mgrid[-1:1:256j, -1:1:256j]
    drifted = before.astype(np.float64)
    for channel in range(3):
        gain, offset = random.uniform(0.95, 1.05), random.uniform(-5, 5)
        slope = random.uniform(-4, 4, 2)
        drifted[..., channel] = gain * drifted[..., channel] + offset + slope[0] * x + slope[1] * y
    after = np.clip(np.rint(drifted), 0, 255).astype(np.uint8)
    # Inside the mask something new was painted, and a lock of hair moved across the ring.
    after[alpha > 0] = (after[alpha > 0] * 0.5).astype(np.uint8)
    wanted = before.copy()
    wanted[alpha > 0] = (before[alpha > 0] * 0.5).astype(np.uint8)
    after[90:100, 60:90] = 20
    matched = match_ring(before, after, alpha)
    miss = np.abs(matched.astype(float) - wanted)
    assert matched.dtype == np.uint8
    assert miss[alpha > 0].mean() < 3.5
    outside = (alpha == 0) & (after[..., 0] != 20)
    assert miss[outside].mean() < 1.0


@quick
@given(seeds)
def test_a_tile_without_drift_stays_as_it_is(seed: int) -> None:
    before, alpha = make_tile_with_mask(seed)
    assert np.array_equal(match_ring(before, before, alpha), before)


def test_a_gain_is_bounded() -> None:
    before, alpha = make_tile_with_mask(9)
    flat = np.rint((before.astype(np.float64) - 128) * 0.4 + 128).astype(np.uint8)
    matched = match_ring(before, flat, alpha).astype(np.float64)
    assert matched.std() / flat.std() < 1 / 0.85 + 0.05


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_without_a_ring_nothing_is_matched(value: float) -> None:
    before, _ = make_tile_with_mask(2)
    after = (before // 2).astype(np.uint8)
    assert np.array_equal(match_ring(before, after, np.full((256, 256), value, np.float32)), after)
