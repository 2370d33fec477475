"""Sample data for napari's File menu."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_inpaint.files import read_image
from napari_inpaint.samples import THE_CREST

if TYPE_CHECKING:
    from napari.types import LayerDataTuple


def open_the_crest() -> list[LayerDataTuple]:
    """Return a photo, and a rectangle around the post that stands in it."""
    y0, x0, y1, x1 = THE_CREST.box
    # From the outer edge of the first pixel to that of the last one; a pixel's centre is at its integer coordinate.
    corners = np.array([(y0, x0), (y0, x1), (y1, x1), (y1, x0)]) - 0.5
    photo: dict[str, Any] = {"name": "The Crest", "metadata": {"credit": THE_CREST.credit}}
    holes: dict[str, Any] = {
        "name": "holes", "shape_type": "rectangle", "face_color": "transparent", "edge_color": "red", "edge_width": 2,
    }  # fmt: skip
    return [(read_image(THE_CREST.path).pixels, photo, "image"), ([corners], holes, "shapes")]
