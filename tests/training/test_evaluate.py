import json

import numpy as np
import pytest
from PIL import Image

from inpaint_training.evaluate import iterate_cases, main
from inpaint_training.scores import Case, score


def test_cases_follow_the_protocol_and_repeat(photos):
    cases = list(iterate_cases(photos, 256, (88, 128), 2, seed=1))
    again = list(iterate_cases(photos, 256, (88, 128), 2, seed=1))
    assert len(cases) >= 6
    for case, other in zip(cases, again, strict=True):
        assert case.box == other.box
        np.testing.assert_array_equal(case.image, other.image)
        y0, x0, y1, x1 = case.box
        assert 88 <= y1 - y0 == x1 - x0 <= 128
        assert min(y0, x0, 256 - y1, 256 - x1) >= 20
    assert [c.box for c in iterate_cases(photos, 256, (88, 128), 2, seed=2)] != [c.box for c in cases]


def test_scores_of_known_errors(photo):
    case = Case("c", photo[:256, :256], (100, 100, 200, 200))
    perfect = score(case, case.image, 0)
    assert (perfect.l1, perfect.ssim, perfect.texture) == (0, pytest.approx(1), 1)
    off = case.image.astype(int)
    off[100:200, 100:200] += np.where(off[100:200, 100:200] < 128, 10, -10)
    scores = score(case, off.astype(np.uint8), 0)
    assert scores.l1 == pytest.approx(100 * 10 / 255)
    assert scores.psnr_hole == pytest.approx(20 * np.log10(255 / 10))
    # the same error over the whole crop: + 10 log10 of the ratio of the areas
    assert scores.psnr == pytest.approx(scores.psnr_hole + 10 * np.log10(256**2 / 100**2))


def test_report(photos, tmp_path, capsys):
    out = tmp_path / "report"
    words = ["--photos", str(photos), "--model", "compact", "--out", str(out), "--crops", "1"]
    assert main(words) == 0
    assert "| compact |" in capsys.readouterr().out
    means = json.loads((out / "table.json").read_text())["means"]
    assert list(means) == ["mean", "pullpush", "telea", "ns", "biharmonic", "compact"]
    assert means["pullpush"]["l1"] < means["mean"]["l1"]
    assert Image.open(out / "contact-sheet.png").width == 160 * 8
    assert (out / "table.md").read_text().count("\n") == 8
    assert len((out / "table.csv").read_text().splitlines()) == 1 + 6 * json.loads(
        (out / "table.json").read_text()
    )["protocol"]["cases"]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--holes", "50", "40"], "MIN <= MAX"), (["--crop", "64"], "does not fit"), (["--crops", "0"], "not 0"),
        (["--model", "nonsense"], "no model"), (["--crop", "5000"], "no photo of at least"),
    ],
)  # fmt: skip
def test_errors_are_sentences(photos, tmp_path, capsys, words, message):
    assert main(["--photos", str(photos), "--out", str(tmp_path / "r"), *words]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "r").exists()
