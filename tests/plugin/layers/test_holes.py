"""Holes from shapes, labels, and the pixels themselves."""

import dask.array as da
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels, Points, Shapes

from napari_inpaint.plugin.layers.frame import Slices
from napari_inpaint.plugin.layers.holes import INVALID, find_invalid
from napari_inpaint.plugin.layers.job import read_job
from tests.plugin.layers.user import STACK, make_shapes, only_mask, read, rectangle


def test_polygons_ellipses_and_strokes_are_masks_and_unions():
    image = Image(np.zeros((60, 60), np.uint8))
    shapes = make_shapes(((2, 2), (5, 5)))
    shapes.add_paths(np.array([(20, 20), (20, 40)]), edge_width=6)
    shapes.add_ellipses(np.array([(40, 10), (40, 20), (50, 20), (50, 10)]))
    mask = only_mask(read(image, shapes))
    assert mask[3, 3]
    assert mask[18:23, 25].all()
    assert not mask[25, 25]
    assert mask[45, 15]
    assert not mask[41, 11]


def test_shapes_with_other_dimensions_count_where_they_are_seen():
    four = Image(np.zeros((2, 4, 30, 40), np.uint8))
    shapes = Shapes(rectangle(1), shape_type="rectangle")
    assert list(read(four, shapes, (0, 1, 0, 0)).boxes) == [(0, 1)]
    with pytest.raises(ValueError, match="no shape on the current slice"):
        read(four, Shapes(rectangle(1), shape_type="rectangle"), (0, 3, 0, 0))
    assert list(read(four, Shapes(rectangle(1), shape_type="rectangle"), (0, 3, 0, 0), slices=Slices("all")).boxes) == [
        (0, 1), (1, 1),
    ]  # fmt: skip
    flat, stack = Image(np.zeros((30, 40), np.uint8)), Image(STACK)
    viewer = ViewerModel()
    for layer in (flat, stack, shapes):
        viewer.add_layer(layer)
    viewer.dims.set_point(0, 1)
    assert list(read_job(flat, shapes, viewer.dims).boxes) == [()]
    viewer.dims.set_point(0, 3)
    with pytest.raises(ValueError, match="no shape on the current slice"):
        read_job(flat, shapes, viewer.dims)


def test_only_some_shapes_count_when_they_are_named():
    shapes = make_shapes(((1, 1), (3, 3)), ((10, 10), (12, 12)))
    assert read(Image(np.zeros((40, 50), np.uint8)), shapes, only={1}).boxes == {(): [(10, 10, 13, 13)]}


@pytest.mark.parametrize("label", [0, 2])
@pytest.mark.parametrize("lazy", [False, True])
def test_labels_with_the_transforms_of_the_image(label, lazy):
    labels = np.random.default_rng(0).integers(0, 4, STACK.shape, np.uint8)
    array = da.from_array(labels, (1, 20, 20)) if lazy else labels
    options = {"scale": (2, 0.5, 0.5), "rotate": 20, "translate": (1, 2, 3)}
    job = read(Image(STACK, **options), Labels(array, **options), slices=Slices("all"), label=label)
    for index in range(4):
        np.testing.assert_array_equal(job.masks[index,], labels[index] == label if label else labels[index] != 0)


def test_labels_of_another_resolution_and_fewer_dimensions():
    labels = np.zeros((15, 20), np.uint8)
    labels[2:4, 3:6] = 1
    job = read(Image(STACK), Labels(labels, scale=(2, 2)), (1, 0, 0), slices=Slices("all"))
    expected = np.zeros((30, 40), bool)
    expected[3:7, 5:11] = True  # a label's pixel reaches from 2 i - 1 to 2 i + 1; its edge belongs to the even one
    assert list(job.masks) == [(0,), (1,), (2,), (3,)]
    differs = job.masks[3,] != expected
    assert differs.sum() <= 14  # only along the edges
    assert (job.masks[3,][4:7, 6:11]).all()


