import pytest
import torch

from inpaint_training.losses.balance import AdaptiveBalance, FixedBalance


def test_the_adaptive_weight_is_smooth_and_bounded():
    balance, scalar = AdaptiveBalance(ratio=0.25, smoothing=0.9, limit=1.25), torch.tensor
    weight, last = balance.weigh(scalar(0.0), scalar(2.0), scalar(4.0))
    assert weight * 4 / 2 == pytest.approx(0.25)
    vanishing, _ = balance.weigh(last, scalar(2.0), scalar(1e-9))
    assert weight < vanishing < 2 * weight
    exploding, after = balance.weigh(last, scalar(2.0), scalar(4000.0))
    assert exploding * 4000 / 2 == pytest.approx(1.25 * 0.25)
    assert after == pytest.approx(0.9 * float(last), rel=0.01)  # one spike does not silence the critic
    for _ in range(200):  # another norm that stays
        weight, last = balance.weigh(last, scalar(2.0), scalar(1.0))
    assert weight * 1 / 2 == pytest.approx(0.25, rel=1e-3)
    assert FixedBalance(0.3).weigh(last, scalar(2.0), scalar(4.0)) == (pytest.approx(0.3), pytest.approx(0.3))
