"""One image file: what is filled in it, and what is written."""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import warnings
from dataclasses import asdict, dataclass, field, replace
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from napari_inpaint.command.holes import ask_if_inverted, find_holes
from napari_inpaint.command.maps import encode_offsets
from napari_inpaint.inference.copying.provenance import read_copies
from napari_inpaint.inference.inpainter import Inpainter
from napari_inpaint.inference.inputs.job import read_job
from napari_inpaint.inference.inputs.planes import Planes
from napari_inpaint.inference.record import to_earlier
from napari_inpaint.inference.replay import find_differences, read_holes, read_options
from napari_inpaint.inference.runtime.providers import CPU
from napari_inpaint.inference.windows.patches import fill_in_place, keep_mask, to_copy
from napari_inpaint.inference.windows.pyramid import patch_level
from napari_inpaint.io.formats import FileError
from napari_inpaint.io.images import check_output, encode_image, open_image, read_record, staged
from napari_inpaint.io.orientation import UPRIGHT, encode_orientation
from napari_inpaint.io.zarr import copied, open_zarr, write_zarr_record
from napari_inpaint.models import bundled_models

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_inpaint.command.holes import Note, Wanted
    from napari_inpaint.command.tasks import Task
    from napari_inpaint.inference.copying.provenance import CopyRecord
    from napari_inpaint.inference.inputs.boxes import Box
    from napari_inpaint.inference.inputs.job import Job
    from napari_inpaint.inference.options import FillOptions
    from napari_inpaint.inference.self_check import SelfCheck
    from napari_inpaint.inference.windows.patches import Patch
    from napari_inpaint.inference.windows.plan import Plan
    from napari_inpaint.io.formats import ImageFile

    Answer = Plan | SelfCheck

GROWN = 2
"""How many times as many bytes are worth a word."""


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


def write_store(outcome: Outcome, job: Job, patches: Sequence[Patch]) -> None:
    """Write a filled copy of a zarr store: only the chunks of holes are written again, in all of its levels."""
    task = outcome.task
    with copied(task.input, task.output, task.overwrite) as (copy, finish):
        image = open_zarr(copy, outcome.record.get("series"), "r+")
        fill_in_place(job.source.like(image.levels[0]), patches)
        rebuild_levels(image.levels, None, job, patches, outcome)
        if task.record is not None:
            write_zarr_record(image, outcome.record)
        with beside(outcome, job, UPRIGHT):
            finish()


def rebuild_levels(
    levels: Sequence[Any], channel_axis: int | None, job: Job, patches: Sequence[Patch], outcome: Outcome
) -> None:
    """Change the reduced versions of an image where they show a fill; the first is the image itself, filled."""
    picks = outcome.record["values"] != "intensity"
    for pair in itertools.pairwise(levels):
        first, above, below = (each if channel_axis is None else np.moveaxis(each, channel_axis, -1)
                               for each in (levels[0], *pair))  # fmt: skip
        changes = patch_level(above, below, first.shape, patches, picks)
        fill_in_place(job.source.like(pair[1]), changes)


def write_image(
    outcome: Outcome, job: Job, source: ImageFile, pixels: NDArray[Any], levels: Sequence[NDArray[Any]]
) -> None:
    """Write an image that was read as a whole, and what belongs beside it."""
    task = outcome.task
    record = json.dumps(outcome.record) if task.record else None
    data = encode_image(task.output, source, pixels, record, levels, find_filled(job, outcome))
    if task.input.is_file() and len(data) > GROWN * (size := task.input.stat().st_size):
        outcome.notes.append(f"{task.output} has {len(data) / size:.1f} times as many bytes as {task.input}")
    with staged(task.output, data) as appear, beside(outcome, job, source.orientation):
        appear()


def find_filled(job: Job, outcome: Outcome) -> NDArray[np.bool_]:
    """Return which pixels a fill may have changed, (..., H, W)."""
    return read_holes(outcome.record, job.source.shape[:-1])


@contextlib.contextmanager
def beside(outcome: Outcome, job: Job, orientation: int) -> Iterator[None]:
    """Write the record, the mask of what was made up, and the map of where it came from.

    The image comes last: when it is there, all is there.

    Raises
    ------
    FileError
        When one cannot be written, or is there already and is not what a killed run of the same fill left.
    """
    task = outcome.task
    files: dict[Path, bytes] = {}
    if task.record is not None:
        files[task.record] = json.dumps(outcome.record, indent=1).encode()
    if task.synthetic is not None:
        files[task.synthetic] = encode_mask(find_filled(job, outcome), orientation)
    if task.offsets is not None:
        files[task.offsets] = encode_offsets(task.offsets, outcome.record, job.source.shape[:-1])
    for path, data in files.items():
        if not task.overwrite and path.is_file() and path.read_bytes() != data and not _is_record(path):
            raise FileError(f"{path} exists: move it away, or add --overwrite")
    with contextlib.ExitStack() as stack:
        appear = [stack.enter_context(staged(path, data)) for path, data in files.items()]
        for each in appear:
            each()
        yield


def _is_record(path: Path) -> bool:
    try:
        return path.suffix == ".json" and "mask_sha256" in read_record(path)
    except FileError:
        return False


def encode_mask(mask: NDArray[np.bool_], orientation: int) -> bytes:
    """Return a PNG that is white where the mask, (..., H, W), is True; planes that differ stand below one another.

    A single plane is displayed turned, as its image is.
    """
    if 0 in mask.shape[-2:]:
        raise FileError("an image without pixels has no mask of what was made up")
    planes = mask.reshape(-1, *mask.shape[-2:])
    if (planes == planes[:1]).all():
        mask = planes[0] if len(planes) else np.zeros(mask.shape[-2:], bool)
    turned = orientation != UPRIGHT and mask.ndim == 2
    buffer = BytesIO()
    options: dict[str, Any] = {"exif": encode_orientation(orientation)} if turned else {}
    Image.fromarray(mask.reshape(-1, mask.shape[-1])).save(buffer, "PNG", **options)
    return buffer.getvalue()
