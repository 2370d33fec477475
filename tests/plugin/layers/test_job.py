"""Shapes and labels land on the right pixels, whatever the transforms, units and dimensions of the layers are."""

import dask.array as da
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from napari.components import ViewerModel
from napari.layers import Image, Labels, Shapes

from napari_inpaint.plugin.layers.frame import Slices
from napari_inpaint.plugin.layers.holes import INVALID, find_invalid
from napari_inpaint.plugin.layers.job import read_job, why_not_in_place

TRANSFORMS = {
    "plain": {},
    "scaled": {"scale": (0.5, 0.25)},
    "translated": {"translate": (-30, 12.5)},
    "scaled, rotated, translated": {"scale": (2, 2), "rotate": 90, "translate": (7, -3)},
    "sheared": {"shear": [0.5]},
    "affine": {"affine": np.array([[0, 2, 5], [3, 0, -7], [0, 0, 1]])},
}


def make_shapes(*corners, **options):
    """A Shapes layer of rectangles, each given by two opposite corners in the layer's own coordinates."""
    shapes = Shapes(ndim=2, **options)
    for (y0, x0), (y1, x1) in corners:
        shapes.add_rectangles(np.array([(y0, x0), (y0, x1), (y1, x1), (y1, x0)]))
    return shapes


def rectangle(*leading):
    """Rows 5 to 9 and columns 5 to 11 of a slice."""
    return np.array([(*leading, 5, 5), (*leading, 5, 11), (*leading, 9, 11), (*leading, 9, 5)])


def read(image, holes, point=None, order=None, slices=Slices(), **options):  # noqa: B008
    viewer = ViewerModel()
    for layer in (image, *([] if isinstance(holes, str) else [holes])):
        viewer.add_layer(layer)
    if order is not None:
        viewer.dims.order = order
    for axis, position in enumerate(point or ()):
        viewer.dims.set_point(axis, position)
    return read_job(image, holes, viewer.dims, slices, **options)


def masks(job):
    """The holes of a job's planes as masks."""
    shape = job.image.shape[: job.image.ndim - job.view.rgb]
    found = {} if job.masks is None else {plane: mask.copy() for plane, mask in job.masks.items()}
    for plane, boxes in (job.boxes or {}).items():
        mask = found.setdefault(plane, np.zeros(shape[-2:], bool))
        for box in boxes:
            mask[box.slices] = True
    return found


def only_mask(job):
    ((_, mask),) = masks(job).items()
    return mask


@pytest.mark.parametrize("options", TRANSFORMS.values(), ids=TRANSFORMS)
def test_a_shape_around_world_corners_of_pixels_marks_exactly_these_pixels(options):
    image = Image(np.zeros((40, 50), np.uint8), **options)
    corners = np.array([(9.5, 19.5), (9.5, 29.5), (14.5, 29.5), (14.5, 19.5)])
    world = np.array([image.data_to_world(p) for p in corners])
    job = read(image, Shapes(world, shape_type="polygon"))
    expected = np.zeros((40, 50), bool)
    expected[10:15, 20:30] = True
    np.testing.assert_array_equal(only_mask(job), expected)


small = st.floats(-1, 1).map(lambda x: round(x, 2))
transforms = st.fixed_dictionaries({
    "scale": st.tuples(*[st.sampled_from([0.3, 0.5, 1, 2.5])] * 2),
    "translate": st.tuples(*[st.integers(-20, 20)] * 2),
    "rotate": st.sampled_from([0, 0, 90, 180, 27]),
    "shear": st.sampled_from([[0], [0], [0.4]]),
    "units": st.sampled_from([("um", "um"), ("nm", "nm"), ("um", "nm")]),
})  # fmt: skip


