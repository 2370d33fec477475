import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from inpaint_training.checkpoints.checkpoint import (
    read_newest,
    read_training_state,
    resolve_checkpoint,
)


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


COMMAND = [sys.executable, "-m", "inpaint_training.cli", "fit", "--recipe", "compact"]


def start(dataset, run, words):
    environment = os.environ | {"OMP_NUM_THREADS": "1"}  # as here: in another order, sums have other last bits
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
    words = [*adversarial, "--train.steps", "24", "--train.checkpoint_seconds", "0.001", "--network.width", "0.03125"]
    broken = start(dataset, tmp_path / "broken", words)
    wait_for(tmp_path / "broken" / "step-0000020", broken)  # in the adversarial phase
    broken.send_signal(signal.SIGKILL)
    broken.communicate()
    for run, more in (("broken", ["--resume"]), ("unbroken", [])):
        going_on = start(dataset, tmp_path / run, [*words, *more])
        _, said = going_on.communicate()
        assert going_on.returncode == 0, said
    assert_equal(weights(tmp_path / "broken"), weights(tmp_path / "unbroken"))
    assert read_newest(tmp_path / "broken")[0].progress.images == 48


@pytest.fixture(scope="module")
def endless_runs(dataset, tmp_path_factory, reconstruction):
    """A run for every signal; both at once, as starting one takes seconds."""
    words = [*reconstruction, "--train.steps", "1000000", "--train.check_steps", "2", "--train.checkpoint_seconds",
             "0.001"]  # fmt: skip
    folders = {number: tmp_path_factory.mktemp("runs") / number.name for number in SIGNALS}
    runs = {number: (folder, start(dataset, folder, words)) for number, folder in folders.items()}
    yield runs
    for _, process in runs.values():
        process.kill()


SIGNALS = (signal.SIGTERM, signal.SIGINT)


@pytest.mark.posix("it has no such signals for processes")
@pytest.mark.parametrize("number", SIGNALS)
def test_signals_finish_the_step_and_save(endless_runs, number):
    folder, process = endless_runs[number]
    wait_for(folder / "checkpoints.json", process)
    process.send_signal(number)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "--resume" in said
    assert "Traceback" not in said
    last = log_lines(folder)[-1]["step"]
    assert read_newest(folder)[0].progress.step == last
