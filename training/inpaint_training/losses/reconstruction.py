"""Reconstruction losses. To add one, write a function here and name it in `TERMS`.

Every term averages per image before it averages over the batch, so that the batch may be divided among devices.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import torch

from inpaint_training.losses.measures import SSIM_WINDOW, composite, masked_mean, ssim_map

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from inpaint_training.losses.features import FeatureNetwork

SSIM_LOSS_STRIDE = 4
"""As a loss, overlapping windows are sampled: pooling all of them costs as much as the network's convolutions."""

DISCOUNT = 0.97
"""What a pixel counts less than its neighbour that is nearer to the rim (Yu et al. 2018 use 0.99 for larger holes)."""


def l1_hole(completion: Tensor, image: Tensor, mask: Tensor) -> Tensor:
    """Return the mean absolute error over the hole."""
    return masked_mean((completion - image).abs(), mask)


def l1_known(completion: Tensor, image: Tensor, mask: Tensor) -> Tensor:
    """Return the mean absolute error over the known region."""
    return masked_mean((completion - image).abs(), 1 - mask)


def l1_discounted(completion: Tensor, image: Tensor, mask: Tensor) -> Tensor:
    """Return the mean absolute error over the hole, which counts less far from the rim; Yu et al. 2018, section 3.2."""
    return masked_mean((completion - image).abs(), mask * DISCOUNT ** distance_to_known(mask))


def mse(completion: Tensor, image: Tensor, mask: Tensor) -> Tensor:
    """Return the squared error of the hole, averaged over the image: Iizuka et al. 2017, equation 2."""
    return (((completion - image) * mask) ** 2).mean()


def dissimilarity(completion: Tensor, image: Tensor, mask: Tensor) -> Tensor:
    """Return 1 - SSIM of the composite, averaged over the hole."""
    border = SSIM_WINDOW // 2
    centres = mask[..., border:-border:SSIM_LOSS_STRIDE, border:-border:SSIM_LOSS_STRIDE]
    filled = composite(completion, image, mask > 0)  # N, 3, H, W
    return masked_mean(1 - ssim_map(filled, image, SSIM_LOSS_STRIDE), centres)


def focal_frequency(completion: Tensor, image: Tensor, mask: Tensor) -> Tensor:
    """Return the distance of the spectra, where the worst frequencies count most: Jiang et al. 2021, equation 8."""
    filled = composite(completion, image, mask > 0)  # N, 3, H, W
    distance: Tensor = torch.fft.rfft2(filled - image, norm="ortho").abs() ** 2  # N, 3, H, W / 2 + 1
    focus = distance.detach().sqrt()
    focus = focus / focus.amax((2, 3), keepdim=True).clamp(min=1e-12)
    return (focus * distance).mean()


def features(completion: Tensor, image: Tensor, mask: Tensor) -> Tensor:
    """Return the distance of the composite's features from the image's, in a small ImageNet network."""
    from inpaint_training.losses.features import feature_distance

    filled = composite(completion, image, mask > 0)  # N, 3, H, W
    return feature_distance(_feature_network(image.device), filled, image).mean()


TERMS = {
    "l1_hole": l1_hole,
    "l1_known": l1_known,
    "l1_discounted": l1_discounted,
    "mse": mse,
    "dissimilarity": dissimilarity,
    "focal_frequency": focal_frequency,
    "features": features,
}
"""What `Recipe.loss` can weigh. Images are (N, 3, H, W) in [0, 1], masks (N, 1, H, W) with 1 inside holes."""


def reconstruction_loss(
    completion: Tensor, image: Tensor, mask: Tensor, weights: Mapping[str, float]
) -> tuple[Tensor, dict[str, Tensor]]:
    """Compare a completion with the original image.

    Parameters
    ----------
    completion, image : Tensor of shape (N, 3, H, W)
        In [0, 1]; the completion may leave the range.
    mask : Tensor of shape (N, 1, H, W)
        1 inside holes.
    weights
        Of the terms, by their names in `TERMS`.

    Returns
    -------
    loss, parts
        The weighted sum, and every term by itself, detached.
    """
    completion = completion.float()
    parts = {name: TERMS[name](completion, image, mask) for name, weight in weights.items() if weight}
    loss = sum((weights[name] * part for name, part in parts.items()), completion.new_zeros(()))
    return loss, {name: part.detach() for name, part in parts.items()}


def distance_to_known(mask: Tensor) -> Tensor:
    """Return how many pixels each hole pixel is from the nearest known one along its row or column.

    Parameters
    ----------
    mask : Tensor of shape (N, 1, H, W)
        1 inside holes.

    Returns
    -------
    Tensor of shape (N, 1, H, W)
        0 outside holes; beyond the image's border everything counts as unknown.
    """
    distances = []
    for axis in (2, 3):
        for flip in (False, True):
            holes = mask.flip(axis) if flip else mask
            place = torch.arange(1, mask.shape[axis] + 1, device=mask.device, dtype=mask.dtype)
            place = place.view([-1 if i == axis else 1 for i in range(4)])
            last_known = torch.where(holes > 0, -mask.shape[axis], place).cummax(axis).values  # N, 1, H, W
            distance = place - last_known
            distances.append(distance.flip(axis) if flip else distance)
    return torch.stack(distances).amin(0)


@functools.cache
def _feature_network(device: torch.device) -> FeatureNetwork:
    from inpaint_training.losses.features import FeatureNetwork

    return FeatureNetwork("lite0").to(device)
