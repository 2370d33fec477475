import numpy as np
import torch

from inpaint_training.networks.fills import mean_fill, pullpush_fill


def test_mean_fill():
    image = torch.arange(4.0).reshape(1, 1, 2, 2).repeat(1, 3, 1, 1)
    hole = torch.tensor([[[[True, False], [False, False]]]])
    torch.testing.assert_close(mean_fill(image, hole)[0, 0, 0, 0], torch.tensor(2.0))
    assert (mean_fill(image, torch.ones_like(hole)) == 0.5).all()


def test_pullpush_has_no_dead_gradient_and_no_nan_for_any_hole():
    image = torch.rand(1, 3, 20, 33)
    for hole in (torch.zeros(1, 1, 20, 33), torch.ones(1, 1, 20, 33), (torch.rand(1, 1, 20, 33) > 0.5)):
        filled = pullpush_fill(image, hole > 0)
        assert torch.isfinite(filled).all()
        np.testing.assert_array_equal(filled[:, :, (hole == 0)[0, 0]], image[:, :, (hole == 0)[0, 0]])
