"""Thin plates: the smoothest surface through the known pixels, for holes in what is smooth itself.

The plate minimises the integral of its squared second derivatives, u_xx^2 + 2 u_xy^2 + u_yy^2 (Duchon 1977), whose
minimum solves the biharmonic equation in the hole and has free edges where the image ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage, sparse
from scipy.sparse import linalg

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

MOST_UNKNOWN = 20_000
"""Pixels up to which a plate is solved: more take seconds."""
MOST_NOISE = 1.04
"""Where `measure_noise` finds more, a membrane comes closer than a plate: it averages the rim's noise, and a plate
continues its slopes."""
WHITE_NOISE = (1 + 164 / 256) / (1 + 1 / 2)
"""What a cubic, (-1 9 9 -1) / 16, makes of noise, against a line, (1 1) / 2."""
NEAR = 8
"""Pixels this near to a hole tell how noisy the image is there."""
TENSION = 1e-3
"""Of the plate, against its stiffness: so much that it stays level where too little is known to tell a slope."""
STENCILS = (
    (((0, 0), (0, 1), (0, 2)), (1.0, -2.0, 1.0)),
    (((0, 0), (1, 0), (2, 0)), (1.0, -2.0, 1.0)),
    (((0, 0), (0, 1), (1, 0), (1, 1)), (2**0.5, -(2**0.5), -(2**0.5), 2**0.5)),
    (((0, 0), (0, 1)), (-TENSION, TENSION)),
    (((0, 0), (1, 0)), (-TENSION, TENSION)),
)
"""Differences whose squares are minimised: offsets in rows and columns, and weights."""


def solve_plate(image: NDArray[np.floating[Any]], unknown: NDArray[np.bool_]) -> NDArray[np.floating[Any]]:
    """Fill the unknown pixels of a window with a thin plate.

    Parameters
    ----------
    image : float array of shape (C, H, W)
    unknown : bool array of shape (H, W)
        At least one pixel is known.

    Returns
    -------
    float array of shape (C, H, W)
        Known pixels are the image's.
    """
    filled = np.array(image)
    if not unknown.any():
        return filled
    number = np.full(unknown.shape, -1)
    number[unknown] = np.arange(np.count_nonzero(unknown))
    known = np.where(unknown, 0, image).reshape(len(image), -1).T.astype(np.float64)  # pixels, C
    rows, columns, weights, given = [], [], [], []
    count = 0
    for places, weight in _stencils_at(unknown):
        index = np.arange(count, count + len(places))
        count += len(places)
        given.append(np.einsum("ps,psc->pc", np.broadcast_to(weight, places.shape), known[places]))
        unknowns = number.ravel()[places]
        there, corner = np.nonzero(unknowns >= 0)
        rows.append(index[there])
        columns.append(unknowns[there, corner])
        weights.append(weight[corner])
    entries = np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns))
    differences = sparse.csc_array(entries, shape=(count, int(number.max()) + 1))
    right = -differences.T @ np.concatenate(given)
    factors = linalg.splu(
        (differences.T @ differences).tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0,
        options={"SymmetricMode": True},
    )  # fmt: skip
    filled[:, unknown] = factors.solve(right).T
    return filled


def measure_noise(image: NDArray[np.floating[Any]], unknown: NDArray[np.bool_]) -> float:
    """Return how much worse known pixels near holes are told by a cubic through their neighbours than by a line.

    Parameters
    ----------
    image : float array of shape (C, H, W)
    unknown : bool array of shape (H, W)

    Returns
    -------
    float
        The ratio of the squared errors: `WHITE_NOISE` in white noise, and where nothing can be measured; less than 1
        where the image is smooth.
    """
    known, near = ~unknown, ndimage.maximum_filter(unknown, 2 * NEAR + 1) & ~unknown

    def at(x: NDArray[Any], offset: int) -> NDArray[Any]:
        return x[..., 3 + offset : x.shape[-1] - 3 + offset]

    linear = cubic = 0.0
    for values, given, wanted in ((image, known, near), (image.swapaxes(1, 2), known.T, near.T)):
        if values.shape[-1] < 7:
            continue
        told = np.logical_and.reduce([at(wanted, 0), *(at(given, offset) for offset in (-3, -1, 1, 3))])
        truth, inner, outer = at(values, 0), at(values, -1) + at(values, 1), at(values, -3) + at(values, 3)
        linear += float(np.square(inner / 2 - truth, where=told, out=np.zeros(truth.shape)).sum())
        cubic += float(np.square((9 * inner - outer) / 16 - truth, where=told, out=np.zeros(truth.shape)).sum())
    return cubic / linear if linear else WHITE_NOISE


def _stencils_at(unknown: NDArray[np.bool_]) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float64]]]:
    """Yield the pixels, (places, corners), of every stencil's places that touch an unknown one, and its weights."""
    height, width = unknown.shape
    for offsets, weights in STENCILS:
        down, right = (max(offset[axis] for offset in offsets) for axis in (0, 1))
        if down >= height or right >= width:
            continue
        touched = np.zeros((height - down, width - right), bool)
        for dy, dx in offsets:
            touched |= unknown[dy : dy + height - down, dx : dx + width - right]
        y, x = np.nonzero(touched)
        yield np.stack([(y + dy) * width + x + dx for dy, dx in offsets], 1), np.array(weights)
