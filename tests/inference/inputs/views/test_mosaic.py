"""Colour filter arrays: the colours are not mixed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_inpaint import Inpainter

SHAPE = (96, 120)


@settings(max_examples=20)
@given(st.sampled_from([(2, 2), (1, 2), (3, 4), (6, 6)]), st.sampled_from(["u1", "<u2", ">i8", "f4"]),
       st.sampled_from(["copied", "network", "smooth"]), st.integers(0, 2**32 - 1))  # fmt: skip
def test_constant_colours_come_back_exactly(cell, dtype, detail, seed):
    rng = np.random.default_rng(seed)
    colours = rng.integers(0, 120, cell).astype(dtype)
    image = np.tile(colours, (SHAPE[0] // cell[0], SHAPE[1] // cell[1]))
    mask = rng.random(SHAPE) > 0.99
    mask[:, 31] = mask[40:70, 50:77] = True
    filled = Inpainter("compact", device="cpu").fill(np.where(mask, 99, image), mask, mosaic=cell, detail=detail)
    np.testing.assert_array_equal(filled, image)


@settings(max_examples=10)
@given(st.integers(0, 2**32 - 1), st.integers(0, 2))
def test_only_pixels_of_holes_change_and_not_their_cells(seed, grow):
    rng = np.random.default_rng(seed)
    image, mask = rng.integers(0, 4096, SHAPE).astype(np.uint16), rng.random(SHAPE) > 0.995
    inpainter = Inpainter("compact", device="cpu")
    filled = inpainter.fill(image, mask, mosaic=(2, 2), grow=grow)
    grown = np.zeros(SHAPE, bool)
    for y, x in zip(*np.nonzero(mask), strict=True):
        grown[max(0, y - grow) : y + grow + 1, max(0, x - grow) : x + grow + 1] = True
    np.testing.assert_array_equal(filled[~grown], image[~grown])
    assert inpainter.last_record["filled_pixels"] == np.count_nonzero(grown)


def test_a_hot_column_continues_its_own_colours(inpainter):
    """Every colour has its own slope: neighbours of other colours would be far off."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    image = (200 + 3 * x + y + 1000 * (x % 2) + 500 * (y % 2)).astype(np.uint16)
    mask = np.zeros(SHAPE, bool)
    mask[:, 41] = True
    filled = inpainter.fill(np.where(mask, 65535, image), mask, mosaic=(2, 2))
    assert np.abs(filled.astype(int) - image).max() <= 2


def test_a_cell_with_a_value_that_stands_for_none_is_not_known(inpainter):
    image = np.full(SHAPE, 100, np.int16)
    image[10:60, 38] = -1
    filled = inpainter.fill(image, boxes=[(20, 40, 40, 60)], mosaic=(2, 2), nodata=-1)
    assert (filled[20:40, 40:60] == 100).all()
    assert (filled[10:60, 38] == -1).all()


def test_parts_of_cells_are_refused(inpainter):
    with pytest.raises(ValueError, match="cut it to 96 x 118"):
        inpainter.fill(np.zeros((97, 119)), boxes=[(4, 4, 9, 9)], mosaic=(2, 2))


def test_stacks_share_holes_and_lazy_ones_are_filled_the_same(inpainter):
    da = pytest.importorskip("dask.array")
    image = np.random.default_rng(0).integers(0, 4096, (2, *SHAPE)).astype(np.uint16)
    filled = inpainter.fill(image, boxes=[(21, 40, 40, 61)], mosaic=(2, 2))
    for plane in (0, 1):
        alone = inpainter.fill(image[plane], boxes=[(21, 40, 40, 61)], mosaic=(2, 2))
        np.testing.assert_array_equal(filled[plane], alone)
    lazy = inpainter.fill(da.from_array(image, chunks=50), boxes=[(21, 40, 40, 61)], mosaic=(2, 2))
    np.testing.assert_array_equal(lazy.compute(), filled)
