import json
from dataclasses import replace

import pytest
import torch

from inpaint_training.checkpoints.checkpoint import Progress, read_checkpoint, write_checkpoint
from inpaint_training.cli import main
from inpaint_training.networks.two_stage import DeepFillConfig, TwoStageConfig
from inpaint_training.recipes.library import load_recipe
from inpaint_training.trainer.fit import refuse_uneven_batches

NETWORKS = [
    TwoStageConfig(width=0.125),
    TwoStageConfig(width=0.125, padding="zero", act="elu"),
    DeepFillConfig(width=0.125),
]


def build(config):
    """A network whose stages both do something."""
    torch.manual_seed(0)
    network = config.build()
    for stage in (network.coarse, network.refine):
        torch.nn.init.normal_(stage.layers.output_17.conv.weight, std=0.1)
    return network


def scene(side=72, batch=2):
    image, mask = torch.rand(batch, 3, side, side + 8), torch.zeros(batch, 1, side, side + 8)
    mask[..., 20:50, 10:40] = 1
    return image, mask


@pytest.mark.parametrize("config", NETWORKS)
def test_every_configuration_completes_and_is_blind_to_what_is_under_the_hole(config):
    network, (image, mask) = build(config).eval(), scene()
    with torch.no_grad():
        completion = network(image, mask)
        erased = network(torch.where(mask > 0, torch.nan, image), mask)
        refined = network(torch.where(mask > 0, torch.nan, image), mask, torch.tensor(False))
    assert completion.shape == image.shape
    assert completion.min() >= 0
    assert completion.max() <= 1
    torch.testing.assert_close(completion, erased, rtol=0, atol=0)
    torch.testing.assert_close(completion, refined, rtol=0, atol=0)


@pytest.mark.parametrize("config", NETWORKS)
def test_the_second_stage_alone_goes_on_from_what_the_holes_show(config):
    network, (image, mask) = build(config).eval(), scene()
    with torch.no_grad():
        first = network.coarse(image, mask)
        started = torch.where(mask > 0, first, image)
        torch.testing.assert_close(network(started, mask, torch.tensor(True)), network(image, mask))
        assert not torch.allclose(network(image, mask, torch.tensor(True)), network(image, mask))


@pytest.mark.parametrize("config", NETWORKS)
def test_the_claimed_sizes_are_the_true_ones(config):
    network = config.smallest().build().eval()
    side, multiple = network.minimum_side, network.size_multiple
    assert multiple == 8
    assert side == (16 if config == NETWORKS[1] else 72)
    assert network(torch.rand(1, 3, side, side + multiple), torch.zeros(1, 1, side, side + multiple)).shape[2] == side
    for wrong in (side - multiple, side + 4):
        with pytest.raises(ValueError, match=rf"{wrong} x .*multiples of 8 and at least {side}"):
            network(torch.rand(1, 3, wrong, side), torch.zeros(1, 1, wrong, side))


def test_a_new_second_stage_adds_detail_of_the_known_region_and_nothing_else():
    network, (image, mask) = TwoStageConfig(width=0.125).build().eval(), scene()
    torch.nn.init.normal_(network.coarse.layers.output_17.conv.weight, std=0.01)
    with torch.no_grad():
        first = network.coarse(image, mask)
        added = (network(image, mask) - first)[..., 28:42, 18:32]  # of noise, all detail of which is known
        assert added.std() > 0.7 * image.std()
        assert abs(float(added.mean())) < 0.1 * added.std()
        flat = torch.full_like(image, 0.5)
        torch.testing.assert_close(network(flat, mask), network.coarse(flat, mask), atol=1e-3, rtol=0)
        network.refine.layers["output_17"].conv.bias[3] = 0
        torch.testing.assert_close(network(image, mask), first)


@pytest.mark.parametrize("config", NETWORKS[:2])
def test_known_pixels_come_back_in_training_too(config):
    network, (image, mask) = build(config).train(), scene()
    completions = network(image, mask)
    assert completions.shape == (4, 3, 72, 80)
    known = (mask == 0).expand_as(image)
    assert torch.equal(completions[2:][known], image[known])


def test_in_training_every_second_first_stage_sees_half_the_resolution():
    network = build(TwoStageConfig(width=0.125)).train()
    image, mask = scene(144, batch=3)
    first = network(image, mask)[:3]
    whole = network.coarse(image, mask)
    torch.testing.assert_close(first[::2], whole[::2])
    assert (first[1] - whole[1]).abs()[:, 24:46, 14:36].mean() > 1e-3
    torch.nn.init.zeros_(network.coarse.layers.output_17.conv.weight)
    smooth = torch.full_like(image, 0.4)  # what is smooth loses nothing
    torch.testing.assert_close(network(smooth, mask)[:3], smooth)
    network.halved = False
    torch.testing.assert_close(network(image, mask)[:3], network.coarse(image, mask))


