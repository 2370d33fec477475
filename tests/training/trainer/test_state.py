import copy

import torch


def test_averages_hold_the_buffers_of_batch_norm(start, run_steps):
    words = [
        "--network.width",
        "0.03125",
        "--critics.0.width",
        "0.03125",
        "--phases.0.batch",
        "2",
        "--train.steps",
        "4",
    ]
    models = start([*words, "--phases.0.crop", "160", "--phases.1.crop", "160"], name="report-stable")
    run_steps(models, [0, 1])
    mean = models.average.module.layers.conv_5.norm.running_mean
    assert mean.abs().sum() > 0
    assert not torch.equal(mean, models.generator.module.layers.conv_5.norm.running_mean)


def test_a_state_restores_everything(start, run_steps, adversarial):
    models = start(adversarial)
    run_steps(models, range(10))
    state = copy.deepcopy(models.state())
    first = run_steps(models, [10, 11])
    models.load_state(state)
    again = run_steps(models, [10, 11])
    assert {name: float(value) for name, value in first.items()} == {name: float(v) for name, v in again.items()}
