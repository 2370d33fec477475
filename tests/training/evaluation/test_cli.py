import csv
import io
import json
import shutil
import sys

import pytest
from PIL import Image

from inpaint_training.evaluation.cli import main
from inpaint_training.evaluation.comparison import load_methods


def few(photos, tmp_path):
    """A folder with one photo, for quick runs."""
    (tmp_path / "photos").mkdir()
    shutil.copy(photos / "a.jpg", tmp_path / "photos")
    return tmp_path / "photos"


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


def test_a_folder_with_other_files_is_not_written_into(photos, capsys):
    assert main(["--photos", str(photos), "--method", "mean", "--out", str(photos)]) == 1
    assert "holds other files" in capsys.readouterr().err
