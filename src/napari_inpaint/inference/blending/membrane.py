"""Membranes: the Laplace equation on some pixels of a window, with given values on their known neighbours.

Rectangles have an exact solution by sine and cosine transforms, few pixels a direct one; many are solved by conjugate
gradients with a multigrid preconditioner, whose cost is proportional to the number of pixels (Trottenberg, Oosterlee,
Schüller: Multigrid, 2001, sections 2.4 and 7.8).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import fft, sparse
from scipy.sparse import linalg

from napari_inpaint.inference.cancelling import stop_if

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_inpaint.inference.cancelling import Event
    from napari_inpaint.inference.inputs.boxes import Box

MOST_DIRECT = 3000
"""Pixels up to which a direct solution is the quickest."""
TOLERANCE = 2e-4
"""Of the iteration: a twentieth of a grey level, where the intensity range is that of 8 bits."""
MOST_ITERATIONS = 60
DAMPING = 0.8


def solve(
    error: NDArray[np.floating[Any]], unknown: NDArray[np.bool_], known: NDArray[np.bool_],
    cancel: Event | None = None,
) -> NDArray[Any]:  # fmt: skip
    """Solve the equation on any pixels; no flux except from and to known ones.

    Parameters
    ----------
    error : float array of shape (C, H, W)
        Given values on the known pixels; elsewhere they do not matter.
    unknown, known : bool array of shape (H, W)
        Pixels to be solved, and pixels with given values.
    cancel
        As `Inpainter.fill`; it is looked at before every iteration.

    Returns
    -------
    float array of shape (C, H, W)
        0 on all other pixels, and where no known pixel is in reach.
    """
    return solve_given(_add_neighbours(np.where(known, error, 0)) * unknown, unknown, known, cancel)


def solve_given(
    given: NDArray[np.floating[Any]], unknown: NDArray[np.bool_], known: NDArray[np.bool_],
    cancel: Event | None = None,
) -> NDArray[Any]:  # fmt: skip
    """Solve (number of neighbours) u - (sum of the neighbours of u) = ``given``, where u is 0 on known pixels.

    Parameters
    ----------
    given : float array of shape (C, H, W)
        0 on all other pixels than the unknown ones. Is changed.
    unknown, known, cancel
        As `solve`.

    Returns
    -------
    float array of shape (C, H, W)
        0 on all other pixels, and where no known pixel is in reach.
    """
    finest = _finest(unknown, known, given.dtype)
    if np.count_nonzero(unknown) <= MOST_DIRECT:
        return _solve_directly(finest, given, unknown)
    rows, columns = (np.flatnonzero(unknown.any(axis)) for axis in (1, 0))
    inside = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    sides = _find_sides(known, *inside) if unknown[inside].all() else None
    if sides is not None:
        result = np.zeros_like(given)
        result[:, *inside] = _solve_by_transform(given[:, *inside], *sides)
        return result
    return _solve_by_multigrid(finest, given, cancel)


def _find_sides(
    known: NDArray[np.bool_], rows: slice, columns: slice
) -> tuple[tuple[bool, bool], tuple[bool, bool]] | None:
    """Return which sides of a rectangle meet known pixels, and none of which some; None when a side meets both kinds.

    First those of its first and last row, then of its columns. None also when no side meets any.
    """
    sides = []
    for line, length, part in ((rows, known.shape[0], columns), (columns, known.shape[1], rows)):
        across = known if line is rows else known.T
        for beyond in (line.start - 1, line.stop):
            met = across[beyond, part] if 0 <= beyond < length else np.zeros(1, bool)
            if met.any() != met.all():
                return None
            sides.append(bool(met.all()))
    top, bottom, left, right = sides
    return ((top, bottom), (left, right)) if any(sides) else None


class _Level:
    """The equation ``diagonal * u - (weighted sum of the neighbours of u) = given`` on one grid.

    Parameters
    ----------
    right, down : float array of shape (h, w)
        Weights between a cell and its right or lower neighbour; 0 in the last column or row.
    fixed : float array of shape (h, w)
        Weights between a cell and its known neighbours.
    """

    def __init__(self, right: NDArray[Any], down: NDArray[Any], fixed: NDArray[Any]) -> None:
        self.right, self.down, self.fixed = right, down, fixed
        diagonal = fixed + right + down
        diagonal[:, 1:] += right[:, :-1]
        diagonal[1:] += down[:-1]
        self.diagonal = diagonal
        self.inverse = np.divide(1, self.diagonal, out=np.zeros_like(diagonal), where=diagonal > 0)

    def apply(self, u: NDArray[Any]) -> NDArray[Any]:
        result: NDArray[Any] = self.diagonal * u
        result[..., :, 1:] -= self.right[:, :-1] * u[..., :, :-1]
        result[..., :, :-1] -= self.right[:, :-1] * u[..., :, 1:]
        result[..., 1:, :] -= self.down[:-1] * u[..., :-1, :]
        result[..., :-1, :] -= self.down[:-1] * u[..., 1:, :]
        return result

    def coarser(self) -> _Level:
        """Return the equation on cells of 2 x 2: a flux twice as wide, over twice the distance."""
        right, down = _even(self.right), _even(self.down)
        right, down = right[0::2, 1::2] + right[1::2, 1::2], down[1::2, 0::2] + down[1::2, 1::2]
        return _Level(right / 2, down / 2, _pool(self.fixed) / 2)


def _finest(unknown: NDArray[np.bool_], known: NDArray[np.bool_], dtype: Any) -> _Level:
    right, down = np.zeros(unknown.shape, dtype), np.zeros(unknown.shape, dtype)
    right[:, :-1] = unknown[:, :-1] & unknown[:, 1:]
    down[:-1] = unknown[:-1] & unknown[1:]
    return _Level(right, down, _add_neighbours(known.astype(dtype)) * unknown)


def _add_neighbours(x: NDArray[Any]) -> NDArray[Any]:
    total = np.zeros_like(x)
    total[..., :, 1:] += x[..., :, :-1]
    total[..., :, :-1] += x[..., :, 1:]
    total[..., 1:, :] += x[..., :-1, :]
    total[..., :-1, :] += x[..., 1:, :]
    return total


def _solve_directly(finest: _Level, given: NDArray[Any], unknown: NDArray[np.bool_]) -> NDArray[Any]:
    count = int(np.count_nonzero(unknown))
    number = np.where(unknown, np.cumsum(unknown).reshape(unknown.shape) - 1, -1)
    pairs = [(number[:, :-1][joined], number[:, 1:][joined]) for joined in [finest.right[:, :-1] > 0]]
    pairs += [(number[:-1][joined], number[1:][joined]) for joined in [finest.down[:-1] > 0]]
    one, other = (np.concatenate(side) for side in zip(*pairs, strict=True))
    ends = np.append(one, other), np.append(other, one)
    diagonal = finest.diagonal[unknown].astype(np.float64) + 1e-12  # what touches no known pixel takes 0
    matrix = sparse.diags_array(diagonal) - sparse.coo_array((np.ones(len(ends[0])), ends), shape=(count, count))
    factors = linalg.splu(
        matrix.tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0, options={"SymmetricMode": True}
    )
    result = np.zeros_like(given)
    result[:, unknown] = factors.solve(given[:, unknown].astype(np.float64).T).T
    return result


def _solve_by_multigrid(finest: _Level, given: NDArray[Any], cancel: Event | None) -> NDArray[Any]:
    """Conjugate gradients for every channel at once; each iteration is one cycle through the grids."""
    grids = [finest]
    while max(grids[-1].diagonal.shape) > 2:
        grids.append(grids[-1].coarser())

    def dot(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(np.einsum("chw,chw->c", a, b)[:, None, None])

    def divide(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(np.divide(a, b, out=np.zeros_like(a), where=b > 0))

    solution, residual = np.zeros_like(given), given
    step = _cycle(grids, residual)
    direction = step.copy()
    power = dot(residual, step)
    for _ in range(MOST_ITERATIONS):
        if np.abs(step).max(initial=0) <= TOLERANCE:
            break
        stop_if(cancel)
        flow = finest.apply(direction)
        share = divide(power, dot(direction, flow))
        solution += share * direction
        flow *= share
        residual -= flow
        step = _cycle(grids, residual)
        before, power = power, dot(residual, step)
        direction *= divide(power, before)
        direction += step
    return solution


def _cycle(grids: list[_Level], given: NDArray[Any]) -> NDArray[Any]:
    """Solve roughly: smooth, correct on the coarser grid, smooth again."""
    grid, *coarser = grids
    damped = np.asarray(DAMPING, given.dtype) * grid.inverse
    u: NDArray[Any] = damped * given
    if coarser:
        correction = _cycle(coarser, _pool(given - grid.apply(u)))
        fine = correction.repeat(2, -2).repeat(2, -1)
        u += fine[..., : u.shape[-2], : u.shape[-1]] * (grid.inverse > 0)
    u += damped * (given - grid.apply(u))
    return u


def _even(x: NDArray[Any]) -> NDArray[Any]:
    pad = [(0, 0)] * (x.ndim - 2) + [(0, length % 2) for length in x.shape[-2:]]
    return np.pad(x, pad) if any(length % 2 for length in x.shape[-2:]) else x


def _pool(x: NDArray[Any]) -> NDArray[Any]:
    x = _even(x)
    return np.asarray(x[..., 0::2, 0::2] + x[..., 1::2, 0::2] + x[..., 0::2, 1::2] + x[..., 1::2, 1::2])


def solve_rectangle(
    image: NDArray[np.floating[Any]], completion: NDArray[np.floating[Any]], box: Box
) -> NDArray[np.floating[Any]]:
    """Solve the equation in a rectangle, all of whose neighbours are known; no flux through the window's edges.

    Parameters
    ----------
    image, completion : float array of shape (C, H, W)
        Their difference is given on the rectangle's rim.
    box
        The rectangle in the window.

    Returns
    -------
    float array of shape (C, box.height, box.width)
    """
    channels, height, width = image.shape
    given = np.zeros((channels, box.height, box.width), image.dtype)
    y, x = box.slices

    def error(rows: slice | int, columns: slice | int) -> NDArray[np.floating[Any]]:
        return image[:, rows, columns] - completion[:, rows, columns]

    top, bottom, left, right = box.y0 > 0, box.y1 < height, box.x0 > 0, box.x1 < width
    if top:
        given[:, 0, :] += error(box.y0 - 1, x)
    if bottom:
        given[:, -1, :] += error(box.y1, x)
    if left:
        given[:, :, 0] += error(y, box.x0 - 1)
    if right:
        given[:, :, -1] += error(y, box.x1)
    if not (top or bottom or left or right):
        return given
    return _solve_by_transform(given, (top, bottom), (left, right))


def _solve_by_transform(
    given: NDArray[np.floating[Any]], rows: tuple[bool, bool], columns: tuple[bool, bool]
) -> NDArray[np.floating[Any]]:
    """Solve 4 u - (sum of the four neighbours) = ``given`` in a rectangle.

    Parameters
    ----------
    given : float array of shape (C, h, w)
    rows, columns
        For the first and the last row (column): whether u is 0 beyond it (True), or mirrored (False).
    """
    eigenvalues = []
    for axis, (first, last) in ((1, rows), (2, columns)):
        # Mirrored on one side only: solve on the mirrored rectangle, whose two ends are alike.
        if first != last:
            mirrored = np.flip(given, axis)
            given = np.concatenate([given, mirrored] if first else [mirrored, given], axis)
        size = given.shape[axis]
        modes = np.arange(1, size + 1) / (size + 1) if first or last else np.arange(size) / size
        eigenvalues.append(2 - 2 * np.cos(np.pi * modes))
        given = _transform(given, axis, first or last, inverse=False)
    u = given / (eigenvalues[0][:, None] + eigenvalues[1]).astype(given.dtype)
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
