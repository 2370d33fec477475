"""Between two checkpoints: accuracy against perceived quality."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from inpaint_training.checkpoints.checkpoint import read_checkpoint, write_checkpoint

if TYPE_CHECKING:
    from pathlib import Path


def blend(a: Path, b: Path, share: float, out: Path | None = None) -> Path:
    """Interpolate the averaged weights of two checkpoints of one network: (1 - share) a + share b.

    Between a reconstruction checkpoint and the adversarial one that grew from it lies the trade of accuracy for
    perceived quality (Wang et al. 2018, ESRGAN, section 3.4).

    Parameters
    ----------
    a, b
        Checkpoints.
    share
        Of ``b``, in [0, 1].
    out
        A folder to write; beside ``b`` and named after the share when it is None.

    Returns
    -------
    Path
        The new checkpoint: ``b``'s recipe and critics, without state to resume from.

    Raises
    ------
    ValueError
        When the share is out of range, the networks differ, or the folder exists.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"--share must be in [0, 1], not {share}")
    first, second = read_checkpoint(a), read_checkpoint(b)
    if first.recipe.network != second.recipe.network:
        raise ValueError(f"{a} and {b} hold different networks: {first.recipe.network}, {second.recipe.network}")
    out = out or second.folder.with_name(f"{second.folder.name.replace('step-', 'blend-')}-{share:g}")
    if out.exists() or out.is_symlink():
        raise ValueError(f"{out} exists already: name another folder with --out")
    other = second.network.state_dict()
    mixed = {name: torch.lerp(x, other[name], share) if x.is_floating_point() else other[name]
             for name, x in first.network.state_dict().items()}  # fmt: skip
    parents = f"{1 - share:g} of {first.folder} and {share:g} of {second.folder}"
    return write_checkpoint(out, second.recipe, second.progress.unmeasured(parents), mixed, second.critics)
