import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from inpaint_training.networks import completion as networks
from napari_inpaint.inference.blending.pullpush import block_mean, pullpush_fill, resize, shrink


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (7, 300), (68, 68), (257, 255), (513, 90)])
@pytest.mark.parametrize("hole", ["none", "all", "half", "specks"])
def test_equals_the_networks_start(shape, hole):
    rng = np.random.default_rng(0)
    image = rng.random((3, *shape), np.float32)
    mask = {"none": np.zeros, "all": np.ones}.get(hole, np.zeros)(shape, bool)
    if hole == "half":
        mask[shape[0] // 2 :] = True
    if hole == "specks":
        mask |= rng.random(shape) < 0.3
    expected = networks.pullpush_fill(torch.from_numpy(image)[None], torch.from_numpy(mask)[None, None])[0]
    np.testing.assert_allclose(pullpush_fill(image, mask), expected.numpy(), atol=2e-5)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1), st.floats(-5, 5))
def test_known_values_stay_and_fills_lie_between_them(height, width, seed, offset):
    rng = np.random.default_rng(seed)
    image = rng.random((2, height, width), np.float32) + np.float32(offset)
    hole = rng.random((height, width)) < 0.7
    hole.flat[0] = False
    filled = pullpush_fill(image, hole)
    np.testing.assert_array_equal(filled[:, ~hole], image[:, ~hole])
    for channel in range(2):
        known = image[channel][~hole]
        assert known.min() - 1e-5 <= filled[channel].min()
        assert filled[channel].max() <= known.max() + 1e-5


def test_without_known_pixels_it_is_grey():
    np.testing.assert_array_equal(pullpush_fill(np.zeros((3, 9, 9), np.float32), np.ones((9, 9), bool)), 0.5)


def test_block_mean_takes_smaller_blocks_at_the_end():
    x = np.arange(5, dtype=np.float32)[None]
    np.testing.assert_array_equal(block_mean(x, 2), [[0.5, 2.5, 4]])


def test_resize_keeps_a_ramp_away_from_the_edges():
    ramp = np.tile(np.arange(8, dtype=np.float32), (4, 1))
    doubled = resize(ramp, 8, 16)
    np.testing.assert_allclose(np.diff(doubled[:, 2:-2], axis=1), 0.5, atol=1e-6)


def test_shrink_averages_known_pixels_only():
    tensor = np.array([[[1, 9], [3, 9], [5, 9]]], np.float32)
    hole = np.array([[False, True], [False, True], [True, True]])
    small, small_hole = shrink(tensor, hole, 2)
    assert small[0, 0, 0] == 2
    np.testing.assert_array_equal(small_hole, [[False], [True]])
