"""What the user chooses is what is filled."""

import dask.array as da
import numpy as np
import pytest
from napari.layers import Labels

from napari_inpaint.inference.runtime import session
from napari_inpaint.inference.runtime.providers import CPU
from napari_inpaint.plugin.layers.holes import INVALID
from napari_inpaint.plugin.layers.results import RECORD
from napari_inpaint.plugin.widget.engine import OTHER_MODEL
from tests.plugin.widget.user import RECTANGLE, TIMEOUT, changed_pixels, click, fill_and_wait, wait_until_idle


@pytest.mark.parametrize("kind", ["dask", "multiscale", "read-only"])
def test_what_cannot_be_filled_in_place_says_why_and_is_filled_anew(qtbot, viewer, widget, photo, kind):
    data = {"dask": da.from_array(photo), "multiscale": [photo, photo[::2, ::2]], "read-only": photo}[kind]
    image = viewer.add_image(data, rgb=True, multiscale=kind == "multiscale")
    viewer.add_shapes([RECTANGLE], shape_type="rectangle")
    widget.result.value = "in place"
    filled = fill_and_wait(qtbot, viewer, widget)
    assert "it is filled in a new layer" in widget.status.value
    assert filled is not image
    np.testing.assert_array_equal(image.data[0] if kind == "multiscale" else image.data, photo)


def test_slices_of_a_16_bit_stack(qtbot, viewer, widget, photo):
    stack = np.stack([photo[:150, :150, c].astype(np.uint16) * 257 for c in range(3)])
    viewer.add_image(stack, name="stack")
    viewer.add_shapes([RECTANGLE], shape_type="rectangle")
    widget.inputs.images.pin.value = True
    assert widget.inputs.slices.visible
    viewer.dims.set_point(0, 1)
    filled = fill_and_wait(qtbot, viewer, widget)
    assert changed_pixels(filled.data, stack) == ([1, 20, 20], [2, 51, 61])
    assert filled.data.dtype == np.uint16
    widget.inputs.slices.value = "all slices"
    filled = fill_and_wait(qtbot, viewer, widget)
    assert changed_pixels(filled.data, stack) == ([0, 20, 20], [3, 51, 61])
    widget.inputs.slices.value = "a range of slices"
    assert widget.inputs.range.visible
    assert widget.inputs.last.value == 2
    widget.inputs.last.value = 1
    filled = fill_and_wait(qtbot, viewer, widget)
    assert changed_pixels(filled.data, stack) == ([0, 20, 20], [2, 51, 61])


def test_slices_are_copied_from_those_beside_them(qtbot, viewer, widget, photo):
    stack = np.stack([np.roll(photo[100:250, 100:250, 1], (t, 0), (0, 1)) for t in range(3)])[:, None]  # T, Z, Y, X
    viewer.add_image(stack, name="stack")
    here = np.pad(np.asarray(RECTANGLE), [(0, 0), (2, 0)])
    viewer.add_shapes([here], shape_type="rectangle")
    widget.inputs.images.pin.value = True
    widget.advanced.expand(animate=False)
    assert not widget.inputs.sources.visible
    widget.inputs.slices.value = "all slices"
    assert widget.inputs.sources.visible
    own, along_t, _ = widget.inputs.sources.choices
    errors = {}
    for choice in (own, along_t):
        widget.inputs.sources.value = choice
        filled = fill_and_wait(qtbot, viewer, widget)
        errors[choice] = np.abs(filled.data.astype(int) - stack).sum()
    assert errors[along_t] < 0.1 * errors[own]
    assert filled.metadata[RECORD]["copies"][0]["steps"]
    widget.inputs.detail.value = "smooth"
    assert not widget.inputs.sources.visible
    filled = fill_and_wait(qtbot, viewer, widget)
    assert filled.metadata[RECORD]["sources"] == "plane"


def test_labels_and_nan_are_holes(qtbot, viewer, widget, photo):
    pixels = photo[:90, :90, 0].astype(np.float32)
    pixels[30:50, 30:55] = np.nan
    image = viewer.add_image(pixels, name="photo")
    labels = np.zeros(pixels.shape, int)
    labels[60:70, 60:80], labels[5:9, 5:9] = 3, 4
    viewer.add_labels(labels)
    assert widget.inputs.label_id.visible
    widget.inputs.label_id.value = 3
    filled = fill_and_wait(qtbot, viewer, widget)
    known = np.isfinite(pixels)
    assert changed_pixels(filled.data[known], image.data[known])
    assert (filled.data[5:9, 5:9] == pixels[5:9, 5:9]).all()
    widget.holes.value = INVALID
    assert not widget.inputs.label_id.visible
    widget.image.value = image
    filled = fill_and_wait(qtbot, viewer, widget)
    assert np.isfinite(filled.data).all()


