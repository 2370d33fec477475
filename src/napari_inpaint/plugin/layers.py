"""From napari layers to what the engine takes: what is filled, and where.

Works on layer objects without a viewer and without Qt.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from napari_inpaint.plugin import geometry

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from napari.components import Dims
    from napari.layers import Image, Labels, Shapes
    from numpy.typing import NDArray

    from napari_inpaint.inference.boxes import Box

    Plane = tuple[int, ...]

INVALID = "(NaN or saturated pixels)"
"""Instead of a layer of holes: the image's own pixels that are not finite, or saturated."""
CAMERA_BITS = (10, 12, 14)
"""Cameras of so many bits saturate below the largest value of 16 bits."""
FEWEST_SATURATED = 4
"""So many pixels of a plane must have such a value, which is no mere coincidence then."""
PLACE = ("scale", "translate", "rotate", "shear", "affine", "units", "axis_labels")
"""Attributes that say where a layer lies in the world."""
KEPT_ATTRIBUTES = (
    *PLACE, "rgb", "contrast_limits", "colormap", "gamma", "blending", "interpolation2d", "interpolation3d", "opacity",
)  # fmt: skip
"""What a result takes over from the layer that it comes from."""


@dataclass(frozen=True, slots=True)
class Slices:
    """Which slices of a stack are filled: the current one, all, or a range of them."""

    which: Literal["current", "all", "range"] = "current"
    axis: int = 0
    """Of a range: the image's axis that it runs along; on other axes it stays at the current slice."""
    first: int = 0
    last: int = 0
    """Inclusive."""
    repeat: bool = False
    """The shapes that are seen now are filled in all of these slices, not each in its own."""


@dataclass(frozen=True, slots=True)
class View:
    """An image layer's data as planes, those that the viewer shows."""

    axes: tuple[int, int]
    """The displayed axes of the data, in their order."""
    rgb: bool

    def planes(self, array: Any) -> Any:
        """Return an array with the displayed axes last, but for the channels'."""
        where = (-3, -2) if self.rgb else (-2, -1)
        return array if self.is_plain(array.ndim) else np.moveaxis(array, self.axes, where)

    def back(self, array: Any) -> Any:
        """Return what `planes` was given."""
        where = (-3, -2) if self.rgb else (-2, -1)
        return array if self.is_plain(array.ndim) else np.moveaxis(array, where, self.axes)

    def is_plain(self, ndim: int) -> bool:
        """Return whether the displayed axes are the last ones anyway."""
        last = ndim - self.rgb
        return self.axes == (last - 2, last - 1)


class Masks(Mapping["Plane", "NDArray[np.bool_]"]):
    """The masks of some planes, each drawn when it is asked for."""

    def __init__(self, planes: Sequence[Plane], draw: Callable[[Plane], NDArray[np.bool_]]) -> None:
        self._planes, self._draw = dict.fromkeys(planes), draw

    def __getitem__(self, plane: Plane) -> NDArray[np.bool_]:
        if plane not in self._planes:
            raise KeyError(plane)
        return self._draw(plane)

    def __iter__(self) -> Iterator[Plane]:
        return iter(self._planes)

    def __len__(self) -> int:
        return len(self._planes)


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """What is filled, detached from the layers."""

    data: Any
    """The image layer's array, full resolution; is never written."""
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

    @property
    def image(self) -> Any:
        """What `Inpainter.fill` takes: (..., H, W), or (..., H, W, 3 or 4)."""
        return self.view.planes(self.data)

    @property
    def channel_axis(self) -> int | None:
        """What `Inpainter.fill` takes."""
        return self.data.ndim - 1 if self.view.rgb else None


