"""Joints: where copies from different places meet one another, and the known pixels, without steps.

The copies keep their gradients, and a smooth correction takes up what does not fit (Pérez, Gangnet, Blake: Poisson
Image Editing, 2003; between several sources: Agarwala et al.: Interactive Digital Photomontage, 2004). Where two copies
differ much they show different things, and the edge between them stays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_inpaint.inference.blending.membrane import solve_given
from napari_inpaint.inference.cancelling import stop_if

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_inpaint.inference.cancelling import Event

ALIKE = 0.1
"""Copies that differ by this much where they meet, in parts of the intensity range, are joined by exp(-1) of that."""
RIM_ALIKE = 0.2
"""Likewise of copies and known pixels."""
MOST = 0.25
"""Of a correction. Where little holds it, as in a hole that is open to the image's edges, small errors add up."""
STEP = 2.0**-20
"""Corrections are rounded to this, in parts of the intensity range: what the last bits of a CPU's sums are does not
matter then."""
DIRECTIONS = ((0, 1), (0, -1), (1, 0), (-1, 0))


def join(
    image: NDArray[np.floating[Any]], unknown: NDArray[np.bool_], hole: NDArray[np.bool_], offsets: NDArray[np.int32],
    cancel: Event | None = None,
) -> NDArray[np.float64]:  # fmt: skip
    """Return what makes copies meet one another, and the known pixels.

    Parameters
    ----------
    image : float array of shape (C, H, W)
        A region, in parts of its intensity range.
    unknown, hole : bool array of shape (H, W)
        Pixels without a value, and those of them that are copied.
    offsets : int32 array of shape (2, pixels)
        Down and to the right, from every pixel of the hole, row by row, to a known one whose neighbours are known too.
    cancel
        As `Inpainter.fill`.

    Returns
    -------
    float64 array of shape (C, pixels)
        Is to be added to the copies.
    """
    y, x = np.nonzero(hole)
    number = np.full(hole.shape, -1)
    number[y, x] = np.arange(len(y))
    from_y, from_x = y + offsets[0], x + offsets[1]
    copies = image[:, from_y, from_x].astype(np.float64)
    mismatch = np.zeros_like(copies)
    known = ~unknown
    for down, right in DIRECTIONS:
        stop_if(cancel)
        there = y + down, x + right
        inside = (there[0] >= 0) & (there[0] < hole.shape[0]) & (there[1] >= 0) & (there[1] < hole.shape[1])
        one = np.flatnonzero(inside)
        neighbour = number[there[0][one], there[1][one]]
        on_rim = known[there[0][one], there[1][one]]
        rim = one[on_rim]  # the neighbour is known: what is copied would go on with something else
        error = image[:, there[0][rim], there[1][rim]] - image[:, from_y[rim] + down, from_x[rim] + right]
        mismatch[:, rim] += np.exp(-np.square(np.abs(error).mean(0) / RIM_ALIKE)) * error
        other, one = neighbour[neighbour >= 0], one[neighbour >= 0]
        meet = (offsets[:, one] != offsets[:, other]).any(0)
        one, other = one[meet], other[meet]
        beyond = copies[:, other] - image[:, from_y[one] + down, from_x[one] + right]
        before = image[:, from_y[other] - down, from_x[other] - right] - copies[:, one]
        difference = (np.abs(beyond) + np.abs(before)).mean(0) / 2
        mismatch[:, one] += np.exp(-np.square(difference / ALIKE)) * (beyond + before) / 2
    top, left = y.min(initial=0), x.min(initial=0)
    box = np.s_[max(0, top - 1) : y.max(initial=0) + 2, max(0, left - 1) : x.max(initial=0) + 2]
    correction = np.zeros_like(copies)
    for channel, values in enumerate(mismatch):
        given = np.zeros(hole.shape)
        given[y, x] = values
        solved = solve_given(given[None][:, *box], hole[box], known[box], cancel)
        correction[channel] = solved[0][hole[box]]
    return np.asarray(np.rint(np.clip(correction, -MOST, MOST) / STEP) * STEP)
