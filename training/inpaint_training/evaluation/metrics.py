"""How close a fill comes to the original: the scores of one crop."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
import torch

from inpaint_training.losses.measures import gradient_energy, masked_mean, psnr, ssim_map

if TYPE_CHECKING:
    from collections.abc import Sequence

    from inpaint_training.evaluation.cases import Case

MS_SSIM_SIDE = 176
"""Least side of crops that have an MS-SSIM: its fifth scale, 1/16, must hold a window of 11 pixels."""
RATIO_FLOOR = 1e-4
"""Added to both sides of a ratio of gradients, 0.03 grey levels of 8 bits: some originals have no texture."""

RATIOS = ("texture", "rim")
"""Scores whose average is the median."""
HALF_GREY = (0.5 / 255) ** 2
"""Half a grey level of 8 bits, squared, is the least error: it bounds the PSNR of a perfect fill, at 54 dB."""


@dataclass(frozen=True, slots=True)
class Scores:
    """How one method did on one crop. Of the composite, unless it says otherwise; None where it is not measured."""

    l1: float
    """Mean absolute difference over the hole, in percent of white."""
    psnr_hole: float
    """Peak signal-to-noise ratio over the hole, in dB."""
    psnr: float
    """Peak signal-to-noise ratio, in dB."""
    ssim: float
    """Structural similarity; Wang et al. 2004, uniform window of 7 pixels."""
    ms_ssim: float | None
    """Multi-scale structural similarity; Wang et al. 2003, Gaussian window of 11 pixels, five scales."""
    texture: float
    """Gradient energy inside the hole, relative to the original's: 1 is as detailed, less is blurred."""
    rim: float
    """Rim jump: the mean absolute difference between neighbours (above, below, left, right) of which one is inside the
    hole and one is not, relative to the original's: 1 is as continuous as the original, more is a visible seam."""
    lite0: float | None
    """`inpaint_training.losses.features.feature_distance` to the original on EfficientNet-Lite0."""
    lite2: float | None
    """The same on EfficientNet-Lite2."""
    seconds: float
    """Time of the fill."""


def score(case: Case, filled: np.ndarray, seconds: float, distances: dict[str, float] | None = None) -> Scores:
    """Compare a filled crop with the original.

    Parameters
    ----------
    filled : uint8 array of shape (H, W, 3)
        The composite.
    seconds
        What filling it took.
    distances
        Feature distances that were measured: ``lite0`` and ``lite2``.
    """
    original, result = (torch.from_numpy(x / 255).permute(2, 0, 1)[None] for x in (case.image, filled))  # 1, 3, H, W
    hole = torch.from_numpy(case.mask)[None, None].double()  # 1, 1, H, W
    distances = distances or {}
    return Scores(
        l1=100 * float(masked_mean((result - original).abs(), hole)),
        psnr_hole=float(psnr(result, original, hole, HALF_GREY)),
        psnr=float(psnr(result, original, torch.ones_like(hole), HALF_GREY)),
        ssim=float(ssim_map(original, result).mean()),
        ms_ssim=multi_scale_ssim(original, result),
        texture=_ratio(gradient_energy(result, hole), gradient_energy(original, hole)),
        rim=_ratio(rim_gradient(result, hole), rim_gradient(original, hole)),
        lite0=distances.get("lite0"),
        lite2=distances.get("lite2"),
        seconds=seconds,
    )


def multi_scale_ssim(a: torch.Tensor, b: torch.Tensor) -> float | None:
    """Return the MS-SSIM of two images (1, 3, H, W) in [0, 1]; None when they, or torchmetrics, do not allow it."""
    if min(a.shape[-2:]) < MS_SSIM_SIDE:
        return None
    try:
        from torchmetrics.functional.image import multiscale_structural_similarity_index_measure as ms_ssim
    except ImportError:
        return None
    # relu: where contrast runs the other way its similarity is negative, which has no fractional power
    # and in float32: thirteen times as fast, and wrong by 2e-5
    return float(ms_ssim(a.float(), b.float(), data_range=1.0, normalize="relu"))


def rim_gradient(image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the mean absolute difference between neighbours on both sides of the hole's border; 0 without any.

    Parameters
    ----------
    image : Tensor of shape (1, 3, H, W)
    mask : Tensor of shape (1, 1, H, W)
        1 inside the hole.
    """
    jumps = [image.diff(dim=axis).abs()[(mask.diff(dim=axis) != 0).expand(-1, 3, -1, -1)] for axis in (2, 3)]
    both = torch.cat(jumps)
    return both.mean() if len(both) else both.new_zeros(())


def _ratio(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a + RATIO_FLOOR) / (b + RATIO_FLOOR))


def average(scores: Sequence[Scores]) -> dict[str, float]:
    """Return the mean of every score that was measured; of ratios (texture, rim) the median."""
    means = {}
    for field in fields(Scores):
        values = [value for s in scores if (value := getattr(s, field.name)) is not None]
        if values:
            middle = np.median if field.name in RATIOS else np.mean
            means[field.name] = float(middle(values))
    return means
