"""How fast one window is on a GPU, for every way of asking ONNX Runtime, against PyTorch on the same card.

    inpaint-export weights/compact compact.onnx && inpaint-export weights/compact compact.fp16.onnx --precision fp16
    python benchmarks/cuda.py compact.onnx compact.fp16.onnx --checkpoint weights/compact

Milliseconds for a window of 256 x 256 pixels in batches of 1, 8 and 32, the median of the runs. *Bound*: inputs and
outputs stay on the device. *Session*: what napari-inpaint itself does, from and to numpy arrays. The share of the peak
is that of the largest batch in the card's own half-precision matrix-multiply rate, measured here. Then: which operators
ran where, and how far the device's completions are from the CPU's in fp32.
"""

from __future__ import annotations

import argparse
import collections
import functools
import json
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
import torch
from torch.utils.flop_counter import FlopCounterMode

from inpaint_training.checkpoints.checkpoint import read_checkpoint
from napari_inpaint.inference.runtime.contract import COMPLETION, IMAGE, MASK
from napari_inpaint.inference.runtime.providers import CPU, CUDA, find_cuda_problem, make_options
from napari_inpaint.inference.runtime.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable

SIDE, BATCHES = 256, (1, 8, 32)
SECONDS = 0.4
"""Of a measurement, at least."""
VARIANTS: dict[str, dict[str, str]] = {
    "as it comes": {},
    "NHWC": {"prefer_nhwc": "1"},
    "no TF32": {"use_tf32": "0"},
    "heuristic search": {"cudnn_conv_algo_search": "HEURISTIC"},
    "heuristic search, NHWC": {"cudnn_conv_algo_search": "HEURISTIC", "prefer_nhwc": "1"},
    "graph": {"enable_cuda_graph": "1"},
    "graph, NHWC": {"enable_cuda_graph": "1", "prefer_nhwc": "1"},
}


