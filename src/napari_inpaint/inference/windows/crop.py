"""The pixels of one window, for one group of channels: prepared for the network, and filled from its completion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

from napari_inpaint.inference.blending import seam
from napari_inpaint.inference.blending.biharmonic import MOST_NOISE, MOST_UNKNOWN, measure_noise, solve_plate
from napari_inpaint.inference.blending.pullpush import resize, shrink
from napari_inpaint.inference.options import RULES
from napari_inpaint.inference.windows.intensity import (
    NothingKnownError,
    find_curve,
    from_rgb,
    from_tensor,
    sample_context,
    to_rgb,
    to_tensor,
)
from napari_inpaint.inference.windows.patches import Patch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_inpaint.inference.cancelling import Event
    from napari_inpaint.inference.inputs.boxes import Box
    from napari_inpaint.inference.windows.plan import Window


class Crop:
    """What a window shows.

    Parameters
    ----------
    pixels : array of shape (H, W, C)
        The window's crop of the image. What is under holes does not matter.
    window
        Where it is, and what is filled from it.
    hidden : bool array of shape (H, W), optional
        Pixels that hold no value.
    rules
        See `FillOptions`.

    Attributes
    ----------
    curve : IntensityCurve
        From pixels to the network's values.
    smooth : str
        What fills it smoothly: ``plate`` or ``membrane``; empty where the network fills it.
    noise : float
        Of `measure_noise`; 0 where the network fills it.
    flat : dict
        The values of channels that are constant, by channel: they come back exactly.

    Raises
    ------
    NothingKnownError
        When no pixel is known.
    """

    def __init__(
        self, pixels: NDArray[Any], window: Window, hidden: NDArray[np.bool_] | None = None, rules: int = RULES
    ) -> None:
        self.window, self.pixels, self.rules = window, pixels, rules
        self.hole = window.paint(window.holes)
        self.unknown = self.hole | window.paint(window.others)
        if hidden is not None:
            self.unknown |= hidden
        if pixels.dtype.kind == "f":
            self.unknown |= ~np.isfinite(pixels).all(-1)
        try:
            self.context = sample_context(~self.unknown, self.hole)
        except NothingKnownError as error:
            raise NothingKnownError(f"in {tuple(window.crop)}: {error}") from None
        self.curve = find_curve(pixels, self.context, linear=window.interpolated or rules < RULES)
        self.tensor = to_tensor(pixels, self.unknown, self.curve)
        known = pixels[self.context.y, self.context.x]
        flat = np.flatnonzero((known == known[0]).all(0))
        self.smooth, self.noise = "", 0.0
        if window.interpolated:
            self.smooth = "membrane"
            self.noise = measure_noise(self.tensor, self.unknown, self.hole)
        self.flat = {int(channel): known[0, channel] for channel in flat}

    def to_network(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the image, float32 (3, h, w), and the mask, float32 (1, h, w), that the network completes."""
        seen = np.clip(self.tensor, 0, 1, dtype=np.float32, casting="same_kind")
        small, unknown = shrink(seen, self.unknown, self.window.factor)
        return to_rgb(small), unknown[None].astype(np.float32)

    def fill(
        self, completion: NDArray[np.float32] | None, corrected: bool, cancel: Event | None = None
    ) -> tuple[Box, NDArray[Any]]:
        """Return the filled pixels.

        Parameters
        ----------
        completion : float32 array of shape (3, h, w), optional
            The network's. None: the smoothest surface.
        corrected
            Whether it is made to meet the known pixels.
        cancel
            As `Inpainter.fill`.

        Returns
        -------
        box
            A part of the window that holds all that is filled.
        pixels : array of shape (box.height, box.width, C)
            In the image's dtype. Outside holes they mean nothing.
        """
        if completion is None:
            painted = self._fill_smoothly(cancel)
        else:
            painted = self._enlarge(from_rgb(completion, len(self.tensor)))
            if corrected:
                painted = self._correct(painted, cancel)
        box = self.window.hole_box
        filled = seam.keep_among(painted[:, *box.slices], box, self.tensor, self.context)
        pixels = from_tensor(filled, self.pixels.dtype, self.curve)
        for channel in self.flat:
            pixels[..., channel] = self.flat[channel]
        return box, pixels

    def _fill_smoothly(self, cancel: Event | None) -> NDArray[np.floating[Any]]:
        """Return a plate where the context is smooth, and a membrane where it is noise: (C, H, W)."""
        if self.noise > MOST_NOISE or self.rules < RULES:
            return self._fill_with_membrane(cancel)
        void = self.unknown & ~ndimage.maximum_filter(self.hole, 2 * seam.MARGIN + 1)  # too far away to matter
        if np.count_nonzero(self.unknown & ~void) > MOST_UNKNOWN * self.window.factor**2:
            return self._fill_with_membrane(cancel)
        self.smooth = "plate"
        if self.window.factor == 1:
            return solve_plate(self.tensor, self.unknown, void)
        small, unknown = shrink(self.tensor.astype(np.float32), self.unknown, self.window.factor)
        return self._correct(self._enlarge(solve_plate(small, unknown)), cancel)

    def _fill_with_membrane(self, cancel: Event | None) -> NDArray[np.floating[Any]]:
        mean = self.tensor[:, self.context.y, self.context.x].mean(1, dtype=np.float64)
        level = np.broadcast_to(mean[:, None, None], self.tensor.shape)
        return self._correct(level.astype(np.float32), cancel)

    def _enlarge(self, painted: NDArray[Any]) -> NDArray[Any]:
        if self.window.factor == 1:
            return painted
        return resize(painted, self.unknown.shape[0], self.unknown.shape[1], self.window.factor)

    def _correct(self, painted: NDArray[Any], cancel: Event | None) -> NDArray[np.floating[Any]]:
        """Make what is painted meet the known pixels."""
        boxes = [hole.box.shift(-self.window.crop.y0, -self.window.crop.x0) for hole in self.window.holes]
        return seam.correct(painted, self.tensor, self.unknown, boxes, cancel)

    def to_patches(self, box: Box, pixels: NDArray[Any], channels: slice) -> list[Patch]:
        """Return what `fill` returned hole by hole, as patches of the image's ``channels``."""
        crop, patches = self.window.crop, []
        for hole in self.window.holes:
            inside = hole.box.shift(-crop.y0, -crop.x0)
            shape = inside.height, inside.width
            mask = np.broadcast_to(True, shape) if hole.mask is None else hole.mask
            before, after = self.pixels[inside.slices], pixels[inside.shift(-box.y0, -box.x0).slices]
            patches.append(Patch(self.window.plane, hole.box, channels, mask[..., None], before.copy(), after.copy()))
        return patches
