"""The fill, off the GUI thread."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari.qt.threading import create_worker

if TYPE_CHECKING:
    from napari.qt.threading import FunctionWorker
    from numpy.typing import NDArray

    from napari_inpaint.inference.inpainter import Inpainter
    from napari_inpaint.plugin.layers import Job


@dataclass(frozen=True, slots=True)
class Result:
    """A filled plane, and how it came about."""

    job: Job
    filled: NDArray[Any]
    record: dict[str, Any]
    notes: tuple[str, ...]
    """What the user should know."""


def run_job(job: Job, inpainter: Inpainter) -> Result:
    """Fill the plane of a job."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        filled = inpainter.fill(job.pixels[job.plane], job.mask, channel_axis=job.channel_axis)
    record = inpainter.last_record
    assert record is not None
    return Result(job, filled, record, tuple(str(w.message) for w in caught))


def make_worker(job: Job, inpainter: Inpainter) -> FunctionWorker[Any]:
    """Return a worker that runs the job when it is started; it reports through its signals."""
    worker: FunctionWorker[Any] = create_worker(
        run_job, job, inpainter, _start_thread=False, _progress={"desc": "Inpaint"}
    )
    return worker
