import pytest
import torch

from inpaint_training.checkpoints.checkpoint import Progress, keep_checkpoint, write_checkpoint
from inpaint_training.networks.completion import CompletionNetwork
from inpaint_training.recipes.library import load_recipe


@pytest.fixture(scope="session")
def network():
    torch.manual_seed(0)
    network = CompletionNetwork(0.125).eval()
    torch.nn.init.normal_(network.layers.output_17.conv.weight, std=0.02)
    return network


@pytest.fixture(scope="session")
def run(tmp_path_factory, network):
    """A training run with one checkpoint."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    recipe = load_recipe("compact", ["--network.width", "0.125", "--name", "tiny"])
    progress = Progress(step=1, images=10, photos=3)
    checkpoint = write_checkpoint(folder / "step-0000001", recipe, progress, network.state_dict())
    keep_checkpoint(folder, checkpoint, progress, before_critics=True, keep=1)
    return folder
