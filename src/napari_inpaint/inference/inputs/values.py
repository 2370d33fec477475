"""What the values of an image are: dtypes that have an intensity, and which axis holds the channels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    ChannelAxis = int | Literal["auto"] | None

RGB = 3


def check_dtype(dtype: np.dtype[Any]) -> None:
    """Refuse what has no intensity.

    Raises
    ------
    ValueError
        Names the dtype and what to do.
    """
    if dtype.kind in "US":
        raise ValueError("a text cannot be filled: open the image that it names, and give its pixels")
    if dtype.kind not in "buif" or dtype.itemsize > 8:
        raise ValueError(
            f"images of dtype {dtype} cannot be filled: only bool, integers and floats of up to 64 bits (convert "
            "others first; fill real and imaginary parts of complex images on their own)"
        )


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
        if isinstance(channel_axis, (bool, np.ndarray)) or not hasattr(channel_axis, "__index__"):
            raise ValueError(f"channel_axis must be a whole number, 'auto' or None, not {channel_axis!r}")
        if not -len(shape) <= channel_axis < len(shape):
            raise ValueError(f"channel_axis {channel_axis} does not exist in an image of shape {tuple(shape)}")
        channel_axis %= len(shape)
    if len(shape) - (channel_axis is not None) < 2:
        raise ValueError(f"an image of shape {tuple(shape)} has no rows and columns")
    return channel_axis


def channel_groups(channels: int) -> list[slice]:
    """Return which channels are completed together: colours as one, alpha not at all, others one by one."""
    if channels in (RGB, RGB + 1):
        return [slice(0, RGB)]
    return [slice(channel, channel + 1) for channel in range(channels)]
