"""What each choice of the recipes buys, at the size of a CPU and on equal compute.

    python benchmarks/ablations.py DATASET HELD_OUT      # both from inpaint-train pack; about an hour on one core

Every variant of the first part trains a network of an eighth of the width from scratch, for the same number of steps on
the same crops of 72 px; those of the second part go on from the first part's reference, for the same time. The averaged
weights complete one crop of every held-out photo, with a random box of 24 to 42 px. Prints a Markdown table: mean and
standard deviation over the seeds. PSNR in dB and L1 in % of the range, both over the hole; texture, the gradient energy
relative to the originals' (1 is best); lite2, a feature distance (less is better).
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from inpaint_training.data.dataset import PhotoDataset
from inpaint_training.data.sampler import Crops, held_out_batches
from inpaint_training.losses.features import FeatureNetwork, feature_distance
from inpaint_training.losses.measures import composite, gradient_energy, masked_mean, psnr
from inpaint_training.recipes.library import load_recipe
from inpaint_training.trainer.fabric import LaunchSettings
from inpaint_training.trainer.state import Models
from inpaint_training.trainer.step import train_step

BOXES = "{kind: boxes, side_min: 24, side_max: 42}"
CENTRE = "{kind: centre, side: 33}"
RMSPROP = "{kind: rmsprop, decay: 0.99, momentum: 0.0, rmsprop_init: zeros}"
BASE = [
    "--network.width", "0.125", "--critics.0.width", "0.125", "--critics.1.width", "0.125",
    "--critics.0.side", "48", "--train.ema_half_life", "800",
    *(word for phase in (0, 1, 2, 3) for key, value in (("crop", "72"), ("batch", "16"), ("holes", BOXES))
      for word in (f"--phases.{phase}.{key}", value)),
    "--phases.0.update.warmup", "30", "--phases.0.update.lr_end", "1.0e-4",
    "--phases.2.critic_update.warmup", "10", "--phases.3.critic_update.warmup", "10", "--phases.3.update.warmup", "20",
]  # fmt: skip

FROM_SCRATCH = {
    "reference: L1 + dissimilarity, pull-push start, reflect, random boxes, Adam (0.9, 0.99)": [],
    "the report's loss: 10 x squared error": ["--loss.l1_hole", "0", "--loss.dissimilarity", "0", "--loss.mse", "10"],
    "holes start at zero": ["--network.hole_init", "zero"],
    "zero padding": ["--network.padding", "zero"],
    "one box in the centre": ["--phases.0.holes", CENTRE],
    "the report's RMSprop": ["--phases.0.update.optimizer", RMSPROP, "--phases.0.update.lr", "1.0e-4",
                             "--phases.0.update.lr_end", "1.0e-4"],
}  # fmt: skip
WITH_CRITICS = {
    "+ two critics, Adam (0, 0.9)": [],
    "+ two critics, the report's RMSprop": [
        word for update in ("2.critic_update", "3.critic_update", "3.update")
        for word in (f"--phases.{update}.optimizer", RMSPROP, f"--phases.{update}.lr", "1.0e-4")
    ],
    "+ two critics, the report's fixed weight": ["--adversarial.balance", "{kind: fixed, weight: 1.0}"],
}  # fmt: skip
GOING_ON = "reference, going on for the same time"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("held_out", type=Path)
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--updates", type=int, default=250, help="of the second part, with critics")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the numbers to this file too, after every run")
    arguments = parser.parse_args()

    fabric = LaunchSettings(precision="32-true").launch()
    datasets = [PhotoDataset(path) for path in (arguments.dataset, arguments.held_out)]
    crops, held_out = (Crops(data, range(len(data.entries)), fabric.device) for data in datasets)
    features = FeatureNetwork("lite2")
    measured: dict[str, list[dict[str, float]]] = {}

    def keep(name: str, models: Models) -> None:
        measured.setdefault(name, []).append(measure(models, held_out, features))
        if arguments.json:
            arguments.json.write_text(json.dumps(measured, indent=1))

    for seed in range(arguments.seeds):
        runs = {}
        for name, words in FROM_SCRATCH.items():
            recipe = load_recipe(
                "compact", [*BASE, *shares(1, 0, 0, 0), *steps_and_seed(arguments.steps, seed), *words]
            )
            runs[name] = models = Models(recipe, fabric)
            seconds = train(models, crops, f"{seed}: {name}")
            keep(name, models)
        reference, pace = next(iter(runs.values())), seconds / arguments.steps
        for name, words in WITH_CRITICS.items():
            length = steps_and_seed(arguments.updates, seed + 1000)  # crops that the reference has not seen
            recipe = load_recipe("compact", [*BASE, *shares(0, 0, 0.1, 0.9), *length, *words])
            models = continue_from(reference, recipe)
            seconds = train(models, crops, f"{seed}: {name}")
            keep(name, models)
        updates = round(seconds / pace)
        recipe = load_recipe("compact", [*BASE, "--phases.0.update.lr", "2.0e-4", *shares(1, 0, 0, 0),
                                         *steps_and_seed(updates, seed + 1000)])  # fmt: skip
        models = continue_from(reference, recipe)
        train(models, crops, f"{seed}: {GOING_ON}: {updates} steps")
        keep(GOING_ON, models)
    print_table(measured)


def shares(*each: float) -> list[str]:
    """Return the words that divide a recipe's time between its phases."""
    return [word for phase, share in enumerate(each) for word in (f"--phases.{phase}.share", str(share))]


