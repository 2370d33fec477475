import pytest
import torch

from inpaint_training.networks.two_stage import DeepFillConfig, TwoStageConfig

NETWORKS = [
    TwoStageConfig(width=0.125),
    TwoStageConfig(width=0.125, padding="zero", act="elu"),
    DeepFillConfig(width=0.125),
]


def build(config):
    """A network whose stages both do something."""
    torch.manual_seed(0)
    network = config.build()
    for stage in (network.coarse, network.refine):
        torch.nn.init.normal_(stage.layers.output_17.conv.weight, std=0.1)
    return network


def scene(side=72, batch=2):
    image, mask = torch.rand(batch, 3, side, side + 8), torch.zeros(batch, 1, side, side + 8)
    mask[..., 20:50, 10:40] = 1
    return image, mask


@pytest.mark.parametrize("config", NETWORKS)
def test_every_configuration_completes_and_is_blind_to_what_is_under_the_hole(config):
    network, (image, mask) = build(config).eval(), scene()
    with torch.no_grad():
        completion = network(image, mask)
        erased = network(torch.where(mask > 0, torch.nan, image), mask)
    assert completion.shape == image.shape
    assert completion.min() >= 0
    assert completion.max() <= 1
    torch.testing.assert_close(completion, erased, rtol=0, atol=0)


@pytest.mark.parametrize("config", NETWORKS)
def test_the_claimed_sizes_are_the_true_ones(config):
    network = config.smallest().build().eval()
    side, multiple = network.minimum_side, network.size_multiple
    assert multiple == 8
    assert side == (16 if config == NETWORKS[1] else 72)
    assert network(torch.rand(1, 3, side, side + multiple), torch.zeros(1, 1, side, side + multiple)).shape[2] == side
    for wrong in (side - multiple, side + 4):
        with pytest.raises(ValueError, match=rf"{wrong} x .*multiples of 8 and at least {side}"):
            network(torch.rand(1, 3, wrong, side), torch.zeros(1, 1, wrong, side))


def test_a_new_second_stage_adds_detail_of_the_known_region_and_nothing_else():
    network, (image, mask) = TwoStageConfig(width=0.125).build().eval(), scene()
    torch.nn.init.normal_(network.coarse.layers.output_17.conv.weight, std=0.01)
    with torch.no_grad():
        first = network.coarse(image, mask)
        added = (network(image, mask) - first)[..., 28:42, 18:32]  # of noise, all detail of which is known
        assert added.std() > 0.7 * image.std()
        assert abs(float(added.mean())) < 0.1 * added.std()
        flat = torch.full_like(image, 0.5)
        torch.testing.assert_close(network(flat, mask), network.coarse(flat, mask), atol=1e-3, rtol=0)
        network.refine.layers["output_17"].conv.bias[3] = 0
        torch.testing.assert_close(network(image, mask), first)


@pytest.mark.parametrize("config", NETWORKS[:2])
def test_known_pixels_come_back_in_training_too(config):
    network, (image, mask) = build(config).train(), scene()
    completions = network(image, mask)
    assert completions.shape == (4, 3, 72, 80)
    known = (mask == 0).expand_as(image)
    assert torch.equal(completions[2:][known], image[known])


def test_in_training_every_second_first_stage_sees_half_the_resolution():
    network = build(TwoStageConfig(width=0.125)).train()
    image, mask = scene(144, batch=3)
    first = network(image, mask)[:3]
    whole = network.coarse(image, mask)
    torch.testing.assert_close(first[::2], whole[::2])
    assert (first[1] - whole[1]).abs()[:, 24:46, 14:36].mean() > 1e-3
    torch.nn.init.zeros_(network.coarse.layers.output_17.conv.weight)
    smooth = torch.full_like(image, 0.4)  # what is smooth loses nothing
    torch.testing.assert_close(network(smooth, mask)[:3], smooth)
    network.halved = False
    torch.testing.assert_close(network(image, mask)[:3], network.coarse(image, mask))


def test_a_fill_without_known_surroundings_is_not_multiplied():
    """Cells copy themselves there: their detail must not be added again."""
    network = TwoStageConfig(width=0.125).build().eval()
    image = torch.rand(1, 3, 72, 80)
    with torch.no_grad():
        change = network.refine(image, torch.ones(1, 1, 72, 80))
    torch.testing.assert_close(change, torch.zeros_like(image))
