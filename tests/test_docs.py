"""The pages of the documentation say what is true: their code runs."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr
from PIL import Image

from napari_inpaint.models import bundled_models
from napari_inpaint.samples import THE_CREST

ROOT = Path(__file__).parents[1]


def read_blocks(page, language="python"):
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)


def run_page(page, folder):
    """Run every block of a page by itself, in order; return what they print, of both streams."""
    texts = []
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for number, (language, code) in enumerate(
        re.findall(r"```(python|sh)\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    ):
        script = folder / f"block{number}"
        script.write_text(code)
        command = [sys.executable, script] if language == "python" else ["bash", "-eo", "pipefail", script]
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False, env=os.environ | {"PATH": path}
        )
        assert done.returncode == 0, done.stderr
        texts.append(done.stdout + done.stderr)
    return texts


@pytest.fixture
def photo_file(tmp_path):
    Image.open(THE_CREST.path).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_can_i_trust_this_fill(tmp_path, photo_file):
    shell, python = run_page("docs/trust.md", tmp_path)
    assert "8 known places beside 2 holes" in shell
    row = re.compile(r"^(fill \(landscape\)|pull-push|telea|biharmonic) {3}", re.MULTILINE)
    assert row.findall(shell) == row.findall((ROOT / "docs/trust.md").read_text())
    assert "4 known places beside 1 holes" in python


def test_reproduce_a_figure(tmp_path, photo_file):
    _, again, python = run_page("docs/reproduce.md", tmp_path)
    assert "the same, bit for bit" in again
    assert "4800 pixels were made up" in python
    assert np.asarray(Image.open(tmp_path / "made-up.png")).sum() == 4800


def test_a_folder_every_night(tmp_path, photo_file):
    (tmp_path / "scans" / "monday").mkdir(parents=True)
    for name in ("a", "b"):
        shutil.copy(photo_file, tmp_path / "scans" / "monday" / f"{name}.png")
    mask = np.zeros((512, 640), bool)
    mask[:, [100, 300, 301]] = True
    Image.fromarray(mask).save(tmp_path / "dead-columns.png")
    first, *_ = run_page("docs/folders.md", tmp_path)
    assert "2 of 2 files filled" in first
    assert sorted(path.name for path in (tmp_path / "filled" / "monday").glob("*.png")) == ["a.png", "b.png"]
    assert "2 were there" in (tmp_path / "errors.log").read_text()
    assert Image.open(tmp_path / "one.png").size == (640, 512)


def test_a_time_lapse_on_a_cluster(tmp_path):
    run_page("docs/cluster.md", tmp_path)
    before, after = zarr.open(str(tmp_path / "lapse.zarr")), zarr.open(str(tmp_path / "filled.zarr"))
    changed = np.nonzero((before[:] != after[:]).any((0, 1)))
    assert [(axis.min(), axis.max() + 1) for axis in changed] == [(100, 140), (100, 180)]
    slide, clean = (zarr.open(str(tmp_path / name))[:] for name in ("slide.zarr", "clean.zarr"))
    np.testing.assert_array_equal(slide[600:3000], clean[600:3000])


def test_the_code_of_the_pipelines_page_runs(tmp_path, photo_file):
    shutil.copy(bundled_models()["compact"]["fp32"], tmp_path / "compact.onnx")
    script = tmp_path / "page.py"
    script.write_text("\n".join(read_blocks("docs/pipelines.md")))
    command = [sys.executable, "-W", "error", script]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "1 of 2 windows\nstopped: nothing was changed" in done.stdout
    printed = re.search(r"```\n2 windows, 2 holes.*?\n(.*?)```", (ROOT / "docs/pipelines.md").read_text(), re.DOTALL)[1]
    assert printed in done.stdout
    photo, filled = (np.asarray(Image.open(tmp_path / name)) for name in ("photo.png", "filled.png"))
    changed = np.nonzero((photo != filled).any(-1))
    assert [(axis.min(), axis.max() + 1) for axis in changed] == [(120, 200), (80, 160)]


@pytest.mark.parametrize("block", read_blocks("README.md"))
def test_the_code_of_the_readme_runs(block, photo):
    mask = np.zeros(photo.shape[:2], bool)
    mask[300:340, 100:150] = True
    names = {"image": photo, "mask": mask}
    exec(block, names)
    assert (names["result"] != photo).any(-1).sum() > 1000