def make_case(batch: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    image, mask = rng.random((batch, 3, SIDE, SIDE), np.float32), np.zeros((batch, 1, SIDE, SIDE), np.float32)
    mask[..., 64:192, 80:180] = 1
    return image, mask


def milliseconds(run: Callable[[], object]) -> float:
    """The median, after three runs to warm up; ``run`` waits for the device."""
    times: list[float] = []
    for _ in range(3):
        run()
    while sum(times) < SECONDS or len(times) < 5:
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return 1e3 * float(np.median(times))


def open_model(path: Path, provider: str, options: dict[str, str], profile: Path | None = None) -> Any:
    settings = make_options(onnxruntime)
    if profile:
        settings.enable_profiling, settings.profile_file_prefix = True, str(profile)
    providers = [CPU] if provider == CPU else [(provider, options), CPU]
    return onnxruntime.InferenceSession(str(path), settings, providers=providers)


def time_bound(session: Any, batch: int) -> float:
    place = "cuda" if session.get_providers()[0] == CUDA else "cpu"
    image, mask = make_case(batch)
    values = [onnxruntime.OrtValue.ortvalue_from_numpy(x, place, 0) for x in (image, mask, image)]
    binding = session.io_binding()
    binding.bind_ortvalue_input(IMAGE, values[0])
    binding.bind_ortvalue_input(MASK, values[1])
    binding.bind_ortvalue_output(COMPLETION, values[2])
    options = onnxruntime.RunOptions()
    options.add_run_config_entry("gpu_graph_id", str(batch))

    def run() -> None:
        session.run_with_iobinding(binding, options)
        binding.synchronize_outputs()

    return milliseconds(run)


def time_session(session: Session, batch: int) -> float:
    case = make_case(batch)
    return milliseconds(lambda: session.complete(*case))


def open_network(checkpoint: Path, device: torch.device, compiled: bool) -> Callable[..., torch.Tensor]:
    network = read_checkpoint(checkpoint).network.to(device, memory_format=torch.channels_last)
    return torch.compile(network) if compiled else network


def time_network(network: Callable[..., torch.Tensor], batch: int, device: torch.device, dtype: torch.dtype) -> float:
    image, mask = (torch.from_numpy(x).to(device) for x in make_case(batch))

    def run() -> None:
        with torch.inference_mode(), torch.autocast(device.type, dtype, enabled=dtype is not torch.float32):
            network(image, mask)
        if device.type == "cuda":
            torch.cuda.synchronize()

    return milliseconds(run)


def measure(make: Callable[[], Any], time_batch: Callable[[Any, int], float]) -> dict[str, float | str]:
    """Times a window for every size of a batch, or why there are none."""
    row: dict[str, float | str] = {}
    try:
        runner = make()
        for batch in BATCHES:
            row[str(batch)] = time_batch(runner, batch) / batch
    except Exception as error:  # a benchmark tells what cannot be done, and goes on
        row["failed"] = str(error).strip().splitlines()[0][:160]
    return row


def place_operators(path: Path, provider: str) -> dict[str, dict[str, int]]:
    """How often every operator ran, by provider."""
    with tempfile.TemporaryDirectory() as folder:
        session = open_model(path, provider, {}, Path(folder) / "profile")
        image, mask = make_case(1)
        session.run(None, {IMAGE: image, MASK: mask})
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    placed: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for event in events:
        arguments = event.get("args", {})
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time") and arguments.get("provider"):
            placed[arguments["provider"]][arguments["op_name"]] += 1
    return {name: dict(counts) for name, counts in placed.items()}


def find_peak(device: torch.device) -> tuple[float, float]:
    """FLOP/s of a large half-precision matrix product, and bytes/s of a copy on the device."""
    side, dtype = (8192, torch.float16) if device.type == "cuda" else (1024, torch.float32)
    a, b = torch.randn(2, side, side, device=device, dtype=dtype)
    out = torch.empty_like(a)

    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize()

    product = milliseconds(lambda: (torch.matmul(a, b, out=out), wait()))
    source = torch.empty(2**28 if device.type == "cuda" else 2**24, dtype=torch.float32, device=device)
    target = torch.empty_like(source)
    copy = milliseconds(lambda: (target.copy_(source), wait()))
    return 2 * side**3 / product * 1e3, 2 * source.nbytes / copy * 1e3


def count_flops(checkpoint: Path) -> float:
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        read_checkpoint(checkpoint).network(*(torch.from_numpy(x) for x in make_case(1)))
    return float(counter.get_total_flops())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=Path, metavar="MODEL.onnx", help="the fp32 file first")
    parser.add_argument("--checkpoint", type=Path, required=True, help="the same network for PyTorch")
    parser.add_argument("--no-compile", action="store_true", help="leave out torch.compile, which takes a minute")
    parser.add_argument("--provider", default=CUDA, help=f"{CPU} tries this script without a GPU")
    parser.add_argument("--json", type=Path, help="write the numbers to this file too")
    arguments = parser.parse_args()
    problem = find_cuda_problem(onnxruntime) if arguments.provider == CUDA else ""
    if problem:
        parser.error(f"CUDA cannot be used: {problem}")
    device = torch.device("cuda" if arguments.provider == CUDA else "cpu")
    peak, bandwidth = find_peak(device)
    flops = count_flops(arguments.checkpoint)
    name = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    print(f"{name}, ONNX Runtime {onnxruntime.__version__}, PyTorch {torch.__version__}")
    print(f"{peak / 1e12:.0f} TFLOP/s in a matrix product, {bandwidth / 1e12:.2f} TB/s in a copy on the device")
    print(f"a window takes {flops / 1e9:.1f} GFLOP\n")

    rows: list[dict[str, Any]] = []

    def tell(what: str, row: dict[str, float | str]) -> None:
        rows.append({"what": what} | row)
        times = " | ".join(f"{row[str(b)]:.2f}" if str(b) in row else "–" for b in BATCHES)
        last = row.get(str(BATCHES[-1]))
        share = f"{100 * flops / (float(last) / 1e3) / peak:.0f}" if last else row.get("failed", "")
        print(f"| {what} | {times} | {share} |", flush=True)

    print(f"| ms a window, batches of | {' | '.join(map(str, BATCHES))} | % of the peak |\n|---|{'---|' * 4}")
    for path in arguments.models:
        precision = Session(path, arguments.provider).spec.precision
        variants = VARIANTS if arguments.provider == CUDA else {"as it comes": {}}
        for variant, options in variants.items():
            if precision == "fp16" and variant == "no TF32":
                continue
            session = functools.partial(open_model, path, arguments.provider, options)
            tell(f"{precision}, {variant}, bound", measure(session, time_bound))
        own = functools.partial(Session, path, arguments.provider)
        tell(f"{precision}, session", measure(own, time_session))
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        for compiled in (False, True):
            if (compiled and (arguments.no_compile or dtype is not torch.float16)) or (
                device.type == "cpu" and dtype is torch.float16
            ):
                continue
            what = f"PyTorch, {str(dtype).removeprefix('torch.')}, {'compiled' if compiled else 'eager'}"
            network = functools.partial(open_network, arguments.checkpoint, device, compiled)
            tell(what, measure(network, functools.partial(time_network, device=device, dtype=dtype)))

    exact = Session(arguments.models[0], "cpu").complete(*make_case(2))
    report = {"rows": rows, "peak": peak, "bandwidth": bandwidth, "flops": flops, "device": name}
    for path in arguments.models:
        placed = place_operators(path, arguments.provider)
        report[f"operators of {path.name}"] = placed
        for provider, counts in placed.items():
            print(f"\n{path.name} on {provider}: {', '.join(f'{k} {v}' for k, v in sorted(counts.items()))}")
        sessions = {"": Session(path, arguments.provider).runtime}
        if arguments.provider == CUDA:
            sessions[" without TF32"] = open_model(path, CUDA, {"use_tf32": "0"})
        for suffix, session in sessions.items():
            (completion,) = session.run([COMPLETION], dict(zip((IMAGE, MASK), make_case(2), strict=True)))
            difference = float(np.abs(completion - exact).max())
            report[f"difference of {path.name}{suffix}"] = difference
            print(f"{path.name}{suffix}: differs from the CPU's fp32 by at most {difference:.2g}")
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
