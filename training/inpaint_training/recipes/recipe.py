"""What a recipe consists of. The reasons for the numbers stand in the recipes."""

from __future__ import annotations

from dataclasses import field
from itertools import accumulate
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)
from pydantic.dataclasses import dataclass

from inpaint_training.data.masks import Holes
from inpaint_training.data.squares import DataConfig
from inpaint_training.losses.adversarial import WganGp
from inpaint_training.losses.augment import AUGMENTATIONS
from inpaint_training.losses.balance import AdaptiveBalance, Balance
from inpaint_training.losses.reconstruction import TERMS
from inpaint_training.networks.completion import CompletionConfig
from inpaint_training.networks.context_encoder import ContextEncoderConfig
from inpaint_training.networks.critics import CriticConfig
from inpaint_training.networks.pggan import PgganConfig
from inpaint_training.networks.two_stage import DeepFillConfig, TwoStageConfig
from inpaint_training.recipes.optimizers import Update
from inpaint_training.settings import Config, check_known

Network = Annotated[
    CompletionConfig | ContextEncoderConfig | PgganConfig | TwoStageConfig | DeepFillConfig, Field(discriminator="kind")
]
MOST_STEPS, MOST_BATCH, MOST_CROP = 10**9, 2**16, 2**14
"""More is a slip of the keyboard."""

Augmentation = Annotated[str, AfterValidator(lambda name: check_known(name, AUGMENTATIONS, "augmentation"))]
Term = Annotated[str, AfterValidator(lambda name: check_known(name, TERMS, "reconstruction loss"))]


@dataclass(frozen=True)
class Phase(Config):
    """A stretch of training with one objective and one crop size."""

    share: NonNegativeFloat
    """Share of all steps; the shares of a recipe's phases are normalised to 1. 0 leaves the phase out."""
    crop: Annotated[PositiveInt, Field(le=MOST_CROP)]
    """Side of the crops, in pixels."""
    batch: Annotated[PositiveInt, Field(le=MOST_BATCH)]
    """Crops a step, over all devices."""
    holes: Holes
    """Where pixels are hidden."""
    objective: Literal["reconstruction", "critic", "adversarial"] = "reconstruction"
    """What is trained: the completion network alone, the critics alone, or one against the other."""
    trains: Literal["all", "coarse", "refine"] = "all"
    """Which stage of a network of two changes. Both run, and a stage learns from all losses behind it."""
    update: Update = field(default_factory=Update)
    """Of the completion network."""
    critic_update: Update = field(default_factory=Update)
    """Of the critics."""
    accumulate: PositiveInt = 1
    """So many parts of a batch are computed one after the other: the same step with less memory. Only the adversarial
    balance is then found for every part, and batch normalisation sees parts."""

    @model_validator(mode="after")
    def check_holes(self) -> Self:
        """Raise `ValueError` when holes are larger than the crops."""
        if self.hole_max >= self.crop:
            raise ValueError(f"holes of {self.hole_max} px do not fit into crops of {self.crop} px")
        return self

    @property
    def hole_min(self) -> int:
        """Smallest side of a hole, in pixels."""
        return self.holes.range[0]

    @property
    def hole_max(self) -> int:
        """Largest side of a hole, in pixels."""
        return self.holes.range[1]


@dataclass(frozen=True)
class AdversarialConfig(Config):
    """How critics and completion network play against each other."""

    balance: Balance = field(default_factory=AdaptiveBalance)
    """Weight of the adversarial loss."""
    critic_turns: PositiveInt = 1
    """Steps that change the critics, in a row."""
    network_turns: PositiveInt = 1
    """Steps that change the completion network, in a row; with 1 and 1, every step changes both on the same crops."""
    augment: tuple[Augmentation, ...] = ()
    """What is done to the images that the critics see: names in `AUGMENTATIONS`."""

    def turns(self, step: int) -> tuple[bool, bool]:
        """Return whether the ``step``-th step of a phase changes the critics, and the completion network."""
        if self.critic_turns == self.network_turns == 1:
            return True, True
        critics = step % (self.critic_turns + self.network_turns) < self.critic_turns
        return critics, not critics


