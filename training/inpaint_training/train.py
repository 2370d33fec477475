"""Train a completion network: read `fit` and `Run.train` from top to bottom."""

from __future__ import annotations

import bisect
import copy
import math
import sys
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision as FabricMixedPrecision

from inpaint_training.batches import Batch, Crops, held_out_batches, iterate_batches, split
from inpaint_training.checkpoint import (
    INDEX,
    Progress,
    keep_checkpoint,
    read_checkpoint,
    read_newest,
    write_checkpoint,
)
from inpaint_training.dataset import PhotoDataset
from inpaint_training.health import MOST_ROLLBACKS, Watchdog, examine
from inpaint_training.interruption import Interruption
from inpaint_training.models import Models
from inpaint_training.recipes import to_plain
from inpaint_training.runlog import RunLog
from inpaint_training.steps import train_step

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from inpaint_training.config import Phase, Recipe

PROBE_STEPS = 6
"""Steps whose duration is taken for a phase's speed, after a first one."""
TIME_FOR_STEPS = 0.95
"""Share of the time for steps; the rest is for checkpoints and checks."""
MOST_STEPS = 100_000_000
AGREE_STEPS = 10
"""Several processes agree about stopping every so many steps: asking costs them a wait."""
FREE_TO_CHANGE = ("name", "description", "licence", "train.steps", "train.log_steps", "train.checkpoint_seconds",
                  "train.keep", "train.compile")  # fmt: skip
"""What a resumed run may have otherwise than its checkpoint."""


class MixedPrecision(FabricMixedPrecision):
    """Fabric's, but images stay float32 on their way into the networks.

    Half-precision images would lose known pixels, the smooth start and the penalty's accuracy; autocast converts what
    convolutions take by itself.
    """

    def __init__(self, precision: Any) -> None:
        super().__init__(precision, "cuda" if torch.cuda.is_available() else "cpu")

    def convert_input(self, data: Any) -> Any:
        """Return the data as they are."""
        return data


@dataclass(frozen=True, slots=True)
class Machine:
    """What a run uses."""

    devices: int | str = 1
    """Processes on every node, one a device; ``auto`` takes all GPUs."""
    nodes: int = 1
    """Computers."""
    precision: str | None = None
    """See Lightning Fabric; bf16-mixed where the hardware computes it, else 32-true, when it is None."""

    def launch(self) -> Fabric:
        """Start the processes."""
        precision: Any = self.precision or fast_precision()
        try:
            chosen = (
                {"plugins": [MixedPrecision(precision)]} if precision.endswith("-mixed") else {"precision": precision}
            )
            fabric = Fabric(devices=self.devices, num_nodes=self.nodes, **chosen)
        except (ValueError, TypeError, RuntimeError) as error:
            raise ValueError(f"devices {self.devices}, nodes {self.nodes}, precision {precision}: {error}") from error
        fabric.launch()
        return fabric


