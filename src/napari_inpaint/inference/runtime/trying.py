"""Try an execution provider in a process of its own, which may crash, be noisy, or take too long and be stopped."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_inpaint.inference.runtime.contract import COMPLETION, IMAGE, MASK, ModelSpec
from napari_inpaint.inference.runtime.loading import find_model, most_exact
from napari_inpaint.inference.runtime.providers import CPU, find_reason, import_onnxruntime, make_options

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMAND = [sys.executable, "-P", "-m", "napari_inpaint.inference.runtime.trying"]
"""Tries the provider that is named after it, and prints what came of it in a line that begins with `MARK`."""
PATIENCE = 180
"""Seconds that a provider gets: some compile the model first, which takes TensorRT minutes."""
RUNS = 4
"""Of a window; the first one warms up."""
MARK = "napari-inpaint: "
"""What the line with the result begins with, among all that a provider prints."""
LIBRARY = re.compile(r"(\S+\.so[.\d]*): cannot open shared object file")
"""How Linux names a library that a provider needs and that is not there."""


def try_apart(provider: str, patience: float = PATIENCE) -> str:
    """Return what came of it: ``works, ...`` or ``does not work: ...``."""
    try:
        done = subprocess.run(
            [*COMMAND, provider], capture_output=True, text=True, errors="replace", timeout=patience, check=False
        )
    except subprocess.TimeoutExpired:
        return (f"does not work: it had not completed a window after {patience:g} s, and was stopped; if it only takes "
                f"long to compile the model, it works with: --device {provider}")  # fmt: skip
    except OSError as error:
        return f"does not work: it cannot be tried in a process of its own: {error}"
    said = [line.removeprefix(MARK) for line in done.stdout.splitlines() if line.startswith(MARK)]
    if not said:
        return f"does not work: trying it ended with status {done.returncode}; it said: {find_reason(done.stderr)}"
    missing = "" if said[-1].startswith("works") else ", ".join(dict.fromkeys(LIBRARY.findall(done.stderr)))
    return f"{said[-1]}; a library is missing: {missing}" if missing else said[-1]


def try_here(provider: str) -> str:
    """Return what `try_apart` returns, after trying the provider in this process."""
    ort = import_onnxruntime()
    path = most_exact(find_model(None))
    try:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            spec, seconds, shares = _run(ort, path, provider, folder)
    except Exception as error:  # providers raise many kinds of their own
        return f"does not work: {find_reason(str(error) or type(error).__name__)}"
    window = f"{1e3 * seconds:.1f} ms for a window of {spec.window} x {spec.window} pixels in {spec.precision}"
    if provider not in shares:
        return f"does not work: it leaves the whole model to {' and '.join(shares) or CPU}"
    others = ", ".join(f"{name} {share:.0%}" for name, share in shares.items() if name != provider)
    return f"works, {window}" + (f"; of the network's time {others}" if others else "; it runs the whole model")


def _run(ort: Any, path: Path, provider: str, folder: str) -> tuple[ModelSpec, float, dict[str, float]]:
    """Return what the model says of itself, the seconds of a window, and which share of them each provider took."""
    options = make_options(ort)
    options.enable_profiling = True  # the only way to learn who runs what
    options.profile_file_prefix = str(Path(folder) / "profile")
    session = ort.InferenceSession(path.read_bytes(), options, providers=[provider, CPU], enable_fallback=False)
    if session.get_providers()[0] != provider:
        raise RuntimeError(f"it did not start, {session.get_providers()[0]} would run instead")
    spec = ModelSpec.from_metadata(session.get_modelmeta().custom_metadata_map)
    image = np.full((1, 3, spec.window, spec.window), 0.5, np.float32)
    mask = np.zeros((1, 1, spec.window, spec.window), np.float32)
    mask[..., : spec.window // 2, : spec.window // 2] = 1
    times = []
    for _ in range(RUNS):
        started = time.perf_counter()
        completion = session.run([COMPLETION], {IMAGE: image, MASK: mask})[0]
        times.append(time.perf_counter() - started)
    if completion.shape != image.shape or not np.isfinite(completion).all():
        raise RuntimeError("what it computes is no image")
    events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
    return spec, min(times[1:]), share_time(events)


def share_time(events: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Return the providers that ran nodes, with their shares of the time, from a profile of ONNX Runtime."""
    durations: dict[str, float] = {}
    for event in events:
        name = event.get("args", {}).get("provider")
        if name:
            durations[name] = durations.get(name, 0) + event["dur"]
    total = sum(durations.values()) or 1
    return {name: duration / total for name, duration in durations.items()}


if __name__ == "__main__":
    sys.stdout.write(f"\n{MARK}{try_here(sys.argv[1])}\n")
