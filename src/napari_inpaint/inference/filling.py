"""The core of the engine: a job becomes patches and their record. Nothing is written here."""

from __future__ import annotations

import functools
import hashlib
import itertools
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

import napari_inpaint
from napari_inpaint.inference.cancelling import stop_if
from napari_inpaint.inference.copying.regions import plan_regions
from napari_inpaint.inference.copying.stage import copy_regions
from napari_inpaint.inference.inputs.holes import CONNECTED, hash_holes
from napari_inpaint.inference.inputs.kinds import note_kinds
from napari_inpaint.inference.inputs.values import opaque_value, step_off
from napari_inpaint.inference.options import RULES
from napari_inpaint.inference.record import Record, WindowRecord
from napari_inpaint.inference.replay import describe_holes
from napari_inpaint.inference.runtime.loading import describe_cpu
from napari_inpaint.inference.windows.crop import Crop
from napari_inpaint.inference.windows.intensity import NothingKnownError
from napari_inpaint.inference.windows.labels import fill_window
from napari_inpaint.inference.windows.patches import Patch
from napari_inpaint.inference.windows.plan import note_left

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_inpaint.inference.cancelling import Event
    from napari_inpaint.inference.copying.provenance import CopyRecord
    from napari_inpaint.inference.copying.stage import Key
    from napari_inpaint.inference.inputs.job import Job
    from napari_inpaint.inference.options import FillOptions
    from napari_inpaint.inference.runtime.session import Session
    from napari_inpaint.inference.windows.plan import Plan, Window


def run(
    job: Job, plan: Plan, options: FillOptions, session: Session | None,
    on_progress: Callable[[int, int], object] | None = None, cancel: Event | None = None,
    recorded: Sequence[CopyRecord] | None = None,
) -> tuple[list[Patch], Record]:  # fmt: skip
    """Complete the windows of a plan, and copy. Windows and regions see the image, never another one's fill.

    Parameters
    ----------
    job, plan, options
        What to fill, from which windows, and how.
    session
        The network; None when none is needed.
    on_progress, cancel
        As `Inpainter.fill`.
    recorded
        The copies of an earlier fill, which are applied again: nothing is searched.

    Returns
    -------
    patches : list of Patch
        What changes, for what writes it.
    record : Record

    Raises
    ------
    FillCancelledError, ValueError, RuntimeError
        As `Inpainter.fill`.
    """
    started = time.perf_counter()
    given, job, asked = job, job.seen, options
    options = replace(options, nodata=job.source.nodata)  # views know what is hidden
    is_copied = options.detail == "copied" and options.values != "labels" and options.rules == RULES
    regions = plan_regions(job) if is_copied else ()
    earlier = None if recorded is None else {(copy.plane, copy.holes): copy for copy in recorded}
    if earlier is not None:  # where all was copied, nothing needs to be completed
        plan = replace(plan, windows=tuple(_with_guides(plan.windows, earlier)))
    count, done = len(plan.windows) + len(regions), itertools.count(1)

    def on_part() -> None:
        number = next(done)
        if on_progress is not None:
            on_progress(number, count)

    if options.values == "labels":
        filled = _fill_labels(job, plan, on_part, cancel)
    else:
        filled = _fill_windows(job, plan, options, session, on_part, cancel)
    given, job = (each.leave(filled.left) for each in (given, job))
    if filled.left and not job.holes:
        raise NothingKnownError("no pixel is known in any plane that has holes: fill NaN too (nan_is_hole=True, --nan)")
    patches = [patch for patch in filled.patches if patch.plane not in filled.left]
    copies: list[CopyRecord] = []
    copying_started = time.perf_counter()
    if regions:
        regions = tuple(region for region in regions if region.plane not in filled.left)
        threads = None if session is None else session.threads
        copied, copies, digests = copy_regions(job, regions, patches, options, earlier, on_part, cancel, threads)
        filled.digests = [(copy.plane, digest) for copy, digest in zip(copies, digests, strict=True)]
        patches = copied
    copy_seconds = time.perf_counter() - copying_started if copies else 0.0
    if options.alpha and options.rules == RULES:
        patches += _make_opaque(job)
    windows = [window for window in filled.windows if window.plane not in filled.left]
    record = Record(
        napari_inpaint.__version__, options=asked, shape=tuple(given.source.array.shape),
        dtype=str(given.source.dtype), created=datetime.now(UTC).isoformat(timespec="seconds"),
        holes=describe_holes(given.holes), batch=filled.batch, mask_sha256=hash_holes(given.holes.items()),
        filled_pixels=given.pixels,
        masked_pixels=0 if given.source.masked is None else int(np.count_nonzero(given.source.masked)),
        network_seconds=filled.network_seconds,
        windows=windows, notes=list(dict.fromkeys([*plan.notes, *filled.left.values(), *note_kinds(given, asked)])),
    )  # fmt: skip
    if windows or copies:
        record.result_sha256, record.machine = filled.sha256(options.rules), describe_cpu()
    if session is not None:
        record.model, record.recipe, record.licence = session.spec.name, session.spec.recipe, session.spec.licence
        record.model_sha256, record.precision = session.sha256, session.spec.precision
        record.provider = next((window.provider for window in reversed(windows) if window.provider), "")
        record.threads, record.runtime = session.threads, session.version
    stop_if(cancel)
    record.copies, record.copy_seconds = copies, copy_seconds
    record.seconds = time.perf_counter() - started
    return patches if given.view is None else given.view.back(patches), record


