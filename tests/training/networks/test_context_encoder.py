import pytest
import torch

from inpaint_training.networks.context_encoder import (
    CONTEXT_MAP_SIDE,
    ChannelWiseLinear,
    ContextEncoder,
)
from tests.training.networks.examples import NARROW, example


def test_a_context_encoder_takes_its_fixed_size_only():
    network = ContextEncoder(NARROW)
    assert network.fixed_side == network.size_multiple == network.minimum_side == 128
    assert network(*example(network)).shape == (2, 3, 128, 128)
    for height, width in [(64, 64), (128, 256), (256, 128), (127, 128), (256, 256)]:
        with pytest.raises(ValueError, match=rf"{height} x {width} pixels: .* 128 x 128 pixels only; crop or resize"):
            network(torch.rand(1, 3, height, width), torch.zeros(1, 1, height, width))


def test_a_context_encoder_cannot_run_at_another_size():
    network = ContextEncoder(NARROW)
    with pytest.raises(RuntimeError):
        network.channel_wise(network.encoder(torch.rand(2, 3, 160, 160)))


def test_every_channel_wise_matrix_is_trained():
    torch.manual_seed(0)
    network = ContextEncoder(NARROW)
    network(*example(network, batch=4)).mean().backward()
    assert (network.channel_wise.weight.grad.abs().amax((1, 2)) > 0).all()


def test_the_channel_wise_layer_mixes_within_channels_only():
    torch.manual_seed(0)
    layer = ChannelWiseLinear(5, CONTEXT_MAP_SIDE)
    x = torch.rand(2, 5, CONTEXT_MAP_SIDE, CONTEXT_MAP_SIDE)
    perturbed = x.clone()
    perturbed[:, 3, 0, 0] += 1
    with torch.no_grad():
        changed = layer(perturbed) != layer(x)
    assert changed[:, 3].all()
    assert not changed[:, [0, 1, 2, 4]].any()


def test_the_channel_wise_layer_gives_each_channel_a_matrix_of_its_own():
    torch.manual_seed(0)
    layer = ChannelWiseLinear(3, 2)
    x = torch.rand(1, 3, 2, 2)
    for channel in range(3):
        expected = x[0, channel].flatten() @ layer.weight[channel]
        torch.testing.assert_close(layer(x)[0, channel].flatten(), expected)
