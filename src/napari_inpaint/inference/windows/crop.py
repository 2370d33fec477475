"""The pixels of one window, for one group of channels: prepared for the network, and filled from its completion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from napari_inpaint.inference.blending import seam
from napari_inpaint.inference.blending.pullpush import resize, shrink
from napari_inpaint.inference.windows.intensity import (
    find_range,
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

    Attributes
    ----------
    intensity : IntensityRange
        The pixel values that become 0 and 1.
    flat : dict
        The values of channels that are constant, by channel: they come back exactly.

    Raises
    ------
    ValueError
        When no pixel is known.
    """

    def __init__(self, pixels: NDArray[Any], window: Window) -> None:
        self.window, self.pixels = window, pixels
        self.hole = window.paint(window.holes)
        self.unknown = self.hole | window.paint(window.others)
        if pixels.dtype.kind == "f":
            self.unknown |= ~np.isfinite(pixels).all(-1)
        try:
            self.context = sample_context(~self.unknown, self.hole)
        except ValueError as error:
            raise ValueError(f"in {tuple(window.crop)}: {error}") from None
        self.intensity = find_range(pixels, self.context)
        self.tensor = to_tensor(pixels, self.unknown, self.intensity)
        known = pixels[self.context.y, self.context.x]
        flat = np.flatnonzero((known == known[0]).all(0))
        self.flat = {int(channel): known[0, channel] for channel in flat}

    def to_network(self, factor: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return image and mask, scaled down, for the network: float32 (3, h, w) and (1, h, w)."""
        seen = np.clip(self.tensor, 0, 1, dtype=np.float32, casting="same_kind")
        small, unknown = shrink(seen, self.unknown, factor)
        return to_rgb(small), unknown[None].astype(np.float32)

    def level(self) -> NDArray[np.float32]:
        """Return a completion that is constant, for the membrane to bend: float32 (3, H, W)."""
        mean = self.tensor[:, self.context.y, self.context.x].mean(1, dtype=np.float64)
        return to_rgb(np.broadcast_to(mean[:, None, None], self.tensor.shape))

    def fill(
        self, completion: NDArray[np.float32], corrected: bool, cancel: Event | None = None
    ) -> tuple[Box, NDArray[Any]]:
        """Return the filled pixels.

        Parameters
        ----------
        completion : float32 array of shape (3, h, w)
            The network's: of the window's size, or scaled down by its factor.
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
        painted: NDArray[Any] = from_rgb(completion, len(self.tensor))
        if painted.shape[1:] != self.unknown.shape:
            painted = resize(painted, self.unknown.shape[0], self.unknown.shape[1], self.window.factor)
        boxes = [hole.box.shift(-self.window.crop.y0, -self.window.crop.x0) for hole in self.window.holes]
        if corrected or self.window.interpolated:
            painted = seam.correct(painted, self.tensor, self.unknown, boxes, cancel)
        box = self.window.hole_box
        filled = seam.keep_among(painted[:, *box.slices], box, self.tensor, self.context)
        pixels = from_tensor(filled, self.pixels.dtype, self.intensity)
        for channel in self.flat:
            pixels[..., channel] = self.flat[channel]
        return box, pixels

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
