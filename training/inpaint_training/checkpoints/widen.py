"""From a narrow network that is trained already to a wide one that completes alike."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from pydantic import ValidationError
from torch import nn

from inpaint_training.checkpoints.checkpoint import read_checkpoint, write_checkpoint
from inpaint_training.networks.completion import CompletionNetwork
from inpaint_training.settings import to_sentence

if TYPE_CHECKING:
    from pathlib import Path


def widen(checkpoint: Path, width: float, out: Path) -> Path:
    """Write a checkpoint of a wider network with the same completions, to go on from with ``fit --from``.

    A wide network without normalisation spends its first thousands of steps on finding any signal at all. After Chen,
    Goodfellow and Shlens 2016 (Net2Net) it starts where the narrow one ended instead: the old channels keep their
    weights, and those that would tell them of new channels are zero; the new channels are drawn at random.

    Parameters
    ----------
    checkpoint
        Of a completion network without normalisation; a run stands for its best checkpoint.
    width
        Of the new network, at least the old one's.
    out
        A folder to write.

    Returns
    -------
    Path
        The new checkpoint, without critics and without state to resume from.

    Raises
    ------
    ValueError
        When the network is of another kind or not wider, or the folder exists.
    """
    old = read_checkpoint(checkpoint)
    if not isinstance(old.network, CompletionNetwork) or old.network.config.norm != "none":
        raise ValueError(f"{checkpoint} holds no completion network without normalisation: it cannot be widened")
    if not old.network.config.width <= width:
        raise ValueError(f"--width must be at least that of {checkpoint}, {old.network.config.width:g}, not {width:g}")
    if out.exists() or out.is_symlink():
        raise ValueError(f"{out} exists already: name another folder")
    try:
        config = replace(old.network.config, width=width)
    except ValidationError as error:
        raise ValueError(f"--{to_sentence(error)}") from error
    torch.manual_seed(old.recipe.train.seed)
    wide = config.build()
    with torch.no_grad():
        for narrow_layer, wide_layer in zip(old.network.layers, wide.layers, strict=True):
            embed(narrow_layer.conv, wide_layer.conv)  # type: ignore[arg-type]
    parent = f"{old.folder}, widened from {old.network.config.width:g} to {width:g}"
    recipe = replace(old.recipe, network=config)
    return write_checkpoint(out, recipe, old.progress.unmeasured(parent), wide.state_dict())


def embed(narrow: nn.Conv2d | nn.ConvTranspose2d, wide: nn.Conv2d | nn.ConvTranspose2d) -> None:
    """Put a convolution's weights into the first channels of a wider one, which get nothing from the other ones."""
    inputs, outputs = (0, 1) if isinstance(wide, nn.ConvTranspose2d) else (1, 0)
    old_outputs = wide.weight.narrow(outputs, 0, narrow.out_channels)
    old_outputs.zero_()
    old_outputs.narrow(inputs, 0, narrow.in_channels).copy_(narrow.weight)
    if wide.bias is not None and narrow.bias is not None:
        wide.bias[: narrow.out_channels] = narrow.bias
