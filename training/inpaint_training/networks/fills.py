"""Simple fills that generators start from: black, the mean colour, and a smooth one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

PULLPUSH_LEVELS = 9
"""Halvings of the smooth fill: 2 ** 9 pixels reach across every window that a network is trained on."""


def zero_fill(image: Tensor, hole: Tensor) -> Tensor:
    """Return the image with black holes."""
    return torch.where(hole, 0.0, image)


def mean_fill(image: Tensor, hole: Tensor) -> Tensor:
    """Return the image with holes of the mean known colour of each image, 0.5 where nothing is known."""
    return torch.where(hole, _mean_known(zero_fill(image, hole), (~hole).to(image.dtype)), image)


def pullpush_fill(image: Tensor, hole: Tensor) -> Tensor:
    """Return the image with smoothly filled holes: the mask-normalised average pyramid.

    Known colours are averaged down level by level (pull); what is unknown on a level takes the bilinearly resized
    colour of the level above (push). A cell counts fully as soon as any of its pixels is known, as the saturating
    weights of Gortler et al. 1996: so the colours on the rim decide, not the many pixels behind them (0.15 dB on
    landscape photos). What is unknown at the top takes the mean of the known cells, or 0.5.

    Parameters
    ----------
    image : Tensor of shape (N, 3, H, W)
    hole : bool Tensor of shape (N, 1, H, W)
    """
    pyramid = [(zero_fill(image, hole), (~hole).to(image.dtype))]
    for _ in range(PULLPUSH_LEVELS):
        colour, weight = average_known(*pyramid[-1], lambda x: F.avg_pool2d(x, 2, ceil_mode=True))  # N, C, H / 2, W / 2
        pyramid.append((colour, (weight > 0).to(image.dtype)))
    colour, known = pyramid[-1]
    fill = torch.where(known > 0, colour, _mean_known(colour, known))
    for colour, known in reversed(pyramid[:-1]):
        smooth = F.interpolate(fill, size=colour.shape[-2:], mode="bilinear")  # N, 3, 2 H, 2 W
        fill = torch.where(known > 0, colour, smooth)
    return fill


def average_known(erased: Tensor, known: Tensor, shrink: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """Shrink an image so that only its known pixels are averaged.

    Parameters
    ----------
    erased : Tensor of shape (N, 3, H, W)
        0 where nothing is known.
    known : Tensor of shape (N, 1, H, W)
        1 where something is known, else 0.
    shrink
        Averages pixels of an image of any number of channels.

    Returns
    -------
    colour, weight : Tensor of shape (N, 3, h, w) and (N, 1, h, w)
        The weight is the known share of every pixel; without any, the colour is 0.
    """
    weight = shrink(known)  # N, 1, h, w
    return shrink(erased) / weight.clamp(min=1e-6), weight


def _mean_known(erased: Tensor, known: Tensor) -> Tensor:
    count = known.sum((2, 3), keepdim=True)  # N, 1, 1, 1
    return torch.where(count > 0, erased.sum((2, 3), keepdim=True) / count.clamp(min=1), 0.5)  # N, 3, 1, 1
