"""Plates continue what is smooth, and noise is told from it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.data import brick
from skimage.restoration import inpaint_biharmonic

from napari_inpaint.inference.blending.biharmonic import MOST_NOISE, WHITE_NOISE, measure_noise, solve_plate

Y, X = np.mgrid[:60, :70].astype(float)


def dust(seed, share=0.02):
    mask = np.random.default_rng(seed).random(Y.shape) < share
    mask[20:26, 30:33] = True
    return mask


@given(st.integers(0, 99), st.floats(-1, 1), st.floats(-1, 1), st.floats(-5, 5))
def test_a_slope_is_continued_exactly_into_corners_and_edges_too(seed, down, right, level):
    mask = dust(seed)
    mask[:5, :4] = mask[30:40, -3:] = True
    plane = (level + down * Y + right * X)[None]
    np.testing.assert_allclose(solve_plate(np.where(mask, 77.0, plane), mask), plane, atol=2e-3 * (1 + abs(level)))


def test_inside_it_is_the_biharmonic_solution(photo):
    image = photo[100:200, 100:220].astype(float).transpose(2, 0, 1) / 255
    mask = np.zeros(image.shape[1:], bool)
    mask[30:36, 20:90] = mask[60:75, 50:58] = True
    expected = inpaint_biharmonic(image, mask, channel_axis=0)
    np.testing.assert_allclose(solve_plate(image, mask), expected, atol=1e-3)


def test_known_pixels_stay_and_one_is_enough():
    image = np.random.default_rng(0).random((2, 9, 8), np.float32)
    mask = np.ones((9, 8), bool)
    mask[4, 5] = False
    filled = solve_plate(image, mask)
    assert filled.dtype == np.float32
    np.testing.assert_allclose(filled, np.broadcast_to(image[:, 4:5, 5:6], image.shape), rtol=1e-4)
    np.testing.assert_array_equal(solve_plate(image, np.zeros((9, 8), bool)), image)


@pytest.mark.parametrize("shape", [(1, 30), (30, 1), (2, 2), (3, 40)])
def test_narrow_images(shape):
    mask = np.zeros(shape, bool)
    mask[-1, -1] = True
    filled = solve_plate(np.ones((1, *shape)), mask)
    np.testing.assert_allclose(filled, 1)


@given(st.integers(0, 9), st.floats(0.01, 100), st.floats(-50, 50))
def test_noise_is_measured_whatever_its_level(seed, scale, level):
    noise = np.random.default_rng(seed).normal(level, scale, (1, 60, 70))
    mask = dust(seed)
    noise[:, mask] = 1e9  # what is under holes does not matter
    assert measure_noise(noise, mask) == pytest.approx(WHITE_NOISE, abs=0.05)


def test_smooth_and_noisy_images_are_told_apart():
    mask = dust(0)
    smooth = (np.sin(X / 9) * np.cos(Y / 8))[None]
    wall = brick()[:60, :70][None].astype(float)
    noise = np.random.default_rng(0).normal(0, 0.1, Y.shape)
    assert measure_noise(smooth, mask) < 0.2
    assert measure_noise(wall, mask) < MOST_NOISE
    assert measure_noise(smooth + noise, mask) > MOST_NOISE
    assert measure_noise(np.ones((1, 4, 5)), np.zeros((4, 5), bool)) == WHITE_NOISE


@pytest.mark.parametrize("outlier", [60.0, -1e6])
def test_few_outliers_do_not_make_noise(outlier):
    mask = np.zeros(Y.shape, bool)
    mask[25:30, 20:50] = True
    smooth = (np.sin(X / 9) * np.cos(Y / 8))[None]
    smooth[:, 20, 30] = smooth[:, 34, 41] = outlier
    assert measure_noise(smooth, mask) < 0.5


@pytest.mark.parametrize(("noise", "is_noise"), [(0.002, False), (0.05, True)])
def test_what_counts_is_the_noise_beside_what_bends_across_the_hole(noise, is_noise):
    """A wide hole in a smooth image with little noise, that a line through neighbouring pixels would not tell."""
    mask = np.zeros(Y.shape, bool)
    mask[20:40, 30:42] = True
    wave = np.sin(X / 20) * np.cos(Y / 18) * 0.5
    image = (wave + np.random.default_rng(0).normal(0, noise, Y.shape))[None]
    assert (measure_noise(image, mask) > MOST_NOISE) == is_noise


def test_a_plate_ends_where_all_is_void():
    mask, void = np.zeros(Y.shape, bool), np.zeros(Y.shape, bool)
    mask[20:26, 30:] = True
    void[:, 50:] = True
    image = np.where(void | mask, 1e9, X + Y)[None]
    filled = solve_plate(image, mask | void, void)
    np.testing.assert_allclose(filled[0, :, :50], (X + Y)[:, :50], atol=0.2)
    np.testing.assert_array_equal(filled[0, :, 50:], image[0, :, 50:])
