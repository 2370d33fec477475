"""How the plugin feels: milliseconds that napari does not react, in a real viewer.

    python benchmarks/gui.py [--json FILE]

Without a screen: xvfb-run -a -s "-screen 0 1920x1080x24" python benchmarks/gui.py. Prints a Markdown table:
the longest gap between two turns of the event loop while a stack is filled, without the last turn, in which napari adds
the new layer (also given, beside the time that napari takes to add such a layer by itself); the time from Cancel to the
end of the fill; from a drawn rectangle to its fill; and what importing the plugin adds to a napari that is running.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import napari
import numpy as np
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication

from napari_inpaint.io.images import read_image
from napari_inpaint.samples import THE_CREST

PLANES = 40
NAPARI = "import napari.qt.threading, napari.viewer, napari.layers, magicgui.widgets, superqt"
"""What a running napari has imported."""
CORNERS = [[(200, 200), (200, 300), (300, 300), (300, 200)]]


class Gaps:
    """Measures the gaps between turns of the event loop, in milliseconds."""

    def __enter__(self):
        self.turns = [time.perf_counter()]
        self.timer = QTimer()
        self.timer.timeout.connect(lambda: self.turns.append(time.perf_counter()))
        self.timer.start(0)
        return self

    def __exit__(self, *_):
        self.timer.stop()
        self.gaps = 1000 * np.diff(self.turns)


def wait_until(condition, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            sys.exit("timed out")
        QApplication.processEvents()
        time.sleep(0.0005)


def time_import(repeats: int = 5) -> float:
    """Return the median milliseconds that the plugin's import adds in a fresh Python with a napari."""
    program = f"{NAPARI}; import time; t = time.perf_counter(); import napari_inpaint.plugin.widget.widget; "
    program += "print(1000 * (time.perf_counter() - t))"
    runs = (subprocess.run([sys.executable, "-c", program], check=True, capture_output=True) for _ in range(repeats))
    return statistics.median(float(run.stdout) for run in runs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="landscape")
    parser.add_argument("--json", type=Path, help="write the numbers to this file too")
    arguments = parser.parse_args()
    photo = read_image(THE_CREST.path).pixels
    viewer = napari.Viewer(show=True)
    _, widget = viewer.window.add_plugin_dock_widget("napari-inpaint", "Inpaint")
    widget.model.value = arguments.model
    wait_until(lambda: "Provider" in widget.runs_on.value)
    stack = np.stack([np.roll(photo[..., 1], shift, 1) for shift in range(PLANES)])
    image = viewer.add_image(stack, name="stack")
    holes = viewer.add_shapes(CORNERS, shape_type="rectangle")
    widget.inputs.slices.value = "all slices"
    for _ in range(50):
        QApplication.processEvents()

    rows = {}
    with Gaps() as fill:
        widget.fill()
        wait_until(lambda: len(viewer.layers) == 3)
    rows[f"longest gap while {PLANES} slices are filled, aim: 50"] = fill.gaps[:-1].max()
    rows["the last gap, with the new layer"] = fill.gaps[-1]
    wait_until(lambda: not widget.is_running)
    started = time.perf_counter()
    viewer.add_image(stack.copy(), name="copy")
    rows["napari's own time to add such a layer"] = 1000 * (time.perf_counter() - started)
    for name in ("stack filled", "copy"):
        viewer.layers.remove(name)

    cancels = []
    for _ in range(5):
        widget.fill()
        wait_until(lambda: "steps done" in widget.status.value)
        started = time.perf_counter()
        widget.cancel()
        wait_until(lambda: not widget.is_running)
        cancels.append(1000 * (time.perf_counter() - started))
    rows["from Cancel to the end, longest of 5, aim: 300"] = max(cancels)

    viewer.layers.remove(image)
    viewer.layers.remove(holes)
    viewer.add_image(photo.copy(), name="photo")
    started = time.perf_counter()
    viewer.add_shapes(ndim=2).add_rectangles(np.array(CORNERS[0]))
    own = 1000 * (time.perf_counter() - started)
    del viewer.layers[-1]
    holes = viewer.add_shapes(ndim=2)
    widget.result.value, widget.controls.as_you_draw.value = "in place", True
    drawn, gaps = [], []
    for shift in range(0, 100, 20):
        with Gaps() as draw:
            started = time.perf_counter()
            holes.add_rectangles(np.array(CORNERS[0]) + shift)
            wait_until(lambda: not widget.is_running and "filled in" in widget.status.value)
            drawn.append(1000 * (time.perf_counter() - started))
        gaps.append(draw.gaps.max())
    rows["from a drawn rectangle of 101 px to its fill, median of 5"] = statistics.median(drawn)
    rows["longest gap meanwhile"] = max(gaps)
    rows["napari's own time to add a layer and a rectangle"] = own
    viewer.close()

    rows["what the plugin's import adds, aim: 150"] = time_import()
    print(f"| {arguments.model} | ms |\n|---|---|")
    for name, milliseconds in rows.items():
        print(f"| {name} | {milliseconds:.0f} |")
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