def test_layers_of_labels_are_filled_with_labels(qtbot, viewer, widget):
    cells = np.random.default_rng(0).integers(1, 2**30, (9, 9)).repeat(10, 0).repeat(10, 1)
    labels = viewer.add_labels(cells, name="cells", opacity=0.4)
    viewer.add_shapes([RECTANGLE], shape_type="rectangle")
    assert widget.image.value is labels
    assert not widget.inputs.kind.visible
    widget.inputs.images.pin.value = True
    filled = fill_and_wait(qtbot, viewer, widget)
    assert isinstance(filled, Labels)
    assert filled.opacity == 0.4
    assert np.isin(filled.data, cells).all()
    assert labels not in widget.holes.choices
    widget.inputs.images.pin.value = False
    widget.advanced.expand(animate=False)
    image = viewer.add_image(np.zeros((90, 90)))
    assert widget.image.value is image
    assert widget.inputs.kind.visible
    assert labels in widget.holes.choices
    widget.image.value = labels
    widget.inputs.images.pin.value = True
    viewer.add_image(np.zeros((90, 90)))
    assert widget.image.value is labels
    assert labels not in widget.holes.choices


def test_what_an_image_is_taken_for_is_an_option(viewer, widget):
    viewer.add_image(np.zeros((90, 90)))
    chosen = {}
    for kind in widget.inputs.kind.choices:
        widget.inputs.kind.value = kind
        options = widget.inputs.read_settings().options
        chosen[kind] = options.values, options.mosaic, options.wrap
    assert sorted(map(str, chosen.values())) == sorted(map(str, [
        ("intensity", None, None), ("labels", None, None), ("phase", None, None), ("intensity", (2, 2), None),
        ("intensity", (6, 6), None), ("intensity", None, "x"),
    ]))  # fmt: skip


def test_a_device_that_cannot_be_used_is_refused_with_the_reason(qtbot, viewer, widget, monkeypatch):
    viewer.add_image(np.zeros((90, 90), np.uint8))
    viewer.add_shapes([[(10, 10), (10, 30), (30, 30), (30, 10)]], shape_type="rectangle")
    monkeypatch.setattr(
        "napari_inpaint.inference.runtime.providers.find_cuda_problem", lambda _: "no NVIDIA driver is installed"
    )
    widget.device.value = "cuda"
    qtbot.waitUntil(lambda: "no NVIDIA driver is installed" in widget.runs_on.value, timeout=TIMEOUT)
    widget.fill()
    wait_until_idle(qtbot, widget)
    assert "no NVIDIA driver is installed" in widget.status.value
    assert len(viewer.layers) == 2


def test_cuda_that_cannot_be_used_is_named_beside_what_runs(qtbot, viewer, widget, monkeypatch):
    monkeypatch.setattr(session, "choose_providers", lambda *_: ([CPU], "the driver is too old"))
    qtbot.waitUntil(lambda: CPU in widget.runs_on.value, timeout=TIMEOUT)
    assert "no CUDA" not in widget.runs_on.value
    widget.model.value = "landscape"
    qtbot.waitUntil(lambda: "no CUDA: the driver is too old" in widget.runs_on.value, timeout=TIMEOUT)
    assert widget.runs_on.value.startswith(CPU)


def test_a_model_of_the_user(qtbot, viewer, widget, monkeypatch, tmp_path):
    from napari_inpaint.models import bundled_models

    path = tmp_path / "mine.onnx"
    path.write_bytes(bundled_models()["compact"]["int8"].read_bytes())
    monkeypatch.setattr("napari_inpaint.plugin.widget.engine.QFileDialog.getOpenFileName", lambda *_: (str(path), ""))
    widget.model.value = OTHER_MODEL
    assert widget.model.value == str(path)
    qtbot.waitUntil(lambda: "CPUExecutionProvider" in widget.runs_on.value, timeout=TIMEOUT)
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    monkeypatch.setattr("napari_inpaint.plugin.widget.engine.QFileDialog.getOpenFileName", lambda *_: (str(broken), ""))
    widget.model.value = OTHER_MODEL
    qtbot.waitUntil(lambda: "not a model" in widget.runs_on.value, timeout=TIMEOUT)
    monkeypatch.setattr("napari_inpaint.plugin.widget.engine.QFileDialog.getOpenFileName", lambda *_: ("", ""))
    widget.model.value = OTHER_MODEL  # and cancelled
    assert widget.model.value == str(broken)


