import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from inpaint_training.checkpoints.checkpoint import read_checkpoint

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1"}


def run(words):
    result = subprocess.run(list(map(str, words)), env=ENVIRONMENT, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr[-3000:]
    return result


SCRIPT = Path(__file__).with_name("gradients_of_a_step.py")


TWO_STAGES = [
    "--network", "{kind: two-stage, width: 0.125}", "--phases.0.trains", "refine",
    *(f"--phases.{phase}.{size}" for phase in "012" for size in ("crop=136", "batch=4")),
]  # fmt: skip


@pytest.mark.parametrize("words", [
    pytest.param((), id="one stage"),
    pytest.param(TWO_STAGES, id="two stages, the first held for a phase", marks=pytest.mark.slow),
])  # fmt: skip
def test_two_processes_have_the_gradients_of_one(dataset, tmp_path, adversarial, words):
    """On the same crops: reconstruction, critics with their penalty, and both with the adaptive balance."""
    adversarial = [*adversarial, *words]
    tiny = ["--phases.0.update.lr", "1e-9", "--phases.2.update.lr", "1e-9", "--phases.1.critic_update.lr", "1e-9",
            "--phases.2.critic_update.lr", "1e-9"]  # fmt: skip  # so that no rounding grows from step to step
    runpy.run_path(str(SCRIPT))["write_gradients"](dataset, tmp_path / "one.pt", 1, [*adversarial, *tiny])
    run([*TORCHRUN, SCRIPT, dataset, tmp_path / "two.pt", 2, *adversarial, *tiny])
    one, two = (torch.load(tmp_path / f"{name}.pt") for name in ("one", "two"))
    assert one.keys() == two.keys()
    assert len([name for name in one if name.startswith("9.2.")]) > 5
    for name, gradient in one.items():
        network = ".".join(name.split(".")[:2])
        scale = max(float(other.abs().max()) for key, other in one.items() if key.startswith(network))
        # Scores of images and composites nearly cancel: 1e-7 is the rounding of what they are made of.
        assert float((two[name] - gradient).abs().max()) <= 1e-5 * scale + 1e-7, name


@pytest.mark.slow
def test_a_run_on_two_devices_is_one_run(dataset, tmp_path, adversarial):
    command = [sys.executable, "-m", "inpaint_training.cli", "fit", "--recipe", "compact", "--data", dataset]
    two = run([*command, "--out", tmp_path / "two", "--devices", "2", *adversarial])
    one = run([*command, "--out", tmp_path / "one", *adversarial])
    assert two.stdout.count("newest checkpoint") == one.stdout.count("newest checkpoint") == 1
    a, b = read_checkpoint(tmp_path / "one"), read_checkpoint(tmp_path / "two")
    assert (b.progress.step, b.progress.images) == (12, 24)
    assert abs(a.progress.psnr_hole - b.progress.psnr_hole) < 0.05
    steps = [
        json.loads(line)["step"] for line in (tmp_path / "two" / "log.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert steps == sorted(steps)
    uneven = subprocess.run(
        [*command, "--out", tmp_path / "x", "--devices", "2", *adversarial, "--phases.0.batch", "3"],
        env=ENVIRONMENT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert uneven.returncode == 1
    assert "a batch of 3 cannot be divided among 2 devices" in uneven.stderr
    assert "Traceback" not in uneven.stderr
    assert not (tmp_path / "x").exists()
