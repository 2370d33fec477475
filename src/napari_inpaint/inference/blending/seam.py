"""Seams: the fill meets the known pixels, and stays among them.

The completion meets the known pixels with a small error. The correction is the harmonic function (a membrane) that
takes this error on the rim, so the sum meets them exactly and keeps the completion's texture (Pérez, Gangnet, Blake:
Poisson Image Editing, 2003, equation 4). Without a completion the membrane alone is the smoothest fill.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_inpaint.inference.blending.membrane import solve, solve_rectangle
from napari_inpaint.inference.inputs.boxes import Box

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_inpaint.inference.cancelling import Event
    from napari_inpaint.inference.windows.intensity import Context

SMALLEST_RECTANGLE = 1024
"""Pixels of a rectangle that is solved by itself; smaller holes are solved together."""
MARGIN = 16
"""Unknown pixels this near to a hole, the other pieces of a divided one, are solved with it, so that they agree."""
LEAST_SLOPING = 16
"""Least number of known pixels that tell a slope."""
FAR, SPREADS = 1.0, 4.0
"""Known pixels that lie further from the middle of the intensity range, in parts of it, and further from the median
than so many times the spread of most, tell no slope."""
PLANAR = 0.03
"""A context that stays this near to a plane, in parts of the intensity range, is one but for its noise."""


def correct(
    completion: NDArray[np.floating[Any]],
    image: NDArray[np.floating[Any]],
    unknown: NDArray[np.bool_],
    boxes: Sequence[Box],
    cancel: Event | None = None,
) -> NDArray[np.floating[Any]]:
    """Return the completion, corrected so that it meets the known pixels.

    Parameters
    ----------
    completion, image : float array of shape (C, H, W)
        A window.
    unknown : bool array of shape (H, W)
        Pixels without a value.
    boxes
        Bounding boxes of the holes that matter; around others the completion stays as it is.
    cancel
        As `Inpainter.fill`; it is looked at now and then.

    Returns
    -------
    float array of shape (C, H, W)
        Nothing changes where no known pixel is in reach.
    """
    corrected = completion.astype(image.dtype)
    height, width = unknown.shape
    rest, reach = unknown.copy(), np.zeros_like(unknown)
    for box in boxes:
        around = box.widen(1, height, width).slices
        area = box.height * box.width
        alone = np.count_nonzero(unknown[box.slices]) == area == np.count_nonzero(unknown[around])
        if alone and area >= SMALLEST_RECTANGLE:
            corrected[:, *box.slices] += solve_rectangle(image, completion, box)
            rest[box.slices] = False
        else:
            reach[box.widen(MARGIN, height, width).slices] = True
    rest &= reach
    if rest.any():
        rows, columns = (np.flatnonzero(rest.any(axis)) for axis in (1, 0))
        box = Box(int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1).widen(1, height, width)
        error = image[:, *box.slices] - completion[:, *box.slices]
        corrected[:, *box.slices] += solve(error, rest[box.slices], ~unknown[box.slices], cancel)
    return corrected


def keep_among(
    filled: NDArray[np.floating[Any]], box: Box, image: NDArray[np.floating[Any]], context: Context
) -> NDArray[np.floating[Any]]:
    """Clip filled pixels to what their surroundings reach above and below the plane that fits these best.

    So a hole in a flat or evenly sloping window becomes flat or sloping too, whatever the network painted. And a fill
    stays in the intensity range of its window, except where the slope itself leads out of it, at the image's edge.

    Parameters
    ----------
    filled : float array of shape (C, h, w)
    box
        Where it is in the window.
    image : float array of shape (C, H, W)
        The window.
    context
        Where the known pixels are.

    Returns
    -------
    float array of shape (C, h, w)
    """
    known = image[:, context.y, context.x].astype(np.float64)
    low, middle, high = np.quantile(known, (0.1, 0.5, 0.9), axis=1, keepdims=True)
    usual = ((np.abs(known - 0.5) <= FAR) | (np.abs(known - middle) <= SPREADS * (high - low))).all(0)
    usual |= ~usual.any()
    known, rows_of, columns_of = known[:, usual], context.y[usual], context.x[usual]
    y, x = rows_of.mean(), columns_of.mean()
    basis = np.stack([np.ones(len(rows_of)), rows_of - y, columns_of - x])
    # the least solution has no slope where none can be told, as along y in a window of one row
    plane = np.linalg.lstsq(basis @ basis.T, basis @ known.T, rcond=1e-10)[0].T
    deviation = known - plane @ basis
    # From less than half of the window only a context that is a plane may tell what lies far outside of it.
    slopes = len(rows_of) >= LEAST_SLOPING and (context.share >= 0.5 or np.ptp(deviation, 1).max() <= PLANAR)
    if not slopes:
        plane = np.concatenate([known.mean(1, keepdims=True), np.zeros((len(known), 2))], 1)
        deviation = known - plane[:, :1]
    below, above = (limit(deviation, 1)[:, None, None].astype(image.dtype) for limit in (np.min, np.max))
    level, down, right = plane.T[:, :, None, None].astype(image.dtype)
    rows, columns = (np.arange(box.y0, box.y1) - y)[:, None], np.arange(box.x0, box.x1) - x
    there = level + down * rows.astype(image.dtype) + right * columns.astype(image.dtype)
    low = np.maximum(there + below, np.minimum(there, 0))
    high = np.minimum(there + above, np.maximum(there, 1))
    return np.asarray(np.clip(filled, low, high))
