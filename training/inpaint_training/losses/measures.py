"""Measures that losses, validation and evaluation share, all differentiable.

Images are (N, C, H, W) in [0, 1], masks (N, 1, H, W) with 1 inside holes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

if TYPE_CHECKING:
    from torch import Tensor

SSIM_WINDOW = 7
"""Side of SSIM's uniform window, in pixels: Wang et al. 2004 with scikit-image's defaults."""


def composite(completion: Tensor, image: Tensor, hole: Tensor) -> Tensor:
    """Return the completion inside the hole, a bool mask, and the image elsewhere."""
    return torch.where(hole, completion, image)


def masked_mean(values: Tensor, weights: Tensor) -> Tensor:
    """Average ``values`` (N, C, H, W) with ``weights`` (N, 1, H, W), per image; without weight 0."""
    total = weights.sum((1, 2, 3)) * values.shape[1]  # N
    return ((values * weights).sum((1, 2, 3)) / total.clamp(min=1e-6)).mean()


def psnr(completion: Tensor, image: Tensor, mask: Tensor, least: float = 1e-9) -> Tensor:
    """Return the peak signal-to-noise ratio over each image's hole, in dB: (N,).

    Parameters
    ----------
    least
        Mean square below which errors do not count, so that a perfect completion has a finite value.
    """
    squares = ((completion - image) ** 2 * mask).sum((1, 2, 3)) / (3 * mask.sum((1, 2, 3))).clamp(min=1)
    return -10 * squares.clamp(min=least).log10()


def gradient_energy(image: Tensor, mask: Tensor) -> Tensor:
    """Return the mean absolute difference of neighbours that both lie in the hole, rows plus columns: (N,)."""
    energy = image.new_zeros(len(image))
    for axis in (2, 3):
        length = image.shape[axis] - 1
        inside = mask.narrow(axis, 0, length) * mask.narrow(axis, 1, length)  # N, 1, H, W - 1
        step = (image.narrow(axis, 1, length) - image.narrow(axis, 0, length)).abs()
        energy = energy + (step * inside).sum((1, 2, 3)) / (3 * inside.sum((1, 2, 3))).clamp(min=1)
    return energy


def ssim_map(a: Tensor, b: Tensor, stride: int = 1) -> Tensor:
    """Return the structural similarity of two images at the pixels that have a whole window.

    Wang, Bovik, Sheikh, Simoncelli 2004, equation 13, with a uniform window of `SSIM_WINDOW` pixels.

    Parameters
    ----------
    a, b : Tensor of shape (N, C, H, W)
    stride
        Compute every `stride`-th row and column only.

    Returns
    -------
    Tensor of shape (N, C, ceil((H - 6) / stride), ceil((W - 6) / stride))
    """

    def mean(x: Tensor) -> Tensor:
        return F.avg_pool2d(x, SSIM_WINDOW, stride)

    samples = SSIM_WINDOW**2
    unbiased = samples / (samples - 1)
    mean_a, mean_b = mean(a), mean(b)
    var_a = (mean(a * a) - mean_a**2) * unbiased
    var_b = (mean(b * b) - mean_b**2) * unbiased
    covariance = (mean(a * b) - mean_a * mean_b) * unbiased
    c1, c2 = 0.01**2, 0.03**2
    similarity = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    return similarity / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))
