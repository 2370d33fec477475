import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_inpaint.inference.blending.pullpush import resize
from napari_inpaint.inference.inputs.boxes import Box
from napari_inpaint.inference.windows.refining import (
    count_pixels,
    finer_factors,
    refine,
    refine_level,
    tile_weight,
    tiles,
)

WINDOW = 32


@st.composite
def boxes_in_images(draw):
    height, width = draw(st.integers(1, 300)), draw(st.integers(1, 300))
    y0, x0 = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
    return Box(y0, x0, draw(st.integers(y0 + 1, height)), draw(st.integers(x0 + 1, width))), height, width


@given(boxes_in_images())
def test_tiles_cover_the_box_and_are_of_one_size_inside_the_image(case):
    box, height, width = case
    counted, weights = np.zeros((height, width), int), np.zeros((height, width))
    found = tiles(box, height, width, WINDOW)
    assert {(tile.height, tile.width) for tile in found} == {(min(64, height), min(64, width))}
    for tile in found:
        assert tile.clip(height, width) == tile
        counted[tile.slices] += 1
        weights[tile.slices] += tile_weight(tile, height, width, WINDOW // 2)[0]
    assert counted[box.slices].min() >= 1
    # What is copied or painted at a tile's edge counts little, unless the image ends there.
    assert weights[box.slices].min() > 0.24


@given(boxes_in_images())
def test_what_every_tile_agrees_on_comes_out(case):
    box, height, width = case
    mask = np.zeros((1, height, width), np.float32)
    mask[0][box.slices] = 1
    image = np.random.default_rng(0).random((3, height, width), np.float32)
    refined = refine_level(image, mask, box, lambda x, m: x + m, WINDOW)
    np.testing.assert_allclose(refined, image + mask, atol=1e-6)
    assert (refined[:, mask[0] == 0] == image[:, mask[0] == 0]).all()


def test_tiles_that_disagree_leave_no_border():
    """Every tile has a colour of its own: neighbours still differ by no more than a ramp across the overlap."""
    mask = np.zeros((1, 200, 200), np.float32)
    mask[0, 10:190, 10:190] = 1
    colours = itertools.cycle([0.0, 1.0, 0.5])
    refined = refine_level(
        np.zeros((3, 200, 200), np.float32),
        mask,
        Box(10, 10, 190, 190),
        lambda x, m: np.full_like(x, next(colours)),
        WINDOW,
    )
    inside = refined[:, 11:189, 11:189]
    assert inside.max() - inside.min() > 0.5
    for axis in (1, 2):
        assert np.abs(np.diff(inside, axis=axis)).max() < 3 / (WINDOW // 2)


@pytest.mark.parametrize(("factor", "finer"), [(1, []), (2, [1]), (3, [2, 1]), (5, [3, 2, 1]), (8, [4, 2, 1])])
def test_factors(factor, finer):
    assert list(finer_factors(factor)) == finer


def test_levels_start_from_the_enlarged_fill_and_see_what_is_known():
    rng = np.random.default_rng(0)
    full = rng.random((3, 120, 90), np.float32)
    hole = np.zeros((1, 120, 90), np.float32)
    hole[0, 20:90, 12:80] = 1
    seen = []

    def see(factor):
        return full[:, ::factor, ::factor], hole[:, ::factor, ::factor]

    def complete(image, mask):
        seen.append(image.shape[2:])
        return image

    coarse = np.full((3, 30, 23), 0.25, np.float32)
    refined = refine(coarse, 4, Box(20, 12, 90, 80), see, complete, WINDOW)
    assert refined.shape == full.shape
    known = hole[0] == 0
    np.testing.assert_array_equal(refined[:, known], full[:, known])
    middle = resize(resize(coarse, 60, 45, 2), 120, 90, 2)
    np.testing.assert_allclose(refined[:, 55, 45], middle[:, 55, 45], atol=1e-6)
    assert (60, 45) in seen
    assert count_pixels(Box(20, 12, 90, 80), 120, 90, 4, WINDOW) == sum(y * x for y, x in seen)


def test_what_is_known_at_a_lower_resolution_needs_no_refinement():
    image = np.random.default_rng(0).random((3, 40, 50), np.float32)
    nothing = np.zeros((1, 40, 50), np.float32)
    assert (refine_level(image, nothing, Box(0, 0, 10, 10), lambda x, m: 1 / 0, WINDOW) == image).all()


def test_holes_that_others_fill_stay_as_they_are():
    mask = np.zeros((1, 300, 300), np.float32)
    mask[0, 20:60, 20:60] = mask[0, 250:280, 250:280] = 1
    refined = refine_level(np.zeros((3, 300, 300), np.float32), mask, Box(20, 20, 60, 60), lambda x, m: x + m, WINDOW)
    assert (refined[:, 20:60, 20:60] == 1).all()
    assert (refined[:, 250:280, 250:280] == 0).all()
