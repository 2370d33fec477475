"""Make the pictures of the README: run `make picture`."""

import sys
from pathlib import Path

import napari
from qtpy.QtWidgets import QApplication

FOLDER = Path(__file__).parent


def wait_until(condition, seconds=60):
    """Process events until the condition holds."""
    import time

    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            sys.exit("timed out")
        QApplication.processEvents()
        time.sleep(0.01)


viewer = napari.Viewer(show=True)
viewer.window._qt_window.resize(1400, 820)
viewer.open_sample("napari-inpaint", "the_crest")
_, widget = viewer.window.add_plugin_dock_widget("napari-inpaint", "Inpaint")
viewer.reset_view()
wait_until(lambda: viewer.window._qt_window.isVisible())
widget.fill()
wait_until(lambda: len(viewer.layers) == 3 and widget.fill_button.enabled)

photo, holes, filled = viewer.layers
viewer.layers.move(viewer.layers.index(holes), 3)
photo.translate = (0, -photo.data.shape[1] - 12)  # before on the left, after on the right
holes.translate = photo.translate
viewer.layers.selection = {filled}
viewer.reset_view()
for _ in range(20):
    QApplication.processEvents()
viewer.screenshot(FOLDER / "napari.png", canvas_only=False, flash=False)
viewer.close()
print(FOLDER / "napari.png")
