import pytest
import torch

from inpaint_training.losses.augment import AUGMENTATIONS, DRAWS, augment


def test_augmentation_in_the_middle_of_its_range_changes_nothing():
    view = torch.rand(2, 4, 16, 16)
    draws = torch.full((2, DRAWS), 0.5)
    torch.testing.assert_close(augment(view, draws, tuple(AUGMENTATIONS)), view)
    assert augment(view, torch.rand(2, DRAWS), ()) is view


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_augmentation_is_differentiable_alike_for_pairs_and_keeps_the_mask_a_mask(name):
    view = torch.rand(3, 4, 16, 16)
    view[:, 3] = (view[:, 3] > 0.5).float()
    view.requires_grad_()
    draws = torch.rand(3, DRAWS, generator=torch.Generator().manual_seed(1))
    changed = augment(view, draws, (name,))
    assert not torch.equal(changed, view)
    torch.testing.assert_close(changed, augment(view, draws, (name,)))
    assert set(changed[:, 3].unique().tolist()) <= {0, 1}
    changed[:, :3].sum().backward()
    assert view.grad[:, :3].abs().sum() > 0
