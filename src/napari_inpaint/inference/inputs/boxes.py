"""Boxes: half-open rectangles of whole pixels."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray


class Box(NamedTuple):
    """The pixels ``y0 <= y < y1``, ``x0 <= x < x1``."""

    y0: int
    x0: int
    y1: int
    x1: int

    @property
    def height(self) -> int:
        """Number of rows."""
        return self.y1 - self.y0

    @property
    def width(self) -> int:
        """Number of columns."""
        return self.x1 - self.x0

    @property
    def slices(self) -> tuple[slice, slice]:
        """The index of the box in an array whose last two axes are y and x."""
        return slice(self.y0, self.y1), slice(self.x0, self.x1)

    def shift(self, dy: int, dx: int) -> Box:
        """Return the box moved by ``dy`` rows and ``dx`` columns."""
        return Box(self.y0 + dy, self.x0 + dx, self.y1 + dy, self.x1 + dx)

    def union(self, other: Box) -> Box:
        """Return the smallest box that holds both."""
        return Box(
            min(self.y0, other.y0), min(self.x0, other.x0), max(self.y1, other.y1), max(self.x1, other.x1)
        )  # fmt: skip

    def overlaps(self, other: Box) -> bool:
        """Return whether they share a pixel."""
        return self.y0 < other.y1 and other.y0 < self.y1 and self.x0 < other.x1 and other.x0 < self.x1

    def widen(self, margin: int, height: int, width: int) -> Box:
        """Return the box with ``margin`` more pixels on every side, as far as the image reaches."""
        return Box(
            max(0, self.y0 - margin), max(0, self.x0 - margin),
            min(height, self.y1 + margin), min(width, self.x1 + margin),
        )  # fmt: skip

    def clip(self, height: int, width: int) -> Box | None:
        """Return the part inside an image of ``height`` x ``width`` pixels, None when there is none."""
        clipped = Box(max(self.y0, 0), max(self.x0, 0), min(self.y1, height), min(self.x1, width))
        return clipped if clipped.height > 0 and clipped.width > 0 else None


def to_box(values: Iterable[int]) -> Box:
    """Check four numbers and make a box of them.

    Parameters
    ----------
    values
        y0, x0, y1, x1; whole numbers of any integer type.

    Raises
    ------
    ValueError
        When there are not four whole numbers, or the box has no pixel.
    """
    try:
        values = tuple(values)
        y0, x0, y1, x1 = (operator.index(value) for value in values)
    except (TypeError, ValueError):
        raise ValueError(f"a box is four whole numbers (y0, x0, y1, x1), not {values!r}") from None
    if y0 >= y1 or x0 >= x1:
        raise ValueError(f"the box {(y0, x0, y1, x1)} is empty: y0 < y1 and x0 < x1 must hold (half-open, in pixels)")
    return Box(y0, x0, y1, x1)


def find_overlaps(corners: NDArray[np.integer], box: Box) -> NDArray[np.bool_]:
    """Return which boxes, integers of shape (N, 4), share a pixel with another one: bool, (N,)."""
    y0, x0, y1, x1 = corners.T
    found: NDArray[np.bool_] = (y0 < box.y1) & (box.y0 < y1) & (x0 < box.x1) & (box.x0 < x1)
    return found
