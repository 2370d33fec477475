"""Train a completion network: read `fit` from top to bottom."""

from __future__ import annotations

import bisect
import math
import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch.nn.utils import clip_grad_norm_
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader

from inpaint_training.checkpoint import (
    Progress,
    read_checkpoint,
    read_training_state,
    resolve_checkpoint,
    write_checkpoint,
)
from inpaint_training.config import DataConfig
from inpaint_training.dataset import CropStream, PhotoDataset, random_crop
from inpaint_training.holes import box_masks
from inpaint_training.losses import masked_mean, reconstruction_loss
from inpaint_training.networks import CompletionNetwork
from inpaint_training.runlog import RunLog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from torch import Tensor

    from inpaint_training.config import Phase, Recipe, TrainConfig


PROBE_STEPS = 6
"""Steps whose median duration is taken for a phase's speed."""
TIME_FOR_STEPS = 0.95
"""Share of the time for steps; the rest is for checkpoints and validation."""

MOST_STEPS = 100_000_000


@dataclass
class Models:
    """The networks in training and what changes them; a step function gets all of them."""

    network: Any
    """The completion network, wrapped by Fabric."""
    optimizer: Any
    """Changes the completion network."""
    average: AveragedModel
    """Moving average of the completion network's weights: what is evaluated and shipped."""
    backward: Callable[[Tensor], None]
    """Fabric's backward pass."""


def reconstruction_step(models: Models, image: Tensor, mask: Tensor, recipe: Recipe) -> dict[str, float]:
    """Make one step of the completion network towards the original images.

    Parameters
    ----------
    image : Tensor of shape (N, 3, H, W), in [0, 1]
    mask : Tensor of shape (N, 1, H, W), 1 inside holes

    Returns
    -------
    dict
        The loss, its parts, and the gradient's norm before clipping.
    """
    parts = reconstruction_loss(models.network(image, mask), image, mask, recipe.loss)
    models.optimizer.zero_grad()
    models.backward(parts["loss"])
    norm = clip_grad_norm_(models.network.parameters(), recipe.train.clip_norm)
    models.optimizer.step()
    return {name: float(value.detach()) for name, value in parts.items()} | {"gradient_norm": float(norm)}


OBJECTIVES = {"reconstruction": reconstruction_step}


