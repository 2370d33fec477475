"""Validation: the metrics of held-out photos, and when they are a reason to go back."""

from __future__ import annotations

import math
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from inpaint_training.losses.measures import gradient_energy, masked_mean, psnr
from inpaint_training.trainer.state import score_gap

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from torch import nn

    from inpaint_training.data.sampler import Batch
    from inpaint_training.trainer.state import Models

PSNR_DROP = 1.0
"""How many dB below its value before adversarial training the hole's PSNR may fall."""
TEXTURE_LIMIT = 1.3
"""Largest gradient energy inside holes, relative to the originals'; more is noise."""
MOST_ROLLBACKS = 8
"""After as many halvings the adversarial loss has no weight left: something else is wrong."""


@contextmanager
def evaluating(*networks: nn.Module) -> Iterator[None]:
    """Put networks into evaluation mode, and back into the mode that they were in."""
    modes = [network.training for network in networks]
    for network in networks:
        network.eval()
    try:
        yield
    finally:
        for network, training in zip(networks, modes, strict=True):
            network.train(training)


@torch.no_grad()
def validate(models: Models, batches: Iterable[Batch]) -> dict[str, float]:
    """Complete held-out crops.

    Returns
    -------
    dict
        ``l1_hole`` of the averaged weights; of the weights in training ``psnr_hole`` in dB and ``texture``, the
        gradient energy inside holes relative to the originals'; and for every critic its ``gap``, the mean score of
        images minus that of composites.
    """
    sums: dict[str, float] = {}
    count = 0
    with evaluating(models.average, models.generator.module, *(critic.module for critic in models.critics)):
        for batch in batches:
            with models.fabric.autocast():
                average = models.average(batch.image, batch.mask).float()
                completion = models.generator.module(batch.image, batch.mask).float()
            measured = {
                "l1_hole": masked_mean((average - batch.image).abs(), batch.judged),
                "psnr_hole": psnr(completion, batch.image, batch.judged).mean(),
                "energy": gradient_energy(completion, batch.judged).mean(),
                "original_energy": gradient_energy(batch.image, batch.judged).mean(),
            }
            for index, critic in enumerate(models.critics):
                heads = zip(critic.score(batch, batch.target(completion)), critic.score(batch, completion), strict=True)
                measured[f"critic_{index}/gap"] = score_gap(list(heads))
            for name, value in measured.items():
                sums[name] = sums.get(name, 0.0) + float(value) * len(batch.image)
            count += len(batch.image)
    means = {name: value / count for name, value in sums.items()}
    means["texture"] = means.pop("energy") / max(means.pop("original_energy"), 1e-9)
    return means


@dataclass
class Watchdog:
    """Knows how good the completion network was before adversarial training, and says when that is lost."""

    psnr: float | None = None
    """Of the hole before adversarial training, in dB; None when there was nothing before it."""
    texture: float | None = None
    """Likewise."""
    rollbacks: int = 0
    """How often training went back."""

    def check(self, metrics: Mapping[str, float], adversarial: bool) -> str | None:
        """Return what is wrong, or None and remember the reference.

        Parameters
        ----------
        metrics
            What `validate` returned.
        adversarial
            Whether critics are in play already.
        """
        bad = [name for name, value in metrics.items() if not math.isfinite(value)]
        if bad:
            return f"{bad[0]} is {metrics[bad[0]]}"
        if not adversarial:
            self.psnr, self.texture = metrics["psnr_hole"], metrics["texture"]
            return None
        if self.psnr is not None and metrics["psnr_hole"] < self.psnr - PSNR_DROP:
            return f"hole PSNR fell to {metrics['psnr_hole']:.2f} dB, from {self.psnr:.2f} dB before"
        if self.texture is not None and self.texture <= TEXTURE_LIMIT < metrics["texture"]:
            return f"texture energy rose to {metrics['texture']:.2f} of the originals', more than {TEXTURE_LIMIT}"
        return None
