"""Labels come from the rim, and borders between them go on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from napari_inpaint.inference.blending import labels
from napari_inpaint.inference.blending.labels import CROSS, fill_labels

SHAPE = (40, 50)


def fill(image, hole, known=None):
    filled = image.copy()
    filled[hole] = fill_labels(image, hole, ~hole if known is None else known)
    return filled


@given(st.integers(0, 2**32 - 1), st.sampled_from(["?", "u1", "i4", ">u2", "<u8", ">i8"]))
def test_every_label_is_one_of_the_rim(seed, dtype):
    rng = np.random.default_rng(seed)
    image = np.frombuffer(rng.bytes(2000 * np.dtype(dtype).itemsize), dtype).reshape(SHAPE)
    image = image if dtype != "?" else image.view("u1") > 99
    hole = ndimage.label(ndimage.binary_dilation(rng.random(SHAPE) > 0.99, iterations=4))[0] == 1
    known = ~hole & (rng.random(SHAPE) > 0.2)
    rim = ndimage.binary_dilation(hole, CROSS) & known
    assert np.isin(fill(image, hole, known)[hole], image[rim if rim.any() else known]).all()


def test_labels_of_64_bits_are_told_apart():
    image = np.full(SHAPE, 2**63 + 1, np.uint64)
    image[:, 25:] = 2**63 + 2
    hole = np.zeros(SHAPE, bool)
    hole[10:20, 10:40] = True
    np.testing.assert_array_equal(fill(np.where(hole, 0, image).astype(np.uint64), hole), image)


@given(st.floats(-1, 1), st.integers(1, 6), st.integers(18, 30))
def test_a_straight_border_goes_on_across_a_scratch_to_within_a_pixel(slope, width, start):
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    distance = (x - start - slope * (y - 20)) / np.hypot(1, slope)
    image = np.where(distance > 0, 7, 0)
    hole = np.zeros(SHAPE, bool)
    hole[18 : 18 + width] = True
    filled = fill(np.where(hole, -1, image), hole)
    assert (filled == image)[np.abs(distance) > 1].all()


def test_labels_that_are_solved_in_blocks_are_the_same(monkeypatch):
    image = np.random.default_rng(0).integers(0, 99, (10, 10)).repeat(4, 0).repeat(5, 1)
    hole = np.zeros(SHAPE, bool)
    hole[7:30, 9:33] = True
    at_once = fill(image, hole)
    monkeypatch.setattr(labels, "BLOCK", 3 * hole.size)
    np.testing.assert_array_equal(fill(image, hole), at_once)


def test_too_many_labels_are_the_nearest_ones(monkeypatch):
    monkeypatch.setattr(labels, "MOST_VALUES", 0)
    image = np.arange(2000).reshape(SHAPE)
    hole = np.zeros(SHAPE, bool)
    hole[10:14, 10:30] = True
    filled = fill(image, hole)
    np.testing.assert_array_equal(filled[10, 12:28], image[9, 12:28])
    np.testing.assert_array_equal(filled[13, 12:28], image[14, 12:28])


@pytest.mark.parametrize("gap", [1, 3])
def test_what_no_walk_reaches_takes_the_nearest_label(gap):
    """A part of the hole whose neighbours have no label."""
    image, hole, known = np.full(SHAPE, 5), np.zeros(SHAPE, bool), np.ones(SHAPE, bool)
    hole[10:20, 10:20] = hole[10:20, 20 + gap : 25] = True
    known[:, 20 + gap - 1 :] = False
    image[~known] = 9
    assert (fill(image, hole, known & ~hole)[hole] == 5).all()
