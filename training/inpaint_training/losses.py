"""Reconstruction losses and the image metrics they share with the evaluation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F

if TYPE_CHECKING:
    from torch import Tensor

    from inpaint_training.config import LossConfig

SSIM_WINDOW = 7
"""Side of SSIM's uniform window, in pixels: Wang et al. 2004 with scikit-image's defaults."""

SSIM_LOSS_STRIDE = 4
"""As a loss, overlapping windows are sampled: pooling all of them costs as much as the network's convolutions."""


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Average ``values`` (N, C, H, W) where ``mask`` (N, 1, H, W) is 1; 0 where it is 0 everywhere."""
    weight = mask.sum() * values.shape[1]
    return (values * mask).sum() / weight.clamp(min=1)


def ssim_map(a: Tensor, b: Tensor, stride: int = 1) -> Tensor:
    """Return the structural similarity of two images in [0, 1] at the pixels that have a whole window.

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


def reconstruction_loss(completion: Tensor, image: Tensor, mask: Tensor, config: LossConfig) -> dict[str, Tensor]:
    """Compare a completion with the original image.

    Parameters
    ----------
    completion, image : Tensor of shape (N, 3, H, W)
        In [0, 1]; the completion may leave the range.
    mask : Tensor of shape (N, 1, H, W)
        1 inside holes.

    Returns
    -------
    dict
        ``loss``, the weighted sum, and its parts ``l1_hole``, ``l1_known`` and, when it has a weight, ``ssim``.
    """
    error = (completion.float() - image).abs()  # N, 3, H, W
    parts = {"l1_hole": masked_mean(error, mask), "l1_known": masked_mean(error, 1 - mask)}
    loss = config.hole * parts["l1_hole"] + config.known * parts["l1_known"]
    if config.ssim:
        composite = torch.where(mask > 0, completion.float(), image)
        border = SSIM_WINDOW // 2
        centres = mask[..., border:-border:SSIM_LOSS_STRIDE, border:-border:SSIM_LOSS_STRIDE]
        parts["ssim"] = masked_mean(ssim_map(composite, image, SSIM_LOSS_STRIDE), centres)
        loss = loss + config.ssim * (1 - parts["ssim"])
    return {"loss": loss, **parts}
