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

MOST_UNKNOWN = 100_000
"""Pixels up to which a plate is solved: more take seconds."""
MOST_NOISE = 1.05
"""Where `measure_noise` finds more, a membrane comes closer than a plate: it averages the rim's noise, and a plate
continues its slopes."""
WHITE_NOISE = (1 + 164 / 256) / (1 + 1 / 2)
"""What a cubic, (-1 9 9 -1) / 16, makes of noise, against a line, (1 1) / 2."""
OUTLIERS = 0.02
"""This share of the pixels that are told worst does not count for the noise."""
DETAIL_STEPS = (1, 2, 4, 8)
"""Distances, in pixels, at which detail is looked for."""
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


def solve_plate(
    image: NDArray[np.floating[Any]], unknown: NDArray[np.bool_], void: NDArray[np.bool_] | None = None
) -> NDArray[np.floating[Any]]:
    """Fill the unknown pixels of a window with a thin plate.

    Parameters
    ----------
    image : float array of shape (C, H, W)
    unknown : bool array of shape (H, W)
        At least one pixel is known.
    void : bool array of shape (H, W), optional
        Pixels where the plate ends, as it does where the image ends: they are not known, and stay what they are.

    Returns
    -------
    float array of shape (C, H, W)
        Known pixels are the image's.
    """
    filled = np.array(image)
    if void is not None:
        unknown = unknown & ~void
    if not unknown.any():
        return filled
    number = np.full(unknown.shape, -1)
    number[unknown] = np.arange(np.count_nonzero(unknown))
    known = np.where(unknown, 0, image).reshape(len(image), -1).T.astype(np.float64)  # pixels, C
    rows, columns, weights, given = [], [], [], []
    count = 0
    for places, weight in _stencils_at(unknown, void):
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


def measure_noise(
    image: NDArray[np.floating[Any]], unknown: NDArray[np.bool_], hole: NDArray[np.bool_] | None = None
) -> float:
    """Return how much worse known pixels near holes are told by a cubic through others than by a line.

    The others are as far away as the known pixels are from the middle of the hole: what is too fine to be seen across
    the hole is noise there.

    Parameters
    ----------
    image : float array of shape (C, H, W)
    unknown : bool array of shape (H, W)
    hole : bool array of shape (H, W), optional
        The unknown pixels that are filled; all when it is None.

    Returns
    -------
    float
        The ratio of the squared errors: `WHITE_NOISE` in white noise, and where nothing can be measured; less than 1
        where the image is smooth. The `OUTLIERS` do not count.
    """
    hole = unknown if hole is None else hole
    if not hole.any():
        return WHITE_NOISE
    step = max(1, int(1.5 * ndimage.distance_transform_edt(unknown)[hole].mean()))  # of a slit: 3/8 of its width
    line, cubic = _tell(image, unknown, hole, step)
    total = float(line.sum())
    return float(cubic.sum()) / total if total else WHITE_NOISE


def measure_detail(image: NDArray[np.floating[Any]], unknown: NDArray[np.bool_], hole: NDArray[np.bool_]) -> float:
    """Return how strong the detail near holes is that a smooth surface does not continue.

    Parameters are those of `measure_noise`.

    Returns
    -------
    float
        How far known pixels are from the mean of two others, 1 to 8 pixels away, in the quadratic mean: the largest of
        these distances, but of those from 2 pixels on only where the image is noise at that distance, and no slope. 0
        where nothing can be measured.
    """
    strengths = [0.0]
    for step in DETAIL_STEPS:
        line, cubic = _tell(image, unknown, hole, step)
        if len(line) and (step == 1 or cubic.sum() > MOST_NOISE * line.sum()):
            strengths.append(float(np.sqrt(line.mean())))
    return max(strengths)


def _tell(
    image: NDArray[np.floating[Any]], unknown: NDArray[np.bool_], hole: NDArray[np.bool_], step: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the squared errors of a line and of a cubic through pixels 1 and 3 steps away, without outliers."""
    known, near = ~unknown, ndimage.maximum_filter(hole, 2 * max(NEAR, 2 * step) + 1) & ~unknown

    def at(x: NDArray[Any], offset: int) -> NDArray[Any]:
        return x[..., (3 + offset) * step : x.shape[-1] - (3 - offset) * step]

    lines, cubics = [], []
    for values, given, wanted in ((image, known, near), (image.swapaxes(1, 2), known.T, near.T)):
        if values.shape[-1] <= 6 * step:
            continue
        told = np.logical_and.reduce([at(wanted, 0), *(at(given, offset) for offset in (-3, -1, 1, 3))])
        before, left, truth, right, after = (
            at(values, offset)[:, told].astype(np.float64) for offset in (-3, -1, 0, 1, 3)
        )
        lines.append(np.square((left + right) / 2 - truth).ravel())
        cubics.append(np.square((9 * (left + right) - (before + after)) / 16 - truth).ravel())
    if not lines:
        return np.empty(0), np.empty(0)
    line, cubic = np.concatenate(lines), np.concatenate(cubics)
    usual = np.argsort(np.maximum(line, cubic))[: int(np.ceil((1 - OUTLIERS) * len(line)))]
    return line[usual], cubic[usual]


def _stencils_at(
    unknown: NDArray[np.bool_], void: NDArray[np.bool_] | None
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float64]]]:
    """Yield the pixels, (places, corners), of every stencil's places that touch an unknown one, and its weights."""
    height, width = unknown.shape
    for offsets, weights in STENCILS:
        down, right = (max(offset[axis] for offset in offsets) for axis in (0, 1))
        if down >= height or right >= width:
            continue
        touched, ended = np.zeros((2, height - down, width - right), bool)
        for dy, dx in offsets:
            touched |= unknown[dy : dy + height - down, dx : dx + width - right]
            if void is not None:
                ended |= void[dy : dy + height - down, dx : dx + width - right]
        y, x = np.nonzero(touched & ~ended)
        yield np.stack([(y + dy) * width + x + dx for dy, dx in offsets], 1), np.array(weights)