def fit(
    recipe: Recipe,
    data: Path,
    run: Path,
    *,
    resume: bool = False,
    start_from: Path | None = None,
    max_minutes: float | None = None,
    precision: str | None = None,
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
        Start with this checkpoint's weights.
    max_minutes
        Time for this call. The speed, measured first, fixes the number of steps; whatever happens to the speed later,
        training stops with a checkpoint when the time is over.
    precision
        See Lightning Fabric; bf16-mixed where the device computes it fast, else 32-true, when it is None.

    Returns
    -------
    Progress
        At the end of the run.

    Raises
    ------
    ValueError
        When the data set, the run or the checkpoint cannot be used; the message says how to mend it.
    """
    started = time.monotonic()
    if resume and start_from:
        raise ValueError("--resume goes on with the run's own weights: leave out --from")
    if max_minutes is not None and not 0 < max_minutes < math.inf:
        raise ValueError(f"--max-minutes must be a positive number, not {max_minutes}")
    if not resume and run.exists() and (not run.is_dir() or any(run.iterdir())):
        raise ValueError(f"{run} is not empty: name a new folder, or go on with --resume")
    newest = resolve_checkpoint(run, "newest") if resume else None
    dataset = PhotoDataset(data, min_side=max(phase.crop for phase in recipe.phases))
    held_out, trained = split(dataset, recipe.train.held_out)

    fabric = Fabric(devices=1, precision=precision or fast_precision())  # type: ignore[arg-type]
    fabric.launch()
    torch.manual_seed(recipe.train.seed)
    models, progress = build_models(recipe, fabric, newest, start_from)
    progress = replace(progress, photos=len(trained), device=str(fabric.device))
    if max_minutes is not None:
        recipe = fit_steps_to_time(recipe, dataset, trained, fabric, progress.step, max_minutes, started)
    validation = held_out_batch(dataset, held_out, recipe.phases[-1], fabric.device)
    minutes_before = progress.minutes
    last_checkpoint = time.monotonic()

    with RunLog(run, recipe.train.steps, progress.step) as log:
        for phase, image, mask in batches(recipe, dataset, trained, fabric, progress.step):
            rate = learning_rate(progress.step, recipe.train)
            for group in models.optimizer.param_groups:
                group["lr"] = rate
            parts = OBJECTIVES[phase.objective](models, image, mask, recipe)
            if not math.isfinite(parts["loss"]):
                raise ValueError(f"the loss became {parts['loss']} at step {progress.step}: use a smaller --train.lr")
            update_average(models, phase.batch, recipe.train.ema_half_life)
            minutes = minutes_before + (time.monotonic() - started) / 60
            progress = replace(progress, step=progress.step + 1, images=progress.images + phase.batch, minutes=minutes)

            over = max_minutes is not None and minutes - minutes_before > max_minutes
            last = over or progress.step >= recipe.train.steps
            if progress.step % recipe.train.log_steps == 0 or last:
                log.write(progress.step, parts | {"lr": rate, "images": progress.images, "minutes": minutes})
            log.advance(parts)
            if last or time.monotonic() - last_checkpoint > recipe.train.checkpoint_seconds:
                completion = complete(models.average, *validation)
                l1_hole = float(masked_mean((completion - validation[0]).abs(), validation[1]))
                progress = replace(progress, l1_hole=l1_hole)
                log.write(progress.step, {"held_out_l1_hole": l1_hole})
                log.write_samples(progress.step, *validation, completion)
                write_checkpoint(run, recipe, progress, models.average.module.state_dict(), training_state(models))
                last_checkpoint = time.monotonic()
            if last:
                break
    return progress


def split(dataset: PhotoDataset, held_out: int) -> tuple[list[int], list[int]]:
    """Divide a data set into held-out photos and photos to train on; at most a tenth is held out."""
    order = np.random.default_rng(0).permutation(len(dataset)).tolist()
    count = min(held_out, len(dataset) // 10) or 1
    return order[:count], order[count:] or order


def build_models(
    recipe: Recipe, fabric: Fabric, newest: Path | None, start_from: Path | None
) -> tuple[Models, Progress]:
    """Make the networks: new ones, a checkpoint's, or those of the run that goes on."""
    network = CompletionNetwork(**asdict(recipe.network))
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    progress = Progress()
    if start := newest or start_from:
        checkpoint = read_checkpoint(start)
        if checkpoint.recipe.network != recipe.network:
            raise ValueError(f"{start} holds another network ({checkpoint.recipe.network}) than the recipe asks for")
        network.load_state_dict(checkpoint.network.state_dict())
    optimizer = torch.optim.Adam(network.parameters(), lr=recipe.train.lr, betas=recipe.train.betas)
    average = AveragedModel(network, use_buffers=True)
    if newest:
        state = read_training_state(newest)
        network.load_state_dict(state["network"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        progress = checkpoint.progress
    wrapped, wrapped_optimizer = fabric.setup(network, optimizer)
    return Models(wrapped, wrapped_optimizer, average.to(fabric.device), fabric.backward), progress


def training_state(models: Models) -> dict[str, Any]:
    """Return what a resumed run needs."""
    return {
        "network": models.network.state_dict(),
        "average": models.average.state_dict(),
        "optimizer": models.optimizer.state_dict(),
    }


def batches(
    recipe: Recipe, dataset: PhotoDataset, photos: Sequence[int], fabric: Fabric, first_step: int
) -> Iterator[tuple[Phase, Tensor, Tensor]]:
    """Yield phase, images (N, 3, H, W) in [0, 1] and masks (N, 1, H, W) for every step that is left.

    What a step sees depends on the recipe's seed and the step at which the phase was entered.
    """
    step = first_step
    for phase, end in zip(recipe.phases, recipe.phase_ends(), strict=True):
        if step >= end:
            continue
        seeds = np.random.SeedSequence([recipe.train.seed, step])
        crop_seed, hole_seed = (int(seed) for seed in seeds.generate_state(2))
        stream = CropStream(dataset, photos, phase.crop, recipe.data, crop_seed)
        rng = np.random.default_rng(hole_seed)
        for crops in DataLoader(stream, phase.batch):
            image = fabric.to_device(crops).float().div(255).contiguous(memory_format=torch.channels_last)
            mask = torch.from_numpy(box_masks(phase.batch, phase.crop, phase.hole_min, phase.hole_max, rng))
            yield phase, image, fabric.to_device(mask)
            step += 1
            if step >= end:
                break


def learning_rate(step: int, config: TrainConfig) -> float:
    """Return the learning rate of a step: a linear warm-up, then a cosine from `lr` to `lr_end`."""
    cosine = 0.5 * (1 + math.cos(math.pi * min(1, step / config.steps)))
    return min(1, (step + 1) / (config.warmup + 1)) * (config.lr_end + (config.lr - config.lr_end) * cosine)


def update_average(models: Models, images: int, half_life: float) -> None:
    """Move the average towards the weights; the first steps count more, or the random start would linger."""
    seen = int(models.average.n_averaged)
    decay = min(0.5 ** (images / half_life), (seen + 1) / (seen + 10))
    models.average.multi_avg_fn = get_ema_multi_avg_fn(decay)
    models.average.update_parameters(getattr(models.network, "module", models.network))


def fit_steps_to_time(
    recipe: Recipe, dataset: PhotoDataset, photos: Sequence[int], fabric: Fabric, step: int, max_minutes: float,
    started: float,
) -> Recipe:  # fmt: skip
    """Return the recipe with as many steps as fit into the time, by the measured speed of every phase."""
    seconds = []
    for phase in recipe.phases:
        probe = replace(recipe, phases=(phase,), train=replace(recipe.train, steps=PROBE_STEPS))
        models, _ = build_models(probe, fabric, None, None)
        times = []
        for _, image, mask in batches(probe, dataset, photos, fabric, 0):
            OBJECTIVES[phase.objective](models, image, mask, probe)
            times.append(time.monotonic())
        seconds.append(float(np.median(np.diff(times))))
    left = max_minutes * 60 * TIME_FOR_STEPS - (time.monotonic() - started)

    def with_steps(steps: int) -> Recipe:
        return replace(recipe, train=replace(recipe.train, steps=steps))

    def too_long(steps: int) -> bool:
        ends = [max(step, end) for end in with_steps(steps).phase_ends()]
        return float(np.dot(np.diff([step, *ends]), seconds)) > left

    # The phases' ends move with the number of steps, so the number is searched, not divided.
    return with_steps(max(step + 1, bisect.bisect_left(range(step + 1, MOST_STEPS), True, key=too_long) + step))


def held_out_batch(
    dataset: PhotoDataset, photos: Sequence[int], phase: Phase, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Return one fixed image and mask of every held-out photo."""
    rng = np.random.default_rng(0)
    crops = [random_crop(dataset.photo(index), phase.crop, DataConfig(jitter=0), rng) for index in photos]
    image = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float().div(255)
    mask = torch.from_numpy(box_masks(len(crops), phase.crop, phase.hole_min, phase.hole_max, rng))
    return image.to(device), mask.to(device)


@torch.no_grad()
def complete(average: AveragedModel, image: Tensor, mask: Tensor) -> Tensor:
    """Complete images with the averaged weights, a few at a time."""
    average.eval()
    parts = [average(i, m) for i, m in zip(image.split(8), mask.split(8), strict=True)]
    average.train()
    return torch.cat(parts)


def fast_precision() -> str:
    """Return bf16-mixed where bfloat16 is computed by the hardware, else 32-true."""
    if torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "32-true"
    return "bf16-mixed" if torch.cpu.get_capabilities().get("avx512_bf16") else "32-true"
