"""A run over a folder that is killed and started again ends with the same files as an unbroken one."""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import zarr
from PIL import Image

from napari_inpaint.command import batch
from napari_inpaint.command.files import Outcome
from napari_inpaint.command.holes import Wanted
from napari_inpaint.command.tasks import Task
from napari_inpaint.inference.options import FillOptions

KILL = getattr(signal, "SIGKILL", signal.SIGTERM)
pytestmark = pytest.mark.posix("it has no such signals for processes")
CODE = """
import sys
from napari_inpaint.inference.runtime import loading
loading.DEFAULT = "compact"
from napari_inpaint.command.cli import main
sys.exit(main(sys.argv[1:]))
"""


def make_scans(folder, photo, count):
    """PNG files in folders of a hundred, and a zarr now and then."""
    rng = np.random.default_rng(0)
    for number in range(count):
        y, x = rng.integers(0, 400), rng.integers(0, 500)
        image = photo[y : y + 96, x : x + 96]
        path = folder / f"{number // 100:02}" / f"{number:04}"
        path.parent.mkdir(parents=True, exist_ok=True)
        if number % 20 == 19:
            zarr.create_array(f"{path}.zarr", shape=image.shape, chunks=(48, 48, 3), dtype="uint8")[:] = image
        else:
            Image.fromarray(image).save(f"{path}.png")


def run(folder, *, kill_at=None, how=KILL, jobs=1):
    """Start the command; kill it when so many images are there."""
    words = [folder / "in", "-o", folder / "out", "--box", 30, 30, 60, 62, "--record", "--device", "cpu"]
    words += ["--synthetic-mask", folder / "made-up", "--jobs", jobs]
    process = subprocess.Popen([sys.executable, "-c", CODE, *map(str, words)], start_new_session=True,
                               stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)  # fmt: skip
    while kill_at is not None and process.poll() is None:
        if len([*(folder / "out").glob("*/*.png")]) >= kill_at:
            process.send_signal(how)
            break
        time.sleep(0.002)
    _, said = process.communicate(timeout=600)
    return process.returncode, said.decode()


def contents(folder):
    """All files and what is in them, without when it was made and how long that took."""
    found = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        data = path.read_bytes()
        name = path.relative_to(folder).as_posix()
        if path.suffix == ".json":
            values = json.loads(data)
            values = values.get("attributes", {}).get("napari_inpaint", values)
            data = {
                key: value
                for key, value in values.items()
                if key not in ("created", "seconds", "network_seconds", "copy_seconds")
            }
        found[name] = data
    return found


def check_resume(tmp_path, photo, count, kills, jobs):
    make_scans(tmp_path / "whole" / "in", photo, count)
    make_scans(tmp_path / "killed" / "in", photo, count)
    assert run(tmp_path / "whole", jobs=jobs)[0] == 0
    for at, how in kills:
        status, _ = run(tmp_path / "killed", kill_at=at, how=how, jobs=jobs)
        assert status != 0, "it was faster than the kill"
    status, said = run(tmp_path / "killed", jobs=jobs)
    assert status == 0, said
    assert f"of {count} files filled" in said
    assert "were there" in said
    for name in ("out", "made-up"):
        whole, resumed = (contents(tmp_path / which / name) for which in ("whole", "killed"))
        assert whole.keys() == resumed.keys()
        assert [key for key in whole if whole[key] != resumed[key]] == []
    assert contents(tmp_path / "whole" / "in") == contents(tmp_path / "killed" / "in")


def test_killed_twice_and_started_again(tmp_path, photo):
    check_resume(tmp_path, photo, 120, [(3, KILL), (10, signal.SIGTERM)], jobs=1)


@pytest.mark.slow
def test_a_thousand_files_killed_again_and_again(tmp_path, photo):
    kills = [(at, KILL) for at in (3, 100, 101, 333, 500, 777)] + [(900, signal.SIGTERM)]
    check_resume(tmp_path, photo, 1000, kills, jobs=2)


def children(pid):
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()]


def wait_until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")
@pytest.mark.parametrize("how", [KILL, signal.SIGTERM])
def test_workers_end_with_their_parent(tmp_path, photo, how):
    make_scans(tmp_path / "in", photo, 60)
    words = [tmp_path / "in", "-o", tmp_path / "out", "--box", 30, 30, 60, 62, "--device", "cpu", "--jobs", 2]
    process = subprocess.Popen([sys.executable, "-c", CODE, *map(str, words)], stderr=subprocess.PIPE)
    wait_until(lambda: len([*(tmp_path / "out").glob("*/*.png")]) >= 2)
    workers = children(process.pid)
    assert len(workers) >= 2
    process.send_signal(how)
    _, said = process.communicate(timeout=60)
    assert process.returncode == (1 if how == signal.SIGTERM else -how)
    if how == signal.SIGTERM:
        assert b"stopped; what is finished is kept" in said
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")
def test_a_killed_worker_costs_no_file(tmp_path, photo):
    make_scans(tmp_path / "in", photo, 40)
    words = [tmp_path / "in", "-o", tmp_path / "out", "--box", 30, 30, 60, 62, "--device", "cpu", "--jobs", 2]
    process = subprocess.Popen([sys.executable, "-c", CODE, *map(str, words)], stderr=subprocess.PIPE)
    wait_until(lambda: len([*(tmp_path / "out").glob("*/*.png")]) >= 2)
    os.kill(children(process.pid)[-1], KILL)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert b"40 of 40 files filled" in said


def test_outcomes_of_a_large_folder_are_not_gathered(tmp_path, monkeypatch):
    submitted = []

    class Pool(ThreadPoolExecutor):
        def __init__(self, jobs, *_):
            super().__init__(jobs)

        def submit(self, *words):
            submitted.append(words)
            return super().submit(*words)

    monkeypatch.setattr(batch, "ProcessPoolExecutor", Pool)
    monkeypatch.setattr(batch, "fill_file", lambda task, *_: Outcome(task))
    tasks = [Task(Path(f"{number}.png"), tmp_path, None, None, None) for number in range(50)]
    seen = []
    for outcome in batch.fill_files(tasks, Wanted(), FillOptions(), "compact", "cpu", 2):
        seen.append(outcome.task)
        assert len(submitted) <= len(seen) + 2 * batch.AHEAD
    assert set(seen) == set(tasks)
