"""From holes to windows: which crops the network sees, and at which scale. Pure."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from dataclasses import dataclass, replace
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_inpaint.inference.blending.seam import MARGIN
from napari_inpaint.inference.inputs.boxes import Box, find_overlaps
from napari_inpaint.inference.inputs.holes import Hole
from napari_inpaint.inference.windows.intensity import NothingKnownError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from napari_inpaint.inference.inputs.job import Job
    from napari_inpaint.inference.runtime.contract import ModelSpec

STANDARD_SIDES = (1.0, 1.5, 2.0)
"""Sides of windows, in training windows: few, so that windows batch and a GPU's kernels are reused."""


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """A crop of one plane, and the holes that are filled from it."""

    crop: Box
    """The pixels that are seen, in the plane."""
    holes: tuple[Hole, ...]
    """What is filled from this window."""
    others: tuple[Hole, ...]
    """Holes in the crop that other windows fill: unknown here."""
    factor: int
    """The crop is scaled down by this before the network sees it."""
    interpolated: bool = False
    """Whether the holes are filled smoothly from what surrounds them, without the network."""
    plane: tuple[int, ...] = ()
    """Index of the plane in the leading axes."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of what the network sees."""
        return math.ceil(self.crop.height / self.factor), math.ceil(self.crop.width / self.factor)

    @property
    def network_pixels(self) -> int:
        """How many pixels the network sees."""
        return 0 if self.interpolated else math.prod(self.size)

    @property
    def hole_box(self) -> Box:
        """The smallest box around the holes, in the crop."""
        union = reduce(Box.union, (hole.box for hole in self.holes))
        return union.shift(-self.crop.y0, -self.crop.x0)

    def paint(self, holes: Iterable[Hole]) -> NDArray[np.bool_]:
        """Return a bool array of the crop's shape, True in these holes."""
        canvas = np.zeros((self.crop.height, self.crop.width), bool)
        for hole in holes:
            hole.paint(canvas, self.crop)
        return canvas


