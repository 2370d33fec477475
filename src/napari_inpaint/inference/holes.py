"""What the caller means: which axis holds channels, and which pixels are holes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy import ndimage

from napari_inpaint.inference.boxes import to_box

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    ChannelAxis = int | Literal["auto"] | None


def resolve_channel_axis(
    shape: Sequence[int], mask_shape: Sequence[int] | None, channel_axis: ChannelAxis
) -> int | None:
    """Decide which axis holds the channels.

    Raises
    ------
    ValueError
        When the axis does not exist, or the image has fewer than two axes besides it.
    """
    if channel_axis == "auto":
        trailing = len(shape) >= 3 and shape[-1] in (3, 4)
        if mask_shape is None:
            is_channels = trailing and shape[-2] > 4
        else:
            fits = 2 <= len(mask_shape) < len(shape) and tuple(mask_shape) == tuple(shape[-1 - len(mask_shape) : -1])
            is_channels = trailing and fits
        channel_axis = len(shape) - 1 if is_channels else None
    if channel_axis is not None:
        if isinstance(channel_axis, bool) or not hasattr(channel_axis, "__index__"):
            raise ValueError(f"channel_axis must be a whole number, 'auto' or None, not {channel_axis!r}")
        if not -len(shape) <= channel_axis < len(shape):
            raise ValueError(f"channel_axis {channel_axis} does not exist in an image of shape {tuple(shape)}")
        channel_axis %= len(shape)
    if len(shape) - (channel_axis is not None) < 2:
        raise ValueError(f"an image of shape {tuple(shape)} has no rows and columns")
    return channel_axis


def find_holes(
    planes: NDArray[Any],
    mask: NDArray[Any] | None,
    boxes: Iterable[Iterable[int]] | None,
    grow: int,
    nan_is_hole: bool,
) -> NDArray[np.bool_]:
    """Unite all that is a hole into one mask.

    Parameters
    ----------
    planes : array of shape (..., H, W, C)

    Returns
    -------
    bool array of shape (H, W), or (..., H, W) when planes differ
    """
    if mask is None and boxes is None and not nan_is_hole:
        raise ValueError("nothing to fill: give mask= or boxes=, or nan_is_hole=True")
    shape = planes.shape[:-1]
    height, width = shape[-2:]
    holes = np.zeros((height, width), bool)
    if mask is not None:
        if mask.dtype.kind not in "buif" or mask.ndim < 2 or mask.ndim > len(shape) or any(
            m not in (1, s) for m, s in zip(mask.shape[:-2][::-1], shape[:-2][::-1], strict=False)
        ) or mask.shape[-2:] != (height, width):  # fmt: skip
            raise ValueError(
                f"the mask has shape {mask.shape} and dtype {mask.dtype}, the image's planes have shape {shape}: make "
                "a mask of the image's height and width; say which axis holds channels with channel_axis="
            )
        holes = mask != 0
        if holes.ndim > 2:
            holes = np.broadcast_to(holes, shape).copy()
    for box in [] if boxes is None else [to_box(values) for values in boxes]:
        if box.clip(height, width) != box:
            raise ValueError(f"the box {tuple(box)} is not wholly inside the image of {height} x {width} pixels")
        holes[..., box.y0 : box.y1, box.x0 : box.x1] = True
    if nan_is_hole and planes.dtype.kind == "f":
        colours = planes[..., :3] if planes.shape[-1] == 4 else planes
        holes = holes | ~np.isfinite(colours).all(-1)
    if grow and holes.any():
        sides = [2 * min(grow, length) + 1 for length in (height, width)]
        holes = ndimage.maximum_filter(holes, size=(*(1,) * (holes.ndim - 2), *sides))
    return np.asarray(holes)
