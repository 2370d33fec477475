"""The widget shows where pixels came from, as long as that is asked for."""

import numpy as np
from napari.layers import Labels
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_inpaint import read_offsets
from napari_inpaint.plugin.layers.results import RECORD
from napari_inpaint.plugin.widget.preferences import Preferences
from tests.plugin.widget.user import RECTANGLE, TIMEOUT, click, wait_until_idle

ORIGIN = "origin of photo filled"


def test_a_fill_is_followed_by_its_origins_until_they_are_hidden(qtbot, viewer, widget, photo):
    viewer.add_image(photo[:150, :200], name="photo", scale=(2, 3))
    viewer.add_shapes([np.multiply(RECTANGLE, (2, 3))], shape_type="rectangle")
    widget.inputs.origins.value = True
    assert len(viewer.layers) == 2
    click(widget.controls.fill_button)
    qtbot.waitUntil(lambda: ORIGIN in viewer.layers, timeout=TIMEOUT)
    wait_until_idle(qtbot, widget)
    filled, labels = viewer.layers["photo filled"], viewer.layers[ORIGIN]
    assert viewer.layers.selection == {viewer.layers["Shapes"]}
    assert isinstance(labels, Labels)
    np.testing.assert_array_equal(labels.scale, (2, 3))
    offsets, _ = read_offsets(filled.metadata[RECORD], (150, 200))
    y, x = np.argwhere(offsets.any(-1))[100]
    status = labels.get_status((2 * y, 3 * x), world=True)
    expected = f"plane: 0, down: {offsets[y, x, 1]}, right: {offsets[y, x, 2]}"
    assert expected in status["value"].replace("; ", ", "), status
    widget.inputs.origins.value = False
    assert [layer.name for layer in viewer.layers] == ["photo", "photo filled", "Shapes"]
    widget.inputs.origins.value = True  # what was made of the chosen image
    np.testing.assert_array_equal(viewer.layers[ORIGIN].data, labels.data)
    viewer.layers.remove(ORIGIN)
    widget.inputs.origins.value = False


def test_undo_of_a_new_layer_takes_its_origins_away_too(qtbot, viewer, widget, photo):
    viewer.add_image(photo[:150, :200], name="photo")
    viewer.add_shapes([RECTANGLE], shape_type="rectangle")
    widget.inputs.origins.value = True
    click(widget.controls.fill_button)
    qtbot.waitUntil(lambda: ORIGIN in viewer.layers, timeout=TIMEOUT)
    wait_until_idle(qtbot, widget)
    click(widget.controls.undo_button)
    assert [layer.name for layer in viewer.layers] == ["photo", "Shapes"]


def test_fills_in_place_are_shown_together_and_undo_takes_theirs_back(qtbot, viewer, widget, photo):
    image = viewer.add_image(photo[:150, :200].copy(), name="photo")
    shapes = viewer.add_shapes(ndim=2)
    widget.result.value, widget.inputs.origins.value, widget.controls.as_you_draw.value = "in place", True, True
    viewer.layers.selection = {shapes}
    shapes.mode = "add_rectangle"
    seen = []
    for corner in (0, 80):
        shapes.add_rectangles(np.array(RECTANGLE) + corner)
        count = len(seen) + 1
        qtbot.waitUntil(
            lambda count=count: len(image.metadata.get(RECORD, {"earlier": [0] * 9})["earlier"]) == count - 1,
            timeout=TIMEOUT,
        )
        wait_until_idle(qtbot, widget)
        seen.append(viewer.layers["origin of photo"].data.copy())
    assert (viewer.layers.selection, shapes.mode) == ({shapes}, "add_rectangle")
    assert len(viewer.layers) == 3
    first, both = ((each != 0).nonzero() for each in seen)
    assert (first[0].min(), first[0].max(), both[0].max()) == (20, 50, 130)
    viewer.layers.selection = {image}
    canvas = viewer.window._qt_viewer.canvas.native
    QTest.keyClick(canvas, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    np.testing.assert_array_equal(viewer.layers["origin of photo"].data != 0, seen[0] != 0)
    QTest.keyClick(canvas, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert [layer.name for layer in viewer.layers] == ["photo", "Shapes"]
    np.testing.assert_array_equal(image.data, photo[:150, :200])


def test_an_image_without_fills_has_no_origins(viewer, widget, photo):
    widget.inputs.origins.value = True
    widget.inputs.origins.value = False
    viewer.add_image(photo[:90, :90], name="photo")
    widget.inputs.origins.value = True
    assert len(viewer.layers) == 1


def test_the_preference_is_what_the_widget_starts_with(viewer, monkeypatch):
    chosen = Preferences("compact", origins=True)
    monkeypatch.setattr("napari_inpaint.plugin.widget.inputs.read_preferences", lambda: chosen)
    _, widget = viewer.window.add_plugin_dock_widget("napari-inpaint", "Inpaint")
    assert widget.inputs.origins.value
    assert widget.history.origins.is_shown