class Frame:
    """Where an image layer lies in a viewer, and which of its planes is seen.

    Parameters
    ----------
    image
    dims
        The viewer's.

    Raises
    ------
    ValueError
        When the viewer shows no plane of the image.
    """

    def __init__(self, image: Image, dims: Dims) -> None:
        if len(dims.displayed) != 2:
            raise ValueError("holes are filled in planes: switch the viewer to 2-D display")
        self.image, self.units = image, getattr(dims, "units", None)
        self.point, self.displayed = np.array(dims.point, float), sorted(dims.displayed)
        self.offset = len(self.point) - image.ndim
        if self.displayed[0] < self.offset:
            raise ValueError(f"{image.name!r} is flat in this view: show it along its own rows and columns")
        self.view = View((self.displayed[0] - self.offset, self.displayed[1] - self.offset), bool(image.rgb))
        shape = tuple(full_resolution(image).shape[: image.ndim])
        self.leading = [axis for axis in range(image.ndim) if axis not in self.view.axes]
        self.counts = tuple(shape[axis] for axis in self.leading)
        self.height, self.width = (shape[axis] for axis in self.view.axes)
        self.to_world = geometry.to_world_matrix(image, self.units)
        self.from_world = np.linalg.inv(self.to_world)
        here = geometry.apply(self.from_world, self.point[self.offset :])
        self.current = tuple(int(np.rint(here[axis])) for axis in self.leading)

    def choose(self, slices: Slices) -> list[Plane]:
        """Return the planes that are to be filled.

        Raises
        ------
        ValueError
            When there is none.
        """
        if slices.which == "all":
            return list(np.ndindex(*self.counts))
        along = slices.axis if slices.which == "range" else None
        if any(
            not 0 <= index < count and axis != along
            for index, count, axis in zip(self.current, self.counts, self.leading, strict=True)
        ):
            raise ValueError(f"the current slice lies outside layer {self.image.name!r}: move the sliders into it")
        ranges: list[Sequence[int]] = [(index,) for index in self.current]
        if slices.which == "range":
            if slices.axis not in self.leading:
                raise ValueError(
                    f"a range of slices cannot run along axis {slices.axis}, which is shown: choose another"
                )
            place = self.leading.index(slices.axis)
            ranges[place] = range(max(0, slices.first), min(self.counts[place], slices.last + 1))
            if not ranges[place]:
                raise ValueError(f"no slice lies between {slices.first} and {slices.last}: choose another range")
        return list(itertools.product(*ranges))


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """A shape, in the pixels of an image's planes."""

    outlines: list[NDArray[np.float64]]
    """(points, 2) each; their union is the hole."""
    plane: tuple[int | None, ...]
    """Where it lies in the image's other axes; None on those that the shapes layer lacks: everywhere."""
    seen: bool
    """Whether the viewer shows it on the current slice."""

    def belongs(self, plane: Plane) -> bool:
        """Return whether it was drawn on this plane."""
        return all(own in (None, index) for own, index in zip(self.plane, plane, strict=True))


def read_job(
    image: Image, holes: Shapes | Labels | str, dims: Dims, slices: Slices = Slices(), label: int = 0,
    only: Collection[int] | None = None,
) -> Job:  # fmt: skip
    """Read from the layers what is to be filled.

    Parameters
    ----------
    image
        Any image layer.
    holes
        A Shapes layer: what its shapes cover; a Labels layer; or `INVALID`. They are placed in the image by their
        world coordinates, whatever the transforms and units of both layers are.
    dims
        The viewer's: which plane is seen.
    slices
        Which slices are filled. A shape counts on the slice that it was drawn on; one of a layer with fewer dimensions
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
    array = _to_array(full_resolution(image))
    boxes, masks, notes = None, None, []
    if isinstance(holes, str):
        masks = Masks(planes, lambda plane: find_invalid(np.asarray(frame.view.planes(array)[plane]), frame.view.rgb))
    elif hasattr(holes, "shape_type"):
        drawn = _read_shapes(holes, frame, planes, slices, only)
        outlines = [outline for shapes in drawn.values() for shape in shapes for outline in shape.outlines]
        if any(geometry.reaches_beyond(outline, frame.height, frame.width) for outline in outlines):
            notes.append("shapes that reach beyond the image were clipped")
        if all(geometry.is_upright(outline) for outline in outlines):
            boxes = _to_boxes(drawn, frame)
            if not any(boxes.values()):
                raise ValueError(f"no pixel of {image.name!r} has its centre inside the shapes of {holes.name!r}")
        else:
            masks = Masks(list(drawn), _Canvas(drawn, frame))
    else:
        masks = _read_labels(holes, frame, planes, label)
    levels = tuple(map(_to_array, image.data[1:])) if image.multiscale else ()
    return Job(array, levels, frame.view, boxes, masks, to_attributes(image), tuple(notes))


def full_resolution(layer: Image | Labels) -> Any:
    """Return a layer's data, of several resolutions the largest."""
    return layer.data[0] if layer.multiscale else layer.data


