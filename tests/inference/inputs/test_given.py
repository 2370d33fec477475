"""Arrays with named dimensions: what their names say, and what comes back."""

import dask.array as da
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from napari_inpaint.inference.inputs.given import receive
from napari_inpaint.inference.options import FillOptions

BOXES = [(20, 30, 60, 80)]


class TestXarray:
    @pytest.fixture(scope="class")
    def xr(self):
        return pytest.importorskip("xarray")

    @pytest.mark.parametrize("lazy", [False, True])
    def test_names_coordinates_and_attributes_come_back(self, xr, fill, grey, lazy):
        pixels = da.from_array(grey, 40) if lazy else grey
        coords = {"y": np.arange(96) * 0.5, "x": np.arange(128)[::-1], "lat": (("y", "x"), grey / 2), "when": 7}
        image = xr.DataArray(pixels, coords, ("y", "x"), "dust", {"units": "K"})
        filled = fill(image, boxes=BOXES)
        expected = image.copy(data=fill(grey, boxes=BOXES))
        assert isinstance(filled.data, da.Array if lazy else np.ndarray)
        xr.testing.assert_identical(filled, expected)
        np.testing.assert_array_equal(image, grey)  # it stays what it was
        variable = fill(image.variable, boxes=BOXES)
        xr.testing.assert_identical(variable, expected.variable)

    @pytest.mark.parametrize("name", ["c", "channel", "channels", "band", "bands", "rgb", "C", "Channel"])
    @pytest.mark.parametrize("axis", [0, 1, 2])
    def test_a_dimension_that_is_called_so_holds_the_channels(self, xr, fill, photo, name, axis):
        dims = ["y", "x"]
        dims.insert(axis, name)
        pixels = np.moveaxis(photo[:96, :128, :2], -1, axis)
        filled = fill(xr.DataArray(pixels, dims=dims), boxes=BOXES)
        assert filled.dims == tuple(dims)
        np.testing.assert_array_equal(filled, fill(pixels, boxes=BOXES, channel_axis=axis))
        assert receive(xr.DataArray(pixels, dims=dims), None, FillOptions(channel_axis=2)).options.channel_axis == 2

    def test_without_such_a_name_it_is_as_with_numpy(self, xr, fill, photo):
        pixels = photo[:96, :128]
        for dims in (("y", "x", "s"), ("row", "column", "what"), None):
            filled = fill(xr.DataArray(pixels, dims=dims), boxes=BOXES)
            np.testing.assert_array_equal(filled, fill(pixels, boxes=BOXES))

    @pytest.mark.parametrize("dims", [("y", "x", "time"), ("y", "time", "x"), ("band", "y", "x", "time")])
    def test_planes_of_other_axes_than_rows_and_columns_are_refused(self, xr, fill, dims):
        with pytest.raises(ValueError, match=r"rows and columns must be the last dimensions.*'time'.*transpose"):
            fill(xr.DataArray(np.zeros((40,) * len(dims)), dims=dims), boxes=[(1, 1, 5, 5)])

    def test_three_planes_are_no_colours(self, xr, fill, photo):
        with pytest.raises(ValueError, match=r"rows and columns must be the last dimensions"):
            fill(xr.DataArray(photo[:96, :128], dims=("y", "x", "z")), boxes=BOXES)

    def test_two_dimensions_for_channels_are_refused(self, xr, fill):
        with pytest.raises(ValueError, match=r"two of the dimensions .* could hold the channels"):
            fill(xr.DataArray(np.zeros((2, 3, 40, 40)), dims=("band", "c", "y", "x")), boxes=[(1, 1, 5, 5)])

    @given(st.permutations(["t", "z", "y", "x"]), st.sets(st.sampled_from(["t", "z"])), st.integers(0, 3))
    def test_masks_are_turned_by_their_names(self, xr, order, missing, band):
        """The same as if xarray itself broadcast them to the image."""
        shape = {"t": 2, "z": 3, "y": 4, "x": 5}
        dims = ["t", "z", "y", "x"]
        dims.insert(band, "band")
        image = xr.DataArray(np.zeros([{**shape, "band": 4}[name] for name in dims]), dims=dims)
        order = [name for name in order if name not in missing]
        mask = xr.DataArray(np.random.default_rng(0).random([shape[name] for name in order]) < 0.5, dims=order)
        found = receive(image, mask, FillOptions()).mask
        _, expected = xr.broadcast(image.isel(band=0), mask)
        np.testing.assert_array_equal(np.broadcast_to(found, expected.shape), expected.transpose("t", "z", "y", "x"))

    def test_masks_of_other_dimensions_or_coordinates_are_refused(self, xr, fill, grey, mask):
        image = xr.DataArray(grey, {"y": np.arange(96)}, ("y", "x"))
        with pytest.raises(ValueError, match=r"dimensions \('y', 'x', 'band'\).*\('y', 'x'\): rename or reduce"):
            fill(image, xr.DataArray(mask[..., None], dims=("y", "x", "band")))
        with pytest.raises(ValueError, match=r"other coordinates along 'y'.*reindex_like"):
            fill(image, xr.DataArray(mask, {"y": np.arange(96)[::-1]}, ("y", "x")))
        for dims in (None, ("row", "column")):  # no names in common: as numpy's
            np.testing.assert_array_equal(fill(image, xr.DataArray(mask, dims=dims)), fill(grey, mask))

    def test_datasets_are_refused(self, xr, fill, grey):
        with pytest.raises(ValueError, match=r"Dataset holds several variables: choose one"):
            fill(xr.Dataset({"a": (("y", "x"), grey)}), boxes=BOXES)

    def test_in_place_and_into_others(self, xr, fill, grey):
        image, out, expected = xr.DataArray(grey.copy()), xr.DataArray(np.zeros_like(grey)), fill(grey, boxes=BOXES)
        assert fill(image, boxes=BOXES, out=out) is out
        assert fill(image, boxes=BOXES, out=image) is image
        np.testing.assert_array_equal(out, expected)
        np.testing.assert_array_equal(image, expected)


def test_channels_of_pillow_images_are_known(fill, photo):
    pixels = photo[:96, :128]
    for image in (Image.fromarray(pixels), Image.fromarray(pixels).convert("LA"), Image.fromarray(pixels[..., 0])):
        array = np.asarray(image)
        expected = fill(array, boxes=BOXES, channel_axis=-1 if array.ndim > 2 else None)
        np.testing.assert_array_equal(fill(image, boxes=BOXES), expected)
