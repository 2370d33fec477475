"""What ONNX Runtime offers on this machine, what really works, and the command that fixes it."""

from __future__ import annotations

from dataclasses import dataclass

from napari_inpaint.inference.runtime.loading import measure, open_session
from napari_inpaint.inference.runtime.providers import (
    CUDA,
    find_cuda_problem,
    fix_runtime,
    import_onnxruntime,
    installed_runtimes,
    load_driver,
)


@dataclass(frozen=True, slots=True)
class DeviceReport:
    """What `check_devices` found."""

    lines: tuple[str, ...]
    healthy: bool
    """False when there is something to fix."""

    def __str__(self) -> str:
        """Return the lines as a text."""
        return "\n".join(self.lines)


def check_devices() -> DeviceReport:
    """Try every device that matters, and say what works; for what does not, why, and the command that fixes it."""
    installed = installed_runtimes()
    named = ", ".join(f"{name} {version}" for name, version in installed.items())
    lines = [f"installed: {named or 'none of the usual wheels'}"]
    healthy = len(installed) < 2
    if len(installed) > 1:
        lines.append(f"these overwrite each other's files: only one may stay; fix it with: {fix_runtime()}")
    try:
        ort = import_onnxruntime()
    except ImportError as error:
        return DeviceReport((*lines, str(error)), healthy=False)
    available = ort.get_available_providers()
    lines.append(f"ONNX Runtime {ort.__version__} offers: {', '.join(available)} (that is, it was built for them)")

    try:
        session = open_session(None, "cpu")
        milliseconds = 1e3 * measure(session) * session.spec.window**2
        lines.append(
            f"cpu: works, {milliseconds:.1f} ms for {_describe(session.spec.window)} in {session.spec.precision}"
        )
    except (ValueError, RuntimeError) as error:
        lines.append(f"cpu: does not work: {error}")
        healthy = False

    problem = find_cuda_problem(ort)
    if problem:
        lines.append(f"cuda: does not work: {problem}")
        driver = load_driver()
        if driver is not None and driver.gpus:
            healthy = False
            if CUDA not in available:
                lines.append(f"to use the GPU: {fix_runtime()}")
        return DeviceReport((*lines, "auto: runs on the CPU"), healthy)
    try:
        session = open_session(None, "cuda")
        milliseconds = 1e3 * measure(session) * session.spec.window**2
        works = session.provider == CUDA
        lines.append(
            f"cuda: works, {milliseconds:.1f} ms for {_describe(session.spec.window)} in {session.spec.precision}"
            if works else f"cuda: does not work: {session.cuda_problem}"
        )  # fmt: skip
    except (ValueError, RuntimeError) as error:
        works = False
        lines.append(f"cuda: does not work: {error}")
    return DeviceReport((*lines, f"auto: runs on {'CUDA' if works else 'the CPU'}"), healthy and works)


def _describe(side: int) -> str:
    return f"a window of {side} x {side} pixels"
