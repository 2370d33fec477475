"""One step of training: update the critics, update the generator."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from inpaint_training.losses.reconstruction import reconstruction_loss

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    logged: dict[str, Tensor] = {}
    with torch.set_grad_enabled(generators_turn):
        completions = models.generator(batch.image, batch.mask)  # S N, 3, H, W, used by both updates
    if critics_turn:
        logged |= update_critics(models, batch, completions[-len(batch.image) :].detach(), phase)
    if generators_turn:
        critics = models.critics if objective == "adversarial" else []
        logged |= update_generator(models, batch, completions, critics, phase)
        models.update_average(phase.batch)
    return logged


def update_critics(models: Models, batch: Batch, completion: Tensor, phase: Phase) -> dict[str, Tensor]:
    """Make a step of every critic; ``completion`` (N, 3, H, W) has no gradient."""
    logged: dict[str, Tensor] = {}
    for index, critic in enumerate(models.critics):
        real, fake = critic.view(batch, batch.target(completion)), critic.view(batch, completion)
        parts = critic(real, fake, batch.draws[:, 0])
        critic.optimizer.zero_grad()
        models.fabric.backward(parts["loss"])
        parts["gradient_norm"] = critic.step(phase.critic_update)
        critic.constrain()
        logged |= {f"critic_{index}/{name}": value.detach() for name, value in parts.items()}
    return logged


def update_generator(
    models: Models, batch: Batch, completions: Tensor, critics: Sequence[Critic], phase: Phase
) -> dict[str, Tensor]:
    """Make a step of the generator towards the original images, and towards what its critics take for real.

    Both losses meet at the completion: there their gradients are balanced, and from there one backward pass reaches the
    weights. The critics' weights get no gradient at all.

    Parameters
    ----------
    completions : Tensor of shape (S N, 3, H, W)
        Those of all the stages that learn, with their graph. The critics see the last.
    critics
        Empty when only the reconstruction counts.
    """
    earlier: list[Tensor] = []
    for output in completions.detach().float().split(len(batch.image)):  # N, 3, H, W
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
    models.generator.optimizer.zero_grad()
    models.fabric.backward(completions, torch.cat([*earlier, gradient]).to(completions.dtype))
    logged["gradient_norm"] = models.generator.step(phase.update)
    return logged


def _norms(models: Models, gradients: Sequence[Tensor]) -> list[Tensor]:
    """Return the norms over all devices' parts of a batch."""
    squares = torch.stack([gradient.square().sum() for gradient in gradients])
    if models.fabric.world_size > 1:
        torch.distributed.all_reduce(squares)  # Fabric's would wait at a barrier too
    return list(squares.sqrt())
