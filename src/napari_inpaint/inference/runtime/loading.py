"""Find a model, choose the precision that is fastest on the device, and open it once."""

from __future__ import annotations

import contextlib
import functools
import importlib
import json
import logging
import os
import platform
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import platformdirs

from napari_inpaint.inference.runtime.providers import CPU, CUDA, choose_providers, import_onnxruntime
from napari_inpaint.inference.runtime.session import Session
from napari_inpaint.io.atomic import write_atomically
from napari_inpaint.models import DEFAULT, NOT_BUNDLED, bundled_models

if TYPE_CHECKING:
    from collections.abc import Mapping

FAST_INT8 = {"avx2", "avx_vnni", "avx512_vnni", "amx_int8"}
"""Instruction sets with which int8 is faster than floats: 1.2 to 1.7 times with AVX2, 2.4 to 3.7 times with VNNI."""
GAIN = 1.1
"""Elsewhere int8 must be this many times as fast as floats, which are a little better, to be chosen."""
PROBE, PROBE_SIDE = "compact", 256
"""The model and the side of the window that are measured."""

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
    name, _, precision = name.rpartition(".") if "." in name else (name, "", "")
    if precision in bundled.get(name, {}):
        return {"": bundled[name][precision]}
    path = Path(str(model))
    try:
        found = path.is_file()
    except (OSError, ValueError):  # a name that no file can have
        found = False
    if not found and name in NOT_BUNDLED:
        raise ValueError(
            f"model {name!r} is not bundled any more: make its file in a clone of the repository, with inpaint-export "
            f"weights/{name} {name}.onnx, and name that"
        )
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
            return _open(most_exact(files), device, threads)
        return _open(files[fastest_on_cpu(files, threads)], device, threads)


def choose_model(model: str | Path | None, device: str = "auto", threads: int | None = None) -> str | Path | None:
    """Return the name of a model with the precision that `open_session` opens on a CPU; on other devices as it was.

    For processes that share a CPU: one of them chooses for all.

    Raises
    ------
    ValueError
        As `find_model` and `choose_providers`.
    """
    files = find_model(model)
    if "" in files or choose_providers(device, import_onnxruntime())[0][0] != CPU:
        return model
    return f"{DEFAULT if model is None else model}.{fastest_on_cpu(files, threads)}"


def fastest_on_cpu(files: Mapping[str, Path], threads: int | None) -> str:
    """Return which precision is fastest on this CPU.

    Parameters
    ----------
    files
        A bundled model's files by precision.
    threads
        Of the CPU provider.
    """
    exact = _float(files)
    return "int8" if "int8" in files and exact != "int8" and is_int8_fast(threads) else exact


@functools.cache
def is_int8_fast(threads: int | None) -> bool:
    """Return whether this CPU runs networks in int8 faster than in floats.

    Where its instructions leave no doubt, they decide. Elsewhere the smallest bundled model is measured, in about a
    second, and the result kept in the user's cache folder for this CPU, number of threads and ONNX Runtime.
    """
    if FAST_INT8 & set(read_cpu()[1]):
        return True
    ort = import_onnxruntime()
    cache = Path(platformdirs.user_cache_dir("napari-inpaint", appauthor=False)) / "precision.json"
    key = f"ONNX Runtime {ort.__version__}; {threads or 'all'} threads; {describe_cpu()}"
    known = _read_cache(cache)
    if isinstance(known.get(key), bool):
        return known[key]
    logging.getLogger(__name__).info("measuring whether this CPU is faster in int8; this takes about a second")
    files = bundled_models()[PROBE]
    int8, exact = (measure(Session(files[each], "cpu", threads), PROBE_SIDE) for each in ("int8", _float(files)))
    known[key] = int8 * GAIN < exact
    with contextlib.suppress(OSError):  # then it is measured again next time
        cache.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(cache, json.dumps(known, indent=1).encode())
    return known[key]


def most_exact(files: Mapping[str, Path]) -> Path:
    """Return the file of the most exact precision."""
    return files[_float(files)]


def _float(files: Mapping[str, Path]) -> str:
    """Return the most exact precision."""
    return next(precision for precision in ("fp32", "fp16", *files) if precision in files)


def warm_up(session: Session) -> None:
    """Let a device look for its fastest kernels, which it does in the first run; a CPU needs none."""
    if session.provider != CPU:
        side = session.spec.window
        session.complete(np.zeros((1, 3, side, side), np.float32), np.ones((1, 1, side, side), np.float32))


def measure(session: Session, side: int | None = None) -> float:
    """Return the seconds that the network takes for a pixel of a square window, by default of the trained size."""
    side = side or session.spec.window
    image, mask = np.zeros((1, 3, side, side), np.float32), np.zeros((1, 1, side, side), np.float32)
    mask[..., : side // 2, : side // 2] = 1
    times = []
    for _ in range(4):  # the first one warms up
        started = time.perf_counter()
        session.complete(image, mask)
        times.append(time.perf_counter() - started)
    return min(times[1:]) / side**2


def describe_cpu() -> str:
    """Return the CPU's model and what decides its speed: its instructions for 8 bits, and how many cores are ours."""
    name, flags = read_cpu()
    fast = [flag for flag in flags if "vnni" in flag or "amx" in flag or "dotprod" in flag or flag == "asimddp"]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return " ".join((platform.machine(), name or platform.processor(), *sorted(fast), f"x{cores}"))


@functools.cache
def read_cpu() -> tuple[str, tuple[str, ...]]:
    """Return the CPU's model and its instruction sets, as Linux names them; elsewhere those that numpy knows of."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split("\n\n")[0].splitlines()
    except OSError:
        return "", _read_cpu_features()
    facts = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return facts.get("model name", ""), tuple(facts.get("flags", facts.get("Features", "")).split())


def _read_cpu_features() -> tuple[str, ...]:
    """Return the instruction sets that numpy has found; it has no public name for them, so they may be none."""
    for core in ("numpy._core", "numpy.core"):
        with contextlib.suppress(ImportError, AttributeError):
            features = importlib.import_module(f"{core}._multiarray_umath").__cpu_features__
            return tuple(name.lower() for name, found in features.items() if found)
    return ()


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


def _read_cache(path: Path) -> dict[str, bool]:
    try:
        known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except (OSError, ValueError, RecursionError):
        return {}
    return known if isinstance(known, dict) else {}
