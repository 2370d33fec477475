"""Shapes and labels land on the right pixels, whatever the transforms, units and dimensions of the layers are."""

import mmap

import dask.array as da
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from napari.layers import Image, Shapes

from napari_inpaint.plugin.layers.frame import Slices
from napari_inpaint.plugin.layers.job import is_same, why_not_in_place
from tests.plugin.layers.user import STACK, TRANSFORMS, make_shapes, only_mask, read, rectangle


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


def test_shapes_beyond_the_image_are_clipped_and_it_is_known():
    image = Image(np.zeros((40, 50), np.uint8))
    job = read(image, make_shapes(((-10, -10), (5, 5))))
    assert job.notes == ("shapes that reach beyond the image were clipped",)
    assert job.boxes == {(): [(0, 0, 6, 6)]}
    assert not read(image, make_shapes(((1, 1), (5, 5)))).notes


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
    assert "those of a dask Array, which is not changed" in why_not_in_place(Image(da.from_array(image)))
    assert "those of a xarray DataArray, which is not changed" in why_not_in_place(
        Image(pytest.importorskip("xarray").DataArray(image[..., 0]))
    )
    assert "several resolutions" in why_not_in_place(Image([image, image[::2, ::2]], multiscale=True))


def test_views_of_mapped_files_are_not_filled_in_place(tmp_path):
    path = tmp_path / "raw.npy"
    np.save(path, np.zeros((40, 50), np.uint8))
    with path.open("r+b") as file:
        mapping = mmap.mmap(file.fileno(), 0)
    raw = np.frombuffer(mapping, np.uint8, 2000, 128).reshape(40, 50)
    for array in (np.load(path, mmap_mode="r+"), np.asarray(np.load(path, mmap_mode="r+"))[::2], raw):
        assert "those of a file, which is not changed" in why_not_in_place(Image(array))
    for array in (np.load(path, mmap_mode="c"), np.load(path), np.array(np.load(path, mmap_mode="r+"))):
        assert not why_not_in_place(Image(array))


def test_data_are_the_same_when_they_are_the_same_arrays(photo):
    levels = [photo, photo[::2, ::2]]
    layer = Image(levels, multiscale=True)
    before = layer.data
    layer.data = [photo[:100], photo[:50, :50]]
    assert not is_same(layer.data, before)
    layer.data = before
    assert is_same(layer.data, before)
    assert not is_same(photo, photo.copy())
