"""How fast the exported precisions are, for every form of up-sampling, against PyTorch on the same machine.

    python benchmarks/export.py             # width 1: random weights, as speed does not depend on them
    python benchmarks/export.py --width 0.25 --threads 1 --json

One window of 256 x 256 pixels, the median of the runs; each row alone, one after the other. PyTorch runs in float32,
eager, channels_last. int8 is calibrated on one sample photo, which is enough for its speed alone.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import torch

from inpaint_export.graph.convert import OPSETS, to_onnx
from inpaint_export.graph.graph import ExportWrapper
from inpaint_export.graph.upsampling import to_subpixel
from inpaint_export.precision.calibrate import to_feeds
from inpaint_export.precision.half import to_half
from inpaint_export.precision.quantize import to_int8
from inpaint_export.verify import make_case
from inpaint_training.networks.completion import CompletionNetwork
from napari_inpaint.inference.runtime.contract import COMPOSITE, IMAGE, MASK
from napari_inpaint.inference.runtime.providers import make_options

if TYPE_CHECKING:
    from collections.abc import Callable

FORMS = ("transposed", "depth-to-space-3x3", "depth-to-space", "interleave")


def median_ms(run: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats + 2):  # two to warm up
        started = time.perf_counter()
        run()
        times.append(1e3 * (time.perf_counter() - started))
    return float(np.median(times[2:]))


def make_network(width: float) -> CompletionNetwork:
    torch.manual_seed(0)
    network = CompletionNetwork(width).eval()
    for layer in network.layers:  # biases and an output layer that an exporter cannot leave out because they are 0
        torch.nn.init.normal_(layer.conv.bias, std=0.01)
    torch.nn.init.normal_(network.layers.output_17.conv.weight, std=0.02)
    return network


def convert(original: bytes, precision: str, form: str) -> bytes:
    model = ir.from_proto(onnx.load_model_from_string(original))
    if precision == "int8":
        to_int8(model, [make_case(256, 256, hole) for hole in ("box", "strokes")], None if form == FORMS[0] else form)
    else:
        if form != FORMS[0]:
            to_subpixel(model, form)
        if precision == "fp16":
            to_half(model)
    return ir.to_proto(model).SerializeToString()


def time_model(data: bytes, feeds: dict[str, np.ndarray], options: onnxruntime.SessionOptions, repeats: int) -> float:
    # the session ends with the function: its idle threads would wait at full speed beside the next one's
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    return median_ms(lambda: session.run([COMPOSITE], feeds), repeats)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=float, default=1.0)
    parser.add_argument("--threads", type=int, default=0, help="of both; 0: all cores")
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    network = make_network(arguments.width)
    feeds = to_feeds(make_case(256, 256, "box"))
    original = ir.to_proto(to_onnx(network, OPSETS["int8"])).SerializeToString()

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    wrapper = ExportWrapper(network).to(memory_format=torch.channels_last)
    image, mask = torch.from_numpy(feeds[IMAGE]).to(memory_format=torch.channels_last), torch.from_numpy(feeds[MASK])
    with torch.inference_mode():
        pytorch = median_ms(lambda: wrapper(image, mask), arguments.repeats)
    rows = [
        {"runtime": "PyTorch", "precision": "fp32", "up-sampling": FORMS[0], "ms": pytorch, "times": 1.0, "MB": None}
    ]
    options = make_options(onnxruntime, arguments.threads)
    for precision in OPSETS:
        for form in FORMS:
            data = convert(original, precision, form)
            ms = time_model(data, feeds, options, arguments.repeats)
            rows.append({"runtime": "ONNX Runtime", "precision": precision, "up-sampling": form, "ms": ms,
                         "times": pytorch / ms, "MB": len(data) / 1e6})  # fmt: skip
    if arguments.json:
        print(json.dumps({"machine": describe_machine(arguments), "rows": rows}))
        return 0
    print(f"{describe_machine(arguments)}\n")
    print("| runtime | precision | up-sampling | ms | times as fast | MB |\n|---|---|---|---|---|---|")
    for row in rows:
        size = "" if row["MB"] is None else f"{row['MB']:.1f}"
        words = row["runtime"], row["precision"], row["up-sampling"], f"{row['ms']:.0f}", f"{row['times']:.2f}", size
        print(f"| {' | '.join(words)} |")
    return 0


def describe_machine(arguments: argparse.Namespace) -> str:
    cores = arguments.threads or torch.get_num_threads()
    machine = f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}, {cores} threads"
    return (f"{machine}, width {arguments.width:g}, "
            f"PyTorch {torch.__version__}, ONNX Runtime {onnxruntime.__version__}")  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
