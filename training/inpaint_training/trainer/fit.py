"""Train a completion network: read `fit` and `Trainer.train` from top to bottom."""

from __future__ import annotations

import math
import os
import re
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from inpaint_training.checkpoints.checkpoint import INDEX, Checkpoint, Progress, read_newest
from inpaint_training.checkpoints.start import find_start, read_model_weights
from inpaint_training.data.dataset import PhotoDataset
from inpaint_training.data.masks import MaskFiles
from inpaint_training.data.sampler import Crops, split
from inpaint_training.progress import UNWATCHED
from inpaint_training.recipes.library import to_plain
from inpaint_training.trainer.fabric import LaunchSettings
from inpaint_training.trainer.log import RunLog
from inpaint_training.trainer.probe import fit_steps_to_time
from inpaint_training.trainer.signals import Interruption
from inpaint_training.trainer.state import Models
from inpaint_training.trainer.trainer import Trainer
from inpaint_training.trainer.validate import Watchdog, validate
from napari_inpaint.errors import first_line
from napari_inpaint.inference.runtime.contract import COARSE, REFINE
from napari_inpaint.io.atomic import locked, tidy_all

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from inpaint_training.progress import Watch
    from inpaint_training.recipes.recipe import Recipe

FREE_TO_CHANGE = re.compile(
    r"name|description|licence|train\.(steps|extended|log_steps|checkpoint_seconds|keep|compile|watchdog)"
    r"|phases\.\d+\.(critic_)?update\.(lr|lr_end)"
)
"""What a resumed run may have otherwise than its checkpoint."""


def fit(
    recipe: Recipe,
    data: Path,
    run: Path,
    *,
    resume: bool = False,
    start_from: Path | None = None,
    max_minutes: float | None = None,
    fix_steps: bool = True,
    launch: LaunchSettings | None = None,
    watch: Watch = UNWATCHED,
) -> Progress:
    """Train a completion network.

    Parameters
    ----------
    recipe
        What to train, and how.
    data
        A packed data set.
    run
        The folder for checkpoints, logs and samples; new or empty unless `resume`.
    resume
        Go on from the run's newest checkpoint.
    start_from
        Start with the weights of this checkpoint, run, model file or bundled model, and with its critics when it has
        those of the recipe.
    max_minutes
        Time for this call; when it is over, training stops with a checkpoint.
    fix_steps
        The recipe's number of steps is no wish of the user's: a new run with `max_minutes` gets the number that fits
        into them by the speed measured first, a resumed one keeps its checkpoint's.
    launch
        Devices and precision; one device by default.
    watch
        Is told after every step. When its event is set, training stops as at the end of the time.

    Returns
    -------
    Progress
        At the end of the run.

    Raises
    ------
    ValueError
        When the data set, the run or the checkpoint cannot be used; the message says how to fix it.
    KeyboardInterrupt
        After SIGTERM or Ctrl-C, when the step is finished and a checkpoint written.
    CancelledError
        When the event of ``watch`` is set before training begins.
    """
    started = time.monotonic()
    refuse_call(run, resume, start_from, max_minutes)
    recipe = measure_holes(recipe)
    start = find_start(start_from) if start_from else None
    newest = read_newest(run) if resume else None
    if newest:
        refuse_changes(newest[0].recipe, recipe, run)
        recipe = lengthen(recipe, newest[0], fix_steps)
        refuse_moved_phases(newest[0], recipe)
    dataset = PhotoDataset(data, min_side=max(phase.crop for phase in recipe.active_phases))
    if dataset.too_small:
        sys.stderr.write(f"{dataset.too_small} of {dataset.too_small + len(dataset)} images of {data} are smaller than "
                         "the crops, and are not used\n")  # fmt: skip
    if not recipe.data.native and all(entry.native for entry in dataset.entries):
        sys.stderr.write(f"the images of {data} were packed at their own scale, and crops of them are zoomed: add "
                         "--data.native true to cut them at it\n")  # fmt: skip
    held_out, trained = split(dataset.files, recipe.train.held_out)

    launch = launch or LaunchSettings()
    launch.check()
    if isinstance(launch.devices, int):
        refuse_uneven_batches(recipe, launch.processes)
    if newest and newest[0].progress.photos not in (0, len(trained)):
        raise ValueError(f"{run} was trained on {newest[0].progress.photos} photos, {data} has {len(trained)} for "
                         f"training: resume with the same data set, or start a new run with --from {run}")  # fmt: skip
    if not newest and not start_from and recipe.active_phases[0].trains == REFINE:
        raise ValueError(f"recipe {recipe.name} begins with the second stage: start --from a checkpoint of the first, "
                         "or let that learn before, with a share for its phase")  # fmt: skip
    fabric = launch.launch(partly=any(phase.trains != "all" for phase in recipe.active_phases))
    refuse_uneven_batches(recipe, fabric.world_size)
    crops = Crops(dataset, trained, fabric.device)
    if max_minutes is not None and fix_steps and not newest:
        recipe = fit_steps_to_time(recipe, crops, fabric, max_minutes, started, len(held_out), watch)
    models = Models(recipe, fabric)
    progress, watchdog = restore(models, newest) if newest else (Progress(), Watchdog())
    if start:
        take_weights(models, recipe, start)
    progress = replace(progress, photos=len(trained), device=str(fabric.device))
    watch.stop_if_cancelled()
    fabric.barrier()  # every process has looked at the folder before one of them writes into it

    with (
        lock(run, fabric.is_global_zero),
        RunLog(run, recipe.train.steps, progress.step, fabric.is_global_zero, watch.bar) as log,
        Interruption(watch.cancel) as interruption,
    ):
        trainer = Trainer(recipe, run, crops, crops.of(held_out), models, log, watchdog, progress, watch)
        if start_from and recipe.active_phases[0].objective != "reconstruction":
            watchdog.check(validate(models, trainer.validation_batches()), adversarial=False)
        deadline = started + max_minutes * 60 if max_minutes is not None else math.inf
        progress = trainer.train(deadline, started, interruption)
    if interruption.signalled:
        raise KeyboardInterrupt
    return progress


