"""The networks in training, and everything that changes them."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from inpaint_training.recipes.optimizers import read_optimizer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lightning_fabric import Fabric

    from inpaint_training.networks.critics import CriticConfig
    from inpaint_training.recipes.optimizers import Optimizer, Update
    from inpaint_training.recipes.recipe import Phase, Recipe


class CriticObjective(nn.Module):
    """A critic and its loss in one call: scores, Wasserstein distance and penalty take one backward pass.

    Only so does DistributedDataParallel reduce their gradients together, and exactly.
    """

    def __init__(self, config: CriticConfig) -> None:
        super().__init__()
        self.loss = config.loss
        self.critic = config.build()

    def forward(self, real: Sequence[Tensor], fake: Sequence[Tensor], mix: Tensor) -> dict[str, Tensor]:
        """Compare the scores of images with those of their composites.

        Parameters
        ----------
        real, fake : sequence of Tensor of shape (N, 4, h, w)
            Views of images and composites.
        mix : Tensor of shape (N,)
            See `gradient_penalty`.

        Returns
        -------
        dict
            ``loss`` for the critic, ``gap`` between the mean scores, and what the loss's regularisation tells.
        """
        heads = list(zip(self.critic(*real), self.critic(*fake), strict=True))
        loss = sum(self.loss.critic_loss(a.float(), b.float()) for a, b in heads)
        gap = sum((a.float().mean() - b.float().mean()).detach() for a, b in heads)
        extra, told = self.loss.regularise(self.critic, real, fake, mix)
        return {"loss": loss + extra, "gap": gap, **told}


class Player:
    """A network and what changes it.

    Attributes
    ----------
    bare : nn.Module
        The network itself.
    network
        The same, wrapped by Fabric: precision, gradients of all devices.
    """

    def __init__(self, bare: nn.Module, fabric: Fabric, compiled: bool = False) -> None:
        if fabric.world_size > 1 and fabric.device.type == "cuda":  # there is none for the CPU
            bare = nn.SyncBatchNorm.convert_sync_batchnorm(bare)
        self.bare, self.fabric = bare, fabric
        bare.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        faster: Any = torch.compile(bare) if compiled else bare
        self.network: Any = fabric.setup_module(faster)
        self.config: Optimizer | None = None
        self.optimizer: Any = None

    def use(self, config: Optimizer) -> None:
        """Go on with the optimiser of the phase before when it is the same, else with a new one."""
        if config != self.config:
            self.config = config
            self.optimizer = self.fabric.setup_optimizers(config.build(self.bare.parameters()))

    def set_rate(self, rate: float) -> None:
        """Set the learning rate."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def step(self, update: Update) -> Tensor:
        """Make an optimiser step with the gradients that are there; return their norm before it is limited."""
        limit = float("inf") if update.clip_norm is None else update.clip_norm
        norm = self.fabric.clip_gradients(self.network, self.optimizer, max_norm=limit, error_if_nonfinite=False)
        self.optimizer.step()
        return torch.as_tensor(norm)

    def state(self) -> dict[str, Any]:
        """Return weights and optimiser; tensors are shared, not copied."""
        return {
            "network": self.bare.state_dict(),
            "config": self.config and asdict(self.config),
            "optimizer": self.optimizer and self.optimizer.state_dict(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over what `state` returned."""
        self.bare.load_state_dict(state["network"])
        self.config = self.optimizer = None
        if state["config"]:
            self.use(read_optimizer(state["config"]))
            self.optimizer.load_state_dict(state["optimizer"])


class Adversary(Player):
    """A critic, and the weight of its loss in the completion network's."""

    def __init__(self, config: CriticConfig, fabric: Fabric) -> None:
        super().__init__(CriticObjective(config), fabric)
        self.piece = config
        self.weight = torch.zeros((), device=fabric.device)
        """Kept by the balance; 0 before the first step."""

    @property
    def critic(self) -> Any:
        """The network from views to scores, never compiled."""
        return self.bare.critic

    def state(self) -> dict[str, Any]:
        """Return weights, optimiser and balance."""
        return super().state() | {"weight": self.weight}

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over what `state` returned."""
        super().load_state(state)
        self.weight = state["weight"].to(self.fabric.device)


class Models:
    """The completion network, the average of its weights, and its critics.

    Attributes
    ----------
    completer : Player
        The completion network.
    average : AveragedModel
        Moving average of its weights: what is evaluated and shipped.
    adversaries : list of Adversary
        The critics.
    factor : float
        Of all adversarial weights; the watchdog halves it.
    """

    def __init__(self, recipe: Recipe, fabric: Fabric) -> None:
        self.recipe, self.fabric = recipe, fabric
        torch.manual_seed(recipe.train.seed)
        network = recipe.network.build()
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = AveragedModel(network, use_buffers=True).to(fabric.device)
        self.average.n_averaged = self.average.n_averaged.cpu()  # asking a device for it would wait for the step
        self.completer = Player(network, fabric, recipe.train.compile)
        self.adversaries = [Adversary(config, fabric) for config in recipe.critics]
        self.factor = 1.0
        self.updates = 0
        """Of the average."""

    def enter(self, phase: Phase, step: int, start: int, end: int) -> dict[str, float]:
        """Set optimisers and learning rates for a step of a phase from ``start`` to ``end``; return the rates."""
        rates = {}
        for name, parameter in self.completer.bare.named_parameters():
            parameter.requires_grad_(phase.trains == "all" or name.startswith(f"{phase.trains}."))
        if phase.objective != "critic":
            rates["lr"] = phase.update.rate(step - start, end - start)
            self.completer.use(phase.update.optimizer)
            self.completer.set_rate(rates["lr"])
        if phase.objective != "reconstruction":
            rates["critic_lr"] = phase.critic_update.rate(step - start, end - start)
            for adversary in self.adversaries:
                adversary.use(phase.critic_update.optimizer)
                adversary.set_rate(rates["critic_lr"])
        return rates

    def update_average(self, images: int) -> None:
        """Move the average towards the weights; the first steps count more, or the random start would linger."""
        half_life = self.recipe.train.ema_half_life
        decay = min(0.5 ** (images / half_life), (self.updates + 1) / (self.updates + 10)) if half_life else 0.0
        self.average.multi_avg_fn = get_ema_multi_avg_fn(decay)
        self.average.update_parameters(self.completer.bare)
        self.updates += 1

    def state(self) -> dict[str, Any]:
        """Return all that changes in training; tensors are shared, not copied."""
        return {
            "completer": self.completer.state(),
            "average": self.average.state_dict(),
            "adversaries": [adversary.state() for adversary in self.adversaries],
            "factor": self.factor,
            "updates": self.updates,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over what `state` returned."""
        self.completer.load_state(state["completer"])
        self.average.load_state_dict(state["average"])
        for adversary, saved in zip(self.adversaries, state["adversaries"], strict=True):
            adversary.load_state(saved)
        self.factor, self.updates = state["factor"], state["updates"]

    def load_weights(self, network: dict[str, Tensor], critics: dict[str, Tensor] | None) -> None:
        """Start from another run's averaged weights, and its critics when there are some."""
        self.completer.bare.load_state_dict(network)
        self.average.module.load_state_dict(network)
        for index, adversary in enumerate(self.adversaries if critics else ()):
            assert critics is not None
            own = {name.partition(".")[2]: x for name, x in critics.items() if name.startswith(f"{index}.")}
            adversary.critic.load_state_dict(own)

    def critic_weights(self) -> dict[str, Tensor]:
        """Return the critics' weights, the names beginning with the critic's number."""
        return {f"{index}.{name}": value for index, adversary in enumerate(self.adversaries)
                for name, value in adversary.critic.state_dict().items()}  # fmt: skip
