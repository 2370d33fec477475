import json
import shutil
from pathlib import Path

import pytest
import torch

from inpaint_training.checkpoints.checkpoint import (
    read_checkpoint,
    read_newest,
    read_training_state,
    write_checkpoint,
)
from inpaint_training.recipes.library import load_recipe
from inpaint_training.trainer.fit import fit


def test_a_checkpoint_rebuilds_its_network(run, reconstruction):
    checkpoint = read_checkpoint(run)
    assert checkpoint.recipe == load_recipe("compact", reconstruction)
    assert checkpoint.progress.step == 6
    assert not checkpoint.network.training
    image, mask = torch.rand(1, 3, 72, 72), torch.ones(1, 1, 72, 72)
    mask[..., :40] = 0
    assert torch.isfinite(checkpoint.network(image, mask)).all()


def test_the_shipped_weights_are_the_average_not_the_last(run):
    state = read_training_state(run / "step-0000006")["models"]
    average = read_checkpoint(run).network.state_dict()
    name = "layers.conv_5.conv.weight"
    torch.testing.assert_close(average[name], state["average"]["module." + name])
    assert not torch.equal(average[name], state["completer"]["network"][name])


def test_a_full_disk_leaves_no_half_checkpoint(run, tmp_path, monkeypatch):
    checkpoint = read_checkpoint(run)

    def full(*_):
        raise RuntimeError("PytorchStreamWriter failed writing file")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="step-6 cannot be written"):
        write_checkpoint(tmp_path / "step-6", checkpoint.recipe, checkpoint.progress,
                         checkpoint.network.state_dict(), {}, {"a": 1})  # fmt: skip
    assert list(tmp_path.iterdir()) == []


def test_a_truncated_checkpoint_falls_back_to_the_one_before(dataset, tmp_path, reconstruction, capsys):
    words = [*reconstruction, "--train.checkpoint_seconds", "0.001"]
    recipe = load_recipe("compact", words)
    fit(recipe, dataset, tmp_path / "run")
    newest = tmp_path / "run" / "step-0000006" / "training.pt"
    newest.write_bytes(newest.read_bytes()[:1000])
    assert read_newest(tmp_path / "run")[0].progress.step == 4
    assert "training.pt cannot be read" in capsys.readouterr().err
    assert fit(recipe, dataset, tmp_path / "run", resume=True).step == 6


@pytest.mark.parametrize("lost", ["step-0000006", "step-0000006/generator.safetensors", "checkpoints.json"])
def test_a_run_goes_on_whatever_was_lost(dataset, tmp_path, reconstruction, lost):
    recipe = load_recipe("compact", [*reconstruction, "--train.checkpoint_seconds", "0.001"])
    fit(recipe, dataset, tmp_path / "run")
    path = tmp_path / "run" / lost
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert fit(recipe, dataset, tmp_path / "run", resume=True).step == 6


@pytest.mark.parametrize("content", [b"", b"garbage"])
def test_an_empty_or_damaged_state_falls_back(dataset, tmp_path, reconstruction, content, capsys):
    recipe = load_recipe("compact", [*reconstruction, "--train.checkpoint_seconds", "0.001"])
    fit(recipe, dataset, tmp_path / "run")
    (tmp_path / "run" / "step-0000006" / "training.pt").write_bytes(content)
    assert fit(recipe, dataset, tmp_path / "run", resume=True).step == 6
    assert "is missing or damaged; trying the checkpoint before it" in capsys.readouterr().err


def test_what_else_lies_in_a_run_stays(dataset, tmp_path, reconstruction):
    folder = tmp_path / "run"
    recipe = load_recipe("compact", [*reconstruction, "--train.checkpoint_seconds", "0.001", "--train.keep", "1"])
    fit(recipe, dataset, folder)
    (folder / "step-by-step.txt").write_text("mine")
    shutil.copytree(folder / "step-0000006", folder / "step-0000004-keep")
    (folder / "step-0000001").mkdir()
    (folder / "step-0000001" / "thesis.txt").write_text("mine")
    longer = load_recipe("compact", [*reconstruction, "--train.keep", "1", "--train.steps", "8"])
    fit(longer, dataset, folder, resume=True, fix_steps=False)
    assert {path.name for path in folder.glob("step-*")} >= {"step-by-step.txt", "step-0000004-keep", "step-0000001"}
    assert (folder / "step-0000001" / "thesis.txt").exists()


def test_checkpoints_of_newer_versions_are_not_overwritten(run, dataset, tmp_path, reconstruction):
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    path = copy / "step-0000006" / "progress.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"format": 2', '"format": 3'))
    with pytest.raises(ValueError, match="format 3, this version reads format 2"):
        fit(load_recipe("compact", reconstruction), dataset, copy, resume=True)


def test_an_index_that_leads_elsewhere_is_refused(run, tmp_path):
    (tmp_path / "checkpoints.json").write_text(json.dumps({"best": str(run / "step-0000006")}))
    with pytest.raises(ValueError, match="is no name of a checkpoint"):
        read_checkpoint(tmp_path)


def test_checkpoints_of_other_recipes_and_formats_are_refused_by_name(run, dataset, tmp_path, reconstruction):
    other = load_recipe("compact", [*reconstruction, "--phases.0.update.warmup", "7", "--name", "mine"])
    with pytest.raises(ValueError, match=r"recipe 'compact', where phases\.0\.update\.warmup is 2, not 7"):
        fit(other, dataset, run, resume=True)
    old = tmp_path / "old"
    shutil.copytree(run / "step-0000006", old)
    progress = json.loads((old / "progress.json").read_text(encoding="utf-8"))
    del progress["format"]
    (old / "progress.json").write_text(json.dumps(progress))
    with pytest.raises(ValueError, match=r"format 1, this version reads format 2"):
        read_checkpoint(old)


def test_damaged_checkpoints_are_named(run, tmp_path):
    copy = tmp_path / "step"
    shutil.copytree(run / "step-0000006", copy)
    (copy / "generator.safetensors").write_bytes(b"damaged")
    with pytest.raises(ValueError, match="is damaged"):
        read_checkpoint(copy)


WEIGHTS = Path(__file__).parents[3] / "weights"


@pytest.mark.skipif(not WEIGHTS.is_dir(), reason="the source distribution has no weights")
def test_the_kept_checkpoint_can_be_fine_tuned():
    checkpoint = read_checkpoint(WEIGHTS / "compact")
    assert checkpoint.recipe.network == load_recipe("compact").network


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_weights_that_are_no_numbers_are_refused_where_they_are_read(run, tmp_path, dataset, reconstruction, value):
    checkpoint = read_checkpoint(run)
    weights = checkpoint.network.state_dict()
    weights["layers.conv_5.conv.bias"][0] = value
    folder = write_checkpoint(tmp_path / "bad", checkpoint.recipe, checkpoint.progress, weights)
    with pytest.raises(ValueError, match="has weights that are no numbers: training went wrong"):
        fit(load_recipe("compact", reconstruction), dataset, tmp_path / "new", start_from=folder)
    assert not (tmp_path / "new").exists()
