"""What a user does with the widget, and an inpainter that takes its time."""

import time

import numpy as np
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_inpaint import FillCancelledError, Inpainter
from napari_inpaint.plugin.layers.results import RECORD

RECTANGLE = [(20, 20), (20, 60), (50, 60), (50, 20)]
TIMEOUT = 60_000


def click(button):
    QTest.mouseClick(button.native, Qt.MouseButton.LeftButton)


def wait_until_idle(qtbot, widget):
    qtbot.waitUntil(lambda: not widget.is_running, timeout=TIMEOUT)


def fill_and_wait(qtbot, viewer, widget):
    """Click Fill, wait, and return the layer that shows the fill: a new one, or the one that is chosen then."""
    before = set(viewer.layers)
    click(widget.controls.fill_button)
    wait_until_idle(qtbot, widget)
    assert "filled in" in widget.status.value
    new = [layer for layer in viewer.layers if layer not in before and RECORD in layer.metadata]
    return new[0] if new else widget.image.value


def drag(qtbot, viewer, start, end):
    """Drag with the left mouse button between two points (y, x) in world coordinates."""
    canvas = viewer.window._qt_viewer.canvas

    def to_canvas(y, x):
        transform = canvas.view.scene.node_transform(canvas.view.canvas.scene)
        return QPoint(*(round(value) for value in transform.map((x, y))[:2]))

    def settled():  # the layout of the window may still change
        before = to_canvas(*start), to_canvas(*end), canvas.native.size()
        QApplication.processEvents()
        return before == (to_canvas(*start), to_canvas(*end), canvas.native.size())

    def moved_to(place):  # an event may be lost while the window is being laid out; one to the same point is none
        for point in (to_canvas(*place) + QPoint(1, 0), to_canvas(*place)):
            QTest.mouseMove(canvas.native, point)
            QApplication.processEvents()
        return np.allclose(viewer.cursor.position[-2:], place, atol=1.5)

    qtbot.waitUntil(lambda: settled() and settled(), timeout=TIMEOUT)
    moved_to(start)
    QTest.mousePress(canvas.native, Qt.MouseButton.LeftButton, pos=to_canvas(*start))
    for place in (np.add(start, end) / 2, end):
        qtbot.waitUntil(lambda place=place: moved_to(place), timeout=TIMEOUT)
    QTest.mouseRelease(canvas.native, Qt.MouseButton.LeftButton, pos=to_canvas(*end))


def changed_pixels(filled, image):
    """The first and the last index that differ, half-open."""
    differs = np.argwhere(np.asarray(filled) != np.asarray(image))
    return differs.min(0).tolist(), (differs.max(0) + 1).tolist()


class Slow:
    """Stands for an Inpainter whose windows take time, or wait until they may go on."""

    def __init__(self, monkeypatch, windows=50):
        self.inpainter, self.windows, self.ran = Inpainter("compact"), windows, 0
        self.session = self.inpainter.session
        self.may_go_on = None
        monkeypatch.setattr("napari_inpaint.plugin.widget.worker.make_inpainter", lambda _: self)

    def run(self, job, options, on_progress, cancel):
        windows = self.windows
        for done in range(windows):
            if cancel.is_set():
                raise FillCancelledError
            if self.may_go_on is None:
                time.sleep(0.001)
            else:
                assert self.may_go_on.wait(TIMEOUT / 1000)
                self.may_go_on.clear()
            self.ran += 1
            on_progress(done + 1, windows)
        return self.inpainter.run(job, options)


def click_layer(viewer, layer, modifier=Qt.KeyboardModifier.NoModifier):
    """Click a layer in the viewer's list."""
    view = viewer.window._qt_viewer.layers
    row = len(viewer.layers) - 1 - viewer.layers.index(layer)  # the topmost comes first
    place = view.visualRect(view.model().index(row, 0))
    QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, modifier, place.center())


def press(viewer, key=Qt.Key.Key_Z, modifier=Qt.KeyboardModifier.ControlModifier):
    """Press a key over the canvas."""
    QTest.keyClick(viewer.window._qt_viewer.canvas.native, key, modifier)