@given(transforms, transforms, st.tuples(*[st.floats(0, 50, width=32)] * 4))
def test_a_rectangle_drawn_in_world_coordinates_fills_exactly_the_pixels_whose_centres_lie_in_it(one, other, ends):
    factors = {"um": 1000.0, "nm": 1.0}
    image = Image(np.zeros((40, 50), np.uint8), **one)
    shapes = Shapes(ndim=2, **other)
    # from the image's pixels, so that most of them hit it
    inverse = np.array([image.data_to_world(p) for p in [ends[:2], ends[2:]]])
    inverse *= [[factors[unit] for unit in one["units"]]]
    inverse /= [[factors[unit] for unit in other["units"]]]
    (y0, x0), (y1, x1) = np.sort([shapes.world_to_data(p) for p in inverse], axis=0)
    shapes.add_rectangles(np.array([(y0, x0), (y0, x1), (y1, x1), (y1, x0)]))

    grid = np.moveaxis(np.mgrid[:40, :50], 0, -1).reshape(-1, 2)
    world = np.array([image.data_to_world(p) for p in grid]) * [factors[unit] for unit in one["units"]]
    world /= [factors[unit] for unit in other["units"]]
    y, x = np.array([shapes.world_to_data(p) for p in world]).T.reshape(2, 40, 50)

    def inside(slack):
        margin = slack * max(1, np.abs([y0, x0, y1, x1]).max())
        return (y > y0 - margin) & (y < y1 + margin) & (x > x0 - margin) & (x < x1 + margin)

    if not inside(1e-5).any():
        try:
            job = read(image, shapes)
        except ValueError as error:
            assert "no pixel of" in str(error)
        else:
            assert not only_mask(job).any()
    elif inside(-1e-5).any():
        mask = only_mask(read(image, shapes))
        assert not (mask & ~inside(1e-5)).any()
        assert not (inside(-1e-5) & ~mask).any()


def test_units_that_cannot_be_compared_are_ignored_as_napari_does():
    image = Image(np.zeros((40, 50), np.uint8), scale=(0.5, 0.5), units=("um", "um"))
    mask = only_mask(read(image, make_shapes(((5, 5), (10, 10)))))
    assert np.argwhere(mask).min(0).tolist() == [10, 10]
    assert np.argwhere(mask).max(0).tolist() == [20, 20]


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


def test_shapes_beyond_the_image_are_clipped_and_it_is_known():
    image = Image(np.zeros((40, 50), np.uint8))
    job = read(image, make_shapes(((-10, -10), (5, 5))))
    assert job.notes == ("shapes that reach beyond the image were clipped",)
    assert job.boxes == {(): [(0, 0, 6, 6)]}
    assert not read(image, make_shapes(((1, 1), (5, 5)))).notes


STACK = np.random.default_rng(0).integers(0, 255, (4, 30, 40), np.uint8)


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


@pytest.mark.parametrize(
    ("holes", "slices", "message"),
    [
        (rectangle(1), Slices(), "no shape on the current slice"),
        (rectangle(1), Slices("all", repeat=True), "no shape on the current slice"),
        (rectangle(1), Slices("range", 0, 2, 3), "no shape on these slices"),
        (rectangle(1), Slices("range", 0, 3, 2), "no slice lies between 3 and 2"),
        (rectangle(1), Slices("range", 1, 0, 2), "cannot run along axis 1"),
    ],
)
def test_slices_without_shapes_are_refused(holes, slices, message):
    with pytest.raises(ValueError, match=message):
        read(Image(STACK), Shapes(holes, shape_type="rectangle"), (2, 0, 0), slices=slices)


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


def test_rgb_lazy_and_multiscale_images(photo):
    lazy = da.from_array(photo, (100, 100, 3))
    job = read(Image(lazy, rgb=True), make_shapes(((5, 5), (9, 9))))
    assert job.image is lazy
    assert job.channel_axis == 2
    levels = [photo, photo[::2, ::2], photo[::4, ::4]]
    job = read(Image(levels, multiscale=True, rgb=True), make_shapes(((5, 5), (9, 9))))
    assert job.image.shape == photo.shape
    assert [level.shape for level in job.levels] == [levels[1].shape, levels[2].shape]
    assert job.boxes == {(): [(5, 5, 10, 10)]}


@pytest.mark.parametrize(
    ("shapes", "message"),
    [(Shapes(ndim=2, name="empty"), "'empty' is empty"), (make_shapes(((100, 100), (110, 110))), "no pixel of")],
)
def test_refusals_say_what_to_do(shapes, message):
    with pytest.raises(ValueError, match=message):
        read(Image(np.zeros((40, 50), np.uint8), name="photo"), shapes)


def test_why_images_cannot_be_filled_in_place(photo):
    image = photo.copy()
    assert not why_not_in_place(Image(image))
    assert "read-only" in why_not_in_place(Image(photo))
    assert "read from elsewhere" in why_not_in_place(Image(da.from_array(image)))
    assert "several resolutions" in why_not_in_place(Image([image, image[::2, ::2]], multiscale=True))
