"""The second stage: a network that refines a completion and copies what is known, and networks of two stages.

Yu, Lin, Yang, Shen, Lu, Huang: Generative Image Inpainting with Contextual Attention, CVPR 2018. That detail is copied
as pixels, with the weights that copy features, follows Yi et al.: Contextual Residual Aggregation, CVPR 2020.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal, Self

import torch
import torch.nn.functional as F
from pydantic import PositiveFloat, model_validator
from pydantic.dataclasses import dataclass
from torch import Tensor, nn

from inpaint_training.losses.measures import composite
from inpaint_training.networks.attention import CELL, SMALLEST, ContextualAttention, copy_cells, find_detail
from inpaint_training.networks.completion import TABLE_1, CompletionConfig, CompletionNetwork, Layer, LayerRow
from inpaint_training.networks.fills import average_known, zero_fill
from inpaint_training.networks.generator import Generator
from inpaint_training.networks.layers import scale_channels
from inpaint_training.settings import MOST_WIDTH, NetworkConfig
from napari_inpaint.inference.runtime.contract import COARSE, HOLE_THRESHOLD, REFINE

if TYPE_CHECKING:
    from collections.abc import Sequence

SHARP, SOFT = 200.0, 10.0
"""Sharpness of attention. With 10, as Yu et al. 2018, a cell is the mean of about 30 others, in which their detail
cancels; with 200 it is one or a few of them."""
ENCODER, TRUNK, DECODER = TABLE_1[:6], TABLE_1[6:10], TABLE_1[10:]
"""Down to a quarter of the resolution; dilated; back up."""


@dataclass(frozen=True)
class TwoStageConfig(NetworkConfig):
    """A completion network, which has the width, and a network that refines its completions."""

    kind: Literal["two-stage"] = "two-stage"
    """Tells this configuration from the others."""
    refine_width: PositiveFloat = 0.5
    """Of stage two, relative to stage one."""
    padding: Literal["reflect", "zero"] = "reflect"
    """See `CompletionConfig`."""
    act: Literal["relu", "leaky", "elu"] = "leaky"
    """See `CompletionConfig`."""
    halved: bool = True
    """In training, let stage one see every second image at half the resolution, as far as crops are large enough: so
    stage two also learns to refine what was filled coarsely."""

    @model_validator(mode="after")
    def check_refine_width(self) -> Self:
        """Raise `ValueError` when stage two would be too wide."""
        if self.width * self.refine_width > MOST_WIDTH:
            raise ValueError(f"width * refine_width must be at most {MOST_WIDTH}, not {self.width * self.refine_width}")
        return self

    @property
    def hole_init(self) -> str:
        """What stage one starts from."""
        return self.coarse.hole_init

    @property
    def coarse(self) -> CompletionConfig:
        """Stage one by itself."""
        return CompletionConfig(self.width, self.padding, "none", self.act, "pullpush")

    def build(self) -> TwoStageNetwork:
        """Return a new network."""
        refine = RefineNetwork(replace(self.coarse, width=self.width * self.refine_width))
        return TwoStageNetwork(self.coarse.build(), refine, residual=True, halved=self.halved)


@dataclass(frozen=True)
class DeepFillConfig(NetworkConfig):
    """The two networks of Yu et al. 2018, to compare with; `RefineNetwork` says what differs.

    Width 1 gives the paper's channels, half of Iizuka et al. 2017.
    """

    kind: Literal["deepfill"] = "deepfill"
    """Tells this configuration from the others."""

    def build(self) -> TwoStageNetwork:
        """Return a new network."""
        coarse = CompletionConfig(self.width / 2, "reflect", "none", "elu", "mean")
        refine = RefineNetwork(coarse, encoders=2, detail=False)
        return TwoStageNetwork(coarse.build(), refine, residual=False, halved=False)


class RefineNetwork(nn.Module):
    """The layers of `CompletionNetwork`, and an attention branch beside the dilated ones.

    At a quarter of the resolution, features of holes are made of those of known cells that look alike; they join the
    dilated layers' in the first layer of the decoder. With the same weights detail of the image is copied, which goes
    past the decoder: its last channel says how much of it counts.

    Against Yu et al. 2018: attention is not propagated between neighbours, its features are less their mean, and two
    convolutions behind it are left out; transposed convolutions take the place of resizing; where detail is copied,
    attention is sharper.

    Parameters
    ----------
    config
        Width, padding and activation of all layers.
    encoders
        2 gives the attention branch an encoder of its own, as in the paper; else it shares that of the dilated layers.
    detail
        Whether detail of the image is copied.
    """

    def __init__(self, config: CompletionConfig, encoders: Literal[1, 2] = 1, detail: bool = True) -> None:
        super().__init__()
        self.config, self.encoders, self.detail = config, encoders, detail
        self.layers = nn.ModuleDict()
        features = self._append(ENCODER, 4)
        trunk = self._append(TRUNK, features)
        if encoders == 2:
            self._append(ENCODER, 4, "look_")
        self._append(DECODER, features + trunk)
        self.attention = ContextualAttention(SHARP if detail else SOFT)
        # A residual starts at zero, and with all detail that can be copied: nothing else teaches to copy.
        output = self.layers["output_17"].conv
        nn.init.zeros_(output.weight)  # type: ignore[union-attr,arg-type]
        if detail:
            nn.init.ones_(output.bias[3:])  # type: ignore[union-attr,index]

    def _append(self, rows: Sequence[LayerRow], channels: int, prefix: str = "") -> int:
        """Append layers for that many channels; return how many come out."""
        for row in rows:
            last = row is TABLE_1[-1]
            out = row.channels + self.detail if last else scale_channels(row.channels, self.config.width)
            self.layers[prefix + row.name] = Layer(row, channels, out, self.config, last)
            channels = out
        return channels

    def _run(self, rows: Sequence[LayerRow], x: Tensor, prefix: str = "") -> Tensor:
        for row in rows:
            x = self.layers[prefix + row.name](x)
        return x

    def forward(self, start: Tensor, mask: Tensor) -> Tensor:
        """Return what a completion should change by, or become.

        Parameters
        ----------
        start : Tensor of shape (N, 3, H, W)
            The image, holes filled by stage one.
        mask : Tensor of shape (N, 1, H, W)
            1 inside holes.

        Returns
        -------
        Tensor of shape (N, 3, H, W)
        """
        features, looked, weights = self._look(start, mask)  # N, C, H / 4, W / 4 twice; N, Q, K
        copied = copy_cells(weights, looked, CELL // 4)  # N, C, H / 4, W / 4
        x = torch.cat([self._run(TRUNK, features), copied], 1)  # N, 2 C, H / 4, W / 4
        change = self._run(DECODER, x)  # N, 3 (+ 1), H, W
        if not self.detail:
            return change  # N, 3, H, W
        # Where nothing is known, cells copy themselves: fills have no detail to give.
        detail = find_detail(start) * (1 - mask)  # N, 3, H, W
        return change[:, :3] + change[:, 3:] * copy_cells(weights, detail, CELL)  # N, 3, H, W

    def _look(self, start: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return features for the dilated layers, those for attention, and its weights."""
        x = torch.cat([start * 2 - 1, mask], 1)  # N, 4, H, W
        features = self._run(ENCODER, x)  # N, C, H / 4, W / 4
        looked = self._run(ENCODER, x, "look_") if self.encoders == 2 else features  # N, C, H / 4, W / 4
        return features, looked, self.attention(looked, mask)

    def attend(self, start: Tensor, mask: Tensor) -> Tensor:
        """Return the weights of attention alone, (N, Q, K), for pictures of what is copied."""
        return self._look(start, mask)[2]


