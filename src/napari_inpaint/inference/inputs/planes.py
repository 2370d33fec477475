"""An array of any axes as planes of channels, read box by box."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_inpaint.inference.inputs.panel import Panel
from napari_inpaint.inference.inputs.values import channel_groups, find_hidden

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_inpaint.inference.inputs.boxes import Box


@dataclass(frozen=True, slots=True, eq=False)
class Planes:
    """An array in memory, on disk (memmap, zarr, h5py, tensorstore), or computed when it is read (dask)."""

    array: Any
    """(..., H, W), or with an axis for channels."""
    channel_axis: int | None
    nodata: float | None = None
    """A value that stands for none."""
    alpha: bool = False
    """Whether the last channel is transparency; what it hides is not known."""
    masked: Any = None
    """A bool array of the array's shape, or with one channel: True where a value is not valid, as in numpy's masked
    arrays."""
    separate: bool = False
    """Whether no channels are colours, also if they are three."""
    stack_axis: int | None = None
    """Of the leading axes, the one along which planes may be copied from their neighbours."""

    @property
    def groups(self) -> list[slice]:
        """Which channels are completed together."""
        return channel_groups(self.shape[-1], self.alpha, self.separate)

    @property
    def colours(self) -> slice:
        """All channels but transparency."""
        return slice(0, self.shape[-1] - self.alpha)

    @property
    def shape(self) -> tuple[int, ...]:
        """(..., H, W, C)."""
        shape = tuple(self.array.shape)
        if self.channel_axis is None:
            return (*shape, 1)
        return (*(length for axis, length in enumerate(shape) if axis != self.channel_axis), shape[self.channel_axis])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the pixels."""
        dtype: np.dtype[Any] = np.dtype(self.array.dtype)
        return dtype

    def like(self, array: Any) -> Planes:
        """Return another array of these axes as planes."""
        return replace(self, array=array, masked=None)

    def find_beside(self, plane: tuple[int, ...]) -> dict[int, tuple[int, ...]]:
        """Return the planes before and after a plane, by the steps to them: -1 and 1; none without a stack axis."""
        axis = self.stack_axis
        if axis is None:
            return {}
        return {
            step: (*plane[:axis], plane[axis] + step, *plane[axis + 1 :])
            for step in (-1, 1) if 0 <= plane[axis] + step < self.shape[axis]
        }  # fmt: skip

    def read(self, plane: tuple[int, ...], box: Box) -> NDArray[Any]:
        """Return (h, w, C) pixels: a view where the array is in memory."""
        index: list[int | slice] = [*plane, *box.slices]
        if self.channel_axis is None:
            return np.asarray(self.array[tuple(index)])[..., None]
        index.insert(self.channel_axis, slice(None))
        block: NDArray[Any] = np.asarray(self.array[tuple(index)])
        return np.moveaxis(block, max(self.channel_axis - len(plane), 0), -1)

    def find_hidden(self, plane: tuple[int, ...], box: Box, pixels: NDArray[Any]) -> NDArray[np.bool_]:
        """Return which pixels of a part of a plane hold no value, (h, w), given what `read` returned."""
        hidden = find_hidden(pixels, self.nodata, self.alpha)
        if self.masked is not None:
            hidden |= Planes(self.masked, self.channel_axis).read(plane, box).any(-1)
        return hidden

    def locate(self, plane: tuple[int, ...], box: Box, channels: slice) -> tuple[slice, ...]:
        """Return where a part of a plane lies in the array: a slice for every axis."""
        where = [*(slice(index, index + 1) for index in plane), *box.slices]
        if self.channel_axis is not None:
            where.insert(self.channel_axis, channels)
        return tuple(where)

    def to_axes(self, part: NDArray[Any]) -> NDArray[Any]:
        """Return a part of a plane, (h, w, channels), in the array's axes, as `locate` names them: a view."""
        leading = (1,) * (len(self.shape) - 3)
        if self.channel_axis is None:
            return part[..., 0].reshape(*leading, *part.shape[:2])
        return np.moveaxis(part.reshape(*leading, *part.shape), -1, self.channel_axis)


def check_out(out: Any, source: Any) -> None:
    """Refuse what cannot receive an image.

    Raises
    ------
    ValueError
        Names the shape and dtype that it must have.
    """
    if isinstance(source, Panel):
        if not isinstance(out, (list, tuple)) or len(out) != len(source.arrays):
            raise ValueError(f"out must be a list of {len(source.arrays)} arrays, as the image is")
        for each, array in zip(out, source.arrays, strict=True):
            check_out(each, array)
        return
    is_array = all(hasattr(out, name) for name in ("__setitem__", "shape", "dtype")) and not hasattr(out, "dask")
    is_foreign = hasattr(out, "__dlpack__") and not isinstance(out, np.ndarray)  # JAX's and CuPy's take no such writes
    if not is_array or is_foreign or not getattr(getattr(out, "flags", None), "writeable", True):
        raise ValueError("out must be an array that can be written (numpy, zarr, h5py, tensorstore, a torch tensor of "
                         f"the CPU), not {type(out).__name__}")  # fmt: skip
    found, wanted = ((tuple(array.shape), np.dtype(array.dtype)) for array in (out, source))
    if found != wanted:
        raise ValueError(f"out has shape {found[0]} and dtype {found[1]}, the image has {wanted[0]} and {wanted[1]}")
