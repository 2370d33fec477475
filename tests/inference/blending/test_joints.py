"""Where copies meet."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_inpaint.inference.blending.joints import STEP, join

Y, X = np.mgrid[:60, :80]
BOXES = {"inside": np.s_[20:40, 30:50], "at the edge": np.s_[45:60, 30:50], "corner": np.s_[0:18, 0:25],
         "large": np.s_[3:57, 4:62]}  # fmt: skip


def copies_of(image, hole, offsets):
    y, x = np.nonzero(hole)
    return image[:, y + offsets[0], x + offsets[1]]


def offsets_within(hole, rng, parts=3):
    """From every pixel to anywhere inside, the same in vertical stripes."""
    y, x = np.nonzero(hole)
    stripe = x * parts // 80
    return np.stack([rng.integers(1, 59, parts)[stripe] - y, rng.integers(1, 79, parts)[stripe] - x]).astype(np.int32)


@pytest.mark.parametrize("place", BOXES.values(), ids=BOXES)
@pytest.mark.parametrize("ragged", [False, True])
def test_copies_of_a_gentle_slope_become_that_slope(place, ragged):
    image = (0.3 + 0.0005 * Y + 0.0003 * X)[None]
    hole = np.zeros(Y.shape, bool)
    hole[place] = True
    if ragged:
        hole[22:30, 33:37] = False
    y, x = np.nonzero(hole)
    left = x < 40
    offsets = np.stack([np.where(left, 2, -3), np.where(left, 5, -1)]).astype(np.int32)  # they need not be known here
    offsets[0] = np.clip(y + offsets[0], 1, 58) - y
    offsets[1] = np.clip(x + offsets[1], 1, 78) - x
    filled = copies_of(image, hole, offsets) + join(image, hole, hole, offsets)
    np.testing.assert_allclose(filled, image[:, hole], atol=2e-3)


def test_copies_that_fit_do_not_change():
    image = np.random.default_rng(0).random((2, 60, 40))
    image = np.concatenate([image, image], 2)  # 40 pixels to the left all is the same
    hole = np.zeros(Y.shape, bool)
    hole[20:40, 50:70] = True
    offsets = np.zeros((2, hole.sum()), np.int32)
    offsets[1] = -40
    assert np.abs(join(image, hole, hole, offsets)).max() == 0


def test_an_edge_between_copies_of_different_things_stays():
    image = np.where(X < 40, 0.0, 1.0)[None]
    hole = np.zeros(Y.shape, bool)
    hole[20:40, 30:50] = True
    y, x = np.nonzero(hole)
    left = x < 45  # one known edge is at 40: the copies have theirs at 45
    offsets = np.stack([np.where(left, 12 - y, 12 - y), np.where(left, 10 - x, 60 - x)]).astype(np.int32)
    filled = np.zeros(Y.shape)
    filled[hole] = (copies_of(image, hole, offsets) + join(image, hole, hole, offsets))[0]
    assert filled[30, 45] - filled[30, 44] > 0.9


@given(st.integers(0, 99))
def test_corrections_are_in_steps_and_unknown_neighbours_do_not_count(seed):
    rng = np.random.default_rng(seed)
    image = rng.random((1, 60, 80)) * 0.1
    hole = np.zeros(Y.shape, bool)
    hole[20:40, 30:50] = True
    unknown = hole.copy()
    unknown[10:20] = True
    offsets = offsets_within(hole, rng)
    correction = join(image, unknown, hole, offsets)
    np.testing.assert_array_equal(correction, np.rint(correction / STEP) * STEP)
    image[:, 19, 30:50] = 1e6  # right above, but unknown
    keeps_clear = np.abs(np.nonzero(hole)[0] + offsets[0] - 19).min() > 1
    if keeps_clear:
        np.testing.assert_array_equal(join(image, unknown, hole, offsets), correction)
