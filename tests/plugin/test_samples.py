"""Samples open with what is to be filled, and can be filled."""

import threading

import dask.array as da
import numpy as np
import pytest
from napari.components import ViewerModel

from napari_inpaint.plugin import samples
from napari_inpaint.plugin.layers.job import Slices, read_job
from napari_inpaint.plugin.widget.worker import Settings, run_fill


def open_sample(opener):
    viewer = ViewerModel()
    for data, attributes, kind in opener():
        getattr(viewer, f"add_{kind}")(data, **attributes)
    return viewer


@pytest.mark.parametrize("opener", [samples.open_label, samples.open_stack, samples.open_large])
def test_a_sample_is_filled_where_it_says(opener):
    viewer = open_sample(opener)
    image, holes = viewer.layers
    assert "CC BY" in image.metadata["credit"]
    job = read_job(image, holes, viewer.dims, Slices("all"))
    (result,) = run_fill([job], Settings("compact", "cpu"), [False], threading.Event()).results
    assert result.record["filled_pixels"] > 5000


def test_the_label_lies_in_its_rectangle(photo):
    viewer = open_sample(samples.open_label)
    image, holes = viewer.layers
    (around,) = read_job(image, holes, viewer.dims).boxes[()]
    changed = np.argwhere((image.data != photo).any(-1))
    assert changed.min(0).tolist() > [around.y0, around.x0]
    assert changed.max(0).tolist() < [around.y1 - 1, around.x1 - 1]
    assert len(changed) > 1000


def test_the_stack_is_dark_where_its_labels_are():
    viewer = open_sample(samples.open_stack)
    image, labels = viewer.layers
    assert image.data.dtype == np.uint16
    assert image.data.max() < 4096
    assert (image.data[labels.data == 1] == 0).all()
    assert (image.data[labels.data == 2] == 180).all()
    assert all((plane == 2).any() for plane in labels.data)


def test_the_large_image_is_lazy():
    image, _ = open_sample(samples.open_large).layers
    assert image.multiscale
    assert all(isinstance(level, da.Array) for level in image.data)
    assert image.data[0].shape == (16384, 20480, 3)
