"""How fast holes are filled, against the network alone, PyTorch and classical methods, in one run on one machine.

    python benchmarks/inference.py                          # the bundled model, this machine's device
    python benchmarks/inference.py --model mine.onnx --checkpoint runs/mine --threads 4 --json

A photo of 4,000 x 3,000 pixels (the sample photo, tiled) with 10 rectangles of 80 to 144 px. *Network alone* completes
exactly the windows of the fill, prepared beforehand. PyTorch completes the same windows, eager, channels_last.
Classical methods get a window of 256 x 256 pixels around every hole, since on the whole photo most of them would take
minutes. Every row is a median (classical: of a fifth of the repeats). *fill / network*: what all around it costs.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
import torch
from PIL import Image

from inpaint_training.checkpoints.checkpoint import read_checkpoint
from inpaint_training.evaluation.baselines import MissingPackageError, load_method
from inpaint_training.networks.padding import complete_window
from napari_inpaint import Box, Inpainter
from napari_inpaint.inference.filling import batches
from napari_inpaint.inference.runtime.loading import describe_cpu
from napari_inpaint.inference.windows.crop import Crop
from napari_inpaint.samples import THE_CREST

if TYPE_CHECKING:
    from collections.abc import Callable

HEIGHT, WIDTH, HOLES = 3000, 4000, 10
CHECKPOINT = Path(__file__).parents[1] / "weights" / "compact"
CLASSICAL = ("telea", "biharmonic", "shiftmap")
CROP = 256


def make_job() -> tuple[np.ndarray, list[Box]]:
    """The photo, and a rectangle somewhere in each of ten fields of it."""
    photo = np.asarray(Image.open(THE_CREST.path))
    photo = np.ascontiguousarray(np.tile(photo, (6, 7, 1))[:HEIGHT, :WIDTH])
    rng = np.random.default_rng(0)
    boxes = []
    for row in range(2):
        for column in range(HOLES // 2):
            height, width = rng.integers(80, 145, 2)
            y = row * 1500 + rng.integers(200, 1500 - 200 - height)
            x = column * 800 + rng.integers(200, 800 - 200 - width)
            boxes.append(Box(int(y), int(x), int(y + height), int(x + width)))
    return photo, boxes


def seconds(run: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats + 1):  # the first one warms up
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return float(np.median(times[1:]))


def make_feeds(windows: tuple, photo: np.ndarray, session: object) -> list[list[np.ndarray]]:
    """Images and masks of the batches that a fill completes."""
    work = batches(windows, [slice(0, 3)], session)
    crops = [[Crop(photo[window.crop.slices], window).to_network() for window, _ in batch] for batch in work]
    return [[np.stack(tensors) for tensors in zip(*batch, strict=True)] for batch in crops]


def time_models(arguments: argparse.Namespace, photo: np.ndarray, boxes: list[Box]) -> list[dict]:
    """The network alone, and fill, in every precision of the model."""
    rows = []
    for model in arguments.model:
        inpainter = Inpainter(model, arguments.device, arguments.threads)
        plan, session = inpainter.plan(photo, boxes=boxes), inpainter.session
        feeds = make_feeds(plan.windows, photo, session)
        alone = seconds(lambda feeds=feeds, session=session: [session.complete(*feed) for feed in feeds],
                        arguments.repeats)  # fmt: skip
        whole = seconds(lambda inpainter=inpainter: inpainter.fill(photo, boxes=boxes), arguments.repeats)
        where = f"{session.spec.name}, {session.spec.precision}, {session.provider.removesuffix('ExecutionProvider')}"
        rows.append({"what": f"network alone: {where}", "s": alone})
        rows.append({"what": f"fill: {where}", "s": whole, "fill / network": whole / alone})
    return rows


def time_pytorch(arguments: argparse.Namespace, photo: np.ndarray, boxes: list[Box]) -> list[dict]:
    inpainter = Inpainter(arguments.model[0], arguments.device)
    device = torch.device(inpainter.device if inpainter.device in ("cpu", "cuda") else "cpu")
    network = read_checkpoint(arguments.checkpoint).network.eval().to(device, memory_format=torch.channels_last)
    windows = inpainter.plan(photo, boxes=boxes).windows
    feeds = [[torch.from_numpy(each).to(device) for each in feed]
             for feed in make_feeds(windows, photo, inpainter.session)]  # fmt: skip
    rows = []
    for precision, dtype in (("fp32", None), ("bf16", torch.bfloat16)):

        def run(dtype: torch.dtype | None = dtype) -> None:
            with torch.inference_mode(), torch.autocast(device.type, dtype, enabled=dtype is not None):
                for feed in feeds:
                    complete_window(network, *feed).cpu()

        rows.append(
            {"what": f"network alone: PyTorch, {precision}, {device.type}", "s": seconds(run, arguments.repeats)}
        )
    return rows


def time_classical(arguments: argparse.Namespace, photo: np.ndarray, boxes: list[Box]) -> list[dict]:
    rows = []
    for name in CLASSICAL:
        try:
            fill = load_method(name)
        except MissingPackageError as error:
            sys.stderr.write(f"left out: {error}\n")
            continue
        crops = []
        for box in boxes:
            y, x = (box.y0 + box.y1 - CROP) // 2, (box.x0 + box.x1 - CROP) // 2
            mask = np.zeros((CROP, CROP), bool)
            mask[box.shift(-y, -x).slices] = True
            crops.append((np.ascontiguousarray(photo[y : y + CROP, x : x + CROP]), mask))
        run = seconds(lambda fill=fill, crops=crops: [fill(*crop) for crop in crops], max(1, arguments.repeats // 5))
        rows.append({"what": f"classical, 10 crops of {CROP} px: {name}", "s": run})
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--model", action="append", metavar="NAME|FILE", help="can be repeated; default: compact.int8, compact.fp32"
    )
    parser.add_argument("--checkpoint", type=Path, default=CHECKPOINT, help="the same network for PyTorch")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, help="of ONNX Runtime and PyTorch; default: all cores")
    parser.add_argument("--repeats", type=int, default=11)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    arguments.model = arguments.model or ["compact.int8", "compact.fp32"]
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    photo, boxes = make_job()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rows = [row for part in (time_models, time_pytorch, time_classical) for row in part(arguments, photo, boxes)]
    first = next(row["s"] for row in rows if row["what"].startswith("fill"))
    for row in rows:
        row["times fill"] = row["s"] / first
    machine = (f"{describe_cpu()}, {arguments.threads or torch.get_num_threads()} threads, "
               f"ONNX Runtime {onnxruntime.__version__}, PyTorch {torch.__version__}, Python "
               f"{platform.python_version()}")  # fmt: skip
    if arguments.json:
        print(json.dumps({"machine": machine, "photo": [HEIGHT, WIDTH, 3], "boxes": boxes, "rows": rows}))
        return 0
    print(f"{machine}\n")
    print(f"| {WIDTH} x {HEIGHT} photo, {HOLES} holes | s | fill / network | times the first fill |\n|---|---|---|---|")
    for row in rows:
        ratio = f"{row['fill / network']:.2f}" if "fill / network" in row else ""
        print(f"| {row['what']} | {row['s']:.3f} | {ratio} | {row['times fill']:.2f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
