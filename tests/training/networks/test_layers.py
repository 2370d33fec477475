import pytest
import torch

from inpaint_training.networks.layers import reflect_pad


@pytest.mark.parametrize("pad", [1, 2, 16])
def test_both_ways_of_reflecting_are_equal(pad):
    x = torch.rand(2, 3, 17, 20).contiguous(memory_format=torch.channels_last).requires_grad_()
    padded, expected = reflect_pad(x, pad, by_flips=True), reflect_pad(x, pad, by_flips=False)
    torch.testing.assert_close(padded, expected, rtol=0, atol=0)
    assert padded.is_contiguous(memory_format=torch.channels_last)
    weights = torch.rand_like(expected)
    gradients = [torch.autograd.grad((way * weights).sum(), x)[0] for way in (padded, expected)]
    torch.testing.assert_close(*gradients)


def test_reflecting_has_a_second_derivative():
    x = torch.rand(1, 2, 6, 5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda x: reflect_pad(x**2, 2, by_flips=True), x)
