"""The numbers of the self-check are the reference ones."""

import json

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from napari_inpaint.inference.metrics import score, ssim_map
from napari_inpaint.inference.self_check import OURS, SelfCheck


def test_ssim_is_the_reference(photo):
    a = photo[:80, :90].astype(np.float64) / 255
    b = np.clip(a + np.random.default_rng(0).normal(0, 0.1, a.shape), 0, 1)
    _, expected = structural_similarity(a, b, channel_axis=-1, data_range=1, full=True)
    np.testing.assert_allclose(ssim_map(a, b)[4:-4, 4:-4], expected[4:-4, 4:-4], atol=1e-9)


def test_a_perfect_fill_and_json():
    image = np.random.default_rng(0).random((20, 20, 1), np.float32)
    hidden = np.zeros((20, 20), bool)
    hidden[8:12, 8:12] = True
    perfect = score(image, image, hidden, ~np.ones_like(hidden))
    assert (perfect.l1, perfect.psnr, perfect.ssim) == (0, pytest.approx(60), pytest.approx(1))
    report = SelfCheck("m", (), ("a note",), {OURS: perfect})
    assert json.loads(json.dumps(report.to_dict()))["scores"][OURS]["l1"] == 0
