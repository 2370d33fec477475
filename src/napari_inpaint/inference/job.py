"""What the caller means: the planes of an image, and the holes in each of them."""

from __future__ import annotations

import operator
import sys
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_inpaint.inference.boxes import Box, to_box
from napari_inpaint.inference.holes import Hole, find_holes
from napari_inpaint.inference.tensors import RGB, check_dtype, resolve_channel_axis

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike, NDArray

    from napari_inpaint.inference.tensors import ChannelAxis


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """An image whose holes are known."""

    source: NDArray[Any]
    """As the caller gave it."""
    channel_axis: int | None
    holes: dict[tuple[int, ...], tuple[Hole, ...]]
    """The holes of every plane that has some, by its index in the leading axes."""

    def to_planes(self, image: NDArray[Any]) -> NDArray[Any]:
        """Return an image of the source's shape as (..., H, W, C), without copying it."""
        return image[..., None] if self.channel_axis is None else np.moveaxis(image, self.channel_axis, -1)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the planes: (..., H, W, C)."""
        return self.to_planes(self.source).shape

    @property
    def pixels(self) -> int:
        """How many pixels are missing, in all planes."""
        counts = {id(holes): sum(hole.pixels for hole in holes) for holes in self.holes.values()}
        return sum(counts[id(holes)] for holes in self.holes.values())


def read_job(
    image: ArrayLike, mask: ArrayLike | None, boxes: Iterable[Iterable[int]] | None, grow: int,
    channel_axis: ChannelAxis, nan_is_hole: bool,
) -> Job:  # fmt: skip
    """Check what the caller gave, and find the holes.

    Parameters
    ----------
    image, mask, boxes, grow, channel_axis, nan_is_hole
        As `Inpainter.fill`.

    Raises
    ------
    ValueError
        Names the value and the remedy.
    """
    source = np.asarray(image)
    check_dtype(source.dtype)
    grow = to_whole(grow, "grow", 0, sys.maxsize)
    if mask is None and boxes is None and not nan_is_hole:
        raise ValueError("nothing to fill: give mask= or boxes=, or nan_is_hole=True")
    mask = None if mask is None else np.asarray(mask)
    if channel_axis == "auto" and mask is not None and mask.shape == source.shape and source.shape[-1:] in ((3,), (4,)):
        warnings.warn(
            f"the last axis, of {source.shape[-1]}, is taken for columns, as the mask has it too; if it holds "
            "channels, give one mask for all of them", stacklevel=3,
        )  # fmt: skip
    channel_axis = resolve_channel_axis(source.shape, None if mask is None else mask.shape, channel_axis)
    job = Job(source, channel_axis, {})
    planes = job.to_planes(source)
    *leading, height, width = planes.shape[:-1]
    checked = [_check_box(values, height, width) for values in _iterate(boxes)]
    if mask is not None:
        mask = _check_mask(mask, (*leading, height, width))
    if not source.size:
        return job

    differ = mask is not None and mask.ndim > 2
    if not differ and not (nan_is_hole and source.dtype.kind == "f"):
        shared = find_holes(height, width, mask, checked, grow)
        job.holes.update(dict.fromkeys(np.ndindex(*leading), shared) if shared else {})
        return job
    for index in np.ndindex(*leading):
        missing = None if mask is None else mask[index] if differ else mask
        if nan_is_hole and source.dtype.kind == "f":
            colours = planes[index][..., : RGB if planes.shape[-1] == RGB + 1 else None]
            invalid = ~np.isfinite(colours).all(-1)
            missing = invalid if missing is None else missing | invalid
        if holes := find_holes(height, width, missing, checked, grow):
            job.holes[index] = holes
    return job


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


def _iterate(boxes: Iterable[Iterable[int]] | None) -> Iterable[Iterable[int]]:
    if boxes is not None and not hasattr(boxes, "__iter__"):
        raise ValueError(f"boxes must be a sequence of boxes (y0, x0, y1, x1), not {boxes!r}")
    return () if boxes is None else boxes


def _check_box(values: Iterable[int], height: int, width: int) -> Box:
    box = to_box(values)
    if box.clip(height, width) != box:
        raise ValueError(f"the box {tuple(box)} is not wholly inside the image of {height} x {width} pixels")
    return box


def _check_mask(mask: NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return a bool mask of the shape (H, W), or of the planes' whole shape."""
    leading = zip(mask.shape[:-2][::-1], shape[:-2][::-1], strict=False)
    if mask.dtype.kind not in "buif" or not 2 <= mask.ndim <= len(shape) or mask.shape[-2:] != shape[-2:] or any(
        length not in (1, planes) for length, planes in leading
    ):  # fmt: skip
        raise ValueError(
            f"the mask has shape {mask.shape} and dtype {mask.dtype}, the image's planes have shape {shape}: make "
            "a mask of the image's height and width; say which axis holds channels with channel_axis="
        )
    holes = mask if mask.dtype == np.bool_ else mask != 0
    if all(length == 1 for length in mask.shape[:-2]):
        return holes.reshape(shape[-2:])
    return np.broadcast_to(holes, shape)
