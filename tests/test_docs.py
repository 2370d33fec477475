"""The pages of the documentation say what is true: their code runs."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_inpaint.models import bundled_models
from napari_inpaint.samples import THE_CREST

ROOT = Path(__file__).parents[1]


def read_blocks(page):
    return re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)


def test_the_code_of_the_pipelines_page_runs(tmp_path):
    shutil.copy(bundled_models()["compact"]["fp32"], tmp_path / "compact.onnx")
    Image.open(THE_CREST.path).save(tmp_path / "photo.png")
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
