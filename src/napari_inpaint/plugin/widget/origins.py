"""The layers in a viewer that say where the pixels of fills came from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_inpaint.plugin.layers.results import each_record

if TYPE_CHECKING:
    import napari
    from napari.layers import Image, Labels


class OriginLayers:
    """Shows, for images that are filled, where their pixels came from.

    Parameters
    ----------
    viewer
        Where they are shown.
    is_shown
        Whether they are at first.

    Attributes
    ----------
    layers
        What is shown, by the image.
    """

    def __init__(self, viewer: napari.viewer.Viewer, is_shown: bool) -> None:
        self.viewer, self.is_shown = viewer, is_shown
        self.layers: dict[Image, Labels] = {}

    def update(self, image: Image) -> None:
        """Show what an image's records say now; nothing where there is none.

        Raises
        ------
        ValueError
            When they are of another image.
        """
        if not self.is_shown:
            return
        if not each_record(image.metadata):
            self._remove(image)
            return
        from napari_inpaint.plugin.layers.origins import to_origins  # loads SciPy, which the widget opens without

        data, attributes = to_origins(image)
        if image in self.layers:
            layer = self.layers[image]
            layer.data, layer.features = data, attributes["features"]
            return
        layers = self.viewer.layers
        selection, active = set(layers.selection), layers.selection.active
        mode = getattr(active, "mode", None)
        self.layers[image] = self.viewer.add_labels(data, **attributes)
        layers.selection = selection  # the user goes on with what was chosen
        if mode is not None:
            active.mode = mode

    def remove_all(self) -> None:
        """Show none."""
        for image in [*self.layers]:
            self._remove(image)

    def forget(self) -> None:
        """Forget what was removed, or whose image was."""
        shown = self.viewer.layers
        self.layers = {image: each for image, each in self.layers.items() if image in shown and each in shown}

    def _remove(self, image: Image) -> None:
        layer = self.layers.pop(image, None)
        if layer is not None and layer in self.viewer.layers:
            self.viewer.layers.remove(layer)
