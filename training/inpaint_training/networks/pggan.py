"""The generator of PGGAN, to compare the completion network with.

Demir, Unal: Patch-Based Image Inpainting with Generative Adversarial Networks, 2018, arXiv 1803.07422.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from inpaint_training.networks.fills import zero_fill
from inpaint_training.networks.generator import Generator
from inpaint_training.networks.layers import init_convolution, scale_channels
from inpaint_training.settings import NetworkConfig


@dataclass(frozen=True)
class PgganConfig(NetworkConfig):
    """What the generator of PGGAN is built from; width 1 gives 11,386,563 parameters."""

    kind: Literal["pggan"] = "pggan"
    """Tells this configuration from the others."""

    def build(self) -> PgganNetwork:
        """Return a new network."""
        return PgganNetwork(self.width)


# The frame of Johnson et al. 2016, which Zhu et al. 2017 use with 9 residual blocks for 256 px.
PGGAN_DOWN = (64, 128, 256)
PGGAN_BLOCK_DILATIONS = (2,) * 9
PGGAN_UP = (128, 64)


class ReflectConv(nn.Sequential):
    """Reflect, convolve; then normalise and activate, as far as asked for."""

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int = 3,
        stride: int = 1,
        dilation: int = 1,
        norm: bool = True,
        act: bool = True,
    ) -> None:
        layers: list[nn.Module] = [
            nn.ReflectionPad2d(dilation * (kernel // 2)),
            nn.Conv2d(channels_in, channels_out, kernel, stride, dilation=dilation, bias=not norm),
        ]
        if norm:
            layers.append(nn.BatchNorm2d(channels_out))
        if act:
            layers.append(nn.ReLU(inplace=True))
        super().__init__(*layers)


class DilatedResidualBlock(nn.Module):
    """A residual block whose first convolution is dilated (Demir and Unal 2018, Section 3.1).

    With a ReLU after the sum (He et al. 2016): without it, the BatchNorms of the later layers would subtract whatever
    bias the block adds, and the bias would have no gradient.
    """

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.dilated = ReflectConv(channels, channels, dilation=dilation)
        self.plain = ReflectConv(channels, channels, act=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, H, W)."""
        return F.relu(x + self.plain(self.dilated(x)))  # N, C, H, W


class InterpolatedConv(nn.Module):
    """An interpolated convolution: resize to twice the side, then convolve, which leaves no checkerboard.

    Odena et al. 2016: Deconvolution and Checkerboard Artifacts; Demir and Unal 2018, Section 3.1.
    """

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.conv = ReflectConv(channels_in, channels_out)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C', 2 H, 2 W)."""
        x = self.conv(F.interpolate(x, scale_factor=2, mode="bilinear"))  # N, C', 2 H, 2 W
        return x


class PgganNetwork(Generator):
    """The residual generator of Demir and Unal 2018 (PGGAN: patch and global GAN, not progressive growing).

    A 7 x 7 convolution, two 3 x 3 convolutions of stride 2, residual blocks with a dilated and a plain 3 x 3
    convolution, two interpolated convolutions, a 7 x 7 convolution; BatchNorm and ReLU after each but the last.

    Taken from the paper: residual blocks, dilated convolutions in them, interpolated convolutions. Assumed, because the
    paper's layer table was not at hand: the frame with its channels (Johnson et al. 2016), nine blocks (Zhu et al.
    2017), dilation 2, bilinear interpolation, BatchNorm, reflect padding, and that the network is given black holes and
    the mask. An output pixel sees 249 x 249 pixels at most (measured).

    Parameters
    ----------
    width
        See `PgganConfig`.

    Attributes
    ----------
    config : PgganConfig
    """

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        self.config = PgganConfig(width=width)
        self.layers = nn.Sequential()
        channels, scale = 4, 1  # the image and the mask
        for i, row in enumerate(PGGAN_DOWN):
            channels_in, channels = channels, scale_channels(row, width)
            kernel, stride = (3, 2) if i else (7, 1)
            self._append(ReflectConv(channels_in, channels, kernel, stride), scale, kernel // 2)
            scale *= stride
        self.size_multiple = scale
        for dilation in PGGAN_BLOCK_DILATIONS:
            self._append(DilatedResidualBlock(channels, dilation), scale, dilation)
        for row in PGGAN_UP:
            channels_in, channels = channels, scale_channels(row, width)
            scale //= 2
            self._append(InterpolatedConv(channels_in, channels), scale, 1)
        self._append(ReflectConv(channels, 3, 7, norm=False, act=False), scale, 3)
        self.minimum_side = -(-self.minimum_side // self.size_multiple) * self.size_multiple
        self.apply(init_convolution)

    def _append(self, layer: nn.Module, scale: int, pad: int) -> None:
        """Append a layer that reflects `pad` pixels of a map that is `scale` times smaller than the image."""
        self.layers.append(layer)
        self.minimum_side = max(self.minimum_side, scale * (pad + 1))

    def complete(self, image: Tensor, hole: Tensor) -> Tensor:
        """Return completions (N, 3, H, W) in [0, 1], a prediction outside the hole too."""
        x = torch.cat([zero_fill(image, hole) * 2 - 1, hole.to(image.dtype)], 1)  # N, 4, H, W
        logits: Tensor = self.layers(x)  # N, 3, H, W
        return logits.sigmoid()  # N, 3, H, W
