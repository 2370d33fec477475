"""Checkpoints: folders that rebuild their network by themselves.

A checkpoint holds ``recipe.yaml`` (everything that was configured), ``progress.json`` (what was done and measured),
``generator.safetensors`` (the averaged weights: those to evaluate and to ship), ``critics.safetensors`` (when there are
critics) and ``training.pt`` (what a resumed run needs). The weights alone are enough to fine-tune.
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file

from inpaint_training.recipes import load_recipe, write_recipe

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

    from inpaint_training.config import BuiltNetwork, Recipe

RECIPE = "recipe.yaml"
PROGRESS = "progress.json"
GENERATOR = "generator.safetensors"
CRITICS = "critics.safetensors"
TRAINING = "training.pt"
INDEX = "checkpoints.json"
FORMAT = 2
"""Of checkpoints; written into `PROGRESS`."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What a run has done so far."""

    step: int = 0
    """Optimiser steps."""
    images: int = 0
    """Crops seen."""
    minutes: float = 0.0
    """Time spent training, over all resumed runs."""
    photos: int = 0
    """Photos trained on."""
    device: str = ""
    """What it ran on last."""
    objective: str = ""
    """Of the phase."""
    l1_hole: float = float("inf")
    """L1 over the holes of the held-out photos, of the averaged weights."""
    psnr_hole: float = float("nan")
    """PSNR over them in dB, of the weights in training."""
    texture: float = float("nan")
    """Gradient energy inside them relative to the originals', of the weights in training."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint, read."""

    folder: Path
    recipe: Recipe
    progress: Progress
    network: BuiltNetwork
    """With the averaged weights, in evaluation mode, on the CPU."""
    critics: dict[str, Tensor] | None
    """Their weights; None when the checkpoint has none."""


def resolve_checkpoint(path: Path, which: str = "best") -> Path:
    """Return the checkpoint folder that ``path`` means: itself, or one of a run.

    Parameters
    ----------
    which
        ``newest``, ``best`` (lowest held-out L1 with the newest's objective) or ``reconstruction`` (the last one before
        adversarial training).

    Raises
    ------
    ValueError
        When there is none.
    """
    if (path / RECIPE).is_file() and (path / GENERATOR).is_file():
        return path
    try:
        folder = path / json.loads((path / INDEX).read_text())[which]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is neither a checkpoint nor a run with checkpoints ({error})") from error
    if not (folder / RECIPE).is_file() or not (folder / GENERATOR).is_file():
        raise ValueError(f"{folder}, which {path / INDEX} names, is no checkpoint")
    return folder


def read_checkpoint(path: Path) -> Checkpoint:
    """Rebuild a checkpoint's network.

    Parameters
    ----------
    path
        A checkpoint, or a run, which stands for its best checkpoint.

    Raises
    ------
    ValueError
        When there is no checkpoint, it is of another format, or its files do not fit together.
    """
    folder = resolve_checkpoint(path)
    try:
        values = json.loads((folder / PROGRESS).read_text())
        found = values.pop("format", 1)
    except (OSError, ValueError, AttributeError) as error:
        raise ValueError(f"{folder / PROGRESS} is damaged: {error}") from error
    if found != FORMAT:
        raise ValueError(f"{folder} has checkpoint format {found}, this version reads format {FORMAT}")
    recipe = load_recipe(folder / RECIPE)
    network: BuiltNetwork = recipe.network.build()
    try:
        progress = Progress(**values)
        # In half precision when it was made to be kept.
        network.load_state_dict({name: _widen(x) for name, x in load_file(folder / GENERATOR).items()})
        critics = None
        if (folder / CRITICS).is_file():
            critics = {name: _widen(x) for name, x in load_file(folder / CRITICS).items()}
    except Exception as error:  # safetensors raises its own kinds, torch RuntimeError
        raise ValueError(f"{folder} is damaged: {str(error).splitlines()[0]}") from error
    return Checkpoint(folder, recipe, progress, network.eval(), critics)


def _widen(x: Tensor) -> Tensor:
    return x.float() if x.is_floating_point() else x


