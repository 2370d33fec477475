"""Optimisers and learning-rate schedules. To add one, write it here and name it at the end of its section."""

from __future__ import annotations

import math
from dataclasses import field
from typing import TYPE_CHECKING, Annotated, Any, Literal

import torch
from pydantic import AfterValidator, Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, TypeAdapter
from pydantic.dataclasses import dataclass

from inpaint_training.settings import Config, Decay, check_known

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


@dataclass(frozen=True)
class Adam(Config):
    """Kingma & Ba 2015. ``betas: [0.0, b]`` is RMSprop with bias correction."""

    betas: tuple[Decay, Decay] = (0.9, 0.99)
    """Averaging of the gradient and of its square."""
    kind: Literal["adam"] = "adam"

    def build(self, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
        """Return the optimiser; its learning rate is set before every step."""
        return torch.optim.Adam(parameters, betas=self.betas)


@dataclass(frozen=True)
class RMSprop(Config):
    """Tieleman & Hinton 2012."""

    decay: Decay = 0.99
    """Averaging of the squared gradient."""
    momentum: Decay = 0.0
    """Averaging of the step."""
    rmsprop_init: Literal["zeros", "ones"] = "zeros"
    """Where the average of the squared gradient starts. With ``zeros`` (PyTorch) the first step is
    1 / sqrt(1 - decay) times too long, ten times for 0.99: warm up. TensorFlow 1 started with ``ones``."""
    kind: Literal["rmsprop"] = "rmsprop"

    def build(self, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
        """Return the optimiser; its learning rate is set before every step."""
        parameters = list(parameters)
        optimizer = torch.optim.RMSprop(parameters, alpha=self.decay, momentum=self.momentum)
        if self.rmsprop_init == "ones":
            for parameter in parameters:
                state = {"step": torch.tensor(0.0), "square_avg": torch.ones_like(parameter)}
                if self.momentum:
                    state["momentum_buffer"] = torch.zeros_like(parameter)
                optimizer.state[parameter] = state
        return optimizer


@dataclass(frozen=True)
class Adadelta(Config):
    """Zeiler 2012, as in Iizuka et al. 2017; its natural learning rate is 1."""

    decay: Decay = 0.95
    """Averaging of the squared gradient and of the squared step."""
    kind: Literal["adadelta"] = "adadelta"

    def build(self, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
        """Return the optimiser; its learning rate is set before every step."""
        return torch.optim.Adadelta(parameters, rho=self.decay)


Optimizer = Annotated[Adam | RMSprop | Adadelta, Field(discriminator="kind")]


def read_optimizer(fields: dict[str, Any]) -> Optimizer:
    """Return the optimiser's configuration with these fields, as `dataclasses.asdict` gives them."""
    return TypeAdapter(Optimizer).validate_python(fields)


SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda _: 1.0,
    "linear": lambda done: 1 - done,
    "cosine": lambda done: 0.5 * (1 + math.cos(math.pi * done)),
    "drop": lambda done: float(done < 0.7),
}
"""From the part of the phase that is done, 0 to 1, to what is left of the way from `lr_end` up to `lr`."""


@dataclass(frozen=True)
class Update(Config):
    """How the weights of a network change during a phase."""

    optimizer: Optimizer = field(default_factory=Adam)
    """Goes on from the phase before when that one has the same, else starts anew."""
    lr: PositiveFloat = 1e-3
    """Learning rate after the warm-up."""
    lr_end: NonNegativeFloat = 0.0
    """Learning rate at the end of the phase, unless the schedule is constant."""
    schedule: Annotated[str, AfterValidator(lambda name: check_known(name, SCHEDULES, "schedule"))] = "constant"
    """The way from `lr` to `lr_end`: a name in `SCHEDULES`."""
    warmup: NonNegativeInt = 0
    """Steps at the start of the phase over which the learning rate rises to `lr`."""
    clip_norm: PositiveFloat | None = None
    """Largest norm of the gradient; no limit when None."""

    def rate(self, step: int, steps: int) -> float:
        """Return the learning rate of a phase's ``step``-th of ``steps`` steps."""
        high = SCHEDULES[self.schedule](min(1.0, step / steps))
        return min(1, (step + 1) / (self.warmup + 1)) * (self.lr_end + (self.lr - self.lr_end) * high)
