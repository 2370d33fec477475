"""What all views are: arrays that are computed from an image when they are read, and the way back to it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_inpaint.inference.inputs.boxes import Box
from napari_inpaint.inference.inputs.holes import paint_holes
from napari_inpaint.inference.inputs.planes import Planes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from napari_inpaint.inference.inputs.holes import Hole
    from napari_inpaint.inference.windows.patches import Patch

    Plane = tuple[int, ...]
    Holes = Mapping[Plane, tuple[Hole, ...]]


class View(ABC):
    """An array of shape (..., H, W, C), read part by part from an image.

    Parameters
    ----------
    source
        The image.
    own
        Its holes, by plane.
    shape
        Of a plane of the view: H, W, C.
    dtype
        Of what is read.

    Attributes
    ----------
    holes : dict
        Those of the view.
    """

    def __init__(self, source: Planes, own: Holes, shape: tuple[int, int, int], dtype: np.dtype[Any]) -> None:
        self.source, self.own = source, own
        self.shape, self.dtype = (*source.shape[:-3], *shape), dtype
        self.holes: dict[Plane, tuple[Hole, ...]] = dict(own)

    @property
    def planes(self) -> Planes:
        """The view as the engine takes it: no channels are colours."""
        return Planes(self, len(self.shape) - 1, masked=_Hidden(self), separate=True)

    def __getitem__(self, index: tuple[Any, ...]) -> NDArray[Any]:
        *plane, rows, columns, channels = index
        return self.read(tuple(plane), Box(rows.start, columns.start, rows.stop, columns.stop))[..., channels]

    @abstractmethod
    def read(self, plane: Plane, box: Box) -> NDArray[Any]:
        """Return (h, w, C) pixels."""

    @abstractmethod
    def find_hidden(self, plane: Plane, box: Box) -> NDArray[np.bool_]:
        """Return which pixels hold no value, (h, w)."""

    @abstractmethod
    def back(self, patches: Sequence[Patch]) -> list[Patch]:
        """Return what patches of the view change in the image."""

    def paint(self, plane: Plane, box: Box) -> NDArray[np.bool_]:
        """Return which pixels of the image are holes in a box: bool, (h, w)."""
        return paint_holes(self.own.get(plane, ()), box)


class _Hidden:
    """Which pixels of a view hold no value, as an array that is read part by part."""

    def __init__(self, view: View) -> None:
        self.view, self.shape, self.dtype = view, (*view.shape[:-1], 1), np.dtype(bool)

    def __getitem__(self, index: tuple[Any, ...]) -> NDArray[np.bool_]:
        *plane, rows, columns, _ = index
        box = Box(rows.start, columns.start, rows.stop, columns.stop)
        return self.view.find_hidden(tuple(plane), box)[..., None]


def join_channels(view: View, patches: Sequence[Patch]) -> list[tuple[Patch, NDArray[Any]]]:
    """Return a patch of every piece of a hole that was filled, and its pixels in all channels of the view."""
    pieces: dict[tuple[Any, ...], tuple[Patch, NDArray[Any]]] = {}
    for patch in patches:
        key = (patch.plane, patch.box, patch.mask.tobytes())  # pieces of two holes may have one box
        if key not in pieces:
            pieces[key] = patch, np.empty((patch.box.height, patch.box.width, view.shape[-1]), view.dtype)
        pieces[key][1][..., patch.channels] = patch.pixels
    return list(pieces.values())
