"""Smaller levels show fills where they lie."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_inpaint.inference.inputs.boxes import Box
from napari_inpaint.inference.inputs.planes import Planes
from napari_inpaint.inference.windows.patches import Patch, fill_in_place
from napari_inpaint.inference.windows.pyramid import average_blocks, find_ratio, patch_level, pick_pixels


@pytest.mark.parametrize(
    ("larger", "smaller", "ratio"),
    [(300, 150, 2), (301, 150, 2), (301, 151, 2), (1001, 501, 2), (300, 100, 3), (300, 200, 1.5), (5, 5, 1), (7, 1, 7)],
)
def test_ratios(larger, smaller, ratio):
    assert find_ratio(larger, smaller) == ratio


@given(st.integers(20, 90), st.sampled_from([1, 2, 3, 4, 1.5, 2.5, 1.25]), st.data())
def test_only_what_shows_the_fill_is_computed_anew(length, ratio, data):
    smaller = max(1, round(length / ratio))
    y0 = data.draw(st.integers(0, length - 2))
    y1 = data.draw(st.integers(y0 + 1, length))
    top, level = np.zeros((length, length)), np.full((smaller, smaller), -1.0)
    top[y0:y1, y0:y1] = 1
    hole = top[y0:y1, y0:y1, None]
    patch = Patch((), Box(y0, y0, y1, y1), slice(0, 1), hole > 0, 0 * hole, hole)
    fill_in_place(Planes(level, None), patch_level(top, level, top.shape, [patch]))
    exact = find_ratio(length, smaller)
    shows = [i for i in range(smaller) if i * exact < y1 and (i + 1) * exact > y0] or [smaller - 1]
    assert np.argwhere(level != -1).min() >= min(shows) - 1e-9
    assert np.argwhere(level != -1).max() <= max(shows)
    assert (level[np.ix_(shows, shows)] >= 0).all()
    assert level.max() > 0


def test_blocks_are_averaged_each_on_its_own():
    array = np.arange(12.0).reshape(3, 4)
    array[0, 0] = np.nan
    expected = [[np.nan, (2 + 3 + 6 + 7) / 4], [8.5, 10.5]]
    np.testing.assert_array_equal(average_blocks(array, (slice(0, 2), slice(0, 2)), [2, 2]), expected)


@given(st.integers(3, 40), st.sampled_from([1, 2, 3, 1.5]), st.integers(0, 2**32 - 1))
def test_pixels_that_are_picked_are_those_of_the_blocks(length, ratio, seed):
    """Labels and angles have no mean."""
    array = np.random.default_rng(seed).integers(0, 2**60, (length, length))
    region = (slice(1, max(2, int(length / ratio))),) * 2
    places = np.floor(np.arange(region[0].start, region[0].stop) * ratio).astype(int).clip(max=length - 1)
    np.testing.assert_array_equal(pick_pixels(array, region, [ratio, ratio]), array[np.ix_(places, places)])
