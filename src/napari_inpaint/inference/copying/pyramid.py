"""The levels of a region at which patches are looked for: each half as wide as the next finer one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

RADIUS = 3
"""Patches are 7 x 7 pixels."""
SIDE = 2 * RADIUS + 1
TOP = 16
"""The hole is at most so many pixels wide at the coarsest level, where patches see from rim to rim."""
LEAST_LEVELS = 4
"""Also of small holes: sources that are found at the coarsest level go together in pieces of 8 pixels or more."""


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """One level of a region."""

    image: Floats
    """(H, W, C); holes show the guide."""
    hole: NDArray[np.bool_]
    """(H, W): pixels that are copied."""
    targets: tuple[NDArray[np.intp], NDArray[np.intp]]
    """Rows and columns of the centres of all patches that touch the hole."""
    sources: NDArray[np.bool_]
    """(H, W): the centres of patches that are wholly known."""


def count_levels(size: int) -> int:
    """Return how many levels a hole of this size has."""
    return max(LEAST_LEVELS, math.ceil(math.log2(max(size, 1) / TOP)) + 1)


def build_levels(image: Floats, hole: NDArray[np.bool_], unknown: NDArray[np.bool_], count: int) -> list[Level]:
    """Return the levels of a region, the finest first.

    Parameters
    ----------
    image : float32 array of shape (H, W, C)
        Holes show the guide; what is unknown otherwise, anything that is finite.
    hole, unknown : bool array of shape (H, W)
        Pixels that are copied, and all that are no sources.
    count
        How many levels; levels without any source are left out, so that there may be fewer, or none.
    """
    levels = []
    for number in range(count):
        if number:
            image, hole, unknown = halve(image), _any_of_four(hole), _any_of_four(unknown)
        sources = ~ndimage.maximum_filter(unknown, SIDE, mode="constant", cval=True)
        if not sources.any() or not hole.any():
            break
        targets = np.nonzero(ndimage.maximum_filter(hole, SIDE))
        levels.append(Level(image, hole, (targets[0], targets[1]), sources))
    return levels


def halve(image: Floats) -> Floats:
    """Return the means of blocks of 2 x 2 pixels of (H, W, C); an odd last row or column is left out."""
    height, width = (length // 2 * 2 for length in image.shape[:2])
    even = image[:height, :width]
    return np.asarray(
        (even[0::2, 0::2] + even[1::2, 0::2] + even[0::2, 1::2] + even[1::2, 1::2]) / np.float32(4), np.float32
    )


def _any_of_four(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    height, width = (length // 2 * 2 for length in mask.shape)
    even = mask[:height, :width]
    return np.asarray(even[0::2, 0::2] | even[1::2, 0::2] | even[0::2, 1::2] | even[1::2, 1::2])
