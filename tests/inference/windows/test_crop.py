"""What a window shows comes back in the pixels that it was made of."""

import warnings

import numpy as np


def test_a_constant_image_stays_constant(inpainter):
    for value, dtype in ((7, np.uint8), (2**64 - 7, np.uint64), (-2.5, np.float32), (1e308, np.float64)):
        image = np.full((90, 80), value, dtype)
        np.testing.assert_array_equal(inpainter.fill(image, boxes=np.array([(20, 10, 50, 60)])), image)


def test_the_whole_range_of_float64_is_filled(inpainter):
    largest = np.finfo(np.float64).max
    image = np.where(np.random.default_rng(0).random((40, 50)) < 0.5, largest, -largest)
    assert np.isfinite(inpainter.fill(image, boxes=[(10, 10, 22, 22)])).all()


def test_constant_channels_come_back_exactly(inpainter):
    image = np.empty((300, 320, 3), np.int64)
    image[:] = (0, 12345, 2**62 + 1)
    for box in ((0, 0, 300, 130), (100, 100, 200, 200)):
        np.testing.assert_array_equal(inpainter.fill(image, boxes=[box]), image)


def test_slopes_near_the_largest_float_do_not_overflow(inpainter):
    image = (0.6 + 0.4 * np.arange(300.0)[:, None] / 300 * np.ones(320)) * 1.79e308
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for sign in (1, -1):
            result = inpainter.fill(sign * image, boxes=[(0, 0, 100, 320)])
            np.testing.assert_allclose(result, sign * image, rtol=1e-3)
            single = np.random.default_rng(0).uniform(-3e38, 3e38, (80, 80)).astype(np.float32)
            assert np.isfinite(inpainter.fill(single, boxes=[(20, 20, 50, 50)])).all()
