"""Stacks that are filled when they are looked at: dask arrays in, dask arrays out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_inpaint.inference.inputs.job import check_mask, check_planes, read_boxes, require_holes, to_planes, to_whole

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from napari_inpaint.inference.inputs.job import Boxes, Masks
    from napari_inpaint.inference.inputs.values import ChannelAxis


def fill_lazily(
    fill: Callable[..., NDArray[Any]], image: Any, mask: Masks | None, boxes: Boxes | None,
    channel_axis: ChannelAxis, **options: Any,
) -> Any:  # fmt: skip
    """Return a dask array whose planes are filled, each on its own, when they are computed.

    Parameters
    ----------
    fill
        `Inpainter.fill`; it is sent to the workers, where the inpainter opens its model.
    image : dask array, or what dask can read in chunks (zarr, h5py)
    mask, boxes, channel_axis
        As `Inpainter.fill`; a dask mask is computed with its planes.
    options
        ``grow``, ``seam`` and ``nan_is_hole``, as `Inpainter.fill`.

    Raises
    ------
    ValueError
        As `Inpainter.fill`, as far as it shows without looking at pixels.
    ImportError
        When dask is not installed.
    """
    try:
        import dask.array as da
    except ImportError as error:
        raise ImportError(
            'a lazy image needs dask: pip install "napari-inpaint[big]", or give out= to be filled at once'
        ) from error
    require_holes(mask, boxes, options["nan_is_hole"])
    source = to_planes(image, mask, channel_axis, boxes)
    *leading, height, width, _ = source.shape
    boxes_of = read_boxes(boxes, leading, height, width)
    to_whole(options["grow"], "grow", 0, 2**63)
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
    filled = da.map_blocks(
        _fill_block, *arguments, fill=fill, boxes_of=boxes_of, masks=masks, options=options, dtype=array.dtype,
        meta=np.empty((0,) * array.ndim, array.dtype), chunks=array.chunks,
    )  # fmt: skip
    return filled[0] if axis is None else da.moveaxis(filled, 0, axis)


def _fill_block(
    image: NDArray[Any], mask: NDArray[Any] | None = None, *, fill: Callable[..., NDArray[Any]],
    boxes_of: Callable[[tuple[int, ...]], Any], masks: Mapping[tuple[int, ...], Any], options: dict[str, Any],
    block_id: tuple[int, ...],
) -> NDArray[Any]:  # fmt: skip
    plane = block_id[1:-2]
    mask = masks.get(plane) if mask is None else mask[0]
    return fill(image, mask, boxes_of(plane), channel_axis=0, **options)
