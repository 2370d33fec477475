import torch

from inpaint_training.recipes.library import load_recipe
from inpaint_training.trainer import probe
from inpaint_training.trainer.fabric import LaunchSettings
from inpaint_training.trainer.probe import fit_steps_to_time


def test_speed_is_measured_for_a_share_of_the_time(dataset, adversarial, crops, monkeypatch, capsys):
    """However slow steps are: then every phase but the first is estimated by its pixels."""
    made = []

    class Clock:
        now = 0.0

        @classmethod
        def monotonic(cls):
            return cls.now

    def slow_step(*_):
        Clock.now += 10
        made.append(Clock.now)
        return {"loss": torch.zeros(())}

    monkeypatch.setattr(probe, "time", Clock)
    monkeypatch.setattr(probe, "train_step", slow_step)
    recipe, fabric = load_recipe("compact", adversarial), LaunchSettings(precision="32-true").launch()
    fixed = fit_steps_to_time(recipe, crops, fabric, 1, 0.0, 0)
    assert len(made) == 1
    assert "measuring speed, for at most about 6 s of the 1 minutes" in capsys.readouterr().err
    assert fixed.train.steps == 4  # (0.95 * 60 - 10) / 10
    made.clear()
    Clock.now = 0
    fit_steps_to_time(recipe, crops, fabric, 1000, 0.0, 0)
    assert len(made) == 3 * (1 + probe.PROBE_STEPS)
