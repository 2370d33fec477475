"""The widget: choose an image, draw holes, press Fill."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from magicgui.widgets import CheckBox, Container, Label, ProgressBar, PushButton
from napari.layers import Shapes
from napari.utils.notifications import ErrorNotification, notification_manager, show_warning
from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QApplication
from superqt.utils import create_worker

from napari_inpaint.plugin.check_dialog import CheckDialog
from napari_inpaint.plugin.drawing import add_holes, start_drawing
from napari_inpaint.plugin.history import History, Stroke
from napari_inpaint.plugin.inputs import NO_HOLES, OTHER_MODEL, Inputs, in_row
from napari_inpaint.plugin.layers import read_job, why_not_in_place
from napari_inpaint.plugin.preferences import IN_PLACE
from napari_inpaint.plugin.results import RECORD, Filled, to_synthetic
from napari_inpaint.plugin.snippets import to_command, to_python
from napari_inpaint.plugin.worker import Result, Running, Settings, make_room, run_check, run_fill, to_sentence, warm_up

if TYPE_CHECKING:
    import napari
    from napari.layers import Image

    from napari_inpaint.inference.check import SelfCheck
    from napari_inpaint.plugin.layers import Job

UNDO = "Control-Z"


class InpaintWidget(Container):
    """Fills holes in an image layer, as a new layer or in place.

    Parameters
    ----------
    napari_viewer
        The viewer whose layers are offered.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        self.viewer = napari_viewer
        self.history = History(napari_viewer.layers)
        self.inputs = Inputs(napari_viewer)
        self.image, self.holes, self.result = self.inputs.image, self.inputs.holes, self.inputs.result
        self.model, self.device, self.runs_on = self.inputs.model, self.inputs.device, self.inputs.runs_on
        self.draw_button = PushButton(text="Draw rectangles")
        self.as_you_draw = CheckBox(value=False, text="fill as you draw",
                                    tooltip="each rectangle at once; Ctrl-Z takes it back")  # fmt: skip
        self.fill_button, self.cancel_button = PushButton(text="Fill"), PushButton(text="Cancel", enabled=False)
        self.progress = ProgressBar(value=0, visible=False)
        self.status = Label(value="Draw rectangles around what is to go, then press Fill.")
        self.compare_button = PushButton(text="Compare", tooltip="show what was there before the last fill")
        self.undo_button = PushButton(text="Undo", tooltip="take the last fill in place back (Ctrl-Z)")
        self.synthetic_button = PushButton(text="Synthetic pixels", tooltip="add a layer that marks what was made up")
        self.check_button = PushButton(text="Check", tooltip="hide, fill and compare known pixels beside the holes")
        self.python_button = PushButton(text="Copy as Python", tooltip="copy the call that does what Fill does")
        self.command_button = PushButton(text="Copy as command")
        rows = (
            (self.draw_button, self.as_you_draw), (self.fill_button, self.cancel_button), (self.progress,),
            (self.status,), (self.compare_button, self.undo_button), (self.synthetic_button, self.check_button),
            (self.python_button, self.command_button),
        )  # fmt: skip
        super().__init__(
            widgets=[self.inputs, *(in_row(*row) if len(row) > 1 else row[0] for row in rows)], labels=False
        )
        self.status.native.setWordWrap(True)
        self.runs_on.native.setWordWrap(True)
        self.compare_button.native.setCheckable(True)
        self._running: Running | None = None
        self._target: Image | None = None  # of the fill that runs, in place
        self._stroke: Stroke | None = None
        self._drawn: list[Stroke] = []
        self._results: dict[Image, Image] = {}
        self._followed: Shapes | None = None
        self._closed = False
        self._connect()
        self._prepare()

    def _connect(self) -> None:
        for button, act in (
            (self.draw_button, self.draw), (self.fill_button, self.fill), (self.cancel_button, self.cancel),
            (self.undo_button, self.undo), (self.synthetic_button, self.add_synthetic), (self.check_button, self.check),
            (self.python_button, self.copy_python), (self.command_button, self.copy_command),
        ):  # fmt: skip
            button.changed.connect(act)
        self.compare_button.changed.connect(self.compare)
        self.model.changed.connect(self._prepare)
        self.device.changed.connect(self._prepare)
        self.holes.changed.connect(self._follow)
        self.as_you_draw.changed.connect(self._follow)
        self.viewer.dims.events.order.connect(self.inputs.show_what_matters)
        self._bound = self.viewer.bind_key(UNDO, lambda _: self.undo(), overwrite=True)
        self._closing = _Closing(self)
        self.native.destroyed.connect(self.close_down)

    # What the buttons do

    def draw(self) -> None:
        """Start to draw rectangles, in a new layer when none is chosen."""
        if self.image.value is None:
            self._say("open an image first", warn=True)
            return
        if isinstance(self.holes.value, Shapes):
            start_drawing(self.viewer, self.holes.value)
        else:
            layer = add_holes(self.viewer, self.image.value)
            self.holes.reset_choices()
            self.holes.value = layer
        self._say("drag over what is to go, then press Fill")

    def fill(self) -> None:
        """Start to fill; the result arrives as a new layer, or in place."""
        if self._running is not None:
            self._say("a fill is running: wait, or cancel it", warn=True)
            return
        image = self.image.value
        in_place = self.result.value == IN_PLACE
        if image is not None and in_place and (reason := why_not_in_place(image)):
            self._say(reason, warn=True)
            return
        job = self._read_job(image)
        if job is not None:
            self._start(job, image if in_place else None, None)

    def cancel(self) -> None:
        """Stop what runs; nothing is changed."""
        self._drawn.clear()
        if self._running is not None:
            self._running.stop()
            self._say("cancelling")

    def undo(self) -> None:
        """Take the last fill in place back."""
        self._uncheck_compare()
        self._say(self.history.undo())

    def compare(self, before: bool) -> None:
        """Show what was there before the last fill, or the fill again."""
        if not self.history.compare(before) and before:
            self._uncheck_compare()
            self._say("nothing was filled yet", warn=True)

    def add_synthetic(self) -> None:
        """Add a Labels layer of the pixels that were made up."""
        shown = self.history.shown
        image = getattr(shown, "layer", shown)
        if image is None or image not in self.viewer.layers:
            image = self.image.value
        if image is None:
            self._say("open an image first", warn=True)
            return
        try:
            data, attributes = to_synthetic(image)
        except ValueError as error:
            self._say(error, warn=True)
            return
        self.viewer.add_labels(data, **attributes)

    def check(self) -> None:
        """Say what the fill is worth on this very image, in a table."""
        if self._running is not None:
            self._say("a fill is running: wait, or cancel it", warn=True)
            return
        job = self._read_job(self.image.value)
        if job is None:
            return
        running = Running(run_check, job, self.inputs.read_settings())
        running.worker.returned.connect(self._show_check)
        self._run(running, "checking: hiding, filling and comparing known pixels")

    def copy_python(self) -> None:
        """Put the call that does what Fill does on the clipboard."""
        job = self._read_job(self.image.value)
        if job is not None:
            inputs = self.inputs
            chosen = inputs.read_slices(), inputs.label_id.value, inputs.read_settings()
            self._copy(to_python(job, inputs.image.value, inputs.holes.value, *chosen))

    def copy_command(self) -> None:
        """Put the command that does what Fill does on the clipboard."""
        job = self._read_job(self.image.value)
        if job is None:
            return
        try:
            self._copy(to_command(job, self.image.value, self.inputs.read_settings()))
        except ValueError as error:
            self._say(error, warn=True)

    # Fills, from the start to the end

    def _read_job(self, image: Image | None, only: set[int] | None = None) -> Job | None:
        """Read what is to be filled; when that cannot be done, say why."""
        holes = self.holes.value
        if image is None or holes in (None, NO_HOLES):
            self._say("open an image first" if image is None else "draw rectangles first: press Draw", warn=True)
            return None
        try:
            return read_job(image, holes, self.viewer.dims, self.inputs.read_slices(), self.inputs.label_id.value, only)
        except ValueError as error:
            self._say(error, warn=True)
            return None

    def _start(self, job: Job, target: Image | None, stroke: Stroke | None) -> None:
        """Fill a job, into a layer or as a new one."""
        self._uncheck_compare()
        running = Running(run_fill, job, self.inputs.read_settings(), target is not None, counts=True)
        self._target, self._stroke = target, stroke
        running.progressed.connect(self._show_progress)
        running.worker.returned.connect(self._take)
        self._run(running, "filling")

    def _run(self, running: Running, sentence: str) -> None:
        self._running = running
        running.worker.errored.connect(self._show_error)
        running.worker.finished.connect(self._finish)
        self.fill_button.enabled = self.check_button.enabled = False
        self.cancel_button.enabled = True
        self.progress.range = (0, 0)
        self.progress.visible = True
        self._say(sentence)
        running.worker.start()

    def _show_progress(self, done: int, windows: int) -> None:
        if self._closed or self._running is None or self._running.is_set():
            return
        self.progress.range = (0, windows)
        self.progress.value = done
        left = (time.monotonic() - self._running.started) / done * (windows - done)
        self._say(f"{done} of {windows} windows filled, about {left:.0f} s left")

    def _take(self, result: Result | str) -> None:
        target, stroke, self._target, self._stroke = self._target, self._stroke, None, None
        if self._closed:
            return
        if isinstance(result, str):
            self._say(result, warn=self._running is None or not self._running.is_set())
            return
        attributes = result.job.attributes
        if target is None:
            metadata = attributes["metadata"] | {RECORD: result.record}
            layer = self.viewer.add_image(result.data, **attributes | {"metadata": metadata})
            self.history.shown, self.history.before = layer, False
            if stroke is not None:  # the next rectangles are filled in this layer
                self._results[self.image.value] = layer
                start_drawing(self.viewer, stroke.layer)
                self.history.add(Filled(layer, result.job.view, layer.data, result.changes, result.record), stroke)
        elif target not in self.viewer.layers or target.data is not result.job.data:
            self._say(f"layer {target.name!r} was removed or has other data now: nothing was filled", warn=True)
            return
        else:
            filled = Filled(target, result.job.view, target.data, result.changes, result.record)
            filled.show(after=True)
            target.metadata[RECORD] = result.record
            self.history.add(filled, stroke)
        self._say(" ".join(result.sentences), warn=len(result.sentences) > 1)

    def _finish(self, _: object = None) -> None:
        self._running = None
        if self._closed:
            return
        self.progress.visible = self.cancel_button.enabled = False
        self.fill_button.enabled = self.check_button.enabled = True
        self._fill_drawn()

    # Fill as you draw

    def _follow(self, _: object = None) -> None:
        """Listen to the chosen Shapes layer while rectangles are filled as they are drawn."""
        self._unfollow()
        if self.as_you_draw.value and isinstance(self.holes.value, Shapes):
            self._followed = self.holes.value
            self._followed.events.data.connect(self._take_drawn)

    def _unfollow(self) -> None:
        if self._followed is not None:
            self._followed.events.data.disconnect(self._take_drawn)
            self._followed = None

    def _take_drawn(self, event: Any) -> None:
        if event.action == "added" and self._followed is not None and self._followed.data:
            self._drawn.append(Stroke(self._followed, self._followed.data[-1].copy()))
            self._fill_drawn()

    def _fill_drawn(self) -> None:
        """Fill the next rectangle that was drawn, when nothing else runs."""
        while self._drawn and self._running is None:
            stroke = self._drawn.pop(0)
            image = self.image.value
            index = stroke.index
            if image is None or index is None or stroke.layer is not self.holes.value:
                continue
            target = image if self.result.value == IN_PLACE else self._results.get(image)
            target = target if target in self.viewer.layers else None
            reason = why_not_in_place(image if target is None else target)
            is_copied = target is None and isinstance(image.data, np.ndarray) and not image.multiscale
            if reason and not is_copied:
                self._say(f"rectangles cannot be filled as they are drawn: {reason}", warn=True)
                continue
            job = self._read_job(image if target is None else target, {index})
            if job is not None:
                self._start(job, target, stroke)

    # The model, messages and the end

    def _prepare(self, _: object = None) -> None:
        """Open the model in the background, so that the first fill does not wait for it, and say what it runs on."""
        if self.model.value == OTHER_MODEL:
            return
        self.runs_on.value = "opening the model"
        worker = create_worker(warm_up, self.inputs.read_settings(), _ignore_errors=True)
        worker.returned.connect(self._show_what_runs)  # no lambda: Qt would keep it, and the widget, alive
        worker.start()

    def _show_what_runs(self, opened: tuple[Settings, str]) -> None:
        settings, sentence = opened
        if not self._closed and (settings.model, settings.device) == (self.model.value, self.device.value):
            self.runs_on.value = sentence

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

    def _uncheck_compare(self) -> None:
        self.history.compare(before=False)
        self.compare_button.native.setChecked(False)

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
        self._closed = True
        self._drawn.clear()
        if self._running is not None:
            self._running.stop()
        self._unfollow()
        self.viewer.dims.events.order.disconnect(self.inputs.show_what_matters)
        self.viewer.bind_key(UNDO, self._bound, overwrite=True)
        make_room()
        with contextlib.suppress(RuntimeError):  # the canvas may be gone too
            self.history.compare(before=False)


class _Closing(QObject):
    """Tells the widget when its dock is closed."""

    def __init__(self, widget: InpaintWidget) -> None:
        super().__init__(widget.native)
        self._widget: InpaintWidget | None = widget
        self._docked = False
        widget.native.installEventFilter(self)

    def eventFilter(self, watched: Any, event: Any) -> bool:
        if event.type() == QEvent.Type.ParentChange and self._widget is not None:
            is_docked = self._widget.native.parent() is not None
            if self._docked and not is_docked:
                self._widget.close_down()
                self._widget = None
            self._docked = is_docked
        return False
