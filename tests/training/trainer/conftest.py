import pytest

from inpaint_training.recipes.library import load_recipe
from inpaint_training.trainer.fabric import LaunchSettings
from inpaint_training.trainer.state import Models
from inpaint_training.trainer.step import train_step


@pytest.fixture(scope="session")
def start():
    """Makes the models of a recipe, of compact with some words unless another is named."""

    def make(words, precision="32-true", name="compact"):
        recipe = load_recipe(name, words)
        return Models(recipe, LaunchSettings(precision=precision).launch())

    return make


@pytest.fixture
def run_steps(crops):
    """Makes steps of a recipe; returns what the last one logs."""

    def run(models, steps):
        for step in steps:
            phase, first, end = models.recipe.phase_of(step)
            models.enter(phase, step, first, end)
            logged = train_step(models, crops.batch(models.recipe, step), phase, step - first)
        return logged

    return run
