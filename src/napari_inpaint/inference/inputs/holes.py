"""Holes: the connected missing pixels of a plane, found without a copy of the plane."""

from __future__ import annotations

import functools
import hashlib
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage, sparse
from scipy.sparse import csgraph

from napari_inpaint.inference.inputs.boxes import Box, find_overlaps

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

BLOCK = 64
"""Side, in pixels, of the blocks in which a mask is searched first; most of them are empty."""
CONNECTED = np.ones((3, 3), bool)
"""Pixels that touch at a corner are connected."""


@dataclass(frozen=True, eq=False)
class Hole:
    """Missing pixels of one plane that are filled together."""

    box: Box
    """Their bounding box."""
    mask: NDArray[np.bool_] | None = None
    """bool array of shape (box.height, box.width), True inside; None when that is the whole box."""

    @property
    def pixels(self) -> int:
        """How many pixels are missing."""
        return self.box.height * self.box.width if self.mask is None else int(np.count_nonzero(self.mask))

    spans: tuple[bool, bool] = (False, False)
    """Whether it reaches from edge to edge of its plane along y and along x: nothing is known beyond."""

    @functools.cached_property
    def size(self) -> int:
        """Side, in pixels, of the largest square inside: a long scratch is small by this measure.

        The network must paint this far from what it sees.
        """
        if self.mask is None:
            sides = [
                side for side, spans in zip((self.box.height, self.box.width), self.spans, strict=True) if not spans
            ]
            return min(sides, default=max(self.box.height, self.box.width))
        padded = self.mask
        for axis, spans in enumerate(self.spans):
            width = [(1, 1) if axis == each else (0, 0) for each in (0, 1)]
            padded = np.pad(padded, width, mode="edge") if spans else np.pad(padded, width)
        distance = ndimage.distance_transform_cdt(padded, "chessboard")
        largest = int(distance.max())
        centres = distance == largest
        even = (centres[:-1, :-1] & centres[1:, :-1] & centres[:-1, 1:] & centres[1:, 1:]).any()
        return 2 * largest - (0 if even else 1)

    def is_narrower_than(self, limit: int) -> bool:
        """Return whether `size` is less than a limit; most often without measuring it."""
        if not any(self.spans) and min(self.box.height, self.box.width) < limit:
            return True
        return self.size < limit

    def paint(self, canvas: NDArray[np.bool_], crop: Box) -> None:
        """Set the hole's pixels True in a canvas that shows ``crop`` of the plane."""
        box = self.box
        inside = Box(max(box.y0, crop.y0), max(box.x0, crop.x0), min(box.y1, crop.y1), min(box.x1, crop.x1))
        if inside.height <= 0 or inside.width <= 0:
            return
        part = canvas[inside.shift(-crop.y0, -crop.x0).slices]
        if self.mask is None:
            part[...] = True
        else:
            part |= self.mask[inside.shift(-self.box.y0, -self.box.x0).slices]


def find_holes(
    height: int, width: int, mask: NDArray[np.bool_] | None, boxes: Sequence[Box], grow: int
) -> tuple[Hole, ...]:
    """Find the holes of a plane.

    Parameters
    ----------
    height, width
        Of the plane.
    mask : bool array of shape (height, width), optional
        True inside holes.
    boxes
        Further holes, inside the plane.
    grow
        Every hole is extended by this many pixels in all directions.

    Returns
    -------
    tuple
        Connected holes, in the order of their first rows, then columns; they do not touch one another.
    """
    if mask is None:
        grown = [box.widen(grow, height, width) for box in boxes]
        holes = [_unite(cluster) for cluster in cluster_touching(grown)]
    else:
        if boxes:
            mask = mask.copy()
            for box in boxes:
                mask[box.slices] = True
        holes = list(_find_in_mask(mask, grow))
    whole = [
        replace(hole, spans=(hole.box.height == height, hole.box.width == width))
        for hole in sorted(holes, key=lambda hole: hole.box)
    ]
    return tuple(whole)


def find_around(
    height: int, width: int, mask: NDArray[np.bool_] | None, boxes: Sequence[Box], grow: int
) -> tuple[Hole, ...]:
    """Find the holes of a 360° panorama, which grow across its left and right edges; as `find_holes`."""
    canvas = np.zeros((height, width), bool) if mask is None else mask.copy()
    for box in boxes:
        canvas[box.slices] = True
    beyond = min(grow, width)
    wide = np.pad(canvas, ((0, 0), (beyond, beyond)), mode="wrap")
    grown = np.zeros_like(wide)
    whole = Box(0, 0, height, width + 2 * beyond)
    for hole in find_holes(whole.height, whole.width, wide, (), grow):
        hole.paint(grown, whole)
    return find_holes(height, width, grown[:, beyond : beyond + width], (), 0)