@dataclass(frozen=True, slots=True)
class Plan:
    """What a fill will do."""

    windows: tuple[Window, ...]
    """Those of one size after one another, so that they batch."""
    channel_groups: int
    """The network runs this often on every window: once for colours or grey, once for each of other channels."""
    seconds: float = 0.0
    """Estimated time of the network on this device; 0 when it was not measured."""
    pixels: int = 0
    """How many the network completes, in all of its calls."""
    notes: tuple[str, ...] = ()
    """What the user should know, for example that a hole is larger than trained."""
    left: tuple[tuple[int, ...], ...] = ()
    """Planes that are wholly holes: they are left as they are."""

    @property
    def network_calls(self) -> int:
        """How many window images the network completes."""
        return self.channel_groups * sum(not window.interpolated for window in self.windows)

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as plain types that JSON can hold."""
        windows = [
            {"plane": window.plane, "crop": window.crop, "holes": [hole.box for hole in window.holes],
             "factor": window.factor, "interpolated": window.interpolated, "size": window.size}
            for window in self.windows
        ]  # fmt: skip
        return {
            "windows": windows,
            "network_calls": self.network_calls,
            "seconds": self.seconds,
            "notes": self.notes,
            "left": self.left,
        }

    def __str__(self) -> str:
        """Return a table of the windows."""
        interpolated = sum(window.interpolated for window in self.windows)
        holes = sum(len(window.holes) for window in self.windows)
        lines = [
            f"{_count(len(self.windows), 'window')}, {_count(holes, 'hole')}: {self.network_calls} for the network, "
            f"about {self.seconds:.2g} s without copying; {interpolated} smooth"
        ]
        for window in self.windows:
            how = "smooth" if window.interpolated else f"network {window.size[0]} x {window.size[1]}"
            scaled = f", scaled down by {window.factor}" if window.factor > 1 else ""
            plane = f"plane {window.plane}, " if window.plane else ""
            lines.append(f"  {plane}{tuple(window.crop)}: {_count(len(window.holes), 'hole')}, {how}{scaled}")
        return "\n".join((*lines, *self.notes))


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


@dataclass(frozen=True, slots=True)
class SmoothLimits:
    """What `plan_windows` takes from a model, where there is none: every hole is filled smoothly."""

    name: str = "smooth"
    window: int = 256
    hole_min: int = 24
    hole_max: int = 64


def plan_job(job: Job, spec: ModelSpec | SmoothLimits) -> Plan:
    """Plan the windows of all planes; planes with the same holes share theirs.

    Raises
    ------
    NothingKnownError
        As `plan_windows`, when there is nothing else to fill.
    """
    job = job.seen
    height, width = job.source.shape[-3:-1]
    different = {id(holes): holes for holes in job.holes.values()}
    planned: dict[int, tuple[Window, ...]] = {}
    for key, holes in different.items():
        try:
            planned[key] = plan_windows(holes, height, width, spec)
        except NothingKnownError as error:
            nothing_known = error
    left = tuple(plane for plane, holes in job.holes.items() if id(holes) not in planned)
    if left and not planned:
        raise nothing_known
    windows = [
        replace(window, plane=plane)
        for plane, holes in job.holes.items() if plane not in left for window in planned[id(holes)]
    ]  # fmt: skip
    windows.sort(key=lambda window: (window.interpolated, window.size))  # so that those of one size batch
    groups, pixels = len(job.source.groups), sum(window.network_pixels for window in windows)
    notes = tuple(note_left(plane) for plane in left)
    if any(window.factor > 1 for window in windows) and not isinstance(spec, SmoothLimits):
        largest = max(hole.size for key in planned for hole in different[key])
        notes += (
            f"a hole is {largest} pixels wide, model {spec.name!r} was trained on holes of {spec.hole_min} to "
            f"{spec.hole_max}: it is completed at a lower resolution",
        )
    return Plan(tuple(windows), groups, pixels=groups * pixels, notes=notes, left=left)


def note_left(plane: tuple[int, ...], where: str = "") -> str:
    """Return a sentence about a plane that cannot be filled."""
    return f"in plane {', '.join(map(str, plane))} nothing is known{where}: it is left as it is"


def plan_windows(holes: Sequence[Hole], height: int, width: int, spec: ModelSpec | SmoothLimits) -> tuple[Window, ...]:
    """Cover all holes of a plane with windows.

    Holes that are narrower than those that the network was trained on are filled smoothly, which is both
    nearer to the truth there and quicker. Holes that are wider get windows that are scaled down by a whole factor.
    Near holes share a window where that is no dearer than windows of their own. A hole that is too long for a window
    is divided.

    Parameters
    ----------
    holes
        From `find_holes`; they do not touch one another.
    height, width
        Of the plane.
    spec
        Window size and trained hole sizes.

    Raises
    ------
    NothingKnownError
        When the holes cover the whole plane.
    """
    if sum(hole.pixels for hole in holes) == height * width:
        raise NothingKnownError("no pixel is known: the holes cover the whole image")
    groups: list[tuple[int, list[Hole]]] = []
    by_factor: dict[int, list[Hole]] = defaultdict(list)
    for hole in holes:
        narrow = hole.is_narrower_than(spec.hole_min)
        by_factor[0 if narrow else math.ceil(hole.size / spec.hole_max)].append(hole)
    pieces: list[Hole] = []
    for factor, members in sorted(by_factor.items()):
        divided = [piece for hole in members for piece in divide(hole, spec.window * max(factor, 1))]
        pieces += divided
        grouping = group_by_tile(divided, spec.window) if factor == 0 else _group_by_cost(
            divided, [round(side * spec.window) * factor for side in STANDARD_SIDES], height, width
        )  # fmt: skip
        groups += [(factor, group) for group in grouping]

    corners = np.array([piece.box for piece in pieces], np.int64).reshape(-1, 4)
    windows = []
    for factor, group in groups:
        union = reduce(Box.union, (hole.box for hole in group))
        if factor == 0:
            crop = _grow_to(union, union.height + 2 * MARGIN, union.width + 2 * MARGIN, height, width)
        else:
            sides = np.array([round(side * spec.window) * factor for side in STANDARD_SIDES])
            margin = _context(group)
            tall, wide = sides[np.searchsorted(sides, (union.height + 2 * margin, union.width + 2 * margin))].tolist()
            crop = _grow_to(union, tall, wide, height, width)
        smooth = factor == 0 or isinstance(spec, SmoothLimits)
        window = Window(crop, tuple(group), others_in(crop, group, pieces, corners), max(factor, 1), smooth)
        while window.paint((*window.holes, *window.others)).all():  # twice the field of view, at half the resolution
            crop = _grow_to(crop, 2 * crop.height, 2 * crop.width, height, width)
            window = replace(window, crop=crop, others=others_in(crop, group, pieces, corners),
                             factor=1 if factor == 0 else 2 * window.factor)  # fmt: skip
        windows.append(window)
    return tuple(sorted(windows, key=lambda window: (window.interpolated, window.size, window.crop)))


def divide(hole: Hole, side: int) -> Iterator[Hole]:
    """Cut a hole into pieces whose bounding boxes are at most ``side`` x ``side`` pixels."""
    box = hole.box
    if max(box.height, box.width) <= side:
        yield hole
        return
    for y0, x0 in itertools.product(range(box.y0, box.y1, side), range(box.x0, box.x1, side)):
        tile = Box(y0, x0, min(y0 + side, box.y1), min(x0 + side, box.x1))
        if hole.mask is None:
            yield Hole(tile)
            continue
        part = hole.mask[tile.shift(-box.y0, -box.x0).slices]
        if part.any():
            (rows, columns) = (np.flatnonzero(part.any(axis)) for axis in (1, 0))
            tight = Box(int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1)
            inside = part[tight.slices]
            yield Hole(tight.shift(y0, x0), None if inside.all() else inside.copy())


def _context(holes: Sequence[Hole]) -> int:
    """Return how many pixels of context a window needs on each side of its holes, in the plane."""
    return max(hole.size for hole in holes) // 2


def group_by_tile(holes: Sequence[Hole], side: int) -> list[list[Hole]]:
    """Return the holes whose boxes begin in the same square of a grid, for every such square."""
    tiles: dict[tuple[int, int], list[Hole]] = defaultdict(list)
    for hole in holes:
        tiles[hole.box.y0 // side, hole.box.x0 // side].append(hole)
    return list(tiles.values())


def _group_by_cost(holes: Sequence[Hole], sides: Sequence[int], height: int, width: int) -> list[list[Hole]]:
    """Let holes join a group whose window grows by no more pixels than a window of their own would have."""
    standard = np.array(sides)
    tall, wide = (np.append(np.minimum(standard, length), np.inf) for length in (height, width))

    def cost(lengths: NDArray[np.int64]) -> NDArray[np.float64]:
        index = np.searchsorted(standard, lengths)
        return np.asarray(tall[index[..., 0]] * wide[index[..., 1]])

    groups: list[list[Hole]] = []
    unions, margins, costs = np.empty((len(holes), 4), np.int64), np.empty(len(holes), np.int64), np.empty(len(holes))
    for hole in holes:
        box, margin, count = np.array(hole.box), _context([hole]), len(groups)
        own = cost(box[2:] - box[:2] + 2 * margin)
        low, high = np.minimum(unions[:count, :2], box[:2]), np.maximum(unions[:count, 2:], box[2:])
        margins_joined = np.maximum(margins[:count], margin)
        joined = cost(high - low + 2 * margins_joined[:, None])
        growth = joined - costs[:count]
        best = int(np.argmin(growth)) if count else 0
        if count and growth[best] <= own:
            groups[best].append(hole)
            unions[best], margins[best], costs[best] = (*low[best], *high[best]), margins_joined[best], joined[best]
        else:
            groups.append([hole])
            unions[count], margins[count], costs[count] = box, margin, own
    return groups


def others_in(crop: Box, group: Sequence[Hole], pieces: Sequence[Hole], corners: NDArray[np.int64]) -> tuple[Hole, ...]:
    """Return the pieces, whose boxes are ``corners``, that touch a crop and are not in the group."""
    own = {id(hole) for hole in group}
    return tuple(pieces[i] for i in np.flatnonzero(find_overlaps(corners, crop)).tolist() if id(pieces[i]) not in own)


def _grow_to(box: Box, tall: int, wide: int, height: int, width: int) -> Box:
    """Return a box of ``tall`` x ``wide`` pixels around another, moved into the plane, and clipped to it."""
    y0 = max(0, min((box.y0 + box.y1 - tall) // 2, height - tall))
    x0 = max(0, min((box.x0 + box.x1 - wide) // 2, width - wide))
    return Box(y0, x0, min(height, y0 + tall), min(width, x0 + wide))
