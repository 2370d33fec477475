"""What small networks are given."""

import torch

NARROW = 1 / 16


def example(network, side=None, batch=2):
    side = side or network.fixed_side or 64
    mask = torch.zeros(batch, 1, side, side)
    mask[..., side // 4 : side // 2, side // 8 : side // 2] = 1
    return torch.rand(batch, 3, side, side), mask
