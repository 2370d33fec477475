from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from napari_inpaint.inference.copying import search
from napari_inpaint.inference.copying.pyramid import RADIUS, SIDE
from napari_inpaint.inference.copying.search import Grid, Nearest, measure, propagate, settle


@pytest.fixture
def noise():
    image = np.random.default_rng(0).random((60, 70, 3), np.float32)
    grid = Grid(60, 70)
    y, x = (index.ravel() for index in np.mgrid[RADIUS : 60 - RADIUS, RADIUS : 70 - RADIUS])
    return image, grid, grid.to_table(image), grid.index(y, x)


def test_a_grid_is_an_image_there_and_back(noise):
    image, grid, table, centres = noise
    np.testing.assert_array_equal(grid.to_image(table), image)
    y, x = grid.place(centres)
    np.testing.assert_array_equal(table[centres], image[y, x])
    np.testing.assert_array_equal(table[centres[5] + grid.patch].reshape(SIDE, SIDE, 3), image[:SIDE, 5 : 5 + SIDE])


def test_distances_are_those_of_the_patches_whatever_the_threads(noise):
    image, grid, table, centres = noise
    sources = np.random.default_rng(1).permutation(centres)
    found = measure(table, grid, centres, sources)
    (y, x), (from_y, from_x) = grid.place(centres[:5]), grid.place(sources[:5])
    for i in range(5):
        one, other = (image[b - RADIUS : b + RADIUS + 1, a - RADIUS : a + RADIUS + 1] for a, b in
                      ((x[i], y[i]), (from_x[i], from_y[i])))  # fmt: skip
        assert found[i] == pytest.approx(np.square(one - other).sum(), rel=1e-5)
    with ThreadPoolExecutor(2) as pool:
        np.testing.assert_array_equal(measure(table, grid, centres, sources, pool.map), found)


def test_the_nearest_patch_of_a_known_one_is_itself_and_threads_do_not_matter(noise):
    _, grid, table, centres = noise
    nearest = Nearest(table, grid, centres)
    found, distances = nearest.find(table, centres)
    np.testing.assert_array_equal(found, centres)
    assert distances.max() == 0
    blurred = table + np.random.default_rng(2).normal(0, 0.1, table.shape).astype(np.float32)
    with ThreadPoolExecutor(2) as pool:
        threaded = Nearest(table, grid, centres, pool.map).find(blurred, centres)
    for one, other in zip(nearest.find(blurred, centres), threaded, strict=True):
        np.testing.assert_array_equal(one, other)


def test_large_levels_are_searched_on_a_grid(noise, monkeypatch):
    _, grid, table, centres = noise
    monkeypatch.setattr(search, "MOST_SOURCES", 100)
    assert len(Nearest(table, grid, centres).sources) <= 100


def test_what_is_usual_is_the_distance_of_others_or_of_lost_detail(noise):
    image, grid, table, centres = noise
    twice = grid.to_table(np.concatenate([image[:30], image[:30]]))  # every patch of one half is in the other too
    assert Nearest(twice, grid, centres).measure_usual(twice, 0.3) == pytest.approx(0, abs=1e-9)
    assert Nearest(table, grid, centres).measure_usual(table, 0.3) > 0.1
    smooth = np.full_like(twice, 0.5)
    lost = Nearest(twice, grid, centres).measure_usual(smooth, 0.3)
    assert 0.1 < lost < SIDE**2 * 3 / 12  # what the lowest frequencies hold of the whole
    assert Nearest(table, grid, centres[:1]).measure_usual(table, 0.3) == 0


def test_what_continues_a_neighbour_is_taken_where_it_is_nearer(noise):
    _, grid, table, centres = noise
    allowed = np.zeros(len(table), bool)
    allowed[centres] = True
    sources = np.random.default_rng(3).permutation(centres)
    sources[1000] = centres[1000]  # one that is right
    distances = measure(table, grid, centres, sources)
    for _ in range(3):
        before = distances
        sources, distances = propagate(table, grid, centres, sources, allowed)
        assert (distances <= before).all()
        assert allowed[sources].all()
        np.testing.assert_array_equal(distances, measure(table, grid, centres, sources))
    right = sources == centres
    assert right.reshape(60 - 2 * RADIUS, -1)[1000 // 64 - 3 : 1000 // 64 + 4].sum() > 25  # it has spread


def test_what_neighbours_agree_on_stays(noise):
    _, grid, table, centres = noise
    allowed = np.zeros(len(table), bool)
    allowed[centres] = True
    sources, distances = settle(table, grid, centres, centres, allowed, 1.0)
    np.testing.assert_array_equal(sources, centres)
    assert (distances == 0).all()


def test_in_an_even_image_a_patch_that_all_copy_is_given_up_for_pieces_that_go_on():
    grid = Grid(40, 80)
    table = grid.to_table(np.full((40, 80, 3), 0.5, np.float32))
    allowed = np.zeros((40, 80), bool)
    allowed[RADIUS:-RADIUS, RADIUS:40] = True
    centres = grid.index(*np.nonzero(np.pad(np.ones((20, 20), bool), [(10, 10), (50, 10)])))
    sources = np.full_like(centres, grid.index(np.array(20), np.array(20)))
    for _ in range(20):
        sources, distances = settle(table, grid, centres, sources, grid.to_flags(allowed), 1e-5)
        assert grid.to_flags(allowed)[sources].all()
    assert (distances == 0).all()
    assert np.bincount(sources).max() < 20  # of 400
    offsets = (sources - centres).reshape(20, 20)
    assert (offsets[:, 1:] == offsets[:, :-1]).mean() > 0.5
