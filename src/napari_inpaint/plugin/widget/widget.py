"""The widget: choose an image, draw holes, press Fill."""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from magicgui.widgets import Container
from napari.layers import Shapes
from napari.utils.notifications import ErrorNotification, notification_manager, show_warning
from qtpy.QtWidgets import QApplication

from napari_inpaint.plugin.layers.drawing import DrawnShape, Follower, add_holes, can_draw_in, start_drawing
from napari_inpaint.plugin.layers.frame import full_resolution
from napari_inpaint.plugin.layers.results import to_synthetic
from napari_inpaint.plugin.snippets import to_command, to_python
from napari_inpaint.plugin.widget.check_dialog import CheckDialog
from napari_inpaint.plugin.widget.controls import Controls
from napari_inpaint.plugin.widget.docking import BorrowedKey, DockWatcher
from napari_inpaint.plugin.widget.history import History
from napari_inpaint.plugin.widget.inputs import Inputs
from napari_inpaint.plugin.widget.worker import (
    CANCELLED,
    Result,
    Running,
    make_room,
    run_check,
    run_fill,
    to_sentence,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    import napari

    from napari_inpaint.inference.self_check import SelfCheck
    from napari_inpaint.plugin.widget.inputs import Request

UNDO = "Control-Z"
BUSY = "a fill or a check is running: wait, or cancel it"


class InpaintWidget(Container[Any]):
    """Fills holes in an image layer, as a new layer or in place.

    Parameters
    ----------
    napari_viewer
        The viewer whose layers are offered.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        self.viewer = napari_viewer
        self.inputs = Inputs(napari_viewer)
        self.history = History(napari_viewer, self.inputs.origins.value)
        self.image, self.holes, self.result = self.inputs.image, self.inputs.holes, self.inputs.result
        self.model, self.device, self.runs_on = self.inputs.model, self.inputs.device, self.inputs.runs_on
        self.controls = Controls()
        self.progress, self.status = self.controls.progress, self.controls.status
        super().__init__(widgets=[self.inputs, self.controls], labels=False)
        self._running: Running | None = None
        self._request: Request | None = None  # the fill that runs
        self._waiting: list[Request] = []
        self._follower = Follower(self._take_drawn)
        self._closed = False
        self._connect()
        self.inputs.prepare()
        if self.inputs.problem:
            self._say(self.inputs.problem, warn=True)

    def _connect(self) -> None:
        controls = self.controls
        for button, act in (
            (controls.draw_button, self.draw), (controls.fill_button, self.fill),
            (controls.cancel_button, self.cancel), (controls.undo_button, self.undo),
            (controls.synthetic_button, self.add_synthetic), (controls.check_button, self.check),
            (controls.python_button, self.copy_python), (controls.command_button, self.copy_command),
            (controls.compare_button, self.compare), (controls.as_you_draw, self._follow),
            (self.inputs.origins, self.show_origins),
        ):  # fmt: skip
            button.changed.connect(act)
        self.holes.changed.connect(self._follow)
        self.viewer.dims.events.order.connect(self.inputs.show_what_matters)
        self.viewer.layers.events.removed.connect(self._forget)
        self._undo_key = BorrowedKey(self.viewer, UNDO, self.undo)
        self._dock_watcher = DockWatcher(self)
        self.native.destroyed.connect(self.close_down)

    # What the buttons do

    def draw(self) -> None:
        """Start to draw rectangles, in a new layer when none of ours is chosen."""
        image = self.image.value
        if image is None:
            self._say("open an image first", warn=True)
            return
        if self.viewer.dims.ndisplay != 2:
            self._say("holes are drawn in planes: switch the viewer to 2-D display", warn=True)
            return
        if can_draw_in(self.holes.value, self.viewer, image):
            start_drawing(self.viewer, self.holes.value)
        else:
            layer = add_holes(self.viewer, image)
            self.holes.reset_choices()
            self.holes.value = layer
        self._say("drag over what should go, then press Fill")

    def fill(self) -> None:
        """Start to fill; the result arrives as a new layer, or in place."""
        if self._running is not None:
            self._say(BUSY, warn=True)
            return
        with self._saying_why_not():
            self._start(self.inputs.read_request())

    def cancel(self) -> None:
        """Stop what runs; nothing is changed."""
        self._waiting.clear()
        if self._running is not None:
            self._running.stop()
            self._say("cancelling")

    def undo(self) -> None:
        """Take back the last fill in place; one that still runs or waits is not done."""
        if self._running is None:
            self._say(self.history.undo())
            self._show_compare()
            return
        request = self._waiting.pop() if self._waiting else self._request
        if request is self._request:
            self._running.stop()
        if request is not None and request.drawn is not None and request.drawn.layer in self.viewer.layers:
            request.drawn.remove()
        self._say("the fill that was under way is taken back")

    def compare(self, before: bool) -> None:
        """Show what was there before the last fill, or the fill again."""
        if before and self._running is not None:
            self._say(BUSY, warn=True)
        elif not self.history.compare(before) and before:
            self._say("nothing was filled yet", warn=True)
        self._show_compare()

    def add_synthetic(self) -> None:
        """Add a Labels layer of the pixels that were made up."""
        with self._saying_why_not():
            data, attributes = to_synthetic(self.history.find_filled(self.image.value))
            self.viewer.add_labels(data, **attributes)

    def show_origins(self, shown: bool) -> None:
        """Show where the pixels of this fill, and of the next ones, came from; or no longer."""
        with self._saying_why_not():
            self.history.show_origins(self.image.value, shown)

    def check(self) -> None:
        """Say what the fill is worth on this very image, in a table."""
        if self._running is not None:
            self._say(BUSY, warn=True)
            return
        with self._saying_why_not():
            running = Running(run_check, self.inputs.read_job(), self.inputs.read_settings())
            running.worker.returned.connect(self._show_check)
            self._run(running, "checking: hiding, filling and comparing known pixels")

    def copy_python(self) -> None:
        """Put the call that does what Fill does on the clipboard."""
        inputs = self.inputs
        with self._saying_why_not():
            chosen = inputs.read_slices(), inputs.label_id.value, inputs.read_settings()
            self._copy(to_python(inputs.read_job(), inputs.image.value, inputs.holes.value, *chosen))

    def copy_command(self) -> None:
        """Put the command that does what Fill does on the clipboard."""
        inputs = self.inputs
        with self._saying_why_not():
            self._copy(to_command(inputs.read_job(), self.image.value, self.holes.value, inputs.read_settings()))

    # Fills, from the start to the end

    @contextlib.contextmanager
    def _saying_why_not(self) -> Iterator[None]:
        """When what is asked for cannot be done, say what the user can do about it."""
        try:
            yield
        except (ValueError, OSError) as error:
            self._say(error, warn=True)

    def _start(self, request: Request) -> None:
        """Fill what was asked for: in the image, as a new layer, or in the one that the first rectangle made."""
        if request.drawn is not None and request.target is None:
            made = self.history.result_of(request.source)
            if made is not None:
                request = replace(request, target=made, job=replace(request.job, data=made.data))
        self.history.compare(before=False)
        self._show_compare()
        self._request = request
        running = Running(run_fill, request.job, request.settings, request.target is not None, counts=True)
        running.progressed.connect(self._show_progress)
        running.worker.returned.connect(self._take)
        self._run(running, "filling")

    def _run(self, running: Running, sentence: str) -> None:
        self._running = running
        running.worker.errored.connect(self._show_error)
        running.worker.finished.connect(self._finish)
        self.controls.show_work(True)
        self._say(sentence)
        running.worker.start()

    def _show_progress(self, done: int, steps: int) -> None:
        if self._closed or self._running is None or self._running.is_set():
            return
        self.controls.show_progress(done, steps)
        left = (time.monotonic() - self._running.started) / done * (steps - done)
        self._say(f"{done} of {steps} steps done, about {left:.0f} s left")

    def _take(self, result: Result | str) -> None:
        request, running = self._request, self._running
        if self._closed or request is None or running is None:
            return
        if running.is_set() or isinstance(result, str):
            is_refusal = isinstance(result, str) and not running.is_set()
            self._say(result if isinstance(result, str) else CANCELLED, warn=is_refusal)
            return
        target = request.target
        if target is None:
            self.history.add_layer(request, result)
        elif target not in self.viewer.layers or target.data is not request.job.data:
            self._say(f"layer {target.name!r} was removed or has other data now: nothing was filled", warn=True)
            return
        else:
            self.history.fill_in_place(target, request, result)
        self._say(" ".join(result.sentences), warn=len(result.sentences) > 1)

    def _finish(self, _: object = None) -> None:
        self._running = self._request = None
        if self._closed:
            make_room()
            return
        self.controls.show_work(False)
        self._start_waiting()

    # Fill as you draw

    def _follow(self, _: object = None) -> None:
        """Listen to the chosen Shapes layer while rectangles are filled as they are drawn."""
        holes = self.holes.value
        self._follower.follow(holes if self.controls.as_you_draw.value and isinstance(holes, Shapes) else None)

    def _take_drawn(self, drawn: DrawnShape) -> None:
        """Ask for the fill of a shape, with what is chosen now."""
        with self._saying_why_not():
            if drawn.index is not None:  # it is there still
                self._waiting.append(self.inputs.read_request(drawn))
        self._start_waiting()

    def _start_waiting(self) -> None:
        """Start the fill that waits longest, when nothing else runs."""
        while self._waiting and self._running is None:
            request = self._waiting.pop(0)
            if request.source in self.viewer.layers and full_resolution(request.source) is request.job.data:
                self._start(request)
            else:
                self._say(f"layer {request.source.name!r} was removed or has other data now: nothing was filled")

    # Messages and the end

    def _show_check(self, report: SelfCheck | str) -> None:
        if self._closed:
            return
        if isinstance(report, str):
            self._say(report, warn=True)
            return
        self._say("the check is done")
        CheckDialog(report, self.native).show()

    def _show_error(self, error: Exception) -> None:
        """Show what failed, with its details."""
        if not self._closed:
            self._say(error)
        notification_manager.dispatch(ErrorNotification(error))

    def _forget(self, _: object = None) -> None:
        """Forget fills of layers that were removed."""
        if not self._closed:
            self.history.forget()
            self._show_compare()

    def _show_compare(self) -> None:
        self.controls.compare_button.native.setChecked(self.history.is_comparing)

    def _copy(self, text: str) -> None:
        clipboard: Any = QApplication.clipboard()
        clipboard.setText(text)
        self._say("copied; paste it where you need it")

    def _say(self, sentence: object, warn: bool = False) -> None:
        self.status.value = to_sentence(sentence)
        if warn:
            show_warning(self.status.value)

    def close_down(self, _: object = None) -> None:
        """Stop what runs, and let go of the viewer and the model; Qt's widgets may be gone already."""
        if self._closed:
            return
        self._closed = self.inputs.is_closed = True
        self._waiting.clear()
        if self._running is not None:
            self._running.stop()
        self._follower.follow(None)
        self.viewer.dims.events.order.disconnect(self.inputs.show_what_matters)
        self.viewer.layers.events.removed.disconnect(self._forget)
        self._undo_key.give_back()
        self.history.close()
        make_room()
