"""Where a region's copies may come from: its own plane, and the same place in the planes beside it, side by side."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

RING = 16
"""Width of what is compared around holes, in pixels."""
MOST_COMPARED = 4096
"""Pixels of it."""
SHIFT = 8
"""So far, in pixels, may one plane be moved against the other."""
SAME = 0.5
"""A plane shows the same when it differs at most this much of what other places of the hole's own plane do: patches
from there, which have the right texture but other details, are wrong by about twice the variance."""
LEAST_LAG = 4
"""These places are half of the hole away, and at least so many pixels."""
STEP = 2.0**-20
"""Of levels."""
ENOUGH = 0.5
"""Of the pixels that are compared must be known in both planes."""


@dataclass(frozen=True, slots=True, eq=False)
class Canvas:
    """Planes side by side, the region's own first, with a column between them that is not known."""

    image: NDArray[np.floating[Any]]
    """(C, H, W): in parts of the intensity range."""
    unknown: NDArray[np.bool_]
    """(H, W)"""
    pixels: NDArray[Any]
    """(H, W, C): as they are stored."""
    steps: tuple[int, ...]
    """From the region's plane to each of these, 0 first."""
    width: int
    """Of every plane."""

    def can_copy(
        self, to: tuple[NDArray[np.integer], ...], sources: tuple[NDArray[np.integer], ...]
    ) -> NDArray[np.bool_]:
        """Return which pixels of the region may be copied from which places of the canvas.

        These are known, and so are their neighbours, which joints look at; there are none beyond the region's edges,
        but then the pixel that is copied to lies at the same edge.

        Parameters
        ----------
        to, sources
            Rows and columns.
        """
        (y, x), (rows, columns) = to, sources
        height, stride = len(self.unknown), self.width + 1
        inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < self.unknown.shape[1])
        rows, columns = np.where(inside, rows, 0), np.where(inside, columns, 0)
        place = columns % stride
        inside &= place < self.width
        for places, targets, last in ((rows, y, height - 1), (place, x, self.width - 1)):
            inside &= ((places > 0) | (targets == 0)) & ((places < last) | (targets == last))
        touched = np.ones(self.unknown.shape, bool)
        for start in range(0, self.unknown.shape[1], stride):
            part = np.s_[:, start : start + self.width]
            touched[part] = ndimage.maximum_filter(self.unknown[part], 3, mode="constant", cval=False)
        return np.asarray(inside & ~touched[rows, columns])

    def level(self, levels: Mapping[int, Sequence[float]]) -> Canvas:
        """Return the canvas with planes made brighter in every channel, by the steps to them: not as they are stored.

        Parameters
        ----------
        levels
            In parts of the intensity range.
        """
        image = self.image.copy()
        for number, step in enumerate(self.steps):
            if step in levels:
                start = number * (self.width + 1)
                image[:, :, start : start + self.width] += np.array(levels[step], image.dtype)[:, None, None]
        return replace(self, image=image)

    def spread(self, hole: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return a mask of the region's plane, (H, width), as one of all."""
        return np.pad(hole, [(0, 0), (0, self.unknown.shape[1] - self.width)])

    def fold(
        self, columns: NDArray[np.integer], offsets: NDArray[np.int32]
    ) -> tuple[NDArray[np.int32], NDArray[np.int8]]:
        """Return offsets, (2, pixels), inside planes, and the steps to them, (pixels,).

        Parameters
        ----------
        columns : int array of shape (pixels,)
            Of the pixels that are copied.
        offsets : int32 array of shape (2, pixels)
            To places of the canvas.
        """
        number = (columns + offsets[1]) // (self.width + 1)
        folded = offsets.copy()
        folded[1] -= (number * (self.width + 1)).astype(np.int32)
        return folded, np.array(self.steps, np.int8)[number]

    def unfold(self, offsets: NDArray[np.int32], steps: NDArray[np.int8]) -> NDArray[np.int32]:
        """Return the opposite of `fold`; planes that are not there lie beyond the canvas."""
        number = np.full(len(steps), len(self.steps))
        for index, step in enumerate(self.steps):
            number[steps == step] = index
        unfolded = offsets.copy()
        unfolded[1] += (number * (self.width + 1)).astype(np.int32)
        return unfolded


def lay_out(
    images: Sequence[NDArray[np.floating[Any]]], unknowns: Sequence[NDArray[np.bool_]], pixels: Sequence[NDArray[Any]],
    steps: Sequence[int],
) -> Canvas:  # fmt: skip
    """Return planes of one shape as a canvas; the parameters are its attributes, plane by plane."""
    width = unknowns[0].shape[1]
    if len(steps) == 1:
        return Canvas(images[0], unknowns[0], pixels[0], (0,), width)

    def join(parts: Sequence[NDArray[Any]], axis: int, between: Any = None) -> NDArray[Any]:
        joined = [parts[0]]
        for part in parts[1:]:
            edge = np.take(part, [0], axis)
            joined += [edge if between is None else np.full_like(edge, between), part]
        return np.concatenate(joined, axis)

    return Canvas(join(images, 2), join(unknowns, 1, True), join(pixels, 1), tuple(steps), width)


def find_same_place(
    canvas: Canvas, unknown: NDArray[np.bool_], hole: NDArray[np.bool_], size: int, leveled: bool = True
) -> tuple[NDArray[np.bool_], NDArray[np.int32], dict[int, tuple[float, ...]]]:
    """Find the pixels of a hole that planes beside it show.

    A plane is moved by whole pixels to where it differs least from what surrounds the hole, in the mean of squares. The
    plane that differs less comes first, the other shows what that does not.

    Parameters
    ----------
    canvas
    unknown, hole : bool array of shape (H, W)
        Of the region's own plane.
    size
        Of the hole, see `Hole.size`.
    leveled
        Whether planes may be brighter or darker; their levels are to be added to what is copied.

    Returns
    -------
    found : bool array of shape (H, W)
    offsets : int32 array of shape (2, pixels)
        From the pixels that are found, row by row, to places of the canvas.
    levels : dict
        By the steps to planes that are copied: what makes each channel as bright as the hole's own plane, in parts of
        the intensity range, in multiples of `STEP`.
    """
    own = canvas.image[:, :, : canvas.width]
    ring = ~unknown & ndimage.maximum_filter(hole, 2 * RING + 1)
    y, x = (index[:: -(-len(index) // MOST_COMPARED) or 1] for index in np.nonzero(ring))
    elsewhere = _measure_elsewhere(own, ~unknown, y, x, max(size // 2, LEAST_LAG))
    fits = []
    for number in range(1, len(canvas.steps)):
        start = number * (canvas.width + 1)
        part = np.s_[start : start + canvas.width]
        error, shift, level = _find_shift(own, canvas.image[:, :, part], ~canvas.unknown[:, part], y, x, leveled)
        if error <= SAME * elsewhere:
            fits.append((error, number, shift, level))
    found, (down, right) = np.zeros_like(hole), np.zeros((2, *hole.shape), np.int32)
    levels = {}
    for _, number, (dy, dx), level in sorted(fits):
        rows, columns = np.nonzero(hole & ~found)
        start = number * (canvas.width + 1)
        inside = (columns + dx >= 0) & (columns + dx < canvas.width)
        there = inside & canvas.can_copy((rows, columns), (rows + dy, columns + start + dx))
        rows, columns = rows[there], columns[there]
        found[rows, columns], down[rows, columns], right[rows, columns] = True, dy, start + dx
        if len(rows) and leveled:
            levels[canvas.steps[number]] = tuple((np.rint(np.array(level) / STEP) * STEP).tolist())
    return found, np.stack([down[found], right[found]]), levels


def _measure_elsewhere(
    image: NDArray[np.floating[Any]], known: NDArray[np.bool_], y: NDArray[np.intp], x: NDArray[np.intp], lag: int
) -> float:
    """Return the mean squared difference between pixels and those a lag away; 0 where none is known."""
    differences = [
        image[:, y[both], x[both]] - image[:, y[both] + down, x[both] + right]
        for down, right in ((lag, 0), (-lag, 0), (0, lag), (0, -lag))
        for both in [_look(known, y + down, x + right)]
    ]
    every = np.concatenate(differences, 1)
    return float(np.square(every).mean()) if every.size else 0.0


def _find_shift(
    image: NDArray[np.floating[Any]], other: NDArray[np.floating[Any]], known: NDArray[np.bool_],
    y: NDArray[np.intp], x: NDArray[np.intp], leveled: bool,
) -> tuple[float, tuple[int, int], tuple[float, ...]]:  # fmt: skip
    """Return the least error of another plane at these pixels, where it is moved then, and what levels its channels."""
    best = float("inf"), (0, 0), (0.0,) * len(image)
    steps = range(-SHIFT, SHIFT + 1)
    for dy, dx in sorted(((dy, dx) for dy in steps for dx in steps), key=lambda shift: shift[0] ** 2 + shift[1] ** 2):
        both = _look(known, y + dy, x + dx)
        if np.count_nonzero(both) > ENOUGH * len(y):
            difference = image[:, y[both], x[both]] - other[:, y[both] + dy, x[both] + dx]
            error = float(difference.var(1).mean() if leveled else np.square(difference).mean())
            if error < best[0]:
                best = error, (dy, dx), tuple(difference.mean(1, dtype=np.float64).tolist())
    return best


def _look(known: NDArray[np.bool_], y: NDArray[np.intp], x: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Return whether there are known pixels at these places."""
    inside = (y >= 0) & (y < known.shape[0]) & (x >= 0) & (x < known.shape[1])
    return np.asarray(inside & known[np.where(inside, y, 0), np.where(inside, x, 0)])
