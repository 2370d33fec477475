"""An array, and changes that are kept beside it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """Elements of a part of an array, before and after."""

    part: tuple[slice, ...]
    """Where, one slice for every axis."""
    before: NDArray[Any]
    after: NDArray[Any]
    changed: NDArray[np.bool_]
    """Of the part's shape: other elements are left alone."""


class Overlay:
    """Takes what is written to an array, and leaves the array as it is.

    `Inpainter.fill` fills it in place; reads show the array without the changes. So a fill can be cancelled, applied to
    a copy, written into the array itself and taken back, or seen through a lazy array.

    Parameters
    ----------
    array
        numpy or dask.

    Attributes
    ----------
    changes : list of Change
        In the order in which they were written.
    """

    def __init__(self, array: Any) -> None:
        self.array = array
        self.shape, self.dtype, self.ndim = tuple(array.shape), np.dtype(array.dtype), len(array.shape)
        self.chunks = self.shape  # tells that it is read part by part
        self.changes: list[Change] = []
        self._read: tuple[Any, NDArray[Any]] | None = None

    def __getitem__(self, index: Any) -> NDArray[Any]:
        block = np.array(self.array[index])
        self._read = index, block
        return block.copy()

    def __setitem__(self, index: tuple[int | slice, ...], values: NDArray[Any]) -> None:
        part = tuple(
            slice(*each.indices(length)) if isinstance(each, slice) else slice(each, each + 1)
            for each, length in zip(index, self.shape, strict=True)
        )
        # what the engine writes it has read right before; a lazy array is not computed again
        read = self._read[1] if self._read is not None and self._read[0] == index else np.array(self.array[part])
        after = np.asarray(values, self.dtype).reshape([each.stop - each.start for each in part])
        before = read.reshape(after.shape)
        self.changes.append(Change(part, before, after, ~_equal(before, after)))

    def to_changed(self) -> Any:
        """Return the array with its changes: a copy of a numpy array, in its order of axes; else as `to_dask`."""
        if not isinstance(self.array, np.ndarray):
            return self.to_dask()
        copy = self.array.copy(order="K")
        write(self.changes, copy)
        return copy

    def to_dask(self) -> Any:
        """Return the array with its changes as a dask array of the same chunks."""
        import dask.array as da

        lazy = self.array if isinstance(self.array, da.Array) else da.from_array(self.array, name=False)
        if not self.changes:
            return lazy
        placed = _by_chunk(self.changes, lazy.chunks)
        return da.map_blocks(_change_block, lazy, placed=placed, dtype=lazy.dtype, meta=lazy._meta)


def write(changes: Iterable[Change], array: NDArray[Any]) -> tuple[list[Change], list[Change]]:
    """Write changes into an array, where it still holds what was there before.

    Returns
    -------
    written, left
        What was changed, and what was not because the array holds something else there by now.
    """
    written, left = [], []
    for change in changes:
        here = array[change.part]
        same = _equal(here, change.before) & change.changed
        np.copyto(here, change.after, where=same)
        written.append(replace(change, changed=same))
        other = change.changed & ~same
        if other.any():
            left.append(replace(change, changed=other))
    return written, left


def reverse(changes: Sequence[Change]) -> list[Change]:
    """Return the changes that take these back."""
    return [replace(change, before=change.after, after=change.before) for change in reversed(changes)]


def _equal(one: NDArray[Any], other: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which elements are equal; NaN is equal to NaN."""
    equal = one == other
    if one.dtype.kind == "f":
        equal |= np.isnan(one) & np.isnan(other)
    return np.asarray(equal)


def _by_chunk(
    changes: Iterable[Change], chunks: Sequence[Sequence[int]]
) -> dict[tuple[int, ...], list[tuple[Change, tuple[int, ...]]]]:
    """Return the changes that every chunk sees, and where the chunk begins."""
    starts = [np.cumsum([0, *lengths[:-1]]) for lengths in chunks]
    placed: dict[tuple[int, ...], list[tuple[Change, tuple[int, ...]]]] = {}
    for change in changes:
        cells = (
            range(np.searchsorted(start, part.start, "right") - 1, np.searchsorted(start, part.stop))
            for start, part in zip(starts, change.part, strict=True)
        )
        for cell in itertools.product(*cells):
            origin = tuple(int(start[i]) for start, i in zip(starts, cell, strict=True))
            placed.setdefault(cell, []).append((change, origin))
    return placed


def _change_block(
    block: NDArray[Any], *, placed: Mapping[tuple[int, ...], Any], block_id: tuple[int, ...]
) -> NDArray[Any]:
    if block_id not in placed:
        return block
    result = np.array(block)
    for change, origin in placed[block_id]:
        here, there = [], []
        for part, start, length in zip(change.part, origin, result.shape, strict=True):
            low, high = max(part.start, start), min(part.stop, start + length)
            here.append(slice(low - start, high - start))
            there.append(slice(low - part.start, high - part.start))
        inside = tuple(there)
        np.copyto(result[tuple(here)], change.after[inside], where=change.changed[inside])
    return result
