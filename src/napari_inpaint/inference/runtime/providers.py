"""Execution providers of ONNX Runtime: which one to ask for, what stands in its way, and the command that fixes it."""

from __future__ import annotations

import contextlib
import ctypes
import importlib.metadata
import io
import os
import platform
import re
import sys
from dataclasses import dataclass
from typing import Any

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
RUNTIMES = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml", "onnxruntime-openvino", "onnxruntime-silicon")
"""Distributions that install the same module; with two of them, one overwrites the other's files."""
LAST_OF_CUDA_12 = "<1.27"
FIX_LIBRARIES = 'pip install "onnxruntime-gpu[cuda,cudnn]"'

LONGEST_REASON = 300
"""Characters of what a provider says that are shown."""

_forked = False


def _after_fork() -> None:
    global _forked
    _forked = "onnxruntime" in sys.modules


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def refuse_fork() -> None:
    """Refuse to go on in a process that was forked after ONNX Runtime was loaded: it would hang or crash.

    Raises
    ------
    RuntimeError
        With the remedy.
    """
    if _forked:
        raise RuntimeError(
            "this process was forked after ONNX Runtime was loaded, which does not survive that: start processes with "
            "multiprocessing.get_context('spawn') or 'forkserver'"
        )


def import_onnxruntime() -> Any:
    """Import ONNX Runtime, and recognise an installation that two wheels have broken.

    Raises
    ------
    ImportError
        With the command that fixes it.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # it would keep a list of events in the user's home
    try:
        import onnxruntime
    except ImportError as error:
        raise ImportError(f"ONNX Runtime cannot be imported ({error}); fix it with: {fix_runtime()}") from error
    if not hasattr(onnxruntime, "InferenceSession"):
        raise ImportError(f"ONNX Runtime is only half installed; fix it with: {fix_runtime()}")
    return onnxruntime


def make_options(ort: Any, threads: int | None = None) -> Any:
    """Return ONNX Runtime's options for a session, with which int8 is right on every CPU.

    x86 CPUs without VNNI add pairs of 8-bit products in 16 bits, which overflows: skies then come out 10 dB worse. The
    option has ONNX Runtime avoid that where it can happen; elsewhere it changes nothing.

    Parameters
    ----------
    ort
        The module.
    threads
        Of the CPU provider; all cores when it is None.
    """
    options = ort.SessionOptions()
    options.log_severity_level = 4  # failures are raised; warnings would reach the user's terminal
    options.add_session_config_entry("session.x64quantprecision", "1")
    if threads is not None:
        options.intra_op_num_threads = threads
    return options


def installed_runtimes() -> dict[str, str]:
    """Return the versions of the installed distributions of ONNX Runtime by name."""
    found = {}
    for name in RUNTIMES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def fix_runtime() -> str:
    """Return the command that leaves one working ONNX Runtime."""
    installed = list(installed_runtimes()) or ["onnxruntime", "onnxruntime-gpu"]
    if (sys.platform, platform.machine()) not in (("linux", "x86_64"), ("win32", "AMD64")):
        wanted = "onnxruntime"
    else:
        wanted = "onnxruntime-gpu[cuda,cudnn]" if load_driver() else "onnxruntime-gpu"  # runs on the CPU too
    return f'pip uninstall -y {" ".join(installed)} && pip install "{wanted}"'


def choose_providers(device: str, ort: Any) -> tuple[list[str], str]:
    """Return the providers to ask for, best first, and why CUDA is not among them although there is a GPU.

    Raises
    ------
    ValueError
        When the device is unknown, or cannot be used.
    """
    available = ort.get_available_providers()
    if device in ("cpu", CPU):
        return [CPU], ""
    if device in ("auto", "cuda", CUDA):
        problem = find_cuda_problem(ort)
        if not problem:
            return [CUDA, CPU], ""
        if device != "auto":
            raise ValueError(f"device {device!r} cannot be used: {problem}; or use device='auto' or 'cpu'")
        driver = load_driver()
        return [CPU], problem if driver is not None and driver.gpus else ""
    if device in available:
        return [device, CPU], ""
    raise ValueError(f"unknown device {device!r}: use auto, cpu, cuda or one of {', '.join(available)}")


def find_cuda_problem(ort: Any) -> str:
    """Return why CUDA cannot be used, and what fixes it, or an empty string; loads CUDA's libraries on the way.

    ONNX Runtime lists its CUDA provider on machines without a GPU too, and complains loudly when it is asked for it;
    so the driver and the libraries are asked first.
    """
    if CUDA not in ort.get_available_providers():
        return "the installed ONNX Runtime has no CUDA support"
    driver = load_driver()
    if driver is None:
        return "no NVIDIA driver is installed"
    if not driver.gpus:
        return "the NVIDIA driver finds no GPU"
    wanted = int((getattr(ort, "cuda_version", "") or "0").split(".")[0])
    if driver.cuda[0] < wanted:
        older = f', or pip install "onnxruntime-gpu[cuda,cudnn]{LAST_OF_CUDA_12}"' if wanted == 13 else ""
        return (f"the NVIDIA driver knows CUDA up to {driver.cuda[0]}.{driver.cuda[1]}, ONNX Runtime {ort.__version__} "
                f"needs {wanted}; fix it with: a newer driver{older}")  # fmt: skip
    missing = _preload_libraries(ort)
    return f"CUDA's libraries are missing ({', '.join(missing)}); fix it with: {FIX_LIBRARIES}" if missing else ""


@dataclass(frozen=True, slots=True)
class Driver:
    """The NVIDIA driver."""

    gpus: int
    cuda: tuple[int, int]
    """The newest version of CUDA that it knows."""


def load_driver() -> Driver | None:
    """Return what the NVIDIA driver says of itself; None when there is none."""
    try:
        library = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return None
    gpus, version = ctypes.c_int(), ctypes.c_int()
    found = library.cuInit(0) == 0 and library.cuDeviceGetCount(ctypes.byref(gpus)) == 0
    library.cuDriverGetVersion(ctypes.byref(version))
    return Driver(gpus.value if found else 0, (version.value // 1000, version.value % 1000 // 10))


def _preload_libraries(ort: Any) -> list[str]:
    """Load CUDA and cuDNN, from pip's packages or the system; return the names of those that are not there."""
    if not hasattr(ort, "preload_dlls"):
        return []
    with contextlib.redirect_stdout(io.StringIO()) as said:  # it prints what it does not find, and goes on
        ort.preload_dlls()
    return re.findall(r"^Failed to load ([^/\\\s]+): ", said.getvalue(), re.MULTILINE)


def find_reason(said: str) -> str:
    """Return the cause in what a provider says: the last line, without what ONNX Runtime puts in front."""
    lines = [line.strip() for line in said.splitlines() if line.strip()] or ["nothing"]
    reason = lines[-1].rpartition("Status Message: ")[2].rstrip(".")
    return reason if len(reason) <= LONGEST_REASON else f"{reason[: LONGEST_REASON - 4]} ..."
