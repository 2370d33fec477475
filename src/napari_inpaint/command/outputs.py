"""What is written of a filled file: the image, its record, what was made up in it, and where that came from."""

from __future__ import annotations

import contextlib
import itertools
import json
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from napari_inpaint.command.maps import encode_offsets
from napari_inpaint.inference.replay import read_holes
from napari_inpaint.inference.windows.patches import fill_in_place
from napari_inpaint.inference.windows.pyramid import patch_level
from napari_inpaint.io.formats import FileError
from napari_inpaint.io.images import encode_image, read_record, staged
from napari_inpaint.io.orientation import UPRIGHT, encode_orientation
from napari_inpaint.io.zarr import copied, open_zarr, write_zarr_record

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_inpaint.command.files import Outcome
    from napari_inpaint.inference.inputs.job import Job
    from napari_inpaint.inference.windows.patches import Patch
    from napari_inpaint.io.formats import ImageFile

GROWN = 2
"""How many times as many bytes are worth a word."""


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
    holes = find_filled(job, outcome) if source.format == "GIF" else None
    data = encode_image(task.output, source, pixels, record, levels, holes)
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
