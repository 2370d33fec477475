"""Two generators of the literature, to compare the completion network with.

Pathak, Krähenbühl, Donahue, Darrell, Efros: Context Encoders: Feature Learning by Inpainting, CVPR 2016,
arXiv 1604.07379.

Demir, Unal: Patch-Based Image Inpainting with Generative Adversarial Networks, 2018, arXiv 1803.07422.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inpaint_training.networks import mean_fill, zero_fill
from inpaint_training.pieces import Piece
from napari_inpaint.inference.contract import HOLE_THRESHOLD


@dataclass(frozen=True)
class ContextEncoderConfig(Piece):
    """What a context encoder is built from."""

    kind: Literal["context-encoder"] = "context-encoder"
    """Tells this configuration from the others."""
    width: float = 1.0
    """Multiplies the channels of every layer; 1 gives 6,039,491 parameters."""

    def __post_init__(self) -> None:
        """Check the width (the word is checked by whoever parses it)."""
        check_width(self.width)

    def build(self) -> ContextEncoder:
        """Return a new network."""
        return ContextEncoder(self.width)

    def smallest(self) -> ContextEncoderConfig:
        """Return the same with the fewest channels, which takes the same sizes of images."""
        return replace(self, width=1 / 64)


@dataclass(frozen=True)
class PgganConfig(Piece):
    """What the generator of PGGAN is built from."""

    kind: Literal["pggan"] = "pggan"
    """Tells this configuration from the others."""
    width: float = 1.0
    """Multiplies the channels of every layer; 1 gives 11,386,563 parameters."""

    def __post_init__(self) -> None:
        """Check the width (the word is checked by whoever parses it)."""
        check_width(self.width)

    def build(self) -> PgganNetwork:
        """Return a new network."""
        return PgganNetwork(self.width)

    def smallest(self) -> PgganConfig:
        """Return the same with the fewest channels, which takes the same sizes of images."""
        return replace(self, width=1 / 64)


def check_width(width: float) -> None:
    """Raise `ValueError` when the width is not in (0, 4]."""
    if not 0 < width <= 4:
        raise ValueError(f"width must be in (0, 4], not {width}")


def scale_channels(channels: int, width: float) -> int:
    """Return the channels of a layer at this width, at least 1."""
    return max(1, round(channels * width))


# Pathak et al. 2016, Figure 9(a), and the authors' code for random holes: channels from 128 px down to 4 px and back.
CONTEXT_DOWN = (64, 64, 128, 256, 512)
CONTEXT_UP = (256, 128, 64, 64, 3)
CONTEXT_MAP_SIDE = 4
"""Side of the maps that the channel-wise layer mixes."""


class ChannelWiseLinear(nn.Module):
    """The channel-wise fully connected layer of Pathak et al. 2016, Section 3.1.

    Every channel's map is mixed by a matrix of its own: m maps of n x n pixels take m n^4 weights (and no bias, as in
    the paper's count) instead of the m^2 n^4 of a fully connected layer.

    Parameters
    ----------
    channels : int
        Maps, m.
    side : int
        Height and width of the maps, n.
    """

    def __init__(self, channels: int, side: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, side**2, side**2))
        nn.init.normal_(self.weight, std=1 / side)  # keeps the variance: each output sums side ** 2 inputs

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, n, n) to (N, C, n, n)."""
        mixed = torch.einsum("ncp,cpq->ncq", x.flatten(2), self.weight)  # N, C, n * n
        return mixed.reshape(x.shape)  # N, C, n, n


