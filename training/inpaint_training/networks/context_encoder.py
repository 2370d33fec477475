"""The context encoder, to compare the completion network with.

Pathak, Krähenbühl, Donahue, Darrell, Efros: Context Encoders: Feature Learning by Inpainting, CVPR 2016,
arXiv 1604.07379.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from inpaint_training.networks.fills import mean_fill
from inpaint_training.networks.generator import Generator
from inpaint_training.networks.layers import init_convolution, scale_channels
from inpaint_training.settings import NetworkConfig


@dataclass(frozen=True)
class ContextEncoderConfig(NetworkConfig):
    """What a context encoder is built from; width 1 gives 6,039,491 parameters."""

    kind: Literal["context-encoder"] = "context-encoder"
    """Tells this configuration from the others."""

    def build(self) -> ContextEncoder:
        """Return a new network."""
        return ContextEncoder(self.width)


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


class ContextEncoder(Generator):
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
        self.fixed_side = self.minimum_side
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

    def complete(self, image: Tensor, hole: Tensor) -> Tensor:
        """Return completions (N, 3, 128, 128) in [0, 1], a prediction outside the hole too."""
        x = mean_fill(image, hole) * 2 - 1  # N, 3, 128, 128
        x = self.encoder(x)  # N, 512, 4, 4
        x = self.channel_wise(x)  # N, 512, 4, 4
        x = self.mix(x)  # N, 512, 4, 4
        logits: Tensor = self.decoder(x)  # N, 3, 128, 128
        return logits.sigmoid()  # N, 3, 128, 128
