"""The widget leaves its window as it found it."""

import gc
import weakref

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from tests.plugin.widget.user import RECTANGLE, TIMEOUT, Slow, click, fill_and_wait, wait_until_idle


def test_two_viewers_do_not_know_of_each_other(qtbot, viewer, widget, make_napari_viewer, photo):
    viewer.add_image(photo[:150, :150], name="photo")
    viewer.add_shapes([RECTANGLE], shape_type="rectangle")
    other = make_napari_viewer(show=True)
    _, second = other.window.add_plugin_dock_widget("napari-inpaint", "Inpaint")
    other.add_image(photo[100:200], name="another")
    assert second.image.choices == (other.layers[0],)
    fill_and_wait(qtbot, viewer, widget)
    assert [layer.name for layer in other.layers] == ["another"]
    assert not second.controls.fill_button.enabled
    assert second.controls.reason.value == "Draw a rectangle first."


def test_closing_the_widget_in_the_middle_stops_the_fill_and_frees_it(qtbot, viewer, photo, monkeypatch):
    viewer.add_image(photo[:150, :150], name="photo")
    shapes = viewer.add_shapes([RECTANGLE], shape_type="rectangle")
    dock, widget = viewer.window.add_plugin_dock_widget("napari-inpaint", "Inpaint")
    slow = Slow(monkeypatch, windows=10_000)
    widget.controls.as_you_draw.value = True
    click(widget.controls.fill_button)
    worker = widget._filling.running.worker
    qtbot.waitUntil(lambda slow=slow: slow.ran > 3, timeout=TIMEOUT)
    with qtbot.waitSignal(worker.finished, timeout=TIMEOUT):
        dock.destroyOnClose()
    assert slow.ran < 1000
    assert [layer.name for layer in viewer.layers] == ["photo", "Shapes"]
    shapes.add_rectangles(np.array(RECTANGLE))  # nobody listens any more
    QTest.keyClick(viewer.window._qt_viewer.canvas.native, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    ghost = weakref.ref(widget)
    del widget, worker, dock, slow
    qtbot.wait(50)
    gc.collect()
    assert ghost() is None


def test_closing_the_window_in_the_middle_stops_the_fill(qtbot, make_napari_viewer, photo, monkeypatch):
    viewer = make_napari_viewer(show=True)
    image = viewer.add_image(photo[:150, :150].copy(), name="photo")
    viewer.add_shapes([RECTANGLE], shape_type="rectangle")
    _, widget = viewer.window.add_plugin_dock_widget("napari-inpaint", "Inpaint")
    widget.result.value = "in place"
    click(widget.controls.fill_button)
    wait_until_idle(qtbot, widget)
    filled = image.data.copy()
    slow = Slow(monkeypatch, windows=10_000)
    click(widget.controls.fill_button)
    qtbot.waitUntil(lambda: slow.ran > 3, timeout=TIMEOUT)
    assert not widget.controls.compare_button.enabled
    widget.compare(True)
    assert "running" in widget.status.value
    with qtbot.waitSignal(widget._filling.running.worker.finished, timeout=TIMEOUT):
        viewer.close()
    qtbot.waitUntil(lambda: widget._closed)
    assert slow.ran < 1000
    np.testing.assert_array_equal(image.data, filled)  # not what was there before the fill


def test_ctrl_z_of_others_comes_back(viewer):
    pressed = []
    viewer.bind_key("Control-Z", lambda _: pressed.append("before"), overwrite=True)
    dock, _ = viewer.window.add_plugin_dock_widget("napari-inpaint", "Inpaint")
    dock.destroyOnClose()
    canvas = viewer.window._qt_viewer.canvas.native
    QTest.keyClick(canvas, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    dock, _ = viewer.window.add_plugin_dock_widget("napari-inpaint", "Inpaint")
    viewer.bind_key("Control-Z", lambda _: pressed.append("after"), overwrite=True)
    dock.destroyOnClose()
    QTest.keyClick(canvas, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert pressed == ["before", "after"]
