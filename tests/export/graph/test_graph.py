"""The exported file computes what PyTorch computes."""

import numpy as np
import pytest
import torch

from inpaint_export.graph.graph import ExportWrapper


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (3, 67), (68, 68), (69, 71), (7, 300), (257, 130), (72, 512)])
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("hole", ["none", "all", "edges", "specks"])
def test_equals_pytorch_at_any_size(session, tiny_network, size, batch, hole):
    rng = np.random.default_rng(0)
    image = rng.random((batch, 3, *size), np.float32)
    mask = np.full((batch, 1, *size), hole == "all", np.float32)
    if hole == "edges":
        mask[..., 0, :] = mask[..., -1, :] = mask[..., 0] = mask[..., -1] = 1
    if hole == "specks":
        mask = (rng.random(mask.shape) < 0.2).astype(np.float32)
    with torch.no_grad():
        expected = ExportWrapper(tiny_network)(torch.from_numpy(image), torch.from_numpy(mask))
    completion, composite = session.run(None, {"image": image, "mask": mask})
    np.testing.assert_allclose(completion, expected[0].numpy(), atol=2e-5)
    np.testing.assert_allclose(composite, expected[1].numpy(), atol=2e-5)
    known = np.broadcast_to(mask == 0, image.shape)
    np.testing.assert_array_equal(composite[known], image[known])


def test_a_nan_under_the_hole_does_not_matter(session):
    image, mask = np.random.default_rng(0).random((1, 3, 80, 90), np.float32), np.zeros((1, 1, 80, 90), np.float32)
    mask[..., 20:40, 30:60] = 0.5  # a hole from 0.5 on
    erased = np.where(mask > 0, np.float32(np.nan), image)
    for a, b in zip(session.run(None, {"image": image, "mask": mask}),
                    session.run(None, {"image": erased, "mask": mask}), strict=True):  # fmt: skip
        np.testing.assert_array_equal(a, b)
        assert np.isfinite(a).all()
    below = np.full_like(mask, 0.49)
    np.testing.assert_array_equal(session.run(["composite"], {"image": image, "mask": below})[0], image)
