"""From napari layers to what the engine takes: what is filled, and where.

Works on layer objects without a viewer and without Qt.
"""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_inpaint.inference.inputs.arrays import open_array
from napari_inpaint.plugin.layers import geometry
from napari_inpaint.plugin.layers.frame import CURRENT, Frame, Slices, View, full_resolution
from napari_inpaint.plugin.layers.holes import Canvas, Masks, find_invalid, read_labels, read_shapes, to_boxes

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from napari.components import Dims
    from napari.layers import Image, Labels, Layer, Points, Shapes
    from numpy.typing import NDArray

    from napari_inpaint.inference.inputs.boxes import Box
    from napari_inpaint.inference.options import FillOptions
    from napari_inpaint.plugin.layers.frame import Plane

PLACE = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
"""Attributes that say where a layer lies in the world."""
OWN_ATTRIBUTES = ("name", "metadata", "visible", "multiscale", "features", "properties")
"""What a result does not take over from the layer that it comes from, or not as it is."""
LATER_ATTRIBUTES = ("contrast_limits_range", "contour", "selected_label", "show_selected_label", "brush_size")
"""What it takes over when it is there: napari does not count them among a layer's attributes."""


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """What is filled, detached from the layers."""

    given: Any
    """The image layer's own array, full resolution."""
    data: Any
    """The same as a numpy or a dask array; is never written."""
    levels: tuple[Any, ...]
    """Its smaller levels."""
    view: View
    boxes: dict[Plane, list[Box]] | None
    masks: Mapping[Plane, NDArray[np.bool_]] | None
    """The holes of the planes that are filled: rectangles along rows and columns, or everything else."""
    attributes: dict[str, Any]
    """Of the layer that the result will be."""
    notes: tuple[str, ...]
    """What the user should know."""
    name: str
    """Of the layer that it comes from."""
    is_labels: bool = False
    """Whether the layer is one of labels, which are never mixed."""
    place: str | None = None
    """The same for layers whose pixels lie at the same places; None when others cannot be filled with it."""

    @property
    def image(self) -> Any:
        """What `Inpainter.fill` takes: (..., H, W), or (..., H, W, 3 or 4)."""
        return self.view.planes(self.data)

    @property
    def leading(self) -> tuple[int, ...]:
        """The lengths of the axes before the planes'."""
        return tuple(self.image.shape[: self.image.ndim - 2 - self.view.rgb])

    @property
    def channel_axis(self) -> int | None:
        """What `Inpainter.fill` takes."""
        return self.data.ndim - 1 if self.view.rgb else None

    @property
    def has_alpha(self) -> bool:
        """Whether the last channel is transparency."""
        return self.view.rgb and self.data.shape[-1] == 4

    def on(self, layer: Image | Labels) -> Job:
        """Return the same holes in the pixels that a layer has now: that of a result, or after another fill."""
        given = full_resolution(layer)
        levels = tuple(map(_to_array, layer.data[1:])) if layer.multiscale else ()
        return replace(self, given=given, data=_to_array(given), levels=levels)

    def complete(self, options: FillOptions) -> FillOptions:
        """Return how it is filled: with what its layer says. Four channels are colours and transparency."""
        completed = replace(options, channel_axis=self.channel_axis, alpha=self.has_alpha)
        return replace(completed, values="labels", mosaic=None) if self.is_labels else completed


