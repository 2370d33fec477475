"""What holes are copied from."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_inpaint.inference.copying.offsets import find_copies
from napari_inpaint.inference.copying.pyramid import RADIUS

Y, X = np.mgrid[:120, :130]


def copied(image, hole, offsets):
    filled, (y, x) = image.copy(), np.nonzero(hole)
    filled[y, x] = image[y + offsets[0], x + offsets[1]]
    return filled


def square(side, y=40, x=45):
    hole = np.zeros(Y.shape, bool)
    hole[y : y + side, x : x + side] = True
    return hole


@pytest.mark.parametrize("side", [4, 12, 40])
def test_a_pattern_is_continued_from_a_blurred_guide(side):
    tiles = np.random.default_rng(0).random((12, 15, 3), np.float32)[np.arange(120) % 12][:, np.arange(130) % 15]
    hole = square(side)
    guide = np.where(hole[..., None], ndimage.gaussian_filter(tiles, (2, 2, 0)), tiles)
    copies = find_copies(guide, hole, hole, side)
    assert copies.shares is None
    wrong = (copied(tiles, hole, copies.offsets) != tiles).any(-1)
    assert wrong.mean() < 0.1 * hole.mean()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 999), st.integers(1, 60), st.floats(0, 0.003))
def test_only_known_pixels_are_copied(seed, side, share):
    rng = np.random.default_rng(seed)
    image = rng.random((120, 130, 1), np.float32)
    hole = square(side, int(rng.integers(0, 121 - side)), int(rng.integers(0, 131 - side)))
    unknown = hole | (rng.random(hole.shape) < share)
    copies = find_copies(image, hole, unknown, side)
    if copies is None:
        assert not (~ndimage.maximum_filter(unknown, 2 * RADIUS + 1, mode="constant", cval=True)).any()
        return
    y, x = np.nonzero(hole)
    from_y, from_x = y + copies.offsets[0], x + copies.offsets[1]
    assert min(from_y.min(), from_x.min()) >= RADIUS
    assert from_y.max() < 120 - RADIUS
    assert from_x.max() < 130 - RADIUS
    assert not ndimage.maximum_filter(unknown, 2 * RADIUS + 1)[from_y, from_x].any()


def test_threads_do_not_matter(photo):
    image, hole = photo[100:220, 200:330].astype(np.float32) / 255, square(50)
    alone = find_copies(image, hole, hole, 50)
    with ThreadPoolExecutor(2) as pool:
        np.testing.assert_array_equal(find_copies(image, hole, hole, 50, pool.map).offsets, alone.offsets)


def test_what_nothing_known_is_like_is_not_copied():
    """A smooth hill, whose top is hidden, in a plain with a little grain."""
    grain = np.random.default_rng(0).normal(0.2, 0.01, (120, 130)).astype(np.float32)
    hill = np.exp(-((Y - 60) ** 2 + (X - 65) ** 2) / 300).astype(np.float32)
    hole = square(40)
    copies = find_copies((grain + hill)[..., None], hole, hole, 40)
    shares = np.full(hole.shape, 255)
    shares[hole] = copies.shares
    assert shares[60, 65] == 0
    plain = find_copies(grain[..., None], hole, hole, 40)
    assert plain.shares is None


def test_nothing_known_nothing_copied():
    everything = np.ones((30, 40), bool)
    everything[0, 0] = False
    assert find_copies(np.zeros((30, 40, 1), np.float32), everything, everything, 30) is None
