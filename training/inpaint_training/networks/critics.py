"""Critics and discriminators. To add one, write it here and name it in `CriticConfig`.

A critic sees views of an image: tensors (N, 4, h, w) of RGB in [0, 1] and the mask. `view` cuts them, `forward` turns
them into scores, a tensor (N, ...) for every head.
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import torch
from pydantic import Field, PositiveFloat
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from inpaint_training.losses.adversarial import AdversarialLoss, Bce, Hinge, WganGp
from inpaint_training.networks.layers import scale_channels
from inpaint_training.settings import Config

if TYPE_CHECKING:
    from collections.abc import Sequence


# Iizuka et al. 2017, Tables 2 and 3: output channels of the 5 x 5 convolutions of stride 2.
LOCAL_CHANNELS = (64, 128, 256, 512, 512)
GLOBAL_CHANNELS = (64, 128, 256, 512, 512, 512)
FEATURES = 1024
"""Outputs of their fully connected layer."""
# Yu et al. 2019 (free-form inpainting), section 3.3.
PATCH_CHANNELS = (64, 128, 256, 256, 256, 256)
# Radford et al. 2016, as used by Pathak et al. 2016: 4 x 4 convolutions of stride 2.
DCGAN_CHANNELS = (64, 128, 256, 512)

ViewSide = Annotated[int, Field(ge=16)]
"""In pixels; critics halve what they see four times and more."""


@dataclass(frozen=True)
class _Common(Config):
    width: PositiveFloat = 1.0
    """Multiplies the channels of every convolution."""
    share: PositiveFloat = 1.0
    """Of the adversarial loss, beside the other critics."""

    @property
    def batch_norm(self) -> bool:
        """Whether scores of an image depend on the others of the batch."""
        return getattr(self, "norm", "none") == "batch"


@dataclass(frozen=True)
class LocalConfig(_Common):
    """The local discriminator of Iizuka et al. 2017, Table 3: it sees a square around the hole."""

    kind: Literal["local"] = "local"
    side: ViewSide = 128
    """Of the square, in pixels."""
    norm: Literal["none", "batch"] = "none"
    """``batch`` as in the paper; a gradient penalty needs ``none``, since it looks at images one by one."""
    act: Literal["relu", "leaky"] = "leaky"
    """``relu`` as in the paper."""
    loss: AdversarialLoss = field(default_factory=WganGp)

    def check_crop(self, crop: int) -> None:
        """Raise `ValueError` when crops of this side are too small."""
        if self.side > crop:
            raise ValueError(f"the local critic sees {self.side} px, the crops have only {crop} px")

    def build(self) -> nn.Module:
        """Return the critic."""
        return LocalCritic(self)


@dataclass(frozen=True)
class GlobalLocalConfig(_Common):
    """Both discriminators of Iizuka et al. 2017, Table 2, joined by one fully connected layer."""

    kind: Literal["global-local"] = "global-local"
    crop: ViewSide = 256
    """Side of the whole image, in pixels."""
    side: ViewSide = 128
    """Side of the square around the hole, in pixels."""
    norm: Literal["none", "batch"] = "batch"
    act: Literal["relu", "leaky"] = "relu"
    loss: AdversarialLoss = field(default_factory=Bce)

    def check_crop(self, crop: int) -> None:
        """Raise `ValueError` when the crops have another side."""
        if self.crop != crop or self.side > crop:
            raise ValueError(f"the global discriminator needs crops of {self.crop} px, not {crop} px")

    def build(self) -> nn.Module:
        """Return the discriminator."""
        return GlobalLocalDiscriminator(self)


@dataclass(frozen=True)
class PatchConfig(_Common):
    """The spectrally normalised patch critic of Yu et al. 2019, section 3.3; the mask is its fourth channel."""

    kind: Literal["patch"] = "patch"
    loss: AdversarialLoss = field(default_factory=Hinge)

    def check_crop(self, crop: int) -> None:
        """Accept crops of any size."""

    def build(self) -> nn.Module:
        """Return the critic."""
        return PatchCritic(self)


@dataclass(frozen=True)
class DcganConfig(_Common):
    """The discriminator of Pathak et al. 2016: DCGAN's, on a square around the hole."""

    norm: ClassVar = "batch"
    kind: Literal["dcgan"] = "dcgan"
    side: ViewSide = 64
    """Of the square, in pixels."""
    loss: AdversarialLoss = field(default_factory=Bce)

    def check_crop(self, crop: int) -> None:
        """Raise `ValueError` when crops of this side are too small."""
        if self.side > crop:
            raise ValueError(f"the discriminator sees {self.side} px, the crops have only {crop} px")

    def build(self) -> nn.Module:
        """Return the discriminator."""
        return DcganDiscriminator(self)