@pytest.mark.parametrize(
    ("pixels", "rgb", "expected"),
    [
        (np.array([[np.nan, 1, np.inf]]), False, [[True, False, True]]),
        (np.array([[255, 254, 0]], np.uint8), False, [[True, False, False]]),
        (np.array([[4095] * 4 + [4094]], np.uint16), False, [[True] * 4 + [False]]),
        (np.array([[4095, 4094, 4095]], np.uint16), False, [[False, False, False]]),
        (np.array([[255] * 9], np.uint16), False, [[False] * 9]),
        (np.array([[65535, 4095]], np.uint16), False, [[True, False]]),
        (np.array([[4094, 3, 5]], np.uint16), False, [[False, False, False]]),
        (np.array([[7, 3, 5]], np.uint8), False, [[False, False, False]]),
        (np.array([[127, -128, 5]], np.int8), False, [[True, False, False]]),
        (np.array([[True, False, True]]), False, [[False, False, False]]),
        (np.array([[[255, 255, 255, 9], [255, 255, 0, 255]]], np.uint8), True, [[True, False]]),
        (np.array([[[0, np.nan, 0], [0, 0, 0]]]), True, [[True, False]]),
    ],
)
def test_invalid_pixels(pixels, rgb, expected):
    np.testing.assert_array_equal(find_invalid(pixels, rgb), expected)


def test_invalid_pixels_of_every_slice_count():
    stack = np.zeros((3, 30, 40), np.float32)
    stack[1, 5, 6] = np.nan
    job = read(Image(stack), INVALID, slices=Slices("all"))
    assert [mask.sum() for mask in job.masks.values()] == [0, 1, 0]


@pytest.mark.parametrize("scale", [(1, 1), (2, 0.5)])
def test_points_are_discs_of_the_size_that_is_seen(scale):
    image = Image(np.zeros((60, 80), np.uint8))
    points = Points([np.divide((30, 40), scale), np.divide((10, 10), scale)], size=[10.4 / scale[1], 6], scale=scale)
    points.shown = [True, False]
    y, x = np.mgrid[:60, :80]
    mask = only_mask(read(image, points))
    np.testing.assert_array_equal(mask, np.hypot(y - 30, x - 40) <= 5.2)


def test_points_of_other_slices_do_not_count():
    points = Points([(1, 10, 10), (2, 20, 20)], size=5)
    job = read(Image(STACK), points, (2, 0, 0))
    assert list(job.masks) == [(2,)]
    assert job.masks[2,][20, 20]
    assert not job.masks[2,][10, 10]


def thick(image, holes, **options):
    """Read a job of planes 1 to 3, seen at once around plane 2."""
    viewer = ViewerModel()
    for layer in (image, holes):
        viewer.add_layer(layer)
    viewer.dims.set_point(0, 2 * image.scale[0])
    viewer.dims.margin_left = viewer.dims.margin_right = (image.scale[0], 0, 0)
    return read_job(image, holes, viewer.dims, **options)


@pytest.mark.parametrize("scale", [1, 3])
def test_a_thick_slice_is_filled_in_all_planes_that_it_shows(scale):
    image = Image(STACK, scale=(scale, 1, 1), name="stack", projection_mode="mean")
    job = thick(image, Shapes(rectangle(2), shape_type="rectangle", scale=(scale, 1, 1)))
    assert job.boxes == {(plane,): [(5, 5, 10, 12)] for plane in (1, 2, 3)}
    assert job.notes == ("the thick slice of 'stack' shows 3 planes: all were filled",)
    image.projection_mode = "none"
    job = thick(image, Shapes(rectangle(2), shape_type="rectangle", scale=(scale, 1, 1)))
    assert (list(job.boxes), job.notes) == ([(2,)], ())


@pytest.mark.parametrize(("mode", "pixels"), [("none", 21), ("all", 42)])
def test_in_a_thick_slice_the_points_count_that_are_seen(mode, pixels):
    points = Points([(2, 8, 8), (3, 20, 20), (0, 20, 8)], size=5.2, projection_mode=mode)
    job = thick(Image(STACK, projection_mode="max"), points)
    assert {plane: mask.sum() for plane, mask in job.masks.items()} == {(1,): pixels, (2,): pixels, (3,): pixels}


def test_in_a_thick_slice_the_labels_count_that_are_seen():
    labels = np.zeros(STACK.shape, np.uint8)
    labels[2, 5:7, 5:7], labels[3, 10:13, 10:13] = 1, 1
    job = thick(Image(STACK, projection_mode="max"), Labels(labels))
    assert {plane: mask.sum() for plane, mask in job.masks.items()} == {(1,): 4, (2,): 4, (3,): 4}


def test_labels_of_64_bits_are_told_apart():
    labels = np.zeros((30, 40), np.uint64)
    labels[2:4, 2:4], labels[8:9, 8:9] = 2**64 - 1, 2**64 - 2
    job = read(Image(STACK[0]), Labels(labels), label=2**64 - 2)
    assert np.argwhere(only_mask(job)).tolist() == [[8, 8]]
