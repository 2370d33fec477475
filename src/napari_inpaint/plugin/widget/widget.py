"""The widget: choose an image, draw holes, press Fill."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from magicgui.widgets import CheckBox, Container, Label, ProgressBar, PushButton
from napari.layers import Shapes
from napari.utils.notifications import ErrorNotification, notification_manager, show_warning
from qtpy.QtCore import QEvent, QObject
from qtpy.QtWidgets import QApplication
from superqt.utils import create_worker

from napari_inpaint.plugin.layers.drawing import DrawnShape, Follower, add_holes, can_draw_in, start_drawing
from napari_inpaint.plugin.layers.frame import full_resolution
from napari_inpaint.plugin.layers.job import read_job, why_not_in_place
from napari_inpaint.plugin.layers.results import Filled, add_record, each_record, fill_in_place, to_synthetic
from napari_inpaint.plugin.snippets import to_command, to_python
from napari_inpaint.plugin.widget.check_dialog import CheckDialog
from napari_inpaint.plugin.widget.history import History
from napari_inpaint.plugin.widget.inputs import NO_HOLES, OTHER_MODEL, Inputs, in_row
from napari_inpaint.plugin.widget.preferences import IN_PLACE
from napari_inpaint.plugin.widget.worker import (
    CANCELLED,
    Result,
    Running,
    Settings,
    make_room,
    run_check,
    run_fill,
    to_sentence,
    warm_up,
)

if TYPE_CHECKING:
    import napari
    from napari.layers import Image

    from napari_inpaint.inference.self_check import SelfCheck
    from napari_inpaint.plugin.layers.job import Job

UNDO = "Control-Z"
BUSY = "a fill is running: wait, or cancel it"


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """A fill that was asked for, with what was chosen then."""

    job: Job
    source: Image
    target: Image | None
    """The layer that is changed; None: a new one is made."""
    settings: Settings
    drawn: DrawnShape | None
    """The shape that is filled as it was drawn."""


class InpaintWidget(Container[Any]):
    """Fills holes in an image layer, as a new layer or in place.

    Parameters
    ----------
    napari_viewer
        The viewer whose layers are offered.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        self.viewer = napari_viewer
        self.history = History(napari_viewer)
        self.inputs = Inputs(napari_viewer)
        self.image, self.holes, self.result = self.inputs.image, self.inputs.holes, self.inputs.result
        self.model, self.device, self.runs_on = self.inputs.model, self.inputs.device, self.inputs.runs_on
        self.draw_button = PushButton(text="Draw rectangles")
        self.as_you_draw = CheckBox(value=False, text="fill as you draw",
                                    tooltip="each rectangle at once; Ctrl-Z takes it back")  # fmt: skip
        self.fill_button, self.cancel_button = PushButton(text="Fill"), PushButton(text="Cancel", enabled=False)
        self.progress = ProgressBar(value=0, visible=False)
        self.status = Label(value="Draw rectangles around what should go, then press Fill.")
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
        self._request: Request | None = None  # the fill that runs
        self._waiting: list[Request] = []
        self._follower = Follower(self._take_drawn)
        self._closed = False
        self._connect()
        self._prepare()
        if self.inputs.problem:
            self._say(self.inputs.problem, warn=True)

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
        self.viewer.layers.events.removed.connect(self._forget)
        self._undo_key = lambda _: self.undo()
        self._bound = self.viewer.bind_key(UNDO, self._undo_key, overwrite=True)
        self._closing = _Closing(self)
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
        request = self._read_request()
        if request is not None:
            self._start(request)

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
        image = self.image.value
        if image is None:
            self._say("open an image first", warn=True)
            return
        if not each_record(image.metadata):
            image = self.history.result_of(image) or image
        try:
            data, attributes = to_synthetic(image)
        except ValueError as error:
            self._say(error, warn=True)
            return
        self.viewer.add_labels(data, **attributes)

    def check(self) -> None:
        """Say what the fill is worth on this very image, in a table."""
        if self._running is not None:
            self._say(BUSY, warn=True)
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
            self._copy(to_command(job, self.image.value, self.holes.value, self.inputs.read_settings()))
        except (ValueError, OSError) as error:
            self._say(error, warn=True)

    # Fills, from the start to the end

    def _read_job(self, image: Image | None, only: set[int] | None = None) -> Job | None:
        """Read what is to be filled; when that cannot be done, say why."""
        holes = self.holes.value
        if image is None or holes in (None, NO_HOLES):
            self._say(
                "open an image first"
                if image is None
                else "no holes yet: press Draw rectangles, and drag over what should go",
                warn=True,
            )
            return None
        try:
            return read_job(image, holes, self.viewer.dims, self.inputs.read_slices(), self.inputs.label_id.value, only)
        except ValueError as error:
            self._say(error, warn=True)
            return None

    def _read_request(self, drawn: DrawnShape | None = None) -> Request | None:
        """Read what is to be filled, and how, as it is chosen now; when that cannot be done, say why."""
        image, in_place = self.image.value, self.result.value == IN_PLACE
        reason = why_not_in_place(image) if image is not None and (in_place or drawn is not None) else ""
        # rectangles after the first are filled in the layer that the first one made, which is a copy
        if reason and (in_place or image.multiscale or not isinstance(image.data, np.ndarray)):
            self._say(reason, warn=True)
            return None
        index = None if drawn is None else drawn.index
        if drawn is not None and index is None:
            return None
        job = self._read_job(image, None if index is None else {index})
        if job is None:
            return None
        return Request(job, image, image if in_place else None, self.inputs.read_settings(), drawn)

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
        request, running = self._request, self._running
        if self._closed or request is None or running is None:
            return
        if running.is_set() or isinstance(result, str):
            is_refusal = isinstance(result, str) and not running.is_set()
            self._say(result if isinstance(result, str) else CANCELLED, warn=is_refusal)
            return
        target = request.target
        if target is None:
            self._add_layer(request, result)
        elif target not in self.viewer.layers or target.data is not request.job.data:
            self._say(f"layer {target.name!r} was removed or has other data now: nothing was filled", warn=True)
            return
        else:
            filled = fill_in_place(target, request.job.view, result.patches, result.record)
            self.history.add_fill(filled, request.drawn)
        self._say(" ".join(result.sentences), warn=len(result.sentences) > 1)

    def _add_layer(self, request: Request, result: Result) -> None:
        attributes, drawn = request.job.attributes, request.drawn
        metadata = dict(attributes["metadata"])
        add_record(metadata, result.record)
        selection = set(self.viewer.layers.selection)
        mode = None if drawn is None else drawn.layer.mode
        layer = self.viewer.add_image(result.data, **attributes | {"metadata": metadata})
        self.history.add_layer(request.source, request.job.data, layer)
        if drawn is None:
            return
        self.history.add_fill(Filled(layer, request.job.view, layer.data, result.patches), drawn)
        if drawn.layer in self.viewer.layers:  # the user goes on drawing
            self.viewer.layers.selection = {each for each in selection if each in self.viewer.layers}
            drawn.layer.mode = mode

    def _finish(self, _: object = None) -> None:
        self._running = self._request = None
        if self._closed:
            make_room()
            return
        self.progress.visible = self.cancel_button.enabled = False
        self.fill_button.enabled = self.check_button.enabled = True
        self._start_waiting()

    # Fill as you draw

    def _follow(self, _: object = None) -> None:
        """Listen to the chosen Shapes layer while rectangles are filled as they are drawn."""
        holes = self.holes.value
        self._follower.follow(holes if self.as_you_draw.value and isinstance(holes, Shapes) else None)

    def _take_drawn(self, drawn: DrawnShape) -> None:
        """Ask for the fill of a shape, with what is chosen now."""
        request = self._read_request(drawn)
        if request is not None:
            self._waiting.append(request)
            self._start_waiting()

    def _start_waiting(self) -> None:
        """Start the fill that waits longest, when nothing else runs."""
        while self._waiting and self._running is None:
            request = self._waiting.pop(0)
            if request.source in self.viewer.layers and full_resolution(request.source) is request.job.data:
                self._start(request)
            else:
                self._say(f"layer {request.source.name!r} was removed or has other data now: nothing was filled")

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
        if self._closed:
            make_room()
        elif (settings.model, settings.device) == (self.model.value, self.device.value):
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

    def _forget(self, _: object = None) -> None:
        """Forget fills of layers that were removed."""
        if not self._closed:
            self.history.forget()
            self._show_compare()

    def _show_compare(self) -> None:
        self.compare_button.native.setChecked(self.history.is_comparing)

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
        self._waiting.clear()
        if self._running is not None:
            self._running.stop()
        self._follower.follow(None)
        self.viewer.dims.events.order.disconnect(self.inputs.show_what_matters)
        self.viewer.layers.events.removed.disconnect(self._forget)
        bound = self.viewer.bind_key(UNDO, None, overwrite=True)
        kept = self._bound if bound is self._undo_key else bound  # somebody else's stays
        if kept is not None:
            self.viewer.bind_key(UNDO, kept, overwrite=True)
        self.history.close()
        make_room()


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
