"""Fills run beside the GUI, and can be stopped."""

import threading

import numpy as np
import pytest

from napari_inpaint import Inpainter
from napari_inpaint.plugin.widget import filling
from napari_inpaint.plugin.widget.filling import Filling
from tests.plugin.widget.user import RECTANGLE, TIMEOUT, Slow, click, fill_and_wait, wait_until_idle


def test_a_failure_of_the_runtime_is_shown_with_its_details(qtbot, viewer, widget, monkeypatch):
    from napari.utils.notifications import ErrorNotification

    viewer.add_image(np.zeros((90, 90), np.uint8))
    viewer.add_shapes([[(10, 10), (10, 30), (30, 30), (30, 10)]], shape_type="rectangle")
    shown = []
    monkeypatch.setattr(filling.notification_manager, "dispatch", shown.append)

    def fail(*_, **__):
        raise RuntimeError("the device fell off the bus")

    monkeypatch.setattr(Inpainter, "run", fail)
    widget.fill()
    wait_until_idle(qtbot, widget)
    assert widget.status.value == "The device fell off the bus."
    (notification,) = shown
    assert isinstance(notification, ErrorNotification)
    assert "raise RuntimeError" in notification.as_text()


def test_the_event_loop_turns_during_a_fill_and_progress_is_shown(qtbot, viewer, widget, photo, monkeypatch):
    from qtpy.QtCore import QTimer

    viewer.add_image(photo, name="photo")
    viewer.add_shapes([RECTANGLE], shape_type="rectangle")
    slow, seen = Slow(monkeypatch), set()
    slow.may_go_on = threading.Event()  # each window waits for a turn of the event loop
    timer = QTimer()
    timer.timeout.connect(lambda: slow.may_go_on.set() or seen.add(widget.status.value))
    timer.start(0)
    fill_and_wait(qtbot, viewer, widget)
    timer.stop()
    assert slow.ran == 50
    assert any("of 50 steps done, about" in sentence for sentence in seen)
    assert not widget.progress.visible


def test_cancel_leaves_windows_unrun_and_nothing_changed(qtbot, viewer, widget, photo, monkeypatch):
    image = viewer.add_image(photo[:150, :150].copy(), name="photo")
    viewer.add_shapes([RECTANGLE], shape_type="rectangle")
    widget.result.value = "in place"
    slow = Slow(monkeypatch, windows=10_000)
    click(widget.controls.fill_button)
    assert not widget.controls.fill_button.enabled
    widget.fill()
    assert "running" in widget.status.value
    qtbot.waitUntil(lambda: slow.ran > 3, timeout=TIMEOUT)
    click(widget.controls.cancel_button)
    wait_until_idle(qtbot, widget)
    assert slow.ran < 1000
    assert widget.status.value == "Cancelled; nothing was changed."
    np.testing.assert_array_equal(image.data, photo[:150, :150])
    assert not widget.controls.cancel_button.visible


@pytest.mark.parametrize("result", ["new layer", "in place"])
def test_layers_that_vanish_during_the_run_do_no_harm(qtbot, viewer, widget, photo, result):
    viewer.add_image(photo[:150, :150].copy(), name="photo")
    viewer.add_shapes([RECTANGLE], shape_type="rectangle")
    widget.result.value = result
    widget.fill()
    viewer.layers.clear()
    wait_until_idle(qtbot, widget)
    if result == "new layer":
        assert [layer.name for layer in viewer.layers] == ["photo filled"]
    else:
        assert "nothing was filled" in widget.status.value


def test_data_that_changed_during_the_run_are_not_written_to(qtbot, viewer, widget, photo):
    image = viewer.add_image(photo[:150, :150].copy(), name="photo")
    viewer.add_shapes([RECTANGLE], shape_type="rectangle")
    widget.result.value = "in place"
    widget.fill()
    other = photo[100:250, :150].copy()
    image.data = other
    wait_until_idle(qtbot, widget)
    assert "has other data now" in widget.status.value
    np.testing.assert_array_equal(other, photo[100:250, :150])


def test_a_cancel_after_the_last_window_still_counts(qtbot, viewer, widget, photo, monkeypatch):
    image = viewer.add_image(photo[:150, :150].copy(), name="photo")
    viewer.add_shapes([RECTANGLE], shape_type="rectangle")
    widget.result.value = "in place"
    take = Filling._take
    monkeypatch.setattr(Filling, "_take", lambda self, result: (self.cancel(), take(self, result)))
    widget.fill()
    wait_until_idle(qtbot, widget)
    assert widget.status.value == "Cancelled; nothing was changed."
    np.testing.assert_array_equal(image.data, photo[:150, :150])


def test_a_real_fill_is_cancelled(qtbot, viewer, widget, photo):
    stack = np.stack([np.roll(photo[..., 1], shift, 1) for shift in range(60)])
    viewer.add_image(stack, name="stack")
    viewer.add_shapes([[(100, 100), (100, 220), (220, 220), (220, 100)]], shape_type="rectangle")
    widget.inputs.slices.value = "all slices"
    click(widget.controls.fill_button)
    qtbot.waitUntil(lambda: "of 120 steps done" in widget.status.value, timeout=TIMEOUT)
    click(widget.controls.cancel_button)
    wait_until_idle(qtbot, widget)
    assert widget.status.value == "Cancelled; nothing was changed."
    assert len(viewer.layers) == 2
