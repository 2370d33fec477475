import numpy as np
import pytest
import torch

from inpaint_training.losses.adversarial import (
    Bce,
    Hinge,
    Wgan,
    WganGp,
    gradient_penalty,
)


def linear(weight):
    """A critic whose slope is the norm of its weight, everywhere."""
    return lambda view: ((view[:, :3] * weight).sum((1, 2, 3)),)


@pytest.mark.parametrize("norm", [0.0, 0.5, 1.0, 3.0])
def test_the_penalty_of_a_linear_critic_is_known(norm):
    weight = torch.randn(3, 8, 8, generator=torch.Generator().manual_seed(0))
    weight = norm * weight / weight.norm()
    real, fake = torch.rand(2, 5, 4, 8, 8)
    penalty, slope = gradient_penalty(linear(weight), [real], [fake], torch.rand(5))
    assert float(slope) == pytest.approx(norm, abs=1e-5)
    assert float(penalty) == pytest.approx((norm - 1) ** 2, abs=1e-4)


def test_the_norm_is_per_image_over_all_views():
    weight = torch.zeros(3, 8, 8)
    weight[0, 0, :4] = 0.5  # norm 1 in one view
    real, fake = torch.rand(2, 3, 4, 8, 8)

    def two_views(a, b):
        return (linear(weight)(a)[0] + linear(weight)(b)[0],)

    _, slope = gradient_penalty(two_views, [real, real], [fake, fake], torch.rand(3))
    assert float(slope) == pytest.approx(np.sqrt(2), abs=1e-5)


def test_the_penalty_can_look_at_the_hole_alone():
    weight = torch.ones(3, 8, 8)
    real, fake = torch.rand(2, 2, 4, 8, 8)
    real[:, 3], fake[:, 3] = 0, 0
    real[:, 3, 2:4, 2:4] = fake[:, 3, 2:4, 2:4] = 1
    _, slope = gradient_penalty(linear(weight), [real], [fake], torch.rand(2), in_hole=True)
    assert float(slope) == pytest.approx(np.sqrt(3 * 4), abs=1e-5)


def test_the_penalty_has_float32_precision_under_autocast():
    torch.manual_seed(0)
    critic = torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(4 * 8 * 8, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1)
    )
    real, fake, mix = torch.rand(3, 4, 8, 8), torch.rand(3, 4, 8, 8), torch.rand(3)
    expected = gradient_penalty(lambda view: (critic(view),), [real], [fake], mix)
    with torch.autocast("cpu", torch.bfloat16):
        assert critic(real).dtype == torch.bfloat16
        got = gradient_penalty(lambda view: (critic(view),), [real], [fake], mix)
    torch.testing.assert_close(got, expected, rtol=0, atol=0)


def test_the_penalty_reaches_the_weights():
    weight = torch.full((3, 8, 8), 0.1, requires_grad=True)
    penalty, _ = gradient_penalty(linear(weight), [torch.rand(2, 4, 8, 8)], [torch.rand(2, 4, 8, 8)], torch.rand(2))
    penalty.backward()
    norm = float(weight.detach().norm())
    torch.testing.assert_close(weight.grad, 2 * (norm - 1) * weight.detach() / norm)


@pytest.mark.parametrize("loss", [WganGp(), Wgan(), Hinge(), Bce()], ids=lambda loss: loss.kind)
def test_losses_pull_scores_the_right_way(loss):
    scores = torch.zeros(2, 1, requires_grad=True)
    (towards_real,) = torch.autograd.grad(loss.critic_loss(scores, torch.zeros(2, 1)), scores)
    (towards_fake,) = torch.autograd.grad(loss.critic_loss(torch.zeros(2, 1), scores), scores)
    (towards_deceit,) = torch.autograd.grad(loss.generator_loss(scores), scores)
    assert (towards_real < 0).all()
    assert (towards_fake > 0).all()
    assert (towards_deceit < 0).all()


def test_reference_values():
    real, fake = torch.tensor([2.0, 0.0]), torch.tensor([-3.0, 0.5])
    assert WganGp(drift=0.1).critic_loss(real, fake) == pytest.approx(-1.25 - 1 + 0.1 * 2)
    assert Hinge().critic_loss(real, fake) == pytest.approx((0 + 1) / 2 + (0 + 1.5) / 2)
    logits = torch.nn.functional.binary_cross_entropy_with_logits
    expected = logits(real, torch.ones(2)) + logits(fake, torch.zeros(2))
    torch.testing.assert_close(Bce().critic_loss(real, fake), expected)


def test_clipping():
    critic = torch.nn.Linear(3, 3)
    Wgan(0.01).after_step(critic)
    assert max(float(p.detach().abs().max()) for p in critic.parameters()) <= 0.01
