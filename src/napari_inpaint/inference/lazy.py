"""Stacks that are filled when they are looked at: dask arrays in, dask arrays out."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_inpaint.inference.inputs.job import read_job, require_holes, to_planes
from napari_inpaint.inference.inputs.masks import check_mask, check_planes, read_boxes
from napari_inpaint.inference.windows.intensity import NothingKnownError
from napari_inpaint.inference.windows.patches import to_copy
from napari_inpaint.inference.windows.plan import note_left

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_inpaint.inference.inpainter import Inpainter
    from napari_inpaint.inference.inputs.masks import Boxes, Masks
    from napari_inpaint.inference.options import FillOptions


def require_dask() -> None:
    """Refuse to make a lazy array without dask.

    Raises
    ------
    ImportError
        With the remedy.
    """
    try:
        import dask.array  # noqa: F401
    except ImportError as error:
        raise ImportError(
            'a lazy image needs dask: pip install "napari-inpaint[big]", or give out= to be filled at once'
        ) from error


def fill_lazily(inpainter: Inpainter, image: Any, mask: Masks | None, boxes: Boxes | None, options: FillOptions) -> Any:
    """Return a dask array whose planes are filled, each on its own, when they are computed.

    Parameters
    ----------
    inpainter
        Is sent to the workers, where it opens its model.
    image : dask array, or what dask can read in chunks (zarr, h5py, an opened TensorStore)
    mask, boxes, options
        As `Inpainter.fill`; a dask mask is computed with its planes.

    Raises
    ------
    ValueError
        As `Inpainter.fill`, as far as it shows without looking at pixels.
    ImportError
        When dask is not installed.
    """
    require_dask()
    import dask.array as da

    require_holes(mask, boxes, options.nan_is_hole)
    source = to_planes(image, mask, options, boxes)
    *leading, height, width, _ = source.shape
    boxes_of = read_boxes(boxes, leading, height, width)
    array = image if isinstance(image, da.Array) else da.from_array(image)
    axis = source.channel_axis
    # channels first, so that the leading axes and the mask's are the same, counted from the end
    array = array[None] if axis is None else da.moveaxis(array, axis, 0)
    array = array.rechunk((-1, *(1,) * len(leading), -1, -1))
    arguments = [array]
    masks: Mapping[tuple[int, ...], Any] = {}
    if isinstance(mask, Mapping):
        check_planes(mask, leading)
        masks = mask
    elif mask is not None:
        checked = check_mask(mask, (*leading, height, width))
        lazy = checked if isinstance(checked, da.Array) else da.from_array(checked)
        lazy = da.broadcast_to(lazy, (*leading, height, width)).rechunk((*(1,) * len(leading), -1, -1))
        arguments.append(lazy[None])
    chunks, stack = array.chunks, source.stack_axis
    if stack is not None:  # blocks show the planes beside theirs too
        arguments = [da.overlap.overlap(each, {1 + stack: 1}, "none") for each in arguments]
    own = replace(options, channel_axis=0, stack_axis=None if stack is None else 1 + stack)
    filled = da.map_blocks(
        _fill_block, *arguments, inpainter=inpainter, boxes_of=boxes_of, masks=masks, options=own, dtype=array.dtype,
        meta=np.empty((0,) * array.ndim, array.dtype), chunks=chunks,
    )  # fmt: skip
    return filled[0] if axis is None else da.moveaxis(filled, 0, axis)


def _fill_block(
    image: NDArray[Any], mask: NDArray[Any] | None = None, *, inpainter: Inpainter,
    boxes_of: Callable[[tuple[int, ...]], Any], masks: Mapping[tuple[int, ...], Any], options: FillOptions,
    block_id: tuple[int, ...],
) -> NDArray[Any]:  # fmt: skip
    plane = block_id[1:-2]
    shown, own, axis = {(0,) * len(plane): plane}, 0, options.stack_axis
    if axis is not None:
        first = max(0, block_id[axis] - 1)
        shown = {
            (*(0,) * (axis - 1), index, *(0,) * (len(plane) - axis)): (*plane[: axis - 1], first + index, *plane[axis:])
            for index in range(image.shape[axis])
        }  # fmt: skip
        own = block_id[axis] - first
    drawn = {here: masks[there] for here, there in shown.items() if there in masks} if mask is None else mask[0]
    job = read_job(image, drawn, {here: boxes_of(there) for here, there in shown.items()}, options)
    job = job.leave([here for here, there in shown.items() if there != plane])
    try:
        patches, record = inpainter.run(job, options)
    except NothingKnownError:
        if not plane:  # there is nothing else to fill
            raise
        warnings.warn(note_left(plane), stacklevel=2)
        patches = []
        record = None
    for note in record.notes if record else ():
        warnings.warn(note, stacklevel=2)
    filled = np.asarray(to_copy(job.source, patches))
    return filled if axis is None else filled.take([own], axis)
