"""The balance of losses: what the adversarial one weighs against the reconstruction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import torch
from pydantic import Field, PositiveFloat
from pydantic.dataclasses import dataclass

from inpaint_training.settings import Config, Decay

if TYPE_CHECKING:
    from torch import Tensor


MOST_RISE = 10.0
"""How many times the last weight the smoothed one may aim at."""


@dataclass(frozen=True)
class FixedBalance(Config):
    """A constant weight of the adversarial loss."""

    weight: PositiveFloat
    """Against the recipe's reconstruction loss."""
    kind: Literal["fixed"] = "fixed"

    def weigh(self, last: Tensor, reconstruction: Tensor, adversarial: Tensor) -> tuple[Tensor, Tensor]:
        """Return the weight for this step, and for the next."""
        weight = torch.full_like(reconstruction, self.weight)
        return weight, weight


@dataclass(frozen=True)
class AdaptiveBalance(Config):
    """A weight that keeps the adversarial gradient at a share of the reconstruction's, where both meet: the completion.

    Without it the shares of fixed weights differ by factors of hundreds with the size of the image and of the hole.
    """

    ratio: PositiveFloat = 0.25
    """Norm of the adversarial gradient over the reconstruction's; 0.2 to 0.5 is usual."""
    smoothing: Decay = 0.99
    """Of the weight, from step to step."""
    limit: Annotated[float, Field(ge=1)] = 1.25
    """No step's ratio exceeds this many times `ratio`, whatever the smoothed weight: a critic whose slope grows a
    thousandfold in the steps after the switch would tear the completion apart while the weight still remembers how weak
    it was."""
    kind: Literal["adaptive"] = "adaptive"

    def weigh(self, last: Tensor, reconstruction: Tensor, adversarial: Tensor) -> tuple[Tensor, Tensor]:
        """Return the weight for this step, and the smoothed one for the next.

        Parameters
        ----------
        last : scalar Tensor
            The smoothed weight of the step before; 0 at the first one.
        reconstruction, adversarial : scalar Tensor
            Norms of the two gradients.
        """
        exact = self.ratio * reconstruction / adversarial.clamp(min=1e-12)
        # A satisfied critic's gradient nearly vanishes: not a reason to follow its noise.
        smooth = torch.where(last > 0, torch.lerp(torch.minimum(exact, MOST_RISE * last), last, self.smoothing), exact)
        return torch.minimum(smooth, self.limit * exact), smooth


Balance = Annotated[FixedBalance | AdaptiveBalance, Field(discriminator="kind")]
