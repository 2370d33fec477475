"""What the values of an image are: dtypes that have an intensity, and which axis holds the channels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

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
        if not -len(shape) <= channel_axis < len(shape):
            raise ValueError(f"channel_axis {channel_axis} does not exist in an image of shape {tuple(shape)}")
        channel_axis %= len(shape)
    if len(shape) - (channel_axis is not None) < 2:
        raise ValueError(f"an image of shape {tuple(shape)} has no rows and columns")
    return channel_axis


def channel_groups(channels: int, alpha: bool = False, separate: bool = False) -> list[slice]:
    """Return which channels are completed together: three are colours, also beside a fourth; others go one by one.

    Parameters
    ----------
    channels
        How many there are.
    alpha
        Whether the last one is transparency, which is in no group.
    separate
        Whether no channels are colours.
    """
    count = channels - alpha
    first = [slice(0, RGB)] if count in (RGB, RGB + 1) and not separate else []
    return first + [slice(channel, channel + 1) for channel in range(RGB if first else 0, count)]


def find_hidden(pixels: NDArray[Any], nodata: float | None, alpha: bool) -> NDArray[np.bool_]:
    """Return which pixels, (H, W, C), hold no value: all their channels are ``nodata``, or their alpha is 0.

    NaN and infinite values are left to the channels that have them.
    """
    hidden = np.zeros(pixels.shape[:2], bool)
    if nodata is not None:
        hidden |= (pixels[..., : pixels.shape[-1] - alpha] == as_stored(nodata, pixels.dtype)).all(-1)
    if alpha:
        hidden |= pixels[..., -1] == 0
    return hidden


def as_stored(nodata: float, dtype: np.dtype[Any]) -> Any:
    """Return a value that stands for none as floats of this dtype hold it: the largest of 64 bits as the largest."""
    if dtype.kind == "b":
        return float(nodata)
    if dtype.kind in "iu":
        return int(nodata) if float(nodata).is_integer() else nodata  # integers of 64 bits compare exactly with these
    return dtype.type(np.clip(nodata, float(np.finfo(dtype).min), float(np.finfo(dtype).max)))


def step_off(pixels: NDArray[Any], nodata: float | None) -> NDArray[Any]:
    """Return filled pixels, the next value in place of the one that stands for none: they do have a value."""
    if nodata is None:
        return pixels
    value = as_stored(nodata, pixels.dtype)
    same = pixels == value
    if not same.any():
        return pixels
    if pixels.dtype.kind == "f":
        return np.asarray(np.where(same, np.nextafter(value, pixels.dtype.type(0 if value else 1)), pixels))
    top = 1 if pixels.dtype.kind == "b" else np.iinfo(pixels.dtype).max
    return np.asarray(np.where(same, int(nodata) + (1 if nodata < top else -1), pixels), pixels.dtype)


def cast(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return values in another dtype: those that it holds as they are, others as the nearest ones that it holds."""
    if values.dtype == dtype:
        return values
    if dtype.kind == "b":
        return np.asarray(values >= 0.5)
    with np.errstate(invalid="ignore"):  # NaN outside of masks
        if dtype.kind == "f":
            limits = np.finfo(dtype)
            nearest = np.clip(values, float(limits.min), float(limits.max))
            return np.where(np.isfinite(values), nearest, values).astype(dtype)
        bounds = np.iinfo(dtype)
        whole = np.rint(values) if values.dtype.kind == "f" else values
        return np.asarray(np.clip(whole, bounds.min, bounds.max).astype(dtype))


def opaque_value(dtype: np.dtype[Any]) -> float:
    """Return the alpha of a pixel that hides what is below."""
    return int(np.iinfo(dtype).max) if dtype.kind in "iu" else 1
