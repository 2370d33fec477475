"""A TIFF keeps pixels, scale, units and record."""

import json

import dask.array as da
import numpy as np
import pytest
import tifffile
from napari.components import ViewerModel
from napari.layers import Image

from napari_inpaint import Inpainter
from napari_inpaint.io.images import read_image, read_record
from napari_inpaint.plugin.layers.results import RECORD
from napari_inpaint.plugin.writer import write_image


def save(path, data, **options):
    data, attributes, _ = Image(data, **options).as_layer_data_tuple()
    assert write_image(str(path), data, attributes) == [str(path)]
    assert [each.name for each in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "uint16", "int32", "float32", "float64"])
def test_pixels_scale_and_units(tmp_path, dtype):
    stack = np.random.default_rng(0).integers(0, 2, (3, 20, 30)).astype(dtype)
    save(tmp_path / "a.tif", stack, scale=(2, 0.5, 0.25), units=("um", "um", "nm"), axis_labels=("z", "y", "x"))
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        np.testing.assert_array_equal(tiff.asarray().astype(dtype), stack)
        assert tiff.series[0].axes == "ZYX"
        ome = tifffile.xml2dict(tiff.ome_metadata)["OME"]["Image"]["Pixels"]
    assert (ome["PhysicalSizeZ"], ome["PhysicalSizeY"], ome["PhysicalSizeX"]) == (2, 0.5, 0.25)
    assert (ome.get("PhysicalSizeZUnit", "µm"), ome["PhysicalSizeXUnit"]) == ("µm", "nm")


@pytest.mark.parametrize(
    ("shape", "labels", "axes"),
    [
        ((20, 30), ("y", "x"), "YX"), ((3, 20, 30), ("t", "y", "x"), "TYX"), ((2, 3, 20, 30), None, "TZYX"),
        ((2, 3, 4, 20, 30), None, "TCZYX"),
    ],
)  # fmt: skip
def test_axes(tmp_path, shape, labels, axes):
    pixels = np.random.default_rng(0).integers(0, 255, shape, np.uint8)
    save(tmp_path / "a.tif", pixels, axis_labels=labels)
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        assert tiff.series[0].axes == axes
        np.testing.assert_array_equal(tiff.asarray(), pixels)


@pytest.mark.parametrize(
    ("shape", "dtype"), [((20, 30), "int64"), ((20, 30), "float16"), ((2, 1, 2, 2, 20, 30), "uint8")]
)
def test_what_ome_has_no_word_for_is_kept_in_json(tmp_path, shape, dtype):
    pixels = np.random.default_rng(0).integers(0, 99, shape).astype(dtype)
    scale = tuple(range(1, len(shape) + 1))
    save(tmp_path / "a.tif", pixels, scale=scale)
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        assert tiff.pages[0].dtype == dtype
        np.testing.assert_array_equal(tiff.asarray(), pixels)
        assert tuple(tiff.shaped_metadata[0]["scale"]) == scale


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("lazy", [False, True])
def test_colours_and_lazy_arrays(tmp_path, photo, channels, lazy, windows):
    stack = np.stack([photo[:50, :60], photo[100:150, :60]])
    stack = np.concatenate([stack, stack[..., : channels - 3]], -1)
    save(tmp_path / "a.tif", da.from_array(stack, 20) if lazy else stack, rgb=True)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), stack)
    assert read_image(tmp_path / "a.tif").channel_axis == 3


def test_the_record_can_be_replayed_from_the_file(tmp_path, photo):
    inpainter = Inpainter("compact", device="cpu")
    image = photo[:90, :90, 0].copy()
    filled = inpainter.fill(image, boxes=[(20, 20, 50, 50)])
    save(tmp_path / "a.tif", filled, metadata={RECORD: {**inpainter.last_record, "earlier": []}})
    record = read_record(tmp_path / "a.tif")
    assert record["result_sha256"] == inpainter.last_record["result_sha256"]
    assert json.loads(json.dumps(inpainter.last_record))["holes"] == record["holes"]


@pytest.mark.parametrize(
    "options",
    [
        {"scale": (-2, 0.5)}, {"scale": (2, 0.5), "units": ("degree", "um")},
        {"axis_labels": ("x", "y"), "scale": (3, 2)}, {"scale": (2, 0.5), "units": ("s", "um")},
    ],
)  # fmt: skip
def test_places_that_ome_has_no_word_for_are_kept_in_json(tmp_path, photo, options):
    save(tmp_path / "a.tif", photo[..., 0], **options)
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        assert tiff.ome_metadata is None
        assert tuple(tiff.shaped_metadata[0]["scale"]) == options["scale"]
        np.testing.assert_array_equal(tiff.asarray(), photo[..., 0])


def test_a_scale_in_pixels_is_kept(tmp_path, photo):
    save(tmp_path / "a.tif", photo[..., 0], scale=(2, 0.5))
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        pixels = tifffile.xml2dict(tiff.ome_metadata)["OME"]["Image"]["Pixels"]
    assert (pixels["PhysicalSizeY"], pixels["PhysicalSizeX"], pixels["PhysicalSizeXUnit"]) == (2, 0.5, "pixel")


def test_what_no_tiff_holds_is_refused_through_napari_too(tmp_path, plugins):
    with pytest.raises(OSError, match="a TIFF does not hold"):
        write_image(str(tmp_path / "a.tif"), np.zeros((0, 30), np.uint8), {})
    viewer = ViewerModel()
    viewer.add_image(np.zeros((20, 30, 3), bool), rgb=True)
    with pytest.raises(OSError, match="a TIFF does not hold"):
        viewer.layers.save(str(tmp_path / "a.tif"), plugin="napari-inpaint")
    assert not list(tmp_path.iterdir())


def test_of_several_resolutions_the_largest_is_written(tmp_path, photo):
    save(tmp_path / "a.tif", [photo, photo[::2, ::2]], multiscale=True)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), photo)


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path, photo):
    with pytest.raises(OSError, match="cannot be written"):
        write_image(str(tmp_path / "no" / "a.tif"), photo, {"rgb": True})
    (tmp_path / "a.tif").write_bytes(b"mine")

    class Broken:
        shape, dtype, ndim, size = (2, 20, 30), np.dtype("uint8"), 3, 1200

        def __getitem__(self, index):
            raise OSError(5, "Input/output error")

    with pytest.raises(OSError, match="Input/output error"):
        write_image(str(tmp_path / "a.tif"), Broken(), {})
    assert (tmp_path / "a.tif").read_bytes() == b"mine"
    assert [each.name for each in tmp_path.iterdir()] == ["a.tif"]


def test_napari_offers_it(tmp_path, photo, plugins):
    viewer = ViewerModel()
    viewer.add_image(photo[..., 0], scale=(0.5, 0.5), units=("um", "um"))
    viewer.layers.save(str(tmp_path / "a.tif"), plugin="napari-inpaint")
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        assert 'PhysicalSizeX="0.5"' in tiff.ome_metadata
