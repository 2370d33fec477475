"""How close a fill comes to the original."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from inpaint_training.losses import ssim_map

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Case:
    """A crop with one square hole."""

    name: str
    image: np.ndarray
    """uint8 array of shape (H, W, 3)"""
    box: tuple[int, int, int, int]

    @property
    def mask(self) -> np.ndarray:
        """Bool array of shape (H, W), True inside the hole."""
        mask = np.zeros(self.image.shape[:2], bool)
        y0, x0, y1, x1 = self.box
        mask[y0:y1, x0:x1] = True
        return mask


@dataclass(frozen=True, slots=True)
class Scores:
    """How one method did on one case, or on average."""

    l1: float
    """Mean absolute difference over the hole, in percent of white."""
    psnr_hole: float
    """Peak signal-to-noise ratio over the hole, in dB."""
    psnr: float
    """Of the composite, in dB."""
    ssim: float
    """Structural similarity of the composite; Wang et al. 2004, uniform window of 7 pixels."""
    texture: float
    """Gradient energy inside the hole, relative to the original's: 1 is as detailed, less is blurred."""
    seconds: float


def score(case: Case, filled: np.ndarray, seconds: float) -> Scores:
    """Compare a filled crop with the original."""
    mask = case.mask
    original, result = case.image.astype(np.float64) / 255, filled.astype(np.float64) / 255
    error = result - original
    a, b = (torch.from_numpy(x).permute(2, 0, 1)[None] for x in (original, result))
    return Scores(
        l1=100 * float(np.abs(error[mask]).mean()),
        psnr_hole=_psnr(error[mask]),
        psnr=_psnr(error),
        ssim=float(ssim_map(a, b).mean()),
        texture=_gradient_energy(result, case.box) / max(_gradient_energy(original, case.box), 1e-9),
        seconds=seconds,
    )


def _psnr(error: np.ndarray) -> float:
    # Half a grey level of 8 bits bounds the error from below, so that a perfect fill does not make the mean infinite.
    return float(-10 * np.log10(max(float(np.mean(error**2)), (0.5 / 255) ** 2)))


def _gradient_energy(image: np.ndarray, box: tuple[int, int, int, int]) -> float:
    y0, x0, y1, x1 = box
    hole = image[y0:y1, x0:x1]
    return float(np.abs(np.diff(hole, axis=0)).mean() + np.abs(np.diff(hole, axis=1)).mean())


def average(scores: Sequence[Scores]) -> Scores:
    """Return the mean of every score; the texture's median, since an original without texture divides by nothing."""
    means = {name: float(np.mean([getattr(s, name) for s in scores])) for name in Scores.__slots__}
    return Scores(**means | {"texture": float(np.median([s.texture for s in scores]))})
