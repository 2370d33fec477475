"""The smaller levels of an image pyramid, computed anew where they show a fill."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray


def rebuild_level(above: Any, level: Any, shape: Sequence[int], windows: Iterable[Mapping[str, Any]]) -> None:
    """Compute a level anew where it shows what was filled, by averages of blocks.

    Parameters
    ----------
    above
        The array of the next larger level, already filled: (..., H, W), or with channels last.
    level
        An array of as many axes; is changed.
    shape
        Of the largest level.
    windows
        Of the record of the fill.
    """
    factors = [max(1, round(a / b)) for a, b in zip(shape, level.shape, strict=True)]
    steps = [max(1, round(a / b)) for a, b in zip(above.shape, level.shape, strict=True)]
    for window in windows:
        for y0, x0, y1, x1 in window["holes"]:
            channels = level.shape[len(window["plane"]) + 2 :]
            lows = [*window["plane"], y0, x0, *(0 for _ in channels)]
            highs = [*(index + 1 for index in window["plane"]), y1, x1, *channels]
            region = tuple(
                slice(min(low // factor, length - 1), min(-(-high // factor), length))
                for low, high, factor, length in zip(lows, highs, factors, level.shape, strict=True)
            )
            level[region] = average_blocks(above, region, steps).astype(level.dtype)


def average_blocks(array: Any, region: tuple[slice, ...], steps: list[int]) -> NDArray[Any]:
    """Return means of blocks of an array: those that make ``region`` of the level below, each ``steps`` long."""
    cut = tuple(
        slice(min(part.start * step, length - 1), min(part.stop * step, length))
        for part, step, length in zip(region, steps, array.shape, strict=True)
    )
    block = np.asarray(array[cut])
    mean = block.astype(np.float64)
    for axis, step in enumerate(steps):
        starts = np.arange(0, mean.shape[axis], step)
        counts = np.diff(np.append(starts, mean.shape[axis]))
        shape = [-1 if each == axis else 1 for each in range(mean.ndim)]
        mean = np.add.reduceat(mean, starts, axis) / counts.reshape(shape)
    sizes = tuple(part.stop - part.start for part in region)
    mean = mean[tuple(slice(0, size) for size in sizes)]
    missing = [(0, size - have) for size, have in zip(sizes, mean.shape, strict=True)]
    mean = np.pad(mean, missing, mode="edge")
    return np.rint(mean) if block.dtype.kind in "bui" else mean
