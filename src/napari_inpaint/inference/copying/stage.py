"""The copying stage: what was completed is replaced by copies of known pixels, region by region."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_inpaint.inference.blending.biharmonic import MOST_NOISE, measure_detail, measure_noise
from napari_inpaint.inference.blending.joints import join
from napari_inpaint.inference.cancelling import stop_if
from napari_inpaint.inference.copying.canvas import find_same_place, lay_out
from napari_inpaint.inference.copying.offsets import find_copies, merge
from napari_inpaint.inference.copying.provenance import CopyRecord, read_levels, read_texts, to_texts
from napari_inpaint.inference.inputs.boxes import find_overlaps
from napari_inpaint.inference.inputs.planes import Planes
from napari_inpaint.inference.inputs.values import as_stored, step_off
from napari_inpaint.inference.windows.intensity import find_curve, sample_context, to_tensor
from napari_inpaint.inference.windows.patches import Patch, apply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_inpaint.inference.cancelling import Event
    from napari_inpaint.inference.copying.canvas import Canvas
    from napari_inpaint.inference.copying.offsets import Copies
    from napari_inpaint.inference.copying.search import Map
    from napari_inpaint.inference.inputs.boxes import Box
    from napari_inpaint.inference.inputs.job import Job
    from napari_inpaint.inference.options import FillOptions
    from napari_inpaint.inference.windows.intensity import IntensityCurve
    from napari_inpaint.inference.windows.plan import Window

    Levels = Mapping[int, tuple[float, ...]]
    """By the steps to planes, what levels their channels, see `find_same_place`."""
    Key = tuple[tuple[int, ...], tuple[Box, ...]]
    """A plane, and the bounding boxes of the holes of a region: no other region has these."""

LARGEST = np.finfo(np.float64).max / 2
FEW_SOURCES = 1024
"""Known patches that are searched for narrow holes: there may be thousands of these, and their rims choose well."""
MOST_CHANNELS = 6
"""Of more channels the means of neighbouring ones are searched; what is found is copied in all."""
TINY, THIN = 2, 8
"""Holes that are at most TINY pixels wide are not copied: nobody sees their grain. Nor are those that are at most THIN,
where a plate continues what surrounds them."""
LEAST_DETAIL, ROUNDING, FEW_STEPS = 0.001, 0.5, 16
"""Less, in parts of the intensity range or in steps of integers, is no detail that could be copied; but where integers
have FEW_STEPS every step is detail."""


def copy_regions(
    job: Job, regions: Sequence[Window], guides: Sequence[Patch], options: FillOptions,
    recorded: Mapping[Key, CopyRecord] | None = None, on_region: Callable[[], object] = int,
    cancel: Event | None = None, threads: int | None = None,
) -> tuple[list[Patch], list[CopyRecord], list[bytes]]:  # fmt: skip
    """Replace what was completed by copies.

    Parameters
    ----------
    job, options, cancel
        As `napari_inpaint.inference.filling.run`.
    regions
        Of all holes.
    guides
        What was completed.
    recorded
        The copies of an earlier fill: they are applied, and nothing is searched.
    on_region
        Is called after every region.
    threads
        All cores when it is None; results are the same.

    Returns
    -------
    patches
        One for every hole, of all channels but transparency.
    records
        One for every region.
    digests
        SHA-256 of the filled pixels of every region.
    """
    by_plane: dict[tuple[int, ...], list[Patch]] = {}
    for guide in guides:
        by_plane.setdefault(guide.plane, []).append(replace(guide, plane=()))
    corners = {plane: np.array([each.box for each in members]) for plane, members in by_plane.items()}

    def copy_one(region: Window, each: Map) -> tuple[list[Patch], CopyRecord, bytes]:
        stop_if(cancel)
        members = by_plane.get(region.plane, [])
        found = np.flatnonzero(find_overlaps(corners[region.plane], region.crop)).tolist() if members else ()
        holes = tuple(hole.box for hole in region.holes)
        earlier = None if recorded is None else recorded.get((region.plane, holes))
        if recorded is not None and earlier is None:
            raise ValueError(f"the record is damaged: it does not say what {tuple(region.crop)} was copied from")
        return _Region(job, region, [members[i] for i in found], options).copy(earlier, each, cancel)

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    workers = threads or cores or 1
    patches, records, digests = [], [], []
    with ThreadPoolExecutor(workers) as pool:
        for made, record, digest in _spread(copy_one, regions, pool, workers):
            patches += made
            records.append(record)
            digests.append(digest)
            on_region()
    return patches, records, digests


def _spread(
    copy_one: Callable[[Window, Map], Any], regions: Sequence[Window], pool: ThreadPoolExecutor, workers: int
) -> Iterator[Any]:
    """Spread many regions over the threads, or the blocks of patches of few."""
    if len(regions) < workers or workers == 1:
        yield from (copy_one(region, map if workers == 1 else pool.map) for region in regions)
    else:
        yield from pool.map(lambda region: copy_one(region, map), regions)


class _Region:
    """What a region shows: its pixels, with guides in the holes, also in parts of the intensity range."""

    def __init__(self, job: Job, region: Window, guides: Sequence[Patch], options: FillOptions) -> None:
        self.region, self.options, self.job = region, options, job
        self.colours = job.source.colours
        self.hole = region.paint(region.holes)
        holes = self.hole | region.paint(region.others)
        self.pixels, self.unknown = self._read(region.plane, holes)
        self.guided = np.array(self.pixels)
        origin = (region.crop.y0, region.crop.x0, 0)
        apply(guides, Planes(self.guided, 2), origin)
        self.groups = job.source.groups
        self.curves: list[IntensityCurve] = []
        if self.unknown.all():  # then the guide came from further away, or from other channels alone
            self.image = np.zeros((0, *self.hole.shape), np.float32)
            return
        context = sample_context(~self.unknown, self.hole)
        self.curves = [find_curve(self.pixels[..., group], context) for group in self.groups]
        self.image = self._scale(self.guided, self.unknown & ~holes, self.unknown)

    def _read(self, plane: tuple[int, ...], holes: NDArray[np.bool_]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Return the region's pixels in a plane, (H, W, C), and which of them are not known."""
        seen = self.job.source.read(plane, self.region.crop)
        pixels = seen[..., self.colours]
        unknown = holes | self.job.source.find_hidden(plane, self.region.crop, seen)
        if seen.dtype.kind == "f":
            unknown |= ~np.isfinite(pixels).all(-1)
        return pixels, unknown

    def _scale(
        self, pixels: NDArray[Any], invalid: NDArray[np.bool_], unknown: NDArray[np.bool_]
    ) -> NDArray[np.floating[Any]]:
        """Return pixels in parts of the intensity range, (C, H, W); invalid ones are like the nearest that is known."""
        parts = [
            to_tensor(pixels[..., group], invalid, curve) for group, curve in zip(self.groups, self.curves, strict=True)
        ]
        image = np.concatenate(parts)
        if invalid.any():
            nearest = ndimage.distance_transform_edt(unknown, return_distances=False, return_indices=True)
            image[:, invalid] = image[:, nearest[0][invalid], nearest[1][invalid]]
        return image

    def _lay_out(self) -> Canvas:
        """Return what may be copied: the region, and the same part of the planes beside it that are known there."""
        images, unknowns, pixels, steps = [self.image], [self.unknown], [self.pixels], [0]
        for step, plane in self.job.source.find_beside(self.region.plane).items():
            holes = self.region.paint((*self.job.holes.get(plane, ()), *self.job.kept.get(plane, ())))
            seen, unknown = self._read(plane, holes)
            if not unknown.all():
                images.append(self._scale(seen, unknown, unknown))
                unknowns.append(unknown)
                pixels.append(seen)
                steps.append(step)
        return lay_out(images, unknowns, pixels, steps)

    def copy(
        self, earlier: CopyRecord | None, each: Map, cancel: Event | None
    ) -> tuple[list[Patch], CopyRecord, bytes]:
        """Return what changes, hole by hole, how, and a digest of it."""
        noise = earlier.noise if earlier is not None else self._measure_noise()
        canvas = self._lay_out() if len(self.image) else None
        copies: Copies | None = None
        levels: Levels = {}
        if canvas is not None and earlier is None:
            copies, levels = self._find(canvas, noise, each, cancel)
        elif canvas is not None and earlier is not None:
            copies, levels = read_texts(earlier, self.hole, canvas), read_levels(earlier, len(self.image))
        largest = 0.0 if canvas is None or copies is None else self._apply(canvas, copies, levels, cancel)
        self._step_off_nodata()
        region = self.region
        record = CopyRecord(
            region.plane, region.crop, tuple(hole.box for hole in region.holes), noise,
            *to_texts(copies, self.hole, canvas), tuple((step, *level) for step, level in sorted(levels.items())),
            largest, tuple(self.curves),
        )  # fmt: skip
        return self._to_patches(), record, hashlib.sha256(self.guided[self.hole].tobytes()).digest()

    def _measure_noise(self) -> float:
        measured = self.region.interpolated and len(self.image) > 0
        return measure_noise(self.image, self.unknown, self.hole) if measured else 0.0

    def _step_off_nodata(self) -> None:
        """Change filled pixels all of whose channels have the value that stands for none: they do have one."""
        if self.options.nodata is not None:
            none = self.hole & (self.guided == as_stored(self.options.nodata, self.guided.dtype)).all(-1)
            self.guided[none] = step_off(self.guided[none], self.options.nodata)

    def _find(self, canvas: Canvas, noise: float, each: Map, cancel: Event | None) -> tuple[Copies | None, Levels]:
        """Return what holes are copied from: the same place of planes beside theirs, or else their own plane."""
        size = max(hole.size for hole in self.region.holes)
        if len(canvas.steps) == 1:
            return self._search(self.image, self.hole, noise, size, each, cancel), {}
        found, offsets, levels = find_same_place(canvas, self.unknown, self.hole, size, self.options.seam)
        rest, image = self.hole & ~found, self.image
        if found.any():  # what is searched sees it
            y, x = np.nonzero(found)
            image = image.copy()
            image[:, y, x] = canvas.level(levels).image[:, y + offsets[0], x + offsets[1]]
        copies = self._search(image, rest, noise, size, each, cancel) if rest.any() else None
        return merge(found, offsets, rest, copies, self.unknown) if found.any() else copies, levels

    def _search(
        self, image: NDArray[np.floating[Any]], hole: NDArray[np.bool_], noise: float, size: int, each: Map,
        cancel: Event | None,
    ) -> Copies | None:  # fmt: skip
        """Return what a hole is copied from in its own plane; None where there is nothing to copy."""
        if size <= TINY:
            return None
        if size <= THIN and noise <= MOST_NOISE:  # a plate continues what is smooth
            return None
        steps = max(curve.high - curve.low for curve in self.curves) if self.pixels.dtype.kind in "iu" else 0
        rounding = ROUNDING / steps if steps >= FEW_STEPS else 0
        if measure_detail(image, self.unknown, hole) < max(LEAST_DETAIL, rounding):
            return None  # nothing to copy
        seen = [part.mean(0) for part in np.array_split(image, min(len(image), MOST_CHANNELS))]
        searched = np.ascontiguousarray(np.stack(seen, -1), np.float32)
        few = FEW_SOURCES if self.region.interpolated else None
        return find_copies(searched, hole, self.unknown, size, each, cancel, few)

    def _apply(self, canvas: Canvas, copies: Copies, levels: Levels, cancel: Event | None) -> float:
        """Put copies in the place of the guides, and return the largest correction."""
        y, x = np.nonzero(self.hole)
        made = canvas.pixels[y + copies.offsets[0], x + copies.offsets[1]]
        largest = 0.0
        if self.options.seam and made.dtype.kind != "b":
            leveled = canvas.level(levels) if levels else canvas
            correction = join(leveled.image, canvas.unknown, canvas.spread(self.hole), copies.offsets, cancel)
            if levels:
                _, steps = canvas.fold(x, copies.offsets)
                for step, level in levels.items():
                    correction[:, steps == step] += np.array(level)[:, None]
            largest = float(np.abs(correction).max(initial=0))
            for group, curve in zip(self.groups, self.curves, strict=True):
                low, high = (find(canvas.pixels[..., group][~canvas.unknown]) for find in (np.min, np.max))
                halves = 2 if curve.high / 2 - curve.low / 2 > LARGEST else 1  # the span of all floats is none
                values = curve.knots[1]  # of the network: tails have some of them
                linear = values[-1 - bool(curve.above)] - values[bool(curve.below)]
                change = correction[group].T * (float(curve.high / halves - curve.low / halves) / linear)
                for _ in range(halves):
                    made[:, group] = _add(made[:, group], change, low, high)
        if copies.shares is not None:
            made = _blend(self.guided[y, x], made, copies.shares[:, None] / 255)
        self.guided[y, x] = made
        return largest

    def _to_patches(self) -> list[Patch]:
        crop, patches = self.region.crop, []
        for hole in self.region.holes:
            inside = hole.box.shift(-crop.y0, -crop.x0).slices
            mask = np.broadcast_to(True, self.hole[inside].shape) if hole.mask is None else hole.mask
            patches.append(Patch(self.region.plane, hole.box, self.colours, mask[..., None],
                                 self.pixels[inside].copy(), self.guided[inside].copy()))  # fmt: skip
        return patches


