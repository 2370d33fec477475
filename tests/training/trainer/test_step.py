import copy
from dataclasses import replace

import pytest
import torch

from inpaint_training.losses.measures import psnr
from inpaint_training.trainer.step import train_step
from inpaint_training.trainer.validate import validate


def weights(module):
    return [parameter.detach().clone() for parameter in module.parameters()]


def same(before, module):
    return [torch.equal(a, b) for a, b in zip(before, module.parameters(), strict=True)]


@pytest.mark.parametrize(("step", "generator", "critics"), [(0, True, False), (4, False, True), (9, True, True)])
def test_every_objective_changes_what_it_should(start, run_steps, adversarial, step, generator, critics):
    models = start([*adversarial, "--phases.1.update.warmup", "0"])
    before = weights(models.generator.module), [weights(critic.module) for critic in models.critics]
    run_steps(models, [step])
    assert (not all(same(before[0], models.generator.module))) == generator
    for old, critic in zip(before[1], models.critics, strict=True):
        assert (not all(same(old, critic.module))) == critics
    assert models.updates == generator


def test_turns_change_one_side_at_a_time(start, run_steps, adversarial):
    models = start([*adversarial, "--adversarial.critic_turns", "2"])
    for step in (8, 9, 10):
        before = weights(models.generator.module), weights(models.critics[0].module)
        run_steps(models, [step])
        assert all(same(before[0], models.generator.module)) == (step < 10)
        assert all(same(before[1], models.critics[0].module)) == (step == 10)


def test_the_generators_step_leaves_no_gradient_in_the_critics(start, run_steps, adversarial):
    models = start([*adversarial, "--adversarial.critic_turns", "1", "--adversarial.network_turns", "9"])
    run_steps(models, [8])  # the critics' turn
    for critic in models.critics:
        critic.optimizer.zero_grad()
    run_steps(models, [9])  # the generator's
    assert all(p.grad is None for critic in models.critics for p in critic.module.parameters())
    assert all(p.grad is not None for p in models.generator.module.parameters())


def test_both_updates_share_one_completion(start, run_steps, adversarial):
    models = start(adversarial)
    calls = []
    models.generator.module.register_forward_hook(lambda *_: calls.append(1))
    run_steps(models, [9])
    assert len(calls) == 1


def test_the_gradients_are_those_of_the_plain_weighted_sum(start, run_steps, crops, adversarial):
    """Meeting at the completion changes nothing: the same as one backward pass through the sum of the losses."""
    words = [*adversarial, "--loss", "{l1_hole: 1.0}", "--adversarial.balance", "{kind: fixed, weight: 0.1}",
             "--adversarial.network_turns", "9"]  # fmt: skip
    models = start(words)
    run_steps(models, range(4))
    phase, first, end = models.recipe.phase_of(10)
    batch = crops.batch(models.recipe, 10)
    twin = copy.deepcopy(models.generator.module)
    completion = twin(batch.image, batch.mask)
    loss = (completion - batch.image).abs().mul(batch.mask).sum((1, 2, 3)).div(3 * batch.mask.sum((1, 2, 3))).mean()
    for critic in models.critics:
        module = copy.deepcopy(critic.module)  # the spectral norm moves on with every call
        loss = loss - 0.1 * 0.5 * module(*critic.view(batch, completion))[0].mean()
    loss.backward()
    models.enter(phase, 10, first, end)
    train_step(models, batch, phase, 10 - first)
    norm = torch.nn.utils.get_total_norm([p.grad for p in twin.parameters()])
    for ours, plain in zip(models.generator.module.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, plain.grad, rtol=1e-3, atol=1e-5 * float(norm))


def test_the_adversarial_gradient_is_a_quarter_of_the_reconstructions(start, run_steps, adversarial):
    models = start(adversarial)
    ratios = [run_steps(models, [step])[f"critic_{i}/gradient_ratio"] for step in (8, 9, 10) for i in (0, 1)]
    assert all(0 < float(ratio) <= 1.25 * 0.125 * 1.001 for ratio in ratios)  # each has half of it
    assert float(ratios[0]) == pytest.approx(0.125, rel=1e-4)
    models.factor = 0.5
    assert float(run_steps(models, [11])["critic_0/gradient_ratio"]) <= 1.25 * 0.0625 * 1.001


def test_mixed_precision_keeps_images_and_the_penalty_in_float32(start, run_steps, adversarial):
    models = start(adversarial, "bf16-mixed")
    seen = []
    models.generator.module.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].dtype))
    models.generator.module.layers.conv_5.conv.register_forward_hook(lambda *out: seen.append(out[-1].dtype))
    parts = run_steps(models, range(10))
    assert set(seen) == {torch.float32, torch.bfloat16}
    assert seen[0] == torch.float32
    exact = start(adversarial)
    expected = run_steps(exact, range(10))
    assert float(parts["l1_hole"]) == pytest.approx(float(expected["l1_hole"]), rel=0.02)
    assert float(parts["critic_0/slope"]) == pytest.approx(float(expected["critic_0/slope"]), rel=0.05)


