"""Fills that can be compared with what was there, and taken back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from napari.components import LayerList
    from napari.layers import Shapes
    from numpy.typing import NDArray

    from napari_inpaint.plugin.results import Filled


@dataclass(slots=True, eq=False)
class Stroke:
    """A rectangle that was filled as it was drawn: taking the fill back takes it away too."""

    layer: Shapes
    vertices: NDArray[np.floating]

    @property
    def index(self) -> int | None:
        """Of the shape in its layer; None when it is not there any more as it was drawn."""
        same = [i for i, vertices in enumerate(self.layer.data) if np.array_equal(vertices, self.vertices)]
        return same[-1] if same else None

    def remove(self) -> None:
        """Remove it from its layer, if it is still there."""
        if self.index is not None:
            self.layer.selected_data = {self.index}
            self.layer.remove_selected()


@dataclass(slots=True, eq=False)
class History:
    """What was filled in a viewer, the last fill last."""

    layers: LayerList
    fills: list[tuple[Filled, Stroke | None]] = field(default_factory=list)
    shown: Any = None
    """The last fill: `Filled`, or the new layer."""
    before: bool = False
    """Whether what was there before the last fill is shown."""

    def add(self, filled: Filled, stroke: Stroke | None) -> None:
        """Take a fill that its layer shows."""
        self.fills.append((filled, stroke))
        self.shown, self.before = filled, False

    def compare(self, before: bool) -> bool:
        """Show what was there before the last fill, or the fill; return whether there is something to show."""
        self._forget_vanished()
        if self.shown is None:
            return False
        if before != self.before:
            if hasattr(self.shown, "show"):
                self.shown.show(after=not before)
            else:
                self.shown.visible = not before
        self.before = before
        return True

    def undo(self) -> str:
        """Take the last fill in place back; return a sentence about it."""
        self.compare(before=False)
        if not self.fills:
            return "Nothing to undo: only fills in place are taken back, a new layer can be deleted."
        filled, stroke = self.fills.pop()
        filled.undo()
        if stroke is not None and stroke.layer in self.layers:
            stroke.remove()
        self.shown = None
        return f"The last fill of {filled.layer.name!r} was taken back."

    def _forget_vanished(self) -> None:
        """Forget fills of layers that were removed, or have other data now."""
        self.fills = [each for each in self.fills if each[0].layer in self.layers and each[0].is_there]
        shown = self.shown
        if hasattr(shown, "show"):
            is_there = shown.is_there and shown.layer in self.layers
            if not is_there and self.before and shown.is_there:  # removed from the viewer; its pixels stay filled
                shown.show(after=True)
        else:
            is_there = shown in self.layers
        if not is_there:
            self.shown, self.before = None, False
