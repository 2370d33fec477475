"""From a mask to windows: which crops the network sees, and at which scale."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_inpaint.inference.boxes import Box

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_inpaint.inference.contract import ModelSpec

CONTEXT = 2
"""A window is at least this many times as long as its holes."""


@dataclass(frozen=True, slots=True)
class Window:
    """A crop of one plane that the network completes, and the holes that are filled from it.

    Holes of other windows may lie in the crop too; they count as unknown there.
    """

    crop: Box
    """The pixels that the network sees, in the plane."""
    holes: tuple[Box, ...]
    """Bounding boxes, in the plane, of the connected holes that this window fills."""
    labels: tuple[int, ...]
    """Their numbers in `label_holes`."""
    factor: int
    """The crop is scaled down by this before the network sees it."""
    hole_size: int
    """Side, in pixels, of the largest square that fits into one of the holes, see `hole_size`."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of what the network sees."""
        return math.ceil(self.crop.height / self.factor), math.ceil(self.crop.width / self.factor)


def label_holes(mask: NDArray[np.bool_], spec: ModelSpec) -> NDArray[np.int32]:
    """Give numbers to the holes of a plane, from 1.

    A hole is what is connected, at corners too. A long one, a scratch or a frame, is divided into pieces that fit into
    windows of a bounded size.

    Parameters
    ----------
    mask : bool array of shape (H, W)
        True inside holes.
    spec
        Window size and trained hole sizes.
    """
    labels: NDArray[np.int32] = ndimage.label(mask, structure=np.ones((3, 3)), output=np.int32)[0]
    slices = ndimage.find_objects(labels)
    count = len(slices)
    for number, (rows, columns) in enumerate(slices, 1):
        hole = labels[rows, columns] == number
        if max(hole.shape) <= spec.window:
            continue
        tile = spec.window * scale_factor(hole_size(hole), spec)
        if max(hole.shape) <= tile:
            continue
        for y, x in itertools.product(range(0, hole.shape[0], tile), range(0, hole.shape[1], tile)):
            piece = hole[y : y + tile, x : x + tile]
            if piece.any():
                count += 1
                labels[rows, columns][y : y + tile, x : x + tile][piece] = count
    return labels


def scale_factor(size: int, spec: ModelSpec) -> int:
    """Return by how much a hole of this `hole_size` is scaled down so that it is no larger than the trained ones."""
    return math.ceil(size / spec.hole_max)


def plan_windows(labels: NDArray[np.int32], spec: ModelSpec) -> tuple[Window, ...]:
    """Cover all holes of a plane with windows.

    Near holes share a window when together they are no larger than half a window. A hole that is larger than those
    that the network was trained on gets a window that is scaled down by a whole factor.

    Parameters
    ----------
    labels : int array of shape (H, W)
        From `label_holes`.
    spec
        Window size and trained hole sizes.
    """
    height, width = labels.shape
    numbers, boxes = [], []
    for number, place in enumerate(ndimage.find_objects(labels), 1):
        if place is not None:  # the number of a hole that was divided
            numbers.append(number)
            boxes.append(Box(place[0].start, place[1].start, place[0].stop, place[1].stop))
    sizes = [hole_size(labels[box.slices] == number) for number, box in zip(numbers, boxes, strict=True)]
    windows = []
    for members in group_near(boxes, spec.window // CONTEXT):
        holes = tuple(boxes[i] for i in members)
        largest = max(sizes[i] for i in members)
        factor = scale_factor(largest, spec)
        union = reduce(Box.union, holes)
        side = max(spec.window * factor, CONTEXT * union.height, CONTEXT * union.width)
        y0, y1 = _centred(union.y0, union.y1, side, height)
        x0, x1 = _centred(union.x0, union.x1, side, width)
        windows.append(Window(Box(y0, x0, y1, x1), holes, tuple(numbers[i] for i in members), factor, largest))
    return tuple(windows)


def hole_size(hole: NDArray[np.bool_]) -> int:
    """Return the side of the largest square inside a hole: how far the network must look beyond known pixels.

    A long scratch is small by this measure.

    Parameters
    ----------
    hole : bool array of shape (h, w)
        Cut out at its bounding box.
    """
    if hole.all():
        return int(min(hole.shape))
    return 2 * int(ndimage.distance_transform_cdt(np.pad(hole, 1), "chessboard").max()) - 1


def group_near(boxes: list[Box], limit: int) -> list[list[int]]:
    """Group boxes so that each group's union is at most ``limit`` x ``limit``; larger boxes stay alone.

    Returns
    -------
    list
        Indices of the boxes of each group.
    """
    groups: list[list[int]] = []
    unions = np.empty((len(boxes), 4), np.int64)
    for index, box in enumerate(boxes):
        y0, x0, y1, x1 = unions[: len(groups)].T
        tall = np.maximum(y1, box.y1) - np.minimum(y0, box.y0)
        wide = np.maximum(x1, box.x1) - np.minimum(x0, box.x0)
        fitting = np.flatnonzero(np.maximum(tall, wide) <= limit)
        if fitting.size:
            best = int(fitting[np.argmin(np.maximum(tall, wide)[fitting])])
            groups[best].append(index)
            unions[best] = Box(*unions[best].tolist()).union(box)
        else:
            unions[len(groups)] = box
            groups.append([index])
    return groups


def _centred(start: int, stop: int, side: int, length: int) -> tuple[int, int]:
    """Return the interval of ``side`` pixels around start..stop, moved and clipped into 0..length."""
    first = (start + stop - side) // 2
    first = max(0, min(first, length - side))
    return first, min(length, first + side)