@dataclass(frozen=True)
class PgganCriticConfig(_Common):
    """The discriminator of Demir & Unal 2018: a PatchGAN and a global head on shared layers."""

    norm: ClassVar = "batch"
    kind: Literal["pggan"] = "pggan"
    crop: ViewSide = 256
    """Side of the image, in pixels: the global head is fully connected."""
    loss: AdversarialLoss = field(default_factory=Bce)

    def check_crop(self, crop: int) -> None:
        """Raise `ValueError` when the crops have another side."""
        if self.crop != crop or crop < 128:
            raise ValueError(f"the global head needs crops of {self.crop} px, not {crop} px")

    def build(self) -> nn.Module:
        """Return the discriminator."""
        return PgganDiscriminator(self)


CriticConfig = Annotated[
    LocalConfig | GlobalLocalConfig | PatchConfig | DcganConfig | PgganCriticConfig, Field(discriminator="kind")
]


def cut_square(image: Tensor, centres: Sequence[tuple[int, int]], side: int) -> Tensor:
    """Cut a square around a pixel of every image, moved as little as needed to lie inside the image.

    Parameters
    ----------
    image : Tensor of shape (N, C, H, W)
    centres
        y and x of the pixel.
    side
        In pixels.

    Returns
    -------
    Tensor of shape (N, C, side, side)
    """
    height, width = image.shape[-2:]
    squares = []
    for plane, (centre_y, centre_x) in zip(image.unbind(), centres, strict=True):  # C, H, W
        y = min(max(centre_y - side // 2, 0), height - side)
        x = min(max(centre_x - side // 2, 0), width - side)
        squares.append(plane[:, y : y + side, x : x + side])
    return torch.stack(squares)


def _activation(act: str) -> nn.Module:
    return nn.LeakyReLU(0.2) if act == "leaky" else nn.ReLU()


def _strided(channels: Sequence[int], kernel: int, width: float, channels_in: int, norm: str, act: str,
             first_norm: bool = True) -> tuple[nn.Sequential, int]:  # fmt: skip
    """Return convolutions of stride 2, and the channels they end with."""
    layers = nn.Sequential()
    for index, row in enumerate(channels):
        out = scale_channels(row, width)
        conv = nn.Conv2d(channels_in, out, kernel, 2, (kernel - 1) // 2)
        layers.append(spectral_norm(conv) if norm == "spectral" else conv)
        if norm == "batch" and (index or first_norm):
            layers.append(nn.BatchNorm2d(out))
        layers.append(_activation(act))
        channels_in = out
    return layers, channels_in


def _half(side: int, times: int) -> int:
    """Return the side after convolutions of stride 2."""
    for _ in range(times):
        side = (side + 1) // 2
    return side


class _Encoder(nn.Sequential):
    """Tables 2a and 2b of Iizuka et al. 2017: strided convolutions and a fully connected layer."""

    def __init__(self, channels: Sequence[int], side: int, config: LocalConfig | GlobalLocalConfig) -> None:
        convolutions, out = _strided(channels, 5, config.width, 3, config.norm, config.act)
        side = _half(side, len(channels))
        linear = nn.Linear(out * side**2, FEATURES)
        super().__init__(convolutions, nn.Flatten(), linear, _activation(config.act))


class LocalCritic(nn.Module):
    """A score for the square around the hole; 19.2 M parameters at width 1, 6.9 M at width 0.5."""

    def __init__(self, config: LocalConfig) -> None:
        super().__init__()
        self.side = config.side
        self.encoder = _Encoder(LOCAL_CHANNELS, config.side, config)
        self.score = nn.Linear(FEATURES, 1)

    def view(self, image: Tensor, centres: Sequence[tuple[int, int]]) -> tuple[Tensor, ...]:
        """Cut what the critic sees out of images and masks (N, 4, H, W)."""
        return (cut_square(image, centres, self.side),)

    def forward(self, view: Tensor) -> tuple[Tensor]:
        """Score views (N, 4, side, side); values of [0, 1] are spread to [-1, 1]."""
        return (self.score(self.encoder(view[:, :3] * 2 - 1)),)  # N, 1


class GlobalLocalDiscriminator(nn.Module):
    """A logit for the image and the square around its hole."""

    def __init__(self, config: GlobalLocalConfig) -> None:
        super().__init__()
        self.side = config.side
        self.whole = _Encoder(GLOBAL_CHANNELS, config.crop, config)
        self.local = _Encoder(LOCAL_CHANNELS, config.side, config)
        self.join = nn.Linear(2 * FEATURES, 1)

    def view(self, image: Tensor, centres: Sequence[tuple[int, int]]) -> tuple[Tensor, ...]:
        """Return images and masks (N, 4, H, W), and the squares around the holes."""
        return image, cut_square(image, centres, self.side)

    def forward(self, image: Tensor, square: Tensor) -> tuple[Tensor]:
        """Score views (N, 4, crop, crop) and (N, 4, side, side)."""
        whole, local = self.whole(image[:, :3] * 2 - 1), self.local(square[:, :3] * 2 - 1)  # N, 1024 each
        return (self.join(torch.cat([whole, local], 1)),)  # N, 1


class PatchCritic(nn.Module):
    """A score for every patch of the image."""

    def __init__(self, config: PatchConfig) -> None:
        super().__init__()
        self.convolutions, out = _strided(PATCH_CHANNELS[:-1], 5, config.width, 4, "spectral", "leaky")
        last = nn.Conv2d(out, scale_channels(PATCH_CHANNELS[-1], config.width), 5, 2, 2)
        self.last = spectral_norm(last)

    def view(self, image: Tensor, centres: Sequence[tuple[int, int]]) -> tuple[Tensor, ...]:
        """Return images and masks (N, 4, H, W) as they are."""
        return (image,)

    def forward(self, view: Tensor) -> tuple[Tensor]:
        """Score views (N, 4, H, W)."""
        view = torch.cat([view[:, :3] * 2 - 1, view[:, 3:]], 1)  # N, 4, H, W
        return (self.last(self.convolutions(view)),)  # N, 256 width, H / 64, W / 64


class DcganDiscriminator(nn.Module):
    """A logit for the square around the hole."""

    def __init__(self, config: DcganConfig) -> None:
        super().__init__()
        self.side = config.side
        self.convolutions, out = _strided(DCGAN_CHANNELS, 4, config.width, 3, "batch", "leaky", first_norm=False)
        self.score = nn.Linear(out * (config.side // 2 ** len(DCGAN_CHANNELS)) ** 2, 1)

    def view(self, image: Tensor, centres: Sequence[tuple[int, int]]) -> tuple[Tensor, ...]:
        """Cut what the discriminator sees out of images and masks (N, 4, H, W)."""
        return (cut_square(image, centres, self.side),)

    def forward(self, view: Tensor) -> tuple[Tensor]:
        """Score views (N, 4, side, side)."""
        return (self.score(self.convolutions(view[:, :3] * 2 - 1).flatten(1)),)  # N, 1


class PgganDiscriminator(nn.Module):
    """A logit for every patch, and one for the image."""

    def __init__(self, config: PgganCriticConfig) -> None:
        super().__init__()
        self.shared, middle = _strided((64, 128, 256), 4, config.width, 3, "batch", "leaky", first_norm=False)
        self.patches = nn.Conv2d(middle, 1, 4, 1, 1)
        self.whole, out = _strided((512, 512, 512), 4, config.width, middle, "batch", "leaky")
        self.score = nn.Linear(out * (config.crop // 64) ** 2, 1)

    def view(self, image: Tensor, centres: Sequence[tuple[int, int]]) -> tuple[Tensor, ...]:
        """Return images and masks (N, 4, H, W) as they are."""
        return (image,)

    def forward(self, view: Tensor) -> tuple[Tensor, Tensor]:
        """Score views (N, 4, crop, crop)."""
        shared = self.shared(view[:, :3] * 2 - 1)  # N, 256, H / 8, W / 8
        return self.patches(shared), self.score(self.whole(shared).flatten(1))  # N, 1, h, w and N, 1
