"""One step of training: update the critics, update the generator."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from inpaint_training.losses.reconstruction import reconstruction_loss

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torch import Tensor

    from inpaint_training.data.sampler import Batch
    from inpaint_training.recipes.recipe import Phase
    from inpaint_training.trainer.state import Critic, Models


def train_step(models: Models, batch: Batch, phase: Phase, step: int) -> dict[str, Tensor]:
    """Make one step of the phase's objective.

    Parameters
    ----------
    batch
        This device's part of the step's crops.
    step
        Counted from the start of the phase.

    Returns
    -------
    dict
        Scalars for the log, on the device.
    """
    objective = phase.objective
    turns = models.recipe.adversarial.turns(step)
    critics_turn = objective == "critic" or (objective == "adversarial" and turns[0])
    generators_turn = objective == "reconstruction" or (objective == "adversarial" and turns[1])
    parts = batch.split(phase.accumulate)
    logged: dict[str, Tensor] = {}
    completions: list[Tensor] = []  # S N, 3, H, W each
    if len(parts) == 1 or critics_turn:
        with torch.set_grad_enabled(generators_turn and len(parts) == 1):  # of one part, used by both updates
            completions = [models.generator(part.image, part.mask) for part in parts]
    if critics_turn:
        last = [each[-len(part.image) :].detach() for part, each in zip(parts, completions, strict=True)]
        logged |= update_critics(models, parts, last, phase)
    if generators_turn:
        critics = models.critics if objective == "adversarial" else []
        # Of several parts, the graph of one at a time is in memory.
        graphs = completions if len(parts) == 1 else (models.generator(part.image, part.mask) for part in parts)
        logged |= update_generator(models, parts, graphs, critics, phase)
        models.update_average(phase.batch)
    return logged


def update_critics(
    models: Models, batches: Sequence[Batch], completions: Sequence[Tensor], phase: Phase
) -> dict[str, Tensor]:
    """Make a step of every critic from all parts of a batch; completions, (N, 3, H, W) each, have no gradient."""
    logged: dict[str, Tensor] = {}
    for index, critic in enumerate(models.critics):
        critic.optimizer.zero_grad()
        found = []
        for batch, completion in zip(batches, completions, strict=True):
            real, fake = critic.view(batch, batch.target(completion)), critic.view(batch, completion)
            found.append(critic(real, fake, batch.draws[:, 0]))
            models.fabric.backward(found[-1]["loss"] / len(batches))
        parts = _average(found)
        parts["gradient_norm"] = critic.step(phase.critic_update)
        critic.constrain()
        logged |= {f"critic_{index}/{name}": value.detach() for name, value in parts.items()}
    return logged


def update_generator(
    models: Models, batches: Sequence[Batch], completions: Iterable[Tensor], critics: Sequence[Critic], phase: Phase
) -> dict[str, Tensor]:
    """Make a step of the generator towards the original images, and towards what its critics take for real.

    Parameters
    ----------
    batches
        All parts of a batch.
    completions : Tensors of shape (S N, 3, H, W)
        Of every part, those of all the stages that learn, with their graph. The critics see the last.
    critics
        Empty when only the reconstruction counts.
    """
    models.generator.optimizer.zero_grad()
    found = []
    for batch, output in zip(batches, completions, strict=True):
        gradient, logged = weigh_losses(models, batch, output.detach(), critics)
        models.fabric.backward(output, (gradient / len(batches)).to(output.dtype))
        found.append(logged)
    return _average(found) | {"gradient_norm": models.generator.step(phase.update)}


def weigh_losses(
    models: Models, batch: Batch, completions: Tensor, critics: Sequence[Critic]
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the gradient of all losses at completions, (S N, 3, H, W), and what is logged of them.

    Both losses meet there: their gradients are balanced, and from there one backward pass reaches the weights. The
    critics' weights get no gradient at all.
    """
    earlier: list[Tensor] = []
    for output in completions.float().split(len(batch.image)):  # N, 3, H, W
        output.requires_grad_()
        loss, logged = reconstruction_loss(output, batch.target(output), batch.judged, models.recipe.loss)
        earlier += torch.autograd.grad(loss, output)  # N, 3, H, W
    gradient = earlier.pop()
    logged["loss"] = loss.detach()
    losses: list[Tensor] = []
    gradients: list[Tensor] = []
    for critic in critics:
        heads = critic.score(batch, output)
        losses.append(torch.stack([critic.loss.generator_loss(head.float()) for head in heads]).sum())
        gradients += torch.autograd.grad(losses[-1], output)  # N, 3, H, W; 0 outside holes
    reconstruction, *norms = _norms(models, [gradient * batch.mask, *gradients])
    for index, (critic, towards, norm) in enumerate(zip(critics, gradients, norms, strict=True)):
        weight, critic.weight = models.recipe.adversarial.balance.weigh(critic.weight, reconstruction, norm)
        weight = models.factor * critic.share * weight
        gradient = gradient + weight * towards
        logged |= {
            f"critic_{index}/network_loss": losses[index].detach(),
            f"critic_{index}/weight": weight,
            f"critic_{index}/gradient_ratio": weight * norm / reconstruction.clamp(min=1e-12),
        }
    return torch.cat([*earlier, gradient]), logged


def _average(logged: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Return the mean of what was logged of the parts of a batch."""
    if len(logged) == 1:
        return logged[0]
    return {name: torch.stack([torch.as_tensor(part[name]).detach() for part in logged]).mean() for name in logged[0]}


def _norms(models: Models, gradients: Sequence[Tensor]) -> list[Tensor]:
    """Return the norms over all devices' parts of a batch."""
    squares = torch.stack([gradient.square().sum() for gradient in gradients])
    if models.fabric.world_size > 1:
        torch.distributed.all_reduce(squares)  # Fabric's would wait at a barrier too
    return list(squares.sqrt())