def _with_guides(windows: Iterable[Window], copies: Mapping[Key, CopyRecord]) -> Iterator[Window]:
    """Yield the windows of which a fill whose copies are known needs the completion."""
    needed = [copy for copy in copies.values() if copy.shares or not copy.offsets]
    for window in windows:
        boxes = [box for copy in needed if copy.plane == window.plane for box in copy.holes]
        if any(hole.box.overlaps(box) for hole in window.holes for box in boxes):
            yield window


@dataclass(slots=True)
class _Filled:
    """What came of the windows of a plan."""

    left: dict[tuple[int, ...], str]
    """Planes that are left as they are, each with a sentence about it; patches and windows may have parts of them."""
    patches: list[Patch] = field(default_factory=list)
    windows: list[WindowRecord] = field(default_factory=list)
    digests: list[tuple[tuple[int, ...], bytes]] = field(default_factory=list)
    """Of the filled pixels of every window and group of channels, with its plane."""
    first_digest: Any = field(default_factory=hashlib.sha256)
    """Of all of them, by the first rules."""
    batch: int = 0
    network_seconds: float = 0.0

    def sha256(self, rules: int) -> str:
        """Return the SHA-256 of what was filled."""
        if rules < RULES:
            return str(self.first_digest.hexdigest())
        return hashlib.sha256(b"".join(digest for plane, digest in self.digests if plane not in self.left)).hexdigest()


def _fill_windows(
    job: Job, plan: Plan, options: FillOptions, session: Session | None,
    on_window: Callable[[], object], cancel: Event | None,
) -> _Filled:  # fmt: skip
    """Fill window after window. A plane with a window of which nothing is known is left, if there are others."""
    filled = _Filled({plane: note_left(plane) for plane in plan.left})
    groups = job.source.groups
    crops_of_window: list[Crop] = []
    read = functools.lru_cache(maxsize=1)(functools.partial(_read_window, job, options))  # once for all groups
    for batch in batches(plan.windows, groups, session):
        work = []
        for window, group in batch:
            try:
                pixels, hidden = read(window)
                work.append((window, group, Crop(pixels[..., group], window, hidden, options.rules)))
            except NothingKnownError:
                if not window.plane:
                    raise
                filled.left.setdefault(window.plane, note_left(window.plane, " around a hole"))
                if group == groups[-1]:
                    on_window()
        if not work:
            continue
        asked = time.perf_counter()
        completions, provider = _complete([crop for _, _, crop in work], session, cancel)
        if provider:
            filled.batch = max(filled.batch, len(work))
            filled.network_seconds += time.perf_counter() - asked
        for (window, group, crop), completion in zip(work, completions, strict=True):
            box, pixels = crop.fill(completion, options.seam, cancel)
            pixels = step_off(pixels, options.nodata)
            filled.patches += crop.to_patches(box, pixels, group)
            made = pixels[crop.hole[box.slices]].tobytes()
            if options.rules == RULES:
                filled.digests.append((window.plane, hashlib.sha256(made).digest()))
            else:
                filled.first_digest.update(made)
            crops_of_window = [crop] if group == groups[0] else [*crops_of_window, crop]
            if group == groups[-1]:
                filled.windows.append(_describe(window, provider, crops_of_window))
                on_window()
    return filled


