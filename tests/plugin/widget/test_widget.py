"""The widget in a real viewer: real layers, real mouse and key events, real worker threads."""

import numpy as np
import pytest
from qtpy.QtWidgets import QApplication

from napari_inpaint.plugin.layers.results import RECORD
from napari_inpaint.samples import DATE_BOX
from tests.plugin.widget.user import RECTANGLE, changed_pixels, click, drag, fill_and_wait, wait_until_idle


def test_draw_fill_compare_by_mouse(qtbot, viewer, widget, photo):
    image = viewer.add_image(
        photo[:200, :300, 0], name="photo", scale=(0.5, 0.5), units=("um", "um"), colormap="viridis"
    )
    viewer.reset_view()
    click(widget.controls.draw_button)
    shapes = viewer.layers[-1]
    assert widget.holes.value is shapes
    assert shapes.mode == "add_rectangle"
    drag(qtbot, viewer, (20, 40), (40, 80))
    qtbot.waitUntil(lambda: len(shapes.data) == 1)
    filled = fill_and_wait(qtbot, viewer, widget)
    # world 20..40 x 40..80 is 40..80 x 80..160 in pixels; the mouse is exact to a screen pixel or two
    np.testing.assert_allclose(changed_pixels(filled.data, image.data), [(40, 80), (81, 161)], atol=3)
    assert filled.name == "photo filled"
    np.testing.assert_array_equal(filled.scale, image.scale)
    assert filled.units == image.units
    assert filled.colormap.name == "viridis"
    assert filled.data.dtype == image.data.dtype
    assert filled.metadata[RECORD]["provider"] == "CPUExecutionProvider"
    assert "on the CPU" in widget.status.value
    assert "CPUExecutionProvider" in widget.runs_on.value
    click(widget.controls.compare_button)
    assert not filled.visible
    click(widget.controls.compare_button)
    assert filled.visible
    click(widget.controls.synthetic_button)
    np.testing.assert_array_equal(viewer.layers[-1].scale, image.scale)
    assert not ((filled.data != image.data) & (viewer.layers[-1].data == 0)).any()


@pytest.mark.parametrize("key", ["label", "stack", "large"])
def test_the_samples_are_found_in_the_menu_and_filled(qtbot, viewer, widget, key):
    viewer.open_sample("napari-inpaint", key)
    filled = fill_and_wait(qtbot, viewer, widget)
    assert "CC BY" in filled.metadata["credit"]
    assert filled.multiscale == (key == "large")


def test_the_label_sample_is_filled_exactly_in_its_rectangle(qtbot, viewer, widget):
    viewer.open_sample("napari-inpaint", "label")
    filled = fill_and_wait(qtbot, viewer, widget)
    first, last = changed_pixels(filled.data, viewer.layers["The Crest"].data)
    assert ((*first[:2],), (*last[:2],)) == (DATE_BOX[:2], DATE_BOX[2:])
    assert filled.rgb


def test_without_layers_it_says_what_is_missing(viewer, widget):
    controls = widget.controls
    widget.advanced.expand(animate=False)
    for button in (controls.draw_button, controls.python_button, controls.command_button):
        click(button)
        assert widget.status.value == "Open an image first."
    assert controls.reason.value == "Open an image first."
    for button in (controls.fill_button, controls.check_button, controls.synthetic_button, controls.save_button,
                   controls.compare_button, controls.undo_button):  # fmt: skip
        assert not button.enabled
    for act in (widget.fill, widget.check, widget.add_synthetic):
        act()
        assert widget.status.value == "Open an image first."
    widget.compare(True)
    assert widget.status.value == "Nothing was filled yet."
    widget.undo()
    assert "Nothing to undo" in widget.status.value
    viewer.add_image(np.zeros((90, 90), np.uint8))
    assert controls.reason.value == "Draw a rectangle first."
    viewer.add_shapes(name="holes")
    assert controls.reason.value == "Draw a rectangle first."
    widget.fill()
    assert widget.status.value == "Draw a rectangle first."
    assert len(viewer.layers) == 2
    assert not widget.is_running


def test_a_fill_that_fails_says_why_and_can_be_tried_again(qtbot, viewer, widget, photo):
    image = viewer.add_image(np.full((90, 90), np.nan, np.float32), contrast_limits=(0, 255))
    viewer.add_shapes([[(10, 10), (10, 30), (30, 30), (30, 10)]], shape_type="rectangle")
    widget.fill()
    wait_until_idle(qtbot, widget)
    assert "no pixel is known" in widget.status.value
    assert len(viewer.layers) == 2
    image.data = photo[:90, :90, 0].astype(np.float32)
    fill_and_wait(qtbot, viewer, widget)


def test_the_call_is_put_on_the_clipboard(viewer, widget, photo):
    viewer.add_image(photo, name="photo")
    viewer.add_shapes([RECTANGLE], shape_type="rectangle")
    click(widget.controls.python_button)
    assert "boxes=[(20, 20, 51, 61)]" in QApplication.clipboard().text()
    click(widget.controls.command_button)
    assert "not opened from a file" in widget.status.value
