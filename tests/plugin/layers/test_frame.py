"""Which planes of an image are meant."""

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Shapes

from napari_inpaint.plugin.layers.frame import Slices
from napari_inpaint.plugin.layers.job import read_job
from tests.plugin.layers.user import STACK, read, rectangle


@pytest.mark.parametrize(
    ("holes", "slices", "planes"),
    [
        (rectangle(), Slices(), [2]),
        (rectangle(), Slices("all"), [0, 1, 2, 3]),
        (rectangle(), Slices("range", 0, 1, 2), [1, 2]),
        (rectangle(), Slices("range", 0, 3, 99), [3]),
        (rectangle(2), Slices(), [2]),
        (rectangle(2), Slices("all"), [2]),
        (rectangle(1), Slices("all"), [1]),
        (rectangle(2), Slices("all", repeat=True), [0, 1, 2, 3]),
        (rectangle(2), Slices("range", 0, 0, 1, repeat=True), [0, 1]),
    ],
)
def test_slices(holes, slices, planes):
    image = Image(STACK, scale=(2, 1, 1))
    scale = (2, 1, 1)[-holes.shape[1] :]
    job = read(image, Shapes(holes, shape_type="rectangle", scale=scale), (4, 0, 0), slices=slices)
    assert job.boxes == {(plane,): [(5, 5, 10, 12)] for plane in planes}


def test_a_range_of_a_stack_of_stacks_runs_along_one_axis():
    image = Image(np.zeros((3, 4, 30, 40), np.uint8))
    job = read(image, Shapes(rectangle(), shape_type="rectangle"), (1, 2, 0, 0), slices=Slices("range", 0, 1, 2))
    assert list(job.boxes) == [(1, 2), (2, 2)]


@pytest.mark.parametrize(("order", "view"), [((1, 0, 2), (0, 2)), ((0, 2, 1), (1, 2)), ((2, 1, 0), (0, 1))])
def test_other_planes_than_the_last_axes_are_filled_as_they_are_seen(order, view):
    image = Image(np.zeros((20, 30, 40), np.uint8), scale=(3, 1, 2))
    vertices = np.full((4, 3), 8.0)
    vertices[:, view] = [(3, 4), (3, 10), (7, 10), (7, 4)]
    shapes = Shapes(vertices, shape_type="rectangle", scale=(3, 1, 2))
    point = [24 if axis == 0 else 16 if axis == 2 else 8 for axis in range(3)]
    job = read(image, shapes, point, order)
    assert job.view.axes == view
    assert job.boxes == {(8,): [(3, 4, 8, 11)]}
    expected = [n for axis, n in enumerate((20, 30, 40)) if axis not in view] + [(20, 30, 40)[axis] for axis in view]
    assert job.image.shape == tuple(expected)
    if view != (1, 2):
        with pytest.raises(ValueError, match="no shape on the current slice"):  # it is drawn across the slices
            read(image, Shapes(vertices, shape_type="rectangle", scale=(3, 1, 2)), point)


def test_3d_display_and_flat_layers_are_refused():
    viewer = ViewerModel()
    flat, stack = viewer.add_image(np.zeros((30, 40), np.uint8), name="flat"), viewer.add_image(STACK)
    shapes = viewer.add_shapes(rectangle(), shape_type="rectangle")
    viewer.dims.order = (1, 0, 2)
    with pytest.raises(ValueError, match="'flat' is flat in this view"):
        read_job(flat, shapes, viewer.dims)
    with pytest.raises(ValueError, match="flat in this view: draw in a new layer"):
        read_job(stack, shapes, viewer.dims)
    viewer.dims.order = (0, 1, 2)
    viewer.dims.ndisplay = 3
    with pytest.raises(ValueError, match="2-D display"):
        read_job(stack, shapes, viewer.dims)


def test_a_slice_outside_the_image_is_refused():
    viewer = ViewerModel()
    viewer.add_image(np.zeros((9, 30, 40), np.uint8))
    stack, shapes = viewer.add_image(STACK, name="STACK"), viewer.add_shapes(rectangle(), shape_type="rectangle")
    viewer.dims.set_point(0, 7)
    with pytest.raises(ValueError, match="lies outside layer 'STACK'"):
        read_job(stack, shapes, viewer.dims)