def _fill_labels(job: Job, plan: Plan, on_window: Callable[[], object], cancel: Event | None) -> _Filled:
    """Fill window after window with labels. A plane without any is left, if there are others."""
    filled = _Filled({plane: note_left(plane) for plane in plan.left})
    for window in plan.windows:
        stop_if(cancel)
        try:
            patches = fill_window(job, window, cancel)
        except NothingKnownError:
            if not window.plane:
                raise
            filled.left.setdefault(window.plane, note_left(window.plane, " around a hole"))
            continue
        finally:
            on_window()
        filled.patches += patches
        made = b"".join(patch.pixels[patch.mask[..., 0]].tobytes() for patch in patches)
        filled.digests.append((window.plane, hashlib.sha256(made).digest()))
        holes = tuple(hole.box for hole in window.holes)
        filled.windows.append(WindowRecord(window.plane, window.crop, holes, 1, "", ("labels",), (0.0,), ()))
    return filled


def _read_window(job: Job, options: FillOptions, window: Window) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Return a window's pixels, (H, W, C), and which of them hold no value."""
    pixels = job.source.read(window.plane, window.crop)
    return pixels, job.source.find_hidden(window.plane, window.crop, pixels) if options.rules == RULES else None


def _make_opaque(job: Job) -> Iterator[Patch]:
    """Yield patches that show what was filled where it had been erased; beyond an outline all stays transparent."""
    *_, height, width, channels = job.source.shape
    for plane, holes in job.holes.items():
        for hole in holes:
            around = hole.box.widen(1, height, width)
            inside = hole.box.shift(-around.y0, -around.x0).slices
            before = job.source.read(plane, around)[..., channels - 1 :]
            mask = np.zeros(before.shape[:2], bool)
            hole.paint(mask, around)
            transparent = before[..., 0] == 0
            erased = mask & transparent
            if not transparent[mask].all():  # then what is transparent beyond the hole too was never there
                labels, _ = ndimage.label(transparent, CONNECTED)
                erased &= ~np.isin(labels, labels[transparent & ~mask])
            if erased.any():
                opaque = np.full_like(before, opaque_value(before.dtype))
                yield Patch(plane, hole.box, slice(channels - 1, channels), erased[inside][..., None],
                            before[inside].copy(), opaque[inside])  # fmt: skip


def _describe(window: Window, provider: str, crops: Sequence[Crop]) -> WindowRecord:
    """Return the record of a window whose groups of channels are filled."""
    smooth = tuple(crop.smooth for crop in crops if crop.smooth)
    return WindowRecord(
        window.plane, window.crop, tuple(hole.box for hole in window.holes), window.factor, provider, smooth,
        tuple(crop.noise for crop in crops if crop.smooth), tuple(crop.curve for crop in crops),
    )  # fmt: skip


def batches(
    windows: Iterable[Window], groups: list[slice], session: Session | None
) -> Iterator[list[tuple[Window, slice]]]:
    """Divide the work, every window once for each group of channels, into what one network call does."""
    alike = itertools.groupby(windows, lambda window: (window.interpolated, window.size))
    for (_, size), members in alike:
        work = itertools.product(members, groups)
        while batch := list(itertools.islice(work, 1 if session is None else session.batch_size(*size))):
            yield batch


def _complete(
    crops: list[Crop], session: Session | None, cancel: Event | None
) -> tuple[Sequence[NDArray[np.float32] | None], str]:
    """Return the completions, (3, h, w) each, and the provider that made them; none of what is smooth."""
    stop_if(cancel)
    if session is None or crops[0].window.interpolated:
        return [None] * len(crops), ""
    tensors = zip(*(crop.to_network() for crop in crops), strict=True)
    images, masks = (np.stack(each) for each in tensors)
    return list(session.complete(images, masks, cancel)), session.provider
