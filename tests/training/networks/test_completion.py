import pytest
import torch

from inpaint_training.networks.completion import (
    TABLE_1,
    CompletionNetwork,
    count_parameters,
)
from inpaint_training.networks.fills import pullpush_fill

# Iizuka et al. 2017, Table 1: kernel ** 2 * channels in * channels out + channels out
TABLE_1_PARAMETERS = {
    "conv_1": 5 * 5 * 4 * 64 + 64,
    "down_2": 9 * 64 * 128 + 128,
    "conv_3": 9 * 128 * 128 + 128,
    "down_4": 9 * 128 * 256 + 256,
    **dict.fromkeys(["conv_5", "conv_6", "dilated_2", "dilated_4", "dilated_8", "dilated_16", "conv_11", "conv_12"],
                    9 * 256 * 256 + 256),
    "up_13": 16 * 256 * 128 + 128,
    "conv_14": 9 * 128 * 128 + 128,
    "up_15": 16 * 128 * 64 + 64,
    "conv_16": 9 * 64 * 32 + 32,
    "output_17": 9 * 32 * 3 + 3,
}  # fmt: skip


def test_parameters_per_layer_against_table_1():
    network = CompletionNetwork()
    counted = {name: count_parameters(layer) for name, layer in network.layers.named_children()}
    assert counted == TABLE_1_PARAMETERS
    assert count_parameters(network) == 6_066_179
    assert [row.dilation for row in TABLE_1 if row.dilation > 1] == [2, 4, 8, 16]


@pytest.mark.parametrize("padding", ["reflect", "zero"])
@pytest.mark.parametrize("norm", ["none", "batch"])
@pytest.mark.parametrize("hole_init", ["zero", "mean", "pullpush"])
def test_every_configuration_completes_and_is_blind_to_what_is_under_the_hole(padding, norm, hole_init):
    torch.manual_seed(0)
    network = CompletionNetwork(0.125, padding, norm, "elu", hole_init).eval()
    torch.nn.init.normal_(network.layers.output_17.conv.weight, std=0.1)
    image = torch.rand(2, 3, 72, 76)
    mask = torch.zeros(2, 1, 72, 76)
    mask[..., 20:50, 10:40] = 1
    with torch.no_grad():
        completion = network(image, mask)
        erased = network(torch.where(mask > 0, torch.nan, image), mask)
    assert completion.shape == image.shape
    assert completion.min() >= 0
    assert completion.max() <= 1
    torch.testing.assert_close(completion, erased, rtol=0, atol=0)


@pytest.mark.parametrize("padding", ["reflect", "zero"])
def test_the_claimed_sizes_are_the_true_ones(padding):
    """The claimed minimum works; every smaller multiple, and every size between multiples, is refused."""
    network = CompletionNetwork(0.125, padding)
    side, multiple = network.minimum_side, network.size_multiple
    assert (side, multiple) == ((68, 4) if padding == "reflect" else (4, 4))
    assert network(torch.rand(1, 3, side, side + multiple), torch.zeros(1, 1, side, side + multiple)).shape[2] == side
    for wrong in (side - multiple, side + 1, side + multiple - 1):
        with pytest.raises(ValueError, match=rf"{wrong} x .*multiples of 4 and at least {side}"):
            network(torch.rand(1, 3, wrong, side), torch.zeros(1, 1, wrong, side))


def test_the_network_cannot_run_below_its_minimum():
    layers = CompletionNetwork(0.125).layers
    with pytest.raises(RuntimeError, match=r"(?i)padding size"):
        layers(torch.rand(1, 4, 64, 64))


def test_reflected_transposed_convolutions_differ_from_plain_ones_only_at_the_border():
    torch.manual_seed(0)
    reflect, zero = CompletionNetwork(0.125).layers.up_13, CompletionNetwork(0.125, "zero").layers.up_13
    zero.load_state_dict(reflect.state_dict())
    x = torch.rand(1, 32, 10, 12)
    a, b = reflect(x), zero(x)
    assert a.shape == b.shape == (1, 16, 20, 24)
    torch.testing.assert_close(a[..., 1:-1, 1:-1], b[..., 1:-1, 1:-1])
    assert not torch.allclose(a, b)


def test_a_new_residual_network_returns_the_smooth_fill():
    image, mask = torch.rand(1, 3, 72, 72), torch.zeros(1, 1, 72, 72)
    mask[..., 10:40, 10:40] = 1
    torch.testing.assert_close(CompletionNetwork(0.125)(image, mask), pullpush_fill(image, mask > 0))


def test_signals_neither_vanish_nor_explode():
    torch.manual_seed(0)
    x = torch.rand(2, 4, 96, 96)
    for layer in CompletionNetwork(0.5).layers[:-1]:
        x = layer(x)
    assert 0.1 < x.std() < 10


def test_bad_width_is_refused():
    with pytest.raises(ValueError, match=r"width\s+Input should be greater than 0"):
        CompletionNetwork(0)