@pytest.mark.parametrize(
    ("trains", "moved"), [("refine", {"refine"}), ("coarse", {"coarse"}), ("all", {"coarse", "refine"})]
)
def test_a_phase_trains_the_stages_that_it_names(dataset, run, tmp_path, reconstruction, trains, moved):
    """From a checkpoint of the first stage alone: what the phase does not train stays as it was, bit for bit."""
    words = [*reconstruction, "--network", "{kind: two-stage, width: 0.125}", "--phases.0.trains", trains,
             "--phases.1.trains", trains, "--train.ema_half_life", "0"]  # fmt: skip
    assert main(["fit", "--recipe", "compact", "--data", str(dataset), "--out", str(tmp_path / "two"), "--from",
                 str(run), *words]) == 0  # fmt: skip
    before, after = read_checkpoint(run).network.state_dict(), read_checkpoint(tmp_path / "two").network
    fresh = load_recipe("compact", words).network.build()  # the same seed draws the same second stage
    changed = {"coarse"} if any(not torch.equal(x, before[k]) for k, x in after.coarse.state_dict().items()) else set()
    output = after.refine.layers["output_17"].conv.weight
    changed |= {"refine"} if not torch.equal(output, fresh.refine.layers["output_17"].conv.weight) else set()
    assert changed == moved


def test_a_run_of_two_stages_resumes_bit_for_bit(dataset, run, tmp_path, adversarial):
    """In the middle of a phase that holds stage one."""
    words = [*adversarial, "--network", "{kind: two-stage, width: 0.125}", "--phases.0.trains", "refine",
             "--train.checkpoint_seconds", "0.001", "--train.check_steps", "2"]  # fmt: skip
    command = ["fit", "--recipe", "compact", "--data", str(dataset)]
    assert main([*command, "--out", str(tmp_path / "whole"), "--from", str(run), *words]) == 0
    assert main([*command, "--out", str(tmp_path / "parts"), "--from", str(run), *words, "--train.keep", "9"]) == 0
    newest = json.loads((tmp_path / "parts" / "checkpoints.json").read_text(encoding="utf-8"))["newest"]
    folders = sorted(path for path in (tmp_path / "parts").glob("step-*"))
    assert folders[0].name == "step-0000002"
    for folder in folders[1:]:
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
    assert main([*command, "--out", str(tmp_path / "parts"), *words, "--train.keep", "9", "--resume"]) == 0
    whole, parts = (read_checkpoint(tmp_path / run / newest).network.state_dict() for run in ("whole", "parts"))
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_a_second_stage_without_a_first_one_is_refused(dataset, tmp_path, capsys):
    assert main(["fit", "--recipe", "compact-two-stage", "--data", str(dataset), "--out", str(tmp_path / "x")]) == 1
    assert "start --from a checkpoint of the first" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_devices_with_an_odd_number_of_crops_are_refused():
    recipe = load_recipe("compact-two-stage")
    refuse_uneven_batches(recipe, 2)
    with pytest.raises(ValueError, match=r"batch of 8 gives each of 8 an odd number.*multiple of 16"):
        refuse_uneven_batches(recipe, 8)
    refuse_uneven_batches(load_recipe("compact-two-stage", ["--network.halved", "false"]), 8)


def test_a_fill_without_known_surroundings_is_not_multiplied():
    """Cells copy themselves there: their detail must not be added again."""
    network = TwoStageConfig(width=0.125).build().eval()
    image = torch.rand(1, 3, 72, 80)
    with torch.no_grad():
        refined = network(image, torch.ones(1, 1, 72, 80), torch.tensor(True))
    torch.testing.assert_close(refined, image)


def test_a_stage_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="no stage 'refine'"):
        load_recipe("compact", ["--phases.0.trains", "refine"])
    with pytest.raises(ValueError, match="known pixels come back"):
        load_recipe("two-stage", ["--loss.l1_known", "1"])
    for width in ("0", "9"):
        with pytest.raises(ValueError, match="width must be"):
            load_recipe("two-stage", ["--network.refine_width", width])


def test_a_second_stage_is_joined_to_another_first_one(run, dataset, tmp_path, reconstruction, capsys):
    network = ["--network", "{kind: two-stage, width: 0.0625, refine_width: 1.0}", "--network.width", "0.0625"]
    words = [*reconstruction, *network, "--train.steps", "2"]
    assert main(["fit", "--recipe", "compact", "--data", str(dataset), "--out", str(tmp_path / "two"), *words]) == 0
    capsys.readouterr()
    assert main(["join", str(run), str(tmp_path / "two"), str(tmp_path / "joined")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'joined'}\n"
    joined, first, second = (read_checkpoint(path) for path in (tmp_path / "joined", run, tmp_path / "two"))
    assert (joined.recipe.network.width, joined.recipe.network.refine_width) == (0.125, 0.5)
    assert joined.recipe.name == "compact-refined"
    for own, parent in ((joined.network.coarse, first.network), (joined.network.refine, second.network.refine)):
        assert all(torch.equal(own.state_dict()[name], x) for name, x in parent.state_dict().items())
    assert main(["join", str(tmp_path / "joined"), str(tmp_path / "two"), str(tmp_path / "again")]) == 0
    again = read_checkpoint(tmp_path / "again")  # of a pair, its first stage counts
    assert again.recipe.network == joined.recipe.network
    assert all(torch.equal(again.network.state_dict()[name], x) for name, x in joined.network.state_dict().items())
    other = replace(first.recipe, network=replace(first.recipe.network, padding="zero"))
    write_checkpoint(tmp_path / "other", other, Progress(), first.network.state_dict())
    capsys.readouterr()
    for words, sentence in (
        ([str(run), str(tmp_path / "two"), str(tmp_path / "joined")], "exists already"),
        ([str(run), str(run), str(tmp_path / "x")], "no network of two stages"),
        ([str(tmp_path / "other"), str(tmp_path / "two"), str(tmp_path / "x")], "cannot be stage one"),
    ):
        assert main(["join", *words]) == 1
        assert sentence in capsys.readouterr().err
    assert not (tmp_path / "x").exists()
