"""Checkpoints: folders that rebuild their network by themselves.

A checkpoint holds ``recipe.yaml`` (everything that was configured), ``progress.json`` (what was done and measured),
``generator.safetensors`` (the averaged weights: those to evaluate and to ship), ``critics.safetensors`` (when there are
critics) and ``training.pt`` (what a resumed run needs). The weights alone are enough to fine-tune.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
import shutil
import sys
from dataclasses import asdict, fields, replace
from typing import TYPE_CHECKING, Annotated, Any

import torch
from pydantic import Field, NonNegativeInt, TypeAdapter
from pydantic.dataclasses import dataclass
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from inpaint_training.recipes.library import load_recipe, write_recipe
from napari_inpaint.errors import first_line
from napari_inpaint.io.atomic import stage, write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor

    from inpaint_training.networks.generator import Generator
    from inpaint_training.recipes.recipe import Recipe

RECIPE = "recipe.yaml"
PROGRESS = "progress.json"
GENERATOR = "generator.safetensors"
CRITICS = "critics.safetensors"
TRAINING = "training.pt"
INDEX = "checkpoints.json"
FOLDER_NAME = re.compile(r"step-\d{7,}")
FORMAT = 2
"""Of checkpoints; written into `PROGRESS`."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What a run has done so far."""

    step: NonNegativeInt = 0
    """Optimiser steps."""
    images: NonNegativeInt = 0
    """Crops seen."""
    minutes: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
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
    blend: str = ""
    """What the weights were interpolated from; nothing is measured then."""

    def unmeasured(self, parents: str) -> Progress:
        """Return the same for weights that were made of others, of which nothing is measured."""
        return replace(self, blend=parents, l1_hole=math.inf, psnr_hole=math.nan, texture=math.nan)


class FormatError(ValueError):
    """A checkpoint of another version of this program: not damaged, and not to be overwritten."""


@dataclasses.dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint, read."""

    folder: Path
    recipe: Recipe
    progress: Progress
    network: Generator
    """With the averaged weights, in evaluation mode, on the CPU."""
    critics: dict[str, Tensor] | None
    """Their weights; None when the checkpoint has none."""


def resolve_checkpoint(path: Path, which: str = "best") -> Path:
    """Return the checkpoint folder that ``path`` means: itself, or one of a run.

    Parameters
    ----------
    which
        ``newest``, ``best`` (lowest held-out L1; in adversarial training, where L1 does not tell, the newest) or
        ``reconstruction`` (the last one before adversarial training).

    Raises
    ------
    ValueError
        When there is none.
    """
    if (path / RECIPE).is_file() and (path / GENERATOR).is_file():
        return path
    try:
        name: str = json.loads((path / INDEX).read_text(encoding="utf-8"))[which]
        if not FOLDER_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name of a checkpoint")
        folder = path / name
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
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
        values = json.loads((folder / PROGRESS).read_text(encoding="utf-8"))
        found = values.pop("format", 1)
    except (OSError, ValueError, AttributeError, TypeError, RecursionError) as error:
        raise ValueError(f"{folder / PROGRESS} is damaged: {first_line(error)}") from error
    if found != FORMAT:
        raise FormatError(f"{folder} has checkpoint format {found}, this version reads format {FORMAT}")
    recipe = load_recipe(folder / RECIPE)
    network: Generator = recipe.network.build()
    try:
        progress = TypeAdapter(Progress).validate_python(values)
        # In half precision when it was made to be kept.
        network.load_state_dict({name: _widen(x) for name, x in load_file(folder / GENERATOR).items()})
        critics = None
        if (folder / CRITICS).is_file():
            critics = {name: _widen(x) for name, x in load_file(folder / CRITICS).items()}
    except Exception as error:  # safetensors raises its own kinds, torch RuntimeError
        raise ValueError(f"{folder} is damaged: {first_line(error)}") from error
    if not all(x.isfinite().all() for part in (network.state_dict(), critics or {}) for x in part.values()):
        raise ValueError(f"{folder} has weights that are no numbers: training went wrong, take an earlier one")
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
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with stage(folder) as staged:
            partial = staged.partial
            partial.mkdir()
            write_recipe(recipe, partial / RECIPE)
            write_weights(generator, partial / GENERATOR)
            if critics:
                write_weights(critics, partial / CRITICS)
            if training:
                torch.save(dict(training), partial / TRAINING)
            measured = {name: value for name, value in asdict(progress).items() if value == value and value != math.inf}
            (partial / PROGRESS).write_text(json.dumps({"format": FORMAT, **measured}, indent=1), encoding="utf-8")
            staged.sync()
            staged.appear()  # a run that went back comes to the same step again
    except (OSError, RuntimeError, SafetensorError) as error:  # the latter two when the disk is full
        full = "" if isinstance(error, BlockingIOError) else ": is the disk full?"
        raise OSError(f"checkpoint {folder} cannot be written ({first_line(error)}){full}") from error
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
    reconstructs = progress.objective == "reconstruction"
    better = best and best.objective == progress.objective and reconstructs and best.l1_hole < progress.l1_hole
    index |= {"newest": folder.name} | ({} if better else {"best": folder.name})
    if before_critics:
        index["reconstruction"] = folder.name
    write_atomically(run / INDEX, json.dumps(index).encode())
    older = [path for path in _checkpoints(run) if _step(path) <= progress.step]
    for path in older[keep:]:
        if path.name not in index.values():
            shutil.rmtree(path, ignore_errors=True)


def _step(folder: Path) -> int:
    return int(folder.name.removeprefix("step-"))


def _checkpoints(run: Path) -> list[Path]:
    """Return a run's checkpoints, the newest first; not what else somebody keeps there."""
    named = (path for path in run.glob("step-*") if FOLDER_NAME.fullmatch(path.name) and not path.is_symlink())
    return sorted((path for path in named if (path / PROGRESS).is_file()), key=_step, reverse=True)


def _read_index(run: Path) -> dict[str, str]:
    try:
        return dict(json.loads((run / INDEX).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


def _read_progress(folder: Path) -> Progress | None:
    known = {field.name for field in fields(Progress)}
    try:
        values = json.loads((folder / PROGRESS).read_text(encoding="utf-8"))
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
    folders = _checkpoints(run)
    if not folders:
        raise ValueError(f"{run} holds no checkpoint to go on from: start without --resume")
    for folder in folders:
        try:
            return read_checkpoint(folder), read_training_state(folder)
        except FormatError:
            raise
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
    except Exception as error:  # torch raises many kinds, with advice that nobody should follow
        raise ValueError(f"{folder / TRAINING} cannot be read: it is missing or damaged") from error
    if not isinstance(state, dict):
        raise ValueError(f"{folder / TRAINING} is damaged")
    return state
