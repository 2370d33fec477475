"""From where a shape is drawn to the pixels of an image: all in numpy, for layers with any transform.

A pixel's centre lies at its integer coordinate.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_inpaint.inference.inputs.boxes import Box

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from napari.layers import Layer
    from numpy.typing import NDArray

ROUND_POINTS = 256
"""Corners that stand for an ellipse."""
DIGITS = 6
"""An edge that is so near to a pixel's centre, in decimals, goes through it."""


def to_world_matrix(layer: Layer, units: Sequence[Any] | None) -> NDArray[np.float64]:
    """Return the matrix from a layer's data to the viewer's world coordinates.

    Parameters
    ----------
    layer
        Of n dimensions, with any transforms.
    units
        Of the viewer's world axes; None when its layers have units that cannot be compared, and napari ignores them.

    Returns
    -------
    float64 array of shape (n + 1, n + 1)
        Homogeneous; its axes are the last n of the world.
    """
    n = layer.ndim
    matrix = np.eye(n + 1)
    matrix[:n, n] = layer.data_to_world(np.zeros(n))
    matrix[:n, :n] = np.transpose([layer.data_to_world(row) for row in np.eye(n)]) - matrix[:n, n:]
    if units is not None:
        factors = [(1 * own).to(world).magnitude for own, world in zip(layer.units, units[-n:], strict=True)]
        matrix[:n] *= np.array(factors)[:, None]
    return matrix


def apply(matrix: NDArray[np.floating[Any]], points: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Map points of shape (..., n) by a homogeneous matrix."""
    return np.asarray(points @ matrix[:-1, :-1].T + matrix[:-1, -1])


def to_outlines(
    vertices: NDArray[np.floating[Any]], kind: str, width: float | NDArray[np.floating[Any]], axes: Sequence[int]
) -> Iterator[NDArray[np.floating[Any]]]:
    """Yield the corners of polygons that cover a shape, in the coordinates of its layer.

    Parameters
    ----------
    vertices : float array of shape (points, n)
        As napari keeps them: the four corners of the box of an ellipse, the knots of a path.
    kind
        napari's name of the shape's type; a path or line is a brush stroke, of one knot a disc.
    width
        Of a stroke; of a disc also two numbers, along both axes.
    axes
        The two axes that the shape is drawn in.
    """
    if kind in ("rectangle", "polygon"):
        yield vertices
        return
    if kind == "ellipse":
        yield _ring(vertices.mean(0), (vertices[1] - vertices[0]) / 2, (vertices[3] - vertices[0]) / 2)
        return
    radius = np.asarray(width) / 2  # of a stroke: a disc at every knot, a bar between two
    along = np.zeros((2, vertices.shape[1]))
    along[[0, 1], list(axes)] = radius
    for knot in vertices:
        yield _ring(knot, *along)
    for start, end in itertools.pairwise(vertices):
        dy, dx = (end - start)[list(axes)]
        length = np.hypot(dy, dx)
        if length > 0:
            aside = (along[1] * dy - along[0] * dx) / length
            yield np.array([start - aside, start + aside, end + aside, end - aside])


def _ring(centre: NDArray[Any], one: NDArray[Any], other: NDArray[Any]) -> NDArray[np.float64]:
    angle = np.linspace(0, 2 * np.pi, ROUND_POINTS, endpoint=False)[:, None]
    return np.asarray(centre + np.cos(angle) * one + np.sin(angle) * other)


def bounding_box(outline: NDArray[np.floating[Any]]) -> Box:
    """Return the pixels that have their centres between an outline's extremes; it may be empty."""
    low = np.ceil(outline.min(0).round(DIGITS))
    high = np.floor(outline.max(0).round(DIGITS)) + 1
    return Box(*map(int, (*low, *high)))


def is_upright(outline: NDArray[np.floating[Any]]) -> bool:
    """Return whether an outline is a rectangle along rows and columns."""
    edges = np.roll(outline, -1, 0) - outline
    return len(outline) == 4 and bool((np.abs(edges).min(1) < 10.0**-DIGITS).all())


def reaches_beyond(outline: NDArray[np.floating[Any]], height: int, width: int) -> bool:
    """Return whether an outline leaves the image."""
    return bool((outline.min(0) < -0.5).any() or (outline.max(0) > np.array([height, width]) - 0.5).any())


def rasterise(outline: NDArray[np.floating[Any]], mask: NDArray[np.bool_]) -> None:
    """Mark the pixels whose centres lie inside an outline, by the even-odd rule, or on its edge.

    Parameters
    ----------
    outline : float array of shape (points, 2)
        y, x.
    mask : bool array of shape (H, W)
        Is changed in place.
    """
    box = bounding_box(outline).clip(*mask.shape)
    if box is None:
        return
    if is_upright(outline):
        mask[box.slices] = True
        return
    from skimage.draw import polygon  # opening the widget does not wait for it

    rows, columns = outline.T
    mask[polygon(rows, columns, shape=mask.shape)] = True


def resample(
    labels: Any, is_hole: Callable[[NDArray[Any]], NDArray[np.bool_]], start: NDArray[np.float64],
    down: NDArray[np.float64], right: NDArray[np.float64], shape: tuple[int, int],
) -> NDArray[np.bool_]:  # fmt: skip
    """Return which pixels of a plane are holes by the label that lies nearest; none outside of the labels.

    Parameters
    ----------
    labels : integer array of n dimensions
    is_hole
        Tells which of some labels are holes.
    start, down, right : float array of shape (n,)
        Where the plane's first pixel lies in the labels, and the steps to the next row and column.
    shape
        Of the plane: (H, W).
    """
    axes = [int(np.abs(step).argmax()) for step in (down, right)]
    straight = axes[0] != axes[1] and all(
        np.abs(np.delete(step, axis) * length).max(initial=0) < 10.0**-DIGITS
        for step, axis, length in zip((down, right), axes, shape, strict=True)
    )
    if straight:  # along the labels' own axes: rows and columns are looked up on their own
        places = [
            np.rint((start[axis] + step[axis] * np.arange(length)).round(DIGITS)).astype(int)
            for axis, step, length in zip(axes, (down, right), shape, strict=True)
        ]
        index: list[Any] = [int(np.rint(each.round(DIGITS))) for each in start]
        index[axes[0]] = index[axes[1]] = slice(None)
        found = np.zeros(shape, bool)
        if any(isinstance(i, int) and not 0 <= i < n for i, n in zip(index, labels.shape, strict=True)):
            return found
        plane = is_hole(np.asarray(labels[tuple(index)]))
        plane = plane if axes[0] < axes[1] else plane.T
        inside = [(place >= 0) & (place < n) for place, n in zip(places, plane.shape, strict=True)]
        found[np.ix_(*inside)] = plane[np.ix_(*(place[known] for place, known in zip(places, inside, strict=True)))]
        return found
    from scipy.ndimage import affine_transform  # opening the widget does not wait for it

    whole = is_hole(np.asarray(labels)).view(np.uint8)
    steps = np.stack([down, right], 1)
    return np.asarray(affine_transform(whole, steps, start, shape, order=0, mode="grid-constant"), bool)
