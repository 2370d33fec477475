"""One step of training: update the critics, update the completion network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from inpaint_training.losses.augment import augment
from inpaint_training.losses.reconstruction import reconstruction_loss

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from inpaint_training.data.sampler import Batch
    from inpaint_training.recipes.recipe import Phase
    from inpaint_training.trainer.state import Adversary, Models


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
    network_turn = objective == "reconstruction" or (objective == "adversarial" and turns[1])
    parts: dict[str, Tensor] = {}
    with torch.set_grad_enabled(network_turn):
        completions = models.completer.network(batch.image, batch.mask)  # S N, 3, H, W, used by both updates
    if critics_turn:
        parts |= update_critics(models, batch, completions[-len(batch.image) :].detach(), phase)
    if network_turn:
        adversaries = models.adversaries if objective == "adversarial" else []
        parts |= update_network(models, batch, completions, adversaries, phase)
        models.update_average(phase.batch)
    return parts


def update_critics(models: Models, batch: Batch, completion: Tensor, phase: Phase) -> dict[str, Tensor]:
    """Make a step of every critic; ``completion`` (N, 3, H, W) has no gradient."""
    parts: dict[str, Tensor] = {}
    for index, adversary in enumerate(models.adversaries):
        real = see(models, adversary, batch, batch.image)
        fake = see(models, adversary, batch, completion)
        told = adversary.network(real, fake, batch.draws[:, 0])
        adversary.optimizer.zero_grad()
        models.fabric.backward(told["loss"])
        told["gradient_norm"] = adversary.step(phase.critic_update)
        adversary.piece.loss.after_step(adversary.critic)
        parts |= {f"critic_{index}/{name}": value.detach() for name, value in told.items()}
    return parts


def update_network(
    models: Models, batch: Batch, completions: Tensor, adversaries: Sequence[Adversary], phase: Phase
) -> dict[str, Tensor]:
    """Make a step of the completion network towards the original images, and towards what its critics take for real.

    Both losses meet at the completion: there their gradients are balanced, and from there one backward pass reaches the
    weights. The critics' weights get no gradient at all.

    Parameters
    ----------
    completions : Tensor of shape (S N, 3, H, W)
        Those of all the stages that learn, with their graph. The critics see the last.
    adversaries
        Empty when only the reconstruction counts.
    """
    earlier: list[Tensor] = []
    for output in completions.detach().float().split(len(batch.image)):  # N, 3, H, W
        output.requires_grad_()
        loss, parts = reconstruction_loss(output, batch.image, batch.mask, models.recipe.loss)
        earlier += torch.autograd.grad(loss, output)  # N, 3, H, W
    gradient = earlier.pop()
    parts["loss"] = loss.detach()
    deceits: list[Tensor] = []
    gradients: list[Tensor] = []
    for adversary in adversaries:
        with models.fabric.autocast():
            heads = adversary.critic(*see(models, adversary, batch, output))
        deceits.append(torch.stack([adversary.piece.loss.network_loss(head.float()) for head in heads]).sum())
        gradients += torch.autograd.grad(deceits[-1], output)  # N, 3, H, W; 0 outside holes
    reconstruction, *norms = _norms(models, [gradient * batch.mask, *gradients])
    for index, (adversary, towards, norm) in enumerate(zip(adversaries, gradients, norms, strict=True)):
        balance = models.recipe.adversarial.balance
        weight, adversary.weight = balance.weigh(adversary.weight, reconstruction, norm)
        weight = models.factor * adversary.piece.share * weight
        gradient = gradient + weight * towards
        parts |= {
            f"critic_{index}/network_loss": deceits[index].detach(),
            f"critic_{index}/weight": weight,
            f"critic_{index}/gradient_ratio": weight * norm / reconstruction.clamp(min=1e-12),
        }
    models.completer.optimizer.zero_grad()
    models.fabric.backward(completions, torch.cat([*earlier, gradient]).to(completions.dtype))
    parts["gradient_norm"] = models.completer.step(phase.update)
    return parts


def see(models: Models, adversary: Adversary, batch: Batch, completion: Tensor) -> tuple[Tensor, ...]:
    """Return what a critic sees of a completion's composite: views (N, 4, h, w), augmented.

    Clamped, since nobody will see anything else, with the gradient of the unclamped.
    """
    composite = torch.where(batch.mask > 0, completion.float(), batch.image)  # N, 3, H, W
    composite = composite + (composite.clamp(0, 1) - composite).detach()  # N, 3, H, W
    views = adversary.critic.view(torch.cat([composite, batch.mask], 1), batch.centres)
    names = models.recipe.adversarial.augment
    return tuple(augment(view, batch.draws[:, 1:], names) for view in views)


def _norms(models: Models, gradients: Sequence[Tensor]) -> list[Tensor]:
    """Return the norms over all devices' parts of a batch."""
    squares = torch.stack([gradient.square().sum() for gradient in gradients])
    if models.fabric.world_size > 1:
        torch.distributed.all_reduce(squares)  # Fabric's would wait at a barrier too
    return list(squares.sqrt())