def steps_and_seed(steps: int, seed: int) -> list[str]:
    return ["--train.steps", str(steps), "--train.seed", str(seed)]


def continue_from(reference: Models, recipe) -> Models:
    """Return models of a recipe that start with the reference's network; their optimisers start anew."""
    models = Models(recipe, reference.fabric)
    models.generator.module.load_state_dict(reference.generator.module.state_dict())
    models.average.load_state_dict(reference.average.state_dict())
    return models


def train(models: Models, crops: Crops, name: str) -> float:
    """Go through all steps of a recipe; return the seconds."""
    started = time.perf_counter()
    for step in tqdm(range(models.recipe.train.steps), name, mininterval=30):
        phase, start, end = models.recipe.phase_of(step)
        models.enter(phase, step, start, end)
        train_step(models, crops.batch(models.recipe, step), phase, step)
    return time.perf_counter() - started


@torch.no_grad()
def measure(models: Models, held_out: Crops, features: FeatureNetwork) -> dict[str, float]:
    """Complete held-out crops with the averaged weights."""
    phase = load_recipe("compact", BASE).phases[0]
    network = models.average.eval()
    sums, count = np.zeros(5), 0
    for batch in held_out_batches(held_out, phase):
        completion = network(batch.image, batch.mask)
        filled = composite(completion, batch.image, batch.mask >= 0.5)
        sums += len(batch.image) * np.array([
            float(psnr(completion, batch.image, batch.mask).mean()),
            100 * float(masked_mean((completion - batch.image).abs(), batch.mask)),
            float(gradient_energy(completion, batch.mask).mean()),
            float(gradient_energy(batch.image, batch.mask).mean()),
            float(feature_distance(features, filled, batch.image).mean()),
        ])  # fmt: skip
        count += len(batch.image)
    decibels, l1, energy, original, distance = sums / count
    return {"psnr": decibels, "l1": l1, "texture": energy / original, "lite2": distance}


def print_table(measured: dict[str, list[dict[str, float]]]) -> None:
    print("| variant | hole PSNR | hole L1 % | texture | lite2 |\n|---|---|---|---|---|")
    for name, runs in measured.items():
        cells = []
        for key, digits in (("psnr", 2), ("l1", 2), ("texture", 2), ("lite2", 4)):
            values = [run[key] for run in runs]
            cells.append(
                f"{np.mean(values):.{digits}f} ± {np.std(values, ddof=1) if len(values) > 1 else 0:.{digits}f}"
            )
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    torch.manual_seed(0)
    main()