def test_renamed_layers_keep_their_place_in_the_lists(viewer, widget, photo):
    image = viewer.add_image(photo, name="photo")
    holes = viewer.add_shapes([RECTANGLE], shape_type="rectangle")
    holes.name = "what is to go"
    assert widget.holes.value is holes
    assert widget.holes.native.findText("what is to go") >= 0
    assert widget.image.value is image


def test_a_hidden_widget_fills_what_was_chosen(qtbot, viewer, photo):
    dock, widget = viewer.window.add_plugin_dock_widget("napari-inpaint", "Inpaint")
    stack = np.stack([photo[:150, :150, 1]] * 3)
    image = viewer.add_image(stack.copy())
    shapes = viewer.add_shapes(ndim=2)
    widget.inputs.slices.value, widget.result.value = "all slices", "in place"
    widget.controls.as_you_draw.value = True
    dock.hide()
    shapes.add_rectangles(np.array(RECTANGLE))
    wait_until_idle(qtbot, widget)
    assert changed_pixels(image.data, stack) == ([0, 20, 20], [3, 51, 61])


def test_a_range_stays_as_it_was_entered(viewer, widget):
    image = viewer.add_image(np.zeros((3, 10, 40, 50), np.uint8))
    viewer.add_shapes(ndim=2)
    widget.inputs.slices.value = "a range of slices"
    assert (widget.inputs.along.value, widget.inputs.last.value) == (0, 2)
    widget.inputs.along.value = 1
    assert widget.inputs.last.value == 9
    widget.inputs.last.value = 0
    viewer.add_shapes(ndim=2)
    widget.holes.value = viewer.layers[-1]
    assert (widget.image.value, widget.inputs.last.value) == (image, 0)


def test_a_range_is_that_of_the_next_round_too(qtbot, viewer, widget, photo):
    stack = np.stack([photo[:150, :200, 1]] * 4)
    viewer.add_image(stack.copy(), name="stack")
    viewer.add_shapes([RECTANGLE], shape_type="rectangle")
    widget.inputs.slices.value = "a range of slices"
    widget.inputs.first.value, widget.inputs.last.value = 1, 2
    for _ in range(2):
        filled = fill_and_wait(qtbot, viewer, widget)
        assert changed_pixels(filled.data, stack) == ([1, 20, 20], [3, 51, 61])


def test_an_image_without_slices_does_no_harm(viewer, widget):
    viewer.add_image(np.zeros((0, 40, 50), np.uint8), contrast_limits=(0, 1))
    viewer.add_shapes([RECTANGLE], shape_type="rectangle")
    click(widget.controls.fill_button)
    assert "outside layer" in widget.status.value


def test_detail_and_no_data_are_those_of_the_fill(qtbot, viewer, widget, photo):
    heights = photo[..., 1].astype(np.float32)
    heights[:, 60:] = -9999
    viewer.add_image(heights, name="heights")
    viewer.add_shapes([RECTANGLE], shape_type="rectangle")
    widget.inputs.detail.value = "smooth"
    widget.inputs.nodata.value = "-9999"
    filled = fill_and_wait(qtbot, viewer, widget)
    assert filled.data[20:51, 20:60].min() >= 0
    record = filled.metadata[RECORD]
    assert (record["detail"], record["nodata"], record["provider"]) == ("smooth", -9999, "")
    assert "smoothly, without the network" in widget.status.value
    widget.inputs.nodata.value = "none"
    click(widget.controls.fill_button)
    assert widget.status.value == "No data must be a number, or empty, not 'none'."


def test_four_channels_of_an_rgb_layer_are_colours_and_transparency(qtbot, viewer, widget, photo):
    erased = np.dstack([photo, np.full(photo.shape[:2], 255, np.uint8)])
    erased[30:40, 30:40] = 0
    viewer.add_image(erased, name="erased")
    viewer.add_shapes([RECTANGLE], shape_type="rectangle")
    filled = fill_and_wait(qtbot, viewer, widget)
    assert (filled.data[..., 3] == 255).all()
    assert filled.data[30:40, 30:40, :3].min() > 0
