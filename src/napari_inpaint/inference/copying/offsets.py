"""Offsets: from every pixel of a hole to the known pixel that it is copied from.

Patches of the known region take the place of a guide, which says what belongs into the hole: searched for and voted on
from coarse to fine (Wexler, Shechtman, Irani: Space-Time Completion of Video, 2007). At the finest level nothing is
averaged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from napari_inpaint.inference.blending.pullpush import pullpush_fill, resize
from napari_inpaint.inference.cancelling import stop_if
from napari_inpaint.inference.copying.pyramid import SIDE, build_levels, count_levels, halve
from napari_inpaint.inference.copying.search import Grid, Nearest, propagate, settle
from napari_inpaint.inference.copying.vote import vote, weigh

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from napari_inpaint.inference.cancelling import Event
    from napari_inpaint.inference.copying.pyramid import Floats, Level
    from napari_inpaint.inference.copying.search import Integers, Map

SEARCHED = 2
"""So many of the coarsest levels are searched as a whole; at finer ones patches continue their neighbours'."""
ROUNDS = (1, 3, 6, 8)
"""Of search and vote: at the finest level, the next, the next, and at all coarser ones."""
GUIDE = 1.0
"""How much the guide counts at the coarsest level, against what is copied; half as much at every finer one, and not at
all at the finest."""
BLUR = 0.7
"""How much the guide is blurred at the coarsest level, in pixels: what it shows of detail is not to be looked for."""
SETTLED = 2
"""So many times patches choose anew after a search of a whole level, see `settle`."""
TYPICAL, USUAL = 0.5, 0.9
"""Shares of the known patches: within their distances others are typical, and may a guide be."""
TEXTURE = 1.5
"""How much the strength of texture counts in the search of whole levels, against colours."""
DETAIL = 2.0
"""Blur, in pixels of the coarsest level, that leaves what a guide shows."""
LEAST_DISTANCE = 1e-5
"""Squared, between patches: less is rounding."""
FITS, LOST = 2.0, 3.0
"""A patch is copied as a whole when it is at most 2 ** FITS times the usual distance from the guide, not at all from
2 ** LOST times on."""


@dataclass(frozen=True, slots=True, eq=False)
class Copies:
    """What the pixels of a hole are copied from, row by row."""

    offsets: NDArray[np.int32]
    """(2, pixels): down and to the right, to the known pixel."""
    shares: NDArray[np.uint8] | None
    """(pixels,): how much of the fill they are, in 255ths; the rest is the guide. None where it is all of it."""


def find_copies(
    image: Floats, hole: NDArray[np.bool_], unknown: NDArray[np.bool_], size: int, each: Map = map,
    cancel: Event | None = None, most_sources: int | None = None,
) -> Copies | None:  # fmt: skip
    """Find the pixels that a hole is copied from.

    Parameters
    ----------
    image : float32 array of shape (H, W, C)
        A region, in parts of its intensity range; holes show the guide.
    hole, unknown : bool array of shape (H, W)
        Pixels that are copied, and all that may not be copied from.
    size
        Of the hole, see `Hole.size`.
    each
        `map`, or that of a pool of threads; the offsets are the same.
    cancel
        As `Inpainter.fill`; it is looked at before every block of patches.
    most_sources
        See `Nearest`.

    Returns
    -------
    Copies, or None
        None when no patch is wholly known.
    """
    if cancel is not None:
        each = _stopping(each, cancel)
    levels = build_levels(image, hole, unknown, count_levels(size))
    if not levels:
        return None
    textures = _describe_texture(image, unknown, len(levels))
    filled: Floats | None = None
    shares: Floats | None = None
    rows = columns = np.empty((0, 0), np.intp)
    for number in reversed(range(len(levels))):
        level, coarseness = levels[number], len(levels) - 1 - number
        grid = Grid(*level.hole.shape)
        stop_if(cancel)
        painter = _Painter(level, grid, number == 0 and len(levels) > 1, each, most_sources, cancel)
        if filled is not None:
            painter.start(filled, rows, columns)
        guide: Floats | None = None
        if not painter.is_finest:
            guide = _describe_guide(level.image, coarseness)
            if coarseness < SEARCHED:
                guide = np.concatenate([guide, textures[number]], 2)
            guide = grid.to_table(guide)
        searched = coarseness < SEARCHED and (number > 0 or len(levels) == 1)
        for _ in range(ROUNDS[min(number, len(ROUNDS) - 1)]):
            painter.search(guide, searched, shares is None)
            if shares is None:
                shares = painter.shares
            painter.paint()
        filled = grid.to_image(painter.table)
        rows, columns = np.full((2, grid.height, grid.width), -1)
        rows[level.targets], columns[level.targets] = grid.place(painter.sources)
    assert shares is not None
    y, x = np.nonzero(hole)
    enlarged = resize(shares, hole.shape[0], hole.shape[1], 2.0 ** (len(levels) - 1))
    fine = np.rint(255 * enlarged[y, x]).astype(np.uint8)
    offsets = np.stack([rows[y, x] - y, columns[y, x] - x]).astype(np.int32)
    return Copies(offsets, None if (fine == 255).all() else fine)


