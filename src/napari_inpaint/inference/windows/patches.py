"""Where fills go: into an array at once, or kept until the whole image is copied."""

from __future__ import annotations

import itertools
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from napari_inpaint.inference.inputs.boxes import Box

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_inpaint.inference.inputs.planes import Planes

BAND = 1 << 26
"""Bytes that are copied at once to an array that has no chunks."""


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """The pixels of a part of a plane, some of which are filled."""

    plane: tuple[int, ...]
    box: Box
    group: slice
    """Channels."""
    pixels: NDArray[Any]
    """(h, w, channels)."""
    mask: NDArray[np.bool_]
    """(h, w), True where they are filled."""


class Target(Protocol):
    """What takes patches."""

    def put(self, patch: Patch) -> None:
        """Take the filled pixels of a patch."""
        ...

    def undo(self) -> None:
        """Forget all patches."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class InPlace:
    """Writes patches at once, and can take them back."""

    result: Planes
    before: list[Patch] = field(default_factory=list)

    def put(self, patch: Patch) -> None:
        """Write the filled pixels of a patch."""
        block = self.result.read(patch.plane, patch.box)
        self.before.append(Patch(patch.plane, patch.box, patch.group, block[..., patch.group].copy(), patch.mask))
        np.copyto(block[..., patch.group], patch.pixels, where=patch.mask[..., None])
        self.result.write(patch.plane, patch.box, block)

    def undo(self) -> None:
        """Write back what was there."""
        for patch in reversed(self.before):
            block = self.result.read(patch.plane, patch.box)
            np.copyto(block[..., patch.group], patch.pixels, where=patch.mask[..., None])
            self.result.write(patch.plane, patch.box, block)


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """Keeps patches in memory until the image is copied, so that every chunk of a target is written once."""

    source: Planes
    patches: list[Patch] = field(default_factory=list)

    def put(self, patch: Patch) -> None:
        """Keep a patch."""
        self.patches.append(patch)

    def undo(self) -> None:
        """Forget all patches."""
        self.patches.clear()

    def copy_to(self, out: Any, check: Callable[[], None]) -> None:
        """Write the image with its patches, one chunk of the target after another.

        Parameters
        ----------
        out
            An array of the source's shape and dtype.
        check
            Called before every chunk; raises to stop.
        """
        axis = self.source.channel_axis
        chunks = [*(getattr(out, "shards", None) or getattr(out, "chunks", None) or _bands(out))]
        if axis is not None:
            chunks[axis] = out.shape[axis]
        spatial = [i for i in range(len(chunks)) if i != axis]
        places: dict[tuple[int, ...], list[Patch]] = defaultdict(list)
        for patch in self.patches:
            ranges = (*(range(i, i + 1) for i in patch.plane), range(*patch.box[0::2]), range(*patch.box[1::2]))
            cells = (
                range(span[0] // chunks[i], span[-1] // chunks[i] + 1) for i, span in zip(spatial, ranges, strict=True)
            )
            for cell in itertools.product(*cells):
                places[cell].append(patch)
        for starts in itertools.product(*(range(0, n, step) for n, step in zip(out.shape, chunks, strict=True))):
            check()
            index = tuple(slice(start, start + step) for start, step in zip(starts, chunks, strict=True))
            block = np.asarray(self.source.array[index])
            mine = places.get(tuple(starts[i] // chunks[i] for i in spatial))
            if mine:
                block = block.copy()
                view = self.source.like(block)
                origin = [starts[i] for i in spatial]
                for patch in mine:
                    _apply(patch, view, origin)
            out[index] = block


def _apply(patch: Patch, chunk: Planes, origin: list[int]) -> None:
    """Write the part of a patch that lies in a chunk, which begins at ``origin``: (..., y, x)."""
    *leading, y, x = origin
    height, width = chunk.shape[-3:-1]
    box = patch.box
    inside = Box(max(box.y0, y), max(box.x0, x), min(box.y1, y + height), min(box.x1, x + width))
    part = inside.shift(-box.y0, -box.x0).slices
    plane = tuple(index - start for index, start in zip(patch.plane, leading, strict=True))
    block = chunk.read(plane, inside.shift(-y, -x))  # a view
    np.copyto(block[..., patch.group], patch.pixels[part], where=patch.mask[part][..., None])


def _bands(array: Any) -> tuple[int, ...]:
    """Return the shape of parts of about `BAND` bytes."""
    chunks, left = [], max(1, BAND // np.dtype(array.dtype).itemsize)
    for length in reversed(array.shape):
        chunks.append(max(1, min(length, left)))
        left //= chunks[-1]
    return tuple(reversed(chunks))
