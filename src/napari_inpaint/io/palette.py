"""Pixels that are numbers of colours in a palette: what they show, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.spatial import cKDTree

if TYPE_CHECKING:
    from numpy.typing import NDArray


def to_colours(indices: NDArray[Any], palette: NDArray[Any]) -> NDArray[Any]:
    """Return what pixels show.

    Parameters
    ----------
    indices
        (..., H, W), integers.
    palette
        (N, 3 or 4), uint8 or uint16; numbers behind its end show black.

    Returns
    -------
    numpy.ndarray
        (..., H, W, 3 or 4), of the palette's dtype.
    """
    missing = max(int(indices.max(initial=0)) + 1 - len(palette), 0)
    black = np.zeros((missing, palette.shape[1]), palette.dtype)
    if palette.shape[1] == 4:
        black[:, 3] = np.iinfo(palette.dtype).max
    return np.asarray(np.concatenate([palette, black])[indices])


def to_indices(indices: NDArray[Any], before: NDArray[Any], after: NDArray[Any], palette: NDArray[Any]) -> NDArray[Any]:
    """Return the numbers of colours that were changed: where nothing changed they are what they were.

    Parameters
    ----------
    indices
        (..., H, W): the numbers before.
    before, after
        (..., H, W, C): what they showed, and what they are to show.
    palette
        (N, C): of its colours the nearest one is taken.

    Returns
    -------
    numpy.ndarray
        Of the indices' shape and dtype.
    """
    changed = (before != after).any(-1)
    result = indices.copy()
    if changed.any():
        result[changed] = cKDTree(palette).query(after[changed])[1]
    return result


def unpack_rows(rows: NDArray[np.uint8], width: int, bits: int) -> NDArray[np.uint8]:
    """Return numbers of 1, 2, 4 or 8 bits, one a byte, of rows that are packed."""
    single = np.unpackbits(rows, axis=1).reshape(len(rows), -1, bits)[:, :width]
    return np.right_shift(np.packbits(single, axis=-1)[..., 0], np.uint8(8 - bits))


def pack_rows(indices: NDArray[np.uint8], bits: int) -> NDArray[np.uint8]:
    """Return rows of numbers, (H, W), packed with as many bits; what remains of the last byte is 0."""
    single = np.unpackbits(indices[..., None], axis=-1)[..., 8 - bits :]
    return np.packbits(single.reshape(len(indices), -1), axis=1)
