"""Where patches come from: the nearest of all at coarse levels, those that continue their neighbours' at finer ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.spatial import cKDTree

from napari_inpaint.inference.blending.joints import ALIKE
from napari_inpaint.inference.copying.pyramid import RADIUS, SIDE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from napari_inpaint.inference.copying.pyramid import Floats

    Integers = NDArray[np.int32]
    Map = Callable[[Callable[[slice], None], Iterable[slice]], Iterable[None]]
    """`map`, or that of a pool of threads."""

BLOCK = 2048
"""Patches that are gathered at once."""
MOST_SOURCES = 8192
"""A level that has more known patches is searched on a grid of them."""
SAMPLE = 256
"""About so many of them say how alike known patches are."""
CHOICE, ABOUT = 8, 1.3
"""Of so many nearest patches, those that are at most ABOUT times as far away as the nearest are as good; the one is
taken that is the nearest of the fewest: what is copied often is seen to be copied."""
SLACK = 0.5
"""A patch that is found may be this much further away than the nearest one, in parts of its distance."""
FREQUENCIES = 4
"""Patches are compared in the lowest frequencies first: of the cosine transform those whose orders sum up to less."""
AGREEMENT, REPETITION = 4.0, 2.0
"""What is added to a distance, in usual ones: when no neighbour agrees on a source, and for every other patch that has
the same."""
NEIGHBOURS = ((0, 1), (0, -1), (1, 0), (-1, 0), (2, 2), (-2, -2), (4, 0), (0, 4), (-4, 0), (0, -4))
"""Rows and columns from a patch to those whose sources are continued to it."""


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """The pixels of a level as a table, with a border of half a patch, so that a patch is a centre plus offsets."""

    height: int
    width: int

    @property
    def stride(self) -> int:
        """From a row to the next one."""
        return self.width + 2 * RADIUS

    @property
    def patch(self) -> Integers:
        """From the centre of a patch to its pixels, row by row."""
        steps = np.arange(-RADIUS, RADIUS + 1, dtype=np.int32)
        return (steps[:, None] * np.int32(self.stride) + steps).ravel()

    def index(self, y: NDArray[np.intp], x: NDArray[np.intp]) -> Integers:
        """Return the rows of the table that hold these pixels."""
        return ((y + RADIUS) * self.stride + x + RADIUS).astype(np.int32)

    def place(self, index: NDArray[np.integer]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the pixels, rows and columns, of rows of the table."""
        return (index // self.stride - RADIUS).astype(np.intp), (index % self.stride - RADIUS).astype(np.intp)

    def to_table(self, image: Floats) -> Floats:
        """Return (H, W, C) as a table of pixels; the border repeats the outermost ones."""
        edges = ((RADIUS, RADIUS), (RADIUS, RADIUS), (0, 0))
        return np.pad(image, edges, mode="edge").reshape(-1, image.shape[2])

    def to_flags(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return (H, W) as a table; the border is False."""
        return np.pad(mask, RADIUS).ravel()

    def to_image(self, table: Floats) -> Floats:
        """Return a table as (H, W, C)."""
        whole = table.reshape(self.height + 2 * RADIUS, self.stride, -1)
        return whole[RADIUS:-RADIUS, RADIUS:-RADIUS]


def blocks(count: int) -> list[slice]:
    """Divide so many patches into blocks."""
    return [slice(start, min(count, start + BLOCK)) for start in range(0, count, BLOCK)]


def measure(table: Floats, grid: Grid, targets: Integers, sources: Integers, each: Map = map) -> Floats:
    """Return the squared distances between patches.

    Parameters
    ----------
    table : float32 array of shape (pixels, C)
    grid
        Of the table.
    targets, sources : int32 array of shape (K,)
        Centres.
    each
        Runs over blocks of patches. Every distance is summed up in one order, whatever the number of threads.
    """
    distances, patch = np.empty(len(targets), np.float32), grid.patch

    def measure_block(block: slice) -> None:
        difference = table.take(targets[block, None] + patch, 0)
        difference -= table.take(sources[block, None] + patch, 0)
        flat = difference.reshape(len(difference), -1)
        distances[block] = np.einsum("kp,kp->k", flat, flat)

    list(each(measure_block, blocks(len(targets))))
    return distances


class Nearest:
    """Finds the known patch that is nearest to another, in the lowest frequencies of both.

    A k-d tree (Bentley 1975) on the discrete cosine transform of the patches, which packs what natural images differ
    in into few numbers (Ahmed, Natarajan, Rao 1974), and in the same ones for every image.

    Parameters
    ----------
    table : float32 array of shape (pixels, C)
    grid
        Of the table.
    sources : int32 array of shape (N,)
        Centres of known patches.
    each
        As in `measure`.
    most
        How many of them are searched, at most; `MOST_SOURCES` when it is None.
    """

    def __init__(self, table: Floats, grid: Grid, sources: Integers, each: Map = map, most: int | None = None) -> None:
        self.grid, self.each = grid, each
        self.sources = sources[:: -(-len(sources) // (most or MOST_SOURCES))]
        self.descriptors = self.describe(table, self.sources)
        self.tree = cKDTree(self.descriptors)

    def describe(self, table: Floats, centres: Integers) -> NDArray[np.float64]:
        """Return the lowest frequencies of patches, of all channels: (K, frequencies * C)."""
        described = np.empty((len(centres), len(_WAVES) * table.shape[1]))
        patch = self.grid.patch

        def describe_block(block: slice) -> None:
            pixels = table.take(centres[block, None] + patch, 0)
            described[block] = np.einsum("kpc,fp->kfc", pixels, _WAVES).reshape(len(pixels), -1)  # no BLAS: exact order

        list(self.each(describe_block, blocks(len(centres))))
        return described

    def measure_usual(self, smooth: Floats, share: float | Sequence[float]) -> Any:
        """Return the squared distance within which this share of known patches have others, or what is left of them.

        Parameters
        ----------
        smooth : float32 array of shape (pixels, C)
            The table without its detail.
        share
            0..1; or several, for an array of as many distances.
        """
        sample = slice(None, None, -(-len(self.sources) // SAMPLE))
        sources, patches = self.sources[sample], self.descriptors[sample]
        count = min(len(self.sources), SIDE**2)
        distance, index = self.tree.query(patches, k=range(1, count + 1))  # always (sources, count)
        (y, x), (own_y, own_x) = self.grid.place(self.sources[index]), self.grid.place(sources[:, None])
        distance[np.maximum(np.abs(y - own_y), np.abs(x - own_x)) < SIDE] = np.inf  # they overlap
        lost = self.compare_shapes(smooth, sources, sources)
        nearest = self.sources[np.take_along_axis(index, distance.argmin(1)[:, None], 1)[:, 0]]
        alike = _differ(patches, self.descriptors[np.searchsorted(self.sources, nearest)])
        alike = alike[np.isfinite(distance.min(1))]
        return np.max([np.quantile(each, share) for each in (lost, alike) if len(each)], 0)

    def compare_shapes(self, table: Floats, targets: Integers, sources: Integers) -> NDArray[np.float64]:
        """Return the squared distances, (K,), between patches of a table and known ones; their means may differ."""
        return _differ(self.describe(table, targets), self.descriptors[np.searchsorted(self.sources, sources)])

    def find(self, table: Floats, targets: Integers) -> tuple[Integers, Floats]:
        """Return sources that are about the nearest to patches, (K,), and their squared distances."""
        wanted = self.describe(table, targets)
        count = min(CHOICE, len(self.sources))
        index, distance = np.empty((len(targets), count), np.intp), np.empty((len(targets), count))

        def find_block(block: slice) -> None:
            distance[block], index[block] = self.tree.query(wanted[block], k=range(1, count + 1), eps=SLACK)

        list(self.each(find_block, blocks(len(targets))))
        uses = np.bincount(index[:, 0], minlength=len(self.sources))
        rank = np.where(distance <= ABOUT * distance[:, :1], uses[index], np.iinfo(np.intp).max)
        chosen = rank.argmin(1)[:, None]
        sources = self.sources[np.take_along_axis(index, chosen, 1)[:, 0]]
        return sources, np.square(np.take_along_axis(distance, chosen, 1)[:, 0]).astype(np.float32)


def propagate(
    table: Floats, grid: Grid, targets: Integers, sources: Integers, allowed: NDArray[np.bool_], each: Map = map
) -> tuple[Integers, Floats]:
    """Let patches take over what continues the sources of their neighbours, where it is nearer.

    Ashikhmin: Synthesizing Natural Textures, 2001; Tong et al.: Synthesis of Bidirectional Texture Functions, 2002.

    Parameters
    ----------
    table : float32 array of shape (pixels, C)
    grid
        Of the table.
    targets, sources : int32 array of shape (K,)
        Centres of patches, and of what they are copied from.
    allowed : bool array of shape (pixels,)
        The centres that may be sources.

    Returns
    -------
    sources, distances
        (K,): the new sources, and the squared distances.
    """
    number = _number(targets, len(allowed))
    found, distances = sources.copy(), measure(table, grid, targets, sources, each)
    for down, right in NEIGHBOURS:
        continued = _continue(sources, number, targets, down * grid.stride + right, allowed)
        new = np.flatnonzero((continued >= 0) & (continued != found))
        nearer = measure(table, grid, targets[new], continued[new], each)
        better = nearer < distances[new]
        new = new[better]
        found[new], distances[new] = continued[new], nearer[better]
    return found, distances


def settle(
    table: Floats, grid: Grid, targets: Integers, sources: Integers, allowed: NDArray[np.bool_], usual: float,
    each: Map = map,
) -> tuple[Integers, Floats]:  # fmt: skip
    """Let patches choose anew between their own source and what continues those of their eight neighbours.

    Single best patches repeat themselves: where a guide is even, one that is even too is the best everywhere. So what
    is least is not the distance alone, but its sum with what neighbours do not agree on (Pritch, Kav-Venaki, Peleg:
    Shift-Map Image Editing, 2009) and with how many others copy the same (Kaspar et al.: Self Tuning Texture
    Optimization, 2015). Every second patch of every second row chooses at a time, so that neighbours never swap theirs
    (iterated conditional modes; Besag 1986).

    Parameters
    ----------
    table, grid, targets, sources, allowed, each
        As for `propagate`.
    usual
        The squared distance that is usual between known patches.

    Returns
    -------
    sources, distances
        (K,): the new sources, and the squared distances when they were chosen.
    """
    distances = np.empty(len(targets), np.float32)
    number, found = _number(targets, len(allowed)), sources.copy()
    crowd = max(1.0, len(targets) / max(1, int(np.count_nonzero(allowed))))  # so many share a source anyway
    y, x = grid.place(targets)
    for odd_row, odd_column in ((0, 0), (0, 1), (1, 0), (1, 1)):
        some = np.flatnonzero((y % 2 == odd_row) & (x % 2 == odd_column))
        centres, own = targets[some], found[some]
        steps = [down * grid.stride + right for down in (-1, 0, 1) for right in (-1, 0, 1) if down or right]
        continued = np.stack([_continue(found, number, centres, step, allowed) for step in steps])
        choices = np.concatenate([own[None], np.where(continued >= 0, continued, own)])
        measured = np.empty(choices.shape, np.float32)
        measured[:] = measure(table, grid, centres, own, each)
        for distance, choice in zip(measured[1:], choices[1:], strict=True):
            new = np.flatnonzero(choice != own)
            distance[new] = measure(table, grid, centres[new], choice[new], each)
        costs = measured / np.float32(usual)
        others = np.bincount(found, minlength=len(allowed))[choices] - (choices == own)
        costs += np.float32(REPETITION / crowd) * others.astype(np.float32)
        for cost, choice in zip(costs, choices, strict=True):
            cost -= np.float32(AGREEMENT / len(steps)) * np.count_nonzero(continued == choice, axis=0)
        best = costs.argmin(0)[None]
        found[some], distances[some] = (np.take_along_axis(values, best, 0)[0] for values in (choices, measured))
    return found, distances


def _number(targets: Integers, count: int) -> Integers:
    """Return the number of the patch around each of so many pixels, -1 for none."""
    number = np.full(count, -1, np.int32)
    number[targets] = np.arange(len(targets), dtype=np.int32)
    return number


def _continue(
    sources: Integers, number: Integers, targets: Integers, step: int, allowed: NDArray[np.bool_]
) -> Integers:
    """Return what continues the sources of the neighbours at a step; -1 where there is none that may be copied."""
    last = len(allowed) - 1
    neighbour = number[np.clip(targets + step, 0, last)]
    continued = np.clip(sources[neighbour] - step, 0, last)
    return np.where((neighbour >= 0) & allowed[continued], continued, -1).astype(np.int32)


def _differ(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the squared distances of descriptors, without as much of their means as joints correct."""
    channels = one.shape[1] // len(_WAVES)
    difference = one - other
    means = difference[:, :channels]  # the first wave, of length 1, is SIDE times the mean
    means[...] = np.maximum(np.abs(means) - SIDE * ALIKE, 0)
    return np.asarray(np.square(difference).sum(1))


def _waves() -> Floats:
    """Return the patches that are the lowest frequencies, each of length 1: (frequencies, pixels)."""
    phase = (np.arange(SIDE) + 0.5) * np.pi / SIDE
    waves = np.array([
        np.outer(np.cos(row * phase), np.cos(column * phase)).ravel()
        for row in range(FREQUENCIES) for column in range(FREQUENCIES - row)
    ])  # fmt: skip
    return np.asarray(waves / np.linalg.norm(waves, axis=1, keepdims=True), np.float32)


_WAVES = _waves()
