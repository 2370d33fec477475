import json

from inpaint_training.checkpoints.checkpoint import (
    read_checkpoint,
    resolve_checkpoint,
)
from inpaint_training.recipes.library import load_recipe
from inpaint_training.trainer.fit import fit
from inpaint_training.trainer.log import RunLog


def log_lines(run):
    return [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]


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
