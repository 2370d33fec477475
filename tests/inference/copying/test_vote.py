import numpy as np
import pytest

from napari_inpaint.inference.copying.search import Grid
from napari_inpaint.inference.copying.vote import TRUST, vote, weigh


def test_patches_that_agree_copy_exactly_and_known_pixels_stay():
    image = np.random.default_rng(0).random((40, 50, 2), np.float32)
    grid, hole = Grid(40, 50), np.zeros((40, 50), bool)
    hole[15:20, 10:16] = True
    table = grid.to_table(image)
    y, x = (index.ravel() for index in np.mgrid[12:23, 7:19])  # all patches that touch the hole
    vote(table, grid, grid.index(y, x), grid.index(y, x + 20), np.ones(len(y), np.float32), grid.to_flags(hole))
    expected = image.copy()
    expected[15:20, 10:16] = image[15:20, 30:36]
    np.testing.assert_allclose(grid.to_image(table), expected, atol=1e-6)


def test_patches_near_the_rim_and_those_that_fit_count_more():
    depth, distances = np.array([0, 1, 2], np.float32), np.array([0, 0, 0], np.float32)
    np.testing.assert_allclose(weigh(depth, distances, 10), [1, 1 / TRUST, 1 / TRUST**2], rtol=1e-5)
    fitting, other = weigh(np.zeros(2, np.float32), np.array([0, 2 * 0.05**2 * 147], np.float32), 147)
    assert other / fitting == pytest.approx(np.exp(-1), rel=1e-4)