@dataclass(frozen=True)
class TrainConfig(Config):
    """The loop."""

    steps: Annotated[PositiveInt, Field(le=MOST_STEPS)] = 10_000
    """Optimiser steps."""
    extended: NonNegativeInt = 0
    """Of these, the ones that were given to the last phase when a run was resumed with more steps."""
    ema_half_life: NonNegativeFloat = 5_000
    """Images after which a weight counts half in the averaged weights, which are those that are evaluated and shipped;
    0 ships the weights themselves."""
    watchdog: bool = True
    """Go back to the last good state when adversarial training goes wrong."""
    held_out: PositiveInt = 24
    """Photos of the data set that are not trained on; they choose the best checkpoint and feed the watchdog."""
    check_steps: PositiveInt = 200
    """Steps between checks on the held-out photos."""
    log_steps: PositiveInt = 50
    """Steps between log lines."""
    checkpoint_seconds: PositiveFloat = 300
    """Least time between checkpoints; they are written after a check."""
    keep: PositiveInt = 2
    """Newest checkpoints that are kept, beside the best one and the last one before adversarial training."""
    compile: bool = False
    """Compile the completion network (torch.compile)."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Of weights, crops and holes."""


@dataclass(frozen=True)
class Recipe(Config):
    """One training configuration."""

    name: str
    """What the recipe, and the model that comes from it, is called."""
    description: str
    """One line for the list of recipes."""
    phases: tuple[Phase, ...]
    """One after the other."""
    network: Network = field(default_factory=CompletionConfig)
    """The network that completes."""
    loss: dict[Term, NonNegativeFloat] = field(default_factory=lambda: {"l1_hole": 1.0})
    """Weights of the reconstruction loss, by the names in `losses.TERMS`."""
    critics: tuple[CriticConfig, ...] = ()
    """The networks that it is trained against."""
    adversarial: AdversarialConfig = field(default_factory=AdversarialConfig)
    """How."""
    data: DataConfig = field(default_factory=DataConfig)
    """The crops."""
    train: TrainConfig = field(default_factory=TrainConfig)
    """The loop."""
    licence: str = "not stated"
    """Licence of the trained weights, for the model file."""

    @model_validator(mode="after")
    def check_parts(self) -> Self:
        """Raise `ValueError` when parts do not fit together."""
        if not self.active_phases:
            raise ValueError("a recipe needs at least one phase with a share")
        if self.train.extended >= self.train.steps:
            raise ValueError(
                f"train.extended must be less than the {self.train.steps} steps, not {self.train.extended}"
            )
        if not any(self.loss.values()):
            raise ValueError("loss needs at least one term with a weight")
        if self.loss.get("l1_known") and getattr(self.network, "hole_init", "") == "pullpush":
            raise ValueError(
                f"loss.l1_known is {self.loss['l1_known']}, but with hole_init pullpush known pixels come back as they "
                "are: leave it out"
            )
        self._check_critics()
        network = self.network.smallest().build()
        for phase in self.active_phases:
            network.check_size(phase.crop, phase.crop)
            check_known(phase.trains, ("all", *network.stages), "stage")
        return self

    def _check_critics(self) -> None:
        for critic in self.critics:
            if isinstance(critic.loss, WganGp) and critic.batch_norm:
                raise ValueError(f"a gradient penalty looks at images one by one, the critic {critic.kind} with batch "
                                 "normalisation does not: set its norm to none, or choose another loss")  # fmt: skip
        for phase in self.active_phases:
            if phase.objective != "reconstruction":
                if not self.critics:
                    raise ValueError(f"a phase with the objective {phase.objective} needs critics")
                for critic in self.critics:
                    critic.check_crop(phase.crop)

    @property
    def active_phases(self) -> tuple[Phase, ...]:
        """Those that are not left out."""
        return tuple(phase for phase in self.phases if phase.share)

    def phase_ends(self) -> list[int]:
        """Return the step at which each phase ends; the last one is `train.steps`."""
        total, steps = sum(phase.share for phase in self.phases), self.train.steps - self.train.extended
        ends = [round(share / total * steps) for share in accumulate(phase.share for phase in self.phases)]
        last = max(index for index, phase in enumerate(self.phases) if phase.share)
        return [*ends[:last], *(end + self.train.extended for end in ends[last:])]

    def phase_of(self, step: int) -> tuple[Phase, int, int]:
        """Return the phase of a step, the step at which the phase starts, and the one at which it ends."""
        start = 0
        for phase, end in zip(self.phases, self.phase_ends(), strict=True):
            if step < end:
                return phase, start, end
            start = end
        raise ValueError(f"step {step} is beyond the recipe's {self.train.steps} steps")

    def images_before(self, step: int) -> int:
        """Return how many crops are seen before a step."""
        images, start = 0, 0
        for phase, end in zip(self.phases, self.phase_ends(), strict=True):
            images += phase.batch * max(0, min(step, end) - start)
            start = end
        return images
