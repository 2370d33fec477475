"""One network of two stages from two checkpoints."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from inpaint_training.checkpoints.checkpoint import read_checkpoint, write_checkpoint
from inpaint_training.networks.two_stage import TwoStageConfig

if TYPE_CHECKING:
    from pathlib import Path


def join(first: Path, second: Path, out: Path) -> Path:
    """Write a checkpoint with one checkpoint's network as stage one, and another's stage two.

    Stage two sees nothing of stage one but its completions: what has learnt to refine those of a small network refines
    those of a large one too, and learns much faster there. ``fit --from`` can go on from it.

    Parameters
    ----------
    first
        Of a completion network, or of one of two stages, whose first one counts; a run stands for its best checkpoint.
    second
        Of a network of two stages.
    out
        A folder to write.

    Returns
    -------
    Path
        The new checkpoint: the second's recipe, without critics and without state to resume from.

    Raises
    ------
    ValueError
        When the networks are of other kinds or do not fit together, or the folder exists.
    """
    one, two = read_checkpoint(first), read_checkpoint(second)
    old = two.recipe.network
    if not isinstance(old, TwoStageConfig):
        raise ValueError(f"{second} holds no network of two stages ({old})")
    coarse, weights = one.recipe.network, one.network.state_dict()
    if isinstance(coarse, TwoStageConfig):
        coarse, weights = coarse.coarse, one.network.coarse.state_dict()  # type: ignore[union-attr]
    width = coarse.width
    config = replace(old, width=width, refine_width=old.width * old.refine_width / width)
    if coarse != config.coarse:
        raise ValueError(f"{first} holds {coarse}, which cannot be stage one of {config}")
    if out.exists() or out.is_symlink():
        raise ValueError(f"{out} exists already: name another folder")
    network = config.build()
    network.coarse.load_state_dict(weights)
    try:
        network.refine.load_state_dict(two.network.refine.state_dict())  # type: ignore[union-attr]
    except RuntimeError as error:
        raise ValueError(f"the second stage of {second} cannot be described behind {first}: its width, "
                         f"{old.width * old.refine_width:g}, is no simple share of {width:g}") from error  # fmt: skip
    licences = dict.fromkeys((one.recipe.licence, two.recipe.licence))
    parents = f"stage one of {one.folder}, stage two of {two.folder}"
    recipe = replace(two.recipe, name=f"{one.recipe.name}-refined", description=f"Joined: {parents}.", network=config,
                     licence="; ".join(licences))  # fmt: skip
    progress = replace(two.progress, images=one.progress.images + two.progress.images)
    return write_checkpoint(out, recipe, progress.unmeasured(parents), network.state_dict())
