"""Seams: the fill meets the known pixels, and stays among them.

The completion meets the known pixels with a small error. The correction is the harmonic function (a membrane) that
takes this error on the rim, so the sum meets them exactly and keeps the completion's texture (Pérez, Gangnet, Blake:
Poisson Image Editing, 2003, equation 4). Without a completion the membrane alone is the smoothest fill.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import fft, sparse
from scipy.sparse import linalg

from napari_inpaint.inference.boxes import Box
from napari_inpaint.inference.pullpush import pullpush_fill

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_inpaint.inference.tensors import Context

LARGEST_EXACT = 150_000
"""Unknown pixels that are solved directly, in about a second; more are solved by iteration."""
ITERATIONS = 60
SMALLEST_RECTANGLE = 1024
"""Pixels of a rectangle that is solved by itself; smaller holes are solved together."""
ENOUGH = 0.5, 16
"""A window whose slope counts has at least this share of known pixels, and this many of them."""
MARGIN = 16
"""Unknown pixels this near to a hole, the other pieces of a divided one, are solved with it, so that they agree."""


def correct(
    completion: NDArray[np.floating[Any]],
    image: NDArray[np.floating[Any]],
    unknown: NDArray[np.bool_],
    boxes: Sequence[Box],
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
        if area >= SMALLEST_RECTANGLE and np.count_nonzero(unknown[box.slices]) == area == np.count_nonzero(
            unknown[around]
        ):
            corrected[:, *box.slices] += _rectangle_membrane(image, completion, box)
            rest[box.slices] = False
        else:
            reach[box.widen(MARGIN, height, width).slices] = True
    rest &= reach
    if rest.any():
        rows, columns = (np.flatnonzero(rest.any(axis)) for axis in (1, 0))
        box = Box(int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1).widen(1, height, width)
        error = (image[:, *box.slices] - completion[:, *box.slices]).astype(np.float64)
        corrected[:, *box.slices] += _membrane(error, rest[box.slices], ~unknown[box.slices]).astype(image.dtype)
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
    y, x = context.y.mean(), context.x.mean()
    basis = np.stack([np.ones(len(context.y)), context.y - y, context.x - x])
    if context.share < ENOUGH[0] or len(context.y) < ENOUGH[1]:
        basis[1:] = 0  # too few to tell a slope
    known = image[:, context.y, context.x].astype(np.float64)
    # the pseudo-inverse takes 0 for a slope that cannot be told, as that along y in a window of one row
    plane = known @ basis.T @ np.linalg.pinv(basis @ basis.T, rcond=1e-10, hermitian=True)
    deviation = known - plane @ basis
    below, above = (limit(deviation, 1)[:, None, None].astype(image.dtype) for limit in (np.min, np.max))
    level, down, right = plane.T[:, :, None, None].astype(image.dtype)
    rows, columns = (np.arange(box.y0, box.y1) - y)[:, None], np.arange(box.x0, box.x1) - x
    there = level + down * rows.astype(image.dtype) + right * columns.astype(image.dtype)
    low = np.maximum(there + below, np.minimum(there, 0))
    high = np.minimum(there + above, np.maximum(there, 1))
    return np.asarray(np.clip(filled, low, high))


def _membrane(error: NDArray[np.float64], unknown: NDArray[np.bool_], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Solve the Laplace equation on some pixels; no flux except from and to known ones.

    Parameters
    ----------
    error : float64 array of shape (C, H, W)
        Boundary values on the known pixels.
    unknown, known : bool array of shape (H, W)
        Pixels to be solved, and pixels with boundary values.

    Returns
    -------
    float64 array of shape (C, H, W)
        0 on the known pixels, and where no known pixel is in reach.
    """
    count = int(np.count_nonzero(unknown))
    number = np.where(unknown, np.cumsum(unknown).reshape(unknown.shape) - 1, -1)
    neighbours, boundary, pairs = np.zeros(count), np.zeros((len(error), count)), []
    lower, upper = (np.s_[:-1, :], np.s_[:, :-1]), (np.s_[1:, :], np.s_[:, 1:])
    for here, there in zip((*lower, *upper), (*upper, *lower), strict=True):
        own, other = number[here], number[there]
        solved = (own >= 0) & (other >= 0)
        neighbours[own[solved]] += 1
        pairs.append((own[solved], other[solved]))
        given = (own >= 0) & known[there]
        neighbours[own[given]] += 1
        boundary[:, own[given]] += error[:, *there][:, given]
    rows, columns = (np.concatenate(side) for side in zip(*pairs, strict=True))
    # a trace on the diagonal: what touches no known pixel has no solution of its own, and takes 0
    diagonal = sparse.diags_array(neighbours + 1e-12, format="csc")
    matrix = diagonal - sparse.csc_array((np.ones(len(rows)), (rows, columns)), shape=(count, count))
    if count <= LARGEST_EXACT:
        factors = linalg.splu(
            matrix.tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0, options={"SymmetricMode": True}
        )
        solution = factors.solve(boundary.T).T
    else:
        start = pullpush_fill(error.astype(np.float32), ~known)[:, unknown]
        solution = np.stack([
            linalg.cg(matrix.tocsr(), b, x0, rtol=1e-4, maxiter=ITERATIONS)[0]
            for b, x0 in zip(boundary, start.astype(np.float64), strict=True)
        ])  # fmt: skip
    membrane = np.zeros_like(error)
    membrane[:, unknown] = solution
    return membrane


