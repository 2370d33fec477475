"""Find a model, choose the precision that is fastest on the device, and open it once."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import platform
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import platformdirs

from napari_inpaint.inference.providers import CPU, CUDA, choose_providers, import_onnxruntime
from napari_inpaint.inference.session import Session
from napari_inpaint.models import DEFAULT, bundled_models

if TYPE_CHECKING:
    from collections.abc import Mapping

GAIN = 1.1
"""int8 must be this many times as fast as floats, which are a little better, to be chosen."""

_opening = threading.RLock()


def find_model(model: str | Path | None) -> Mapping[str, Path]:
    """Return the files of a model by precision; one file, under an empty name, when there is nothing to choose.

    Parameters
    ----------
    model
        A bundled model's name, a name and a precision (``compact.fp32``), the path of an ``.onnx`` file, or None for
        the best bundled model.

    Raises
    ------
    ValueError
        When there is no such model.
    """
    bundled = bundled_models()
    name = DEFAULT if model is None else str(model)
    if name in bundled:
        return bundled[name]
    name, _, precision = name.rpartition(".")
    if precision in bundled.get(name, {}):
        return {"": bundled[name][precision]}
    path = Path(str(model))
    try:
        found = path.is_file()
    except (OSError, ValueError):  # a name that no file can have
        found = False
    if not found:
        raise ValueError(f"no model {str(model)!r}: name an .onnx file or a bundled model ({', '.join(bundled)})")
    return {"": path}


def open_session(model: str | Path | None, device: str = "auto", threads: int | None = None) -> Session:
    """Open a model on a device, in the precision that suits it; the same one again when it is open already.

    Raises
    ------
    ValueError
        As `find_model` and `Session`.
    """
    files = find_model(model)
    with _opening:
        if "" in files:
            return _open(files[""], device, threads)
        provider = choose_providers(device, import_onnxruntime())[0][0]
        if provider == CUDA and "fp16" in files:
            session = _open(files["fp16"], device, threads)
            if session.provider != CPU:
                return session
        elif provider != CPU:
            return _open(files[_float(files)], device, threads)
        return _open(files[fastest_on_cpu(files, threads)], device, threads)


def fastest_on_cpu(files: Mapping[str, Path], threads: int | None) -> str:
    """Return which precision is fastest on this CPU.

    Measured once, and kept in the user's cache folder for this CPU, number of threads and ONNX Runtime, so that one
    machine always runs the same.

    Parameters
    ----------
    files
        A bundled model's files by precision.
    threads
        Of the CPU provider.
    """
    exact = _float(files)
    if "int8" not in files or exact == "int8":
        return exact
    ort = import_onnxruntime()
    cache = Path(platformdirs.user_cache_dir("napari-inpaint", appauthor=False)) / "precision.json"
    key = "; ".join((
        *(f"{path.name} of {path.stat().st_size} bytes" for path in files.values()),
        f"ONNX Runtime {ort.__version__}", f"{threads or 'all'} threads", describe_cpu(),
    ))  # fmt: skip
    known = _read_cache(cache)
    if known.get(key) in (exact, "int8"):
        return known[key]
    speed = {precision: measure(_open(files[precision], "cpu", threads)) for precision in (exact, "int8")}
    known[key] = "int8" if speed["int8"] * GAIN < speed[exact] else exact
    _write_cache(cache, known)
    return known[key]


def _float(files: Mapping[str, Path]) -> str:
    """Return the most exact precision."""
    return next(precision for precision in ("fp32", "fp16", *files) if precision in files)


def measure(session: Session) -> float:
    """Return the seconds that the network takes for a pixel of a window of the trained size."""
    side = session.spec.window
    image, mask = np.zeros((1, 3, side, side), np.float32), np.zeros((1, 1, side, side), np.float32)
    mask[..., : side // 2, : side // 2] = 1
    times = []
    for _ in range(4):  # the first one warms up
        started = time.perf_counter()
        session.complete(image, mask)
        times.append(time.perf_counter() - started)
    return min(times[1:]) / side**2


@functools.cache
def describe_cpu() -> str:
    """Return the CPU's model and what decides its speed: its instructions for 8 bits, and how many cores are ours."""
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
        facts = dict(line.split(":", 1) for line in lines if ":" in line)
        facts = {name.strip(): value.strip() for name, value in facts.items()}
        name, flags = facts.get("model name", ""), facts.get("flags", facts.get("Features", "")).split()
    except OSError:
        name, flags = "", []
    fast = [flag for flag in flags if "vnni" in flag or "amx" in flag or "dotprod" in flag or flag == "asimddp"]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return " ".join((platform.machine(), name or platform.processor(), *sorted(fast), f"x{cores}"))


@functools.lru_cache(maxsize=8)
def _open_version(path: Path, version: tuple[int, int], device: str, threads: int | None) -> Session:
    return Session(path, device, threads)


def forget_sessions() -> None:
    """Let go of opened models that no `Inpainter` uses: their memory is freed."""
    _open_version.cache_clear()


def _open(path: Path, device: str, threads: int | None) -> Session:
    """Open a file, or find it open, as it is now."""
    path = path.resolve()
    try:
        status = path.stat()
        version = (status.st_mtime_ns, status.st_size)
    except OSError:
        version = (0, 0)  # opening it says what is wrong
    return _open_version(path, version, device, threads)


def _read_cache(path: Path) -> dict[str, str]:
    try:
        known = json.loads(path.read_text()) if path.is_file() else {}
    except (OSError, ValueError, RecursionError):
        return {}
    return {key: value for key, value in known.items() if isinstance(value, str)} if isinstance(known, dict) else {}


def _write_cache(path: Path, known: dict[str, str]) -> None:
    with contextlib.suppress(OSError):  # it is measured again next time
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
            file.write(json.dumps(known, indent=1))
        Path(file.name).replace(path)
