import json

import numpy as np
import pytest
import torch

from inpaint_training.checkpoint import read_checkpoint, read_training_state, resolve_checkpoint, write_checkpoint
from inpaint_training.cli import main
from inpaint_training.config import TrainConfig
from inpaint_training.recipes import bundled_recipes, load_recipe
from inpaint_training.train import fit, learning_rate

SMALL = [
    "--network.width", "0.125", "--train.steps", "6", "--train.log_steps", "2", "--train.warmup", "2",
    "--phases", "[{share: 1, crop: 72, batch: 2, hole_min: 10, hole_max: 30},"
    " {share: 1, crop: 80, batch: 1, hole_min: 10, hole_max: 40}]",
]  # fmt: skip


@pytest.fixture(scope="module")
def run(dataset, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "small"
    assert main(["fit", "--recipe", "compact", "--data", str(dataset), "--out", str(folder), *SMALL]) == 0
    return folder


@pytest.mark.parametrize("name", bundled_recipes())
def test_every_recipe_trains_for_two_steps(name, dataset, tmp_path):
    progress = fit(load_recipe(name, ["--train.steps", "2"]), dataset, tmp_path / "run")
    assert progress.step == 2
    assert np.isfinite(progress.l1_hole)


def test_a_run_leaves_logs_samples_and_a_checkpoint(run):
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "loss" in line] == [2, 4, 6]
    assert lines[-2]["images"] == 3 * 2 + 3 * 1
    assert {"loss", "l1_hole", "gradient_norm", "lr", "minutes", "images_per_second"} <= lines[1].keys()
    assert list((run / "samples").glob("*.jpg"))
    assert list((run / "tensorboard").glob("events*"))
    assert resolve_checkpoint(run) == resolve_checkpoint(run, "newest") == run / "step-0000006"


def test_a_checkpoint_rebuilds_its_network(run):
    checkpoint = read_checkpoint(run)
    assert checkpoint.recipe == load_recipe("compact", SMALL)
    assert checkpoint.progress.step == 6
    assert not checkpoint.network.training
    image, mask = torch.rand(1, 3, 72, 72), torch.ones(1, 1, 72, 72)
    mask[..., :40] = 0
    assert torch.isfinite(checkpoint.network(image, mask)).all()


def test_the_shipped_weights_are_the_average_not_the_last(run):
    state = read_training_state(run / "step-0000006")
    average = read_checkpoint(run).network.state_dict()
    name = "layers.conv_5.conv.weight"
    torch.testing.assert_close(average[name], state["average"]["module." + name])
    assert not torch.equal(average[name], state["network"][name])


