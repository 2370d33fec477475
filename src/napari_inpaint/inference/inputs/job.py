"""What the caller means: the planes of an image, and the holes in each of them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_inpaint.inference.cancelling import stop_if
from napari_inpaint.inference.inputs.arrays import is_elsewhere, is_lazy
from napari_inpaint.inference.inputs.boxes import Box
from napari_inpaint.inference.inputs.holes import Hole, find_around, find_holes
from napari_inpaint.inference.inputs.masks import named_planes, read_boxes, read_masks
from napari_inpaint.inference.inputs.panel import Panel
from napari_inpaint.inference.inputs.planes import Planes
from napari_inpaint.inference.inputs.values import RGB, check_dtype, resolve_channel_axis
from napari_inpaint.inference.inputs.views.choose import check_kind, to_view

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from numpy.typing import ArrayLike

    from napari_inpaint.inference.cancelling import Event
    from napari_inpaint.inference.inputs.masks import Boxes, Masks, Plane
    from napari_inpaint.inference.inputs.views.base import View
    from napari_inpaint.inference.options import FillOptions


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """An image whose holes are known."""

    source: Planes
    """The image, as the caller gave it."""
    holes: dict[tuple[int, ...], tuple[Hole, ...]]
    """The holes of every plane that has some, by its index in the leading axes."""
    kept: dict[tuple[int, ...], tuple[Hole, ...]] = field(default_factory=dict)
    """Holes of other planes, which are not filled: nothing is known there either."""
    view: View | None = None
    """What is filled in the image's place."""

    @property
    def seen(self) -> Job:
        """What is filled: the view, where there is one."""
        return self if self.view is None else Job(self.view.planes, self.view.holes)

    def leave(self, planes: Collection[tuple[int, ...]]) -> Job:
        """Return the job without the holes of some planes: nothing is known there, but they are not filled."""
        left = {plane: holes for plane, holes in self.holes.items() if plane in planes}
        rest = {plane: holes for plane, holes in self.holes.items() if plane not in planes}
        return replace(self, holes=rest, kept=self.kept | left)

    @property
    def pixels(self) -> int:
        """How many pixels are missing, in all planes."""
        counts = {id(holes): sum(hole.pixels for hole in holes) for holes in self.holes.values()}
        return sum(counts[id(holes)] for holes in self.holes.values())


def read_job(
    image: ArrayLike, mask: Masks | None, boxes: Boxes | None, options: FillOptions, cancel: Event | None = None
) -> Job:
    """Check what the caller gave, and find the holes; lazy masks are read plane by plane.

    Parameters
    ----------
    image, mask, boxes, options, cancel
        As `Inpainter.fill`.

    Raises
    ------
    ValueError
        Names the value and the remedy.
    FillCancelledError
        When ``cancel`` is set; it is looked at before every plane.
    """
    require_holes(mask, boxes, options.nan_is_hole)
    source = to_planes(image, mask, options, boxes)
    reader = _HoleReader(source, mask, boxes, options)
    holes: dict[Plane, tuple[Hole, ...]] = {}
    for plane in reader.planes() if 0 not in source.shape else ():
        stop_if(cancel)
        if found := reader.read(plane):
            holes[plane] = found
    return Job(source, holes, view=to_view(source, holes, options, cancel))


class _HoleReader:
    """Reads the holes of one plane after another."""

    def __init__(self, source: Planes, mask: Masks | None, boxes: Boxes | None, options: FillOptions) -> None:
        *self.leading, self.height, self.width, _ = source.shape
        self.source, self.grow, self.wraps = source, options.grow, bool(options.wrap and options.grow)
        self.finds_invalid = options.nan_is_hole and source.dtype.kind == "f"
        self.boxes_of = read_boxes(boxes, self.leading, self.height, self.width)
        self.mask_of = read_masks(mask, self.leading, self.height, self.width)
        self.named = None if self.finds_invalid else named_planes(mask, boxes)
        self._last: tuple[tuple[Box, ...], Any, tuple[Hole, ...]] = ((), None, ())

    def planes(self) -> Iterable[Plane]:
        """Return the planes that may have holes: all, or those that mappings name."""
        return np.ndindex(*self.leading) if self.named is None else self.named

    def read(self, plane: Plane) -> tuple[Hole, ...]:
        """Return the holes of a plane: the same object when its boxes and its mask are those of the plane before."""
        boxes, mask = self.boxes_of(plane), self.mask_of(plane)
        if self.finds_invalid:
            whole = self.source.read(plane, Box(0, 0, self.height, self.width))
            invalid = ~np.isfinite(whole[..., self.source.colours]).all(-1)
            mask = invalid if mask is None else mask | invalid
        boxes_before, mask_before, holes = self._last
        if boxes != boxes_before or mask is not mask_before:
            if self.wraps:
                holes = find_around(self.height, self.width, mask, boxes, self.grow)
            else:
                holes = find_holes(self.height, self.width, mask, boxes, self.grow)
            self._last = boxes, mask, holes
        return holes


