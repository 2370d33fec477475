"""What a fill did to the layers of a viewer, so that it can be compared with what was there, and taken back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_inpaint.plugin.layers.frame import full_resolution
from napari_inpaint.plugin.layers.job import is_same
from napari_inpaint.plugin.layers.results import Filled, add_record, drop_record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from napari.layers import Image

OPAQUE = ("opaque", "translucent", "translucent_no_depth")
"""Blending with which a layer covers those below, if its opacity is 1."""


@dataclass(frozen=True, slots=True, eq=False)
class Replaced:
    """A lazy layer that shows other data now, those before with a fill in them."""

    layer: Image
    old: Any
    new: Any

    @property
    def is_there(self) -> bool:
        """Return whether the layer still has the new data."""
        return is_same(self.layer.data, self.new)

    def undo(self) -> None:
        """Show the data from before, and forget the record."""
        self.layer.data = self.old
        drop_record(self.layer.metadata)

    def before(self) -> Any:
        """Return the data without the fill."""
        return self.old


@dataclass(frozen=True, slots=True, eq=False)
class Added:
    """A new layer."""

    layer: Image
    source: Image
    """What it was made of."""
    given: Any
    """The source's data when it was filled, full resolution."""
    new: Any
    hides: bool
    """Whether it hid its source, which would shine through."""

    @property
    def is_there(self) -> bool:
        """Return whether the layer still has the data that it was made with, or that later fills left."""
        return is_same(self.layer.data, self.new)

    @property
    def is_current(self) -> bool:
        """Return whether the source still has the data that were filled."""
        return is_same(full_resolution(self.source), self.given)


Change = Filled | Replaced | Added


def replace_data(layer: Image, data: Any, record: Mapping[str, Any]) -> Replaced:
    """Show other data in a layer, and add the record of the fill in them."""
    old, layer.data = layer.data, data
    add_record(layer.metadata, record)
    return Replaced(layer, old, layer.data)


def shines_through(layer: Image) -> bool:
    """Return whether a layer is seen through another one of the same look above it."""
    return str(layer.blending) not in OPAQUE or layer.opacity < 1
