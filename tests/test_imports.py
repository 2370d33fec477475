"""The package is light to import, and its layers point one way."""

import subprocess
import sys

import pytest

import napari_inpaint

HEAVY = {"torch", "napari", "qtpy", "PyQt6", "magicgui", "superqt", "onnxruntime", "scipy", "numpy"}


@pytest.mark.parametrize("module", ["napari_inpaint", "napari_inpaint.command.cli"])
def test_importing_loads_nothing_heavy(module):
    code = f"import sys, {module}; print(*{{name.split('.')[0] for name in sys.modules}})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not HEAVY & set(loaded)


def test_public_names_exist():
    assert set(napari_inpaint.__all__) <= set(dir(napari_inpaint))
    for name in napari_inpaint.__all__:
        assert getattr(napari_inpaint, name) is not None
    with pytest.raises(AttributeError, match="nonsense"):
        _ = napari_inpaint.nonsense
