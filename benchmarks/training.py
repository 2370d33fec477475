"""How fast training is, and where its time goes.

    python benchmarks/training.py DATASET [--width 1] [--crop 256] [--batch 32] [--precision bf16-mixed] [--json FILE]

Times steps of the recipe landscape, reconstruction and joint (one update of the critics and one of the completion
network a step), for every combination of padding (torch's, or joined mirrored slices), torch.compile and precision.
Columns: images a second; milliseconds a step; of that, each measured by itself, the completion network forward and
backward, the gradient penalty with its backward pass, the optimisers, and the data path; the share of the device's
measured matrix-multiply rate that the step reaches, without the penalty's arithmetic (MFU); peak memory (CUDA only).
"""

import argparse
import itertools
import json
import statistics
import time
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from inpaint_training.data.dataset import PhotoDataset
from inpaint_training.data.sampler import Crops
from inpaint_training.losses.adversarial import gradient_penalty
from inpaint_training.networks import layers
from inpaint_training.recipes.library import load_recipe
from inpaint_training.trainer.fabric import PRECISIONS, LaunchSettings
from inpaint_training.trainer.state import Models
from inpaint_training.trainer.step import train_step

COLUMNS = ("img/s", "ms", "forward", "backward", "penalty", "optimiser", "data", "MFU %", "GiB")


def milliseconds(function, device, rounds):
    """Return the median duration."""
    times = []
    for _ in range(rounds + 1):
        wait(device)
        begun = time.perf_counter()
        function()
        wait(device)
        times.append(1e3 * (time.perf_counter() - begun))
    return statistics.median(times[1:])


def wait(device):
    if device.type == "cuda":
        torch.cuda.synchronize()


def matmul_rate(device, precision, rounds=5):
    """Return the measured matrix-multiply rate, in FLOP/s."""
    side = 8192 if device.type == "cuda" else 2048
    dtype = torch.bfloat16 if precision.startswith("bf16") else torch.float32
    a, b = torch.randn(2, side, side, device=device, dtype=dtype)
    return 2 * side**3 / (milliseconds(lambda: a @ b, device, rounds) / 1e3)


def measure(models, crops, recipe, step, rate, rounds):
    """Return one row of the table for the phase of ``step``."""
    device = models.fabric.device
    phase, start, end = recipe.phase_of(step)
    models.enter(phase, step, start, end)
    batch = crops.batch(recipe, step)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    whole = milliseconds(lambda: train_step(models, crops.batch(recipe, step), phase, 0), device, rounds)

    def forward():
        return models.generator(batch.image, batch.mask)

    def both():
        models.fabric.backward(forward().sum())

    one_way = milliseconds(forward, device, rounds)
    row = {
        "img/s": 1e3 * phase.batch / whole,
        "ms": whole,
        "forward": one_way,
        "backward": milliseconds(both, device, rounds) - one_way,
        "penalty": 0.0,
        "optimiser": milliseconds(lambda: optimise(models, phase), device, rounds),
        "data": milliseconds(lambda: crops.batch(recipe, step), device, rounds),
    }
    flops = count_flops(both)
    if phase.objective == "adversarial":
        completion = forward().detach()
        critic = models.critics[0]
        views = [critic.view(batch, x) for x in (batch.image, completion)]

        def penalise():
            gradient_penalty(critic.module, *views, batch.draws[:, 0])[0].backward()

        row["penalty"] = milliseconds(penalise, device, rounds)
        for critic in models.critics:
            image = critic.view(batch, batch.image)
            # Scores of images and composites with the backward pass to the weights, and once more to the completion.
            flops += 3 * count_flops(lambda c=critic.module, v=image: sum(h.sum() for h in c(*v)).backward())
    row["MFU %"] = 100 * flops / (whole / 1e3) / rate
    row["GiB"] = torch.cuda.max_memory_allocated() / 2**30 if device.type == "cuda" else float("nan")
    return row


def optimise(models, phase):
    networks = [models.generator] if phase.objective == "reconstruction" else [models.generator, *models.critics]
    for network in networks:
        network.optimizer.step()


def count_flops(function):
    with FlopCounterMode(display=False) as counter:
        function()
    return counter.get_total_flops()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", type=Path)
    cuda = torch.cuda.is_available()
    parser.add_argument("--width", type=float, default=1.0 if cuda else 0.25)
    parser.add_argument("--crop", type=int, default=256 if cuda else 128)
    parser.add_argument("--batch", type=int, default=32 if cuda else 8)
    parser.add_argument("--precision", action="append", choices=PRECISIONS, help="can be repeated; default: both")
    parser.add_argument("--rounds", type=int, default=20 if cuda else 3, help="timed steps")
    parser.add_argument(
        "--compile", action="append", choices=("off", "on"), help="default: both; on takes a minute each"
    )
    parser.add_argument("--json", type=Path, help="write the numbers to this file too")
    arguments = parser.parse_args()

    size = ["--network.width", arguments.width, "--train.steps", 4, "--phases.1.share", 0, "--phases.2.share", 0]
    for index in (0, 3):
        size += [f"--phases.{index}.crop", arguments.crop, f"--phases.{index}.batch", arguments.batch,
                 f"--phases.{index}.holes", f"{{kind: boxes, side_min: 24, side_max: {arguments.crop // 2 - 8}}}",
                 f"--phases.{index}.share", 1]  # fmt: skip
    for index in (0, 1):
        size += [f"--critics.{index}.width", arguments.width / 2]
    size += ["--critics.0.side", min(128, arguments.crop)]

    rows = []
    print(f"| objective | pad | compile | precision | {' | '.join(COLUMNS)} |\n|{'---|' * (4 + len(COLUMNS))}")
    for precision, compiled, flips in itertools.product(
        arguments.precision or PRECISIONS, arguments.compile or ("off", "on"), (False, True)
    ):
        layers.FLIP_PAD = flips
        fabric = LaunchSettings(precision=precision).launch()
        recipe = load_recipe("landscape", [*map(str, size), "--train.compile", str(compiled == "on").lower()])
        dataset = PhotoDataset(arguments.dataset, arguments.crop)
        crops = Crops(dataset, range(len(dataset)), fabric.device)
        models = Models(recipe, fabric)
        rate = matmul_rate(fabric.device, precision)
        for step, objective in ((0, "reconstruction"), (2, "joint")):
            row = measure(models, crops, recipe, step, rate, arguments.rounds)
            pad = "flips" if flips else "F.pad"
            names = {"objective": objective, "pad": pad, "compile": compiled, "precision": precision}
            rows.append(names | row)
            numbers = (f"{row[c]:.0f}" if row[c] >= 100 else f"{row[c]:.3g}" for c in COLUMNS)
            print(f"| {' | '.join(names.values())} | {' | '.join(numbers)} |", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