def _to_array(data: Any) -> Any:
    """Return a layer's data as a numpy array, or, when they are anything else, a dask array that reads them."""
    if isinstance(data, np.ndarray):
        return data
    import dask.array as da

    return data if isinstance(data, da.Array) else da.from_array(data, name=False)  # hashing it would take seconds


def _read_shapes(
    shapes: Shapes, frame: Frame, planes: list[Plane], slices: Slices, only: Collection[int] | None
) -> dict[Plane, list[Drawn]]:
    """Return the shapes of every plane that has some.

    Raises
    ------
    ValueError
        When there is none.
    """
    everything = list(zip(shapes.data, shapes.shape_type, shapes.edge_width, strict=True))  # napari makes them anew
    if not everything:
        raise ValueError(f"layer {shapes.name!r} is empty: draw a rectangle around what is to go")
    read = _ShapeReader(shapes, frame)
    drawn = (read(*each) for index, each in enumerate(everything) if only is None or index in only)
    here = [shape for shape in drawn if shape is not None]
    if slices.which == "current" or slices.repeat:
        seen = [shape for shape in here if shape.seen]
        if not seen:
            raise ValueError(f"layer {shapes.name!r} has no shape on the current slice: draw one here")
        return dict.fromkeys(planes, seen)
    everywhere: list[Drawn] = []
    own: dict[Plane, list[Drawn]] = defaultdict(list)
    for shape in here:
        if all(index is None for index in shape.plane):
            everywhere.append(shape)
        elif None in shape.plane:
            for plane in filter(shape.belongs, planes):
                own[plane].append(shape)
        else:
            own[shape.plane].append(shape)  # type: ignore[index]
    chosen = {plane: [*everywhere, *own[plane]] if plane in own else everywhere for plane in planes}
    found = {plane: members for plane, members in chosen.items() if members}
    if not found:
        raise ValueError(f"layer {shapes.name!r} has no shape on these slices: draw one, or choose other slices")
    return found


class _ShapeReader:
    """Reads the shapes of a layer in the pixels of an image."""

    def __init__(self, shapes: Shapes, frame: Frame) -> None:
        self.frame, self.name = frame, shapes.name
        self.offset = len(frame.point) - shapes.ndim
        if self.offset > frame.displayed[0]:
            raise ValueError(f"layer {shapes.name!r} is flat in this view: draw in a new layer of holes")
        self.axes = [axis - self.offset for axis in frame.displayed]
        self.others = [axis for axis in range(shapes.ndim) if axis not in self.axes]
        self.to_world = geometry.to_world_matrix(shapes, frame.units)
        now = geometry.apply(np.linalg.inv(self.to_world), frame.point[self.offset :])
        self.now = np.rint(now[self.others])

    def __call__(self, vertices: Any, kind: str, edge_width: float) -> Drawn | None:
        """Return a shape; None when it was drawn in other axes, or on another slice of one that the image lacks."""
        frame, vertices = self.frame, np.asarray(vertices, float)
        if not np.isfinite(vertices).all():
            raise ValueError(f"a shape of {self.name!r} has a corner that is no place: delete it")
        place = np.rint(vertices[:, self.others])
        if (place != place[0]).any():
            return None
        seen = bool((place[0] == self.now).all())
        if not seen and any(axis + self.offset < frame.offset for axis in self.others):
            return None
        first = self._to_image(vertices[:1])[0]
        plane = tuple(
            int(np.rint(first[axis].round(geometry.DIGITS))) if axis + frame.offset >= self.offset else None
            for axis in frame.leading
        )
        pieces = geometry.to_outlines(vertices, kind, float(edge_width), self.axes)
        return Drawn([self._to_image(piece)[:, frame.view.axes] for piece in pieces], plane, seen)

    def _to_image(self, points: NDArray[Any]) -> NDArray[np.float64]:
        world = np.tile(self.frame.point, (len(points), 1))
        world[:, self.offset :] = geometry.apply(self.to_world, points)
        return geometry.apply(self.frame.from_world, world[:, self.frame.offset :])


