import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from inpaint_training.config import LossConfig
from inpaint_training.losses import reconstruction_loss, ssim_map


def test_ssim_equals_scikit_image(photo):
    a = photo[100:200, 200:330] / 255
    b = np.clip(a + np.random.default_rng(0).normal(0, 0.1, a.shape), 0, 1)
    _, expected = structural_similarity(a, b, channel_axis=-1, data_range=1, full=True)
    tensors = [torch.from_numpy(x).permute(2, 0, 1)[None] for x in (a, b)]
    got = ssim_map(*tensors)[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(got, expected[3:-3, 3:-3], atol=1e-6)
    assert structural_similarity(a, b, channel_axis=-1, data_range=1) == pytest.approx(got.mean(), abs=1e-6)


def test_parts_look_where_they_should():
    image, mask = torch.zeros(2, 3, 32, 32), torch.zeros(2, 1, 32, 32)
    mask[..., 8:24, 8:24] = 1
    hole_error = reconstruction_loss(image + 0.1 * mask, image, mask, LossConfig(1, 0.2, 0.1))
    assert hole_error["l1_hole"] == pytest.approx(0.1)
    assert hole_error["l1_known"] == 0
    known_error = reconstruction_loss(image + 0.1 * (1 - mask), image, mask, LossConfig(1, 0.2))
    assert known_error["l1_hole"] == 0
    assert known_error["loss"] == pytest.approx(0.2 * 0.1)


def test_a_perfect_completion_costs_nothing(photo):
    image = torch.from_numpy(photo[:64, :64].copy()).permute(2, 0, 1)[None] / 255
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 8:24, 8:24] = 1
    loss = reconstruction_loss(image, image, mask, LossConfig(1, 1, 1))["loss"]
    assert float(loss) == pytest.approx(0, abs=1e-5)
