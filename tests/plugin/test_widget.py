"""The widget in a real viewer: real layers, real mouse events, real worker threads."""

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest

from napari_inpaint.plugin.widget import InpaintWidget


@pytest.fixture
def viewer(make_napari_viewer):
    return make_napari_viewer(show=True)


@pytest.fixture
def widget(viewer):
    _, widget = viewer.window.add_plugin_dock_widget("napari-inpaint", "Inpaint")
    assert isinstance(widget, InpaintWidget)
    return widget


def fill_and_wait(qtbot, viewer, widget):
    before = len(viewer.layers)
    widget.fill_button.native.click()
    qtbot.waitUntil(lambda: len(viewer.layers) == before + 1 and widget.fill_button.enabled, timeout=60_000)
    return viewer.layers[-1]


def drag(qtbot, viewer, start_world, end_world):
    """Drag with the left mouse button between two points given in world coordinates."""
    qt_viewer = viewer.window._qt_viewer
    canvas = qt_viewer.canvas
    node = canvas.view.scene.transform

    def to_canvas(world):
        x, y = canvas.view.scene.node_transform(canvas.view.canvas.scene).map((world[1], world[0]))[:2]
        return QPoint(round(x), round(y))

    start, end = to_canvas(start_world), to_canvas(end_world)
    middle = QPoint((start.x() + end.x()) // 2, (start.y() + end.y()) // 2)
    native = canvas.native
    del node
    QTest.mouseMove(native, start)
    qtbot.wait(50)
    QTest.mousePress(native, Qt.MouseButton.LeftButton, pos=start)
    for point in (middle, end):
        QTest.mouseMove(native, point)
        qtbot.wait(50)
    QTest.mouseRelease(native, Qt.MouseButton.LeftButton, pos=end)
    qtbot.wait(50)


def test_mouse(
    qtbot,
    viewer,
    widget,
):
    viewer.add_image(np.random.default_rng(0).integers(0, 255, (200, 300), np.uint8), scale=(0.5, 0.5))
    shapes = viewer.add_shapes(name="holes", ndim=2)
    shapes.mode = "add_rectangle"
    viewer.reset_view()
    drag(qtbot, viewer, (20, 40), (40, 80))
    fill_and_wait(qtbot, viewer, widget)
