"""What a recipe consists of. The reasons for the numbers stand in the recipes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from itertools import accumulate
from typing import Literal

from inpaint_training.networks import CompletionNetwork, NetworkConfig


def _positive(owner: object, *names: str) -> None:
    for name in names:
        if not getattr(owner, name) > 0:
            raise ValueError(f"{name} must be greater than 0, not {getattr(owner, name)}")


@dataclass(frozen=True)
class DataConfig:
    """How crops are cut from photos."""

    crop_min: float = 1 / 3
    """The smallest crop, as a share of the photo's short side; the largest is the whole short side."""
    flip: float = 0.5
    """Share of crops that are mirrored left to right."""
    jitter: float = 0.1
    """Largest change of each colour channel's gain."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        _positive(self, "crop_min")
        if self.crop_min > 1 or not 0 <= self.flip <= 1 or not 0 <= self.jitter < 1:
            raise ValueError(f"crop_min and flip must be at most 1, jitter less than 1, not {self}")


@dataclass(frozen=True)
class LossConfig:
    """Weights of the reconstruction loss, for values in [0, 1]."""

    hole: float = 1.0
    """L1, averaged over the hole."""
    known: float = 0.0
    """L1, averaged over the known region; without effect on a residual network, which returns it as it is."""
    ssim: float = 0.0
    """1 - SSIM of the composite, averaged over the hole."""


@dataclass(frozen=True)
class Phase:
    """A stretch of training with one objective and one crop size."""

    share: float
    """Share of all steps; the shares of a recipe's phases are normalised to 1."""
    crop: int
    """Side of the crops, in pixels."""
    batch: int
    """Crops a step, over all devices."""
    hole_min: int
    """Smallest side of a hole, in pixels."""
    hole_max: int
    """Largest side of a hole, in pixels."""
    objective: Literal["reconstruction"] = "reconstruction"
    """What the step function minimises."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        _positive(self, "share", "crop", "batch", "hole_min")
        if not self.hole_min <= self.hole_max < self.crop:
            raise ValueError(
                f"hole_min <= hole_max < crop must hold, not {self.hole_min}, {self.hole_max}, {self.crop}"
            )


@dataclass(frozen=True)
class TrainConfig:
    """The loop."""

    steps: int = 10_000
    """Optimiser steps."""
    lr: float = 1e-3
    """Peak learning rate of Adam; it falls to `lr_end` along a cosine."""
    lr_end: float = 1e-5
    """Learning rate of the last step."""
    warmup: int = 200
    """Steps over which the learning rate rises to its peak."""
    betas: tuple[float, float] = (0.9, 0.99)
    """Adam's averaging of the gradient and of its square."""
    clip_norm: float = 1.0
    """Largest norm of the gradient."""
    ema_half_life: float = 5_000
    """Images after which a weight counts half in the averaged weights, which are the ones that are evaluated."""
    held_out: int = 24
    """Photos of the data set that are not trained on; they choose the best checkpoint."""
    checkpoint_seconds: float = 300
    """Time between checkpoints (and validations and sample grids)."""
    log_steps: int = 50
    """Steps between log lines."""
    seed: int = 0
    """Of weights, crops and holes."""

    def __post_init__(self) -> None:
        """Check the ranges."""
        _positive(self, "steps", "lr", "clip_norm", "ema_half_life", "held_out", "checkpoint_seconds", "log_steps")
        for name in ("warmup", "lr_end", "seed"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, not {getattr(self, name)}")


@dataclass(frozen=True)
class Recipe:
    """One training configuration."""

    name: str
    """What the recipe, and the model that comes from it, is called."""
    description: str
    """One line for the list of recipes."""
    phases: tuple[Phase, ...]
    """One after the other."""
    network: NetworkConfig = field(default_factory=NetworkConfig)
    """The completion network."""
    data: DataConfig = field(default_factory=DataConfig)
    """The crops."""
    loss: LossConfig = field(default_factory=LossConfig)
    """The reconstruction loss."""
    train: TrainConfig = field(default_factory=TrainConfig)
    """The loop."""
    licence: str = "not stated"
    """Licence of the trained weights, for the model file."""

    def __post_init__(self) -> None:
        """Refuse a recipe without phases."""
        if not self.phases:
            raise ValueError("a recipe needs at least one phase")
        if self.loss.known and self.network.hole_init == "pullpush":
            raise ValueError(
                f"loss.known is {self.loss.known}, but with hole_init pullpush known pixels come back as they are: set "
                "loss.known to 0"
            )
        network = CompletionNetwork(**asdict(self.network) | {"width": 1 / 64})
        for phase in self.phases:
            network.check_size(phase.crop, phase.crop)

    def shares(self) -> list[float]:
        """Return the part of all steps that each phase takes; the sum is 1."""
        total = sum(phase.share for phase in self.phases)
        return [phase.share / total for phase in self.phases]

    def phase_ends(self) -> list[int]:
        """Return the step at which each phase ends; the last one is `train.steps`."""
        return [round(share * self.train.steps) for share in accumulate(self.shares())]
