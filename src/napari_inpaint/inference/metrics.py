"""How close a fill came to what was there; training has its own, on PyTorch."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SSIM_WINDOW = 7
NOISE_FILTER = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]]) / 6
"""Blind to slopes and edges, and white noise stays as it is: Immerkær: Fast Noise Variance Estimation, 1996."""
LEAST = 1e-4
"""Added to both sides of ratios: some places have no texture, and no noise."""


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
    texture: float
    """Mean absolute difference between neighbours in the fill, relative to the truth's: less than 1 is blurred."""
    noise: float
    """Noise level of the fill, relative to the truth's."""
    noise_level: float
    """Of the fill, in percent of the range: the standard deviation of what looks like white noise."""

    @property
    def power(self) -> float:
        """The mean squared error but for what the fill's own noise explains, in parts of the squared range.

        Copied noise is as good as the true one, and doubles its error.
        """
        return max(10 ** (-self.psnr / 10) - (self.noise_level / 100) ** 2, 1e-6)


def score(
    truth: NDArray[np.float32], filled: NDArray[Any], hidden: NDArray[np.bool_], unknown: NDArray[np.bool_]
) -> Score:
    """Compare (H, W, C) values in [0, 1] where they were hidden; what was never known counts nowhere."""
    filled = np.where(unknown[..., None], truth, filled).astype(np.float64)
    error = (filled - truth)[hidden]
    power = max(float((error**2).mean()), 1e-6)
    similar = ssim_map(truth.astype(np.float64), filled)[hidden]
    texture = _ratio(gradient(filled, hidden), gradient(truth, hidden))
    level = noise_level(filled, hidden)
    return Score(100 * float(np.abs(error).mean()), -10 * math.log10(power), float(similar.mean()), texture,
                 _ratio(level, noise_level(truth, hidden)), 100 * level)  # fmt: skip


def gradient(image: NDArray[np.floating[Any]], mask: NDArray[np.bool_]) -> float:
    """Return the mean absolute difference between neighbouring pixels of (H, W, C), both in the mask; 0 without any."""
    down = np.abs(np.diff(image, axis=0))[mask[1:] & mask[:-1]]
    right = np.abs(np.diff(image, axis=1))[mask[:, 1:] & mask[:, :-1]]
    both = np.concatenate([down, right])
    return float(both.mean()) if both.size else 0.0


def noise_level(image: NDArray[np.floating[Any]], mask: NDArray[np.bool_]) -> float:
    """Return the standard deviation of the noise of (H, W, C) in a mask: Immerkær 1996, with a median for edges."""
    filtered = ndimage.convolve(image.astype(np.float64), NOISE_FILTER[..., None])
    inside = ndimage.binary_erosion(mask, np.ones((3, 3)))
    values = np.abs(filtered[inside if inside.any() else mask])
    return float(np.median(values)) / 0.6745 if values.size else 0.0  # of a normal distribution


def _ratio(a: float, b: float) -> float:
    return (a + LEAST) / (b + LEAST)


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
    return Score(*(float(np.mean([getattr(each, field.name) for each in scores])) for field in fields(Score)))
