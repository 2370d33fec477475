"""The networks in training, and everything that changes them."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from inpaint_training.losses.augment import augment
from inpaint_training.losses.measures import composite
from inpaint_training.recipes.optimizers import read_optimizer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lightning_fabric import Fabric

    from inpaint_training.data.sampler import Batch
    from inpaint_training.losses.adversarial import AdversarialLoss
    from inpaint_training.networks.critics import CriticConfig
    from inpaint_training.recipes.optimizers import Optimizer, Update
    from inpaint_training.recipes.recipe import Phase, Recipe


class CriticWithLoss(nn.Module):
    """A critic and its loss in one call: scores, Wasserstein distance and penalty take one backward pass.

    Only so does DistributedDataParallel reduce their gradients together, and exactly.
    """

    def __init__(self, critic: nn.Module, loss: AdversarialLoss) -> None:
        super().__init__()
        self.critic, self.loss = critic, loss

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
            ``loss`` for the critic, ``gap`` between the mean scores, and what the loss's regularisation logs.
        """
        heads = list(zip(self.critic(*real), self.critic(*fake), strict=True))
        loss = sum(self.loss.critic_loss(a.float(), b.float()) for a, b in heads)
        penalty, logged = self.loss.regularise(self.critic, real, fake, mix)
        return {"loss": torch.as_tensor(loss + penalty), "gap": score_gap(heads).detach(), **logged}


