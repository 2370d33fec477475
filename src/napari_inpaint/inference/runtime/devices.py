"""What ONNX Runtime offers on this machine, what really works, and the command that fixes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from napari_inpaint.inference.runtime.loading import measure, open_session
from napari_inpaint.inference.runtime.providers import (
    CPU,
    CUDA,
    find_cuda_problem,
    fix_runtime,
    import_onnxruntime,
    installed_runtimes,
    load_driver,
)
from napari_inpaint.inference.runtime.trying import PATIENCE, try_apart

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOT_HERE = {"AzureExecutionProvider": "it sends images to a server of Azure, and is no device of this machine"}
"""Providers that are not tried, and why."""
ON_CUDA = ("TensorrtExecutionProvider",)
"""Providers that need what CUDA needs, and more."""


@dataclass(frozen=True, slots=True)
class DeviceReport:
    """What `check_devices` found."""

    lines: tuple[str, ...]
    healthy: bool
    """False when there is something to fix."""

    def __str__(self) -> str:
        """Return the lines as a text."""
        return "\n".join(self.lines)


def check_devices(say: Callable[[str], object] = lambda _: None) -> DeviceReport:
    """Try every device, and say what works; for what does not, why, and the command that fixes it, where one is known.

    Parameters
    ----------
    say
        Is told, in a sentence, what is being tried and may take long.
    """
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

    works, said = _try_usual("cpu", CPU)
    lines.append(said)
    healthy &= works
    problem = find_cuda_problem(ort)
    works, said = (False, f"cuda: does not work: {problem}") if problem else _try_usual("cuda", CUDA)
    lines.append(said)
    driver = load_driver()
    if not problem:
        healthy &= works
    elif driver is not None and driver.gpus:
        healthy = False
        if CUDA not in available:
            lines.append(f"to use the GPU: {fix_runtime()}")
    lines += _try_others(available, problem, say)
    return DeviceReport((*lines, f"auto: runs on {'CUDA' if works else 'the CPU'}"), healthy)


def _try_usual(device: str, provider: str) -> tuple[bool, str]:
    """Return whether a device works that `Inpainter` may choose by itself, and a line about it."""
    try:
        session = open_session(None, device)
        milliseconds = 1e3 * measure(session) * session.spec.window**2
    except (ValueError, RuntimeError) as error:
        return False, f"{device}: does not work: {error}"
    if session.provider != provider:
        return False, f"{device}: does not work: {session.cuda_problem}"
    window = f"a window of {session.spec.window} x {session.spec.window} pixels"
    return True, f"{device}: works, {milliseconds:.1f} ms for {window} in {session.spec.precision}"


def _try_others(available: Any, cuda_problem: str, say: Callable[[str], object]) -> Iterator[str]:
    """Give a line about each provider that runs only when its name is given as the device."""
    for provider in available:
        if provider in (CPU, CUDA):
            continue
        if provider in NOT_HERE:
            yield f"{provider}: not tried: {NOT_HERE[provider]}"
        elif provider in ON_CUDA and cuda_problem:
            yield f"{provider}: does not work: {cuda_problem}"
        else:
            say(f"trying {provider}: it may compile the model for minutes, and is stopped after {PATIENCE} s")
            result = try_apart(provider)
            yield f"{provider}: {result}" + (
                f"; use it with: --device {provider}" if result.startswith("works") else ""
            )
