"""The smaller levels of an image pyramid, computed anew where they show a fill."""

from __future__ import annotations

import math
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
    ratios = [find_ratio(a, b) for a, b in zip(shape, level.shape, strict=True)]
    steps = [find_ratio(a, b) for a, b in zip(above.shape, level.shape, strict=True)]
    for window in windows:
        for y0, x0, y1, x1 in window["holes"]:
            channels = level.shape[len(window["plane"]) + 2 :]
            lows = [*window["plane"], y0, x0, *(0 for _ in channels)]
            highs = [*(index + 1 for index in window["plane"]), y1, x1, *channels]
            region = tuple(
                slice(min(math.floor(low / ratio), length - 1), min(math.ceil(high / ratio), length))
                for low, high, ratio, length in zip(lows, highs, ratios, level.shape, strict=True)
            )
            level[region] = average_blocks(above, region, steps).astype(level.dtype)


def find_ratio(larger: int, smaller: int) -> float:
    """Return how many pixels of a level become one of the next: a whole number, when rounding explains the lengths."""
    whole = max(1, round(larger / smaller))
    return whole if abs(larger - whole * smaller) < whole else larger / smaller


def average_blocks(array: Any, region: tuple[slice, ...], steps: Sequence[float]) -> NDArray[Any]:
    """Return means of blocks of an array: those that make ``region`` of the level below, each ``steps`` long."""
    starts = [
        np.minimum(np.floor(np.arange(part.start, part.stop) * step).astype(int), length - 1)
        for part, step, length in zip(region, steps, array.shape, strict=True)
    ]
    stops = [
        np.clip(np.ceil(np.arange(part.start + 1, part.stop + 1) * step).astype(int), start + 1, length)
        for part, step, start, length in zip(region, steps, starts, array.shape, strict=True)
    ]
    block = np.asarray(array[tuple(slice(start[0], stop[-1]) for start, stop in zip(starts, stops, strict=True))])
    mean = block.astype(np.float64)
    for axis, (start, stop) in enumerate(zip(starts, stops, strict=True)):
        ends = np.ravel(np.column_stack([start, stop])) - start[0]  # every other sum is between two blocks
        sums = np.add.reduceat(np.insert(mean, mean.shape[axis], 0, axis), ends, axis)
        sums = sums.take(np.arange(0, len(ends), 2), axis)
        mean = sums / np.expand_dims(stop - start, [each for each in range(mean.ndim) if each != axis])
    return np.rint(mean) if block.dtype.kind in "bui" else mean
