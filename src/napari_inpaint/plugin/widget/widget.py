"""The widget: choose an image, draw holes, press Fill."""

from __future__ import annotations

import atexit
import contextlib
import functools
import threading
import weakref
from typing import TYPE_CHECKING, Any

from magicgui.widgets import Container
from napari.layers import Labels, Points, Shapes
from qtpy.QtCore import QEvent, QTimer
from qtpy.QtWidgets import QApplication, QMenu

from napari_inpaint.plugin.layers.drawing import (
    READY,
    DrawnShape,
    Follower,
    add_holes,
    can_draw_in,
    get_ready,
    start_drawing,
)
from napari_inpaint.plugin.layers.results import each_record
from napari_inpaint.plugin.snippets import to_command, to_python
from napari_inpaint.plugin.widget.check_dialog import CheckDialog
from napari_inpaint.plugin.widget.controls import Controls, Possible
from napari_inpaint.plugin.widget.docking import DockWatcher
from napari_inpaint.plugin.widget.filling import BUSY, Filling
from napari_inpaint.plugin.widget.inputs import Inputs
from napari_inpaint.plugin.widget.looks import Section, WheelGuard, emphasize, in_column, to_scroll_area
from napari_inpaint.plugin.widget.saving import KINDS, save
from napari_inpaint.plugin.widget.shared import shared_by_widgets_of
from napari_inpaint.plugin.widget.worker import make_room, stop_workers

if TYPE_CHECKING:
    import napari

    from napari_inpaint.inference.self_check import SelfCheck
    from napari_inpaint.plugin.widget.saving import Kind


OPEN: weakref.WeakSet[InpaintWidget] = weakref.WeakSet()
"""Widgets that are not closed."""


@atexit.register
def remove_widgets() -> None:
    """Delete what is still open while Python is there: Qt ends after it, and would call what is gone."""
    stop_workers()
    for widget in list(OPEN):
        with contextlib.suppress(RuntimeError):  # Qt has deleted it
            widget.close_down()
            widget.native.setParent(None)
            widget.native.deleteLater()
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete.value)


