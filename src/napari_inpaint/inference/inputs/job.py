"""What the caller means: the planes of an image, and the holes in each of them."""

from __future__ import annotations

import operator
import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_inpaint.inference.cancelling import stop_if
from napari_inpaint.inference.inputs.boxes import Box, to_box
from napari_inpaint.inference.inputs.holes import Hole, find_holes
from napari_inpaint.inference.inputs.planes import Planes
from napari_inpaint.inference.inputs.values import RGB, check_dtype, resolve_channel_axis

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from napari_inpaint.inference.cancelling import Event
    from napari_inpaint.inference.inputs.values import ChannelAxis

    Plane = tuple[int, ...]
    Masks = ArrayLike | Mapping[Plane, ArrayLike]
    """A mask that all planes share, one with their axes, or one for each of some planes."""
    Boxes = Iterable[Iterable[int]] | Mapping[Plane, Iterable[Iterable[int]]]
    """Boxes that all planes share, or those of some planes."""


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """An image whose holes are known."""

    source: Planes
    """The image, as the caller gave it."""
    holes: dict[tuple[int, ...], tuple[Hole, ...]]
    """The holes of every plane that has some, by its index in the leading axes."""

    @property
    def pixels(self) -> int:
        """How many pixels are missing, in all planes."""
        counts = {id(holes): sum(hole.pixels for hole in holes) for holes in self.holes.values()}
        return sum(counts[id(holes)] for holes in self.holes.values())


def read_job(
    image: ArrayLike, mask: Masks | None, boxes: Boxes | None, grow: int, channel_axis: ChannelAxis, nan_is_hole: bool,
    cancel: Event | None = None,
) -> Job:  # fmt: skip
    """Check what the caller gave, and find the holes; lazy masks are read plane by plane.

    Parameters
    ----------
    image, mask, boxes, grow, channel_axis, nan_is_hole, cancel
        As `Inpainter.fill`.

    Raises
    ------
    ValueError
        Names the value and the remedy.
    FillCancelledError
        When ``cancel`` is set; it is looked at before every plane.
    """
    require_holes(mask, boxes, nan_is_hole)
    source = to_planes(image, mask, channel_axis, boxes)
    grow = to_whole(grow, "grow", 0, sys.maxsize)
    *leading, height, width, channels = source.shape
    boxes_of = read_boxes(boxes, leading, height, width)
    if isinstance(mask, Mapping):
        check_planes(mask, leading)
    else:
        mask = None if mask is None else check_mask(mask, (*leading, height, width))
    job = Job(source, {})
    if 0 in source.shape:
        return job

    find_invalid = bool(nan_is_hole) and source.dtype.kind == "f"
    named = all(each is None or isinstance(each, Mapping) for each in (mask, boxes)) and not find_invalid
    differ = isinstance(mask, Mapping) or (mask is not None and np.ndim(mask) > 2)
    shared = None if mask is None or differ or find_invalid else _read_mask(mask, ())
    found: dict[tuple[Box, ...], tuple[Hole, ...]] = {}
    whole = Box(0, 0, height, width)
    drawn: Any = None
    holes: tuple[Hole, ...] = ()
    for index in _named_planes(mask, boxes) if named else np.ndindex(*leading):
        stop_if(cancel)
        here, before = boxes_of(index), drawn
        drawn = mask.get(index) if isinstance(mask, Mapping) else None
        if not differ and not find_invalid:  # planes with the same boxes have the same holes
            if here not in found:
                found[here] = find_holes(height, width, shared, here, grow)
            holes = found[here]
        elif drawn is None or drawn is not before or find_invalid or isinstance(boxes, Mapping):
            missing = _mask_of(mask, drawn, index, (height, width))
            if find_invalid:
                colours = source.read(index, whole)[..., : RGB if channels == RGB + 1 else None]
                invalid = ~np.isfinite(colours).all(-1)
                missing = invalid if missing is None else missing | invalid
            holes = find_holes(height, width, missing, here, grow)
        if holes:
            job.holes[index] = holes
    return job


def require_holes(mask: object, boxes: object, nan_is_hole: bool) -> None:
    """Refuse a call that names no holes.

    Raises
    ------
    ValueError
        With the remedy.
    """
    if mask is None and boxes is None and not nan_is_hole:
        raise ValueError("nothing to fill: give mask= or boxes=, or nan_is_hole=True")


def to_planes(image: ArrayLike, mask: Masks | None, channel_axis: ChannelAxis, boxes: Boxes | None = None) -> Planes:
    """Check an image, decide which axis holds its channels, and see it as planes.

    Raises
    ------
    ValueError
        Names the value and the remedy.
    """
    array = image if is_lazy(image) else np.asarray(image)
    check_dtype(array.dtype)  # type: ignore[union-attr]
    shape = tuple(array.shape)  # type: ignore[union-attr]
    named = [plane for each in (mask, boxes) if isinstance(each, Mapping) for plane in each]
    if named or isinstance(mask, Mapping):  # planes say how many axes lead
        axes = len(named[0]) + 2 if named and isinstance(named[0], tuple) else len(shape)
        return Planes(array, resolve_channel_axis(shape, shape[:axes] if named else None, channel_axis))
    mask_shape = None if mask is None else tuple(mask.shape if is_lazy(mask) else np.shape(mask))  # type: ignore[union-attr]
    if channel_axis == "auto" and mask_shape == shape and shape[-1:] in ((3,), (4,)):
        warnings.warn(
            f"the last axis, of {shape[-1]}, is taken for columns, as the mask has it too; if it holds channels, give "
            "one mask for all of them", stacklevel=4,
        )  # fmt: skip
    return Planes(array, resolve_channel_axis(shape, mask_shape, channel_axis))


def is_lazy(array: object) -> bool:
    """Return whether pixels are read from an array only when it is indexed: dask, zarr, h5py."""
    return not isinstance(array, np.ndarray) and hasattr(array, "chunks") and hasattr(array, "__getitem__")


def to_whole(value: object, name: str, least: int, most: int) -> int:
    """Return a whole number of any integer type as an int.

    Raises
    ------
    ValueError
        Names the argument, its value, and what is allowed.
    """
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = least - 1
    if isinstance(value, bool) or not least <= number <= most:
        allowed = f"{least} or more" if most == sys.maxsize else f"{least} to {most}"
        raise ValueError(f"{name} must be a whole number, {allowed}, not {value!r}")
    return number


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
    array: Any = mask if is_lazy(mask) else np.asarray(mask)
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


def _named_planes(*mappings: object) -> list[Plane]:
    """Return the planes that mappings name, in order."""
    return sorted({tuple(map(int, plane)) for each in mappings if isinstance(each, Mapping) for plane in each})


def _mask_of(mask: Any, drawn: Any, plane: Plane, shape: tuple[int, int]) -> NDArray[np.bool_] | None:
    """Return the mask of one plane, as far as there is one; of a mapping, the one that was ``drawn``."""
    if isinstance(mask, Mapping):
        return None if drawn is None else _read_mask(check_mask(drawn, shape), ())
    return None if mask is None else _read_mask(mask, plane if mask.ndim > 2 else ())


def _read_mask(mask: Any, index: tuple[int, ...]) -> NDArray[np.bool_]:
    plane = np.asarray(mask[index] if index or is_lazy(mask) else mask)
    return plane if plane.dtype == np.bool_ else plane != 0
