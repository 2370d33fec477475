import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_inpaint.inference.boxes import Box
from napari_inpaint.inference.contract import ModelSpec
from napari_inpaint.inference.plan import hole_size, label_holes, plan_windows

SPEC = ModelSpec(
    name="m", recipe="r", window=64, hole_min=8, hole_max=32, size_multiple=4, minimum_side=68, parameters=10,
    data="photos", licence="CC0-1.0",
)  # fmt: skip


def plan(shape, *boxes):
    mask = np.zeros(shape, bool)
    for y0, x0, y1, x1 in boxes:
        mask[y0:y1, x0:x1] = True
    return mask, plan_windows(label_holes(mask, SPEC), SPEC)


def test_no_hole_no_window():
    assert plan((50, 50))[1] == ()


def test_one_hole_is_in_the_middle_of_a_standard_window():
    _, (window,) = plan((300, 300), (100, 120, 110, 140))
    assert window.crop == Box(73, 98, 137, 162)
    assert window.holes == (Box(100, 120, 110, 140),)
    assert (window.factor, window.size) == (1, (64, 64))


def test_windows_at_the_edge_move_inside():
    _, (window,) = plan((300, 300), (0, 290, 5, 300))
    assert window.crop == Box(0, 236, 64, 300)


def test_a_small_image_is_its_own_window():
    _, (window,) = plan((20, 500), (5, 5, 9, 9))
    assert window.crop == Box(0, 0, 20, 64)


def test_near_holes_share_a_window_and_far_ones_do_not():
    assert len(plan((300, 300), (10, 10, 15, 15), (20, 30, 25, 35))[1]) == 1
    assert len(plan((300, 300), (10, 10, 15, 15), (200, 30, 205, 35))[1]) == 2


def test_a_hole_larger_than_trained_is_scaled_down():
    _, (window,) = plan((1000, 1000), (300, 300, 400, 390))
    assert window.hole_size == 90
    assert window.factor == 3
    assert window.crop.height == 200
    assert window.size == (67, 67)


def test_a_long_scratch_keeps_full_resolution():
    _, windows = plan((1000, 1000), (100, 300, 900, 310))
    assert {window.factor for window in windows} == {1}


def test_a_hole_at_the_edge_is_as_large_as_it_is():
    _, (window,) = plan((1000, 1000), (0, 0, 30, 32))
    assert (window.hole_size, window.factor) == (30, 1)


@pytest.mark.parametrize("boxes", [[(500, 10, 502, 990)], [(10, 10, 990, 12), (10, 10, 12, 990)]])
def test_long_holes_are_divided_so_that_windows_stay_bounded(boxes):
    mask, windows = plan((1000, 1000), *boxes)
    covered = np.zeros_like(mask)
    for window in windows:
        assert max(window.size) <= 2 * SPEC.window
        for hole in window.holes:
            covered[hole.slices] = True
    assert covered[mask].all()


def test_a_wide_band_is_divided_at_its_scale():
    _, windows = plan((200, 3000), (50, 0, 130, 3000))
    assert len(windows) > 3
    assert {window.factor for window in windows} <= {2, 3}
    assert max(max(window.size) for window in windows) <= 2 * SPEC.window


@pytest.mark.parametrize(("shape", "size"), [((10, 4), 4), ((1, 90), 1), ((30, 30), 30)])
def test_hole_size_is_the_largest_square(shape, size):
    assert hole_size(np.ones(shape, bool)) == size
    y, x = np.mgrid[:41, :41]
    assert hole_size(np.abs(y - 20) + np.abs(x - 20) <= 20) == 21
    assert hole_size(np.eye(30, dtype=bool)) == 1


@given(st.integers(1, 90), st.integers(1, 90), st.integers(0, 2**32 - 1), st.floats(0.01, 0.9))
def test_every_hole_is_filled_exactly_once_from_a_window_that_holds_it(height, width, seed, density):
    mask = np.random.default_rng(seed).random((height, width)) < density
    labels = label_holes(mask, SPEC)
    windows = plan_windows(labels, SPEC)
    assert sorted(label for window in windows for label in window.labels) == np.unique(labels[mask]).tolist()
    assert ((labels > 0) == mask).all()
    for window in windows:
        crop = window.crop
        assert crop.clip(height, width) == crop
        for label, box in zip(window.labels, window.holes, strict=True):
            ys, xs = np.nonzero(labels == label)
            assert box == Box(ys.min(), xs.min(), ys.max() + 1, xs.max() + 1)
            assert box.union(crop) == crop