def require_holes(mask: object, boxes: object, nan_is_hole: bool) -> None:
    """Refuse a call that names no holes.

    Raises
    ------
    ValueError
        With the remedy.
    """
    if mask is None and boxes is None and not nan_is_hole:
        raise ValueError("nothing to fill: give mask= or boxes=, or nan_is_hole=True")


def to_planes(image: ArrayLike, mask: Masks | None, options: FillOptions, boxes: Boxes | None = None) -> Planes:
    """Check an image, decide which axis holds its channels, and see it as planes.

    Raises
    ------
    ValueError
        Names the value and the remedy.
    """
    is_panel = isinstance(image, Panel)
    array = image if is_panel or is_elsewhere(image) else np.asarray(image)
    if is_lazy(image) and isinstance(getattr(image, "_meta", None), np.ma.MaskedArray):
        raise ValueError("lazy masked arrays cannot be filled: fill what is masked with a value, as in "
                         "dask.array.ma.filled(image, -9999), and give that as nodata=")  # fmt: skip
    masked = image.masked if is_panel else None  # type: ignore[union-attr]
    if isinstance(image, np.ma.MaskedArray):
        masked = np.ma.getmaskarray(image)
    channel_axis = options.channel_axis
    check_dtype(array.dtype)  # type: ignore[union-attr]
    shape = tuple(array.shape)  # type: ignore[union-attr]
    named = [plane for each in (mask, boxes) if isinstance(each, Mapping) for plane in each]
    if named or isinstance(mask, Mapping):  # planes say how many axes lead
        axes = len(named[0]) + 2 if named and isinstance(named[0], tuple) else len(shape)
        axis = resolve_channel_axis(shape, shape[:axes] if named else None, channel_axis)
        return _check(Planes(array, axis, options.nodata, options.alpha, masked, is_panel), options)
    mask_shape = None if mask is None else tuple(mask.shape if is_lazy(mask) else np.shape(mask))  # type: ignore[union-attr]
    if channel_axis == "auto" and mask_shape == shape and shape[-1:] in ((3,), (4,)):
        warnings.warn(
            f"the last axis, of {shape[-1]}, is taken for columns, as the mask has it too; if it holds channels, give "
            "one mask for all of them", stacklevel=4,
        )  # fmt: skip
    axis = resolve_channel_axis(shape, mask_shape, channel_axis)
    return _check(Planes(array, axis, options.nodata, options.alpha, masked, is_panel), options)


def _check(source: Planes, options: FillOptions) -> Planes:
    """Check that there are the axes that options name."""
    colours = 1 if source.separate else RGB
    if source.alpha and source.shape[-1] in (1, colours):
        what = "no channel that could be alpha" if source.shape[-1] == 1 else "three channels, which are colours"
        raise ValueError(f"alpha=True, but the image of shape {tuple(source.array.shape)} has {what}: leave it out, or "
                         "say which axis holds the channels with channel_axis=")  # fmt: skip
    check_kind(source, options)
    if options.stack_axis is None:
        return source
    shape = tuple(source.array.shape)
    axes = [axis for axis in range(len(shape)) if axis != source.channel_axis]
    named = len(shape) - source.separate  # a list of arrays has no axis of channels that could be counted
    axis = options.stack_axis + (named if options.stack_axis < 0 else 0)
    if axis not in axes[:-2]:
        taken = "" if source.channel_axis is None or source.separate else f"axis {source.channel_axis} holds channels, "
        choice = f"choose {' or '.join(map(str, axes[:-2]))}" if axes[:-2] else "there is no axis of planes"
        raise ValueError(
            f"stack_axis={options.stack_axis} is not an axis of planes in an image of shape {shape}: {taken}{choice}"
        )
    return replace(source, stack_axis=axes.index(axis))
