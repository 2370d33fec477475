"""What the ONNX file does around the network: any size in, composite out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from inpaint_training.losses.measures import composite
from inpaint_training.networks.padding import complete_window
from napari_inpaint.inference.runtime.contract import HOLE_THRESHOLD

if TYPE_CHECKING:
    from torch import Tensor

    from inpaint_training.networks.generator import Generator


class ExportWrapper(nn.Module):
    """Pad to a size that the network takes, complete, crop, composite.

    A module around the network, so that exporting never edits the network itself.
    """

    def __init__(self, network: Generator) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Complete and composite.

        Parameters
        ----------
        image : Tensor of shape (N, 3, H, W)
            RGB in [0, 1]; any H, W >= 1. What is under the hole is erased.
        mask : Tensor of shape (N, 1, H, W)
            At least 0.5 inside holes.

        Returns
        -------
        completion, composite : Tensor of shape (N, 3, H, W)
            The composite's known pixels are the image's, bit for bit.
        """
        completion = complete_window(self.network, image, mask)  # N, 3, H, W
        return completion, composite(completion, image, mask >= HOLE_THRESHOLD)
