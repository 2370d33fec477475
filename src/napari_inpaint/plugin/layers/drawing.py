"""A layer to draw holes in."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import napari
import numpy as np
from napari.layers import Image, Labels, Shapes

from napari_inpaint.plugin.layers.frame import full_resolution
from napari_inpaint.plugin.layers.job import PLACE, attributes_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari.layers import Layer, Points
    from numpy.typing import NDArray

HOLES: dict[str, Any] = {
    "name": "holes", "face_color": "transparent", "edge_color": "red", "opacity": 1.0,
    "metadata": {"napari_inpaint_holes": True},
}  # fmt: skip
"""How a layer of holes looks: it tints nothing below it; and how it is known again."""
READY = threading.Event()
"""Whether shapes can be drawn without a wait."""
EDGES = 250
"""An edge is the image's shorter side divided by this wide, and at least a pixel."""
UNFINISHED = ("add_path", "add_polyline", "add_polygon", "add_polygon_lasso")
"""Modes in which a shape may be half drawn."""


@dataclass(frozen=True, slots=True, eq=False)
class DrawnShape:
    """A shape, or a point, as it was drawn."""

    layer: Shapes | Points
    vertices: NDArray[np.floating[Any]]

    @property
    def index(self) -> int | None:
        """Of the shape in its layer; None when it is not there any more as it was drawn."""
        same = [i for i, vertices in enumerate(self.layer.data) if np.array_equal(vertices, self.vertices)]
        return same[-1] if same else None

    def remove(self) -> None:
        """Remove it from its layer, if it is still there and the user does not draw another one right now."""
        if self.index is not None and self.layer.mode not in UNFINISHED:
            self.layer.selected_data = {self.index}
            self.layer.remove_selected()


class Follower:
    """Tells which shapes or points are added to a layer.

    Parameters
    ----------
    on_drawn
        Is called with every new shape.
    """

    def __init__(self, on_drawn: Callable[[DrawnShape], object]) -> None:
        self._on_drawn, self._layer, self._seen = on_drawn, None, 0

    def follow(self, layer: Shapes | Points | None) -> None:
        """Listen to this layer from now on, and no longer to the one before."""
        if self._layer is not None:
            self._layer.events.data.disconnect(self._look)
        self._layer = layer
        if layer is not None:
            self._seen = len(layer.data)
            layer.events.data.connect(self._look)

    def _look(self, event: Any) -> None:
        if event.action not in ("added", "removed", "changed") or self._layer is None:
            return
        shapes, seen = self._layer.data, self._seen
        self._seen = len(shapes)
        if event.action == "added":
            for vertices in shapes[min(seen, len(shapes) - 1) :]:
                self._on_drawn(DrawnShape(self._layer, np.array(vertices)))


def get_ready() -> None:
    """Have napari compile what it needs for shapes, which takes seconds once: best in another thread than the GUI's."""
    if not READY.is_set():
        Shapes(ndim=2)
        READY.set()


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
        options = {"ndim": image.ndim} | attributes_of(image, PLACE)
        shown = [axis - viewer.dims.ndim + image.ndim for axis in viewer.dims.displayed]
        sides = [full_resolution(image).shape[axis] for axis in shown if axis >= 0]
        options["edge_width"] = max(1.0, min(sides, default=0) / EDGES)
    width = options.pop("edge_width")
    layer: Shapes = viewer.add_shapes(**HOLES, **options)
    layer.current_edge_width = width
    start_drawing(viewer, layer)
    return layer


def can_draw_in(layer: object, viewer: napari.Viewer, image: Image) -> bool:
    """Return whether a layer is one of ours that reaches over the axes that are shown of an image."""
    if not isinstance(layer, Shapes) or not layer.metadata.get("napari_inpaint_holes"):
        return False
    return bool(image.ndim >= layer.ndim >= viewer.dims.ndim - min(viewer.dims.displayed))


def start_drawing(viewer: napari.Viewer, layer: Shapes) -> None:
    """Let the user draw rectangles in a layer."""
    viewer.layers.selection = {layer}
    raise_holes(viewer, layer)
    layer.mode = "add_rectangle"


def raise_holes(viewer: napari.Viewer, layer: Layer) -> bool:
    """Show a layer of holes on top of all others, without a tint: what is below it is to be judged.

    Returns
    -------
    bool
        Whether it looks different now.
    """
    if not layer.visible:  # else napari would end the drawing
        layer.visible = True
    index = viewer.layers.index(layer)
    if index < len(viewer.layers) - 1:
        viewer.layers.move(index, len(viewer.layers))
    if isinstance(layer, Labels):
        tints = bool(layer.contour == 0)
        layer.contour = max(layer.contour, 1)
        return tints
    tints = bool(np.any(np.asarray(layer.face_color)[..., -1:]))
    if tints:  # of those that are drawn already, and of the next ones
        layer.face_color = layer.current_face_color = "transparent"
    return tints


def add_holes_to_current_viewer() -> None:
    """Add a layer for holes over the active image, or the topmost one."""
    viewer = napari.current_viewer()
    if viewer is None:
        return
    active = viewer.layers.selection.active
    images = [layer for layer in viewer.layers if isinstance(layer, Image)]
    image = active if isinstance(active, Image) else (images[-1] if images else None)
    add_holes(viewer, image)
