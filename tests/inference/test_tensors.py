import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from napari_inpaint.inference.tensors import (
    IntensityRange,
    channel_groups,
    find_range,
    from_rgb,
    from_tensor,
    shrink,
    to_rgb,
    to_tensor,
)

DTYPES = [bool, np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32, np.float16, np.float32, np.float64]


@given(st.sampled_from(DTYPES).flatmap(lambda dtype: hnp.arrays(dtype, (5, 4, 3))))
def test_there_and_back(pixels):
    """The whole window comes back; floats and wide integers to within float32 of their range."""
    hole = ~np.isfinite(pixels).all(-1)
    if hole.all():
        with pytest.raises(ValueError, match="no pixel is known"):
            find_range(pixels, ~hole)
        return
    intensity = find_range(pixels, ~hole)
    span = intensity.high - intensity.low
    tensor = to_tensor(pixels, hole, intensity)
    assert tensor.dtype == np.float32
    assert np.isfinite(tensor).all()
    assert (tensor.min(), tensor.max()) >= (0, 0)
    assert tensor.max() <= 1
    if not np.isfinite(span):
        return
    back = from_tensor(tensor, pixels.dtype, intensity)
    assert back.dtype == pixels.dtype
    tolerance = span * 1e-3 if pixels.dtype == np.float16 else span * 2**-23
    if pixels.dtype.kind in "bui":
        tolerance = np.floor(tolerance)
    assert np.abs(back.astype(float) - pixels.astype(float))[~hole].max() <= tolerance


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int16, np.uint64, np.int64])
def test_filled_integers_stay_in_their_dtype(dtype):
    limits = np.iinfo(dtype)
    intensity = IntensityRange(float(limits.min), float(limits.max))
    beyond = np.array([-0.5, 0, 1, 1.5], np.float32).reshape(1, 1, 4)
    filled = from_tensor(beyond, np.dtype(dtype), intensity).ravel().astype(float)
    assert (filled[0], filled[1]) == (limits.min, limits.min)
    assert np.diff(filled).min() >= 0
    assert filled[-1] >= limits.max * 0.999


def test_what_is_under_the_hole_does_not_matter():
    pixels = np.ones((4, 4, 1), np.float32)
    hole = np.zeros((4, 4), bool)
    hole[1, 1] = True
    pixels[1, 1] = np.nan
    intensity = find_range(pixels, ~hole)
    assert intensity == IntensityRange(1, 1)
    assert np.isfinite(to_tensor(pixels, hole, intensity)).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_channels_there_and_back(channels):
    tensor = np.random.default_rng(0).random((channels, 4, 5), np.float32)
    image = to_rgb(tensor)
    assert image.shape == (1, 3, 4, 5)
    np.testing.assert_allclose(from_rgb(image, channels), tensor, rtol=1e-6)


@pytest.mark.parametrize(("channels", "groups"), [(1, [[0]]), (2, [[0], [1]]), (3, [[0, 1, 2]]), (4, [[0, 1, 2]]),
                                                  (5, [[0], [1], [2], [3], [4]])])  # fmt: skip
def test_colours_go_together_alpha_stays_and_others_go_alone(channels, groups):
    assert [list(range(channels))[group] for group in channel_groups(channels)] == groups


def test_shrink_averages_known_pixels_only():
    tensor = np.array([[[1, 9], [3, 9], [5, 9]]], np.float32)
    hole = np.array([[False, True], [False, True], [True, True]])
    small, small_hole = shrink(tensor, hole, 2)
    assert small[0, 0, 0] == 2
    np.testing.assert_array_equal(small_hole, [[False], [True]])