def score_gap(heads: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """Return the mean score of images minus that of composites, summed over a critic's heads."""
    return torch.stack([real.float().mean() - fake.float().mean() for real, fake in heads]).sum()


class TrainedNetwork:
    """A network and what changes it.

    Parameters
    ----------
    wrap
        What a step calls is made of the network by this, for example `torch.compile`.

    Attributes
    ----------
    module : nn.Module
        The network itself.
    """

    prefix = ""
    """Of the weights' names in a checkpoint."""

    def __init__(self, module: nn.Module, fabric: Fabric, wrap: Callable[[nn.Module], Any] | None = None) -> None:
        if fabric.world_size > 1 and fabric.device.type == "cuda":  # there is none for the CPU
            module = nn.SyncBatchNorm.convert_sync_batchnorm(module)
        self.module, self.fabric = module, fabric
        module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._wrapped: Any = fabric.setup_module(wrap(module) if wrap else module)
        self.optimizer_config: Optimizer | None = None
        self.optimizer: Any = None

    def __call__(self, *inputs: Any) -> Any:
        """Run the network for a step: in Fabric's precision, with the gradients of all devices."""
        return self._wrapped(*inputs)

    def use(self, config: Optimizer) -> None:
        """Go on with the optimiser of the phase before when it is the same, else with a new one."""
        if config != self.optimizer_config:
            self.optimizer_config = config
            self.optimizer = self.fabric.setup_optimizers(config.build(self.module.parameters()))

    def set_rate(self, rate: float) -> None:
        """Set the learning rate."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def step(self, update: Update) -> Tensor:
        """Make an optimiser step with the gradients that are there; return their norm before it is limited."""
        limit = float("inf") if update.clip_norm is None else update.clip_norm
        norm = self.fabric.clip_gradients(self._wrapped, self.optimizer, max_norm=limit, error_if_nonfinite=False)
        self.optimizer.step()
        return torch.as_tensor(norm)

    def state(self) -> dict[str, Any]:
        """Return weights and optimiser; tensors are shared, not copied."""
        return {
            "network": self.module.state_dict(prefix=self.prefix),
            "config": self.optimizer_config and asdict(self.optimizer_config),
            "optimizer": self.optimizer and self.optimizer.state_dict(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over what `state` returned."""
        self.module.load_state_dict(without_prefix(state["network"], self.prefix))
        self.optimizer_config = self.optimizer = None
        if state["config"]:
            self.use(read_optimizer(state["config"]))
            self.optimizer.load_state_dict(state["optimizer"])


def without_prefix(weights: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the weights whose names begin with the prefix, without it."""
    return {name.removeprefix(prefix): x for name, x in weights.items() if name.startswith(prefix)}


class Critic(TrainedNetwork):
    """A critic: what it sees, how it scores that, and the weight of its loss in the generator's.

    Called for a step, it compares views of images with views of composites, see `CriticWithLoss`.

    Parameters
    ----------
    augmentations
        What is done to the images that it sees: names in `AUGMENTATIONS`.

    Attributes
    ----------
    weight : Tensor of shape ()
        Kept by the balance; 0 before the first step.
    """

    prefix = "critic."

    def __init__(self, config: CriticConfig, augmentations: Sequence[str], fabric: Fabric) -> None:
        self.loss, self.share, self.augmentations = config.loss, config.share, augmentations
        super().__init__(config.build(), fabric, lambda critic: CriticWithLoss(critic, config.loss))
        self.weight = torch.zeros((), device=fabric.device)

    def view(self, batch: Batch, completion: Tensor) -> tuple[Tensor, ...]:
        """Return what the critic sees of a completion's composite: views (N, 4, h, w), augmented.

        Clamped, since nobody will see anything else, with the gradient of the unclamped.
        """
        filled = composite(completion.float(), batch.image, batch.mask > 0)  # N, 3, H, W
        filled = filled + (filled.clamp(0, 1) - filled).detach()  # N, 3, H, W
        views = self.module.view(torch.cat([filled, batch.mask], 1), batch.centres)  # type: ignore[operator]
        return tuple(augment(view, batch.draws[:, 1:], self.augmentations) for view in views)

    def score(self, batch: Batch, completion: Tensor) -> tuple[Tensor, ...]:
        """Return the scores (N, ...) that the heads give to a completion's composite."""
        with self.fabric.autocast():
            scores: tuple[Tensor, ...] = self.module(*self.view(batch, completion))
        return scores

    def constrain(self) -> None:
        """Do with the weights what the loss wants done after every step."""
        self.loss.after_step(self.module)

    def state(self) -> dict[str, Any]:
        """Return weights, optimiser and balance."""
        return super().state() | {"weight": self.weight}

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over what `state` returned."""
        super().load_state(state)
        self.weight = state["weight"].to(self.fabric.device)


class Models:
    """The generator, which is the completion network, the average of its weights, and its critics.

    Attributes
    ----------
    generator : TrainedNetwork
        The completion network.
    average : AveragedModel
        Moving average of its weights: what is evaluated and shipped.
    critics : list of Critic
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
        self.generator = TrainedNetwork(network, fabric, torch.compile if recipe.train.compile else None)
        self.critics = [Critic(config, recipe.adversarial.augment, fabric) for config in recipe.critics]
        self.factor = 1.0
        self.updates = 0
        """Of the average."""

    def enter(self, phase: Phase, step: int, start: int, end: int) -> dict[str, float]:
        """Set optimisers and learning rates for a step of a phase from ``start`` to ``end``; return the rates."""
        rates = {}
        for name, parameter in self.generator.module.named_parameters():
            parameter.requires_grad_(phase.trains == "all" or name.startswith(f"{phase.trains}."))
        if phase.objective != "critic":
            rates["lr"] = phase.update.rate(step - start, end - start)
            self.generator.use(phase.update.optimizer)
            self.generator.set_rate(rates["lr"])
        if phase.objective != "reconstruction":
            rates["critic_lr"] = phase.critic_update.rate(step - start, end - start)
            for critic in self.critics:
                critic.use(phase.critic_update.optimizer)
                critic.set_rate(rates["critic_lr"])
        return rates

    def update_average(self, images: int) -> None:
        """Move the average towards the weights; the first steps count more, or the random start would linger."""
        half_life = self.recipe.train.ema_half_life
        decay = min(0.5 ** (images / half_life), (self.updates + 1) / (self.updates + 10)) if half_life else 0.0
        self.average.multi_avg_fn = get_ema_multi_avg_fn(decay)
        self.average.update_parameters(self.generator.module)
        self.updates += 1

    def state(self) -> dict[str, Any]:
        """Return all that changes in training, under the names of checkpoints; tensors are shared, not copied."""
        return {
            "completer": self.generator.state(),
            "average": self.average.state_dict(),
            "adversaries": [critic.state() for critic in self.critics],
            "factor": self.factor,
            "updates": self.updates,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Take over what `state` returned."""
        self.generator.load_state(state["completer"])
        self.average.load_state_dict(state["average"])
        for critic, saved in zip(self.critics, state["adversaries"], strict=True):
            critic.load_state(saved)
        self.factor, self.updates = state["factor"], state["updates"]

    def load_weights(self, network: dict[str, Tensor], critics: dict[str, Tensor] | None) -> None:
        """Start from another run's averaged weights, and its critics when there are some."""
        self.generator.module.load_state_dict(network)
        self.average.module.load_state_dict(network)
        if critics:
            for index, critic in enumerate(self.critics):
                critic.module.load_state_dict(without_prefix(critics, f"{index}."))

    def critic_weights(self) -> dict[str, Tensor]:
        """Return the critics' weights, the names beginning with the critic's number."""
        return {name: x for index, critic in enumerate(self.critics)
                for name, x in critic.module.state_dict(prefix=f"{index}.").items()}  # fmt: skip
