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


def check_dtype(dtype: np.dtype[Any]) -> None:
    """Refuse what has no intensity.

    Raises
    ------
    ValueError
        Names the dtype and what to do.
    """
    if dtype.kind not in "buif":
        raise ValueError(
            f"images of dtype {dtype} cannot be filled: only bool, integers and floats (fill real and imaginary parts "
            "of complex images on their own)"
        )


def find_range(pixels: NDArray[Any], known: NDArray[np.bool_]) -> IntensityRange:
    """Choose the intensity range of a window.

    8-bit pixels and bools keep the range of their dtype, in which photos are; all others take the range of the
    window's known finite pixels.

    Parameters
    ----------
    pixels : array of shape (H, W, C)
    known : bool array of shape (H, W)
        At least one pixel.
    """
    if pixels.dtype == np.bool_:
        return IntensityRange(0, 1)
    if pixels.dtype in (np.uint8, np.int8):
        limits = np.iinfo(pixels.dtype)
        return IntensityRange(limits.min, limits.max)
    values = pixels[known]
    if pixels.dtype.kind == "f":
        values = values[np.isfinite(values)]
    if not values.size:
        return IntensityRange(0, 0)
    return IntensityRange(float(values.min()), float(values.max()))


def to_tensor(pixels: NDArray[Any], hole: NDArray[np.bool_], intensity: IntensityRange) -> NDArray[np.float32]:
    """Scale a window to [0, 1].

    Parameters
    ----------
    pixels : array of shape (H, W, C)
    hole : bool array of shape (H, W)
        Becomes 0; infinite and undefined pixels elsewhere become 0 too.
    intensity
        What becomes 0 and 1.

    Returns
    -------
    float32 array of shape (C, H, W)
    """
    span = intensity.high - intensity.low
    if span == 0 or not np.isfinite(span):
        return np.zeros((pixels.shape[2], *pixels.shape[:2]), np.float32)
    with np.errstate(invalid="ignore", over="ignore"):
        scaled = (pixels.astype(np.float64) - intensity.low) / span
    scaled[hole | ~np.isfinite(scaled).all(-1)] = 0
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
    values = tensor.transpose(1, 2, 0).astype(np.float64) * (intensity.high - intensity.low) + intensity.low
    if dtype.kind == "b":
        return values >= 0.5
    if dtype.kind in "ui":
        # The window's own range ends inside the dtype's; float64 cannot hold the last values of 64-bit integers.
        low, high = (round(intensity.low), round(intensity.high)) if dtype.itemsize == 8 else _limits(dtype)
        rounded = np.clip(np.rint(values), low, high)
        if dtype.itemsize < 8:
            return rounded.astype(dtype)
        limits = np.iinfo(dtype)
        safe = np.clip(rounded, float(limits.min), np.nextafter(float(limits.max), 0))
        return np.asarray(safe.astype(dtype))
    with np.errstate(over="ignore"):
        return values.astype(dtype)


def _limits(dtype: np.dtype[Any]) -> tuple[int, int]:
    limits = np.iinfo(dtype)
    return limits.min, limits.max


def to_rgb(tensor: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the (M, 3, H, W) images that the network completes for (C, H, W): RGB as it is, other channels alone."""
    if len(tensor) == RGB:
        return tensor[None]
    return np.repeat(tensor[:, None], RGB, 1)


def from_rgb(images: NDArray[np.float32], channels: int) -> NDArray[np.float32]:
    """Return (C, H, W) from the completed (M, 3, H, W): the inverse of `to_rgb`; grey is the mean of three."""
    if channels == RGB:
        return np.asarray(images[0])
    return np.asarray(images.mean(1, dtype=np.float32))


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
