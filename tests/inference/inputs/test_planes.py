import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_inpaint.inference.inputs.boxes import Box
from napari_inpaint.inference.inputs.planes import Planes, check_out

SHAPES = st.lists(st.integers(1, 5), min_size=2, max_size=5)


@given(SHAPES, st.data())
def test_boxes_are_read_and_found_whatever_the_axes(shape, data):
    axis = data.draw(st.sampled_from([None, *range(len(shape))] if len(shape) > 2 else [None]))
    array = np.arange(np.prod(shape)).reshape(shape)
    planes, moved = Planes(array, axis), array[..., None] if axis is None else np.moveaxis(array, axis, -1)
    assert planes.shape == moved.shape
    plane = tuple(data.draw(st.integers(0, length - 1)) for length in moved.shape[:-3])
    y0, x0 = (data.draw(st.integers(0, length - 1)) for length in moved.shape[-3:-1])
    box = Box(y0, x0, moved.shape[-3], moved.shape[-2])
    np.testing.assert_array_equal(planes.read(plane, box), moved[plane][box.slices])
    channels = slice(data.draw(st.integers(0, moved.shape[-1] - 1)), moved.shape[-1])
    part = moved[plane][box.slices][..., channels]
    np.testing.assert_array_equal(array[planes.locate(plane, box, channels)], planes.to_axes(part))


def test_what_cannot_receive_an_image_is_refused():
    image = np.zeros((4, 5), np.uint8)
    for out in (np.zeros((4, 6), np.uint8), np.zeros((4, 5), np.uint16)):
        with pytest.raises(ValueError, match=r"out has shape \(4, [56]\) and dtype uint"):
            check_out(out, image)
    image.setflags(write=False)
    for out in (image, "x"):
        with pytest.raises(ValueError, match="out must be an array that can be written"):
            check_out(out, image)
