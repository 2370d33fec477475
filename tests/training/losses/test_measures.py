import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from inpaint_training.losses.measures import gradient_energy, masked_mean, psnr, ssim_map


def test_ssim_equals_scikit_image(photo):
    a = photo[100:200, 200:330] / 255
    b = np.clip(a + np.random.default_rng(0).normal(0, 0.1, a.shape), 0, 1)
    _, expected = structural_similarity(a, b, channel_axis=-1, data_range=1, full=True)
    tensors = [torch.from_numpy(x).permute(2, 0, 1)[None] for x in (a, b)]
    got = ssim_map(*tensors)[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(got, expected[3:-3, 3:-3], atol=1e-6)
    assert structural_similarity(a, b, channel_axis=-1, data_range=1) == pytest.approx(got.mean(), abs=1e-6)


def test_a_mean_without_weights_is_zero():
    assert masked_mean(torch.ones(2, 3, 4, 4), torch.zeros(2, 1, 4, 4)) == 0


def test_psnr_and_energy_look_at_the_hole_alone():
    image, mask = torch.rand(2, 3, 16, 16), torch.zeros(2, 1, 16, 16)
    mask[..., 4:10, 5:12] = 1
    off = torch.where(mask > 0, image + 0.1, image + 0.5)
    torch.testing.assert_close(psnr(off, image, mask), torch.full((2,), 20.0), atol=1e-3, rtol=0)
    hole = image[:, :, 4:10, 5:12].numpy()
    expected = np.abs(np.diff(hole, axis=2)).mean((1, 2, 3)) + np.abs(np.diff(hole, axis=3)).mean((1, 2, 3))
    np.testing.assert_allclose(gradient_energy(off, mask), expected, rtol=1e-5)
