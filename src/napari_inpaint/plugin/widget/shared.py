"""What all widgets of a viewer share: one history, and the key that takes back what is newest in it."""

from __future__ import annotations

import contextlib
import weakref
from typing import TYPE_CHECKING, Any

from napari.layers import Labels, Points, Shapes

from napari_inpaint.plugin.layers.drawing import Follower
from napari_inpaint.plugin.widget.docking import BorrowedKey
from napari_inpaint.plugin.widget.history import History, Painted

if TYPE_CHECKING:
    import napari
    from napari.layers import Layer

    from napari_inpaint.plugin.layers.drawing import DrawnShape
    from napari_inpaint.plugin.widget.widget import InpaintWidget

UNDO, REDO = "Control-Z", "Control-Shift-Z"
_SHARED: weakref.WeakKeyDictionary[Any, Shared] = weakref.WeakKeyDictionary()
"""By the events of a viewer, which live as long as it does."""


class Shared:
    """What the widgets of one viewer share; fills are kept when the last one closes.

    Parameters
    ----------
    viewer
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        self.viewer: Any = weakref.proxy(viewer)
        self.history = History(self.viewer)
        self.widgets: list[InpaintWidget] = []
        self._watched: dict[Any, contextlib.ExitStack] = {}  # how to let go of the viewer, and of its layers

    def join(self, widget: InpaintWidget) -> None:
        """Let a widget take part: while there is one, strokes count, and the key is ours."""
        self.widgets.append(widget)
        if len(self.widgets) > 1:
            widget.inputs.origins.value = self.history.origins.is_shown
            return
        self.history.origins.is_shown = widget.inputs.origins.value
        let_go = self._watched[None] = contextlib.ExitStack()
        let_go.callback(BorrowedKey(self.viewer, UNDO, self.undo).give_back)
        events = self.viewer.layers.events
        for event, act in ((events.inserted, self._watch_new), (events.removed, self._let_go_of)):
            event.connect(act)
            let_go.callback(event.disconnect, act)
        for layer in self.viewer.layers:
            self._watch(layer)

    def leave(self, widget: InpaintWidget) -> None:
        """Let a widget go; after the last one everything is as it was, but for the history."""
        self.widgets.remove(widget)
        if not self.widgets:
            for let_go in self._watched.values():
                let_go.close()
            self._watched.clear()
            self.history.rest()

    def undo(self) -> None:
        """Take back what is newest: in the widget that fills right now, or in the one that was opened last."""
        busy = [widget for widget in self.widgets if widget.is_running]
        (busy or self.widgets)[-1].undo()

    def _watch_new(self, event: Any) -> None:
        self._watch(event.value)

    def _let_go_of(self, event: Any) -> None:
        self._watched.pop(event.value, contextlib.ExitStack()).close()

    def _watch(self, layer: Layer) -> None:
        """Count what the user draws in a layer."""
        let_go = self._watched[layer] = contextlib.ExitStack()
        if isinstance(layer, (Shapes, Points)):
            follower = Follower(self._count_drawn)
            follower.follow(layer)
            let_go.callback(follower.follow, None)
        elif isinstance(layer, Labels):  # which has keys, and a history, of its own
            layer.events.paint.connect(self._count_stroke)
            let_go.callback(layer.events.paint.disconnect, self._count_stroke)
            let_go.callback(BorrowedKey(layer, UNDO, self.undo).give_back)
            let_go.callback(BorrowedKey(layer, REDO, lambda: self.history.redo(layer)).give_back)

    def _count_stroke(self, event: Any) -> None:
        self.history.add_stroke(Painted(event.source))

    def _count_drawn(self, drawn: DrawnShape) -> None:
        if str(drawn.layer.mode).startswith("add"):  # not what programs add
            self.history.add_stroke(drawn)


def shared_by_widgets_of(viewer: napari.viewer.Viewer) -> Shared:
    """Return what the widgets of a viewer share."""
    own = getattr(viewer, "__wrapped__", viewer)  # plugins are given a proxy
    if own.events not in _SHARED:
        _SHARED[own.events] = Shared(own)
    return _SHARED[own.events]
