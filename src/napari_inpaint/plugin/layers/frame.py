"""Where an image lies in a viewer, and which of its planes are meant."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_inpaint.inference.inputs.planes import Planes
from napari_inpaint.plugin.layers import geometry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.components import Dims
    from napari.layers import Image, Labels, Layer
    from numpy.typing import NDArray

    Plane = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Slices:
    """Which slices of a stack are filled: the current one, all, or a range of them."""

    which: Literal["current", "all", "range"] = "current"
    axis: int = 0
    """Of a range: the image's axis that it runs along; on other axes it stays at the current slice."""
    first: int = 0
    last: int = 0
    """Inclusive."""
    repeat: bool = False
    """The shapes that are seen now are filled in all of these slices, not each in its own."""


CURRENT = Slices()


@dataclass(frozen=True, slots=True)
class View:
    """An image layer's data as planes, those that the viewer shows."""

    axes: tuple[int, int]
    """The displayed axes of the data, in their order."""
    rgb: bool

    def planes(self, array: Any) -> Any:
        """Return an array with the displayed axes last, but for the channels'."""
        where = (-3, -2) if self.rgb else (-2, -1)
        return array if self.is_plain(array.ndim) else np.moveaxis(array, self.axes, where)

    def to_planes(self, array: Any) -> Planes:
        """Return an array as the engine takes it."""
        planes = self.planes(array)
        return Planes(planes, planes.ndim - 1 if self.rgb else None)

    def back(self, array: Any) -> Any:
        """Return what `planes` was given."""
        where = (-3, -2) if self.rgb else (-2, -1)
        return array if self.is_plain(array.ndim) else np.moveaxis(array, where, self.axes)

    def is_plain(self, ndim: int) -> bool:
        """Return whether the displayed axes are the last ones anyway."""
        last = ndim - self.rgb
        return self.axes == (last - 2, last - 1)


def full_resolution(layer: Image | Labels) -> Any:
    """Return a layer's data, of several resolutions the largest."""
    return layer.data[0] if layer.multiscale else layer.data


class Frame:
    """Where an image layer lies in a viewer, and which of its planes is seen.

    Parameters
    ----------
    image
    dims
        The viewer's.

    Raises
    ------
    ValueError
        When the viewer shows no plane of the image.
    """

    def __init__(self, image: Image | Labels, dims: Dims) -> None:
        if len(dims.displayed) != 2:
            raise ValueError("holes are filled in planes: switch the viewer to 2-D display")
        self.image, self.units = image, getattr(dims, "units", None)
        self.point, self.displayed = np.array(dims.point, float), sorted(dims.displayed)
        self.offset = len(self.point) - image.ndim
        if self.displayed[0] < self.offset:
            raise ValueError(f"{image.name!r} is flat in this view: show it along its own rows and columns")
        is_rgb = bool(getattr(image, "rgb", False))  # labels have no colours
        self.view = View((self.displayed[0] - self.offset, self.displayed[1] - self.offset), is_rgb)
        shape = tuple(full_resolution(image).shape[: image.ndim])
        self.leading = [axis for axis in range(image.ndim) if axis not in self.view.axes]
        self.counts = tuple(shape[axis] for axis in self.leading)
        self.height, self.width = (shape[axis] for axis in self.view.axes)
        self.to_world = geometry.to_world_matrix(image, self.units)
        self.from_world = np.linalg.inv(self.to_world)
        here = geometry.apply(self.from_world, self.point[self.offset :])
        self.current = tuple(int(np.rint(here[axis])) for axis in self.leading)
        self.margins = np.array([dims.margin_left, dims.margin_right], float)
        self.margins[:, self.displayed] = 0
        low, high = self.reach(here, self.from_world, image)
        self.seen = [range(max(0, int(low[axis])), min(shape[axis], int(high[axis]) + 1)) for axis in self.leading]
        """The indices that are shown at once, along every leading axis: more than one in a thick slice."""

    def reach(
        self, here: NDArray[np.float64], from_world: NDArray[np.floating[Any]], layer: Layer
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the first and the last index that a layer shows along its axes, cut as napari does.

        Parameters
        ----------
        here : float array of shape (n,)
            Where the slice lies in the layer.
        from_world : float array of shape (n + 1, n + 1)
        layer
        """
        if str(layer.projection_mode) == "none":  # what lies at the slice's point alone
            return np.rint(here), np.rint(here)
        n = len(here)
        before, after = self.margins[:, len(self.point) - n :] @ from_world[:n, :n].T
        low, stop = np.rint(here - before), here + after
        high = np.where(np.isclose(np.rint(stop), stop), np.rint(stop), np.rint(stop) - 1)
        return low, np.maximum(low, high)

    def choose(self, slices: Slices) -> list[Plane]:
        """Return the planes that are to be filled.

        Raises
        ------
        ValueError
            When there is none.
        """
        if slices.which == "all":
            return list(np.ndindex(*self.counts))
        along = slices.axis if slices.which == "range" else None
        if any(not seen and axis != along for seen, axis in zip(self.seen, self.leading, strict=True)):
            raise ValueError(f"the current slice lies outside layer {self.image.name!r}: move the sliders into it")
        ranges: list[Sequence[int]] = [*self.seen]
        if slices.which == "range":
            if slices.axis not in self.leading:
                raise ValueError(
                    f"a range of slices cannot run along axis {slices.axis}, which is shown: choose another"
                )
            place = self.leading.index(slices.axis)
            ranges[place] = range(max(0, slices.first), min(self.counts[place], slices.last + 1))
            if not ranges[place]:
                raise ValueError(f"no slice lies between {slices.first} and {slices.last}: choose another range")
        return list(itertools.product(*ranges))
