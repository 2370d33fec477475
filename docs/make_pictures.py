"""Make the pictures of the README and docs: run `make picture`."""

import sys
import time
from pathlib import Path

import napari
import numpy as np
from PIL import Image
from qtpy.QtCore import QPoint
from qtpy.QtWidgets import QApplication

from napari_inpaint.plugin.check_dialog import CheckDialog
from napari_inpaint.plugin.inputs import SLICES

FOLDER = Path(__file__).parent
WINDOW = 1280, 760
TILE = 420, 300
PARTS = {
    "label": (slice(0, 420), slice(0, 600)),
    "stack": (slice(0, 200), slice(20, 300)),
    "large": (slice(4096, 4616), slice(4000, 4728)),
}
"""What the gallery shows of every sample."""


def wait_until(condition, seconds=120):
    """Process events until the condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            sys.exit("timed out")
        QApplication.processEvents()
        time.sleep(0.01)


def settle():
    """Let the window draw."""
    for _ in range(40):
        QApplication.processEvents()
        time.sleep(0.01)


def shoot(viewer, name):
    settle()
    viewer.screenshot(FOLDER / name, canvas_only=False, flash=False)
    print(FOLDER / name)


def fill(viewer, widget):
    """Press Fill, and return the new layer."""
    before = len(viewer.layers)
    widget.fill()
    wait_until(lambda: len(viewer.layers) > before and widget.fill_button.enabled)
    return viewer.layers[-1]


def to_tile(layer, part) -> np.ndarray:
    """Return a part of a layer, seen with its contrast limits, as RGB."""
    data = layer.data[0] if layer.multiscale else layer.data
    pixels = np.asarray(data[part] if layer.rgb else data[3][part], float)
    if not layer.rgb:
        low, high = layer.contrast_limits
        pixels = np.repeat(((pixels - low) / (high - low) * 255)[..., None], 3, -1)
    picture = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    return np.asarray(picture.resize(TILE, Image.Resampling.LANCZOS))


viewer = napari.Viewer(show=True)
viewer.window._qt_window.resize(*WINDOW)
_, widget = viewer.window.add_plugin_dock_widget("napari-inpaint", "Inpaint")
wait_until(lambda: "Provider" in widget.runs_on.value)

viewer.open_sample("napari-inpaint", "label")
viewer.reset_view()
shoot(viewer, "napari-before.png")
filled = fill(viewer, widget)
widget.holes.value.visible = False
shoot(viewer, "napari-after.png")

widget.check()
wait_until(lambda: widget.fill_button.enabled and widget.native.findChildren(CheckDialog))
(dialog,) = widget.native.findChildren(CheckDialog)
dialog.move(QPoint(100, 100))
settle()
dialog.grab().save(str(FOLDER / "self-check.png"))
print(FOLDER / "self-check.png")
dialog.close()

rows = []
for key, part in PARTS.items():
    viewer.layers.clear()
    viewer.open_sample("napari-inpaint", key)
    widget.inputs.slices.value = next(name for name, which in SLICES.items() if which == "all")
    rows.append([to_tile(layer, part) for layer in (viewer.layers[0], fill(viewer, widget))])
viewer.close()
gallery = np.concatenate([np.concatenate(column, 0) for column in rows], 1)
Image.fromarray(gallery).save(FOLDER / "samples.jpg", quality=88)
print(FOLDER / "samples.jpg")
