"""What is copied does what Fill does."""

import contextlib
import shlex
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels
from PIL import Image as Picture

from napari_inpaint.inference.options import FillOptions
from napari_inpaint.plugin.layers.frame import Slices
from napari_inpaint.plugin.layers.holes import INVALID
from napari_inpaint.plugin.layers.job import read_job
from napari_inpaint.plugin.snippets import to_command, to_python
from napari_inpaint.plugin.widget.worker import Settings, run_fill


def to_settings(*options):
    return Settings("compact", "cpu", FillOptions(*options))


SETTINGS = to_settings()
CORNERS = np.array([(20, 30), (20, 69), (59, 69), (59, 30)])


def make_viewer(image, corners=CORNERS, shape_type="rectangle"):
    viewer = ViewerModel()
    viewer.add_layer(image)
    viewer.add_shapes(corners, shape_type=shape_type, name="holes")
    return viewer


STACKS = {
    "photo": (lambda photo: Image(photo, name="an 'image'"), "rectangle", Slices(), SETTINGS),
    "polygon": (lambda photo: Image(photo, name="photo"), "polygon", Slices(), to_settings(2, False)),
    "slice": (lambda photo: Image(np.moveaxis(photo, -1, 0)), "rectangle", Slices(), to_settings(1)),
    "all": (lambda photo: Image(np.moveaxis(photo, -1, 0)), "rectangle", Slices("all"), SETTINGS),
    "labels": (lambda photo: Labels(photo[..., 0].astype(int) // 40, name="ids"), "rectangle", Slices(), SETTINGS),
    "mosaic": (lambda photo: Image(photo[..., 0], name="raw"), "rectangle", Slices(),
               Settings("compact", "cpu", FillOptions(mosaic=(2, 2)))),
    "panorama": (lambda photo: Image(photo, name="all around"), "rectangle", Slices(),
                 Settings("compact", "cpu", FillOptions(wrap="x"))),
    "range of polygons": (lambda photo: Image(np.moveaxis(photo, -1, 0)), "polygon", Slices("range", 0, 1, 2),
                          SETTINGS),
    "levels": (lambda photo: Image([photo, photo[::2, ::2]], name="photo", multiscale=True), "rectangle", Slices(),
               SETTINGS),
}  # fmt: skip


@pytest.mark.parametrize("name", STACKS)
def test_the_python_program_makes_the_same_pixels(photo, name):
    make, shape_type, slices, settings = STACKS[name]
    image = make(photo[:150, :200])
    viewer = make_viewer(image, CORNERS[:3] if shape_type == "polygon" else CORNERS, shape_type)
    job = read_job(image, viewer.layers["holes"], viewer.dims, slices)
    program = to_python(job, image, viewer.layers["holes"], slices, 0, settings)
    names = {"viewer": viewer}
    exec(program, names)
    expected = run_fill([job], settings, [False], threading.Event()).results[0].data
    np.testing.assert_array_equal(names["result"], expected[0] if image.multiscale else expected)
    assert (names["result"] != (image.data[0] if image.multiscale else image.data)).any()


def test_the_python_program_for_labels_and_nan(photo):
    pixels = photo[:90, :90, 0].astype(np.float32)
    pixels[30:60, 30:55] = np.nan
    viewer = ViewerModel()
    image = viewer.add_image(pixels, name="photo")
    labels = viewer.add_labels(np.isnan(pixels) * 7, name="labels")
    for holes, label in ((labels, 7), (INVALID, 0)):
        job = read_job(image, holes, viewer.dims, Slices(), label)
        names = {"viewer": viewer}
        exec(to_python(job, image, holes, Slices(), label, SETTINGS), names)
        assert np.isfinite(names["result"]).all()
        (result,) = run_fill([job], SETTINGS, [False], threading.Event()).results
        np.testing.assert_array_equal(names["result"], result.data)


@pytest.mark.parametrize("settings", [SETTINGS, to_settings(3, False)])
def test_the_command_makes_the_same_file(photo, tmp_path, settings, plugins):
    path = tmp_path / "a photo.png"
    Picture.fromarray(photo[:150, :200]).save(path)
    viewer = ViewerModel()
    (image,) = viewer.open(path, plugin="napari")
    holes = viewer.add_shapes([CORNERS, CORNERS + 80], shape_type="rectangle")
    job = read_job(image, holes, viewer.dims)
    words = shlex.split(to_command(job, image, holes, settings))
    assert words[0] == "inpaint-fill"
    subprocess.run([Path(sys.executable).with_name("inpaint-fill"), *words[1:]], check=True, capture_output=True)
    expected = run_fill([job], settings, [False], threading.Event()).results[0].data
    np.testing.assert_array_equal(np.asarray(Picture.open(tmp_path / "a photo filled.png")), expected)


def test_what_the_command_cannot_do_is_said(photo, tmp_path, plugins):
    viewer = make_viewer(Image(photo, name="photo"))
    image, holes = viewer.layers
    with pytest.raises(ValueError, match="not opened from a file"):
        to_command(read_job(image, holes, viewer.dims), image, holes, SETTINGS)
    Picture.fromarray(photo).save(tmp_path / "photo.png")
    viewer = ViewerModel()
    (image,) = viewer.open(tmp_path / "photo.png", plugin="napari")
    polygon = viewer.add_shapes(CORNERS[:3], shape_type="polygon")
    with pytest.raises(ValueError, match="--mask"):
        to_command(read_job(image, polygon, viewer.dims), image, polygon, SETTINGS)


def test_the_command_fills_all_slices_or_none(photo, tmp_path, plugins):
    import tifffile

    tifffile.imwrite(tmp_path / "stack.tif", np.moveaxis(photo, -1, 0), photometric="minisblack")
    viewer = ViewerModel()
    (image,) = viewer.open(tmp_path / "stack.tif", plugin="napari")
    holes = viewer.add_shapes(CORNERS, shape_type="rectangle")
    with pytest.raises(ValueError, match="choose all slices"):
        to_command(read_job(image, holes, viewer.dims), image, holes, SETTINGS)
    job = read_job(image, holes, viewer.dims, Slices("all"))
    assert "--box 20 30 60 70" in to_command(job, image, holes, SETTINGS)


def test_a_store_of_several_images_does_not_say_which_one_a_layer_shows(photo, tmp_path):
    import zarr
    from napari.layers._source import layer_source

    group = zarr.open_group(str(tmp_path / "plate.zarr"), mode="w", zarr_format=2)
    group.attrs["well"] = {"images": [{"path": "0"}, {"path": "1"}]}
    for name in "01":
        group.create_array(f"{name}/0", shape=photo.shape[:2], dtype="uint8")[:] = photo[..., 1]
        group[name].attrs["multiscales"] = [{"datasets": [{"path": "0"}]}]
    for path, several in ((tmp_path / "plate.zarr", True), (tmp_path / "plate.zarr" / "1", False)):
        with layer_source(path=str(path)):
            viewer = make_viewer(Image(photo[..., 1], name="photo"))
        image, holes = viewer.layers
        job = read_job(image, holes, viewer.dims)
        with pytest.raises(ValueError, match="holds several images") if several else contextlib.nullcontext():
            to_command(job, image, holes, SETTINGS)
