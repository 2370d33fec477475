"""What a fill changes, and where it goes: into a copy, a lazy array, another array, or the image itself."""

from __future__ import annotations

import itertools
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_inpaint.inference.cancelling import stop_if
from napari_inpaint.inference.inputs.arrays import is_elsewhere, is_mapped
from napari_inpaint.inference.inputs.planes import Planes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_inpaint.inference.cancelling import Event
    from napari_inpaint.inference.inputs.boxes import Box

    Cell = tuple[int, ...]
    """Index of a chunk, along every axis."""
    Starts = tuple[NDArray[np.int64], ...]
    """Where the chunks begin, along every axis."""

BAND = 1 << 26
"""Bytes that are copied at once to an array that has no chunks."""


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """What a fill changes in one plane."""

    plane: tuple[int, ...]
    """Index of the plane in the leading axes."""
    box: Box
    """Where it lies in the plane."""
    channels: slice
    mask: NDArray[np.bool_]
    """(h, w, 1), or (h, w, channels): True where pixels are filled."""
    before: NDArray[Any]
    """(h, w, channels): the image's pixels when it was filled."""
    pixels: NDArray[Any]
    """(h, w, channels): the filled pixels; what the mask leaves out means nothing."""

    def reverse(self) -> Patch:
        """Return the patch that takes this one back."""
        return replace(self, before=self.pixels, pixels=self.before)


def to_copy(source: Planes, patches: Sequence[Patch]) -> Any:
    """Return a filled copy, in the source's order of axes; of an array that is not in memory a dask array."""
    if is_elsewhere(source.array):
        return to_lazy(source, patches)
    filled = source.array.copy("K")
    apply(patches, Planes(filled, source.channel_axis))
    return filled


def to_lazy(source: Planes, patches: Sequence[Patch]) -> Any:
    """Return a dask array, of the source's chunks, or bands of a mapped file, that shows it with its patches."""
    import dask.array as da

    array = source.array
    if is_mapped(array):
        lazy = da.from_array(_Copies(array), _to_bands(array), name=False)
    else:
        lazy = array if isinstance(array, da.Array) else da.from_array(array, name=False)  # hashing takes seconds
    if not patches:
        return lazy
    starts = tuple(np.cumsum([0, *lengths[:-1]]) for lengths in lazy.chunks)
    return da.map_blocks(
        _fill_chunk, lazy, placed=place(patches, source, starts), starts=starts, channel_axis=source.channel_axis,
        dtype=lazy.dtype, meta=lazy._meta,
    )  # fmt: skip


def copy_into(out: Any, source: Planes, patches: Sequence[Patch], cancel: Event | None = None) -> None:
    """Write an image with its patches into another array of its shape and dtype, every chunk once.

    Raises
    ------
    FillCancelledError
        When ``cancel`` is set; it is looked at before every chunk.
    """
    chunks = _chunks_of(out) or _to_bands(out)
    starts = _to_starts(out.shape, chunks)
    placed = place(patches, source, starts)
    for cell in np.ndindex(*map(len, starts)):
        stop_if(cancel)
        index = _slices_of(cell, starts, out.shape)
        block = np.asarray(source.array[index])
        if cell in placed:
            block = block.copy()
            apply(placed[cell], Planes(block, source.channel_axis), [part.start for part in index])
        out[index] = block


def fill_in_place(target: Planes, patches: Sequence[Patch]) -> None:
    """Write patches into the image itself: only what they touch; when that fails, what was written is taken back."""
    array = target.array
    if isinstance(array, np.ndarray):
        apply(patches, target)
        return
    chunks = _chunks_of(array)
    if chunks is None:
        regions = [(target.locate(patch.plane, patch.box, patch.channels), [patch]) for patch in patches]
    else:
        starts = _to_starts(array.shape, chunks)
        placed = place(patches, target, starts)
        regions = [
            (_touched(_slices_of(cell, starts, array.shape), target, members), members)
            for cell, members in placed.items()
        ]
    written = 0
    try:
        for index, members in regions:
            written += 1
            _write_region(target, index, members)
    except BaseException:
        for index, members in reversed(regions[:written]):
            _write_region(target, index, [patch.reverse() for patch in reversed(members)])
        raise


def keep_mask(filled: Any, image: Any, source: Planes, patches: Sequence[Patch]) -> Any:
    """Return a filled masked array: what is filled is valid, and the rest as it was in the image.

    Parameters
    ----------
    filled
        What `to_copy` returned, or an array that the caller gave: that stays what it is, and gets a mask if it can.
    """
    mask = np.ma.getmaskarray(image).copy()
    planes = Planes(mask, source.channel_axis)
    for patch in patches:
        np.copyto(planes.read(patch.plane, patch.box)[..., patch.channels], False, where=patch.mask)
    if isinstance(filled, np.ma.MaskedArray):
        is_hard = filled.hardmask
        filled.soften_mask()
        filled.mask = mask
        if is_hard:
            filled.harden_mask()
        return filled
    return np.ma.MaskedArray(filled, mask, fill_value=image.fill_value)


