"""The layers of labels in a viewer that follow fills: what was made up, and where pixels came from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from napari_inpaint.plugin.layers.results import each_record

if TYPE_CHECKING:
    from collections.abc import Callable

    import napari
    from napari.layers import Image, Labels


class FillLabels:
    """Layers of labels that say something about the fills of images, one for an image.

    Parameters
    ----------
    viewer
        Where they are shown.
    draw
        Returns the data and attributes of one, given the image.

    Attributes
    ----------
    layers
        What is shown, by the image.
    """

    def __init__(self, viewer: napari.viewer.Viewer, draw: Callable[[Image], tuple[Any, dict[str, Any]]]) -> None:
        self.viewer, self._draw = viewer, draw
        self.layers: dict[Image, Labels] = {}

    def show(self, image: Image) -> None:
        """Show what an image's records say now.

        Raises
        ------
        ValueError
            When it has none, or they are of another image.
        """
        data, attributes = self._draw(image)
        layer = self.layers.get(image)
        if layer is None or layer not in self.viewer.layers:
            self.layers[image] = self.viewer.add_labels(data, **attributes)
            return
        layer.data = data
        if "features" in attributes:
            layer.features = attributes["features"]

    def update(self, image: Image) -> None:
        """Follow what was filled, or taken back, in an image; nothing is shown of one that has no records.

        Raises
        ------
        ValueError
            When they are of another image.
        """
        if self._follows(image) and each_record(image.metadata):
            self.show(image)
        else:
            self.remove(image)

    def _follows(self, image: Image) -> bool:
        return image in self.layers and self.layers[image] in self.viewer.layers

    def remove(self, image: Image) -> None:
        """Show none about an image."""
        layer = self.layers.pop(image, None)
        if layer is not None and layer in self.viewer.layers:
            self.viewer.layers.remove(layer)

    def forget(self) -> None:
        """Forget what was removed, or whose image was."""
        shown = self.viewer.layers
        self.layers = {image: each for image, each in self.layers.items() if image in shown and each in shown}


class OriginLayers(FillLabels):
    """Shows, for all images that are filled, where their pixels came from.

    Parameters
    ----------
    viewer
        Where they are shown.
    is_shown
        Whether they are at first.
    """

    def __init__(self, viewer: napari.viewer.Viewer, is_shown: bool) -> None:
        super().__init__(viewer, _draw_origins)
        self.is_shown = is_shown

    def _follows(self, image: Image) -> bool:
        return self.is_shown

    def remove_all(self) -> None:
        """Show none."""
        for image in [*self.layers]:
            self.remove(image)


def _draw_origins(image: Image) -> tuple[Any, dict[str, Any]]:
    from napari_inpaint.plugin.layers.origins import to_origins  # loads SciPy, which the widget opens without

    return to_origins(image)
