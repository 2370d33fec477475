"""Fills that can be compared with what was there, and taken back."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from napari.layers import Labels

from napari_inpaint.plugin.layers.frame import full_resolution
from napari_inpaint.plugin.layers.job import to_attributes
from napari_inpaint.plugin.layers.results import Filled, add_record, each_record, fill_in_place
from napari_inpaint.plugin.widget.origins import OriginLayers

if TYPE_CHECKING:
    import napari
    from napari.layers import Image

    from napari_inpaint.plugin.layers.drawing import DrawnShape
    from napari_inpaint.plugin.widget.inputs import Request
    from napari_inpaint.plugin.widget.worker import Result


class History:
    """What was filled in a viewer.

    Parameters
    ----------
    viewer
        Whose layers are filled.
    with_origins
        Whether every fill shows where its pixels came from.

    Attributes
    ----------
    fills
        In place, the last one last; with the shape that it was drawn with.
    made
        The newest layer that was made of an image, and the data that the image had then, by the image.
    """

    def __init__(self, viewer: napari.viewer.Viewer, with_origins: bool = False) -> None:
        self.viewer = viewer
        self.origins = OriginLayers(viewer, with_origins)
        self.fills: list[tuple[Filled, DrawnShape | None]] = []
        self.made: dict[Image, tuple[Image, Any]] = {}
        self._shown: Any = None  # the last fill: `Filled`, or the new layer
        self._compared: Image | None = None

    def add_layer(self, request: Request, result: Result) -> None:
        """Show a fill as a new layer; of a shape that was filled as it was drawn, the next ones are filled in it."""
        attributes, drawn, layers = request.job.attributes, request.drawn, self.viewer.layers
        metadata = dict(attributes["metadata"])
        add_record(metadata, result.record)
        selection, mode = set(layers.selection), None if drawn is None else drawn.layer.mode
        layer = self._add(request.source, result.data, attributes | {"metadata": metadata})
        self.made[request.source] = layer, request.job.data
        self._shown = layer
        if drawn is not None:
            self._add_fill(Filled(layer, request.job.view, layer.data, result.patches), drawn)
            if drawn.layer in layers:  # the user goes on drawing
                layers.selection = {each for each in selection if each in layers}
                drawn.layer.mode = mode
        self.origins.update(layer)

    def fill_in_place(self, target: Image, request: Request, result: Result) -> None:
        """Write a fill into the data of a layer."""
        self._add_fill(fill_in_place(target, request.job.view, result.patches, result.record), request.drawn)
        self.origins.update(target)

    def _add_fill(self, filled: Filled, drawn: DrawnShape | None) -> None:
        self.fills.append((filled, drawn))
        self._shown = filled

    def _add(self, source: Image | Labels, data: Any, attributes: dict[str, Any]) -> Any:
        """Add a layer of the same kind as its source."""
        add = self.viewer.add_labels if isinstance(source, Labels) else self.viewer.add_image
        return add(data, **attributes)

    def compare(self, before: bool) -> bool:
        """Show what was there before the last fill, or the fill again; return whether that is shown."""
        self.forget()
        layers, shown = self.viewer.layers, self._shown
        if not before:
            if self._compared is not None and self._compared in layers:
                if self._compared is shown:
                    self._compared.visible = True
                else:
                    layers.remove(self._compared)
            self._compared = None
            return False
        if shown is None or self._compared is not None:
            return self._compared is not None
        if isinstance(shown, Filled):  # a fill in place: a layer above it shows its pixels without the fill
            selection = set(layers.selection)
            attributes = to_attributes(shown.layer) | {"name": f"{shown.layer.name} before", "metadata": {}}
            self._compared = self._add(shown.layer, shown.before(), attributes)
            layers.move(len(layers) - 1, layers.index(shown.layer) + 1)
            layers.selection = selection
        else:
            self._compared = shown
            shown.visible = False
        return True

    def undo(self) -> str:
        """Take the last fill in place back; return a sentence about it."""
        self.compare(before=False)
        if not self.fills:
            return "nothing to undo: only fills in place are taken back, a new layer can be deleted"
        filled, drawn = self.fills.pop()
        left = filled.undo()
        self.origins.update(filled.layer)
        if drawn is not None and drawn.layer in self.viewer.layers:
            drawn.remove()
        self._shown = self.fills[-1][0] if self.fills else None
        sentence = f"the last fill of {filled.layer.name!r} was taken back"
        if left is None:
            return sentence
        if left.size < filled.size:  # another fill may give them back
            self.fills.append((left, None))
        return f"{sentence}, but for {left.size:,} values that are no longer those of the fill"

    def find_filled(self, image: Image | None) -> Image:
        """Return an image that was filled, or the newest layer that was made of it.

        Raises
        ------
        ValueError
            When there is no image.
        """
        if image is None:
            raise ValueError("open an image first")
        return image if each_record(image.metadata) else self.result_of(image) or image

    def show_origins(self, image: Image | None, shown: bool) -> None:
        """Show where the pixels of an image's fill, and of those that follow, came from; or no longer."""
        self.origins.is_shown = shown
        if not shown:
            self.origins.remove_all()
        elif image is not None:
            self.origins.update(self.find_filled(image))

    def forget(self) -> None:
        """Forget what was filled in layers that were removed, or have other data now."""
        layers = self.viewer.layers
        self.fills = [each for each in self.fills if each[0].layer in layers and each[0].is_there]
        self.made = {source: made for source, made in self.made.items() if source in layers and made[0] in layers}
        self.origins.forget()
        shown = self._shown
        is_there = shown in [each[0] for each in self.fills] if isinstance(shown, Filled) else shown in layers
        if not is_there:
            self._shown = None
        if self._compared is not None and self._compared not in layers:
            self._compared = None

    @property
    def is_comparing(self) -> bool:
        """Return whether what was there before is shown."""
        return self._compared is not None

    def result_of(self, image: Image) -> Image | None:
        """Return the newest layer that was made of an image, if both are there and the image has the same data."""
        layer, data = self.made.get(image, (None, None))
        return layer if layer in self.viewer.layers and full_resolution(image) is data else None

    def close(self) -> None:
        """Show the fills, and let go of everything."""
        with contextlib.suppress(RuntimeError):  # the canvas may be gone
            self.compare(before=False)
        self.fills.clear()
        self.made.clear()
        self.origins.layers.clear()
        self._shown = self._compared = None
