"""What the widget takes from its window, and gives back: the dock's end, and a key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QEvent, QObject

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari
    from napari.layers import Layer

    from napari_inpaint.plugin.widget.widget import InpaintWidget


class DockWatcher(QObject):
    """Closes the widget down when its dock is closed."""

    def __init__(self, widget: InpaintWidget) -> None:
        super().__init__(widget.native)
        self._widget: InpaintWidget | None = widget
        self._docked = False
        widget.native.installEventFilter(self)

    def eventFilter(self, watched: Any, event: Any) -> bool:
        """Look for the moment in which the widget loses its dock."""
        if event.type() == QEvent.Type.ParentChange and self._widget is not None:
            is_docked = self._widget.native.parent() is not None
            if self._docked and not is_docked:
                self._widget.close_down()
                self._widget = None
            self._docked = is_docked
        return False


class BorrowedKey:
    """A key of the viewer, or of a layer, that the widget binds while it is open.

    Parameters
    ----------
    owner
    key
        As napari names it.
    act
        What the key does.
    """

    def __init__(self, owner: napari.viewer.Viewer | Layer, key: str, act: Callable[[], object]) -> None:
        self._owner, self._key = owner, key
        self._own: Any = lambda _: act()
        self._before = owner.bind_key(key, self._own, overwrite=True)

    def give_back(self) -> None:
        """Bind what was bound before; what somebody else has bound meanwhile stays."""
        bound = self._owner.bind_key(self._key, None, overwrite=True)
        kept = self._before if bound is self._own else bound
        if kept is not None:
            self._owner.bind_key(self._key, kept, overwrite=True)
