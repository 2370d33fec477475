"""The fill, off the GUI thread."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari.qt.threading import create_worker

from napari_inpaint.plugin.layers import to_layer

if TYPE_CHECKING:
    from napari.qt.threading import FunctionWorker
    from numpy.typing import NDArray

    from napari_inpaint.inference.inpainter import Inpainter
    from napari_inpaint.plugin.layers import Job


@dataclass(frozen=True, slots=True)
class Result:
    """What the new layer is made of, and what to tell the user."""

    data: NDArray[Any]
    attributes: dict[str, Any]
    sentences: tuple[str, ...]


def run_job(job: Job, inpainter: Inpainter) -> Result | str:
    """Fill the plane of a job; return a sentence when the user must change something."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # the record has them too
            filled = inpainter.fill(job.pixels[job.plane], job.mask, channel_axis=job.channel_axis)
        record = inpainter.last_record
        assert record is not None
        data, attributes = to_layer(job, filled, record)
        problem = inpainter.session.cuda_problem
    except (ValueError, ImportError, RuntimeError, MemoryError) as error:
        return f"{error or 'not enough memory'}."
    ran = f"by {record['provider']}" + (f" ({problem})" if problem else "")
    how = ran if record["provider"] else "from the rim: too narrow for the network"
    sentences = [f"{record['filled_pixels']} pixels filled in {record['seconds']:.2f} s {how}."]
    if job.clipped:
        sentences.append("Shapes that reach beyond the image were clipped.")
    return Result(data, attributes, (*sentences, *(f"{note}." for note in record["notes"])))


def make_worker(job: Job, inpainter: Inpainter) -> FunctionWorker[Any]:
    """Return a worker that runs the job when it is started; it reports through its signals."""
    worker: FunctionWorker[Any] = create_worker(
        run_job, job, inpainter, _start_thread=False, _progress={"desc": "Inpaint"}
    )
    return worker