@pytest.mark.parametrize("step", [0, 4])
def test_a_batch_in_parts_makes_the_same_step(start, run_steps, adversarial, step):
    """Of critics without spectral norm, whose iteration goes on with every call."""
    words = [*adversarial, "--critics", "[{kind: local, width: 0.0625, side: 32, loss: {kind: wgan-gp}}]"]
    words += [f"--phases.{phase}.{option}" for phase in range(3) for option in ("batch=4", "update.warmup=0")]
    after = []
    for parts in (1, 2, 4):
        models = start([*words, *(f"--phases.{phase}.accumulate={parts}" for phase in range(3))])
        logged = run_steps(models, [step])
        network = models.critics[0] if step == 4 else models.generator
        after.append((logged, [parameter.grad.clone() for parameter in network.module.parameters()]))
    for logged, gradients in after[1:]:
        assert logged.keys() == after[0][0].keys()
        assert {name: float(value) for name, value in logged.items()} == pytest.approx(
            {name: float(value) for name, value in after[0][0].items()}, rel=1e-4, abs=1e-6
        )
        norm = torch.nn.utils.get_total_norm(gradients)
        for ours, whole in zip(gradients, after[0][1], strict=True):
            torch.testing.assert_close(ours, whole, rtol=1e-3, atol=1e-5 * float(norm))


def test_an_adversarial_step_in_parts_changes_both_sides(start, run_steps, adversarial):
    models = start([*adversarial, "--phases.2.accumulate", "2"])
    before = weights(models.generator.module), weights(models.critics[1].module)
    run_steps(models, [10])
    assert not all(same(before[0], models.generator.module))
    assert not all(same(before[1], models.critics[1].module))


SWITCH = [
    "--network.width", "0.125", "--network.hole_init", "mean", "--train.steps", "90",
    "--critics", "[{kind: local, width: 0.125, side: 32}]", "--data", "{crop_min: 1, jitter: 0}", "--phases",
    "[{share: 4, crop: 72, batch: 4, holes: {kind: centre, side: 32}, update: {lr: 1e-3, warmup: 5}},"
    " {share: 5, crop: 72, batch: 4, holes: {kind: centre, side: 32}, objective: adversarial,"
    " update: {optimizer: {kind: rmsprop}, lr: 1e-3, warmup: WARMUP},"
    " critic_update: {optimizer: {kind: rmsprop}, lr: 1e-4, warmup: WARMUP}}]",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("warmup", "stable"), [(300, True), (0, False)])
def test_the_switch_to_adversarial_training_needs_a_warm_up(start, run_steps, crops, warmup, stable):
    """RMSprop's first step is ten times too long: without warm-up what was learnt is lost at once."""
    models = start([word.replace("WARMUP", str(warmup)) for word in SWITCH])
    batch = crops.batch(models.recipe, 0)

    def decibels():
        with torch.no_grad():
            return float(psnr(models.generator.module(batch.image, batch.mask), batch.image, batch.mask).mean())

    run_steps(models, range(40))
    before = decibels()
    worst = before
    for step in range(40, 90 if stable else 43):
        run_steps(models, [step])
        worst = min(worst, decibels())
    assert (worst > before - 0.5) == stable, (before, worst)  # how much is lost depends on the CPU


@pytest.mark.parametrize("step", [0, 4, 9])
def test_what_holds_no_value_teaches_nothing(start, crops, adversarial, step):
    """Whatever is stored there, no weight learns from it; nor does validation judge it."""
    found = []
    for value in (0.0, 0.8):
        models = start(adversarial)
        phase, first, end = models.recipe.phase_of(step)
        models.enter(phase, step, first, end)
        batch = crops.batch(models.recipe, step)
        hidden = torch.zeros_like(batch.mask, dtype=torch.bool)
        hidden[:, :, 20:50, 10:40] = True
        batch = replace(batch, hidden=hidden, image=batch.image.masked_fill(hidden, value),
                        mask=batch.mask.masked_fill(hidden, 1))  # fmt: skip
        logged = train_step(models, batch, phase, step - first)
        metrics = validate(models, [batch])
        after = weights(models.generator.module), [weights(critic.module) for critic in models.critics]
        found.append(({name: float(x) for name, x in logged.items()}, metrics, *after))
    (logged, metrics, generator, critics), (logged_too, metrics_too, generator_too, critics_too) = found
    assert logged == logged_too
    assert metrics == metrics_too
    assert all(torch.equal(*pair) for pair in zip(generator, generator_too, strict=True))
    for one, other in zip(critics, critics_too, strict=True):
        assert all(torch.equal(*pair) for pair in zip(one, other, strict=True))
