"""One Inpainter for a whole program."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from napari_inpaint.inference.inpainter import Inpainter

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from napari_inpaint.inference.inputs.masks import Boxes, Masks


@functools.lru_cache(maxsize=1)
def default_inpainter() -> Inpainter:
    """Return the Inpainter that `fill` uses."""
    return Inpainter()


def fill(image: ArrayLike, mask: Masks | None = None, boxes: Boxes | None = None, **options: Any) -> Any:
    """Fill the holes of an image with the best bundled model; see `Inpainter.fill`."""
    return default_inpainter().fill(image, mask, boxes, **options)
