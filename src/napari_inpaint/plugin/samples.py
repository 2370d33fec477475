"""Sample data for napari's File menu: all made from one photo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from napari_inpaint.io.images import read_image
from napari_inpaint.plugin.layers.drawing import HOLES
from napari_inpaint.samples import THE_CREST, dated_photo

if TYPE_CHECKING:
    from collections.abc import Iterable

    from napari.types import LayerDataTuple
    from numpy.typing import NDArray

    from napari_inpaint.inference.inputs.boxes import Box

CREDIT = {"credit": THE_CREST.credit}
STACK = 8, 240, 320
DEAD_COLUMNS = (96, 97, 231)
LEVELS = 6
TILES = 16, 16
"""How many copies of the photo, mirrored, the large image has along y and x."""


def open_label() -> list[LayerDataTuple]:
    """Return a photo with a date burnt in, and a rectangle around the date."""
    photo, around = dated_photo()
    image = photo, {"name": "The Crest", "metadata": dict(CREDIT)}, "image"
    return [image, to_shapes([around], edge_width=2)]


def open_stack() -> list[LayerDataTuple]:
    """Return a stack of 12-bit pictures in 16 bits with dead columns and specks, and Labels that mark them."""
    grey = read_image(THE_CREST.path).pixels.mean(-1)
    count, height, width = STACK
    places = ((index * (grey.shape[0] - height) // count, index * (grey.shape[1] - width) // count)
              for index in range(count))  # fmt: skip
    stack = np.stack([grey[y : y + height, x : x + width] * 15 for y, x in places]).astype(np.uint16)
    labels = np.zeros(STACK, np.uint8)
    labels[:, :, list(DEAD_COLUMNS)] = 1
    random = np.random.default_rng(7)
    y, x = np.ogrid[:height, :width]
    for plane in labels:
        for _ in range(12):
            radius = random.uniform(3, 14)
            centre = random.uniform(radius + 2, (height - radius - 2, width - radius - 2))
            plane[np.hypot(y - centre[0], x - centre[1]) <= radius] = 2
    stack[labels == 1] = 0
    stack[labels == 2] = 180
    image: dict[str, Any] = {
        "name": "dunes, 12 bit", "metadata": dict(CREDIT), "axis_labels": ("t", "y", "x"), "contrast_limits": (0, 4095),
    }  # fmt: skip
    defects = {"name": "1 dead columns, 2 specks", "axis_labels": ("t", "y", "x"), "opacity": 0.5}
    return [(stack, image, "image"), (labels, defects, "labels")]


def open_large() -> list[LayerDataTuple]:
    """Return a lazy image of 16,384 x 20,480 pixels in six resolutions, and rectangles around some of its posts."""
    import dask.array as da

    photo = read_image(THE_CREST.path).pixels
    photo = np.concatenate([photo, photo[:, ::-1]], 1)
    photo = np.concatenate([photo, photo[::-1]])
    levels = []
    for level in range(LEVELS):
        tile = np.asarray(Image.fromarray(photo).reduce(2**level))
        levels.append(da.tile(da.from_array(tile, chunks=tile.shape), (*TILES, 1)))
    y, x = 4, 3
    height, width = photo.shape[:2]
    boxes = [THE_CREST.box.shift((y + row) * height, (x + column) * width) for row in (0, 3) for column in (0, 4)]
    image: dict[str, Any] = {
        "name": "dunes without end", "metadata": dict(CREDIT), "multiscale": True, "rgb": True,
    }  # fmt: skip
    return [(levels, image, "image"), to_shapes(boxes, edge_width=8)]


def to_shapes(boxes: Iterable[Box], edge_width: float) -> LayerDataTuple:
    """Return a layer of rectangles, each from the outer edge of its first pixel to that of its last one."""
    corners: list[NDArray[np.float64]] = [
        np.array([(y0, x0), (y0, x1), (y1, x1), (y1, x0)]) - 0.5 for y0, x0, y1, x1 in boxes
    ]
    return corners, {**HOLES, "shape_type": "rectangle", "edge_width": edge_width}, "shapes"