def test_training_lowers_the_loss_on_one_image(dataset, tmp_path):
    words = [*SMALL, "--train.steps", "60", "--train.lr", "3e-3", "--train.log_steps", "20", "--data.jitter", "0",
             "--phases", "[{share: 1, crop: 72, batch: 4, hole_min: 20, hole_max: 24}]",
             "--train.ema_half_life", "20"]  # fmt: skip
    fit(load_recipe("compact", words), dataset, tmp_path / "run")
    losses = [json.loads(line).get("loss") for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    losses = [loss for loss in losses if loss is not None]
    assert np.isfinite(losses).all()
    state = read_training_state(resolve_checkpoint(tmp_path / "run"))
    assert state["network"]["layers.output_17.conv.weight"].abs().max() > 1e-3


def test_resume_goes_on_and_from_starts_anew(run, dataset, tmp_path):
    words = [*SMALL, "--train.steps", "8"]
    recipe = load_recipe("compact", words)
    copy = tmp_path / "copy"
    first = fit(load_recipe("compact", [*words, "--train.steps", "4"]), dataset, copy)
    second = fit(recipe, dataset, copy, resume=True)
    assert (first.step, second.step) == (4, 8)
    assert second.images > first.images
    assert second.minutes > first.minutes
    third = fit(load_recipe("compact", [*words, "--train.steps", "1"]), dataset, tmp_path / "new", start_from=run)
    assert third.step == 1
    start, end = (read_checkpoint(path).network.layers.conv_5.conv.weight for path in (run, tmp_path / "new"))
    assert 0 < (start - end).abs().max() < 0.01


def test_max_minutes_fixes_the_steps_and_stops_in_time(dataset, tmp_path):
    recipe = load_recipe("compact", [*SMALL, "--train.steps", "1000000"])
    progress = fit(recipe, dataset, tmp_path / "run", max_minutes=0.1)
    assert 0 < progress.step < 1_000_000
    assert read_checkpoint(tmp_path / "run").recipe.train.steps < 1_000_000
    assert progress.minutes < 0.5


def test_the_learning_rate_rises_and_falls_along_a_cosine():
    config = TrainConfig(steps=100, lr=1.0, lr_end=0.1, warmup=10)
    rates = [learning_rate(step, config) for step in range(101)]
    assert rates[0] == pytest.approx(1 / 11, rel=1e-3)
    assert max(rates) == rates[10]
    assert rates[50] == pytest.approx(0.55)
    assert rates[100] == pytest.approx(0.1)
    assert (np.diff(rates[10:]) < 0).all()


def test_batch_norm_trains(dataset, tmp_path):
    words = [*SMALL, "--network.norm", "batch", "--network.hole_init", "mean", "--loss.known", "0.2"]
    assert fit(load_recipe("compact", words), dataset, tmp_path / "run").step == 6


def test_a_full_disk_leaves_no_half_checkpoint(run, tmp_path, monkeypatch):
    checkpoint = read_checkpoint(run)

    def full(*_):
        raise RuntimeError("PytorchStreamWriter failed writing file")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="step-0000006 cannot be written"):
        write_checkpoint(tmp_path, checkpoint.recipe, checkpoint.progress, checkpoint.network.state_dict(), {})
    assert list(tmp_path.iterdir()) == []


def test_errors_are_sentences_and_nothing_is_overwritten(run, dataset, tmp_path, capsys):
    fit_words = ["fit", "--recipe", "compact", "--data", str(dataset), *SMALL]
    assert main([*fit_words, "--out", str(run)]) == 1
    assert "--resume" in capsys.readouterr().err
    assert main([*fit_words, "--out", str(tmp_path / "x"), "--from", str(run), "--network.width", "0.25"]) == 1
    assert "another network" in capsys.readouterr().err
    assert main(["fit", "--recipe", "compact", "--data", str(tmp_path), "--out", str(tmp_path / "x")]) == 1
    assert "is no data set" in capsys.readouterr().err
    assert main([*fit_words, "--out", str(tmp_path / "empty"), "--resume"]) == 1
    assert "neither a checkpoint nor a run" in capsys.readouterr().err
    assert not (tmp_path / "empty").exists()
    assert main([*fit_words, "--out", str(tmp_path / "x"), "--max-minutes", "inf"]) == 1
    assert "not inf" in capsys.readouterr().err
    assert main([*fit_words, "--out", str(run), "--resume", "--from", str(run)]) == 1
    assert "leave out --from" in capsys.readouterr().err
    assert main([*fit_words, "--out", str(tmp_path / "x"), "--train.stepz", "1"]) == 1
    assert "stepz" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["pack"])
    with pytest.raises(SystemExit, match="2"):
        main(["recipes", "--nonsense"])


def test_damaged_checkpoints_are_named(run, tmp_path):
    import shutil

    copy = tmp_path / "step"
    shutil.copytree(run / "step-0000006", copy)
    (copy / "generator.safetensors").write_bytes(b"damaged")
    with pytest.raises(ValueError, match="is damaged"):
        read_checkpoint(copy)


def test_pack_and_recipes_from_the_command_line(photos, tmp_path, capsys):
    assert main(["pack", str(photos), str(tmp_path / "data")]) == 0
    out = capsys.readouterr().out
    assert "3 photos, 3 left out" in out
    assert "sub/broken.jpg" in out
    assert main(["recipes"]) == 0
    assert "compact" in capsys.readouterr().out
