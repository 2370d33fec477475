import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch

from inpaint_training.checkpoints.checkpoint import (
    read_checkpoint,
    read_newest,
    read_training_state,
    resolve_checkpoint,
)
from inpaint_training.cli import main
from inpaint_training.data.pack import pack
from inpaint_training.recipes.library import load_recipe
from inpaint_training.trainer.fit import fit, lock
from inpaint_training.trainer.log import RunLog
from inpaint_training.trainer.validate import validate


def log_lines(run):
    return [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]


def weights(run, which="newest"):
    """Everything that a run has learnt, by name."""
    found = {}

    def walk(value, name):
        if isinstance(value, torch.Tensor):
            found[name] = value
        elif isinstance(value, dict | list):
            for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
                walk(inner, f"{name}.{key}")
        else:
            found[name] = torch.tensor(hash(str(value)))

    walk(read_training_state(resolve_checkpoint(run, which)), "")
    return found


def assert_equal(a, b):
    assert a.keys() == b.keys()
    different = [name for name in a if not torch.equal(a[name], b[name])]
    assert not different


def test_a_run_leaves_logs_samples_and_checkpoints(run):
    lines = log_lines(run)
    assert [line["step"] for line in lines if "loss" in line] == [2, 3, 4, 6]
    assert [line["step"] for line in lines if "held_out/psnr_hole" in line] == [3, 4, 6]
    assert [line["images"] for line in lines if "images" in line][-1] == 3 * 2 + 3 * 1
    assert {"loss", "l1_hole", "gradient_norm", "lr", "minutes", "images_per_second"} <= lines[0].keys()
    assert list((run / "samples").glob("*.jpg"))
    assert list((run / "tensorboard").glob("events*"))
    assert resolve_checkpoint(run) == resolve_checkpoint(run, "newest") == run / "step-0000006"


def test_an_adversarial_run_logs_its_metrics(gan):
    last = [line for line in log_lines(gan) if "loss" in line][-1]
    for critic in (0, 1):
        names = ("loss", "gap", "gradient_norm", "weight", "gradient_ratio", "network_loss")
        assert {f"critic_{critic}/{name}" for name in names} <= last.keys()
    assert {"critic_0/slope", "critic_lr", "factor"} <= last.keys()
    held_out = [line for line in log_lines(gan) if "held_out/texture" in line][-1]
    assert {"held_out/critic_0/gap", "held_out/psnr_hole"} <= held_out.keys()
    assert {path.name for path in gan.glob("step-*")} == {"step-0000004", "step-0000012"}
    assert resolve_checkpoint(gan, "reconstruction").name == "step-0000004"
    assert read_checkpoint(gan).critics


def test_tensorboard_holds_scalars_and_pictures(gan):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(gan / "tensorboard")).Reload()
    assert {"loss", "critic_0/slope", "held_out/psnr_hole"} <= set(events.Tags()["scalars"])
    assert events.Tags()["images"] == ["samples"]


def test_training_lowers_the_loss_on_one_place(dataset, tmp_path, reconstruction):
    words = [*reconstruction, "--train.steps", "60", "--train.log_steps", "20", "--data.jitter", "0", "--phases",
             "[{share: 1, crop: 72, batch: 4, holes: {kind: centre, side: 24}, update: {lr: 3e-3, warmup: 2}}]",
             "--data.crop_min", "1", "--train.ema_half_life", "20"]  # fmt: skip
    fit(load_recipe("compact", words), dataset, tmp_path / "run")
    losses = [line["loss"] for line in log_lines(tmp_path / "run") if "loss" in line]
    assert losses[-1] < 0.9 * losses[0]


COMMAND = [sys.executable, "-m", "inpaint_training.cli", "fit", "--recipe", "compact"]


def start(dataset, run, words):
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen([*COMMAND, "--data", str(dataset), "--out", str(run), *words], env=environment,
                            stderr=subprocess.PIPE, text=True)  # fmt: skip


def wait_for(path, process, seconds=120):
    deadline = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.posix("it has no such signals for processes")
