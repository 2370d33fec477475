"""360° panoramas: the image three times side by side, of which the holes of the middle one are filled."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_inpaint.inference.inputs.boxes import Box
from napari_inpaint.inference.inputs.holes import Hole, find_holes
from napari_inpaint.inference.inputs.values import cast
from napari_inpaint.inference.inputs.views.base import View

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from napari_inpaint.inference.inputs.planes import Planes
    from napari_inpaint.inference.inputs.views.base import Holes, Plane
    from napari_inpaint.inference.windows.patches import Patch

FADE = 32
"""Of a hole all around so many columns are filled at both of its ends: one fill becomes the other there."""


class Panorama(View):
    """What lies left and right of every pixel, across the edges.

    Parameters
    ----------
    source, own
        As `View`.
    fades
        Whether values between two others mean something.
    """

    def __init__(self, source: Planes, own: Holes, fades: bool) -> None:
        *_, height, self.width, channels = source.shape
        super().__init__(source, own, (height, 3 * self.width, channels), source.dtype)
        self.fade = min(FADE, self.width)
        self.fades = fades and not (source.dtype.kind in "iu" and source.dtype.itemsize == 8)
        found: dict[int, tuple[Hole, ...]] = {}  # planes may share their holes
        for plane, holes in own.items():
            if id(holes) not in found:
                mask = np.tile(self.paint(plane, Box(0, 0, height, self.width)), 3)
                found[id(holes)] = tuple(self._choose(find_holes(height, 3 * self.width, mask, (), 0)))
            self.holes[plane] = found[id(holes)]

    @property
    def planes(self) -> Planes:
        """The view as the engine takes it."""
        return replace(super().planes, nodata=self.source.nodata, alpha=self.source.alpha,
                       separate=self.source.separate)  # fmt: skip

    def read(self, plane: Plane, box: Box) -> NDArray[Any]:
        """Return (h, w, C) pixels."""
        return self._collect(box, lambda part: self.source.read(plane, part))

    def find_hidden(self, plane: Plane, box: Box) -> NDArray[np.bool_]:
        """Return which pixels hold no value, (h, w): those of holes have none in either of the images."""

        def find(part: Box) -> NDArray[np.bool_]:
            return self.paint(plane, part) | self.source.find_hidden(plane, part, self.source.read(plane, part))

        return self._collect(box, find)

    def back(self, patches: Sequence[Patch]) -> list[Patch]:
        """Return what patches of the view change in the image."""
        changed: list[Patch] = []
        ends: list[tuple[Patch, Box]] = []
        for patch in patches:
            for part, own in self._divide(patch.box):
                inside = own.shift(-patch.box.y0, -patch.box.x0).slices
                piece = replace(patch, box=part, mask=patch.mask[inside], before=patch.before[inside],
                                pixels=patch.pixels[inside])  # fmt: skip
                is_end = own.x0 == 2 * self.width and self._paint_rings(patch.plane, own).any()
                if is_end:
                    ends.append((piece, own))
                else:
                    changed.append(piece)
        return changed + [self._fade(piece, self._paint_rings(piece.plane, own), changed) for piece, own in ends]

    def _choose(self, holes: Sequence[Hole]) -> Iterator[Hole]:
        """Yield every hole once: where its centre lies in the middle; of one all around, one turn and what fades."""
        for hole in holes:
            box = hole.box
            if box.width >= 2 * self.width:  # or a spiral
                turn = Box(box.y0, self.width, box.y1, min(2 * self.width + self.fade, box.x1))
                yield Hole(turn, hole.mask if hole.mask is None else hole.mask[turn.shift(-box.y0, -box.x0).slices],
                           (hole.spans[0], True))  # fmt: skip
            elif 2 * self.width <= box.x0 + box.x1 < 4 * self.width:
                yield hole

    def _divide(self, box: Box) -> Iterator[tuple[Box, Box]]:
        """Yield the parts of a box in the image, and where each lies in the view."""
        for x in range(box.x0 // self.width * self.width, box.x1, self.width):
            own = Box(box.y0, max(box.x0, x), box.y1, min(box.x1, x + self.width))
            yield own.shift(0, -x), own

    def _collect(self, box: Box, read: Callable[[Box], NDArray[Any]]) -> NDArray[Any]:
        parts = [read(part) for part, _ in self._divide(box)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts, 1)

    def _paint_rings(self, plane: Plane, box: Box) -> NDArray[np.bool_]:
        """Return which pixels of a box of the view lie in a hole all around."""
        canvas = np.zeros((box.height, box.width), bool)
        for hole in self.holes[plane]:
            if hole.spans[1]:
                hole.paint(canvas, box)
        return canvas

    def _fade(self, end: Patch, ring: NDArray[np.bool_], pieces: Sequence[Patch]) -> Patch:
        """Return the end of a hole all around: it becomes the hole's beginning, which was filled there too."""
        box = end.box
        before = self.source.read(end.plane, box)[..., end.channels].copy()
        for piece in pieces:
            if piece.plane == end.plane and piece.channels == end.channels and piece.box.overlaps(box):
                both = Box(max(box.y0, piece.box.y0), max(box.x0, piece.box.x0),
                           min(box.y1, piece.box.y1), min(box.x1, piece.box.x1))  # fmt: skip
                here, there = (both.shift(-each.y0, -each.x0).slices for each in (box, piece.box))
                np.copyto(before[here], piece.pixels[there], where=piece.mask[there])
        share = np.where(ring, 1 - (np.arange(box.x0, box.x1) + 0.5) / self.fade, 1)[..., None]
        if self.fades and before.dtype.kind != "b":
            pixels = cast(before * (1 - share) + end.pixels * share, before.dtype)
        else:
            pixels = np.where(share > 0.5, end.pixels, before)
        return replace(end, before=before, pixels=pixels)
