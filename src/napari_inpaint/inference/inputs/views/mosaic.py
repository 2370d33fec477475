"""Colour filter arrays: every place of a cell as a channel of an image of cells."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_inpaint.inference.inputs.boxes import Box
from napari_inpaint.inference.inputs.holes import find_holes
from napari_inpaint.inference.inputs.values import step_off
from napari_inpaint.inference.inputs.views.base import View, join_channels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_inpaint.inference.inputs.holes import Hole
    from napari_inpaint.inference.inputs.planes import Planes
    from napari_inpaint.inference.inputs.views.base import Holes, Plane
    from napari_inpaint.inference.windows.patches import Patch


class Mosaic(View):
    """Cells, row by row; a cell with a hole is one, but only the hole's own pixels change.

    Parameters
    ----------
    source, own
        As `View`; the image has whole cells.
    cell
        Rows and columns of a cell.
    """

    def __init__(self, source: Planes, own: Holes, cell: tuple[int, int]) -> None:
        self.cell = cell
        *_, height, width, channels = source.shape
        rows, columns = height // cell[0], width // cell[1]
        super().__init__(source, own, (rows, columns, cell[0] * cell[1] * channels), source.dtype)
        found: dict[int, tuple[Hole, ...]] = {}  # planes may share their holes
        for plane, holes in own.items():
            if id(holes) not in found:
                mask = self._any(self.paint(plane, Box(0, 0, height, width)))
                found[id(holes)] = find_holes(rows, columns, mask, (), 0)
            self.holes[plane] = found[id(holes)]

    def read(self, plane: Plane, box: Box) -> NDArray[Any]:
        """Return (h, w, C) pixels."""
        return self._to_cells(self.source.read(plane, self._to_pixels(box)))

    def find_hidden(self, plane: Plane, box: Box) -> NDArray[np.bool_]:
        """Return which pixels hold no value, (h, w)."""
        there = self._to_pixels(box)
        return self._any(self.source.find_hidden(plane, there, self.source.read(plane, there)))

    def back(self, patches: Sequence[Patch]) -> list[Patch]:
        """Return what patches of the view change in the image."""
        changed = []
        for patch, cells in join_channels(self, patches):
            box = self._to_pixels(patch.box)
            before = self.source.read(patch.plane, box).copy()
            inside = patch.mask[..., 0].repeat(self.cell[0], 0).repeat(self.cell[1], 1)
            mask = (self.paint(patch.plane, box) & inside)[..., None]
            filled = step_off(self._from_cells(cells), self.source.nodata)
            changed.append(replace(patch, box=box, channels=slice(0, before.shape[-1]), mask=mask, before=before,
                                   pixels=filled))  # fmt: skip
        return changed

    def _to_pixels(self, box: Box) -> Box:
        rows, columns = self.cell
        return Box(box.y0 * rows, box.x0 * columns, box.y1 * rows, box.x1 * columns)

    def _to_cells(self, pixels: NDArray[Any]) -> NDArray[Any]:
        rows, columns = self.cell
        height, width, channels = pixels.shape
        parts = pixels.reshape(height // rows, rows, width // columns, columns, channels)
        return parts.transpose(0, 2, 1, 3, 4).reshape(height // rows, width // columns, -1)

    def _from_cells(self, cells: NDArray[Any]) -> NDArray[Any]:
        rows, columns = self.cell
        height, width, _ = cells.shape
        parts = cells.reshape(height, width, rows, columns, -1)
        return parts.transpose(0, 2, 1, 3, 4).reshape(height * rows, width * columns, -1)

    def _any(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return which cells have a pixel of a mask."""
        return np.asarray(self._to_cells(mask[..., None]).any(-1))
