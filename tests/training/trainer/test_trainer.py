import json

import pytest
import torch

from inpaint_training.checkpoints.checkpoint import (
    read_checkpoint,
    read_newest,
    read_training_state,
    resolve_checkpoint,
)
from inpaint_training.recipes.library import load_recipe
from inpaint_training.trainer.fit import fit
from inpaint_training.trainer.validate import validate


def log_lines(run):
    return [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]


def test_training_lowers_the_loss_on_one_place(dataset, tmp_path, reconstruction):
    words = [*reconstruction, "--train.steps", "120", "--train.log_steps", "20", "--data.jitter", "0", "--phases",
             "[{share: 1, crop: 72, batch: 4, holes: {kind: centre, side: 24}, update: {lr: 3e-3, warmup: 2}}]",
             "--data.crop_min", "1", "--train.ema_half_life", "20"]  # fmt: skip
    fit(load_recipe("compact", words), dataset, tmp_path / "run")
    losses = [line["loss"] for line in log_lines(tmp_path / "run") if "loss" in line]
    assert losses[-1] < 0.9 * losses[0]


def test_the_watchdog_goes_back_and_halves_the_weight(dataset, tmp_path, adversarial, monkeypatch):
    """As long as the adversarial weight is more than a quarter, this critic does harm."""

    def validate_harmed(models, batches):
        metrics = validate(models, batches)
        if models.critics[0].weight > 0 and models.factor > 0.25:
            metrics["psnr_hole"] -= 5
        return metrics

    monkeypatch.setattr("inpaint_training.trainer.trainer.validate", validate_harmed)
    words = [*adversarial, "--train.steps", "24", "--train.check_steps", "2"]
    fit(load_recipe("compact", words), dataset, tmp_path / "run")
    events = [line for line in log_lines(tmp_path / "run") if "event" in line]
    assert len(events) == 2
    assert "back to step 16 with 0.5 of the adversarial weight" in events[0]["event"]
    assert "hole PSNR fell" in events[1]["event"]
    state = read_training_state(resolve_checkpoint(tmp_path / "run", "newest"))
    assert state["watchdog"]["rollbacks"] == len(events)
    assert resolve_checkpoint(tmp_path / "run", "best") == resolve_checkpoint(tmp_path / "run", "newest")
    assert state["models"]["factor"] == 0.5 ** len(events)
    reference = state["watchdog"]["psnr"]
    assert read_checkpoint(tmp_path / "run").progress.psnr_hole > reference - 1


def test_a_nan_without_critics_is_an_error_that_tells_what_to_do_and_saves_what_was_good(
    dataset, tmp_path, reconstruction
):
    words = [*reconstruction, "--train.steps", "40"]
    with pytest.raises(ValueError, match=r"nan.*step 0 is saved.*--phases\.0\.update\.lr"):
        fit(load_recipe("compact", [*words, "--phases.0.update.lr", "1e20"]), dataset, tmp_path / "run")
    assert read_newest(tmp_path / "run")[0].progress.step == 0
    assert fit(load_recipe("compact", words), dataset, tmp_path / "run", resume=True).step == 40


def test_training_survives_a_disk_that_is_full_for_a_while(dataset, tmp_path, reconstruction, monkeypatch):
    save, calls = torch.save, []

    def full_at_first(*arguments):
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("no space left on device")
        save(*arguments)

    monkeypatch.setattr(torch, "save", full_at_first)
    words = [*reconstruction, "--train.check_steps", "1", "--train.checkpoint_seconds", "0.001"]
    assert fit(load_recipe("compact", words), dataset, tmp_path / "run").step == 6
    assert "no space left" in next(line["event"] for line in log_lines(tmp_path / "run") if "event" in line)
    assert not (tmp_path / "run" / "step-0000001").exists()
