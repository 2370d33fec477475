"""Fill image files, here or in several processes."""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import multiprocessing
import os
import threading
import time
import warnings
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from napari_inpaint.inference.inpainter import Inpainter
from napari_inpaint.inference.inputs.boxes import to_box
from napari_inpaint.inference.replay import find_differences, read_holes
from napari_inpaint.inference.runtime.loading import choose_model
from napari_inpaint.inference.runtime.providers import CPU
from napari_inpaint.inference.windows.pyramid import rebuild_level
from napari_inpaint.io.images import (
    STREAM,
    FileError,
    as_file,
    check_output,
    encode_image,
    open_image,
    read_image,
    read_mask,
    read_record,
    staged,
    write_bytes,
)
from napari_inpaint.io.zarr import copied, is_zarr, open_zarr, write_zarr_record
from napari_inpaint.models import bundled_models

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_inpaint.command.tasks import Task
    from napari_inpaint.inference.inputs.boxes import Box
    from napari_inpaint.inference.self_check import SelfCheck
    from napari_inpaint.inference.windows.plan import Plan
    from napari_inpaint.io.formats import ImageFile

    Choose = Callable[[ImageFile], tuple[NDArray[Any], dict[str, Any]]]
    Told = Callable[["Outcome", Inpainter], None]


@dataclass(frozen=True, slots=True)
class Options:
    """What is filled in every file, and how."""

    boxes: Sequence[Sequence[int]] = ()
    """y0, x0, y1, x1, half-open; what reaches beyond an image is clipped."""
    grow: int = 0
    seam: bool = True
    nan_is_hole: bool = False


@dataclass(slots=True)
class Outcome:
    """What became of a file."""

    task: Task
    record: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    """What the user should know."""
    error: str = ""
    """Why it was not filled."""


def fill_files(tasks: Sequence[Task], options: Options, model: str | None, device: str, jobs: int) -> Iterator[Outcome]:
    """Fill files one after another, or ``jobs`` at once; one that fails does not stop the others.

    Raises
    ------
    ValueError
        When there is no such model.
    """
    if jobs == 1 or len(tasks) < 2:
        inpainter = Inpainter(model, device)
        inpainter.warm_up()  # while the first image is read
        for task in tasks:
            yield fill_file(task, options, inpainter)
        return
    threads = max(1, (os.cpu_count() or 1) // jobs)
    inpainter = Inpainter(choose_model(model, device, threads), device, threads)
    left = list(tasks)
    while left:
        for outcome in _fill_in_processes(left, options, inpainter, jobs):
            left.remove(outcome.task)
            yield outcome
        jobs = 1  # after a process died, one after another, so that it is known whose file killed it


def _fill_in_processes(tasks: Sequence[Task], options: Options, inpainter: Inpainter, jobs: int) -> Iterator[Outcome]:
    """Fill files in processes; when one dies, end after what the others finished, or name its file if it ran alone."""
    parent = os.getpid()
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _end_with, (parent,)) as pool:
        waiting = {pool.submit(fill_file, task, options, inpainter): task for task in tasks}
        try:
            for future in as_completed(waiting) if jobs > 1 else waiting:
                try:
                    yield future.result()
                except BrokenExecutor:
                    if jobs == 1:
                        task = waiting[future]
                        yield Outcome(task, error=f"{task.input}: its process was killed, perhaps for want of memory")
                        return
        finally:
            pool.shutdown(cancel_futures=True)


