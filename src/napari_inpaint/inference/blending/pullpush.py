"""The smooth fill as a numpy function: the network's start, and a comparison method of its own.

Computes what `inpaint_training.networks.fills.pullpush_fill` computes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEVELS = 9
"""Halvings; 2 ** 9 pixels reach across every window."""


def pullpush_fill(image: NDArray[np.float32], hole: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Fill holes smoothly: the mask-normalised average pyramid.

    Known values are averaged down level by level, every cell with a known value counting alike; what is unknown on a
    level takes the bilinearly resized values of the level above. What is unknown at the top takes the mean of the
    known cells, or 0.5.

    Parameters
    ----------
    image : float32 array of shape (C, H, W)
        Any range; what is under the hole does not matter, but see 0.5 above.
    hole : bool array of shape (H, W)

    Returns
    -------
    float32 array of shape (C, H, W)
        Known values are unchanged.
    """
    pyramid = [(np.where(hole, np.float32(0), image), hole)]
    for _ in range(LEVELS):
        pyramid.append(shrink(*pyramid[-1], 2))
    colour, hole = pyramid[-1]
    count = np.count_nonzero(~hole)
    mean = colour.sum((1, 2), keepdims=True) / count if count else np.float32(0.5)
    fill: NDArray[np.float32] = np.where(hole, mean, colour)
    for colour, hole in reversed(pyramid[:-1]):
        fill = np.where(hole, resize(fill, *hole.shape), colour)
    return fill


def shrink(
    tensor: NDArray[np.float32], hole: NDArray[np.bool_], factor: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Scale an image down by a whole factor; holes do not leak into known pixels.

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


def block_mean(x: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """Average blocks of ``factor`` x ``factor`` over the last two axes; blocks at the end may be smaller."""
    for axis in (-2, -1):
        starts = np.arange(0, x.shape[axis], factor)
        counts = np.diff(np.append(starts, x.shape[axis])).astype(np.float32)
        sums = np.add.reduceat(x, starts, axis, dtype=np.float32)
        x = np.divide(sums, counts if axis == -1 else counts[:, None], dtype=np.float32)
    return x


def resize(x: NDArray[np.float32], height: int, width: int, factor: float | None = None) -> NDArray[np.float32]:
    """Resize the last two axes bilinearly, pixel centres at half-integers, edges repeated.

    Parameters
    ----------
    x : float32 array of shape (..., h, w)
    height, width
        The new size.
    factor
        How many new pixels an old one is wide; the ratio of the sizes when it is None.
    """
    for axis, size in ((-2, height), (-1, width)):
        length = x.shape[axis]
        step = length / size if factor is None else 1 / factor
        position = np.clip((np.arange(size) + 0.5) * step - 0.5, 0, length - 1)
        lower = position.astype(np.intp)
        upper = np.minimum(lower + 1, length - 1)
        weight = (position - lower).astype(np.float32)
        if axis == -2:
            weight = weight[:, None]
        x = x.take(lower, axis) * (1 - weight) + x.take(upper, axis) * weight
    return x
