import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from inpaint_training.networks.attention import CELL, MOST_KEYS, ContextualAttention, copy_cells, find_detail, keys


def weigh(image, mask, sharpness=60.0):
    """Attend to an image by its own pixels, as if they were features at a quarter of the resolution."""
    with torch.no_grad():
        return ContextualAttention(sharpness)(torch.nn.functional.pixel_unshuffle(image, 4), mask)


@given(st.integers(2, 6), st.integers(2, 6), st.sampled_from([2, 4, 8]))
def test_who_copies_every_cell_to_itself_changes_nothing(rows, columns, cell):
    image = torch.rand(2, 3, rows * cell, columns * cell)
    weights = torch.eye(rows * columns).expand(2, -1, -1)
    torch.testing.assert_close(copy_cells(weights, image, cell), image)


def test_copying_moves_whole_cells_and_blends_half_a_cell_beyond():
    image = torch.zeros(1, 1, 32, 32)
    image[..., 4:20, 4:20] = 1  # one cell, and half of each of its neighbours
    weights = torch.zeros(1, 16, 16)
    weights[:, :, 15] = 1  # nothing but the last cell
    weights[:, 10] = torch.eye(16)[5]
    copied = copy_cells(weights, image, CELL)
    assert (copied[..., 16:24, 16:24][..., 3:5, 3:5] > 0.7).all()
    assert (copied[..., :12, :12] == 0).all()


@pytest.mark.parametrize("share", [0, 0.3, 1])
def test_weights_are_shares_and_known_cells_alone_are_copied(share):
    torch.manual_seed(0)
    image = torch.rand(2, 3, 64, 72)
    mask = torch.zeros(2, 1, 64, 72)
    mask[..., : round(64 * share), :] = 1
    weights = weigh(image, mask)
    assert weights.shape == (2, 72, 72)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 72))
    if share == 0.3:
        touched = torch.nn.functional.max_pool2d(mask, CELL)[0, 0].flatten() > 0
        assert weights[:, :, touched].max() < 1e-6


def test_a_hole_copies_its_twin():
    """Of a scene that is there twice, side by side, the missing part is taken from the other one."""
    torch.manual_seed(0)
    scene = torch.rand(1, 3, 64, 64)
    image = torch.cat([scene, scene], 3)  # 1, 3, 64, 128
    mask = torch.zeros(1, 1, 64, 128)
    mask[..., 24:40, 24:40] = 1
    weights = weigh(image, mask)
    for row, column in ((3, 3), (3, 4), (4, 4)):
        assert weights[0, row * 16 + column].argmax() == row * 16 + column + 8
    torch.testing.assert_close(copy_cells(weights, image, CELL)[..., 28:36, 28:36], image[..., 28:36, 28:36], atol=0.01,
                               rtol=0)  # fmt: skip


@given(st.integers(1, 300))
def test_the_number_of_keys_is_bounded_and_they_are_spread_evenly(side):
    kept = keys(torch.arange(float(side)).view(1, 1, 1, side).expand(1, 1, 2, side))[0, 0, 0]
    assert len(kept) <= MOST_KEYS
    assert kept[0] == 0
    assert len(set(kept.diff().tolist())) <= 1
    assert side > MOST_KEYS or len(kept) == side


def test_detail_has_no_mean_and_is_all_that_a_blurred_image_lacks():
    image = torch.full((1, 3, 32, 32), 0.3)
    assert find_detail(image).abs().max() < 1e-6
    image[..., ::2] += 0.2
    assert find_detail(image).abs().mean() == pytest.approx(0.1, abs=1e-4)