def _end_with(parent: int) -> None:
    """End this process when its parent ends, however that ends."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def fill_file(task: Task, options: Options, inpainter: Inpainter) -> Outcome:
    """Fill one file, and write it, its record and the mask of what was made up; or nothing, and say why."""
    outcome = Outcome(task)

    def choose(source: ImageFile) -> tuple[NDArray[Any], dict[str, Any]]:
        pixels, arguments = prepare(source, task, options, outcome.notes.append)
        return pixels, {**arguments, "seam": options.seam}

    with naming_errors(outcome):
        (fill_store if is_zarr(task.input) else fill_image)(outcome, inpainter, choose, tell)
    return outcome


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


def fill_image(outcome: Outcome, inpainter: Inpainter, choose: Choose, told: Told) -> None:
    """Fill a file that is read as a whole.

    Parameters
    ----------
    choose
        Gives the pixels of a source that are filled, and the arguments of `Inpainter.fill`.
    told
        Takes over the record.
    """
    task = outcome.task
    source = read_image(task.input)
    check_output(task.output, source)
    outcome.notes += source.notes
    pixels, arguments = choose(source)
    filled = source.pixels.copy("K")
    filled[*_visible(source)] = inpainter.fill(pixels, **arguments)
    told(outcome, inpainter)
    write_all(task, source, filled, outcome, made_up(task, outcome, pixels, source.channel_axis))


def fill_store(outcome: Outcome, inpainter: Inpainter, choose: Choose, told: Told) -> None:
    """Fill a zarr store: only the chunks of windows are read and written again. Parameters as `fill_image`."""
    task = outcome.task
    _, arguments = choose(as_file(open_zarr(task.input)))  # before it is copied
    with copied(task.input, task.output, task.overwrite) as (copy, finish):
        image = open_zarr(copy, "r+")
        pixels = image.levels[0]
        inpainter.fill(pixels, out=pixels, **arguments)
        told(outcome, inpainter)
        for above, level in itertools.pairwise(image.levels):
            rebuild_level(above, level, image.levels[0].shape, outcome.record["windows"])
        if task.record is not None:
            write_zarr_record(image, outcome.record)
        with beside(task, outcome, made_up(task, outcome, pixels, image.channel_axis)):
            finish()


def made_up(task: Task, outcome: Outcome, pixels: Any, channel_axis: int | None) -> NDArray[np.bool_] | None:
    """Return which pixels were made up, when that is to be written."""
    return read_holes(outcome.record, plane_shape(pixels.shape, channel_axis)) if task.synthetic else None


def plane_shape(shape: Sequence[int], channel_axis: int | None) -> tuple[int, ...]:
    """Return the lengths of all axes but that of the channels."""
    return tuple(length for axis, length in enumerate(shape) if axis != channel_axis)


def tell(outcome: Outcome, inpainter: Inpainter) -> None:
    """Take over the record of the fill, and its notes."""
    outcome.record = inpainter.last_record or {}
    outcome.notes += [f"{outcome.task.input}: {note}" for note in outcome.record["notes"]]


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

    def choose(source: ImageFile) -> tuple[NDArray[Any], dict[str, Any]]:
        pixels, axis = _visible_pixels(source), source.channel_axis
        for name, found in (("shape", list(pixels.shape)), ("dtype", str(pixels.dtype))):
            if record.get(name) != found:
                raise FileError(f"the record is of an image of {name} {record.get(name)}, {source.path} has {found}")
        mask = read_holes(record, plane_shape(pixels.shape, axis))
        return pixels, {"mask": mask, "seam": bool(record.get("seam", True)), "channel_axis": axis}

    with naming_errors(outcome):
        inpainter = _open_recorded(record, model, device)
        told = functools.partial(_compare, record=record)
        (fill_store if is_zarr(task.input) else fill_image)(outcome, inpainter, choose, told)
    return outcome


def _open_recorded(record: Mapping[str, Any], model: str | None, device: str) -> Inpainter:
    """Open the model of a record; a record from a stranger names bundled ones only."""
    if model is None:
        model = f"{record.get('model')}.{record.get('precision')}"
        if str(record.get("precision")) not in bundled_models().get(str(record.get("model")), {}):
            raise FileError(f"the record is of the model {model}, which is not bundled: name its file with --model")
    provider = str(record.get("provider", "")) or CPU
    return Inpainter(model, device if device != "auto" else provider, record.get("threads"))


def _compare(outcome: Outcome, inpainter: Inpainter, record: Mapping[str, Any]) -> None:
    """Take over the new record, and say in what it differs from the old one."""
    outcome.record = inpainter.last_record or {}
    differences = find_differences(record, outcome.record)
    verdict = "the filled pixels are the same, bit for bit"
    if differences:
        verdict = f"the result differs: {'; '.join(differences)}"
    outcome.notes.append(f"{outcome.task.input}: {verdict}")


def write_all(
    task: Task, source: ImageFile, pixels: NDArray[Any], outcome: Outcome, mask: NDArray[np.bool_] | None
) -> None:
    """Write the image, and what belongs beside it."""
    data = encode_image(task.output, source, pixels, json.dumps(outcome.record) if task.record else None)
    if task.output == STREAM:
        with beside(task, outcome, mask):
            write_bytes(task.output, data)
        return
    with staged(task.output, data) as appear, beside(task, outcome, mask):
        appear()


@contextlib.contextmanager
def beside(task: Task, outcome: Outcome, mask: NDArray[np.bool_] | None) -> Iterator[None]:
    """Write the record, and the mask of what was made up; the image comes last: when it is there, all is there.

    Raises
    ------
    FileError
        When one cannot be written, or is there already and is not what a killed run of the same fill left.
    """
    files: dict[Path, bytes] = {}
    if task.record is not None:
        files[task.record] = json.dumps(outcome.record, indent=1).encode()
    if task.synthetic is not None and mask is not None:
        files[task.synthetic] = encode_mask(mask)
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


def plan_file(task: Task, options: Options, inpainter: Inpainter, note: Callable[[str], object]) -> Plan:
    """Return what `fill_file` would do.

    Raises
    ------
    ValueError
        As `Inpainter.plan`, and when a file cannot be read.
    """
    pixels, arguments = prepare(open_image(task.input), task, options, note)
    return inpainter.plan(pixels, **arguments)


def check_file(task: Task, options: Options, inpainter: Inpainter, note: Callable[[str], object]) -> SelfCheck:
    """Return what filling the file is worth.

    Raises
    ------
    ValueError
        As `Inpainter.self_check`, and when a file cannot be read.
    """
    pixels, arguments = prepare(open_image(task.input), task, options, note)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the table has them too
        return inpainter.self_check(pixels, seam=options.seam, **arguments)


def prepare(
    source: ImageFile, task: Task, options: Options, note: Callable[[str], object]
) -> tuple[NDArray[Any], dict[str, Any]]:
    """Return the pixels that are filled, without transparency, and the arguments of `Inpainter.plan`.

    Raises
    ------
    ValueError
        When the mask cannot be read, or a box lies outside the image.
    """
    shape, axis = source.pixels.shape, source.channel_axis
    if len(shape) - (axis is not None) < 2:
        raise FileError(f"{source.path} has shape {shape}: no rows and columns")
    planes = plane_shape(shape, axis)
    mask = None if task.mask is None else read_mask(task.mask, planes)
    boxes = clip_boxes(options.boxes, planes[-2], planes[-1], note)
    return _visible_pixels(source), {
        "mask": mask, "boxes": boxes, "grow": options.grow, "channel_axis": axis, "nan_is_hole": options.nan_is_hole,
    }  # fmt: skip


def clip_boxes(boxes: Sequence[Sequence[int]], height: int, width: int, note: Callable[[str], object]) -> list[Box]:
    """Clip boxes to the image and say so.

    Raises
    ------
    ValueError
        When a box has no pixel in the image.
    """
    clipped = []
    for box in map(to_box, boxes):
        inside = box.clip(height, width)
        if inside is None:
            raise ValueError(f"the box {tuple(box)} lies outside the image of {height} x {width} pixels: "
                             "name top, left, bottom and right (y0 x0 y1 x1)")  # fmt: skip
        if inside != box:
            note(f"the box {tuple(box)} is clipped to {tuple(inside)}, the image has {height} x {width} pixels")
        clipped.append(inside)
    return clipped


def encode_mask(mask: NDArray[np.bool_]) -> bytes:
    """Return a PNG that is white where the mask, (..., H, W), is True; planes that differ stand below one another."""
    if 0 in mask.shape[-2:]:
        raise FileError("an image without pixels has no mask of what was made up")
    planes = mask.reshape(-1, *mask.shape[-2:])
    if (planes == planes[:1]).all():
        mask = planes[0] if len(planes) else np.zeros(mask.shape[-2:], bool)
    buffer = BytesIO()
    Image.fromarray(mask.reshape(-1, mask.shape[-1])).save(buffer, "PNG")
    return buffer.getvalue()


def _visible_pixels(source: ImageFile) -> NDArray[Any]:
    """Return all but transparency; a zarr array is not read."""
    return source.pixels[*_visible(source)] if source.alpha else source.pixels


def _visible(source: ImageFile) -> tuple[slice, ...]:
    """Return the index of all but transparency, which is kept."""
    index = [slice(None)] * source.pixels.ndim
    if source.alpha and source.channel_axis is not None:
        index[source.channel_axis] = slice(0, -1)
    return tuple(index)
