"""Between pixels of any real dtype and the network's float32 in [0, 1]."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_inpaint.inference.pullpush import block_mean

if TYPE_CHECKING:
    from numpy.typing import NDArray

RGB = 3


@dataclass(frozen=True, slots=True)
class IntensityRange:
    """The pixel values that the network sees as 0 and 1."""

    low: float
    high: float
    """Python integers for integer pixels, so that 64 bits are exact."""


def check_dtype(dtype: np.dtype[Any]) -> None:
    """Refuse what has no intensity.

    Raises
    ------
    ValueError
        Names the dtype and what to do.
    """
    if dtype.kind not in "buif" or dtype.itemsize > 8:
        raise ValueError(
            f"images of dtype {dtype} cannot be filled: only bool, integers and floats of up to 64 bits (convert "
            "others first; fill real and imaginary parts of complex images on their own)"
        )


def find_range(pixels: NDArray[Any], known: NDArray[np.bool_]) -> IntensityRange:
    """Choose the intensity range of a window.

    8-bit pixels and bools keep the range of their dtype, in which photos are; all others, and constant windows, take
    the range of the window's known pixels.

    Parameters
    ----------
    pixels : array of shape (H, W, C)
    known : bool array of shape (H, W)

    Raises
    ------
    ValueError
        When no pixel is known.
    """
    if not known.any():
        raise ValueError("no pixel is known around a hole: everything in its window is a hole, NaN or infinite")
    values = pixels[known]
    low, high = values.min().item(), values.max().item()
    if low == high or pixels.dtype.itemsize > 1:
        return IntensityRange(low, high)
    if pixels.dtype == np.bool_:
        return IntensityRange(0, 1)
    limits = np.iinfo(pixels.dtype)
    return IntensityRange(limits.min, limits.max)


def to_tensor(pixels: NDArray[Any], hole: NDArray[np.bool_], intensity: IntensityRange) -> NDArray[np.float32]:
    """Scale a window to [0, 1].

    Parameters
    ----------
    pixels : array of shape (H, W, C)
    hole : bool array of shape (H, W)
        Becomes 0; must hold all NaN and infinite pixels.
    intensity
        What becomes 0 and 1.

    Returns
    -------
    float32 array of shape (C, H, W)
    """
    if intensity.low == intensity.high:
        return np.zeros((pixels.shape[2], *pixels.shape[:2]), np.float32)
    low, high = intensity.low / 2, intensity.high / 2  # halves, so that the span of float64 does not overflow
    with np.errstate(invalid="ignore"):
        scaled = (pixels.astype(np.float64) / 2 - low) / (high - low)
    scaled[hole] = 0
    return np.ascontiguousarray(scaled.transpose(2, 0, 1), np.float32)


def from_tensor(tensor: NDArray[np.float32], dtype: np.dtype[Any], intensity: IntensityRange) -> NDArray[Any]:
    """Scale a completion back to pixels: the inverse of `to_tensor`.

    Parameters
    ----------
    tensor : float32 array of shape (C, H, W)
    dtype
        Integers are rounded and clipped to their own range, bools become True from 0.5.

    Returns
    -------
    array of shape (H, W, C)
    """
    fraction = tensor.transpose(1, 2, 0).astype(np.float64)
    if intensity.low == intensity.high:
        return np.full(fraction.shape, intensity.low, dtype)
    values = intensity.low * (1 - fraction) + intensity.high * fraction
    if dtype.kind == "b":
        return values >= 0.5
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            return values.astype(dtype)
    # float64 does not hold the largest integers of 64 bits: clip to the largest that it does.
    limits = np.iinfo(dtype)
    high = float(limits.max) if dtype.itemsize < 8 else np.nextafter(float(limits.max), 0)
    return np.clip(np.rint(values), float(limits.min), high).astype(dtype)


def channel_groups(channels: int) -> list[slice]:
    """Return which channels are completed together: colours as one, alpha not at all, others one by one."""
    if channels in (RGB, RGB + 1):
        return [slice(0, RGB)]
    return [slice(channel, channel + 1) for channel in range(channels)]


def to_rgb(tensor: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the (1, 3, H, W) image that the network completes for (3, H, W) or (1, H, W)."""
    return np.repeat(tensor, RGB // len(tensor), 0)[None]


def from_rgb(image: NDArray[np.float32], channels: int) -> NDArray[np.float32]:
    """Return (C, H, W) from the completed (1, 3, H, W): the inverse of `to_rgb`; grey is the mean of three."""
    return np.asarray(image[0] if channels == RGB else image[0].mean(0, dtype=np.float32, keepdims=True))


def shrink(
    tensor: NDArray[np.float32], hole: NDArray[np.bool_], factor: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Scale a window down by a whole factor; holes do not leak into known pixels.

    Parameters
    ----------
    tensor : float32 array of shape (C, H, W)
    hole : bool array of shape (H, W)

    Returns
    -------
    tensor, hole
        A pixel is known when any of its block is; its value is the mean of the known ones.
    """
    if factor == 1:
        return tensor, hole
    weight = block_mean((~hole).astype(np.float32), factor)
    total = block_mean(np.where(hole, np.float32(0), tensor), factor)
    return np.divide(total, np.maximum(weight, np.float32(1e-30)), dtype=np.float32), weight == 0
