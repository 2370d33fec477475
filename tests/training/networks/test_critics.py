import pytest
import torch

from inpaint_training.networks.completion import count_parameters
from inpaint_training.networks.critics import (
    DcganConfig,
    GlobalLocalConfig,
    LocalConfig,
    PatchConfig,
    PgganCriticConfig,
    cut_square,
)

CRITICS = [
    LocalConfig(width=1 / 16, side=64), GlobalLocalConfig(width=1 / 16, crop=128, side=64),
    PatchConfig(width=1 / 16), DcganConfig(width=1 / 16, side=64), PgganCriticConfig(width=1 / 16, crop=128),
]  # fmt: skip


def test_parameters_against_tables_2_and_3():
    """Iizuka et al. 2017: 5 x 5 convolutions and a fully connected layer of 1024."""
    convolutions = sum(25 * a * b + b for a, b in [(3, 64), (64, 128), (128, 256), (256, 512), (512, 512)])
    local = convolutions + 512 * 4 * 4 * 1024 + 1024
    whole = local + 25 * 512 * 512 + 512
    assert count_parameters(LocalConfig().build()) == local + 1024 + 1 == 19_251_329  # 19.2 M
    joined = GlobalLocalConfig(norm="none").build()
    assert count_parameters(joined.local) == local
    assert count_parameters(joined.whole) == whole
    assert count_parameters(joined.join) == 2048 + 1
    assert count_parameters(LocalConfig(width=0.5).build()) == pytest.approx(6.9e6, rel=0.01)


@pytest.mark.parametrize("config", CRITICS, ids=lambda config: config.kind)
def test_every_critic_scores_and_sees_the_hole(config):
    torch.manual_seed(0)
    critic = config.build()
    image = torch.rand(2, 4, 128, 128)
    changed = image.clone()
    changed[0, :3, 40:60, 40:60] = 0
    centres = [(50, 50), (114, 114)]
    critic.eval()
    for before, after in zip(critic(*critic.view(image, centres)), critic(*critic.view(changed, centres)), strict=True):
        assert len(before) == 2
        assert not torch.allclose(before[0], after[0])
        torch.testing.assert_close(before[1], after[1])


@pytest.mark.parametrize("config", CRITICS, ids=lambda config: config.kind)
def test_crops_that_do_not_fit_are_refused(config):
    config.check_crop(128)
    if config.kind != "patch":
        with pytest.raises(ValueError, match="32 px"):
            config.check_crop(32)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LocalConfig(side=0), r"side\s+.*or equal to 16 .*input_value=0"),
        (lambda: DcganConfig(side=8), r"side\s+.*input_value=8"),
        (lambda: PatchConfig(width=0), r"width\s+.*greater than 0"),
        (lambda: GlobalLocalConfig(crop=-1), r"crop\s+.*input_value=-1"),
    ],
)
def test_impossible_critics_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_only_the_patch_critic_sees_the_mask():
    image = torch.rand(1, 4, 128, 128)
    other = image.clone()
    other[:, 3] = 1 - other[:, 3]
    for config in CRITICS:
        critic = config.build().eval()
        same = all(map(torch.equal, critic(*critic.view(image, [(4, 4)])),
                       critic(*critic.view(other, [(4, 4)]))))  # fmt: skip
        assert same == (config.kind != "patch")


@pytest.mark.parametrize(
    ("centre", "y", "x"), [((12, 14), 8, 10), ((2, 2), 0, 0), ((30, 26), 24, 22), ((16, 16), 12, 12)]
)
def test_squares_are_centred_and_stay_inside(centre, y, x):
    image = torch.arange(32 * 32.0).view(1, 1, 32, 32).requires_grad_()
    square = cut_square(image, [centre], 8)
    torch.testing.assert_close(square, image[:, :, y : y + 8, x : x + 8])
    square.sum().backward()
    assert image.grad.sum() == 64
