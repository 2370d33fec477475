"""Membrane correction: the error on the rim of a hole, diffused into the hole.

The completion meets the known pixels with a small error. The correction is the harmonic function (a membrane) that
takes this error on the rim, so the sum meets them exactly and keeps the completion's texture: exact for rectangles, a
smooth fill from the rim for other shapes (Pérez, Gangnet, Blake: Poisson Image Editing, 2003, equation 4).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import fft, ndimage

from napari_inpaint.inference.pullpush import pullpush_fill

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_inpaint.inference.boxes import Box


def correct(
    completion: NDArray[np.float32],
    image: NDArray[np.float32],
    hole: NDArray[np.bool_],
    box: Box,
    known: NDArray[np.bool_],
) -> NDArray[np.float32]:
    """Return the completion of one hole, corrected so that it meets the known pixels.

    Parameters
    ----------
    completion, image : float32 array of shape (C, H, W)
        A window.
    hole : bool array of shape (H, W)
        One hole.
    box
        Its bounding box in the window.
    known : bool array of shape (H, W)
        Pixels that are in no hole at all.

    Returns
    -------
    float32 array of shape (C, box.height, box.width)
        Outside the hole it means nothing.
    """
    inside = completion[:, *box.slices]
    height, width = hole.shape
    y, x = slice(max(0, box.y0 - 1), min(height, box.y1 + 1)), slice(max(0, box.x0 - 1), min(width, box.x1 + 1))
    rim = ndimage.binary_dilation(hole[y, x]) & ~hole[y, x]
    if hole[box.slices].all() and known[y, x][rim].all():
        return inside + _rectangle_membrane(image, completion, box)
    rim &= known[y, x]
    if not rim.any():
        return inside
    membrane = pullpush_fill(image[:, y, x] - completion[:, y, x], ~rim)
    return inside + membrane[:, box.y0 - y.start : box.y1 - y.start, box.x0 - x.start : box.x1 - x.start]


def _rectangle_membrane(image: NDArray[np.float32], completion: NDArray[np.float32], box: Box) -> NDArray[np.float32]:
    """Solve the Laplace equation in a rectangle: the rim's error around it, no flux through the window's edges."""
    channels, height, width = image.shape
    right_side = np.zeros((channels, box.height, box.width))
    y, x = box.slices

    def error(rows: slice | int, columns: slice | int) -> NDArray[np.float64]:
        return image[:, rows, columns].astype(np.float64) - completion[:, rows, columns]

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
        return right_side.astype(np.float32)
    return _solve_poisson(right_side, (top, bottom), (left, right)).astype(np.float32)


def _solve_poisson(
    right_side: NDArray[np.float64], rows: tuple[bool, bool], columns: tuple[bool, bool]
) -> NDArray[np.float64]:
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
    u = right_side / (eigenvalues[0][:, None] + eigenvalues[1])
    for axis, (first, last) in ((1, rows), (2, columns)):
        u = _transform(u, axis, first or last, inverse=True)
        if first != last:
            u = np.split(u, 2, axis)[0 if first else 1]
    return np.asarray(u)


def _transform(x: NDArray[np.float64], axis: int, sine: bool, inverse: bool) -> NDArray[np.float64]:
    if sine:
        result = (fft.idst if inverse else fft.dst)(x, type=1, axis=axis, norm="ortho")
    else:
        result = (fft.idct if inverse else fft.dct)(x, type=2, axis=axis, norm="ortho")
    return np.asarray(result, np.float64)