class TwoStageNetwork(Generator):
    """A completion network, and a network that refines its completions.

    Parameters
    ----------
    coarse
        Stage one.
    refine
        Stage two.
    residual
        Whether stage two's output is added to stage one's; else a sigmoid makes it a completion.
    halved
        See `TwoStageConfig`.
    """

    stages = (COARSE, REFINE)

    def __init__(self, coarse: CompletionNetwork, refine: RefineNetwork, residual: bool, halved: bool) -> None:
        super().__init__()
        self.coarse, self.refine, self.residual, self.halved = coarse, refine, residual, halved
        self.size_multiple = max(coarse.size_multiple, CELL)
        smallest = max(coarse.minimum_side, SMALLEST)
        self.minimum_side = -(-smallest // self.size_multiple) * self.size_multiple

    def forward(self, image: Tensor, mask: Tensor) -> Tensor:
        """Complete images.

        Parameters
        ----------
        image : Tensor of shape (N, 3, H, W)
            RGB in [0, 1]. What is under the hole is erased.
        mask : Tensor of shape (N, 1, H, W)
            1 inside holes; a value of at least 0.5 counts as a hole.

        Returns
        -------
        Tensor of shape (N, 3, H, W)
            The completion, in [0, 1]. In training mode it is not clamped, and before it come the completions of stage
            one, unless those need no gradient: (2 N, 3, H, W).

        Raises
        ------
        ValueError
            When H or W is no multiple of `size_multiple`, or less than `minimum_side`.
        """
        if not torch.compiler.is_exporting():
            self.check_size(*image.shape[-2:])
        hole = mask >= HOLE_THRESHOLD  # N, 1, H, W
        learns = any(parameter.requires_grad for parameter in self.coarse.parameters())
        with torch.set_grad_enabled(torch.is_grad_enabled() and learns):
            first = self.complete_coarsely(image, mask)  # N, 3, H, W
        start = composite(first.clamp(0, 1), image, hole)  # N, 3, H, W
        change = self.refine(start, hole.to(image.dtype))  # N, 3, H, W
        completion = composite(start + change, image, hole) if self.residual else change.sigmoid()
        if not self.training:
            return completion.clamp(0, 1)  # N, 3, H, W
        return torch.cat([first, completion]) if learns else completion

    def complete_coarsely(self, image: Tensor, mask: Tensor) -> Tensor:
        """Return stage one's completions; in training, every second one from half the resolution."""
        too_small = min(image.shape[-2:]) < 2 * self.coarse.minimum_side
        if not (self.training and self.halved) or too_small:
            completion: Tensor = self.coarse(image, mask)
            return completion
        hole = mask[1::2] >= HOLE_THRESHOLD  # N / 2, 1, H, W
        small, weight = average_known(
            zero_fill(image[1::2], hole), (~hole).to(image.dtype), lambda x: F.avg_pool2d(x, 2)
        )
        coarse = self.coarse(small, (weight == 0).to(mask.dtype))  # N / 2, 3, H / 2, W / 2
        coarse = F.interpolate(coarse, scale_factor=2, mode="bilinear")  # N / 2, 3, H, W
        fine = self.coarse(image[::2], mask[::2])  # N / 2, 3, H, W
        order = torch.arange(len(image), device=image.device)
        place = order // 2 + (order % 2) * len(fine)
        return torch.cat([fine, coarse])[place]  # N, 3, H, W
