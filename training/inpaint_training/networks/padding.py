"""What stands between a window of any size and a network that takes only some: padding, or scaling."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

from inpaint_training.networks.fills import average_known, zero_fill
from napari_inpaint.inference.runtime.contract import HOLE_THRESHOLD

if TYPE_CHECKING:
    from torch import Tensor

    from inpaint_training.networks.generator import Generator


def complete_window(network: Generator, image: Tensor, mask: Tensor) -> Tensor:
    """Complete windows of any size.

    Parameters
    ----------
    network
        One with a ``fixed_side`` takes squares of just this side: the window is scaled to it and back. For others it is
        padded.
    image : Tensor of shape (N, 3, H, W)
        RGB in [0, 1]; any H, W >= 1. What is under the hole does not matter.
    mask : Tensor of shape (N, 1, H, W)
        At least 0.5 inside holes.

    Returns
    -------
    Tensor of shape (N, 3, H, W)
    """
    height, width = image.shape[-2:]
    if network.fixed_side is not None:
        small, small_mask = shrink_window(image, mask, network.fixed_side)
        completion: Tensor = network(small, small_mask)  # N, 3, side, side
        return F.interpolate(completion, (height, width), mode="bilinear", antialias=True)  # N, 3, H, W
    padded = [pad_window(x, network.size_multiple, network.minimum_side) for x in (image, mask)]
    completion = network(*padded)  # N, 3, H', W'
    return completion[..., :height, :width]  # N, 3, H, W


def pad_window(x: Tensor, size_multiple: int, minimum_side: int) -> Tensor:
    """Extend a tensor (N, C, H, W) to the next size that the network takes.

    By repeating the last row and column: a reflection would need sides that are larger than the padding.
    """
    for axis in (2, 3):
        side = x.shape[axis]
        padded = torch.sym_max(minimum_side, (side + size_multiple - 1) // size_multiple * size_multiple)
        x = x.index_select(axis, torch.arange(padded, device=x.device).clamp(max=side - 1))
    return x  # N, C, H', W'


def shrink_window(image: Tensor, mask: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Scale a window to a square, antialiased; only known pixels are averaged.

    Returns
    -------
    image, mask : Tensor of shape (N, 3, side, side) and (N, 1, side, side)
        A pixel that a hole touches is a hole.
    """
    hole = mask >= HOLE_THRESHOLD  # N, 1, H, W
    colour, weight = average_known(
        zero_fill(image, hole),
        (~hole).to(image.dtype),
        lambda x: F.interpolate(x, (side, side), mode="bilinear", antialias=True),
    )
    return colour, (weight < 0.999).to(mask.dtype)  # N, 3, side, side and N, 1, side, side
