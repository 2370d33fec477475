"""What overlapping patches agree on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_inpaint.inference.cancelling import stop_if

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_inpaint.inference.cancelling import Event
    from napari_inpaint.inference.copying.pyramid import Floats
    from napari_inpaint.inference.copying.search import Grid, Integers

TRUST = 1.3
"""A patch counts this much less with every pixel that its centre lies further inside the hole."""
TOLERANCE = 0.05
"""A patch whose values are this far from those in its place, in the mean and in parts of the intensity range, counts
exp(-1/2) of one that fits."""


def weigh(depth: Floats, distances: Floats, values: int) -> Floats:
    """Return how much patches count.

    Parameters
    ----------
    depth : float32 array of shape (K,)
        From their centres to the rim of the hole, in pixels.
    distances : float32 array of shape (K,)
        Squared, between a patch and what it is copied from.
    values
        How many a patch has.
    """
    near = np.float32(TRUST) ** -depth
    return np.asarray(near * np.exp(-distances / np.float32(2 * TOLERANCE**2 * values)) + np.float32(1e-12))


def vote(
    table: Floats, grid: Grid, targets: Integers, sources: Integers, weights: Floats, hole: NDArray[np.bool_],
    cancel: Event | None = None,
) -> None:  # fmt: skip
    """Set every pixel of the hole to the weighted mean of what all patches over it copy there.

    Wexler, Shechtman, Irani: Space-Time Completion of Video, 2007, equation 4.

    Parameters
    ----------
    table : float32 array of shape (pixels, C)
        Is changed.
    grid
        Of the table.
    targets, sources : int32 array of shape (K,)
        Centres of different patches, and of what they are copied from.
    weights : float32 array of shape (K,)
    hole : bool array of shape (pixels,)
    cancel
        As `Inpainter.fill`; it is looked at now and then.
    """
    total, weight = np.zeros_like(table), np.zeros(len(table), np.float32)
    for offset in grid.patch:
        stop_if(cancel)
        total[targets + offset] += weights[:, None] * table.take(sources + offset, 0)
        weight[targets + offset] += weights
    voted = hole & (weight > 0)
    table[voted] = total[voted] / weight[voted, None]
