"""Between napari layers and arrays: where a drawn shape lies in an image, and how a result becomes a layer.

Works on layer objects without a viewer and without Qt.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari.layers import Image, Shapes
    from numpy.typing import NDArray

KEPT_ATTRIBUTES = (
    "scale", "translate", "rotate", "shear", "affine", "units", "axis_labels", "rgb", "contrast_limits", "colormap",
    "gamma", "blending", "interpolation2d", "interpolation3d", "opacity",
)  # fmt: skip
"""What a result takes over from the layer that it comes from."""
ELLIPSE_POINTS = 256


@dataclass(frozen=True, slots=True)
class Job:
    """What is filled: one plane of an image layer, detached from the layer."""

    pixels: NDArray[Any]
    """A copy of the whole image, full resolution."""
    plane: tuple[int, ...]
    """Index of the plane in the leading axes."""
    mask: NDArray[np.bool_]
    """(H, W), True inside holes."""
    channel_axis: int | None
    """The plane's axis of channels."""
    layer: dict[str, Any]
    """Attributes of the layer that the result will be."""
    clipped: bool
    """Whether a shape reaches beyond the image."""


def read_job(image: Image, holes: Shapes, world_point: Sequence[float], displayed: Sequence[int]) -> Job:
    """Read what is to be filled from the layers.

    Parameters
    ----------
    image, holes
        Layers with any transforms; shapes are placed in the image by their world coordinates.
    world_point
        Where the viewer's sliders stand: the plane that is filled.
    displayed
        The viewer's displayed dimensions.

    Raises
    ------
    ValueError
        With what the user can do about it.
    """
    if len(displayed) != 2 or tuple(displayed) != tuple(range(len(world_point) - 2, len(world_point))):
        raise ValueError("holes are filled in the plane of the last two axes: switch to 2-D display, axes in order")
    if not holes.data:
        raise ValueError(f"layer {holes.name!r} is empty: draw a rectangle around what is to go")
    leading = image.ndim - 2
    plane = tuple(round(x) for x in image.world_to_data(world_point)[:leading])
    data = image.data[0] if image.multiscale else image.data
    shape = tuple(data.shape[leading : leading + 2])
    if any(not 0 <= index < length for index, length in zip(plane, data.shape, strict=False)):
        raise ValueError(f"the current slice lies outside layer {image.name!r}: move the sliders into it")
    if np.dtype(data.dtype).kind == "c":
        raise ValueError(f"{image.name!r} is complex: fill its real and imaginary parts on their own")
    mask = np.zeros(shape, bool)
    shapes_point = np.rint(holes.world_to_data(world_point))[:-2]
    clipped = found = False
    for vertices, kind in zip(holes.data, holes.shape_type, strict=True):
        if (np.rint(vertices[:, :-2]) != shapes_point).any():
            continue  # drawn on another slice
        outline = np.array([image.world_to_data(holes.data_to_world(p)) for p in to_outline(vertices, kind)])
        found = True
        clipped |= rasterise(outline[:, leading:], mask)
    if not found:
        raise ValueError(f"layer {holes.name!r} has no shape on the current slice: draw one here")
    if not mask.any():
        raise ValueError(f"no pixel of {image.name!r} has its centre inside the shapes of {holes.name!r}")
    if mask.all():
        raise ValueError(f"no pixel is known: the shapes cover all of {image.name!r}")
    pixels = np.array(data)  # a copy: the layer may change during the run
    return Job(pixels, plane, mask, 2 if image.rgb else None, to_attributes(image), clipped)


def to_outline(vertices: NDArray[np.floating], kind: str) -> NDArray[np.floating]:
    """Return the corners of a shape's outline.

    Raises
    ------
    ValueError
        When the shape has no inside.
    """
    if kind in ("rectangle", "polygon"):
        return vertices
    if kind == "ellipse":  # kept as the four corners of its box
        centre = vertices.mean(0)
        first, second = (vertices[1] - vertices[0]) / 2, (vertices[3] - vertices[0]) / 2
        angle = np.linspace(0, 2 * np.pi, ELLIPSE_POINTS, endpoint=False)[:, None]
        return np.asarray(centre + np.cos(angle) * first + np.sin(angle) * second)
    raise ValueError(f"a {kind} has no inside: use rectangles, ellipses or polygons")


def rasterise(outline: NDArray[np.floating], mask: NDArray[np.bool_]) -> bool:
    """Mark the pixels whose centres lie inside an outline, or on an axis-aligned rectangle's edge.

    Parameters
    ----------
    outline : float array of shape (points, 2)
        y, x; a pixel's centre is at its integer coordinate.
    mask : bool array of shape (H, W)
        Is changed in place.

    Returns
    -------
    bool
        Whether the outline reaches beyond the image.
    """
    height, width = mask.shape
    (top, left), (bottom, right) = outline.min(0), outline.max(0)
    y0, x0 = max(0, int(np.ceil(round(top, 6)))), max(0, int(np.ceil(round(left, 6))))
    y1, x1 = min(height, int(np.floor(round(bottom, 6))) + 1), min(width, int(np.floor(round(right, 6))) + 1)
    clipped = bool(top < -0.5 or left < -0.5 or bottom > height - 0.5 or right > width - 0.5)
    if y1 <= y0 or x1 <= x0:
        return clipped
    edges = np.roll(outline, -1, 0) - outline
    if len(outline) == 4 and (np.abs(edges).min(1) < 1e-6).all():
        mask[y0:y1, x0:x1] = True
        return clipped
    y, x = np.mgrid[y0:y1, x0:x1]
    inside = np.zeros(y.shape, bool)
    for (ay, ax), (dy, dx) in zip(outline, edges, strict=True):  # even-odd rule
        if dy != 0:
            crosses = (ay > y) != (ay + dy > y)
            inside ^= crosses & (x < ax + (y - ay) * (dx / dy))
    mask[y0:y1, x0:x1] |= inside
    return clipped


def to_attributes(image: Image) -> dict[str, Any]:
    """Return the attributes of the layer that a result of this image will be."""
    attributes = image.as_layer_data_tuple()[1]
    kept = {name: attributes[name] for name in KEPT_ATTRIBUTES if name in attributes}
    return kept | {"name": f"{image.name} filled", "metadata": dict(image.metadata)}


def to_layer(job: Job, filled: NDArray[Any], record: dict[str, Any]) -> tuple[NDArray[Any], dict[str, Any]]:
    """Return data and attributes of the result's layer.

    Parameters
    ----------
    filled
        The filled plane.
    record
        Provenance; kept in the layer's metadata as ``napari_inpaint``, with that of an earlier fill as ``previous``.
    """
    job.pixels[job.plane] = filled
    metadata = job.layer["metadata"]
    record = record | {"plane": list(job.plane), "previous": metadata.get("napari_inpaint")}
    return job.pixels, job.layer | {"metadata": metadata | {"napari_inpaint": record}}
