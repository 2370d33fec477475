"""Differentiable augmentation of what critics see: Zhao et al. 2020, for training sets of few photos.

The real and the filled image of a pair are changed alike, in the critic's and in the network's step, so that the critic
cannot learn its few photos by heart and the network never learns the changes. To add one, write it here and name it in
`AUGMENTATIONS`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

LARGEST_SHIFT = 1 / 8
"""Of the side of what the critic sees."""


def change_colour(view: Tensor, draw: Tensor) -> Tensor:
    """Change brightness, saturation and contrast; ``draw`` is (N, 3)."""
    brightness, saturation, contrast = draw[:, :, None, None, None].unbind(1)  # N, 1, 1, 1 each
    image, mask = view[:, :3], view[:, 3:]
    image = image + (brightness - 0.5) * 0.5
    grey = image.mean(1, keepdim=True)  # N, 1, h, w
    image = grey + (image - grey) * (2 * saturation)
    mean = image.mean((1, 2, 3), keepdim=True)  # N, 1, 1, 1
    image = mean + (image - mean) * (0.5 + contrast)
    return torch.cat([image, mask], 1)  # N, 4, h, w


def flip(view: Tensor, draw: Tensor) -> Tensor:
    """Mirror left and right; ``draw`` is (N, 1)."""
    return torch.where(draw[:, :, None, None] < 0.5, view.flip(3), view)  # N, 4, h, w


def shift(view: Tensor, draw: Tensor) -> Tensor:
    """Move up to `LARGEST_SHIFT` of the side, what comes in from beyond is black and known; ``draw`` is (N, 2)."""
    height, width = view.shape[-2:]
    far = (draw - 0.5) * (2 * LARGEST_SHIFT)  # N, 2
    y = torch.arange(height, device=view.device) - (far[:, :1] * height).round().long()  # N, h
    x = torch.arange(width, device=view.device) - (far[:, 1:] * width).round().long()  # N, w
    inside = ((y >= 0) & (y < height))[:, None, :, None] & ((x >= 0) & (x < width))[:, None, None, :]  # N, 1, h, w
    n = torch.arange(len(view), device=view.device)[:, None, None]
    moved = view.permute(0, 2, 3, 1)[n, y.clamp(0, height - 1)[:, :, None], x.clamp(0, width - 1)[:, None]]
    return torch.where(inside, moved.permute(0, 3, 1, 2), 0.0)  # N, 4, h, w


AUGMENTATIONS: dict[str, tuple[Callable[[Tensor, Tensor], Tensor], int]] = {
    "colour": (change_colour, 3),
    "flip": (flip, 1),
    "shift": (shift, 2),
}
"""Function and the random numbers that it takes per image. Views are (N, 4, h, w): RGB in [0, 1] and the mask."""

DRAWS = sum(count for _, count in AUGMENTATIONS.values())


def augment(view: Tensor, draws: Tensor, names: Sequence[str]) -> Tensor:
    """Apply the named augmentations.

    Parameters
    ----------
    view : Tensor of shape (N, 4, h, w)
        RGB in [0, 1] and the mask.
    draws : Tensor of shape (N, DRAWS)
        Random numbers in [0, 1).
    names
        Of the augmentations.
    """
    first = 0
    for name, (change, count) in AUGMENTATIONS.items():
        if name in names:
            view = change(view, draws[:, first : first + count])
        first += count
    return view
