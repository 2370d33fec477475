"""What a caller gave to be filled: image, mask and target as the engine reads and writes them, and the way back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from napari_inpaint.inference.inputs.arrays import is_elsewhere, is_of, open_array, open_target
from napari_inpaint.inference.inputs.panel import Panel, is_panel

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from napari_inpaint.inference.inputs.arrays import Opened
    from napari_inpaint.inference.inputs.values import ChannelAxis
    from napari_inpaint.inference.options import FillOptions

CHANNEL_NAMES = {"c", "channel", "channels", "band", "bands", "rgb"}
"""Of dimensions that hold channels."""
PLANE_NAMES = {"z", "t", "time", "depth", "frame", "frames", "plane", "planes", "slice", "slices"}
"""Of dimensions that hold planes, and no channels, however few they are."""
ROWS_AND_COLUMNS = {"y", "x"}


@dataclass(frozen=True, slots=True)
class Given:
    """What a caller wants to be filled, as the engine reads it."""

    array: Any
    """A numpy array, a lazy one, or a `Panel` of several."""
    mask: Any
    """A numpy array, or a lazy one, its axes in the image's order; or a mapping from planes to masks."""
    options: FillOptions
    """With the channel axis that the image's dimensions name."""
    target: Any
    """What is written into: ``array`` itself where the image is filled in place; None where it is copied. A list, where
    ``array`` is a `Panel`."""
    back: Callable[[Any], Any]
    """Gives what was filled, a numpy or a dask array, or a list of these, back as the image came."""

    @property
    def needs_dask(self) -> bool:
        """Return whether its filled copy is lazy."""
        arrays = self.array.arrays if isinstance(self.array, Panel) else (self.array,)
        return any(map(is_elsewhere, arrays))


def receive(image: Any, mask: Any, options: FillOptions, out: Any = None) -> Given:
    """Open what a caller gave; parameters are those of `Inpainter.fill`.

    Raises
    ------
    ValueError
        When it cannot be read or written, or the names of its dimensions say that it is turned; with the remedy.
    """
    if is_panel(image):
        return _receive_panel(image, mask, options, out)
    opened = open_array(image)
    axis = _find_channels(opened, options.channel_axis)
    target = _open_out(out, image, opened)
    options = replace(options, channel_axis=axis)
    return Given(opened.array, _open_mask(mask, image, axis), options, target, opened.back)


def _receive_panel(images: Sequence[Any], mask: Any, options: FillOptions, out: Any) -> Given:
    if options.channel_axis != "auto":
        raise ValueError(f"channel_axis is {options.channel_axis}, but a list of arrays is filled as the channels of "
                         "one image: leave it out, or stack the arrays, as with numpy.stack(images)")  # fmt: skip
    members = [open_array(each) for each in images]
    names = list(dict.fromkeys(each.dims for each in members if each.dims))
    if len(names) > 1:
        raise ValueError(f"the arrays of a list must have the same dimensions, not {' and '.join(map(str, names))}: "
                         "transpose them first")  # fmt: skip
    for each in members:
        _find_channels(each, None)
    panel = Panel([each.array for each in members])
    first = next((image for image, each in zip(images, members, strict=True) if each.dims), None)
    is_list = isinstance(out, (list, tuple)) and len(out) == len(images)
    target = list(map(_open_out, out, images, members)) if is_list else out
    kind = list if isinstance(images, list) else tuple
    return Given(
        panel, _open_mask(mask, first, None), replace(options, channel_axis=panel.ndim - 1), target,
        lambda filled: kind(member.back(each) for member, each in zip(members, filled, strict=True)),
    )  # fmt: skip


def _open_mask(mask: Any, image: Any, channel_axis: ChannelAxis) -> Any:
    """Open a mask, but for mappings: its axes in the order of an image that it belongs to."""
    if all(is_of(each, "xarray", "DataArray", "Variable") for each in (image, mask)):
        mask = _align(mask, image, channel_axis)
    return mask if mask is None or isinstance(mask, Mapping) else open_array(mask).array


def _open_out(out: Any, image: Any, opened: Opened) -> Any:
    """Return what is written into: what was opened, if it is the image itself."""
    return opened.target if out is image and opened.target is not None else open_target(out)


def _find_channels(opened: Opened, channel_axis: ChannelAxis) -> ChannelAxis:
    """Return the axis that an image's dimensions name, if it was not given; refuse planes of other axes than y and x.

    Raises
    ------
    ValueError
        With the remedy.
    """
    names = [name.lower() for name in opened.dims]
    if channel_axis == "auto":
        named = [axis for axis, name in enumerate(names) if name in CHANNEL_NAMES]
        if len(named) > 1:
            raise ValueError(f"two of the dimensions {opened.dims} could hold the channels: say which with "
                             "channel_axis=")  # fmt: skip
        channel_axis = named[0] if named else "auto"
    last = names
    if isinstance(channel_axis, int):
        last = [name for axis, name in enumerate(names) if axis != channel_axis % len(names)]
    elif (
        channel_axis == "auto"
        and opened.array.shape[-1:] in ((3,), (4,))
        and (set(names[-3:-1]) == ROWS_AND_COLUMNS and names[-1] not in PLANE_NAMES)
    ):
        last = names[:-1]  # that axis may hold channels
    if set(last) >= ROWS_AND_COLUMNS != set(last[-2:]):
        raise ValueError(f"rows and columns must be the last dimensions of an image, not {opened.dims}: transpose it "
                         "first, or say which axis holds the channels with channel_axis=")  # fmt: skip
    return channel_axis


def _align(mask: Any, image: Any, channel_axis: ChannelAxis) -> Any:
    """Return the values of a DataArray as a mask of another: their axes in the image's order, 1 long where it has none.

    Without a name in common with the image it is a mask like numpy's.

    Raises
    ------
    ValueError
        When it has further dimensions, or other coordinates.
    """
    axis = channel_axis % image.ndim if isinstance(channel_axis, int) else None
    wanted = [name for index, name in enumerate(image.dims) if index != axis]
    shared = [name for name in wanted if name in mask.dims and not str(name).startswith("dim_")]  # xarray's own names
    if not shared:
        return mask.data
    if len(shared) < mask.ndim:
        raise ValueError(f"the mask has the dimensions {mask.dims}, the image's planes have {tuple(wanted)}: rename or "
                         "reduce the others, or give mask.data")  # fmt: skip
    for name in shared:
        ours, theirs = (getattr(each, "indexes", {}).get(name) for each in (image, mask))
        if ours is not None and theirs is not None and not ours.equals(theirs):
            raise ValueError(f"the mask has other coordinates along {name!r} than the image: give "
                             "mask.reindex_like(image), or mask.data")  # fmt: skip
    spanned = wanted[wanted.index(shared[0]) : wanted.index(shared[-1]) + 1]
    return mask.transpose(*shared).data[tuple(slice(None) if name in shared else None for name in spanned)]
