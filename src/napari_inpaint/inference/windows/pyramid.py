"""The smaller levels of an image pyramid, computed anew where they show a fill."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_inpaint.inference.inputs.boxes import Box
from napari_inpaint.inference.windows.patches import Patch

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray


def patch_level(
    above: Any, level: Any, shape: Sequence[int], patches: Iterable[Patch], picks: bool = False
) -> list[Patch]:
    """Return what a fill changes in a smaller level: averages of blocks of the level above.

    Parameters
    ----------
    above
        The array of the next larger level, already filled: (..., H, W), or with channels last.
    level
        An array of as many axes.
    shape
        Of the largest level.
    patches
        Of the fill, in the largest level.
    picks
        Take the first pixel of every block: what lies between two values means nothing.
    """
    ratios = [find_ratio(a, b) for a, b in zip(shape, level.shape, strict=True)]
    steps = [find_ratio(a, b) for a, b in zip(above.shape, level.shape, strict=True)]
    patched = []
    for plane, box in dict.fromkeys((patch.plane, patch.box) for patch in patches):  # of all channels at once
        channels = level.shape[len(plane) + 2 :]
        lows = [*plane, box.y0, box.x0, *(0 for _ in channels)]
        highs = [*(index + 1 for index in plane), box.y1, box.x1, *channels]
        region = tuple(
            slice(min(math.floor(low / ratio), length - 1), min(math.ceil(high / ratio), length))
            for low, high, ratio, length in zip(lows, highs, ratios, level.shape, strict=True)
        )
        reduce = pick_pixels if picks else average_blocks
        before, after = np.asarray(level[region]), reduce(above, region, steps).astype(level.dtype)
        if not channels:
            before, after = before[..., None], after[..., None]
        y, x = region[len(plane) : len(plane) + 2]
        for index in np.ndindex(before.shape[: len(plane)]):
            there = tuple(part.start + i for part, i in zip(region, index, strict=False))
            everything = np.broadcast_to(True, (*before[index].shape[:2], 1))
            patched.append(Patch(there, Box(y.start, x.start, y.stop, x.stop), slice(0, before.shape[-1]), everything,
                                 before[index], after[index]))  # fmt: skip
    return patched


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


def pick_pixels(array: Any, region: tuple[slice, ...], steps: Sequence[float]) -> NDArray[Any]:
    """Return the first pixels of the blocks of `average_blocks`."""
    places = [
        np.minimum(np.floor(np.arange(part.start, part.stop) * step).astype(int), length - 1)
        for part, step, length in zip(region, steps, array.shape, strict=True)
    ]
    block = np.asarray(array[tuple(slice(place[0], place[-1] + 1) for place in places)])
    return np.asarray(block[np.ix_(*(place - place[0] for place in places))])
