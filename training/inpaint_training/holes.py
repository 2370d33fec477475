"""Random holes for training and evaluation."""

from __future__ import annotations

import numpy as np


def random_box(height: int, width: int, hole_min: int, hole_max: int, margin: int, rng: np.random.Generator,
               square: bool = False) -> tuple[int, int, int, int]:  # fmt: skip
    """Draw a box at a random place.

    Parameters
    ----------
    height, width
        Size of the image, in pixels.
    hole_min, hole_max
        Range of the sides, in pixels, both ends included.
    margin
        Least distance from the border, in pixels.
    square
        Draw one side for both directions.

    Returns
    -------
    tuple
        y0, x0, y1, x1, half-open.

    Raises
    ------
    ValueError
        When the largest hole and its margins do not fit.
    """
    if hole_max + 2 * margin > min(height, width):
        raise ValueError(f"a hole of {hole_max} px with margins of {margin} px does not fit in {height} x {width}")
    h, w = (int(side) for side in rng.integers(hole_min, hole_max + 1, 2))
    if square:
        w = h
    y0 = int(rng.integers(margin, height - margin - h + 1))
    x0 = int(rng.integers(margin, width - margin - w + 1))
    return y0, x0, y0 + h, x0 + w


def box_masks(count: int, size: int, hole_min: int, hole_max: int, rng: np.random.Generator) -> np.ndarray:
    """Draw masks with one box each, at any place, touching the border too.

    Returns
    -------
    float32 array of shape (count, 1, size, size)
        1 inside the hole.
    """
    masks = np.zeros((count, 1, size, size), np.float32)
    for mask in masks:
        y0, x0, y1, x1 = random_box(size, size, hole_min, hole_max, 0, rng)
        mask[:, y0:y1, x0:x1] = 1
    return masks