def write_weights(weights: Mapping[str, Tensor], path: Path) -> None:
    """Write weights as safetensors."""
    save_file({name: x.detach().cpu().contiguous() for name, x in weights.items()}, path)


def write_checkpoint(
    folder: Path, recipe: Recipe, progress: Progress, generator: Mapping[str, Tensor],
    critics: Mapping[str, Tensor] | None = None, training: Mapping[str, Any] | None = None,
) -> Path:  # fmt: skip
    """Write a checkpoint, whole or not at all; one that is there already is replaced.

    Raises
    ------
    OSError
        When it cannot be written, for example because the disk is full; nothing is left behind.
    """
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        write_recipe(recipe, partial / RECIPE)
        write_weights(generator, partial / GENERATOR)
        if critics:
            write_weights(critics, partial / CRITICS)
        if training:
            torch.save(dict(training), partial / TRAINING)
        (partial / PROGRESS).write_text(json.dumps({"format": FORMAT, **asdict(progress)}, indent=1))
    except Exception as error:  # safetensors and torch raise their own kinds when the disk is full
        shutil.rmtree(partial, ignore_errors=True)
        raise OSError(f"checkpoint {folder} cannot be written: {str(error).splitlines()[0]}") from error
    if folder.exists():
        old = folder.with_name(f".{folder.name}.old")
        folder.rename(old)
        partial.rename(folder)
        shutil.rmtree(old)
    else:
        partial.rename(folder)
    return folder


def keep_checkpoint(run: Path, folder: Path, progress: Progress, before_critics: bool, keep: int) -> None:
    """Name a new checkpoint in the run's index, and delete those that are neither named nor among the newest.

    Parameters
    ----------
    before_critics
        Whether it is the last one before adversarial training.
    keep
        How many of the newest are kept.
    """
    index = _read_index(run)
    best = _read_progress(run / index.get("best", ""))
    better = best and best.objective == progress.objective and best.l1_hole < progress.l1_hole
    index |= {"newest": folder.name} | ({} if better else {"best": folder.name})
    if before_critics:
        index["reconstruction"] = folder.name
    partial = run / (INDEX + ".new")
    partial.write_text(json.dumps(index))
    partial.replace(run / INDEX)
    steps = sorted(path.name for path in run.glob("step-*"))
    newest = [name for name in steps if name <= folder.name][-keep:]
    for name in set(steps) - set(newest) - set(index.values()):
        shutil.rmtree(run / name)


def _read_index(run: Path) -> dict[str, str]:
    try:
        return dict(json.loads((run / INDEX).read_text()))
    except (OSError, ValueError, TypeError):
        return {}


def _read_progress(folder: Path) -> Progress | None:
    known = {field.name for field in fields(Progress)}
    try:
        values = json.loads((folder / PROGRESS).read_text())
        return Progress(**{name: value for name, value in values.items() if name in known})
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def read_newest(run: Path) -> tuple[Checkpoint, dict[str, Any]]:
    """Return a run's newest checkpoint that is whole, and what is needed to go on from it.

    Checkpoints that cannot be read are named on stderr.

    Raises
    ------
    ValueError
        When there is none.
    """
    newest = resolve_checkpoint(run, "newest")
    older = sorted((path for path in newest.parent.glob("step-*") if path.name < newest.name), reverse=True)
    for folder in (newest, *older):
        try:
            return read_checkpoint(folder), read_training_state(folder)
        except ValueError as error:
            sys.stderr.write(f"{error}; trying the checkpoint before it\n")
    raise ValueError(f"{run} has no checkpoint that can be read: start anew, or with --from and other weights")


def read_training_state(folder: Path) -> dict[str, Any]:
    """Return what a resumed run needs.

    Raises
    ------
    ValueError
        When the file is missing or damaged.
    """
    try:
        state = torch.load(folder / TRAINING, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds
        raise ValueError(f"{folder / TRAINING} cannot be read: {str(error).splitlines()[0]}") from error
    return dict(state)