def _blend(kept: NDArray[Any], made: NDArray[Any], share: NDArray[np.float64]) -> NDArray[Any]:
    """Return values of any dtype in between, the second ones where the share is 1."""
    if made.dtype.kind == "f":
        between = (kept * (1 - share) + made * share).astype(made.dtype)
    elif made.dtype.kind == "b":
        between = np.where(share >= 0.5, made, kept)
    else:
        exact = object if made.dtype.itemsize == 8 else np.int64  # differences of 64 bits need more
        first, second = kept.astype(exact), made.astype(exact)
        between = (first + ((second - first) * np.rint(share * 255).astype(int) + 127) // 255).astype(made.dtype)
    return np.asarray(np.where(share == 1, made, np.where(share == 0, kept, between)))


def _add(values: NDArray[Any], change: NDArray[np.float64], low: Any, high: Any) -> NDArray[Any]:
    """Return values of any dtype plus a change, within limits; what does not change stays the same bits."""
    if values.dtype.kind == "f":
        with np.errstate(over="ignore"):
            changed = np.clip(values + change, low, high).astype(values.dtype)
        return np.asarray(np.where(change == 0, values, changed))
    exact = object if values.dtype.itemsize == 8 else np.int64  # sums of 64 bits need more
    steps = np.clip(np.rint(change), -(2.0**62), 2.0**62).astype(np.int64)
    return np.asarray(np.clip(values.astype(exact) + steps, int(low), int(high)).astype(values.dtype))
