import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from napari_inpaint.inference.copying.pyramid import (
    LEAST_LEVELS,
    RADIUS,
    SIDE,
    TOP,
    build_levels,
    count_levels,
    halve,
)


@given(st.integers(1, 2000))
def test_the_hole_is_small_at_the_top_and_there_are_some_levels_at_least(size):
    count = count_levels(size)
    assert count >= LEAST_LEVELS
    assert size / 2 ** (count - 1) <= TOP
    assert count == LEAST_LEVELS or size / 2 ** (count - 2) > TOP


@given(st.integers(0, 99), st.floats(0, 0.02))
def test_sources_are_wholly_known_patches_at_every_level(seed, share):
    rng = np.random.default_rng(seed)
    image, hole = rng.random((90, 101, 2), np.float32), np.zeros((90, 101), bool)
    hole[30:60, 40:70] = True
    unknown = hole | (rng.random(hole.shape) < share)
    for level, factor in zip(build_levels(image, hole, unknown, 3), (1, 2, 4), strict=False):
        y, x = np.nonzero(level.sources)
        assert y.min() >= RADIUS
        assert x.min() >= RADIUS
        for row, column in zip(y[::37], x[::37], strict=True):
            top, left = (row - RADIUS) * factor, (column - RADIUS) * factor
            assert not unknown[top : top + SIDE * factor, left : left + SIDE * factor].any()
        np.testing.assert_array_equal(level.hole, hole[: 90 // factor * factor, : 101 // factor * factor]
                                      .reshape(90 // factor, factor, 101 // factor, factor).any((1, 3)))  # fmt: skip


def test_halving_averages():
    image = np.arange(35, dtype=np.float32).reshape(5, 7, 1)
    np.testing.assert_array_equal(halve(image)[..., 0], [[4, 6, 8], [18, 20, 22]])
