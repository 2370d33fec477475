"""A layer to draw holes in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import napari
from napari.layers import Image

if TYPE_CHECKING:
    from napari.layers import Shapes

HOLES = {"name": "holes", "face_color": "#ff000026", "edge_color": "red", "opacity": 1.0}
"""How holes look: what is below stays visible."""
EDGES = 250
"""An edge is the image's shorter side divided by this wide, and at least a pixel."""


def add_holes(viewer: napari.Viewer, image: Image | None) -> Shapes:
    """Add a Shapes layer in the image's own pixels, and start to draw rectangles in it.

    Parameters
    ----------
    viewer
    image
        The layer that is drawn over; None: the layer is in the world's coordinates.
    """
    options: dict[str, Any] = {"ndim": max(2, viewer.dims.ndim), "edge_width": 1}
    if image is not None:
        attributes = image.as_layer_data_tuple()[1]
        names = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
        options = {"ndim": image.ndim} | {name: attributes[name] for name in names if name in attributes}
        shown = [axis - viewer.dims.ndim + image.ndim for axis in viewer.dims.displayed]
        shape = (image.data[0] if image.multiscale else image.data).shape
        options["edge_width"] = max(1.0, min(shape[axis] for axis in shown if axis >= 0) / EDGES)
    width = options.pop("edge_width")
    layer: Shapes = viewer.add_shapes(**HOLES, **options)
    layer.current_edge_width = width
    start_drawing(viewer, layer)
    return layer


def start_drawing(viewer: napari.Viewer, layer: Shapes) -> None:
    """Let the user draw rectangles in a layer."""
    viewer.layers.selection = {layer}
    layer.mode = "add_rectangle"


def add_holes_to_current_viewer() -> None:
    """Add a layer for holes over the active image, or the topmost one."""
    viewer = napari.current_viewer()
    if viewer is None:
        return
    active = viewer.layers.selection.active
    images = [layer for layer in viewer.layers if isinstance(layer, Image)]
    image = active if isinstance(active, Image) else (images[-1] if images else None)
    add_holes(viewer, image)