def apply(patches: Iterable[Patch], block: Planes, origin: Sequence[int] | None = None) -> None:
    """Write the parts of patches that lie in a block of an image, an array in memory.

    Parameters
    ----------
    patches
    block
        Is changed.
    origin
        Where the block begins in the image, along every axis; at its beginning when it is None.
    """
    for patch in patches:
        here, there = [], []
        where = block.locate(patch.plane, patch.box, patch.channels)
        for part, start, length in zip(where, origin or (0,) * len(where), block.array.shape, strict=True):
            low, high = max(part.start, start), min(part.stop, start + length)
            here.append(slice(low - start, high - start))
            there.append(slice(low - part.start, high - part.start))
        pixels = block.to_axes(patch.pixels)[tuple(there)]
        mask = block.to_axes(np.broadcast_to(patch.mask, patch.pixels.shape))[tuple(there)]
        np.copyto(block.array[tuple(here)], pixels, where=mask)


def place(patches: Iterable[Patch], source: Planes, starts: Starts) -> dict[Cell, list[Patch]]:
    """Return the patches that every chunk shows, by the chunk's index."""
    placed: dict[Cell, list[Patch]] = defaultdict(list)
    for patch in patches:
        where = source.locate(patch.plane, patch.box, patch.channels)
        cells = (
            range(int(np.searchsorted(start, part.start, "right")) - 1, int(np.searchsorted(start, part.stop)))
            for start, part in zip(starts, where, strict=True)
        )
        for cell in itertools.product(*cells):
            placed[cell].append(patch)
    return dict(placed)


class _Copies:
    """A mapped file of which dask gets copies: else it would read a small one at once, and hand out the file itself."""

    def __init__(self, mapped: NDArray[Any]) -> None:
        self.mapped, self.shape, self.ndim, self.dtype = mapped, mapped.shape, mapped.ndim, mapped.dtype

    def __getitem__(self, index: Any) -> NDArray[Any]:
        return np.array(self.mapped[index])


def _touched(chunk: tuple[slice, ...], target: Planes, patches: Sequence[Patch]) -> tuple[slice, ...]:
    """Return the smallest part of a chunk that holds all patches in it."""
    places = zip(*(target.locate(patch.plane, patch.box, patch.channels) for patch in patches), strict=True)
    return tuple(
        slice(max(part.start, min(each.start for each in along)), min(part.stop, max(each.stop for each in along)))
        for part, along in zip(chunk, places, strict=True)
    )


def _write_region(target: Planes, index: tuple[slice, ...], patches: Sequence[Patch]) -> None:
    block = np.array(target.array[index])
    apply(patches, Planes(block, target.channel_axis), [part.start for part in index])
    target.array[index] = block


def _fill_chunk(
    block: NDArray[Any], *, placed: Mapping[Cell, Sequence[Patch]], starts: Starts, channel_axis: int | None,
    block_id: Cell,
) -> NDArray[Any]:  # fmt: skip
    if block_id not in placed:
        return block
    filled = np.array(block)
    origin = [int(start[i]) for start, i in zip(starts, block_id, strict=True)]
    apply(placed[block_id], Planes(filled, channel_axis), origin)
    return filled


def _chunks_of(array: Any) -> tuple[int, ...] | None:
    """Return the shape of what is written at once; None when there is no such shape."""
    return getattr(array, "shards", None) or getattr(array, "chunks", None)


def _to_bands(array: Any) -> tuple[int, ...]:
    """Return the shape of parts of about `BAND` bytes."""
    chunks, left = [], max(1, BAND // np.dtype(array.dtype).itemsize)
    for length in reversed(array.shape):
        chunks.append(max(1, min(length, left)))
        left //= chunks[-1]
    return tuple(reversed(chunks))


def _to_starts(shape: Sequence[int], chunks: Sequence[int]) -> Starts:
    return tuple(np.arange(0, length, step) for length, step in zip(shape, chunks, strict=True))


def _slices_of(cell: Cell, starts: Starts, shape: Sequence[int]) -> tuple[slice, ...]:
    """Return the index of a chunk in its array."""
    return tuple(
        slice(int(start[i]), int(start[i + 1]) if i + 1 < len(start) else length)
        for i, start, length in zip(cell, starts, shape, strict=True)
    )
