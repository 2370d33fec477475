"""How much memory and time it takes to fill 200 boxes of a 20,000 x 20,000 uint16 zarr into another zarr.

    python benchmarks/huge.py [--folder FOLDER] [--side 20000] [--model compact] [--json]

Prints the peak memory above that of the interpreter with its imports and an open model; the time; the time of the
network alone on the same windows; the time that the plain copy takes; and time / (network + copy). Needs 2 GB of disk.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import zarr

from napari_inpaint import Box, Inpainter
from napari_inpaint.inference.inputs.planes import Planes
from napari_inpaint.inference.runtime.contract import IMAGE
from napari_inpaint.inference.windows.patches import copy_into

BOXES, SIDES, CHUNK = 200, (60, 144), 1024


def make_array(path: Path, side: int) -> zarr.Array:
    """Smooth structures with noise, written chunk by chunk."""
    array = zarr.create_array(store=path, shape=(side, side), chunks=(CHUNK, CHUNK), dtype="uint16")
    rng = np.random.default_rng(0)
    x = np.arange(CHUNK) / 90
    tile = (2000 * (2 + np.sin(x)[:, None] * np.cos(x))).astype(np.uint16)
    for y in range(0, side, CHUNK):
        for z in range(0, side, CHUNK):
            part = tile[: side - y, : side - z]
            array[y : y + CHUNK, z : z + CHUNK] = part + rng.integers(0, 500, part.shape, np.uint16)
    return array


def make_boxes(side: int) -> list[Box]:
    rng = np.random.default_rng(1)
    boxes = []
    for _ in range(BOXES):
        height, width = rng.integers(*SIDES, 2)
        y, x = rng.integers(0, side - height), rng.integers(0, side - width)
        boxes.append(Box(int(y), int(x), int(y + height), int(x + width)))
    return boxes


def resident() -> float:
    """GiB now."""
    return int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1]) * resource.getpagesize() / 2**30


class Peak:
    """The largest resident memory while it is entered, looked at every 5 ms."""

    def __enter__(self) -> Peak:
        self.peak, self.done = resident(), threading.Event()
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()
        return self

    def watch(self) -> None:
        while not self.done.wait(0.005):
            self.peak = max(self.peak, resident())

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self.thread.join()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where the arrays are written, and removed; default: temporary")
    parser.add_argument("--side", type=int, default=20_000)
    parser.add_argument("--model", default="compact")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    inpainter, boxes = Inpainter(arguments.model), make_boxes(arguments.side)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        source = make_array(Path(folder) / "in.zarr", arguments.side)
        shape = {"shape": source.shape, "chunks": source.chunks, "dtype": source.dtype}
        out, copy = (zarr.create_array(store=Path(folder) / name, **shape) for name in ("out.zarr", "copy.zarr"))
        plan = inpainter.plan(source, boxes=boxes)
        copied = time.perf_counter()
        copy_into(copy, Planes(source, None), [])
        copied = time.perf_counter() - copied
        alone = 0.0
        for window in plan.windows:
            image = np.random.default_rng(0).random((1, 3, *window.size), np.float32)
            started = time.perf_counter()
            inpainter.session.complete(image, np.zeros_like(image[:, :1]))
            alone += time.perf_counter() - started
        before = resident()
        with Peak() as memory:
            started = time.perf_counter()
            inpainter.fill(source, boxes=boxes, out=out)
            seconds = time.perf_counter() - started
        for box in boxes[:3]:
            assert (out[box.slices] != source[box.slices]).mean() > 0.5
    row = {"peak GiB": memory.peak - before, "s": seconds, "network s": alone, "copy s": copied,
           "ratio": seconds / (alone + copied), "windows": len(plan.windows), IMAGE: list(source.shape)}  # fmt: skip
    if arguments.json:
        print(json.dumps(row))
        return 0
    print("| peak memory | time | network alone | copy alone | time / (network + copy) |\n|---|---|---|---|---|")
    network = f"{alone:.1f} s, {len(plan.windows)} windows"
    print(f"| {row['peak GiB']:.2f} GiB | {seconds:.1f} s | {network} | {copied:.1f} s | {row['ratio']:.2f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
