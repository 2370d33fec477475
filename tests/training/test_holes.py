import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inpaint_training.holes import box_masks, random_box


@given(st.integers(1, 20), st.integers(0, 20), st.integers(0, 10), st.integers(0, 2**32 - 1), st.booleans())
def test_boxes_keep_their_margin_and_size(smallest, extra, margin, seed, square):
    largest = smallest + extra
    height, width = largest + 2 * margin, largest + 2 * margin + 7
    y0, x0, y1, x1 = random_box(height, width, smallest, largest, margin, np.random.default_rng(seed), square)
    assert margin <= y0 < y1 <= height - margin
    assert margin <= x0 < x1 <= width - margin
    assert {y1 - y0, x1 - x0} <= set(range(smallest, largest + 1))
    assert not square or y1 - y0 == x1 - x0


def test_boxes_reach_every_edge():
    masks = box_masks(500, 20, 5, 9, np.random.default_rng(0))
    assert masks.shape == (500, 1, 20, 20)
    assert set(np.unique(masks)) == {0, 1}
    for edge in (masks[..., 0, :], masks[..., -1, :], masks[..., 0], masks[..., -1]):
        assert edge.any()


def test_a_hole_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="a hole of 30 px with margins of 5 px does not fit in 39 x 50"):
        random_box(39, 50, 10, 30, 5, np.random.default_rng(0))
