"""Large holes, coarse to fine: what was filled at a lower resolution is refined at every finer one.

Only the second stage of a network of two runs here. It sees overlapping tiles that start from the enlarged fill.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_inpaint.inference.blending.pullpush import resize
from napari_inpaint.inference.inputs.boxes import Box

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

TILE = 2.0
"""Side of the tiles, in training windows: the more they show, the more there is to copy from."""
OVERLAP = 0.5
"""Of neighbouring tiles, in training windows."""


def refine(
    completion: Floats, factor: int, box: Box, to_network: Callable[[int], tuple[Floats, Floats]],
    complete: Callable[[Floats, Floats], Floats], window: int,
) -> Floats:  # fmt: skip
    """Bring a completion to full resolution, level by level.

    Parameters
    ----------
    completion : float32 array of shape (3, h, w)
        Of a crop that was scaled down.
    factor
        By what.
    box
        What is refined of the crop; other holes stay as they were enlarged.
    to_network
        Returns image and mask of the crop, float32 (3, H, W) and (1, H, W), scaled down by a factor.
    complete
        Refines filled images, float32 (1, 3, H, W), inside masks, float32 (1, 1, H, W).
    window
        Side of the training windows, in pixels.

    Returns
    -------
    float32 array of shape (3, H, W)
    """
    for finer in finer_factors(factor):
        image, mask = to_network(finer)
        start = resize(completion, mask.shape[1], mask.shape[2], factor / finer)
        completion = refine_level(np.where(mask > 0, start, image), mask, scale_down(box, finer), complete, window)
        factor = finer
    return completion


def finer_factors(factor: int) -> Iterator[int]:
    """Yield the factors between one and full resolution, halved each time: 2 and 1 for 3 or 4."""
    while factor > 1:
        factor = (factor + 1) // 2
        yield factor


def scale_down(box: Box, factor: int) -> Box:
    """Return a box of an image in the image that is scaled down by a factor."""
    return Box(box.y0 // factor, box.x0 // factor, -(-box.y1 // factor), -(-box.x1 // factor))


def refine_level(
    image: Floats, mask: Floats, box: Box, complete: Callable[[Floats, Floats], Floats], window: int
) -> Floats:
    """Refine the holes in a box of a filled image, (3, H, W), tile by tile; where tiles overlap, they blend linearly.

    Thin holes are known already at a lower resolution, so a tile, or all of them, may have nothing to refine.
    """
    height, width = mask.shape[1:]
    total, weights = np.zeros_like(image), np.zeros_like(mask)
    for tile in tiles(box, height, width, window):
        part = (slice(None), *tile.slices)
        if mask[part].any():
            weight = tile_weight(tile, height, width, overlap(window))
            total[part] += weight * complete(image[part][None], mask[part][None])[0]
            weights[part] += weight
    return np.where((mask > 0) & (weights > 0), total / np.maximum(weights, np.float32(1e-6)), image)


def overlap(window: int) -> int:
    """Return the width of what neighbouring tiles share, in pixels."""
    return max(1, round(OVERLAP * window))


def tiles(box: Box, height: int, width: int, window: int) -> list[Box]:
    """Cover a box, and what surrounds it, with overlapping tiles of one size inside an image."""
    rows, columns = (
        _spread(low, high, length, round(TILE * window), overlap(window))
        for low, high, length in ((box.y0, box.y1, height), (box.x0, box.x1, width))
    )
    return [Box(*(int(edge) for edge in (y0, x0, y1, x1))) for y0, y1 in rows for x0, x1 in columns]


def _spread(low: int, high: int, length: int, side: int, shared: int) -> list[tuple[int, int]]:
    """Return the first and last pixels of tiles along an axis; a margin of half an overlap around is covered too."""
    side = min(side, length)
    first, last = max(0, low - shared // 2), min(length, high + shared // 2)
    count = max(1, -(-(last - first - shared) // (side - shared))) if side > shared else 1
    room = length - side
    if count == 1:
        starts = [min(max((first + last - side) // 2, 0), room)]
    else:
        starts = np.linspace(min(first, room), max(0, last - side), count).round().astype(int).tolist()
    return [(start, start + side) for start in starts]


def tile_weight(tile: Box, height: int, width: int, ramp: int) -> Floats:
    """Return how much a tile's pixels count, (1, h, w): less towards its edges, as far as the image goes on there."""
    sides = []
    for low, high, length in ((tile.y0, tile.y1, height), (tile.x0, tile.x1, width)):
        place = np.arange(high - low, dtype=np.float32) + np.float32(0.5)
        before = place / ramp if low > 0 else np.ones_like(place)
        after = place[::-1] / ramp if high < length else np.ones_like(place)
        sides.append(np.minimum(np.minimum(before, after), 1))
    return np.asarray(sides[0][None, :, None] * sides[1])


def count_pixels(box: Box, height: int, width: int, factor: int, window: int) -> int:
    """Return about how many pixels the second stage sees for a box of a crop that was scaled down."""
    total = 0
    for finer in finer_factors(factor):
        small = scale_down(box, finer)
        total += sum(tile.height * tile.width for tile in tiles(small, -(-height // finer), -(-width // finer), window))
    return total