def merge(
    found: NDArray[np.bool_], offsets: NDArray[np.int32], rest: NDArray[np.bool_], copies: Copies | None,
    unknown: NDArray[np.bool_],
) -> Copies:  # fmt: skip
    """Return the copies of a hole that has two parts.

    Parameters
    ----------
    found : bool array of shape (H, W)
    offsets : int32 array of shape (2, pixels)
        Of that part, all of which is copied.
    rest : bool array of shape (H, W)
        The other part.
    copies
        Of that; None where its guide stays.
    unknown : bool array of shape (H, W)
        Pixels that may not be copied from.
    """
    every, shares = np.zeros((2, *found.shape), np.int32), np.full(found.shape, 255, np.uint8)
    every[:, found] = offsets
    if copies is not None:
        every[:, rest] = copies.offsets
        if copies.shares is not None:
            shares[rest] = copies.shares
    elif rest.any():  # a share of 0, of whatever is known
        sources = ~ndimage.maximum_filter(unknown, 3, mode="constant", cval=True)
        nearest = ndimage.distance_transform_edt(~sources, return_distances=False, return_indices=True)
        every[:, rest] = (nearest - np.indices(found.shape))[:, rest]
        shares[rest] = 0
    hole = found | rest
    return Copies(every[:, hole], None if (shares[hole] == 255).all() else shares[hole])


def _stopping(each: Map, cancel: Event) -> Map:
    """Return what looks at an event before every block."""

    def run(function: Callable[[slice], None], items: Iterable[slice]) -> Iterable[None]:
        def run_one(item: slice) -> None:
            stop_if(cancel)
            function(item)

        return each(run_one, items)

    return run


