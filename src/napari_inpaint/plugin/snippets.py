"""The exact call of a fill, for a program and for a shell."""

from __future__ import annotations

import math
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_inpaint.inference.options import FillOptions
from napari_inpaint.plugin.layers.frame import CURRENT
from napari_inpaint.plugin.layers.holes import INVALID
from napari_inpaint.plugin.layers.results import RECORD

if TYPE_CHECKING:
    from napari.layers import Image, Labels, Shapes

    from napari_inpaint.plugin.layers.frame import Slices
    from napari_inpaint.plugin.layers.job import Job
    from napari_inpaint.plugin.widget.worker import Settings

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
        boxes = to_shared_boxes(job) or {plane: list(map(tuple, each)) for plane, each in job.boxes.items()}
        where = f"boxes={boxes}"
        lines += ["", f"image = {data}"]
    else:
        holes_name = repr(holes) if isinstance(holes, str) else f"viewer.layers[{holes.name!r}]"
        arguments = ["viewer.dims", *([repr(slices)] if slices != CURRENT else []),
                     *([f"label={label}"] if label else [])]  # fmt: skip
        lines += ["from napari_inpaint.plugin.layers import Slices"] if slices != CURRENT else []
        lines += ["from napari_inpaint.plugin.layers import read_job", "",
                  f"job = read_job({name}, {holes_name}, {', '.join(arguments)})", "image = job.image"]  # fmt: skip
        where = "boxes=job.boxes" if job.boxes is not None else "mask=job.masks"
    options = [where]
    options += [f"grow={settings.options.grow}"] if settings.options.grow else []
    options += [] if settings.options.seam else ["seam=False"]
    options += [] if settings.options.detail == "copied" else [f"detail={settings.options.detail!r}"]
    options += [] if settings.options.nodata is None else [f"nodata={settings.options.nodata}"]
    options += [f"{name}={value!r}" for name, value in to_meaning(job, settings).items()]
    options += ["alpha=True"] if job.has_alpha else []
    options += [f"channel_axis={job.channel_axis}"]
    call = f"result = inpainter.fill(image, {', '.join(options)})"
    if len(call) > COLUMNS:
        call = "result = inpainter.fill(\n    image,\n" + "".join(f"    {each},\n" for each in options) + ")"
    lines += [f"inpainter = Inpainter({settings.model!r}, device={settings.device!r})", call]
    return "\n".join([*lines, *([] if plain else ["result = job.view.back(result)"]), ""])


def to_command(job: Job, image: Image, holes: Shapes | Labels | str, settings: Settings) -> str:
    """Return a call of ``inpaint-fill`` that writes the filled file beside the image's.

    Raises
    ------
    ValueError
        When the command cannot do the same, and why.
    """
    from napari_inpaint.io.images import open_image  # loads codecs, which opening the widget does not wait for

    source = image.source.path
    if source is None:
        raise ValueError(f"{image.name!r} was not opened from a file: save it first, and open it from there")
    if RECORD in image.metadata:
        raise ValueError(f"{image.name!r} was filled in place since it was opened: its file does not show that")
    path = Path(str(source))
    file = open_image(path)
    if "series" in file.options:
        raise ValueError(f"{path.name} holds several images: open the one to fill alone")
    if tuple(file.pixels.shape) != tuple(job.data.shape):
        raise ValueError(f"{image.name!r} is not the image in {path.name} alone: the command fills files one by one")
    boxes = to_shared_boxes(job)
    is_nan = holes == INVALID and np.dtype(job.data.dtype).kind == "f"
    every = math.prod(job.leading) == len(job.masks or ())
    if not job.view.is_plain(job.data.ndim) or (boxes is None and job.boxes is not None) or (is_nan and not every):
        raise ValueError(
            "the command fills all slices of a file alike: choose all slices, and repeat the shapes in them"
        )
    if boxes is None and not is_nan:
        raise ValueError(
            "the command takes rectangles along rows and columns, or a mask from a file: fill, add the synthetic "
            "pixels, save them, and give that file with --mask"
        )
    words = ["inpaint-fill", str(path), "-o", str(path.with_name(f"{path.stem} filled{path.suffix}"))]
    for box in boxes or ():
        words += ["--box", *map(str, box)]
    words += ["--nan"] if is_nan else []
    words += ["--model", settings.model, "--device", settings.device]
    words += ["--grow", str(settings.options.grow)] if settings.options.grow else []
    words += [] if settings.options.seam else ["--no-seam"]
    words += [] if settings.options.nodata is None else ["--nodata", str(settings.options.nodata)]
    words += [] if settings.options.detail == "copied" else ["--detail", settings.options.detail]
    for name, value in to_meaning(job, settings).items():
        text = "x".join(map(str, value)) if isinstance(value, tuple) else str(value)
        words += [f"--{name.replace('_', '-')}", text]
    return shlex.join(words)


def to_meaning(job: Job, settings: Settings) -> dict[str, Any]:
    """Return the options that say what the image is, where they are not the usual ones."""
    chosen, usual = job.complete(settings.options), FillOptions()
    names = ("sources", "stack_axis", "values", "mosaic", "wrap")
    return {name: getattr(chosen, name) for name in names if getattr(chosen, name) != getattr(usual, name)}


def to_shared_boxes(job: Job) -> list[tuple[int, ...]] | None:
    """Return the boxes of a job, when all planes of the image have the same."""
    shared = {tuple(map(tuple, each)) for each in (job.boxes or {}).values()}
    if len(shared) != 1 or len(job.boxes or ()) != math.prod(job.leading):
        return None
    return list(shared.pop())
