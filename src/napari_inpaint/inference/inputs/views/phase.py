"""Angles as cosine and sine: there is no jump between them where an angle jumps by 2 pi."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_inpaint.inference.cancelling import stop_if
from napari_inpaint.inference.inputs.boxes import Box
from napari_inpaint.inference.inputs.values import step_off
from napari_inpaint.inference.inputs.views.base import View, join_channels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_inpaint.inference.cancelling import Event
    from napari_inpaint.inference.inputs.planes import Planes
    from napari_inpaint.inference.inputs.views.base import Holes, Plane
    from napari_inpaint.inference.windows.patches import Patch

TURN = 2 * math.pi
SLACK = 1e-3
"""Angles may lie so far beyond a range: floats of 16 bits do."""
BAND = 1 << 22
"""Values that are looked at at once."""


class Phase(View):
    """Cosines of all channels, then sines: float64, of which angles of up to 32 bits come back as the same bits.

    Parameters
    ----------
    source, own
        As `View`. Planes with holes are looked at as a whole, to know the range of their angles.
    cancel
        As `Inpainter.fill`.

    Raises
    ------
    ValueError
        When known values are no angles in radians.
    """

    def __init__(self, source: Planes, own: Holes, cancel: Event | None = None) -> None:
        *_, height, width, channels = source.shape
        super().__init__(source, own, (height, width, 2 * channels), np.dtype(np.float64))
        self._start = {plane: self._find_start(plane, cancel) for plane in own}

    def read(self, plane: Plane, box: Box) -> NDArray[Any]:
        """Return (h, w, C) pixels."""
        with np.errstate(invalid="ignore"):  # infinite ones become NaN
            angles = self.source.read(plane, box).astype(np.float64)
            return np.concatenate([np.cos(angles), np.sin(angles)], -1)

    def find_hidden(self, plane: Plane, box: Box) -> NDArray[np.bool_]:
        """Return which pixels hold no value, (h, w)."""
        return self.source.find_hidden(plane, box, self.source.read(plane, box))

    def back(self, patches: Sequence[Patch]) -> list[Patch]:
        """Return what patches of the view change in the image."""
        changed = []
        for patch, pixels in join_channels(self, patches):
            cosines, sines = np.split(pixels, 2, -1)
            angles = np.arctan2(sines, cosines)
            angles -= TURN * np.floor((angles - self._start[patch.plane]) / TURN)
            filled = step_off(angles.astype(self.source.dtype), self.source.nodata)
            before = self.source.read(patch.plane, patch.box).copy()
            changed.append(replace(patch, channels=slice(0, before.shape[-1]), before=before, pixels=filled))
        return changed

    def _find_start(self, plane: Plane, cancel: Event | None) -> float:
        """Return where the turn begins that the known angles of a plane lie in."""
        *_, height, width, channels = self.source.shape
        low, high = math.inf, -math.inf
        rows = max(1, BAND // (width * channels))
        for y0 in range(0, height, rows):
            stop_if(cancel)
            box = Box(y0, 0, min(y0 + rows, height), width)
            pixels = self.source.read(plane, box)
            known = pixels[~(self.paint(plane, box) | self.source.find_hidden(plane, box, pixels))]
            known = known[np.isfinite(known)]
            low, high = float(known.min(initial=low)), float(known.max(initial=high))
        if max(-low, high) > TURN + SLACK:
            raise ValueError(f"values='phase' is for angles in radians within -2 pi and 2 pi, the image has {low:.5g} "
                             f"to {high:.5g}: convert it, as with numpy.deg2rad(image)")  # fmt: skip
        if low > high or max(-low, high) <= math.pi + SLACK:
            return -math.pi
        return 0.0 if low >= -SLACK else (low + high) / 2 - math.pi