def paint_holes(holes: Sequence[Hole], box: Box) -> NDArray[np.bool_]:
    """Return which pixels of a box of the plane are holes: bool, (h, w)."""
    canvas = np.zeros((box.height, box.width), bool)
    corners = np.array([hole.box for hole in holes], np.int64).reshape(-1, 4)
    for index in np.flatnonzero(find_overlaps(corners, box)).tolist():
        holes[index].paint(canvas, box)
    return canvas


def cluster_touching(boxes: Sequence[Box]) -> list[list[Box]]:
    """Divide boxes into groups of those that overlap or touch, at corners too, directly or through others."""
    corners = np.array(sorted(boxes), np.int64).reshape(-1, 4)
    last = np.searchsorted(corners[:, 0], corners[:, 2], "right")  # further down the list all begin below
    one, other = [], []
    for index, (_, x0, _, x1) in enumerate(corners.tolist()):
        near = corners[index + 1 : last[index]]
        touching = np.flatnonzero((near[:, 1] <= x1) & (near[:, 3] >= x0)) + index + 1
        one.append(np.full(len(touching), index))
        other.append(touching)
    if not boxes:
        return []
    pairs = np.concatenate(one), np.concatenate(other)
    graph = sparse.coo_array((np.ones(len(pairs[0])), pairs), shape=(len(boxes), len(boxes)))
    _, labels = csgraph.connected_components(graph, directed=False)
    clusters: dict[int, list[Box]] = defaultdict(list)
    for label, corner in zip(labels, corners.tolist(), strict=True):
        clusters[int(label)].append(Box(*corner))
    return list(clusters.values())


def hash_holes(planes: Iterable[tuple[tuple[int, ...], Sequence[Hole]]]) -> str:
    """Return the SHA-256 of the holes of all planes; the same pixels give the same one, however they were named."""
    digest = hashlib.sha256()
    for plane, holes in planes:
        for hole in holes:
            digest.update(np.array([len(plane), *plane, *hole.box, hole.mask is None], "<i8").tobytes())
            if hole.mask is not None:
                digest.update(np.packbits(hole.mask).tobytes())
    return digest.hexdigest()


def _unite(boxes: Sequence[Box]) -> Hole:
    if len(boxes) == 1:
        return Hole(boxes[0])
    union = functools.reduce(Box.union, boxes)
    canvas = np.zeros((union.height, union.width), bool)
    for box in boxes:
        Hole(box).paint(canvas, union)
    return Hole(union, None if canvas.all() else canvas)


def _find_in_mask(mask: NDArray[np.bool_], grow: int) -> Iterable[Hole]:
    """Label block by block: what is connected lies in connected blocks, and most blocks are empty."""
    height, width = mask.shape
    occupied = _occupied_blocks(mask)
    if grow:
        occupied = ndimage.binary_dilation(occupied, CONNECTED, iterations=min(-(-grow // BLOCK), max(occupied.shape)))
    groups, _ = ndimage.label(occupied, CONNECTED)
    for number, (rows, columns) in enumerate(ndimage.find_objects(groups), 1):
        y0, x0 = rows.start * BLOCK, columns.start * BLOCK
        window = mask[y0 : rows.stop * BLOCK, x0 : columns.stop * BLOCK]
        own = groups[rows, columns] == number
        if not own.all():
            own = own.repeat(BLOCK, 0)[: window.shape[0]].repeat(BLOCK, 1)[:, : window.shape[1]]
            window = window & own
        if grow:
            sides = [2 * min(grow, length) + 1 for length in (height, width)]
            window = ndimage.maximum_filter(window, size=sides, mode="constant")
        labels, _ = ndimage.label(window, CONNECTED)
        for label, (y, x) in enumerate(ndimage.find_objects(labels), 1):
            pixels = labels[y, x] == label
            box = Box(y0 + y.start, x0 + x.start, y0 + y.stop, x0 + x.stop)
            yield Hole(box, None if pixels.all() else pixels)


def _occupied_blocks(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    height, width = mask.shape
    if not mask.size:
        return np.zeros((-(-height // BLOCK), -(-width // BLOCK)), bool)
    rows = np.stack([mask[y : y + BLOCK].any(0) for y in range(0, height, BLOCK)])
    return np.logical_or.reduceat(rows, np.arange(0, width, BLOCK), axis=1)
