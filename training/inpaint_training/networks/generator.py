"""What all generators share: which sizes of images they take, and what counts as a hole."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from napari_inpaint.inference.runtime.contract import HOLE_THRESHOLD


class Generator(nn.Module):
    """Base of the networks that complete images.

    Attributes
    ----------
    size_multiple : int
        Height and width of images must be multiples of this.
    minimum_side : int
        The smallest height and width: a reflected border must be narrower than what it reflects.
    fixed_side : int or None
        The only height and width that the network takes; None when it takes all that keep the rules above.
    stages : tuple of str
        Names of the modules that run one after the other; empty when there is one stage.
    """

    size_multiple: int = 1
    minimum_side: int = 1
    fixed_side: int | None = None
    stages: tuple[str, ...] = ()

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        """Complete images.

        Parameters
        ----------
        image : Tensor of shape (N, 3, H, W)
            RGB in [0, 1]. What is under the hole is erased, whatever it is (NaN too).
        mask : Tensor of shape (N, 1, H, W)
            1 inside holes; a value of at least 0.5 counts as a hole.

        Returns
        -------
        Tensor of shape (N, 3, H, W)
            See `complete`.

        Raises
        ------
        ValueError
            When the network does not take images of this size.
        """
        if not torch.compiler.is_exporting():
            self.check_size(*image.shape[-2:])
        return self.complete(image, mask >= HOLE_THRESHOLD)

    def complete(self, image: Tensor, hole: Tensor) -> Tensor:
        """Return completions (N, 3, H, W) of images of a size that fits; the hole is a bool mask (N, 1, H, W)."""
        raise NotImplementedError

    def check_size(self, height: int, width: int) -> None:
        """Raise `ValueError` when images of this size cannot be completed."""
        if self.fixed_side and (height, width) != (self.fixed_side, self.fixed_side):
            raise ValueError(
                f"image of {height} x {width} pixels: this network completes {self.fixed_side} x {self.fixed_side} "
                "pixels only; crop or resize the image"
            )
        if height % self.size_multiple or width % self.size_multiple or min(height, width) < self.minimum_side:
            raise ValueError(
                f"image of {height} x {width} pixels: both sides must be multiples of {self.size_multiple} and at "
                f"least {self.minimum_side}; pad the image, or use the exported model, which pads by itself"
            )
