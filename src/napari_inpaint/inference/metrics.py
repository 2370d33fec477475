"""How close a fill came to what was there; training has its own, on PyTorch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SSIM_WINDOW = 7


@dataclass(frozen=True, slots=True)
class Score:
    """How close a fill of hidden pixels came to them."""

    l1: float
    """Mean absolute difference, in percent of the range of the intensities around, without 0.1 % of outliers at either
    end."""
    psnr: float
    """Peak signal-to-noise ratio over the same range, in dB; at most 60."""
    ssim: float
    """Structural similarity; Wang et al. 2004, uniform window of 7 pixels, of the windows in the hidden place."""


def score(
    truth: NDArray[np.float32], filled: NDArray[Any], hidden: NDArray[np.bool_], unknown: NDArray[np.bool_]
) -> Score:
    """Compare (H, W, C) values in [0, 1] where they were hidden; what was never known counts nowhere."""
    filled = np.where(unknown[..., None], truth, filled).astype(np.float64)
    error = (filled - truth)[hidden]
    power = max(float((error**2).mean()), 1e-6)
    similar = ssim_map(truth.astype(np.float64), filled)[hidden]
    return Score(100 * float(np.abs(error).mean()), -10 * math.log10(power), float(similar.mean()))


def ssim_map(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the structural similarity of two (H, W, C) images in [0, 1] at every pixel: (H, W, C).

    Wang, Bovik, Sheikh, Simoncelli 2004, equation 13, with a uniform window of 7 pixels.
    """

    def mean(x: NDArray[np.float64]) -> NDArray[np.float64]:
        averaged: NDArray[np.float64] = ndimage.uniform_filter(x, (SSIM_WINDOW, SSIM_WINDOW, 1))
        return averaged

    unbiased = SSIM_WINDOW**2 / (SSIM_WINDOW**2 - 1)
    mean_a, mean_b = mean(a), mean(b)
    var_a, var_b = (unbiased * (mean(x * x) - m**2) for x, m in ((a, mean_a), (b, mean_b)))
    covariance = unbiased * (mean(a * b) - mean_a * mean_b)
    c1, c2 = 0.01**2, 0.03**2
    similarity = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    return similarity / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))


def mean_score(scores: Sequence[Score]) -> Score:
    """Return the mean of every number."""
    return Score(*(float(np.mean([getattr(each, name) for each in scores])) for name in ("l1", "psnr", "ssim")))
