"""Patches are blended through their soft regions, and nothing else of the photo changes."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from photo.blend import Patch, blend, count_changes, draw_mask, lay
from photo.canvas import Canvas
from photo.types import Box, Pixels, Region
from tests.support.painting import composite

boxes = st.builds(
    lambda x, y, w, h: Box(x, y, x + w, y + h),
    st.integers(0, 8),
    st.integers(0, 8),
    st.integers(1, 4),
    st.integers(1, 4),
)


@st.composite
def regions(draw: st.DrawFn) -> Region:
    box = draw(boxes)
    values = st.sampled_from([0.0, 0.0, 0.25, 0.5, 1.0])
    return Region(box, draw(hnp.arrays(np.float32, (box.height, box.width), elements=values)))


@settings(deadline=None)
@given(st.lists(regions(), max_size=4), st.integers(0, 2**32 - 1))
def test_composite_is_exact_where_no_region_reaches(masks: list[Region], seed: int) -> None:
    random = np.random.default_rng(seed)
    pixels, painted = random.integers(0, 256, (2, 12, 12, 3), np.uint8)
    before = pixels.copy()
    result = composite(pixels, [Patch(region, painted[region.box.slices]) for region in masks])
    assert np.array_equal(pixels, before)
    strongest = np.zeros((12, 12), np.float32)
    for region in masks:
        strongest[region.box.slices] = np.maximum(strongest[region.box.slices], region.alpha)
    assert np.array_equal(result[strongest == 0], pixels[strongest == 0])
    assert np.array_equal(result[strongest == 1], painted[strongest == 1])
    expected = pixels + strongest[..., None] * (painted.astype(np.float32) - pixels)
    assert np.abs(result - expected).max() <= 0.5


@settings(deadline=None)
@given(st.lists(regions(), max_size=5), st.integers(0, 2**32 - 1))
def test_where_patches_overlap_the_last_one_shows_by_the_strongest_alpha(masks: list[Region], seed: int) -> None:
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 256, (12, 12, 3), np.uint8)
    patches = [Patch(region, random.integers(0, 256, (*region.alpha.shape, 3), np.uint8)) for region in masks]
    strongest, shown = np.zeros((12, 12), np.float32), pixels.copy()
    for patch in patches:
        place = patch.region.box.slices
        strongest[place] = np.maximum(strongest[place], patch.region.alpha)
        shown[place] = patch.pixels
    assert np.array_equal(composite(pixels, patches), blend(pixels, shown, strongest))


def test_count_changes_tells_inside_from_outside() -> None:
    before = np.zeros((4, 4, 3), np.uint8)
    after = before.copy()
    after[0, 0], after[3, 3] = 9, 9
    assert count_changes(before, after, [whole(Box(0, 0, 1, 1))]) == (2, 1)


def whole(box: Box, alpha: float = 1.0) -> Region:
    """A region with one alpha all over its box."""
    return Region(box, np.full((box.height, box.width), alpha, np.float32))


def flat(box: Box, level: int) -> Pixels:
    return np.full((box.height, box.width, 3), level, np.uint8)


def test_without_a_patch_the_photo_stays_as_it_is() -> None:
    pixels = flat(Box(0, 0, 9, 9), 50)
    np.testing.assert_array_equal(composite(pixels, []), pixels)


def test_of_two_patches_over_each_other_the_later_shows_by_the_stronger_alpha() -> None:
    one, other = Box(0, 0, 6, 6), Box(4, 0, 10, 6)
    pixels = flat(Box(0, 0, 12, 6), 100)
    patches = [Patch(whole(one), flat(one, 200)), Patch(whole(other, 0.5), flat(other, 0))]
    result = composite(pixels, patches)
    assert (result[:, :4] == 200).all()
    assert (result[:, 4:6] == 0).all()  # the later patch, by the first one's alpha
    assert (result[:, 6:10] == 50).all()
    assert (result[:, 10:] == 100).all()


def test_patches_that_are_laid_on_a_canvas_can_be_taken_back() -> None:
    box = Box(2, 1, 5, 4)
    pixels = flat(Box(0, 0, 8, 8), 100)
    pixels.setflags(write=False)
    canvas = Canvas(pixels)
    lay(canvas, [Patch(whole(box), flat(box, 7))])
    assert (canvas.work[box.slices] == 7).all() and np.count_nonzero(canvas.work != pixels) == 27
    # Laid on what lies there already, and not on the photo.
    lay(canvas, [Patch(whole(box, 0.5), flat(box, 17))])
    assert (canvas.work[box.slices] == 12).all()
    canvas.restore()
    assert np.array_equal(canvas.work, pixels)


@given(hnp.arrays(np.uint8, (2, 5, 4, 3)), st.sampled_from([0.0, 0.25, 0.5, 1.0]))
def test_a_blend_lies_between_both_pictures(pictures: Pixels, level: float) -> None:
    before, after = pictures
    blended = blend(before, after, np.full((5, 4), level, np.float32))
    assert blended.dtype == np.uint8
    assert np.array_equal(blended, np.rint(before + level * (after.astype(np.float64) - before)))


# ---- masks as pictures -----------------------------------------------------------------------------------


def test_black_is_where_nothing_is_touched() -> None:
    alpha = np.array([[0, 1e-4, 0.5, 1]], np.float32)
    mask = draw_mask((3, 6, 3), [Region(Box(1, 1, 5, 2), alpha)])
    assert mask.dtype == np.uint8
    assert mask.tolist() == [[0] * 6, [0, 0, 1, 128, 255, 0], [0] * 6]


def test_where_masks_overlap_the_stronger_counts() -> None:
    weak, strong = (np.full((2, 2), value, np.float32) for value in (0.2, 0.8))
    mask = draw_mask((2, 3), [Region(Box(1, 0, 3, 2), strong), Region(Box(0, 0, 2, 2), weak)])
    assert mask.tolist() == [[51, 204, 204]] * 2


def test_without_regions_all_is_black() -> None:
    assert not draw_mask((4, 5), []).any()
