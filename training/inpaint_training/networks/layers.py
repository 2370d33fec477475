"""What the networks' layers share."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def scale_channels(channels: int, width: float) -> int:
    """Return the channels of a layer at this width, at least 1."""
    return max(1, round(channels * width))


def init_convolution(module: nn.Module) -> None:
    """Draw a convolution's weights so that a network of any width keeps its signals' size (He et al. 2015).

    Biases become zero; other modules are left alone.
    """
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        # A transposed convolution of stride 2 sums a quarter of its kernel at every output pixel.
        share = 1 / 4 if isinstance(module, nn.ConvTranspose2d) else 1
        fan_in = module.in_channels * module.kernel_size[0] * module.kernel_size[1] * share
        nn.init.normal_(module.weight, std=math.sqrt(2 / fan_in))
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def reflect_pad(x: Tensor, pad: int, by_flips: bool | None = None) -> Tensor:
    """Pad (N, C, H, W) by reflection to (N, C, H + 2 pad, W + 2 pad).

    Two ways with equal results: `torch.nn.functional.pad`, which an exporter writes as one operator, and joining
    mirrored slices, which keeps channels_last on CUDA, where the former gives it up.

    Parameters
    ----------
    by_flips
        Join slices; None: on CUDA, except in an export.
    """
    if by_flips is None:
        by_flips = FLIP_PAD if FLIP_PAD is not None else x.is_cuda and not torch.compiler.is_exporting()
    if not by_flips:
        return F.pad(x, (pad,) * 4, mode="reflect")
    padded: Tensor = _ReflectPad.apply(x, pad)  # type: ignore[no-untyped-call]
    return padded


class _ReflectPad(torch.autograd.Function):
    """Join mirrored slices. What comes back adds up in strips: autograd would add whole images for every slice."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, pad: int) -> Tensor:
        ctx.pad = pad
        x = torch.cat([x[:, :, 1 : pad + 1].flip(2), x, x[:, :, -pad - 1 : -1].flip(2)], 2)
        return torch.cat([x[:, :, :, 1 : pad + 1].flip(3), x, x[:, :, :, -pad - 1 : -1].flip(3)], 3)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (gradient,), pad = gradients, ctx.pad

        def fold_rows(x: Tensor) -> Tensor:
            inner = x[:, :, pad:-pad].clone()
            inner[:, :, 1 : pad + 1] += x[:, :, :pad].flip(2)
            inner[:, :, -pad - 1 : -1] += x[:, :, -pad:].flip(2)
            return inner

        inner = fold_rows(gradient[..., pad:-pad])
        inner[..., 1 : pad + 1] += fold_rows(gradient[..., :pad]).flip(3)
        inner[..., -pad - 1 : -1] += fold_rows(gradient[..., -pad:]).flip(3)
        return inner, None


FLIP_PAD: bool | None = None
"""What `reflect_pad` does when it is not told: None chooses by device; a benchmark sets it."""
