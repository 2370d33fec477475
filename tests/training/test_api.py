"""The public functions do what the commands do, in any thread, and leave what others share as it was."""

import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import dask.array as da
import numpy as np
import pytest
import torch

import inpaint_training
from inpaint_training import CancelledError, ProgressReport, evaluate, fit, pack
from inpaint_training.data.dataset import PhotoDataset
from inpaint_training.recipes.library import load_recipe

OVERRIDES = {
    "network.width": 0.125, "critics": [], "train.steps": 4, "train.check_steps": 2, "train.log_steps": 2,
    "phases": [{"share": 1, "crop": 72, "batch": 2, "holes": {"kind": "boxes", "side_min": 10, "side_max": 30}}],
}  # fmt: skip


def test_public_names_exist_and_importing_loads_nothing_heavy():
    assert set(inpaint_training.__all__) <= set(dir(inpaint_training))
    assert all(getattr(inpaint_training, name) is not None for name in inpaint_training.__all__)
    with pytest.raises(AttributeError, match="nonsense"):
        _ = inpaint_training.nonsense
    code = "import sys, inpaint_training, inpaint_export; print('torch' in sys.modules, 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_paths_and_arrays_of_all_kinds_are_packed(tmp_path, photos, micrograph):
    stack = da.from_array(np.stack([micrograph(0), micrograph(1)]), chunks=(1, 64, 64))
    tensor = torch.from_numpy(micrograph(2).astype(np.float32))
    packed = pack([str(photos / "a.jpg"), photos / "b.jpg", stack, tensor], str(tmp_path / "data"))
    assert packed.images == 5
    assert packed.left_out == {}
    dataset = PhotoDataset(packed.dataset)
    np.testing.assert_array_equal(dataset.photo(3)[..., 0], micrograph(1))
    np.testing.assert_array_equal(dataset.photo(4)[..., 0], micrograph(2))
    one = pack(micrograph(3), tmp_path / "one")
    assert [entry.name for entry in PhotoDataset(one.dataset).entries] == ["array 0"]
    with pytest.raises(ValueError, match="images are paths or arrays, or a list of these, not int"):
        pack([1, 2], tmp_path / "none")


def test_a_run_from_images_to_scores_in_a_thread(tmp_path, micrograph):
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    told = []

    def work():
        packed = pack([micrograph(number) for number in range(12)], tmp_path / "data")
        run = fit(load_recipe("compact"), packed, tmp_path / "run", overrides={**OVERRIDES, "data.native": True},
                  on_progress=told.append)  # fmt: skip
        scores = evaluate([micrograph(20), micrograph(21)], run, methods=["mean"], crop=72, crops=1, holes=(16, 24),
                          report=tmp_path / "report")  # fmt: skip
        return run, scores

    with ThreadPoolExecutor(1) as pool:
        run, scores = pool.submit(work).result()
    assert handlers == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert run.finished
    assert run.checkpoint == tmp_path / "run" / "step-0000004"
    assert run.best.is_dir()
    assert 0 < run.metrics["l1_hole"] < 1
    assert [line["step"] for line in run.history if "loss" in line] == [2, 4]
    assert all(isinstance(report, ProgressReport) for report in told)
    assert [(report.step, report.steps) for report in told] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert told[-1].minutes_left == 0
    assert told[-1].metrics["l1_hole"] > 0
    assert set(scores.table) == {"mean", "run"}
    assert scores.cases == 2
    assert scores.table["run"]["psnr_hole"] > 0
    assert (scores.report / "table.md").is_file()


def test_what_threads_share_is_left_as_it_was(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", False)
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    threads = torch.get_num_threads()
    fit("compact", str(dataset), str(tmp_path / "run"), overrides=OVERRIDES)
    assert torch.equal(torch.rand(3), expected)
    assert not torch.backends.cudnn.benchmark
    assert torch.is_grad_enabled()
    assert torch.get_num_threads() == threads


def test_training_is_stopped_with_a_checkpoint_and_goes_on(dataset, tmp_path):
    stop = threading.Event()

    def stop_after_two(report):
        if report.step == 2:
            stop.set()

    run = fit("compact", dataset, tmp_path / "run", overrides=OVERRIDES, on_progress=stop_after_two, cancel=stop)
    assert not run.finished
    assert run.checkpoint.name == "step-0000003"
    assert fit("compact", dataset, run, overrides=OVERRIDES, resume=True).finished
    with pytest.raises(CancelledError, match="nothing was written"):
        fit("compact", dataset, tmp_path / "other", overrides=OVERRIDES, cancel=stop)
    assert not (tmp_path / "other").exists()


def test_an_evaluation_can_be_stopped_and_needs_no_report(photos, tmp_path):
    stop, told = threading.Event(), []
    options = {"methods": ["mean"], "crop": 64, "holes": (8, 16), "crops": 1}
    assert evaluate(photos / "a.jpg", **options, on_progress=told.append).report is None
    assert [(report.step, report.steps) for report in told] == [(1, 1)]
    stop.set()
    with pytest.raises(CancelledError):
        evaluate(photos, **options, cancel=stop, report=tmp_path / "report")
    assert not (tmp_path / "report").exists()
    with pytest.raises(ValueError, match="name a model or a method"):
        evaluate(photos, methods=[])


@pytest.mark.parametrize(
    ("options", "message"), [({"on_progress": 3}, "a function of one ProgressReport"), ({"cancel": True}, "an event")]
)
def test_callbacks_are_checked_before_any_work(dataset, tmp_path, options, message):
    for call in (lambda: pack([], tmp_path / "x", **options), lambda: evaluate(dataset, **options),
                 lambda: fit("compact", dataset, tmp_path / "x", **options)):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            call()


def test_overrides_are_checked_as_those_of_the_command(dataset, tmp_path):
    with pytest.raises(ValueError, match=r"train.steps must be greater than 0, not 0"):
        fit("compact", dataset, tmp_path / "x", overrides={"train.steps": 0})
    with pytest.raises(ValueError, match="nonsense"):
        fit("compact", dataset, tmp_path / "x", overrides={"nonsense": 1})


def test_a_missing_extra_is_named(monkeypatch):
    def fail(_):
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.setattr(inpaint_training.importlib, "import_module", fail)
    with pytest.raises(ImportError, match=r'torch is missing or too old: pip install "napari-inpaint\[train\]"'):
        _ = inpaint_training.fit
