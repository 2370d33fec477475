"""Write the gradients of one step of every phase; run by one or by several processes."""

import sys
from pathlib import Path

import torch

from inpaint_training.data.dataset import PhotoDataset
from inpaint_training.data.sampler import Crops
from inpaint_training.recipes.library import load_recipe
from inpaint_training.trainer.fabric import LaunchSettings
from inpaint_training.trainer.state import Models
from inpaint_training.trainer.step import train_step


def write_gradients(data, out, processes, words):
    recipe = load_recipe("compact", words)
    partly = any(phase.trains != "all" for phase in recipe.phases)
    fabric = LaunchSettings(devices=processes, precision="32-true").launch(partly)
    models = Models(recipe, fabric)
    dataset = PhotoDataset(data)
    crops = Crops(dataset, range(len(dataset)), fabric.device)
    found = {}
    for step in (0, 4, 8, 9):
        phase, start, end = recipe.phase_of(step)
        models.enter(phase, step, start, end)
        batch = crops.batch(recipe, step, fabric.global_rank, fabric.world_size)
        logged = train_step(models, batch, phase, step - start)
        for index, network in enumerate([models.generator, *models.critics]):
            for name, parameter in network.module.named_parameters():
                if parameter.grad is not None:
                    found[f"{step}.{index}.{name}"] = parameter.grad.clone()
        found |= {f"{step}.{name}": value for name, value in logged.items() if name.endswith("weight")}
    if fabric.is_global_zero:
        torch.save(found, out)
    fabric.barrier()
    if (
        torch.distributed.is_initialized()
    ):  # threads of the backend that are left would abort the interpreter at its end
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    data, out, processes, *words = sys.argv[1:]
    write_gradients(Path(data), out, int(processes), words)
