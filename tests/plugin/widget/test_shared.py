"""One key takes back what is newest, in all widgets of a viewer, whatever has the focus."""

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_inpaint.plugin.widget.widget import InpaintWidget
from tests.plugin.widget.user import RECTANGLE, TIMEOUT, Slow, changed_pixels, click, drag, fill_and_wait, press

REDO = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier


@pytest.fixture
def painted(qtbot, viewer, photo):
    """An image, and a layer of labels that is painted in by mouse: returns the image, the labels, and a stroke."""
    image = viewer.add_image(photo[:150, :200].copy(), name="photo")
    viewer.reset_view()
    labels = viewer.add_labels(np.zeros((150, 200), int), name="labels")
    labels.brush_size = 9

    def paint(y):
        viewer.layers.selection = {labels}
        labels.mode = "paint"
        count = np.count_nonzero(labels.data)
        drag(qtbot, viewer, (y, 40), (y, 80))
        assert np.count_nonzero(labels.data) > count

    return image, labels, paint


@pytest.mark.parametrize("focus", ["labels", "photo", "nothing", "button"])
def test_the_newer_of_stroke_and_fill_is_taken_back(qtbot, viewer, widget, painted, focus):
    _, labels, paint = painted

    def undo(key=Qt.Key.Key_Z, modifier=Qt.KeyboardModifier.ControlModifier):
        viewer.layers.selection = {viewer.layers[focus]} if focus in viewer.layers else set()
        if focus == "button":
            QTest.keyClick(widget.controls.fill_button.native, key, modifier)
        else:
            press(viewer, key, modifier)

    paint(30)
    first = labels.data.copy()
    filled = fill_and_wait(qtbot, viewer, widget)
    paint(90)
    both = labels.data.copy()
    undo()  # the second stroke
    np.testing.assert_array_equal(labels.data, first)
    assert filled in viewer.layers
    if focus == "labels":  # which it shows again, and takes back again
        undo(modifier=REDO)
        np.testing.assert_array_equal(labels.data, both)
        undo()
    undo()  # the fill
    np.testing.assert_array_equal(labels.data, first)
    assert filled not in viewer.layers
    undo()  # the first stroke
    assert not labels.data.any()


def test_strokes_from_before_the_widget_was_opened_are_taken_back(viewer, painted):
    _, labels, paint = painted
    paint(30)
    viewer.window.add_plugin_dock_widget("napari-inpaint", "Inpaint")
    viewer.layers.selection = {labels}
    press(viewer)
    assert not labels.data.any()


def test_two_widgets_share_one_history_which_outlives_them(qtbot, viewer, photo):
    image = viewer.add_image(photo[:150, :200].copy(), name="photo")
    viewer.add_shapes([RECTANGLE], shape_type="rectangle")
    widgets = [InpaintWidget(viewer), InpaintWidget(viewer)]
    docks = [viewer.window.add_dock_widget(widget, name=str(n)) for n, widget in enumerate(widgets)]
    for widget in widgets:
        widget.result.value = "in place"
        fill_and_wait(qtbot, viewer, widget)
        viewer.layers["Shapes"].data = [np.array(RECTANGLE) + 70]
    docks[0].destroyOnClose()
    press(viewer)  # what the second one did
    assert changed_pixels(image.data, photo[:150, :200]) == ([20, 20, 0], [51, 61, 3])
    docks[1].destroyOnClose()
    press(viewer)  # nobody listens
    assert changed_pixels(image.data, photo[:150, :200]) == ([20, 20, 0], [51, 61, 3])
    _, third = viewer.window.add_plugin_dock_widget("napari-inpaint", "Inpaint")
    click(third.controls.undo_button)
    np.testing.assert_array_equal(image.data, photo[:150, :200])


def test_labels_take_their_strokes_back_themselves_when_the_widget_is_closed(viewer, painted):
    _, labels, paint = painted
    dock, _ = viewer.window.add_plugin_dock_widget("napari-inpaint", "Inpaint")
    paint(30)
    dock.destroyOnClose()
    paint(90)
    for _ in range(2):
        press(viewer)
    assert not labels.data.any()


def test_the_key_stops_the_fill_of_the_widget_that_works(qtbot, viewer, photo, monkeypatch):
    viewer.add_image(photo[:150, :200].copy(), name="photo")
    viewer.add_shapes([RECTANGLE], shape_type="rectangle")
    _, first = viewer.window.add_plugin_dock_widget("napari-inpaint", "Inpaint")
    dock = viewer.window.add_dock_widget(InpaintWidget(viewer), name="second")
    slow = Slow(monkeypatch, windows=10_000)
    first.fill()
    qtbot.waitUntil(lambda: slow.ran > 3, timeout=TIMEOUT)
    dock.destroyOnClose()  # the other one, in the middle
    press(viewer)
    qtbot.waitUntil(lambda: not first.is_running, timeout=TIMEOUT)
    assert slow.ran < 1000
    assert len(viewer.layers) == 2


def test_a_result_with_data_of_the_user_is_not_taken_back(qtbot, viewer, widget, photo):
    viewer.add_image(photo[:150, :200].copy(), name="photo")
    viewer.add_shapes([RECTANGLE], shape_type="rectangle")
    filled = fill_and_wait(qtbot, viewer, widget)
    filled.data = photo[100:250, :200].copy()
    press(viewer)
    assert widget.status.value == "Nothing to undo."
    assert filled in viewer.layers


def test_a_source_that_was_hidden_returns_when_its_result_is_deleted(qtbot, viewer, widget, photo):
    image = viewer.add_image(photo[:150, :200, 0].copy(), name="photo", blending="additive")
    viewer.add_shapes([RECTANGLE], shape_type="rectangle")
    filled = fill_and_wait(qtbot, viewer, widget)
    assert not image.visible
    viewer.layers.selection = {filled}
    viewer.layers.remove_selected()
    assert image.visible
    assert widget.image.value is image