def test_a_killed_run_goes_on_as_if_nothing_had_happened(dataset, tmp_path, adversarial):
    """Networks, critics, optimisers, averages, balance, data order: bit for bit those of an unbroken run."""
    words = [*adversarial, "--train.steps", "24", "--train.checkpoint_seconds", "0.001"]
    broken = start(dataset, tmp_path / "broken", words)
    wait_for(tmp_path / "broken" / "step-0000020", broken)  # in the adversarial phase
    broken.send_signal(signal.SIGKILL)
    broken.communicate()
    resumed = start(dataset, tmp_path / "broken", [*words, "--resume"])
    unbroken = start(dataset, tmp_path / "unbroken", words)
    assert [process.wait(120) for process in (resumed, unbroken)] == [0, 0]
    assert_equal(weights(tmp_path / "broken"), weights(tmp_path / "unbroken"))
    assert read_newest(tmp_path / "broken")[0].progress.images == 48


@pytest.mark.posix("it has no such signals for processes")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_finish_the_step_and_save(dataset, tmp_path, reconstruction, number):
    words = [
        *reconstruction,
        "--train.steps",
        "1000000",
        "--train.check_steps",
        "2",
        "--train.checkpoint_seconds",
        "0.001",
    ]
    process = start(dataset, tmp_path / "run", words)
    wait_for(tmp_path / "run" / "checkpoints.json", process)
    process.send_signal(number)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "--resume" in said
    assert "Traceback" not in said
    last = log_lines(tmp_path / "run")[-1]["step"]
    assert read_newest(tmp_path / "run")[0].progress.step == last


def test_resume_keeps_the_steps_and_from_starts_anew(run, dataset, tmp_path, reconstruction):
    recipe = load_recipe("compact", reconstruction)
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    assert fit(recipe, dataset, copy, resume=True).step == 6  # finished already
    longer = load_recipe("compact", [*reconstruction, "--train.steps", "10"])
    assert fit(longer, dataset, copy, resume=True).step == 6
    assert fit(longer, dataset, copy, resume=True, fix_steps=False).step == 10
    third = fit(recipe, dataset, tmp_path / "new", start_from=run)
    assert third.step == 6
    start, end = (read_checkpoint(path).network.layers.conv_5.conv.weight for path in (run, tmp_path / "new"))
    assert 0 < (start - end).abs().max() < 0.05


def test_fine_tuning_takes_the_critics_along(gan, dataset, tmp_path, adversarial, capsys):
    words = [*adversarial, "--train.steps", "1", "--phases.0.share", "0", "--phases.1.share", "0"]
    fit(load_recipe("compact", words), dataset, tmp_path / "tuned", start_from=gan)
    before, after = read_checkpoint(gan).critics, read_checkpoint(tmp_path / "tuned").critics
    name = "0.score.weight"
    assert 0 < (before[name] - after[name]).abs().max() < 0.01
    assert "start anew" not in capsys.readouterr().err
    other = load_recipe("compact", [*words, "--critics.0.width", "0.125"])
    fit(other, dataset, tmp_path / "other", start_from=gan)
    assert "start anew" in capsys.readouterr().err


def test_max_minutes_fixes_the_steps_once(dataset, tmp_path, reconstruction):
    recipe = load_recipe("compact", [*reconstruction, "--train.steps", "1000000"])
    progress = fit(recipe, dataset, tmp_path / "run", max_minutes=0.1)
    assert 0 < progress.step < 1_000_000
    fixed = read_checkpoint(tmp_path / "run").recipe.train.steps
    assert progress.step <= fixed < 1_000_000
    assert progress.minutes < 0.5
    fit(recipe, dataset, tmp_path / "run", resume=True, max_minutes=0.5)
    assert read_checkpoint(tmp_path / "run").recipe.train.steps == fixed


def test_max_minutes_with_steps_only_stops(dataset, tmp_path, reconstruction):
    recipe = load_recipe("compact", [*reconstruction, "--train.steps", "1000000"])
    progress = fit(recipe, dataset, tmp_path / "run", max_minutes=0.02, fix_steps=False)
    assert 0 < progress.step < 1000
    assert read_checkpoint(tmp_path / "run").recipe.train.steps == 1_000_000


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


