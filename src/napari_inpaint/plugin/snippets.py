"""The exact call of a fill, for a program and for a shell."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from napari.layers import Image, Labels, Shapes

    from napari_inpaint.plugin.layers import Job, Slices
    from napari_inpaint.plugin.worker import Settings

COLUMNS = 100
"""Wider calls are broken into lines."""


def to_python(
    job: Job, image: Image, holes: Shapes | Labels | str, slices: Slices, label: int, settings: Settings
) -> str:
    """Return a program for napari's console that does what Fill does: its result has the pixels of the new layer."""
    name = f"viewer.layers[{image.name!r}]"
    data = f"{name}.data[0]" if image.multiscale else f"{name}.data"
    lines = ["from napari_inpaint import Inpainter"]
    plain = job.view.is_plain(job.data.ndim)
    if job.boxes is not None and plain:
        where = f"boxes={_to_literal(job)}"
        lines += ["", f"image = {data}"]
    else:
        holes_name = repr(holes) if isinstance(holes, str) else f"viewer.layers[{holes.name!r}]"
        arguments = ["viewer.dims", *([repr(slices)] if slices != type(slices)() else []),
                     *([f"label={label}"] if label else [])]  # fmt: skip
        imported = "Slices, read_job" if slices != type(slices)() else "read_job"
        lines += [f"from napari_inpaint.plugin.layers import {imported}", "",
                  f"job = read_job({name}, {holes_name}, {', '.join(arguments)})", "image = job.image"]  # fmt: skip
        where = "boxes=job.boxes" if job.boxes is not None else "mask=job.masks"
    options = [where, *(f"grow={settings.grow}" for _ in [0] if settings.grow),
               *("seam=False" for _ in [0] if not settings.seam), f"channel_axis={job.channel_axis}"]  # fmt: skip
    call = f"result = inpainter.fill(image, {', '.join(options)})"
    if len(call) > COLUMNS:
        call = "result = inpainter.fill(\n    image,\n" + "".join(f"    {each},\n" for each in options) + ")"
    return "\n".join([*lines, f"inpainter = Inpainter({settings.model!r}, device={settings.device!r})", call, ""])


def to_command(job: Job, image: Image, settings: Settings) -> str:
    """Return a call of ``inpaint-fill`` that writes the filled file beside the image's.

    Raises
    ------
    ValueError
        When the command cannot do the same, and why.
    """
    source = image.source.path
    if source is None:
        raise ValueError(f"{image.name!r} was not opened from a file: save it first, and open it from there")
    if job.boxes is None:
        raise ValueError(
            "the command takes rectangles along rows and columns, or a mask from a file: fill, add the synthetic "
            "pixels, save them, and give that file with --mask"
        )
    shared = {tuple(boxes) for boxes in job.boxes.values()}
    planes = int(np.prod(job.image.shape[: job.image.ndim - 2 - job.view.rgb], dtype=int))
    if len(shared) != 1 or len(job.boxes) != planes or not job.view.is_plain(job.data.ndim):
        raise ValueError(
            "the command fills all slices of a file alike: choose all slices, and repeat the shapes in them"
        )
    path = Path(str(source))
    words = ["inpaint-fill", str(path), "-o", str(path.with_name(f"{path.stem} filled{path.suffix}"))]
    for box in shared.pop():
        words += ["--box", *map(str, box)]
    words += ["--model", settings.model, "--device", settings.device]
    words += ["--grow", str(settings.grow)] if settings.grow else []
    words += [] if settings.seam else ["--no-seam"]
    return shlex.join(words)


def _to_literal(job: Job) -> str:
    """Return boxes as Python: one list when the image is one plane, or all planes have the same."""
    boxes: Any = {plane: [tuple(box) for box in each] for plane, each in (job.boxes or {}).items()}
    leading = job.image.shape[: job.image.ndim - 2 - job.view.rgb]
    same = {tuple(each) for each in boxes.values()}
    if len(same) == 1 and len(boxes) == int(np.prod(leading, dtype=int)):
        return repr(list(same.pop()))
    return repr(boxes)
