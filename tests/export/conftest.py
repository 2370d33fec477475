import pytest
import torch

from inpaint_training.checkpoint import Progress, write_checkpoint
from inpaint_training.networks import CompletionNetwork
from inpaint_training.recipes import load_recipe


@pytest.fixture(scope="session")
def tiny_network():
    torch.manual_seed(0)
    network = CompletionNetwork(0.125).eval()
    torch.nn.init.normal_(network.layers.output_17.conv.weight, std=0.02)
    return network


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory, tiny_network):
    recipe = load_recipe("compact", ["--network.width", "0.125", "--name", "tiny", "--licence", "CC0-1.0"])
    progress = Progress(step=1, images=10, photos=3, l1_hole=0.1)
    return write_checkpoint(tmp_path_factory.mktemp("run"), recipe, progress, tiny_network.state_dict(), {})
