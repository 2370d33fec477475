import csv
import io
import json
import shutil
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from inpaint_training.checkpoints.checkpoint import Progress, keep_checkpoint, write_checkpoint
from inpaint_training.data.masks import random_strokes
from inpaint_training.evaluation.cases import Case, Protocol, iterate_cases
from inpaint_training.evaluation.cli import main
from inpaint_training.evaluation.comparison import load_methods
from inpaint_training.evaluation.evaluator import KID_CASES, evaluate
from inpaint_training.evaluation.inpainter import CheckpointInpainter
from inpaint_training.evaluation.report import format_bins, format_table
from inpaint_training.networks.completion import CompletionNetwork
from inpaint_training.networks.context_encoder import ContextEncoder
from inpaint_training.networks.padding import complete_window, pad_window
from inpaint_training.recipes.library import load_recipe


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    network = CompletionNetwork(0.125).eval()
    torch.nn.init.normal_(network.layers.output_17.conv.weight, std=0.02)
    return network


@pytest.fixture(scope="module")
def run(tmp_path_factory, network):
    """A training run with one checkpoint."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    recipe = load_recipe("compact", ["--network.width", "0.125", "--name", "tiny"])
    progress = Progress(step=1, images=10, photos=3)
    checkpoint = write_checkpoint(folder / "step-0000001", recipe, progress, network.state_dict())
    keep_checkpoint(folder, checkpoint, progress, before_critics=True, keep=1)
    return folder


def few(photos, tmp_path):
    """A folder with one photo, for quick runs."""
    (tmp_path / "photos").mkdir()
    shutil.copy(photos / "a.jpg", tmp_path / "photos")
    return tmp_path / "photos"


def test_cases_follow_the_protocol_and_repeat(photos):
    protocol = Protocol(seed=1)
    cases = list(iterate_cases(photos, protocol))
    assert len(cases) >= 6
    for case, other in zip(cases, iterate_cases(photos, protocol), strict=True):
        np.testing.assert_array_equal(case.mask, other.mask)
        np.testing.assert_array_equal(case.image, other.image)
        y0, x0, y1, x1 = case.box
        assert case.mask.sum() == (y1 - y0) * (x1 - x0)
        assert 88 <= y1 - y0 == x1 - x0 <= 128
        assert min(y0, x0, 256 - y1, 256 - x1) >= 20
    assert [c.box for c in iterate_cases(photos, replace(protocol, seed=2))] != [c.box for c in cases]


def test_strokes_repeat_and_cover_what_they_should(photos):
    masks = [random_strokes(256, 200, np.random.default_rng(seed)) for seed in range(60)]
    np.testing.assert_array_equal(masks[7], random_strokes(256, 200, np.random.default_rng(7)))
    shares = [mask.mean() for mask in masks]
    assert all(mask.shape == (256, 200) and 0.02 <= mask.mean() < 0.65 for mask in masks)
    assert {sum(np.greater_equal(share, (0.05, 0.1, 0.2, 0.4))) for share in shares} == {0, 1, 2, 3, 4}
    small = random_strokes(256, 256, np.random.default_rng(0), (0.01, 0.01))
    assert 0.01 <= small.mean() < 0.08
    tiny = random_strokes(2, 2, np.random.default_rng(0), (1, 1))
    assert 0 < tiny.sum() < 4
    cases = list(iterate_cases(photos, Protocol(crop=64, crops=1, masks="strokes")))
    assert all(case.image.shape == (64, 64, 3) and case.mask.any() for case in cases)


def test_a_checkpoint_row_is_the_networks_own_result(run, network, photo):
    image, box = photo[:128, :128].copy(), (40, 40, 80, 70)
    image[39, 45], image[39, 46] = 0, 255  # on the rim: the intensity range is that of the dtype
    inpainter = CheckpointInpainter(run, "cpu")
    filled = inpainter.fill(image, boxes=[box], seam=False)
    tensor = torch.from_numpy(image.copy()).permute(2, 0, 1)[None].float() / 255
    mask = torch.zeros(1, 1, 128, 128)
    mask[..., 40:80, 40:70] = 1
    with torch.no_grad():
        expected = network(tensor, mask)[0].permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(filled[40:80, 40:70], np.rint(expected[40:80, 40:70] * 255).astype(np.uint8))
    record = inpainter.last_record
    assert (record["model"], record["provider"], inpainter.device) == ("tiny", "torch-cpu", "torch-cpu")
    again = inpainter.__reduce__()
    np.testing.assert_array_equal(again[0](*again[1]).fill(image, boxes=[box], seam=False), filled)


@pytest.mark.parametrize("size", [(1, 1), (5, 67), (68, 68), (71, 90)])
def test_windows_of_any_size_are_completed(network, size):
    image, mask = torch.rand(2, 3, *size), torch.zeros(2, 1, *size)
    mask[..., size[0] // 2 :, :] = 1
    with torch.no_grad():
        assert complete_window(network, image, mask).shape == image.shape
    padded = pad_window(image, 4, 68)
    assert all(side >= 68 and side % 4 == 0 for side in padded.shape[2:])
    assert torch.equal(padded[..., : size[0], : size[1]], image)
    assert (padded[..., -1] == padded[..., size[1] - 1]).all()


def test_a_network_of_one_size_sees_only_what_is_known():
    class Fixed(torch.nn.Module):
        fixed_side = 16

        def forward(self, image, mask):
            assert image.shape[2:] == mask.shape[2:] == (16, 16)
            assert ((mask == 0) | (mask == 1)).all()
            self.seen = image, mask
            return torch.where(mask > 0, 1.0, image)

    network = Fixed()
    image, mask = torch.full((1, 3, 40, 56), 0.25), torch.zeros(1, 1, 40, 56)
    mask[..., 10:20, 14:28] = 1
    image[mask.expand_as(image) > 0] = float("nan")
    completion = complete_window(network, image, mask)
    assert completion.shape == image.shape
    small, hole = network.seen
    assert torch.allclose(small[hole.expand_as(small) == 0], torch.tensor(0.25))
    assert hole[..., 4:8, 4:8].all()
    assert not hole[..., 10:, :].any()


def test_a_context_encoder_completes_windows_of_any_size():
    network = ContextEncoder(width=0.0625).eval()
    image, mask = torch.rand(1, 3, 90, 200), torch.zeros(1, 1, 90, 200)
    mask[..., 30:60, 50:120] = 1
    with torch.no_grad():
        assert complete_window(network, image, mask).shape == image.shape


def test_report(photos, run, tmp_path, capsys, windows):
    words = ["--photos", str(few(photos, tmp_path)), "--model", "compact", "--model", str(run), "--crops", "2"]
    words += ["--method", "mean", "--method", "pullpush", "--masks", "strokes", "--sheet", "1", "--worst", "2"]
    words += ["--seed", "5", "--crop", "176"]
    files = {}
    for name in ("a", "b"):
        out = tmp_path / "deep" / name
        assert main([*words, "--out", str(out)]) == 0
        assert "| tiny |" in capsys.readouterr().out
        files[name] = {path.name: path for path in out.iterdir()}
        assert set(files[name]) == {"table.md", "table.csv", "table.json", "contact-sheet.png", "worst.png"}
    assert not list((tmp_path / "deep").glob(".*"))
    report = json.loads(files["a"]["table.json"].read_text(encoding="utf-8"))
    means = report["means"]
    assert list(means) == ["mean", "pullpush", "compact", "tiny"]
    assert set(means["mean"]) == {"l1", "psnr_hole", "psnr", "ssim", "ms_ssim", "texture", "rim", "lite0", "lite2",
                                  "seconds"}  # fmt: skip
    assert means["pullpush"]["l1"] < means["mean"]["l1"]
    assert report["protocol"]["masks"] == "strokes"
    assert sum(part["cases"] for part in report["bins"].values()) == report["protocol"]["cases"] == 2
    assert Image.open(files["a"]["contact-sheet.png"]).size == (160 * 6, 160 + 18)
    assert Image.open(files["a"]["worst.png"]).size == (160 * 6, 2 * 160 + 18)
    lines = list(csv.DictReader(io.StringIO(files["a"]["table.csv"].read_text(encoding="utf-8"))))
    assert len(lines) == 4 * 2

    again = json.loads(files["b"]["table.json"].read_text(encoding="utf-8"))
    for part in (report, again):
        for rows in (part["means"], *(part["bins"][name]["means"] for name in part["bins"])):
            for row in rows.values():
                row.pop("seconds")
    assert again == report
    assert files["a"]["contact-sheet.png"].read_bytes() == files["b"]["contact-sheet.png"].read_bytes()


def cases_of(photo, count):
    rng = np.random.default_rng(0)
    for number in range(count):
        y, x = rng.integers(0, 400, 2)
        mask = np.zeros((32, 32), bool)
        mask[8 : 12 + 12 * (number % 2), 8:24] = True  # 6 % or 25 %
        yield Case(str(number), photo[y : y + 32, x : x + 32], mask)


def test_bins_hold_every_case_once_and_kid_needs_enough(photo):
    from inpaint_training.losses.features import FeatureNetwork

    cases = list(cases_of(photo, KID_CASES))
    fillers = {"same": lambda image, mask: image, "black": lambda image, mask: np.where(mask[..., None], 0, image)}
    results = evaluate(fillers, cases, [FeatureNetwork("lite0")], sheet=3, seed=1)
    bins = results.bins()
    assert list(bins) == ["5-10 %", "20-40 %"]
    assert sorted(i for numbers in bins.values() for i in numbers) == list(range(KID_CASES))
    means = results.means()
    assert means["same"]["kid_lite0"] == means["same"]["lite0"] == 0
    assert means["black"]["kid_lite0"] > 0 < means["black"]["lite0"]
    assert "kid_lite0" not in results.means(bins["5-10 %"])["black"]
    parts = [results.means(numbers)["black"]["l1"] for numbers in bins.values()]
    assert np.mean(parts) == pytest.approx(means["black"]["l1"])
    assert len(results.sheet) == len(results.pictures) == 3
    assert results.sheet == sorted(set(results.sheet))


def test_the_worst_cases_are_those_of_the_method_that_is_named(photo):
    cases = list(cases_of(photo, 6))

    def blacken(image, mask):
        return np.where(mask[..., None], 0, image)

    results = evaluate({"same": lambda image, mask: image, "black": blacken}, cases, sheet=0, worst=("black", 3))
    errors = [np.mean(case.image[case.mask].astype(float) ** 2) for case in cases]
    assert results.worst == sorted(range(6), key=lambda i: -errors[i])[:3]
    assert sorted(results.pictures) == sorted(results.worst)
    np.testing.assert_array_equal(results.pictures[results.worst[0]]["same"], cases[results.worst[0]].image)


def test_tables():
    rows = {"a": {"l1": 1.0, "psnr": 20.0, "rim": 0.5, "seconds": 1.0},
            "b": {"l1": 2.0, "psnr": 30.0, "rim": 1.2, "kid_lite0": 0.1, "seconds": 2.0}}  # fmt: skip
    assert format_table(rows).splitlines() == [
        "| method | L1 % (hole) | PSNR | rim jump | kid_lite0 | s per crop |",
        "| --- | --- | --- | --- | --- | --- |",
        "| a | **1.00** | 20.00 | 0.50 | – | 1.000 |",
        "| b | 2.00 | **30.00** | **1.20** | **0.1000** | 2.000 |",
    ]
    lines = format_bins({"< 5 %": (3, {"a": {"l1": 1.0}}), "> 40 %": (1, {"a": {"l1": 2.0}})}).splitlines()
    assert lines[2:] == ["| < 5 % | 3 | a | **1.00** |", "| > 40 % | 1 | a | **2.00** |"]


def test_missing_packages_leave_out_rows_and_columns(photos, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "patchmatch_cython", None)
    assert "patchmatch" not in load_methods(None)
    assert capsys.readouterr().err.count("\n") == 1
    monkeypatch.setitem(sys.modules, "efficientnet_lite_pytorch", None)
    words = ["--photos", str(few(photos, tmp_path)), "--crop", "64", "--holes", "8", "16", "--sheet", "0"]
    assert main([*words, "--out", str(tmp_path / "r"), "--method", "mean"]) == 0
    printed = capsys.readouterr()
    assert "no feature distances and KID, features lite0 need efficientnet_lite_pytorch: pip install" in printed.err
    assert "lite0" not in printed.out
    assert main([*words, "--out", str(tmp_path / "n"), "--method", "patchmatch"]) == 1
    assert "'patchmatch' needs patchmatch_cython" in capsys.readouterr().err
    assert not (tmp_path / "n").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--holes", "50", "40"], "MIN <= MAX"), (["--crop", "64"], "does not fit"), (["--crops", "0"], "not 0"),
        (["--model", "nonsense"], "no model"), (["--crop", "5000"], "no photo of at least"),
        (["--sheet", "-1"], "--sheet must be"), (["--model", "."], "neither a checkpoint nor a run"),
        (["--model", "compact", "--model", "compact"], "a row named 'compact' already"),
    ],
)  # fmt: skip
def test_errors_are_sentences(photos, tmp_path, capsys, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    assert main(["--photos", str(photos), "--method", "mean", "--out", str(tmp_path / "r"), *words]) == 1
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_rows_of_one_name_are_told_apart_by_their_paths(run, tmp_path):
    from inpaint_training.evaluation.comparison import add_models

    fillers = {"tiny": len}
    add_models(fillers, [str(run)], "cpu")
    assert list(fillers) == ["tiny", run.as_posix()]
    with pytest.raises(ValueError, match="auto, cpu or cuda, not 'tpu9'"):
        add_models({}, [str(run)], "tpu9")


def test_a_folder_with_other_files_is_not_written_into(photos, capsys):
    assert main(["--photos", str(photos), "--method", "mean", "--out", str(photos)]) == 1
    assert "holds other files" in capsys.readouterr().err
