"""Fills are compared with what was there, and taken back."""

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_inpaint.plugin.layers.results import RECORD
from tests.plugin.widget.user import RECTANGLE, TIMEOUT, changed_pixels, click, drag, fill_and_wait, wait_until_idle


def test_rectangles_are_filled_as_they_are_drawn_and_ctrl_z_takes_them_back(qtbot, viewer, widget, photo):
    image = viewer.add_image(photo[:200, :300].copy(), name="photo")
    before = image.data.copy()
    viewer.reset_view()
    click(widget.controls.draw_button)
    shapes = viewer.layers[-1]
    widget.controls.as_you_draw.value = True
    drag(qtbot, viewer, (20, 40), (60, 90))
    qtbot.waitUntil(lambda: len(viewer.layers) == 3 and widget.controls.fill_button.enabled, timeout=TIMEOUT)
    filled = viewer.layers["photo filled"]
    first = filled.data.copy()
    np.testing.assert_allclose(changed_pixels(first, before), [(20, 40, 0), (61, 91, 3)], atol=3)
    drag(qtbot, viewer, (100, 150), (140, 200))
    qtbot.waitUntil(lambda: (filled.data != first).any() and widget.controls.fill_button.enabled, timeout=TIMEOUT)
    np.testing.assert_allclose(changed_pixels(filled.data, first), [(100, 150, 0), (141, 201, 3)], atol=3)
    assert len(viewer.layers) == 3
    assert len(shapes.data) == 2
    (earlier,) = filled.metadata[RECORD]["earlier"]
    assert earlier["holes"] != filled.metadata[RECORD]["holes"]
    canvas = viewer.window._qt_viewer.canvas.native
    QTest.keyClick(canvas, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: len(shapes.data) == 1)
    np.testing.assert_array_equal(filled.data, first)
    QTest.keyClick(canvas, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: len(shapes.data) == 0)
    assert list(viewer.layers) == [image, shapes]
    assert widget.image.value is image
    np.testing.assert_array_equal(image.data, before)
    QTest.keyClick(canvas, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert "Nothing to undo" in widget.status.value


def test_two_rectangles_drawn_at_once_are_both_filled(qtbot, viewer, widget, photo):
    image = viewer.add_image(photo[:200, :300].copy(), name="photo")
    shapes = viewer.add_shapes(ndim=2)
    widget.result.value = "in place"
    widget.controls.as_you_draw.value = True
    shapes.add_rectangles(np.array(RECTANGLE))
    shapes.add_rectangles(np.array(RECTANGLE) + 100)
    expected = [(20, 20, 0), (151, 161, 3)]
    qtbot.waitUntil(
        lambda: (image.data != photo[:200, :300]).any() and changed_pixels(image.data, photo[:200, :300]) == (
            list(expected[0]), list(expected[1])), timeout=TIMEOUT,
    )  # fmt: skip
    wait_until_idle(qtbot, widget)
    assert len(viewer.layers) == 2


def test_in_place_undo_and_compare(qtbot, viewer, widget, photo):
    pixels = photo[:150, :150].copy()
    image = viewer.add_image(pixels, name="photo")
    viewer.add_shapes([RECTANGLE], shape_type="rectangle")
    widget.result.value = "in place"
    click(widget.controls.fill_button)
    wait_until_idle(qtbot, widget)
    assert len(viewer.layers) == 2
    assert image.data is pixels
    filled = pixels.copy()
    assert changed_pixels(filled, photo[:150, :150]) == ([20, 20, 0], [51, 61, 3])
    click(widget.controls.compare_button)
    below, before, _ = viewer.layers
    assert (below, before.name) == (image, "photo before")
    np.testing.assert_array_equal(before.data, photo[:150, :150])
    np.testing.assert_array_equal(image.data, filled)  # which are never other pixels than the fill's
    click(widget.controls.compare_button)
    assert len(viewer.layers) == 2
    click(widget.controls.compare_button)
    viewer.layers.remove("photo before")
    assert not widget.controls.compare_button.native.isChecked()
    click(widget.controls.compare_button)
    click(widget.controls.undo_button)
    assert len(viewer.layers) == 2
    np.testing.assert_array_equal(image.data, photo[:150, :150])
    assert RECORD not in image.metadata
    assert not widget.controls.compare_button.native.isChecked()
    assert "taken back" in widget.status.value


def test_waiting_rectangles_are_filled_where_they_were_drawn(qtbot, viewer, widget, photo, held):
    stack = np.stack([photo[:150, :200, 1]] * 4)
    image = viewer.add_image(stack.copy(), name="stack")
    other = viewer.add_image(stack.copy(), name="other")
    widget.image.value = image
    shapes = viewer.add_shapes(ndim=2)
    widget.result.value, widget.controls.as_you_draw.value = "in place", True
    viewer.dims.set_point(0, 1)
    shapes.add_rectangles([np.array(RECTANGLE), np.array(RECTANGLE) + 60])
    viewer.dims.set_point(0, 3)
    widget.image.value = other
    widget.result.value = "new layer"
    held.windows = 0
    held.may_go_on.set()
    wait_until_idle(qtbot, widget)
    assert changed_pixels(image.data, stack) == ([1, 20, 20], [2, 111, 121])
    np.testing.assert_array_equal(other.data, stack)
    assert len(viewer.layers) == 3


def test_the_first_rectangle_makes_the_layer_of_its_own_image(qtbot, viewer, widget, photo, held):
    viewer.add_image(photo[:150, :200].copy(), name="photo")
    other = viewer.add_image(photo[100:250, :200].copy(), name="other")
    widget.image.value = viewer.layers["photo"]
    shapes = viewer.add_shapes(ndim=2)
    widget.controls.as_you_draw.value = True
    shapes.mode = "add_ellipse"
    shapes.add_rectangles(np.array(RECTANGLE))
    widget.image.value = other
    held.windows = 0
    held.may_go_on.set()
    wait_until_idle(qtbot, widget)
    assert shapes.mode == "add_ellipse"
    first = viewer.layers["photo filled"].data.copy()
    shapes.add_rectangles(np.array(RECTANGLE) + 60)
    wait_until_idle(qtbot, widget)
    np.testing.assert_array_equal(viewer.layers["photo filled"].data, first)
    assert changed_pixels(viewer.layers["other filled"].data, other.data)[0][:2] == [80, 80]


def test_undo_during_a_run_takes_back_what_runs(qtbot, viewer, widget, photo, held):
    image = viewer.add_image(photo[:150, :200].copy(), name="photo")
    shapes = viewer.add_shapes(ndim=2)
    widget.result.value, widget.controls.as_you_draw.value = "in place", True
    held.windows = 0
    shapes.add_rectangles(np.array(RECTANGLE))
    wait_until_idle(qtbot, widget)
    first = image.data.copy()
    held.windows = 1
    shapes.add_rectangles(np.array(RECTANGLE) + 10)
    qtbot.waitUntil(lambda: not widget.controls.fill_button.enabled)
    shapes.add_rectangles(np.array(RECTANGLE) + 80)
    click(widget.controls.undo_button)
    click(widget.controls.undo_button)
    assert len(shapes.data) == 1
    held.may_go_on.set()
    wait_until_idle(qtbot, widget)
    np.testing.assert_array_equal(image.data, first)
    click(widget.controls.undo_button)
    np.testing.assert_array_equal(image.data, photo[:150, :200])
    assert RECORD not in image.metadata


def test_marks_of_made_up_pixels_follow_fills_and_undo(qtbot, viewer, widget, photo):
    """A layer that says what is made up must not say so of what was taken back."""
    viewer.add_image(photo[:150, :200].copy(), name="photo")
    click(widget.controls.draw_button)
    holes = viewer.layers["holes"]
    holes.add_rectangles(np.array(RECTANGLE))
    fill_and_wait(qtbot, viewer, widget)
    click(widget.controls.synthetic_button)
    marks = viewer.layers["photo filled: synthetic pixels"]
    assert viewer.layers.selection.active is holes
    assert holes.mode == "add_rectangle"
    assert marks.data.sum() == 31 * 41
    holes.add_rectangles(np.array(RECTANGLE) + 60)
    click(widget.controls.fill_button)
    wait_until_idle(qtbot, widget)
    assert marks.data.sum() == 2 * 31 * 41
    click(widget.controls.undo_button)
    assert marks.data.sum() == 31 * 41
    for _ in range(3):  # a rectangle, the fill, a rectangle
        click(widget.controls.undo_button)
    assert [layer.name for layer in viewer.layers] == ["photo", "holes"]


def test_after_a_fill_the_call_is_that_for_its_source(qtbot, viewer, widget, photo):
    viewer.add_image(photo[:150, :200].copy(), name="photo")
    viewer.add_shapes([RECTANGLE], shape_type="rectangle")
    widget.copy_python()
    before = QApplication.clipboard().text()
    fill_and_wait(qtbot, viewer, widget)
    assert widget.image.value is viewer.layers["photo filled"]
    widget.copy_python()
    assert QApplication.clipboard().text() == before


@pytest.mark.parametrize("selected", [["photo"], ["photo", "photo before"]])
def test_a_comparison_ends_with_the_layer_that_is_compared(qtbot, viewer, widget, photo, selected):
    other = viewer.add_image(photo[:150, :150].copy(), name="other")
    image = viewer.add_image(photo[:150, :150].copy(), name="photo")
    shapes = viewer.add_shapes([RECTANGLE], shape_type="rectangle")
    widget.image.value, widget.result.value = image, "in place"
    click(widget.controls.fill_button)
    wait_until_idle(qtbot, widget)
    click(widget.controls.compare_button)
    assert set(widget.image.choices) == {image, other}
    viewer.layers.selection = {viewer.layers["photo before"]}
    assert widget.image.value is image
    viewer.layers.selection = {viewer.layers[name] for name in selected}
    viewer.layers.remove_selected()
    assert list(viewer.layers) == [other, shapes]
    assert widget.image.value is other
    assert not widget.controls.compare_button.native.isChecked()
