"""Dtypes, and which axis holds the channels."""

import numpy as np
import pytest

from napari_inpaint.inference.inputs.values import resolve_channel_axis


def test_channels_that_are_no_colours_have_their_own_ranges(inpainter, photo):
    two = np.stack([photo[..., 0] / 255, photo[..., 1] * 300.0], -1)
    boxes = [(100, 100, 140, 150)]
    result = inpainter.fill(two, boxes=boxes, channel_axis=-1)
    for channel in range(2):
        np.testing.assert_array_equal(result[..., channel], inpainter.fill(two[..., channel], boxes=boxes))


@pytest.mark.parametrize("dtype", [complex, object, "U3", "M8[s]"])
def test_dtypes_without_intensity_are_refused(inpainter, dtype):
    with pytest.raises(ValueError, match="cannot be filled"):
        inpainter.fill(np.zeros((60, 70), dtype), boxes=[(0, 0, 5, 5)])


@pytest.mark.parametrize(
    ("shape", "mask_shape", "expected"),
    [
        ((60, 70), None, None), ((60, 70, 3), None, 2), ((60, 70, 4), (60, 70), 2), ((9, 60, 70, 3), (60, 70), 3),
        ((60, 70, 3), (70, 3), None), ((9, 60, 4), (9, 60, 4), None), ((60, 70, 5), None, None),
        ((60, 4, 3), None, None),
    ],
)  # fmt: skip
def test_automatic_channel_axis(shape, mask_shape, expected):
    assert resolve_channel_axis(shape, mask_shape, "auto") == expected


def test_channels_first(inpainter, photo):
    mask = np.zeros(photo.shape[:2], bool)
    mask[100:140, 100:150] = True
    first = inpainter.fill(photo.transpose(2, 0, 1), mask, channel_axis=0)
    np.testing.assert_array_equal(first.transpose(1, 2, 0), inpainter.fill(photo, mask))


def test_a_mask_with_the_images_last_axis_is_warned_about(inpainter, photo):
    mask = np.zeros(photo.shape, bool)
    mask[100:110, 100:110] = True
    with pytest.warns(UserWarning, match="the last axis, of 3, is taken for columns"):
        inpainter.fill(photo, mask)
