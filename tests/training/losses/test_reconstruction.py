import numpy as np
import pytest
import torch
from scipy.ndimage import distance_transform_cdt

from inpaint_training.losses.reconstruction import (
    DISCOUNT,
    TERMS,
    distance_to_known,
    reconstruction_loss,
)


def hole(size, *box):
    mask = torch.zeros(1, 1, size, size)
    y0, x0, y1, x1 = box
    mask[..., y0:y1, x0:x1] = 1
    return mask


def test_terms_look_where_they_should():
    image, mask = torch.zeros(1, 3, 32, 32), hole(32, 8, 8, 24, 24)
    in_hole, outside = image + 0.1 * mask, image + 0.1 * (1 - mask)
    assert TERMS["l1_hole"](in_hole, image, mask) == pytest.approx(0.1)
    assert TERMS["l1_known"](outside, image, mask) == pytest.approx(0.1)
    assert TERMS["mse"](in_hole, image, mask) == pytest.approx(0.01 * 16**2 / 32**2)
    for name in ("l1_hole", "l1_discounted", "mse", "dissimilarity", "focal_frequency"):
        assert TERMS[name](outside, image, mask) == pytest.approx(0, abs=1e-6), name
        assert TERMS[name](in_hole, image, mask) > 0, name


@pytest.mark.parametrize("name", [name for name in TERMS if name != "features"])
def test_a_batch_is_the_mean_of_its_images(name):
    """So that devices may share a batch."""
    generator = torch.Generator().manual_seed(0)
    image, completion = torch.rand(2, 4, 3, 40, 40, generator=generator)
    mask = torch.cat([hole(40, 2, 3, 30, 20), hole(40, 10, 10, 12, 12), hole(40, 0, 0, 40, 40), hole(40, 0, 0, 0, 0)])
    whole = TERMS[name](completion, image, mask)
    each = [TERMS[name](c[None], i[None], m[None]) for c, i, m in zip(completion, image, mask, strict=True)]
    assert float(whole) == pytest.approx(float(torch.stack(each).mean()), rel=1e-5)


def test_a_perfect_completion_costs_nothing(photo):
    image = torch.from_numpy(photo[:64, :64].copy()).permute(2, 0, 1)[None] / 255
    weights = {name: 1.0 for name in TERMS if name != "features"}
    loss, parts = reconstruction_loss(image, image, hole(64, 8, 8, 24, 24), weights)
    assert float(loss) == pytest.approx(0, abs=1e-5)
    assert parts.keys() == weights.keys()


def test_only_terms_with_a_weight_are_computed():
    image = torch.rand(1, 3, 32, 32)
    loss, parts = reconstruction_loss(image + 0.1, image, hole(32, 8, 8, 24, 24), {"l1_hole": 2.0, "features": 0.0})
    assert float(loss) == pytest.approx(0.2)
    assert list(parts) == ["l1_hole"]


@pytest.mark.parametrize("box", [(3, 5, 20, 9), (0, 0, 12, 30), (10, 10, 11, 11)])
def test_the_distance_to_known_pixels_is_that_of_the_chessboard_for_boxes(box):
    mask = hole(32, *box)
    padded = np.pad(mask[0, 0].numpy(), 64, mode="edge")  # beyond the border everything counts as unknown
    expected = distance_transform_cdt(padded, "chessboard")[64:-64, 64:-64]
    np.testing.assert_array_equal(distance_to_known(mask)[0, 0], expected)


def test_the_discount_counts_the_rim_most():
    image, mask = torch.zeros(1, 3, 32, 32), hole(32, 8, 8, 25, 25)
    rim, centre = image.clone(), image.clone()
    rim[..., 8, 16], centre[..., 16, 16] = 1, 1
    ratio = TERMS["l1_discounted"](centre, image, mask) / TERMS["l1_discounted"](rim, image, mask)
    assert float(ratio) == pytest.approx(DISCOUNT**8, rel=1e-4)
