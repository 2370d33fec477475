import pytest
import torch

from inpaint_training.networks.completion import count_parameters
from inpaint_training.networks.context_encoder import (
    ContextEncoder,
    ContextEncoderConfig,
)
from inpaint_training.networks.pggan import PgganConfig, PgganNetwork
from tests.training.networks.examples import NARROW, example

CONFIGS = [ContextEncoderConfig, PgganConfig]


# Pathak et al. 2016: kernel ** 2 * channels in * channels out, + 2 * channels out for BatchNorm, or + a bias
CONTEXT_ENCODER_PARAMETERS = {
    "encoder.0": 16 * 3 * 64 + 64,
    "encoder.1": 16 * 64 * 64 + 2 * 64,
    "encoder.2": 16 * 64 * 128 + 2 * 128,
    "encoder.3": 16 * 128 * 256 + 2 * 256,
    "encoder.4": 16 * 256 * 512 + 2 * 512,
    "channel_wise": 512 * 4**4,  # Section 3.1: m n^4
    "mix": 512 * 512 + 2 * 512,
    "decoder.0": 16 * 512 * 256 + 2 * 256,
    "decoder.1": 16 * 256 * 128 + 2 * 128,
    "decoder.2": 16 * 128 * 64 + 2 * 64,
    "decoder.3": 16 * 64 * 64 + 2 * 64,
    "decoder.4": 16 * 64 * 3 + 3,
}


PGGAN_PARAMETERS = {
    "layers.0": 49 * 4 * 64 + 2 * 64,
    "layers.1": 9 * 64 * 128 + 2 * 128,
    "layers.2": 9 * 128 * 256 + 2 * 256,
    **{f"layers.{block}": 2 * (9 * 256 * 256 + 2 * 256) for block in range(3, 12)},
    "layers.12": 9 * 256 * 128 + 2 * 128,
    "layers.13": 9 * 128 * 64 + 2 * 64,
    "layers.14": 49 * 64 * 3 + 3,
}


@pytest.mark.parametrize(
    ("network", "expected", "total"),
    [(ContextEncoder, CONTEXT_ENCODER_PARAMETERS, 6_039_491), (PgganNetwork, PGGAN_PARAMETERS, 11_386_563)],
)
def test_parameters_per_layer_against_the_layer_table(network, expected, total):
    network = network()
    assert {name: count_parameters(network.get_submodule(name)) for name in expected} == expected
    assert count_parameters(network) == sum(expected.values()) == total


@pytest.mark.parametrize("config", CONFIGS)
def test_the_network_is_blind_to_what_is_under_the_hole(config):
    torch.manual_seed(0)
    network = config(width=NARROW).build().eval()
    image, mask = example(network)
    with torch.no_grad():
        completion = network(image, mask)
        erased = network(torch.where(mask > 0, torch.nan, image), mask)
        other = network(torch.where(mask > 0, image, 1 - image), mask)
    assert completion.shape == image.shape
    assert completion.min() >= 0
    assert completion.max() <= 1
    torch.testing.assert_close(completion, erased, rtol=0, atol=0)
    assert not torch.allclose(completion, other)


@pytest.mark.parametrize("config", CONFIGS)
def test_a_hole_that_covers_everything_is_completed(config):
    network = config(width=NARROW).build()
    image, mask = example(network)
    assert torch.isfinite(network(torch.full_like(image, torch.nan), torch.ones_like(mask))).all()


@pytest.mark.parametrize("config", CONFIGS)
def test_gradients_reach_every_parameter(config):
    torch.manual_seed(0)
    network = config(width=NARROW).build()
    image, mask = example(network, batch=4)
    (network(image, mask) - image).abs().mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 1e-9, name


@pytest.mark.parametrize("config", CONFIGS)
def test_width_scales_channels_and_keeps_at_least_one(config):
    tiny, narrow, full = (count_parameters(config(width=width).build()) for width in (1e-3, 0.5, 1.0))
    assert tiny < narrow < full
    network = config(width=1e-3).build()
    assert network(*example(network)).shape[1] == 3
    assert network.config == config(width=1e-3)


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("width", [0, -1, 4.5, float("nan")])
def test_bad_width_is_refused(config, width):
    with pytest.raises(ValueError, match=rf"width\s+Input should be (greater|less|a finite).* .*input_value={width}"):
        config(width=width)