def measure_holes(recipe: Recipe) -> Recipe:
    """Return the recipe with what its own masks of holes are like, so that the checkpoint and the model file say it."""
    return replace(recipe, phases=tuple(
        replace(phase, holes=phase.holes.measure(phase.crop)) if isinstance(phase.holes, MaskFiles) and phase.share
        else phase for phase in recipe.phases
    ))  # fmt: skip


LOGS = {"samples", "tensorboard", "log.jsonl"}
"""What a run that ended before its first checkpoint leaves behind; a new one may go on in that folder."""


def refuse_call(run: Path, resume: bool, start_from: Path | None, max_minutes: float | None) -> None:
    """Raise `ValueError` when options contradict each other, or a run cannot be written there."""
    if resume and start_from:
        raise ValueError("--resume goes on with the run's own weights: leave out --from")
    if max_minutes is not None and not 0 < max_minutes < math.inf:
        raise ValueError(f"--max-minutes must be a positive number, not {max_minutes}")
    if not resume and (run / INDEX).exists():
        raise ValueError(f"{run} holds checkpoints: name a new folder, or go on with --resume")
    if run.exists() and not run.is_dir():
        raise ValueError(f"{run} is a file: name a new folder for the run")
    if not resume and run.exists() and any(p.name not in LOGS and not p.name.startswith(".") for p in run.iterdir()):
        raise ValueError(f"{run} is not empty: name a new folder")
    parent = next(path for path in (run.absolute(), *run.absolute().parents) if path.exists())
    if (run.is_symlink() and not run.exists()) or not parent.is_dir() or not os.access(parent, os.W_OK):
        raise ValueError(f"{run} cannot be made: {parent} is no folder that you may write to")


def restore(models: Models, newest: tuple[Checkpoint, dict[str, Any]]) -> tuple[Progress, Watchdog]:
    """Put a run back to where its checkpoint was written."""
    checkpoint, state = newest
    try:
        models.load_state(state["models"])
        return checkpoint.progress, Watchdog(**state["watchdog"])
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        raise ValueError(f"{checkpoint.folder} is damaged ({first_line(error)}): remove it to go on from the one "
                         "before it") from error  # fmt: skip


@contextmanager
def lock(run: Path, wanted: bool) -> Iterator[None]:
    """Keep other runs out of the folder.

    Raises
    ------
    ValueError
        When another one is at work there.
    """
    if not wanted:
        yield
        return
    run.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(run / "run"))
        except BlockingIOError:
            raise ValueError(f"another run is at work in {run}: wait for it, or name another folder") from None
        tidy_all(run)
        yield


