"""Make a picture of a training run in TensorBoard: `docs/make_tensorboard_picture.py RUN OUT.png`.

It starts TensorBoard on RUN/tensorboard, pins the chosen cards in a headless browser, and saves what the browser shows.
The browser is needed for nothing else: `pip install 'tensorboard>=2.21' PyQt6-WebEngine` in an environment of its own.
"""

import argparse
import json
import math
import os
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlencode

from PyQt6.QtCore import QUrl
from PyQt6.QtWebEngineCore import QWebEngineScript
from PyQt6.QtWebEngineWidgets import QWebEngineView
from PyQt6.QtWidgets import QApplication

CARDS = """held_out/psnr_hole held_out/texture l1_hole critic_0/gap critic_0/slope critic_0/gradient_ratio
held_out/critic_0/gap gradient_norm images_per_second"""
WIDTH, CARDS_PER_ROW, HEADER_HEIGHT, ROW_HEIGHT = 1600, 3, 167, 336  # as TensorBoard 2.21 lays out its page
SETTINGS = {"theme": "light", "timeSeriesSettingsPaneOpened": False, "sideBarWidthInPercent": 16}
SETTINGS |= {"stepSelectorEnabled": False, "ignoreOutliers": False}  # no tables below the curves; whole curves
COUNT_DRAWN_CARDS = """
    [...document.querySelectorAll("metrics-pinned-view card-view")].filter(card =>
        !card.querySelector("mat-spinner") && (card.querySelector("line-chart .series-view path[d]")
        || card.querySelector("image-card img")?.naturalWidth)).length
"""


def wait_until(condition, what, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            sys.exit(f"After {seconds} seconds still waiting for {what()}.")
        QApplication.processEvents()
        time.sleep(0.05)


def read_address(tensorboard):
    """Return the address that TensorBoard prints when it has started."""
    line = "it said nothing"
    for line in tensorboard.stderr:
        if found := re.search(r"at (http://\S+)", line):
            return found[1]
    sys.exit(f"TensorBoard did not start: {line.strip()}")


def find_cards(address, names):
    """Wait until TensorBoard has loaded the cards; return them the way its address pins them."""
    cards = {}

    def all_loaded():
        with urllib.request.urlopen(f"{address}data/plugin/timeseries/tags", timeout=60) as response:
            tags = json.load(response)
        for run_tags in tags["scalars"]["runTagInfo"].values():
            cards.update({tag: {"plugin": "scalars", "tag": tag} for tag in run_tags})
        for tag, runs in tags["images"]["tagRunSampledInfo"].items():
            run_id = f"defaultExperimentId/{next(iter(runs))}"
            cards[tag] = {"plugin": "images", "tag": tag, "runId": run_id, "sample": 0}
        return cards.keys() >= set(names)

    wait_until(all_loaded, lambda: f"TensorBoard to load {', '.join(set(names) - cards.keys())}")
    return [cards[name] for name in names]


def take_picture(address, cards):
    """Return a picture of TensorBoard's Time Series page with these cards, once they are drawn."""
    view = QWebEngineView()
    view.resize(WIDTH, HEADER_HEIGHT + ROW_HEIGHT * math.ceil(len(cards) / CARDS_PER_ROW))
    script = QWebEngineScript()
    script.setInjectionPoint(QWebEngineScript.InjectionPoint.DocumentCreation)
    script.setWorldId(QWebEngineScript.ScriptWorldId.MainWorld.value)
    script.setSourceCode(f"localStorage.setItem('_tb_global_settings', '{json.dumps(SETTINGS)}')")
    view.page().scripts().insert(script)
    query = urlencode({"pinnedCards": json.dumps(cards), "forceSVG": "true"})  # SVG: the page knows what is drawn
    view.load(QUrl(f"{address}?{query}#timeseries"))
    view.show()
    picture, drawn, last_change = None, [], time.monotonic()

    def at_rest():
        nonlocal picture, last_change
        view.page().runJavaScript(COUNT_DRAWN_CARDS, drawn.append)
        previous, picture = picture, view.grab().toImage()
        if picture != previous or drawn[-1:] != [len(cards)]:
            last_change = time.monotonic()
        return time.monotonic() > last_change + 1

    wait_until(at_rest, lambda: f"the page to draw {len(cards)} cards and come to rest")
    return picture


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("run", type=Path, metavar="RUN", help="the folder of a training run")
parser.add_argument("out", type=Path, metavar="OUT.png", help="the picture to write")
parser.add_argument("--cards", nargs="+", default=CARDS.split(), help="the curves and images to show, by name")
arguments = parser.parse_args()
if not (logdir := arguments.run / "tensorboard").is_dir():
    sys.exit(f"There is no folder {logdir}.")

os.environ["no_proxy"] = "localhost"
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("QTWEBENGINE_CHROMIUM_FLAGS", "--disable-gpu --no-sandbox")  # its sandbox refuses to run as root
application = QApplication(sys.argv[:1])
command = [sys.executable, "-m", "tensorboard.main", "--logdir", logdir, "--port", "0"]
with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tensorboard:
    try:
        address = read_address(tensorboard)
        picture = take_picture(address, find_cards(address, arguments.cards))
    finally:
        tensorboard.terminate()
if not picture.save(str(arguments.out)):
    sys.exit(f"Cannot write {arguments.out}.")
print(arguments.out)
