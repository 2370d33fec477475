"""One image file: what is filled in it, and what is written."""

from __future__ import annotations

import contextlib
import math
import warnings
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_inpaint.command.holes import ask_if_inverted, find_holes
from napari_inpaint.command.outputs import rebuild_levels, write_image, write_store
from napari_inpaint.inference.copying.provenance import read_copies
from napari_inpaint.inference.inpainter import Inpainter
from napari_inpaint.inference.inputs.job import read_job
from napari_inpaint.inference.inputs.planes import Planes
from napari_inpaint.inference.record import to_earlier
from napari_inpaint.inference.replay import find_differences, read_holes, read_options
from napari_inpaint.inference.runtime.providers import CPU
from napari_inpaint.inference.windows.patches import keep_mask, to_copy
from napari_inpaint.io.formats import FileError
from napari_inpaint.io.images import check_output, open_image
from napari_inpaint.models import bundled_models

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from napari_inpaint.command.holes import Note, Wanted
    from napari_inpaint.command.tasks import Task
    from napari_inpaint.inference.copying.provenance import CopyRecord
    from napari_inpaint.inference.inputs.boxes import Box
    from napari_inpaint.inference.inputs.job import Job
    from napari_inpaint.inference.options import FillOptions
    from napari_inpaint.inference.self_check import SelfCheck
    from napari_inpaint.inference.windows.plan import Plan
    from napari_inpaint.io.formats import ImageFile

    Answer = Plan | SelfCheck


@dataclass(slots=True)
class Outcome:
    """What became of a file."""

    task: Task
    record: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    """What the user should know."""
    error: str = ""
    """Why it was not filled."""

    @property
    def has_empty_mask(self) -> bool:
        """Whether there was a mask, and nothing to fill."""
        return self.task.mask is not None and not self.error and not self.record["holes"]


def fill_file(task: Task, wanted: Wanted, options: FillOptions, inpainter: Inpainter) -> Outcome:
    """Fill one file, and write it and what belongs beside it; or nothing, and say why."""
    outcome = Outcome(task)
    with naming_errors(outcome):
        source = open_image(task.input, wanted.series)
        outcome.notes += source.notes
        pixels, mask, clipped, options = read_inputs(source, task, wanted, options, outcome.notes.append)
        job = read_job(pixels, mask, clipped, options)
        if mask is not None and not isinstance(mask, np.ndarray):  # it was not read before
            ask_if_inverted(task, job.pixels, math.prod(job.source.shape[:-1]), outcome.notes.append)
        fill_source(source, job, options, inpainter, outcome)
        if outcome.has_empty_mask:
            outcome.notes.append(f"{task.input}: nothing is filled, the mask {task.mask} is empty")
        outcome.notes += [f"{task.input}: {note}" for note in outcome.record["notes"]]
    return outcome


def replay_file(task: Task, record: Mapping[str, Any], model: str | None, device: str) -> Outcome:
    """Repeat the fill of a record on its image; a note says whether the result is the same, or what differs.

    Parameters
    ----------
    task
        What is read and written.
    record
        Of the fill, as ``--record`` wrote it.
    model
        The file of the model, when it is none of the bundled ones.
    device
        ``auto``: the record's.
    """
    outcome = Outcome(task)
    with naming_errors(outcome):
        inpainter = open_recorded(record, model, device)
        source = open_image(task.input, record.get("series"))
        outcome.notes += source.notes
        pixels, axis = source.pixels, source.channel_axis
        if "rules" not in record:  # before, files were filled without their transparency
            pixels = visible_pixels(source)
        for name, found in (("shape", list(pixels.shape)), ("dtype", str(pixels.dtype))):
            if record.get(name) != found:
                raise FileError(f"the record is of an image of {name} {record.get(name)}, {source.path} has {found}")
        options = read_options(record, axis)
        job = read_job(pixels, read_holes(record, plane_shape(pixels.shape, axis)), None, options)
        fill_source(source, job, options, inpainter, outcome, read_copies(record))
        differences = find_differences(record, outcome.record)
        verdict = "the filled pixels are the same, bit for bit"
        if differences:
            verdict = f"the result differs: {'; '.join(differences)}"
        outcome.notes.append(f"{task.input}: {verdict}")
    return outcome


