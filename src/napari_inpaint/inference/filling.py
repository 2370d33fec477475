"""Carry out a plan: complete its windows batch by batch, and write them into the result."""

from __future__ import annotations

import hashlib
import itertools
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_inpaint.inference.cancelling import stop_if
from napari_inpaint.inference.inputs.values import channel_groups
from napari_inpaint.inference.record import WindowRecord
from napari_inpaint.inference.windows.crop import Crop
from napari_inpaint.inference.windows.patches import Patch
from napari_inpaint.inference.windows.refining import refine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from napari_inpaint.inference.cancelling import Event
    from napari_inpaint.inference.inputs.job import Job
    from napari_inpaint.inference.record import Record
    from napari_inpaint.inference.runtime.session import Session
    from napari_inpaint.inference.windows.intensity import IntensityRange
    from napari_inpaint.inference.windows.patches import Target
    from napari_inpaint.inference.windows.plan import Plan, Window


def fill_windows(
    job: Job, plan: Plan, session: Session, target: Target, record: Record,
    on_progress: Callable[[int, int], object] | None, cancel: Event | None,
) -> None:  # fmt: skip
    """Fill the windows of a plan; when that fails, all that the target took is taken back.

    Parameters
    ----------
    job, plan, session
        What to fill, from which windows, and with what. Windows see the source, never another window's fill.
    target
        Takes the filled pixels.
    record
        Takes the windows, and the network's time.
    on_progress, cancel
        As `Inpainter.fill`.

    Raises
    ------
    FillCancelledError, ValueError, RuntimeError
        As `Inpainter.fill`.
    """
    groups, digest = channel_groups(job.source.shape[-1]), hashlib.sha256()
    ranges: list[IntensityRange] = []
    try:
        with session.stopping(cancel) as stop:
            for batch in batches(plan.windows, groups, session):
                stop_if(cancel)
                crops = [
                    Crop(job.source.read(window.plane, window.crop)[..., group], window) for window, group in batch
                ]
                started = time.perf_counter()
                try:
                    completions, provider = _complete(crops, session, stop, lambda: stop_if(cancel))
                except RuntimeError:
                    stop_if(cancel)
                    raise
                record.batch = max(record.batch, len(batch) if provider else 0)
                record.network_seconds += time.perf_counter() - started if provider else 0
                for (window, group), crop, completion in zip(batch, crops, completions, strict=True):
                    where, pixels = crop.fill(completion, record.seam, lambda: stop_if(cancel))
                    box = where.shift(window.crop.y0, window.crop.x0)
                    mask = crop.hole[where.slices]
                    target.put(Patch(window.plane, box, group, pixels, mask))
                    digest.update(pixels[mask].tobytes())
                    ranges.append(crop.intensity)
                    if group == groups[-1]:
                        boxes = tuple(hole.box for hole in window.holes)
                        record.windows.append(
                            WindowRecord(window.plane, window.crop, boxes, window.factor, provider, tuple(ranges))
                        )
                        ranges.clear()
                        if on_progress is not None:
                            on_progress(len(record.windows), len(plan.windows))
        record.result_sha256 = digest.hexdigest()
        stop_if(cancel)
    except BaseException:
        target.undo()
        raise


def batches(windows: Iterable[Window], groups: list[slice], session: Session) -> Iterator[list[tuple[Window, slice]]]:
    """Divide the work, every window once for each group of channels, into what one network call does."""
    alike = itertools.groupby(windows, lambda window: (window.interpolated, window.size))
    for (_, size), members in alike:
        work = itertools.product(members, groups)
        while batch := list(itertools.islice(work, session.batch_size(*size))):
            yield batch


def _complete(
    crops: list[Crop], session: Session, stop: Any, check: Callable[[], None]
) -> tuple[list[NDArray[np.float32]], str]:
    """Return the completions, (3, h, w) each, and the provider that made them; none makes what is interpolated."""
    if crops[0].window.interpolated:
        return [crop.level() for crop in crops], ""
    tensors = zip(*(crop.to_network(crop.window.factor) for crop in crops), strict=True)
    images, masks = (np.stack(each) for each in tensors)
    completions = list(session.complete(images, masks, stop))
    if session.spec.refines:

        def complete(image: NDArray[np.float32], mask: NDArray[np.float32]) -> NDArray[np.float32]:
            check()
            return session.complete(image, mask, stop, refine=True)

        completions = [
            refine(completion, crop.window.factor, crop.window.hole_box, crop.to_network, complete, session.spec.window)
            for crop, completion in zip(crops, completions, strict=True)
        ]
    return completions, session.provider
