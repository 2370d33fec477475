import math

import pytest
import torch

from inpaint_training.data.sampler import held_out_batches
from inpaint_training.recipes.library import load_recipe
from inpaint_training.trainer.fabric import LaunchSettings
from inpaint_training.trainer.state import Models
from inpaint_training.trainer.validate import Watchdog, validate


def test_validating_changes_nothing_and_measures_every_critic(crops, adversarial):
    recipe = load_recipe("compact", adversarial)
    models = Models(recipe, LaunchSettings(precision="32-true").launch())
    before = {name: value.clone() for name, value in models.critics[1].module.state_dict().items()}
    batches = list(held_out_batches(crops, recipe.phases[0]))
    metrics = validate(models, batches)
    assert metrics.keys() == {"l1_hole", "psnr_hole", "texture", "critic_0/gap", "critic_1/gap"}
    assert metrics == validate(models, batches)
    assert 5 < metrics["psnr_hole"] < 40
    assert 0 < metrics["texture"] < 1  # a smooth fill
    assert all(torch.equal(before[name], value) for name, value in models.critics[1].module.state_dict().items())
    assert models.critics[1].module.training
    assert models.generator.module.training


GOOD = {"psnr_hole": 20.0, "texture": 0.8}


@pytest.mark.parametrize(
    ("metrics", "says"),
    [
        ({}, None),
        ({"psnr_hole": 19.1}, None),
        ({"psnr_hole": 18.9}, "18.90 dB, from 20.00"),
        ({"texture": 1.29}, None),
        ({"texture": 1.4}, "1.40 of the originals"),
        ({"l1_hole": math.nan}, "l1_hole is nan"),
    ],
)
def test_the_watchdog_barks_at_what_is_worse_than_before(metrics, says):
    watchdog = Watchdog()
    assert watchdog.check(GOOD, adversarial=False) is None
    verdict = watchdog.check(GOOD | metrics, adversarial=True)
    assert verdict is None if says is None else says in verdict


def test_without_anything_before_only_numbers_that_are_none_count():
    watchdog = Watchdog()
    assert watchdog.check({"psnr_hole": 3.0, "texture": 5.0}, adversarial=True) is None
    assert "nan" in watchdog.check({"psnr_hole": math.nan, "texture": 5.0}, adversarial=True)
