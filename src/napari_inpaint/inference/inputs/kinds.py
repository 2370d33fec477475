"""What an image seems to be: notes about options that its numbers, or its edges, call for.

Only a few pixels beside holes are looked at. A note is a hint: where nothing is sure, nothing is said.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_inpaint.inference.inputs.boxes import Box
from napari_inpaint.inference.inputs.holes import paint_holes
from napari_inpaint.inference.options import LABELS, MOSAIC, PHASE, WRAP

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from napari_inpaint.inference.inputs.holes import Hole
    from napari_inpaint.inference.inputs.job import Job
    from napari_inpaint.inference.options import FillOptions

    Values = NDArray[np.float64]

HOLES = 3
"""So many holes are looked at."""
REACH = 96
"""Pixels around two corners of each."""
LEAST = 200
"""Pairs of known neighbours that must be seen to say anything."""
EQUAL, SHARP, LEAST_LABELS = 0.7, 0.8, 4
"""Labels: at least these shares of neighbours are equal, and of the others sharp edges; and there are so many."""
UNRELATED, UNLIKE, WIDE = 0.15, 2.0, 32
"""The usual step between them is this share of their span, the largest are so many times the smallest, and the span is
so many of the steps that all are multiples of. Integers of 8 bits are never taken for labels: drawings are like them.
"""
TURN = 2 * math.pi
COVERED, JUMP, LEAST_JUMPS = 0.95, 1.0, 0.002
"""A phase covers this share of the turn, and jumps by it, less JUMP at most, at this share of neighbours; other large
steps are rarer than these jumps."""
PERIODIC = 2.5
"""A mosaic: neighbours differ so many times as much as next but one, in rows and in columns."""
MATCH, FAR, LEAST_ROWS = 1.5, 3.0, 16
"""A panorama: its edges differ at most so many times as much as neighbours, and FAR times less than distant columns."""


def note_kinds(job: Job, options: FillOptions) -> list[str]:
    """Return sentences about options that would suit an image better.

    Parameters
    ----------
    job
        The image as the caller gave it, with its holes.
    options
        How it is filled: what is said already is not guessed.
    """
    if not job.holes or options.values != "intensity" or options.mosaic is not None:
        return []
    with np.errstate(all="ignore"):  # differences of the largest floats, and NaN of all kinds, tell nothing
        return _guess(job, options)


def _guess(job: Job, options: FillOptions) -> list[str]:
    plane, holes = next(iter(job.holes.items()))
    parts = list(_sample(job, plane, holes))
    kind, size = job.source.dtype.kind, job.source.dtype.itemsize
    if kind in "iu" and size > 1 and _are_labels(parts):
        return [f"the image looks like labels, which must not be mixed: {LABELS}"]
    if kind == "f" and _are_angles(parts):
        return [f"the image looks like a phase, which jumps by 2 pi: {PHASE}"]
    if job.source.shape[-1] == 1 and _is_mosaic(parts):
        return [f"the image looks like a mosaic of a colour filter array, whose colours must not be mixed: {MOSAIC}"]
    if options.wrap is None and _goes_around(job, plane, holes):
        return [f"the image looks like a 360° panorama, with a hole at an edge that goes on beyond: {WRAP}"]
    return []


def _sample(job: Job, plane: tuple[int, ...], holes: Sequence[Hole]) -> Iterator[Values]:
    """Yield parts of the first channel around corners of holes, float64, with NaN where nothing is known."""
    height, width = job.source.shape[-3:-1]
    chosen = [holes[index] for index in sorted({0, len(holes) // 2, len(holes) - 1})[:HOLES]]
    corners = {(y, x) for hole in chosen for y, x in ((hole.box.y0, hole.box.x0), (hole.box.y1, hole.box.x1))}
    for y, x in sorted(corners):
        box = Box(y - REACH, x - REACH, y + REACH, x + REACH).clip(height, width)
        if box is not None:
            yield _read(job, plane, holes, box)[..., 0]


def _read(job: Job, plane: tuple[int, ...], holes: Sequence[Hole], box: Box) -> Values:
    pixels = job.source.read(plane, box)
    values = pixels[..., job.source.colours].astype(np.float64)
    values[paint_holes(holes, box) | job.source.find_hidden(plane, box, pixels)] = np.nan
    values[~np.isfinite(values)] = np.nan
    return values


def _differ(parts: Sequence[Values], axis: int, distance: int) -> Values:
    """Return by how much known pixels at a distance along an axis differ: of all parts, one after another."""
    steps: list[Any] = [np.zeros(0)]
    for part in parts:
        along = np.moveaxis(part, axis, 0)
        step = (along[distance:] - along[:-distance]).ravel()
        steps.append(step[np.isfinite(step)])
    return np.concatenate(steps)


def _are_labels(parts: Sequence[Values]) -> bool:
    steps = np.abs(np.concatenate([_differ(parts, axis, 1) for axis in (0, 1)]))
    changes = steps[steps > 0]
    if len(steps) < LEAST or not len(changes) or len(changes) > (1 - EQUAL) * len(steps):
        return False
    values = np.unique(np.concatenate([part[np.isfinite(part)] for part in parts]))
    span = values[-1] - values[0]
    few, usual, many = np.quantile(changes, (0.1, 0.5, 0.9))
    grid = np.gcd.reduce((values - values[0]).clip(max=2.0**62).astype(np.int64))
    if len(values) < LEAST_LABELS or usual < UNRELATED * span or many < UNLIKE * few or span < WIDE * float(grid):
        return False
    blurred = edges = 0
    for part in parts:  # an edge that takes two pixels is none between labels
        changed = np.diff(part, axis=1)
        changed = np.where(np.isfinite(changed), changed, 0)
        edges += int(np.count_nonzero(changed))
        blurred += int(np.count_nonzero(np.sign(changed[:, 1:]) * np.sign(changed[:, :-1]) > 0))
    return blurred <= (1 - SHARP) * edges


def _are_angles(parts: Sequence[Values]) -> bool:
    values = np.concatenate([np.zeros(0), *(part[np.isfinite(part)] for part in parts)])
    if len(values) < LEAST:
        return False
    low, high = values.min(), values.max()
    slack = 1e-3
    in_turn = (low >= -math.pi - slack and high <= math.pi + slack) or (low >= -slack and high <= TURN + slack)
    if not in_turn or high - low < COVERED * TURN:
        return False
    steps = np.abs(np.concatenate([_differ(parts, axis, 1) for axis in (0, 1)]))
    jumps = np.count_nonzero(steps > TURN - JUMP)
    return bool(jumps > LEAST_JUMPS * len(steps) and jumps > np.count_nonzero((steps > 2) & (steps <= TURN - JUMP)))


def _is_mosaic(parts: Sequence[Values]) -> bool:
    for axis in (0, 1):
        one, two = (np.abs(_differ(parts, axis, distance)) for distance in (1, 2))
        if min(len(one), len(two)) < LEAST or not one.mean() > PERIODIC * two.mean():
            return False
    return True


def _goes_around(job: Job, plane: tuple[int, ...], holes: Sequence[Hole]) -> bool:
    height, width = job.source.shape[-3:-1]
    at_edge = any(hole.box.x0 == 0 or hole.box.x1 == width for hole in holes)
    if height < LEAST_ROWS or abs(width - 2 * height) > 1 or not at_edge:
        return False
    left, middle, right = (
        _read(job, plane, holes, Box(0, x, height, x + 2)) for x in (0, width // 2, width - 2)
    )  # fmt: skip
    pairs = [(left[:, 0], right[:, 1]), (left[:, 0], left[:, 1]), (right[:, 0], right[:, 1]),
             (left[:, 0], middle[:, 0])]  # fmt: skip
    steps = np.stack([np.abs(one - other).mean(-1) for one, other in pairs])
    known = np.isfinite(steps).all(0)
    if np.count_nonzero(known) < LEAST_ROWS:
        return False
    edge, first, last, far = steps[:, known].mean(1)
    return bool(edge <= MATCH * max(first, last) + 0.5 * (job.source.dtype.kind in "iu") and FAR * edge < far)
