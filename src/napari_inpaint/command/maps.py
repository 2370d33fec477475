"""The map of where pixels came from, as a file."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
import tifffile

from napari_inpaint.inference.copying.origins import INVENTED, each_origin, read_offsets
from napari_inpaint.inference.inputs.boxes import Box, find_overlaps
from napari_inpaint.inference.inputs.planes import Planes
from napari_inpaint.inference.windows.patches import Patch, apply
from napari_inpaint.io.formats import FileError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

TILE = 256
"""Side of a TIFF's tiles, in pixels: no more of the map than one is in memory."""
CLASSIC = 1 << 31
"""Bytes of a map from which on its TIFF is a BigTIFF."""
MEANING = {
    "channels": ["plane", "down", "right"],
    "meaning": "from each pixel to the one that it was copied from, in planes and pixels; 0 where it was known",
    "invented": INVENTED,
}
"""What a TIFF's description says, as JSON."""


def encode_offsets(path: Path, record: Mapping[str, Any], planes: tuple[int, ...]) -> bytes:
    """Return a file that says where every pixel came from, see `read_offsets`.

    Parameters
    ----------
    path
        Ends in .tif or .tiff: offsets, tile by tile; .npy: offsets; or .npz: ``offsets`` and ``shares``.
    record
        Of the fill.
    planes
        The shape of the image without its channels: (..., H, W).

    Raises
    ------
    ValueError
        As `read_offsets`, and when there is no pixel.
    """
    if 0 in planes:
        raise FileError("an image without pixels has no map of where they came from")
    buffer, suffix = BytesIO(), path.suffix.lower()
    if suffix in (".npy", ".npz"):
        offsets, shares = read_offsets(record, planes)
        if suffix == ".npy":
            np.save(buffer, offsets)
        else:
            np.savez_compressed(buffer, offsets=offsets, shares=shares)
        return buffer.getvalue()
    shape = (*planes, 3)
    with tifffile.TiffWriter(buffer, bigtiff=4 * math.prod(shape) > CLASSIC) as tiff:
        tiff.write(
            _draw_tiles(record, planes), shape=shape, dtype=np.int32, tile=(TILE, TILE), compression="zlib",
            photometric="minisblack", planarconfig="contig", metadata=MEANING,
        )  # fmt: skip
    return buffer.getvalue()


def _draw_tiles(record: Mapping[str, Any], planes: tuple[int, ...]) -> Iterator[NDArray[np.int32]]:
    """Yield the map tile by tile, row by row, plane by plane."""
    patches: dict[tuple[int, ...], list[Patch]] = defaultdict(list)
    for origin in each_origin(record, planes):
        patch = Patch((), origin.box, slice(0, 3), origin.mask[..., None], origin.offsets, origin.offsets)
        patches[origin.plane].append(patch)
    *leading, height, width = planes
    for plane in np.ndindex(*leading):
        members = patches.get(plane, [])
        corners = np.array([patch.box for patch in members], np.int64).reshape(-1, 4)
        for y, x in itertools.product(range(0, height, TILE), range(0, width, TILE)):
            tile = np.zeros((TILE, TILE, 3), np.int32)
            here = np.flatnonzero(find_overlaps(corners, Box(y, x, y + TILE, x + TILE)))
            apply([members[i] for i in here.tolist()], Planes(tile, 2), (y, x, 0))
            yield tile
