"""Windows of label images: what they show around holes, and the labels that fill these. Without a network."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_inpaint.inference.blending.labels import fill_labels
from napari_inpaint.inference.inputs.boxes import Box
from napari_inpaint.inference.windows.intensity import NothingKnownError
from napari_inpaint.inference.windows.patches import Patch
from napari_inpaint.inference.windows.plan import Plan, Window, group_by_tile, note_left, others_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_inpaint.inference.cancelling import Event
    from napari_inpaint.inference.inputs.holes import Hole
    from napari_inpaint.inference.inputs.job import Job

TILE = 256
"""Holes whose boxes begin in the same square of so many pixels share a window."""


def plan_labels(job: Job) -> Plan:
    """Plan windows of whole holes: a border between labels may cross them anywhere.

    Raises
    ------
    NothingKnownError
        When the holes cover all planes that have some.
    """
    job = job.seen
    *_, height, width, _ = job.source.shape
    planned: dict[int, tuple[Window, ...]] = {}
    for holes in job.holes.values():
        if id(holes) not in planned and sum(hole.pixels for hole in holes) < height * width:
            planned[id(holes)] = tuple(_cover(holes, height, width))
    left = tuple(plane for plane, holes in job.holes.items() if id(holes) not in planned)
    if left and not planned:
        raise NothingKnownError("no pixel is known: the holes cover the whole image")
    windows = [
        replace(window, plane=plane)
        for plane, holes in job.holes.items() if plane not in left for window in planned[id(holes)]
    ]  # fmt: skip
    notes = tuple(note_left(plane) for plane in left)
    return Plan(tuple(windows), len(job.source.groups), notes=notes, left=left)


def _cover(holes: Sequence[Hole], height: int, width: int) -> list[Window]:
    corners = np.array([hole.box for hole in holes], np.int64).reshape(-1, 4)
    windows = []
    for group in group_by_tile(holes, TILE):
        crop = reduce(Box.union, (hole.box for hole in group)).widen(1, height, width)
        windows.append(Window(crop, tuple(group), others_in(crop, group, holes, corners), 1, interpolated=True))
    return windows


def fill_window(job: Job, window: Window, cancel: Event | None = None) -> list[Patch]:
    """Return what changes in the holes of a window, in all channels but transparency, each on its own.

    Raises
    ------
    NothingKnownError
        When no pixel of the plane has a label.
    """
    patches = []
    for hole in window.holes:
        crop, pixels, known = _look_around(job, window, hole)
        inside = np.zeros(known.shape, bool)
        hole.paint(inside, crop)
        filled = pixels.copy()
        for channel in range(pixels.shape[-1]):
            filled[inside, channel] = fill_labels(pixels[..., channel], inside, known, cancel)
        there = hole.box.shift(-crop.y0, -crop.x0).slices
        patches.append(Patch(window.plane, hole.box, job.source.colours, inside[there][..., None],
                             pixels[there].copy(), filled[there]))  # fmt: skip
    return patches


def _look_around(job: Job, window: Window, hole: Hole) -> tuple[Box, NDArray[Any], NDArray[np.bool_]]:
    """Return a box around a hole, as small as one with a label can be; its pixels, and which of them have one."""
    *_, height, width, _ = job.source.shape
    whole, margin = Box(0, 0, height, width), 1
    while True:
        crop = hole.box.widen(margin, height, width)
        seen = job.source.read(window.plane, crop)
        known = ~job.source.find_hidden(window.plane, crop, seen)
        holes = np.zeros(known.shape, bool)
        for each in (hole,) if margin == 1 else job.holes[window.plane]:  # holes do not touch one another
            each.paint(holes, crop)
        known &= ~holes
        if known.any():
            return crop, seen[..., job.source.colours], known
        if crop == whole:
            raise NothingKnownError(f"no pixel is known around the hole at {tuple(hole.box)}: leave it out")
        margin = 4 * margin