class InpaintWidget(Container[Any]):
    """Fills holes in an image layer, as a new layer or in place.

    Parameters
    ----------
    napari_viewer
        The viewer whose layers are offered.
    """

    def __init__(self, napari_viewer: napari.viewer.Viewer) -> None:
        self.viewer = napari_viewer
        self._shared = shared_by_widgets_of(napari_viewer)
        self.history = self._shared.history
        self.inputs = Inputs(napari_viewer, self.history)
        self.image, self.holes, self.result = self.inputs.image, self.inputs.holes, self.inputs.result
        self.model, self.device, self.runs_on = self.inputs.model, self.inputs.device, self.inputs.runs_on
        self.controls = Controls()
        self.progress, self.status = self.controls.progress, self.controls.status
        super().__init__(labels=False)
        self.margins = (0, 0, 0, 0)
        rows, column = in_column(self.inputs.advanced, self.controls.copies), in_column(self.inputs, self.controls)
        self.advanced = Section("Advanced", rows)
        column.native.layout().insertWidget(2, self.advanced)
        self.native.layout().addWidget(to_scroll_area(column))
        WheelGuard(self.native)
        self._filling = Filling(self.history, self.controls, self.inputs.images, self._show_check, self._show_compare)
        self._say, self._saying_why_not = self._filling.say, self._filling.saying_why_not
        self._follower = Follower(self._take_drawn)
        self._closed = False
        self._connect()
        OPEN.add(self)
        threading.Thread(target=get_ready).start()  # which Python waits for when it ends
        self.inputs.images.follow()
        self.inputs.engine.prepare()
        if self.inputs.engine.problem:
            self._say(self.inputs.engine.problem, warn=True)
        self._emphasize()
        self._offer()

    def reset_choices(self, *arguments: Any) -> None:
        """Offer the layers that there are."""
        self.inputs.reset_choices(*arguments)

    @property
    def is_running(self) -> bool:
        """Return whether a fill or a check is under way."""
        return self._filling.running is not None

    def _connect(self) -> None:
        controls = self.controls
        for button, act in (
            (controls.draw_button, self.draw), (controls.fill_button, self.fill),
            (controls.cancel_button, self._filling.cancel), (controls.undo_button, self.undo),
            (controls.synthetic_button, self.add_synthetic), (controls.check_button, self.check),
            (controls.python_button, self.copy_python), (controls.command_button, self.copy_command),
            (controls.compare_button, self.compare), (controls.as_you_draw, self._follow),
            (self.inputs.origins, self.show_origins),
        ):  # fmt: skip
            button.changed.connect(act)
        menu = QMenu(controls.save_button.native)
        for kind in KINDS:
            menu.addAction(kind.title, functools.partial(self.save, kind))
        controls.save_button.native.setMenu(menu)
        self.holes.changed.connect(self._follow)
        self.holes.changed.connect(self._watch_holes)
        self.image.changed.connect(self._offer)
        self.history.changed.connect(self._offer)
        self.viewer.events.theme.connect(self._emphasize)
        self._watched: Any = None
        self._watch_holes()
        self.viewer.dims.events.order.connect(self.inputs.show_what_matters)
        self.viewer.layers.events.removing.connect(self._go_back)
        self.viewer.layers.events.removed.connect(self._forget)
        self._shared.join(self)
        self._dock_watcher = DockWatcher(self)
        self.native.destroyed.connect(self.close_down)

    # What the buttons do

    def draw(self, _: object = None) -> None:
        """Start to draw rectangles, in a new layer when none of ours is chosen."""
        with self._saying_why_not():
            if self._closed:
                return
            image = self.image.value
            if image is None:
                raise ValueError("open an image first")
            if self.viewer.dims.ndisplay != 2:
                raise ValueError("holes are drawn in planes: switch the viewer to 2-D display")
            if not READY.is_set():
                self._say("napari gets ready to draw, which takes some seconds once")
                QTimer.singleShot(100, self.draw)
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
        with self._saying_why_not():
            if self.is_running:
                raise ValueError(BUSY)
            self._filling.fill(self.inputs.read_request())

    def cancel(self) -> None:
        """Stop what runs; nothing is changed."""
        self._filling.cancel()

    def undo(self) -> None:
        """Take back the last fill, shape or stroke; a fill that still runs or waits is not done."""
        with self._saying_why_not():
            if self.is_running:
                self._filling.take_back()
                return
            self._say(self.history.undo())
            self._show_compare()

    def compare(self, before: bool) -> None:
        """Show what was there before the last fill, or the fill again."""
        with self._saying_why_not():
            if before and self.is_running:
                self._say(BUSY, warn=True)
            elif not self.history.compare(before) and before:
                self._say("nothing was filled yet", warn=True)
            self._show_compare()

    def add_synthetic(self) -> None:
        """Add a Labels layer of the pixels that were made up."""
        with self._saying_why_not():
            self.history.mark(self.history.find_filled(self.image.value))

    def save(self, kind: Kind) -> None:
        """Save the result, or what is known of it."""
        with self._saying_why_not():
            sentence = save(kind, self.history.find_filled(self.image.value), self.native)
            if sentence:
                self._say(sentence)

    def show_origins(self, shown: bool) -> None:
        """Show where the pixels of this fill, and of the next ones, came from; or no longer."""
        with self._saying_why_not():
            self.history.show_origins(self.image.value, shown)

    def check(self) -> None:
        """Say what the fill is worth on this very image, in a table."""
        with self._saying_why_not():
            if self.is_running:
                raise ValueError(BUSY)
            self._filling.check(self.inputs.read_request())

    def copy_python(self) -> None:
        """Put the call that does what Fill does on the clipboard."""
        inputs = self.inputs
        with self._saying_why_not():
            self._refuse_several()
            chosen = inputs.read_slices(), inputs.label_id.value, inputs.read_settings()
            image = self._find_source()
            self._copy(to_python(inputs.read_job(image=image), image, inputs.holes.value, *chosen))

    def copy_command(self) -> None:
        """Put the command that does what Fill does on the clipboard."""
        inputs = self.inputs
        with self._saying_why_not():
            self._refuse_several()
            image = self._find_source()
            self._copy(to_command(inputs.read_job(image=image), image, self.holes.value, inputs.read_settings()))

    def _find_source(self) -> Any:
        """Return the chosen image, or, of a result, the one that it was made of."""
        image = self.image.value
        while image is not None and (source := self.history.source_of(image)) is not None:
            image = source
        return image

    def _refuse_several(self) -> None:
        if len(self.inputs.images.layers) > 1:
            raise ValueError("several images are filled together: select one to copy its call; in Python, "
                             "Inpainter.fill takes a list of their arrays too")  # fmt: skip

    # Fill as you draw

    def _follow(self, _: object = None) -> None:
        """Listen to the chosen Shapes layer while rectangles are filled as they are drawn."""
        holes = self.holes.value
        self._follower.follow(
            holes if self.controls.as_you_draw.value and isinstance(holes, (Shapes, Points)) else None
        )

    def _take_drawn(self, drawn: DrawnShape) -> None:
        """Ask for the fill of a shape, with what is chosen now."""
        with self._saying_why_not():
            if drawn.index is not None:  # it is there still
                self._filling.fill(self.inputs.read_request(drawn))

    # What can be done

    def _watch_holes(self, _: object = None) -> None:
        """Notice when something is drawn."""
        if self._watched is not None:
            self._watched.events.data.disconnect(self._offer)
        self._watched = self.holes.value if isinstance(self.holes.value, (Shapes, Points)) else None
        if self._watched is not None:
            self._watched.events.data.connect(self._offer)
        self._offer()

    def _offer(self, _: object = None) -> None:
        """Offer what can be done now."""
        if self._closed:
            return
        image, history = self.image.value, self.history
        active = self.viewer.layers.selection.active
        self.controls.offer(Possible(
            self.inputs.why_not(), history.last_fill is not None, bool(history.steps) or isinstance(active, Labels),
            image is not None and bool(each_record(history.find_filled(image).metadata)),
        ))  # fmt: skip

    def _emphasize(self, _: object = None) -> None:
        emphasize(self.controls.fill_button, self.viewer)

    # Messages and the end

    def _show_check(self, report: SelfCheck) -> None:
        CheckDialog(report, self.native).show()

    def _go_back(self, event: Any) -> None:
        """When a result is removed, choose again what it was made of."""
        layer = self.history.viewer.layers[event.index]  # the layer itself: plugins are given proxies
        source = self.history.source_of(layer)
        if source is not None and source in self.viewer.layers:
            self.inputs.images.go_on({layer: source})

    def _forget(self, _: object = None) -> None:
        """Forget fills of layers that were removed."""
        if not self._closed:
            self.history.forget()
            self._show_compare()
            self._offer()

    def _show_compare(self) -> None:
        self.controls.compare_button.native.setChecked(self.history.is_comparing)

    def _copy(self, text: str) -> None:
        clipboard: Any = QApplication.clipboard()
        clipboard.setText(text)
        self._say("copied; paste it where you need it")

    def close_down(self, _: object = None) -> None:
        """Stop what runs, and let go of the viewer and the model; Qt's widgets may be gone already."""
        if self._closed:
            return
        self._closed = self.inputs.engine.is_closed = True
        OPEN.discard(self)
        self._filling.close_down()
        self._follower.follow(None)
        self.inputs.images.close_down()
        self.history.changed.disconnect(self._offer)
        self.viewer.events.theme.disconnect(self._emphasize)
        if self._watched is not None:
            self._watched.events.data.disconnect(self._offer)
        self.viewer.dims.events.order.disconnect(self.inputs.show_what_matters)
        self.viewer.layers.events.removing.disconnect(self._go_back)
        self.viewer.layers.events.removed.disconnect(self._forget)
        self._shared.leave(self)
        make_room()
