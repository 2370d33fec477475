"""A run in progress: steps, validation, checkpoints, roll-backs. Read `Trainer.train` from top to bottom."""

from __future__ import annotations

import copy
import math
import time
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import torch

from inpaint_training.checkpoints.checkpoint import Progress, keep_checkpoint, write_checkpoint
from inpaint_training.data.sampler import Batch, held_out_batches, iterate_batches
from inpaint_training.progress import UNWATCHED, ProgressReport
from inpaint_training.trainer.step import train_step
from inpaint_training.trainer.validate import MOST_ROLLBACKS, Watchdog, evaluating, validate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from inpaint_training.data.sampler import Crops
    from inpaint_training.progress import Watch
    from inpaint_training.recipes.recipe import Phase, Recipe
    from inpaint_training.trainer.log import RunLog
    from inpaint_training.trainer.signals import Interruption
    from inpaint_training.trainer.state import Models

AGREE_STEPS = 10
"""Several processes agree about stopping every so many steps: asking costs them a wait."""
SWITCH_VALIDATIONS = (20, 50)
"""Steps after the begin of adversarial training that end with a validation: what goes wrong does it soon."""


class Trainer:
    """A run in progress: what it trains, with what, and how far it has come."""

    def __init__(
        self, recipe: Recipe, folder: Path, crops: Crops, held_out: Crops, models: Models, log: RunLog,
        watchdog: Watchdog, progress: Progress, watch: Watch = UNWATCHED,
    ) -> None:  # fmt: skip
        self.recipe, self.folder, self.crops, self.held_out = recipe, folder, crops, held_out
        self.models, self.fabric, self.log = models, models.fabric, log
        self.watchdog, self.progress, self.watch = watchdog, progress, watch
        self.good = self.snapshot()
        self.last_checkpoint = time.monotonic()
        self.check_seconds = 0.0
        """Of the last check, with its checkpoint: time that the end of training takes too."""

    def train(self, deadline: float, started: float, interruption: Interruption) -> Progress:
        """Train until the last step, the deadline or an interruption; end with a checkpoint."""
        minutes_before, first, begun = self.progress.minutes, self.progress.step, time.monotonic()
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
                stop = self.agree(done, interruption, time.monotonic() + self.check_seconds > deadline)
                problem = None
                if done % self.recipe.train.log_steps == 0 or done == end or stop:
                    problem = self.write_log(rates)
                if not problem and (self.is_time_to_validate(phase, done, start, end) or stop):
                    checked = time.monotonic()
                    with self.log.pause():
                        problem = self.validate(phase, done, end, stop)
                    self.check_seconds = time.monotonic() - checked
                if self.fabric.is_global_zero:
                    self.watch.tell(self.report(first, begun, deadline))
                if problem:
                    self.roll_back(problem, phase)
                    self.save(before_critics=False, last=stop)
                    break
                if stop:
                    break
            else:
                stop = True
        return self.progress

    def report(self, first: int, begun: float, deadline: float) -> ProgressReport:
        """Return how far training is, since it began at step ``first``."""
        done, steps, now = self.progress.step, self.recipe.train.steps, time.monotonic()
        left = min((now - begun) / max(done - first, 1) * (steps - done), max(deadline - now, 0.0))
        return ProgressReport(done, steps, left / 60, self.log.latest)

    def batches(self) -> Iterator[tuple[int, Batch]]:
        """Return an iterator over step and this process's part of the batch, from the present step to the last."""

        def make(step: int) -> Batch:
            return self.crops.batch(self.recipe, step, self.fabric.global_rank, self.fabric.world_size)

        ahead = self.fabric.device.type != "cpu"  # there Python is what a batch of many small operations waits for
        return iterate_batches(make, self.progress.step, self.recipe.train.steps, ahead)

    def validation_batches(self) -> Iterator[Batch]:
        """Yield held-out crops with the holes of the last phase, so that all phases are measured alike."""
        return held_out_batches(self.held_out, self.recipe.active_phases[-1], self.recipe.data.native)

    def is_time_to_validate(self, phase: Phase, done: int, start: int, end: int) -> bool:
        """Return whether this step ends with a validation."""
        after_switch = phase.objective == "adversarial" and done - start in SWITCH_VALIDATIONS
        return after_switch or done % self.recipe.train.check_steps == 0 or done == end

    def agree(self, done: int, interruption: Interruption, late: bool) -> bool:
        """Return whether all processes stop now; they share an interruption too."""
        if self.fabric.world_size == 1:
            return interruption.wished or late
        if done % AGREE_STEPS:
            return False
        wishes = torch.tensor([interruption.wished, late], dtype=torch.float32, device=self.fabric.device)
        interrupted, late = self.fabric.all_reduce(wishes, reduce_op="sum").tolist()  # type: ignore[union-attr]
        interruption.signalled = interruption.signalled or interrupted > 0
        return interruption.wished or late > 0

    def write_log(self, rates: dict[str, float]) -> str | None:
        """Write a log line; return what is wrong with it."""
        means = self.log.means()
        if self.fabric.world_size > 1:  # every process has seen its part; all must decide alike
            shared = self.fabric.all_reduce(torch.tensor([*means.values()], device=self.fabric.device))
            means = dict(zip(means, shared.tolist(), strict=True))  # type: ignore[union-attr]
        self.log.write(self.progress.step, means | rates | {
            "images": self.progress.images, "minutes": self.progress.minutes, "factor": self.models.factor,
        })  # fmt: skip
        return next((f"{name} is {value}" for name, value in means.items() if not math.isfinite(value)), None)

    def validate(self, phase: Phase, done: int, end: int, stop: bool) -> str | None:
        """Measure on held-out photos; remember a good state and write a checkpoint when it is time."""
        metrics = self.fabric.broadcast(validate(self.models, self.validation_batches()))
        self.log.write(done, {f"held_out/{name}": value for name, value in metrics.items()})
        problem = self.watchdog.check(metrics, phase.objective == "adversarial")
        if problem and (self.recipe.train.watchdog or not all(map(math.isfinite, metrics.values()))):
            return problem
        self.progress = replace(
            self.progress, l1_hole=metrics["l1_hole"], psnr_hole=metrics["psnr_hole"], texture=metrics["texture"]
        )
        self.good = self.snapshot()
        before_critics = done == end and phase.objective == "reconstruction" and bool(self.recipe.critics)
        last = stop or done == self.recipe.train.steps
        due = time.monotonic() - self.last_checkpoint > self.recipe.train.checkpoint_seconds
        if self.fabric.broadcast(due or last or before_critics):
            self.save(before_critics, last)
        return None

    def save(self, before_critics: bool, last: bool) -> None:
        """Write samples and a checkpoint; a full disk is logged, and ends the run only at its end."""
        failure = None
        if self.fabric.is_global_zero:
            batch = next(self.validation_batches())
            self.log.write_samples(self.progress.step, batch, complete(self.models, batch))
            try:
                folder = write_checkpoint(
                    self.folder / f"step-{self.progress.step:07}", self.recipe, self.progress,
                    self.models.average.module.state_dict(), self.models.critic_weights(), self.state(),
                )  # fmt: skip
                keep_checkpoint(self.folder, folder, self.progress, before_critics, self.recipe.train.keep)
            except OSError as error:
                failure = str(error)
        self.last_checkpoint = time.monotonic()
        failure = self.fabric.broadcast(failure)  # and wait for the first process
        if failure and last:
            raise OSError(failure)
        if failure:
            self.log.say(self.progress.step, f"{failure}; training goes on, the checkpoint before it is kept")

    def state(self) -> dict[str, Any]:
        """Return what a resumed run needs beside the recipe."""
        return {"models": self.models.state(), "watchdog": asdict(self.watchdog)}

    def snapshot(self) -> tuple[Progress, dict[str, Any]]:
        """Return a copy of where training stands."""
        return self.progress, copy.deepcopy(self.models.state())

    def roll_back(self, problem: str, phase: Phase) -> None:
        """Go back to the last good state with half the adversarial weight.

        Raises
        ------
        ValueError
            When the adversarial loss cannot be the reason; the last good state is saved.
        """
        failed = self.progress.step
        self.progress, state = self.good
        self.models.load_state(copy.deepcopy(state))
        hopeless = phase.objective != "adversarial" or not self.recipe.train.watchdog
        if hopeless or self.watchdog.rollbacks >= MOST_ROLLBACKS:
            self.save(before_critics=False, last=True)
            update = "critic_update" if phase.objective == "critic" else "update"
            often = "" if hopeless else f", after {MOST_ROLLBACKS} roll-backs"
            raise ValueError(
                f"{problem} at step {failed}{often}; step {self.progress.step} is saved: go on with --resume and "
                f"a smaller learning rate, --phases.{self.recipe.phases.index(phase)}.{update}.lr"
            )
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
    with evaluating(models.average), models.fabric.autocast():
        completion: torch.Tensor = models.average(batch.image, batch.mask)
    return completion