def fit(
    recipe: Recipe,
    data: Path,
    run: Path,
    *,
    resume: bool = False,
    start_from: Path | None = None,
    max_minutes: float | None = None,
    fix_steps: bool = True,
    machine: Machine | None = None,
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
        Start with this checkpoint's weights, and its critics when it has those of the recipe.
    max_minutes
        Time for this call; when it is over, training stops with a checkpoint.
    fix_steps
        The recipe's number of steps is no wish of the user's: a new run with `max_minutes` gets the number that fits
        into them by the speed measured first, a resumed one keeps its checkpoint's.
    machine
        Devices and precision; one device by default.

    Returns
    -------
    Progress
        At the end of the run.

    Raises
    ------
    ValueError
        When the data set, the run or the checkpoint cannot be used; the message says how to mend it.
    KeyboardInterrupt
        After SIGTERM or Ctrl-C, when the step is finished and a checkpoint written.
    """
    started = time.monotonic()
    if resume and start_from:
        raise ValueError("--resume goes on with the run's own weights: leave out --from")
    if max_minutes is not None and not 0 < max_minutes < math.inf:
        raise ValueError(f"--max-minutes must be a positive number, not {max_minutes}")
    if not resume and (run / INDEX).exists():
        raise ValueError(f"{run} holds checkpoints: name a new folder, or go on with --resume")
    if not resume and run.exists() and (not run.is_dir() or any(p.name not in LOGS for p in run.iterdir())):
        raise ValueError(f"{run} is not empty: name a new folder")
    newest = read_newest(run) if resume else None
    if newest:
        refuse_changes(newest[0].recipe, recipe, run)
        if fix_steps:
            recipe = replace(recipe, train=replace(recipe.train, steps=newest[0].recipe.train.steps))
    dataset = PhotoDataset(data, min_side=max(phase.crop for phase in recipe.phases))
    held_out, trained = split(dataset, recipe.train.held_out)

    fabric = (machine or Machine()).launch()
    refuse_uneven_batches(recipe, fabric.world_size)
    crops = Crops(dataset, trained, fabric.device)
    if max_minutes is not None and fix_steps and not newest:
        recipe = fit_steps_to_time(recipe, crops, fabric, max_minutes, started)
    models = Models(recipe, fabric)
    progress, watchdog = Progress(), Watchdog()
    if newest:
        checkpoint, state = newest
        models.load_state(state["models"])
        progress, watchdog = checkpoint.progress, Watchdog(**state["watchdog"])
    elif start_from:
        take_weights(models, recipe, start_from)
    progress = replace(progress, photos=len(trained), device=str(fabric.device))
    fabric.barrier()  # every process has looked at the folder before one of them writes into it

    with RunLog(run, recipe.train.steps, progress.step, fabric.is_global_zero) as log, Interruption() as interruption:
        trainer = Run(recipe, run, crops, replace_photos(crops, held_out), models, log, watchdog, progress)
        deadline = started + max_minutes * 60 if max_minutes is not None else math.inf
        progress = trainer.train(deadline, started, interruption)
    if interruption.wished:
        raise KeyboardInterrupt
    return progress


LOGS = {"samples", "tensorboard", "log.jsonl"}
"""What a run that ended before its first checkpoint leaves behind; a new one may go on in that folder."""


def replace_photos(crops: Crops, photos: Sequence[int]) -> Crops:
    """Return the same crops of other photos; the data set is shared."""
    other = copy.copy(crops)
    other.photos = photos
    return other


class Run:
    """A run in progress."""

    def __init__(
        self, recipe: Recipe, folder: Path, crops: Crops, held_out: Crops, models: Models, log: RunLog,
        watchdog: Watchdog, progress: Progress,
    ) -> None:  # fmt: skip
        self.recipe, self.folder, self.crops, self.held_out = recipe, folder, crops, held_out
        self.models, self.fabric, self.log = models, models.fabric, log
        self.watchdog, self.progress = watchdog, progress
        self.good = self.snapshot()
        self.last_checkpoint = time.monotonic()

    def train(self, deadline: float, started: float, interruption: Interruption) -> Progress:
        """Train until the last step, the deadline or an interruption; end with a checkpoint."""
        minutes_before = self.progress.minutes
        stop = self.progress.step >= self.recipe.train.steps
        while not stop:
            for step, batch in self.batches():
                phase, start, end = self.recipe.phase_of(step)
                rates = self.models.enter(phase, step, start, end)
                parts = train_step(self.models, batch, phase, step - start)
                self.log.add(parts, phase.batch)
                done = step + 1
                self.progress = replace(
                    self.progress, step=done, images=self.recipe.images_before(done), objective=phase.objective,
                    minutes=minutes_before + (time.monotonic() - started) / 60,
                )  # fmt: skip
                stop = self.agree(done, interruption.wished or time.monotonic() > deadline)
                problem = None
                if done % self.recipe.train.log_steps == 0 or done == end or stop:
                    problem = self.write_log(rates)
                if not problem and (done % self.recipe.train.check_steps == 0 or done == end or stop):
                    problem = self.check(phase, done, end, stop)
                if problem:
                    self.roll_back(problem, phase)
                    break
                if stop:
                    break
            else:
                stop = True
        return self.progress

    def batches(self) -> Any:
        """Return an iterator over step and this process's part of the batch, from the present step to the last."""

        def make(step: int) -> Batch:
            return self.crops.batch(self.recipe, step, self.fabric.global_rank, self.fabric.world_size)

        ahead = self.fabric.device.type != "cpu" and not self.crops.resident
        return iterate_batches(make, self.progress.step, self.recipe.train.steps, ahead)

    def validation(self) -> Iterator[Batch]:
        """Yield held-out crops with the holes of the last phase, so that all phases are judged alike."""
        return held_out_batches(self.held_out, self.recipe.phases[-1])

    def agree(self, done: int, stop: bool) -> bool:
        """Return whether all processes stop now."""
        if self.fabric.world_size == 1:
            return stop
        if done % AGREE_STEPS:
            return False
        wish = torch.tensor(float(stop), device=self.fabric.device)
        return bool(self.fabric.all_reduce(wish, reduce_op="sum"))

    def write_log(self, rates: dict[str, float]) -> str | None:
        """Write a log line; return what is wrong with it."""
        means = self.log.means()
        self.log.write(self.progress.step, means | rates | {
            "images": self.progress.images, "minutes": self.progress.minutes, "factor": self.models.factor,
        })  # fmt: skip
        return next((f"{name} is {value}" for name, value in means.items() if not math.isfinite(value)), None)

    def check(self, phase: Phase, done: int, end: int, stop: bool) -> str | None:
        """Measure on held-out photos; remember a good state and write a checkpoint when it is time."""
        health = self.fabric.broadcast(examine(self.models, self.validation()))
        self.log.write(done, {f"held_out/{name}": value for name, value in health.items()})
        problem = self.watchdog.judge(health, phase.objective == "adversarial")
        if problem and (self.recipe.train.watchdog or not all(map(math.isfinite, health.values()))):
            return problem
        self.progress = replace(
            self.progress, l1_hole=health["l1_hole"], psnr_hole=health["psnr_hole"], texture=health["texture"]
        )
        self.good = self.snapshot()
        before_critics = done == end and phase.objective == "reconstruction" and bool(self.recipe.critics)
        last = stop or done == self.recipe.train.steps
        due = time.monotonic() - self.last_checkpoint > self.recipe.train.checkpoint_seconds
        if self.fabric.broadcast(due or last or before_critics):
            self.save(before_critics, last)
        self.log.restart()
        return None

    def save(self, before_critics: bool, last: bool) -> None:
        """Write samples and a checkpoint; a full disk is told, and ends the run only at its end."""
        if self.fabric.is_global_zero:
            batch = next(self.validation())
            try:
                self.log.write_samples(self.progress.step, batch, complete(self.models, batch))
                folder = write_checkpoint(
                    self.folder / f"step-{self.progress.step:07}", self.recipe, self.progress,
                    self.models.average.module.state_dict(), self.models.critic_weights(), self.state(),
                )  # fmt: skip
                keep_checkpoint(self.folder, folder, self.progress, before_critics, self.recipe.train.keep)
            except OSError as error:
                if last:
                    raise
                self.log.say(self.progress.step, f"{error}; training goes on, the checkpoint before it is kept")
        self.last_checkpoint = time.monotonic()
        self.fabric.barrier()

    def state(self) -> dict[str, Any]:
        """Return what a resumed run needs beside the recipe."""
        watchdog = {name: getattr(self.watchdog, name) for name in ("psnr", "texture", "rollbacks")}
        return {"models": self.models.state(), "watchdog": watchdog}

    def snapshot(self) -> tuple[Progress, dict[str, Any]]:
        """Return a copy of where training stands."""
        return self.progress, copy.deepcopy(self.models.state())

    def roll_back(self, problem: str, phase: Phase) -> None:
        """Go back to the last good state with half the adversarial weight.

        Raises
        ------
        ValueError
            When the adversarial loss cannot be the reason.
        """
        if phase.objective != "adversarial" or not self.recipe.train.watchdog:
            raise ValueError(f"{problem} at step {self.progress.step}: use a smaller learning rate, for example with "
                             f"--phases.{self.recipe.phases.index(phase)}.update.lr")  # fmt: skip
        if self.watchdog.rollbacks >= MOST_ROLLBACKS:
            raise ValueError(f"{problem} at step {self.progress.step}, after {MOST_ROLLBACKS} roll-backs: the last "
                             f"good state is that of step {self.good[0].step}; use smaller learning rates")  # fmt: skip
        failed = self.progress.step
        self.progress, state = self.good
        self.models.load_state(copy.deepcopy(state))
        self.models.factor /= 2
        self.watchdog.rollbacks += 1
        self.good = self.snapshot()  # with half the weight: a second failure halves it again
        self.log.restart()
        self.log.bar.update(self.progress.step - failed)
        self.log.say(failed, f"{problem}; back to step {self.progress.step} with {self.models.factor:g} of the "
                             "adversarial weight")  # fmt: skip


@torch.no_grad()
def complete(models: Models, batch: Batch) -> torch.Tensor:
    """Complete a batch with the averaged weights."""
    models.average.eval()
    with models.fabric.autocast():
        completion = models.average(batch.image, batch.mask)
    models.average.train()
    return completion


def take_weights(models: Models, recipe: Recipe, path: Path) -> None:
    """Start from a checkpoint's weights.

    Raises
    ------
    ValueError
        When it holds another network.
    """
    checkpoint = read_checkpoint(path)
    if checkpoint.recipe.network != recipe.network:
        raise ValueError(f"{path} holds another network ({checkpoint.recipe.network}) than the recipe asks for "
                         f"({recipe.network})")  # fmt: skip
    critics = checkpoint.critics if checkpoint.recipe.critics == recipe.critics else None
    if recipe.critics and not critics and models.fabric.is_global_zero:
        sys.stderr.write(f"{path} has no critics like the recipe's: they start anew\n")
    models.load_weights(checkpoint.network.state_dict(), critics)


def refuse_changes(old: Recipe, new: Recipe, run: Path) -> None:
    """Raise `ValueError` when a run cannot go on with another recipe."""
    was, now = (dict(_flatten(to_plain(recipe))) for recipe in (old, new))
    changed = [key for key in was | now if was.get(key) != now.get(key) and key not in FREE_TO_CHANGE]
    if changed:
        raise ValueError(
            f"{run} was made with recipe {old.name!r}, where {changed[0]} is {was.get(changed[0], 'absent')}, not "
            f"{now.get(changed[0], 'absent')}: resume with the same recipe, or start a new run with --from {run}"
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
        if phase.batch % processes:
            raise ValueError(f"a batch of {phase.batch} cannot be divided among {processes} devices: set "
                             f"--phases.{index}.batch to a multiple")  # fmt: skip


def fit_steps_to_time(recipe: Recipe, crops: Crops, fabric: Fabric, max_minutes: float, started: float) -> Recipe:
    """Return the recipe with as many steps as fit into the time, by the measured speed of every phase."""
    seconds = []
    for phase in recipe.phases:
        if not phase.share:
            seconds.append(0.0)
            continue
        probe = replace(recipe, phases=(phase,), train=replace(recipe.train, steps=PROBE_STEPS + 1))
        models = Models(probe, fabric)
        for step in range(PROBE_STEPS + 1):
            if step == 1:
                begun = time.monotonic()
            batch = crops.batch(probe, step, fabric.global_rank, fabric.world_size)
            models.enter(phase, step, 0, PROBE_STEPS + 1)
            parts = train_step(models, batch, phase, step)
            next(iter(parts.values())).item()  # waits for the device
        seconds.append((time.monotonic() - begun) / PROBE_STEPS)
    left = max_minutes * 60 * TIME_FOR_STEPS - (time.monotonic() - started)

    def with_steps(steps: int) -> Recipe:
        return replace(recipe, train=replace(recipe.train, steps=steps))

    def too_long(steps: int) -> bool:
        return float(np.dot(np.diff([0, *with_steps(steps).phase_ends()]), seconds)) > left

    # The phases' ends are rounded, so the number of steps is searched, not divided.
    steps = bisect.bisect_left(range(1, MOST_STEPS), True, key=too_long)
    return with_steps(fabric.broadcast(max(1, steps)))


def fast_precision() -> str:
    """Return bf16-mixed where bfloat16 is computed by the hardware, else 32-true."""
    if torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"
    return "bf16-mixed" if torch.cpu.get_capabilities().get("avx512_bf16") else "32-true"