class _Painter:
    """Fills the hole of one level with patches."""

    def __init__(self, level: Level, grid: Grid, is_finest: bool, each: Map, most_sources: int | None,
                 cancel: Event | None) -> None:  # fmt: skip
        self.most_sources, self.cancel = most_sources, cancel
        self.level, self.grid, self.each, self.is_finest = level, grid, each, is_finest
        self.table = grid.to_table(level.image)
        self.hole, self.allowed = grid.to_flags(level.hole), grid.to_flags(level.sources)
        self.targets = grid.index(*level.targets)
        self.depth = ndimage.distance_transform_edt(level.hole)[level.targets].astype(np.float32)
        self.sources: Integers = np.empty(0, np.int32)
        self.weights = self.distances = np.empty(0, np.float32)
        self.nearest: Nearest | None = None
        self.typical = self.usual = 0.0
        self.shares: Floats | None = None

    def start(self, filled: Floats, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> None:
        """Paint what the coarser level shows, and then its sources, enlarged, before anything is searched.

        Who searches with the enlarged image, which is blurred, finds blurred patches.
        """
        height, width = self.level.hole.shape
        enlarged = resize(filled.transpose(2, 0, 1), height, width).transpose(1, 2, 0)
        self.table[self.hole] = enlarged[self.level.hole]
        y, x = self.level.targets
        above = np.minimum(y // 2, rows.shape[0] - 1), np.minimum(x // 2, rows.shape[1] - 1)
        row, column = 2 * rows[above] + y % 2, 2 * columns[above] + x % 2
        inside = (rows[above] >= 0) & (row < height) & (column < width)
        row, column = np.where(inside, row, y), np.where(inside, column, x)
        if not self.level.sources[row, column].all():  # the nearest that is one
            nearest = ndimage.distance_transform_edt(~self.level.sources, return_distances=False, return_indices=True)
            row, column = nearest[:, row, column]
        self.sources = self.grid.index(row, column)
        self.weights = weigh(self.depth, np.zeros_like(self.depth), 1)
        self.paint()

    def search(self, guide: Floats | None, as_a_whole: bool, find_shares: bool) -> None:
        """Find a source for every patch; and the shares of copies, when the level is searched as a whole."""
        table = self.table
        if guide is not None:
            table = np.concatenate([table, guide], 1)
        if as_a_whole:
            if self.nearest is None:
                sources = np.flatnonzero(self.allowed).astype(np.int32)
                self.nearest = Nearest(table, self.grid, sources, self.each, self.most_sources)
                smooth = ndimage.gaussian_filter(self.grid.to_image(table), (DETAIL, DETAIL, 0))
                usual = self.nearest.measure_usual(self.grid.to_table(smooth), (TYPICAL, USUAL))
                self.typical, self.usual = np.maximum(usual, LEAST_DISTANCE).tolist()
            self.sources, self.distances = self.nearest.find(table, self.targets)
            if find_shares:
                self.shares = self._find_shares(table, self.nearest)
            for _ in range(SETTLED):
                self.sources, self.distances = settle(
                    table, self.grid, self.targets, self.sources, self.allowed, self.typical, self.each
                )
        else:
            self.sources, self.distances = propagate(
                table, self.grid, self.targets, self.sources, self.allowed, self.each
            )
        self.weights = weigh(self.depth, self.distances, SIDE**2 * table.shape[1])

    def _find_shares(self, table: Floats, nearest: Nearest) -> Floats:
        """Return how much of the fill is to be copied, (H, W): less where nothing known is like the guide.

        Known patches say which distance is usual here: to the nearest other one, or to what is left of them without
        detail, as a guide is. To copy what is much further away would be wrong by more than to keep the guide. How
        bright patches are counts only beyond what joints correct.
        """
        shares = np.ones(self.level.hole.shape, np.float32)
        distances = LEAST_DISTANCE + nearest.compare_shapes(table, self.targets, self.sources)
        excess = np.log2(distances / self.usual) / 2
        shares[self.level.targets] = np.clip((LOST - excess) / (LOST - FITS), 0, 1)
        return shares

    def paint(self) -> None:
        """Copy what was found: one pixel each at the finest level, the vote of all patches at others."""
        if not self.is_finest:
            vote(self.table, self.grid, self.targets, self.sources, self.weights, self.hole, self.cancel)
            return
        own = self.hole[self.targets]
        self.table[self.targets[own]] = self.table[self.sources[own]]


def _describe_texture(image: Floats, unknown: NDArray[np.bool_], count: int) -> list[Floats]:
    """Return how much neighbouring pixels differ, (H, W, 1), for every level; in holes what surrounds them tells it.

    Newson et al.: Video Inpainting of Complex Scenes, 2014, section 3.3.
    """
    change = np.zeros(unknown.shape, np.float32)
    for axis in (0, 1):
        step = np.abs(np.diff(image, axis=axis)).mean(2)
        change += np.pad(step, [(0, 1) if each == axis else (0, 0) for each in (0, 1)], mode="edge")
    told = ~ndimage.maximum_filter(unknown, 3)
    if not told.any():
        told = ~unknown
    textures = [pullpush_fill(change[None], ~told)[0][..., None] * np.float32(TEXTURE)]
    while len(textures) < count:
        textures.append(halve(textures[-1]))
    return textures


def _describe_guide(image: Floats, coarseness: int) -> Floats:
    """Return the guide, blurred, and scaled so that its distance counts as much as it should."""
    blurred = ndimage.gaussian_filter(image, (BLUR * 2**coarseness, BLUR * 2**coarseness, 0))
    return np.asarray(blurred * np.float32((GUIDE * 0.5**coarseness) ** 0.5))
