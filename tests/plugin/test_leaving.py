"""A program that made the widget ends as it should, whatever its threads are doing then."""

import subprocess
import sys

import pytest

PROGRAM = """
import napari, numpy as np
from napari_inpaint.plugin.widget.widget import InpaintWidget

viewer = napari.Viewer(show=True)
widget = InpaintWidget(viewer)
viewer.window.add_dock_widget(widget)
"""
FILL = """
viewer.add_image(np.random.default_rng(0).integers(0, 255, (40, 600, 600, 3), dtype=np.uint8))
viewer.add_shapes([[[100, 100], [100, 300], [300, 300], [300, 100]]])
widget.fill()
"""
ENDS = {
    "while the model is opened": ("", 0),
    "while a fill runs": (FILL, 0),
    "with an error": ("1 / 0", 1),
    "after the window was closed": ("viewer.close()", 0),
    "by sys.exit": ("import sys; sys.exit(3)", 3),
}


def run(end, status):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM + end], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == status, done.stderr
    assert "deleted" not in done.stderr


@pytest.mark.parametrize("when", [*ENDS][:3])
def test_a_program_ends_as_it_should(when):
    run(*ENDS[when])


@pytest.mark.slow
@pytest.mark.parametrize("when", ENDS)
def test_it_does_so_every_time(when):
    for _ in range(4):
        run(*ENDS[when])