def _rectangle_membrane(
    image: NDArray[np.floating[Any]], completion: NDArray[np.floating[Any]], box: Box
) -> NDArray[np.floating[Any]]:
    """Solve the Laplace equation in a rectangle: the rim's error around it, no flux through the window's edges."""
    channels, height, width = image.shape
    right_side = np.zeros((channels, box.height, box.width), image.dtype)
    y, x = box.slices

    def error(rows: slice | int, columns: slice | int) -> NDArray[np.floating[Any]]:
        return image[:, rows, columns] - completion[:, rows, columns]

    top, bottom, left, right = box.y0 > 0, box.y1 < height, box.x0 > 0, box.x1 < width
    if top:
        right_side[:, 0, :] += error(box.y0 - 1, x)
    if bottom:
        right_side[:, -1, :] += error(box.y1, x)
    if left:
        right_side[:, :, 0] += error(y, box.x0 - 1)
    if right:
        right_side[:, :, -1] += error(y, box.x1)
    if not (top or bottom or left or right):
        return right_side
    return _solve_poisson(right_side, (top, bottom), (left, right))


def _solve_poisson(
    right_side: NDArray[np.floating[Any]], rows: tuple[bool, bool], columns: tuple[bool, bool]
) -> NDArray[np.floating[Any]]:
    """Solve 4 u - (sum of the four neighbours) = ``right_side`` in a rectangle.

    Parameters
    ----------
    right_side : float array of shape (C, h, w)
    rows, columns
        For the first and the last row (column): whether u is 0 beyond it (True), or mirrored (False).
    """
    eigenvalues = []
    for axis, (first, last) in ((1, rows), (2, columns)):
        # Mirrored on one side only: solve on the mirrored rectangle, whose two ends are alike.
        if first != last:
            mirrored = np.flip(right_side, axis)
            right_side = np.concatenate([right_side, mirrored] if first else [mirrored, right_side], axis)
        size = right_side.shape[axis]
        modes = np.arange(1, size + 1) / (size + 1) if first or last else np.arange(size) / size
        eigenvalues.append(2 - 2 * np.cos(np.pi * modes))
        right_side = _transform(right_side, axis, first or last, inverse=False)
    u = right_side / (eigenvalues[0][:, None] + eigenvalues[1]).astype(right_side.dtype)
    for axis, (first, last) in ((1, rows), (2, columns)):
        u = _transform(u, axis, first or last, inverse=True)
        if first != last:
            u = np.split(u, 2, axis)[0 if first else 1]
    return np.asarray(u)


def _transform(x: NDArray[np.floating[Any]], axis: int, sine: bool, inverse: bool) -> NDArray[np.floating[Any]]:
    if sine:
        result = (fft.idst if inverse else fft.dst)(x, type=1, axis=axis, norm="ortho")
    else:
        result = (fft.idct if inverse else fft.dct)(x, type=2, axis=axis, norm="ortho")
    return np.asarray(result)
