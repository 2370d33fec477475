"""Masks and boxes as a caller gives them: checked, and read plane by plane."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_inpaint.inference.inputs.arrays import is_lazy, open_array
from napari_inpaint.inference.inputs.boxes import Box, to_box

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import ArrayLike, NDArray

    Plane = tuple[int, ...]
    Masks = ArrayLike | Mapping[Plane, ArrayLike]
    """A mask that all planes share, one with their axes, or one for each of some planes."""
    Boxes = Iterable[Iterable[int]] | Mapping[Plane, Iterable[Iterable[int]]]
    """Boxes that all planes share, or those of some planes."""


def check_planes(planes: Iterable[Plane], leading: Sequence[int]) -> None:
    """Refuse what is no index of a plane.

    Raises
    ------
    ValueError
        Names it, and how many planes there are.
    """
    for plane in planes:
        if not isinstance(plane, tuple) or len(plane) != len(leading) or any(
            not hasattr(index, "__index__") or not 0 <= index < length
            for index, length in zip(plane, leading, strict=False)
        ):  # fmt: skip
            raise ValueError(
                f"the planes of this image are tuples of {len(leading)} indices below {tuple(leading)}, not {plane!r}"
            )


def read_boxes(
    boxes: Boxes | None, leading: Sequence[int], height: int, width: int
) -> Callable[[Plane], tuple[Box, ...]]:
    """Return a function that gives the boxes of a plane.

    Raises
    ------
    ValueError
        As `check_planes` and `check_boxes`.
    """
    if not isinstance(boxes, Mapping):
        shared = tuple(check_boxes(boxes, height, width))
        return lambda _: shared
    check_planes(boxes, leading)
    checked = {tuple(map(int, plane)): tuple(check_boxes(each, height, width)) for plane, each in boxes.items()}
    return lambda plane: checked.get(plane, ())


def read_masks(
    mask: Masks | None, leading: Sequence[int], height: int, width: int
) -> Callable[[Plane], NDArray[np.bool_] | None]:
    """Return a function that gives the mask of a plane, as far as it has one; the same object for planes that share it.

    Raises
    ------
    ValueError
        As `check_planes` and `check_mask`.
    """
    if isinstance(mask, Mapping):
        check_planes(mask, leading)

        def draw(plane: Plane) -> NDArray[np.bool_] | None:
            drawn = mask.get(plane)
            return None if drawn is None else _to_bool(check_mask(drawn, (height, width)))

        return draw
    checked = None if mask is None else check_mask(mask, (*leading, height, width))
    if checked is not None and checked.ndim > 2:
        return lambda plane: _to_bool(checked[plane])
    shared = None if checked is None else _to_bool(checked)
    return lambda _: shared


def check_boxes(boxes: Iterable[Iterable[int]] | None, height: int, width: int) -> list[Box]:
    """Return boxes that lie wholly inside the planes.

    Raises
    ------
    ValueError
        Names the box, and the image's size.
    """
    if boxes is None:
        return []
    if not hasattr(boxes, "__iter__"):
        raise ValueError(f"boxes must be a sequence of boxes (y0, x0, y1, x1), not {boxes!r}")
    checked = [to_box(values) for values in boxes]
    for box in checked:
        if box.clip(height, width) != box:
            raise ValueError(f"the box {tuple(box)} is not wholly inside the image of {height} x {width} pixels; "
                             "where the last axis holds channels, say channel_axis=-1")  # fmt: skip
    return checked


def check_mask(mask: ArrayLike, shape: tuple[int, ...]) -> Any:
    """Return a mask of the shape (H, W), or of the planes' whole shape, not read yet where it is lazy.

    Raises
    ------
    ValueError
        Names the shapes.
    """
    array = open_array(mask).array
    leading = zip(array.shape[:-2][::-1], shape[:-2][::-1], strict=False)
    if array.dtype.kind not in "buif" or not 2 <= array.ndim <= len(shape) or array.shape[-2:] != shape[-2:] or any(
        length not in (1, planes) for length, planes in leading
    ):  # fmt: skip
        raise ValueError(
            f"the mask has shape {array.shape} and dtype {array.dtype}, the image's planes have shape {shape}: make "
            "a mask of the image's height and width; say which axis holds channels with channel_axis="
        )
    if all(length == 1 for length in array.shape[:-2]):
        return array[(0,) * (array.ndim - 2)] if array.ndim > 2 else array
    return array if array.shape == shape else np.broadcast_to(np.asarray(array), shape)


def named_planes(mask: Masks | None, boxes: Boxes | None) -> list[Plane] | None:
    """Return the planes that mappings name, in order; None when the mask, or the boxes, are for all planes."""
    planes: set[Plane] = set()
    for each in (mask, boxes):
        if isinstance(each, Mapping):
            planes |= {tuple(map(int, plane)) for plane in each}
        elif each is not None:
            return None
    return sorted(planes)


def _to_bool(mask: Any) -> NDArray[np.bool_]:
    """Return where a plane's mask has holes: what is not 0, and of probabilities, what is above one half."""
    array = np.asarray(mask[()] if is_lazy(mask) else mask)
    if array.dtype.kind == "f" and array.size and array.min() >= 0 and array.max() <= 1:
        holes: NDArray[np.bool_] = array > 0.5
        if (holes != array).any():
            warnings.warn("the mask has values between 0 and 1: holes are where it is above 0.5; give mask > 0 for all "
                          "that is not 0", stacklevel=2)  # fmt: skip
        return holes
    return array if array.dtype == np.bool_ else array != 0
