import pytest
import torch

from inpaint_training.networks.completion import CompletionNetwork
from inpaint_training.networks.context_encoder import ContextEncoder
from inpaint_training.networks.padding import complete_window, pad_window


@pytest.mark.parametrize("size", [(1, 1), (5, 67), (68, 68), (71, 90)])
def test_windows_of_any_size_are_completed(size):
    network = CompletionNetwork(0.125).eval()
    image, mask = torch.rand(2, 3, *size), torch.zeros(2, 1, *size)
    mask[..., size[0] // 2 :, :] = 1
    with torch.no_grad():
        assert complete_window(network, image, mask).shape == image.shape
    padded = pad_window(image, 4, 68)
    assert all(side >= 68 and side % 4 == 0 for side in padded.shape[2:])
    assert torch.equal(padded[..., : size[0], : size[1]], image)
    assert (padded[..., -1] == padded[..., size[1] - 1]).all()


def test_a_network_of_one_size_sees_only_what_is_known():
    class Fixed(torch.nn.Module):
        fixed_side = 16

        def forward(self, image, mask):
            assert image.shape[2:] == mask.shape[2:] == (16, 16)
            assert ((mask == 0) | (mask == 1)).all()
            self.seen = image, mask
            return torch.where(mask > 0, 1.0, image)

    network = Fixed()
    image, mask = torch.full((1, 3, 40, 56), 0.25), torch.zeros(1, 1, 40, 56)
    mask[..., 10:20, 14:28] = 1
    image[mask.expand_as(image) > 0] = float("nan")
    completion = complete_window(network, image, mask)
    assert completion.shape == image.shape
    small, hole = network.seen
    assert torch.allclose(small[hole.expand_as(small) == 0], torch.tensor(0.25))
    assert hole[..., 4:8, 4:8].all()
    assert not hole[..., 10:, :].any()


def test_a_context_encoder_completes_windows_of_any_size():
    network = ContextEncoder(width=0.0625).eval()
    image, mask = torch.rand(1, 3, 90, 200), torch.zeros(1, 1, 90, 200)
    mask[..., 30:60, 50:120] = 1
    with torch.no_grad():
        assert complete_window(network, image, mask).shape == image.shape
