"""Checkpoints: folders that rebuild their network by themselves.

A checkpoint holds ``recipe.yaml`` (everything that was configured), ``progress.json`` (what was done and measured),
``generator.safetensors`` (the averaged weights: those to evaluate and to ship) and ``training.pt`` (what a resumed run
needs: the weights in training, the optimiser and the step).
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file

from inpaint_training.networks import CompletionNetwork
from inpaint_training.recipes import load_recipe, write_recipe

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from inpaint_training.config import Recipe

RECIPE = "recipe.yaml"
PROGRESS = "progress.json"
GENERATOR = "generator.safetensors"
TRAINING = "training.pt"
INDEX = "checkpoints.json"


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
    l1_hole: float = float("inf")
    """L1 over the holes of the held-out photos."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint, read."""

    folder: Path
    recipe: Recipe
    progress: Progress
    network: CompletionNetwork
    """With the averaged weights, in evaluation mode, on the CPU."""


def resolve_checkpoint(path: Path, which: str = "best") -> Path:
    """Return the checkpoint folder that ``path`` means: itself, or the best or newest one of a run.

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
        When there is no checkpoint, or its files do not fit together.
    """
    folder = resolve_checkpoint(path)
    recipe = load_recipe(folder / RECIPE)
    network = CompletionNetwork(**asdict(recipe.network))
    try:
        network.load_state_dict(load_file(folder / GENERATOR))
        progress = Progress(**json.loads((folder / PROGRESS).read_text()))
    except Exception as error:  # safetensors raises its own kinds, torch RuntimeError, json ValueError
        raise ValueError(f"{folder} is damaged: {str(error).splitlines()[0]}") from error
    return Checkpoint(folder, recipe, progress, network.eval())


def write_checkpoint(run: Path, recipe: Recipe, progress: Progress, generator: Mapping[str, torch.Tensor],
                     training: Mapping[str, Any]) -> Path:  # fmt: skip
    """Write a checkpoint into a run, name the newest and the best one, and delete those that are neither.

    The checkpoint appears whole or not at all.

    Raises
    ------
    OSError
        When it cannot be written, for example because the disk is full; nothing is left behind.
    """
    folder = run / f"step-{progress.step:07}"
    partial = run / f".{folder.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        write_recipe(recipe, partial / RECIPE)
        save_file({name: x.detach().cpu().contiguous() for name, x in generator.items()}, partial / GENERATOR)
        torch.save(dict(training), partial / TRAINING)
        (partial / PROGRESS).write_text(json.dumps(asdict(progress), indent=1))
    except Exception as error:  # safetensors and torch raise their own kinds when the disk is full
        shutil.rmtree(partial, ignore_errors=True)
        raise OSError(f"checkpoint {folder} cannot be written: {str(error).splitlines()[0]}") from error
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)

    index = {"newest": folder.name, "best": folder.name}
    if (run / INDEX).is_file():
        best = json.loads((run / INDEX).read_text())["best"]
        if (run / best / PROGRESS).is_file():
            best_l1 = json.loads((run / best / PROGRESS).read_text())["l1_hole"]
            index["best"] = best if best_l1 < progress.l1_hole else folder.name
    (run / (INDEX + ".new")).write_text(json.dumps(index))
    (run / (INDEX + ".new")).replace(run / INDEX)
    for old in run.glob("step-*"):
        if old.name not in index.values():
            shutil.rmtree(old)
    return folder


def read_training_state(folder: Path) -> dict[str, Any]:
    """Return what a resumed run needs: ``network``, ``average``, ``optimizer``."""
    try:
        state = torch.load(folder / TRAINING, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds
        raise ValueError(f"{folder / TRAINING} cannot be read: {str(error).splitlines()[0]}") from error
    return dict(state)