def take_weights(models: Models, recipe: Recipe, start: Checkpoint | Path) -> None:
    """Start from the weights of a checkpoint or a model file; those of stage one suffice for `TwoStageConfig`.

    Raises
    ------
    ValueError
        When it holds another network.
    """
    coarse = getattr(recipe.network, "coarse", None)
    critics = None
    if isinstance(start, Checkpoint):
        name, weights, held = start.folder, start.network.state_dict(), start.recipe.network
        critics = start.critics if start.recipe.critics == recipe.critics else None
        if held not in (recipe.network, coarse):
            raise ValueError(f"{name} holds another network ({held}) than the recipe asks for ({recipe.network})")
    else:
        name, held = start, recipe.network
        try:
            weights = read_model_weights(start, recipe.network)
        except ValueError:
            if coarse is None:
                raise
            weights, held = read_model_weights(start, coarse), coarse
    if held != recipe.network:
        own = models.generator.module.state_dict()
        weights = own | {f"{COARSE}.{key}": weight for key, weight in weights.items()}
    if recipe.critics and not critics and models.fabric.is_global_zero:
        sys.stderr.write(f"{name} has no critics like the recipe's: they start anew\n")
    try:
        models.load_weights(weights, critics)
    except RuntimeError as error:
        raise ValueError(f"{name} is damaged: {first_line(error)}") from error


def refuse_changes(old: Recipe, new: Recipe, run: Path) -> None:
    """Raise `ValueError` when a run cannot go on with another recipe."""
    was, now = (dict(_flatten(to_plain(recipe))) for recipe in (old, new))
    changed = [key for key in was | now if was.get(key) != now.get(key) and not FREE_TO_CHANGE.fullmatch(key)]
    if changed:
        raise ValueError(
            f"{run} was made with recipe {old.name!r}, where {changed[0]} is {was.get(changed[0], 'absent')}, not "
            f"{now.get(changed[0], 'absent')}: resume with the same recipe, or start a new run with --from {run}"
        )


def lengthen(recipe: Recipe, checkpoint: Checkpoint, keep: bool) -> Recipe:
    """Return the recipe of a run that goes on: with its steps, or with more of them.

    Where more steps would move the end of phases that are over, they are all given to the last one.
    """
    old, steps = checkpoint.recipe.train, recipe.train.steps
    if keep or steps == old.steps:
        return replace(recipe, train=replace(recipe.train, steps=old.steps, extended=old.extended))
    last = checkpoint.progress.step - 1
    plain = replace(recipe, train=replace(recipe.train, extended=max(0, old.extended + min(0, steps - old.steps))))
    in_last_phase = last >= 0 and checkpoint.recipe.phase_of(last)[2] == old.steps
    moved = in_last_phase and last < steps and plain.phase_of(last)[2] != steps
    if steps > old.steps and in_last_phase and (moved or old.extended):
        return replace(recipe, train=replace(recipe.train, extended=old.extended + steps - old.steps))
    return plain


def refuse_moved_phases(checkpoint: Checkpoint, recipe: Recipe) -> None:
    """Raise `ValueError` when another number of steps puts the checkpoint into another phase."""
    last = checkpoint.progress.step - 1
    if last < 0 or recipe.train.steps == checkpoint.recipe.train.steps:
        return
    was = checkpoint.recipe.phases.index(checkpoint.recipe.phase_of(last)[0])
    now = recipe.phases.index(recipe.phase_of(last)[0]) if last < recipe.train.steps else len(recipe.phases)
    if was != now:
        raise ValueError(
            f"with --train.steps {recipe.train.steps}, step {last + 1} of {checkpoint.folder} would not be in phase "
            f"{was}, where it was trained: keep {checkpoint.recipe.train.steps} steps, or start a new run with --from"
        )


def _flatten(value: Any, key: str = "") -> Any:
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for name, inner in items:
            yield from _flatten(inner, f"{key}.{name}" if key else str(name))
    else:
        yield key, value


def refuse_uneven_batches(recipe: Recipe, processes: int) -> None:
    """Raise `ValueError` when a batch cannot be divided among the processes."""
    for index, phase in enumerate(recipe.phases):
        if phase.share and phase.batch % (processes * phase.accumulate):
            if phase.accumulate > 1:
                raise ValueError(f"a batch of {phase.batch} cannot be divided among {processes} devices in "
                                 f"{phase.accumulate} parts each: set --phases.{index}.batch to a multiple of "
                                 f"{processes * phase.accumulate}")  # fmt: skip
            raise ValueError(f"a batch of {phase.batch} cannot be divided among {processes} devices: set "
                             f"--phases.{index}.batch to a multiple")  # fmt: skip
        parts = processes * phase.accumulate
        if phase.share and parts > 1 and phase.batch // parts % 2 and getattr(recipe.network, "halved", False):
            raise ValueError(f"with network.halved every second crop of a device is seen at half the resolution, but a "
                             f"batch of {phase.batch} gives each of {parts} an odd number: set "
                             f"--phases.{index}.batch to a multiple of {2 * parts}")  # fmt: skip