class ContextEncoder(nn.Module):
    """The encoder-decoder of Pathak et al. 2016, for images of 128 x 128 pixels.

    Five 4 x 4 convolutions of stride 2 with BatchNorm and LeakyReLU(0.2), the channel-wise fully connected layer and a
    1 x 1 convolution that mixes channels, five 4 x 4 transposed convolutions of stride 2 with BatchNorm and ReLU. As
    in DCGAN the first and the last layer have no BatchNorm, and what precedes a BatchNorm has no bias.

    Deviations from the paper, and why:

    - The whole image is predicted, not only the central 64 x 64 pixels, so that holes can be anywhere: one transposed
      convolution more, as in the authors' code for random holes.
    - The bottleneck is the channel-wise layer of Section 3.1. The authors' inpainting code has 4,000 fully connected
      units instead, which would be 65 M parameters, eleven times this network.
    - The hole starts as the image's own mean colour, not as that of the data set: nothing has to be stored with the
      weights. As in the paper, the network is not given the mask.
    - A sigmoid instead of a hyperbolic tangent, for values in [0, 1]: sigmoid(2 x) = (tanh(x) + 1) / 2.

    Parameters
    ----------
    width
        See `ContextEncoderConfig`.

    Attributes
    ----------
    config : ContextEncoderConfig
    fixed_side : int
        Height and width of the input, 128: the channel-wise layer's matrices know one size only.
    size_multiple, minimum_side : int
        The same.
    """

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        self.config = ContextEncoderConfig(width=width)
        self.size_multiple = self.minimum_side = CONTEXT_MAP_SIDE * 2 ** len(CONTEXT_DOWN)
        self.fixed_side: int | None = self.minimum_side
        self.encoder = nn.Sequential()
        channels = 3
        for i, row in enumerate(CONTEXT_DOWN):
            channels_in, channels = channels, scale_channels(row, width)
            conv = nn.Conv2d(channels_in, channels, 4, 2, 1, bias=i == 0)
            norm = nn.BatchNorm2d(channels) if i else nn.Identity()
            self.encoder.append(nn.Sequential(conv, norm, nn.LeakyReLU(0.2, inplace=True)))
        self.channel_wise = ChannelWiseLinear(channels, CONTEXT_MAP_SIDE)
        self.mix = nn.Sequential(
            nn.Conv2d(channels, channels, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU(inplace=True)
        )
        self.decoder = nn.Sequential()
        for row in CONTEXT_UP[:-1]:
            channels_in, channels = channels, scale_channels(row, width)
            deconv = nn.ConvTranspose2d(channels_in, channels, 4, 2, 1, bias=False)
            self.decoder.append(nn.Sequential(deconv, nn.BatchNorm2d(channels), nn.ReLU(inplace=True)))
        self.decoder.append(nn.ConvTranspose2d(channels, CONTEXT_UP[-1], 4, 2, 1))
        self.apply(init_convolution)

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        """Complete images.

        Parameters
        ----------
        image : Tensor of shape (N, 3, 128, 128)
            RGB in [0, 1]. What is under the hole is erased, whatever it is (NaN too).
        mask : Tensor of shape (N, 1, 128, 128)
            1 inside holes; a value of at least 0.5 counts as a hole.

        Returns
        -------
        Tensor of shape (N, 3, 128, 128)
            The completion in [0, 1], a prediction outside the hole too.

        Raises
        ------
        ValueError
            When an image has another size than 128 x 128 pixels.
        """
        if not torch.compiler.is_exporting():
            self.check_size(*image.shape[-2:])
        x = mean_fill(image, mask >= HOLE_THRESHOLD) * 2 - 1  # N, 3, 128, 128
        x = self.encoder(x)  # N, 512, 4, 4
        x = self.channel_wise(x)  # N, 512, 4, 4
        x = self.mix(x)  # N, 512, 4, 4
        return self.decoder(x).sigmoid()  # N, 3, 128, 128

    def check_size(self, height: int, width: int) -> None:
        """Raise `ValueError` when images of this size cannot be completed."""
        if height != self.fixed_side or width != self.fixed_side:
            raise ValueError(
                f"image of {height} x {width} pixels: a context encoder completes {self.fixed_side} x "
                f"{self.fixed_side} pixels only; crop or resize the image"
            )


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
        x = F.interpolate(x, scale_factor=2, mode="bilinear")  # N, C, 2 H, 2 W
        return self.conv(x)  # N, C', 2 H, 2 W


class PgganNetwork(nn.Module):
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
    fixed_side : None
        The network is fully convolutional.
    size_multiple : int
        Height and width of the input must be multiples of this.
    minimum_side : int
        The smallest height and width: a reflected border must be narrower than what it reflects.
    """

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        self.config = PgganConfig(width=width)
        self.fixed_side: int | None = None
        self.layers = nn.Sequential()
        self.minimum_side = self.size_multiple = 1
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

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        """Complete images.

        Parameters
        ----------
        image : Tensor of shape (N, 3, H, W)
            RGB in [0, 1]. What is under the hole is erased, whatever it is (NaN too).
        mask : Tensor of shape (N, 1, H, W)
            1 inside holes; a value of at least 0.5 counts as a hole.

        Returns
        -------
        Tensor of shape (N, 3, H, W)
            The completion in [0, 1], a prediction outside the hole too.

        Raises
        ------
        ValueError
            When H or W is no multiple of `size_multiple`, or less than `minimum_side`.
        """
        if not torch.compiler.is_exporting():
            self.check_size(*image.shape[-2:])
        hole = mask >= HOLE_THRESHOLD  # N, 1, H, W
        x = torch.cat([zero_fill(image, hole) * 2 - 1, hole.to(image.dtype)], 1)  # N, 4, H, W
        return self.layers(x).sigmoid()  # N, 3, H, W

    def check_size(self, height: int, width: int) -> None:
        """Raise `ValueError` when images of this size cannot be completed."""
        if height % self.size_multiple or width % self.size_multiple or min(height, width) < self.minimum_side:
            raise ValueError(
                f"image of {height} x {width} pixels: both sides must be multiples of {self.size_multiple} and "
                f"at least {self.minimum_side}; pad the image"
            )


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
