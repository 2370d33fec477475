"""From holes to the regions that they are copied from. Pure."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING

import numpy as np

from napari_inpaint.inference.inputs.boxes import Box
from napari_inpaint.inference.windows.plan import Window, divide, group_by_tile, others_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from napari_inpaint.inference.inputs.holes import Hole
    from napari_inpaint.inference.inputs.job import Job

NARROW = 24
"""Holes that are less wide, in pixels, share regions."""
NARROW_MARGIN = 48
"""Pixels around narrow holes that they are copied from."""
LEAST_MARGIN, MOST_MARGIN = 128, 512
"""Likewise around wide ones: as many as they are wide, but no fewer and no more than these."""
TILE = 256
"""Side of the tiles whose narrow holes share a region, in pixels."""
MOST_PIXELS, MOST_NARROW_PIXELS = 1 << 23, 1 << 20
"""Of a region. A hole that needs more is divided: a diagonal scratch has few pixels, and a large region."""
PIECE = 2048
"""Side of the pieces then."""


def plan_regions(job: Job) -> tuple[Window, ...]:
    """Cover all holes with regions: one for every connected hole, so that it has no joints, or for near narrow ones."""
    *_, height, width, _ = job.source.shape
    regions: dict[int, tuple[Window, ...]] = {}
    for holes in job.holes.values():
        if id(holes) not in regions:
            regions[id(holes)] = tuple(_cover(holes, height, width))
    return tuple(
        Window(region.crop, region.holes, region.others, 1, region.interpolated, plane)
        for plane, holes in job.holes.items() for region in regions[id(holes)]
    )  # fmt: skip


def _cover(holes: Sequence[Hole], height: int, width: int) -> Iterator[Window]:
    pieces = [piece for hole in holes for piece in _divide(hole, height, width)]
    corners = np.array([piece.box for piece in pieces], np.int64).reshape(-1, 4)
    narrow = [hole for hole in pieces if hole.is_narrower_than(NARROW)]
    groups = [(group, True) for group in group_by_tile(narrow, TILE)]
    groups += [([hole], False) for hole in pieces if not hole.is_narrower_than(NARROW)]
    for group, is_narrow in groups:
        union = reduce(Box.union, (hole.box for hole in group))
        crop = union.widen(_margin(group[0]), height, width)
        yield Window(crop, tuple(group), others_in(crop, group, pieces, corners), 1, is_narrow)


def _divide(hole: Hole, height: int, width: int) -> Iterator[Hole]:
    is_narrow = hole.is_narrower_than(NARROW)
    crop = hole.box.widen(_margin(hole), height, width)
    if crop.height * crop.width <= (MOST_NARROW_PIXELS if is_narrow else MOST_PIXELS):
        yield hole
    else:
        yield from divide(hole, TILE if is_narrow else PIECE)


def _margin(hole: Hole) -> int:
    return NARROW_MARGIN if hole.is_narrower_than(NARROW) else min(max(hole.size, LEAST_MARGIN), MOST_MARGIN)
