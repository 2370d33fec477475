"""What a fill is worth on this very image: known pixels beside the holes are hidden, filled and compared."""

from __future__ import annotations

import functools
import itertools
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from scipy import ndimage

from napari_inpaint.inference.baselines import classical_methods
from napari_inpaint.inference.cancelling import stop_if
from napari_inpaint.inference.inputs.boxes import Box, find_overlaps
from napari_inpaint.inference.inputs.holes import paint_holes
from napari_inpaint.inference.inputs.job import read_job
from napari_inpaint.inference.metrics import Score, mean_score, score
from napari_inpaint.inference.options import Detail
from napari_inpaint.inference.windows.intensity import OUTLIERS
from napari_inpaint.inference.windows.patches import to_copy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    from napari_inpaint.inference.baselines import Filler
    from napari_inpaint.inference.cancelling import Event
    from napari_inpaint.inference.inputs.holes import Hole
    from napari_inpaint.inference.inputs.job import Job
    from napari_inpaint.inference.options import FillOptions, Sources
    from napari_inpaint.inference.record import Record
    from napari_inpaint.inference.windows.patches import Patch

    Fill = Callable[[NDArray[Any], NDArray[np.bool_], int], NDArray[Any]]
    """From pixels of planes beside one another, (P, H, W, C), their masks, (P, H, W), and the index of the one that is
    filled, to its filled pixels, (H, W, C)."""
    Run = Callable[..., tuple[list[Patch], Record]]

OURS = "fill"
GAP = 4
"""Known pixels that must lie between a hidden place and the holes."""
RINGS = 8
"""How many times its own size a place may lie away from its hole."""
MOST_STEPS = 24
"""Distances that are tried."""
MOST_HOLES = 200
"""Holes that a place is looked for."""
CONTEXT = 256
"""What the fill sees around a hidden place, in pixels; at least twice the place's size."""
CLASSICAL_CONTEXT = 48
"""Likewise the classical methods, which look no further."""
MARGIN = 0.97
"""Another method must have less than this share of the fill's L1, and more PSNR, to be called closer."""
LESS_POWER = 0.9
"""And less than this share of the squared error that the fill's own noise does not explain."""


@dataclass(frozen=True, slots=True)
class Place:
    """A hidden place, and what every method made of it."""

    plane: tuple[int, ...]
    box: Box
    hole: Box
    """The bounding box of the hole that it stands for."""
    scores: dict[str, Score]


@dataclass(frozen=True, slots=True)
class SelfCheck:
    """What `Inpainter.self_check` found; ``print`` shows a table."""

    model: str
    places: tuple[Place, ...]
    notes: tuple[str, ...] = ()
    """Sentences about what to be careful with."""
    scores: dict[str, Score] = field(default_factory=dict)
    """The mean over all places of every method that ran on all of them; `OURS` is the fill itself."""

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return asdict(self)

    def __str__(self) -> str:
        """Return a table, and the notes."""
        lines = list(self.notes)
        if self.places:
            holes = len({(place.plane, place.hole) for place in self.places})
            names = {OURS: f"fill ({self.model})"}
            lines += [
                f"{len(self.places)} known places beside {holes} hole{'s' * (holes != 1)} were hidden, filled and "
                "compared:",
                f"{'method':24}{'L1 %':>8}{'PSNR':>8}{'SSIM':>8}{'texture':>9}{'noise':>7}",
                *(f"{names.get(name, name):24}{score.l1:8.2f}{score.psnr:8.2f}{score.ssim:8.3f}{score.texture:9.2f}"
                  f"{score.noise:7.2f}"
                  for name, score in self.scores.items()),
            ]  # fmt: skip
        return "\n".join(lines)


