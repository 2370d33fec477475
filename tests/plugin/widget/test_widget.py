"""The widget in a real viewer: real layers, real mouse and key events, real worker threads."""

import gc
import threading
import time
import weakref

import dask.array as da
import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_inpaint import FillCancelledError, Inpainter
from napari_inpaint.inference.runtime import session
from napari_inpaint.inference.runtime.providers import CPU
from napari_inpaint.models import DEFAULT
from napari_inpaint.plugin.layers.holes import INVALID
from napari_inpaint.plugin.layers.results import RECORD
from napari_inpaint.plugin.widget import widget as widget_module
from napari_inpaint.plugin.widget.check_dialog import CheckDialog
from napari_inpaint.plugin.widget.inputs import OTHER_MODEL
from napari_inpaint.plugin.widget.preferences import Preferences
from napari_inpaint.plugin.widget.widget import InpaintWidget
from napari_inpaint.samples import DATE_BOX

RECTANGLE = [(20, 20), (20, 60), (50, 60), (50, 20)]
TIMEOUT = 60_000


@pytest.fixture
def viewer(make_napari_viewer):
    return make_napari_viewer(show=True)


@pytest.fixture
def widget(viewer):
    _, widget = viewer.window.add_plugin_dock_widget("napari-inpaint", "Inpaint")
    assert isinstance(widget, InpaintWidget)
    return widget


def click(button):
    QTest.mouseClick(button.native, Qt.MouseButton.LeftButton)


def wait_until_idle(qtbot, widget):
    qtbot.waitUntil(lambda: widget.controls.fill_button.enabled, timeout=TIMEOUT)


def fill_and_wait(qtbot, viewer, widget):
    """Click Fill and wait for the new layer."""
    before = len(viewer.layers)
    click(widget.controls.fill_button)
    qtbot.waitUntil(lambda: len(viewer.layers) == before + 1 and widget.controls.fill_button.enabled, timeout=TIMEOUT)
    return viewer.layers[-1]


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

    qtbot.waitUntil(settled)
    points = to_canvas(*start), to_canvas(*end)
    QTest.mouseMove(canvas.native, points[0])
    QTest.mousePress(canvas.native, Qt.MouseButton.LeftButton, pos=points[0])
    for place in (np.add(start, end) / 2, end):
        qtbot.waitUntil(lambda place=place: moved_to(place))
    QTest.mouseRelease(canvas.native, Qt.MouseButton.LeftButton, pos=points[1])


