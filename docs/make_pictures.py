"""Make the pictures of the README and docs, in the folder docs or the one that is named: run `make picture`."""

import sys
import time
from pathlib import Path

import napari
import numpy as np
from PIL import Image, ImageDraw
from qtpy.QtCore import QPoint
from qtpy.QtWidgets import QApplication
from skimage import data

from napari_inpaint import Box
from napari_inpaint import fill as fill_array
from napari_inpaint.plugin.widget.check_dialog import CheckDialog
from napari_inpaint.plugin.widget.inputs import SLICES
from napari_inpaint.samples import dated_photo

FOLDER = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
WINDOW = 1280, 760
TILE = 420, 300
CELL = slice(130, 523), slice(0, 550)
BAR = Box(355, 425, 377, 526)
"""Around a scale bar of 10 µm that is drawn into the picture of a cell."""


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
    """Press Fill, and return the new layer, which is chosen then."""
    before = len(viewer.layers)
    widget.fill()
    wait_until(lambda: len(viewer.layers) > before and not widget.is_running)
    return widget.image.value


def to_tile(pixels) -> np.ndarray:
    """Return pixels, uint8, as a tile of RGB."""
    return np.asarray(Image.fromarray(pixels).convert("RGB").resize(TILE, Image.Resampling.LANCZOS))


def draw_scale_bar(pixels) -> np.ndarray:
    picture = Image.fromarray(pixels)
    ImageDraw.Draw(picture).rectangle([BAR.x0 + 4, BAR.y0 + 7, BAR.x1 - 5, BAR.y1 - 8], fill=255)
    return np.asarray(picture)


FOLDER.mkdir(exist_ok=True)
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
wait_until(lambda: not widget.is_running and widget.native.findChildren(CheckDialog))
(dialog,) = widget.native.findChildren(CheckDialog)
dialog.move(QPoint(100, 100))
settle()
dialog.grab().save(str(FOLDER / "self-check.png"))
print(FOLDER / "self-check.png")
dialog.close()

photo, box = dated_photo()
label = np.s_[:210, :294]
columns = [[photo[label], fill_array(photo, boxes=[box])[label]]]

viewer.layers.clear()
viewer.open_sample("napari-inpaint", "stack")
widget.inputs.slices.value = next(name for name, which in SLICES.items() if which == "all")
part = np.s_[3, :200, 20:300]
columns.append([(layer.data[part] / 16).astype(np.uint8) for layer in (viewer.layers[0], fill(viewer, widget))])
viewer.close()

cell = draw_scale_bar(data.cell()[CELL])
columns.append([cell, fill_array(cell, boxes=[BAR])])

gallery = np.hstack([np.vstack([to_tile(pixels) for pixels in column]) for column in columns])
Image.fromarray(gallery).save(FOLDER / "fills.jpg", quality=90)
print(FOLDER / "fills.jpg")
