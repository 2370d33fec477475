"""What is missing in the planes of an image: shapes, labels, and pixels that are not finite or saturated."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_inpaint.plugin.layers import geometry
from napari_inpaint.plugin.layers.frame import full_resolution

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from napari.layers import Labels, Points, Shapes
    from numpy.typing import NDArray

    from napari_inpaint.inference.inputs.boxes import Box
    from napari_inpaint.plugin.layers.frame import Frame, Plane, Slices

INVALID = "(NaN or saturated pixels)"
"""Instead of a layer of holes: the image's own pixels that are not finite, or saturated."""
CAMERA_BITS = (10, 12, 14)
"""Cameras of so many bits saturate below the largest value of 16 bits."""
FEWEST_SATURATED = 4
"""So many pixels of a plane must have such a value, which is no mere coincidence then."""


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


def read_shapes(
    shapes: Shapes | Points, frame: Frame, planes: list[Plane], slices: Slices, only: Collection[int] | None
) -> dict[Plane, list[Drawn]]:
    """Return the shapes of every plane that has some; points are discs of their size.

    Raises
    ------
    ValueError
        When there is none.
    """
    read = _ShapeReader(shapes, frame)
    everything = list(_each_shape(shapes, read.axes))
    if not everything:
        raise ValueError(f"layer {shapes.name!r} is empty: draw a rectangle around what should go")
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


def _each_shape(layer: Shapes | Points, axes: list[int]) -> Iterable[tuple[Any, str, Any]]:
    """Return the vertices, the kind and the width of what was drawn, as `geometry.to_outlines` takes them."""
    if hasattr(layer, "shape_type"):  # napari makes these lists anew
        return zip(layer.data, layer.shape_type, layer.edge_width, strict=True)
    scale = np.abs(layer.scale)
    across = scale[-1] / scale[axes]  # a point is a disc on the screen, whose size counts along the last axis
    return [
        (point[None], "path", size * across)
        for point, size, shown in zip(layer.data, layer.size, layer.shown, strict=True) if shown
    ]  # fmt: skip


class _ShapeReader:
    """Reads the shapes of a layer in the pixels of an image."""

    def __init__(self, shapes: Shapes | Points, frame: Frame) -> None:
        self.frame, self.name = frame, shapes.name
        self.offset = len(frame.point) - shapes.ndim
        if self.offset > frame.displayed[0]:
            raise ValueError(f"layer {shapes.name!r} is flat in this view: draw in a new layer of holes")
        self.axes = [axis - self.offset for axis in frame.displayed]
        self.others = [axis for axis in range(shapes.ndim) if axis not in self.axes]
        self.to_world = geometry.to_world_matrix(shapes, frame.units)
        from_world = np.linalg.inv(self.to_world)
        now = geometry.apply(from_world, frame.point[self.offset :])
        self.low, self.high = (each[self.others] for each in frame.reach(now, from_world, shapes))

    def __call__(self, vertices: Any, kind: str, width: Any) -> Drawn | None:
        """Return a shape; None when it was drawn in other axes, or on another slice of one that the image lacks."""
        frame, vertices = self.frame, np.asarray(vertices, float)
        if not np.isfinite(vertices).all():
            raise ValueError(f"a shape of {self.name!r} has a corner that is no place: delete it")
        place = np.rint(vertices[:, self.others])
        if (place != place[0]).any():
            return None
        seen = bool(((self.low <= place[0]) & (place[0] <= self.high)).all())
        if not seen and any(axis + self.offset < frame.offset for axis in self.others):
            return None
        first = self._to_image(vertices[:1])[0]
        plane = tuple(
            int(np.rint(first[axis].round(geometry.DIGITS))) if axis + frame.offset >= self.offset else None
            for axis in frame.leading
        )
        pieces = geometry.to_outlines(vertices, kind, width, self.axes)
        return Drawn([self._to_image(piece)[:, frame.view.axes] for piece in pieces], plane, seen)

    def _to_image(self, points: NDArray[Any]) -> NDArray[np.float64]:
        world = np.tile(self.frame.point, (len(points), 1))
        world[:, self.offset :] = geometry.apply(self.to_world, points)
        return geometry.apply(self.frame.from_world, world[:, self.frame.offset :])


def to_boxes(drawn: dict[Plane, list[Drawn]], frame: Frame) -> dict[Plane, list[Box]]:
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


class Canvas:
    """Draws the masks of planes; those that share their shapes share one mask."""

    def __init__(self, drawn: Mapping[Plane, list[Drawn]], frame: Frame) -> None:
        self.drawn, self.frame = drawn, frame
        self._last: tuple[list[Drawn], NDArray[np.bool_]] | None = None

    def __call__(self, plane: Plane) -> NDArray[np.bool_]:
        """Return the mask of a plane."""
        shapes = self.drawn[plane]
        if self._last is None or self._last[0] is not shapes:
            mask = np.zeros((self.frame.height, self.frame.width), bool)
            for shape in shapes:
                for outline in shape.outlines:
                    geometry.rasterise(outline, mask)
            self._last = shapes, mask
        return self._last[1]


def read_labels(labels: Labels, frame: Frame, planes: list[Plane], slices: Slices, label: int) -> Masks:
    """Return masks that look up every pixel's label where it lies in the world; of a thick slice, what is seen."""
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

    def is_hole(labels: NDArray[Any]) -> NDArray[np.bool_]:
        return np.asarray(labels == label if label else labels != 0)

    def draw(plane: Plane) -> NDArray[np.bool_]:
        start = locate(plane, 0, 0)
        down, right = locate(plane, 1, 0) - start, locate(plane, 0, 1) - start
        return geometry.resample(array, is_hole, start, down, right, (frame.height, frame.width))

    if slices.which != "current" or len(planes) == 1:
        return Masks(planes, draw)
    seen = functools.cache(functools.partial(draw, frame.current))  # napari shows no thick slices of labels
    return Masks(planes, lambda _: seen())


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
