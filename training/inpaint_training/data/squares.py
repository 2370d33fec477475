"""Squares that are cut from images: where, at which scale, and how their values become those that the network sees."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import Field
from pydantic.dataclasses import dataclass

from inpaint_training.settings import Config, Share
from napari_inpaint.inference.windows.intensity import NothingKnownError, find_curve, sample_context, to_tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

TRIES = 8
"""Squares that are drawn, at most, to find one of which all pixels hold a value."""


@dataclass(frozen=True)
class DataConfig(Config):
    """How crops are cut from images."""

    crop_min: Annotated[float, Field(gt=0, le=1)] = 1 / 3
    """The smallest crop, as a share of the image's short side; the largest is the whole short side."""
    flip: Share = 0.5
    """Share of crops that are mirrored left to right."""
    jitter: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Largest change of each colour channel's gain; of grey images all channels have the same."""
    native: bool = False
    """Cut crops at the image's own scale, where all others are zoomed: for images whose pixels have a size."""
    turn: Share = 0.0
    """Share of crops that are turned by a random number of quarter turns, and mirrored top to bottom half of the time:
    for images that have no up."""


@dataclasses.dataclass(frozen=True, slots=True)
class Square:
    """A piece of an image."""

    pixels: Tensor
    """float32, (1 or 3, H, W), in the image's own values"""
    hidden: Tensor | None = None
    """bool, (H, W), True where it holds no value; None when it does everywhere"""


def random_square(
    photo: Tensor, crop: int, config: DataConfig, rng: np.random.Generator, valid: Tensor | None = None
) -> Square:
    """Cut a square at a random place and scale, and turn it to ``crop`` pixels.

    Parameters
    ----------
    photo : uint8, uint16 or float32 Tensor of shape (H, W, 1 or 3)
    crop
        Side of the result, in pixels.
    valid : uint8 Tensor of shape (H, W), optional
        0 where a pixel holds no value. Then the best of several squares is taken, by how many pixels hold one.

    Returns
    -------
    Square
        Of 8 bits in [0, 255].
    """
    square = _cut(photo, valid, crop, config, rng)
    for _ in range(TRIES - 1):
        if square.hidden is None:
            break
        other = _cut(photo, valid, crop, config, rng)
        square = min(other, square, key=_count_hidden)
    return square


def _count_hidden(square: Square) -> int:
    return 0 if square.hidden is None else int(square.hidden.sum())


def _cut(photo: Tensor, valid: Tensor | None, crop: int, config: DataConfig, rng: np.random.Generator) -> Square:
    height, width, _ = photo.shape
    longest = min(height, width)
    shortest = min(longest, max(crop, longest * config.crop_min))
    # Every zoom equally often.
    side = crop if config.native else round(float(np.exp(rng.uniform(np.log(shortest), np.log(longest)))))
    y0, x0 = int(rng.integers(0, height - side + 1)), int(rng.integers(0, width - side + 1))
    place = np.s_[y0 : y0 + side, x0 : x0 + side]
    square = photo[place].permute(2, 0, 1)  # C, side, side
    hidden = None if valid is None else valid[place] == 0  # side, side
    if hidden is None or not hidden.any():
        return Square(_resize(square, crop))
    square = square.float()
    known = square[:, ~hidden]  # C, K
    mean = known.mean(1) if known.numel() else square.new_zeros(len(square))
    square = torch.where(hidden, mean[:, None, None], square)
    if side == crop:
        return Square(square, hidden)
    # The weights of an interpolation sum up to 1, so that 1 becomes another number where a hidden pixel has a weight.
    ones = F.interpolate((~hidden)[None, None].float(), (crop, crop), mode="bicubic", antialias=True)[0, 0]
    return Square(_resize(square, crop), (ones - 1).abs() > 1e-3)


def _resize(square: Tensor, crop: int) -> Tensor:
    """Return (C, side, side) as float32 of (C, crop, crop), within the range of its values."""
    if square.shape[-1] == crop:
        return square.float()
    # On the CPU, whole numbers of 8 bits are resized several times faster; CUDA resizes floats only.
    if square.is_cuda or square.dtype != torch.uint8:
        square = square.float()
    low, high = (0, 255) if square.dtype == torch.uint8 or square.is_cuda else square.aminmax()
    resized = F.interpolate(square[None], (crop, crop), mode="bicubic", antialias=True)[0].float()
    return resized.clamp(float(low), float(high))


def to_network_values(pixels: Tensor, mask: Tensor, hidden: Tensor | None, dtype: str) -> Tensor:
    """Return the values, in [0, 1], that the network sees of a window where it fills a hole, and what it should paint.

    The curve is the engine's, and is chosen, as there, from what is known around the hole.

    Parameters
    ----------
    pixels : float32 Tensor of shape (C, H, W)
        In the image's own values, on the CPU.
    mask : Tensor of shape (H, W)
        1 inside the hole.
    hidden : bool Tensor of shape (H, W), optional
        True where a pixel holds no value.
    dtype
        Of the image.

    Returns
    -------
    float32 Tensor of shape (C, H, W)
        0 where a pixel holds no value, and everywhere when nothing is known.
    """
    floats = np.ascontiguousarray(pixels.permute(1, 2, 0).numpy())  # H, W, C
    values: NDArray[Any] = np.rint(floats).astype(dtype) if np.dtype(dtype).kind == "u" else floats
    hole = mask.numpy() > 0
    unknown = np.zeros_like(hole) if hidden is None else hidden.numpy()
    try:
        curve = find_curve(values, sample_context(~(hole | unknown), hole))
    except NothingKnownError:
        return torch.zeros_like(pixels)
    return torch.from_numpy(to_tensor(values, unknown, curve).astype(np.float32)).clamp(0, 1)