def changed_pixels(filled, image):
    """The first and the last index that differ, half-open."""
    differs = np.argwhere(np.asarray(filled) != np.asarray(image))
    return differs.min(0).tolist(), (differs.max(0) + 1).tolist()


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
    assert filled.metadata[RECORD]["provider"] in widget.status.value
    assert "CPUExecutionProvider" in widget.runs_on.value
    click(widget.controls.compare_button)
    assert not filled.visible
    click(widget.controls.compare_button)
    assert filled.visible
    click(widget.controls.synthetic_button)
    np.testing.assert_array_equal(viewer.layers[-1].scale, image.scale)
    assert not ((filled.data != image.data) & (viewer.layers[-1].data == 0)).any()


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
    for left, expected in ((1, first), (0, before)):
        QTest.keyClick(canvas, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
        qtbot.waitUntil(lambda left=left: len(shapes.data) == left)
        np.testing.assert_array_equal(filled.data, expected)
    assert RECORD not in filled.metadata
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


@pytest.mark.parametrize("kind", ["dask", "multiscale", "read-only"])
def test_what_cannot_be_filled_in_place_says_why(viewer, widget, photo, kind):
    data = {"dask": da.from_array(photo), "multiscale": [photo, photo[::2, ::2]], "read-only": photo}[kind]
    viewer.add_image(data, rgb=True, multiscale=kind == "multiscale")
    viewer.add_shapes([RECTANGLE], shape_type="rectangle")
    widget.result.value = "in place"
    click(widget.controls.fill_button)
    assert "it is filled in a new layer" in widget.status.value
    assert widget.controls.fill_button.enabled


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


def test_slices_of_a_16_bit_stack(qtbot, viewer, widget, photo):
    stack = np.stack([photo[:150, :150, c].astype(np.uint16) * 257 for c in range(3)])
    viewer.add_image(stack, name="stack")
    viewer.add_shapes([RECTANGLE], shape_type="rectangle")
    assert widget.inputs.slices.visible
    viewer.dims.set_point(0, 1)
    filled = fill_and_wait(qtbot, viewer, widget)
    assert changed_pixels(filled.data, stack) == ([1, 20, 20], [2, 51, 61])
    assert filled.data.dtype == np.uint16
    widget.inputs.slices.value = "all slices"
    filled = fill_and_wait(qtbot, viewer, widget)
    assert changed_pixels(filled.data, stack) == ([0, 20, 20], [3, 51, 61])
    widget.inputs.slices.value = "a range of slices"
    assert widget.inputs.range.visible
    assert widget.inputs.last.value == 2
    widget.inputs.last.value = 1
    filled = fill_and_wait(qtbot, viewer, widget)
    assert changed_pixels(filled.data, stack) == ([0, 20, 20], [2, 51, 61])


def test_labels_and_nan_are_holes(qtbot, viewer, widget, photo):
    pixels = photo[:90, :90, 0].astype(np.float32)
    pixels[30:50, 30:55] = np.nan
    image = viewer.add_image(pixels, name="photo")
    labels = np.zeros(pixels.shape, int)
    labels[60:70, 60:80], labels[5:9, 5:9] = 3, 4
    viewer.add_labels(labels)
    assert widget.inputs.label_id.visible
    widget.inputs.label_id.value = 3
    filled = fill_and_wait(qtbot, viewer, widget)
    known = np.isfinite(pixels)
    assert changed_pixels(filled.data[known], image.data[known])
    assert (filled.data[5:9, 5:9] == pixels[5:9, 5:9]).all()
    widget.holes.value = INVALID
    assert not widget.inputs.label_id.visible
    widget.image.value = image
    filled = fill_and_wait(qtbot, viewer, widget)
    assert np.isfinite(filled.data).all()


def test_without_layers_it_says_what_is_missing(viewer, widget):
    controls = widget.controls
    for button in (controls.fill_button, controls.draw_button, controls.check_button, controls.synthetic_button,
                   controls.python_button, controls.command_button):  # fmt: skip
        click(button)
        assert widget.status.value == "Open an image first."
    click(widget.controls.compare_button)
    assert widget.status.value == "Nothing was filled yet."
    click(widget.controls.undo_button)
    assert "Nothing to undo" in widget.status.value
    viewer.add_image(np.zeros((90, 90), np.uint8))
    click(widget.controls.fill_button)
    assert "press Draw" in widget.status.value
    viewer.add_shapes(name="holes")
    click(widget.controls.fill_button)
    assert "draw a rectangle" in widget.status.value
    assert len(viewer.layers) == 2
    assert widget.controls.fill_button.enabled


def test_a_fill_that_fails_says_why_and_can_be_tried_again(qtbot, viewer, widget, photo):
    image = viewer.add_image(np.full((90, 90), np.nan, np.float32), contrast_limits=(0, 255))
    viewer.add_shapes([[(10, 10), (10, 30), (30, 30), (30, 10)]], shape_type="rectangle")
    widget.fill()
    wait_until_idle(qtbot, widget)
    assert "no pixel is known" in widget.status.value
    assert len(viewer.layers) == 2
    image.data = photo[:90, :90, 0].astype(np.float32)
    fill_and_wait(qtbot, viewer, widget)


def test_a_device_that_cannot_be_used_is_refused_with_the_reason(qtbot, viewer, widget, monkeypatch):
    viewer.add_image(np.zeros((90, 90), np.uint8))
    viewer.add_shapes([[(10, 10), (10, 30), (30, 30), (30, 10)]], shape_type="rectangle")
    monkeypatch.setattr(
        "napari_inpaint.inference.runtime.providers.find_cuda_problem", lambda _: "no NVIDIA driver is installed"
    )
    widget.device.value = "cuda"
    qtbot.waitUntil(lambda: "no NVIDIA driver is installed" in widget.runs_on.value, timeout=TIMEOUT)
    widget.fill()
    wait_until_idle(qtbot, widget)
    assert "no NVIDIA driver is installed" in widget.status.value
    assert len(viewer.layers) == 2


def test_cuda_that_cannot_be_used_is_named_beside_what_runs(qtbot, viewer, widget, monkeypatch):
    monkeypatch.setattr(session, "choose_providers", lambda *_: ([CPU], "the driver is too old"))
    qtbot.waitUntil(lambda: CPU in widget.runs_on.value, timeout=TIMEOUT)
    assert "no CUDA" not in widget.runs_on.value
    widget.model.value = "landscape"
    qtbot.waitUntil(lambda: "no CUDA: the driver is too old" in widget.runs_on.value, timeout=TIMEOUT)
    assert widget.runs_on.value.startswith(CPU)


def test_a_failure_of_the_runtime_is_shown_with_its_details(qtbot, viewer, widget, monkeypatch):
    from napari.utils.notifications import ErrorNotification

    viewer.add_image(np.zeros((90, 90), np.uint8))
    viewer.add_shapes([[(10, 10), (10, 30), (30, 30), (30, 10)]], shape_type="rectangle")
    shown = []
    monkeypatch.setattr(widget_module.notification_manager, "dispatch", shown.append)

    def fail(*_, **__):
        raise RuntimeError("the device fell off the bus")

    monkeypatch.setattr(Inpainter, "run", fail)
    widget.fill()
    wait_until_idle(qtbot, widget)
    assert widget.status.value == "The device fell off the bus."
    (notification,) = shown
    assert isinstance(notification, ErrorNotification)
    assert "raise RuntimeError" in notification.as_text()


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
    assert any("of 50 windows filled, about" in sentence for sentence in seen)
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
    assert not widget.controls.cancel_button.enabled


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


def test_two_viewers_do_not_know_of_each_other(qtbot, viewer, widget, make_napari_viewer, photo):
    viewer.add_image(photo[:150, :150], name="photo")
    viewer.add_shapes([RECTANGLE], shape_type="rectangle")
    other = make_napari_viewer(show=True)
    _, second = other.window.add_plugin_dock_widget("napari-inpaint", "Inpaint")
    other.add_image(photo[100:200], name="another")
    assert second.image.choices == (other.layers[0],)
    fill_and_wait(qtbot, viewer, widget)
    assert [layer.name for layer in other.layers] == ["another"]
    click(second.controls.fill_button)
    assert "press Draw" in second.status.value


def test_closing_the_widget_in_the_middle_stops_the_fill_and_frees_it(qtbot, viewer, photo, monkeypatch):
    viewer.add_image(photo[:150, :150], name="photo")
    shapes = viewer.add_shapes([RECTANGLE], shape_type="rectangle")
    dock, widget = viewer.window.add_plugin_dock_widget("napari-inpaint", "Inpaint")
    slow = Slow(monkeypatch, windows=10_000)
    widget.controls.as_you_draw.value = True
    click(widget.controls.fill_button)
    worker = widget._running.worker
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
    click(widget.controls.compare_button)
    assert "running" in widget.status.value
    with qtbot.waitSignal(widget._running.worker.finished, timeout=TIMEOUT):
        viewer.close()
    qtbot.waitUntil(lambda: widget._closed)
    assert slow.ran < 1000
    np.testing.assert_array_equal(image.data, filled)  # not what was there before the fill


def test_the_check_shows_a_table(qtbot, viewer, widget, photo):
    viewer.add_image(photo, name="photo")
    viewer.add_shapes([RECTANGLE], shape_type="rectangle")
    click(widget.controls.check_button)
    wait_until_idle(qtbot, widget)
    (dialog,) = widget.native.findChildren(CheckDialog)
    from qtpy.QtWidgets import QTableWidget

    (table,) = dialog.findChildren(QTableWidget)
    assert table.item(0, 0).text() == "fill (compact)"
    assert float(table.item(0, 2).text()) > 10
    dialog.close()


def test_the_call_is_put_on_the_clipboard(viewer, widget, photo):
    viewer.add_image(photo, name="photo")
    viewer.add_shapes([RECTANGLE], shape_type="rectangle")
    click(widget.controls.python_button)
    assert "boxes=[(20, 20, 51, 61)]" in QApplication.clipboard().text()
    click(widget.controls.command_button)
    assert "not opened from a file" in widget.status.value


def test_a_model_of_the_user(qtbot, viewer, widget, monkeypatch, tmp_path):
    from napari_inpaint.models import bundled_models

    path = tmp_path / "mine.onnx"
    path.write_bytes(bundled_models()["compact"]["int8"].read_bytes())
    monkeypatch.setattr("napari_inpaint.plugin.widget.inputs.QFileDialog.getOpenFileName", lambda *_: (str(path), ""))
    widget.model.value = OTHER_MODEL
    assert widget.model.value == str(path)
    qtbot.waitUntil(lambda: "CPUExecutionProvider" in widget.runs_on.value, timeout=TIMEOUT)
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    monkeypatch.setattr("napari_inpaint.plugin.widget.inputs.QFileDialog.getOpenFileName", lambda *_: (str(broken), ""))
    widget.model.value = OTHER_MODEL
    qtbot.waitUntil(lambda: "not a model" in widget.runs_on.value, timeout=TIMEOUT)
    monkeypatch.setattr("napari_inpaint.plugin.widget.inputs.QFileDialog.getOpenFileName", lambda *_: ("", ""))
    widget.model.value = OTHER_MODEL  # and cancelled
    assert widget.model.value == str(broken)


def test_renamed_layers_keep_their_place_in_the_lists(viewer, widget, photo):
    image = viewer.add_image(photo, name="photo")
    holes = viewer.add_shapes([RECTANGLE], shape_type="rectangle")
    holes.name = "what is to go"
    assert widget.holes.value is holes
    assert widget.holes.native.findText("what is to go") >= 0
    assert widget.image.value is image


def test_3d_display_is_refused(viewer, widget, photo):
    viewer.add_image(np.moveaxis(photo, -1, 0))
    viewer.add_shapes([RECTANGLE], shape_type="rectangle")
    viewer.dims.ndisplay = 3
    click(widget.controls.fill_button)
    assert "switch the viewer to 2-D display" in widget.status.value


def test_a_layer_of_holes_from_the_menu_lies_over_the_active_image(viewer, widget, photo):
    viewer.add_image(photo, name="below", scale=(3, 3))
    image = viewer.add_image(photo[..., 0], name="photo", scale=(0.5, 0.5), translate=(4, 5), units=("um", "um"))
    command = "napari-inpaint.holes"
    from napari._app_model import get_app_model

    get_app_model().commands.execute_command(command).result()
    holes = viewer.layers[-1]
    assert holes.name == "holes"
    assert holes.mode == "add_rectangle"
    np.testing.assert_array_equal(holes.scale, image.scale)
    np.testing.assert_array_equal(holes.translate, image.translate)
    assert holes.units == image.units


@pytest.fixture
def held(monkeypatch):
    """Lets a fill wait until it is released."""
    slow = Slow(monkeypatch, windows=1)
    slow.may_go_on = threading.Event()
    yield slow
    slow.may_go_on.set()


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


def test_a_cancel_after_the_last_window_still_counts(qtbot, viewer, widget, photo, monkeypatch):
    image = viewer.add_image(photo[:150, :150].copy(), name="photo")
    viewer.add_shapes([RECTANGLE], shape_type="rectangle")
    widget.result.value = "in place"
    take = InpaintWidget._take
    monkeypatch.setattr(InpaintWidget, "_take", lambda self, result: (self.cancel(), take(self, result)))
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
    qtbot.waitUntil(lambda: "of 60 windows filled" in widget.status.value, timeout=TIMEOUT)
    click(widget.controls.cancel_button)
    wait_until_idle(qtbot, widget)
    assert widget.status.value == "Cancelled; nothing was changed."
    assert len(viewer.layers) == 2


def test_a_hidden_widget_fills_what_was_chosen(qtbot, viewer, photo):
    dock, widget = viewer.window.add_plugin_dock_widget("napari-inpaint", "Inpaint")
    stack = np.stack([photo[:150, :150, 1]] * 3)
    image = viewer.add_image(stack.copy())
    shapes = viewer.add_shapes(ndim=2)
    widget.inputs.slices.value, widget.result.value = "all slices", "in place"
    widget.controls.as_you_draw.value = True
    dock.hide()
    shapes.add_rectangles(np.array(RECTANGLE))
    wait_until_idle(qtbot, widget)
    assert changed_pixels(image.data, stack) == ([0, 20, 20], [3, 51, 61])


def test_a_range_stays_as_it_was_entered(viewer, widget):
    image = viewer.add_image(np.zeros((3, 10, 40, 50), np.uint8))
    viewer.add_shapes(ndim=2)
    widget.inputs.slices.value = "a range of slices"
    assert (widget.inputs.along.value, widget.inputs.last.value) == (0, 2)
    widget.inputs.along.value = 1
    assert widget.inputs.last.value == 9
    widget.inputs.last.value = 0
    viewer.add_shapes(ndim=2)
    widget.holes.value = viewer.layers[-1]
    assert (widget.image.value, widget.inputs.last.value) == (image, 0)


def test_an_image_without_slices_does_no_harm(viewer, widget):
    viewer.add_image(np.zeros((0, 40, 50), np.uint8), contrast_limits=(0, 1))
    viewer.add_shapes([RECTANGLE], shape_type="rectangle")
    click(widget.controls.fill_button)
    assert "outside layer" in widget.status.value


def test_rectangles_are_not_drawn_into_somebody_elses_layer(viewer, widget, photo):
    viewer.add_image(photo)
    cells = viewer.add_shapes([RECTANGLE], shape_type="rectangle", name="my cells")
    click(widget.controls.draw_button)
    holes = viewer.layers[-1]
    assert holes is not cells
    assert widget.holes.value is holes
    click(widget.controls.draw_button)
    assert len(viewer.layers) == 3
    viewer.dims.ndisplay = 3
    click(widget.controls.draw_button)
    assert len(viewer.layers) == 3
    assert "2-D display" in widget.status.value


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


@pytest.mark.parametrize("model", ["nope", "/no/mine.onnx", "", "compact.fp16.onnx", "(a file ...)"])
def test_preferences_that_cannot_be_met_are_named(viewer, monkeypatch, model):
    nonsense = Preferences(model, "tpu", "a pony", True, 99999999999)
    monkeypatch.setattr("napari_inpaint.plugin.widget.inputs.read_preferences", lambda: nonsense)
    monkeypatch.setattr("napari_inpaint.plugin.widget.inputs.warm_up", lambda settings: (settings, ""))
    _, widget = viewer.window.add_plugin_dock_widget("napari-inpaint", "Inpaint")
    assert widget.model.value == DEFAULT
    assert f"is gone: {DEFAULT} is used" in widget.status.value
    assert (widget.device.value, widget.result.value) == ("auto", "new layer")


def test_a_preferred_model_in_one_precision(viewer, monkeypatch):
    monkeypatch.setattr("napari_inpaint.plugin.widget.inputs.read_preferences", lambda: Preferences("compact.fp32"))
    _, widget = viewer.window.add_plugin_dock_widget("napari-inpaint", "Inpaint")
    assert widget.model.value == "compact.fp32"
