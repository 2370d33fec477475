"""Contextual attention: what is missing is matched with what is known, and made of it.

Yu, Lin, Yang, Shen, Lu, Huang: Generative Image Inpainting with Contextual Attention, CVPR 2018, section 4.1.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inpaint_training.networks.layers import reflect_pad

CELL = 8
"""Side of the cells that are matched and copied, in pixels: attention has a weight for every pair of them."""
MOST_KEYS = 64
"""Cells per row and column that can be copied; of more, every second (third, ...) one. It bounds the cost: a window of
512 px has as many, and what is larger costs no more for every pixel."""
UNKNOWN = 1e6
"""What a similarity loses per unknown share of its cells: whoever has a known cell to copy copies no other."""
SMALLEST = 2 * CELL
"""Side of the smallest image that can be attended to, in pixels."""


class ContextualAttention(nn.Module):
    """Find, for every cell of an image, the known cells that look alike around it.

    Cells are compared with their eight neighbours by the cosine of their features, less the image's mean feature,
    which says what all cells have in common. In plain operators, always in float32.

    Parameters
    ----------
    sharpness
        Factor of the similarities before the softmax: the higher, the fewer cells go into one.
    """

    def __init__(self, sharpness: float) -> None:
        super().__init__()
        self.sharpness = sharpness

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """Return how much of every known cell goes into every cell.

        Parameters
        ----------
        features : Tensor of shape (N, C, H / 4, W / 4)
        mask : Tensor of shape (N, 1, H, W)
            1 inside holes.

        Returns
        -------
        Tensor of shape (N, Q, K)
            Weights that sum to 1 over the K cells that can be copied, for every one of the Q = H / 8 * W / 8 cells.
        """
        if not torch.compiler.is_exporting():
            features = features.float()
            with torch.autocast(features.device.type, enabled=False):  # bfloat16 would choose other cells
                return self._weigh(features, mask)
        return self._weigh(features, mask)

    def _weigh(self, features: Tensor, mask: Tensor) -> Tensor:
        cells = F.avg_pool2d(features, 2)  # N, C, h, w
        patches = neighbourhoods(cells - cells.mean((2, 3), keepdim=True))  # N, 9 C, h, w
        patches = patches / (patches.square().sum(1, keepdim=True) + 1e-6).sqrt()
        unknown = neighbourhoods(F.avg_pool2d(mask, CELL)).mean(1, keepdim=True)  # N, 1, h, w
        similarity = patches.flatten(2).transpose(1, 2) @ keys(patches).flatten(2)  # N, Q, K
        return (self.sharpness * similarity - UNKNOWN * keys(unknown).flatten(2)).softmax(-1)


def neighbourhoods(x: Tensor) -> Tensor:
    """Return every cell with its eight neighbours: (N, 9 C, h, w) of (N, C, h, w)."""
    height, width = x.shape[-2:]
    padded = reflect_pad(x, 1)
    return torch.cat([padded[:, :, y : y + height, x : x + width] for y in range(3) for x in range(3)], 1)


def keys(x: Tensor) -> Tensor:
    """Return the cells of (N, C, h, w) that can be copied, (N, C, h', w')."""
    for axis in (2, 3):
        side = x.shape[axis]
        step = (side + MOST_KEYS - 1) // MOST_KEYS
        x = x.index_select(axis, torch.arange(0, side, step, device=x.device))
    return x


def copy_cells(weights: Tensor, x: Tensor, cell: int) -> Tensor:
    """Put an image together from cells of another one.

    What is copied reaches half a cell beyond each cell, so that neighbours overlap; there they blend linearly.

    Parameters
    ----------
    weights : Tensor of shape (N, Q, K)
        From `ContextualAttention`.
    x : Tensor of shape (N, C, H, W)
        H and W are multiples of ``cell``.
    cell
        Side of a cell in pixels of ``x``, an even number.

    Returns
    -------
    Tensor of shape (N, C, H, W)
    """
    channels = x.shape[1]
    blocks = F.pixel_unshuffle(reflect_pad(x, cell // 2), cell)  # N, C cell^2, h + 1, w + 1; each across 4 cells
    height, width = blocks.shape[2] - 1, blocks.shape[3] - 1
    quarters = [keys(blocks[:, :, y : y + height, x : x + width]) for y, x in CORNERS]
    values = torch.cat(quarters, 1).flatten(2).transpose(1, 2)  # N, K, 4 C cell^2
    copied = (weights @ values).transpose(1, 2).unflatten(2, (height, width))  # N, 4 C cell^2, h, w
    ramp = (torch.arange(cell, device=x.device, dtype=x.dtype) + 0.5) / cell  # cell
    total, share = [], []
    for (y, x_), quarter in zip(CORNERS, copied.chunk(4, 1), strict=True):
        rows, columns = (1 - ramp if late else ramp for late in (y, x_))
        window = (rows[:, None] * columns).reshape(1, cell**2, 1, 1)
        place = (x_, 1 - x_, y, 1 - y)
        total.append(F.pad(quarter * window.repeat(1, channels, 1, 1), place))
        share.append(F.pad(window.expand(1, cell**2, height, width), place))
    put, weight = (F.pixel_shuffle(torch.stack(parts).sum(0), cell) for parts in (total, share))
    half = cell // 2
    return (put / weight)[..., half:-half, half:-half]


CORNERS = ((0, 0), (0, 1), (1, 0), (1, 1))
"""Row and column of the quarters of what is copied for a cell."""


def find_detail(image: Tensor) -> Tensor:
    """Return what an image (N, 3, H, W) has beyond the mean colours of its cells."""
    smooth = F.interpolate(F.avg_pool2d(image, CELL), scale_factor=CELL, mode="bilinear")
    return image - smooth