def _to_boxes(drawn: dict[Plane, list[Drawn]], frame: Frame) -> dict[Plane, list[Box]]:
    """Return the pixels inside the rectangles of every plane."""
    boxes: dict[int, list[Box]] = {}
    for shapes in drawn.values():
        if id(shapes) not in boxes:  # planes may share them
            clipped = (
                geometry.bounding_box(outline).clip(frame.height, frame.width)
                for shape in shapes for outline in shape.outlines
            )  # fmt: skip
            boxes[id(shapes)] = [box for box in clipped if box is not None]
    return {plane: boxes[id(shapes)] for plane, shapes in drawn.items()}


class _Canvas:
    """Draws the masks of planes; those that share their shapes share one mask."""

    def __init__(self, drawn: Mapping[Plane, list[Drawn]], frame: Frame) -> None:
        self.drawn, self.frame = drawn, frame
        self._last: tuple[list[Drawn], NDArray[np.bool_]] | None = None

    def __call__(self, plane: Plane) -> NDArray[np.bool_]:
        shapes = self.drawn[plane]
        if self._last is None or self._last[0] is not shapes:
            mask = np.zeros((self.frame.height, self.frame.width), bool)
            for shape in shapes:
                for outline in shape.outlines:
                    geometry.rasterise(outline, mask)
            self._last = shapes, mask
        return self._last[1]


def _read_labels(labels: Labels, frame: Frame, planes: list[Plane], label: int) -> Masks:
    """Return masks that look up every pixel's label where it lies in the world."""
    offset = len(frame.point) - labels.ndim
    if offset > frame.displayed[0]:
        raise ValueError(f"layer {labels.name!r} is flat in this view: show it along its own rows and columns")
    array = full_resolution(labels)
    matrix = np.linalg.inv(geometry.to_world_matrix(labels, frame.units))

    def locate(plane: Plane, row: int, column: int) -> NDArray[np.float64]:
        place = np.zeros(len(frame.to_world) - 1)
        place[frame.leading], place[list(frame.view.axes)] = plane, (row, column)
        world = frame.point.copy()
        world[frame.offset :] = geometry.apply(frame.to_world, place)
        return geometry.apply(matrix, world[offset:])

    def draw(plane: Plane) -> NDArray[np.bool_]:
        start = locate(plane, 0, 0)
        down, right = locate(plane, 1, 0) - start, locate(plane, 0, 1) - start
        found = geometry.resample(array, start, down, right, (frame.height, frame.width))
        return np.asarray(found == label if label else found != 0)

    return Masks(planes, draw)


def find_invalid(pixels: NDArray[Any], rgb: bool) -> NDArray[np.bool_]:
    """Return which pixels of a plane are NaN or infinite, or, of integers, saturated in all colours.

    Parameters
    ----------
    pixels : array of shape (H, W) or (H, W, C)

    Notes
    -----
    Saturated is the largest value of the dtype; of wider ones also that of 10, 12 or 14 bits, when no pixel of the
    plane is larger and several have it.
    """
    colours = pixels[..., :3] if rgb else pixels[..., None]
    if colours.dtype.kind == "f":
        return np.asarray(~np.isfinite(colours).all(-1))
    if colours.dtype.kind not in "iu" or not colours.size:
        return np.zeros(colours.shape[:-1], bool)
    top, most = int(colours.max()), int(np.iinfo(colours.dtype).max)
    saturated = np.asarray((colours == top).all(-1))
    is_camera = top in [2**bits - 1 for bits in CAMERA_BITS] and np.count_nonzero(saturated) >= FEWEST_SATURATED
    return saturated & (top == most or is_camera)


def to_attributes(image: Image) -> dict[str, Any]:
    """Return the attributes of the layer that a result of this image will be."""
    attributes = image.as_layer_data_tuple()[1]
    kept = {name: attributes[name] for name in KEPT_ATTRIBUTES if name in attributes}
    return kept | {"name": f"{image.name} filled", "metadata": dict(image.metadata), "multiscale": image.multiscale}


def why_not_in_place(image: Image) -> str:
    """Return why an image layer cannot be filled in place; an empty string when it can."""
    if image.multiscale:
        return f"{image.name!r} has several resolutions: it is filled in a new layer"
    if not isinstance(image.data, np.ndarray):
        return f"{image.name!r} is read from elsewhere when it is looked at: it is filled in a new layer"
    if not image.data.flags.writeable:
        return f"the pixels of {image.name!r} are read-only: it is filled in a new layer"
    return ""