def check(
    job: Job, run: Run, options: FillOptions, model: str, most: int, notes: tuple[str, ...], cancel: Event | None
) -> SelfCheck:
    """Hide, fill and compare.

    Parameters
    ----------
    job
        The image and its holes.
    run
        `Inpainter.run`.
    options
        How the job's holes would be filled; the other kinds of ``detail`` are compared with it.
    model
        The model's name, for the table.
    most
        How many places are hidden.
    notes
        What else is to be said of these holes.

    Raises
    ------
    ValueError
        When the image's numbers are no intensities: their differences say nothing.
    """
    if options.values != "intensity" or options.mosaic is not None:
        what = "mosaic=" if options.mosaic is not None else f"values={options.values!r}"
        raise ValueError(f"the self-check compares intensities and colours, so it cannot judge {what}: leave it out")
    details = sorted(get_args(Detail), key=lambda detail: detail != options.detail)
    hiding = replace(options, grow=0, channel_axis=-1, nan_is_hole=False, wrap=None)  # its holes have grown

    def fill(pixels: NDArray[Any], mask: NDArray[np.bool_], own: int, detail: Detail) -> NDArray[Any]:
        stacked = options.sources == "stack" and detail == "copied"
        sources: Sources = "stack" if stacked else "plane"
        chosen = replace(hiding, detail=detail, sources=sources, stack_axis=0 if stacked else None)
        hidden = read_job(pixels, mask, None, chosen, cancel)
        hidden = hidden.leave([plane for plane in hidden.holes if plane != (own,)])
        hidden = replace(hidden, source=replace(hidden.source, separate=job.source.separate))
        patches, _ = run(hidden, chosen, cancel=cancel)
        return np.asarray(to_copy(hidden.source, patches)[own])

    fills: dict[str, Fill] = {
        OURS if detail == options.detail else detail: functools.partial(fill, detail=detail) for detail in details
    }
    methods = classical_methods()
    places: list[Place] = []
    for plane, hole, moved in choose_places(job, most, cancel):
        stop_if(cancel)
        if place := try_place(job, plane, hole, moved, fills, methods):
            places.append(place)
        if len(places) == most:
            break
    if not places:
        reason = "there is nothing to fill" if not job.holes else "no known place of a hole's size and shape was found"
        return SelfCheck(model, (), (*notes, f"{reason}: nothing could be hidden and compared"))
    common = [name for name in places[0].scores if all(name in place.scores for place in places)]
    scores = {name: mean_score([place.scores[name] for place in places]) for name in common}
    ours = scores[OURS]
    closer = [
        name for name, each in scores.items()
        if each.l1 < MARGIN * ours.l1 and each.psnr > ours.psnr and each.power < LESS_POWER * ours.power
    ]  # fmt: skip
    if closer:
        best = min(closer, key=lambda name: scores[name].l1)
        notes = (
            *notes,
            f"at these places {best} came closer than the fill: L1 {scores[best].l1:.2f} % against {ours.l1:.2f} %",
        )
    return SelfCheck(model, tuple(places), notes, scores)


def choose_places(job: Job, most: int, cancel: Event | None = None) -> Iterator[tuple[tuple[int, ...], Hole, Hole]]:
    """Yield plane, hole, and the hole moved to a known place nearby: of the largest holes first, in turns."""
    height, width = job.source.shape[-3:-1]
    holes = [(plane, hole) for plane, holes in job.holes.items() for hole in holes]
    # All planes alike, and not only the first ones, when their holes are of one size.
    order = np.random.default_rng(0).permutation(len(holes))
    holes = sorted((holes[index] for index in order), key=lambda each: -each[1].pixels)[:MOST_HOLES]
    boxes: dict[tuple[int, ...], NDArray[np.int64]] = {}
    taken: dict[tuple[int, ...], list[Box]] = {}
    waiting = iter(holes)
    active: list[tuple[tuple[int, ...], Hole, Iterator[Hole]]] = []
    while True:
        while len(active) < most and (entry := next(waiting, None)):
            stop_if(cancel)
            plane, hole = entry
            if plane not in boxes:
                boxes[plane], taken[plane] = np.array([each.box for each in job.holes[plane]]), []
            places = _free_places(hole, job.holes[plane], boxes[plane], taken[plane], height, width)
            if (first := next(places, None)) is not None:
                active.append((plane, hole, itertools.chain([first], places)))
        if not active:
            return
        for each in list(active):
            plane, hole, places = each
            moved = next((m for m in places if not any(m.box.overlaps(box) for box in taken[plane])), None)
            if moved is None:
                active.remove(each)
                continue
            taken[plane].append(moved.box)
            yield plane, hole, moved


