"""Separate arrays, such as the channels of a microscope, seen as one image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_inpaint.inference.inputs.values import check_dtype, resolve_channel_axis

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


class Panel:
    """Arrays of one shape, (..., H, W), as an array with a last axis of channels, read part by part.

    Parameters
    ----------
    arrays
        Numpy arrays, or lazy ones; their dtypes may differ.

    Attributes
    ----------
    arrays : tuple
    shape : tuple of int
        (..., H, W, C).
    dtype : dtype
        Of what is read: it holds the values of all channels exactly.
    masked : bool array of shape (..., H, W, C), or None
        True where a value is not valid, as in numpy's masked arrays.

    Raises
    ------
    ValueError
        When the shapes differ, the arrays have channels themselves, or no dtype holds the values of all.
    """

    def __init__(self, arrays: Sequence[Any]) -> None:
        self.arrays = tuple(arrays)
        shapes = [tuple(array.shape) for array in arrays]
        if len(set(shapes)) > 1:
            raise ValueError("a list of arrays is filled as the channels of one image, but they have the shapes "
                             f"{', '.join(map(str, shapes))}: give them one by one")  # fmt: skip
        if resolve_channel_axis(shapes[0], None, "auto") is not None:
            raise ValueError("a list of arrays is filled as the channels of one image, but these of shape "
                             f"{shapes[0]} have channels themselves: stack them with numpy.stack(images)")  # fmt: skip
        self.shape, self.ndim = (*shapes[0], len(arrays)), len(shapes[0]) + 1
        self.dtype = _find_common([np.dtype(array.dtype) for array in arrays])
        self.masked = None
        if any(isinstance(array, np.ma.MaskedArray) for array in arrays):
            self.masked = np.stack([np.ma.getmaskarray(array) for array in arrays], -1)

    def __getitem__(self, index: tuple[Any, ...]) -> NDArray[Any]:
        *where, channels = index
        parts = [np.asarray(array[tuple(where)]) for array in self.arrays[channels]]
        return np.stack(parts, -1, dtype=self.dtype)


def is_panel(image: object) -> bool:
    """Return whether an image is a list or a tuple of arrays with rows and columns: other lists are numbers."""
    return isinstance(image, (list, tuple)) and len(image) > 0 and all(map(_has_planes, image))


def _has_planes(member: object) -> bool:
    if hasattr(member, "shape"):
        return len(member.shape) >= 2
    return any(hasattr(member, name) for name in ("__array__", "__array_interface__", "__dlpack__"))


def _find_common(dtypes: Sequence[np.dtype[Any]]) -> np.dtype[Any]:
    for dtype in dtypes:
        check_dtype(dtype)
    common: np.dtype[Any] = np.result_type(*dtypes)
    if common.kind == "f" and any(dtype.kind in "iu" and dtype.itemsize == 8 for dtype in dtypes):
        raise ValueError(f"no dtype holds the values of {', '.join(map(str, dtypes))} exactly: convert the channels "
                         "with integers of 64 bits first")  # fmt: skip
    return common
