"""The widget in a real viewer: real layers, real mouse events, real worker threads."""

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest

from napari_inpaint.plugin import samples
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
    """Click Fill and wait for the new layer."""
    before = len(viewer.layers)
    QTest.mouseClick(widget.fill_button.native, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: len(viewer.layers) == before + 1 and widget.fill_button.enabled, timeout=60_000)
    return viewer.layers[-1]


def drag(qtbot, viewer, start, end):
    """Drag with the left mouse button between two points (y, x) in world coordinates."""
    canvas = viewer.window._qt_viewer.canvas
    to_canvas = canvas.view.scene.node_transform(canvas.view.canvas.scene)
    points = [QPoint(*(round(value) for value in to_canvas.map((x, y))[:2])) for y, x in (start, end)]
    middle = QPoint((points[0].x() + points[1].x()) // 2, (points[0].y() + points[1].y()) // 2)
    QTest.mouseMove(canvas.native, points[0])
    QTest.mousePress(canvas.native, Qt.MouseButton.LeftButton, pos=points[0])
    for point in (middle, points[1]):
        QTest.mouseMove(canvas.native, point)
        qtbot.wait(20)
    QTest.mouseRelease(canvas.native, Qt.MouseButton.LeftButton, pos=points[1])


def test_a_rectangle_drawn_with_the_mouse_over_a_scaled_image_is_filled(qtbot, viewer, widget, photo):
    image = viewer.add_image(photo[:200, :300, 0], name="photo", scale=(0.5, 0.5), colormap="viridis")
    shapes = viewer.add_shapes(name="holes", ndim=2)
    shapes.mode = "add_rectangle"
    viewer.reset_view()
    drag(qtbot, viewer, (20, 40), (40, 80))
    qtbot.waitUntil(lambda: len(shapes.data) == 1)
    filled = fill_and_wait(qtbot, viewer, widget)
    changed = np.argwhere(filled.data != image.data)
    # world 20..40 x 40..80 is 40..80 x 80..160 in pixels; the mouse is exact to a screen pixel or two
    np.testing.assert_allclose([changed.min(0), changed.max(0)], [(40, 80), (80, 160)], atol=3)
    assert filled.name == "photo filled"
    np.testing.assert_array_equal(filled.scale, image.scale)
    assert filled.colormap.name == "viridis"
    assert filled.data.dtype == image.data.dtype
    assert filled.metadata["napari_inpaint"]["provider"] in widget.status.value


def test_the_sample_is_filled_exactly_in_its_rectangle(qtbot, viewer, widget):
    viewer.open_sample("napari-inpaint", "the_crest")
    image = viewer.layers["The Crest"]
    filled = fill_and_wait(qtbot, viewer, widget)
    y0, x0, y1, x1 = samples.THE_CREST.box
    changed = np.argwhere((filled.data != image.data).any(-1))
    np.testing.assert_array_equal([changed.min(0), changed.max(0) + 1], [(y0, x0), (y1, x1)])
    assert filled.rgb
    assert "CC BY" in filled.metadata["credit"]


def test_a_16_bit_stack_is_filled_on_the_current_slice(qtbot, viewer, widget, photo):
    stack = np.stack([photo[:150, :150, c].astype(np.uint16) * 257 for c in range(3)])
    viewer.add_image(stack, name="stack")
    viewer.add_shapes([[(20, 20), (20, 60), (50, 60), (50, 20)]], shape_type="rectangle")
    viewer.dims.set_point(0, 1)
    filled = fill_and_wait(qtbot, viewer, widget)
    np.testing.assert_array_equal(filled.data[[0, 2]], stack[[0, 2]])
    changed = np.argwhere(filled.data[1] != stack[1])
    np.testing.assert_array_equal([changed.min(0), changed.max(0)], [(20, 20), (50, 60)])
    assert filled.data.dtype == np.uint16


def test_without_layers_it_says_what_is_missing(viewer, widget):
    widget.fill()
    assert widget.status.value == "Add an image first."
    viewer.add_image(np.zeros((90, 90), np.uint8))
    widget.fill()
    assert widget.status.value == "Add a Shapes layer with rectangles first."
    viewer.add_shapes(name="holes")
    widget.fill()
    assert "draw a rectangle" in widget.status.value
    assert len(viewer.layers) == 2
    assert widget.fill_button.enabled


def test_a_fill_that_fails_says_why_and_can_be_tried_again(qtbot, viewer, widget, photo):
    image = viewer.add_image(np.full((90, 90), np.nan, np.float32))
    viewer.add_shapes([[(10, 10), (10, 30), (30, 30), (30, 10)]], shape_type="rectangle")
    widget.fill()
    qtbot.waitUntil(lambda: widget.fill_button.enabled and "no pixel is known" in widget.status.value, timeout=30_000)
    assert len(viewer.layers) == 2
    image.data = photo[:90, :90, 0].astype(np.float32)
    fill_and_wait(qtbot, viewer, widget)


def test_a_device_that_cannot_be_used_is_refused_with_the_reason(qtbot, viewer, widget, monkeypatch):
    viewer.add_image(np.zeros((90, 90), np.uint8))
    viewer.add_shapes([[(10, 10), (10, 30), (30, 30), (30, 10)]], shape_type="rectangle")
    monkeypatch.setattr(
        "napari_inpaint.inference.providers.find_cuda_problem", lambda _: "no NVIDIA driver is installed"
    )
    widget.device.value = "cuda"
    widget.fill()
    qtbot.waitUntil(lambda: widget.fill_button.enabled, timeout=30_000)
    assert "no NVIDIA driver is installed" in widget.status.value
    assert len(viewer.layers) == 2


def test_layers_that_vanish_during_the_run_do_no_harm(qtbot, viewer, widget, photo):
    viewer.add_image(photo[:150, :150], name="photo")
    viewer.add_shapes([[(20, 20), (20, 60), (50, 60), (50, 20)]], shape_type="rectangle")
    widget.fill()
    viewer.layers.clear()
    qtbot.waitUntil(lambda: len(viewer.layers) == 1 and widget.fill_button.enabled, timeout=60_000)
    assert viewer.layers[0].name == "photo filled"
