"""Which view is filled in an image's place, and whether the image can be taken so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_inpaint.inference.inputs.views.mosaic import Mosaic
from napari_inpaint.inference.inputs.views.panorama import Panorama
from napari_inpaint.inference.inputs.views.phase import Phase

if TYPE_CHECKING:
    from napari_inpaint.inference.cancelling import Event
    from napari_inpaint.inference.inputs.planes import Planes
    from napari_inpaint.inference.inputs.views.base import Holes, View
    from napari_inpaint.inference.options import FillOptions


def check_kind(source: Planes, options: FillOptions) -> None:
    """Refuse images that are not what the options take them for.

    Raises
    ------
    ValueError
        Names the dtype or the shape, and the remedy.
    """
    kind = source.dtype.kind
    if options.values == "labels" and kind == "f":
        raise ValueError(f"values='labels' is for whole numbers, the image is of {source.dtype}: convert it, as with "
                         "image.astype('int32')")  # fmt: skip
    if options.values == "phase" and kind != "f":
        raise ValueError(f"values='phase' is for angles in radians, which are floats, the image is of {source.dtype}: "
                         "convert it, as with image * (2 * numpy.pi / 256)")  # fmt: skip
    if source.alpha and (options.values == "phase" or options.mosaic is not None):
        name = "mosaic=" if options.values == "intensity" else "values='phase'"
        raise ValueError(f"alpha=True, but {name} is for images without transparency: leave one of them out")
    if options.mosaic is not None:
        (rows, columns), (height, width) = options.mosaic, source.shape[-3:-1]
        if height % rows or width % columns:
            raise ValueError(f"the image of {height} x {width} pixels has no whole cells of mosaic=({rows}, "
                             f"{columns}): cut it to {height - height % rows} x {width - width % columns}")  # fmt: skip


def to_view(source: Planes, holes: Holes, options: FillOptions, cancel: Event | None = None) -> View | None:
    """Return what is filled in an image's place; None where it is the image itself.

    Parameters
    ----------
    source, holes
        An image that was checked, and its holes.
    options, cancel
        As `Inpainter.fill`.

    Raises
    ------
    ValueError
        When the known values are no angles.
    """
    if not holes:
        return None
    if options.values == "phase":
        return Phase(source, holes, cancel)
    if options.mosaic is not None:
        return Mosaic(source, holes, options.mosaic)
    return Panorama(source, holes, options.values == "intensity") if options.wrap else None