def read_job(
    image: Image | Labels, holes: Shapes | Points | Labels | str, dims: Dims, slices: Slices = CURRENT, label: int = 0,
    only: Collection[int] | None = None,
) -> Job:  # fmt: skip
    """Read from the layers what is to be filled.

    Parameters
    ----------
    image
        Any image layer, or a layer of labels.
    holes
        A Shapes layer: what its shapes cover; a Points layer: discs of their size; a Labels layer; or `INVALID`. They
        are placed in the image by their world coordinates, whatever the transforms and units of both layers are.
    dims
        The viewer's: which plane is seen.
    slices
        Which slices are filled; of a thick slice all that it shows.
        A shape counts on the slice that it was drawn on; one of a layer with fewer dimensions
        than the image on all.
    label
        Of a Labels layer: the only label that is a hole; 0 means all.
    only
        Of a Shapes layer: the indices of the only shapes that count.

    Raises
    ------
    ValueError
        With what the user can do about it.
    """
    frame = Frame(image, dims)
    planes = frame.choose(slices)
    given = full_resolution(image)
    array = _to_array(given)
    boxes, masks, notes = None, None, []
    if slices.which == "current" and len(planes) > 1:
        notes.append(f"the thick slice of {image.name!r} shows {len(planes)} planes: all were filled")
    if isinstance(holes, str):
        masks = Masks(planes, lambda plane: find_invalid(np.asarray(frame.view.planes(array)[plane]), frame.view.rgb))
    elif hasattr(holes, "shape_type") or hasattr(holes, "symbol"):
        drawn = read_shapes(holes, frame, planes, slices, only)
        outlines = [outline for shapes in drawn.values() for shape in shapes for outline in shape.outlines]
        if any(geometry.reaches_beyond(outline, frame.height, frame.width) for outline in outlines):
            notes.append("shapes that reach beyond the image were clipped")
        if all(geometry.is_upright(outline) for outline in outlines):
            boxes = to_boxes(drawn, frame)
            if not any(boxes.values()):
                raise ValueError(f"no pixel of {image.name!r} has its centre inside the shapes of {holes.name!r}")
        else:
            masks = Masks(list(drawn), Canvas(drawn, frame))
    else:
        if holes is image:
            raise ValueError(f"{image.name!r} cannot be its own holes: choose another layer of holes")
        masks = read_labels(holes, frame, planes, slices, label)
    levels = tuple(map(_to_array, image.data[1:])) if image.multiscale else ()
    is_labels = hasattr(image, "selected_label")
    stands_alone = is_labels or frame.view.rgb or isinstance(holes, str)  # channels have NaN at places of their own
    place = None if stands_alone else repr((array.shape, planes, frame.to_world.round(geometry.DIGITS).tolist()))
    return Job(given, array, levels, frame.view, boxes, masks, to_attributes(image), tuple(notes), image.name,
               is_labels, place)  # fmt: skip


def _to_array(data: Any) -> Any:
    """Return a layer's data as a numpy array, or, when they are not in memory, a dask array that reads them.

    Raises
    ------
    ValueError
        When they cannot be read, with the remedy.
    """
    array = open_array(data).array
    if isinstance(array, np.ndarray):
        return array
    import dask.array as da

    return array if isinstance(array, da.Array) else da.from_array(array, name=False)  # hashing it would take seconds


def attributes_of(layer: Layer, names: Iterable[str]) -> dict[str, Any]:
    """Return those of a layer's attributes that this napari knows."""
    attributes = layer.as_layer_data_tuple()[1]
    return {name: attributes[name] for name in names if name in attributes}


def to_attributes(image: Image | Labels) -> dict[str, Any]:
    """Return the attributes of the layer that a result of this image will be."""
    kept = {name: value for name, value in image.as_layer_data_tuple()[1].items() if name not in OWN_ATTRIBUTES}
    return kept | {"name": f"{image.name} filled", "metadata": dict(image.metadata), "multiscale": image.multiscale}


def is_same(one: Any, other: Any) -> bool:
    """Return whether two layers' data are the same arrays: napari wraps lists of levels anew when they are set."""
    if one is other:
        return True
    return isinstance(one, Sequence) and isinstance(other, Sequence) and [*map(id, one)] == [*map(id, other)]


def why_not_in_place(image: Image | Labels) -> str:
    """Return why an image layer cannot be filled in place; an empty string when it can."""
    if image.multiscale:
        return f"{image.name!r} has several resolutions: it is filled in a new layer"
    if not isinstance(image.data, np.ndarray):
        kind = f"{type(image.data).__module__.partition('.')[0]} {type(image.data).__name__}"
        return f"the pixels of {image.name!r} are those of a {kind}, which is not changed: it is filled in a new layer"
    if not image.data.flags.writeable:
        return f"the pixels of {image.name!r} are read-only: it is filled in a new layer"
    if _reaches_file(image.data):
        return f"the pixels of {image.name!r} are those of a file, which is not changed: it is filled in a new layer"
    return ""


def _reaches_file(array: Any) -> bool:
    """Return whether what is written into an array ends up in a file, through however many views of it."""
    while array is not None:
        if isinstance(array, np.memmap) and array.mode == "c":  # copied on write
            return False
        if isinstance(array, mmap.mmap):
            return True
        array = array.obj if isinstance(array, memoryview) else getattr(array, "base", None)
    return False
