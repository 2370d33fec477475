"""How the widget looks and what it offers, in a real viewer."""

import threading

import numpy as np
import pytest
from qtpy.QtCore import QPoint, QPointF, Qt
from qtpy.QtGui import QWheelEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QLabel, QScrollArea

from napari_inpaint.plugin.widget.looks import LONGEST_NAME, to_choices
from tests.plugin.widget.user import RECTANGLE, click, fill_and_wait

SMALL = 853, 533
"""A screen of 1280 x 800 pixels at 150 %."""


@pytest.fixture
def photo_layer(viewer, photo):
    return viewer.add_image(photo[:150, :200], name="photo")


def place_of(widget, root):
    return widget.native.mapTo(root.native, QPoint(0, 0))


def settle():
    for _ in range(5):
        QApplication.processEvents()


def test_all_labels_stand_in_one_column(viewer, photo_layer, widget):
    widget.advanced.expand(animate=False)
    settle()
    rows = [*widget.inputs.main, *widget.inputs.advanced]
    named = {row.label for row in rows if row.label and row.visible}
    labels = [each for each in widget.native.findChildren(QLabel) if each.isVisible() and each.text() in named]
    assert len(labels) >= 8
    assert len({label.width() for label in labels}) == 1
    starts = {label.mapTo(widget.native, QPoint(label.width(), 0)).x() for label in labels}
    assert max(starts) - min(starts) <= 1


def test_nothing_moves_when_the_status_grows_or_work_begins(viewer, photo_layer, widget):
    settle()
    buttons = [widget.controls.compare_button, widget.controls.save_button, widget.controls.fill_button]
    before = [place_of(button, widget) for button in buttons]
    widget.status.say("A sentence that goes on. " * 12)
    widget.controls.show_work(True)
    settle()
    assert [place_of(button, widget) for button in buttons] == before
    assert widget.status.tooltip == "A sentence that goes on. " * 12
    widget.controls.show_work(False)
    settle()
    assert [place_of(button, widget) for button in buttons] == before


def test_it_fits_a_small_screen_and_everything_can_be_reached(viewer, photo_layer, widget):
    viewer.window.resize(*SMALL)
    widget.advanced.expand(animate=False)
    settle()
    assert widget.native.minimumSizeHint().height() < SMALL[1] / 2
    (area,) = widget.native.findChildren(QScrollArea)
    assert area.widget().minimumSizeHint().width() <= area.viewport().width()
    for button in (widget.controls.command_button, widget.controls.draw_button):
        area.ensureWidgetVisible(button.native)
        settle()
        assert area.viewport().rect().contains(button.native.mapTo(area.viewport(), button.native.rect().center()))


def test_what_is_rarely_turned_is_hidden_at_first(viewer, photo_layer, widget):
    settle()
    assert not widget.inputs.model.native.isVisible()
    QTest.mouseClick(widget.advanced.toggleButton(), Qt.MouseButton.LeftButton)
    settle()
    assert widget.inputs.model.native.isVisible()
    assert widget.controls.python_button.native.isVisible()


def wheel(target):
    centre = QPointF(target.rect().center())
    event = QWheelEvent(centre, target.mapToGlobal(centre), QPoint(), QPoint(0, -240), Qt.MouseButton.NoButton,
                        Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False)  # fmt: skip
    QApplication.sendEvent(target, event)


def test_the_wheel_turns_only_what_is_focused(viewer, photo_layer, widget):
    widget.advanced.expand(animate=False)
    settle()
    detail, grow = widget.inputs.detail, widget.inputs.grow
    for each in (detail, grow):
        each.native.clearFocus()
        wheel(each.native)
    assert (detail.value, grow.value) == ("copied", 0)
    viewer.window.activate()
    detail.native.setFocus()
    if detail.native.hasFocus():
        wheel(detail.native)
        assert detail.value != "copied"


def test_only_what_can_do_something_is_offered(qtbot, viewer, widget, photo):
    controls = widget.controls
    later = (controls.compare_button, controls.synthetic_button, controls.save_button)
    assert not controls.fill_button.enabled
    assert controls.reason.value == "Open an image first."
    viewer.add_image(photo[:150, :200], name="photo")
    click(controls.draw_button)
    assert not controls.fill_button.enabled
    assert not controls.check_button.enabled
    assert controls.reason.value == "Draw a rectangle first."
    viewer.layers["holes"].add_rectangles(np.array(RECTANGLE))
    assert controls.fill_button.enabled
    assert controls.check_button.enabled
    assert not controls.reason.visible
    assert controls.undo_button.enabled
    assert not any(button.enabled for button in later)
    fill_and_wait(qtbot, viewer, widget)
    assert all(button.enabled for button in later)
    click(controls.undo_button)
    assert not any(button.enabled for button in later)
    assert controls.fill_button.enabled
    click(controls.undo_button)  # the rectangle
    assert not controls.undo_button.enabled
    assert not controls.fill_button.enabled


def test_names_that_are_too_long_lose_their_middle_and_are_whole_in_the_tooltip(viewer, photo, widget):
    names = [f"experiment of the 12th of November, well B{well}" for well in (1, 2)]
    layers = [viewer.add_image(photo[:50, :60], name=name) for name in names]
    shown = [text for text, _ in to_choices(layers)]
    assert len(set(shown)) == 2
    assert all(
        len(text) <= LONGEST_NAME + 1 and text.endswith(name[-5:]) for text, name in zip(shown, names, strict=True)
    )
    assert widget.image.native.currentText() in shown
    assert widget.image.tooltip == widget.image.value.name
    same = [viewer.add_image(photo[:50, :60], name="a" * 20 + middle + "b" * 20) for middle in "xy"]
    assert len({text for text, _ in to_choices(same)}) == 2


def test_fill_has_the_colour_of_the_theme(viewer, widget):
    before = widget.controls.fill_button.native.styleSheet()
    viewer.theme = "light"
    assert widget.controls.fill_button.native.styleSheet() != before


def test_draw_waits_until_napari_is_ready(qtbot, viewer, photo_layer, monkeypatch):
    """napari compiles what it needs for shapes when the first are made; meanwhile it goes on."""
    ready, may_go_on = threading.Event(), threading.Event()

    def get_ready():
        may_go_on.wait()
        ready.set()

    monkeypatch.setattr("napari_inpaint.plugin.widget.widget.READY", ready)
    monkeypatch.setattr("napari_inpaint.plugin.widget.widget.get_ready", get_ready)
    _, widget = viewer.window.add_plugin_dock_widget("napari-inpaint", "Inpaint")
    try:
        click(widget.controls.draw_button)
        assert "gets ready to draw" in widget.status.value
        assert "holes" not in viewer.layers
    finally:
        may_go_on.set()
    qtbot.waitUntil(lambda: "holes" in viewer.layers, timeout=10_000)
    assert viewer.layers["holes"].mode == "add_rectangle"
