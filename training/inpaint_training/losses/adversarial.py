"""Adversarial losses and the gradient penalty.

To add a loss, write it here and name it in `AdversarialLoss`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field, NonNegativeFloat, PositiveFloat
from pydantic.dataclasses import dataclass

from inpaint_training.settings import Config

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor, nn

    CriticFunction = Callable[..., tuple[Tensor, ...]]
    """From views to the scores of every head, (N, ...) each."""


class Loss(Config):
    """Base of the adversarial losses; most need neither a regularisation nor a constraint."""

    def regularise(
        self, critic: CriticFunction, real: Sequence[Tensor], fake: Sequence[Tensor], mix: Tensor
    ) -> tuple[Tensor | float, dict[str, Tensor]]:
        """Return what is added to the critic's loss, and what the log shall tell."""
        return 0.0, {}

    def after_step(self, critic: nn.Module) -> None:
        """Constrain the critic's weights."""


@dataclass(frozen=True)
class WganGp(Loss):
    """Wasserstein distance with a gradient penalty: Gulrajani et al. 2017, equation 3."""

    penalty: NonNegativeFloat = 10.0
    """Weight of (slope - 1)^2."""
    penalty_in: Literal["view", "hole"] = "view"
    """Whether the slope counts all pixels that the critic sees or those of the hole (Yu et al. 2018, section 3.3)."""
    drift: NonNegativeFloat = 0.0
    """Weight of the squared scores of real images, which keeps them near 0 (Karras et al. 2018)."""
    kind: Literal["wgan-gp"] = "wgan-gp"

    def critic_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return what the critic minimises, for scores of any shape."""
        return fake.mean() - real.mean() + self.drift * (real**2).mean()

    def generator_loss(self, fake: Tensor) -> Tensor:
        """Return what the completion network minimises."""
        return -fake.mean()

    def regularise(
        self, critic: CriticFunction, real: Sequence[Tensor], fake: Sequence[Tensor], mix: Tensor
    ) -> tuple[Tensor | float, dict[str, Tensor]]:
        """Return the weighted penalty, and the slope."""
        penalty, slope = gradient_penalty(critic, real, fake, mix, self.penalty_in == "hole")
        return self.penalty * penalty, {"slope": slope}


@dataclass(frozen=True)
class Wgan(Loss):
    """Wasserstein distance with clipped weights: Arjovsky et al. 2017, algorithm 1."""

    clip: PositiveFloat = 0.01
    """Largest absolute value of the critic's weights."""
    kind: Literal["wgan"] = "wgan"

    def critic_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return what the critic minimises, for scores of any shape."""
        return fake.mean() - real.mean()

    def generator_loss(self, fake: Tensor) -> Tensor:
        """Return what the completion network minimises."""
        return -fake.mean()

    @torch.no_grad()
    def after_step(self, critic: nn.Module) -> None:
        """Clip the critic's weights."""
        for parameter in critic.parameters():
            parameter.clamp_(-self.clip, self.clip)


@dataclass(frozen=True)
class Hinge(Loss):
    """Lim & Ye 2017; Miyato et al. 2018."""

    kind: Literal["hinge"] = "hinge"

    def critic_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return what the critic minimises, for scores of any shape."""
        return F.relu(1 - real).mean() + F.relu(1 + fake).mean()

    def generator_loss(self, fake: Tensor) -> Tensor:
        """Return what the completion network minimises."""
        return -fake.mean()


@dataclass(frozen=True)
class Bce(Loss):
    """A discriminator's cross-entropy: Goodfellow et al. 2014, with the non-saturating loss of section 3."""

    kind: Literal["bce"] = "bce"

    def critic_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return what the discriminator minimises, for logits of any shape."""
        return F.softplus(-real).mean() + F.softplus(fake).mean()

    def generator_loss(self, fake: Tensor) -> Tensor:
        """Return what the completion network minimises."""
        return F.softplus(-fake).mean()


AdversarialLoss = Annotated[WganGp | Wgan | Hinge | Bce, Field(discriminator="kind")]


def gradient_penalty(
    critic: CriticFunction, real: Sequence[Tensor], fake: Sequence[Tensor], mix: Tensor, in_hole: bool = False
) -> tuple[Tensor, Tensor]:
    """Punish a critic whose slope is not 1 between real and filled images: Gulrajani et al. 2017, equation 3.

    Computed in float32 (TF32 where the device is told to), whatever autocast says: the square of a half-precision
    gradient under- and overflows.

    Parameters
    ----------
    critic
        From views to scores, not compiled: compiled functions have no second derivative.
    real, fake : sequence of Tensor of shape (N, 4, h, w)
        What the critic sees of the images and of their composites: RGB and the mask.
    mix : Tensor of shape (N,)
        Where between real (1) and fake (0) the slope is taken, in [0, 1].
    in_hole
        Count only the slope towards pixels of the hole.

    Returns
    -------
    penalty, slope : Tensor
        The mean over the images of (slope - 1)^2, and the mean slope. An image's slope is the norm of its gradient over
        all channels, pixels and views.
    """
    with torch.autocast(real[0].device.type, enabled=False):
        views = []
        for a, b in zip(real, fake, strict=True):
            between = torch.lerp(b.float(), a.float(), mix.view(-1, 1, 1, 1))  # N, 4, h, w
            views.append(between.detach().requires_grad_())
        score = sum(head.float().reshape(len(head), -1).mean(1).sum() for head in critic(*views))
        gradients = torch.autograd.grad(score, views, create_graph=True)  # type: ignore[arg-type]
        squares = torch.zeros_like(mix, dtype=torch.float32)  # N
        for gradient, view in zip(gradients, views, strict=True):
            counted = gradient[:, :3] * view[:, 3:].detach() if in_hole else gradient[:, :3]
            squares = squares + (counted**2).sum((1, 2, 3))
        slopes = (squares + 1e-12).sqrt()  # N
    return ((slopes - 1) ** 2).mean(), slopes.mean().detach()
