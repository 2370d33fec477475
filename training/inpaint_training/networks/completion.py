"""The completion network of Iizuka et al. 2017.

Iizuka, Simo-Serra, Ishikawa: Globally and Locally Consistent Image Completion, ACM TOG 36(4), 2017.
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from inpaint_training.losses.measures import composite
from inpaint_training.networks.fills import mean_fill, pullpush_fill, zero_fill
from inpaint_training.networks.generator import Generator
from inpaint_training.networks.layers import init_convolution, reflect_pad, scale_channels
from inpaint_training.settings import NetworkConfig


@dataclass(frozen=True)
class CompletionConfig(NetworkConfig):
    """What a completion network is built from; width 1 is that of Table 1, and gives 6,066,179 parameters."""

    padding: Literal["reflect", "zero"] = "reflect"
    """How convolutions see beyond the border."""
    norm: Literal["none", "batch"] = "none"
    """Normalisation after every convolution but the last; ``batch`` as in the paper."""
    act: Literal["relu", "leaky", "elu"] = "leaky"
    """Activation after every layer but the last. ReLU and LeakyReLU have int8 kernels in ONNX Runtime, ELU has not."""
    hole_init: Literal["zero", "mean", "pullpush"] = "pullpush"
    """What the network sees inside the hole: black, the mean of the known pixels, or a smooth fill. With ``pullpush``
    the network's output is a residual on top of the smooth fill, otherwise a sigmoid."""
    kind: Literal["completion"] = "completion"

    def build(self) -> CompletionNetwork:
        """Return the network."""
        return CompletionNetwork(self.width, self.padding, self.norm, self.act, self.hole_init)


FILLS = {"zero": zero_fill, "mean": mean_fill, "pullpush": pullpush_fill}
ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "leaky": nn.LeakyReLU, "elu": nn.ELU}


@dataclass(frozen=True, slots=True)
class LayerRow:
    """One row of Table 1."""

    name: str
    kernel: int
    dilation: int
    stride: int
    """2 halves the resolution, -2 doubles it (a transposed convolution)."""
    channels: int


# Iizuka et al. 2017, Table 1, from top to bottom. The output layer's 3 channels do not scale with the width.
TABLE_1 = (
    LayerRow("conv_1", 5, 1, 1, 64),
    LayerRow("down_2", 3, 1, 2, 128),
    LayerRow("conv_3", 3, 1, 1, 128),
    LayerRow("down_4", 3, 1, 2, 256),
    LayerRow("conv_5", 3, 1, 1, 256),
    LayerRow("conv_6", 3, 1, 1, 256),
    LayerRow("dilated_2", 3, 2, 1, 256),
    LayerRow("dilated_4", 3, 4, 1, 256),
    LayerRow("dilated_8", 3, 8, 1, 256),
    LayerRow("dilated_16", 3, 16, 1, 256),
    LayerRow("conv_11", 3, 1, 1, 256),
    LayerRow("conv_12", 3, 1, 1, 256),
    LayerRow("up_13", 4, 1, -2, 128),
    LayerRow("conv_14", 3, 1, 1, 128),
    LayerRow("up_15", 4, 1, -2, 64),
    LayerRow("conv_16", 3, 1, 1, 32),
    LayerRow("output_17", 3, 1, 1, 3),
)


class Layer(nn.Module):
    """Pad, convolve (or convolve transposed), normalise, activate."""

    def __init__(
        self, row: LayerRow, channels_in: int, channels_out: int, config: CompletionConfig, last: bool
    ) -> None:
        super().__init__()
        self.reflect = config.padding == "reflect"
        self.conv: nn.Conv2d | nn.ConvTranspose2d
        if row.stride < 0:
            # One reflected pixel is two output pixels; padding 3 instead of 1 crops them again.
            self.pad = 1
            self.conv = nn.ConvTranspose2d(channels_in, channels_out, row.kernel, 2, 3 if self.reflect else 1)
        else:
            self.pad = row.dilation * (row.kernel // 2)
            padding = 0 if self.reflect else self.pad
            self.conv = nn.Conv2d(channels_in, channels_out, row.kernel, row.stride, padding, row.dilation)
        init_convolution(self.conv)
        self.norm = nn.BatchNorm2d(channels_out) if config.norm == "batch" and not last else nn.Identity()
        self.act = nn.Identity() if last else ACTIVATIONS[config.act](inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C', H / stride, W / stride)."""
        if self.reflect:
            x = reflect_pad(x, self.pad)  # N, C, H + 2 pad, W + 2 pad
        x = self.act(self.norm(self.conv(x)))  # N, C', H / stride, W / stride
        return x


class CompletionNetwork(Generator):
    """The 17 layers of Iizuka et al. 2017, Table 1.

    Parameters
    ----------
    width, padding, norm, act, hole_init
        See `CompletionConfig`. Without arguments: width 1, 6,066,179 parameters.
    """

    def __init__(
        self,
        width: float = 1.0,
        padding: Literal["reflect", "zero"] = "reflect",
        norm: Literal["none", "batch"] = "none",
        act: Literal["relu", "leaky", "elu"] = "leaky",
        hole_init: Literal["zero", "mean", "pullpush"] = "pullpush",
    ) -> None:
        super().__init__()
        self.config = config = CompletionConfig(width=width, padding=padding, norm=norm, act=act, hole_init=hole_init)
        self.layers = nn.Sequential()
        channels, scale = 4, 1  # the image and the mask
        for row in TABLE_1:
            last = row is TABLE_1[-1]
            channels_out = row.channels if last else scale_channels(row.channels, width)
            layer = Layer(row, channels, channels_out, config, last)
            if config.padding == "reflect":
                self.minimum_side = max(self.minimum_side, scale * (layer.pad + 1))
            scale = scale * row.stride if row.stride > 0 else scale // -row.stride
            self.size_multiple = max(self.size_multiple, scale)
            channels = channels_out
            self.layers.add_module(row.name, layer)
        self.minimum_side = max(self.minimum_side, self.size_multiple)
        if config.hole_init == "pullpush":
            # A residual of zero: training starts where the smooth fill ends.
            nn.init.zeros_(layer.conv.weight)
            nn.init.zeros_(layer.conv.bias)  # type: ignore[arg-type]

    def complete(self, image: Tensor, hole: Tensor) -> Tensor:
        """Return completions (N, 3, H, W).

        Outside the hole, a residual network (``pullpush``) returns the image as it is: an L1 loss there would hold the
        residual at zero inside the hole too (measured: no progress in 12,000 crops). In [0, 1] in evaluation mode; in
        training mode a residual network's output is not clamped, so that its gradient does not vanish at black and
        white.
        """
        start = FILLS[self.config.hole_init](image, hole)  # N, 3, H, W
        x = torch.cat([start * 2 - 1, hole.to(image.dtype)], 1)  # N, 4, H, W
        output: Tensor = self.layers(x)  # N, 3, H, W
        if self.config.hole_init != "pullpush":
            return output.sigmoid()  # N, 3, H, W
        completion = composite(start + output, image, hole)  # N, 3, H, W
        return completion if self.training else completion.clamp(0, 1)  # N, 3, H, W


def count_parameters(network: nn.Module) -> int:
    """Return the number of trained parameters."""
    return sum(parameter.numel() for parameter in network.parameters())