def _free_places(
    hole: Hole, holes: tuple[Hole, ...], boxes: NDArray[np.int64], taken: list[Box], height: int, width: int
) -> Iterator[Hole]:
    """Yield a hole moved in eight directions, further and further, to where all is known."""
    step = hole.size + GAP  # of a scratch its width
    farthest = RINGS * (max(hole.box.height, hole.box.width) + GAP)
    distances = np.unique(np.geomspace(step, max(step, farthest), MOST_STEPS).astype(int)).tolist()
    shape = np.ones((hole.box.height, hole.box.width), bool) if hole.mask is None else hole.mask
    reach = ndimage.maximum_filter(np.pad(shape, GAP), 2 * GAP + 1)  # what must be known
    for distance in distances:
        for dy, dx in ((0, 1), (0, -1), (-1, 0), (1, 0), (-1, 1), (1, -1), (-1, -1), (1, 1)):
            box = hole.box.shift(dy * distance, dx * distance)
            if box.clip(height, width) != box or any(box.overlaps(other) for other in taken):
                continue
            around = Box(box.y0 - GAP, box.x0 - GAP, box.y1 + GAP, box.x1 + GAP)
            near = find_overlaps(boxes, around)
            if not near.any():
                yield replace(hole, box=box, spans=(False, False))
                continue
            unknown = paint_holes([holes[i] for i in np.flatnonzero(near)], around)
            if not (unknown & reach).any():
                yield replace(hole, box=box, spans=(False, False))


def try_place(
    job: Job, plane: tuple[int, ...], hole: Hole, moved: Hole, fills: Mapping[str, Fill],
    methods: dict[str, Filler],
) -> Place | None:  # fmt: skip
    """Hide a place and fill it with every method; None where the image has no finite pixels."""
    *_, height, width, _ = job.source.shape
    colours = job.source.colours
    region = moved.box.widen(max(CONTEXT, 2 * max(moved.box.height, moved.box.width)), height, width)
    pixels = job.source.read(plane, region)  # H, W, C
    unknown = paint_holes(job.holes[plane], region)  # H, W
    unknown |= job.source.find_hidden(plane, region, pixels)
    if pixels.dtype.kind == "f":
        unknown |= ~np.isfinite(pixels[..., colours]).all(-1)
    hidden = paint_holes([moved], region)  # H, W
    if (hidden & unknown).any():
        return None
    shown, masks = {0: pixels}, {0: unknown | hidden}
    for step, beside in job.source.find_beside(plane).items():  # where the hole goes on there, what is hidden does too
        shown[step], around = job.source.read(beside, region), job.holes.get(beside, ())
        masks[step] = paint_holes(around, region) | job.source.find_hidden(beside, region, shown[step])
        inside = moved.box.shift(-region.y0, -region.x0).slices
        masks[step][inside] |= paint_holes(around, hole.box) & hidden[inside]
    steps = sorted(shown)
    stack, unknowns = (np.stack([each[step] for step in steps]) for each in (shown, masks))
    filled = {name: fill(stack, unknowns, steps.index(0)) for name, fill in fills.items()}

    crop = moved.box.widen(CLASSICAL_CONTEXT, height, width).shift(-region.y0, -region.x0).slices
    hidden, unknown = hidden[crop], unknown[crop]
    known = pixels[crop][~unknown][:, colours].astype(np.float64) / 4  # differences of the largest floats overflow
    low, scale = np.zeros(known.shape[1]), np.ones(known.shape[1])
    for group in job.source.groups:  # as the fill sees them: colours together, others one by one
        low[group], high = np.quantile(known[:, group], (OUTLIERS, 1 - OUTLIERS))
        scale[group] = high - low[group] if (high > low[group]).all() else 1.0

    def normalise(x: NDArray[Any]) -> NDArray[np.float32]:
        return ((x[..., colours].astype(np.float64) / 4 - low) / scale).astype(np.float32)

    truth = np.where(unknown[..., None], np.float32(0), normalise(np.where(unknown[..., None], 0, pixels[crop])))
    scores = {
        name: score(truth, normalise(np.where(hidden[..., None], each[crop], pixels[crop])), hidden, unknown)
        for name, each in filled.items()
    }
    visible = np.where(hidden[..., None], np.float32(0), truth)
    for name, method in methods.items():
        composite = np.where(hidden[..., None], method(visible, hidden | unknown), truth)
        scores[name] = score(truth, composite, hidden, unknown)
    return Place(plane, moved.box, hole.box, scores)
