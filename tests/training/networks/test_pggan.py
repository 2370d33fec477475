import pytest
import torch

from inpaint_training.networks.pggan import PgganNetwork
from tests.training.networks.examples import NARROW, example


def test_the_claimed_sizes_of_pggan_are_the_true_ones():
    """The claimed minimum works; every smaller multiple, and every size between multiples, is refused."""
    network = PgganNetwork(NARROW)
    side, multiple = network.minimum_side, network.size_multiple
    assert (side, multiple, network.fixed_side) == (12, 4, None)
    assert network(*example(network, side)).shape == (2, 3, side, side)
    rectangle = torch.rand(1, 3, side, side + multiple)
    assert network(rectangle, torch.zeros(1, 1, side, side + multiple)).shape == rectangle.shape
    for wrong in (side - multiple, side + 1, side + multiple - 1):
        with pytest.raises(ValueError, match=rf"{wrong} x .*multiples of 4 and at least {side}; pad"):
            network(torch.rand(1, 3, wrong, side), torch.zeros(1, 1, wrong, side))


def test_pggan_cannot_run_below_its_minimum():
    with pytest.raises(RuntimeError, match=r"(?i)padding size"):
        PgganNetwork(NARROW).layers(torch.rand(1, 4, 8, 12))
