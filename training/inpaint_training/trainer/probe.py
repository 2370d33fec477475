"""How many steps fit into a time: by the measured speed of every phase."""

from __future__ import annotations

import bisect
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from inpaint_training.progress import UNWATCHED
from inpaint_training.recipes.recipe import MOST_STEPS
from inpaint_training.trainer.state import Models
from inpaint_training.trainer.step import train_step

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from inpaint_training.data.sampler import Crops
    from inpaint_training.progress import Watch
    from inpaint_training.recipes.recipe import Phase, Recipe

PROBE_STEPS = 6
"""Steps whose duration is taken for a phase's speed, after a first one."""
PROBE_SHARE = 0.1
"""Share of the time in which speed is measured, at most; the first phase's first step is always made."""
TIME_FOR_STEPS = 0.95
"""Share of the time for steps and checks; the rest is for checkpoints."""


def fit_steps_to_time(
    recipe: Recipe, crops: Crops, fabric: Fabric, minutes: float, started: float, checked: int, watch: Watch = UNWATCHED
) -> Recipe:
    """Return the recipe with as many steps as fit into the time, by the measured speed of every phase.

    Parameters
    ----------
    minutes
        Of the whole call, which began at ``started``; measuring takes at most about `PROBE_SHARE` of them.
    checked
        How many held-out photos every check completes.
    """
    most = minutes * 60 * PROBE_SHARE
    if fabric.is_global_zero:
        sys.stderr.write(f"measuring speed, for at most about {most:.0f} s of the {minutes:g} minutes ...\n")
    until = time.monotonic() + most
    seconds: list[float] = []
    for index, phase in enumerate(recipe.phases):
        ends = time.monotonic() + (until - time.monotonic()) / (len(recipe.phases) - index)
        measured = [each / _count_pixels(other) for each, other in zip(seconds, recipe.phases, strict=False) if each]
        if not phase.share:
            seconds.append(0.0)
        elif measured and _is_over(ends, fabric):  # no time is left to measure it
            seconds.append(max(measured) * _count_pixels(phase))
        else:
            seconds.append(_measure_step(recipe, phase, crops, fabric, ends, watch))
    # A check completes every held-out photo with two networks; a completion takes a third of a step's time or less.
    last = recipe.active_phases[-1]
    check = checked * 2 / 3 * seconds[recipe.phases.index(last)] * fabric.world_size / last.batch
    left = minutes * 60 * TIME_FOR_STEPS - (time.monotonic() - started)

    def with_steps(steps: int) -> Recipe:
        return replace(recipe, train=replace(recipe.train, steps=steps))

    def too_long(steps: int) -> bool:
        checks = len(recipe.active_phases) + steps // recipe.train.check_steps
        return float(np.dot(np.diff([0, *with_steps(steps).phase_ends()]), seconds)) + checks * check > left

    # The phases' ends are rounded, so the number of steps is searched, not divided.
    steps = bisect.bisect_left(range(1, MOST_STEPS), True, key=too_long)
    return with_steps(fabric.broadcast(max(1, steps)))


def _is_over(ends: float, fabric: Fabric) -> bool:
    """Return whether a time is over, by the clock of the first process."""
    over: list[bool] = fabric.broadcast([time.monotonic() >= ends])
    return over[0]


def _count_pixels(phase: Phase) -> int:
    return phase.batch * phase.crop**2


def _measure_step(recipe: Recipe, phase: Phase, crops: Crops, fabric: Fabric, ends: float, watch: Watch) -> float:
    """Return the seconds of a step of a phase, a mean of whole rounds; of the first step when there is no time."""
    turns = recipe.adversarial.critic_turns + recipe.adversarial.network_turns
    probes = -(-PROBE_STEPS // turns) * turns
    probe = replace(recipe, phases=(phase,), train=replace(recipe.train, steps=probes + 1))
    models, marks = Models(probe, fabric), [time.monotonic()]
    for step in range(probes + 1):
        watch.stop_if_cancelled()
        batch = crops.batch(probe, step, fabric.global_rank, fabric.world_size)
        models.enter(phase, step, 0, probes + 1)
        parts = train_step(models, batch, phase, step)
        next(iter(parts.values())).item()  # waits for the device
        marks.append(time.monotonic())
        if _is_over(ends, fabric):
            break
    return marks[1] - marks[0] if len(marks) == 2 else (marks[-1] - marks[1]) / (len(marks) - 2)