def ask_about_file(task: Task, wanted: Wanted, options: FillOptions, ask: Callable[..., Answer], note: Note) -> Answer:
    """Return what `Inpainter.plan` or `Inpainter.self_check` answers about what `fill_file` would do.

    Raises
    ------
    ValueError
        As they do, and when a file cannot be read.
    """
    source = open_image(task.input, wanted.series)
    for sentence in source.notes:
        note(sentence)
    pixels, mask, clipped, options = read_inputs(source, task, wanted, options, note)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the answer has them too
        return ask(pixels, mask, clipped, **asdict(options))


@contextlib.contextmanager
def naming_errors(outcome: Outcome) -> Iterator[None]:
    """Keep why a file was not filled, with its name; warnings of fills are in the record too."""
    task = outcome.task
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            yield
    except MemoryError:
        outcome.error = f"{task.input} does not fit into memory"
    except (ValueError, ImportError, OSError, RuntimeError) as error:
        words = str(error)
        outcome.error = words if str(task.input) in words or str(task.output) in words else f"{task.input}: {words}"


def read_inputs(
    source: ImageFile, task: Task, wanted: Wanted, options: FillOptions, note: Note
) -> tuple[NDArray[Any], NDArray[Any] | None, list[Box], FillOptions]:
    """Return the pixels, the mask, the boxes, and how the pixels are filled: with what the file says of their values.

    Raises
    ------
    ValueError
        When the image has no rows and columns, and as `find_holes`.
    """
    shape, axis = source.pixels.shape, source.channel_axis
    if len(shape) - (axis is not None) < 2:
        raise FileError(f"{source.path} has shape {shape}: no rows and columns")
    stack = options.stack_axis
    if stack is not None and source.named_channels in (stack, stack + len(shape)):
        raise FileError(f"axis {stack} of {source.path} holds channels: copies come from planes along another one")
    mask, clipped = find_holes(source, task, plane_shape(shape, axis), wanted, note)
    nodata = source.nodata if options.nodata is None else options.nodata
    alpha = options.alpha or source.alpha
    return source.pixels, mask, clipped, replace(options, channel_axis=axis, nodata=nodata, alpha=alpha)


def plane_shape(shape: Sequence[int], channel_axis: int | None) -> tuple[int, ...]:
    """Return the lengths of all axes but that of the channels."""
    return tuple(length for axis, length in enumerate(shape) if axis != channel_axis)


def visible_pixels(source: ImageFile) -> NDArray[Any]:
    """Return all but transparency, which is kept; a zarr array is not read."""
    if not source.alpha or source.channel_axis is None:
        return source.pixels
    return source.pixels[*(slice(None),) * source.channel_axis, :-1]


def open_recorded(record: Mapping[str, Any], model: str | None, device: str) -> Inpainter:
    """Open the model of a record; a record from a stranger names bundled ones only."""
    if model is None and record.get("model"):
        model = f"{record.get('model')}.{record.get('precision')}"
        if str(record.get("precision")) not in bundled_models().get(str(record.get("model")), {}):
            raise FileError(f"the record is of the model {model}, which is not bundled: name its file with --model")
    provider = str(record.get("provider", "")) or CPU
    return Inpainter(model, device if device != "auto" else provider, record.get("threads"))


def fill_source(
    source: ImageFile, job: Job, options: FillOptions, inpainter: Inpainter, outcome: Outcome,
    recorded: Sequence[CopyRecord] | None = None,
) -> None:  # fmt: skip
    """Fill the holes of a file, and write what the outcome's task names; the record goes into the outcome."""
    task = outcome.task
    outcome.notes += check_output(task.output, source)
    patches, record = inpainter.run(job, options, recorded=recorded)
    outcome.record = record.to_dict()
    if "series" in source.options:  # one of several
        outcome.record["series"] = source.options["series"]
    if source.record is not None:
        outcome.record["earlier"] = to_earlier(source.record)
        if task.record is None and source.format != "ZARR":
            outcome.notes.append(f"{task.input}: not kept: the record of an earlier fill; add --record to keep it")
    if source.format == "ZARR":
        write_store(outcome, job, patches)
        return
    filled = to_copy(Planes(np.asarray(source.pixels), source.channel_axis), patches)
    if isinstance(source.pixels, np.ma.MaskedArray):
        filled = keep_mask(filled, source.pixels, job.source, patches)
    levels = [np.asarray(filled), *(level.copy() for level in source.levels)]
    rebuild_levels(levels, source.channel_axis, job, patches, outcome)
    write_image(outcome, job, source, filled, levels[1:])