def test_fine_tuning_with_critics_alone_has_a_reference(gan, dataset, tmp_path, adversarial):
    words = [*adversarial, "--train.steps", "2", "--phases.0.share", "0", "--phases.1.share", "0"]
    fit(load_recipe("compact", words), dataset, tmp_path / "tuned", start_from=gan)
    assert 10 < read_training_state(resolve_checkpoint(tmp_path / "tuned"))["watchdog"]["psnr"] < 40


def test_steps_that_move_the_phases_are_refused(gan, dataset, adversarial):
    longer = load_recipe("compact", [*adversarial, "--train.steps", "60"])
    with pytest.raises(ValueError, match="would not be in phase 2"):
        fit(longer, dataset, gan, resume=True, fix_steps=False)


def test_a_full_disk_costs_the_log_not_the_run(dataset, tmp_path, reconstruction, monkeypatch, capsys):
    class Full:
        def write(self, _):
            raise OSError("no space left on device")

        def close(self):
            pass

    original = RunLog.__enter__

    def enter(log):
        log.lines = Full()
        return original(log)

    monkeypatch.setattr(RunLog, "__enter__", enter)
    assert fit(load_recipe("compact", reconstruction), dataset, tmp_path / "run").step == 6
    assert capsys.readouterr().err.count("the log cannot be written: no space left") == 1


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


def test_two_runs_do_not_share_a_folder(dataset, tmp_path, reconstruction):
    recipe = load_recipe("compact", reconstruction)
    with lock(tmp_path / "run", wanted=True), pytest.raises(ValueError, match="another run is at work"):
        fit(recipe, dataset, tmp_path / "run")
    assert fit(recipe, dataset, tmp_path / "run").step == 6


def test_another_data_set_is_refused(run, photos, tmp_path, reconstruction):
    pack([photos], tmp_path / "more", keep_duplicates=True)
    with pytest.raises(ValueError, match="was trained on 2 photos"):
        fit(load_recipe("compact", reconstruction), tmp_path / "more", run, resume=True)


def test_errors_are_sentences_and_nothing_is_overwritten(run, dataset, tmp_path, capsys, reconstruction):
    fit_words = ["fit", "--recipe", "compact", "--data", str(dataset), *reconstruction]
    x = str(tmp_path / "x")
    for words, message in [
        (["--out", str(run)], "--resume"),
        (["--out", str(dataset)], "is not empty"),
        (["--out", x, "--from", str(run), "--network.width", "0.25"], "another network"),
        (["--out", x, "--data", str(tmp_path)], "is no data set"),
        (["--out", str(tmp_path / "empty"), "--resume"], "no checkpoint to go on from"),
        (["--out", x, "--max-minutes", "inf"], "not inf"),
        (["--out", str(run), "--resume", "--from", str(run)], "leave out --from"),
        (["--out", x, "--train.stepz", "1"], "stepz"),
        (["--out", x, "--precision", "16-true"], "no precision '16-true'"),
        (["--out", x, "--devices", "many"], "devices many"),
        (["--out", x, "--devices", "999"], "not 999"),
        (["--out", x, "--devices", "0"], "not 0"),
    ]:
        assert main([*fit_words, *words]) == 1, message
        assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    for words in (["pack"], ["recipes", "--nonsense"], ["blend", "a", "b"]):
        with pytest.raises(SystemExit, match="2"):
            main(words)


def test_pack_and_recipes_from_the_command_line(photos, tmp_path, capsys):
    assert main(["pack", str(photos), str(tmp_path / "data")]) == 0
    out = capsys.readouterr().out
    assert "3 photos, 3 left out" in out
    assert "sub/broken.jpg" in out
    assert main(["recipes"]) == 0
    out = capsys.readouterr().out
    assert {"report", "glcic", "landscape", "compact", "pggan"} <= {line.split()[0] for line in out.splitlines()}
