import numpy as np
import pytest
import torch

from inpaint_training.recipes.optimizers import SCHEDULES, Adadelta, Adam, RMSprop, Update, read_optimizer


def first_step(config, gradient):
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = config.build([parameter])
    optimizer.param_groups[0]["lr"] = 1.0
    parameter.grad = torch.tensor([gradient])
    optimizer.step()
    return -float(parameter.detach())


def test_rmsprops_first_step_is_ten_times_too_long_unless_it_starts_with_ones():
    assert first_step(RMSprop(decay=0.99), 1e-3) == pytest.approx(10, rel=1e-3)
    assert first_step(Adam((0.0, 0.99)), 1e-3) == pytest.approx(1, rel=1e-3)
    expected = 1e-3 / np.sqrt(0.99 + 0.01 * 1e-6)  # the average of ones and the squared gradient
    assert first_step(RMSprop(decay=0.99, rmsprop_init="ones"), 1e-3) == pytest.approx(expected, rel=1e-4)
    assert first_step(RMSprop(momentum=0.9, rmsprop_init="ones"), 1e-3) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("config", [Adam((0.1, 0.2)), RMSprop(rmsprop_init="ones", momentum=0.5), Adadelta(decay=0.9)])
def test_configs_can_be_read_back(config):
    from dataclasses import asdict

    assert read_optimizer(asdict(config)) == config
    assert first_step(config, 1.0) > 0


def test_the_learning_rate_rises_and_falls_along_a_cosine():
    update = Update(lr=1.0, lr_end=0.1, schedule="cosine", warmup=10)
    rates = [update.rate(step, 100) for step in range(101)]
    assert rates[0] == pytest.approx(1 / 11, rel=1e-3)
    assert max(rates) == rates[10]
    assert rates[50] == pytest.approx(0.55)
    assert rates[100] == pytest.approx(0.1)
    assert (np.diff(rates[10:]) < 0).all()


def test_schedules_start_at_one_and_never_rise():
    for schedule in SCHEDULES.values():
        left = [schedule(done) for done in np.linspace(0, 1, 50)]
        assert left[0] == 1
        assert (np.diff(left) <= 1e-12).all()
    assert Update(lr=1.0, lr_end=0.1, schedule="drop").rate(80, 100) == pytest.approx(0.1)
    assert Update(lr=1.0, lr_end=0.1).rate(99, 100) == 1.0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Update(lr=0), r"lr\s+Input should be greater than 0 .*input_value=0"),
        (lambda: Update(schedule="up"), "no schedule 'up'"),
        (lambda: Update(clip_norm=0), r"clip_norm\s+Input should be greater than 0"),
        (lambda: RMSprop(momentum=1), r"momentum\s+Input should be less than 1"),
    ],
)
def test_impossible_updates_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
