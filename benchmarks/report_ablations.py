"""Run the student report's own observations again, at the size of a CPU.

    python benchmarks/report_ablations.py DATASET        # what inpaint-train pack wrote; about 20 minutes on two cores

All variants go on from one pre-training with the squared error (but the one without), for the same number of updates of
the completion network. Prints a Markdown table of the hole's PSNR on held-out photos, in dB, right before adversarial
training, after 1, 20 and all updates, and of the texture: gradient energy relative to the originals'.
One seed: signs, not sizes.
"""

import argparse
import json
from pathlib import Path

import torch
from tqdm import tqdm

from inpaint_training.data.dataset import PhotoDataset
from inpaint_training.data.sampler import Crops, held_out_batches, split
from inpaint_training.recipes.library import load_recipe
from inpaint_training.trainer.fabric import LaunchSettings
from inpaint_training.trainer.state import Models
from inpaint_training.trainer.step import train_step
from inpaint_training.trainer.validate import validate

SIZE = [
    "--network.width", "0.25", "--critics.0.width", "0.25", "--critics.0.side", "48", "--train.steps", "1000000",
    *(f"--phases.{i}.{key}" if word is None else word for i in (0, 1)
      for key, value in [("crop", "96"), ("batch", "8"), ("holes", "{kind: centre, side: 48}")]
      for word in (None, value)),
]  # fmt: skip

# Name, base recipe, what is different, and whether it is pre-trained.
VARIANTS = [
    ("report, 1 : 1", "report", [], True),
    ("3 critic : 1 network", "report", ["--adversarial.critic_turns", "3"], True),
    ("1 critic : 10 network", "report", ["--adversarial.network_turns", "10"], True),
    ("momentum 0.9", "report", ["--phases.1.update.optimizer.momentum", "0.9",
                                "--phases.1.critic_update.optimizer.momentum", "0.9"], True),
    ("no pre-training", "report", [], False),
    ("clipped weights", "wgan", [], True),
    ("cross-entropy", "dcgan-loss", [], True),
    ("balance only", "report", ["--adversarial.balance", "{kind: adaptive, ratio: 0.25}"], True),
    ("report-stable", "report-stable", ["--phases.1.update.warmup", "100", "--phases.1.critic_update.warmup", "100"],
     True),
]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--pretraining", type=int, default=300, metavar="STEPS")
    parser.add_argument("--updates", type=int, default=120, help="of the completion network, in every variant")
    parser.add_argument("--json", type=Path, help="write the numbers to this file too")
    arguments = parser.parse_args()

    fabric = LaunchSettings(precision="32-true").launch()
    dataset = PhotoDataset(arguments.dataset)
    held_out, trained = split(dataset.files, 24)
    crops, validation = Crops(dataset, trained, fabric.device), Crops(dataset, held_out, fabric.device)

    def measure(models: Models) -> tuple[float, float]:
        metrics = validate(models, held_out_batches(validation, models.recipe.phases[1]))
        return metrics["psnr_hole"], metrics["texture"]

    base = load_recipe("report", [*SIZE, "--phases.1.share", "0"])
    pretrained = Models(base, fabric)
    for step in tqdm(range(arguments.pretraining), "pre-training"):
        phase, start, end = base.phase_of(step)
        pretrained.enter(phase, step, start, end)
        train_step(pretrained, crops.batch(base, step), phase, step)

    print("| variant | before | after 1 | after 20 | after "
          f"{arguments.updates} | texture before | texture after |\n|---|---|---|---|---|---|---|")  # fmt: skip
    rows = {}
    for name, recipe_name, words, with_pretraining in VARIANTS:
        recipe = load_recipe(recipe_name, [*SIZE, "--phases.0.share", "0", *words])
        models = Models(recipe, fabric)
        if with_pretraining:  # with its optimiser, as in a run
            models.generator.load_state(pretrained.generator.state())
            models.average.load_state_dict(pretrained.average.state_dict())
        before, texture = measure(models)
        row = {"before": before, "texture_before": texture}
        updates = step = 0
        phase, start, end = recipe.phase_of(0)
        first = arguments.pretraining  # crops that the pre-training has not seen
        while updates < arguments.updates:
            models.enter(phase, step, start, end)
            train_step(models, crops.batch(recipe, first + step), phase, step)
            updates += recipe.adversarial.turns(step)[1]
            step += 1
            if updates in (1, 20, arguments.updates) and f"after_{updates}" not in row:
                row[f"after_{updates}"], row["texture_after"] = measure(models)
        rows[name] = row
        psnrs = " | ".join(f"{row[key]:.1f}" for key in ("before", "after_1", "after_20", f"after_{arguments.updates}"))
        print(f"| {name} | {psnrs} | {texture:.2f} | {row['texture_after']:.2f} |", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    torch.manual_seed(0)
    main()
