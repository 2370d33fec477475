"""Masks of one's own as holes to train with: read once, and put at random places of crops."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_inpaint.io.formats import FileError
from napari_inpaint.io.images import FORMATS, open_image
from napari_inpaint.io.masks import read_mask
from napari_inpaint.io.zarr import is_zarr

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class HoleMask:
    """A mask with a hole."""

    hole: NDArray[np.bool_]
    """(H, W); what lies beyond it is known."""
    rim: NDArray[np.int32]
    """(S, 2), the rows and columns of the hole's pixels that have a known neighbour."""
    side_min: int
    """The longer side of its smallest connected part, in pixels."""
    side_max: int
    """Of its largest."""

    def place(self, size: int, rng: np.random.Generator) -> NDArray[np.bool_]:
        """Return a part of it, (size, size), with a pixel inside the hole and one outside.

        A pixel of the rim is put at a random place, but for the edge.
        """
        y, x = self.rim[int(rng.integers(len(self.rim)))].tolist()
        top, left = (at - int(rng.integers(1, size - 1)) for at in (y, x))
        part = np.zeros((size, size), bool)
        height, width = self.hole.shape
        y0, x0, y1, x1 = max(top, 0), max(left, 0), min(top + size, height), min(left + size, width)
        part[y0 - top : y1 - top, x0 - left : x1 - left] = self.hole[y0:y1, x0:x1]
        return part


def to_hole_mask(hole: NDArray[np.bool_]) -> HoleMask | None:
    """Return a mask without its known margins; None when it has no hole."""
    if not hole.any():
        return None
    (y0, y1), (x0, x1) = (np.flatnonzero(hole.any(axis))[[0, -1]].tolist() for axis in (1, 0))
    hole = np.ascontiguousarray(hole[y0 : y1 + 1, x0 : x1 + 1])
    rim = np.argwhere(hole & ~ndimage.binary_erosion(hole)).astype(np.int32)
    parts = ndimage.find_objects(ndimage.label(hole, np.ones((3, 3)))[0])
    sides = [max(part.stop - part.start for part in each) for each in parts]
    return HoleMask(hole, rim, min(sides), max(sides))


@functools.cache
def read_masks(folder: str) -> tuple[HoleMask, ...]:
    """Read the masks of a folder, in the order of their names; each plane of a stack is one.

    Raises
    ------
    ValueError
        When there is no such folder, a mask cannot be read, or none has a hole.
    """
    if not Path(folder).is_dir():
        raise ValueError(f"phases.N.holes.folder: {folder} is no folder of masks")
    masks = tuple(mask for hole in _read_all(Path(folder)) if (mask := to_hole_mask(hole)) is not None)
    if not masks:
        raise ValueError(f"phases.N.holes.folder: {folder} holds no mask with a hole, a pixel that is not 0")
    return masks


def _read_all(folder: Path) -> Iterator[NDArray[np.bool_]]:
    paths = [folder] if is_zarr(folder) else sorted(folder.iterdir())
    for path in paths:
        if path.name.startswith(".") or not (is_zarr(path) or path.suffix.lower() in FORMATS):
            continue
        image = open_image(path)
        shape = tuple(length for axis, length in enumerate(image.pixels.shape) if axis != image.channel_axis)
        if len(shape) < 2 or 0 in shape:
            raise FileError(f"{path} has the shape {shape}: a mask has rows and columns")
        holes = read_mask(path, shape, image.orientation).holes
        yield from np.asarray(holes[...] != 0).reshape(-1, *shape[-2:])
